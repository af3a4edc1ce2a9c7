/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in order, from many sources: a heap of cursors, one a table in memory and one a block that was opened.
 *
 * Blocks wait in the order of the first time they may have, and one is opened only when it may hold the next row. So
 * newest-first with a limit opens the newest blocks and stops. An opened block is filtered at once and keeps its hits
 * (time, seq, row), sorted; other columns are read when its first row is given.
 *
 * (1) What next() returns points into blocks and tables; nothing is freed or released before the next call.
 * (2) Blocks hold at most OPEN_BYTES_MAX together, beyond one call: then they forget columns and read them again (the
 *     store's cache helps).
 * (3) A row with the time and seq of the row before it is the same row and is not given again, where seqs are read: with an order by
 *     them, or when they are wanted.
 * (4) Who reads in order may have enough soon: the first call gives few rows, each further one twice as many, so that no blocks are
 *     opened for nothing. */
#include "events/evcount.h"
#include "events/events.h"
#include "events/evlot.h"
#include "events/evscope.h"

enum { BATCH_ROWS_FIRST = 32, BATCH_ROWS_MAX_OUT = 1024, SPARSE_ROWS = 16 /* of which one is wanted, or fewer */, OPEN_BYTES_MAX = 64 * MIB };

struct hit {
    int64_t time_ns;
    uint64_t seq;
    union {
        uint32_t row;             /* of a block */
        const struct evrow *mem;  /* of a table */
    };
};

struct cursor {
    struct evread *x; /* NULL: a table in memory */
    struct slice tenant;
    struct hit *hits;
    size_t at, count;
    bool is_loaded, is_sparse; /* few of the block's rows: their bodies are made one by one */
    struct cursor *next_retired;
};

struct waiting {
    struct evplan *plan;
    const struct evdir_block *b;
    int64_t bound_ns; /* no row comes before, in order */
};

struct scan {
    struct events_iter it;
    struct evscope *sc;
    struct events_query q;
    bool is_desc, is_ordered;
    struct waiting *waiting;
    size_t waiting_count, waiting_at;
    struct cursor **heap;
    size_t heap_count, heap_cap, open_bytes, batch;
    struct cursor *retired;
    struct arena *rows_arena;
    struct event *rows;
    uint8_t *sel;
    uint64_t given, last_seq;
    int64_t last_time_ns;
};

/* ---- order ---- */

static int hit_cmp(const struct scan *s, const struct hit *a, const struct hit *b)
{
    int c = a->time_ns != b->time_ns ? (a->time_ns < b->time_ns ? -1 : 1) : (a->seq > b->seq) - (a->seq < b->seq);
    return s->is_desc ? -c : c;
}

static bool is_behind_cursor(const struct scan *s, int64_t time_ns, uint64_t seq)
{
    struct hit here = { .time_ns = time_ns, .seq = seq };
    struct hit mark = { .time_ns = s->q.cursor_time_ns, .seq = s->q.cursor_seq };
    return !s->q.has_cursor || hit_cmp(s, &here, &mark) > 0;
}

/* Merges hits[from..mid) and hits[mid..to), both in order, by way of room. */
static void merge_runs(const struct scan *s, struct hit *hits, size_t from, size_t mid, size_t to, struct hit *room)
{
    size_t a = from, b = mid, n = 0;
    while (a < mid && b < to)
        room[n++] = hit_cmp(s, &hits[b], &hits[a]) < 0 ? hits[b++] : hits[a++];
    while (a < mid)
        room[n++] = hits[a++];
    while (b < to)
        room[n++] = hits[b++];
    memcpy(hits + from, room, n * sizeof *hits);
}

/* Rows of a block come in a few ascending runs, so that sorting is merging what is there. */
static void sort_hits(const struct scan *s, struct hit *hits, size_t n)
{
    for (size_t i = 0; s->is_desc && i < n / 2; i++) {
        struct hit t = hits[i];
        hits[i] = hits[n - 1 - i];
        hits[n - 1 - i] = t;
    }
    size_t *starts = mem_alloc((n + 2) * sizeof *starts), runs = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || hit_cmp(s, &hits[i - 1], &hits[i]) > 0)
            starts[runs++] = i;
    starts[runs] = n;
    struct hit *room = runs > 1 ? mem_alloc(n * sizeof *room) : NULL;
    while (runs > 1) {
        size_t kept = 0;
        for (size_t r = 0; r < runs; r += 2) {
            if (r + 1 < runs)
                merge_runs(s, hits, starts[r], starts[r + 1], starts[r + 2], room);
            starts[kept++] = starts[r];
        }
        starts[kept] = n;
        runs = kept;
    }
    mem_free(room);
    mem_free(starts);
}

