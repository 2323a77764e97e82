/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "userset.h"
#include "clock.h"
#include "text.h"

#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#define KNOWN_USEC (10 * 60 * USEC_PER_SEC)
#define UNKNOWN_USEC (30 * USEC_PER_SEC)

#define STACK_SIZE (256U * 1024U)
#define ENTRY_SIZE_MAX (16U * 1024U * 1024U)
#define USERS_MAX 1000000U

/* The C library has one walk through all users for the whole process. */
static pthread_mutex_t walk = PTHREAD_MUTEX_INITIALIZER;

/* A look-up; whoever lets go of it last frees it. */
struct job {
        atomic_uint refs;
        atomic_bool done;
        pthread_t thread; /* which has nothing left to do once it is done */
        int error;        /* -ESRCH: no such name */
        uid_t *users;
        size_t n, n_max;
        char name[];
};

struct userset {
        char *value;
        uid_t *users; /* ascending */
        size_t n;
        enum userset_state state;
        int error;
        struct job *job;
        uint64_t due_usec;
};

static void job_unref(struct job *job)
{
        if (atomic_fetch_sub(&job->refs, 1) > 1)
                return;
        free(job->users);
        free(job);
}

static int job_note(struct job *job, uid_t uid)
{
        if (job->n == USERS_MAX)
                return -E2BIG;
        if (job->n == job->n_max) {
                size_t n_max = MAX(job->n_max * 2, (size_t) 16);
                uid_t *users = reallocarray(job->users, n_max, sizeof(*users));

                if (!users)
                        return -ENOMEM;
                job->users = users;
                job->n_max = n_max;
        }
        job->users[job->n++] = uid;
        return 0;
}

/* getpwnam_r() and getgrnam_r() need a buffer of a size that nobody knows. Returns 0, -ESRCH or another. */
static int job_look_up_user(struct job *job, const char *name)
{
        _cleanup_free_ char *buf = NULL;
        struct passwd entry, *found = NULL;

        for (size_t size = 4096; size <= ENTRY_SIZE_MAX; size *= 4) {
                int r;

                free(buf);
                buf = malloc(size);
                if (!buf)
                        return -ENOMEM;
                r = getpwnam_r(name, &entry, buf, size, &found);
                if (r == ERANGE)
                        continue;
                if (r != 0 && r != ENOENT && r != ESRCH)
                        return -r;
                return found ? job_note(job, entry.pw_uid) : -ESRCH;
        }
        return -E2BIG;
}

/* Those whose primary group it is. */
static int job_note_primary(struct job *job, gid_t gid)
{
        _cleanup_free_ char *buf = malloc(ENTRY_SIZE_MAX / 64);
        struct passwd entry, *found = NULL;
        int r = 0;

        if (!buf)
                return -ENOMEM;
        (void) pthread_mutex_lock(&walk);
        setpwent();
        while (r >= 0 && getpwent_r(&entry, buf, ENTRY_SIZE_MAX / 64, &found) == 0) {
                if (entry.pw_gid == gid)
                        r = job_note(job, entry.pw_uid);
        }
        endpwent();
        (void) pthread_mutex_unlock(&walk);
        return r;
}

static int job_look_up_group(struct job *job, const char *name)
{
        _cleanup_free_ char *buf = NULL;
        struct group entry, *found = NULL;
        int r = ERANGE;

        for (size_t size = 4096; r == ERANGE && size <= ENTRY_SIZE_MAX; size *= 4) {
                free(buf);
                buf = malloc(size);
                if (!buf)
                        return -ENOMEM;
                r = getgrnam_r(name, &entry, buf, size, &found);
        }
        if (r != 0 && r != ENOENT && r != ESRCH)
                return -r;
        if (!found)
                return -ESRCH;

        for (char **member = entry.gr_mem; *member; member++) {
                r = job_look_up_user(job, *member);
                if (r < 0 && r != -ESRCH)
                        return r;
        }
        return job_note_primary(job, entry.gr_gid);
}

static void *job_run(void *userdata)
{
        struct job *job = userdata;

        job->error =
                *job->name == '%' ? job_look_up_group(job, job->name + 1) : job_look_up_user(job, job->name);
        atomic_store(&job->done, true);
        job_unref(job);
        return NULL;
}

