/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "message.h"
#include "clock.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static enum message_level message_limit = MESSAGE_INFO;
static unsigned message_lost;

static struct topic *topics_dropped;
static void (*topics_handler)(void *userdata);
static void *topics_userdata;

int message_level_parse(const char *s, enum message_level *ret)
{
        static const char *const names[] = { "error", "warning", "notice", "info", "debug" };

        _Static_assert(ELEMENTSOF(names) == MESSAGE_LEVEL_MAX, "a name for each level");
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                if (strcmp(s, names[i]) == 0) {
                        *ret = (enum message_level) i;
                        return 0;
                }
        }
        return -EINVAL;
}

void message_set_level(enum message_level level)
{
        message_limit = level;
}

/* One write of at most PIPE_BUF bytes where poll() promises room for that many: a terminal that was stopped,
 * or a pipe that nobody reads (its reader may be frozen), cannot hold up the duty cycle. */
static void message_write(char *line, size_t size)
{
        struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
        char lost[80];

        if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLOUT)) {
                message_lost++;
                return;
        }
        if (message_lost > 0) {
                int n = snprintf(lost, sizeof(lost), "hobbled: (%u lines could not be written)\n",
                                 message_lost);

                message_lost = 0;
                if (write(STDERR_FILENO, lost, (size_t) n) < 0)
                        return;
        }
        if (write(STDERR_FILENO, line, size) < 0)
                message_lost++;
}

static void message_valist(enum message_level level, const char *name, const char *fmt, va_list ap)
{
        char line[2048];
        int n, k;

        if (level > message_limit)
                return;

        n = snprintf(line, sizeof(line), "hobbled: %s%s", name ? name : "", name ? ": " : "");
        if ((size_t) n < sizeof(line)) {
                k = vsnprintf(line + n, sizeof(line) - (size_t) n, fmt, ap);
                if (k < 0)
                        return;
                n += k;
        }
        if ((size_t) n >= sizeof(line))
                n = sizeof(line) - 1;
        line[n] = '\n';
        message_write(line, (size_t) n + 1);
}

void message(enum message_level level, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        message_valist(level, NULL, fmt, ap);
        va_end(ap);
}

int topic_init(struct topic *topic, const char *name)
{
        *topic = (struct topic){ 0 };
        if (name) {
                topic->name = strdup(name);
                if (!topic->name)
                        return -ENOMEM;
        }
        return 0;
}

static void topic_summary(struct topic *topic)
{
        unsigned n = TAKE(topic->dropped, 0);

        if (n > 0)
                message(MESSAGE_NOTICE, "%s%s(%u more line%s left out)", topic->name ? topic->name : "",
                        topic->name ? ": " : "", n, n == 1 ? "" : "s");
}

void topic_done(struct topic *topic)
{
        for (struct topic **t = &topics_dropped; *t; t = &(*t)->next) {
                if (*t == topic) {
                        *t = topic->next;
                        break;
                }
        }
        topic_summary(topic);
        free(topic->name);
        *topic = (struct topic){ 0 };
}

/* Whether another line fits in the present window. */
static bool topic_has_room(struct topic *topic, enum message_level level)
{
        unsigned *said = topic->said + (level > MESSAGE_WARNING);
        uint64_t now = clock_now();

        if (now - topic->window_usec >= TOPIC_WINDOW_USEC) {
                topic->window_usec = now;
                topic->said[0] = topic->said[1] = 0;
        }
        if (*said < TOPIC_BURST) {
                (*said)++;
                return true;
        }

        if (topic->dropped++ == 0) {
                topic->next = topics_dropped;
                topics_dropped = topic;
                if (topics_handler)
                        topics_handler(topics_userdata);
        }
        return false;
}

static void topic_say_valist(struct topic *topic, enum message_level level, const char *fmt, va_list ap)
{
        if (level <= message_limit && topic_has_room(topic, level))
                message_valist(level, topic->name, fmt, ap);
}

void topic_say(struct topic *topic, enum message_level level, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        topic_say_valist(topic, level, fmt, ap);
        va_end(ap);
}

void topic_problem(struct topic *topic, enum message_level level, const char *fmt, ...)
{
        char text[sizeof(topic->problem)];
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        if (n < 0 || strcmp(text, topic->problem) == 0)
                return;

        strcpy(topic->problem, text);
        topic_say(topic, level, "%s", text);
}

void topic_solved(struct topic *topic, const char *fmt, ...)
{
        va_list ap;

        if (!*topic->problem)
                return;
        topic->problem[0] = '\0';

        va_start(ap, fmt);
        topic_say_valist(topic, MESSAGE_NOTICE, fmt, ap);
        va_end(ap);
}

void topics_set_handler(void (*fn)(void *userdata), void *userdata)
{
        topics_handler = fn;
        topics_userdata = userdata;
}

void topics_flush(void)
{
        struct topic *topic;

        while ((topic = topics_dropped)) {
                topics_dropped = TAKE_PTR(topic->next);
                topic_summary(topic);
        }
}
