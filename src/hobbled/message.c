/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "message.h"
#include "clock.h"
#include "journal.h"
#include "message-record.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

/* What is still to be written at the end is waited for that long. */
#define JOURNAL_END_USEC (1 * USEC_PER_SEC)

static enum message_level message_limit = MESSAGE_INFO;
static unsigned message_lost;

/* NULL: messages are lines on standard error. Decided by the first of them. */
static struct journal *message_journal;
static bool message_begun;

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

/* -- To the journal ---------------------------------------------------------------------------- */

/* Whether standard error is the journal's, and not only something inherited that once was: systemd.exec(5).
 */
static bool stderr_is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long dev, ino;
        struct stat st;
        char end;

        return stream && sscanf(stream, "%llu:%llu%c", &dev, &ino, &end) == 2 &&
               fstat(STDERR_FILENO, &st) >= 0 && st.st_dev == dev && st.st_ino == ino;
}

/* Runs in the journal's thread, and may wait. */
static int journal_write(const void *record, _unused_ size_t size, unsigned lost, _unused_ void *userdata)
{
        static const char tree_name[] = "HOBBLE_TREE=";
        char tree_text[sizeof(tree_name) + SNAPSHOT_TEXT_MAX];
        struct iovec fields[MESSAGE_FIELDS_MAX + 1];
        const struct snapshot *tree;
        size_t n;

        if (!record)
                return sd_journal_send("MESSAGE=(%u messages could not be written)", lost, "PRIORITY=4",
                                       NULL);

        n = message_record_decode(record, fields, &tree);
        if (tree) {
                char *text = stpcpy(tree_text, tree_name);

                snapshot_format(tree, true, text, SNAPSHOT_TEXT_MAX);
                fields[n++] = (struct iovec){ tree_text, strlen(tree_text) };
        }
        return sd_journal_sendv(fields, (int) n);
}

static void journal_end(void)
{
        message_journal = journal_free(message_journal, JOURNAL_END_USEC);
}

/* A journal that cannot be had leaves standard error, which leads there as well, only without fields. */
static void message_begin(void)
{
        if (message_begun)
                return;
        message_begun = true;
        if (stderr_is_journal() && journal_new(&message_journal, journal_write, NULL) >= 0 &&
            atexit(journal_end) != 0)
                journal_end();
}

bool message_has_fields(void)
{
        message_begin();
        return message_journal;
}

bool message_has_tree(void)
{
        return message_has_fields() || message_limit >= MESSAGE_DEBUG;
}

/* -- To standard error ------------------------------------------------------------------------- */

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

static void message_print(const char *text)
{
        char line[2048 + 16];
        int n = snprintf(line, sizeof(line) - 1, "hobbled: %s", text);

        n = MIN(n, (int) sizeof(line) - 2);
        line[n] = '\n';
        message_write(line, (size_t) n + 1);
}

static void message_print_tree(const struct snapshot *tree)
{
        char text[SNAPSHOT_TEXT_MAX], *next = text;

        snapshot_format(tree, false, text, sizeof(text));
        for (const char *line; (line = strsep(&next, "\n"));)
                message_print(line);
}

/* -- Messages ---------------------------------------------------------------------------------- */

static void message_say(enum message_level level, const struct message_fields *fields, const char *text)
{
        _Alignas(8) char record[JOURNAL_RECORD_MAX];
        size_t n;

        message_begin();
        if (!message_journal) {
                message_print(text);
                if (fields->tree && message_limit >= MESSAGE_DEBUG)
                        message_print_tree(fields->tree);
                return;
        }
        n = message_record_encode(level, fields, text, record, sizeof(record));
        if (n > 0)
                (void) journal_put(message_journal, record, n);
}

static void message_valist(enum message_level level, const struct message_fields *fields, const char *name,
                           const char *fmt, va_list ap)
{
        char text[2032];
        int n;

        if (level > message_limit)
                return;
        n = snprintf(text, sizeof(text), "%s%s", name ? name : "", name ? ": " : "");
        if (n < (int) sizeof(text) && vsnprintf(text + n, sizeof(text) - (size_t) n, fmt, ap) < 0)
                return;
        message_say(level, fields, text);
}