/* ---- heap ---- */

static const struct hit *head_of(const struct cursor *c)
{
    return &c->hits[c->at];
}

static void heap_down(struct scan *s, size_t i)
{
    for (;;) {
        size_t best = i;
        for (size_t kid = 2 * i + 1; kid <= 2 * i + 2 && kid < s->heap_count; kid++)
            if (hit_cmp(s, head_of(s->heap[kid]), head_of(s->heap[best])) < 0)
                best = kid;
        if (best == i)
            return;
        struct cursor *t = s->heap[i];
        s->heap[i] = s->heap[best];
        s->heap[best] = t;
        i = best;
    }
}

static void heap_add(struct scan *s, struct cursor *c)
{
    if (s->heap_count == s->heap_cap) {
        s->heap_cap = s->heap_cap ? s->heap_cap * 2 : 16;
        s->heap = mem_realloc(s->heap, s->heap_cap * sizeof *s->heap);
    }
    size_t i = s->heap_count++;
    s->heap[i] = c;
    while (i && hit_cmp(s, head_of(s->heap[i]), head_of(s->heap[(i - 1) / 2])) < 0) {
        struct cursor *t = s->heap[i];
        s->heap[i] = s->heap[(i - 1) / 2];
        s->heap[(i - 1) / 2] = t;
        i = (i - 1) / 2;
    }
}

static void cursor_free(struct cursor *c)
{
    evread_free(c->x);
    mem_free(c->hits);
    mem_free(c);
}

/* The top cursor is done; it is freed at the next call (1). */
static void heap_retire_top(struct scan *s)
{
    struct cursor *c = s->heap[0];
    s->heap[0] = s->heap[--s->heap_count];
    heap_down(s, 0);
    c->next_retired = s->retired;
    s->retired = c;
}

static void free_retired(struct scan *s)
{
    for (struct cursor *c = s->retired, *next; c; c = next) {
        next = c->next_retired;
        if (c->x)
            s->open_bytes -= MIN(s->open_bytes, evread_bytes(c->x));
        cursor_free(c);
    }
    s->retired = NULL;
}

/* ---- sources ---- */

/* Takes hits. Only the first few matter when there is a limit. */
static void add_cursor(struct scan *s, struct evread *x, struct slice tenant, struct hit *hits, size_t count)
{
    if (count == 0) {
        mem_free(hits);
        evread_free(x);
        return;
    }
    if (s->is_ordered)
        sort_hits(s, hits, count);
    if (s->q.limit)
        count = MIN(count, s->q.limit - (size_t)s->given);
    struct cursor *c = mem_new(struct cursor);
    c->x = x;
    c->tenant = tenant;
    c->hits = hits;
    c->count = count;
    c->is_sparse = x && count < evread_block(x)->rows / SPARSE_ROWS;
    heap_add(s, c);
}

