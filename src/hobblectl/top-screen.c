/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* top on a terminal. The terminal is put back in order however it ends, but for SIGKILL. */

#include "macro.h"
#include "message.h"
#include "top.h"
#include "verb.h"

#include <curses.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <term.h>

struct screen {
        struct top top;
        SCREEN *terminal;
        attr_t styles[TOP_STYLE_MAX];
        int signal; /* that ended it, 0: none */
};

/* -- Drawing ----------------------------------------------------------------------------------- */

static void set_styles(struct screen *s)
{
        const char *no_color = getenv("NO_COLOR");
        static const struct {
                enum top_style style;
                short colour;
        } colours[] = {
                { TOP_ALERT, COLOR_RED },   { TOP_GRAPH_WANTS, COLOR_YELLOW }, { TOP_GRAPH_GOT, COLOR_GREEN },
                { TOP_FROZEN, COLOR_CYAN }, { TOP_HELD, COLOR_MAGENTA },
        };

        s->styles[TOP_TITLE] = A_BOLD;
        s->styles[TOP_ALERT] = A_BOLD;
        s->styles[TOP_HEADINGS] = A_UNDERLINE;
        s->styles[TOP_SELECTED] = A_REVERSE;
        s->styles[TOP_PROMPT] = A_BOLD;
        if ((no_color && *no_color) || !has_colors() || start_color() == ERR)
                return;

        (void) use_default_colors();
        for (size_t i = 0; i < ELEMENTSOF(colours); i++) {
                short pair = (short) (i + 1);

                if (init_pair(pair, colours[i].colour, -1) != ERR)
                        s->styles[colours[i].style] |= (attr_t) COLOR_PAIR(pair);
        }
}

static void put(void *userdata, size_t y, enum top_style style, const char *text)
{
        struct screen *s = userdata;

        (void) attrset((int) s->styles[style]);
        (void) mvaddstr((int) y, 0, text);
}

static void draw(struct screen *s)
{
        (void) attrset(A_NORMAL);
        (void) erase();
        top_view_draw(&s->top.view, (size_t) MAX(COLS, 1), (size_t) MAX(LINES, 1), put, s);
        (void) refresh();
}

static void show(struct top *top, bool complete, int error, void *userdata)
{
        (void) top;
        (void) complete;
        (void) error; /* it is in the message line */
        draw(userdata);
}

/* -- Keys and signals -------------------------------------------------------------------------- */

static void act(struct screen *s, enum top_action action)
{
        struct top_view *v = &s->top.view;

        switch (action) {
        case TOP_QUIT:
                (void) sd_event_exit(s->top.event, 0);
                return;
        case TOP_REFRESH:
                top_look(&s->top);
                return;
        case TOP_RELEASE:
        case TOP_PAUSE:
        case TOP_RESUME:
                top_link_change(s->top.link, action, v->target.path, v->target.raw_tarpit,
                                action == TOP_RELEASE ? v->target.name : v->target.tarpit);
                return;
        default:
                return;
        }
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct screen *s = userdata;
        bool any = false;
        wint_t key;
        int r;

        (void) source;
        (void) fd;
        while ((r = get_wch(&key)) != ERR) {
                any = true;
                if (r == KEY_CODE_YES && key == KEY_RESIZE)
                        continue; /* comes of what on_signal() does */
                act(s, top_view_key(&s->top.view, key, r == KEY_CODE_YES,
                                    top_view_page(&s->top.view, (size_t) MAX(LINES, 1))));
        }
        /* The terminal is gone where it has something to read and there is nothing. */
        if (!any && (events & (EPOLLHUP | EPOLLERR)))
                return sd_event_exit(s->top.event, 0);
        draw(s);
        return 0;
}

static void resize(void)
{
        struct winsize size;

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
                (void) resizeterm(size.ws_row, size.ws_col);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
        struct screen *s = userdata;

        (void) source;
        switch (si->ssi_signo) {
        case SIGCONT:
                /* Whoever had the terminal meanwhile may have left it as they like it. */
                (void) reset_prog_mode();
                (void) clearok(curscr, TRUE);
                resize();
                draw(s);
                return 0;
        case SIGWINCH:
                resize();
                draw(s);
                return 0;
        default:
                s->signal = (int) si->ssi_signo;
                return sd_event_exit(s->top.event, 0);
        }
}

/* -- Beginning and end ------------------------------------------------------------------------- */

static int begin(struct screen *s)
{
        static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGWINCH, SIGCONT };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(signals); i++)
                r = sd_event_add_signal(s->top.event, NULL, signals[i] | SD_EVENT_SIGNAL_PROCMASK, on_signal,
                                        s);
        if (r >= 0)
                r = sd_event_add_io(s->top.event, NULL, STDIN_FILENO, EPOLLIN, on_input, s);
        return r;
}

static int open_terminal(struct screen *s)
{
        const char *name = getenv("TERM");
        char text[SHOWN_MAX];

        if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
                complain("top needs a terminal: for files and pipes there is --batch");
                return -ENOTTY;
        }
        s->terminal = newterm(NULL, stdout, stdin);
        if (!s->terminal) {
                complain("the terminal '%s' (TERM) is not known or cannot do it: for such there is --batch",
                         shown(name ?: "", text));
                return -ENOTTY;
        }
        (void) cbreak();
        (void) noecho();
        (void) nonl();
        (void) nodelay(stdscr, TRUE);
        (void) keypad(stdscr, TRUE);
        (void) set_escdelay(25);
        (void) curs_set(0);
        set_styles(s);
        return 0;
}

/* Who waits for us sees which signal it was. */
static void end_by_signal(int number)
{
        sigset_t set;

        (void) signal(number, SIG_DFL);
        (void) sigemptyset(&set);
        (void) sigaddset(&set, number);
        (void) raise(number);
        (void) sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int top_screen(const struct top_options *options)
{
        struct screen s = { .top = { .show = show } };
        int r = sd_event_new(&s.top.event);

        s.top.userdata = &s;
        if (r >= 0)
                r = top_init(&s.top, options);
        if (r >= 0) {
                r = open_terminal(&s);
                if (r < 0) {
                        top_done(&s.top);
                        sd_event_unref(s.top.event);
                        return STATUS_FAILED;
                }
                r = begin(&s);
        }
        if (r >= 0) {
                top_look(&s.top);
                r = sd_event_loop(s.top.event);
        }
        if (s.terminal) {
                (void) endwin();
                delscreen(s.terminal);
        }
        top_done(&s.top);
        sd_event_unref(s.top.event);
        if (s.signal > 0)
                end_by_signal(s.signal);
        if (r < 0)
                complain("top cannot go on: %s", strerror(-r));
        return r < 0 ? STATUS_FAILED : STATUS_DONE;
}