void message(enum message_level level, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        message_valist(level, &(struct message_fields){ 0 }, NULL, fmt, ap);
        va_end(ap);
}

void message_event(enum message_level level, const struct message_fields *fields, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        message_valist(level, fields, NULL, fmt, ap);
        va_end(ap);
}

/* -- Topics ------------------------------------------------------------------------------------ */

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
                message_event(MESSAGE_NOTICE,
                              &(struct message_fields){ .tarpit = topic->tarpit, .source = topic->source },
                              "%s%s(%u more line%s left out)", topic->name ? topic->name : "",
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
        free(topic->tarpit);
        free(topic->source);
        *topic = (struct topic){ 0 };
}

int topic_set_fields(struct topic *topic, const char *tarpit, const char *source)
{
        _cleanup_free_ char *t = tarpit ? strdup(tarpit) : NULL;
        _cleanup_free_ char *s = source ? strdup(source) : NULL;

        if ((tarpit && !t) || (source && !s))
                return -ENOMEM;
        free(topic->tarpit);
        free(topic->source);
        topic->tarpit = TAKE_PTR(t);
        topic->source = TAKE_PTR(s);
        return 0;
}

bool topic_has_room(const struct topic *topic, enum message_level level)
{
        return level <= message_limit && (clock_now() - topic->window_usec >= TOPIC_WINDOW_USEC ||
                                          topic->said[level > MESSAGE_WARNING] < TOPIC_BURST);
}

/* Whether another message fits in the present window; it then counts. */
static bool topic_take_room(struct topic *topic, enum message_level level)
{
        uint64_t now = clock_now();

        if (now - topic->window_usec >= TOPIC_WINDOW_USEC) {
                topic->window_usec = now;
                topic->said[0] = topic->said[1] = 0;
        }
        if (topic_has_room(topic, level)) {
                topic->said[level > MESSAGE_WARNING]++;
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

static void topic_valist(struct topic *topic, enum message_level level, const struct message_fields *fields,
                         const char *fmt, va_list ap)
{
        struct message_fields all = fields ? *fields : (struct message_fields){ 0 };

        if (level > message_limit || !topic_take_room(topic, level))
                return;
        if (!all.tarpit)
                all.tarpit = topic->tarpit;
        if (!all.source)
                all.source = topic->source;
        message_valist(level, &all, topic->name, fmt, ap);
}

void topic_say(struct topic *topic, enum message_level level, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        topic_valist(topic, level, NULL, fmt, ap);
        va_end(ap);
}

void topic_event(struct topic *topic, enum message_level level, const struct message_fields *fields,
                 const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        topic_valist(topic, level, fields, fmt, ap);
        va_end(ap);
}

static void topic_problem_valist(struct topic *topic, enum message_level level,
                                 const struct message_fields *fields, const char *fmt, va_list ap)
{
        char text[sizeof(topic->problem)];

        if (vsnprintf(text, sizeof(text), fmt, ap) < 0 || strcmp(text, topic->problem) == 0)
                return;
        strcpy(topic->problem, text);
        topic_event(topic, level, fields, "%s", text);
}

void topic_problem(struct topic *topic, enum message_level level, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        topic_problem_valist(topic, level, NULL, fmt, ap);
        va_end(ap);
}

void topic_problem_event(struct topic *topic, enum message_level level, const struct message_fields *fields,
                         const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        topic_problem_valist(topic, level, fields, fmt, ap);
        va_end(ap);
}

void topic_solved(struct topic *topic, const char *fmt, ...)
{
        va_list ap;

        if (!*topic->problem)
                return;
        topic->problem[0] = '\0';

        va_start(ap, fmt);
        topic_valist(topic, MESSAGE_NOTICE, NULL, fmt, ap);
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
