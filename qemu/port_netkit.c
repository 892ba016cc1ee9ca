// SPDX-License-Identifier: MIT
/*
 * What a port of netkit gets wrong without a merge, a compiler or an upstream test noticing. Each case is
 * a defect that a backport really had; it runs in a network namespace and a process of its own.
 *
 *	port_netkit --list		the cases, one a line
 *	port_netkit [CASE[,CASE...]]	runs them and prints KTAP
 *
 * It is compiled with the ported kernel's own UAPI headers, so that the numbers are checked before it runs.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/tc_act/tc_skbmod.h>

/* Programs built for newer kernels carry these numbers: they are no longer the port's to choose. */
_Static_assert(BPF_TCX_INGRESS == 46 && BPF_TCX_EGRESS == 47, "tcx attach types");
_Static_assert(BPF_NETKIT_PRIMARY == 54 && BPF_NETKIT_PEER == 55, "netkit attach types");
_Static_assert(BPF_LINK_TYPE_TCX == 11 && BPF_LINK_TYPE_NETKIT == 13, "link types");
_Static_assert(offsetof(union bpf_attr, link_create.netkit.expected_revision) == 24, "link_create");
_Static_assert(offsetof(union bpf_attr, query.link_ids) == 40, "query");

#define SOME_REVISION (1ULL << 40)	/* of no list; the kernel must look at its upper half */

/* -- saying what is wrong */

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
	_exit(1);
}

static void __attribute__((format(printf, 1, 2))) run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	fflush(stdout);
	if (system(command))
		fail("failed: %s", command);
}

/* -- devices */

static void add_pair(const char *policy)
{
	run("ip link add nk0 type netkit mode l3 %s peer %s name nk1 2>&1", policy, policy);
	run("echo 1 >/proc/sys/net/ipv6/conf/nk0/disable_ipv6");
	run("echo 1 >/proc/sys/net/ipv6/conf/nk1/disable_ipv6");
	run("ip link set dev nk1 up; ip link set dev nk0 up; ip addr add 10.9.0.1/24 dev nk0");
}

struct counters {
	unsigned long long rx_packets, rx_dropped, tx_packets, tx_dropped;
};

static struct counters counters_of(const char *device)
{
	FILE *file = fopen("/proc/self/net/dev", "r");
	struct counters now = {};
	char line[512], name[32];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " %31[^:]: %*u %llu %*u %llu %*u %*u %*u %*u %*u %llu %*u %llu", name,
			   &now.rx_packets, &now.rx_dropped, &now.tx_packets, &now.tx_dropped) == 5 &&
		    !strcmp(name, device)) {
			fclose(file);
			return now;
		}
	fail("no counters of %s", device);
}

/* -- programs and links */

static long bpf(int command, union bpf_attr *attr)
{
	long done = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return done < 0 ? -errno : done;
}

static int load(const struct bpf_insn *code, int count)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SCHED_CLS,
		.insns = (unsigned long)code,
		.insn_cnt = count,
		.license = (unsigned long)"GPL",
	};
	long fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0)
		fail("loading a program: %ld", fd);
	return fd;
}

/* A classifier that always returns the same. */
static int classifier(int verdict)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = verdict },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return load(code, sizeof(code) / sizeof(code[0]));
}

static long link_to(const char *device, int type, unsigned long long revision)
{
	union bpf_attr attr = {
		.link_create.prog_fd = classifier(TC_ACT_OK),
		.link_create.target_ifindex = if_nametoindex(device),
		.link_create.attach_type = type,
	};

	if (type == BPF_NETKIT_PRIMARY || type == BPF_NETKIT_PEER)
		attr.link_create.netkit.expected_revision = revision;
	else
		attr.link_create.tcx.expected_revision = revision;
	return bpf(BPF_LINK_CREATE, &attr);
}

static unsigned long long revision_of(const char *device, int type)
{
	union bpf_attr attr = {
		.query.target_ifindex = if_nametoindex(device),
		.query.attach_type = type,
	};
	long done = bpf(BPF_PROG_QUERY, &attr);

	if (done)
		fail("asking for the list of attach type %d: %ld", type, done);
	return attr.query.revision;
}

/* -- the cases */

