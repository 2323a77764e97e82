/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "macro.h"
#include "roster-internal.h"

#include <limits.h>

/* A longer line of ancestors is not followed to its end. */
#define ROSTER_DEPTH_MAX 4096U

/* Whether several tarpits name processes in this round. */
static bool roster_is_ranked(const struct roster *r)
{
        return r->rank_min < r->rank_max;
}

static int list_push(struct list *l, struct roster_entry *entry)
{
        if (l->n == l->n_allocated) {
                size_t n = MAX(l->n_allocated * 2, (size_t) 64);
                struct roster_entry **items = reallocarray(l->items, n, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                l->items = items;
                l->n_allocated = n;
        }
        l->items[l->n++] = entry;
        return 0;
}

static int entry_new(struct roster *r, pid_t pid, uint64_t start_time, struct roster_entry **ret)
{
        _cleanup_free_ struct roster_entry *entry = calloc(1, sizeof(*entry));
        int k;

        if (!entry)
                return -ENOMEM;
        entry->pid = pid;
        entry->start_time = start_time;
        entry->same = pidmap_get(&r->entries, pid);
        k = pidmap_put(&r->entries, pid, entry);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(entry);
        return 0;
}

static bool entry_counts(const struct roster *r, const struct roster_entry *entry)
{
        return entry->named == r->round && entry->state != ROSTER_REFUSED && entry->state != ROSTER_ENDED;
}

void roster_begin(struct roster *r)
{
        lineage_clear(&r->lineage);
        r->names.n = 0;
        r->reclaimed = roster_is_ranked(r);
        r->rank_min = UINT_MAX;
        r->rank_max = 0;
        r->round++;
        r->carried = TAKE(r->resolved, false);
        r->newest_start = UINT64_MAX;
        r->stage = STAGE_NAMES;
        r->cursor = r->cursor_review = 0;
}

int roster_put(struct roster *r, pid_t pid, uint64_t start_time, const struct roster_claim *claim)
{
        struct roster_entry *entry = roster_find(r, pid, start_time);
        bool new = !r->carried || !entry || entry->named != r->round - 1, apart;
        int k;

        if (entry && entry->named == r->round)
                return 0;
        if (!entry) {
                k = entry_new(r, pid, start_time, &entry);
                if (k < 0)
                        return k;
        }
        k = list_push(&r->names, entry);
        if (k < 0)
                return k;

        /* Ancestors are older than their descendants: a root that is older than everything new keeps its
         * place without a look at its ancestors. */
        if (new) {
                r->newest_start = MIN(r->newest_start, start_time);
                entry->up = NULL;
        }
        apart = claim->apart || entry->astray;
        r->reclaimed |= !new && (entry->claim.rank != claim->rank || entry->claim.apart != apart ||
                                 entry->claim.tarpit != claim->tarpit);
        entry->claim = *claim;
        entry->claim.apart = apart;
        r->rank_min = MIN(r->rank_min, claim->rank);
        r->rank_max = MAX(r->rank_max, claim->rank);
        entry->named = r->round;
        entry->members = 0;
        return 0;
}

/* Find the nearest named and the nearest hobbled process of kin and its ancestors. */
static int kin_judge(struct roster *r, struct kin *kin)
{
        struct kin *path[ROSTER_DEPTH_MAX];
        struct roster_entry *named = NULL, *hobbled = NULL;
        size_t n = 0;
        int k;

        while (kin && n < ROSTER_DEPTH_MAX) {
                if (kin->judged) {
                        named = kin->named;
                        hobbled = kin->hobbled;
                        break;
                }
                path[n++] = kin;
                k = lineage_parent(&r->lineage, kin, &kin);
                if (k < 0)
                        return k;
        }

        while (n > 0) {
                struct roster_entry *entry;

                kin = path[--n];
                entry = roster_find(r, kin->pid, kin->start_time);
                if (entry && entry_counts(r, entry))
                        named = entry;
                if (entry && entry_is_hobbled(entry))
                        hobbled = entry;
                kin->named = named;
                kin->hobbled = hobbled;
                kin->judged = true;
        }
        return 0;
}

/* Whether the process of an entry has ended. */
static int entry_is_dead(struct roster *r, const struct roster_entry *entry, bool *ret)
{
        struct kin *kin;
        int k;

        k = lineage_get(&r->lineage, entry->pid, &kin);
        if (k < 0)
                return k;
        *ret = !kin->exists || kin->start_time != entry->start_time;
        return 0;
}

/* What is nearest above an entry's process. Outputs are NULL where there is nothing, or where it has ended.
 */
static int entry_climb(struct roster *r, const struct roster_entry *entry, struct roster_entry **ret_named,
                       struct roster_entry **ret_hobbled)
{
        struct kin *kin, *parent = NULL;
        int k;

        k = lineage_get(&r->lineage, entry->pid, &kin);
        if (k < 0)
                return k;
        if (kin->exists && kin->start_time == entry->start_time) {
                k = lineage_parent(&r->lineage, kin, &parent);
                if (k < 0)
                        return k;
        }
        if (parent) {
                k = kin_judge(r, parent);
                if (k < 0)
                        return k;
        }
        *ret_named = parent ? parent->named : NULL;
        *ret_hobbled = parent ? parent->hobbled : NULL;
        return 0;
}

/* Whether the entry can belong to that one's subject: that one is named as well, or has ended and left this
 * one. */
static int entry_belongs(struct roster *r, const struct roster_entry *entry, struct roster_entry *up,
                         bool *ret)
{
        bool up_dead, dead = false;
        int k;

        if (entry->claim.apart || up->claim.rank > entry->claim.rank) {
                *ret = false;
                return 0;
        }
        *ret = up->state == ROSTER_ADDED && entry_counts(r, up);
        if (*ret || up->state != ROSTER_ADDED)
                return 0;

        k = entry_is_dead(r, up, &up_dead);
        if (k >= 0 && up_dead)
                k = entry_is_dead(r, entry, &dead);
        if (k < 0)
                return k;

        *ret = up_dead && !dead;
        if (*ret && up->headless != r->round) {
                up->headless = r->round;
                up->members = 0;
                up->up = NULL;
        }
        return 0;
}

/* Whether what was found in the round before holds. Where several tarpits name processes, each change can
 * change what holds for those below. */
static int entry_stays(struct roster *r, const struct roster_entry *entry, bool *ret)
{
        *ret = false;
        if (r->reclaimed || roster_is_ranked(r))
                return 0;
        if (entry->up && entry->firm)
                return entry_belongs(r, entry, entry->up, ret);

        *ret = !entry->up && entry->wanted && entry->start_time < r->newest_start;
        return 0;
}

/* The subject that the process of an entry is in, where that is not its own; NULL: none. */
static struct roster_entry *entry_member(struct roster *r, const struct roster_entry *entry)
{
        struct roster_entry *other = NULL;

        if (!entry_is_hobbled(entry))
                other = r->handler->member(entry->pid, r->lineage.userdata);
        return other == entry ? NULL : other;
}

/* The nearest one above that is in the same tarpit or a severer one, from the nearest of all on. */
static int entry_climb_over(struct roster *r, struct roster_entry *entry, struct roster_entry **named)
{
        struct roster_entry *hobbled;
        int k = 0;

        if (entry->claim.apart)
                *named = NULL;
        while (k >= 0 && *named && (*named)->claim.rank > entry->claim.rank) {
                if (!entry->over_pid) {
                        entry->over_pid = (*named)->pid;
                        entry->over_start = (*named)->start_time;
                }
                k = entry_climb(r, *named, named, &hobbled);
        }
        return k;
}

/* Find out whose subject a named process belongs to. */
static int entry_resolve(struct roster *r, struct roster_entry *entry)
{
        struct roster_entry *named, *hobbled, *member;
        bool stays;
        int k;

        if (!entry_counts(r, entry)) {
                entry->up = NULL;
                return 0;
        }
        k = entry_stays(r, entry, &stays);
        if (k < 0 || stays)
                return k;
        entry->over_pid = 0;

        member = entry_member(r, entry);
        if (member)
                k = entry_belongs(r, entry, member, &stays);
        if (k >= 0 && stays && !roster_is_ranked(r)) {
                entry->up = member;
                return 0;
        }

        if (k >= 0)
                k = entry_climb(r, entry, &named, &hobbled);
        if (k >= 0)
                k = entry_climb_over(r, entry, &named);
        if (k < 0)
                return k;
        if (stays && !(named && named->claim.rank < member->claim.rank)) {
                entry->up = member;
                return 0;
        }
        if (member)
                hobbled = member;
        else if (entry->up && entry_is_hobbled(entry->up))
                hobbled = entry->up;
        entry->after_pid = hobbled ? hobbled->pid : 0;
        entry->after_start = hobbled ? hobbled->start_time : 0;
        entry->inside = member;

        /* Facts of different instants could add up to a ring. */
        entry->up = NULL;
        if (named && entry_root(named) != entry)
                entry->up = named;
        return 0;
}

/* Let each entry point to its root itself, so that those between may go. */
static void roster_compress(struct roster *r)
{
        for (size_t i = 0; i < r->names.n; i++) {
                struct roster_entry *entry = r->names.items[i];

                if (entry->up) {
                        entry->up = entry_root(entry);
                        entry->firm = entry->up->state == ROSTER_ADDED;
                        entry->up->members++;
                }
        }
}

/* It has a subject, but in another tarpit than the one that wants it now. */
static bool entry_moves(const struct roster *r, const struct roster_entry *entry)
{
        return entry_is_hobbled(entry) && entry_counts(r, entry) && entry->tarpit != entry->claim.tarpit;
}

/* The one in a milder tarpit around it that has to wait until it is added; NULL: none. */
static struct roster_entry *entry_around(const struct roster *r, struct roster_entry *entry)
{
        struct roster_entry *around = NULL;

        if (entry->over_pid > 0)
                around = roster_find(r, entry->over_pid, entry->over_start);
        if (!around || !entry_counts(r, around))
                return NULL;
        around = entry_root(around);
        return around == entry ? NULL : around;
}

/* Returns the one that waits, or NULL. */
static struct roster_entry *entry_go_ahead(const struct roster *r, struct roster_entry *entry)
{
        struct roster_entry *around = entry_around(r, entry);

        if (around && !entry->ahead_pid) {
                around->waits++;
                entry->ahead_pid = around->pid;
                entry->ahead_start = around->start_time;
        }
        return around;
}

/* It is wanted, and will be added again: after it so will the milder trees around it, which would take it in
 * meanwhile. Their ranks grow, so this comes to an end. */
static int entry_rebuild(struct roster *r, struct roster_entry *entry)
{
        int k = 0;

        for (; entry && entry->state == ROSTER_ADDED && k >= 0; entry = entry_go_ahead(r, entry))
                k = list_push(&r->releases, entry);
        return k;
}

/* Let the tree around those that are still to be added wait for them. Who failed is not waited for. */
static int roster_order(struct roster *r)
{
        int k = 0;

        for (size_t i = 0; i < r->names.n && k >= 0; i++) {
                struct roster_entry *entry = r->names.items[i], *around;

                if (!entry->wanted || entry->state == ROSTER_FAILED ||
                    (entry->state == ROSTER_ADDED && entry->admitted && !entry_moves(r, entry)))
                        continue;
                around = entry_go_ahead(r, entry);
                if (!around && entry->inside && !entry->claim.apart && !entry_is_hobbled(entry))
                        around = roster_find(r, entry->after_pid, entry->after_start);
                if (around)
                        k = entry_rebuild(r, around);
        }
        return k;
}

/* Decide who should have a subject, and list those that have to lose theirs. */
static int roster_decide(struct roster *r)
{
        size_t cursor = 0;
        struct roster_entry *entry;
        int k;

        r->releases.n = r->cursor_release = 0;
        while ((entry = pidmap_next(&r->entries, &cursor))) {
                for (; entry; entry = entry->same) {
                        entry->wanted = (entry_counts(r, entry) && !entry->up) || entry->headless == r->round;
                        roster_unblock_ahead(r, entry);

                        if (entry->wanted && entry->state == ROSTER_DROPPING) {
                                entry->state = ROSTER_ADDED;
                                roster_unblock(r, entry);
                        }
                        if ((entry->wanted && !entry_moves(r, entry)) || !entry_is_hobbled(entry))
                                continue;
                        k = list_push(&r->releases, entry);
                        if (k < 0)
                                return k;
                }
        }
        return roster_order(r);
}

/* Find out which tree has to wait for the release. */
static int entry_resolve_release(struct roster *r, struct roster_entry *entry)
{
        struct roster_entry *before = NULL, *hobbled;
        int k;

        if (entry_counts(r, entry))
                before = entry_root(entry);
        else {
                k = entry_climb(r, entry, &before, &hobbled);
                if (k < 0)
                        return k;
                if (before)
                        before = entry_root(before);
        }

        roster_unblock(r, entry);
        if (entry->state == ROSTER_ADDED)
                entry->state = ROSTER_DROPPING;
        if (!before || before == entry)
                return 0;

        before->waits++;
        entry->before_pid = before->pid;
        entry->before_start = before->start_time;
        /* What goes home now was passed over when that one was added. */
        return entry_rebuild(r, before);
}

/* Remove from the map those of one pid that nobody needs any more. */
static int entries_sweep(struct roster *r, struct roster_entry *first)
{
        struct roster_entry **link = &first, *entry;
        pid_t pid = first->pid;

        while ((entry = *link)) {
                bool used = entry->named == r->round || entry->headless == r->round || entry->waits > 0 ||
                            entry_is_hobbled(entry);

                if (used) {
                        link = &entry->same;
                        continue;
                }
                *link = entry->same;
                free(entry);
        }

        if (first)
                return pidmap_put(&r->entries, pid, first);
        pidmap_remove(&r->entries, pid);
        return 0;
}

/* The end of a round: forget who is not named any more, and list those that are to be added. */
static int roster_settle(struct roster *r)
{
        struct list stale = { 0 };
        struct roster_entry *entry;
        size_t cursor = 0;
        int k = 0;

        r->adds.n = r->cursor_add = 0;
        while (k >= 0 && (entry = pidmap_next(&r->entries, &cursor))) {
                bool sweep = false;

                for (struct roster_entry *e = entry; e; e = e->same) {
                        sweep |= e->named != r->round;
                        if (e->state == ROSTER_IDLE && e->wanted)
                                e->state = ROSTER_WAITING;
                        else if ((e->state == ROSTER_WAITING || e->state == ROSTER_FAILED) && !e->wanted)
                                e->state = ROSTER_IDLE;
                }
                if (sweep)
                        k = list_push(&stale, entry);
        }
        for (size_t i = 0; i < r->names.n && k >= 0; i++) {
                if (r->names.items[i]->wanted)
                        k = list_push(&r->adds, r->names.items[i]);
        }
        for (size_t i = 0; i < stale.n && k >= 0; i++)
                k = entries_sweep(r, stale.items[i]);

        free(stale.items);
        return k;
}

static int roster_resolve_some(struct roster *r)
{
        int k;

        if (r->stage == STAGE_NAMES) {
                for (; r->cursor < r->names.n; r->cursor++) {
                        k = entry_resolve(r, r->names.items[r->cursor]);
                        if (k < 0)
                                return k;
                }
                roster_compress(r);
                k = roster_decide(r);
                if (k < 0)
                        return k;
                r->stage = STAGE_RELEASES;
                r->cursor = 0;
        }
        if (r->stage == STAGE_RELEASES) {
                for (; r->cursor < r->releases.n; r->cursor++) {
                        k = entry_resolve_release(r, r->releases.items[r->cursor]);
                        if (k < 0)
                                return k;
                }
                k = roster_settle(r);
                if (k < 0)
                        return k;
                r->stage = STAGE_DONE;
                r->resolved = true;
                lineage_clear(&r->lineage);
        }
        return 0;
}

int roster_resolve(struct roster *r, unsigned lookups)
{
        int k;

        r->lineage.budget = lookups;
        k = roster_resolve_some(r);
        return k == -EAGAIN ? 1 : k;
}
