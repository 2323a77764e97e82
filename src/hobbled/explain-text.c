/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "explain-text.h"
#include "container.h"
#include "macro.h"
#include "text.h"
#include "timespan.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Longer names and paths are cut. */
#define SHOWN_MAX 256U

struct sentences {
        char *buf;
        size_t size, used;
};

/* Not in the middle of a character. */
static void sentences_cut(struct sentences *s)
{
        s->used = s->size - strlen("...") - 1;
        while (s->used > 0 && ((unsigned char) s->buf[s->used] & 0xc0) == 0x80)
                s->used--;
        strcpy(s->buf + s->used, "...");
        s->used = s->size; /* nothing is added any more */
}

_printf_(2, 3) static void say(struct sentences *s, const char *fmt, ...)
{
        va_list ap;
        int n;

        if (s->used >= s->size)
                return;
        va_start(ap, fmt);
        n = vsnprintf(s->buf + s->used, s->size - s->used, fmt, ap);
        va_end(ap);
        s->used += (size_t) MAX(n, 0);
        if (s->used >= s->size)
                sentences_cut(s);
}

static const char *show(const char *text, char *buf, size_t size)
{
        return escape_text(text, strlen(text), buf, size);
}

char *explain_label(pid_t pid, const char *comm, char *buf, size_t size)
{
        char shown[SHOWN_MAX];

        if (comm)
                snprintf(buf, size, "process %d (%s)", (int) pid, show(comm, shown, sizeof(shown)));
        else
                snprintf(buf, size, "process %d", (int) pid);
        return buf;
}

char *explain_span(uint64_t usec, char *buf, size_t size)
{
        uint64_t sec = usec / USEC_PER_SEC + (usec % USEC_PER_SEC >= USEC_PER_SEC / 2);
        unsigned long long min = sec / 60;

        if (usec == 0)
                snprintf(buf, size, "nothing");
        else if (usec < USEC_PER_MSEC)
                snprintf(buf, size, "less than 1 ms");
        else if (usec < USEC_PER_SEC)
                snprintf(buf, size, "%llu ms", (unsigned long long) (usec / USEC_PER_MSEC));
        else if (sec < 60)
                snprintf(buf, size, "%.3g s", (double) usec / USEC_PER_SEC);
        else if (min < 60)
                snprintf(buf, size, "%llu min %llu s", min, (unsigned long long) (sec % 60));
        else
                snprintf(buf, size, "%llu h %llu min", min / 60, min % 60);
        return buf;
}

/* The local time, as systemd's tools have it. */
static void say_time(struct sentences *s, uint64_t realtime_usec)
{
        time_t t = (time_t) (realtime_usec / USEC_PER_SEC);
        char text[64];
        struct tm tm;

        if (localtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) > 0)
                say(s, "%s", text);
        else
                say(s, "an unknown time");
}

/* -- Parts of sentences ------------------------------------------------------------------------ */

/* "process 4711 (stress) of mallory in container nspawn:web" */
static void say_whom(struct sentences *s, const struct explanation *x, const struct explain_facts *f)
{
        char label[SHOWN_MAX + 32], shown[SHOWN_MAX], container[CONTAINER_MAX];

        say(s, "%s", explain_label(x->process.pid, x->process.comm, label, sizeof(label)));
        if (f->user)
                say(s, " of %s", show(f->user, shown, sizeof(shown)));
        if (container_of_cgroup(x->home, container))
                say(s, " in container %s", show(container, shown, sizeof(shown)));
}

/* tarpit "students" (250ms frozen, 10ms thawed) */
static void say_tarpit(struct sentences *s, const struct explanation *x, const struct explain_facts *f)
{
        char frozen[64], thawed[64];

        if (!x->tarpit) {
                say(s, "a tarpit");
                return;
        }
        say(s, "tarpit \"%s\"", x->tarpit);
        if (f->duty.thawed_usec > 0)
                say(s, " (%s frozen, %s thawed)",
                    timespan_format(f->duty.frozen_usec, frozen, sizeof(frozen)),
                    timespan_format(f->duty.thawed_usec, thawed, sizeof(thawed)));
}