/* BPF_LINK_CREATE_LAST_FIELD that ends before the revision does makes a large one "not zero": EINVAL. */
static void link_revision(void)
{
	static const int types[] = { BPF_TCX_INGRESS, BPF_TCX_EGRESS, BPF_NETKIT_PRIMARY, BPF_NETKIT_PEER };
	unsigned int i;

	add_pair("forward");
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		unsigned long long first = revision_of("nk0", types[i]);
		long other = link_to("nk0", types[i], SOME_REVISION), good = link_to("nk0", types[i], first);
		long stale = link_to("nk0", types[i], first);

		if (other != -ESTALE)
			fail("attach type %d, a revision of no list: %ld, not %d", types[i], other, -ESTALE);
		if (good < 0)
			fail("attach type %d, the list's own revision %llu: %ld", types[i], first, good);
		if (stale != -ESTALE || revision_of("nk0", types[i]) == first)
			fail("attach type %d, the revision before the last link: %ld", types[i], stale);
	}
}

/* A link outlives its device, and says so. */
static void link_outlives_device(void)
{
	struct bpf_link_info info = {};
	union bpf_attr attr = { .info.info_len = sizeof(info), .info.info = (unsigned long)&info };
	long link, done;

	add_pair("forward");
	link = link_to("nk0", BPF_NETKIT_PEER, 0);
	if (link < 0)
		fail("attaching: %ld", link);
	run("ip link del dev nk1");
	if (if_nametoindex("nk0"))
		fail("one end outlives the other");
	attr.info.bpf_fd = link;
	done = bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
	if (done || info.netkit.ifindex || info.netkit.attach_type != BPF_NETKIT_PEER)
		fail("info %ld: device %u, attach type %u", done, info.netkit.ifindex, info.netkit.attach_type);
}

static int udp_to(const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, address, &to.sin_addr);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		fail("no socket to %s: %m", address);
	return fd;
}

static void send_some(int fd, int count)
{
	char data[64] = {};

	while (count--)
		if (send(fd, data, sizeof(data), 0) < 0)
			fail("sending, %d left: %m", count + 1);
}

static void must_count(const char *device, struct counters want)
{
	struct counters now = counters_of(device);

	if (memcmp(&now, &want, sizeof(now)))
		fail("%s came to %llu in (%llu dropped), %llu out (%llu dropped), not %llu (%llu), %llu (%llu)",
		     device, now.rx_packets, now.rx_dropped, now.tx_packets, now.tx_dropped,
		     want.rx_packets, want.rx_dropped, want.tx_packets, want.tx_dropped);
}

/*
 * Per-CPU counters start at zero and count each packet once, each end for itself: a NULL per-CPU pointer
 * is readable memory, and then all devices count in one place.
 */
static void packets_counted(void)
{
	struct counters none = {};

	add_pair("forward");
	must_count("nk0", none);
	must_count("nk1", none);
	send_some(udp_to("10.9.0.2"), 100);
	must_count("nk0", (struct counters){ .tx_packets = 100 });
	must_count("nk1", (struct counters){ .rx_packets = 100 });
	run("ip link add nk2 type netkit mode l3 peer name nk3 2>&1");
	must_count("nk2", none);
	must_count("nk3", none);
}

/* A known backport counted a drop each time that somebody read the counters. */
static void reading_counts_nothing(void)
{
	struct counters before, after;
	int i;

	add_pair("blackhole");
	send(udp_to("10.9.0.2"), "x", 1, 0);
	before = counters_of("nk0");
	if (before.tx_dropped != 1)
		fail("one packet into a blackhole: %llu drops", before.tx_dropped);
	for (i = 0; i < 50; i++)
		counters_of("nk0");
	after = counters_of("nk0");
	if (memcmp(&before, &after, sizeof(before)))
		fail("read 50 times: %llu drops, then %llu", before.tx_dropped, after.tx_dropped);
}

static unsigned long percpu_kilobytes(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long size;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Percpu: %lu", &size) == 1) {
			fclose(file);
			return size;
		}
	fail("/proc/meminfo does not say how much memory is per CPU");
}

/* Many pairs that go with their namespace, as pods do. */
static void churn(int pairs)
{
	int i, status;
	pid_t child = fork();

	if (!child) {
		FILE *ip;

		if (unshare(CLONE_NEWNET))
			fail("no network namespace: %m");
		ip = popen("ip -batch - 2>&1", "w");
		for (i = 0; ip && i < pairs; i++)	/* a batch takes `peer` only once */
			fprintf(ip, "link add a%d type netkit\n", i);
		_exit(!ip || pclose(ip));
	}
	if (waitpid(child, &status, 0) != child || status)
		fail("%d pairs were not made", pairs);
}

/* A kernel thread takes a namespace down: wait until nothing moves for a second. */
static unsigned long settled_kilobytes(void)
{
	unsigned long last = 0, now = percpu_kilobytes();
	int quiet = 0, rounds = 0;

	while (quiet < 5 && rounds++ < 100) {
		usleep(200 * 1000);
		last = now;
		now = percpu_kilobytes();
		quiet = now == last ? quiet + 1 : 0;
	}
	return now;
}

