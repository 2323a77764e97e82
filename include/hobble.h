/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libhobble: slow process trees down by freezing and thawing their cgroup on a duty cycle.
 *
 * An engine is one instance: a home in the cgroup v2 hierarchy, a lock on it, a guard that thaws and restores
 * everything when the engine's process dies or hangs. An engine has tarpits, a tarpit has subjects.
 * Everything runs in the caller's sd-event loop, in one thread: no call here may be made from another thread
 * than the loop's.
 *
 * Functions return 0 or a positive value on success and a negative errno on failure; outputs (`ret`) are set
 * on success only. Handles belong to their parent: an engine's tarpits go with it, a tarpit's subjects with
 * the tarpit. Strings that come out of the library are the library's and live as long as the object, unless a
 * comment says otherwise. The library writes no message anywhere: what happens is told through the engine's
 * event handler. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hobble_engine hobble_engine;
typedef struct hobble_tarpit hobble_tarpit;
typedef struct hobble_subject hobble_subject;
struct hobble_process;

/* The version of the library that is linked, e.g. "0.1". */
const char *hobble_version(void);

/* -- The duty cycle ---------------------------------------------------------------------------- */

struct hobble_duty {
        uint64_t frozen_usec; /* 0 to 60 s */
        uint64_t thawed_usec; /* 1 ms to 10 s */
        bool freeze_idle; /* freeze everybody at each edge, not only those who used more than their share */
};

#define HOBBLE_DUTY_DEFAULT ((struct hobble_duty){ .frozen_usec = 250000, .thawed_usec = 10000 })

/* Whether duty lies within the bounds above. Returns 0 or -ERANGE. */
int hobble_duty_check(const struct hobble_duty *duty);

/* -- Events ------------------------------------------------------------------------------------ */

enum hobble_event_kind {
        HOBBLE_EVENT_ADMITTED,  /* the subject's whole tree is in; `processes` is how many there were */
        HOBBLE_EVENT_RELEASED,  /* thawed and back in its origin on request */
        HOBBLE_EVENT_GONE,      /* its last process ended, or its cgroup was removed; the handle ends here */
        HOBBLE_EVENT_RESCUED,   /* the guard or an administrator brought it home; the handle ends here, and
                                 * FENCED or   RETIRED follows */
        HOBBLE_EVENT_FAILED,    /* could not be admitted (`error`, `text`); the handle ends here */
        HOBBLE_EVENT_HELD,      /* someone else froze it; left alone until they thaw it */
        HOBBLE_EVENT_UNHELD,    /* they thawed it: hobbling goes on */
        HOBBLE_EVENT_STRAYED,   /* processes could not go back to their `origin`, because it is gone, or takes
                                 * none any more: `strays`, which went to the nearest cgroup above it that
                                 * takes them; `text` says where that is. Told once for each unit, or cgroup
                                 * that is of none, before RELEASED */
        HOBBLE_EVENT_OUTRANKED, /* a member has a higher real-time priority than the engine: `pid` */
        HOBBLE_EVENT_GUARD_READY, /* a guard answered: freezing may begin */
        HOBBLE_EVENT_GUARD_LOST,  /* everything was thawed; another guard is being started */
        HOBBLE_EVENT_FENCED,  /* the guard had taken this engine for hung and rescued everything, or the guard
                               * was a service and ended, upon which all was rescued too; that is over: admit
                               * anew. `text` says which of both */
        HOBBLE_EVENT_RETIRED, /* hobble_rescue() with HOBBLE_RESCUE_ALL took everything away: free the engine
                               */
        HOBBLE_EVENT_DEGRADED, /* something that makes hobbling worse, told once: `text`; of a subject: it
                                * could not be nested (`error`), and goes to the pit */
        HOBBLE_EVENT_PART, /* a part of the subject's tree is left out, because it has to stay in a unit of
                            * its own, or someone else has frozen it: `pid` is its topmost process, which may
                            * be hobbled as a subject of its own, then or when they have thawed it; `text`
                            * says where it is. Told once for each admission, in the order found, before
                            * ADMITTED */
        HOBBLE_EVENT_KIND_MAX,
};

