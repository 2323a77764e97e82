/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Values of which a key has one. Those of lists are in items.c. */

#include "values.h"
#include "macro.h"
#include "text.h"
#include "timespan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int put_number(const struct key *key, uint64_t value, void *target)
{
        if (value < key->min || value > key->max)
                return -ERANGE;
        *(uint64_t *) target = value;
        return 0;
}

/* -- Text -------------------------------------------------------------------------------------- */

static int text_parse(_unused_ const struct key *key, const char *text, void *target,
                      _unused_ struct remark *remark)
{
        char *copy = strdup(text);

        if (!copy)
                return -ENOMEM;
        free(*(char **) target);
        *(char **) target = copy;
        return 0;
}

static const char *text_format(_unused_ const struct key *key, const void *target, _unused_ char *buf,
                               _unused_ size_t size)
{
        return *(char *const *) target;
}

const struct kind kind_text = { text_parse, text_format };

/* -- Words ------------------------------------------------------------------------------------- */

static int boolean_parse(_unused_ const struct key *key, const char *text, void *target,
                         _unused_ struct remark *remark)
{
        static const char *const yes[] = { "1", "yes", "y", "true", "t", "on" };
        static const char *const no[] = { "0", "no", "n", "false", "f", "off" };

        for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
                if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
                        *(bool *) target = strcasecmp(text, yes[i]) == 0;
                        return 0;
                }
        }
        return -EINVAL;
}

static const char *boolean_format(_unused_ const struct key *key, const void *target, _unused_ char *buf,
                                  _unused_ size_t size)
{
        return *(const bool *) target ? "yes" : "no";
}

const struct kind kind_boolean = { boolean_parse, boolean_format };

static int choose(const char *const *words, size_t n, const char *text, void *target)
{
        for (size_t i = 0; i < n; i++) {
                if (strcmp(words[i], text) == 0) {
                        *(int *) target = (int) i;
                        return 0;
                }
        }
        return -EINVAL;
}

static const char *const levels[] = { "error", "warning", "notice", "info", "debug" };

static int level_parse(_unused_ const struct key *key, const char *text, void *target,
                       _unused_ struct remark *remark)
{
        return choose(levels, ELEMENTSOF(levels), text, target);
}

static const char *level_format(_unused_ const struct key *key, const void *target, _unused_ char *buf,
                                _unused_ size_t size)
{
        return levels[*(const int *) target];
}

const struct kind kind_level = { level_parse, level_format };

static const char *const placements[] = {
        [HOBBLE_PLACEMENT_AUTO] = "auto",
        [HOBBLE_PLACEMENT_SUBTREE] = "subtree",
        [HOBBLE_PLACEMENT_NESTED] = "nested",
};
_Static_assert(ELEMENTSOF(placements) == HOBBLE_PLACEMENT_MAX, "a word for each placement");
_Static_assert(sizeof(enum hobble_placement) == sizeof(int), "a placement is set like an int");

static int placement_parse(_unused_ const struct key *key, const char *text, void *target,
                           _unused_ struct remark *remark)
{
        return choose(placements, ELEMENTSOF(placements), text, target);
}

static const char *placement_format(_unused_ const struct key *key, const void *target, _unused_ char *buf,
                                    _unused_ size_t size)
{
        return placements[*(const enum hobble_placement *) target];
}

const struct kind kind_placement = { placement_parse, placement_format };

/* -- Numbers ----------------------------------------------------------------------------------- */

static const char *number_format(_unused_ const struct key *key, const void *target, char *buf, size_t size)
{
        uint64_t value = *(const uint64_t *) target;

        if (value == UINT64_MAX)
                return key->preset; /* no limit: the default of all that can be without one */
        (void) snprintf(buf, size, "%" PRIu64, value);
        return buf;
}

static bool is_unlimited(const char *text)
{
        return !*text || strcmp(text, "infinity") == 0;
}

static int count_parse(const struct key *key, const char *text, void *target, struct remark *remark)
{
        uint64_t value;
        int r;

        if (is_unlimited(text)) {
                *(uint64_t *) target = UINT64_MAX;
                return 0;
        }
        r = parse_u64(text, &value);
        if (r < 0) {
                if (strchr(text, '%'))
                        (void) snprintf(remark->text, sizeof(remark->text), "a number, not a percentage");
                return r;
        }
        return put_number(key, value, target);
}

const struct kind kind_count = { count_parse, number_format };

