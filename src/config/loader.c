/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "loader.h"
#include "document.h"
#include "keys.h"
#include "parser.h"
#include "text.h"
#include "timespan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* So many findings are told of one file. */
#define FINDINGS_MAX 100U
/* Above this, watchdogs, health checks and network peers give up on what is frozen. */
#define FROZEN_WARN_USEC (5 * USEC_PER_SEC)
#define FROZEN_MAX_USEC (60 * USEC_PER_SEC)
#define PPM 1000000U
#define SHOWN_MAX 200

static const char *show(const char *text, char buf[static SHOWN_MAX])
{
        return escape_text(text, strlen(text), buf, SHOWN_MAX);
}

/* -- Findings ---------------------------------------------------------------------------------- */

/* Make room for one more in an array that grows by doubling. Returns false when there is no memory. */
static bool grow(struct loader *l, void *items, size_t n, size_t item_size)
{
        void **array = items, *more;

        if (n & (n - 1)) /* n > 0, and no power of two: there is room */
                return true;
        more = reallocarray(*array, n ? 2 * n : 1, item_size);
        if (!more) {
                l->out_of_memory = true;
                return false;
        }
        *array = more;
        return true;
}

static void say(struct loader *l, enum config_severity severity, const struct config_place *place,
                const char *fmt, va_list ap) _printf_(4, 0);
static void say(struct loader *l, enum config_severity severity, const struct config_place *place,
                const char *fmt, va_list ap)
{
        struct config *c = l->config;
        char *text;

        if (l->out_of_memory || l->told > FINDINGS_MAX ||
            !grow(l, &c->findings, c->n_findings, sizeof(*c->findings)))
                return;
        if (l->told++ == FINDINGS_MAX)
                text = strdup("has more than can be told here: mend those first");
        else if (vasprintf(&text, fmt, ap) < 0)
                text = NULL;
        if (!text) {
                l->out_of_memory = true;
                return;
        }

        c->findings[c->n_findings++] = (struct config_finding){
                .severity = severity,
                .place = *place,
                .text = text,
        };
        c->n_errors += severity == CONFIG_ERROR;
}

void loader_say(struct loader *l, enum config_severity severity, unsigned line, const char *fmt, ...)
{
        struct config_place place = { .file = l->file, .line = line };
        va_list ap;

        va_start(ap, fmt);
        say(l, severity, &place, fmt, ap);
        va_end(ap);
}

void loader_say_at(struct loader *l, enum config_severity severity, const struct config_place *place,
                   const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        say(l, severity, place, fmt, ap);
        va_end(ap);
}

void loader_set_file(struct loader *l, const char *path)
{
        struct config *c = l->config;
        char *copy;

        if (!grow(l, &c->files, c->n_files, sizeof(*c->files)))
                return;
        copy = strdup(path);
        if (!copy) {
                l->out_of_memory = true;
                return;
        }
        c->files[c->n_files++] = copy;
        l->file = copy;
        l->told = 0;
        l->section_line = 0;
        l->section_judged = false;
}

void loader_set_broken(struct loader *l, const char *path, int error)
{
        loader_set_file(l, path);
        loader_say(l, CONFIG_ERROR, 0, "cannot be read: %s", strerror(error));
        *(l->tarpit ? &l->tarpit->broken : &l->config->broken) = true;
}

/* -- Values ------------------------------------------------------------------------------------ */

static void *target_of(const struct loader *l, const struct key *key)
{
        return (char *) (key->scope == KEY_TARPIT ? (void *) l->tarpit : (void *) l->config) + key->offset;
}

static struct config_place *place_of(const struct loader *l, const struct key *key)
{
        return (key->scope == KEY_TARPIT ? l->tarpit->places : l->config->places) + (key - keys);
}

static void list_clear(struct config_list *list)
{
        for (size_t i = 0; i < list->n; i++)
                free(list->items[i].value);
        free(list->items);
        *list = (struct config_list){ 0 };
}

static void list_append(struct loader *l, const struct key *key, const char *text, unsigned line)
{
        struct config_list *list = target_of(l, key);
        char shown[SHOWN_MAX], *copy;

        for (size_t i = 0; i < list->n; i++) {
                const struct config_place *place = &list->items[i].place;

                if (strcmp(list->items[i].value, text) == 0) {
                        loader_say(l, CONFIG_WARNING, line, "%s= says again what %s:%u says; ignored",
                                   key->name, show(place->file, shown), place->line);
                        return;
                }
        }
        if (!grow(l, &list->items, list->n, sizeof(*list->items)))
                return;
        copy = strdup(text);
        if (!copy) {
                l->out_of_memory = true;
                return;
        }
        list->items[list->n++] = (struct config_item){
                .value = copy,
                .place = { .file = l->file, .line = line },
        };
}

