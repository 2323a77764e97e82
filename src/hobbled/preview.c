/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "preview.h"
#include "cgroup-mount.h"
#include "clock.h"
#include "control.h"
#include "macro.h"
#include "preview-internal.h"
#include "text.h"
#include "units.h"
#include "userset.h"
#include "whereabouts.h"

#include <ctype.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

/* A step looks at so many processes at most, and goes on for so long. */
#define STEP_MAX 64U
#define STEP_USEC (1 * USEC_PER_MSEC)

/* A longer line of ancestors is not followed to its end. */
#define ANCESTORS_MAX 64U

/* Who a user is is waited for so long. */
#define USERS_WAIT_USEC (5 * USEC_PER_SEC)

/* The children that hobbled makes in cgroups, which a glob does not match. */
#define OWN_PREFIX "hobbled-"

const char *preview_verdict_name(enum preview_verdict verdict)
{
        static const char *const names[] = {
                [PREVIEW_HOBBLE] = "hobble", [PREVIEW_MOVE] = "move",     [PREVIEW_FREEZE] = "freeze",
                [PREVIEW_STAY] = "stay",     [PREVIEW_EXEMPT] = "exempt", [PREVIEW_ALREADY] = "already",
        };

        _Static_assert(ELEMENTSOF(names) == PREVIEW_VERDICT_MAX, "a name for each verdict");
        return names[verdict];
}

/* -- Cgroups ----------------------------------------------------------------------------------- */

static bool is_beneath(const char *path, const char *above)
{
        size_t n = strlen(above);

        return strncmp(path, above, n) == 0 && (path[n] == '/' || !path[n]);
}

/* Whether a process, which ends with all where it is frozen, is in there. */
static bool contains(const char *path, pid_t pid)
{
        char where[4096];

        return whereabouts_cgroup(pid, where, sizeof(where)) >= 0 && is_beneath(where, path);
}

/* Why the cgroup cannot be frozen in place. */
static const char *refusal(struct preview *p, const char *path)
{
        _cleanup_free_ char *dir = NULL;

        if (strcmp(path, "/") == 0)
                return "is in the root of the cgroup hierarchy, which cannot be frozen";
        if (contains(path, 1) || contains(path, getpid()))
                return "is in a cgroup that contains PID 1 or hobbled itself";
        if (asprintf(&dir, "%s%s", cgroup_mount() ?: "", path) < 0) {
                dir = NULL;
                return "is in a cgroup that cannot be looked at";
        }
        if (access(dir, F_OK) < 0)
                return "is in a cgroup that cannot be looked at";
        return manager_cgroup_rule_reason(p->m, p->t, path, p->force);
}

static int place_take(struct preview *p, const char *path, size_t n)
{
        struct preview_place *place = &p->place;
        const char *name, *reason;

        if (place->path && strlen(place->path) == n && strncmp(place->path, path, n) == 0)
                return 0;
        free(place->path);
        place->path = strndup(path, n);
        if (!place->path)
                return -ENOMEM;
        name = strrchr(place->path, '/') + 1;
        place->unit = unit_name_has_cgroup(name, strlen(name)) && access("/run/systemd/system", F_OK) >= 0;
        place->reason = NULL;
        reason = place->unit ? NULL : refusal(p, place->path);
        if (reason)
                place->reason = escape_text(reason, strlen(reason), place->text, sizeof(place->text));
        return 0;
}

/* Whether the cgroup, or one above it, is meant. Returns 1, 0 or -ENOMEM. */
static int place_match(struct preview *p, const char *home)
{
        bool is_glob = strpbrk(p->what, "*?[");
        char prefix[4096];

        for (size_t n = 1; home[n - 1]; n++) {
                const char *name;

                if ((home[n] && home[n] != '/') || n >= sizeof(prefix))
                        continue;
                memcpy(prefix, home, n);
                prefix[n] = '\0';
                name = strrchr(prefix, '/');
                if (!name || (is_glob && strncmp(name + 1, OWN_PREFIX, strlen(OWN_PREFIX)) == 0))
                        continue;
                if (is_glob ? fnmatch(p->what, prefix, FNM_PATHNAME | FNM_PERIOD | FNM_NOESCAPE) == 0
                            : strcmp(p->what, prefix) == 0) {
                        int r = place_take(p, home, n);

                        return r < 0 ? r : 1;
                }
        }
        return 0;
}

/* -- Who is meant ------------------------------------------------------------------------------ */

/* Returns 1, 0 or -ENOMEM. */
static int is_meant(struct preview *p, const struct hobble_process *process, const char *home)
{
        switch (p->kind) {
        case REQUEST_USER:
                return userset_has(p->users, whereabouts_uid(process->pid));
        case REQUEST_UNIT:
                return unit_pattern_matches_path(p->what, home);
        case REQUEST_CGROUP:
                return place_match(p, home);
        default:
                return 0;
        }
}

