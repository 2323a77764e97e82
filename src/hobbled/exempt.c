/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "exempt.h"
#include "cgroup-mount.h"
#include "clock.h"
#include "command-pattern.h"
#include "exempt-rules.h"
#include "text.h"
#include "userset.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define OMIT "user.hobble.omit"

/* A look-up of a user is waited for once, for so long; until it ends nobody is hobbled. */
#define WAIT_USEC (20 * USEC_PER_MSEC)

/* A name of User= that has come up, with what is known of it. */
struct known_user {
        char *value;
        struct userset *users;
        struct known_user *next;
};

struct exempt {
        int cgroup_fd, proc_fd; /* the roots; cgroup_fd may be -EBADF */
        struct known_user *users;
        bool doubt; /* somebody was taken for exempt while it was not known yet who the user is */
        char exe[PATH_MAX];
        char text[PATH_MAX + 512];
};

int exempt_new(struct exempt **ret)
{
        struct exempt *x = calloc(1, sizeof(*x));
        const char *mount = cgroup_mount();

        if (!x)
                return -ENOMEM;
        x->cgroup_fd = mount ? open(mount, O_PATH | O_DIRECTORY | O_CLOEXEC) : -EBADF;
        x->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (x->proc_fd < 0) {
                int r = -errno;

                exempt_free(x);
                return r;
        }
        *ret = x;
        return 0;
}

struct exempt *exempt_free(struct exempt *x)
{
        if (!x)
                return NULL;
        for (struct known_user *k = x->users, *next; k; k = next) {
                next = k->next;
                userset_free(k->users);
                free(k->value);
                free(k);
        }
        close_fd(x->cgroup_fd);
        close_fd(x->proc_fd);
        free(x);
        return NULL;
}

/* -- [Exempt] ---------------------------------------------------------------------------------- */

/* NULL where there is no memory, or the value makes no sense. */
static struct userset *exempt_users(struct exempt *x, const char *value)
{
        struct known_user *k;

        for (k = x->users; k; k = k->next) {
                if (strcmp(k->value, value) == 0)
                        return k->users;
        }

        k = calloc(1, sizeof(*k));
        if (!k)
                return NULL;
        k->value = strdup(value);
        if (!k->value || userset_new(&k->users, value) < 0) {
                free(k->value);
                free(k);
                return NULL;
        }
        (void) userset_refresh(k->users, WAIT_USEC, NULL);
        k->next = x->users;
        x->users = k;
        return k->users;
}

/* Returns whether the process is, or has to be taken for, one of the user's. */
static bool exempt_user_matches(struct exempt *x, const char *value, uid_t uid)
{
        struct userset *users = exempt_users(x, value);

        if (!users)
                return !userset_is_valid(value) ? false : true;
        if (userset_refresh(users, 0, NULL) == USERSET_PENDING) {
                x->doubt = true;
                return true;
        }
        return userset_has(users, uid);
}

static bool exempt_item_matches(struct exempt *x, enum config_exempt kind, const char *value,
                                const struct exempt_facts *f)
{
        switch (kind) {
        case CONFIG_EXEMPT_USER:
                return exempt_user_matches(x, value, f->uid);
        case CONFIG_EXEMPT_UNIT:
                return exempt_unit_matches(value, f->home);
        case CONFIG_EXEMPT_COMMAND:
                return command_pattern_is_path(value) ? command_pattern_matches_path(value, f->exe)
                                                      : command_pattern_matches(value, f->comm);
        case CONFIG_EXEMPT_MAX:
        default:
                return false;
        }
}

static const char *exempt_configured(struct exempt *x, const struct config_exemptions *exemptions,
                                     const struct exempt_facts *f)
{
        static const char *const keys[] = {
                [CONFIG_EXEMPT_USER] = "User",
                [CONFIG_EXEMPT_UNIT] = "Unit",
                [CONFIG_EXEMPT_COMMAND] = "Command",
        };
        char shown[256];

        for (size_t kind = 0; exemptions && kind < CONFIG_EXEMPT_MAX; kind++) {
                const struct config_list *list = exemptions->of + kind;

                for (size_t i = 0; i < list->n; i++) {
                        const struct config_item *item = list->items + i;

                        if (!exempt_item_matches(x, (enum config_exempt) kind, item->value, f))
                                continue;
                        escape_text(item->value, strlen(item->value), shown, sizeof(shown));
                        snprintf(x->text, sizeof(x->text), "is exempt: %s=%s%s%s", keys[kind], shown,
                                 item->place.file ? " in " : "", item->place.file ?: "");
                        if (item->place.file)
                                snprintf(x->text + strlen(x->text), sizeof(x->text) - strlen(x->text), ":%u",
                                         item->place.line);
                        return x->text;
                }
        }
        return NULL;
}

/* -- The attribute ----------------------------------------------------------------------------- */

/* Whether the directory bears the attribute, and the right to. A user may set attributes of a cgroup of
 * theirs, which frees nobody. */
static bool is_omitted(int root_fd, const char *path)
{
        _cleanup_close_ int fd = openat(root_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        char link[32], value[8];
        struct stat st;
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != 0)
                return false;
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = getxattr(link, OMIT, value, sizeof(value));
        return n == 1 && *value == '1';
}