/* The thread must not have the priority of the duty cycle's clock. */
static int job_start(struct job *job)
{
        static const struct sched_param param = { .sched_priority = 0 };
        pthread_attr_t attr;
        int r;

        r = pthread_attr_init(&attr);
        if (r != 0)
                return -r;
        (void) pthread_attr_setstacksize(&attr, STACK_SIZE);
        (void) pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
        (void) pthread_attr_setschedpolicy(&attr, SCHED_OTHER);
        (void) pthread_attr_setschedparam(&attr, &param);
        atomic_store(&job->refs, 2);
        r = pthread_create(&job->thread, &attr, job_run, job);
        (void) pthread_attr_destroy(&attr);
        if (r != 0)
                atomic_store(&job->refs, 1);
        return -r;
}

/* Have no more to do with a job that was started: a thread that is still at work ends by itself. */
static void job_leave(struct job *job)
{
        if (atomic_load(&job->done))
                (void) pthread_join(job->thread, NULL);
        else
                (void) pthread_detach(job->thread);
        job_unref(job);
}

bool userset_is_valid(const char *value)
{
        const char *name = value + (*value == '%');
        uint64_t id;

        if (!*name || strlen(name) > 256 || name[strcspn(name, " \t\r\n:,/%")])
                return false;
        return parse_u64(name, &id) < 0 || (name == value && id < UINT32_MAX);
}

int userset_new(struct userset **ret, const char *value)
{
        struct userset *u;
        uint64_t id;

        if (!userset_is_valid(value))
                return -EINVAL;
        u = calloc(1, sizeof(*u));
        if (!u)
                return -ENOMEM;
        u->value = strdup(value);
        if (u->value && parse_u64(value, &id) >= 0) {
                u->users = calloc(1, sizeof(*u->users));
                u->state = USERSET_KNOWN;
                u->due_usec = USEC_INFINITY;
                if (u->users)
                        u->users[u->n++] = (uid_t) id;
        }
        if (!u->value || (u->state == USERSET_KNOWN && !u->users)) {
                userset_free(u);
                return -ENOMEM;
        }
        *ret = u;
        return 0;
}

struct userset *userset_free(struct userset *u)
{
        if (!u)
                return NULL;
        if (u->job)
                job_leave(u->job);
        free(u->users);
        free(u->value);
        free(u);
        return NULL;
}

static int compare_users(const void *a, const void *b)
{
        return (*(const uid_t *) a > *(const uid_t *) b) - (*(const uid_t *) a < *(const uid_t *) b);
}

/* The end of a look-up: an answer replaces the one before, a failure does not. */
static void userset_settle(struct userset *u, int error)
{
        u->error = error;
        if (error == 0) {
                if (u->job->n > 0)
                        qsort(u->job->users, u->job->n, sizeof(*u->job->users), compare_users);
                free(u->users);
                u->users = TAKE_PTR(u->job->users);
                u->n = u->job->n;
        }
        u->state = error == 0 ? USERSET_KNOWN : error == -ESRCH ? USERSET_UNKNOWN : USERSET_FAILED;
        u->due_usec = clock_now() + (error == 0 ? KNOWN_USEC : UNKNOWN_USEC);
}

static void userset_begin(struct userset *u)
{
        struct job *job = calloc(1, sizeof(*job) + strlen(u->value) + 1);
        int r = -ENOMEM;

        if (job) {
                strcpy(job->name, u->value);
                r = job_start(job);
        }
        if (r >= 0) {
                u->job = job;
                return;
        }
        userset_settle(u, r);
        if (job)
                job_unref(job);
}

enum userset_state userset_refresh(struct userset *u, uint64_t wait_usec, int *ret_error)
{
        uint64_t end = clock_now() + wait_usec;

        if (!u->job && clock_now() >= u->due_usec)
                userset_begin(u);
        while (u->job && !atomic_load(&u->job->done) && clock_now() < end)
                (void) usleep(200);
        if (u->job && atomic_load(&u->job->done)) {
                userset_settle(u, u->job->error);
                job_leave(u->job);
                u->job = NULL;
        }
        if (ret_error)
                *ret_error = u->error;
        return u->state;
}

void userset_expire(struct userset *u)
{
        if (u->due_usec != USEC_INFINITY)
                u->due_usec = 0;
}

bool userset_has(const struct userset *u, uid_t uid)
{
        return u->n > 0 && uid != (uid_t) -1 && bsearch(&uid, u->users, u->n, sizeof(uid), compare_users);
}
