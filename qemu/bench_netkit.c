// SPDX-License-Identifier: MIT
/*
 * What a packet costs on its way out of a pod, through veth and through netkit.
 *
 *	bench_netkit --list			the blocks, one a line
 *	bench_netkit ORDER BLOCK[,BLOCK...]	runs them
 *
 * ORDER 1 makes the pods in the other order, the card last.
 *
 * A block is DEVICE_VERDICT_PATH_LOAD. One process holds both ends of each connection, each socket in its pod's
 * namespace, so that nothing but the packet's way is between a send and its receive: no other process is woken. Run
 * where the clock counts instructions, the nanoseconds are instructions.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf.h>

enum { WARM = 304, BURST = 16, SLICES = 20, SEND = BURST * SLICES * 6, FILL = 400, WAIT = 200 /* ms */,
       GIVE_UP = 3 };
#define NIC_IP "198.51.100.9"

static const char *block;

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list args;

	printf("fail %s ", block);
	va_start(args, format);
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
	_exit(1);
}

/* -- two pods and a card */

enum device { VETH, NETKIT_L2, NETKIT_L3, DEVICES };
static const char *const device_names[] = { "veth", "netkit_l2", "netkit_l3" };
static const char *const device_kinds[] = {
	"type veth peer", "type netkit mode l2 forward peer forward", "type netkit mode l3 forward peer forward",
};

static void batch(const char *options, const char *format, ...)
{
	char command[64];
	va_list args;
	FILE *ip;

	snprintf(command, sizeof(command), "ip %s -batch - 2>&1", options);
	ip = popen(command, "w");
	if (!ip)
		fail("no ip: %m");
	va_start(args, format);
	vfprintf(ip, format, args);
	va_end(args);
	if (pclose(ip))
		fail("ip %s refused: %s", options, format);
}

static unsigned char pod_macs[2][6];	/* of pa and pb */

static const char *mac_of(const char *name, char text[18])
{
	struct ifreq request = {};
	unsigned char *mac = (unsigned char *)request.ifr_hwaddr.sa_data;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		fail("%s has no address: %m", name);
	close(fd);
	sprintf(text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return text;
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail("%s: %m", path);
	close(fd);
}

static void enter(const char *pod)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", pod);
	fd = open(path, O_RDONLY);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		fail("entering %s: %m", pod);
	close(fd);
}

static void go_home(int home)
{
	if (setns(home, CLONE_NEWNET))
		fail("back home: %m");
}

/*
 * No IPv6 here or in a namespace made from now on: it looks for duplicates, routers and listeners for seconds, from a
 * thread of the kernel's, and a redirect takes its packets to the card, where they were one more than had been sent.
 */
static void silence(void)
{
	write_to("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	write_to("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
}

/* Pod a is 10.0.1.2 behind ha, pod b 10.0.2.2 behind hb; no address is asked for on any wire. */
static void add_pod(enum device device, int home, char pod, int net)
{
	char host[18], peer[18], name[3] = { 'p', pod }, host_name[3] = { 'h', pod }, options[16];
	unsigned char *mac = pod_macs[pod - 'a'];

	batch("", "link add h%c %s name p%c\nnetns add %c\n", pod, device_kinds[device], pod, pod);
	enter((char[]){ pod, 0 });
	silence();
	go_home(home);
	mac_of(host_name, host);
	mac_of(name, peer);
	sscanf(peer, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]);
	batch("", "link set p%c netns %c\naddr add 10.0.%d.1/24 dev h%c\nlink set h%c up\n", pod, pod, net, pod, pod);
	snprintf(options, sizeof(options), "-n %c", pod);
	batch(options, "link set lo up\naddr add 10.0.%d.2/24 dev p%c\nlink set p%c up\nroute add default via 10.0.%d.1\n",
	      net, pod, pod, net);
	if (device != NETKIT_L3) {
		batch("", "neigh replace 10.0.%d.2 lladdr %s dev h%c nud permanent\n", net, peer, pod);
		batch(options, "neigh replace 10.0.%d.1 lladdr %s dev p%c nud permanent\n", net, host, pod);
	}
}

