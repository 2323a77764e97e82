/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus-job.h"
#include "bus-internal.h"
#include "bus-sender.h"
#include "clock.h"

#define JOBS_MAX 32U
#define JOBS_USER_MAX 4U

struct bus_job {
        struct bus_job *next;
        struct bus_peer *peer;
        uid_t uid;
        sd_bus_message *message, *answer;
        const struct bus_job_type *type;
        void *state;
};

struct bus_jobs {
        struct bus *bus;
        sd_event_source *work;
        struct bus_job *first, *last;
};

static void job_free(struct bus_job *job)
{
        job->type->done(job->state);
        sd_bus_message_unref(job->message);
        sd_bus_message_unref(job->answer);
        free(job);
}

static void job_answer(struct bus_job *job, int result, sd_bus_error *error)
{
        if (result >= 0)
                result = sd_bus_message_close_container(job->answer);
        if (result >= 0)
                result = sd_bus_send(NULL, job->answer, NULL);
        else if (sd_bus_error_is_set(error))
                result = sd_bus_reply_method_error(job->message, error);
        else
                result = sd_bus_reply_method_errno(job->message, result, NULL);
        if (result < 0)
                bus_peer_drop(job->peer);
}

static struct bus_job *take_first(struct bus_jobs *jobs)
{
        struct bus_job *job = jobs->first;

        jobs->first = job->next;
        if (!jobs->first)
                jobs->last = NULL;
        job->next = NULL;
        return job;
}

static void put_last(struct bus_jobs *jobs, struct bus_job *job)
{
        if (jobs->last)
                jobs->last->next = job;
        else
                jobs->first = job;
        jobs->last = job;
}

/* A slice for one of them; the others follow in turn. */
static int on_work(_unused_ sd_event_source *source, void *userdata)
{
        struct bus_jobs *jobs = userdata;
        uint64_t end = clock_now() + BUS_SLICE_USEC;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        struct bus_job *job;
        int r;

        if (!jobs->first)
                return sd_event_source_set_enabled(jobs->work, SD_EVENT_OFF);
        job = take_first(jobs);
        do
                r = job->type->step(jobs->bus, job->state, job->answer, &error);
        while (r > 0 && clock_now() < end);
        if (r > 0) {
                put_last(jobs, job);
                return 0;
        }
        job_answer(job, r, &error);
        sd_bus_error_free(&error);
        job_free(job);
        return 0;
}

struct bus_jobs *bus_jobs_new(struct bus *b)
{
        struct bus_jobs *jobs = calloc(1, sizeof(*jobs));
        int r;

        if (!jobs)
                return NULL;
        jobs->bus = b;
        r = sd_event_add_defer(b->event, &jobs->work, on_work, jobs);
        if (r >= 0)
                r = sd_event_source_set_enabled(jobs->work, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(jobs->work, BUS_PRIORITY_SLICES);
        return r < 0 ? bus_jobs_free(jobs) : jobs;
}

struct bus_jobs *bus_jobs_free(struct bus_jobs *jobs)
{
        if (!jobs)
                return NULL;
        while (jobs->first)
                job_free(take_first(jobs));
        sd_event_source_disable_unref(jobs->work);
        free(jobs);
        return NULL;
}

void bus_jobs_forget(struct bus_jobs *jobs, struct bus_peer *p)
{
        struct bus_job *job = jobs->first;

        jobs->first = jobs->last = NULL;
        for (struct bus_job *next; job; job = next) {
                next = job->next;
                job->next = NULL;
                if (job->peer == p)
                        job_free(job);
                else
                        put_last(jobs, job);
        }
}

/* Returns 0 or a negative errno; the job is in no list. */
static int init(struct bus_job *job, const char *array)
{
        int r = sd_bus_message_new_method_return(job->message, &job->answer);

        if (r >= 0)
                r = sd_bus_message_open_container(job->answer, 'a', array);
        return r;
}

int bus_job_new(struct bus_peer *p, sd_bus_message *m, const struct bus_job_type *type, void *state,
                sd_bus_error *error)
{
        struct bus_jobs *jobs = p->bus->jobs;
        uid_t uid = bus_sender_uid(p, m);
        unsigned all = 0, user = 0;
        struct bus_job *job;
        int r;

        for (job = jobs->first; job; job = job->next) {
                all++;
                user += job->uid == uid;
        }
        if (all >= JOBS_MAX || user >= JOBS_USER_MAX) {
                type->done(state);
                return sd_bus_error_set(error, CONTROL_ERROR_TOO_MANY,
                                        "Too many long answers are being made: try again later");
        }
        job = calloc(1, sizeof(*job));
        if (!job) {
                type->done(state);
                return -ENOMEM;
        }
        *job = (struct bus_job){
                .peer = p, .uid = uid, .message = sd_bus_message_ref(m), .type = type, .state = state
        };
        r = init(job, type->array);
        if (r < 0) {
                job_free(job);
                return r;
        }
        put_last(jobs, job);
        (void) sd_event_source_set_enabled(jobs->work, SD_EVENT_ON);
        return 1;
}
