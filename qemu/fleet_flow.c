// SPDX-License-Identifier: MIT
/*
 * Traffic of one pod: numbered UDP datagrams to each other pod at a fixed rate, and answers to theirs.
 *
 *	fleet_flow NAME PERIOD PATIENCE EPOCH-FILE PEER=ADDRESS …
 *
 * PERIOD and PATIENCE are milliseconds: a datagram that has no answer after PATIENCE is lost. Each belongs to the epoch
 * that EPOCH-FILE named when it was sent. Once all of an epoch's are answered or lost, its line comes:
 *
 *	flow NAME EPOCH PEER=SENT/LOST/LONGEST …	LONGEST is the most that were lost one after the other
 *	burst NAME PEER COUNT				so many were lost in a row, and the next one was answered
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT 7000
#define PEERS 32
#define WINDOW 8192	/* datagrams that may be unanswered at a time, to each peer */
#define EPOCHS 64	/* epochs that may be open at a time */
#define MAGIC 0x666c6f77

struct datagram {
	uint32_t magic;
	uint16_t answer;
	uint16_t peer;		/* the sender's number for whom it asks */
	uint64_t number;
	uint64_t run;		/* of the sender: a pod that is made anew has its old address */
	char filler[40];
};

struct count {
	unsigned int sent, lost, run, longest;
};

struct peer {
	const char *name;
	struct sockaddr_in address;
	uint64_t next;		/* the first one that is neither answered nor lost */
	unsigned int run;	/* lost in a row, over epochs */
	unsigned char answered[WINDOW];
	struct count counts[EPOCHS];
};

static struct peer peers[PEERS];
static int64_t sent_at[WINDOW];
static unsigned int epoch_of[WINDOW];
static unsigned int peer_count, first_open, epoch;
static uint64_t number, run_id;
static const char *name, *epoch_file;

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

static void read_epoch(void)
{
	char text[16] = "";
	int fd = open(epoch_file, O_RDONLY | O_CLOEXEC);

	/* The file is empty for a moment while it is written: the epoch goes on until it says another. */
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strchr(text, '\n') && (unsigned int)atoi(text) > epoch)
		epoch = atoi(text);
	if (fd >= 0)
		close(fd);
}

static void send_all(int fd)
{
	struct datagram one = { .magic = MAGIC, .number = number, .run = run_id };
	unsigned int slot = number % WINDOW;

	read_epoch();
	sent_at[slot] = now();
	epoch_of[slot] = epoch;
	for (unsigned int i = 0; i < peer_count; i++) {
		one.peer = i;
		peers[i].answered[slot] = 0;
		peers[i].counts[epoch % EPOCHS].sent++;
		/* What the kernel refuses, for want of a route, is as lost as what the wire drops. */
		sendto(fd, &one, sizeof(one), MSG_DONTWAIT, (void *)&peers[i].address, sizeof(peers[i].address));
	}
	number++;
}

static void hear(int fd)
{
	struct sockaddr_in from;
	struct datagram one;

	for (;;) {
		socklen_t size = sizeof(from);
		ssize_t got = recvfrom(fd, &one, sizeof(one), MSG_DONTWAIT, (void *)&from, &size);

		if (got < 0 && errno != EINTR)
			return;
		if (got != sizeof(one) || one.magic != MAGIC)
			continue;
		if (!one.answer) {
			one.answer = 1;
			sendto(fd, &one, sizeof(one), MSG_DONTWAIT, (void *)&from, size);
		} else if (one.run == run_id && one.peer < peer_count && one.number < number && one.number + WINDOW > number) {
			peers[one.peer].answered[one.number % WINDOW] = 1;
		}
	}
}

static void settle(struct peer *peer, int64_t patience)
{
	int64_t time = now();

	while (peer->next < number) {
		unsigned int slot = peer->next % WINDOW;
		struct count *count = &peer->counts[epoch_of[slot] % EPOCHS];

		if (peer->answered[slot]) {
			if (peer->run)
				printf("burst %s %s %u\n", name, peer->name, peer->run);
			peer->run = count->run = 0;
		} else if (time - sent_at[slot] > patience) {
			peer->run++;
			count->lost++;
			if (++count->run > count->longest)
				count->longest = count->run;
		} else {
			return;
		}
		peer->next++;
	}
}

/* The oldest epoch that a datagram belongs to that is under way still. */
static unsigned int oldest(void)
{
	unsigned int found = epoch;

	for (unsigned int i = 0; i < peer_count; i++)
		if (peers[i].next < number && epoch_of[peers[i].next % WINDOW] < found)
			found = epoch_of[peers[i].next % WINDOW];
	return found;
}

static void close_epochs(void)
{
	for (unsigned int end = oldest(); first_open < end; first_open++) {
		unsigned int slot = first_open % EPOCHS;

		if (!peers[0].counts[slot].sent)
			continue;
		printf("flow %s %u", name, first_open);
		for (unsigned int i = 0; i < peer_count; i++) {
			struct count *count = &peers[i].counts[slot];

			printf(" %s=%u/%u/%u", peers[i].name, count->sent, count->lost, count->longest);
			memset(count, 0, sizeof(*count));
		}
		putchar('\n');
	}
}

static int usage(void)
{
	fprintf(stderr, "usage: fleet_flow NAME PERIOD PATIENCE EPOCH-FILE PEER=ADDRESS …\n");
	return 2;
}

static int read_peers(char **words, int count)
{
	for (int i = 0; i < count && i < PEERS; i++) {
		char *address = strchr(words[i], '=');
		struct peer *peer = &peers[i];

		if (!address)
			return -1;
		*address++ = '\0';
		peer->name = words[i];
		peer->address.sin_family = AF_INET;
		peer->address.sin_port = htons(PORT);
		if (inet_pton(AF_INET, address, &peer->address.sin_addr) != 1)
			return -1;
		peer_count++;
	}
	return count == (int)peer_count && count ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int64_t period, patience, due;
	int fd;

	if (argc == 2 && !strcmp(argv[1], "--list"))
		return 0;	/* programs of qemu/ are asked for their cases: none here */
	if (argc < 6 || (period = atoi(argv[2])) <= 0 || (patience = atoi(argv[3])) <= 0 ||
	    patience / period >= WINDOW || read_peers(argv + 5, argc - 5))
		return usage();
	name = argv[1];
	epoch_file = argv[4];
	read_epoch();
	first_open = epoch;
	run_id = (uint64_t)now() << 20 | getpid();
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (void *)&any, sizeof(any))) {
		fprintf(stderr, "fleet_flow: port %d: %s\n", PORT, strerror(errno));
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (due = now();;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		int64_t left = due - now();

		poll(&wait, 1, left > 0 ? left : 0);
		hear(fd);
		if (now() < due)
			continue;
		send_all(fd);
		/* A guest that stood still does not make up for it by a burst. */
		due = now() > due + period ? now() + period : due + period;
		for (unsigned int i = 0; i < peer_count; i++)
			settle(&peers[i], patience);
		close_epochs();
	}
}
