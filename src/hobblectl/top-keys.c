/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the keys of top do. */

#include "macro.h"
#include "timespan.h"
#include "top-view.h"

#include <curses.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define DELAY_MIN_USEC (100 * USEC_PER_MSEC)
#define DELAY_MAX_USEC (3600 * USEC_PER_SEC)

enum { KEY_OF_ESCAPE = 27, KEY_OF_CONTROL_U = 21, KEY_OF_CONTROL_H = 8, KEY_OF_DELETE = 127 };

int top_delay_check(uint64_t usec)
{
        return usec >= DELAY_MIN_USEC && usec <= DELAY_MAX_USEC ? 0 : -ERANGE;
}

static enum top_action say(struct top_view *v, const char *text)
{
        (void) snprintf(v->message, sizeof(v->message), "%s", text);
        return TOP_REDRAW;
}

/* -- Prompts ----------------------------------------------------------------------------------- */

static enum top_action arrange(struct top_view *v)
{
        return top_view_arrange(v) < 0 ? say(v, "out of memory") : TOP_REDRAW;
}

static enum top_action set_delay(struct top_view *v)
{
        uint64_t usec;

        if (timespan_parse(v->input, &usec) < 0)
                return say(v, "that is no time span such as 500ms or 2s");
        if (top_delay_check(usec) < 0)
                return say(v, "it takes 100ms to 1h");
        v->delay_usec = usec;
        return TOP_REFRESH;
}

static enum top_action accept(struct top_view *v)
{
        enum top_prompt prompt = v->prompt;

        v->prompt = TOP_PROMPT_NONE;
        if (prompt == TOP_PROMPT_DELAY)
                return set_delay(v);
        (void) snprintf(v->filter, sizeof(v->filter), "%s", v->input);
        return arrange(v);
}

static void erase_last(char *text)
{
        size_t n = strlen(text);

        while (n > 0 && (text[n - 1] & 0xc0) == 0x80)
                n--;
        text[n > 0 ? n - 1 : 0] = '\0';
}

static void append(char *text, size_t size, wint_t key)
{
        char bytes[MB_LEN_MAX];
        mbstate_t state = { 0 };
        size_t n = wcrtomb(bytes, (wchar_t) key, &state), used = strlen(text);

        if (n == (size_t) -1 || used + n + 1 > size)
                return;
        memcpy(text + used, bytes, n);
        text[used + n] = '\0';
}

static enum top_action input_key(struct top_view *v, wint_t key, bool special)
{
        if (special ? key == KEY_ENTER : key == '\n' || key == '\r')
                return accept(v);
        if (!special && key == KEY_OF_ESCAPE)
                v->prompt = TOP_PROMPT_NONE;
        else if (special ? key == KEY_BACKSPACE : key == KEY_OF_DELETE || key == KEY_OF_CONTROL_H)
                erase_last(v->input);
        else if (!special && key == KEY_OF_CONTROL_U)
                v->input[0] = '\0';
        else if (!special && wcwidth((wchar_t) key) >= 0)
                append(v->input, sizeof(v->input), key);
        return TOP_REDRAW;
}

/* Only what says yes is yes. */
static enum top_action answer_key(struct top_view *v, wint_t key, bool special)
{
        enum top_prompt prompt = v->prompt;

        v->prompt = TOP_PROMPT_NONE;
        if (special || (key != 'y' && key != 'Y'))
                return say(v, "nothing was changed");
        return prompt == TOP_PROMPT_RELEASE ? TOP_RELEASE
               : prompt == TOP_PROMPT_PAUSE ? TOP_PAUSE
                                            : TOP_RESUME;
}

static enum top_action ask(struct top_view *v, bool release)
{
        const struct top_row *row = v->selected < v->n_shown ? v->shown[v->selected] : NULL;

