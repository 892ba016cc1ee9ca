// SPDX-License-Identifier: MIT
/*
 * Attaches a program to both ends of a netkit pair, as links that are pinned.
 *
 *	netkit_link attach DEVICE PIN [VERDICT]
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

int main(int argc, char **argv)
{
	int device, verdict = argc > 4 ? atoi(argv[4]) : FORWARD;
	char peer[512];
	long program, done;

	if (argc == 2 && !strcmp(argv[1], "--list"))
		return 0;	/* programs of qemu/ are asked for their cases: none here */
	if (argc < 4 || strcmp(argv[1], "attach"))
		return failed("usage: netkit_link attach DEVICE PIN [VERDICT]") + 1;
	device = if_nametoindex(argv[2]);
	if (!device)
		return failed("%s: %s", argv[2], strerror(errno));
	program = load(verdict);
	if (program < 0)
		return failed("loading the program: %s", strerror(-program));
	done = pin(device, program, BPF_NETKIT_PRIMARY, argv[3]);
	if (done < 0)
		return failed("attaching to %s: %s", argv[2], strerror(-done));
	snprintf(peer, sizeof(peer), "%s_peer", argv[3]);
	done = pin(device, program, BPF_NETKIT_PEER, peer);
	if (done < 0) {
		unlink(argv[3]);
		return failed("attaching to the peer of %s: %s", argv[2], strerror(-done));
	}
	return 0;
}
