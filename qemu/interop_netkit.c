// SPDX-License-Identifier: MIT
/*
 * Mixtures of veth and netkit, with traffic through them; a step a mixture, its outcome one word.
 *
 *	interop_netkit --list			the kinds of load, one a line
 *	interop_netkit host FILE		both pods of each mixture here
 *	interop_netkit drive FILE		the left ones here, the right ones in the guest that serves
 *	interop_netkit serve
 *	interop_netkit lives			devices moved and deleted under traffic, and many of them
 *
 * A line of FILE is "NAME LEFT RIGHT FAMILY LOAD". What should come of it is not known here: the host judges. A guest has
 * all pods at once: pod pGD is of side G (1 left, 2 right) and device D (as in `devices`), has 10.G.D.2 and fd00:G:D::2,
 * and its gateway hGD is in the first namespace. On a VLAN of it are 10.(G+10).D.2 and fd00:(G+16):D::2 (hexadecimal);
 * a VLAN of the wire joins those of the guests. In each right pod an echo answers.
 */
#define _GNU_SOURCE
#include "lab.h"

#include <netinet/udp.h>
#include <signal.h>
#include <sys/klog.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { ECHO = 7000, CONTROL = 7100, WAIT = 1500 /* ms */, GIVE_UP = 3 };
enum { USUAL = 1500, JUMBO = 9000 };

/*
 * Netkit's L3 devices have no link-layer address, and a VLAN without one does not come up. Without neighbours a VLAN sends
 * to its own address, so that both ends have one and the same.
 */
static const char *const vlan_address[DEVICES] = { "", "", "address 02:00:00:00:00:0a" };

/* -- pods */

static bool used[DEVICES] = { true, true, true };	/* fewer where a kernel without netkit is asked */

static void add_pod(int g, int d)
{
	char in[32], pod[16], name[16];

	snprintf(pod, sizeof(pod), "p%d%d", g, d);
	snprintf(in, sizeof(in), "-n %s", pod);
	ip_do("", "netns add %s\nlink add h%d%d %s name %s\nlink set %s netns %s\n"
	      "addr add 10.%d.%d.1/24 dev h%d%d\naddr add fd00:%d:%d::1/64 dev h%d%d nodad\nlink set h%d%d up\n"
	      "link add link h%d%d name h%d%d.10 %s type vlan id 10\n"
	      "addr add 10.%d.%d.1/24 dev h%d%d.10\naddr add fd00:%x:%d::1/64 dev h%d%d.10 nodad\nlink set h%d%d.10 up\n",
	      pod, g, d, kinds[d], pod, pod, pod, g, d, g, d, g, d, g, d, g, d,
	      g, d, g, d, vlan_address[d], g + 10, d, g, d, g + 16, d, g, d, g, d);
	ip_do(in, "link set lo up\naddr add 10.%d.%d.2/24 dev %s\naddr add fd00:%d:%d::2/64 dev %s nodad\n"
	      "link set %s up\nlink add link %s name v10 %s type vlan id 10\n"
	      "addr add 10.%d.%d.2/24 dev v10\naddr add fd00:%x:%d::2/64 dev v10 nodad\nlink set v10 up\n"
	      "route add default via 10.%d.%d.1\nroute add default via fd00:%d:%d::1\n"
	      "route add 10.%d.0.0/16 via 10.%d.%d.1\nroute add fd00:%x::/32 via fd00:%x:%d::1\n",
	      g, d, pod, g, d, pod, pod, pod, vlan_address[d], g + 10, d, g + 16, d,
	      g, d, g, d, 13 - g, g + 10, d, 19 - g, g + 16, d);
	enter(pod);
	await_running(pod);
	await_running("v10");
	go_home();
	snprintf(name, sizeof(name), "h%d%d", g, d);
	await_running(name);
	snprintf(name, sizeof(name), "h%d%d.10", g, d);
	await_running(name);
}

