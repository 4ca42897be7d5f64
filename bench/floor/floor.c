//go:build ignore
// (The line above keeps the go command from compiling this file: cmd/bench calls cc.)

/* floor sends numbered events to many event streams with as little work as possible:
 * one thread, epoll, one send(2) for each event and connection. No library that sends
 * one event at a time can cost less, so the cost of others is given as a multiple of
 * this program's.
 *
 * It has the interface of cmd/server (see internal/control): a line on standard output
 * says where it listens; a byte at the trigger address publishes an event; a second HTTP
 * server publishes and answers with figures. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum kind { UNUSED, PUBLIC, CONTROL, TRIGGER, TIMER, REQUEST, STREAM, ASKING, TRIGGERING };

/* What a file descriptor is for. If it is a stream, its position in the log. */
struct conn {
	enum kind kind;
	uint8_t crlf;    /* REQUEST: how much of the blank line at its end has been read */
	uint8_t blocked; /* STREAM: its socket is full; EPOLLOUT resumes it */
	int index;       /* STREAM: in streams */
	uint64_t pos;    /* STREAM: bytes sent, in the scale of head */
	uint64_t opened; /* STREAM: head when it was opened */
};

enum { MAXFD = 1 << 20, LOG = 16 << 20, MAXEVENT = 64 << 10 };

static struct conn conns[MAXFD];
static int streams[MAXFD], nstreams;
/* The log is a ring: byte n of everything that was published is ring[n % LOG]. The extra
 * bytes at its end hold the rest of an event that begins before the end. */
static char ring[LOG + MAXEVENT];
static uint64_t head, seq, dropped;
static size_t size = 100, eventlen;
static int ep, timer;

/* The job of POST /publish: left events, burst at a time, one burst each step. */
static struct {
	int fd, left, burst;
	size_t size;
	int64_t due, step;
} job = {.fd = -1};

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\r\n";

static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void watch(int op, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};
	if (epoll_ctl(ep, op, fd, &ev))
		die("epoll_ctl");
}

static void drop(int fd)
{
	struct conn *c = &conns[fd];
	if (c->kind == STREAM) {
		streams[c->index] = streams[--nstreams];
		conns[streams[c->index]].index = c->index;
	}
	if (fd == job.fd)
		job.fd = -1;
	c->kind = UNUSED;
	close(fd);
}

/* sent sends b. It returns whether the stream is still open. If the socket takes less,
 * EPOLLOUT sends the rest. */
static int sent(int fd, const char *b, size_t n)
{
	struct conn *c = &conns[fd];
	ssize_t did = send(fd, b, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (did < 0 && errno != EAGAIN) {
		drop(fd);
		return 0;
	}
	if (did > 0)
		c->pos += did;
	if (did != (ssize_t)n) {
		c->blocked = 1;
		watch(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLRDHUP | EPOLLOUT);
	}
	return 1;
}

/* resume sends a stream the part of the log that it has not got. */
static void resume(int fd)
{
	struct conn *c = &conns[fd];
	c->blocked = 0;
	while (c->pos < head && !c->blocked) {
		size_t at = c->pos % LOG, n = head - c->pos;
		if (!sent(fd, ring + at, at + n > LOG ? LOG - at : n))
			return;
	}
	if (!c->blocked)
		watch(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLRDHUP);
}

/* publish formats an event once and sends it to each stream that is not blocked. */
static void publish(size_t datalen, int64_t at)
{
	char *b = ring + head % LOG;
	int n = sprintf(b, "data: {\"seq\":%llu,\"sent\":%lld,\"pad\":\"", (unsigned long long)++seq, (long long)at);
	while ((size_t)n < 6 + datalen - 2)
		b[n++] = '.';
	n += sprintf(b + n, "\"}\n\n");
	if (b + n > ring + LOG)
		memcpy(ring, ring + LOG, b + n - (ring + LOG));
	head += n;
	eventlen = n;
	for (int i = nstreams; i-- > 0;) { /* backwards: drop moves the last stream to the place of the dropped one */
		int fd = streams[i];
		if (!conns[fd].blocked)
			sent(fd, b, n);
		else if (head - conns[fd].pos > LOG - MAXEVENT) {
			/* Its position is about to be overwritten. Reset the connection. */
			struct linger reset = {.l_onoff = 1};
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
			drop(fd);
			dropped++;
		}
	}
}

/* answer answers a request at the control address, which closes the connection. */
static void answer(int fd, int status, const char *format, ...)
{
	char body[1024], all[1280];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(body, sizeof body, format, args);
	va_end(args);
	n = snprintf(all, sizeof all, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, n, body);
	send(fd, all, n, MSG_NOSIGNAL);
	drop(fd);
}

static unsigned long long status(const char *name)
{
	char line[256];
	unsigned long long kb = 0;
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, name, strlen(name)))
			kb = strtoull(line + strlen(name), NULL, 10);
	if (f)
		fclose(f);
	return kb << 10;
}

