/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Places at which a crash must be harmless, by name. In a test build (HOBBLE_TEST_POINTS) the environment
 * variable HOBBLE_TEST_POINT="NAME:kill" or "NAME:stop", with ":N" for the Nth time, ends or stops the
 * process exactly there; else they are nothing. */

#ifdef HOBBLE_TEST_POINTS
void point(const char *name);
#else
static inline void point(const char *name)
{
        (void) name;
}
#endif
