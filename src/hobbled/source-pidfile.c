/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "source-pidfile.h"
#include "binding.h"
#include "clock.h"
#include "message-id.h"
#include "reading.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

struct source_pidfile {
        const struct source_host *host;
        struct topic *topic;
        struct bindings bindings;
        struct reading *reading;
        struct edition edition; /* of the last good reading */
        bool settled, live;     /* so was it */
        bool changed;           /* since the roster was told */
        uint64_t settle_at, verify_at, expire_at;
        uint64_t taken_usec;                 /* when the last good reading came to its end */
        uint64_t unsettled_usec;             /* since when no reading has settled, 0: the last one did */
        uint64_t faults_said;                /* a digest of them */
        pid_t told;                          /* the process that the last message was about */
        unsigned tally[BINDING_REFUSED + 1]; /* how many came to which state in this reading */
};

int source_pidfile_new(struct source_pidfile **ret, const struct source_host *host, struct topic *topic)
{
        struct source_pidfile *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->host = host;
        p->topic = topic;
        p->settle_at = p->expire_at = USEC_INFINITY;
        *ret = p;
        return 0;
}

struct source_pidfile *source_pidfile_free(struct source_pidfile *p)
{
        if (!p)
                return NULL;
        reading_free(p->reading);
        bindings_done(&p->bindings);
        free(p);
        return NULL;
}

static void source_pidfile_give_up(struct source_pidfile *p)
{
        p->reading = reading_free(p->reading);
        p->settle_at = USEC_INFINITY;
}

/* The file could not be read: what it named before stays. */
static void source_pidfile_fail(struct source_pidfile *p, int error)
{
        const char *outcome =
                p->bindings.n > 0 ? "what it named before stays hobbled" : "nothing is hobbled for it";

        source_pidfile_give_up(p);
        if (error == -EFBIG)
                topic_problem(p->topic, MESSAGE_WARNING, "is larger than %u MiB, not a file of pids; %s",
                              READING_SIZE_MAX / 1024 / 1024, outcome);
        else if (error != -ENODEV) /* the cgroup was just removed */
                topic_problem(p->topic, MESSAGE_WARNING, "cannot be read: %s; %s", strerror(-error), outcome);
}

void source_pidfile_read(struct source_pidfile *p, const struct probe *probe, bool force)
{
        struct edition edition = edition_of(&probe->st);
        int r;

        if (!force && !probe->live && p->settled && !p->reading && edition_equals(&edition, &p->edition))
                return;

        source_pidfile_give_up(p);
        r = reading_new(&p->reading, probe);
        if (r < 0)
                source_pidfile_fail(p, r);
}

/* -- What was read ----------------------------------------------------------------------------- */

/* The bad lines, unless they are those that were told last. */
static void source_pidfile_say_faults(struct source_pidfile *p)
{
        const struct reading *reading = p->reading;
        uint64_t digest = reading_digest(reading);

        if (digest == p->faults_said)
                return;
        p->faults_said = digest;

        for (size_t i = 0; i < MIN(reading->n_faults, (unsigned long) READING_FAULTS); i++) {
                const struct fault *f = reading->faults + i;

                if (*f->value)
                        topic_say(p->topic, MESSAGE_WARNING,
                                  "line %lu: \"%s\" is not a process id; line skipped", f->line, f->value);
                else
                        topic_say(p->topic, MESSAGE_WARNING,
                                  "line %lu has more than %u numbers; line skipped", f->line,
                                  PIDFILE_LINE_MAX);
        }
        if (reading->n_faults > READING_FAULTS)
                topic_say(p->topic, MESSAGE_WARNING, "%lu more line%s skipped",
                          reading->n_faults - READING_FAULTS,
                          reading->n_faults == READING_FAULTS + 1 ? "" : "s");
}

/* Set the time at which the first of those goes that the last good reading did not name. */
static void source_pidfile_rearm_expiry(struct source_pidfile *p)
{
        uint64_t oldest = bindings_oldest(&p->bindings, p->taken_usec);

        p->expire_at = oldest == USEC_INFINITY ? USEC_INFINITY : oldest + p->host->check_usec;
}

static void source_pidfile_expire(struct source_pidfile *p, uint64_t now)
{
        p->changed |= bindings_expire(&p->bindings, MIN(p->taken_usec, now - p->host->check_usec + 1));
        source_pidfile_rearm_expiry(p);
}

