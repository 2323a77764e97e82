/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Somebody with the right to may move a hobbled process to another cgroup, where it runs freely, and the
 * kernel tells nobody. So those that are named are looked at in turn, a bounded number each time. */

#include "manager-internal.h"
#include "whereabouts.h"

/* Each is a small file to read, from a cold cache mostly: 25 us. */
#define LOOKS 8U

/* The clocks of the tarpits wake up as often as that, and this need not do it as well. */
#define ACCURACY_USEC (250 * USEC_PER_MSEC)

/* Whether the process, which is one that is named, is in none of the subjects; then also where it is. */
static bool is_astray(const struct manager *m, const struct roster_entry *entry,
                      const struct roster_entry *root, char *where, size_t size)
{
        struct hobble_process process;
        hobble_subject *subject;
        char path[4096];

        if (hobble_subject_path(root->subject, path, sizeof(path)) < 0 ||
            whereabouts_cgroup(entry->pid, where, size) < 0 || whereabouts_is_beneath(where, path))
                return false;

        /* One whose leader has exited is elsewhere than that file tells. */
        return hobble_engine_subject_of(m->engine, entry->pid, &subject) == -ENOENT &&
               hobble_process_read(entry->pid, &process) >= 0 && process.pid == entry->pid &&
               process.start_time == entry->start_time && whereabouts_cgroup(entry->pid, where, size) >= 0;
}

static void look(struct roster_entry *entry, struct roster_entry *root, void *userdata)
{
        struct manager *m = userdata;
        struct tarpit *t = root->tarpit;
        char where[4096];

        if (!is_astray(m, entry, root, where, sizeof(where)))
                return;
        if (roster_astray(m->roster, entry)) {
                announce_moved(&(struct announcement){ .topic = &t->topic, .source = entry->claim.source },
                               entry->subject, entry->pid, where);
                hobble_subject_release(entry->subject);
        }
        manager_changed(m);
}

static int on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        struct manager *m = userdata;

        roster_patrol(m->roster, LOOKS, look, m);
        manager_patrol(m);
        return 0;
}

void manager_patrol(struct manager *m)
{
        uint64_t usec = manager_check_usec(m);
        int enabled;

        if (hobble_engine_subjects(m->engine) == 0 || usec == USEC_INFINITY ||
            (sd_event_source_get_enabled(m->patrol, &enabled) >= 0 && enabled != SD_EVENT_OFF))
                return;
        (void) sd_event_source_set_time_relative(m->patrol, usec);
        (void) sd_event_source_set_enabled(m->patrol, SD_EVENT_ONESHOT);
}

int manager_init_patrol(struct manager *m)
{
        int r;

        r = sd_event_add_time(m->event, &m->patrol, CLOCK_MONOTONIC, 0, ACCURACY_USEC, on_time, m);
        if (r >= 0)
                r = sd_event_source_set_priority(m->patrol, SD_EVENT_PRIORITY_IDLE);
        return r < 0 ? r : sd_event_source_set_enabled(m->patrol, SD_EVENT_OFF);
}

void manager_done_patrol(struct manager *m)
{
        m->patrol = sd_event_source_disable_unref(m->patrol);
}