/* From here on a pod's packets are addressed to the other pod. */
static void name_each_other(void)
{
	const unsigned char *a = pod_macs[0], *b = pod_macs[1];

	batch("-n a", "neigh replace 10.0.1.1 lladdr %02x:%02x:%02x:%02x:%02x:%02x dev pa nud permanent\n", b[0], b[1],
	      b[2], b[3], b[4], b[5]);
	batch("-n b", "neigh replace 10.0.2.1 lladdr %02x:%02x:%02x:%02x:%02x:%02x dev pb nud permanent\n", a[0], a[1],
	      a[2], a[3], a[4], a[5]);
}

static int make_pods(enum device device, int order)
{
	int home;

	if (unshare(CLONE_NEWNET))
		fail("no network namespace: %m");
	home = open("/proc/self/ns/net", O_RDONLY);
	silence();
	write_to("/proc/sys/net/ipv4/ip_forward", "1");
	if (!order)
		batch("", "link set lo up\nlink add nic type dummy\naddr add 198.51.100.1/24 dev nic\nlink set nic up\n");
	add_pod(device, home, order ? 'b' : 'a', order ? 2 : 1);
	add_pod(device, home, order ? 'a' : 'b', order ? 1 : 2);
	if (order)
		batch("", "link set lo up\nlink add nic type dummy\naddr add 198.51.100.1/24 dev nic\nlink set nic up\n");
	return home;
}

/* -- programs: each sends all that it sees to one device */

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int redirect(const char *to, int helper, const unsigned char *mac)
{
	/* EXTRA_WORK, a test of the measure itself, is so many instructions more in each program. */
	const char *text = getenv("EXTRA_WORK");
	int extra = text ? atoi(text) : 0, count = 0, i, fd;
	struct bpf_insn code[4096];
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SCHED_CLS, .insns = (unsigned long)code,
				.license = (unsigned long)"GPL" };

	for (i = 0; mac && i < 6; i++)
		code[count++] = (struct bpf_insn){ BPF_ST | BPF_MEM | BPF_B, BPF_REG_10, 0, i - 8, mac[i] };
	if (mac) {	/* bpf_skb_store_bytes(skb, 0, mac, 6, 0): the peer takes what is addressed to it */
		code[count++] = (struct bpf_insn){ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 0 };
		code[count++] = (struct bpf_insn){ BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_10, 0, 0 };
		code[count++] = (struct bpf_insn){ BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_3, 0, 0, -8 };
		code[count++] = (struct bpf_insn){ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, 6 };
		code[count++] = (struct bpf_insn){ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_5, 0, 0, 0 };
		code[count++] = (struct bpf_insn){ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_skb_store_bytes };
	}
	code[count++] = (struct bpf_insn){ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, if_nametoindex(to) };
	code[count++] = (struct bpf_insn){ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 0 };
	for (i = 0; i < extra && count < 4090; i++)
		code[count++] = (struct bpf_insn){ BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, 0 };
	code[count++] = (struct bpf_insn){ BPF_JMP | BPF_CALL, 0, 0, 0, helper };
	code[count++] = (struct bpf_insn){ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 };
	attr.insn_cnt = count;
	fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0)
		fail("no program: %m");
	return fd;
}

/* A kernel without tcx has clsact, whose filters are named by a pinned program. */
static void attach_classifier(const char *device, int program)
{
	char path[64], command[256];
	union bpf_attr attr = { .pathname = (unsigned long)path, .bpf_fd = program };

	snprintf(path, sizeof(path), "/sys/fs/bpf/%s", device);
	unlink(path);
	if (bpf(BPF_OBJ_PIN, &attr))
		fail("not pinned: %m");
	snprintf(command, sizeof(command), "tc qdisc add dev %s clsact 2>&1 && tc filter add dev %s ingress bpf da object-pinned %s 2>&1",
		 device, device, path);
	if (system(command))
		fail("no classifier on %s", device);
}

static void attach(const char *device, enum device kind, bool classifier, int program)
{
	union bpf_attr attr = {
		.link_create.prog_fd = program,
		.link_create.target_ifindex = if_nametoindex(device),
		.link_create.attach_type = kind == VETH ? BPF_TCX_INGRESS : BPF_NETKIT_PEER,
	};

	if (!classifier && bpf(BPF_LINK_CREATE, &attr) >= 0)
		return;
	if (!classifier && (kind != VETH || errno != EINVAL))
		fail("not attached to %s: %m", device);
	attach_classifier(device, program);
}

