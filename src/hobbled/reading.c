/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "reading.h"
#include "macro.h"
#include "text.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define CHUNK_SIZE 65536U

#define BITS_PER_WORD (CHAR_BIT * sizeof(unsigned long))
#define BITS_WORDS (PIDFILE_PID_MAX / BITS_PER_WORD + 1)

static void reading_pid(pid_t pid, void *userdata)
{
        struct reading *reading = userdata;

        size_t word = (size_t) pid / BITS_PER_WORD;

        reading->bits[word] |= 1UL << ((size_t) pid % BITS_PER_WORD);
        reading->first_word = MIN(reading->first_word, word);
        reading->end_word = MAX(reading->end_word, word + 1);
}

static void reading_fault(const struct pidfile_fault *fault, void *userdata)
{
        struct reading *reading = userdata;

        if (reading->n_faults < READING_FAULTS) {
                struct fault *f = reading->faults + reading->n_faults;

                f->line = fault->line;
                f->value[0] = '\0';
                if (fault->value) {
                        escape_text(fault->value, fault->size, f->value, sizeof(f->value) - 3);
                        if (fault->cut)
                                strcat(f->value, "...");
                }
        }
        reading->n_faults++;
}

static const struct pidfile_handler reading_handler = { .pid = reading_pid, .fault = reading_fault };

struct edition edition_of(const struct stat *st)
{
        return (struct edition){
                .dev = st->st_dev,
                .ino = st->st_ino,
                .size = st->st_size,
                .written = st->st_mtim,
                .changed = st->st_ctim,
        };
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool edition_has_same_contents(const struct edition *a, const struct edition *b)
{
        return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
               same_time(&a->written, &b->written);
}

bool edition_equals(const struct edition *a, const struct edition *b)
{
        return edition_has_same_contents(a, b) && same_time(&a->changed, &b->changed);
}

struct reading *reading_free(struct reading *reading)
{
        if (!reading)
                return NULL;
        close_fd(reading->fd);
        close_fd(reading->group_fd);
        groups_done(&reading->groups);
        pidfile_parser_done(&reading->parser);
        free(reading->bits);
        free(reading);
        return NULL;
}

int reading_new(struct reading **ret, const struct probe *probe)
{
        struct reading *reading = calloc(1, sizeof(*reading));
        struct stat st;
        int r = 0;

        if (!reading)
                return -ENOMEM;
        pidfile_parser_init(&reading->parser, &reading_handler, reading);
        reading->first_word = BITS_WORDS;
        reading->live = probe->live;
        reading->silent = probe->silent;
        reading->list = probe->list;
        reading->group_fd = probe->group_fd < 0 ? -EBADF : fcntl(probe->group_fd, F_DUPFD_CLOEXEC, 0);
        if (reading->group_fd >= 0)
                r = groups_begin(&reading->groups, reading->group_fd);
        reading->fd = r < 0 ? r : probe_open(probe);
        reading->bits = calloc(BITS_WORDS, sizeof(*reading->bits));
        if (reading->fd < 0)
                r = reading->fd;
        else if (!reading->bits)
                r = -ENOMEM;
        else if (fstat(reading->fd, &st) < 0)
                r = -errno;
        else if (!reading->live && st.st_size > READING_SIZE_MAX)
                r = -EFBIG;
        if (r < 0) {
                reading_free(reading);
                return r;
        }

        reading->edition = edition_of(&st);
        *ret = reading;
        return 0;
}

/* Go on with the members of the next group beneath, and at the end of the groups with all of them once more:
 * who was moved from one to another meanwhile may have been in neither. Returns 1, 0 at the end, or a
 * negative errno. */
static int reading_next_group(struct reading *reading)
{
        int r, fd = groups_next(&reading->groups, reading->list);

        if (fd == -ENOENT && reading->nested && !reading->again) {
                reading->again = true;
                r = groups_begin(&reading->groups, reading->group_fd);
                fd = r < 0 ? r : openat(reading->group_fd, reading->list, O_RDONLY | O_CLOEXEC);
                if (fd == -1)
                        fd = -errno;
        }
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        close_fd(reading->fd);
        reading->fd = fd;
        reading->nested = true;
        return 1;
}

int reading_step(struct reading *reading)
{
        char chunk[CHUNK_SIZE];
        ssize_t n;
        int r;

        n = read(reading->fd, chunk, sizeof(chunk));
        if (n < 0 && errno == ENODEV && reading->nested) /* a group that was just removed */
                n = 0;
        if (n < 0)
                return errno == EINTR ? 1 : -errno;
        if (n == 0)
                return reading_next_group(reading);

        reading->size += (size_t) n;
        if (reading->size > READING_SIZE_MAX)
                return -EFBIG;
        r = pidfile_parser_feed(&reading->parser, chunk, (size_t) n);
        return r < 0 ? r : 1;
}

int reading_is_current(const struct reading *reading)
{
        struct edition edition;
        struct stat st;

        if (reading->live)
                return 1;
        if (fstat(reading->fd, &st) < 0)
                return -errno;
        edition = edition_of(&st);
        return edition_equals(&edition, &reading->edition);
}

ssize_t reading_numbers(const struct reading *reading, pid_t **ret)
{
        size_t n = 0, k = 0;
        pid_t *numbers;

        for (size_t i = reading->first_word; i < reading->end_word; i++)
                n += (size_t) __builtin_popcountl(reading->bits[i]);
        numbers = reallocarray(NULL, MAX(n, (size_t) 1), sizeof(*numbers));
        if (!numbers)
                return -ENOMEM;

        for (size_t i = reading->first_word; i < reading->end_word; i++) {
                for (unsigned long word = reading->bits[i]; word; word &= word - 1)
                        numbers[k++] = (pid_t) (i * BITS_PER_WORD + (size_t) __builtin_ctzl(word));
        }
        *ret = numbers;
        return (ssize_t) n;
}

uint64_t reading_digest(const struct reading *reading)
{
        uint64_t digest = reading->n_faults;

        for (size_t i = 0; i < MIN(reading->n_faults, (unsigned long) READING_FAULTS); i++) {
                digest = digest * 31 + reading->faults[i].line;
                for (const char *s = reading->faults[i].value; *s; s++)
                        digest = digest * 31 + (unsigned char) *s;
        }
        return digest;
}