static void say_since(struct sentences *s, const struct explanation *x)
{
        if (x->status.since_usec == 0)
                return;
        say(s, " since ");
        say_time(s, x->status.since_usec);
}

static void say_asker(struct sentences *s, const struct explain_facts *f)
{
        char shown[SHOWN_MAX];

        say(s, "%s", f->asker ? show(f->asker, shown, sizeof(shown)) : "somebody");
}

static void say_asked(struct sentences *s, const struct explain_facts *f)
{
        if (f->asked_usec == 0)
                return;
        say(s, " at ");
        say_time(s, f->asked_usec);
}

/* "PIDFile=/run/x.pids names it", or who asked for it. whom: "it", or a label. */
static void say_why(struct sentences *s, const struct explanation *x, const struct explain_facts *f,
                    const char *whom)
{
        if (f->by_hand) {
                say_asker(s, f);
                say(s, " asked for it");
                say_asked(s, f);
                if (x->source)
                        say(s, " (%s)", x->source);
        } else if (x->source) {
                say(s, "%s names %s", x->source, whom);
        } else {
                say(s, "a source that is gone now named %s", whom);
        }
}

static void say_over(struct sentences *s, const struct explain_facts *f)
{
        char label[SHOWN_MAX + 32];

        say(s, "%s", explain_label(f->over_pid, f->over_comm, label, sizeof(label)));
}

/* -- Somebody who is hobbled ------------------------------------------------------------------- */

/* How long it takes to earn what is owed: the planner lets somebody run again who owes less than half of a
 * thawed phase. 0: nothing has to be waited for. */
static uint64_t time_to_earn(const struct explanation *x, const struct hobble_duty *d)
{
        uint64_t owed = x->status.balance_usec < 0 ? (uint64_t) -x->status.balance_usec : 0;

        owed -= MIN(owed, d->thawed_usec / 2);
        if (d->thawed_usec == 0)
                return 0;
        return (uint64_t) ((double) owed * (double) (d->frozen_usec + d->thawed_usec) /
                           (double) d->thawed_usec);
}

static void say_balance(struct sentences *s, const struct explanation *x, const struct explain_facts *f)
{
        bool frozen = x->status.state == HOBBLE_FROZEN;
        int64_t balance = x->status.balance_usec;
        char span[64], wait[64];
        uint64_t wait_usec = time_to_earn(x, &f->duty);

        explain_span(balance < 0 ? (uint64_t) -balance : (uint64_t) balance, span, sizeof(span));
        if (balance < 0 && frozen && wait_usec >= USEC_PER_MSEC)
                say(s, "it owes %s, so it stays frozen until it has earned that: about %s", span,
                    explain_span(wait_usec, wait, sizeof(wait)));
        else if (frozen)
                say(s, "it owes next to nothing, so it runs again as soon as it is its turn");
        else if (balance < 0)
                say(s, "it owes %s, so it is frozen when the thawed phase ends", span);
        else
                say(s, "it may use %s more before it is frozen", span);
}

/* subject: "It", or what it is a part of. */
static void say_standing(struct sentences *s, const struct explanation *x, const struct explain_facts *f,
                         const char *subject)
{
        char used[96], stood[64];

        if (x->status.cpu_usec > 0)
                snprintf(used, sizeof(used), "%s of CPU time",
                         explain_span(x->status.cpu_usec, stood, sizeof(stood)));
        else
                snprintf(used, sizeof(used), "no CPU time");
        say(s, " %s %s at this moment; it has used %s%s", subject,
            x->status.state == HOBBLE_FROZEN ? "is frozen" : "runs", used,
            x->status.since_usec ? " since then" : "");
        if (x->status.frozen_usec > 0)
                say(s, ", and was frozen for %s of the time",
                    explain_span(x->status.frozen_usec, stood, sizeof(stood)));
        say(s, ".");
        if (f->duty.freeze_idle) {
                say(s, " In this tarpit everybody is frozen and thawed in turn, busy or idle.");
                return;
        }
        say(s, " By its share of the duty cycle ");
        say_balance(s, x, f);
        say(s, ".");
        if (x->status.tarpit_balance_usec < 0)
                say(s, " All in the tarpit together owe %s.",
                    explain_span((uint64_t) -x->status.tarpit_balance_usec, used, sizeof(used)));
}

