/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus-feed.h"
#include "bus-internal.h"

#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define BUFFER_SIZE 8192U

/* Of a message, up to the length of its fields. */
#define HEADER_SIZE 16U

/* All that a client may say before the first message. */
#define LOGIN_MAX 4096U
#define LOGIN_END "\r\nBEGIN\r\n"

struct bus_feed {
        struct bus_peer *peer;
        int fd, out, in; /* in: sd-bus's end of it, which is sd-bus's to close */
        sd_event_source *io, *post, *timer;

        char buffer[BUFFER_SIZE];
        size_t begin, end; /* what is in it and was not passed on */
        size_t left;       /* of the present message */
        unsigned login;    /* bytes of it so far */
        unsigned matched;  /* of LOGIN_END */
        bool logged_in;
};

/* -- Framing ----------------------------------------------------------------------------------- */

/* The bytes of the login that are in the buffer; 0: it is too long. */
static size_t login_size(struct bus_feed *f)
{
        size_t n = 0;

        while (f->begin + n < f->end && !f->logged_in) {
                char c = f->buffer[f->begin + n++];

                if (c == LOGIN_END[f->matched])
                        f->matched++;
                else
                        f->matched = c == LOGIN_END[0];
                f->logged_in = f->matched == strlen(LOGIN_END);
                if (++f->login > LOGIN_MAX)
                        return 0;
        }
        return n;
}

/* The size of the message that begins in the buffer; 0: it makes no sense, or is too long. */
static size_t message_size(const struct bus_feed *f)
{
        const char *p = f->buffer + f->begin;
        uint32_t body, fields;
        uint64_t size;

        memcpy(&body, p + 4, sizeof(body));
        memcpy(&fields, p + 12, sizeof(fields));
        if (p[0] == 'l') {
                body = le32toh(body);
                fields = le32toh(fields);
        } else if (p[0] == 'B') {
                body = be32toh(body);
                fields = be32toh(fields);
        } else {
                return 0;
        }
        size = HEADER_SIZE + (((uint64_t) fields + 7) & ~7ULL) + body;
        return size > BUS_MESSAGE_MAX ? 0 : (size_t) size;
}

/* -- Passing on -------------------------------------------------------------------------------- */

/* Whether the next message may be passed on; else something has to happen first, or time to pass. */
static bool may_go_on(struct bus_feed *f)
{
        struct bus_peer *p = f->peer;
        uint64_t n, at;
        int unread;

        if (ioctl(f->in, FIONREAD, &unread) < 0 || unread > 0)
                return false;
        if (sd_bus_get_n_queued_write(p->handle, &n) < 0 || n > 0)
                return false;
        at = bus_limits_read(&p->bus->limits, p->uid);
        if (at == 0)
                return true;
        (void) sd_event_source_set_enabled(f->post, SD_EVENT_OFF);
        (void) sd_event_source_set_time(f->timer, at);
        (void) sd_event_source_set_enabled(f->timer, SD_EVENT_ONESHOT);
        return false;
}

/* Returns 1 where all of it could be passed on, 0 where it could not, or a negative errno. */
static int pass(struct bus_feed *f, size_t size)
{
        ssize_t n = send(f->out, f->buffer + f->begin, size, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        f->begin += (size_t) n;
        if (f->left > 0)
                f->left -= (size_t) n;
        return (size_t) n == size;
}

/* Pass on a message, or what of it is there. Returns 1 where more has to come from the client, 0 where it has
 * to wait, or a negative errno. */
static int go_on(struct bus_feed *f)
{
        int r;

        if (!f->logged_in) {
                size_t begin = f->begin, n = login_size(f);

                if (n == 0 && begin < f->end)
                        return -EMSGSIZE;
                /* So little of it fits into the socket in any case. */
                r = n > 0 ? pass(f, n) : 1;
                if (r == 0)
                        return -EMSGSIZE;
                if (r < 0 || !f->logged_in)
                        return r;
        }
        if (f->left == 0) {
                if (f->end - f->begin < HEADER_SIZE)
                        return 1;
                if (!may_go_on(f))
                        return 0;
                f->left = message_size(f);
                if (f->left == 0)
                        return -EMSGSIZE;
        }
        r = pass(f, MIN(f->left, f->end - f->begin));
        return r <= 0 ? r : f->left > 0;
}

/* Read on, or wait until something has happened. */
static void set_waiting(struct bus_feed *f, bool waiting)
{
        int timed = SD_EVENT_OFF;

        (void) sd_event_source_get_enabled(f->timer, &timed);
        (void) sd_event_source_set_enabled(f->io, waiting ? SD_EVENT_OFF : SD_EVENT_ON);
        (void) sd_event_source_set_enabled(f->post,
                                           waiting && timed == SD_EVENT_OFF ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int work(struct bus_feed *f)
{
        int r = go_on(f);

        if (r < 0)
                bus_peer_drop(f->peer);
        else
                set_waiting(f, r == 0);
        return 0;
}

static int on_io(_unused_ sd_event_source *source, int fd, _unused_ uint32_t events, void *userdata)
{
        struct bus_feed *f = userdata;
        ssize_t n;

        memmove(f->buffer, f->buffer + f->begin, f->end - f->begin);
        f->end -= f->begin;
        f->begin = 0;
        n = recv(fd, f->buffer + f->end, BUFFER_SIZE - f->end, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0) {
                /* sd-bus handles what it has got, and then sees the end. */
                (void) sd_event_source_set_enabled(f->io, SD_EVENT_OFF);
                f->out = close_fd(f->out);
                return 0;
        }
        f->end += (size_t) n;
        return work(f);
}

static int on_post(_unused_ sd_event_source *source, void *userdata)
{
        return work(userdata);
}

static int on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        return work(userdata);
}

/* -- Life -------------------------------------------------------------------------------------- */

static int init(struct bus_feed *f, sd_event *event)
{
        int r;

        r = sd_event_add_io(event, &f->io, f->fd, EPOLLIN, on_io, f);
        if (r >= 0)
                r = sd_event_source_set_priority(f->io, BUS_PRIORITY);
        if (r >= 0)
                r = sd_event_add_post(event, &f->post, on_post, f);
        if (r >= 0)
                r = sd_event_source_set_enabled(f->post, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(f->post, BUS_PRIORITY);
        if (r >= 0)
                r = sd_event_add_time(event, &f->timer, CLOCK_MONOTONIC, 0, 10 * USEC_PER_MSEC, on_time, f);
        if (r >= 0)
                r = sd_event_source_set_enabled(f->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(f->timer, BUS_PRIORITY);
        return r;
}

int bus_feed_new(struct bus_feed **ret, struct bus_peer *p, int fd, int *ret_input)
{
        struct bus_feed *f;
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return -errno;
        f = calloc(1, sizeof(*f));
        if (!f) {
                close_fd(fds[0]);
                close_fd(fds[1]);
                return -ENOMEM;
        }
        f->peer = p;
        f->out = fds[0];
        f->in = fds[1];
        f->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        r = f->fd < 0 ? -errno : init(f, p->bus->event);
        if (r < 0) {
                close_fd(fds[1]);
                bus_feed_free(f);
                return r;
        }
        *ret_input = fds[1];
        *ret = f;
        return 0;
}

struct bus_feed *bus_feed_free(struct bus_feed *f)
{
        if (!f)
                return NULL;
        sd_event_source_disable_unref(f->io);
        sd_event_source_disable_unref(f->post);
        sd_event_source_disable_unref(f->timer);
        close_fd(f->out);
        close_fd(f->fd);
        free(f);
        return NULL;
}
