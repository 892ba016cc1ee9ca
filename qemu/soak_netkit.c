// SPDX-License-Identifier: MIT
/*
 * Netkit under stress for a bounded time, by several workers at once; then everything must be as it was before.
 *
 *	soak_netkit --list		the workers, one a line
 *	soak_netkit SEED SECONDS
 *
 * What a worker does next is drawn from SEED and its name alone: the same seed gives each worker the same acts in the
 * same order, as far as the time lets it come. A worker is a step whose figures say how much it did; an act that the
 * kernel refuses where it must not ends the worker. The last steps are `balance` (devices, links, programs and maps)
 * and `memory` (what kmemleak finds that nobody points to).
 */
#define _GNU_SOURCE
#include "lab.h"

#include <signal.h>
#include <sys/mman.h>

enum { SLOTS = 8, LINKS = 12, PROGRAMS = 8, PORT = 7000, SETTLE = 600 /* of 50 ms */ };
enum { PASS = 0, DROP = 2, NEXT = -1 };	/* the verdicts of netkit programs */

/* -- chance, by seed and worker */

static unsigned long long chance;

static unsigned int draw(unsigned int below)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (chance >> 16) % below;
}

/* -- what workers tell, in memory that they share */

struct told {
	unsigned long done;	/* acts that did what they should */
	unsigned long other;	/* acts that came to nothing, as they may */
	char trouble[200];
};

static struct told *mine;
static volatile sig_atomic_t stop;

static void ring(int signal)
{
	(void)signal;
	stop = 1;
}

static void __attribute__((noreturn, format(printf, 1, 2))) trouble(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(mine->trouble, sizeof(mine->trouble), format, args);
	_exit(1);
}

/* An act must succeed, or fail with one of up to two errors that others' acts explain. */
static bool must(long done, const char *what, int may, int may_too)
{
	if (done >= 0) {
		mine->done++;
		return true;
	}
	if (done != -may && done != -may_too)
		trouble("%s: %s", what, strerror(-done));
	mine->other++;
	return false;
}

/* -- programs, each with a map of its own that counts what it sees */

static int map_of(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1 };

	return bpf(BPF_MAP_CREATE, &attr);
}

static int program(int verdict)
{
	int map = map_of();
	const struct bpf_insn code[] = {
		{ BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0 },
		{ BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map },
		{ 0, 0, 0, 0, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0 },
		{ BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4 },
		{ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem },
		{ BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1 },
		{ BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0, BPF_ADD },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, verdict },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SCHED_CLS,
		.insns = (unsigned long)code,
		.insn_cnt = sizeof(code) / sizeof(code[0]),
		.license = (unsigned long)"GPL",
	};
	long fd = bpf(BPF_PROG_LOAD, &attr);

	if (map < 0 || fd < 0)
		trouble("a program does not load: %s", strerror(map < 0 ? -map : -fd));
	close(map);	/* the program holds it */
	return fd;
}

static long link_to(int device, int type, int prog)
{
	union bpf_attr attr = {
		.link_create.prog_fd = prog,
		.link_create.target_ifindex = device,
		.link_create.attach_type = type,
		.link_create.flags = draw(2) ? BPF_F_BEFORE : BPF_F_AFTER,
	};

	return bpf(BPF_LINK_CREATE, &attr);
}

static int some_end(void)
{
	return draw(2) ? BPF_NETKIT_PRIMARY : BPF_NETKIT_PEER;
}

/* -- workers; the pair s0 (home) and s1 (in the namespace `soak`) is there for all of them */

