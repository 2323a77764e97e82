/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "lineage.h"
#include "macro.h"

void lineage_clear(struct lineage *l)
{
        pidmap_clear(&l->kin, free);
}

int lineage_get(struct lineage *l, pid_t pid, struct kin **ret)
{
        struct lineage_fact fact = { 0 };
        struct kin *kin;
        int r;

        kin = pidmap_get(&l->kin, pid);
        if (!kin) {
                if (l->budget == 0)
                        return -EAGAIN;
                l->budget--;

                kin = calloc(1, sizeof(*kin));
                if (!kin)
                        return -ENOMEM;
                kin->pid = pid;
                kin->exists = l->lookup(pid, &fact, l->userdata) >= 0;
                kin->parent = kin->exists && fact.parent > 0 && fact.parent != pid ? fact.parent : 0;
                kin->start_time = fact.start_time;
                r = pidmap_put(&l->kin, pid, kin);
                if (r < 0) {
                        free(kin);
                        return r;
                }
        }
        *ret = kin;
        return 0;
}

int lineage_parent(struct lineage *l, const struct kin *kin, struct kin **ret)
{
        struct kin *parent = NULL;
        int r;

        if (kin->parent > 0) {
                r = lineage_get(l, kin->parent, &parent);
                if (r < 0)
                        return r;

                /* A parent that is younger has only got the number of one that ended since. */
                if (!parent->exists || parent->start_time > kin->start_time)
                        parent = NULL;
        }
        *ret = parent;
        return 0;
}