static void say_state(struct sentences *s, const struct explanation *x, const struct explain_facts *f)
{
        const char *subject = x->verdict == EXPLAIN_MEMBER     ? "The tree"
                              : x->verdict == EXPLAIN_IN_PLACE ? "The cgroup"
                                                               : "It";

        if (x->until_usec) {
                say(s, " It ends by itself at ");
                say_time(s, x->until_usec);
                say(s, ".");
        }
        if (x->status.releasing)
                say(s, " %s is just being let go.", subject);
        else if (x->status.admitting)
                say(s, " %s is just being taken in.", subject);
        else if (x->status.state == HOBBLE_HELD)
                say(s, " Somebody else has frozen it; hobbled leaves it alone until they thaw it.");
        else if (!f->guarded)
                say(s, " Nobody is frozen at this moment, because there is no guard: hobbling goes on when "
                       "there is one.");
        else if (f->paused)
                say(s, " The tarpit is paused, so nobody in it is frozen until \"hobblectl resume %s\".",
                    x->tarpit ?: "NAME");
        else
                say_standing(s, x, f, subject);
}

static void write_hobbled(struct sentences *s, const struct explanation *x, const struct explain_facts *f)
{
        char shown[SHOWN_MAX], label[SHOWN_MAX + 32];

        say_whom(s, x, f);
        say(s, " is hobbled in ");
        say_tarpit(s, x, f);
        if (x->verdict == EXPLAIN_IN_PLACE) {
                say(s, " with all of the cgroup %s",
                    f->place ? show(f->place, shown, sizeof(shown)) : "it is in");
                say_since(s, x);
                say(s, ", because ");
                say_why(s, x, f, "that");
        } else if (x->verdict == EXPLAIN_MEMBER && f->over_pid > 0) {
                say(s, " with the tree of ");
                say_over(s, f);
                say_since(s, x);
                say(s, ", because ");
                say_why(s, x, f, explain_label(f->over_pid, NULL, label, sizeof(label)));
                if (!f->over_comm)
                        say(s, ", which has ended");
        } else {
                say_since(s, x);
                say(s, ", because ");
                say_why(s, x, f, "it");
        }
        say(s, ".");
        say_state(s, x, f);
}

/* -- Somebody who is not ----------------------------------------------------------------------- */

/* What names it, or the one above it. */
static void say_claim(struct sentences *s, const struct explanation *x, const struct explain_facts *f)
{
        if (f->over_pid > 0) {
                say(s, "with the tree of ");
                say_over(s, f);
                say(s, ", because ");
                say_why(s, x, f, "that one");
        } else {
                say(s, "because ");
                say_why(s, x, f, "it");
        }
}

static void write_exempt(struct sentences *s, const struct explanation *x, const struct explain_facts *f)
{
        say(s, " is not hobbled: it %s.", *x->reason ? x->reason : "is exempt");
        if (!x->tarpit)
                return;
        say(s, " Otherwise ");
        say_tarpit(s, x, f);
        say(s, " would have it, ");
        say_claim(s, x, f);
        say(s, ".");
}

static void write_released(struct sentences *s, const struct explanation *x, const struct explain_facts *f)
{
        say(s, " is not hobbled: ");
        say_asker(s, f);
        say(s, " let it go by hand");
        say_asked(s, f);
        if (x->until_usec) {
                say(s, ", until ");
                say_time(s, x->until_usec);
                say(s, ".");
        } else {
                say(s, ", and it stays free until it is asked for again.");
        }
        if (x->tarpit && x->source)
                say(s, " Otherwise tarpit \"%s\" would have it, because %s names it.", x->tarpit, x->source);
}

