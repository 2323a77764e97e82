/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "control.h"
#include "cgroup-mount.h"
#include "clock.h"
#include "macro.h"
#include "manager-internal.h"
#include "text.h"
#include "userset.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define SHOWN_MAX 256U

/* Most look-ups of users take less; who takes longer counts as there. */
#define USERS_WAIT_USEC (2 * USEC_PER_MSEC)

/* A longer line of ancestors is not followed to its end. */
#define ANCESTORS_MAX 256U

/* No request lasts longer. */
#define FOR_MAX_USEC (100ULL * 365 * 24 * 3600 * USEC_PER_SEC)

static const char *shown(const char *text, char buf[static SHOWN_MAX])
{
        return escape_text(text, strlen(text), buf, SHOWN_MAX);
}

/* -- What is there ----------------------------------------------------------------------------- */

const struct subjects *control_subjects(const struct manager *m)
{
        return &m->subjects;
}

const struct requests *control_requests(const struct manager *m)
{
        return m->requests;
}

struct tarpit *const *control_tarpits(const struct manager *m, size_t *ret_n)
{
        *ret_n = m->n_tarpits;
        return m->tarpits;
}

struct tarpit *control_find_tarpit(const struct manager *m, const char *name)
{
        return manager_find_by_name(m, name);
}

void control_overview(const struct manager *m, struct control_overview *ret)
{
        *ret = (struct control_overview){
                .instance = hobble_engine_instance(m->engine),
                .guarded = m->guarded,
                .outdated = m->outdated,
                .config_errors = m->config ? m->config->n_errors : 0,
                .since_usec = m->since_usec,
        };
        hobble_engine_stats(m->engine, &ret->stats);
}

static const struct subjects_item *subject_called(const struct manager *m, const char *name)
{
        const char *path = *name == '/' ? cgroup_mount_strip(name) : NULL;

        for (size_t i = 0; i < m->subjects.n; i++) {
                const char *theirs = hobble_subject_name(m->subjects.items[i].handle);

                if (strcmp(theirs, name) == 0 || (path && strcmp(theirs, path) == 0))
                        return m->subjects.items + i;
        }
        return NULL;
}

static const struct subjects_item *subject_of(const struct manager *m, pid_t pid)
{
        hobble_subject *handle;

        if (hobble_engine_subject_of(m->engine, pid, &handle) < 0)
                return NULL;
        return subjects_find_handle(&m->subjects, handle);
}

int control_find_subject(const struct manager *m, const char *what, const struct subjects_item **ret,
                         sd_bus_error *error)
{
        const struct subjects_item *item = NULL;
        char buf[SHOWN_MAX];
        uint64_t pid;

        if (parse_u64(what, &pid) >= 0 && pid > 0 && pid <= INT32_MAX)
                item = subject_of(m, (pid_t) pid);
        if (!item)
                item = subject_called(m, what);
        if (!item)
                return sd_bus_error_setf(error, CONTROL_ERROR_NO_SUCH_SUBJECT, "\"%s\" is not hobbled",
                                         shown(what, buf));
        *ret = item;
        return 0;
}

/* -- Wishes ------------------------------------------------------------------------------------ */

/* The beginning of a request: what, kind, and the process that it names. */
static int begin_request(struct manager *m, const struct control_caller *caller, enum request_verb verb,
                         const char *what, uint64_t for_usec, struct request *ret, sd_bus_error *error)
{
        struct request request = {
                .verb = verb,
                .what = (char *) what,
                .uid = caller->uid,
                .force = caller->flags & CONTROL_FORCE,
                .persistent = caller->flags & CONTROL_PERSISTENT,
        };
        struct hobble_process process;
        char buf[SHOWN_MAX];
        uint64_t pid;

        if (caller->flags & ~(uint64_t) (CONTROL_FORCE | CONTROL_PERSISTENT))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Unknown flags");
        if (!m->began)
                return sd_bus_error_setf(error, CONTROL_ERROR_NOT_READY,
                                         "hobbled still waits for its guard: try again in a moment");
        if (request.persistent && !requests_are_kept(m->requests))
                return sd_bus_error_setf(error, SD_BUS_ERROR_NOT_SUPPORTED,
                                         "This hobbled keeps no requests: it is not the host's service");
        if (request_kind_of(what, &request.kind) < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "\"%s\" is no process id, nor the name of a unit, nor the path of "
                                         "a cgroup, nor @USER",
                                         shown(what, buf));
        if (request.kind == REQUEST_PID) {
                if (parse_u64(what, &pid) < 0 || hobble_process_read((pid_t) pid, &process) < 0)
                        return sd_bus_error_setf(error, CONTROL_ERROR_NO_SUCH_PROCESS,
                                                 "There is no process %s", what);
                request.pid = process.pid;
                request.start_time = process.start_time;
        }
        if (for_usec > 0)
                request.until_usec = clock_usec(CLOCK_REALTIME) + MIN(for_usec, FOR_MAX_USEC);
        *ret = request;
        return 0;
}