/* Devices made, brought up and down, resized, deleted by either end. */
static void links(void)
{
	char here[16], there[16];
	bool made[SLOTS] = {};

	if (unshare(CLONE_NEWNET))
		trouble("no namespace: %s", strerror(errno));
	while (!stop) {
		unsigned int slot = draw(SLOTS), act = draw(4);
		const char *either = draw(2) ? here : there;
		struct ifreq ifr = { .ifr_mtu = 1000 + (int)draw(8000) };

		snprintf(here, sizeof(here), "a%u", slot);
		snprintf(there, sizeof(there), "b%u", slot);
		if (!made[slot]) {
			must(make_pair(draw(DEVICES), here, there, 0), "making a pair", 0, 0);
			made[slot] = true;
		} else if (act == 0) {
			must(delete_link(either), "deleting an end", 0, 0);
			made[slot] = false;
		} else if (act == 1) {
			must(on_device(either, SIOCSIFMTU, &ifr), "setting an MTU", 0, 0);
		} else {
			must(set_up(either, act == 2), "up or down", 0, 0);
		}
	}
}

static void detach_link(int link)
{
	union bpf_attr attr = { .link_detach.link_fd = link };

	must(bpf(BPF_LINK_DETACH, &attr), "detaching a link", 0, 0);
}

static void update_link(int link, int prog)
{
	union bpf_attr attr = { .link_update.link_fd = link, .link_update.new_prog_fd = prog };

	/* ENOLINK: it was detached before. */
	must(bpf(BPF_LINK_UPDATE, &attr), "updating a link", ENOLINK, EEXIST);
}

/* A program without a link; the same one twice is refused, and what is not there or is a link's cannot go. */
static void attach_bare(int device, int type, int prog, int command)
{
	union bpf_attr attr = { .target_ifindex = device, .attach_bpf_fd = prog, .attach_type = type };

	must(bpf(command, &attr), command == BPF_PROG_ATTACH ? "attaching" : "detaching", command == BPF_PROG_ATTACH ? EEXIST : EBUSY, ENOENT);
}

static void query(int device, int type)
{
	unsigned int ids[64];
	union bpf_attr attr = {
		.query.target_ifindex = device,
		.query.attach_type = type,
		.query.prog_ids = (unsigned long)ids,
		.query.prog_cnt = 64,
	};

	must(bpf(BPF_PROG_QUERY, &attr), "asking for the programs", ENOENT, 0);
}

/* Programs that come and go on the pair through which the traffic passes. */
static void storm(void)
{
	const int verdicts[] = { NEXT, NEXT, PASS, DROP };
	int device = if_nametoindex("s0"), links[LINKS], progs[PROGRAMS], i;

	for (i = 0; i < LINKS; i++)
		links[i] = -1;
	for (i = 0; i < PROGRAMS; i++)
		progs[i] = program(verdicts[i % 4]);
	while (!stop) {
		unsigned int slot = draw(LINKS), act = draw(8);
		int prog = progs[draw(PROGRAMS)], type = some_end();

		if (act == 0)
			attach_bare(device, type, prog, BPF_PROG_ATTACH);
		else if (act == 1)
			attach_bare(device, type, prog, BPF_PROG_DETACH);
		else if (act == 2)
			query(device, type);
		else if (links[slot] < 0)
			must(links[slot] = link_to(device, type, prog), "making a link", EEXIST, 0);
		else if (act == 3)
			update_link(links[slot], prog);
		else if (act == 4)
			detach_link(links[slot]);
		else {
			close(links[slot]);
			links[slot] = -1;
		}
	}
	for (i = 0; i < PROGRAMS; i++) {
		attach_bare(device, BPF_NETKIT_PRIMARY, progs[i], BPF_PROG_DETACH);
		attach_bare(device, BPF_NETKIT_PEER, progs[i], BPF_PROG_DETACH);
	}
}

/* A packet to nobody: it need not arrive, only pass through what is being taken away. */
static void shout(const char *ip)
{
	struct where there = where(ip, PORT);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && sendto(fd, "x", 1, 0, (struct sockaddr *)&there.at, there.size) == 1)
		mine->done++;
	close(fd);
}