/* Take over what was read. settled: it is all that the file has to say. */
static int source_pidfile_take(struct source_pidfile *p, bool settled, uint64_t now)
{
        struct reading *reading = p->reading;
        _cleanup_free_ pid_t *numbers = NULL;
        bool first = p->edition.ino == 0;
        unsigned flags = settled ? 0 : BINDINGS_KEEP;
        ssize_t n;
        int r;

        n = reading_numbers(reading, &numbers);
        if (n < 0)
                return (int) n;
        if (reading->live)
                flags |= BINDINGS_RETRY;
        else if (!edition_has_same_contents(&reading->edition, &p->edition))
                flags |= BINDINGS_VERIFY;
        r = bindings_merge(&p->bindings, numbers, (size_t) n, flags, now);
        if (r < 0)
                return r;

        /* Where others write the time into a file, it says nothing about the start of processes here. */
        p->bindings.written_usec = 0;
        if (!reading->silent)
                p->bindings.written_usec = (uint64_t) reading->edition.written.tv_sec * USEC_PER_SEC +
                                           (uint64_t) reading->edition.written.tv_nsec / NSEC_PER_USEC;
        p->changed |= r > 0;
        p->edition = reading->edition;
        p->settled = settled;
        p->live = reading->live;
        p->taken_usec = now;
        source_pidfile_rearm_expiry(p);
        if (p->bindings.n_verify > 0)
                p->verify_at = MAX(p->verify_at, now);
        topic_solved(p->topic, "is in order now, with %zd process id%s", n, n == 1 ? "" : "s");
        if (first)
                topic_say(p->topic, MESSAGE_DEBUG, "read, with %zd process id%s", n, n == 1 ? "" : "s");
        return 0;
}

/* The reading has stayed true for long enough: a last line without an end counts, and who is not named goes.
 * Returns whether the file has to be looked at anew. */
static bool source_pidfile_settle(struct source_pidfile *p, uint64_t now)
{
        struct reading *reading = p->reading;
        int r;

        p->settle_at = USEC_INFINITY;
        r = reading_is_current(reading);
        if (r == 0)
                return true;
        if (r > 0)
                r = pidfile_parser_finish(&reading->parser);
        if (r >= 0)
                r = source_pidfile_take(p, true, now);
        if (r < 0) {
                source_pidfile_fail(p, r);
                return false;
        }
        source_pidfile_say_faults(p);
        p->unsettled_usec = 0;
        source_pidfile_give_up(p);
        return false;
}

/* The end of the file was reached. Returns whether it has to be looked at anew. */
static bool source_pidfile_finish(struct source_pidfile *p, uint64_t now)
{
        struct reading *reading = p->reading;
        int r;

        memset(p->tally, 0, sizeof(p->tally));
        p->told = 0;
        if (reading->live)
                return source_pidfile_settle(p, now);

        /* Pieces of different contents may join to a number that nobody wrote. */
        if (p->unsettled_usec == 0)
                p->unsettled_usec = now;
        r = reading_is_current(reading);
        if (r == 0) {
                if (now - p->unsettled_usec > p->host->check_usec)
                        topic_problem(p->topic, MESSAGE_WARNING, "changes faster than it can be read");
                source_pidfile_give_up(p);
                return true;
        }

        if (r > 0)
                r = source_pidfile_take(p, false, now);
        if (r < 0) {
                source_pidfile_fail(p, r);
                return false;
        }
        if (now - p->unsettled_usec > p->host->check_usec)
                source_pidfile_say_faults(p);
        reading->complete = true;
        p->settle_at = now + SOURCE_SETTLE_USEC;
        return false;
}

/* Read one piece. Returns whether the file has to be looked at anew. */
static bool source_pidfile_read_piece(struct source_pidfile *p, uint64_t now)
{
        int r;

        r = reading_step(p->reading);
        if (r < 0)
                source_pidfile_fail(p, r);
        else if (r == 0)
                return source_pidfile_finish(p, now);
        return false;
}

/* -- Binding ----------------------------------------------------------------------------------- */

static int look(pid_t number, uint64_t known, struct binding_fact *ret, void *userdata)
{
        struct source_pidfile *p = userdata;
        struct hobble_process process;
        uint64_t boot_usec;
        int r;

        r = hobble_process_read(number, &process);
        if (r < 0)
                return r;

        boot_usec = clock_usec(CLOCK_REALTIME) - clock_usec(CLOCK_BOOTTIME);
        *ret = (struct binding_fact){
                .pid = process.pid,
                .start_time = process.start_time,
                .start_usec = boot_usec + process.start_time * USEC_PER_SEC / (uint64_t) sysconf(_SC_CLK_TCK),
        };
        memcpy(ret->comm, process.comm, sizeof(ret->comm));
        if (known > 0 && known == process.start_time)
                return 0;

        (void) hobble_engine_may_hobble(p->host->engine, &process, &ret->refusal);
        return 0;
}