/* -- the clock, and the kernel's own counters */

static unsigned long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

/* What came of a load; a slice is a twentieth of its units, and tells what is the packets' from what ran beside them. */
struct tally {
	unsigned int units, lost, surplus, reordered, slices;
	unsigned long long at[SLICES + 1];
};

static void begin(struct tally *tally, int units)
{
	*tally = (struct tally){ .units = units };
	tally->at[0] = now();
}

static void lap(struct tally *tally, unsigned int done)
{
	if (tally->slices < SLICES && done >= (tally->slices + 1) * tally->units / SLICES)
		tally->at[++tally->slices] = now();
}

static int by_size(const void *a, const void *b)
{
	unsigned long long x = *(const unsigned long long *)a, y = *(const unsigned long long *)b;

	return (x > y) - (x < y);
}

/* The slice in the middle, and how many are more than 2 % above it. */
static unsigned long long middle(const struct tally *tally, int *dear)
{
	unsigned long long took[SLICES], half;
	unsigned int i;

	*dear = 0;
	if (tally->slices < SLICES)
		return 0;
	for (i = 0; i < SLICES; i++)
		took[i] = tally->at[i + 1] - tally->at[i];
	qsort(took, SLICES, sizeof(*took), by_size);
	half = (took[SLICES / 2 - 1] + took[SLICES / 2]) / 2;
	for (i = 0; i < SLICES; i++)
		*dear += took[i] > half + half / 50;
	return half;
}

struct counters {
	unsigned long long net_rx, timer, rcu, backlog, switches, nic;
};

static unsigned long long number_in(const char *path, const char *format)
{
	unsigned long long value, found = 0;
	FILE *file = fopen(path, "r");
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, format, &value) == 1)
			found = value;	/* of the first processor, the only one */
	if (file)
		fclose(file);
	return found;
}

/* What the kernel does beside the packets. */
static void count_beside(struct counters *found)
{
	found->switches = number_in("/proc/stat", "ctxt %llu");
	found->timer = number_in("/proc/softirqs", " TIMER: %llu");
	found->rcu = number_in("/proc/softirqs", " RCU: %llu");
}

/*
 * What it does with them, once all that is under way has come to its end: packets that a thread of the kernel's has to
 * deliver, and namespaces of the block before, whose removal takes as long as hundreds of packets.
 */
static void count_packets(struct counters *found)
{
	unsigned int packets;
	FILE *file;

	usleep(500 * 1000);
	found->net_rx = number_in("/proc/softirqs", " NET_RX: %llu");
	found->nic = number_in("/proc/self/net/dev", " nic: %*u %*u %*u %*u %*u %*u %*u %*u %*u %llu");
	found->backlog = 0;
	file = fopen("/proc/net/softnet_stat", "r");
	while (file && fscanf(file, "%x%*[^\n]", &packets) == 1)
		found->backlog += packets;
	if (file)
		fclose(file);
}

/* -- loads */

static struct sockaddr_in address(const char *ip, int port)
{
	struct sockaddr_in it = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, ip, &it.sin_addr);
	return it;
}

/* A socket of a pod ("" is the host), which stays the pod's when we go home. */
static int socket_in(const char *pod, int home, int type, const char *bind_to, int port)
{
	struct sockaddr_in self = address(bind_to ? bind_to : "0.0.0.0", port);
	int fd, one = 1, room = 1 << 20;

	if (*pod)
		enter(pod);
	fd = socket(AF_INET, type, 0);
	if (setns(home, CLONE_NEWNET) || fd < 0)
		fail("no socket in %s: %m", pod);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (bind_to && bind(fd, (struct sockaddr *)&self, sizeof(self)))
		fail("%s is not in %s: %m", bind_to, pod);
	return fd;
}

static long receive(int fd, void *data, size_t size)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	long got = recv(fd, data, size, MSG_DONTWAIT);

	if (got < 0 && errno == EAGAIN && poll(&wait, 1, WAIT) > 0)
		got = recv(fd, data, size, MSG_DONTWAIT);
	return got;
}

static void send_all(int fd, const void *data, size_t size)
{
	if (send(fd, data, size, 0) != (long)size)
		fail("sending: %m");
}

