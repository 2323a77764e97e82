/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus-internal.h"
#include "hobble.h"
#include "snapshot.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

/* The bytes of the character at s; 0 where it is none that every client takes: some refuse a message with one
 * of the code points that Unicode keeps from being characters. */
static size_t character_size(const char *s, size_t size)
{
        uint32_t c = 0;
        size_t n = utf8_length(s, size, &c);

        return (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef) ? 0 : n;
}

const char *bus_text(const char *s, char *buf, size_t size)
{
        size_t used = 0, left = strlen(s);

        while (left > 0) {
                size_t n = character_size(s, left), take = n ? n : 1, want = n ? n : 4;

                if (used + want >= size)
                        break;
                if (n)
                        memcpy(buf + used, s, n);
                else
                        snprintf(buf + used, 5, "\\x%02x", (unsigned char) *s);
                used += want;
                s += take;
                left -= take;
        }
        buf[used] = '\0';
        return buf;
}

const char *bus_state_name(const struct hobble_subject_status *status, bool paused)
{
        if (status->admitting)
                return "admitting";
        if (status->releasing)
                return "releasing";
        if (paused)
                return "paused";
        switch (status->state) {
        case HOBBLE_FROZEN:
                return "frozen";
        case HOBBLE_HELD:
                return "held";
        default:
                return "thawed";
        }
}

void bus_process_read(pid_t pid, struct bus_process *ret)
{
        struct snapshot_process process;

        *ret = (struct bus_process){ .uid = (uid_t) -1 };
        if (pid <= 0 || snapshot_read(pid, &process) < 0)
                return;
        ret->uid = process.uid;
        process.comm[sizeof(process.comm) - 1] = '\0';
        bus_text(process.comm, ret->command, sizeof(ret->command));
}

uint64_t bus_until_usec(const struct manager *m, const struct subjects_item *item, bool *ret_requested)
{
        const struct requests *requests = control_requests(m);
        const struct request *request = NULL;
        struct hobble_process process;
        char home[4096];
        pid_t pid = hobble_subject_pid(item->handle);

        *ret_requested = false;
        if (requests_count(requests) == 0)
                return 0;
        if (pid <= 0)
                request = requests_match_cgroup(requests, REQUEST_HOBBLE, item->tarpit->name, false,
                                                hobble_subject_name(item->handle));
        else if (hobble_process_read(pid, &process) >= 0 &&
                 hobble_engine_home_of(hobble_tarpit_engine(hobble_subject_tarpit(item->handle)), pid, home,
                                       sizeof(home)) >= 0)
                request = requests_match(requests, REQUEST_HOBBLE, item->tarpit->name, false, &process, home);
        *ret_requested = request != NULL;
        return request ? request->until_usec : 0;
}

const char *bus_user_name(uid_t uid, char *buf, size_t size)
{
        if (uid == 0)
                snprintf(buf, size, "root");
        else
                snprintf(buf, size, "%u", uid);
        return buf;
}

/* -- Arguments --------------------------------------------------------------------------------- */

int bus_check_flags(uint64_t flags, sd_bus_error *error)
{
        if (flags & ~(uint64_t) (CONTROL_FORCE | CONTROL_PERSISTENT))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Flags %#llx: only 1 (force) and 2 (persistent) mean something",
                                         (unsigned long long) flags);
        return 0;
}

int bus_check_what(const char *what, sd_bus_error *error)
{
        if (strlen(what) > REQUEST_WHAT_MAX)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Who is meant is longer than %u bytes", REQUEST_WHAT_MAX);
        return 0;
}

int bus_read_assignments(sd_bus_message *m, struct bus_assignments *ret, sd_bus_error *error)
{
        const char *text;
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "s", &text)) > 0) {
                if (n >= BUS_ASSIGNMENTS_MAX)
                        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "More than %u assignments",
                                                 BUS_ASSIGNMENTS_MAX);
                ret->of[n++] = (char *) text;
        }
        ret->of[n] = NULL;
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

char **bus_nodes_free(char **nodes)
{
        for (char **node = nodes; *node; node++)
                free(*node);
        free(nodes);
        return NULL;
}
