/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine.h"
#include "file.h"
#include "hierarchy.h"
#include "instances.h"
#include "macro.h"
#include "process.h"
#include "release.h"
#include "subject.h"
#include "tarpit.h"
#include "text.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

/* How long a new engine waits for what a dead one of its name has left, and for its own guard's end. */
#define PATIENCE_USEC (3 * USEC_PER_SEC)

/* Descriptors that are left to the caller. */
#define SPARE_FILES 256

static void tell(hobble_engine *e, enum hobble_event_kind kind, int error, const char *text)
{
        events_tell(&e->events, &(struct hobble_event){ .kind = kind, .error = error, .text = text });
}

void engine_count(hobble_engine *e, int change)
{
        e->subjects += (unsigned) change;
        guard_link_arm(&e->guard, e->subjects > 0);
}

/* -- Guard ------------------------------------------------------------------------------------- */

bool engine_may_freeze(const hobble_engine *e)
{
        return guard_link_allows(&e->guard);
}

int engine_may_admit(const hobble_engine *e)
{
        return !e->guard_socket || e->guard.ready ? 0 : -EAGAIN;
}

int engine_home_fd(const hobble_engine *e)
{
        return e->guard_socket ? e->guard.home_fd : e->home_fd;
}

static void for_each_tarpit(hobble_engine *e, void (*fn)(hobble_tarpit *t))
{
        for (struct ilist_link *k = e->tarpits.first, *next; k; k = next) {
                next = k->next;
                fn(CONTAINER_OF(k, hobble_tarpit, in_engine));
        }
}

/* Taken for hung, or retired: thaw what may still be frozen through us, and forget everything. The guard (or
 * the administrator) brings it all home. */
static void on_fenced(hobble_engine *e, enum pulse_state state)
{
        for_each_tarpit(e, tarpit_thaw_all);
        for_each_tarpit(e, tarpit_forget_all);
        e->retired = state == PULSE_RETIRED;
        e->fenced = !e->retired;
        if (e->retired)
                tell(e, HOBBLE_EVENT_RETIRED, 0, NULL);
        else if (e->guard.ready)
                (void) guard_link_register(&e->guard);
}

bool engine_beat(hobble_engine *e)
{
        enum pulse_state state = guard_link_beat(&e->guard);

        if (state == PULSE_ALIVE)
                return true;
        if ((state == PULSE_FENCED && !e->fenced) || (state == PULSE_RETIRED && !e->retired))
                on_fenced(e, state);
        return false;
}

static int make_pit(hobble_engine *e)
{
        e->pit_fd = close_fd(e->pit_fd);
        e->pit_fd = cgroup_make(engine_home_fd(e), HOME_PIT);
        return e->pit_fd < 0 ? e->pit_fd : 0;
}

/* The rescue that may have come before this READY, at the first registration too, has removed what was empty;
 * a service may have a new home. */
static void open_again(hobble_engine *e)
{
        int r;

        if (e->guard_socket)
                snprintf(e->pit_path, sizeof(e->pit_path), "%s/" HOME_PIT, e->guard.home_path);
        r = make_pit(e);

        for (struct ilist_link *k = e->tarpits.first; k && r >= 0; k = k->next)
                r = tarpit_open_directory(CONTAINER_OF(k, hobble_tarpit, in_engine));
        if (r < 0)
                tell(e, HOBBLE_EVENT_DEGRADED, r, "cannot make the pit again after a rescue");
        if (e->fenced)
                tell(e, HOBBLE_EVENT_FENCED, 0,
                     e->bereft ? "the guard was away, and everything was released meanwhile"
                               : "was taken for hung, and everything was released meanwhile");
        e->fenced = e->bereft = false;
}

static const char *why_no_guard(const hobble_engine *e, int error)
{
        if (!e->guard_socket)
                return "cannot start the guard; nothing is frozen until one runs";
        if (error == -EBUSY)
                return "the guard's service has another hobbled; nothing is hobbled until that one has ended";
        if (error == -ENOENT || error == -ECONNREFUSED)
                return "the guard's service (hobble-pit.service) is not there; nothing is hobbled until it "
                       "runs";
        return "the guard's service (hobble-pit.service) is there but of no use; nothing is hobbled until it "
               "is";
}