static void set_default(struct loader *l, const struct key *key)
{
        struct remark remark = { 0 };

        *place_of(l, key) = (struct config_place){ 0 };
        if (!key->kind->format)
                list_clear(target_of(l, key));
        else if (key->kind->parse(key, key->preset, target_of(l, key), &remark) < 0)
                l->out_of_memory = true; /* the table's own defaults are right, which a test sees to */
}

static void set_defaults(struct loader *l, enum key_scope scope)
{
        struct config_place **places = scope == KEY_TARPIT ? &l->tarpit->places : &l->config->places;

        *places = calloc(keys_n, sizeof(**places));
        if (!*places) {
                l->out_of_memory = true;
                return;
        }
        for (size_t i = 0; i < keys_n; i++) {
                if (keys[i].scope == scope)
                        set_default(l, keys + i);
        }
}

void loader_set_defaults(struct loader *l)
{
        set_defaults(l, KEY_GLOBAL);
}

void loader_add_tarpit(struct loader *l, const char *name, size_t name_size)
{
        struct config *c = l->config;

        if (l->out_of_memory || !grow(l, &c->tarpits, c->n_tarpits, sizeof(*c->tarpits)))
                return;
        l->tarpit = &c->tarpits[c->n_tarpits++];
        *l->tarpit = (struct config_tarpit){ .file = l->file, .limits = HOBBLE_LIMITS_NONE };
        l->turn = l->frozen_turn = l->duty_turn = 0;

        l->tarpit->name = strndup(name, name_size);
        if (!l->tarpit->name) {
                l->out_of_memory = true;
                return;
        }
        set_defaults(l, KEY_TARPIT);
}

/* -- Assignments ------------------------------------------------------------------------------- */

/* Look once at each header whether its section is known. */
static bool judge_section(struct loader *l, enum key_scope scope, const char *section, unsigned line,
                          unsigned at)
{
        char meant[128];

        if (l->section_judged && l->section_line == line)
                return l->section_known;

        l->section_judged = true;
        l->section_line = line;
        l->section_known = key_section_exists(scope, section);
        if (l->section_known || strncmp(section, "X-", 2) == 0)
                return l->section_known;

        if (!*section) {
                loader_say(l, CONFIG_WARNING, at,
                           "what comes before the first [Section] belongs to none; ignored");
                return false;
        }
        key_suggest_section(scope, section, meant, sizeof(meant));
        loader_say(l, CONFIG_WARNING, line, "unknown section [%s]; ignored%s%s", section, *meant ? "; " : "",
                   meant);
        return false;
}

static void unknown_key(struct loader *l, enum key_scope scope, const char *section, const char *name,
                        unsigned line)
{
        char meant[160];

        if (strncmp(name, "X-", 2) == 0)
                return;
        key_suggest(scope, section, name, meant, sizeof(meant));
        loader_say(l, CONFIG_WARNING, line, "unknown key \"%s\" in [%s]; ignored%s%s", name, section,
                   *meant ? "; " : "", meant);
}

/* Remember which of two keys that say the same came last. */
static void note_turn(struct loader *l, const struct key *key, bool reset)
{
        struct config_tarpit *t = l->tarpit;

        l->turn++;
        if (key->scope != KEY_TARPIT)
                return;
        if (key->offset == offsetof(struct config_tarpit, duty.frozen_usec)) {
                l->frozen_turn = reset ? 0 : l->turn;
                l->frozen_usec = t->duty.frozen_usec;
        } else if (key->offset == offsetof(struct config_tarpit, duty_ppm))
                l->duty_turn = reset ? 0 : l->turn;
}

static void assign(struct loader *l, const struct key *key, const char *value, unsigned line)
{
        struct remark remark = { 0 };
        char shown[SHOWN_MAX], meant[sizeof(remark.text)];
        int r;

        if (!*value) {
                set_default(l, key);
                note_turn(l, key, true);
                return;
        }

        r = key->kind->parse(key, value, target_of(l, key), &remark);
        (void) escape_text(remark.text, strlen(remark.text), meant, sizeof(meant));
        if (r == -ENOMEM)
                l->out_of_memory = true;
        else if (r < 0)
                loader_say(l, CONFIG_ERROR, line, "%s=\"%s\": this takes %s; ignored%s%s", key->name,
                           show(value, shown), key->wants, *meant ? "; " : "", meant);
        if (r < 0)
                return;

        if (*meant)
                loader_say(l, CONFIG_WARNING, line, "%s=\"%s\" %s", key->name, show(value, shown), meant);
        if (!key->kind->format)
                list_append(l, key, value, line);
        else
                *place_of(l, key) = (struct config_place){ .file = l->file, .line = line };
        note_turn(l, key, false);
}

