/* SPDX-License-Identifier: Apache-2.0 */
/* Which blocks a merge copies, told from directories made by hand; and that what was copied reads as what was written. */
#include "events/evmergeplan.h"

#include <stdlib.h>

#include "base/unit.h"
#include "events/evworld.h"

enum { PARTS_MAX = 4, BLOCKS_MAX = 16, PART_ROWS = 4000, PIECE_ROWS = 500, TEXT_BYTES = 3000, TRACE_ROWS = 7, TRACES_READ = 30,
       NAMES = 90 /* so that a field's number takes one byte in its part and two among those of all */, LATE_ROWS = 40 };

struct fake {
    struct arena *a;
    struct evdir dirs[PARTS_MAX];
    struct evmerge_block blocks[BLOCKS_MAX];
    size_t count;
};

static void fake_init(struct fake *f)
{
    static struct slice tenants[] = { SLICE_INIT("default") };
    *f = (struct fake){ .a = arena_new(0) };
    for (size_t i = 0; i < PARTS_MAX; i++)
        f->dirs[i] = (struct evdir){ .version = EVDIR_VERSION, .tenants = tenants, .tenant_count = 1 };
}

/* A block of a part; its rows' LSNs are the part's. */
static struct evmerge_block *fake_block(struct fake *f, size_t part, uint8_t kind, uint32_t rows, int64_t min_s, int64_t max_s)
{
    struct evdir_block *b = arena_zalloc(f->a, sizeof *b);
    *b = (struct evdir_block){ .kind = kind, .rows = rows, .min_ns = min_s * NS_S, .max_ns = max_s * NS_S,
                               .min_lsn = part * 10, .max_lsn = part * 10 + 9 };
    f->blocks[f->count] = (struct evmerge_block){ .d = &f->dirs[part], .b = b, .part = part };
    return &f->blocks[f->count++];
}

static struct evmerge_plan fake_plan(struct fake *f)
{
    struct evmerge_plan plan = { .blocks = f->blocks, .block_count = f->count };
    evmergeplan_make(&plan, f->a);
    return plan;
}

static size_t copied(const struct evmerge_plan *plan)
{
    size_t n = 0;
    for (size_t i = 0; i < plan->step_count; i++)
        n += plan->steps[i].copied != NULL;
    return n;
}

/* Three parts of two blocks each, one after the other but for a second at each end. */
static void three_parts(struct fake *f, uint8_t kind)
{
    fake_init(f);
    for (size_t p = 0; p < 3; p++)
        for (int64_t k = 0; k < 2; k++)
            fake_block(f, p, kind, 7000, (int64_t)p * 200 + k * 100, (int64_t)p * 200 + k * 100 + 101);
}

TEST(blocks_of_spans_that_follow_on_one_another_are_copied_in_the_order_of_time)
{
    struct fake f;
    three_parts(&f, EVENT_SPAN);
    struct evmerge_plan plan = fake_plan(&f);
    CHECK_INT(plan.step_count, 6);
    for (size_t i = 0; i < plan.step_count; i++)
        CHECK(plan.steps[i].copied && plan.steps[i].copied->b->min_ns == (int64_t)i * 100 * NS_S);
    arena_free(f.a);
}

TEST(log_records_are_merged_row_by_row_a_run_a_part)
{
    struct fake f;
    three_parts(&f, EVENT_LOG);
    struct evmerge_plan plan = fake_plan(&f);
    CHECK_INT(plan.step_count, 1);
    CHECK(!plan.steps[0].copied && plan.steps[0].run_count == 3 && plan.steps[0].rows == 42000 && !plan.steps[0].is_even);
    arena_free(f.a);
}

TEST(a_block_that_a_tombstone_touches_or_of_an_older_version_is_merged)
{
    struct fake f;
    three_parts(&f, EVENT_SPAN);
    f.blocks[2].is_touched = true;
    f.dirs[0].version = EVDIR_VERSION_FIRST;
    struct evmerge_plan plan = fake_plan(&f);
    CHECK_INT(copied(&plan), 3);
    CHECK(!plan.steps[0].copied && plan.steps[0].run_count == 3 && plan.steps[0].rows == 21000);
    arena_free(f.a);
}

TEST(a_block_over_the_time_of_all_others_is_merged_with_them)
{
    struct fake f;
    three_parts(&f, EVENT_SPAN);
    fake_block(&f, 3, EVENT_SPAN, 7000, 0, 599);
    fake_block(&f, 3, EVENT_SPAN, 7000, 700, 800);
    struct evmerge_plan plan = fake_plan(&f);
    CHECK_INT(copied(&plan), 1);
    CHECK_INT(plan.steps[0].rows, 49000);
    CHECK(plan.steps[1].copied->b->min_ns == 700 * NS_S);
    arena_free(f.a);
}

TEST(blocks_of_two_parts_that_may_have_the_same_row_are_merged)
{
    struct fake f;
    three_parts(&f, EVENT_SPAN);
    struct evdir_block *b = (struct evdir_block *)f.blocks[2].b; /* begins in the last second of part 0 */
    b->min_lsn = 9;
    struct evmerge_plan plan = fake_plan(&f);
    CHECK_INT(copied(&plan), 4);
    CHECK(plan.steps[0].copied && !plan.steps[1].copied && plan.steps[1].run_count == 2);
    arena_free(f.a);
}