static void stats(int fd)
{
	struct rusage u;
	uint64_t lag = 0;
	getrusage(RUSAGE_SELF, &u);
	for (int i = 0; i < nstreams; i++)
		if (head - conns[streams[i]].pos > lag)
			lag = head - conns[streams[i]].pos;
	answer(fd, 200,
		"{\"cpu\":%lld,\"rss\":%llu,\"peak_rss\":%llu,\"last\":%llu,\"counts\":{\"open\":%d,\"lag\":%llu,\"dropped\":%llu}}",
		(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000LL + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000LL,
		status("VmRSS:"), status("VmHWM:"), (unsigned long long)seq, nstreams,
		(unsigned long long)(eventlen ? lag / eventlen : 0), (unsigned long long)dropped);
}

/* work publishes one burst of the job, and answers after the last one. It returns after
 * each burst even if it is late, so that the loop can serve others. */
static void work(void)
{
	if (job.fd >= 0 && job.due <= now(CLOCK_REALTIME)) {
		for (int i = 0; i < job.burst && job.left > 0; i++, job.left--)
			publish(job.size, job.step ? job.due : now(CLOCK_REALTIME));
		job.due += job.step;
	}
	if (job.fd < 0)
		return;
	if (job.left == 0) {
		int fd = job.fd;
		answer(fd, 200, "{\"last\":%llu}", (unsigned long long)seq);
		return;
	}
	int64_t wait = job.due - now(CLOCK_REALTIME);
	if (wait < 1)
		wait = 1;
	struct itimerspec t = {.it_value = {wait / 1000000000, wait % 1000000000}};
	timerfd_settime(timer, 0, &t, NULL);
}

static double number(const char *request, const char *name, double otherwise)
{
	const char *end = strstr(request, "\r\n"), *p = strstr(request, name);
	return p && p < end ? strtod(p + strlen(name), NULL) : otherwise;
}

/* control handles a request, which must arrive in one piece. */
static void control(int fd, const char *request)
{
	if (!strncmp(request, "POST /publish?", 14)) {
		double rate = number(request, "rate=", 0), bytes = number(request, "size=", size);
		int burst = number(request, "burst=", 1), n = number(request, "n=", 0);
		if (job.fd >= 0 || n < 1 || burst < 1 || bytes > MAXEVENT - 100) {
			answer(fd, 400, "{}");
			return;
		}
		job.fd = fd, job.left = n, job.burst = burst, job.size = bytes;
		job.step = rate > 0 ? 1e9 * burst / rate : 0;
		job.due = now(CLOCK_REALTIME);
		work();
	} else if (!strncmp(request, "GET /stats ", 11) || !strncmp(request, "POST /gc ", 9)) {
		stats(fd); /* there is nothing to collect */
	} else if (!strncmp(request, "POST /reset-peak ", 17)) {
		FILE *f = fopen("/proc/self/clear_refs", "w");
		int done = f && fputs("5", f) >= 0;
		if (f && fclose(f))
			done = 0;
		answer(fd, done ? 200 : 500, "{}");
	} else {
		answer(fd, 404, "{}");
	}
}

/* begin answers a complete request, and makes its connection a stream. */
static void begin(int fd)
{
	struct conn *c = &conns[fd];
	if (send(fd, ok, sizeof ok - 1, MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof ok - 1) {
		drop(fd);
		return;
	}
	c->kind = STREAM;
	c->blocked = 0;
	c->pos = head;
	c->index = nstreams;
	streams[nstreams++] = fd;
}

static void readable(int fd)
{
	static char b[4096];
	struct conn *c = &conns[fd];
	ssize_t n = recv(fd, b, sizeof b - 1, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		drop(fd);
		return;
	}
	b[n] = 0;
	switch (c->kind) {
	case REQUEST:
		for (ssize_t i = 0; i < n && c->kind == REQUEST; i++) {
			c->crlf = b[i] == "\r\n\r\n"[c->crlf] ? c->crlf + 1 : b[i] == '\r';
			if (c->crlf == 4) {
				begin(fd);
				return;
			}
		}
		break;
	case ASKING:
		control(fd, b);
		break;
	case TRIGGERING:
		while (n-- > 0)
			publish(size, now(CLOCK_REALTIME));
	default:;
	}
}

/* incoming accepts a few of the waiting connections, so that open ones do not wait long. */
static void incoming(int ln)
{
	for (int i = 0; i < 64; i++) {
		int fd = accept4(ln, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
				return;
			die("accept");
		}
		if (fd >= MAXFD) {
			close(fd);
			return;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		enum kind k = conns[ln].kind;
		conns[fd] = (struct conn){.kind = k == PUBLIC ? REQUEST : k == CONTROL ? ASKING : TRIGGERING};
		watch(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP);
	}
}

static int listening(enum kind kind)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	if (fd < 0 || bind(fd, (void *)&a, n) || listen(fd, 4096) || getsockname(fd, (void *)&a, &n))
		die("listen");
	conns[fd].kind = kind;
	watch(EPOLL_CTL_ADD, fd, EPOLLIN);
	return ntohs(a.sin_port);
}

static void terminated(int signal)
{
	(void)signal;
	_exit(0);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc || strcmp(argv[i], "-size")) {
			fprintf(stderr, "usage: floor [-size bytes]\n");
			return 2;
		}
		size = strtoul(argv[i + 1], NULL, 10);
	}
	signal(SIGTERM, terminated);
	if (size > MAXEVENT - 100)
		return 2;
	if ((ep = epoll_create1(EPOLL_CLOEXEC)) < 0)
		die("epoll_create1");
	if ((timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) < 0)
		die("timerfd_create");
	conns[timer].kind = TIMER;
	watch(EPOLL_CTL_ADD, timer, EPOLLIN);
	int public = listening(PUBLIC), control = listening(CONTROL), trigger = listening(TRIGGER);
	printf("{\"addr\":\"127.0.0.1:%d\",\"control\":\"127.0.0.1:%d\",\"trigger\":\"127.0.0.1:%d\"}\n", public, control, trigger);
	fflush(stdout);

	static struct epoll_event events[512];
	for (;;) {
		int n = epoll_wait(ep, events, sizeof events / sizeof *events, -1);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			uint64_t ticks;
			switch (conns[fd].kind) {
			case UNUSED: /* dropped meanwhile */
				break;
			case PUBLIC:
			case CONTROL:
			case TRIGGER:
				incoming(fd);
				break;
			case TIMER:
				if (read(fd, &ticks, sizeof ticks) == sizeof ticks)
					work();
				break;
			default:
				if (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
					readable(fd);
				if (events[i].events & EPOLLOUT && conns[fd].kind == STREAM && conns[fd].blocked)
					resume(fd);
			}
		}
	}
}
