/* SPDX-License-Identifier: Apache-2.0 */
/* Raw rows -> parts: rows are sorted by partition and series by counting, series by the dictionary's label order, samples of
 * a series by time (mostly they are already). Of equal times the later row, that is the higher LSN, wins.
 *
 * Tombstones known now are applied here, where each row still has its LSN; a part remembers up to which tombstone that was
 * done (applied_id), so that readers apply only later ones to it, and those are newer than every row in it. */
#include <stdlib.h>

#include "base/num.h"
#include "metrics/build.h"
#include "metrics/dead.h"
#include "metrics/rollup.h"
#include "metrics/rows.h"

enum { PREFETCH_ROWS_MAX = 64 };

struct place {
    int64_t t_ms;
    uint32_t row;
};

/* Where rows go: a partition, by its first instant, and a class (0: that of all samples). */
struct target {
    int64_t first_ns;
    uint16_t class;
};

struct encode {
    struct rows *rows;
    size_t count;
    struct raw_rows_block **blocks;
    uint32_t *by_partition;   /* row numbers, grouped */
    struct target *partitions;
    size_t *partition_end;
    size_t partition_count, partition_cap;
    uint32_t slot_end, *slot_count;
    struct dead *dead;
    struct buf about;
};

static inline const struct raw_rows_block *block_of(const struct encode *e, uint32_t row)
{
    return e->blocks[row / ROWS_BLOCK];
}
static inline int64_t time_of(const struct encode *e, uint32_t row)
{
    return raw_row_t_ms(block_of(e, row), row % ROWS_BLOCK);
}
static inline uint32_t slot_of(const struct encode *e, uint32_t row)
{
    return block_of(e, row)->slot[row % ROWS_BLOCK];
}

static uint32_t partition_find(struct encode *e, int64_t first_ns, uint16_t class)
{
    for (size_t i = 0; i < e->partition_count; i++)
        if (e->partitions[i].first_ns == first_ns && e->partitions[i].class == class)
            return (uint32_t)i;
    if (e->partition_count == e->partition_cap) {
        e->partition_cap = e->partition_cap ? e->partition_cap * 2 : 16;
        e->partitions = mem_realloc(e->partitions, e->partition_cap * sizeof *e->partitions);
    }
    e->partitions[e->partition_count] = (struct target){ first_ns, class };
    return (uint32_t)e->partition_count++;
}

enum { CLASS_UNKNOWN = 0xffff };

/* The class of a row's series; known remembers it by slot. */
static uint16_t class_of(struct encode *e, uint32_t row, const uint16_t *of_rollup, uint16_t *known)
{
    uint32_t slot = slot_of(e, row);
    if (known[slot] == CLASS_UNKNOWN)
        known[slot] = of_rollup[rollup_of_tenant(series_tenant(series_at(e->rows->state->dict, slot)))];
    return known[slot];
}

/* Partition and class of each row go to `of`. */
static void find_targets(struct encode *e, uint32_t *of)
{
    struct store *s = e->rows->state->store;
    const uint16_t of_rollup[ROLLUP_COUNT] = { 0, store_rollup_class(s, ROLLUP_5M), store_rollup_class(s, ROLLUP_1H) };
    bool has_classes = of_rollup[ROLLUP_5M] || of_rollup[ROLLUP_1H];
    uint16_t *known = has_classes ? mem_alloc(((size_t)e->slot_end + 1) * sizeof *known) : NULL;
    if (known)
        memset(known, 0xff, ((size_t)e->slot_end + 1) * sizeof *known);
    for (size_t i = 0; i < e->count; i++)
        of[i] = partition_find(e, store_partition_of(s, sat_mul(time_of(e, (uint32_t)i), NS_MS)),
                               known ? class_of(e, (uint32_t)i, of_rollup, known) : 0);
    mem_free(known);
}

