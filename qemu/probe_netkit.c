// SPDX-License-Identifier: MIT
/*
 * How veth and netkit behave, one question a step: what an operator has to know who puts one into the other's place.
 *
 *	probe_netkit --list	the questions, one a line
 *	probe_netkit		asks them all: "pass QUESTION:DEVICE ANSWER"
 *
 * Each question of each device has a pair of its own: h0 in the first namespace, p0 in the pod. Nothing is judged here.
 */
#define _GNU_SOURCE
#include "lab.h"

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

enum { PORT = 7000, WAIT = 300 /* ms */ };

static char answer_text[256];

static const char *__attribute__((format(printf, 1, 2))) words(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(answer_text, sizeof(answer_text), format, args);
	va_end(args);
	return answer_text;
}

static const char *refusal(long error)
{
	return error == 0 ? "yes" : words("no (%s)", strerrorname_np(-error));
}

/* -- the pair */

static void add_pair(int d)
{
	make_netns("pod");
	if (make_pair(d, "h0", "p0", 0) || move_link("p0", "pod") || set_address("h0", "10.0.0.1") || set_up("h0", true))
		die("no pair of %s: %m", devices[d]);
	enter("pod");
	if (set_address("p0", "10.0.0.2") || set_up("p0", true))
		die("no pod: %m");
	await_running("p0");
	go_home();
	await_running("h0");
}

static void remove_pair(void)
{
	int tries;

	delete_link("h0");
	delete_netns("pod");
	for (tries = 0; tries < 100 && if_nametoindex("h0"); tries++)
		usleep(20 * 1000);
}

static const char *sys(const char *device, const char *file)
{
	static char text[128];
	char path[96];

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", device, file);
	return first_line(path, text, sizeof(text));
}

/* A child looks into the pod: this process stays where it is. */
static long in_pod(long (*look)(void))
{
	int ends[2], status;
	long found = -1;
	pid_t child;

	if (pipe(ends))
		die("no pipe: %m");
	fflush(stdout);
	child = fork();
	if (!child) {
		enter("pod");
		found = look();
		_exit(write(ends[1], &found, sizeof(found)) != sizeof(found));
	}
	waitpid(child, &status, 0);
	if (status || read(ends[0], &found, sizeof(found)) != sizeof(found))
		die("the pod was not looked into");
	close(ends[0]);
	close(ends[1]);
	return found;
}

static long mtu_of_p(void)
{
	struct ifreq ifr;

	return on_device("p0", SIOCGIFMTU, &ifr) ? -1 : ifr.ifr_mtu;
}

static long index_of_p(void)
{
	return if_nametoindex("p0");
}

static long delete_p(void)
{
	return delete_link("p0");
}

static long take_p_down(void)
{
	return set_up("p0", false);
}

/* A counter of a device in this process's namespace, by its column in /proc/net/dev. */
enum { RX_PACKETS = 1, RX_DROPPED = 3, TX_PACKETS = 9, TX_DROPPED = 11 };

static long counter(const char *device, int column)
{
	char line[512], name[32];
	FILE *file = fopen("/proc/self/net/dev", "r");
	long found = -1;

	while (file && fgets(line, sizeof(line), file)) {
		char *at = strchr(line, ':'), *word, *rest;
		int i;

		if (!at || sscanf(line, " %31[^:]", name) != 1 || strcmp(name, device))
			continue;
		for (i = 0, rest = at + 1; (word = strtok_r(rest, " \n", &rest)); i++)
			if (i == column)
				found = atol(word);
	}
	if (file)
		fclose(file);
	return found;
}

static long sent_by_p(void)
{
	return counter("p0", TX_PACKETS);
}

static long dropped_by_p(void)
{
	return counter("p0", TX_DROPPED);
}

/* -- datagrams from the pod to the host, or back */

static int listener(const char *pod)
{
	struct where any = where("0.0.0.0", PORT);
	int fd = socket_in(pod, AF_INET, SOCK_DGRAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any.at, any.size))
		die("no listener: %m");
	return fd;
}

static int arrived(const char *from, const char *to, const char *ip, int count, int size, int mark, int priority)
{
	static char data[4096];
	struct where there = where(ip, PORT);
	int in = listener(to), out = socket_in(from, AF_INET, SOCK_DGRAM, 0), got = 0, i;

	if ((mark && setsockopt(out, SOL_SOCKET, SO_MARK, &mark, sizeof(mark))) ||
	    (priority && setsockopt(out, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority))))
		die("no mark: %m");
	for (i = 0; i < count; i++) {
		if (sendto(out, data, size, 0, (struct sockaddr *)&there.at, there.size) < 0)
			continue;
		if (readable(in, WAIT) && recv(in, data, sizeof(data), 0) == size)
			got++;
	}
	close(in);
	close(out);
	return got;
}