static int add_request(struct manager *m, const struct request *wish, const struct request **ret,
                       sd_bus_error *error)
{
        int r = requests_add(m->requests, wish, ret);

        if (r == -E2BIG)
                return sd_bus_error_setf(error, CONTROL_ERROR_TOO_MANY,
                                         "There are %u requests already: release some", REQUESTS_MAX);
        return r < 0 ? sd_bus_error_set_errno(error, r) : 0;
}

/* Who was exempt may not be any more, or the other way round: look at everybody again. */
static void reconsider(struct manager *m, bool cgroups)
{
        roster_reconsider(m->roster);
        for (size_t i = 0; cgroups && i < m->n_tarpits; i++)
                tarpit_reread(m->tarpits[i]);
        manager_settle_requests(m);
}

/* -- Hobble ------------------------------------------------------------------------------------ */

static int check_tarpit(struct manager *m, const char *name, sd_bus_error *error)
{
        const struct tarpit *t = manager_find_by_name(m, name);
        char buf[SHOWN_MAX];

        if (strcmp(name, CONTROL_TARPIT) == 0 || (t && t->configured))
                return 0;
        return sd_bus_error_setf(error, CONTROL_ERROR_NO_SUCH_TARPIT,
                                 "There is no tarpit \"%s\": see \"hobblectl list-tarpits\"",
                                 shown(name, buf));
}

static int check_cgroup(const char *path, sd_bus_error *error)
{
        _cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        char buf[SHOWN_MAX];
        struct stat st, above;
        struct statfs fs;

        if (fd < 0 || fstatfs(fd, &fs) < 0 ||
            ((uint32_t) fs.f_type != CGROUP2_SUPER_MAGIC && (uint32_t) fs.f_type != CGROUP_SUPER_MAGIC))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "There is no cgroup \"%s\"",
                                         shown(path, buf));
        if (fstat(fd, &st) < 0 || fstatat(fd, "..", &above, 0) < 0 || st.st_dev != above.st_dev)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "\"%s\" is the root of a hierarchy: name a cgroup in it",
                                         shown(path, buf));
        return 0;
}

/* A user or a cgroup that is not there is a slip of the pen more often than a wish for the future. */
static int check_there(const struct request *wish, sd_bus_error *error)
{
        struct userset *users = NULL;
        char buf[SHOWN_MAX];
        bool unknown;

        if (wish->kind == REQUEST_USER && userset_new(&users, wish->what + 1) >= 0) {
                unknown = userset_refresh(users, USERS_WAIT_USEC, NULL) == USERSET_UNKNOWN;
                userset_free(users);
                if (unknown)
                        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                                 "There is no such user or group: \"%s\"",
                                                 shown(wish->what, buf));
        }
        return wish->kind == REQUEST_CGROUP && !strpbrk(wish->what, "*?[") ? check_cgroup(wish->what, error)
                                                                           : 0;
}

/* Whoever asks would hobble themselves: the one process that must go on. */
static int check_caller(const struct manager *m, const struct control_caller *caller,
                        const struct request *wish, sd_bus_error *error)
{
        struct hobble_process process;
        pid_t pid = caller->pid;
        char home[4096], buf[SHOWN_MAX];

        for (unsigned i = 0; pid > 1 && i < ANCESTORS_MAX; i++, pid = process.parent) {
                if (hobble_process_read(pid, &process) < 0 ||
                    hobble_engine_home_of(m->engine, pid, home, sizeof(home)) < 0)
                        break;
                if (request_concerns(wish, &process, home))
                        return sd_bus_error_setf(error, CONTROL_ERROR_REFUSED,
                                                 "Process %d (%s), from which this is asked, would be "
                                                 "hobbled too",
                                                 (int) pid, shown(process.comm, buf));
        }
        return 0;
}