static void on_guard(_unused_ struct guard_link *g, enum guard_news news, int error, void *userdata)
{
        hobble_engine *e = userdata;

        if (news == GUARD_SAYS_LOOK) {
                (void) engine_beat(e);
                return;
        }
        if (news == GUARD_READY) {
                open_again(e);
                tell(e, HOBBLE_EVENT_GUARD_READY, 0, NULL);
        } else {
                /* It may have fenced us before it was lost. */
                (void) engine_beat(e);
                for_each_tarpit(e, tarpit_thaw_all);
                e->bereft = e->guard_socket != NULL;
                if (error)
                        tell(e, HOBBLE_EVENT_DEGRADED, error, why_no_guard(e, error));
                else
                        tell(e, HOBBLE_EVENT_GUARD_LOST, 0, NULL);
        }
        for_each_tarpit(e, tarpit_set_clock);
}

/* The guard program: as asked for, else beside the running executable, else where it is installed. */
static int find_guard(hobble_engine *e, const char *path)
{
        char exe[4096];
        ssize_t n;

        if (path) {
                e->guard_path = strdup(path);
                return e->guard_path ? 0 : -ENOMEM;
        }

        n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
        if (n > 0) {
                exe[n] = '\0';
                *strrchr(exe, '/') = '\0';
                if (asprintf(&e->guard_path, "%s/hobble-guard", exe) < 0) {
                        e->guard_path = NULL;
                        return -ENOMEM;
                }
                if (access(e->guard_path, X_OK) == 0)
                        return 0;
                free(e->guard_path);
        }
        e->guard_path = strdup(HOBBLED_LIBEXECDIR "/hobble-guard");
        if (!e->guard_path)
                return -ENOMEM;
        return access(e->guard_path, X_OK) < 0 ? -ENOENT : 0;
}

/* -- Resources --------------------------------------------------------------------------------- */

static void set_up_files(hobble_engine *e)
{
        struct rlimit limit;
        size_t files;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                limit = (struct rlimit){ 1024, 1024 };
        if (limit.rlim_cur < limit.rlim_max) {
                rlim_t soft = limit.rlim_cur;

                limit.rlim_cur = limit.rlim_max;
                if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                        limit.rlim_cur = soft;
        }

        /* One descriptor a subject tells of its end: who has none is asked again and again. The rest saves
         * opens for those that are active, who are not many at a time. */
        files = limit.rlim_cur > 2 * SPARE_FILES ? limit.rlim_cur - SPARE_FILES : limit.rlim_cur / 2;
        e->fds.max = files / 4;
        e->watch.max = files - e->fds.max;
}

static unsigned count_cpus(void)
{
        long n = sysconf(_SC_NPROCESSORS_ONLN);

        return n > 0 ? (unsigned) n : 1;
}

/* Whether memory that is locked from now on is not bounded by a limit, which allocations would run into. A
 * user namespace has a CAP_IPC_LOCK that lifts none: whether more can be locked than the limit allows is
 * tried. */
static bool may_lock_future(void)
{
        struct rlimit limit;
        size_t size;
        void *probe;
        bool may;

        if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
                return false;
        if (limit.rlim_cur == RLIM_INFINITY)
                return true;
        size = limit.rlim_cur + (size_t) sysconf(_SC_PAGESIZE);
        probe = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (probe == MAP_FAILED)
                return false;
        may = mlock2(probe, size, MLOCK_ONFAULT) == 0;
        (void) munmap(probe, size);
        return may;
}

static void set_up_scheduling(hobble_engine *e)
{
        const struct sched_param param = { .sched_priority = e->rt_priority };

        if (e->rt_priority <= 0)
                return;
        if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) < 0)
                tell(e, HOBBLE_EVENT_DEGRADED, -errno,
                     "no real-time priority; on a busy host windows will be late, and longer or shorter than "
                     "set");
        if (mlockall(MCL_CURRENT | MCL_ONFAULT | (may_lock_future() ? MCL_FUTURE : 0)) < 0)
                tell(e, HOBBLE_EVENT_DEGRADED, -errno,
                     "memory is not locked; under memory pressure windows will be late");
        /* Not worth a word: it matters only when the host runs out of memory, and the guard is there then. */
        (void) file_write_at(AT_FDCWD, "/proc/self/oom_score_adj", "-900");
}