struct hobble_event {
        enum hobble_event_kind kind;
        pid_t pid;             /* the process concerned, 0 for none */
        unsigned processes;    /* ADMITTED, RELEASED: how many processes */
        int error;             /* negative errno, 0 for none */
        hobble_tarpit *tarpit; /* NULL where none is concerned */
        hobble_subject
                *subject; /* likewise; for RELEASED, GONE, RESCUED and FAILED valid during the call only */
        const char *text; /* a clause for people, without the subject's name and without a full stop, or NULL.
                           * Paths in it are escaped: control characters and backslashes are \xNN */
        /* STRAYED, valid during the call only. */
        const char *origin;  /* path in the hierarchy, not escaped; NULL: it is not known */
        const pid_t *strays; /* in the order in which they were moved. What they have forked since is not
                              * among them; any of them may have ended */
        size_t n_strays;
};

/* Called from the loop, never from within a call into the library. The handler may call the library. */
typedef void (*hobble_event_handler)(hobble_engine *engine, const struct hobble_event *event, void *userdata);

/* -- Engine ------------------------------------------------------------------------------------ */

struct hobble_options {
        size_t size;          /* sizeof(struct hobble_options), so that the structure may grow */
        const char *instance; /* name of the instance, [A-Za-z0-9_.-]{1,64} but "pit"; NULL: the process id */
        const char *
                guard; /* path of hobble-guard; NULL: beside the running executable, else the installed one */
        int rt_priority; /* SCHED_RR priority of the calling thread, 0: leave scheduling and memory as they
                            are */
        const char *guard_socket; /* path of the socket of a guard that is a service of its own and has the
                                   * home (hobble-pit.service); NULL: the engine starts a guard and makes a
                                   * home. The engine then waits for that guard, whenever it comes (a guard
                                   * serves one engine at a time), its instance is "pit", and `instance` and
                                   * `guard` do not count. Until GUARD_READY nothing can be added to a
                                   * tarpit. When that guard is lost every subject ends (RESCUED), and FENCED
                                   * is told once another is there. */

        const char *parent; /* path in the hierarchy of the cgroup in which the home is made, and beneath
                             * which all is that is to be hobbled, as one of a unit that is delegated to the
                             * user that the engine runs as; it needs no privilege then. hobble_list() and
                             * hobble_rescue() find a home there only where it is one of hobblectl run's.
                             * NULL: the root, which takes privilege. Does not count with guard_socket. */

        /* Asked for each process before it is hobbled, the root of a tree (which then fails with -EPERM) and
         * its members (which then stay where they are). Returns NULL where it may be, else a clause that
         * tells why not ("is exempt: Command=rsync in /etc/hobbled/hobbled.conf:7"), valid until the next
         * call. home: the path of its cgroup. Must not call the library. NULL: no such question. */
        const char *(*filter)(hobble_tarpit *tarpit, const struct hobble_process *process, const char *home,
                              void *userdata);
        hobble_event_handler handler; /* may be NULL */
        void *userdata;
};

/* Start an engine: find the hierarchy, rescue what dead instances left, make and lock the home, start a
 * guard. Ready to admit when it returns; freezing begins when the guard has answered
 * (HOBBLE_EVENT_GUARD_READY). -EBUSY: a live engine has this instance name; -EINVAL: a bad name; -ENOENT: no
 * guard program; -EPERM or -EACCES: not permitted to change the hierarchy; -ENOENT also: no such parent;
 * -EOPNOTSUPP: the kernel has no cgroup v2 with a freezer; -ENXIO: it is not mounted, and mounting it is not
 * permitted; -EROFS: its hierarchy is mounted read-only, as in a container; -EXDEV: /proc is not there, or is
 * that of another pid namespace. */
int hobble_engine_new(hobble_engine **ret, sd_event *event, const struct hobble_options *options);

/* Release everything (thaw, back to the origins), end the guard, remove the home. Returns NULL; NULL is fine.
 */
hobble_engine *hobble_engine_free(hobble_engine *engine);

const char *hobble_engine_instance(const hobble_engine *engine);

/* How many process trees and cgroups the engine has, in whatever state. */
unsigned hobble_engine_subjects(const hobble_engine *engine);

/* Whether a process must never be hobbled, nor be part of a hobbled tree's root line. Returns 0 where it may;
 * -EPERM where it must not, with a clause in *ret_reason (static: "is PID 1", "is a kernel thread", "is
 * hobbled itself", "is hobbled's guard", "is an ancestor of hobbled", "lives outside of hobbled's cgroup
 * namespace"). ret_reason may be NULL. */
int hobble_engine_may_hobble(const hobble_engine *engine, const struct hobble_process *process,
                             const char **ret_reason);

