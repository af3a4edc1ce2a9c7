/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding a row again costs as much as encoding it first, and parts of one day mostly follow on one another in time. So a block is
 * copied when reading would gain nothing from its rows being mixed with others:
 *
 * (1) It is no log record's: those stand in groups by stream, which a merge makes larger.
 * (2) It is not small: its part has others of its tenant and kind, none twice as large. (A part is cut into blocks of alike size.)
 * (3) All other blocks together cover at most 1 / OVERLAP_PART of its time. Spans near the ends of two blocks are a little out of order
 *     where tables change; late ones, and parts that lie side by side, are merged.
 * (4) No other part has rows of its time and LSNs, so that no row is in both; no tombstone may be about it.
 * (5) Fields of all parts have room in one.
 *
 * What is not copied is merged with its neighbours in time. When those are few rows, the next block is merged with them. */
#include "events/evmergeplan.h"

#include <stdlib.h>

#include "base/map.h"

enum { OVERLAP_PART = 8, SMALL_PART = 2 };

struct evmerge_block *evmergeplan_blocks(const struct part *const *parts, size_t count, struct arena *a, struct evmerge_plan *plan)
{
    size_t cap = 0;
    *plan = (struct evmerge_plan){ .blocks = NULL };
    for (size_t i = 0; i < count; i++) {
        const struct evdir *d = part_user(parts[i]);
        for (size_t k = 0; k < d->block_count; k++)
            ARENA_PUSH(a, plan->blocks, plan->block_count, cap) = (struct evmerge_block){ .p = parts[i], .d = d, .b = &d->blocks[k], .part = i };
    }
    return plan->blocks;
}

/* ---- sections: blocks of one tenant and kind ---- */

static int cmp_section(const struct evmerge_block *x, const struct evmerge_block *y)
{
    int c = slice_cmp(x->d->tenants[x->b->tenant], y->d->tenants[y->b->tenant]);
    return c ? c : (x->b->kind > y->b->kind) - (x->b->kind < y->b->kind);
}

/* Sections, and in them log records' by part as they stand there, others by time. */
static int cmp_blocks(const void *a, const void *b)
{
    const struct evmerge_block *x = a, *y = b;
    int c = cmp_section(x, y);
    if (c == 0 && x->b->kind != EVENT_LOG)
        c = (x->b->min_ns > y->b->min_ns) - (x->b->min_ns < y->b->min_ns);
    if (c == 0)
        c = (x->part > y->part) - (x->part < y->part);
    return c ? c : (x->b > y->b) - (x->b < y->b);
}

static bool have_room(const struct evmerge_plan *plan, struct arena *a)
{
    struct map fields;
    const struct evdir *last = NULL;
    map_init(&fields);
    for (size_t i = 0; i < plan->block_count; i++) {
        const struct evdir *d = plan->blocks[i].d;
        for (size_t f = 0; d != last && f < d->field_count && fields.count <= EVDIR_FIELDS_MAX; f++) {
            struct slice key = arena_printf(a, "%c%c%.*s", 'a' + d->fields[f].scope, 'a' + d->fields[f].type, SLICE_FMT(d->fields[f].name));
            map_put(&fields, key, NULL);
        }
        last = d;
    }
    bool have = fields.count <= EVDIR_FIELDS_MAX;
    map_free(&fields);
    return have;
}

/* How much of x's time y covers; whether rows may be in both. */
static uint64_t common_ns(const struct evmerge_block *x, const struct evmerge_block *y, bool *may_share)
{
    int64_t from = MAX(x->b->min_ns, y->b->min_ns), to = MIN(x->b->max_ns, y->b->max_ns);
    if (from > to)
        return 0;
    *may_share |= x->part != y->part && x->b->min_lsn <= y->b->max_lsn && y->b->min_lsn <= x->b->max_lsn;
    return (uint64_t)to - (uint64_t)from;
}

/* (3), (4). list is in order of time; latest[i]: the last time of all blocks up to i. */
static bool stands_apart(const struct evmerge_block *list, size_t n, const int64_t *latest, size_t i)
{
    uint64_t common = 0, allowed = ((uint64_t)list[i].b->max_ns - (uint64_t)list[i].b->min_ns) / OVERLAP_PART;
    bool may_share = false;
    for (size_t k = i; k-- > 0 && latest[k] >= list[i].b->min_ns && common <= allowed && !may_share;)
        common += common_ns(&list[i], &list[k], &may_share);
    for (size_t k = i + 1; k < n && list[k].b->min_ns <= list[i].b->max_ns && common <= allowed && !may_share; k++)
        common += common_ns(&list[i], &list[k], &may_share);
    return common <= allowed && !may_share;
}

