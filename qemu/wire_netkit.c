// SPDX-License-Identifier: MIT
/*
 * What pods cost and lose that talk over a wire: two guests with a card each, a pod in each of them.
 *
 *	wire_netkit --list			the blocks, one a line
 *	wire_netkit serve			the far guest, until the near one has done all
 *	wire_netkit ask BLOCK[,BLOCK...]	the near guest; it tells of both
 *
 * A block is DEVICE_VERDICT_LOAD, with the device on both sides. `pass` lets the hosts forward. With `bpf` a program at
 * the pod's device sends to the card (bpf_redirect_neigh), and one at the card hands what is for the pod over to it
 * (bpf_redirect_peer), as node agents do it.
 *
 * What a guest did is its clock without the time that it idled: where the clock counts instructions, these are
 * instructions. How many packets a card's interrupt finds depends on when they come, and with it what each costs.
 */
#define _GNU_SOURCE
#include "lab.h"

enum { BURST = 8, WARM = 64, PACKETS = 1920, PATIENCE = 2000 /* ms */, GIVE_UP = 3, PORT = 7000, CONTROL = 7100 };

static const char *block;

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list args;

	printf("fail %s ", block ? block : "wire");
	va_start(args, format);
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
	_exit(1);
}

/* -- blocks */

enum load { UDP64, UDP1400, UDPRR, TCPRR, TCPBULK, TCPCONN, LOADS };
static const char *const verdicts[] = { "pass", "bpf" };
static const char *const loads[LOADS] = { "udp64", "udp1400", "udprr", "tcprr", "tcpbulk", "tcpconn" };
static const unsigned int units_of[LOADS] = { PACKETS, PACKETS, PACKETS / 4, PACKETS / 4, PACKETS / 8, PACKETS / 32 };
static const unsigned int size_of[LOADS] = { 64, 1400, 64, 64, 16384, 0 };

static bool is_stream(enum load load)
{
	return load <= UDP1400;
}

static bool is_tcp(enum load load)
{
	return load >= TCPRR;
}

struct plan {
	int device, verdict;
	enum load load;
};

static bool next_block(int index, struct plan *plan, char name[64])
{
	if (index >= DEVICES * 2 * LOADS)
		return false;
	*plan = (struct plan){ .device = index / LOADS / 2, .verdict = index / LOADS % 2, .load = index % LOADS };
	snprintf(name, 64, "%s_%s_%s", devices[plan->device], verdicts[plan->verdict], loads[plan->load]);
	return true;
}

static bool plan_of(const char *wanted, struct plan *plan)
{
	char name[64];
	int index;

	for (index = 0; next_block(index, plan, name); index++)
		if (!strcmp(name, wanted))
			return true;
	return false;
}

/* -- a node: 1 is near, 2 is far; the card is 10.9.0.N, the pod 10.0.N.2 */

static void make_node(int node)
{
	write_to("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	write_to("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	write_to("/proc/sys/net/ipv4/ip_forward", "1");
	ip_do("", "addr add 10.9.0.%d/24 dev eth0\nlink set eth0 up\nroute add 10.0.%d.0/24 via 10.9.0.%d\n", node,
	      3 - node, 3 - node);
	/* Asked for once, the neighbour is not asked for again while packets are counted. */
	write_to("/proc/sys/net/ipv4/neigh/eth0/base_reachable_time_ms", "3600000");
}

/* No address is asked for between a pod and its host: a program there would have to let the question pass. */
static void make_pod(int node, int device)
{
	make_netns("pod");
	if (make_pair(device, "hp", "pp", 0))
		fail("no %s", devices[device]);
	if (device != DEV_L3)
		ip_do("", "link set hp address 02:00:00:00:00:01\nlink set pp address 02:00:00:00:00:02\n");
	if (move_link("pp", "pod"))
		fail("pp stays");
	enter("pod");
	write_to("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	go_home();
	ip_do("", "addr add 10.0.%d.1/24 dev hp\nlink set hp up\n", node);
	ip_do("-n pod", "addr add 10.0.%d.2/24 dev pp\nlink set pp up\nroute add default via 10.0.%d.1\n", node, node);
	if (device != DEV_L3) {
		ip_do("", "neigh replace 10.0.%d.2 lladdr 02:00:00:00:00:02 dev hp nud permanent\n", node);
		ip_do("-n pod", "neigh replace 10.0.%d.1 lladdr 02:00:00:00:00:01 dev pp nud permanent\n", node);
	}
	await_running("hp");
}

static void delete_pod(void)
{
	delete_netns("pod");
	delete_link("hp");
}

/* -- programs */

enum { NEIGH = 152, PEER = 155 /* helpers that old libc headers lack */ };

static int load_program(const struct bpf_insn *code, int count)
{
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SCHED_CLS, .insns = (unsigned long)code, .insn_cnt = count,
				.license = (unsigned long)"GPL" };
	int fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0)
		fail("no program: %s", strerror(-fd));
	return fd;
}