/* Whether hobble_tarpit_add_cgroup() would take the cgroup, of which dir_fd is a descriptor. Returns 0 or its
 * error: -EOPNOTSUPP, -EPERM or -ELOOP with a clause in *ret_reason (static: "contains PID 1", "contains
 * hobbled itself", "contains an ancestor of hobbled", "belongs to another user"; may be NULL), which is left
 * alone with any other. */
int hobble_engine_may_hobble_cgroup(const hobble_engine *engine, int dir_fd, const char **ret_reason);

/* The root, as it was named to hobble_tarpit_add_tree(), of the tree of this engine's that the process is a
 * part of; it may have ended since. -ENOENT: it is in none; -ESRCH: no such process (any more). */
int hobble_engine_root_of(const hobble_engine *engine, pid_t pid, pid_t *ret_root, uint64_t *ret_start_time);

/* The subject of this engine's, a tree or a cgroup, that the process is in; of a tree in a cgroup that is
 * hobbled itself, the tree. Reads two small files, however many subjects there are. -ENOENT: it is in none;
 * -ESRCH: no such process (any more). */
int hobble_engine_subject_of(const hobble_engine *engine, pid_t pid, hobble_subject **ret);

/* The same as hobble_process_home(), without having to find the hierarchy again. */
int hobble_engine_home_of(const hobble_engine *engine, pid_t pid, char *buf, size_t size);

#define HOBBLE_LATE_MAX 10

struct hobble_stats {
        uint64_t looks;          /* wake-ups of tarpit clocks */
        uint64_t samples;        /* usages read */
        uint64_t freezes, thaws; /* writes */
        uint64_t windows, skipped;
        uint64_t late_max_usec;         /* the latest that the start or the end of a window was */
        uint64_t late[HOBBLE_LATE_MAX]; /* how often one was less than 64 us late, then less than 128 us, and
                                         * so on, twice that each; the last counts the rest, from 16.4 ms */
        uint64_t attached;              /* processes attached */
        unsigned descriptors;           /* kept open for subjects */
};

void hobble_engine_stats(const hobble_engine *engine, struct hobble_stats *ret);

/* -- Placement and limits ---------------------------------------------------------------------- */

/* Where the cgroup of a process tree is made. */
enum hobble_placement {
        HOBBLE_PLACEMENT_AUTO,    /* nested for processes of systemd scopes, of containers, and of cgroups at
                                   * or beneath one that belongs neither to root nor to the engine's user;
                                   * else subtree */
        HOBBLE_PLACEMENT_SUBTREE, /* in the engine's own pit */
        HOBBLE_PLACEMENT_NESTED,  /* a child of the cgroup that the tree is in, or of the nearest one above
                                   * that  belongs to root with all above it: its unit stays active, and its
                                   * limits  keep holding. Where that cannot be: subtree, and DEGRADED tells */
        HOBBLE_PLACEMENT_MAX,
};

/* Limits of a tarpit as a whole, for its subjects in the subtree. UINT64_MAX: none (the kernel's default). */
struct hobble_limits {
        uint64_t cpu_quota_ppm;           /* of one CPU, in millionths (50 % is 500000), at least 1000 */
        uint64_t cpu_weight, io_weight;   /* 1 to 10000 */
        uint64_t memory_high, memory_max; /* bytes */
        uint64_t tasks_max;
};

#define HOBBLE_LIMITS_NONE \
        ((struct hobble_limits){ UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX })

/* -- Tarpit ------------------------------------------------------------------------------------ */

/* Make a tarpit. name: [A-Za-z0-9_.-]{1,64}, not beginning with a dot; -EINVAL, -EEXIST, -ERANGE (duty). */
int hobble_tarpit_new(hobble_tarpit **ret, hobble_engine *engine, const char *name,
                      const struct hobble_duty *duty);

/* Release all of its subjects now, and remove it. Returns NULL; NULL is fine. */
hobble_tarpit *hobble_tarpit_free(hobble_tarpit *tarpit);

const char *hobble_tarpit_name(const hobble_tarpit *tarpit);
hobble_engine *hobble_tarpit_engine(const hobble_tarpit *tarpit);

/* How many process trees and cgroups it has, in whatever state. */
unsigned hobble_tarpit_subjects(const hobble_tarpit *tarpit);

/* A new duty cycle, in force from the next edge; nobody is thawed for it. -ERANGE. */
int hobble_tarpit_set_duty(hobble_tarpit *tarpit, const struct hobble_duty *duty);

