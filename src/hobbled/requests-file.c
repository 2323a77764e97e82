/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "requests-file.h"
#include "file.h"
#include "macro.h"
#include "message.h"
#include "text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#define STACK_SIZE (64U * 1024U)
#define FILE_SIZE_MAX (2 * REQUESTS_MAX * REQUEST_LINE_MAX)

/* -- Lines ------------------------------------------------------------------------------------- */

int request_boot_id(char buf[static 37])
{
        char text[64];
        ssize_t n;

        n = file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", text, sizeof(text));
        if (n < 0)
                return (int) n;
        text[strcspn(text, "\n")] = '\0';
        snprintf(buf, 37, "%.36s", text);
        return 0;
}

size_t request_format(const struct request *request, const char *boot, char *buf, size_t size)
{
        int n;

        n = snprintf(buf, size, "verb=%s since=%" PRIu64 " until=%" PRIu64 " uid=%u force=%d",
                     request_verb_name(request->verb), request->since_usec, request->until_usec, request->uid,
                     request->force);
        if (request->tarpit)
                n += snprintf(buf + n, size - (size_t) n, " tarpit=%s", request->tarpit);
        if (request->kind == REQUEST_PID)
                n += snprintf(buf + n, size - (size_t) n, " pid=%d", request->pid);
        if (request->start_time > 0)
                n += snprintf(buf + n, size - (size_t) n, " start=%" PRIu64 " boot=%s", request->start_time,
                              boot);
        /* The last one, as it may have spaces in it. */
        n += snprintf(buf + n, size - (size_t) n, " what=%s\n", request->what);
        return (size_t) n;
}

static int parse_verb(const char *value, enum request_verb *ret)
{
        for (int verb = 0; verb < REQUEST_VERB_MAX; verb++) {
                if (strcmp(value, request_verb_name((enum request_verb) verb)) == 0) {
                        *ret = (enum request_verb) verb;
                        return 0;
                }
        }
        return -EINVAL;
}

static int parse_field(const char *key, char *value, const char *boot, struct request *request)
{
        uint64_t number = 0;

        if (strcmp(key, "verb") == 0)
                return parse_verb(value, &request->verb);
        if (strcmp(key, "tarpit") == 0) {
                request->tarpit = value;
                return name_is_valid(value) ? 0 : -EINVAL;
        }
        if (strcmp(key, "boot") == 0)
                return strcmp(value, boot) == 0 ? 0 : -ESRCH;
        if (parse_u64(value, &number) < 0)
                return -EINVAL;
        if (strcmp(key, "since") == 0)
                request->since_usec = number;
        else if (strcmp(key, "until") == 0)
                request->until_usec = number;
        else if (strcmp(key, "uid") == 0)
                request->uid = (uid_t) number;
        else if (strcmp(key, "force") == 0)
                request->force = number;
        else if (strcmp(key, "pid") == 0 && number <= INT32_MAX)
                request->pid = (pid_t) number;
        else if (strcmp(key, "start") == 0)
                request->start_time = number;
        else
                return -EINVAL;
        return 0;
}

int request_parse(char *line, const char *boot, struct request *ret)
{
        struct request request = { .verb = REQUEST_VERB_MAX, .persistent = true };
        char *what = strstr(line, " what=");
        int r = 0, error = 0;

        if (!what)
                return -EINVAL;
        *what = '\0';
        request.what = what + strlen(" what=");
        for (char *word = strsep(&line, " "); word; word = strsep(&line, " ")) {
                char *value = strchr(word, '=');

                if (!value)
                        return -EINVAL;
                *value++ = '\0';
                r = parse_field(word, value, boot, &request);
                if (r == -EINVAL)
                        return r;
                error = r < 0 ? r : error;
        }

        if (request.verb == REQUEST_VERB_MAX || !request.since_usec ||
            (request.verb != REQUEST_RELEASE && !request.tarpit))
                return -EINVAL;
        request.kind = REQUEST_TARPIT;
        if (request.verb == REQUEST_HOBBLE || !request.tarpit)
                r = request_kind_of(request.what, &request.kind);
        if (r < 0 || (request.kind == REQUEST_PID) != (request.pid > 0) ||
            (request.pid > 0 && request.start_time == 0))
                return -EINVAL;
        *ret = request;
        return error;
}

/* -- The file ---------------------------------------------------------------------------------- */

struct requests_file {
        char *path;
        sd_event_source *failed; /* of failed_fd */
        int failed_fd;           /* the thread tells the loop */
        atomic_int error;        /* of the last time */
        pthread_t thread;
        pthread_mutex_t mutex;
        pthread_cond_t news;
        char *text; /* to be written, NULL: nothing is */
        bool began, end;
};

static int on_failed(_unused_ sd_event_source *source, int fd, _unused_ uint32_t revents, void *userdata)
{
        struct requests_file *f = userdata;
        uint64_t n;

        if (read(fd, &n, sizeof(n)) == sizeof(n))
                message(MESSAGE_ERROR, "%s cannot be written, so requests will not outlive hobbled: %s",
                        f->path, strerror(-atomic_load(&f->error)));
        return 0;
}