static int priority_parse(const struct key *key, const char *text, void *target,
                          _unused_ struct remark *remark)
{
        uint64_t value;
        int r;

        r = parse_u64(text, &value);
        if (r < 0)
                return r;
        if (value > key->max)
                return -ERANGE;
        *(int *) target = (int) value;
        return 0;
}

static const char *priority_format(_unused_ const struct key *key, const void *target, char *buf, size_t size)
{
        (void) snprintf(buf, size, "%d", *(const int *) target);
        return buf;
}

const struct kind kind_priority = { priority_parse, priority_format };

static int span_parse(const struct key *key, const char *text, void *target, struct remark *remark)
{
        uint64_t value;
        int r;

        r = timespan_parse(text, &value);
        if (r >= 0)
                r = put_number(key, value, target);

        /* Who leaves the unit out mostly thinks of milliseconds. */
        if (r == -ERANGE && text[strspn(text, "0123456789")] == '\0')
                (void) snprintf(remark->text, sizeof(remark->text),
                                "a number alone is seconds: did you mean %.20sms?", text);
        return r;
}

static const char *span_format(_unused_ const struct key *key, const void *target, char *buf, size_t size)
{
        return timespan_format(*(const uint64_t *) target, buf, size);
}

const struct kind kind_span = { span_parse, span_format };

/* A percentage that lacks its sign. */
static void miss_percent(const char *text, struct remark *remark)
{
        if (*text && text[strspn(text, "0123456789.")] == '\0')
                (void) snprintf(remark->text, sizeof(remark->text), "did you mean %.20s%%?", text);
}

static int duty_parse(_unused_ const struct key *key, const char *text, void *target, struct remark *remark)
{
        int r;

        if (!*text) {
                *(uint64_t *) target = 0;
                return 0;
        }
        r = percent_parse(text, target);
        if (r == -EINVAL)
                miss_percent(text, remark);
        return r;
}

static const char *duty_format(_unused_ const struct key *key, const void *target, char *buf, size_t size)
{
        uint64_t ppm = *(const uint64_t *) target;

        return ppm == 0 ? "" : share_format(ppm, buf, size);
}

const struct kind kind_duty = { duty_parse, duty_format };

static int quota_parse(const struct key *key, const char *text, void *target, struct remark *remark)
{
        uint64_t value;
        int r;

        if (is_unlimited(text)) {
                *(uint64_t *) target = UINT64_MAX;
                return 0;
        }
        r = share_parse(text, &value);
        if (r == -EINVAL)
                miss_percent(text, remark);
        return r < 0 ? r : put_number(key, value, target);
}

static const char *quota_format(const struct key *key, const void *target, char *buf, size_t size)
{
        uint64_t ppm = *(const uint64_t *) target;

        return ppm == UINT64_MAX ? key->preset : share_format(ppm, buf, size);
}

const struct kind kind_share = { quota_parse, quota_format };

/* -- Sizes ------------------------------------------------------------------------------------- */

static const char size_units[] = "KMGTPE";

static int size_parse(const struct key *key, const char *text, void *target, struct remark *remark)
{
        size_t digits = strspn(text, "0123456789");
        char number[24];
        const char *unit;
        uint64_t value;
        int r;

        if (is_unlimited(text)) {
                *(uint64_t *) target = UINT64_MAX;
                return 0;
        }
        if (digits >= sizeof(number))
                return -ERANGE;
        memcpy(number, text, digits);
        number[digits] = '\0';
        r = parse_u64(number, &value);
        if (r < 0)
                return r;

        text += digits;
        if (*text) {
                unit = strchr(size_units, *text);
                if (!unit || text[1]) {
                        if (strcspn(text, "kmgtpeKMGTPE") == 0)
                                (void) snprintf(remark->text, sizeof(remark->text), "did you mean %s%c?",
                                                number, *text & ~0x20);
                        return -EINVAL;
                }
                if (__builtin_mul_overflow(value, 1ULL << (10 * (unit - size_units + 1)), &value))
                        return -ERANGE;
        }
        return put_number(key, value, target);
}

static const char *size_format(const struct key *key, const void *target, char *buf, size_t size)
{
        uint64_t value = *(const uint64_t *) target;
        size_t unit = 0;

        if (value == UINT64_MAX)
                return key->preset;
        while (value > 0 && value % 1024 == 0 && unit < strlen(size_units)) {
                value /= 1024;
                unit++;
        }
        (void) snprintf(buf, size, "%" PRIu64 "%.1s", value, unit > 0 ? size_units + unit - 1 : "");
        return buf;
}

const struct kind kind_size = { size_parse, size_format };
