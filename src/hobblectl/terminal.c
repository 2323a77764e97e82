/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "terminal.h"
#include "macro.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

static unsigned width_of(int fd)
{
        struct winsize size;

        if (!isatty(fd))
                return 0;
        return ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 ? 80 : size.ws_col;
}

static bool is_dumb(void)
{
        const char *term = getenv("TERM");

        return !term || strcmp(term, "dumb") == 0;
}

/* -- Pager ------------------------------------------------------------------------------------- */

static const char *pager_command(void)
{
        const char *command = getenv("SYSTEMD_PAGER") ?: getenv("PAGER");

        if (command)
                return *command && strcmp(command, "cat") != 0 ? command : NULL;
        return "if command -v less >/dev/null; then exec less; else exec more; fi";
}

static void pager_run(const char *command, int from)
{
        (void) dup2(from, STDIN_FILENO);
        (void) setenv("LESS", getenv("SYSTEMD_LESS") ?: "FRSXMK", 1);
        (void) setenv("LESSCHARSET", getenv("SYSTEMD_LESSCHARSET") ?: "utf-8", 0);
        (void) execl("/bin/sh", "sh", "-c", command, (char *) NULL);
        _exit(127);
}

static void pager_start(struct terminal *terminal, const char *command)
{
        int ends[2];
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return;
        (void) fflush(stdout);

        pid = fork();
        if (pid == 0)
                pager_run(command, ends[0]);
        (void) close(ends[0]);
        if (pid > 0) {
                (void) dup2(ends[1], STDOUT_FILENO);
                terminal->pager = pid;

                /* Whoever leaves the pager early has seen enough; and Control-C is the pager's. */
                (void) signal(SIGPIPE, SIG_IGN);
                (void) signal(SIGINT, SIG_IGN);
        }
        (void) close(ends[1]);
}

void terminal_open(struct terminal *ret, bool pager)
{
        const char *no = getenv("NO_COLOR"), *command = pager ? pager_command() : NULL;
        unsigned width = width_of(STDOUT_FILENO);

        *ret = (struct terminal){
                .width = width,
                .colours = width > 0 && !is_dumb() && !(no && *no),
        };
        if (width > 0 && command && !is_dumb())
                pager_start(ret, command);
}

void terminal_close(struct terminal *terminal)
{
        if (terminal->pager <= 0)
                return;
        (void) fflush(stdout);
        (void) close(STDOUT_FILENO); /* the pager's end of what there is to read */
        while (waitpid(terminal->pager, NULL, 0) < 0 && errno == EINTR)
                ;
        terminal->pager = 0;
}

/* -- Text -------------------------------------------------------------------------------------- */

/* How many columns the n bytes take: none of our characters is wider than one. */
static unsigned columns(const char *s, size_t n)
{
        unsigned sum = 0;

        for (size_t i = 0; i < n; i++)
                sum += (s[i] & 0xc0) != 0x80;
        return sum;
}

void print_wrapped(const struct terminal *terminal, const char *text, unsigned indent)
{
        unsigned width = terminal->width, used = indent;

        if (width > 0 && indent + 10 > width)
                indent = used = 0;
        for (bool first = true; *text; first = false) {
                size_t n = strcspn(text, " \n");
                unsigned wide = columns(text, n);

                if (!first && width > 0 && used + 1 + wide > width) {
                        (void) printf("\n%*s", (int) indent, "");
                        used = indent;
                } else if (!first) {
                        (void) putchar(' ');
                        used++;
                }
                (void) fwrite(text, 1, n, stdout);
                used += wide;
                text += n;
                text += strspn(text, " \n");
        }
        (void) putchar('\n');
}