/* Groups row numbers by partition, in row order inside each. */
static void partition_rows(struct encode *e)
{
    struct store *s = e->rows->state->store;
    uint32_t *of = mem_alloc((e->count + 1) * sizeof *of);
    int64_t min = INT64_MAX, max = INT64_MIN;
    for (size_t i = 0; i < e->count; i += ROWS_BLOCK) {
        const struct raw_rows_block *b = e->blocks[i / ROWS_BLOCK];
        min = MIN(min, b->min_t_ms);
        max = MAX(max, b->max_t_ms);
    }
    bool has_rollups = store_rollup_class(s, ROLLUP_5M) || store_rollup_class(s, ROLLUP_1H);
    bool is_one = !has_rollups && e->count > 0 && store_partition_of(s, sat_mul(min, NS_MS)) == store_partition_of(s, sat_mul(max, NS_MS));
    if (is_one) {
        partition_find(e, store_partition_of(s, sat_mul(min, NS_MS)), 0);
        memset(of, 0, e->count * sizeof *of);
    } else {
        find_targets(e, of);
    }
    size_t *at = mem_zalloc((e->partition_count + 1) * sizeof *at);
    for (size_t i = 0; i < e->count; i++)
        at[of[i] + 1]++;
    for (size_t p = 0; p < e->partition_count; p++)
        at[p + 1] += at[p];
    e->by_partition = mem_alloc((e->count + 1) * sizeof *e->by_partition);
    for (size_t i = 0; i < e->count; i++)
        e->by_partition[at[of[i]]++] = (uint32_t)i;
    e->partition_end = at; /* each moved on to where the next begins */
    mem_free(of);
}

static int places_cmp(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->t_ms != y->t_ms)
        return x->t_ms < y->t_ms ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Sorts by time, drops what a later row or a tombstone overrules; fills t and v. */
static size_t series_samples(struct encode *e, const struct series *s, struct place *list, size_t n, int64_t *t, double *v)
{
    bool is_sorted = true;
    for (size_t i = 1; i < n && is_sorted; i++)
        is_sorted = list[i - 1].t_ms < list[i].t_ms;
    if (!is_sorted)
        qsort(list, n, sizeof *list, places_cmp);
    const struct dead_range *dead = NULL;
    size_t dead_count = dead_of(e->dead, series_tenant(s), series_labels(s), &dead), kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && list[i].t_ms == list[i + 1].t_ms)
            continue;
        const struct raw_rows_block *b = block_of(e, list[i].row);
        size_t at = list[i].row % ROWS_BLOCK;
        bool is_dead = false;
        for (size_t d = 0; d < dead_count; d++)
            is_dead |= dead_hits_row(&dead[d], sat_mul(list[i].t_ms, NS_MS), e->rows->lsn_base + raw_row_lsn(b, at));
        if (is_dead)
            continue;
        t[kept] = list[i].t_ms;
        v[kept++] = b->v[at];
    }
    return kept;
}

/* The places of a series' rows; those of the next series are asked for ahead, as each is a cache miss. */
static void places_of(const struct encode *e, const uint32_t *order, size_t n, size_t ahead, struct place *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (struct place){ time_of(e, order[i]), order[i] };
    for (size_t i = n; i < n + ahead; i++) {
        const struct raw_rows_block *b = block_of(e, order[i]);
        __builtin_prefetch(&b->t_offset[order[i] % ROWS_BLOCK]);
        __builtin_prefetch(&b->v[order[i] % ROWS_BLOCK]);
    }
}

/* Feeds the rows of one partition to a builder. Beside the rows it takes four bytes a row. */
static enum status feed(struct encode *e, const uint32_t *rows, size_t n, struct build *b, struct err *err)
{
    struct series_dict *dict = e->rows->state->dict;
    uint32_t *slots = mem_alloc((n + 1) * sizeof *slots);
    size_t slot_count = 0, most = 0;
    for (size_t i = 0; i < n; i++)
        if (e->slot_count[slot_of(e, rows[i])]++ == 0)
            slots[slot_count++] = slot_of(e, rows[i]);
    series_sort(dict, slots, slot_count);
    size_t *starts = mem_alloc((slot_count + 1) * sizeof *starts), total = 0;
    for (size_t i = 0; i < slot_count; i++) {
        size_t count = e->slot_count[slots[i]];
        starts[i] = total;
        e->slot_count[slots[i]] = (uint32_t)total; /* from here on: where its next row goes */
        total += count;
        most = MAX(most, count);
    }
    starts[slot_count] = total;
    uint32_t *order = mem_alloc((n + 1) * sizeof *order); /* rows by series */
    for (size_t i = 0; i < n; i++)
        order[e->slot_count[slot_of(e, rows[i])]++] = rows[i];
    struct place *places = mem_alloc((most + 1) * sizeof *places);
    int64_t *t = mem_alloc((most + 1) * sizeof *t);
    double *v = mem_alloc((most + 1) * sizeof *v);
    enum status st = ST_OK;
    for (size_t i = 0; i < slot_count && st == ST_OK; i++) {
        const struct series *s = series_at(dict, slots[i]);
        size_t count = starts[i + 1] - starts[i], next = i + 1 < slot_count ? starts[i + 2] - starts[i + 1] : 0;
        places_of(e, order + starts[i], count, MIN(next, (size_t)PREFETCH_ROWS_MAX), places);
        size_t kept = series_samples(e, s, places, count, t, v);
        if (kept > 0) {
            build_series(b, series_tenant(s), series_labels(s));
            st = build_samples(b, t, v, kept, err);
        }
    }
    for (size_t i = 0; i < slot_count; i++)
        e->slot_count[slots[i]] = 0;
    mem_free(slots);
    mem_free(starts);
    mem_free(order);
    mem_free(places);
    mem_free(t);
    mem_free(v);
    return st;
}