static int attach(const char *device, int type, int program)
{
	union bpf_attr attr = { .link_create = { .prog_fd = program, .target_ifindex = if_nametoindex(device),
						 .attach_type = type } };
	int link = bpf(BPF_LINK_CREATE, &attr);

	if (link < 0)
		fail("not attached to %s: %s", device, strerror(-link));
	close(program);
	return link;
}

/* The links end with the file descriptors. */
static void attach_programs(int node, int device, int links[2])
{
	const struct bpf_insn out[] = {
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, if_nametoindex("eth0") },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, 0 },
		{ BPF_JMP | BPF_CALL, 0, 0, 0, NEIGH },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	const struct bpf_insn in[] = {	/* what is for the pod; the rest is the host's */
		{ BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0 },
		{ BPF_LD | BPF_ABS | BPF_W, 0, 0, 0, 14 + 16 },
		{ BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0x0a000002 | node << 8 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, TCX_NEXT },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, if_nametoindex("hp") },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 0 },
		{ BPF_JMP | BPF_CALL, 0, 0, 0, PEER },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	int own = device == DEV_VETH ? BPF_TCX_INGRESS : BPF_NETKIT_PEER;

	links[0] = attach("hp", own, load_program(out, sizeof(out) / sizeof(*out)));
	links[1] = attach("eth0", BPF_TCX_INGRESS, load_program(in, sizeof(in) / sizeof(*in)));
}

static void set_up_block(int node, const struct plan *plan, int links[2])
{
	make_pod(node, plan->device);
	links[0] = links[1] = -1;
	if (plan->verdict)
		attach_programs(node, plan->device, links);
}

static void tear_down_block(const int links[2])
{
	close(links[0]);
	close(links[1]);
	delete_pod();
}

/* -- what the kernel counts */

struct counters {
	unsigned long long clock, idle, net_rx, backlog, in, out, dropped;
};

static unsigned long long number_in(const char *path, const char *format)
{
	unsigned long long value, found = 0;
	FILE *file = fopen(path, "r");
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, format, &value) == 1)
			found += value;
	if (file)
		fclose(file);
	return found;
}

static unsigned long long of_card(const char *what)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), "/sys/class/net/eth0/statistics/%s", what);
	return strtoull(first_line(path, text, sizeof(text)), NULL, 10);
}

static unsigned long long backlog_packets(void)
{
	unsigned int packets;
	unsigned long long found = 0;
	FILE *file = fopen("/proc/net/softnet_stat", "r");

	while (file && fscanf(file, "%x%*[^\n]", &packets) == 1)
		found += packets;
	if (file)
		fclose(file);
	return found;
}