/* The topmost one above the process that would be hobbled as well: whose tree it is a part of. Returns 1, 0
 * or -ENOMEM. */
static int find_root(struct preview *p, struct hobble_process *ret, char *ret_home, size_t size)
{
        struct hobble_process above = p->line.process;
        char home[4096];
        int found = 0;

        for (unsigned i = 0; i < ANCESTORS_MAX && above.parent > 1; i++) {
                int r;

                if (hobble_process_read(above.parent, &above) < 0)
                        break;
                if (above.kernel || hobble_engine_home_of(p->m->engine, above.pid, home, sizeof(home)) < 0)
                        continue;
                r = is_meant(p, &above, home);
                if (r < 0)
                        return r;
                if (r == 0 || preview_exempt(p, &above, home))
                        continue;
                *ret = above;
                snprintf(ret_home, size, "%s", home);
                found = 1;
        }
        return found;
}

static bool is_with_parent(const struct preview *p)
{
        char home[4096];

        return hobble_engine_home_of(p->m->engine, p->line.process.parent, home, sizeof(home)) >= 0 &&
               whereabouts_same_unit(p->home, home);
}

/* The process that is being looked at, as a root or in a tree. Returns 1 where it is concerned, 0, or
 * -ENOMEM. */
static int judge(struct preview *p, bool meant)
{
        char root_home[4096];
        struct hobble_process root;
        bool nested;
        int r;

        r = find_root(p, &root, root_home, sizeof(root_home));
        if (r < 0 || (r == 0 && !meant))
                return r;
        if (preview_stays_out(p))
                return 1;
        if (r == 0) {
                preview_say_root(p, preview_is_nested(p, p->line.process.pid, p->home), false);
                return 1;
        }
        nested = preview_is_nested(p, root.pid, root_home);
        if (!preview_is_apart(root_home, nested, p->line.process.pid, p->home))
                preview_say_member(p, root.pid);
        else if (is_with_parent(p))
                preview_say_member(p, p->line.process.parent);
        else
                preview_say_root(p, true, true);
        return 1;
}

/* A member of a cgroup that would be frozen itself. */
static void judge_in_place(struct preview *p)
{
        hobble_subject *s;
        char shown[512];

        if (hobble_engine_subject_of(p->m->engine, p->line.process.pid, &s) >= 0)
                preview_say(p, PREVIEW_ALREADY, "is hobbled in tarpit \"%s\"",
                            hobble_tarpit_name(hobble_subject_tarpit(s)));
        else if (p->place.reason)
                preview_say(p, PREVIEW_EXEMPT, "%s", p->place.reason);
        else
                preview_say(p, PREVIEW_FREEZE, "with the cgroup %s",
                            escape_text(p->place.path, strlen(p->place.path), shown, sizeof(shown)));
}

static int look_at(struct preview *p, pid_t pid, preview_fn fn, void *userdata)
{
        int meant, r = 1;

        if (!preview_look(p, pid))
                return 1;
        meant = is_meant(p, &p->line.process, p->home);
        if (meant < 0)
                return meant;
        if (meant > 0 && p->kind == REQUEST_CGROUP && !p->place.unit)
                judge_in_place(p);
        else
                r = judge(p, meant > 0);
        if (r > 0)
                r = fn(&p->line, userdata);
        return r < 0 ? r : 1;
}

/* -- Steps ------------------------------------------------------------------------------------- */

static int walk_one(struct preview *p, preview_fn fn, void *userdata)
{
        const struct dirent *d;

        do {
                d = readdir(p->proc);
                if (!d)
                        return 0;
        } while (!isdigit((unsigned char) d->d_name[0]));
        return look_at(p, (pid_t) strtol(d->d_name, NULL, 10), fn, userdata);
}

/* Returns 1 where it is known who the users are, 0 where it is not yet, or a negative errno. */
static int wait_for_users(struct preview *p)
{
        int error = 0;

        switch (userset_refresh(p->users, STEP_USEC, &error)) {
        case USERSET_PENDING:
                return clock_now() < p->users_until_usec ? 0 : -ETIMEDOUT;
        case USERSET_FAILED:
                return error < 0 ? error : -EIO;
        default:
                return 1;
        }
}