struct ends {
	int from, to, listener;
};

static struct ends connected(const char *pod, const char *ip, int home, int type, bool to_nic)
{
	struct sockaddr_in there = address(ip, 7000), back;
	struct ends ends = { .from = socket_in("a", home, type, "10.0.1.2", 0), .to = -1, .listener = -1 };
	socklen_t size = sizeof(back);

	if (!to_nic)
		ends.to = socket_in(pod, home, type, ip, 7000);
	if (type == SOCK_STREAM) {
		ends.listener = ends.to;
		if (listen(ends.listener, 16))
			fail("listening: %m");
	}
	if (connect(ends.from, (struct sockaddr *)&there, sizeof(there)))
		fail("connecting to %s: %m", ip);
	if (type == SOCK_STREAM) {
		ends.to = accept(ends.listener, NULL, NULL);
	} else if (!to_nic) {
		getsockname(ends.from, (struct sockaddr *)&back, &size);
		if (connect(ends.to, (struct sockaddr *)&back, sizeof(back)))
			fail("answering: %m");
	}
	return ends;
}

/* Datagrams with a number each, in bursts, so that the receiver sees an order. */
static void stream(struct ends ends, size_t size, struct tally *tally)
{
	unsigned int data[2048] = {}, sent = 0, got = 0, want = 0, i;

	while (sent < tally->units) {
		for (i = 0; i < BURST; i++) {
			data[0] = sent++;
			send_all(ends.from, data, size);
		}
		for (; ends.to >= 0 && got < sent; got++) {
			if (receive(ends.to, data, sizeof(data)) < 0) {
				tally->lost += sent - got;
				got = sent;
				break;
			}
			tally->reordered += data[0] < want;
			want = data[0] + 1;
		}
		lap(tally, sent);
		if (tally->lost > GIVE_UP * BURST)
			return;
	}
}

static void ping_pong(struct ends ends, size_t size, struct tally *tally)
{
	char data[2048] = {};
	unsigned int i;

	for (i = 0; i < tally->units && tally->lost < GIVE_UP; i++, lap(tally, i)) {
		send_all(ends.from, data, size);
		if (receive(ends.to, data, sizeof(data)) < 0) {
			tally->lost++;
			continue;
		}
		send_all(ends.to, data, size);
		if (receive(ends.from, data, sizeof(data)) < 0)
			tally->lost++;
	}
}

/* 16 kB at a time, which the device's segmentation offload may keep whole. */
static void bulk(struct ends ends, struct tally *tally)
{
	static char data[16384];
	unsigned int i;
	long got, left;

	for (i = 0; i < tally->units && tally->lost < GIVE_UP; i++, lap(tally, i)) {
		send_all(ends.from, data, sizeof(data));
		for (left = sizeof(data); left > 0; left -= got) {
			got = receive(ends.to, data, left);
			if (got <= 0) {
				tally->lost++;
				break;
			}
		}
	}
}

/* What nobody sent, or what came twice: whatever is left once all has been received. */
static unsigned int left_over(struct ends ends)
{
	unsigned int found = 0;
	char data[2048];

	while (ends.to >= 0 && recv(ends.to, data, sizeof(data), MSG_DONTWAIT) > 0)
		found++;
	while (recv(ends.from, data, sizeof(data), MSG_DONTWAIT) > 0)
		found++;
	return found;
}

