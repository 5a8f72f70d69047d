/* The floor: what the kernel takes for a poll, and next to nothing else.
 *
 * One thread, one epoll, one kept connection for each target: sends the request, reads the answer, takes the chunks out
 * of their framing. Nothing is decoded, and nothing is shipped. Polls are paced over an interval in milliseconds, each
 * target at its own time of it; with an interval of 0 a target is polled again as soon as its page is there.
 *
 * floor PORT COUNT INTERVAL
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { HEAD, SIZE, DATA, SKIP, LAST };

struct target {
    int fd, state, waiting;
    size_t head, left;   /* bytes of the head so far; of the chunk or of the line end that are still to come */
    char tail[4];        /* the last bytes of the head */
};

static char received[1 << 18], page[1 << 18];
static size_t length;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec * 1e-9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void ask(struct target *target, int port) {
    char request[128];
    int size = snprintf(request, sizeof request, "GET /debug/vars HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", port);
    if (send(target->fd, request, size, MSG_NOSIGNAL) != size) fail("send");
    target->state = HEAD;
    target->waiting = 1;
    memset(target->tail, 0, sizeof target->tail);
}

static void chunk_begins(struct target *target) {
    target->state = target->left ? DATA : LAST;
    if (!target->left) target->left = 2;
}

/* Whether the answer has ended with these bytes. */
static int take(struct target *target, const char *data, size_t size) {
    for (size_t at = 0; at < size;) {
        char byte = data[at];
        size_t part = target->left < size - at ? target->left : size - at;
        switch (target->state) {
        case HEAD:
            memmove(target->tail, target->tail + 1, 3);
            target->tail[3] = byte;
            if (!memcmp(target->tail, "\r\n\r\n", 4)) target->state = SIZE, target->left = 0, length = 0;
            at++;
            break;
        case SIZE:
            if (byte == '\n') chunk_begins(target);
            else if (byte != '\r') target->left = target->left * 16 + (byte <= '9' ? byte - '0' : (byte | 32) - 'a' + 10);
            at++;
            break;
        case DATA:
            if (length + part <= sizeof page) memcpy(page + length, data + at, part), length += part;
            at += part;
            if (!(target->left -= part)) target->state = SKIP, target->left = 2;
            break;
        case SKIP:
            at += part;
            if (!(target->left -= part)) target->state = SIZE;
            break;
        case LAST:
            at += part;
            if (!(target->left -= part)) return 1;
        }
    }
    return 0;
}

static int receive(struct target *target) {
    ssize_t size = recv(target->fd, received, sizeof received, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (size <= 0) fail("recv");
    if (!take(target, received, size)) return 0;
    target->waiting = 0;
    return 1;
}

static void reach(struct target *target, int epoll, int port, int number) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    int yes = 1;
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    target->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (target->fd < 0 || connect(target->fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
    setsockopt(target->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, target->fd, &event)) fail("epoll_ctl");
}

int main(int argc, char **argv) {
    struct epoll_event events[256];
    struct rlimit files;
    if (argc != 4) return 2;
    int first = atoi(argv[1]), count = atoi(argv[2]), epoll = epoll_create1(EPOLL_CLOEXEC);
    double step = atof(argv[3]) / 1000 / count, begun;
    struct target *targets = calloc(count, sizeof *targets);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (int i = 0; i < count; i++) {
        reach(&targets[i], epoll, first + i, i);
        if (step == 0) ask(&targets[i], first + i);
    }
    begun = now();
    for (uint64_t next = 0;;) {
        int pause = -1;
        for (; step > 0; next++) {
            double until = begun + next * step - now();
            if (until > 0) {
                pause = (int)(until * 1000) + 1;
                break;
            }
            if (!targets[next % count].waiting) ask(&targets[next % count], first + next % count);
        }
        int ready = epoll_wait(epoll, events, 256, pause);
        for (int i = 0; i < ready; i++) {
            int number = events[i].data.u32;
            if (receive(&targets[number]) && step == 0) ask(&targets[number], first + number);
        }
    }
}
