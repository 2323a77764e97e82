/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "run.h"

#include <stdio.h>
#include <sys/socket.h>

int link_send(int fd, enum link_kind kind, const char *text)
{
        struct link_message message = { .kind = (char) kind };

        if (fd < 0)
                return -EPIPE;

        (void) snprintf(message.text, sizeof(message.text), "%s", text ? text : "");
        return send(fd, &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int link_receive(int fd, struct link_message *ret)
{
        struct link_message message;
        ssize_t n = recv(fd, &message, sizeof(message), MSG_DONTWAIT);

        if (n < 0)
                return -errno;
        if (n == 0)
                return 0;
        if (n != sizeof(message))
                return -EBADMSG;

        message.text[sizeof(message.text) - 1] = '\0';
        *ret = message;
        return 1;
}
