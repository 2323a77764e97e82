/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cgroup-mount.h"
#include "clock.h"
#include "macro.h"
#include "requests-file.h"
#include "requests.h"
#include "subjects.h"
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct fixture {
        sd_event *event;
        struct requests *requests;
        char dir[32], file[64];
        unsigned ended; /* number of the one that was told last */
};

static void on_ended(const struct request *request, void *userdata)
{
        struct fixture *f = userdata;

        f->ended = request->id;
        (void) sd_event_exit(f->event, 0);
}

static void begin(struct fixture *f)
{
        assert_return_code(sd_event_new(&f->event), 0);
        assert_return_code(requests_new(&f->requests, f->event, f->file, on_ended, f), 0);
}

static void end(struct fixture *f)
{
        f->requests = requests_free(f->requests);
        f->event = sd_event_unref(f->event);
}

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        strcpy(f->dir, "/tmp/test-requests-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->file, sizeof(f->file), "%s/requests", f->dir);
        begin(f);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        end(f);
        (void) unlink(f->file);
        assert_return_code(rmdir(f->dir), errno);
        free(f);
        return 0;
}

static const struct request *add(struct fixture *f, struct request wish)
{
        const struct request *request;

        if (wish.kind == REQUEST_PID && !wish.pid) {
                struct hobble_process process;

                assert_return_code(hobble_process_read(getpid(), &process), 0);
                wish.pid = process.pid;
                wish.start_time = process.start_time;
        }
        assert_return_code(requests_add(f->requests, &wish, &request), 0);
        return request;
}