static void join_wire(int g)
{
	int o = 3 - g;

	ip_do("", "addr add 192.168.7.%d/24 dev eth0\naddr add fd00:ff::%d/64 dev eth0 nodad\nlink set eth0 up\n"
	      "link add link eth0 name eth0.10 type vlan id 10\n"
	      "addr add 192.168.8.%d/24 dev eth0.10\naddr add fd00:fe::%d/64 dev eth0.10 nodad\nlink set eth0.10 up\n"
	      "route add 10.%d.0.0/16 via 192.168.7.%d\nroute add fd00:%d::/32 via fd00:ff::%d\n"
	      "route add 10.%d.0.0/16 via 192.168.8.%d\nroute add fd00:%x::/32 via fd00:fe::%d\n",
	      g, g, g, g, o, o, o, o, o + 10, o, o + 16, o);
	await_running("eth0.10");
}

static void forward(void)
{
	write_to("/proc/sys/net/ipv4/ip_forward", "1");
	write_to("/proc/sys/net/ipv6/conf/all/forwarding", "1");
}

/* -- the state of all devices of a side: MTU, offloads */

static void set_mtu(int g, int mtu, bool wire)
{
	char in[32];
	int d;

	/* A VLAN follows its device down and not up. */
	if (wire)
		ip_do("", "link set eth0 mtu %d\nlink set eth0.10 mtu %d\n", mtu, mtu);
	for (d = 0; d < DEVICES; d++) {
		if (!used[d])
			continue;
		snprintf(in, sizeof(in), "-n p%d%d", g, d);
		ip_do("", "link set h%d%d mtu %d\nlink set h%d%d.10 mtu %d\n", g, d, mtu, g, d, mtu);
		ip_do(in, "link set p%d%d mtu %d\nlink set v10 mtu %d\n", g, d, mtu, mtu);
	}
}

static void switch_offloads(const char *device, int on)
{
	static const int what[] = { ETHTOOL_SGSO, ETHTOOL_STSO, ETHTOOL_SSG, ETHTOOL_STXCSUM };
	unsigned int i, n = sizeof(what) / sizeof(what[0]);

	for (i = 0; i < n; i++) {
		struct ethtool_value value = { what[on ? n - 1 - i : i], on };
		int done = ethtool(device, &value);

		if (done)
			die("%s: offload %#x is not to be set: %s", device, value.cmd, strerror(-done));
	}
}

static void set_offloads(int g, int on)
{
	char name[16];
	int d;

	for (d = 0; d < DEVICES; d++) {
		if (!used[d])
			continue;
		snprintf(name, sizeof(name), "h%d%d", g, d);
		switch_offloads(name, on);
		name[0] = 'p';
		enter(name);
		switch_offloads(name, on);
		go_home();
	}
}

static void set_state(int g, const char *what, int value, bool wire)
{
	if (!strcmp(what, "mtu"))
		set_mtu(g, value, wire);
	else
		set_offloads(g, value);
}

/* -- the echo in a right pod: what comes goes back; "?" asks how many checksums were wrong there */

static long wrong_sums(void)
{
	const char *const files[] = { "/proc/self/net/snmp", "/proc/self/net/snmp6" };
	char line[1024];
	long all = 0, value;
	int i;

	for (i = 0; i < 2; i++) {
		FILE *file = fopen(files[i], "r");
		int column = 0, at;
		char *word, *rest;

		while (file && fgets(line, sizeof(line), file)) {
			if (sscanf(line, "Udp6InCsumErrors %ld", &value) == 1)
				all += value;
			if (strncmp(line, "Udp:", 4))
				continue;
			/* A line of names, then one of numbers. */
			for (at = 0, rest = line; (word = strtok_r(rest, " \n", &rest)); at++) {
				if (!strcmp(word, "InCsumErrors"))
					column = at;
				else if (column && at == column)
					all += atol(word);
			}
		}
		if (file)
			fclose(file);
	}
	return all;
}