/* Hobble the tree of which the process is the root: it, all descendants, and what they fork later. start_time
 * is field 22 of /proc/PID/stat, so that a reused pid is not mistaken for the process that was meant; 0:
 * whoever has the pid now. The work is done from the loop; HOBBLE_EVENT_ADMITTED or _FAILED tells its end.
 * -ESRCH: no such process (any more); -EPERM: see hobble_engine_may_hobble(). FAILED comes with -EBUSY where
 * it is part of another subject or instance, with -EAGAIN where its cgroup is frozen by someone else, with
 * -EPERM where the filter (hobble_options) says no.
 * -EAGAIN at once: the guard's service is not there; HOBBLE_EVENT_GUARD_READY tells when it is.
 *
 * Members that are in a systemd scope or a container stay there where the root is in another one, and so do
 * all that are of another unit than the root where the subject is nested: HOBBLE_EVENT_PART tells. */
int hobble_tarpit_add_tree(hobble_tarpit *tarpit, pid_t pid, uint64_t start_time,
                           enum hobble_placement placement, void *userdata, hobble_subject **ret);

/* Limits for all of the tarpit's subjects in the subtree together, from now on, also after the tarpit's
 * directory had to be made again. Each one is written where its controller is available; *ret_missing, where
 * not NULL, is then the names of the controllers that are not ("cpu memory"; static), or NULL, also while the
 * guard's service is not there. Returns 0; -ERANGE: out of bounds, and nothing has changed; or the error of
 * what could not be written. */
int hobble_tarpit_set_limits(hobble_tarpit *tarpit, const struct hobble_limits *limits,
                             const char **ret_missing);

/* Hobble an existing cgroup v2 directory in place. dir_fd is a descriptor of it (O_PATH will do; it is
 * duplicated). -EOPNOTSUPP: not a cgroup v2 directory, or the root; -EPERM: not owned by the engine's user;
 * -ELOOP: it contains this process or an ancestor of it, PID 1 or an engine's home, see
 * hobble_engine_may_hobble_cgroup(); -EEXIST; -EAGAIN as above. */
int hobble_tarpit_add_cgroup(hobble_tarpit *tarpit, int dir_fd, void *userdata, hobble_subject **ret);

/* How a tarpit stands at this moment. */
struct hobble_tarpit_status {
        int64_t balance_usec; /* CPU time that it may use before it is frozen; less than 0: owed */
        uint64_t cpu_usec;    /* used by all subjects that it has had; of one in a cgroup outside of the
                               * engine's own, as the clock last saw it */
        unsigned subjects;    /* in whatever state */
        uint64_t windows, windows_skipped; /* in which somebody ran, or nobody because too much is owed */
};

/* Returns 0. Reads one file or, with freeze_idle, one more for each subject outside of the engine's own
 * cgroup. */
int hobble_tarpit_status(const hobble_tarpit *tarpit, struct hobble_tarpit_status *ret);

/* -- Subject ----------------------------------------------------------------------------------- */

enum hobble_state {
        HOBBLE_THAWED, /* running, at this moment */
        HOBBLE_FROZEN, /* frozen, at this moment */
        HOBBLE_HELD,   /* frozen by someone else, itself in place or a cgroup above it */
        HOBBLE_STATE_MAX,
};

/* Let it go: thaw, back to the origins. Done from the loop; HOBBLE_EVENT_RELEASED (or _GONE) tells the end,
 * after which the handle is void. */
void hobble_subject_release(hobble_subject *subject);

const char *
hobble_subject_name(const hobble_subject *subject);      /* "4711", or the cgroup's path in its hierarchy */
pid_t hobble_subject_pid(const hobble_subject *subject); /* root of the tree, 0 for a cgroup */
uint64_t hobble_subject_start_time(const hobble_subject *subject);
void *hobble_subject_userdata(const hobble_subject *subject);
hobble_tarpit *hobble_subject_tarpit(const hobble_subject *subject);

/* How a subject stands at this moment. */
struct hobble_subject_status {
        enum hobble_state state;
        bool admitting, releasing;   /* not in altogether, or on its way home */
        bool nested;                 /* a tree that is hobbled within the cgroup which it came from */
        bool in_place;               /* a cgroup, not a tree */
        uint64_t since_usec;         /* CLOCK_REALTIME of the admission, 0: that has not begun */
        uint64_t cpu_usec;           /* CPU time since admission */
        uint64_t frozen_usec;        /* how long the engine held it frozen since admission, until now */
        int64_t balance_usec;        /* CPU time that it may use before it is frozen; less than 0: owed */
        int64_t tarpit_balance_usec; /* the same of its tarpit as a whole */
        double rate;                 /* CPUs that it lately used */
        double fair_share;           /* CPUs that each busy one gets; INFINITY: there is enough for all */
};