int preview_step(struct preview *p, preview_fn fn, void *userdata)
{
        uint64_t begin = clock_now();
        int r;

        /* It may have come, or gone, since the last step. */
        p->t = control_find_tarpit(p->m, p->tarpit);
        if (p->users) {
                r = wait_for_users(p);
                if (r <= 0)
                        return r < 0 ? r : 1;
        }
        for (unsigned i = 0; i < STEP_MAX; i++) {
                r = p->proc ? walk_one(p, fn, userdata) : preview_tree_one(p, fn, userdata);
                if (r <= 0)
                        return r;
                if (clock_now() - begin >= STEP_USEC)
                        break;
        }
        return 1;
}

/* -- Life -------------------------------------------------------------------------------------- */

/* Where the trees that are asked for want to be placed. */
static enum hobble_placement placement(const struct preview *p)
{
        if (p->t && p->t->placement != HOBBLE_PLACEMENT_AUTO)
                return p->t->placement;
        return p->kind == REQUEST_UNIT || p->kind == REQUEST_CGROUP ? HOBBLE_PLACEMENT_NESTED
                                                                    : HOBBLE_PLACEMENT_AUTO;
}

static int init_tree(struct preview *p, const char *what, sd_bus_error *error)
{
        struct hobble_process process;
        uint64_t pid = 0;

        (void) parse_u64(what, &pid);
        if (hobble_process_read((pid_t) pid, &process) < 0)
                return sd_bus_error_setf(error, CONTROL_ERROR_NO_SUCH_PROCESS, "There is no process %s",
                                         what);
        return preview_tree_begin(p, process.pid);
}

static int init_walk(struct preview *p, const char *what, sd_bus_error *error)
{
        size_t n;
        int r = 0;

        if (p->kind == REQUEST_CGROUP) {
                what = cgroup_mount_strip(what);
                if (!what)
                        return sd_bus_error_setf(error, CONTROL_ERROR_REFUSED,
                                                 "What is hobbled with a cgroup outside of %s cannot be told "
                                                 "beforehand",
                                                 cgroup_mount() ?: "the cgroup v2 hierarchy");
        } else if (p->kind == REQUEST_USER) {
                r = userset_new(&p->users, ++what);
                p->users_until_usec = clock_now() + USERS_WAIT_USEC;
        }
        p->what = strdup(what);
        p->proc = opendir("/proc");
        if (r < 0 || !p->what || !p->proc)
                return r < 0 ? r : -ENOMEM;
        for (n = strlen(p->what); n > 1 && p->what[n - 1] == '/'; n--)
                p->what[n - 1] = '\0';
        return 0;
}

static int check(struct manager *m, const char *what, const char *tarpit, uint64_t flags,
                 enum request_kind *ret, sd_bus_error *error)
{
        const struct tarpit *t = control_find_tarpit(m, tarpit);
        char shown[256];

        if (flags & ~(uint64_t) (CONTROL_FORCE | CONTROL_PERSISTENT))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Unknown flags");
        if (!m->began)
                return sd_bus_error_setf(error, CONTROL_ERROR_NOT_READY,
                                         "hobbled still waits for its guard: try again in a moment");
        if (request_kind_of(what, ret) < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "\"%s\" is no process id, nor the name of a unit, nor the path of "
                                         "a cgroup, nor @USER",
                                         escape_text(what, strlen(what), shown, sizeof(shown)));
        if (*tarpit && strcmp(tarpit, CONTROL_TARPIT) != 0 && !(t && t->configured))
                return sd_bus_error_setf(error, CONTROL_ERROR_NO_SUCH_TARPIT,
                                         "There is no tarpit \"%s\": see \"hobblectl list-tarpits\"",
                                         escape_text(tarpit, strlen(tarpit), shown, sizeof(shown)));
        return 0;
}

int preview_new(struct preview **ret, struct manager *m, const char *what, const char *tarpit, uint64_t flags,
                sd_bus_error *error)
{
        struct preview *p;
        enum request_kind kind;
        int r;

        r = check(m, what, tarpit, flags, &kind, error);
        if (r < 0)
                return r;
        tarpit = *tarpit ? tarpit : CONTROL_TARPIT;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->m = m;
        p->kind = kind;
        p->force = flags & CONTROL_FORCE;
        p->tree.children_fd = -EBADF;
        p->t = control_find_tarpit(m, tarpit);
        p->placement = placement(p);
        p->tarpit = strdup(tarpit);
        r = p->tarpit ? 0 : -ENOMEM;
        if (r >= 0)
                r = kind == REQUEST_PID ? init_tree(p, what, error) : init_walk(p, what, error);
        if (r < 0) {
                preview_free(p);
                return r;
        }
        *ret = p;
        return 0;
}

struct preview *preview_free(struct preview *p)
{
        if (!p)
                return NULL;
        preview_tree_done(p);
        if (p->proc)
                (void) closedir(p->proc);
        userset_free(p->users);
        free(p->place.path);
        free(p->what);
        free(p->tarpit);
        free(p);
        return NULL;
}