static void answer(int fd)
{
	static char data[65536];
	struct where from = { .size = sizeof(from.at) };
	long got = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from.at, &from.size);

	if (got == 1 && *data == '?')
		got = snprintf(data, sizeof(data), "%ld", wrong_sums());
	if (got >= 0 && sendto(fd, data, got, 0, (struct sockaddr *)&from.at, from.size) < 0)
		printf("# the echo could not answer: %m\n");
}

/* One connection: back what comes, as it comes, until the other side has said all. */
static void __attribute__((noreturn)) converse(int fd)
{
	static char data[65536];
	long got, done, now;

	while ((got = read(fd, data, sizeof(data))) > 0)
		for (done = 0; done < got; done += now) {
			now = write(fd, data + done, got - done);
			if (now <= 0)
				_exit(1);
		}
	_exit(0);
}

static void __attribute__((noreturn)) echo(int g, int d)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(ECHO) };
	struct pollfd ends[2];
	char pod[16];
	int one = 1, i;

	snprintf(pod, sizeof(pod), "p%d%d", g, d);
	enter(pod);
	signal(SIGCHLD, SIG_IGN);
	for (i = 0; i < 2; i++) {
		ends[i] = (struct pollfd){ socket(AF_INET6, i ? SOCK_STREAM : SOCK_DGRAM, 0), POLLIN, 0 };
		setsockopt(ends[i].fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(ends[i].fd, (struct sockaddr *)&any, sizeof(any)) || (i && listen(ends[i].fd, 64)))
			die("no echo in %s: %m", pod);
	}
	for (;;) {
		poll(ends, 2, -1);
		if (ends[0].revents)
			answer(ends[0].fd);
		if (ends[1].revents) {
			int fd = accept(ends[1].fd, NULL, NULL);

			if (fd >= 0 && !fork())
				converse(fd);
			close(fd);
		}
	}
}

static pid_t echoes[DEVICES];

static void start_echo(int d)
{
	fflush(stdout);
	echoes[d] = fork();
	if (!echoes[d])
		echo(2, d);
}

static void stop_echo(int d)
{
	kill(echoes[d], SIGKILL);
	waitpid(echoes[d], NULL, 0);
}

/* -- the guest that serves is told of states by datagrams, and says when they are so */

static int control = -1;	/* -1: both sides are here */

static bool told(const char *words)
{
	char data[64];
	int tries;

	for (tries = 0; tries < 60; tries++) {
		if (send(control, words, strlen(words), 0) < 0)
			usleep(500 * 1000);
		else if (readable(control, 5000) && recv(control, data, sizeof(data), 0) > 0)
			return true;
	}
	return false;
}

static void demand(const char *what, int value)
{
	char words[64];

	set_state(1, what, value, control >= 0);
	if (control < 0) {
		set_state(2, what, value, false);
		return;
	}
	snprintf(words, sizeof(words), "%s %d", what, value);
	if (!told(words))
		die("the other guest does not answer to %s", words);
}

static int serve(void)
{
	struct where here = where("192.168.7.2", CONTROL), from;
	char data[64], what[16], last[64] = "";
	int fd, d, value;
	long got;

	puts("step serve");
	forward();
	join_wire(2);
	for (d = 0; d < DEVICES; d++) {
		add_pod(2, d);
		start_echo(d);
	}
	fd = socket_in(NULL, AF_INET, SOCK_DGRAM, 0);
	if (bind(fd, (struct sockaddr *)&here.at, here.size))
		die("no control socket: %m");
	for (*what = 0; strcmp(what, "bye");) {
		from.size = sizeof(from.at);
		got = recvfrom(fd, data, sizeof(data) - 1, 0, (struct sockaddr *)&from.at, &from.size);
		data[got > 0 ? got : 0] = 0;
		/* What is said twice, because the answer was late, is done once. */
		if (sscanf(data, "%15s %d", what, &value) == 2 && strcmp(data, last))
			set_state(2, what, value, true);
		strcpy(last, data);
		sendto(fd, data, strlen(data), 0, (struct sockaddr *)&from.at, from.size);
	}
	for (d = 0; d < DEVICES; d++)
		stop_echo(d);
	puts("pass serve");
	return 0;
}