static void change(const struct binding *binding, enum binding_state before, const struct binding_fact *fact,
                   void *userdata)
{
        struct source_pidfile *p = userdata;
        char comm[64 * 4 + 4] = "";

        if (binding->state == BINDING_BOUND || (binding->state == BINDING_DEAD && before == BINDING_BOUND))
                return;
        /* Once for the threads of a process. */
        if (fact && binding->pid == p->told)
                return;
        p->told = binding->pid;
        if (p->tally[binding->state]++ >= READING_FAULTS)
                return;
        if (fact)
                escape_text(fact->comm, strlen(fact->comm), comm, sizeof(comm));

        switch (binding->state) {
        case BINDING_DEAD:
                topic_say(p->topic, MESSAGE_INFO, "process %d does not exist; skipped",
                          (int) binding->number);
                break;
        case BINDING_LATE:
                topic_say(p->topic, MESSAGE_WARNING,
                          "process %d (%s) started after the file was written, so another one was meant; not "
                          "hobbled",
                          (int) binding->pid, comm);
                break;
        default:
                topic_event(p->topic, MESSAGE_WARNING,
                            &(struct message_fields){ .id = MESSAGE_ID_REFUSED, .pid = binding->pid },
                            "process %d (%s) %s; not hobbled", (int) binding->pid, comm, fact->refusal);
        }
}

static const struct binding_handler binding_handler = { .look = look, .change = change };

static void source_pidfile_say_tally(struct source_pidfile *p)
{
        static const struct {
                enum message_level level;
                const char *text;
        } rows[] = {
                [BINDING_DEAD] = { MESSAGE_INFO, "no such process" },
                [BINDING_LATE] = { MESSAGE_WARNING, "started after the file was written" },
                [BINDING_REFUSED] = { MESSAGE_WARNING, "must not be hobbled" },
        };

        for (size_t i = BINDING_DEAD; i < ELEMENTSOF(rows); i++) {
                if (p->tally[i] > READING_FAULTS)
                        topic_say(p->topic, rows[i].level, "%u more skipped: %s",
                                  p->tally[i] - READING_FAULTS, rows[i].text);
                p->tally[i] = 0;
        }
}

/* Bind numbers until the slice is used up: new ones, or those that were bound before. */
static void source_pidfile_bind(struct source_pidfile *p, uint64_t now)
{
        bool new = p->bindings.n_new > 0;
        uint64_t end;

        do {
                if (!bindings_step(&p->bindings, &binding_handler, p, &p->changed))
                        break;
                end = clock_now();
        } while (end - now < CLOCK_SLICE_USEC && (p->bindings.n_new > 0) == new);

        end = clock_now();
        if (!new)
                p->verify_at = end + (end - now) * VERIFY_PAUSE;
        if (p->bindings.n_new == 0 && p->bindings.n_verify == 0)
                source_pidfile_say_tally(p);
}

bool source_pidfile_is_reading(const struct source_pidfile *p)
{
        return p->reading && !p->reading->complete;
}

/* -- Work
 * ---------------------------------------------------------------------------------------------------------
 */

uint64_t source_pidfile_deadline(const struct source_pidfile *p)
{
        uint64_t at = MIN(p->settle_at, p->expire_at);

        if (source_pidfile_is_reading(p) || p->bindings.n_new > 0 || p->changed)
                return 0;
        return p->bindings.n_verify > 0 ? MIN(at, p->verify_at) : at;
}

bool source_pidfile_work(struct source_pidfile *p, uint64_t now)
{
        bool again = false;

        if (source_pidfile_is_reading(p))
                again = source_pidfile_read_piece(p, now);
        else if (p->bindings.n_new > 0)
                source_pidfile_bind(p, now);
        else if (p->settle_at <= now)
                again = source_pidfile_settle(p, now);
        else if (p->expire_at <= now)
                source_pidfile_expire(p, now);
        else if (p->bindings.n_verify > 0 && p->verify_at <= now)
                source_pidfile_bind(p, now);

        if (p->changed && p->bindings.n_new == 0) {
                p->changed = false;
                p->host->changed(p->host->userdata);
        }
        return again;
}

size_t source_pidfile_clear(struct source_pidfile *p)
{
        size_t n = p->bindings.n;

        source_pidfile_give_up(p);
        bindings_done(&p->bindings);
        p->edition = (struct edition){ 0 };
        p->settled = p->changed = false;
        p->expire_at = USEC_INFINITY;
        p->unsettled_usec = p->faults_said = 0;
        if (n > 0)
                p->host->changed(p->host->userdata);
        return n;
}

size_t source_pidfile_count(const struct source_pidfile *p)
{
        return p->bindings.n;
}

int source_pidfile_for_each(const struct source_pidfile *p,
                            int (*fn)(pid_t pid, uint64_t start_time, void *userdata), void *userdata)
{
        return bindings_for_each(&p->bindings, fn, userdata);
}

void source_pidfile_process_ended(struct source_pidfile *p, pid_t pid, uint64_t start_time)
{
        /* The kernel's own lists name whoever has the number now; other files the one that was meant. */
        if (p->live && bindings_suspect(&p->bindings, pid, start_time))
                p->verify_at = 0;
}
