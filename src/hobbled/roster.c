/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "macro.h"
#include "roster-internal.h"

int roster_new(struct roster **ret, const struct roster_handler *handler, void *userdata)
{
        struct roster *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        r->handler = handler;
        r->lineage = (struct lineage){ .lookup = handler->look, .userdata = userdata };
        r->stage = STAGE_DONE;
        r->resolved = true;
        *ret = r;
        return 0;
}

static void entry_free(void *value)
{
        struct roster_entry *entry = value;

        while (entry) {
                struct roster_entry *same = entry->same;

                free(entry);
                entry = same;
        }
}

struct roster *roster_free(struct roster *r)
{
        if (!r)
                return NULL;
        pidmap_clear(&r->entries, entry_free);
        lineage_clear(&r->lineage);
        free(r->names.items);
        free(r->releases.items);
        free(r->adds.items);
        free(r);
        return NULL;
}

struct roster_entry *roster_find(const struct roster *r, pid_t pid, uint64_t start_time)
{
        struct roster_entry *entry = pidmap_get(&r->entries, pid);

        while (entry && entry->start_time != start_time)
                entry = entry->same;
        return entry;
}

/* It need not wait any longer for one of those that it waits for. */
static void unwait(struct roster *r, pid_t pid, uint64_t start_time)
{
        struct roster_entry *entry = pid > 0 ? roster_find(r, pid, start_time) : NULL;

        if (entry && entry->waits > 0)
                entry->waits--;
        r->cursor_add = 0;
}

void roster_unblock(struct roster *r, struct roster_entry *entry)
{
        unwait(r, TAKE(entry->before_pid, 0), entry->before_start);
}

void roster_unblock_ahead(struct roster *r, struct roster_entry *entry)
{
        unwait(r, TAKE(entry->ahead_pid, 0), entry->ahead_start);
}

static bool is_leaving(const struct roster *r, pid_t pid, uint64_t start_time)
{
        const struct roster_entry *entry = pid > 0 ? roster_find(r, pid, start_time) : NULL;

        return entry && (entry->state == ROSTER_DROPPING || entry->state == ROSTER_RELEASING);
}

/* Whether what it has to wait for is over. */
static bool entry_may_be_added(const struct roster *r, const struct roster_entry *entry)
{
        return entry->state == ROSTER_WAITING && entry->waits == 0 &&
               !is_leaving(r, entry->after_pid, entry->after_start) &&
               !is_leaving(r, entry->ahead_pid, entry->ahead_start);
}

bool roster_next(struct roster *r, struct roster_action *ret)
{
        if (!r->resolved)
                return false;

        while (r->cursor_release < r->releases.n) {
                struct roster_entry *entry = r->releases.items[r->cursor_release++];

                if (entry->state == ROSTER_DROPPING) {
                        entry->state = ROSTER_RELEASING;
                        *ret = (struct roster_action){ .verb = ROSTER_RELEASE, .entry = entry };
                        return true;
                }
        }
        while (r->reviewing && r->cursor_review < r->names.n) {
                struct roster_entry *entry = r->names.items[r->cursor_review++];

                if (entry->state == ROSTER_ADDED) {
                        *ret = (struct roster_action){ .verb = ROSTER_REVIEW, .entry = entry };
                        return true;
                }
        }
        r->reviewing = false;
        while (r->cursor_add < r->adds.n) {
                struct roster_entry *entry = r->adds.items[r->cursor_add++];

                if (entry_may_be_added(r, entry)) {
                        *ret = (struct roster_action){ .verb = ROSTER_ADD, .entry = entry };
                        return true;
                }
        }
        return false;
}

void roster_added(struct roster *r, struct roster_entry *entry, void *subject)
{
        (void) r;
        entry->state = ROSTER_ADDED;
        entry->subject = subject;
        entry->tarpit = entry->claim.tarpit;
        entry->admitted = false;
}

void roster_admitted(struct roster *r, struct roster_entry *entry)
{
        entry->error = 0;
        entry->admitted = true;
        roster_unblock_ahead(r, entry);
}

void roster_released(struct roster *r, struct roster_entry *entry)
{
        roster_unblock(r, entry);
        entry->subject = NULL;
        entry->state = entry->wanted ? ROSTER_WAITING : ROSTER_IDLE;
}

void roster_ended(struct roster *r, struct roster_entry *entry)
{
        roster_unblock(r, entry);
        roster_unblock_ahead(r, entry);
        entry->subject = NULL;
        entry->state = ROSTER_ENDED;
}

bool roster_failed(struct roster *r, struct roster_entry *entry, int error, bool for_good)
{
        bool news = entry->error != error;

        roster_unblock(r, entry);
        roster_unblock_ahead(r, entry);
        entry->subject = NULL;
        entry->error = error;
        entry->state = for_good ? ROSTER_REFUSED : entry->wanted ? ROSTER_FAILED : ROSTER_IDLE;
        return news;
}

bool roster_retry(struct roster *r)
{
        bool any = false;

        for (size_t i = 0; r->resolved && i < r->adds.n; i++) {
                if (r->adds.items[i]->state == ROSTER_FAILED) {
                        r->adds.items[i]->state = ROSTER_WAITING;
                        any = true;
                }
        }
        r->cursor_add = 0;
        return any;
}

void roster_reconsider(struct roster *r)
{
        struct roster_entry *entry;
        size_t cursor = 0;

        r->reviewing = true;
        r->resolved = false;
        while ((entry = pidmap_next(&r->entries, &cursor))) {
                for (; entry; entry = entry->same) {
                        if (entry->state == ROSTER_REFUSED) {
                                entry->state = ROSTER_IDLE;
                                entry->error = 0;
                        }
                }
        }
}

void roster_expelled(struct roster *r, struct roster_entry *entry)
{
        (void) r;
        entry->state = ROSTER_RELEASING;
}

void roster_patrol(struct roster *r, unsigned looks,
                   void (*look)(struct roster_entry *entry, struct roster_entry *root, void *userdata),
                   void *userdata)
{
        for (size_t i = 0; r->resolved && i < r->names.n && looks > 0; i++) {
                struct roster_entry *entry, *root;

                if (r->cursor_patrol >= r->names.n)
                        r->cursor_patrol = 0;
                entry = r->names.items[r->cursor_patrol++];
                root = entry_root(entry);
                if (root->state != ROSTER_ADDED || !root->subject || !root->admitted ||
                    entry->state == ROSTER_REFUSED || entry->state == ROSTER_ENDED)
                        continue;
                look(entry, root, userdata);
                looks--;
        }
}

bool roster_astray(struct roster *r, struct roster_entry *entry)
{
        if (entry->up) {
                entry->astray = entry->claim.apart = true;
                return false;
        }
        roster_expelled(r, entry);
        return true;
}

void roster_rescued(struct roster *r, struct roster_entry *entry)
{
        (void) r;
        entry->subject = NULL;
}

void roster_void(struct roster *r)
{
        struct roster_entry *entry;
        size_t cursor = 0;

        while ((entry = pidmap_next(&r->entries, &cursor))) {
                for (; entry; entry = entry->same) {
                        entry->subject = NULL;
                        entry->waits = 0;
                        entry->before_pid = entry->after_pid = entry->ahead_pid = 0;
                        if (entry_is_hobbled(entry))
                                entry->state = entry->wanted && entry->named == r->round ? ROSTER_WAITING
                                                                                         : ROSTER_IDLE;
                }
        }
        r->adds.n = r->releases.n = 0;
}
