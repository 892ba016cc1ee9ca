/* SPDX-License-Identifier: MIT */
/* What the laboratory's programs share: steps as guests/parsers/steps reads them, `ip`, namespaces, links, sockets. */
#ifndef LAB_H
#define LAB_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>

#define UNUSED __attribute__((unused))

/* -- steps; what goes wrong outside of one ends the program, and the step that was begun stays unreported */

static void UNUSED __attribute__((format(printf, 2, 3))) said(const char *word, const char *format, ...)
{
	va_list args;

	printf("%s ", word);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static void UNUSED __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
	_exit(1);
}

/* -- `ip`, in batches: under emulation a process costs more than what it does */

static int UNUSED __attribute__((format(printf, 2, 3))) ip_says(const char *options, const char *format, ...)
{
	char command[96];
	va_list args;
	FILE *ip;

	snprintf(command, sizeof(command), "ip %s -batch - 2>/run/ip-says", options);
	ip = popen(command, "w");
	if (!ip)
		die("no ip: %m");
	va_start(args, format);
	vfprintf(ip, format, args);
	va_end(args);
	return pclose(ip);
}

#define ip_do(options, ...)                                                            \
	do {                                                                           \
		if (ip_says(options, __VA_ARGS__) && system("cat /run/ip-says") != -1) \
			die("%s:%d: ip %s refused", __func__, __LINE__, options);      \
	} while (0)

static void UNUSED write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s: %m", path);
	close(fd);
}

/* The first line of a file; empty where there is none or it cannot be read. */
static UNUSED const char *first_line(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "r");

	*text = 0;
	if (file && fgets(text, size, file))
		text[strcspn(text, "\n")] = 0;
	if (file)
		fclose(file);
	return text;
}

/* -- namespaces: a process has a home, and sockets stay where they were made */

static int home = -1;

static void UNUSED remember_home(void)
{
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		die("no network namespaces: %m");
}

static void UNUSED enter(const char *pod)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", pod);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die("entering %s: %m", pod);
	close(fd);
}

static void UNUSED go_home(void)
{
	if (setns(home, CLONE_NEWNET))
		die("back home: %m");
}

/* As `ip netns add` does, without a process: the name is a mount of the namespace. */
static void UNUSED make_netns(const char *pod)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", pod);
	mkdir("/run/netns", 0755);
	fd = open(path, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0 || unshare(CLONE_NEWNET) || mount("/proc/self/ns/net", path, "none", MS_BIND, NULL))
		die("no namespace %s: %m", pod);
	close(fd);
	go_home();
}

static void UNUSED delete_netns(const char *pod)
{
	char path[64];

	snprintf(path, sizeof(path), "/run/netns/%s", pod);
	umount2(path, MNT_DETACH);
	unlink(path);
}

static int UNUSED socket_in(const char *pod, int family, int type, int protocol)
{
	int fd;

	if (pod)
		enter(pod);
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	if (pod)
		go_home();
	if (fd < 0)
		die("no socket in %s: %m", pod ? pod : "the host");
	return fd;
}

/* -- addresses of either family */

struct where {
	struct sockaddr_storage at;
	socklen_t size;
};

static struct where UNUSED where(const char *ip, int port)
{
	struct where it = {};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&it.at;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&it.at;

	if (strchr(ip, ':')) {
		*v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
		it.size = sizeof(*v6);
		inet_pton(AF_INET6, ip, &v6->sin6_addr);
	} else {
		*v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		it.size = sizeof(*v4);
		inet_pton(AF_INET, ip, &v4->sin_addr);
	}
	return it;
}

static bool UNUSED readable(int fd, int milliseconds)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, milliseconds) > 0;
}

/* -- the devices that are compared */

enum { DEV_VETH, DEV_L2, DEV_L3, DEVICES };
static UNUSED const char *const devices[DEVICES] = { "veth", "netkit_l2", "netkit_l3" };
static UNUSED const char *const kinds[DEVICES] = {
	"type veth peer", "type netkit mode l2 forward peer forward", "type netkit mode l3 forward peer forward",
};

static int UNUSED device_of(const char *name)
{
	int d;

	for (d = 0; d < DEVICES; d++)
		if (!strcmp(devices[d], name))
			return d;
	die("no device %s", name);
}

/* -- links by hand: one `ip -batch` (6.15) takes a netkit's mode once, and a thousand processes take too long */

struct request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct nlmsgerr error;
	};
	char data[512];
};

static UNUSED struct rtattr *add_attr(struct request *request, int type, const void *data, int size)
{
	struct rtattr *attr = (void *)((char *)request + NLMSG_ALIGN(request->head.nlmsg_len));

	attr->rta_type = type;
	attr->rta_len = RTA_LENGTH(size);
	memcpy(RTA_DATA(attr), data, size);
	request->head.nlmsg_len = NLMSG_ALIGN(request->head.nlmsg_len) + RTA_ALIGN(attr->rta_len);
	return attr;
}