/* Counters that nothing frees are 32 bytes or more for each device on each CPU. */
static void counters_freed(void)
{
	enum { PAIRS = 800, LEAK = PAIRS * 2 * 2 * 32 / 1024 };
	unsigned long before, after;

	churn(PAIRS);	/* what the first devices leave behind in caches */
	before = settled_kilobytes();
	churn(PAIRS);
	after = settled_kilobytes();
	if (after > before + LEAK / 2)
		fail("%d pairs came and went, and %lu kB stayed", PAIRS, after - before);
	printf("# %lu kB before, %lu kB after\n", before, after);
}

enum { COPIES = 16 };

/* A program that sends COPIES copies of its packet to a device. */
static int copier(const char *device)
{
	struct bpf_insn code[4 * COPIES + 3], *next = code;
	int i;

	*next++ = (struct bpf_insn){ BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0 };
	for (i = 0; i < COPIES; i++) {
		*next++ = (struct bpf_insn){ BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_6, 0, 0 };
		*next++ = (struct bpf_insn){ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0,
					     if_nametoindex(device) };
		*next++ = (struct bpf_insn){ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, 0 };
		*next++ = (struct bpf_insn){ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_clone_redirect };
	}
	*next++ = (struct bpf_insn){ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, TC_ACT_OK };
	*next++ = (struct bpf_insn){ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 };
	return load(code, next - code);
}

/* As fast as can be, so that two CPUs meet in the driver: the kernel itself goes round. */
static void send_copies(int cpu, int go, int rounds)
{
	struct ethhdr packet[4] = { { .h_proto = htons(ETH_P_IP) } };
	union bpf_attr attr = {
		.test.prog_fd = copier("nk0"),
		.test.data_in = (unsigned long)packet,
		.test.data_size_in = sizeof(packet),
		.test.repeat = rounds,
	};
	cpu_set_t here;
	char start;
	long done;

	CPU_ZERO(&here);
	CPU_SET(cpu, &here);
	if (sched_setaffinity(0, sizeof(here), &here))
		fail("CPU %d: %m", cpu);
	if (read(go, &start, 1) != 0)
		fail("no start: %m");
	done = bpf(BPF_PROG_TEST_RUN, &attr);
	if (done)
		fail("running a program: %ld", done);
	_exit(0);
}

/* Transmit takes no lock, so that a plain counter loses what two CPUs count at once. */
static void drops_counted_on_two_cpus(void)
{
	enum { ROUNDS = 15000, ALL = 2 * ROUNDS * COPIES };
	unsigned long long drops;
	int cpu, go[2], status;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		run("echo 1 >/sys/devices/system/cpu/cpu1/online");
	add_pair("blackhole");
	if (pipe(go))
		fail("no pipe: %m");
	for (cpu = 0; cpu < 2; cpu++)
		if (!fork()) {
			close(go[1]);
			send_copies(cpu, go[0], ROUNDS);
		}
	close(go[1]);
	while (wait(&status) > 0)
		if (status)
			fail("a sender failed");
	drops = counters_of("nk0").tx_dropped;
	if (drops != ALL)
		fail("%d packets were dropped, %llu were counted", ALL, drops);
}

static void verdict_of_program(int verdict)
{
	union bpf_attr pin = { .pathname = (unsigned long)"/sys/fs/bpf/consumes",
			       .bpf_fd = classifier(verdict) };
	long done = bpf(BPF_OBJ_PIN, &pin);

	if (done)
		fail("pinning: %ld", done);
	run("tc filter add dev nk0 egress bpf da object-pinned /sys/fs/bpf/consumes");
	unlink("/sys/fs/bpf/consumes");
}

struct request {
	struct nlmsghdr head;
	struct tcmsg tc;
	char attributes[256];
};

static struct nlattr *put(struct request *request, int type, const void *data, size_t size)
{
	struct nlattr *attr = (void *)((char *)request + request->head.nlmsg_len);

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + size;
	if (size)
		memcpy((char *)attr + NLA_HDRLEN, data, size);
	request->head.nlmsg_len += NLA_ALIGN(attr->nla_len);
	return attr;
}

static void shut(struct request *request, struct nlattr *nest)
{
	nest->nla_len = (char *)request + request->head.nlmsg_len - (char *)nest;
}

