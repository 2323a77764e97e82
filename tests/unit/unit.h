/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What each unit test starts with: cmocka and what it needs before it, and a main() for the tests. Run by
 * meson the output is TAP (CMOCKA_MESSAGE_OUTPUT), so that each test counts; run by hand it is cmocka's own.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Every test takes a state, few look at it. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* UNIT_MAIN(cmocka_unit_test(a), cmocka_unit_test(b)) at the end of the file. One group, as TAP has one plan.
 * Leave no skip() in a unit test: cmocka 1.1 writes a TAP line for it that reads as a failure. */
#define UNIT_MAIN(...)                                                  \
        int main(void)                                                  \
        {                                                               \
                const struct CMUnitTest unit_tests[] = { __VA_ARGS__ }; \
                                                                        \
                return cmocka_run_group_tests(unit_tests, NULL, NULL);  \
        }