static int to_host(int count)
{
	return arrived("pod", NULL, "10.0.0.1", count, 64, 0, 0);
}

/* Both ends know each other's addresses before a question is asked, however long the first answer took. */
static void meet(void)
{
	int tries;

	for (tries = 0; tries < 10; tries++)
		if (to_host(1) && arrived(NULL, "pod", "10.0.0.2", 1, 64, 0, 0))
			return;
	die("the pod and the host do not hear each other");
}

/* -- link layer */

static const char *flag(int which, const char *set, const char *clear)
{
	struct ifreq ifr;

	on_device("h0", SIOCGIFFLAGS, &ifr);
	return ifr.ifr_flags & which ? set : clear;
}

static const char *arp(int d)
{
	(void)d;
	return flag(IFF_NOARP, "no", "yes");
}

static const char *multicast(int d)
{
	(void)d;
	return flag(IFF_MULTICAST, "yes", "no");
}

static const char *mac(int d)
{
	(void)d;
	return strcmp(sys("h0", "address"), "00:00:00:00:00:00") ? "random" : "none";
}

static const char *mac_settable(int d)
{
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };

	(void)d;
	memcpy(ifr.ifr_hwaddr.sa_data, "\2\0\0\0\0\7", 6);
	return refusal(on_device("h0", SIOCSIFHWADDR, &ifr));
}