static void open_mem(struct scan *s, const struct evmem *m)
{
    struct evmem_walk w = evmem_walk(m);
    struct hit *hits = NULL;
    size_t count = 0, cap = 0;
    for (const struct evrow *row; (row = evmem_next(&w)) != NULL;) {
        s->sc->ctx->rows_read++;
        if (!evscope_has_row(s->sc, row) || !is_behind_cursor(s, row->e.time_ns, row->e.seq))
            continue;
        if (count == cap) {
            cap = cap ? cap * 2 : 64;
            hits = mem_realloc(hits, cap * sizeof *hits);
        }
        hits[count++] = (struct hit){ .time_ns = row->e.time_ns, .seq = row->e.seq, .mem = row };
    }
    add_cursor(s, NULL, SLICE_EMPTY, hits, count);
}

static void want_rows(struct scan *s, struct evread *x, size_t selected)
{
    uint32_t *rows = arena_array(s->rows_arena, uint32_t, selected + 1);
    size_t n = 0;
    for (size_t r = 0; n < selected; r++)
        if (s->sel[r])
            rows[n++] = (uint32_t)r;
    evread_only_rows(x, rows, n);
}

static enum status open_block(struct scan *s, const struct waiting *w, struct err *err)
{
    struct evread *x;
    size_t selected, count = 0;
    const int64_t *times;
    const uint64_t *seqs = NULL;
    enum status st = evscope_select(s->sc, w->plan, w->b, &x, s->sel, &selected, err);
    if (st || x == NULL)
        return st;
    evread_only(x, s->q.field_names, s->q.field_name_count);
    if (s->q.lot_filter)
        st = evlot_filter(s->sc, w->plan, x, s->q.lot_filter, s->sel, &selected, err);
    if (st == ST_OK && selected == 0) {
        evread_free(x);
        return ST_OK;
    }
    if (selected < w->b->rows / SPARSE_ROWS)
        want_rows(s, x, selected);
    if (st == ST_OK)
        st = evread_row_ints(x, EVCOL_TIME, &times, err);
    if (st == ST_OK && s->q.want & WANT_SEQ)
        st = evread_seqs(x, &seqs, err);
    if (st) {
        evread_free(x);
        return evscope_skip(s->sc, st, err);
    }
    struct hit *hits = mem_alloc(selected * sizeof *hits);
    for (size_t r = 0; r < w->b->rows; r++) {
        uint64_t seq = s->sel[r] && seqs ? seqs[r] : 0;
        if (s->sel[r] && is_behind_cursor(s, times[r], seq))
            hits[count++] = (struct hit){ .time_ns = times[r], .seq = seq, .row = (uint32_t)r };
    }
    if (s->open_bytes + evread_bytes(x) > OPEN_BYTES_MAX)
        evread_release(x);
    s->open_bytes += count ? evread_bytes(x) : 0;
    add_cursor(s, x, evplan_dir(w->plan)->tenants[w->b->tenant], hits, count);
    return ST_OK;
}

static int waiting_cmp(const struct scan *s, const struct waiting *a, const struct waiting *b)
{
    int c = (a->bound_ns > b->bound_ns) - (a->bound_ns < b->bound_ns);
    return s->is_desc ? -c : c;
}

static void sort_waiting(struct scan *s)
{
    /* Heap sort: in place, and it can see the scan. */
    struct waiting *v = s->waiting;
    size_t n = s->waiting_count;
    for (size_t start = n / 2, end = n; end > 1;) {
        if (start)
            start--;
        else {
            struct waiting t = v[--end];
            v[end] = v[0];
            v[0] = t;
        }
        for (size_t root = start, kid; (kid = 2 * root + 1) < end; root = kid) {
            if (kid + 1 < end && waiting_cmp(s, &v[kid], &v[kid + 1]) < 0)
                kid++;
            if (waiting_cmp(s, &v[root], &v[kid]) >= 0)
                break;
            struct waiting t = v[root];
            v[root] = v[kid];
            v[kid] = t;
        }
    }
}