/* -- loads: each says in one word what came of it */

struct run {
	char name[64], left[16], right[16], load[16], pod[16], ip[48], self[48];
	int family, sent, received;
};

static unsigned char pattern(long at)
{
	return at * 31 + (at >> 8) * 7 + (at >> 16);
}

static void fill(char *data, long from, long size)
{
	while (size-- > 0)
		data[size] = pattern(from + size);
}

static bool same(const char *data, long from, long size)
{
	while (size-- > 0)
		if ((unsigned char)data[size] != pattern(from + size))
			return false;
	return true;
}

static const char *verdict(const struct run *run)
{
	return run->received == run->sent ? "delivered" : run->received ? "partly" : "lost";
}

static int connected(const struct run *run, int type)
{
	struct where there = where(run->ip, ECHO), self = where(run->self, 0);
	int fd = socket_in(run->pod, there.at.ss_family, type, 0);
	struct timeval wait = { 5, 0 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (bind(fd, (struct sockaddr *)&self.at, self.size))
		die("%s is not in %s: %m", run->self, run->pod);
	if (connect(fd, (struct sockaddr *)&there.at, there.size)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Datagrams of growing size, each asked back before the next one; `whole`: none may be cut on the way. */
static const char *datagrams(struct run *run, int count, int from, int to, bool whole)
{
	static char data[65536];
	int fd = connected(run, SOCK_DGRAM), i, lost = 0;
	int never = 2 /* IP_PMTUDISC_DO */, level = run->family == 4 ? IPPROTO_IP : IPPROTO_IPV6;
	const char *outcome;

	if (fd < 0)
		return "refused";
	if (whole)
		setsockopt(fd, level, run->family == 4 ? 10 /* IP_MTU_DISCOVER */ : 23, &never, sizeof(never));
	for (i = 0; i < count && lost < GIVE_UP; i++) {
		int size = from + (long)(to - from) * i / (count > 1 ? count - 1 : 1);

		fill(data, i, size);
		run->sent++;
		if (send(fd, data, size, 0) != size) {
			outcome = errno == EMSGSIZE ? "refused" : "failed";
			close(fd);
			return outcome;
		}
		memset(data, 0, size);
		if (!readable(fd, WAIT) || recv(fd, data, sizeof(data), 0) != size)
			lost++;
		else if (!same(data, i, size))
			return "corrupted";
		else
			run->received++;
	}
	close(fd);
	return verdict(run);
}

static const char *udp(struct run *run)
{
	return datagrams(run, 30, 1, 1400, true);
}

static const char *fragments(struct run *run)
{
	return datagrams(run, 5, 4000, 8000, false);
}

static const char *jumbo(struct run *run)
{
	return datagrams(run, 5, JUMBO - 200, JUMBO - 80, true);
}

/* A stream both ways at once, so that segmentation and receive offloads have something to join. */
static const char *tcp(struct run *run)
{
	static char data[65536], back[65536];
	const long all = 384 * 1024;
	long out = 0, in = 0, now;
	int fd = connected(run, SOCK_STREAM);

	if (fd < 0)
		return "refused";
	run->sent = all;
	while (in < all) {
		struct pollfd wait = { fd, POLLIN | (out < all ? POLLOUT : 0), 0 };

		if (poll(&wait, 1, 5000) <= 0)
			break;
		if (wait.revents & POLLOUT) {
			now = all - out < (long)sizeof(data) ? all - out : (long)sizeof(data);
			fill(data, out, now);
			now = send(fd, data, now, MSG_DONTWAIT);
			out += now > 0 ? now : 0;
		}
		if (wait.revents & POLLIN) {
			now = recv(fd, back, sizeof(back), MSG_DONTWAIT);
			if (now == 0 || (now < 0 && errno != EAGAIN))
				break;
			if (now > 0 && !same(back, in, now))
				return "corrupted";
			in += now > 0 ? now : 0;
		}
	}
	run->received = in;
	close(fd);
	return verdict(run);
}

/* One send, which the kernel cuts into datagrams. */
static const char *segments(struct run *run)
{
	static char data[12000];
	int fd = connected(run, SOCK_DGRAM), size = 1200, i;

	if (fd < 0)
		return "refused";
	if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)))
		return "refused";
	fill(data, 0, sizeof(data));
	run->sent = sizeof(data) / size;
	if (send(fd, data, sizeof(data), 0) != sizeof(data)) {
		printf("# %s: %m\n", run->name);
		close(fd);
		return "failed";
	}
	for (i = 0; i < run->sent; i++) {
		char part[2048];

		if (!readable(fd, WAIT) || recv(fd, part, sizeof(part), 0) != size)
			break;
		if (!same(part, (long)i * size, size))
			return "corrupted";
		run->received++;
	}
	close(fd);
	return verdict(run);
}