static void write_failed(struct sentences *s, const struct explanation *x, const struct explain_facts *f)
{
        char span[64];

        say(s, " is not hobbled, although ");
        say_tarpit(s, x, f);
        say(s, " should have it, ");
        say_claim(s, x, f);
        say(s, ": it %s.", *x->reason ? x->reason : "could not be taken in");
        if (f->retry_usec == USEC_INFINITY)
                say(s, " It is not tried again before the configuration is read again "
                       "(\"hobblectl reload\").");
        else
                say(s, " It is tried again every %s.", timespan_format(f->retry_usec, span, sizeof(span)));
}

static void write_waiting(struct sentences *s, const struct explanation *x, const struct explain_facts *f)
{
        say(s, " is not hobbled yet: ");
        say_tarpit(s, x, f);
        say(s, " is about to take it in, ");
        say_claim(s, x, f);
        say(s, ".");
        if (!f->guarded)
                say(s, " That has to wait for a guard.");
        else if (*x->reason)
                say(s, " It %s.", x->reason);
}

/* Whether the text can be a value of a key without thought for blanks and wildcards. */
static bool is_plain(const char *text)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@-";

        return text && *text && *text != '-' && !text[strspn(text, plain)];
}

static void say_what_would_name(struct sentences *s, const struct explanation *x,
                                const struct explain_facts *f)
{
        const struct {
                const char *key, *value;
        } lines[] = { { "User", f->user }, { "Command", x->process.comm }, { "Unit", f->unit } };
        const char *separator = "";

        say(s, " \"hobblectl hobble %d\" would hobble it", (int) x->process.pid);
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                if (!is_plain(lines[i].value))
                        continue;
                say(s, "%s%s=%s", *separator ? separator : ", or in a tarpit's file a line such as ",
                    lines[i].key, lines[i].value);
                separator = " or ";
        }
        say(s, ".");
}

static void write_not_named(struct sentences *s, const struct explanation *x, const struct explain_facts *f)
{
        if (f->ended) {
                say(s, " is not hobbled: it has ended, and is only waiting for its parent to notice.");
                return;
        }
        if (f->over_pid > 0 && f->over_hobbled) {
                say(s, " is not hobbled, although ");
                say_over(s, f);
                say(s, " above it is, in tarpit \"%s\": it %s.", x->tarpit ?: "",
                    *x->reason ? x->reason : "belongs to another unit");
                return;
        }
        say(s, " is not hobbled: ");
        if (!f->guarded && f->n_tarpits == 0)
                say(s, "there is no guard yet, so nobody is.");
        else if (f->n_tarpits == 0)
                say(s, "there is no tarpit.");
        else if (f->n_tarpits == 1)
                say(s, "no source of the one tarpit names it or a process above it.");
        else
                say(s, "no source of the %zu tarpits names it or a process above it.", f->n_tarpits);
        say_what_would_name(s, x, f);
}

char *explain_write(const struct explanation *x, const struct explain_facts *f, char *buf, size_t size)
{
        struct sentences s = { .buf = buf, .size = size };

        *buf = '\0';
        if (x->verdict <= EXPLAIN_IN_PLACE) {
                write_hobbled(&s, x, f);
                return buf;
        }
        say_whom(&s, x, f);
        switch (x->verdict) {
        case EXPLAIN_EXEMPT:
                write_exempt(&s, x, f);
                break;
        case EXPLAIN_RELEASED:
                write_released(&s, x, f);
                break;
        case EXPLAIN_FAILED:
                write_failed(&s, x, f);
                break;
        case EXPLAIN_WAITING:
                write_waiting(&s, x, f);
                break;
        case EXPLAIN_FOREIGN:
                say(&s, " is hobbled by another instance of hobbled, \"%s\": \"hobblectl list\" shows it.",
                    x->reason);
                break;
        default:
                write_not_named(&s, x, f);
                break;
        }
        return buf;
}
