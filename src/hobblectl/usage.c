/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "usage.h"
#include "cells.h"

#include <string.h>

double duty_of(uint64_t frozen_usec, uint64_t thawed_usec)
{
        double period = (double) frozen_usec + (double) thawed_usec;

        return period > 0 ? 100 * (double) thawed_usec / period : 0;
}

double duty_percent(const struct tarpit_row *tarpit)
{
        return duty_of(tarpit->frozen_usec, tarpit->thawed_usec);
}

double share_of_subject(const struct subject_row *subject)
{
        uint64_t now = now_realtime();
        double share;

        if (subject->since_usec == 0 || subject->since_usec >= now)
                return 0;
        share = 100 * (double) subject->cpu_usec / (double) (now - subject->since_usec);
        return share < 1e9 ? share : 0; /* or someone set the clock back since */
}

double share_of_tarpit(const struct rows *subjects, const char *tarpit)
{
        double sum = 0;

        for (size_t i = 0; i < subjects->n; i++) {
                if (strcmp(subjects->subjects[i].tarpit, tarpit) == 0)
                        sum += share_of_subject(&subjects->subjects[i]);
        }
        return sum;
}