/* The clock as near to the load as can be: last before it, first behind it. */
static void count_work(struct counters *found)
{
	struct timespec time;

	found->idle = number_in("/proc/timer_list", " .idle_sleeptime : %llu");
	clock_gettime(CLOCK_MONOTONIC, &time);
	found->clock = time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static void count_packets(struct counters *found)
{
	found->net_rx = number_in("/proc/softirqs", " NET_RX: %llu");
	found->backlog = backlog_packets();
	found->in = of_card("rx_packets");
	found->out = of_card("tx_packets");
	found->dropped = of_card("rx_dropped") + of_card("tx_dropped") + of_card("rx_missed_errors");
}

static void tell(const char *side, const struct counters *a, const struct counters *b, FILE *to)
{
	fprintf(to, " %s_busy=%lld %s_net_rx=%llu %s_backlog=%llu %s_in=%llu %s_out=%llu %s_dropped=%llu", side,
		(long long)(b->clock - a->clock - (b->idle - a->idle)), side, b->net_rx - a->net_rx, side,
		b->backlog - a->backlog, side, b->in - a->in, side, b->out - a->out, side, b->dropped - a->dropped);
}

/* -- sockets of the pod */

static int pod_socket(enum load load)
{
	int fd = socket_in("pod", AF_INET, is_tcp(load) ? SOCK_STREAM : SOCK_DGRAM, 0), one = 1, room = 1 << 20;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (is_tcp(load))
		setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
	return fd;
}

static struct where far_pod(void)
{
	return where("10.0.2.2", PORT);
}

static bool read_whole(int fd, void *data, size_t size)
{
	char *at = data;

	while (size) {
		long got = readable(fd, PATIENCE) ? recv(fd, at, size, MSG_DONTWAIT) : -1;

		if (got <= 0)
			return false;
		at += got;
		size -= got;
	}
	return true;
}

/* -- the far guest */

struct far {
	struct plan plan;
	int listener, peer, links[2];
	unsigned long long bytes;
	unsigned int received, reordered, want;
	struct counters before;
};

static void far_open(struct far *far)
{
	struct where here = far_pod();
	int fd = pod_socket(far->plan.load);

	if (bind(fd, (struct sockaddr *)&here.at, here.size))
		fail("binding: %m");
	if (is_tcp(far->plan.load) && listen(fd, 16))
		fail("listening: %m");
	far->listener = is_tcp(far->plan.load) ? fd : -1;
	far->peer = is_tcp(far->plan.load) ? -1 : fd;
}

/* A datagram: counted, and answered if it ends a burst or is a request. */
static void far_datagram(struct far *far)
{
	unsigned int data[2048];
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	long got = recvfrom(far->peer, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&from, &size);

	if (got < (long)sizeof(*data))
		return;
	far->received++;
	far->reordered += data[0] < far->want;
	far->want = data[0] + 1;
	if (!is_stream(far->plan.load) || data[0] % BURST == BURST - 1)
		sendto(far->peer, data, is_stream(far->plan.load) ? sizeof(*data) : (size_t)got, 0,
		       (struct sockaddr *)&from, size);
}

static void far_bytes(struct far *far)
{
	static char data[65536];
	long got = recv(far->peer, data, sizeof(data), MSG_DONTWAIT);
	unsigned long long unit = size_of[far->plan.load], answer = is_tcp(far->plan.load) ? unit : 0, before;

	if (got <= 0) {	/* closed, or reset as `tcpconn` does */
		close(far->peer);
		far->peer = -1;
		return;
	}
	before = far->bytes;
	far->bytes += got;
	if (far->plan.load == TCPRR) {
		send(far->peer, data, got, MSG_NOSIGNAL);
		far->received = far->bytes / unit;
	} else if (answer) {
		far->received = far->bytes / unit;
		if (before / (unit * BURST) != far->bytes / (unit * BURST))
			send(far->peer, "", 1, MSG_NOSIGNAL);
	}
}

static void far_accept(struct far *far)
{
	if (far->peer >= 0)
		close(far->peer);
	far->peer = accept4(far->listener, NULL, NULL, SOCK_CLOEXEC);
	far->received += far->plan.load == TCPCONN && far->peer >= 0;
}

/* Serve the block until the near guest says something. */
static void far_serve(struct far *far, int control)
{
	for (;;) {
		struct pollfd wait[] = { { far->peer, POLLIN, 0 }, { far->listener, POLLIN, 0 }, { control, POLLIN, 0 } };

		if (poll(wait, 3, 60 * 1000) <= 0)
			fail("nothing was heard for a minute");
		if (wait[0].revents)
			is_tcp(far->plan.load) ? far_bytes(far) : far_datagram(far);
		else if (wait[1].revents)
			far_accept(far);
		else if (wait[2].revents)
			return;
	}
}

static void far_answer(struct far *far, const char *word, const char *rest, FILE *to)
{
	struct counters after = {};

	if (!strcmp(word, "block")) {
		if (!plan_of(rest, &far->plan))
			fail("no block %s", rest);
		set_up_block(2, &far->plan, far->links);
		far_open(far);
		fprintf(to, "ready\n");
	} else if (!strcmp(word, "count")) {
		far->received = far->reordered = far->want = 0;
		far->bytes = 0;
		count_packets(&far->before);
		fprintf(to, "ready\n");
		fflush(to);
		count_work(&far->before);
	} else if (!strcmp(word, "stop")) {
		count_work(&after);
		count_packets(&after);
		fprintf(to, "received=%u reordered=%u", far->received, far->reordered);
		tell("far", &far->before, &after, to);
		fputc('\n', to);
		close(far->peer);
		close(far->listener);
		tear_down_block(far->links);
	}
	fflush(to);
}

static int serve(void)
{
	struct where here = where("10.9.0.2", CONTROL);
	int listener, control, one = 1;
	struct far far = { .listener = -1, .peer = -1, .links = { -1, -1 } };
	char line[128], word[16], rest[64];
	FILE *from, *to;

	make_node(2);
	listener = socket_in(NULL, AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&here.at, here.size) || listen(listener, 1) || !readable(listener, 120000))
		die("the near guest does not ask: %m");
	control = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	from = fdopen(control, "r");
	to = fdopen(dup(control), "w");
	while (from && to) {
		far_serve(&far, control);
		if (!fgets(line, sizeof(line), from))
			die("the near guest is gone");
		rest[0] = 0;
		if (sscanf(line, "%15s %63s", word, rest) >= 1 && !strcmp(word, "bye"))
			return 0;
		far_answer(&far, word, rest, to);
		if (!strcmp(word, "stop"))
			far = (struct far){ .listener = -1, .peer = -1, .links = { -1, -1 } };
	}
	return 1;
}

