/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/start.h"

#include "base/unit.h"

#define TENANT SLICE("default")

static bool told_at(struct starts *s, const char *labels, int64_t start_ms, int64_t t_ms)
{
    return starts_is_new(s, TENANT, slice_str(labels), start_ms, t_ms, t_ms * NS_MS);
}

TEST(a_start_is_news_once_and_again_when_the_series_began_anew)
{
    struct starts *s = starts_new(60000, NULL);
    CHECK(told_at(s, "a", 1000, 2000));
    CHECK(!told_at(s, "a", 1000, 3000));
    CHECK(told_at(s, "b", 1000, 3000));
    CHECK(told_at(s, "a", 3500, 4000));
    CHECK(!told_at(s, "a", 4000, 5000)); /* there is a sample */
    CHECK(!told_at(s, "a", 4000, 5000 + 60000));
    starts_free(s);
}

TEST(a_start_at_the_first_sample_is_never_made_a_zero_by_the_second)
{
    struct starts *s = starts_new(60000, NULL);
    CHECK(told_at(s, "a", 1000, 1000)); /* news, but no room for a 0: whoever asks sees that */
    CHECK(!told_at(s, "a", 1000, 2000));
    starts_free(s);
}

static bool on_read(void *arg, struct slice tenant, struct slice labels, struct arena *a, struct sample *out)
{
    (void)tenant;
    (void)labels;
    (void)a;
    *out = *(struct sample *)arg;
    return true;
}

TEST(after_a_restart_the_store_knows)
{
    struct sample stored = { 1500, 3 };
    struct last_reader last = { &stored, on_read };
    struct starts *s = starts_new(60000, &last);
    CHECK(!told_at(s, "a", 1000, 2000));
    CHECK(told_at(s, "b", 1800, 2000));
    starts_free(s);
}