static int check_process(struct manager *m, const struct request *wish, sd_bus_error *error)
{
        struct tarpit *t = manager_find_by_name(m, wish->tarpit);
        struct hobble_process process;
        const char *reason = NULL;
        char home[4096];

        if (hobble_process_read(wish->pid, &process) < 0 ||
            hobble_engine_home_of(m->engine, wish->pid, home, sizeof(home)) < 0)
                return sd_bus_error_setf(error, CONTROL_ERROR_NO_SUCH_PROCESS, "There is no process %d",
                                         (int) wish->pid);
        if (hobble_engine_may_hobble(m->engine, &process, &reason) != -EPERM)
                reason = manager_rule_reason(m, t, &process, home, true);
        if (reason)
                return sd_bus_error_setf(error, CONTROL_ERROR_REFUSED, "Process %d %s", (int) wish->pid,
                                         reason);
        if (!wish->force)
                reason = manager_rule_reason(m, t, &process, home, false);
        if (reason)
                return sd_bus_error_setf(error, CONTROL_ERROR_REFUSED, "Process %d %s: --force lifts that",
                                         (int) wish->pid, reason);
        return 0;
}

int control_hobble(struct manager *m, const struct control_caller *caller, const char *what,
                   const char *tarpit, uint64_t for_usec, unsigned *ret_id, sd_bus_error *error)
{
        const struct request *request;
        struct request wish;
        int r;

        r = begin_request(m, caller, REQUEST_HOBBLE, what, for_usec, &wish, error);
        if (r < 0)
                return r;
        wish.tarpit = (char *) (*tarpit ? tarpit : CONTROL_TARPIT);
        r = check_there(&wish, error);
        if (r >= 0)
                r = check_tarpit(m, wish.tarpit, error);
        if (r >= 0)
                r = check_caller(m, caller, &wish, error);
        if (r >= 0 && wish.kind == REQUEST_PID)
                r = check_process(m, &wish, error);
        if (r >= 0)
                r = add_request(m, &wish, &request, error);
        if (r < 0)
                return r;
        *ret_id = request->id;
        /* What let just these go is over. */
        (void) requests_forget(m->requests, REQUEST_RELEASE, wish.kind, wish.what, wish.pid, wish.start_time);
        reconsider(m, wish.kind == REQUEST_CGROUP);
        return 0;
}

/* -- Release ----------------------------------------------------------------------------------- */

struct search {
        pid_t pid;
        uint64_t start_time;
};

static int is_same(pid_t pid, uint64_t start_time, void *userdata)
{
        const struct search *search = userdata;

        return pid == search->pid && start_time == search->start_time;
}

/* Whether the tree is named by anything else than requests for its root. */
static bool is_still_named(struct manager *m, const struct roster_entry *entry)
{
        struct search search = { entry->pid, entry->start_time };
        struct hobble_process process;
        char home[4096];

        if (entry->members > 0)
                return true;
        for (size_t i = 0; i < m->n_tarpits; i++) {
                for (size_t k = 0; k < m->tarpits[i]->n_sources; k++) {
                        if (source_for_each(m->tarpits[i]->sources[k], is_same, &search) > 0)
                                return true;
                }
        }
        return hobble_process_read(entry->pid, &process) >= 0 &&
               hobble_engine_home_of(m->engine, entry->pid, home, sizeof(home)) >= 0 &&
               requests_match(m->requests, REQUEST_HOBBLE, NULL, false, &process, home);
}

/* The tree that the process is in, or is about to be. NULL: there is none. */
static const struct roster_entry *find_tree(const struct manager *m, pid_t pid, uint64_t start_time)
{
        const struct roster_entry *entry;
        hobble_subject *handle;

        if (hobble_engine_subject_of(m->engine, pid, &handle) >= 0)
                return roster_find(m->roster, hobble_subject_pid(handle), hobble_subject_start_time(handle));
        entry = roster_find(m->roster, pid, start_time);
        return entry && (entry->state == ROSTER_WAITING || entry->state == ROSTER_ADDED ||
                         entry->state == ROSTER_FAILED)
                       ? entry
                       : NULL;
}

static int release_tree(struct manager *m, const struct roster_entry *entry, struct request *wish,
                        sd_bus_error *error)
{
        const struct request *request;
        struct hobble_process process;
        bool taken;

        taken = requests_forget(m->requests, REQUEST_HOBBLE, REQUEST_PID, "", entry->pid, entry->start_time);
        if (taken && !is_still_named(m, entry))
                return 0;
        /* Of a tree that has lost its root, the process that was named. */
        if (hobble_process_read(entry->pid, &process) >= 0 && process.start_time == entry->start_time) {
                wish->pid = entry->pid;
                wish->start_time = entry->start_time;
        }
        return add_request(m, wish, &request, error);
}

/* What is asked of each who is named. */
struct naming {
        const hobble_engine *engine;
        const struct request *wish;
        uint64_t deadline_usec;
};