/* -- the near guest */

static FILE *from_far, *to_far;

static const char *ask_far(const char *word, const char *rest, char line[512])
{
	fprintf(to_far, "%s %s\n", word, rest);
	fflush(to_far);
	if (!fgets(line, 512, from_far))
		fail("the far guest is gone");
	line[strcspn(line, "\n")] = 0;
	return line;
}

static void reach_far(void)
{
	struct where there = where("10.9.0.2", CONTROL);
	int fd = -1, tries, one = 1;

	for (tries = 0; tries < 240; tries++) {
		fd = socket_in(NULL, AF_INET, SOCK_STREAM, 0);
		if (!connect(fd, (struct sockaddr *)&there.at, there.size))
			break;
		close(fd);
		fd = -1;
		usleep(500 * 1000);
	}
	if (fd < 0)
		die("the far guest does not answer: %m");
	setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
	from_far = fdopen(fd, "r");
	to_far = fdopen(dup(fd), "w");
}

struct tally {
	unsigned int sent, unanswered, surplus;
};

static bool gave_up(const struct tally *tally)
{
	return tally->unanswered >= GIVE_UP;
}

static void datagrams(int fd, enum load load, unsigned int units, struct tally *tally)
{
	unsigned int data[2048] = {}, answer[2048];
	bool bursts = is_stream(load);

	while (tally->sent < units && !gave_up(tally)) {
		data[0] = tally->sent++;
		if (send(fd, data, size_of[load], 0) != (long)size_of[load])
			fail("sending: %m");
		if (bursts && tally->sent % BURST)
			continue;
		if (!readable(fd, PATIENCE) || recv(fd, answer, sizeof(answer), MSG_DONTWAIT) < 0)
			tally->unanswered++;
		else if (answer[0] != data[0])
			tally->surplus++;
	}
}