int requests_file_new(struct requests_file **ret, sd_event *event, const char *path)
{
        struct requests_file *f = calloc(1, sizeof(*f));
        int r;

        if (!f)
                return -ENOMEM;
        (void) pthread_mutex_init(&f->mutex, NULL);
        (void) pthread_cond_init(&f->news, NULL);
        f->path = strdup(path);
        f->failed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = f->failed_fd < 0 ? -errno : f->path ? 0 : -ENOMEM;
        if (r >= 0)
                r = sd_event_add_io(event, &f->failed, f->failed_fd, EPOLLIN, on_failed, f);
        if (r < 0) {
                requests_file_free(f);
                return r;
        }
        *ret = f;
        return 0;
}

struct requests_file *requests_file_free(struct requests_file *f)
{
        if (!f)
                return NULL;
        if (f->began) {
                (void) pthread_mutex_lock(&f->mutex);
                f->end = true;
                (void) pthread_cond_signal(&f->news);
                (void) pthread_mutex_unlock(&f->mutex);
                (void) pthread_join(f->thread, NULL);
        }
        (void) pthread_cond_destroy(&f->news);
        (void) pthread_mutex_destroy(&f->mutex);
        sd_event_source_disable_unref(f->failed);
        close_fd(f->failed_fd);
        free(f->text);
        free(f->path);
        free(f);
        return NULL;
}

int requests_file_read(const struct requests_file *f, char **ret)
{
        _cleanup_close_ int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        _cleanup_free_ char *text = NULL;
        struct stat st;
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
                return -EPERM;
        if (st.st_size > (off_t) FILE_SIZE_MAX)
                return -EFBIG;
        text = malloc((size_t) st.st_size + 2);
        if (!text)
                return -ENOMEM;
        n = file_read(fd, text, (size_t) st.st_size + 2);
        if (n < 0)
                return (int) n;
        *ret = TAKE_PTR(text);
        return 0;
}

/* All of it or nothing, whatever happens meanwhile. */
static int replace(const char *path, const char *text)
{
        _cleanup_free_ char *temporary = NULL;
        _cleanup_close_ int fd = -EBADF;
        size_t size = strlen(text);

        if (asprintf(&temporary, "%s.new", path) < 0) {
                temporary = NULL;
                return -ENOMEM;
        }
        (void) unlink(temporary);
        fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        for (size_t done = 0; done < size;) {
                ssize_t n = write(fd, text + done, size - done);

                if (n < 0 && errno != EINTR)
                        return -errno;
                done += (size_t) MAX(n, 0);
        }
        if (fsync(fd) < 0 || rename(temporary, path) < 0)
                return -errno;
        return 0;
}

static void *write_all(void *userdata)
{
        struct requests_file *f = userdata;

        (void) pthread_mutex_lock(&f->mutex);
        for (;;) {
                char *text = TAKE_PTR(f->text);
                int r;

                if (!text && f->end)
                        break;
                if (!text) {
                        (void) pthread_cond_wait(&f->news, &f->mutex);
                        continue;
                }
                (void) pthread_mutex_unlock(&f->mutex);
                r = replace(f->path, text);
                free(text);
                (void) pthread_mutex_lock(&f->mutex);
                if (r < 0) {
                        const uint64_t one = 1;

                        atomic_store(&f->error, r);
                        (void) !write(f->failed_fd, &one, sizeof(one));
                }
        }
        (void) pthread_mutex_unlock(&f->mutex);
        return NULL;
}

/* As urgent as anybody, whatever the loop's priority. */
static int begin(struct requests_file *f)
{
        const struct sched_param param = { 0 };
        pthread_attr_t attributes;
        sigset_t all;
        int r;

        if (f->began)
                return 0;
        r = pthread_attr_init(&attributes);
        if (r != 0)
                return -r;
        (void) pthread_attr_setstacksize(&attributes, STACK_SIZE);
        (void) sigfillset(&all);
        (void) pthread_attr_setsigmask_np(&attributes, &all);
        (void) pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
        (void) pthread_attr_setschedpolicy(&attributes, SCHED_OTHER);
        (void) pthread_attr_setschedparam(&attributes, &param);
        r = pthread_create(&f->thread, &attributes, write_all, f);
        (void) pthread_attr_destroy(&attributes);
        f->began = r == 0;
        return -r;
}

void requests_file_write(struct requests_file *f, char *text)
{
        int r;

        (void) pthread_mutex_lock(&f->mutex);
        free(f->text);
        f->text = text;
        r = begin(f);
        if (r < 0)
                message(MESSAGE_ERROR, "%s cannot be written: %s", f->path, strerror(-r));
        (void) pthread_cond_signal(&f->news);
        (void) pthread_mutex_unlock(&f->mutex);
}