static enum status encode_partition(struct encode *e, struct target to, const uint32_t *rows, size_t n, bool with_metadata,
                                    struct part_sink *sink, struct err *err)
{
    struct rows *r = e->rows;
    struct part_writer *w;
    enum status st = part_sink_begin(sink, to.first_ns, to.class, &w, err);
    if (st)
        return st;
    struct build *b = build_new(r->state, w);
    struct buf meta, none;
    buf_init(&meta, PART_META_BYTES_MAX);
    buf_init(&none, 0);
    buf_varint(&none, 0);
    st = feed(e, rows, n, b, err);
    if (st == ST_OK)
        st = build_end(b, dead_id(e->dead), r->lsn_base, r->lsn_last, to.first_ns, buf_as_slice(with_metadata ? &e->about : &none), &meta, err);
    if (st == ST_OK)
        st = part_sink_end(sink, w, buf_as_slice(&meta), err);
    build_free(b);
    buf_free(&meta);
    buf_free(&none);
    return st;
}

static enum status encode_all(struct encode *e, struct part_sink *sink, struct err *err)
{
    /* Metadata goes with the newest day, which lives longest. */
    size_t newest = 0;
    for (size_t p = 1; p < e->partition_count; p++)
        if (e->partitions[p].class == 0 && e->partitions[p].first_ns > e->partitions[newest].first_ns)
            newest = p;
    enum status st = ST_OK;
    for (size_t p = 0, from = 0; p < e->partition_count && st == ST_OK; from = e->partition_end[p++])
        st = encode_partition(e, e->partitions[p], e->by_partition + from, e->partition_end[p] - from, p == newest, sink, err);
    struct target today = { store_partition_of(e->rows->state->store, MAX(e->rows->received_ns, (int64_t)0)), 0 };
    if (st == ST_OK && e->partition_count == 0 && e->rows->metadata_count > 0)
        st = encode_partition(e, today, NULL, 0, true, sink, err);
    return st;
}

enum status build_from_rows(void *mem, struct part_sink *sink, struct err *err)
{
    struct rows *r = mem;
    struct encode e = { .rows = r, .count = atomic_load_explicit(&r->count, memory_order_acquire) };
    struct store_view *view = store_view_take(r->state->store, KIND_METRICS, INT64_MAX - 1, INT64_MAX);
    e.dead = dead_new(view->dead);
    e.blocks = mem_alloc((e.count / ROWS_BLOCK + 1) * sizeof(struct raw_rows_block *));
    struct raw_rows_block *b = r->first;
    for (size_t i = 0; i < e.count; i += ROWS_BLOCK, b = b->next)
        e.blocks[i / ROWS_BLOCK] = b;
    e.slot_end = series_slot_end(r->state->dict);
    e.slot_count = mem_zalloc(((size_t)e.slot_end + 1) * sizeof *e.slot_count);
    buf_init(&e.about, PART_META_BYTES_MAX);
    metadata_write_entries(r->state->metadata, r->metadata, r->metadata_count, &e.about);
    partition_rows(&e);
    enum status st = encode_all(&e, sink, err);
    store_view_drop(view);
    dead_free(e.dead);
    buf_free(&e.about);
    mem_free(e.blocks);
    mem_free(e.slot_count);
    mem_free(e.by_partition);
    mem_free(e.partitions);
    mem_free(e.partition_end);
    return st;
}
