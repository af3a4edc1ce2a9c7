/* SPDX-License-Identifier: Apache-2.0 */
/* The events' own ladder under power cuts, torn writes, failed syncs and full disks: after each of them every acknowledged
 * record is there once, byte for byte with its fields and weight, in the order of its request within its stream; a request
 * that was not acknowledged is there whole or not at all. */
#include "events/evlife.h"

/* Records of several streams, numbered by a field. */
static struct event make_record(struct life *l, struct arena *a, unsigned row)
{
    struct event e = world_event(&l->w, a);
    struct field *fields = arena_array(a, struct field, e.field_count + 1);
    fields[0] = (struct field){ .scope = SCOPE_RECORD, .type = FIELD_INT, .name = SLICE("row"), .text = SLICE_EMPTY, .i = row };
    memcpy(fields + 1, e.fields, e.field_count * sizeof *fields);
    e.fields = fields;
    e.field_count++;
    return e;
}

static uint32_t row_of_record(const struct event *e)
{
    const struct field *row = event_field(e, SLICE("row"));
    return row ? (uint32_t)row->i : UINT32_MAX;
}

static const struct life_kind records = { make_record, row_of_record, NULL };

TEST(logs_survive_a_power_cut_at_any_sync_that_loses_all_that_is_unsynced)
{
    life_cut_at_every_sync(&records, LOSE_ALL, 11);
}

TEST(logs_survive_a_power_cut_at_any_sync_that_tears_and_garbles_what_is_unsynced)
{
    life_cut_at_every_sync(&records, LOSE_RANDOM, unit_seed() % 1000000);
}

TEST(logs_survive_a_kill_at_any_sync)
{
    life_cut_at_every_sync(&records, LOSE_NONE, 13);
}

TEST(logs_survive_a_sync_that_fails_at_any_point)
{
    life_fail_every_sync(&records, 17);
}

TEST(a_disk_that_fills_up_in_a_flush_or_a_merge_of_logs_loses_nothing_and_is_told)
{
    CHECK(life_fill_the_disk(&records, 19) > 100);
}