static void connections(const char *pod, const char *ip, int home, struct tally *tally)
{
	struct sockaddr_in there = address(ip, 7001);
	int listener = socket_in(pod, home, SOCK_STREAM, ip, 7001), from, to;
	unsigned int i;

	if (listen(listener, 16))
		fail("listening: %m");
	for (i = 0; i < tally->units; i++, lap(tally, i)) {
		struct linger hard = { .l_onoff = 1 };	/* no TIME_WAIT: ports and timers stay few */

		from = socket_in("a", home, SOCK_STREAM, NULL, 0);
		if (connect(from, (struct sockaddr *)&there, sizeof(there)))
			fail("connecting: %m");
		to = accept(listener, NULL, NULL);
		setsockopt(from, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close(from);
		close(to);
	}
	close(listener);
}

/* -- quiet */

/*
 * Kernels go on with work of their own for a second or more after init began, and the clock counts that, too: what
 * runs meanwhile comes out twice as dear. Wait until nothing else runs; a sleep costs a counted guest no time.
 */
static void settle(void)
{
	unsigned long long user, nice, system, idle, last_idle = 0, last = 0, all;
	int round, quiet = 0;

	for (round = 0; round < 100 && quiet < 3; round++) {
		FILE *file = fopen("/proc/stat", "r");

		if (!file || fscanf(file, "cpu %llu %llu %llu %llu", &user, &nice, &system, &idle) != 4)
			break;
		fclose(file);
		all = user + nice + system + idle;
		quiet = last && idle - last_idle + 1 >= all - last ? quiet + 1 : 0;
		last = all;
		last_idle = idle;
		usleep(300 * 1000);
	}
	printf("# quiet after %d looks\n", round);
}

/* -- blocks */

/* PEER is POD with packets that a pod addresses to the other pod, not to the gateway, as on a bridge. */
enum path { NIC, HOST, POD, PEER, PATHS };
/* CLASSIFIER is the program on the hook that kernels have without tcx. */
enum verdict { PASS, PROGRAM, CLASSIFIER, VERDICTS };
enum load { UDP64, UDP1400, UDPRR, TCPRR, TCPBULK, TCPCONN, LOADS };
static const char *const paths[] = { "nic", "host", "pod", "peer" };
static const char *const verdicts[] = { "pass", "bpf", "cls" };
static const char *const loads[] = { "udp64", "udp1400", "udprr", "tcprr", "tcpbulk", "tcpconn" };
static const int units_of[] = { SEND, SEND, SEND / 2, SEND / 2, SEND / 8, SEND / 16 };

static void load_once(enum path path, enum load load, int home, int units, struct tally *tally)
{
	bool to_pod = path == POD || path == PEER;
	const char *pod = to_pod ? "b" : "", *ip = to_pod ? "10.0.2.2" : path == HOST ? "10.0.1.1" : NIC_IP;
	struct ends ends;

	if (load == TCPCONN) {
		begin(tally, units);
		connections(pod, ip, home, tally);
		return;
	}
	ends = connected(pod, ip, home, load >= TCPRR ? SOCK_STREAM : SOCK_DGRAM, path == NIC);
	begin(tally, units);
	if (load == UDP64 || load == UDP1400)
		stream(ends, load == UDP64 ? 64 : 1400, tally);
	else if (load == TCPBULK)
		bulk(ends, tally);
	else
		ping_pong(ends, 64, tally);
	tally->surplus += left_over(ends);
	close(ends.from);
	close(ends.to);
	close(ends.listener);
}

static void attach_programs(enum device device, enum verdict verdict, enum path path)
{
	int helper = device == VETH ? BPF_FUNC_redirect_peer : BPF_FUNC_redirect;
	/* A program that finds the peer's address in a packet needs not write it. */
	bool write = device == NETKIT_L2 && path == POD;

	if (path == NIC) {
		attach("ha", device, false, redirect("nic", BPF_FUNC_redirect, NULL));
	} else {
		attach("ha", device, verdict == CLASSIFIER, redirect("hb", helper, write ? pod_macs[1] : NULL));
		attach("hb", device, verdict == CLASSIFIER, redirect("ha", helper, write ? pod_macs[0] : NULL));
	}
}

static void tell(const struct tally *tally, const struct counters *before, const struct counters *after)
{
	unsigned long long took = tally->at[tally->slices] - tally->at[0], half;
	int dear;

	half = middle(tally, &dear);
	printf("figure %s units=%u ns=%llu slices=%u slice=%llu dear=%d\n", block, tally->units, took, tally->slices,
	       half, dear);
	printf("figure %s net_rx=%llu backlog=%llu switches=%llu timer=%llu rcu=%llu\n", block,
	       after->net_rx - before->net_rx, after->backlog - before->backlog, after->switches - before->switches,
	       after->timer - before->timer, after->rcu - before->rcu);
	printf("figure %s lost=%u surplus=%u reordered=%u\n", block, tally->lost, tally->surplus, tally->reordered);
	if (tally->lost || tally->surplus)
		fail("%u lost, %u more than were sent", tally->lost, tally->surplus);
	printf("pass %s\n", block);
	fflush(stdout);
}

/*
 * Packets that nobody takes, of each size, for as long as the block lasts: they fill the slabs that others have left
 * half empty. From a slab with one place left and the next one with one place left, each packet of two that are under
 * way is had and given back by the allocator's slow path, all the block long, which costs up to 6 % of a round trip;
 * whether that comes about is a matter of what else lies in the slabs, and of no device.
 */
static void fill_slabs(void)
{
	static const size_t sizes[] = { 64, 300, 1400 };
	struct sockaddr_in there = address("127.0.0.1", 7002);
	int to = socket(AF_INET, SOCK_DGRAM, 0), from = socket(AF_INET, SOCK_DGRAM, 0), room = 1 << 24, i;
	char data[1400] = {};

	setsockopt(to, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(to, (struct sockaddr *)&there, sizeof(there)) || connect(from, (struct sockaddr *)&there, sizeof(there)))
		fail("no loopback: %m");
	for (i = 0; i < FILL * 3; i++)
		send_all(from, data, sizes[i % 3]);
}

/* By the wall clock, TIMES as many units: else it would be over too soon to be timed. */
static int times(void)
{
	const char *text = getenv("TIMES");

	return text && atoi(text) > 0 ? atoi(text) : 1;
}

static void measure(enum device device, enum verdict verdict, enum path path, enum load load, int order)
{
	int home = make_pods(device, order);
	struct counters before, after;
	struct tally tally;

	if (path == PEER)
		name_each_other();
	if (verdict != PASS)
		attach_programs(device, verdict, path);
	fill_slabs();
	load_once(path, load, home, load == TCPCONN ? 20 : WARM, &tally);
	count_packets(&before);
	count_beside(&before);
	load_once(path, load, home, units_of[load] * times(), &tally);
	count_beside(&after);
	count_packets(&after);
	if (path == NIC) {
		long long more = (long long)(after.nic - before.nic) - tally.units;

		tally.lost = more < 0 ? -more : 0;
		tally.surplus = more > 0 ? more : 0;
	}
	tell(&tally, &before, &after);
}

/*
 * A program has the pod's packets in hand on their way to a card or another pod; the card takes no connection. Packets
 * that pods address to each other arrive only by redirect, and only where addresses are looked at is that a question.
 */
static bool is_block(enum device device, enum verdict verdict, enum path path, enum load load)
{
	if (path == PEER)
		return verdict != PASS && load == UDPRR && (device == VETH || (device == NETKIT_L2 && verdict == PROGRAM));
	if (path == NIC && load > UDP1400)
		return false;
	return verdict == PASS || (verdict == PROGRAM && path != HOST);
}

static bool wanted(const char *name, const char *list)
{
	size_t size = strlen(name);
	const char *at;

	for (at = list; (at = strstr(at, name)); at += size)
		if ((at == list || at[-1] == ',') && (!at[size] || at[size] == ','))
			return true;
	return false;
}

static void run_block(enum device device, enum verdict verdict, enum path path, enum load load, int order)
{
	pid_t child;
	int status;

	printf("step %s\n", block);
	fflush(stdout);
	child = fork();
	if (!child) {
		measure(device, verdict, path, load, order);
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (system("ip netns del a; ip netns del b"))
		printf("# a pod was left\n");
}

int main(int argc, char **argv)
{
	bool listing = argc == 2 && !strcmp(argv[1], "--list");
	int index, device, verdict, path, load;
	char name[64];

	if (!listing && argc != 3)
		return 2;
	if (!listing)
		settle();
	for (index = 0; index < DEVICES * VERDICTS * PATHS * LOADS; index++) {
		load = index % LOADS;
		path = index / LOADS % PATHS;
		verdict = index / LOADS / PATHS % VERDICTS;
		device = index / LOADS / PATHS / VERDICTS;
		if (!is_block(device, verdict, path, load))
			continue;
		snprintf(name, sizeof(name), "%s_%s_%s_%s", device_names[device], verdicts[verdict], paths[path], loads[load]);
		block = name;
		if (listing)
			puts(name);
		else if (wanted(name, argv[2]))
			run_block(device, verdict, path, load, atoi(argv[1]));
	}
	return 0;
}