/* -- checksums: datagrams made by hand, of which the kernel computes none */

static unsigned int add_up(const void *data, int size, unsigned int sum)
{
	const unsigned char *byte = data;
	int i;

	for (i = 0; i < size; i++)
		sum += i & 1 ? byte[i] : byte[i] << 8;
	return sum;
}

static unsigned short sum_of(const struct run *run, const void *segment, int size)
{
	int family = run->family == 4 ? AF_INET : AF_INET6, length = run->family == 4 ? 4 : 16;
	unsigned char address[16];
	unsigned int sum = IPPROTO_UDP + size;

	inet_pton(family, run->self, address);
	sum = add_up(address, length, sum);
	inet_pton(family, run->ip, address);
	sum = add_up(address, length, sum);
	sum = add_up(segment, size, sum);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff ? htons(~sum & 0xffff) : 0xffff;
}

static long asked_sums(int fd)
{
	char data[32] = "";

	if (send(fd, "?", 1, 0) != 1 || !readable(fd, WAIT) || recv(fd, data, sizeof(data) - 1, 0) <= 0)
		return -1;
	return atol(data);
}

enum { BAD = 5, GOOD = 5 };

/* Five with a bit that fell over on the way, then five whole ones; the receiver's count must tell them apart. */
static const char *wrong_checksums(struct run *run)
{
	struct where there = where(run->ip, 0), self = where(run->self, 0), port = { .size = sizeof(port.at) };
	struct { struct udphdr head; char data[101]; } packet;
	int fd = connected(run, SOCK_DGRAM), raw, i, bad = 0, good = 0;
	char back[256];
	long before, after;

	if (fd < 0)
		return "refused";
	raw = socket_in(run->pod, there.at.ss_family, SOCK_RAW, IPPROTO_UDP);
	if (bind(raw, (struct sockaddr *)&self.at, self.size))
		die("no raw socket: %m");
	getsockname(fd, (struct sockaddr *)&port.at, &port.size);
	before = asked_sums(fd);
	for (i = 0; i < BAD + GOOD; i++) {
		packet.head = (struct udphdr){ .len = htons(sizeof(packet)), .dest = htons(ECHO) };
		packet.head.source = ((struct sockaddr_in *)&port.at)->sin_port;	/* at the same place in both */
		fill(packet.data, i, sizeof(packet.data));
		packet.head.check = sum_of(run, &packet, sizeof(packet));
		if (i < BAD)
			packet.data[50] ^= 0x10;
		run->sent++;
		if (sendto(raw, &packet, sizeof(packet), 0, (struct sockaddr *)&there.at, there.size) < 0)
			return "failed";
		if (readable(fd, i < BAD ? 100 : WAIT) && recv(fd, back, sizeof(back), 0) > 0)
			i < BAD ? bad++ : good++;
	}
	after = asked_sums(fd);
	run->received = good;
	close(raw);
	close(fd);
	if (bad)
		return "accepted";
	if (good != GOOD || before < 0)
		return "lost";
	return after - before == BAD ? "rejected" : "uncounted";
}