/* Whom there is no time to look at counts: a release too many lets nobody go who is to stay. */
static int is_concerned(pid_t pid, uint64_t start_time, void *userdata)
{
        const struct naming *naming = userdata;
        struct hobble_process process;
        char home[4096];

        if (clock_now() > naming->deadline_usec)
                return true;
        return hobble_process_read(pid, &process) >= 0 && process.start_time == start_time &&
               hobble_engine_home_of(naming->engine, pid, home, sizeof(home)) >= 0 &&
               request_concerns(naming->wish, &process, home);
}

static int is_concerned_cgroup(const char *path, void *userdata)
{
        const struct naming *naming = userdata;
        char real[PATH_MAX];
        const char *rest = realpath(path, real) ? cgroup_mount_strip(real) : NULL;

        return rest && request_concerns_cgroup(naming->wish, rest);
}

static bool source_concerns(const struct source *s, struct naming *naming)
{
        return source_for_each(s, is_concerned, naming) > 0 ||
               source_for_each_cgroup(s, is_concerned_cgroup, naming) > 0;
}

/* Whether a source of the configuration, or what else was asked for, names any of those. */
static bool is_named_otherwise(const struct manager *m, const struct request *wish)
{
        struct naming naming = { m->engine, wish, clock_now() + CLOCK_SLICE_USEC };
        const struct request *other = NULL;

        for (size_t i = 0; i < m->n_tarpits; i++) {
                const struct tarpit *t = m->tarpits[i];

                for (size_t k = 0; k < t->n_sources; k++) {
                        if (source_concerns(t->sources[k], &naming))
                                return true;
                }
                /* The source of a request that was taken back is there until that is settled. */
                for (size_t k = 0; k < t->n_asked; k++) {
                        other = requests_next(m->requests, t->asked[k].request - 1);
                        if (other && other->id == t->asked[k].request &&
                            source_concerns(t->asked[k].source, &naming))
                                return true;
                }
        }
        for (other = NULL; (other = requests_next(m->requests, other ? other->id : 0));) {
                if (other->verb == REQUEST_HOBBLE && other->kind == REQUEST_PID &&
                    is_concerned(other->pid, other->start_time, &naming))
                        return true;
        }
        return false;
}

/* Take back what was asked for by that name, and let go who is named by something else as well. */
static int release_named(struct manager *m, const struct request *wish, sd_bus_error *error)
{
        const struct request *request;

        if (requests_forget(m->requests, REQUEST_HOBBLE, wish->kind, wish->what, 0, 0) &&
            !is_named_otherwise(m, wish))
                return 0;
        return add_request(m, wish, &request, error);
}

/* As somebody would name it who asks for it. */
static void cgroup_name(const hobble_subject *handle, char buf[static REQUEST_WHAT_MAX])
{
        snprintf(buf, REQUEST_WHAT_MAX, "%s%s", cgroup_mount() ?: "", hobble_subject_name(handle));
}

static int release_cgroup(struct manager *m, const hobble_subject *handle, struct request *wish,
                          sd_bus_error *error)
{
        char path[REQUEST_WHAT_MAX];

        cgroup_name(handle, path);
        wish->kind = REQUEST_CGROUP;
        wish->what = path;
        wish->pid = 0;
        wish->start_time = 0;
        return release_named(m, wish, error);
}

int control_release(struct manager *m, const struct control_caller *caller, const char *what,
                    uint64_t for_usec, unsigned *ret_n, sd_bus_error *error)
{
        const struct roster_entry *entry = NULL;
        const struct subjects_item *item = NULL;
        struct request wish;
        int r;

        r = begin_request(m, caller, REQUEST_RELEASE, what, for_usec, &wish, error);
        if (r < 0)
                return r;
        if (wish.kind == REQUEST_PID) {
                item = subject_of(m, wish.pid);
                entry = find_tree(m, wish.pid, wish.start_time);
        }
        if (item && hobble_subject_pid(item->handle) == 0)
                r = release_cgroup(m, item->handle, &wish, error);
        else if (entry)
                r = release_tree(m, entry, &wish, error);
        else if (wish.kind != REQUEST_PID)
                r = release_named(m, &wish, error);
        else if (!requests_forget(m->requests, REQUEST_HOBBLE, wish.kind, what, wish.pid, wish.start_time))
                r = sd_bus_error_setf(error, CONTROL_ERROR_NO_SUCH_SUBJECT, "Process %s is not hobbled",
                                      what);
        if (r < 0)
                return r;
        *ret_n = 1;
        reconsider(m, wish.kind == REQUEST_CGROUP);
        return 0;
}

