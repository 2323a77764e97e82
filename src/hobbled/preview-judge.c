/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cgroup-mount.h"
#include "control.h"
#include "file.h"
#include "macro.h"
#include "preview-internal.h"
#include "text.h"
#include "whereabouts.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

bool preview_look(struct preview *p, pid_t pid)
{
        struct hobble_process *process = &p->line.process;

        if (hobble_process_read(pid, process) < 0 || process->kernel || process->state == 'Z' ||
            process->state == 'X')
                return false;
        if (hobble_engine_home_of(p->m->engine, process->pid, p->home, sizeof(p->home)) < 0)
                return false;
        p->line.home = p->home;
        p->line.text = p->text;
        *p->text = '\0';
        return true;
}

void preview_say(struct preview *p, enum preview_verdict verdict, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        (void) vsnprintf(p->text, sizeof(p->text), fmt, ap);
        va_end(ap);
        p->line.verdict = verdict;
        p->line.text = p->text;
}

const char *preview_exempt(struct preview *p, const struct hobble_process *process, const char *home)
{
        struct manager *m = p->m;
        const char *reason = NULL;

        if (hobble_engine_may_hobble(m->engine, process, &reason) == -EPERM)
                return reason;
        return manager_rule_reason(m, p->t, process, home, p->force);
}

/* Whether who is asked for here would leave that tarpit. */
static bool is_severer(const struct preview *p, const struct tarpit *other)
{
        const struct tarpit made = { .duty = p->m->options.duty };

        return other != p->t && tarpit_is_severer(p->t ? p->t : &made, other);
}

/* Whether somebody has frozen the cgroup that the process is in, or one above it. */
static bool is_frozen(const struct preview *p)
{
        _cleanup_free_ char *file = NULL;
        char text[256];

        if (strcmp(p->home, "/") == 0 ||
            asprintf(&file, "%s%s/cgroup.events", cgroup_mount() ?: "", p->home) < 0) {
                file = NULL;
                return false;
        }
        return file_read_at(AT_FDCWD, file, text, sizeof(text)) > 0 && strstr(text, "frozen 1");
}

static void say_reason(struct preview *p, const char *reason)
{
        char shown[sizeof(p->text)];

        if (line_is_text(reason, strlen(reason)) && strlen(reason) < sizeof(p->text))
                preview_say(p, PREVIEW_EXEMPT, "%s", reason);
        else
                preview_say(p, PREVIEW_EXEMPT, "%s",
                            escape_text(reason, strlen(reason), shown, sizeof(shown)));
}

bool preview_stays_out(struct preview *p)
{
        const struct tarpit *other = NULL;
        hobble_subject *s;
        const char *reason;

        if (hobble_engine_subject_of(p->m->engine, p->line.process.pid, &s) >= 0) {
                other = manager_find_tarpit(p->m, hobble_subject_tarpit(s));
                if (!other || !is_severer(p, other)) {
                        preview_say(p, PREVIEW_ALREADY, "is hobbled in tarpit \"%s\"",
                                    hobble_tarpit_name(hobble_subject_tarpit(s)));
                        return true;
                }
        }
        reason = preview_exempt(p, &p->line.process, p->home);
        if (reason)
                say_reason(p, reason);
        else if (!other && is_frozen(p))
                preview_say(p, PREVIEW_STAY, "is in a cgroup that somebody else has frozen");
        else
                return false;
        return true;
}

bool preview_is_nested(const struct preview *p, pid_t root, const char *home)
{
        if (strcmp(home, "/") == 0)
                return false;
        return p->placement == HOBBLE_PLACEMENT_NESTED ||
               (p->placement == HOBBLE_PLACEMENT_AUTO && whereabouts_is_bound(root, home));
}

bool preview_is_apart(const char *root_home, bool nested, pid_t pid, const char *home)
{
        return !whereabouts_same_unit(home, root_home) && (nested || whereabouts_is_bound(pid, home));
}

void preview_say_root(struct preview *p, bool nested, bool part)
{
        char shown[512];
        size_t n = whereabouts_unit(p->home);

        if (nested)
                preview_say(p, PREVIEW_HOBBLE, "%swithin %s", part ? "a part of the tree, " : "",
                            escape_text(p->home, n ? n : strlen(p->home), shown, sizeof(shown)));
        else
                preview_say(p, PREVIEW_HOBBLE, "in tarpit \"%s\"", p->tarpit);
}

void preview_say_member(struct preview *p, pid_t root)
{
        preview_say(p, PREVIEW_MOVE, "with process %d", (int) root);
}
