/* SPDX-License-Identifier: Apache-2.0 */
/* Merges parts tenant by tenant and kind by kind. evmergeplan.c says which blocks are copied as they are and which are merged row by row:
 * by a heap of sources, runs of blocks whose rows are in evrow_cmp order, each holding the columns of one block and some of its
 * rows put together, since rows take several times the memory of their columns and there may be dozens of parts. Rows that are
 * used up belong to the writer from then on, and a block behind its last ones, which frees them when the rows that point into
 * them are written.
 *
 * (1) A tombstone deletes only rows with a lower LSN, so it is applied to each input row, before rows mix.
 * (2) Rows with equal seq are one row; they are neighbours, because all of the sort key is theirs. */
#include "events/evmerge.h"

#include "events/evmem.h"
#include "events/evmergeplan.h"
#include "events/evread.h"
#include "events/evtomb.h"
#include "events/evwrite.h"

enum { STOP_CHECK_ROWS = 1024, LOADED_ROWS_MAX = 1024 };

struct loaded { /* some rows of a block, in order */
    struct evread *x; /* when they are the last of it, else NULL */
    struct arena *arena;
    struct event *rows;
    size_t count;
};

struct source {
    const struct part *p;
    const struct evdir *d;
    const struct evmerge_block *const *blocks; /* in order */
    size_t block_count, next_block, next_row, at;
    const struct evdir_block *block;
    struct evread *x; /* of block; NULL: none is open, or it belongs to the rows */
    bool is_touched;
    struct loaded *now;
    struct slice tenant;
};

struct merge {
    struct source **heap;
    size_t heap_count;
    struct evtombs tombs;
    struct evwrite *out;
};

static void loaded_free(void *arg)
{
    struct loaded *l = arg;
    if (l == NULL)
        return;
    evread_free(l->x);
    arena_free(l->arena);
    mem_free(l);
}

static bool block_is_touched(const struct evtombs *tombs, const struct evdir *d, const struct evdir_block *b)
{
    for (size_t i = 0; i < tombs->count; i++)
        if (evtomb_may_touch(&tombs->list[i], d->tenants[b->tenant], b->min_ns, b->max_ns, b->min_lsn))
            return true;
    return false;
}

static enum status open_block(struct merge *m, struct source *s, struct err *err)
{
    s->block = s->blocks[s->next_block++]->b;
    s->next_row = 0;
    s->x = evread_new(s->p, s->d, s->block, NULL);
    s->is_touched = block_is_touched(&m->tombs, s->d, s->block);
    s->tenant = s->d->tenants[s->block->tenant];
    return evread_load(s->x, WANT_ALL, err);
}

/* Loads the next rows that are left; s->now NULL at the end. */
static enum status load_next(struct merge *m, struct source *s, struct err *err)
{
    s->now = NULL;
    s->at = 0;
    while (s->x || s->next_block < s->block_count) {
        enum status st = s->x ? ST_OK : open_block(m, s, err);
        if (st)
            return st;
        size_t n = MIN((size_t)LOADED_ROWS_MAX, s->block->rows - s->next_row);
        struct loaded *l = mem_new(struct loaded);
        l->arena = arena_new(0);
        l->rows = arena_array(l->arena, struct event, n + 1);
        for (size_t end = s->next_row + n; s->next_row < end; s->next_row++) {
            evread_row(s->x, s->next_row, WANT_ALL, l->arena, &l->rows[l->count]);
            l->count += !s->is_touched || !evtombs_dead(&m->tombs, s->tenant, &l->rows[l->count]);
        }
        if (s->next_row == s->block->rows) {
            l->x = s->x;
            s->x = NULL;
        }
        if (l->count) {
            s->now = l;
            return ST_OK;
        }
        if (l->x)
            evwrite_retire(m->out, loaded_free, l); /* rows before may point into it */
        else
            loaded_free(l);
    }
    return ST_OK;
}

static bool is_before(const struct source *a, const struct source *b)
{
    return evrow_cmp(a->tenant, &a->now->rows[a->at], b->tenant, &b->now->rows[b->at]) < 0;
}

