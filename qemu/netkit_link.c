// SPDX-License-Identifier: MIT
/*
 * Attaches a program to both ends of a netkit pair, as links that are pinned.
 *
 *	netkit_link attach DEVICE PIN [VERDICT]
 *	netkit_link check DEVICE PIN		whether both ends have the program that attach gives them
 *	netkit_link replace PIN VERDICT		another program takes the place of both, as a drill does it
 *	netkit_link detach PIN			both programs go, and the pins stay
 *	netkit_link count			programs, links and maps of the whole kernel
 *
 * DEVICE is the primary. The links are at PIN and PIN_peer (the BPF file system takes no dots in names):
 * while the files are there the program is, and removing them detaches it. If one of the two fails, neither
 * is left. The program passes what it sees, or returns VERDICT. It is compiled with the ported kernel's own UAPI headers.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>

#define FORWARD 0	/* NETKIT_PASS: on to the other end, whatever the policy is */

static long bpf(int command, union bpf_attr *attr)
{
	long done = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return done < 0 ? -errno : done;
}

static int __attribute__((format(printf, 1, 2))) failed(const char *what, ...)
{
	__builtin_va_list args;

	__builtin_va_start(args, what);
	vfprintf(stderr, what, args);
	__builtin_va_end(args);
	fputc('\n', stderr);
	return 1;
}

static long load(int verdict)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = verdict },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SCHED_CLS,
		.insns = (unsigned long)code,
		.insn_cnt = sizeof(code) / sizeof(code[0]),
		.license = (unsigned long)"GPL",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

static long pin(int device, int program, int type, const char *path)
{
	union bpf_attr link = {
		.link_create.prog_fd = program,
		.link_create.target_ifindex = device,
		.link_create.attach_type = type,
	};
	long fd = bpf(BPF_LINK_CREATE, &link);
	union bpf_attr attr = { .pathname = (unsigned long)path, .bpf_fd = fd };

	return fd < 0 ? fd : bpf(BPF_OBJ_PIN, &attr);
}

static int attach(const char *name, const char *path, int verdict)
{
	int device = if_nametoindex(name);
	char peer[512];
	long program, done;

	if (!device)
		return failed("%s: %s", name, strerror(errno));
	program = load(verdict);
	if (program < 0)
		return failed("loading the program: %s", strerror(-program));
	done = pin(device, program, BPF_NETKIT_PRIMARY, path);
	if (done < 0)
		return failed("attaching to %s: %s", name, strerror(-done));
	snprintf(peer, sizeof(peer), "%s_peer", path);
	done = pin(device, program, BPF_NETKIT_PEER, peer);
	if (done < 0) {
		unlink(path);
		return failed("attaching to the peer of %s: %s", name, strerror(-done));
	}
	return 0;
}

static long open_pin(const char *path)
{
	union bpf_attr attr = { .pathname = (unsigned long)path };

	return bpf(BPF_OBJ_GET, &attr);
}

static long info_of(int fd, void *info, unsigned int size)
{
	union bpf_attr attr = { .info.bpf_fd = fd, .info.info_len = size, .info.info = (unsigned long)info };

	memset(info, 0, size);
	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

/* A program's tag is a hash of its instructions. */
static int same_program(unsigned int id, int ours)
{
	union bpf_attr attr = { .prog_id = id };
	struct bpf_prog_info found, wanted;
	long fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);

	if (fd < 0 || info_of(fd, &found, sizeof(found)) < 0 || info_of(ours, &wanted, sizeof(wanted)) < 0)
		return 0;
	return !memcmp(found.tag, wanted.tag, sizeof(found.tag));
}

static int check_end(int device, const char *path, unsigned int type, int program)
{
	struct bpf_link_info link;
	long fd = open_pin(path), done = fd < 0 ? fd : info_of(fd, &link, sizeof(link));

	if (done < 0)
		return failed("%s: %s", path, strerror(-done));
	/* The peer's end is in another namespace, under another index; a link without a device was detached. */
	if (!link.netkit.ifindex || link.netkit.attach_type != type ||
	    (type == BPF_NETKIT_PRIMARY && link.netkit.ifindex != (unsigned int)device))
		return failed("%s: the link is on no device, or on another", path);
	return same_program(link.prog_id, program) ? 0 : failed("%s: another program is attached", path);
}

static int check(const char *name, const char *path)
{
	int device = if_nametoindex(name);
	long program = load(FORWARD);
	char peer[512];

	if (!device || program < 0)
		return failed("%s: %s", name, strerror(device ? -program : errno));
	snprintf(peer, sizeof(peer), "%s_peer", path);
	return check_end(device, path, BPF_NETKIT_PRIMARY, program) ||
	       check_end(device, peer, BPF_NETKIT_PEER, program);
}

/* Both ends, with what is to be done to a link. */
static int each_end(const char *path, long (*change)(int link, int verdict), int verdict)
{
	const char *const endings[] = { "", "_peer" };
	char name[512];

	for (int i = 0; i < 2; i++) {
		long fd, done;

		snprintf(name, sizeof(name), "%s%s", path, endings[i]);
		fd = open_pin(name);
		done = fd < 0 ? fd : change(fd, verdict);
		if (done < 0)
			return failed("%s: %s", name, strerror(-done));
	}
	return 0;
}

static long replace(int link, int verdict)
{
	union bpf_attr attr = { .link_update.link_fd = link };
	long program = load(verdict);

	attr.link_update.new_prog_fd = program;
	return program < 0 ? program : bpf(BPF_LINK_UPDATE, &attr);
}

static long detach(int link, int verdict)
{
	union bpf_attr attr = { .link_detach.link_fd = link };

	(void)verdict;
	return bpf(BPF_LINK_DETACH, &attr);
}

static unsigned int count(int command)
{
	union bpf_attr attr = { 0 };
	unsigned int found = 0;

	for (; bpf(command, &attr) >= 0; attr.start_id = attr.next_id)
		found++;
	return found;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (!strcmp(word, "--list"))
		return 0;	/* programs of qemu/ are asked for their cases: none here */
	if (!strcmp(word, "attach") && argc >= 4)
		return attach(argv[2], argv[3], argc > 4 ? atoi(argv[4]) : FORWARD);
	if (!strcmp(word, "check") && argc == 4)
		return check(argv[2], argv[3]);
	if (!strcmp(word, "replace") && argc == 4)
		return each_end(argv[2], replace, atoi(argv[3]));
	if (!strcmp(word, "detach") && argc == 3)
		return each_end(argv[2], detach, 0);
	if (!strcmp(word, "count") && argc == 2)
		return printf("%u programs %u links %u maps\n", count(BPF_PROG_GET_NEXT_ID),
			      count(BPF_LINK_GET_NEXT_ID), count(BPF_MAP_GET_NEXT_ID)) < 0;
	return failed("usage: netkit_link attach|check|replace|detach|count, as qemu/netkit_link.c tells") + 1;
}