static const char *promisc(int d)
{
	struct ifreq ifr;

	(void)d;
	on_device("h0", SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_PROMISC;
	return refusal(on_device("h0", SIOCSIFFLAGS, &ifr));
}

/* What is addressed to somebody else on the wire, and to us above it. */
static const char *foreign_mac(int d)
{
	struct { struct iphdr ip; struct udphdr udp; char data[8]; } packet = {
		.ip = { .version = 4, .ihl = 5, .ttl = 8, .protocol = IPPROTO_UDP, .tot_len = htons(sizeof(packet)),
			.saddr = htonl(0x0a000002), .daddr = htonl(0x0a000001) },
		.udp = { .source = htons(9), .dest = htons(PORT), .len = htons(sizeof(packet) - sizeof(packet.ip)) },
	};
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_halen = 6,
				  .sll_addr = { 2, 0, 0, 0, 0, 99 }, .sll_ifindex = in_pod(index_of_p) };
	int in = listener(NULL), out = socket_in("pod", AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
	const unsigned short *word = (const unsigned short *)&packet.ip;
	unsigned int sum = 0, i;
	bool taken;

	(void)d;
	for (i = 0; i < sizeof(packet.ip) / 2; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	packet.ip.check = ~((sum & 0xffff) + (sum >> 16));
	if (sendto(out, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("no frame: %m");
	taken = readable(in, WAIT);
	close(in);
	close(out);
	return taken ? "taken" : "ignored";
}

/* -- sizes */

static const char *mtu(int d)
{
	(void)d;
	return words("%s", sys("h0", "mtu"));
}

static const char *mtu_coupled(int d)
{
	struct ifreq ifr = { .ifr_mtu = 3000 };

	(void)d;
	if (on_device("h0", SIOCSIFMTU, &ifr))
		return "not to be set";
	return in_pod(mtu_of_p) == 3000 ? "follows" : "stays";
}

static const char *mtu_limit(int d)
{
	struct ifreq ifr = { .ifr_mtu = 65535 };
	long most = on_device("h0", SIOCSIFMTU, &ifr);

	(void)d;
	ifr.ifr_mtu = 65536;
	return most ? "less than 65535" : on_device("h0", SIOCSIFMTU, &ifr) ? "65535" : "more than 65535";
}

/* Larger than what the receiving end is set to. */
static const char *oversize(int d)
{
	struct ifreq ifr = { .ifr_mtu = 3000 };
	long before = counter("h0", TX_DROPPED);

	(void)d;
	on_device("h0", SIOCSIFMTU, &ifr);
	if (arrived(NULL, "pod", "10.0.0.2", 2, 2000, 0, 0) == 2)
		return "delivered";
	return counter("h0", TX_DROPPED) - before == 2 ? "dropped, counted" : "dropped";
}

/* -- ethtool */

static const char *feature(const char *name)
{
	static struct {
		struct ethtool_gstrings head;
		char names[128 * ETH_GSTRING_LEN];
	} strings;
	struct {
		struct ethtool_gfeatures head;
		struct ethtool_get_features_block block[4];
	} found = { .head = { .cmd = ETHTOOL_GFEATURES, .size = 4 } };
	unsigned int i;

	/* A length, where kernels look at it, must be the very one; 0 is none. */
	strings.head = (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES };
	if (ethtool("h0", &strings) || ethtool("h0", &found))
		die("no features: %m");
	for (i = 0; i < strings.head.len && i < 128; i++) {
		struct ethtool_get_features_block *block = &found.block[i / 32];
		unsigned int bit = 1U << i % 32;

		if (!strncmp(&strings.names[i * ETH_GSTRING_LEN], name, ETH_GSTRING_LEN))
			return words("%s%s", block->active & bit ? "on" : "off",
				     block->available & bit && !(block->never_changed & bit) ? "" : ", fixed");
	}
	return "unknown";
}

#define FEATURE(function, name)              \
	static const char *function(int d)   \
	{                                    \
		(void)d;                     \
		return feature(name);        \
	}
FEATURE(tx_checksum, "tx-checksum-ip-generic")
FEATURE(scatter_gather, "tx-scatter-gather")
FEATURE(tcp_segmentation, "tx-tcp-segmentation")
FEATURE(udp_segmentation, "tx-udp-segmentation")
FEATURE(generic_segmentation, "tx-generic-segmentation")
FEATURE(gro, "rx-gro")
FEATURE(vlan_insert, "tx-vlan-hw-insert")
FEATURE(vlan_parse, "rx-vlan-hw-parse")

static const char *driver(int d)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	(void)d;
	return ethtool("h0", &info) ? "unknown" : words("%.31s", info.driver);
}

static const char *own_statistics(int d)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	(void)d;
	return ethtool("h0", &info) || !info.n_stats ? "no" : "yes";
}

/* -- counters */

/*
 * Whoever asks for addresses or joins groups may do so meanwhile, also between one look and the next: what the ends say
 * must agree, at one of three times, and not be too little.
 */
static const char *counted(int d)
{
	long tx = 0, rx = 0;
	int got = 0, tries;

	(void)d;
	for (tries = 0; tries < 3; tries++) {
		tx = in_pod(sent_by_p);
		rx = counter("h0", RX_PACKETS);
		got = to_host(20);
		usleep(WAIT * 1000);
		tx = in_pod(sent_by_p) - tx;
		rx = counter("h0", RX_PACKETS) - rx;
		if (got == 20 && tx == rx && tx >= 20 && tx < 30)
			return "each packet";
	}
	return words("sent %ld received %ld of %d", tx, rx, got);
}

/* A port is known in which each look at the statistics added a drop. */
static const char *reading(int d)
{
	long before = counter("h0", TX_DROPPED) + counter("h0", RX_DROPPED), after;
	int i;

	(void)d;
	for (i = 0; i < 10; i++)
		counter("h0", TX_DROPPED);
	after = counter("h0", TX_DROPPED) + counter("h0", RX_DROPPED);
	return after > before ? "adds drops" : "changes nothing";
}

static const char *carrier(int d)
{
	(void)d;
	in_pod(take_p_down);
	return strcmp(sys("h0", "carrier"), "1") ? "goes" : "stays";
}

static const char *queueing(int d)
{
	static char line[512];
	FILE *ip = popen("ip link show h0", "r");
	char *at = ip && fgets(line, sizeof(line), ip) ? strstr(line, "qdisc ") : NULL;

	(void)d;
	if (ip)
		pclose(ip);
	return at ? words("%.*s", (int)strcspn(at + 6, " "), at + 6) : "unknown";
}

/* -- what crosses with a packet: a program at the host's end looks */

static int map = -1;

static void look_at_h(void)
{
	union bpf_attr new_map = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 16, .max_entries = 1 };
	union bpf_attr program = { .prog_type = BPF_PROG_TYPE_SCHED_CLS, .license = (unsigned long)"GPL" }, link = {};
	enum { LOAD = BPF_LDX | BPF_MEM | BPF_W, STORE = BPF_STX | BPF_MEM | BPF_W, MOVE = BPF_ALU64 | BPF_MOV };
	long loaded, linked;

	map = bpf(BPF_MAP_CREATE, &new_map);
	const struct bpf_insn code[] = {
		{ MOVE | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0 },
		{ BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0 },
		{ BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map },
		{ 0, 0, 0, 0, 0 },
		{ MOVE | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0 },
		{ BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4 },
		{ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem },
		{ BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 5, 0 },
		{ LOAD, BPF_REG_1, BPF_REG_6, offsetof(struct __sk_buff, mark), 0 },
		{ STORE, BPF_REG_0, BPF_REG_1, 0, 0 },
		{ LOAD, BPF_REG_1, BPF_REG_6, offsetof(struct __sk_buff, priority), 0 },
		{ STORE, BPF_REG_0, BPF_REG_1, 4, 0 },
		{ BPF_ST | BPF_MEM | BPF_W, BPF_REG_0, 0, 8, 1 },
		{ MOVE | BPF_K, BPF_REG_0, 0, 0, -1 },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	program.insns = (unsigned long)code;
	program.insn_cnt = sizeof(code) / sizeof(code[0]);
	loaded = bpf(BPF_PROG_LOAD, &program);
	link.link_create.prog_fd = loaded;
	link.link_create.target_ifindex = if_nametoindex("h0");
	link.link_create.attach_type = BPF_TCX_INGRESS;
	linked = loaded < 0 ? loaded : bpf(BPF_LINK_CREATE, &link);
	if (map < 0 || linked < 0)
		die("no program at h0: %s", strerror(map < 0 ? -map : -linked));
}

struct seen {
	unsigned int mark, priority, looked, none;
};

static struct seen seen(void)
{
	unsigned int zero = 0;
	struct seen found = {};
	union bpf_attr attr = { .map_fd = map, .key = (unsigned long)&zero, .value = (unsigned long)&found };

	bpf(BPF_MAP_LOOKUP_ELEM, &attr);
	return found;
}

static struct seen sent_from_pod(void)
{
	look_at_h();
	arrived("pod", NULL, "10.0.0.1", 1, 64, 7, 5);
	return seen();
}

/* p0 comes home; a packet for an address that only it can reach is sent through it. */
static struct seen sent_from_home(void)
{
	struct where there = where("203.0.113.9", PORT);
	int mark = 7, out;

	ip_do("-n pod", "link set p0 netns 1\n");
	ip_do("", "addr add 10.0.1.1/24 dev p0\nlink set p0 up\nroute add 203.0.113.0/24 dev p0\n"
	      "neigh replace 203.0.113.9 lladdr 02:00:00:00:00:09 dev p0 nud permanent\n");
	await_running("p0");
	look_at_h();
	out = socket_in(NULL, AF_INET, SOCK_DGRAM, 0);
	setsockopt(out, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	sendto(out, "x", 1, 0, (struct sockaddr *)&there.at, there.size);
	usleep(WAIT * 1000);
	close(out);
	return seen();
}

static const char *crossed(struct seen found, unsigned int value, unsigned int given)
{
	return !found.looked ? "not seen" : value == given ? "kept" : value ? "other" : "cleared";
}

static const char *mark(int d)
{
	struct seen found = sent_from_pod();

	(void)d;
	return crossed(found, found.mark, 7);
}

static const char *priority(int d)
{
	struct seen found = sent_from_pod();

	(void)d;
	return crossed(found, found.priority, 5);
}

static const char *mark_at_home(int d)
{
	struct seen found = sent_from_home();

	(void)d;
	return crossed(found, found.mark, 7);
}

/* -- namespaces and ends */

static const char *peer_index(int d)
{
	long peer = in_pod(index_of_p);

	(void)d;
	return atol(sys("h0", "iflink")) == peer ? "the peer's" : words("%s", sys("h0", "iflink"));
}

static const char *host_end_moves(int d)
{
	(void)d;
	return refusal(move_link("h0", "pod"));
}

static const char *deleting_one(int d)
{
	int tries;

	(void)d;
	in_pod(delete_p);
	for (tries = 0; tries < 40 && if_nametoindex("h0"); tries++)
		usleep(50 * 1000);
	return if_nametoindex("h0") ? "one" : "both";
}

/* -- policies and programs */

static const char *without_program(int d)
{
	(void)d;
	return to_host(2) == 2 ? "passes" : "dropped";
}

static const char *blackhole(int d)
{
	long before;
	int got;

	if (d == DEV_VETH)
		return "not offered";
	remove_pair();
	ip_do("", "netns add pod\nlink add h0 type netkit mode %s forward peer blackhole name p0\nlink set p0 netns pod\n"
	      "addr add 10.0.0.1/24 dev h0\nlink set h0 up\n", d == DEV_L2 ? "l2" : "l3");
	ip_do("-n pod", "addr add 10.0.0.2/24 dev p0\nlink set p0 up\n");
	await_running("h0");
	before = in_pod(dropped_by_p);
	got = to_host(2);
	return got ? "passes" : in_pod(dropped_by_p) > before ? "dropped, counted" : "dropped";
}

static const char *attached(int type, int where_to, unsigned int flags)
{
	const struct bpf_insn code[] = {
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0 },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	union bpf_attr program = { .prog_type = type, .license = (unsigned long)"GPL", .insns = (unsigned long)code,
				   .insn_cnt = 2 };
	long loaded = bpf(BPF_PROG_LOAD, &program), linked;
	union bpf_attr link = {
		.link_create.prog_fd = loaded,
		.link_create.target_ifindex = if_nametoindex("h0"),
		.link_create.attach_type = where_to,
		.link_create.flags = flags,
	};

	if (loaded < 0)
		die("no program: %s", strerror(-loaded));
	linked = bpf(BPF_LINK_CREATE, &link);
	return refusal(linked < 0 ? linked : 0);
}

static const char *xdp_native(int d)
{
	(void)d;
	return attached(BPF_PROG_TYPE_XDP, BPF_XDP, XDP_FLAGS_DRV_MODE);
}

static const char *xdp_generic(int d)
{
	(void)d;
	return attached(BPF_PROG_TYPE_XDP, BPF_XDP, XDP_FLAGS_SKB_MODE);
}

static const char *tcx(int d)
{
	(void)d;
	return attached(BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_INGRESS, 0);
}

static const char *netkit(int d)
{
	(void)d;
	return attached(BPF_PROG_TYPE_SCHED_CLS, BPF_NETKIT_PRIMARY, 0);
}

static const struct {
	const char *name, *(*ask)(int d);
} questions[] = {
	{ "arp", arp },
	{ "mac", mac },
	{ "mac_settable", mac_settable },
	{ "foreign_mac", foreign_mac },
	{ "promisc", promisc },
	{ "multicast", multicast },
	{ "mtu", mtu },
	{ "mtu_coupled", mtu_coupled },
	{ "mtu_limit", mtu_limit },
	{ "oversize", oversize },
	{ "driver", driver },
	{ "own_statistics", own_statistics },
	{ "tx_checksum", tx_checksum },
	{ "scatter_gather", scatter_gather },
	{ "tcp_segmentation", tcp_segmentation },
	{ "udp_segmentation", udp_segmentation },
	{ "generic_segmentation", generic_segmentation },
	{ "gro", gro },
	{ "vlan_insert", vlan_insert },
	{ "vlan_parse", vlan_parse },
	{ "counted", counted },
	{ "reading", reading },
	{ "carrier", carrier },
	{ "queueing", queueing },
	{ "mark", mark },
	{ "priority", priority },
	{ "mark_at_home", mark_at_home },
	{ "peer_index", peer_index },
	{ "host_end_moves", host_end_moves },
	{ "deleting_one", deleting_one },
	{ "without_program", without_program },
	{ "blackhole", blackhole },
	{ "xdp_native", xdp_native },
	{ "xdp_generic", xdp_generic },
	{ "tcx", tcx },
	{ "netkit", netkit },
};
enum { QUESTIONS = sizeof(questions) / sizeof(questions[0]) };

/* A process each: what one leaves open is gone with it, and one that dies takes no other with it. */
static void ask(int q, int d)
{
	pid_t child;

	said("step", "%s:%s", questions[q].name, devices[d]);
	child = fork();
	if (!child) {
		add_pair(d);
		meet();
		said("pass", "%s:%s %s", questions[q].name, devices[d], questions[q].ask(d));
		_exit(0);
	}
	waitpid(child, NULL, 0);
	remove_pair();
}

int main(int argc, char **argv)
{
	int q, d;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (q = 0; q < QUESTIONS; q++)
			puts(questions[q].name);
		return 0;
	}
	remember_home();
	write_to("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	for (q = 0; q < QUESTIONS; q++)
		for (d = 0; d < DEVICES; d++)
			ask(q, d);
	return 0;
}
