/* SPDX-License-Identifier: Apache-2.0 */
/* The unit test runner. Each test runs in a process of its own with a time limit, so a crash or a hang fails one test.
 *
 *     TEST(map_finds_what_was_put) { ...; CHECK(n == 3); CHECK_INT(n, 3); CHECK_STR(slice, "text"); }
 *
 * A test program: `build/release/test/base [part of a test's name]...` and `-v`. It ends with "N passed, N failed". */
#ifndef STOA_BASE_UNIT_H
#define STOA_BASE_UNIT_H

#include "base/slice.h"

struct unit_test {
    const char *name, *file;
    void (*run)(void);
};

#define TEST(test_name)                                                                                                \
    static void test_name(void);                                                                                       \
    static const struct unit_test unit_##test_name = { #test_name, __FILE__, test_name };                              \
    static const struct unit_test *const unit_p_##test_name __attribute__((used, section("stoa_unit"))) =              \
        &unit_##test_name;                                                                                             \
    static void test_name(void)

#define CHECK(cond)                                                                                                    \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            unit_fail(__FILE__, __LINE__, #cond);                                                                      \
    } while (0)
#define CHECK_INT(got, want) unit_check_int(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(want))
#define CHECK_STR(got, want) unit_check_str(__FILE__, __LINE__, #got, (got), slice_str(want))
#define CHECK_NEAR(got, want, eps) unit_check_near(__FILE__, __LINE__, #got, (got), (want), (eps))

_Noreturn void unit_fail(const char *file, int line, const char *what);
void unit_check_int(const char *file, int line, const char *what, int64_t got, int64_t want);
void unit_check_str(const char *file, int line, const char *what, struct slice got, struct slice want);
void unit_check_near(const char *file, int line, const char *what, double got, double want, double eps);
/* For random tests: taken from STOA_TEST_SEED or the clock, and printed when the test fails. */
uint64_t unit_seed(void);
/* A fresh folder for this test under the temporary folder; removed afterwards. */
const char *unit_dir(void);

#endif