/* Balances, rate and fair share are of one that is neither admitted nor released at this moment, else 0 and
 * INFINITY. Returns 0, or the error of reading its CPU time (one file). */
int hobble_subject_status(const hobble_subject *subject, struct hobble_subject_status *ret);

/* The path in the hierarchy of the cgroup that it is hobbled in. -ENOENT: there is none yet;
 * -ENAMETOOLONG. */
int hobble_subject_path(const hobble_subject *subject, char *buf, size_t size);

/* A process that is in it now, whichever. -ENOENT: there is none. */
int hobble_subject_member(const hobble_subject *subject, pid_t *ret);

/* -- Processes --------------------------------------------------------------------------------- */

/* What /proc/PID/stat says. */
struct hobble_process {
        pid_t pid; /* of the process: where a thread id was asked for, that of its process */
        pid_t parent;
        char state;          /* one letter, proc(5) */
        bool kernel;         /* a kernel thread */
        uint64_t start_time; /* clock ticks since boot, field 22 */
        char comm[64];       /* as the kernel has it: may contain any byte but NUL */
};

/* Look at a process, or at the process that a thread id belongs to. -ESRCH: none (zombies exist). */
int hobble_process_read(pid_t pid, struct hobble_process *ret);

/* The cgroup that a process belongs to, as a path in the hierarchy: the one that it is in or, where that is
 * an instance's, the one that it came from and goes back to. Needs no engine. -ESRCH: no such process (any
 * more). */
int hobble_process_home(pid_t pid, char *buf, size_t size);

/* -- What is hobbled, without an engine -------------------------------------------------------- */

struct hobble_entry {
        const char *instance;
        bool alive; /* a live engine holds the instance */
        const char *tarpit;
        const char *subject; /* name; for a cgroup in place its path */
        const char *cgroup;  /* path in the hierarchy of the cgroup that it is hobbled in */
        pid_t pid;           /* root of the tree, 0: none (in place), or ended */
        uint64_t start_time;
        uid_t uid;           /* of the root or, where it has ended, of a member; (uid_t) -1: unknown */
        const char *command; /* of the same process; not escaped; "" where there is none */
        enum hobble_state state;
        uint64_t cpu_usec;   /* CPU time since admission */
        uint64_t since_usec; /* CLOCK_REALTIME of the admission, 0: unknown */
        const char *origin;  /* path in the hierarchy of the cgroup that the root came from; "": unknown */
};

/* Call fn for each subject of each instance that the cgroup tree shows, in no order: of this user's and, as
 * root, of `hobblectl run` of other users. fn returns 0 to go on,
 * else the walk ends with that value. -EOPNOTSUPP, -ENXIO: no cgroup v2 here. */
int hobble_list(int (*fn)(const struct hobble_entry *entry, void *userdata), void *userdata);

/* -- Rescue ------------------------------------------------------------------------------------ */

enum hobble_rescue_flags {
        HOBBLE_RESCUE_ALL =
                1 << 0, /* live instances too: each is kept from freezing again ("fenced") first, for good */
};

struct hobble_rescued {
        unsigned instances, subjects, processes; /* what was rescued */
        unsigned busy;                           /* instances passed over because a live engine holds them */
        unsigned left;                           /* subjects that could not be restored; they are thawed */
        unsigned others;  /* dead instances of other users that had frozen something: that is thawed and left
                           * where it is, for their own rescue, because a user can make such an instance look
                           * like anything */
        unsigned strayed; /* of the processes: went to the nearest cgroup above their origin that takes them,
                           * because that is gone or takes none any more */
};

/* Thaw and restore everything that bears the mark of an instance of this user's: of one, or of all (NULL).
 * Needs no engine. -EOPNOTSUPP, -ENXIO; -EPERM; -EBUSY: the one asked for is alive and HOBBLE_RESCUE_ALL was
 * not given; -ENOENT: no such. */
int hobble_rescue(const char *instance, unsigned flags, struct hobble_rescued *ret);

#ifdef __cplusplus
}
#endif