static UNUSED struct rtattr *begin_nest(struct request *request, int type)
{
	return add_attr(request, type | NLA_F_NESTED, "", 0);
}

static UNUSED void end_nest(struct request *request, struct rtattr *nest)
{
	nest->rta_len = (char *)request + request->head.nlmsg_len - (char *)nest;
}

/* 0 or a negative error, as the kernel says it. A socket for each: it belongs to the namespace of its making. */
static int UNUSED ask_kernel(struct request *request)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), done = 1;
	struct request reply;

	request->head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (fd < 0 || send(fd, request, request->head.nlmsg_len, 0) < 0)
		done = -errno;
	while (done > 0) {
		long got = recv(fd, &reply, sizeof(reply), 0);

		if (got < 0 && errno != EINTR)
			done = -errno;
		else if (got > 0 && reply.head.nlmsg_type == NLMSG_ERROR)
			done = reply.error.error;
	}
	close(fd);
	return done;
}

static int UNUSED make_pair(int device, const char *name, const char *peer, unsigned int group)
{
	struct request request = {
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = RTM_NEWLINK,
			  .nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL },
	};
	struct ifinfomsg none = {};
	unsigned int mode = device == DEV_L2 ? NETKIT_L2 : NETKIT_L3;
	const char *kind = device == DEV_VETH ? "veth" : "netkit";
	int peer_info = device == DEV_VETH ? (int)VETH_INFO_PEER : (int)IFLA_NETKIT_PEER_INFO;
	struct rtattr *info, *data, *other;

	add_attr(&request, IFLA_IFNAME, name, strlen(name) + 1);
	add_attr(&request, IFLA_GROUP, &group, sizeof(group));
	info = begin_nest(&request, IFLA_LINKINFO);
	add_attr(&request, IFLA_INFO_KIND, kind, strlen(kind));
	data = begin_nest(&request, IFLA_INFO_DATA);
	if (device != DEV_VETH)
		add_attr(&request, IFLA_NETKIT_MODE, &mode, sizeof(mode));
	other = add_attr(&request, peer_info | NLA_F_NESTED, &none, sizeof(none));
	add_attr(&request, IFLA_IFNAME, peer, strlen(peer) + 1);
	add_attr(&request, IFLA_GROUP, &group, sizeof(group));
	end_nest(&request, other);
	end_nest(&request, data);
	end_nest(&request, info);
	return ask_kernel(&request);
}

static int UNUSED delete_link(const char *name)
{
	struct request request = {
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = RTM_DELLINK },
		.link.ifi_index = if_nametoindex(name),
	};

	return request.link.ifi_index ? ask_kernel(&request) : -ENODEV;
}

static int UNUSED move_link(const char *name, const char *pod)
{
	struct request request = {
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = RTM_NEWLINK },
		.link.ifi_index = if_nametoindex(name),
	};
	char path[64];
	int fd, done;

	snprintf(path, sizeof(path), "/run/netns/%s", pod);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !request.link.ifi_index)
		return -ENOENT;
	add_attr(&request, IFLA_NET_NS_FD, &fd, sizeof(fd));
	done = ask_kernel(&request);
	close(fd);
	return done;
}

/* -- a device of this process's namespace, by the system calls that every kernel has */

static int UNUSED on_device(const char *device, unsigned long what, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), done;

	memset(ifr->ifr_name, 0, IFNAMSIZ);
	strncpy(ifr->ifr_name, device, IFNAMSIZ - 1);
	done = ioctl(fd, what, ifr) < 0 ? -errno : 0;
	close(fd);
	return done;
}

static int UNUSED set_address(const char *device, const char *ip)
{
	struct where it = where(ip, 0);
	struct ifreq ifr = {};

	memcpy(&ifr.ifr_addr, &it.at, sizeof(ifr.ifr_addr));
	return on_device(device, SIOCSIFADDR, &ifr);
}

static int UNUSED set_up(const char *device, bool up)
{
	struct ifreq ifr = {};
	int done = on_device(device, SIOCGIFFLAGS, &ifr);

	ifr.ifr_flags = up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP;
	return done ? done : on_device(device, SIOCSIFFLAGS, &ifr);
}

/* What is sent before the kernel's link watch has looked is dropped without a word, by a queue that takes nothing. */
static void UNUSED await_running(const char *device)
{
	struct ifreq ifr;
	int tries;

	for (tries = 0; tries < 300; tries++) {
		if (!on_device(device, SIOCGIFFLAGS, &ifr) && ifr.ifr_flags & IFF_RUNNING)
			return;
		usleep(20 * 1000);
	}
	die("%s never came up", device);
}

static int UNUSED ethtool(const char *device, void *data)
{
	struct ifreq ifr = { .ifr_data = data };

	return on_device(device, SIOCETHTOOL, &ifr);
}

/* -- BPF */

static long UNUSED bpf(int command, union bpf_attr *attr)
{
	long done = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return done < 0 ? -errno : done;
}

#endif
