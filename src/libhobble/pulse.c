/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pulse.h"
#include "macro.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "the word is shared between processes");

static int map(int fd, pulse **ret)
{
        void *p = mmap(NULL, sizeof(pulse), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (p == MAP_FAILED)
                return -errno;
        *ret = p;
        return 0;
}

int pulse_new(pulse **ret)
{
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = memfd_create("hobble-pulse", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0 || ftruncate(fd, sizeof(pulse)) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;
        r = map(fd, ret);
        return r < 0 ? r : TAKE_FD(fd);
}

int pulse_open(int fd, pulse **ret)
{
        struct stat st;

        /* Unsealed, it could be cut short under us: SIGBUS. */
        if (fcntl(fd, F_GET_SEALS) != SEALS || fstat(fd, &st) < 0 || st.st_size != sizeof(pulse))
                return -EINVAL;
        return map(fd, ret);
}

pulse *pulse_free(pulse *p)
{
        if (p)
                (void) munmap(p, sizeof(*p));
        return NULL;
}

enum pulse_state pulse_look(const pulse *p)
{
        return pulse_state_of(atomic_load(&p->word));
}

/* Put (state, now) in the place of any word whose state is in the set of bits `from`. */
static enum pulse_state change(pulse *p, unsigned from, enum pulse_state state, uint64_t now_usec)
{
        uint64_t word = atomic_load(&p->word);

        do {
                if (!(from & 1U << pulse_state_of(word)))
                        return pulse_state_of(word);
        } while (!atomic_compare_exchange_weak(&p->word, &word, now_usec << 2 | state));

        return state;
}

enum pulse_state pulse_beat(pulse *p, uint64_t now_usec)
{
        return change(p, 1U << PULSE_ALIVE, PULSE_ALIVE, now_usec);
}

enum pulse_state pulse_revive(pulse *p, uint64_t now_usec)
{
        return change(p, 1U << PULSE_NONE | 1U << PULSE_ALIVE | 1U << PULSE_FENCED, PULSE_ALIVE, now_usec);
}

void pulse_fence(pulse *p)
{
        (void) change(p, 1U << PULSE_ALIVE, PULSE_FENCED, 0);
}

void pulse_retire(pulse *p)
{
        (void) change(p, ~0U, PULSE_RETIRED, 0);
}

uint64_t pulse_next_look(const pulse *p, uint64_t now_usec)
{
        uint64_t word = atomic_load(&p->word);

        if (pulse_state_of(word) != PULSE_ALIVE)
                return now_usec + PULSE_LOOK_USEC;
        return pulse_time_of(word) + PULSE_HANG_USEC + PULSE_GRACE_USEC;
}

bool pulse_fence_hung(pulse *p, uint64_t now_usec)
{
        uint64_t word = atomic_load(&p->word);

        if (pulse_state_of(word) != PULSE_ALIVE)
                return pulse_state_of(word) != PULSE_NONE;
        if (now_usec < pulse_time_of(word) + PULSE_HANG_USEC)
                return false;

        return atomic_compare_exchange_strong(&p->word, &word, pulse_time_of(word) << 2 | PULSE_FENCED);
}