int control_release_subject(struct manager *m, const struct control_caller *caller, unsigned id,
                            uint64_t for_usec, sd_bus_error *error)
{
        const struct subjects_item *item = subjects_find(&m->subjects, id);
        char name[REQUEST_WHAT_MAX];
        unsigned n;
        pid_t pid;

        if (!item)
                return sd_bus_error_setf(error, CONTROL_ERROR_NO_SUCH_SUBJECT, "There is no subject %u", id);
        if (hobble_subject_pid(item->handle) == 0)
                cgroup_name(item->handle, name);
        else if (hobble_subject_member(item->handle, &pid) >= 0)
                snprintf(name, sizeof(name), "%d", (int) pid);
        else
                return sd_bus_error_setf(error, CONTROL_ERROR_NO_SUCH_SUBJECT,
                                         "Nothing is left of subject %u", id);
        return control_release(m, caller, name, for_usec, &n, error);
}

/* Clock ticks since boot. */
static uint64_t ticks_now(void)
{
        return clock_usec(CLOCK_BOOTTIME) * (uint64_t) sysconf(_SC_CLK_TCK) / USEC_PER_SEC;
}

int control_release_all(struct manager *m, const struct control_caller *caller, const char *tarpit,
                        unsigned *ret_n, sd_bus_error *error)
{
        const struct request *request = NULL;
        unsigned n = 0, id = 0;
        int r = 0;

        if (tarpit && !manager_find_by_name(m, tarpit))
                return check_tarpit(m, tarpit, error);
        while ((request = requests_next(m->requests, id))) {
                id = request->id;
                if (request->verb != REQUEST_HOBBLE || (tarpit && strcmp(request->tarpit, tarpit) != 0))
                        continue;
                /* A tree that was asked for by its number is counted where it is hobbled. */
                n += request->kind != REQUEST_PID;
                requests_remove(m->requests, id);
        }
        for (size_t i = 0; i < m->n_tarpits && r >= 0; i++) {
                struct tarpit *t = m->tarpits[i];
                struct request wish;

                if (tarpit && strcmp(tarpit, t->name) != 0)
                        continue;
                n += hobble_tarpit_subjects(t->host.tarpit);
                wish = (struct request){
                        .verb = REQUEST_RELEASE,
                        .kind = REQUEST_TARPIT,
                        .what = t->name,
                        .tarpit = t->name,
                        .start_time = ticks_now(),
                        .uid = caller->uid,
                        .persistent = (caller->flags & CONTROL_PERSISTENT) && requests_are_kept(m->requests),
                };
                if (t->n_sources > 0)
                        r = add_request(m, &wish, &request, error);
        }
        reconsider(m, true);
        if (r >= 0)
                *ret_n = n;
        return r;
}

/* -- Tarpits ----------------------------------------------------------------------------------- */

int control_pause(struct manager *m, const struct control_caller *caller, const char *tarpit, bool pause,
                  sd_bus_error *error)
{
        static const enum request_verb verbs[] = { REQUEST_PAUSE, REQUEST_RELEASE };
        struct request wish = {
                .verb = REQUEST_PAUSE,
                .kind = REQUEST_TARPIT,
                .what = (char *) tarpit,
                .tarpit = (char *) tarpit,
                .uid = caller->uid,
                .persistent = caller->flags & CONTROL_PERSISTENT,
        };
        const struct request *request;
        int r = 0;

        if (!manager_find_by_name(m, tarpit))
                return check_tarpit(m, tarpit, error);
        if (wish.persistent && !requests_are_kept(m->requests))
                return sd_bus_error_setf(error, SD_BUS_ERROR_NOT_SUPPORTED,
                                         "This hobbled keeps no requests: it is not the host's service");
        if (pause)
                r = add_request(m, &wish, &request, error);
        for (size_t i = 0; !pause && i < ELEMENTSOF(verbs); i++)
                (void) requests_forget(m->requests, verbs[i], REQUEST_TARPIT, tarpit, 0, 0);
        if (r >= 0)
                reconsider(m, !pause);
        return r;
}

int control_reload(struct manager *m, sd_bus_error *error)
{
        int r = manager_reload(m);

        if (r == -EINVAL)
                return sd_bus_error_setf(error, CONTROL_ERROR_CONFIGURATION,
                                         "The configuration has errors, and the one before stays in force: "
                                         "see \"hobblectl check-config\"");
        return r < 0 ? sd_bus_error_set_errno(error, r) : 0;
}
