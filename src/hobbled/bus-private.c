/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The socket: where there is no bus, and where the bus shall not be needed. Everybody may connect and ask,
 * root may change something. */

#include "bus-feed.h"
#include "bus-internal.h"
#include "clock.h"
#include "message.h"
#include "text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define DRIVER "org.freedesktop.DBus"

/* Of the clients that are connected at a time some are kept for root. */
#define CLIENTS_MAX 64U
#define CLIENTS_OTHERS_MAX 48U
#define CLIENTS_USER_MAX 16U

/* -- Messages to the bus itself ---------------------------------------------------------------- */

/* A client that takes this for a bus begins with Hello and may subscribe, which it needs not: signals are
 * sent to all. */
int bus_private_driver(struct bus_peer *p, sd_bus_message *m, sd_bus_error *error)
{
        int r;

        if (!sd_bus_message_get_interface(m) || strcmp(sd_bus_message_get_interface(m), DRIVER) != 0)
                return 0;
        if (!bus_limits_call(&p->bus->limits, p->uid))
                return sd_bus_error_set(error, BUS_ERROR_RATE_LIMITED, "Too many calls: wait a second");
        if (sd_bus_message_is_method_call(m, DRIVER, "Hello"))
                r = sd_bus_reply_method_return(m, "s", ":1.1");
        else if (sd_bus_message_is_method_call(m, DRIVER, "AddMatch") ||
                 sd_bus_message_is_method_call(m, DRIVER, "RemoveMatch"))
                r = sd_bus_reply_method_return(m, "");
        else if (sd_bus_message_is_method_call(m, DRIVER, "GetNameOwner"))
                r = sd_bus_reply_method_return(m, "s", BUS_NAME);
        else if (sd_bus_message_is_method_call(m, DRIVER, "NameHasOwner"))
                r = sd_bus_reply_method_return(m, "b", true);
        else if (sd_bus_message_is_method_call(m, DRIVER, "ListNames"))
                r = sd_bus_reply_method_return(m, "as", 1, BUS_NAME);
        else if (sd_bus_message_is_method_call(m, DRIVER, "ListActivatableNames"))
                r = sd_bus_reply_method_return(m, "as", 0);
        else
                return sd_bus_error_set(error, SD_BUS_ERROR_UNKNOWN_METHOD, "This is not a message bus");
        return r < 0 ? r : 1;
}

/* -- Clients ----------------------------------------------------------------------------------- */

static bool has_room_for(const struct bus *b, uid_t uid)
{
        unsigned all = 0, others = 0, user = 0;

        for (const struct bus_peer *p = b->peers; p; p = p->next) {
                all += p->private;
                others += p->private && p->uid != 0;
                user += p->private && p->uid == uid;
        }
        return all < CLIENTS_MAX && (uid == 0 || (others < CLIENTS_OTHERS_MAX && user < CLIENTS_USER_MAX));
}

/* Makes sd-bus serve the client: it reads from the feed, and writes to fd, which is taken. */
static int client_start(struct bus_peer *p, int fd)
{
        sd_id128_t id;
        int input, r;

        r = sd_id128_randomize(&id);
        if (r >= 0)
                r = bus_feed_new(&p->feed, p, fd, &input);
        if (r < 0) {
                close_fd(fd);
                return r;
        }
        r = sd_bus_set_fd(p->handle, input, fd);
        if (r < 0) {
                close_fd(input);
                close_fd(fd);
                return r;
        }
        r = sd_bus_set_server(p->handle, true, id);
        if (r >= 0)
                r = sd_bus_set_anonymous(p->handle, true); /* the kernel has told who it is */
        if (r >= 0)
                r = sd_bus_negotiate_creds(p->handle, false, 0);
        if (r >= 0)
                r = sd_bus_negotiate_fds(p->handle, false);
        if (r >= 0)
                r = sd_bus_start(p->handle);
        return r < 0 ? r : sd_bus_attach_event(p->handle, p->bus->event, (int) BUS_PRIORITY);
}

static int client_new(struct bus *b, int fd, const struct ucred *who)
{
        struct bus_peer *p;
        sd_bus *handle;
        int r;

        r = sd_bus_new(&handle);
        if (r >= 0)
                r = bus_peer_new(&p, b, handle, true);
        if (r < 0) {
                close_fd(fd);
                return r;
        }
        p->uid = who->uid;
        p->pid = who->pid;
        r = client_start(p, fd);
        if (r < 0)
                bus_peer_drop(p);
        return r;
}

static int on_accept(_unused_ sd_event_source *source, int fd, _unused_ uint32_t events, void *userdata)
{
        struct bus *b = userdata;
        _cleanup_close_ int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct ucred who;
        socklen_t size = sizeof(who);

        if (client < 0)
                return 0;
        bus_peers_sweep(b, false);
        if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 || !has_room_for(b, who.uid))
                return 0;
        (void) client_new(b, TAKE_FD(client), &who);
        return 0;
}

/* -- The socket -------------------------------------------------------------------------------- */

static int set_address(const char *path, struct sockaddr_un *ret)
{
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof(ret->sun_path))
                return -ENAMETOOLONG;
        strcpy(ret->sun_path, path);
        return 0;
}

/* Whether somebody listens there. */
static bool is_alive(const struct sockaddr_un *address)
{
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        return fd >= 0 &&
               (connect(fd, (const struct sockaddr *) address, sizeof(*address)) == 0 || errno == EAGAIN);
}

/* Returns the listening socket, or a negative errno. */
static int listen_at(const char *path)
{
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address;
        struct stat st;
        int r;

        r = set_address(path, &address);
        if (r < 0)
                return r;
        if (lstat(path, &st) == 0) {
                if (!S_ISSOCK(st.st_mode))
                        return -EEXIST;
                if (is_alive(&address))
                        return -EADDRINUSE;
                (void) unlink(path);
        }
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        /* Before it listens nobody can connect. */
        if (chmod(path, 0666) < 0 || listen(fd, SOMAXCONN) < 0) {
                r = -errno;
                (void) unlink(path);
                return r;
        }
        return TAKE_FD(fd);
}

static int start(struct bus *b)
{
        int r;

        b->socket_fd = listen_at(b->options.socket_path);
        if (b->socket_fd < 0)
                return b->socket_fd;
        if (stat(b->options.socket_path, &b->socket_stat) < 0)
                return -errno;
        r = sd_event_add_io(b->event, &b->accept, b->socket_fd, EPOLLIN, on_accept, b);
        return r < 0 ? r : sd_event_source_set_priority(b->accept, BUS_PRIORITY);
}

int bus_private_init(struct bus *b)
{
        char shown[512];
        int r;

        if (!b->options.socket_path)
                return 0;
        r = start(b);
        if (r >= 0)
                return 0;
        escape_text(b->options.socket_path, strlen(b->options.socket_path), shown, sizeof(shown));
        message(MESSAGE_WARNING, "%s: no socket to talk to hobbled can be made there: %s%s", shown,
                r == -EADDRINUSE ? "another hobbled has it" : strerror(-r),
                b->options.system ? "; hobblectl uses the system bus" : "");
        bus_private_done(b);
        return r == -ENOMEM ? r : 0;
}

void bus_private_done(struct bus *b)
{
        struct stat st;

        b->accept = sd_event_source_disable_unref(b->accept);
        /* Not that of another one, which was made since. */
        if (b->socket_fd >= 0 && stat(b->options.socket_path, &st) == 0 &&
            st.st_dev == b->socket_stat.st_dev && st.st_ino == b->socket_stat.st_ino)
                (void) unlink(b->options.socket_path);
        b->socket_fd = close_fd(b->socket_fd);
}