static void list_blocks(struct scan *s)
{
    size_t cap = 0;
    for (size_t i = 0; i < s->sc->view->part_count; i++) {
        struct evplan *plan = s->sc->plans[i];
        for (size_t k = 0; plan && k < evplan_dir(plan)->block_count; k++) {
            const struct evdir_block *b = &evplan_dir(plan)->blocks[k];
            if (evscope_has_block(s->sc, evplan_dir(plan), b) && evplan_judge(plan, b, NULL) != EVPLAN_FALSE)
                ARENA_PUSH(s->sc->arena, s->waiting, s->waiting_count, cap) =
                    (struct waiting){ plan, b, s->is_desc ? b->max_ns : b->min_ns };
        }
    }
    if (s->is_ordered)
        sort_waiting(s);
}

/* Opens what may hold the next row. */
static enum status open_due(struct scan *s, struct err *err)
{
    enum status st = ST_OK;
    while (st == ST_OK && s->waiting_at < s->waiting_count) {
        const struct waiting *w = &s->waiting[s->waiting_at];
        if (s->heap_count) {
            int64_t top_ns = head_of(s->heap[0])->time_ns;
            bool is_later = s->is_desc ? w->bound_ns < top_ns : w->bound_ns > top_ns;
            if (!s->is_ordered || is_later)
                return ST_OK;
        }
        s->waiting_at++;
        st = open_block(s, w, err);
    }
    return st;
}

/* ---- rows out ---- */

static void release_some(struct scan *s)
{
    s->open_bytes = 0;
    for (size_t i = 0; i < s->heap_count; i++)
        s->open_bytes += s->heap[i]->x ? evread_bytes(s->heap[i]->x) : 0;
    for (size_t i = 0; s->open_bytes > OPEN_BYTES_MAX && i < s->heap_count; i++) {
        struct cursor *c = s->heap[i];
        if (c->x == NULL)
            continue;
        s->open_bytes -= evread_bytes(c->x);
        evread_release(c->x);
        c->is_loaded = false;
    }
}

static void want_hits(struct scan *s, const struct cursor *c)
{
    uint32_t *rows = arena_array(s->rows_arena, uint32_t, c->count + 1);
    for (size_t i = 0; i < c->count; i++)
        rows[i] = c->hits[i].row;
    evread_only_rows(c->x, rows, c->count);
}

/* *out NULL: the block turned out corrupt, and its other rows are dropped. */
static enum status give_row(struct scan *s, struct cursor *c, struct event *to, bool *is_given, struct err *err)
{
    unsigned want = c->is_sparse ? s->q.want & ~(unsigned)WANT_BODY : s->q.want;
    *is_given = true;
    if (c->x == NULL) {
        *to = head_of(c)->mem->e;
        return ST_OK;
    }
    if (!c->is_loaded) {
        size_t before = evread_bytes(c->x);
        if (c->is_sparse)
            want_hits(s, c);
        enum status st = evread_load(c->x, want, err);
        s->open_bytes += evread_bytes(c->x) - before;
        if (st) {
            *is_given = false;
            c->at = c->count - 1;
            return evscope_skip(s->sc, st, err);
        }
        c->is_loaded = true;
    }
    evread_row(c->x, head_of(c)->row, want, s->rows_arena, to);
    enum status st = want != s->q.want ? evread_body(c->x, head_of(c)->row, s->rows_arena, &to->body, err) : ST_OK;
    if (st) {
        *is_given = false;
        c->at = c->count - 1;
    }
    return evscope_skip(s->sc, st, err);
}

static struct slice tenant_of(const struct cursor *c)
{
    return c->x ? c->tenant : head_of(c)->mem->tenant;
}