static const char *exempt_omitted(struct exempt *x, const char *home)
{
        char path[PATH_MAX], shown[256];

        home += strspn(home, "/");
        if (x->cgroup_fd < 0 || strlen(home) >= sizeof(path))
                return NULL;
        strcpy(path, home);
        for (;;) {
                char *slash = strrchr(path, '/');

                if (*path && is_omitted(x->cgroup_fd, path)) {
                        snprintf(x->text, sizeof(x->text), "is exempt: /%s has " OMIT "=1",
                                 escape_text(path, strlen(path), shown, sizeof(shown)));
                        return x->text;
                }
                if (!slash)
                        return NULL;
                *slash = '\0';
        }
}

/* -- Cgroups ----------------------------------------------------------------------------------- */

static const char *exempt_cgroup_unit(struct exempt *x, const struct config_exemptions *exemptions,
                                      const char *path)
{
        const struct config_list *list = exemptions ? exemptions->of + CONFIG_EXEMPT_UNIT : NULL;

        for (size_t i = 0; list && i < list->n; i++) {
                if (!exempt_unit_matches(list->items[i].value, path))
                        continue;
                snprintf(x->text, sizeof(x->text), "is exempt: Unit=%s", list->items[i].value);
                return x->text;
        }
        return NULL;
}

const char *exempt_cgroup_reason(struct exempt *x, const struct config_exemptions *global,
                                 const struct config_exemptions *tarpit, const char *path, bool force)
{
        const char *reason = NULL;

        /* Without systemd, units are names like any others. */
        if (access("/run/systemd/system", F_OK) >= 0)
                reason = exempt_builtin_cgroup(path, x->text, sizeof(x->text));
        if (reason || force)
                return reason;
        reason = exempt_cgroup_unit(x, global, path);
        if (!reason)
                reason = exempt_cgroup_unit(x, tarpit, path);
        return reason ? reason : exempt_omitted(x, path);
}

/* -- Processes --------------------------------------------------------------------------------- */

/* Its effective user; root where it has ended. */
static uid_t exempt_uid(const struct exempt *x, pid_t pid)
{
        char name[16];
        struct stat st;

        snprintf(name, sizeof(name), "%d", (int) pid);
        return fstatat(x->proc_fd, name, &st, 0) < 0 ? 0 : st.st_uid;
}

static const char *exempt_exe(struct exempt *x, pid_t pid)
{
        static const char deleted[] = " (deleted)";
        const size_t size = sizeof(deleted) - 1;
        char name[32];
        ssize_t n;

        snprintf(name, sizeof(name), "%d/exe", (int) pid);
        n = readlinkat(x->proc_fd, name, x->exe, sizeof(x->exe) - 1);
        x->exe[MAX(n, 0)] = '\0';
        if (n > (ssize_t) size && strcmp(x->exe + n - size, deleted) == 0)
                x->exe[(size_t) n - size] = '\0';
        return x->exe;
}

/* Whether the process is in a user namespace other than hobbled's, or that cannot be told. */
static bool is_in_other_users(const struct exempt *x, pid_t pid)
{
        char name[32], theirs[64] = "", ours[64] = "";

        snprintf(name, sizeof(name), "%d/ns/user", (int) pid);
        return readlinkat(x->proc_fd, name, theirs, sizeof(theirs) - 1) <= 0 ||
               readlinkat(x->proc_fd, "self/ns/user", ours, sizeof(ours) - 1) <= 0 ||
               strcmp(theirs, ours) != 0;
}

/* Whether it has given up all supplementary groups, which takes a privilege. */
static bool exempt_groupless(const struct exempt *x, pid_t pid)
{
        char name[32], text[4096];
        const char *groups;
        ssize_t n;

        snprintf(name, sizeof(name), "%d/status", (int) pid);
        _cleanup_close_ int fd = openat(x->proc_fd, name, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        text[MAX(n, 0)] = '\0';
        groups = strstr(text, "\nGroups:");
        if (!groups)
                return false;
        groups += strlen("\nGroups:");
        return groups[strspn(groups, " \t")] == '\n' && !is_in_other_users(x, pid);
}

const char *exempt_reason(struct exempt *x, const struct config_exemptions *global,
                          const struct config_exemptions *tarpit, const struct hobble_process *process,
                          const char *home, bool force)
{
        const struct exempt_facts f = {
                .pid = process->pid,
                .parent = process->parent,
                .uid = exempt_uid(x, process->pid),
                .comm = process->comm,
                .exe = exempt_exe(x, process->pid),
                .home = home,
                /* Not asked of everybody, as it takes a while. */
                .groupless = *process->comm == '(' && exempt_groupless(x, process->pid),
        };
        const char *reason;

        reason = exempt_builtin(&f, x->text, sizeof(x->text));
        if (reason || force)
                return reason;
        reason = exempt_configured(x, global, &f);
        if (!reason)
                reason = exempt_configured(x, tarpit, &f);
        return reason ? reason : exempt_omitted(x, home);
}

bool exempt_is_forked(struct exempt *x, const struct hobble_process *process)
{
        const struct exempt_facts f = { .comm = process->comm, .exe = exempt_exe(x, process->pid) };

        return exempt_is_systemd(&f, *f.comm == '(' || strcmp(f.comm, "systemd") == 0);
}

bool exempt_take_doubt(struct exempt *x)
{
        return TAKE(x->doubt, false);
}
