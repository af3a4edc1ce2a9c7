/* SPDX-License-Identifier: Apache-2.0 */
#include "store/reads.h"

#include <stdio.h>

#include "base/unit.h"

enum { DAY_MS = 24 * 3600 * 1000 };

TEST(a_metric_that_was_read_has_its_last_time_and_another_tenant_s_has_not)
{
    struct reads *r = reads_new(1000);
    struct slice t = SLICE("default"), up = SLICE("up");
    CHECK_INT(reads_last_ms(r, t, up), 0);
    reads_note(r, t, up, 5000);
    reads_note(r, t, up, 5500); /* within a second: one note */
    CHECK_INT(reads_last_ms(r, t, up), 5000);
    reads_note(r, t, up, DAY_MS);
    CHECK_INT(reads_last_ms(r, t, up), DAY_MS);
    CHECK_INT(reads_last_ms(r, SLICE("other"), up), 0);
    CHECK_INT(reads_last_ms(r, t, SLICE("down")), 0);
    reads_free(r);
}

TEST(reads_are_kept_over_a_restart_and_a_broken_text_changes_nothing)
{
    struct reads *r = reads_new(1000), *later = reads_new(9000);
    struct buf saved;
    buf_init(&saved, 0);
    reads_note(r, SLICE("default"), SLICE("a"), 5000);
    reads_note(r, SLICE("default"), SLICE("b"), 7000);
    reads_save(r, &saved);
    struct slice text = buf_as_slice(&saved);
    CHECK(!reads_load(later, slice_sub(text, 0, text.len - 1)));
    CHECK(!reads_load(later, SLICE("")));
    CHECK_INT(reads_since_ms(later), 9000);
    CHECK(reads_load(later, text));
    CHECK_INT(reads_since_ms(later), 1000);
    CHECK_INT(reads_last_ms(later, SLICE("default"), SLICE("a")), 5000);
    CHECK_INT(reads_last_ms(later, SLICE("default"), SLICE("b")), 7000);
    buf_free(&saved);
    reads_free(r);
    reads_free(later);
}

TEST(more_names_than_there_is_room_for_are_counted_and_those_known_go_on)
{
    struct reads *r = reads_new(1);
    char name[32];
    for (int i = 0; i < READS_MAX + 1000; i++)
        reads_note(r, SLICE("default"), slice_of(name, (size_t)snprintf(name, sizeof name, "m%d", i)), 5000);
    CHECK_INT(reads_left_out(r), 1000);
    CHECK_INT(reads_last_ms(r, SLICE("default"), SLICE("m17")), 5000);
    reads_free(r);
}