static void bytes(int fd, enum load load, unsigned int units, struct tally *tally)
{
	static char data[16384], answer[64];

	while (tally->sent < units && !gave_up(tally)) {
		if (send(fd, data, size_of[load], MSG_NOSIGNAL) != (long)size_of[load])
			fail("sending: %m");
		tally->sent++;
		if (load == TCPRR ? !read_whole(fd, answer, 64) : !(tally->sent % BURST) && !read_whole(fd, answer, 1))
			tally->unanswered++;
	}
}

static void connections(unsigned int units, struct tally *tally)
{
	const struct linger hard = { .l_onoff = 1 };	/* no TIME_WAIT: ports and timers stay few */
	struct where there = far_pod();

	while (tally->sent < units && !gave_up(tally)) {
		int fd = pod_socket(TCPCONN);

		tally->sent++;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		if (connect(fd, (struct sockaddr *)&there.at, there.size))
			tally->unanswered++;
		close(fd);
	}
}

static void near_load(int fd, enum load load, unsigned int units, struct tally *tally)
{
	*tally = (struct tally){};
	if (load == TCPCONN)
		connections(units, tally);
	else if (is_tcp(load))
		bytes(fd, load, units, tally);
	else
		datagrams(fd, load, units, tally);
}

static int near_socket(enum load load)
{
	struct where there = far_pod();
	int fd = load == TCPCONN ? -1 : pod_socket(load);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&there.at, there.size))
		fail("connecting: %m");
	return fd;
}

static void verdict_on(const struct tally *tally, enum load load, const char *far)
{
	unsigned int received = 0, reordered = 0;
	long lost;

	sscanf(far, "received=%u reordered=%u", &received, &reordered);
	/* What a stream of bytes keeps together, the receiver counts by the last answer. */
	lost = (long)tally->sent - received;
	printf("figure %s lost=%ld surplus=%ld unanswered=%u\n", block, lost > 0 ? lost : 0,
	       (lost < 0 ? -lost : 0) + tally->surplus, tally->unanswered);
	if (lost || tally->unanswered || tally->surplus || tally->sent < units_of[load])
		fail("%u sent, %u received, %u without an answer, %u wrong answers", tally->sent, received,
		     tally->unanswered, tally->surplus);
	printf("pass %s\n", block);
	fflush(stdout);
}

static void measure(const struct plan *plan)
{
	struct counters before, after;
	struct tally tally;
	char line[512];
	int links[2], fd;

	set_up_block(1, plan, links);
	ask_far("block", block, line);
	fd = near_socket(plan->load);
	near_load(fd, plan->load, WARM, &tally);
	usleep(300 * 1000);	/* what the block before left to be done */
	ask_far("count", "", line);
	count_packets(&before);
	count_work(&before);
	near_load(fd, plan->load, units_of[plan->load], &tally);
	count_work(&after);
	count_packets(&after);
	ask_far("stop", "", line);
	close(fd);
	tear_down_block(links);
	printf("figure %s units=%u ms=%llu", block, tally.sent, (after.clock - before.clock) / 1000000);
	tell("near", &before, &after, stdout);
	printf("\nfigure %s %s\n", block, line);
	verdict_on(&tally, plan->load, line);
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

static int ask(const char *list)
{
	struct plan plan;
	char name[64];
	int index;

	make_node(1);
	reach_far();
	for (index = 0; next_block(index, &plan, name); index++) {
		if (!wanted(name, list))
			continue;
		block = name;
		printf("step %s\n", block);
		fflush(stdout);
		measure(&plan);
	}
	fprintf(to_far, "bye\n");
	fflush(to_far);
	return 0;
}

int main(int argc, char **argv)
{
	struct plan plan;
	char name[64];
	int index;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (index = 0; next_block(index, &plan, name); index++)
			puts(name);
		return 0;
	}
	remember_home();
	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	if (argc == 3 && !strcmp(argv[1], "ask"))
		return ask(argv[2]);
	return 2;
}