static void ask_kernel(struct request *request)
{
	struct { struct nlmsghdr head; struct nlmsgerr body; char more[512]; } answer = {};
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	request->head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (fd < 0 || send(fd, request, request->head.nlmsg_len, 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < 0)
		fail("no answer of netlink: %m");
	if (answer.head.nlmsg_type != NLMSG_ERROR || answer.body.error)
		fail("netlink refuses: %d", answer.body.error);
	close(fd);
}

/* An action returns what it is told to; `tc` has no word for all that an action may be told. */
static void verdict_of_action(int verdict)
{
	struct request request = {
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct tcmsg)),
			  .nlmsg_type = RTM_NEWTFILTER, .nlmsg_flags = NLM_F_CREATE },
		.tc = { .tcm_ifindex = if_nametoindex("nk0"),
			.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS),
			.tcm_info = TC_H_MAKE(1 << 16, htons(ETH_P_ALL)) },
	};
	struct tc_skbmod parameters = { .action = verdict };
	__u16 type = ETH_P_IP;
	struct nlattr *options, *actions, *first, *inner;

	put(&request, TCA_KIND, "matchall", sizeof("matchall"));
	options = put(&request, TCA_OPTIONS, NULL, 0);
	actions = put(&request, TCA_MATCHALL_ACT, NULL, 0);
	first = put(&request, 1, NULL, 0);
	put(&request, TCA_ACT_KIND, "skbmod", sizeof("skbmod"));
	inner = put(&request, TCA_ACT_OPTIONS, NULL, 0);
	put(&request, TCA_SKBMOD_PARMS, &parameters, sizeof(parameters));
	put(&request, TCA_SKBMOD_ETYPE, &type, sizeof(type));
	shut(&request, inner);
	shut(&request, first);
	shut(&request, actions);
	shut(&request, options);
	ask_kernel(&request);
}

/* What an egress filter consumed is freed, else its socket can never send it off. */
static void egress_consumed(void)
{
	static const struct {
		int verdict;
		void (*filter)(int verdict);
	} ways[] = {
		{ TC_ACT_STOLEN, verdict_of_program },
		{ TC_ACT_TRAP, verdict_of_program },
		{ TC_ACT_STOLEN, verdict_of_action },
		{ TC_ACT_QUEUED, verdict_of_action },	/* no program may say it */
		{ TC_ACT_TRAP, verdict_of_action },
	};
	unsigned int i;

	add_pair("forward");
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int fd = udp_to("10.9.0.2"), held = -1;

		run("tc qdisc add dev nk0 clsact");
		ways[i].filter(ways[i].verdict);
		send_some(fd, 10);
		if (ioctl(fd, SIOCOUTQ, &held) || held)
			fail("verdict %d: %d bytes of 10 packets are still held", ways[i].verdict, held);
		if (counters_of("nk0").tx_packets)
			fail("verdict %d: what was consumed was sent as well", ways[i].verdict);
		run("tc qdisc del dev nk0 clsact");
		close(fd);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "link_revision", link_revision },
	{ "link_outlives_device", link_outlives_device },
	{ "packets_counted", packets_counted },
	{ "reading_counts_nothing", reading_counts_nothing },
	{ "counters_freed", counters_freed },
	{ "egress_consumed", egress_consumed },
	{ "drops_counted_on_two_cpus", drops_counted_on_two_cpus },
};

enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static bool passes(void (*run_case)(void))
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		if (unshare(CLONE_NEWNET))
			fail("no network namespace: %m");
		run("ip link set dev lo up");
		run_case();
		fflush(stdout);
		_exit(0);
	}
	return waitpid(child, &status, 0) == child && !status;
}

static bool wanted(const char *list, const char *name)
{
	const char *found = list;
	size_t size = strlen(name);

	while (list && (found = strstr(found, name))) {
		bool begins = found == list || found[-1] == ',';

		found += size;
		if (begins && (!*found || *found == ','))
			return true;
	}
	return !list;
}

int main(int argc, char **argv)
{
	const char *list = argc > 1 ? argv[1] : NULL;
	int i, number = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (list && !strcmp(list, "--list")) {
		for (i = 0; i < CASES; i++)
			puts(cases[i].name);
		return 0;
	}
	puts("KTAP version 1");
	for (i = 0; i < CASES; i++)
		number += wanted(list, cases[i].name);
	printf("1..%d\n", number);
	for (i = 0, number = 0; i < CASES; i++) {
		bool good;

		if (!wanted(list, cases[i].name))
			continue;
		good = passes(cases[i].run);
		failed += !good;
		printf("%s %d %s\n", good ? "ok" : "not ok", ++number, cases[i].name);
	}
	return failed > 0;
}