/* Namespaces and devices that go while programs are attached, links are open and packets are under way. */
static void doomed(void)
{
	while (!stop) {
		int way = draw(4), mode = 1 + draw(2), prog = program(draw(2) ? NEXT : PASS), device;
		long one, two;

		make_netns("soak-doomed");
		must(make_pair(mode, "d0", "d1", 0), "making a doomed pair", 0, 0);
		device = if_nametoindex("d0");
		must(one = link_to(device, BPF_NETKIT_PRIMARY, prog), "a link to the doomed", 0, 0);
		must(two = link_to(device, BPF_NETKIT_PEER, prog), "a link to its peer", 0, 0);
		must(move_link("d1", "soak-doomed"), "moving the peer", 0, 0);
		set_address("d0", "10.9.0.1");
		must(set_up("d0", true), "the doomed comes up", 0, 0);
		enter("soak-doomed");
		must(set_up("d1", true), "its peer comes up", 0, 0);
		go_home();
		shout("10.9.0.2");
		if (way == 0)
			must(delete_link("d0"), "deleting the doomed", 0, 0);
		else if (way == 1)
			close(one);
		delete_netns("soak-doomed");
		if (way != 0)	/* the namespace may have taken it along */
			must(delete_link("d0"), "deleting what is left", ENODEV, 0);
		if (way != 1)
			close(one);
		if (way == 2)
			detach_link(two);
		close(two);
		close(prog);
		/* Its name is free when a namespace's clean-up, which comes later, has been there. */
		while (if_nametoindex("d0"))
			usleep(10 * 1000);
	}
}

/* Datagrams through the pair whose programs come and go. */
static void traffic(void)
{
	int in = socket_in(NULL, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int out = socket_in("soak", AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct where here = where("10.8.0.1", PORT);
	static char data[8000];

	if (bind(in, (struct sockaddr *)&here.at, here.size))
		trouble("bind: %s", strerror(errno));
	while (!stop) {
		int size = 1 + draw(draw(8) ? 1400 : sizeof(data));

		if (sendto(out, data, size, 0, (struct sockaddr *)&here.at, here.size) != size)
			mine->other++;
		while (recv(in, data, sizeof(data), 0) > 0)
			mine->done++;
		if (!draw(64))
			usleep(1000);	/* others are to have their turn */
	}
}

static const struct {
	const char *name;
	void (*work)(void);
} workers[] = {
	{ "links", links },
	{ "storm", storm },
	{ "doomed", doomed },
	{ "traffic", traffic },
};
enum { WORKERS = sizeof(workers) / sizeof(workers[0]) };

/* -- what there is of each kind */

struct balance {
	int devices, links, programs, maps;
};

static int ids(int command)
{
	union bpf_attr attr = {};
	int count = 0;

	for (; !bpf(command, &attr); count++)
		attr.start_id = attr.next_id;
	return count;
}

static struct balance balance(void)
{
	struct if_nameindex *all = if_nameindex(), *one;
	struct balance now = {
		.links = ids(BPF_LINK_GET_NEXT_ID),
		.programs = ids(BPF_PROG_GET_NEXT_ID),
		.maps = ids(BPF_MAP_GET_NEXT_ID),
	};

	for (one = all; one && one->if_index; one++)
		now.devices++;
	if_freenameindex(all);
	return now;
}

/* What was closed is gone after a grace period or two. */
static void compare(struct balance before)
{
	struct balance now = balance();
	int tries;

	said("step", "balance");
	for (tries = 0; tries < SETTLE && memcmp(&now, &before, sizeof(now)); tries++) {
		usleep(50 * 1000);
		now = balance();
	}
	said("figure", "balance devices=%d links=%d programs=%d maps=%d", now.devices - before.devices,
	     now.links - before.links, now.programs - before.programs, now.maps - before.maps);
	if (memcmp(&now, &before, sizeof(now)))
		said("fail", "balance something stayed");
	else
		said("pass", "balance");
}

/* -- kmemleak */

#define KMEMLEAK "/sys/kernel/debug/kmemleak"

static int leaks(void)
{
	FILE *file = fopen(KMEMLEAK, "r");
	char line[256];
	int found = 0, shown = 0;

	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "unreferenced object", 19))
			found++;
		if (shown++ < 60)
			printf("# leak| %s", line);
	}
	if (file)
		fclose(file);
	return found;
}