struct load {
	const char *name, *(*run)(struct run *);
	bool vlan, jumbo, plain;
};

static const struct load loads[] = {
	{ "udp", udp, false, false, false },
	{ "tcp", tcp, false, false, false },
	{ "udpgso", segments, false, false, false },
	{ "fragments", fragments, false, false, false },
	{ "badsum", wrong_checksums, false, false, false },
	{ "vlan_udp", udp, true, false, false },
	{ "vlan_tcp", tcp, true, false, false },
	{ "toolong", jumbo, false, false, false },
	{ "plain_udp", udp, false, false, true },	/* every transmit offload switched off */
	{ "plain_tcp", tcp, false, false, true },
	{ "jumbo_udp", jumbo, false, true, false },
	{ "jumbo_tcp", tcp, false, true, false },
};
enum { LOADS = sizeof(loads) / sizeof(loads[0]), MOST = 2000 };

static struct run runs[MOST];
static int run_count;

static void read_runs(const char *file)
{
	FILE *cases = fopen(file, "r");
	struct run *run;

	if (!cases)
		die("%s: %m", file);
	memset(used, 0, sizeof(used));
	for (run = runs; run < runs + MOST; run++) {
		if (fscanf(cases, "%63s %15s %15s %d %15s", run->name, run->left, run->right, &run->family, run->load) != 5)
			break;
		used[device_of(run->left)] = used[device_of(run->right)] = true;
	}
	run_count = run - runs;
	fclose(cases);
}

static void address(struct run *run, bool vlan)
{
	int l = device_of(run->left), r = device_of(run->right);
	bool six = run->family == 6;
	const char *format = six ? "fd00:%x:%d::2" : "10.%d.%d.2";
	int more = !vlan ? 0 : six ? 16 : 10;

	snprintf(run->self, sizeof(run->self), format, 1 + more, l);
	snprintf(run->ip, sizeof(run->ip), format, 2 + more, r);
	snprintf(run->pod, sizeof(run->pod), "p1%d", l);
}

/*
 * Before anything counts, all know the way: a gateway asks for addresses only after its own one has been tried out, which
 * takes a second or two. Whom nobody reaches is told by the cases.
 */
static void meet(void)
{
	int i, tries;

	for (i = 0; i < run_count; i++) {
		struct run run = runs[i];

		if (strcmp(run.load, "udp") && strcmp(run.load, "vlan_udp"))
			continue;
		address(&run, !strcmp(run.load, "vlan_udp"));
		for (tries = 0; tries < 3 && strcmp(datagrams(&run, 1, 1, 1, true), "delivered"); tries++)
			run.sent = run.received = 0;
	}
}

static void run_one(const struct load *load, struct run *run)
{
	const char *outcome;

	address(run, load->vlan);
	said("step", "%s", run->name);
	outcome = load->run(run);
	said("figure", "%s sent=%d received=%d", run->name, run->sent, run->received);
	said("pass", "%s %s", run->name, outcome);
}

/* All cases of one load after each other, so that states change seldom. */
static void run_all(void)
{
	int i, n, mtu = USUAL, offloads = 1;

	meet();
	for (n = 0; n < LOADS; n++) {
		const struct load *load = &loads[n];
		bool any = false;

		for (i = 0; i < run_count; i++)
			any |= !strcmp(runs[i].load, load->name);
		if (any && offloads != !load->plain)
			demand("offload", offloads = !load->plain);
		if (any && mtu != (load->jumbo ? JUMBO : USUAL))
			demand("mtu", mtu = load->jumbo ? JUMBO : USUAL);
		for (i = 0; i < run_count; i++)
			if (!strcmp(runs[i].load, load->name))
				run_one(load, &runs[i]);
	}
}