        if (!row)
                return say(v, "there is no subject to choose");
        if (v->header.daemon != TOP_DAEMON_ANSWERS)
                return say(v, "nothing can be changed: there is no hobbled that answers");
        if (!row->path) {
                (void) snprintf(
                        v->message, sizeof(v->message),
                        "it is not the daemon's but of instance %s: end that, or see hobblectl rescue",
                        row->instance);
                return TOP_REDRAW;
        }

        free(v->target.path);
        free(v->target.raw_tarpit);
        free(v->target.name);
        free(v->target.tarpit);
        v->target.path = strdup(row->path);
        v->target.raw_tarpit = strdup(row->raw_tarpit);
        v->target.tarpit = strdup(row->tarpit);
        if (asprintf(&v->target.name, "%s%s%s%s", row->subject, *row->command ? " (" : "", row->command,
                     *row->command ? ")" : "") < 0)
                v->target.name = NULL;
        if (!v->target.path || !v->target.raw_tarpit || !v->target.tarpit || !v->target.name)
                return say(v, "out of memory");
        v->prompt = release ? TOP_PROMPT_RELEASE : row->tarpit_paused ? TOP_PROMPT_RESUME : TOP_PROMPT_PAUSE;
        return TOP_REDRAW;
}

/* -- Keys -------------------------------------------------------------------------------------- */

static enum top_action move_key(struct top_view *v, wint_t key, size_t page)
{
        size_t last = v->n_shown > 0 ? v->n_shown - 1 : 0;

        page = MAX(page, (size_t) 1);
        switch (key) {
        case KEY_UP:
                v->selected -= v->selected > 0;
                break;
        case KEY_DOWN:
                v->selected++;
                break;
        case KEY_PPAGE:
                v->selected -= MIN(v->selected, page);
                break;
        case KEY_NPAGE:
                v->selected += page;
                break;
        case KEY_HOME:
                v->selected = 0;
                break;
        case KEY_END:
                v->selected = last;
                break;
        default:
                return TOP_NOTHING;
        }
        v->selected = MIN(v->selected, last);
        return TOP_REDRAW;
}

static enum top_action sort_by(struct top_view *v, size_t column)
{
        v->sort = (enum top_column)(column % TOP_COLUMN_MAX);
        return arrange(v);
}

static enum top_action begin(struct top_view *v, enum top_prompt prompt, const char *text)
{
        v->prompt = prompt;
        (void) snprintf(v->input, sizeof(v->input), "%s", text);
        return TOP_REDRAW;
}

static enum top_action command_key(struct top_view *v, wint_t key)
{
        if (key >= '1' && key < '1' + TOP_COLUMN_MAX)
                return sort_by(v, key - '1');

        switch (key) {
        case 'q':
        case 'Q':
                return TOP_QUIT;
        case 'h':
        case '?':
                v->help = true;
                return TOP_REDRAW;
        case ' ':
                return TOP_REFRESH;
        case '<':
                return sort_by(v, v->sort + TOP_COLUMN_MAX - 1U);
        case '>':
                return sort_by(v, v->sort + 1U);
        case 'R':
                v->reverse = !v->reverse;
                return arrange(v);
        case '/':
                return begin(v, TOP_PROMPT_FILTER, v->filter);
        case 'd':
                return begin(v, TOP_PROMPT_DELAY, "");
        case 'r':
                return ask(v, true);
        case 'p':
                return ask(v, false);
        case KEY_OF_ESCAPE:
                return TOP_REDRAW;
        default:
                return say(v, "that key has no meaning here: h shows those that have");
        }
}

enum top_action top_view_key(struct top_view *v, wint_t key, bool special, size_t page)
{
        v->message[0] = '\0';
        if (v->help) {
                v->help = false;
                return TOP_REDRAW;
        }
        switch (v->prompt) {
        case TOP_PROMPT_NONE:
                return special ? move_key(v, key, page) : command_key(v, key);
        case TOP_PROMPT_FILTER:
        case TOP_PROMPT_DELAY:
                return input_key(v, key, special);
        default:
                return answer_key(v, key, special);
        }
}