/* (2) */
static bool *are_large(const struct evmerge_block *list, size_t n, struct arena *a)
{
    size_t parts = 0;
    for (size_t i = 0; i < n; i++)
        parts = MAX(parts, list[i].part + 1);
    uint32_t *most = arena_zalloc(a, parts * sizeof *most), *counts = arena_zalloc(a, parts * sizeof *counts);
    bool *are = arena_array(a, bool, n + 1);
    for (size_t i = 0; i < n; i++) {
        most[list[i].part] = MAX(most[list[i].part], list[i].b->rows);
        counts[list[i].part]++;
    }
    for (size_t i = 0; i < n; i++)
        are[i] = counts[list[i].part] > 1 && list[i].b->rows >= most[list[i].part] / SMALL_PART;
    return are;
}

/* Few rows between blocks that are copied take the block behind them along, or else the one before. */
static void join_small(struct evmerge_block *list, size_t n)
{
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++)
        most = MAX(most, list[i].b->rows);
    for (size_t from = 0, to; from < n; from = to + 1) {
        size_t rows = 0;
        for (to = from; to < n && !list[to].is_copied; to++)
            rows += list[to].b->rows;
        if (to == from || rows >= most / SMALL_PART)
            continue;
        if (to < n)
            list[to].is_copied = false;
        else if (from > 0)
            list[from - 1].is_copied = false;
    }
}

static void choose(struct evmerge_block *list, size_t n, struct arena *a)
{
    int64_t *latest = arena_array(a, int64_t, n + 1);
    bool *are = are_large(list, n, a);
    for (size_t i = 0; i < n; i++)
        latest[i] = i ? MAX(latest[i - 1], list[i].b->max_ns) : list[i].b->max_ns;
    for (size_t i = 0; i < n; i++)
        list[i].is_copied = are[i] && !list[i].is_touched && list[i].d->version == EVDIR_VERSION && stands_apart(list, n, latest, i);
    join_small(list, n);
}

/* ---- steps ---- */

/* The run of its part that the block goes on, or a new one. */
static struct evmerge_run *run_for(struct evmerge_step *step, const struct evmerge_block *b)
{
    for (size_t i = step->run_count; i-- > 0;) {
        struct evmerge_run *run = &step->runs[i];
        const struct evmerge_block *last = run->blocks[run->count - 1];
        if (last->part == b->part && (b->b->kind == EVENT_LOG || last->b->max_ns < b->b->min_ns))
            return run;
    }
    struct evmerge_run *run = &step->runs[step->run_count++];
    *run = (struct evmerge_run){ .blocks = NULL };
    return run;
}

static void add_merge(struct evmerge_step *step, const struct evmerge_block *list, size_t n, struct arena *a)
{
    *step = (struct evmerge_step){ .runs = arena_array(a, struct evmerge_run, n), .is_even = list[0].b->kind != EVENT_LOG };
    for (size_t i = 0; i < n; i++) {
        struct evmerge_run *run = run_for(step, &list[i]);
        if ((run->count & (run->count - 1)) == 0)
            run->blocks = arena_grow(a, run->blocks, run->count * sizeof(void *), MAX(run->count * 2, (size_t)1) * sizeof(void *));
        run->blocks[run->count++] = &list[i];
        step->rows += list[i].b->rows;
    }
}

void evmergeplan_make(struct evmerge_plan *plan, struct arena *a)
{
    struct evmerge_block *list = plan->blocks;
    size_t n = plan->block_count;
    bool may_copy = have_room(plan, a);
    if (n == 0)
        return;
    qsort(list, n, sizeof *list, cmp_blocks);
    plan->steps = arena_array(a, struct evmerge_step, n);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && cmp_section(&list[from], &list[to]) == 0;)
            to++;
        if (may_copy && list[from].b->kind != EVENT_LOG)
            choose(list + from, to - from, a);
        for (size_t i = from, end; i < to; i = end) {
            struct evmerge_step *step = &plan->steps[plan->step_count++];
            for (end = i; end < to && !list[end].is_copied; end++)
                ;
            if (end > i) {
                add_merge(step, list + i, end - i, a);
                continue;
            }
            *step = (struct evmerge_step){ .copied = &list[end++] };
        }
    }
}
