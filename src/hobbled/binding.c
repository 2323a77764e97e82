/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "binding.h"
#include "macro.h"

#include <string.h>

void bindings_done(struct bindings *b)
{
        free(b->items);
        *b = (struct bindings){ 0 };
}

static void bindings_count(struct bindings *b)
{
        b->n_new = b->n_verify = 0;
        b->cursor_new = 0;
        for (size_t i = 0; i < b->n; i++) {
                b->n_new += b->items[i].state == BINDING_NEW;
                b->n_verify += b->items[i].verify;
        }
}

/* Whether a number that is named again has to be looked at again. */
static bool binding_is_doubtful(const struct binding *binding, unsigned flags)
{
        if (binding->state == BINDING_NEW)
                return false;
        return flags & (binding->state == BINDING_DEAD ? BINDINGS_VERIFY | BINDINGS_RETRY : BINDINGS_VERIFY);
}

int bindings_merge(struct bindings *b, const pid_t *numbers, size_t n, unsigned flags, uint64_t now)
{
        struct binding *merged;
        size_t i = 0, j = 0, k = 0;
        bool changed = false;

        merged = reallocarray(NULL, MAX(b->n + n, (size_t) 1), sizeof(*merged));
        if (!merged)
                return -ENOMEM;

        while (i < b->n || j < n) {
                if (j == n || (i < b->n && b->items[i].number < numbers[j])) {
                        if (flags & BINDINGS_KEEP)
                                merged[k++] = b->items[i];
                        else
                                changed = true;
                        i++;
                        continue;
                }
                if (i < b->n && b->items[i].number == numbers[j]) {
                        merged[k] = b->items[i++];
                        merged[k].verify |= binding_is_doubtful(merged + k, flags);
                } else {
                        merged[k] = (struct binding){ .number = numbers[j] };
                        changed = true;
                }
                merged[k++].seen_usec = now;
                j++;
        }

        free(b->items);
        b->items = merged;
        b->n = k;
        bindings_count(b);
        return changed;
}

bool bindings_expire(struct bindings *b, uint64_t before)
{
        size_t k = 0;
        bool changed;

        for (size_t i = 0; i < b->n; i++) {
                if (b->items[i].seen_usec >= before)
                        b->items[k++] = b->items[i];
        }
        changed = k < b->n;
        b->n = k;
        bindings_count(b);
        return changed;
}

uint64_t bindings_oldest(const struct bindings *b, uint64_t now)
{
        uint64_t oldest = UINT64_MAX;

        for (size_t i = 0; i < b->n; i++) {
                if (b->items[i].seen_usec < now)
                        oldest = MIN(oldest, b->items[i].seen_usec);
        }
        return oldest;
}

/* Bind the number to who has it now. Returns whether the outcome is another than before. */
static bool binding_look(struct bindings *b, struct binding *binding, const struct binding_handler *handler,
                         void *userdata)
{
        struct binding before = *binding;
        struct binding_fact fact = { 0 };
        uint64_t known = before.state == BINDING_BOUND ? before.start_time : 0;
        int r;

        r = handler->look(binding->number, known, &fact, userdata);
        if (r < 0) {
                binding->state = BINDING_DEAD;
                binding->pid = 0;
                binding->start_time = 0;
        } else {
                binding->pid = fact.pid;
                binding->start_time = fact.start_time;
                if (fact.refusal)
                        binding->state = BINDING_REFUSED;
                else if (b->written_usec > 0 && fact.start_usec > b->written_usec + BINDINGS_SLACK_USEC)
                        binding->state = BINDING_LATE;
                else
                        binding->state = BINDING_BOUND;
        }

        if (binding->state == before.state && binding->pid == before.pid &&
            binding->start_time == before.start_time)
                return false;
        handler->change(binding, before.state, r < 0 ? NULL : &fact, userdata);
        return true;
}

bool bindings_step(struct bindings *b, const struct binding_handler *handler, void *userdata,
                   bool *ret_changed)
{
        struct binding *binding = NULL;

        /* The cursor of the new ones starts at the beginning after each merge; that of the others goes round,
         * so that a file that changes all the time starves nobody. */
        for (; b->n_new > 0 && b->cursor_new < b->n; b->cursor_new++) {
                binding = b->items + b->cursor_new;
                if (binding->state == BINDING_NEW) {
                        b->n_new--;
                        *ret_changed |= binding_look(b, binding, handler, userdata);
                        return true;
                }
        }
        for (size_t i = 0; b->n_verify > 0 && i < b->n; i++) {
                if (b->cursor_verify >= b->n)
                        b->cursor_verify = 0;
                binding = b->items + b->cursor_verify++;
                if (binding->verify) {
                        b->n_verify--;
                        binding->verify = false;
                        *ret_changed |= binding_look(b, binding, handler, userdata);
                        return true;
                }
        }
        return false;
}

bool bindings_suspect(struct bindings *b, pid_t pid, uint64_t start_time)
{
        size_t low = 0, high = b->n;

        while (low < high) {
                size_t mid = low + (high - low) / 2;

                if (b->items[mid].number < pid)
                        low = mid + 1;
                else
                        high = mid;
        }
        if (low == b->n || b->items[low].number != pid || b->items[low].start_time != start_time)
                return false;

        b->n_verify += !b->items[low].verify;
        b->items[low].verify = true;
        return true;
}

int bindings_for_each(const struct bindings *b, int (*fn)(pid_t pid, uint64_t start_time, void *userdata),
                      void *userdata)
{
        for (size_t i = 0; i < b->n; i++) {
                const struct binding *binding = b->items + i;
                int r;

                if (binding->state != BINDING_BOUND)
                        continue;
                r = fn(binding->pid, binding->start_time, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}