static void kinds_of_texts(_unused_ void **state)
{
        static const struct {
                const char *what;
                int kind; /* -1: none */
        } cases[] = {
                { "4711", REQUEST_PID },
                { "0", -1 },
                { "4294967297", -1 },
                { "", -1 },
                { "report.service", REQUEST_UNIT },
                { "session-*.scope", REQUEST_UNIT },
                { "user-1000.slice", REQUEST_UNIT },
                { "report", -1 },
                { "/sys/fs/cgroup/tarpit", REQUEST_CGROUP },
                { "@mallory", REQUEST_USER },
                { "@%students", REQUEST_USER },
                { "@", -1 },
                { "@a b", -1 },
                { "a\nb.service", -1 },
                { "\033[2J.service", -1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                enum request_kind kind = REQUEST_TARPIT;
                int r = request_kind_of(cases[i].what, &kind);

                assert_int_equal(r < 0 ? -1 : (int) kind, cases[i].kind);
        }
}

static void a_line_says_it_all(_unused_ void **state)
{
        static const struct request cases[] = {
                { .verb = REQUEST_HOBBLE,
                  .kind = REQUEST_PID,
                  .what = (char *) "4711",
                  .tarpit = (char *) "manual",
                  .pid = 4711,
                  .start_time = 99,
                  .since_usec = 5,
                  .uid = 7 },
                { .verb = REQUEST_RELEASE,
                  .kind = REQUEST_CGROUP,
                  .what = (char *) "/sys/fs/cgroup/a b=c",
                  .since_usec = 5,
                  .until_usec = 6,
                  .force = true },
                { .verb = REQUEST_PAUSE,
                  .kind = REQUEST_TARPIT,
                  .what = (char *) "students",
                  .tarpit = (char *) "students",
                  .since_usec = 5 },
                { .verb = REQUEST_RELEASE,
                  .kind = REQUEST_TARPIT,
                  .what = (char *) "students",
                  .tarpit = (char *) "students",
                  .since_usec = 5,
                  .start_time = 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct request *a = cases + i;
                char line[REQUEST_LINE_MAX];
                struct request b;
                size_t size;

                size = request_format(a, "boot-1", line, sizeof(line));
                assert_int_equal(size, strlen(line));
                assert_int_equal(line[size - 1], '\n');
                line[size - 1] = '\0';
                assert_return_code(request_parse(line, "boot-1", &b), 0);
                assert_int_equal(a->verb, b.verb);
                assert_int_equal(a->kind, b.kind);
                assert_string_equal(a->what, b.what);
                assert_true((a->tarpit == NULL) == (b.tarpit == NULL));
                assert_true(a->pid == b.pid && a->start_time == b.start_time && a->uid == b.uid);
                assert_true(a->since_usec == b.since_usec && a->until_usec == b.until_usec);
                assert_true(a->force == b.force && b.persistent);
        }
}

static void lines_that_make_no_sense(_unused_ void **state)
{
        static const struct {
                const char *line;
                int error;
        } cases[] = {
                { "", -EINVAL },
                { "verb=hobble since=1", -EINVAL },
                { "verb=hobble since=1 what=@mallory", -EINVAL }, /* no tarpit */
                { "verb=hobble since=1 tarpit=../x what=@mallory", -EINVAL },
                { "verb=slow since=1 tarpit=x what=@mallory", -EINVAL },
                { "verb=hobble since=0 tarpit=x what=@mallory", -EINVAL },
                { "verb=hobble since=-1 tarpit=x what=@mallory", -EINVAL },
                { "verb=hobble since=1 tarpit=x colour=1 what=@mallory", -EINVAL },
                { "verb=hobble since=1 tarpit=x what=mallory", -EINVAL },
                { "verb=hobble since=1 tarpit=x what=4711", -EINVAL }, /* no pid */
                { "verb=hobble since=1 tarpit=x pid=1 start=1 what=@mallory", -EINVAL },
                { "verb=hobble since=1 tarpit=x pid=4711 start=9 boot=other what=4711", -ESRCH },
                { "verb=hobble since=1 tarpit=x pid=4711 start=9 boot=this what=4711", 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char line[256];
                struct request request;

                strcpy(line, cases[i].line);
                assert_int_equal(request_parse(line, "this", &request), cases[i].error);
        }
}

static void whom_they_concern(void **state)
{
        struct fixture *f = *state;
        struct hobble_process self, parent;
        char cgroup[64], user[32];
        const struct request *request;

        assert_return_code(hobble_process_read(getpid(), &self), 0);
        assert_return_code(hobble_process_read(getppid(), &parent), 0);

        assert_null(requests_match(f->requests, REQUEST_HOBBLE, NULL, false, &self, "/a/report.service"));
        request = add(f, (struct request){ .verb = REQUEST_HOBBLE,
                                           .kind = REQUEST_PID,
                                           .what = (char *) "1",
                                           .tarpit = (char *) "x",
                                           .pid = parent.pid,
                                           .start_time = parent.start_time });
        assert_ptr_equal(request, requests_match(f->requests, REQUEST_HOBBLE, "x", false, &self, "/"));
        assert_null(requests_match(f->requests, REQUEST_HOBBLE, "y", false, &self, "/"));
        assert_null(requests_match(f->requests, REQUEST_HOBBLE, "x", true, &self, "/"));
        assert_null(requests_match(f->requests, REQUEST_RELEASE, "x", false, &self, "/"));
        requests_remove(f->requests, request->id);

        /* The same number, another process. */
        (void) add(f, (struct request){ .verb = REQUEST_HOBBLE,
                                        .kind = REQUEST_PID,
                                        .what = (char *) "1",
                                        .tarpit = (char *) "x",
                                        .pid = parent.pid,
                                        .start_time = parent.start_time + 1 });
        assert_null(requests_match(f->requests, REQUEST_HOBBLE, NULL, false, &self, "/"));

        request = add(f, (struct request){ .verb = REQUEST_RELEASE,
                                           .kind = REQUEST_UNIT,
                                           .what = (char *) "report*.service" });
        assert_ptr_equal(request, requests_match(f->requests, REQUEST_RELEASE, "y", false, &self,
                                                 "/system.slice/report-1.service/sub"));
        assert_null(requests_match(f->requests, REQUEST_RELEASE, "y", false, &self, "/system.slice"));

        snprintf(user, sizeof(user), "@%u", geteuid());
        request = add(f, (struct request){ .verb = REQUEST_RELEASE, .kind = REQUEST_USER, .what = user });
        assert_ptr_equal(request, requests_match(f->requests, REQUEST_RELEASE, NULL, false, &self, "/"));
        assert_true(request_concerns(request, &self, "/"));
        requests_remove(f->requests, request->id);

        if (!cgroup_mount())
                return;
        snprintf(cgroup, sizeof(cgroup), "%s/tar*/", cgroup_mount());
        request = add(f, (struct request){ .verb = REQUEST_RELEASE, .kind = REQUEST_CGROUP, .what = cgroup });
        assert_ptr_equal(request,
                         requests_match(f->requests, REQUEST_RELEASE, NULL, false, &self, "/tarpit/a/b"));
        assert_null(requests_match(f->requests, REQUEST_RELEASE, NULL, false, &self, "/other/tarpit"));
        assert_ptr_equal(request,
                         requests_match_cgroup(f->requests, REQUEST_RELEASE, NULL, false, "/tarpit"));
        assert_null(requests_match_cgroup(f->requests, REQUEST_RELEASE, NULL, false, "/ta"));
}

static void the_newest_counts(void **state)
{
        struct fixture *f = *state;
        struct request wish = {
                .verb = REQUEST_PAUSE, .kind = REQUEST_TARPIT, .what = (char *) "x", .tarpit = (char *) "x"
        };
        const struct request *first, *second;
        unsigned id;

        first = add(f, wish);
        id = first->id;
        second = add(f, wish);
        assert_int_equal(requests_count(f->requests), 1);
        assert_true(second->id > id);
        assert_ptr_equal(second, requests_next(f->requests, 0));
        assert_null(requests_next(f->requests, second->id));
        assert_ptr_equal(second, requests_find(f->requests, REQUEST_PAUSE, REQUEST_TARPIT, "x", 0, 0));
        assert_null(requests_find(f->requests, REQUEST_PAUSE, REQUEST_TARPIT, "y", 0, 0));
        requests_remove(f->requests, id);
        assert_int_equal(requests_count(f->requests), 1);
}

static void there_is_a_bound(void **state)
{
        struct fixture *f = *state;
        const struct request *request;
        char what[32];

        for (unsigned i = 0; i < REQUESTS_MAX; i++) {
                snprintf(what, sizeof(what), "unit-%u.service", i);
                (void) add(f, (struct request){ .verb = REQUEST_HOBBLE,
                                                .kind = REQUEST_UNIT,
                                                .what = what,
                                                .tarpit = (char *) "x" });
        }
        assert_int_equal(requests_add(f->requests,
                                      &(struct request){ .verb = REQUEST_HOBBLE,
                                                         .kind = REQUEST_UNIT,
                                                         .what = (char *) "more.service",
                                                         .tarpit = (char *) "x" },
                                      &request),
                         -E2BIG);
        /* Letting go is possible all the same. */
        (void) add(f, (struct request){
                              .verb = REQUEST_RELEASE, .kind = REQUEST_UNIT, .what = (char *) "a.service" });
}

static void one_ends_by_itself(void **state)
{
        struct fixture *f = *state;
        uint64_t now = clock_usec(CLOCK_REALTIME);
        (void) add(f, (struct request){ .verb = REQUEST_RELEASE,
                                        .kind = REQUEST_UNIT,
                                        .what = (char *) "a.service",
                                        .until_usec = now + USEC_PER_SEC * 3600 });
        (void) add(f, (struct request){ .verb = REQUEST_RELEASE,
                                        .kind = REQUEST_UNIT,
                                        .what = (char *) "b.service",
                                        .until_usec = now + 1000 });
        assert_return_code(sd_event_loop(f->event), 0);
        assert_int_equal(f->ended, 2);
        assert_int_equal(requests_count(f->requests), 1);
        assert_string_equal(requests_next(f->requests, 0)->what, "a.service");
}

static void persistent_ones_are_kept(void **state)
{
        struct fixture *f = *state;
        uint64_t now = clock_usec(CLOCK_REALTIME);
        const struct request *request;

        (void) add(f, (struct request){ .verb = REQUEST_HOBBLE,
                                        .kind = REQUEST_PID,
                                        .what = (char *) "me",
                                        .tarpit = (char *) "x",
                                        .persistent = true });
        (void) add(f, (struct request){ .verb = REQUEST_RELEASE,
                                        .kind = REQUEST_UNIT,
                                        .what = (char *) "gone.service" });
        (void) add(f, (struct request){ .verb = REQUEST_RELEASE,
                                        .kind = REQUEST_UNIT,
                                        .persistent = true,
                                        .what = (char *) "over.service",
                                        .until_usec = now - 1 });
        /* A process that is not there any more. */
        (void) add(f, (struct request){ .verb = REQUEST_HOBBLE,
                                        .kind = REQUEST_PID,
                                        .what = (char *) "12",
                                        .tarpit = (char *) "x",
                                        .persistent = true,
                                        .pid = getpid(),
                                        .start_time = 1 });
        end(f);
        begin(f);
        /* "me" is no number: the line makes no sense. */
        assert_int_equal(requests_count(f->requests), 0);

        (void) add(f, (struct request){ .verb = REQUEST_HOBBLE,
                                        .kind = REQUEST_PID,
                                        .what = (char *) "1234",
                                        .tarpit = (char *) "x",
                                        .persistent = true,
                                        .until_usec = now + 3600 * USEC_PER_SEC });
        end(f);
        begin(f);
        assert_int_equal(requests_count(f->requests), 1);
        request = requests_next(f->requests, 0);
        assert_int_equal(request->pid, getpid());
        assert_true(request->until_usec == now + 3600 * USEC_PER_SEC && request->persistent);
        requests_remove(f->requests, request->id);
        end(f);
        begin(f);
        assert_int_equal(requests_count(f->requests), 0);
}

/* The file must be nobody else's to write. */
static void a_strange_file_is_not_read(void **state)
{
        struct fixture *f = *state;

        (void) add(f, (struct request){ .verb = REQUEST_RELEASE,
                                        .kind = REQUEST_UNIT,
                                        .persistent = true,
                                        .what = (char *) "a.service" });
        end(f);
        assert_return_code(chmod(f->file, 0666), errno);
        begin(f);
        assert_int_equal(requests_count(f->requests), 0);
        end(f);
        assert_return_code(chmod(f->file, 0600), errno);
        begin(f);
        assert_int_equal(requests_count(f->requests), 1);
}

static void numbers_of_subjects(_unused_ void **state)
{
        struct subjects s = { 0 };
        const struct subjects_item *item;
        char handles[1000];
        unsigned n = 0;

        for (size_t i = 0; i < ELEMENTSOF(handles); i++)
                assert_int_equal(subjects_add(&s, (hobble_subject *) (void *) (handles + i), NULL, NULL),
                                 (int) i + 1);
        for (unsigned id = 1; id <= ELEMENTSOF(handles); id += 2)
                assert_true(subjects_remove(&s, id));
        assert_false(subjects_remove(&s, 1));
        assert_false(subjects_remove(&s, 0));
        assert_null(subjects_find(&s, 1));
        assert_int_equal(subjects_find(&s, 500)->id, 500);
        assert_ptr_equal(subjects_find_handle(&s, (hobble_subject *) (void *) (handles + 499)),
                         subjects_find(&s, 500));
        for (item = subjects_next(&s, 0); item; item = subjects_next(&s, item->id))
                n++;
        assert_int_equal(n, 500);
        assert_int_equal(subjects_add(&s, (hobble_subject *) (void *) handles, NULL, NULL), 1001);
        subjects_done(&s);
}

#define WITH_REQUESTS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

UNIT_MAIN(cmocka_unit_test(kinds_of_texts), cmocka_unit_test(a_line_says_it_all),
          cmocka_unit_test(lines_that_make_no_sense), WITH_REQUESTS(whom_they_concern),
          WITH_REQUESTS(the_newest_counts), WITH_REQUESTS(there_is_a_bound),
          WITH_REQUESTS(one_ends_by_itself), WITH_REQUESTS(persistent_ones_are_kept),
          WITH_REQUESTS(a_strange_file_is_not_read), cmocka_unit_test(numbers_of_subjects))