TEST(a_small_rest_is_merged_with_the_block_behind_it_and_the_last_one_with_the_block_before)
{
    struct fake f;
    fake_init(&f);
    for (size_t p = 0; p < 3; p++) {
        fake_block(&f, p, EVENT_SPAN, 8000, (int64_t)p * 200, (int64_t)p * 200 + 190);
        fake_block(&f, p, EVENT_SPAN, 90, (int64_t)p * 200 + 191, (int64_t)p * 200 + 199);
    }
    struct evmerge_plan plan = fake_plan(&f);
    CHECK_INT(copied(&plan), 1);
    CHECK(plan.steps[0].copied);
    CHECK_INT(plan.steps[1].rows, 90 + 8000 + 90 + 8000 + 90);
    CHECK(plan.steps[1].is_even);
    arena_free(f.a);
}

TEST(parts_of_one_block_are_merged_and_tenants_never_mix)
{
    static struct slice tenants[] = { SLICE_INIT("blue") };
    struct fake f;
    fake_init(&f);
    f.dirs[1].tenants = tenants;
    for (size_t p = 0; p < 3; p++)
        fake_block(&f, p, EVENT_SPAN, 500, (int64_t)p * 100, (int64_t)p * 100 + 99);
    struct evmerge_plan plan = fake_plan(&f);
    CHECK_INT(copied(&plan), 0);
    CHECK_INT(plan.step_count, 2);
    CHECK(plan.steps[0].run_count == 1 && plan.steps[1].run_count == 2);
    arena_free(f.a);
}

/* ---- what was copied ---- */

/* Spans with long texts, so that some fill blocks and their shapes share a frame with other columns. Fields have other numbers in each part. */
static void append_part(struct world *w, unsigned part, int64_t from_s, size_t rows)
{
    for (size_t at = 0; at < rows; at += PIECE_ROWS) {
        size_t n = MIN((size_t)PIECE_ROWS, rows - at);
        struct event *list = arena_array(w->arena, struct event, n);
        for (size_t i = 0; i < n; i++) {
            struct event e = world_span(w, w->arena);
            char *text = arena_alloc(w->arena, TEXT_BYTES);
            rand_bytes(&w->rand, text, TEXT_BYTES);
            struct field *fields = arena_array(w->arena, struct field, 3);
            fields[0] = (struct field){ .type = FIELD_STRING, .name = arena_printf(w->arena, "part %u %zu", part, i % NAMES), .text = SLICE("x") };
            fields[1] = (struct field){ .type = FIELD_BYTES, .text = slice_of(text, TEXT_BYTES) };
            fields[1].name = arena_printf(w->arena, "long %u", part % 2);
            fields[2] = (struct field){ .type = FIELD_INT, .name = SLICE("n"), .text = SLICE_EMPTY, .i = (int64_t)(i * part) };
            e.fields = fields;
            e.field_count = 3;
            e.time_ns = world_start_ns + from_s * NS_S + (int64_t)(at + i) * NS_MS - (int64_t)rand_below(&w->rand, 50) * NS_MS;
            e.service = SLICE("shop"); /* a column behind that of shapes */
            memset(e.trace_id, 0, sizeof e.trace_id);
            e.trace_id[0] = 7;
            e.trace_id[14] = (uint8_t)((at + i) / TRACE_ROWS >> 8);
            e.trace_id[15] = (uint8_t)((at + i) / TRACE_ROWS);
            list[i] = e;
        }
        world_append(w, 0, list, n);
    }
}

static int by_time(const void *a, const void *b)
{
    const struct event *x = &((const struct world_row *)a)->e, *y = &((const struct world_row *)b)->e;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

static void check_trace(struct world *w, unsigned number)
{
    struct arena *a = arena_new(0);
    struct events_query q = world_query_all();
    uint8_t id[16] = { 7, [14] = (uint8_t)(number >> 8), (uint8_t)number };
    struct pred by_id = { .op = PRED_EQ, .column = COL_TRACE_ID, .type = FIELD_STRING, .text = slice_of(id, 16) };
    q.order = ORDER_TIME_ASC;
    q.pred = &by_id;
    struct world_found trace = world_scan(w, 1, &q, a);
    size_t at = 0;
    for (size_t i = 0; i < w->count; i++)
        if (memcmp(w->rows[i].e.trace_id, id, sizeof id) == 0)
            CHECK(at < trace.count && world_same(&trace.rows[at++], &w->rows[i].e));
    CHECK_INT(trace.count, at);
    arena_free(a);
}

/* All, in order; and some traces, which every part has spans of. */
static void check_world(struct world *w)
{
    struct arena *a = arena_new(0);
    struct events_query q = world_query_all();
    q.order = ORDER_TIME_ASC;
    qsort(w->rows, w->count, sizeof *w->rows, by_time);
    struct world_found all = world_scan(w, 1, &q, a);
    CHECK_INT(all.count, w->count);
    for (size_t i = 0; i < w->count; i++)
        CHECK(world_same(&all.rows[i], &w->rows[i].e));
    CHECK(!all.has_warnings);
    arena_free(a);
    for (unsigned i = 0; i < TRACES_READ; i++)
        check_trace(w, (unsigned)rand_below(&w->rand, PART_ROWS / TRACE_ROWS + 2));
}

TEST(spans_and_traces_of_copied_blocks_read_as_they_were_written)
{
    struct world w;
    world_open(&w);
    for (unsigned p = 0; p < 3; p++) {
        append_part(&w, p, p * (PART_ROWS / 1000), PART_ROWS);
        world_flush(&w);
    }
    check_world(&w);
    world_merge(&w);
    check_world(&w);
    append_part(&w, 3, 2, LATE_ROWS); /* among the others */
    append_part(&w, 4, 3 * (PART_ROWS / 1000), PART_ROWS);
    world_flush(&w);
    world_merge(&w);
    check_world(&w);
    world_restart(&w);
    check_world(&w);
    world_close(&w);
}