static int here(const char *file)
{
	int d;

	read_runs(file);
	forward();
	for (d = 0; d < DEVICES; d++) {
		if (!used[d])
			continue;
		add_pod(1, d);
		add_pod(2, d);
		start_echo(d);
	}
	usleep(300 * 1000);
	run_all();
	for (d = 0; d < DEVICES; d++)
		if (used[d])
			stop_echo(d);
	return 0;
}

static int drive(const char *file)
{
	struct where there = where("192.168.7.2", CONTROL);
	int d;

	read_runs(file);
	forward();
	join_wire(1);
	for (d = 0; d < DEVICES; d++) {
		used[d] = true;	/* as the other guest has them */
		add_pod(1, d);
	}
	control = socket_in(NULL, AF_INET, SOCK_DGRAM, 0);
	if (connect(control, (struct sockaddr *)&there.at, there.size) || !told("hello"))
		die("the other guest is not there");
	usleep(500 * 1000);
	run_all();
	told("bye");
	return 0;
}

/* -- devices come and go under traffic */

enum { MANY = 500 /* pairs */, CROWD = 77 /* their group */, SETTLE = 300 /* ms */ };

/* Datagrams from one pod to another without end, whatever becomes of either. */
static pid_t flood(const char *pod, const char *ip)
{
	struct where there = where(ip, ECHO);
	pid_t child;
	int fd;

	fflush(stdout);
	child = fork();
	if (child)
		return child;
	enter(pod);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	for (;;) {
		sendto(fd, "flood", 5, MSG_DONTWAIT, (struct sockaddr *)&there.at, there.size);
		sched_yield();
	}
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* Datagrams from the left to the right pod and back, after whatever was done. */
static const char *works(int d)
{
	struct run run = { .family = 4 };
	const char *outcome;

	snprintf(run.pod, sizeof(run.pod), "p1%d", d);
	snprintf(run.self, sizeof(run.self), "10.1.%d.2", d);
	snprintf(run.ip, sizeof(run.ip), "10.2.%d.2", d);
	start_echo(d);
	usleep(SETTLE * 1000);
	outcome = datagrams(&run, 3, 10, 1000, true);
	stop_echo(d);
	return outcome;
}

static void clear(int d)
{
	ip_says("", "netns del p1%d\n", d);
	ip_says("", "netns del p2%d\n", d);
	usleep(SETTLE * 1000);
}

/* A pod's device goes to another namespace and back; its addresses stay behind, as ever, and are given again. */
static void moved(int d)
{
	char left[16], right[16], to_left[16], to_right[16], in[32];
	pid_t children[2];

	said("step", "moved_%s", devices[d]);
	add_pod(1, d);
	add_pod(2, d);
	ip_do("", "netns add elsewhere\n");
	snprintf(left, sizeof(left), "p1%d", d);
	snprintf(right, sizeof(right), "p2%d", d);
	snprintf(to_left, sizeof(to_left), "10.1.%d.2", d);
	snprintf(to_right, sizeof(to_right), "10.2.%d.2", d);
	snprintf(in, sizeof(in), "-n %s", right);
	children[0] = flood(left, to_right);
	children[1] = flood(right, to_left);
	usleep(SETTLE * 1000);
	ip_do(in, "link del v10\nlink set %s netns elsewhere\n", right);
	usleep(SETTLE * 1000);
	ip_do("-n elsewhere", "link set %s up\nlink set %s netns %s\n", right, right, right);
	ip_do(in, "addr add 10.2.%d.2/24 dev %s\nlink set %s up\nroute add default via 10.2.%d.1\n", d, right, right, d);
	end(children[0]);
	end(children[1]);
	said("pass", "moved_%s %s", devices[d], works(d));
	ip_do("", "netns del elsewhere\n");
	clear(d);
}

/* Either the namespace of a pod goes, or the host's end of its device: the other end must go, too. */
static void deleted(int d, const char *what)
{
	char pod[16], to[16], host[16];
	pid_t child;
	int tries;

	said("step", "%s_deleted_%s", what, devices[d]);
	add_pod(1, d);
	add_pod(2, d);
	snprintf(to, sizeof(to), "10.2.%d.2", d);
	snprintf(pod, sizeof(pod), "p1%d", d);
	snprintf(host, sizeof(host), "h2%d", d);
	child = flood(pod, to);
	usleep(SETTLE * 1000);
	if (!strcmp(what, "device"))
		ip_do("", "link del %s\n", host);
	ip_do("", "netns del p2%d\n", d);
	/* A namespace is taken down by a thread of the kernel's. */
	for (tries = 0; tries < 100 && if_nametoindex(host); tries++)
		usleep(100 * 1000);
	end(child);
	if (if_nametoindex(host)) {
		said("pass", "%s_deleted_%s left", what, devices[d]);
	} else {
		add_pod(2, d);
		said("pass", "%s_deleted_%s %s", what, devices[d], works(d));
	}
	clear(d);
}

/* -- many devices */

struct memory {
	long slab, percpu, devices;
};

static long kilobytes(const char *key)
{
	char line[128], name[64];
	long value, found = -1;
	FILE *file = fopen("/proc/meminfo", "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63[^:]: %ld", name, &value) == 2 && !strcmp(name, key))
			found = value;
	if (file)
		fclose(file);
	return found;
}