/* What is younger than five seconds is no leak yet, and a first scan may meet a pointer on its way. */
static void look_for_leaks(void)
{
	int found;

	said("step", "memory");
	if (access(KMEMLEAK, W_OK)) {
		said("fail", "memory this kernel has no kmemleak");
		return;
	}
	sleep(6);
	write_to(KMEMLEAK, "scan");
	sleep(1);
	write_to(KMEMLEAK, "scan");
	found = leaks();
	said("figure", "memory leaks=%d", found);
	if (found)
		said("fail", "memory %d objects that nobody points to", found);
	else
		said("pass", "memory");
}

/* -- the frame */

static pid_t start(int worker, unsigned int seed, unsigned int seconds)
{
	const char *letter;
	pid_t child = fork();

	if (child)
		return child;
	chance = seed * 0x9e3779b97f4a7c15ULL + 1;
	for (letter = workers[worker].name; *letter; letter++)
		chance = (chance ^ *letter) * 0x100000001b3ULL;
	chance |= 1;	/* nought would stay nought */
	signal(SIGALRM, ring);
	alarm(seconds);
	workers[worker].work();
	_exit(0);
}

static void report(int worker, const struct told *told, int status)
{
	const char *name = workers[worker].name;

	said("step", "%s", name);
	said("figure", "%s done=%lu other=%lu", name, told->done, told->other);
	if (WIFSIGNALED(status))
		said("fail", "%s was killed by signal %d", name, WTERMSIG(status));
	else if (*told->trouble || WEXITSTATUS(status))
		said("fail", "%s %s", name, *told->trouble ? told->trouble : "it died");
	else
		said("pass", "%s", name);
}

static void set_scene(void)
{
	make_netns("soak");
	if (make_pair(DEV_L3, "s0", "s1", 0) || move_link("s1", "soak"))
		die("no pair");
	set_address("s0", "10.8.0.1");
	set_up("s0", true);
	enter("soak");
	set_address("s1", "10.8.0.2");
	set_up("s1", true);
	await_running("s1");
	go_home();
	await_running("s0");
}

int main(int argc, char **argv)
{
	unsigned int seed, seconds, i;
	struct balance before;
	struct told *told;
	pid_t pids[WORKERS];
	int status[WORKERS];

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; argc == 2 && !strcmp(argv[1], "--list") && i < WORKERS; i++)
		puts(workers[i].name);
	if (argc != 3)
		return argc != 2;
	seed = strtoul(argv[1], NULL, 10);
	seconds = strtoul(argv[2], NULL, 10);
	told = mmap(NULL, sizeof(*told) * WORKERS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		die("no memory: %m");
	remember_home();
	before = balance();
	set_scene();
	if (!access(KMEMLEAK, W_OK))
		write_to(KMEMLEAK, "clear");	/* what booting left is not ours */
	for (i = 0; i < WORKERS; i++) {
		mine = &told[i];
		pids[i] = start(i, seed, seconds);
	}
	for (i = 10; i < seconds; i += 10) {
		sleep(10);
		printf("# second %u\n", i);
	}
	for (i = 0; i < WORKERS; i++)
		waitpid(pids[i], &status[i], 0);
	for (i = 0; i < WORKERS; i++)
		report(i, &told[i], status[i]);
	delete_netns("soak");
	delete_netns("soak-doomed");
	delete_link("s0");
	delete_link("d0");
	compare(before);
	look_for_leaks();
	return 0;
}