/* -- Life -------------------------------------------------------------------------------------- */

/* A home that is another's, or that somebody else has locked, is never kept: the end of this engine would
 * remove it. */
static int lock_home(hobble_engine *e, int parent_fd, const char *name)
{
        const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
        uint64_t end = clock_now() + PATIENCE_USEC;

        for (;;) {
                _cleanup_close_ int fd = cgroup_make(parent_fd, name);
                int r = fd;

                if (fd >= 0 && !cgroup_is_ours(fd))
                        return -EPERM;
                /* Nobody else may open it: who can open it can lock it. */
                if (fd >= 0)
                        r = fchmod(fd, 0711) < 0 ? -errno : home_lock(e->instance, fd);
                if (r >= 0) {
                        e->home_fd = TAKE_FD(fd);
                        return 0;
                }
                /* Until it is locked it can be removed at any instant: by the guard of a dead one that is
                 * still at work, or by a rescue that takes it for what an unfinished start has left. */
                if (r != -EBUSY && r != -ESTALE && !cgroup_is_gone(r))
                        return r;
                if (clock_now() >= end)
                        return -EBUSY;
                (void) nanosleep(&pause, NULL);
        }
}

static int make_home(hobble_engine *e, int parent_fd, const char *parent)
{
        char path[HOME_NAME_MAX];
        int r;

        home_path(e->instance, path);
        if (strlen(parent) + strlen(path) >= CGROUP_PATH_MAX)
                return -ENAMETOOLONG;
        r = lock_home(e, parent_fd, path + 1);
        if (r >= 0)
                r = cgroup_mark_set(e->home_fd, CGROUP_MARK_INSTANCE, e->instance);
        if (r < 0)
                return r;
        snprintf(e->pit_path, sizeof(e->pit_path), "%s%s/" HOME_PIT, parent, path);
        return faccessat(e->home_fd, "cgroup.freeze", F_OK, 0) < 0 ? -EOPNOTSUPP : 0;
}

/* The instance and the home are the service's; there may be one at any time. */
static int set_guard_socket(hobble_engine *e, const char *path)
{
        strcpy(e->instance, HOME_SERVICE);
        snprintf(e->pit_path, sizeof(e->pit_path), "/" HOME_SERVICE_PATH "/" HOME_PIT);
        e->guard_socket = strdup(path);
        return e->guard_socket ? 0 : -ENOMEM;
}

/* With a home of our own: where the caller wants it, after whatever dead instances have left there. */
static int set_up_home(hobble_engine *e, const char *parent)
{
        _cleanup_close_ int parent_fd = -EBADF;
        int r;

        if (parent && parent[0] != '/')
                return -EINVAL;
        if (!parent || !parent[1])
                parent = "";
        parent_fd = cgroup_open(e->root_fd, parent);
        if (parent_fd < 0)
                return parent_fd;
        if (*parent)
                (void) instances_rescue_dead_in(e->root_fd, parent_fd, parent);
        r = make_home(e, parent_fd, parent);
        return r < 0 ? r : make_pit(e);
}

static int set_up(hobble_engine *e, sd_event *event, const struct hobble_options *o)
{
        int r;

        if (!o->instance)
                snprintf(e->instance, sizeof(e->instance), "%d", getpid());
        else if (name_is_valid(o->instance) && !home_is_service(o->instance))
                strcpy(e->instance, o->instance);
        else
                return -EINVAL;
        e->rt_priority = o->rt_priority;
        e->event = sd_event_ref(event);
        e->cpus = count_cpus();

        if (!process_sees_itself())
                return -EXDEV;
        r = o->guard_socket ? set_guard_socket(e, o->guard_socket) : find_guard(e, o->guard);
        if (r >= 0)
                r = events_init(&e->events, e, event);
        if (r >= 0)
                r = worker_init(&e->worker, e, event);
        if (r >= 0)
                r = watch_init(&e->watch, e, event);
        if (r >= 0)
                r = protection_init(&e->protection);
        if (r < 0)
                return r;
        e->events.handler = o->handler;
        e->events.userdata = o->userdata;
        e->filter = o->filter;
        e->in_place.engine = e;
        set_up_files(e);

        e->root_fd = hierarchy_open();
        if (e->root_fd < 0)
                return e->root_fd;
        (void) instances_rescue_dead(e->root_fd);
        return e->guard_socket ? 0 : set_up_home(e, o->parent);
}