static struct memory memory(void)
{
	struct if_nameindex *all = if_nameindex(), *one;
	struct memory found = { kilobytes("SUnreclaim"), kilobytes("Percpu"), 0 };

	for (one = all; one && one->if_index; one++)
		found.devices++;
	if_freenameindex(all);
	return found;
}

static void add_many(int d)
{
	char name[16], peer[16];
	int i, done;

	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		snprintf(peer, sizeof(peer), "n%d", i);
		done = make_pair(d, name, peer, CROWD);
		if (done)
			die("pair %d of %s: %s", i, devices[d], strerror(-done));
	}
}

/* Twice: the first round fills the kernel's caches, the second must give back all that it takes. */
static void many(int d)
{
	struct memory before = {}, full = {}, after;
	int round;

	said("step", "many_%s", devices[d]);
	for (round = 0; round < 2; round++) {
		usleep(2 * SETTLE * 1000);
		before = memory();
		add_many(d);
		full = memory();
		ip_do("", "link del group %d\n", CROWD);
	}
	usleep(4 * SETTLE * 1000);
	after = memory();
	said("figure", "many_%s made=%ld left=%ld slab_kb=%ld percpu_kb=%ld used_kb=%ld", devices[d],
	     full.devices - before.devices, after.devices - before.devices, after.slab - before.slab,
	     after.percpu - before.percpu, full.slab - before.slab);
	said("pass", "many_%s %s", devices[d], full.devices - before.devices != 2 * MANY ? "unmade" :
	     after.devices != before.devices ? "left" : "gone");
}

/* What the kernel says of a device whose users are not all gone. */
static void log_is_quiet(void)
{
	static char log[1 << 18];
	int size;

	said("step", "references");
	size = klogctl(3 /* read all */, log, sizeof(log) - 1);
	log[size > 0 ? size : 0] = 0;
	said("pass", "references %s", size <= 0 ? "unread" : strstr(log, "unregister_netdevice: waiting") ? "held" :
	     "released");
}

static int lives(void)
{
	int d;

	forward();
	for (d = 0; d < DEVICES; d++) {
		moved(d);
		deleted(d, "netns");
		deleted(d, "device");
		many(d);
	}
	log_is_quiet();
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(what, "--list")) {
		for (n = 0; n < LOADS; n++)
			puts(loads[n].name);
		return 0;
	}
	remember_home();
	if (!strcmp(what, "host") && argc == 3)
		return here(argv[2]);
	if (!strcmp(what, "drive") && argc == 3)
		return drive(argv[2]);
	if (!strcmp(what, "serve"))
		return serve();
	if (!strcmp(what, "lives"))
		return lives();
	return 2;
}
