/* SPDX-License-Identifier: Apache-2.0 */
/* Rows stand in arrival order, so a query looks at all of them: one pass picks those of its series by a bit set, a second
 * puts them together by series. Blocks that lie outside the window are skipped by their times. */
#include "metrics/gather.h"

#include <stdlib.h>

struct bits {
    uint64_t *words;
    uint32_t end;
};

static struct bits bits_of(const roaring_bitmap_t *slots, struct arena *a)
{
    uint32_t end = roaring_bitmap_is_empty(slots) ? 0 : roaring_bitmap_maximum(slots) + 1;
    struct bits b = { arena_zalloc(a, ((size_t)end / 64 + 1) * sizeof(uint64_t)), end };
    uint32_t n = (uint32_t)roaring_bitmap_get_cardinality(slots), *list = arena_array(a, uint32_t, (size_t)n + 1);
    roaring_bitmap_to_uint32_array(slots, list);
    for (uint32_t i = 0; i < n; i++)
        b.words[list[i] / 64] |= (uint64_t)1 << list[i] % 64;
    return b;
}

static bool block_is_outside(const struct raw_rows_block *b, size_t n, int64_t start_ms, int64_t end_ms)
{
    return n == ROWS_BLOCK && (b->max_t_ms <= start_ms || b->min_t_ms > end_ms);
}

struct pick {
    uint32_t slot, at;
    const struct raw_rows_block *block;
};

struct picks {
    struct pick *list;
    size_t count, cap;
};

static void block_pick(const struct raw_rows_block *b, size_t n, const struct bits *bits, int64_t start_ms, int64_t end_ms, struct picks *to)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t slot = b->slot[i];
        if (slot >= bits->end || !(bits->words[slot / 64] >> slot % 64 & 1) || raw_row_t_ms(b, i) <= start_ms || raw_row_t_ms(b, i) > end_ms)
            continue;
        if (to->count == to->cap) {
            to->cap = to->cap ? to->cap * 2 : 1024;
            to->list = mem_realloc(to->list, to->cap * sizeof *to->list);
        }
        to->list[to->count++] = (struct pick){ slot, (uint32_t)i, b };
    }
}

struct row_of_series {
    int64_t t_ms;
    double v;
    uint64_t lsn;
    size_t place;
};

static int raw_rows_cmp(const void *a, const void *b)
{
    const struct row_of_series *x = a, *y = b;
    if (x->t_ms != y->t_ms)
        return x->t_ms < y->t_ms ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* Sorts the samples of a series by time and lets the later row win; returns how many are left. */
static size_t series_tidy(struct gathered *g, size_t from, size_t n)
{
    bool is_sorted = true;
    for (size_t i = from + 1; i < from + n && is_sorted; i++)
        is_sorted = g->t_ms[i - 1] < g->t_ms[i];
    if (is_sorted)
        return n;
    struct row_of_series *list = mem_alloc(n * sizeof *list);
    for (size_t i = 0; i < n; i++)
        list[i] = (struct row_of_series){ g->t_ms[from + i], g->v[from + i], g->lsn[from + i], i };
    qsort(list, n, sizeof *list, raw_rows_cmp);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && list[i].t_ms == list[i + 1].t_ms)
            continue;
        g->t_ms[from + kept] = list[i].t_ms;
        g->v[from + kept] = list[i].v;
        g->lsn[from + kept++] = list[i].lsn;
    }
    mem_free(list);
    return kept;
}

/* Tidies every series and moves them together. */
static void all_tidy(struct gathered *g)
{
    size_t to = 0;
    for (size_t i = 0; i < g->count; i++) {
        size_t from = g->starts[i], n = series_tidy(g, from, g->starts[i + 1] - from);
        memmove(g->t_ms + to, g->t_ms + from, n * sizeof *g->t_ms);
        memmove(g->v + to, g->v + from, n * sizeof *g->v);
        memmove(g->lsn + to, g->lsn + from, n * sizeof *g->lsn);
        g->starts[i] = to;
        to += n;
    }
    g->starts[g->count] = to;
}

static void place_all(const struct rows *r, const struct picks *p, uint32_t slot_end, struct arena *a, struct gathered *g)
{
    uint32_t *count = mem_zalloc(((size_t)slot_end + 1) * sizeof *count);
    g->slots = arena_array(a, uint32_t, MIN(p->count, (size_t)slot_end) + 1);
    for (size_t i = 0; i < p->count; i++)
        if (count[p->list[i].slot]++ == 0)
            g->slots[g->count++] = p->list[i].slot;
    series_sort(r->state->dict, g->slots, g->count);
    g->starts = arena_array(a, size_t, g->count + 1);
    g->t_ms = arena_array(a, int64_t, p->count);
    g->v = arena_array(a, double, p->count);
    g->lsn = arena_array(a, uint64_t, p->count);
    size_t total = 0;
    for (size_t i = 0; i < g->count; i++) {
        g->starts[i] = total;
        uint32_t n = count[g->slots[i]];
        count[g->slots[i]] = (uint32_t)total; /* from here on: where its next sample goes */
        total += n;
    }
    g->starts[g->count] = total;
    for (size_t i = 0; i < p->count; i++) {
        const struct pick *k = &p->list[i];
        uint32_t at = count[k->slot]++;
        g->t_ms[at] = raw_row_t_ms(k->block, k->at);
        g->v[at] = k->block->v[k->at];
        g->lsn[at] = r->lsn_base + raw_row_lsn(k->block, k->at);
    }
    mem_free(count);
    all_tidy(g);
}

void gather_rows(const struct rows *r, uint64_t limit, const roaring_bitmap_t *slots, int64_t start_ms, int64_t end_ms, struct arena *a,
                 struct gathered *out)
{
    *out = (struct gathered){ 0 };
    struct picks picks = { 0 };
    struct bits bits = bits_of(slots, a);
    const struct raw_rows_block *b = r->first;
    for (uint64_t from = 0; from < limit; from += ROWS_BLOCK) {
        size_t n = MIN(limit - from, (uint64_t)ROWS_BLOCK);
        if (!block_is_outside(b, n, start_ms, end_ms))
            block_pick(b, n, &bits, start_ms, end_ms, &picks);
        if (n == ROWS_BLOCK && from + n < limit)
            b = b->next;
    }
    if (picks.count > 0)
        place_all(r, &picks, bits.end, a, out);
    mem_free(picks.list);
}

roaring_bitmap_t *gather_slots(const struct rows *r, uint64_t limit, int64_t start_ms, int64_t end_ms)
{
    roaring_bitmap_t *out = roaring_bitmap_create();
    const struct raw_rows_block *b = r->first;
    for (uint64_t from = 0; from < limit; from += ROWS_BLOCK) {
        size_t n = MIN(limit - from, (uint64_t)ROWS_BLOCK);
        if (!block_is_outside(b, n, start_ms, end_ms))
            for (size_t i = 0; i < n; i++)
                if (raw_row_t_ms(b, i) > start_ms && raw_row_t_ms(b, i) <= end_ms)
                    roaring_bitmap_add(out, b->slot[i]);
        if (n == ROWS_BLOCK && from + n < limit)
            b = b->next;
    }
    return out;
}