static int start_guard(hobble_engine *e)
{
        int r;

        e->guard.event = e->event;
        e->guard.root_fd = e->root_fd;
        e->guard.home_fd = e->home_fd;
        e->guard.instance = e->instance;
        e->guard.path = e->guard_path;
        e->guard.socket_path = e->guard_socket;
        e->guard.priority = e->rt_priority > 0 ? MIN(e->rt_priority + 1, 99) : 0;
        e->guard.handler = on_guard;
        e->guard.userdata = e;

        r = guard_link_init(&e->guard);
        if (r < 0)
                return r;
        r = guard_link_start(&e->guard);
        return e->guard_socket ? 0 : r;
}

_public_ int hobble_engine_new(hobble_engine **ret, sd_event *event, const struct hobble_options *options)
{
        hobble_engine *e;
        int r;

        if (options->size != sizeof(*options))
                return -EINVAL;
        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        e->root_fd = e->home_fd = e->pit_fd = e->watch.epoll_fd = e->in_place.inotify_fd = -EBADF;
        e->guard.pid_fd = e->guard.socket = e->guard.pulse_fd = e->guard.home_fd = -EBADF;

        r = set_up(e, event, options);
        if (r >= 0)
                r = start_guard(e);
        if (r < 0) {
                hobble_engine_free(e);
                return r;
        }
        set_up_scheduling(e);
        *ret = e;
        return 0;
}

_public_ hobble_engine *hobble_engine_free(hobble_engine *e)
{
        if (!e)
                return NULL;

        for_each_tarpit(e, tarpit_thaw_all);
        while (e->tarpits.first)
                hobble_tarpit_free(CONTAINER_OF(e->tarpits.first, hobble_tarpit, in_engine));

        /* The guard removes what is left, the home last. Without one that is our part. */
        guard_link_done(&e->guard, PATIENCE_USEC);
        if (e->home_fd >= 0)
                home_remove(e->instance, e->home_fd);
        close_fd(e->home_fd);
        events_done(&e->events);
        worker_done(&e->worker);
        watch_done(&e->watch);
        in_place_watch_done(&e->in_place);
        protection_done(&e->protection);
        pathindex_done(&e->places);
        close_fd(e->pit_fd);
        close_fd(e->root_fd);
        free(e->guard_socket);
        free(e->guard_path);
        sd_event_unref(e->event);
        free(e);
        return NULL;
}

/* -- Questions --------------------------------------------------------------------------------- */

_public_ const char *hobble_version(void)
{
        return HOBBLED_VERSION;
}

_public_ const char *hobble_engine_instance(const hobble_engine *e)
{
        return e->instance;
}

_public_ unsigned hobble_engine_subjects(const hobble_engine *e)
{
        return e->subjects;
}

_public_ void hobble_engine_stats(const hobble_engine *e, struct hobble_stats *ret)
{
        struct hobble_stats sum = {
                .late_max_usec = e->late_max_usec,
                .attached = e->attached,
                .descriptors = (unsigned) (e->watch.n + e->fds.recent.count),
        };

        memcpy(sum.late, e->late, sizeof(sum.late));
        for (const struct ilist_link *k = e->tarpits.first; k; k = k->next) {
                const struct planner_stats *s =
                        planner_stats(CONTAINER_OF(k, const hobble_tarpit, in_engine)->planner);

                sum.looks += s->looks;
                sum.samples += s->samples;
                sum.freezes += s->freezes;
                sum.thaws += s->thaws;
                sum.windows += s->windows;
                sum.skipped += s->windows_skipped;
        }
        *ret = sum;
}