static void on_assignment(const char *section, unsigned section_line, const char *name, const char *value,
                          unsigned line, void *userdata)
{
        struct loader *l = userdata;
        enum key_scope scope = l->tarpit ? KEY_TARPIT : KEY_GLOBAL;
        const struct key *key;

        if (l->out_of_memory || !judge_section(l, scope, section, section_line, line))
                return;
        key = key_find(scope, section, name);
        if (key)
                assign(l, key, value, line);
        else
                unknown_key(l, scope, section, name, line);
}

static void on_fault(unsigned line, const char *text, void *userdata)
{
        loader_say(userdata, CONFIG_ERROR, line, "%s", text);
}

bool loader_read(struct loader *l)
{
        static const struct parser_handler handler = { on_assignment, on_fault };
        _cleanup_(document_done) struct document document = { 0 };
        char why[DOCUMENT_WHY_MAX];
        int r;

        if (l->out_of_memory)
                return false;
        r = document_read(l->file, &document, why);
        if (r == -ENOMEM)
                l->out_of_memory = true;
        else if (r < 0) {
                loader_say(l, CONFIG_ERROR, 0, "%s", why);
                *(l->tarpit ? &l->tarpit->broken : &l->config->broken) = true;
        } else if (!document.masked)
                parser_run(document.text, document.size, &handler, l);
        return r >= 0 && document.masked;
}

/* -- What values mean together ----------------------------------------------------------------- */

/* Duty= keeps ThawedSec= and makes FrozenSec= of it, unless that comes later. */
static void apply_duty(struct loader *l)
{
        struct config_tarpit *t = l->tarpit;
        struct config_place *frozen = place_of(l, key_find(KEY_TARPIT, "Tarpit", "FrozenSec"));
        struct config_place *duty = place_of(l, key_find(KEY_TARPIT, "Tarpit", "Duty"));
        bool wins = l->duty_turn > l->frozen_turn;
        bool both = l->duty_turn > 0 && l->frozen_turn > 0 && frozen->file == duty->file;
        char shown[64];
        uint64_t usec;

        if (t->duty_ppm == 0)
                return;
        usec = t->duty.thawed_usec * (PPM - t->duty_ppm) / t->duty_ppm; /* at most 10 s times a million */
        if (both && usec != l->frozen_usec)
                loader_say_at(l, CONFIG_WARNING, wins ? duty : frozen,
                              "Duty= and FrozenSec= say the same thing in two ways: %s= counts, as it comes "
                              "later; give one of them",
                              wins ? "Duty" : "FrozenSec");
        if (!wins) {
                t->duty_ppm = 0;
                *duty = (struct config_place){ 0 };
                return;
        }

        *frozen = *duty;
        t->duty.frozen_usec = usec;
        if (usec > FROZEN_MAX_USEC) {
                t->broken = true;
                loader_say_at(
                        l, CONFIG_ERROR, duty,
                        "Duty= with this ThawedSec= means FrozenSec=%s, and 60s is the most; the tarpit "
                        "is not used",
                        timespan_format(usec, shown, sizeof(shown)));
        }
}

static bool has_source(const struct config_tarpit *t)
{
        for (size_t i = 0; i < CONFIG_SOURCE_MAX; i++) {
                if (t->sources[i].n > 0)
                        return true;
        }
        return false;
}

void loader_finish_tarpit(struct loader *l, bool alone)
{
        struct config_tarpit *t = l->tarpit;
        char shown[64];

        if (l->out_of_memory)
                return;
        apply_duty(l);
        if (t->duty.frozen_usec > FROZEN_WARN_USEC && t->duty.frozen_usec <= FROZEN_MAX_USEC)
                loader_say_at(l, CONFIG_WARNING, place_of(l, key_find(KEY_TARPIT, "Tarpit", "FrozenSec")),
                              "frozen for %s at a time, which is more than 5s: watchdogs, health checks and "
                              "network peers may give up",
                              timespan_format(t->duty.frozen_usec, shown, sizeof(shown)));
        if (!alone && !t->broken && !has_source(t))
                loader_say_at(l, CONFIG_WARNING, &(struct config_place){ .file = t->file },
                              "no source in [Source], such as PIDFile= or User=: nothing gets into this "
                              "tarpit by itself");
}