static enum status scan_next(struct events_iter *it, struct event_block *out, struct err *err)
{
    struct scan *s = (struct scan *)it;
    size_t n = 0;
    free_retired(s);
    release_some(s);
    arena_reset(s->rows_arena);
    enum status st = engine_ctx_check(s->sc->ctx, err);
    *out = (struct event_block){ .tenant = SLICE_EMPTY, .rows = s->rows };
    while (st == ST_OK && n < s->batch && (s->q.limit == 0 || s->given < s->q.limit)) {
        st = open_due(s, err);
        if (st || s->heap_count == 0 || (n && s->open_bytes > 2 * OPEN_BYTES_MAX))
            break;
        struct cursor *c = s->heap[0];
        struct slice tenant = tenant_of(c);
        if (n && !slice_eq(tenant, out->tenant))
            break;
        const struct hit *h = head_of(c);
        bool is_given = false, is_same = s->given && s->q.want & WANT_SEQ && h->time_ns == s->last_time_ns && h->seq == s->last_seq;
        s->last_time_ns = h->time_ns;
        s->last_seq = h->seq;
        if (!is_same)
            st = give_row(s, c, &s->rows[n], &is_given, err);
        out->tenant = n ? out->tenant : tenant;
        n += is_given;
        s->given += is_given;
        if (++c->at == c->count)
            heap_retire_top(s);
        else
            heap_down(s, 0);
    }
    out->n = n;
    s->batch = MIN(2 * s->batch, (size_t)BATCH_ROWS_MAX_OUT);
    return st ? st : n ? ST_OK : ST_NOT_FOUND;
}

static void scan_close(struct events_iter *it)
{
    struct scan *s = (struct scan *)it;
    free_retired(s);
    for (size_t i = 0; i < s->heap_count; i++)
        cursor_free(s->heap[i]);
    mem_free(s->heap);
    mem_free(s->rows);
    mem_free(s->sel);
    arena_free(s->rows_arena);
    evscope_close(s->sc);
    mem_free(s);
}

static const struct events_iter_ops scan_ops = { scan_next, scan_close };

enum status events_scan(struct store *store, struct engine_ctx *ctx, const struct events_query *q, struct events_iter **out, unsigned *did,
                        struct err *err)
{
    int64_t start_ns = q->start_ns, end_ns = q->end_ns;
    bool is_ordered = q->order != ORDER_NONE || q->has_cursor, is_desc = q->order == ORDER_TIME_DESC || q->order == ORDER_NEWEST;
    enum status st = engine_ctx_check(ctx, err);
    if (st)
        return st;
    if (q->count_by) {
        *did = ENGINE_DID_PRED | ENGINE_DID_COUNT;
        *out = evcount_open(evscope_open(store, ctx, start_ns, end_ns, q->kinds, q->pred), q->count_by);
        return ST_OK;
    }
    if (q->lots && !q->limit && !q->has_cursor) {
        *did = ENGINE_DID_PRED | ENGINE_DID_LOTS;
        *out = evlot_open(evscope_open(store, ctx, start_ns, end_ns, q->kinds, q->pred), q->lots, q->want);
        return ST_OK;
    }
    if (q->has_cursor && is_desc && q->cursor_time_ns < end_ns)
        end_ns = q->cursor_time_ns + 1;
    if (q->has_cursor && !is_desc && q->cursor_time_ns > start_ns)
        start_ns = q->cursor_time_ns;
    struct scan *s = mem_new(struct scan);
    s->it.ops = &scan_ops;
    s->q = *q;
    s->q.want |= (is_ordered && q->order != ORDER_NEWEST) || q->has_cursor ? WANT_SEQ : 0;
    s->is_desc = is_desc;
    s->is_ordered = is_ordered;
    s->batch = is_ordered ? BATCH_ROWS_FIRST : BATCH_ROWS_MAX_OUT;
    s->sc = evscope_open(store, ctx, start_ns, end_ns, q->kinds, q->pred);
    s->rows_arena = arena_new(0);
    s->rows = mem_alloc(BATCH_ROWS_MAX_OUT * sizeof *s->rows);
    s->sel = mem_alloc(EVDIR_BLOCK_ROWS_MAX);
    for (size_t i = 0; i < s->sc->view->mem_count; i++)
        open_mem(s, s->sc->view->mems[i]);
    list_blocks(s);
    *did = ENGINE_DID_PRED | ENGINE_DID_ORDER | ENGINE_DID_LIMIT;
    *out = &s->it;
    return ST_OK;
}