static void heap_down(struct merge *m, size_t i)
{
    for (;;) {
        size_t best = i;
        for (size_t kid = 2 * i + 1; kid <= 2 * i + 2 && kid < m->heap_count; kid++)
            if (is_before(m->heap[kid], m->heap[best]))
                best = kid;
        if (best == i)
            return;
        struct source *t = m->heap[i];
        m->heap[i] = m->heap[best];
        m->heap[best] = t;
        i = best;
    }
}

static enum status merge_rows(struct merge *m, const atomic_bool *stop, struct err *err)
{
    uint64_t last_seq = 0, steps = 0;
    int64_t last_ns = 0;
    bool has_last = false;
    while (m->heap_count) {
        struct source *s = m->heap[0];
        const struct event *row = &s->now->rows[s->at];
        if (++steps % STOP_CHECK_ROWS == 0 && stop && atomic_load(stop))
            return err_set(err, ST_CANCELLED, "merge of events: stopped");
        if (!has_last || row->seq != last_seq || row->time_ns != last_ns) {
            enum status st = evwrite_add(m->out, s->tenant, row, err);
            if (st)
                return st;
        }
        has_last = true;
        last_seq = row->seq;
        last_ns = row->time_ns;
        if (++s->at == s->now->count) {
            evwrite_retire(m->out, loaded_free, s->now);
            enum status st = load_next(m, s, err);
            if (st)
                return st;
            if (s->now == NULL)
                m->heap[0] = m->heap[--m->heap_count];
        }
        heap_down(m, 0);
    }
    return ST_OK;
}

/* The sources of a step that merges. */
static enum status merge_step(struct merge *m, const struct evmerge_step *step, const atomic_bool *stop, struct err *err)
{
    struct arena *a = arena_new(0);
    struct source *sources = arena_zalloc(a, (step->run_count + 1) * sizeof *sources);
    m->heap = arena_array(a, struct source *, step->run_count + 1);
    m->heap_count = 0;
    enum status st = evwrite_expect(m->out, step->is_even ? step->rows : 0, err);
    for (size_t i = 0; st == ST_OK && i < step->run_count; i++) {
        const struct evmerge_run *run = &step->runs[i];
        sources[i] = (struct source){ .p = run->blocks[0]->p, .d = run->blocks[0]->d, .blocks = run->blocks, .block_count = run->count };
        st = load_next(m, &sources[i], err);
        if (sources[i].now)
            m->heap[m->heap_count++] = &sources[i];
    }
    for (size_t i = m->heap_count; i-- > 0;)
        heap_down(m, i);
    if (st == ST_OK)
        st = merge_rows(m, stop, err);
    for (size_t i = 0; i < step->run_count; i++) {
        loaded_free(sources[i].now);
        evread_free(sources[i].x);
    }
    arena_free(a);
    return st;
}

static enum status copy_step(struct merge *m, const struct evmerge_block *b, const atomic_bool *stop, struct err *err)
{
    if (stop && atomic_load(stop))
        return err_set(err, ST_CANCELLED, "merge of events: stopped");
    return evwrite_copy(m->out, b->p, b->d, b->b, err);
}

enum status evmerge_parts(const struct part *const *parts, size_t count, struct tombstones dead, struct part_writer *out, struct buf *meta,
                          const atomic_bool *stop, struct err *err)
{
    struct arena *a = arena_new(0);
    struct merge m = { .heap = NULL };
    struct evmerge_plan plan;
    enum status st = ST_OK;
    m.tombs = evtombs_compile(dead, a, NULL);
    m.out = evwrite_new(out);
    struct evmerge_block *blocks = evmergeplan_blocks(parts, count, a, &plan);
    for (size_t i = 0; i < plan.block_count; i++)
        blocks[i].is_touched = block_is_touched(&m.tombs, blocks[i].d, blocks[i].b);
    evmergeplan_make(&plan, a);
    for (size_t i = 0; st == ST_OK && i < plan.step_count; i++)
        st = plan.steps[i].copied ? copy_step(&m, plan.steps[i].copied, stop, err) : merge_step(&m, &plan.steps[i], stop, err);
    if (st == ST_OK)
        st = evwrite_end(m.out, meta, err);
    evwrite_free(m.out);
    evtombs_free(&m.tombs);
    arena_free(a);
    return st;
}
