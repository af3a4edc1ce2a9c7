/* SPDX-License-Identifier: Apache-2.0 */
/* Block after block: its lines are told apart by shape, and a shape is read once (evfield.h). What its columns say then holds for all
 * lines of the shape whose variables are as the plan wants them. Other lines, those with fields of the record that are looked at, and
 * rows in memory come as rows with their body. In no order.
 *
 * (1) What next() returns lives in the block's arena or in rows_arena, and so until the next call. */
#include "events/evlot.h"

#include "events/evfieldcol.h"
#include "events/evtextfind.h"

enum { LOT_ROWS_MAX_OUT = 1024, LOT_ARENA_BYTES_MAX = 8 * MIB };

struct evlots {
    struct events_iter it;
    struct evscope *sc;
    const struct lot_query *q;
    unsigned want;
    /* tables in memory */
    size_t mem_at;
    struct evmem_walk walk;
    const struct evrow *pending;
    /* parts and blocks */
    size_t part_at, block_at;
    struct evplan *plan;
    bool *is_seen; /* of the part's fields: is it looked at? */
    struct slice tenant;
    struct evread *x;
    struct evtext *t;
    uint8_t *sel;
    struct evfield_plan *plans; /* by shape */
    uint8_t *is_whole;          /* of the block's rows, beside what the plans say */
    bool is_all;                /* every row is selected, and none is whole */
    struct zstd_ctx *zstd;
    uint32_t *identity;         /* 0, 1, 2, ... */
    uint32_t *classes, severities; /* see store/lot.h */
    size_t shape_at;
    uint32_t *wholes;
    size_t whole_count, whole_at;
    bool is_loaded;
    struct arena *arena;        /* of a block */
    struct arena *lot_arena, *rows_arena;
    struct event *rows;
    struct lot lot;
};

static enum status corrupt(const struct evlots *l, struct err *err)
{
    return err_set(err, ST_CORRUPT, "part %016llx: lines of a block of events do not parse",
                   (unsigned long long)part_info(evplan_part(l->plan))->id);
}

/* ---- tables in memory ---- */

static const struct evrow *next_mem(struct evlots *l)
{
    while (l->mem_at < l->sc->view->mem_count) {
        const struct evrow *row = evmem_next(&l->walk);
        if (row == NULL) {
            if (++l->mem_at < l->sc->view->mem_count)
                l->walk = evmem_walk(l->sc->view->mems[l->mem_at]);
            continue;
        }
        l->sc->ctx->rows_read++;
        if (evscope_has_row(l->sc, row))
            return row;
    }
    return NULL;
}

static size_t give_mem(struct evlots *l, struct event_block *out)
{
    const struct evrow *row = l->pending ? l->pending : next_mem(l);
    size_t n = 0;
    l->pending = NULL;
    for (; row && n < LOT_ROWS_MAX_OUT; row = next_mem(l)) {
        if (n && !slice_eq(row->tenant, out->tenant))
            break;
        out->tenant = row->tenant;
        l->rows[n++] = row->e;
    }
    l->pending = row;
    return n;
}

/* ---- a block ---- */

static void close_block(struct evlots *l)
{
    evread_free(l->x);
    l->x = NULL;
    l->t = NULL;
    arena_reset(l->lot_arena);
    arena_reset(l->arena);
    l->whole_count = l->whole_at = l->shape_at = 0;
    l->is_loaded = false;
}

/* Rows to be given as rows: has[row]. */
static enum status find_rows_with_fields(struct evlots *l, uint8_t *has, struct err *err)
{
    const struct evdir_block *b = evread_block(l->x);
    const struct evread_shapes *s;
    bool any = b->has_cells;
    for (size_t i = 0; i < b->place_count && !any; i++)
        any = b->places[i].column >= EVCOL_FIELD_FIRST && l->is_seen[b->places[i].column - EVCOL_FIELD_FIRST];
    if (!any)
        return ST_OK;
    enum status st = evread_shapes(l->x, &s, err);
    if (st)
        return st;
    uint8_t *is_list_seen = arena_zalloc(l->arena, s->count + 1);
    for (size_t i = 0; i < s->count; i++)
        for (uint32_t e = s->starts[i]; e < s->starts[i + 1]; e++)
            is_list_seen[i] |= s->elements[e] == 0 || l->is_seen[s->elements[e] - 1];
    for (size_t r = 0; r < b->rows; r++)
        has[r] |= is_list_seen[s->of_row[r]];
    return ST_OK;
}

/* A logfmt line of which something is left open is to be parsed when it has the text that a missing name would stand in. */
static bool find_open(struct evlots *l, uint8_t *is_whole)
{
    const struct evtext_texts *all = &l->t->all;
    uint8_t *asked = arena_alloc(l->arena, all->n + 1);
    for (size_t k = 0; k < l->q->count; k++) {
        bool any = false;
        memset(asked, 0, all->n);
        for (size_t s = 1; s < all->shape_count; s++) {
            const struct evfield_plan *p = &l->plans[s];
            bool is_asked = p->is_open && !p->leaves[k].is_there;
            for (size_t i = 0; is_asked && i < all->shapes[s].rows; i++) {
                uint32_t row = all->shapes[s].of_rows[i];
                asked[row] = l->sel[row] & (is_whole[row] ^ 1);
            }
            any |= is_asked;
        }
        if (!any)
            continue;
        if (!evtextfind(l->t, evfield_needle(l->q->names[k], l->q->is_exact, l->arena), asked, l->arena))
            return false;
        for (size_t r = 0; r < all->n; r++)
            is_whole[r] |= asked[r];
    }
    return true;
}

static enum status plan_block(struct evlots *l, struct err *err)
{
    size_t n = evread_block(l->x)->rows;
    bool is_open = false;
    l->wholes = arena_array(l->arena, uint32_t, n + 1);
    enum status st = evread_text(l->x, &l->t, err);
    if (st)
        return st;
    if (l->t == NULL) {
        for (size_t r = 0; r < n; r++)
            if (l->sel[r])
                l->wholes[l->whole_count++] = (uint32_t)r;
        return ST_OK;
    }
    l->is_whole = arena_zalloc(l->arena, n + 1);
    st = find_rows_with_fields(l, l->is_whole, err);
    if (st)
        return st;
    const struct evtext_texts *all = &l->t->all;
    l->plans = arena_zalloc(l->arena, all->shape_count * sizeof *l->plans);
    for (size_t s = 1; s < all->shape_count; s++)
        if (all->shapes[s].rows) {
            l->plans[s] = evfield_plan(&all->shapes[s], l->q, l->arena);
            is_open |= l->plans[s].is_open;
        }
    if (is_open && !find_open(l, l->is_whole))
        return corrupt(l, err);
    return ST_OK;
}

/* Streams and severities as one number. */
static enum status class_rows(struct evlots *l, struct err *err)
{
    const struct evdir_block *b = evread_block(l->x);
    const int64_t *streams, *severities;
    int64_t most = 0;
    enum status st = evread_ints(l->x, EVCOL_STREAM, &streams, err);
    if (st == ST_OK)
        st = evread_ints(l->x, EVCOL_SEVERITY, &severities, err);
    if (st)
        return st;
    l->classes = arena_array(l->arena, uint32_t, b->rows + 1);
    for (size_t r = 0; r < b->rows; r++)
        most = MAX(most, (int64_t)(uint8_t)severities[r]);
    l->severities = (uint32_t)most + 1;
    for (size_t r = 0; r < b->rows; r++)
        l->classes[r] = (uint32_t)streams[r] * l->severities + (uint8_t)severities[r];
    return ST_OK;
}

/* Of the open block, of which count rows are selected. */
static enum status read_block(struct evlots *l, size_t count, struct err *err)
{
    size_t n = evread_block(l->x)->rows;
    enum status st = plan_block(l, err);
    if (st == ST_OK)
        st = class_rows(l, err);
    l->is_all = st == ST_OK && l->t && count == n && !memchr(l->is_whole, 1, n);
    return st;
}

static enum status open_block(struct evlots *l, struct evplan *plan, const struct evdir_block *b, struct err *err)
{
    size_t count;
    l->plan = plan;
    enum status st = evscope_select(l->sc, plan, b, &l->x, l->sel, &count, err);
    if (st || l->x == NULL)
        return st;
    l->tenant = evplan_dir(plan)->tenants[b->tenant];
    evread_use_zstd(l->x, l->zstd);
    st = read_block(l, count, err);
    if (st) {
        close_block(l);
        return evscope_skip(l->sc, st, err);
    }
    return ST_OK;
}

static void see_fields(struct evlots *l, const struct evdir *d)
{
    l->is_seen = mem_zalloc(d->field_count + 1);
    for (size_t f = 0; f < d->field_count; f++)
        l->is_seen[f] = l->q->looks_at(l->q->arg, d->fields[f].name);
}

/* The next one with rows; l->x NULL: there is none. */
static enum status next_block(struct evlots *l, struct err *err)
{
    enum status st = ST_OK;
    while (st == ST_OK && l->x == NULL && l->part_at < l->sc->view->part_count) {
        struct evplan *plan = l->sc->plans[l->part_at];
        const struct evdir *d = plan ? evplan_dir(plan) : NULL;
        if (d == NULL || l->block_at == d->block_count) {
            l->part_at++;
            l->block_at = 0;
            mem_free(l->is_seen);
            l->is_seen = NULL;
            continue;
        }
        if (l->is_seen == NULL)
            see_fields(l, d);
        const struct evdir_block *b = &d->blocks[l->block_at++];
        if (evscope_has_block(l->sc, d, b))
            st = open_block(l, plan, b, err);
    }
    return st;
}

/* ---- lots out ---- */

static enum status fill_lot(struct evlots *l, const uint32_t *rows, size_t n, struct err *err)
{
    struct arena *a = l->lot_arena;
    const struct evdir *d = evplan_dir(l->plan);
    const struct evdir_block *b = evread_block(l->x);
    const int64_t *times, *weights;
    enum status st = evread_ints(l->x, EVCOL_TIME, &times, err);
    if (st)
        return st;
    struct slice *list = arena_array(a, struct slice, b->stream_count + 1);
    list[0] = SLICE_EMPTY;
    for (size_t i = 0; i < b->stream_count; i++)
        list[i] = d->streams[b->streams[i]];
    l->lot = (struct lot){ .n = n, .rows = rows, .times = times, .classes = l->classes, .severities = l->severities, .stream_list = list,
                           .stream_count = MAX(b->stream_count, 1u) };
    if (evdir_place_of(b, EVCOL_WEIGHT) == NULL)
        return ST_OK;
    st = evread_ints(l->x, EVCOL_WEIGHT, &weights, err);
    float *row_weights = arena_array(a, float, n);
    for (size_t i = 0; st == ST_OK && i < n; i++) {
        uint32_t bits = (uint32_t)weights[rows[i]];
        memcpy(&row_weights[i], &bits, sizeof bits);
    }
    l->lot.weights = row_weights;
    return st;
}

/* The selected lines of a shape; those to be given as rows go to the wholes. */
static struct evfield_lines lines_of(struct evlots *l, size_t shape, const uint32_t **rows)
{
    struct evtext_shape *s = &l->t->all.shapes[shape];
    bool is_whole = l->plans[shape].verdict == EVFIELD_WHOLE;
    size_t n = 0;
    if (l->is_all && !is_whole) {
        *rows = s->of_rows;
        return (struct evfield_lines){ l->t, s, l->identity, s->of_rows, s->rows, true };
    }
    uint32_t *pos = arena_array(l->lot_arena, uint32_t, s->rows + 1), *out = arena_array(l->lot_arena, uint32_t, s->rows + 1);
    for (size_t i = 0; i < s->rows; i++) {
        uint32_t row = s->of_rows[i];
        if (!l->sel[row])
            continue;
        if (is_whole || l->is_whole[row]) {
            l->wholes[l->whole_count++] = row;
            continue;
        }
        pos[n] = (uint32_t)i;
        out[n++] = row;
    }
    *rows = out;
    return (struct evfield_lines){ l->t, s, pos, s->of_rows, n, n == s->rows };
}

/* Lines that are not as the plan wants them go to the wholes, too. */
static void sort_out(struct evlots *l, struct evfield_lines *lines, const uint32_t *rows, const uint8_t *is_bad)
{
    uint32_t *pos = arena_array(l->lot_arena, uint32_t, lines->n);
    size_t kept = 0;
    for (size_t i = 0; i < lines->n; i++)
        if (is_bad[i])
            l->wholes[l->whole_count++] = rows[i];
        else
            pos[kept++] = lines->pos[i];
    lines->pos = pos;
    lines->n = kept;
    lines->is_all = false;
}

static enum status make_lot(struct evlots *l, size_t shape, struct err *err)
{
    const struct evfield_plan *plan = &l->plans[shape];
    struct arena *a = l->lot_arena;
    const uint32_t *rows;
    struct evfield_lines lines = lines_of(l, shape, &rows);
    l->lot.n = 0;
    if (lines.n && plan->verdict == EVFIELD_FOUND) {
        uint8_t *is_bad = arena_alloc(a, lines.n);
        if (!evfield_check(&lines, plan, is_bad, a))
            return corrupt(l, err);
        if (memchr(is_bad, 1, lines.n)) {
            sort_out(l, &lines, rows, is_bad);
            uint32_t *kept = arena_array(a, uint32_t, lines.n + 1);
            for (size_t i = 0; i < lines.n; i++)
                kept[i] = lines.rows[lines.pos[i]];
            rows = kept;
        }
    }
    if (lines.n == 0)
        return ST_OK;
    enum status st = fill_lot(l, rows, lines.n, err);
    if (st)
        return st;
    l->lot.is_error = plan->verdict == EVFIELD_ERROR;
    struct lot_values *values = arena_array(a, struct lot_values, l->q->count + 1);
    l->lot.values = values;
    for (size_t k = 0; !l->lot.is_error && k < l->q->count; k++)
        if (!evfield_values(&lines, &plan->leaves[k], &values[k], a))
            return corrupt(l, err);
    return ST_OK;
}

/* ---- rows out ---- */

static enum status load_rows(struct evlots *l, struct err *err)
{
    if (l->is_loaded)
        return ST_OK;
    l->is_loaded = true;
    return evread_load(l->x, l->t ? l->want & ~(unsigned)WANT_BODY : l->want, err);
}

static enum status give_wholes(struct evlots *l, size_t *n, struct err *err)
{
    enum status st = l->whole_at < l->whole_count ? load_rows(l, err) : ST_OK;
    unsigned want = l->t ? l->want & ~(unsigned)WANT_BODY : l->want;
    *n = 0;
    while (st == ST_OK && l->whole_at < l->whole_count && *n < LOT_ROWS_MAX_OUT && arena_bytes(l->rows_arena) < LOT_ARENA_BYTES_MAX) {
        struct event *e = &l->rows[*n];
        uint32_t row = l->wholes[l->whole_at++];
        evread_row(l->x, row, want, l->rows_arena, e);
        if (want != l->want)
            st = evread_body(l->x, row, l->rows_arena, &e->body, err);
        *n += st == ST_OK;
    }
    return st;
}

/* Something of the open block; *n 0: there is nothing left. */
static enum status give_from_block(struct evlots *l, struct event_block *out, size_t *n, struct err *err)
{
    enum status st = ST_OK;
    *n = 0;
    while (st == ST_OK && l->t && l->shape_at < l->t->all.shape_count) {
        arena_reset(l->lot_arena);
        st = make_lot(l, l->shape_at++, err);
        if (st == ST_OK && l->lot.n) {
            out->lot = &l->lot;
            *n = l->lot.n;
            return ST_OK;
        }
    }
    return st ? st : give_wholes(l, n, err);
}

static enum status lots_next(struct events_iter *it, struct event_block *out, struct err *err)
{
    struct evlots *l = (struct evlots *)it;
    arena_reset(l->rows_arena);
    enum status st = engine_ctx_check(l->sc->ctx, err);
    *out = (struct event_block){ .tenant = SLICE_EMPTY, .rows = l->rows };
    if (st)
        return st;
    out->n = give_mem(l, out);
    while (st == ST_OK && out->n == 0) {
        if (l->x == NULL)
            st = next_block(l, err);
        if (st || l->x == NULL)
            return st ? st : ST_NOT_FOUND;
        out->tenant = l->tenant;
        st = give_from_block(l, out, &out->n, err);
        bool is_corrupt = st == ST_CORRUPT;
        st = evscope_skip(l->sc, st, err);
        if (is_corrupt)
            l->shape_at = SIZE_MAX, l->whole_at = l->whole_count;
        if (out->n == 0)
            close_block(l);
    }
    return st;
}

static struct evlots *lots_new(struct evscope *sc, const struct lot_query *q)
{
    struct evlots *l = mem_new(struct evlots);
    l->sc = sc;
    l->q = q;
    l->identity = mem_alloc(EVDIR_BLOCK_ROWS_MAX * sizeof *l->identity);
    for (uint32_t i = 0; i < EVDIR_BLOCK_ROWS_MAX; i++)
        l->identity[i] = i;
    l->arena = arena_new(0);
    l->lot_arena = arena_new(0);
    l->rows_arena = arena_new(0);
    return l;
}

static void lots_free(struct evlots *l)
{
    mem_free(l->is_seen);
    mem_free(l->sel);
    mem_free(l->rows);
    mem_free(l->identity);
    zstd_ctx_free(l->zstd);
    arena_free(l->arena);
    arena_free(l->lot_arena);
    arena_free(l->rows_arena);
    mem_free(l);
}

static void lots_close(struct events_iter *it)
{
    struct evlots *l = (struct evlots *)it;
    struct evscope *sc = l->sc;
    evread_free(l->x);
    lots_free(l);
    evscope_close(sc);
}

static const struct events_iter_ops lots_ops = { lots_next, lots_close };

struct events_iter *evlot_open(struct evscope *sc, const struct lot_query *q, unsigned want)
{
    struct evlots *l = lots_new(sc, q);
    l->it.ops = &lots_ops;
    l->want = want;
    l->sel = mem_alloc(EVDIR_BLOCK_ROWS_MAX);
    l->rows = mem_alloc(LOT_ROWS_MAX_OUT * sizeof *l->rows);
    l->zstd = zstd_ctx_new();
    if (sc->view->mem_count)
        l->walk = evmem_walk(sc->view->mems[0]);
    return &l->it;
}

enum status evlot_filter(struct evscope *sc, struct evplan *plan, struct evread *x, const struct lot_filter *f, uint8_t *sel, size_t *count,
                         struct err *err)
{
    struct evlots *l = lots_new(sc, &f->query);
    uint8_t *is_wanted = mem_alloc(EVDIR_BLOCK_ROWS_MAX);
    l->plan = plan;
    l->x = x;
    l->sel = sel;
    see_fields(l, evplan_dir(plan));
    enum status st = read_block(l, *count, err);
    for (size_t s = 1; st == ST_OK && l->t && s < l->t->all.shape_count; s++) {
        arena_reset(l->lot_arena);
        st = make_lot(l, s, err);
        if (st || l->lot.n == 0)
            continue;
        memset(is_wanted, 1, l->lot.n);
        f->pass(f->arg, &l->lot, is_wanted);
        for (size_t i = 0; i < l->lot.n; i++) {
            *count -= !is_wanted[i];
            sel[l->lot.rows[i]] &= is_wanted[i];
        }
    }
    l->sel = NULL;
    lots_free(l);
    mem_free(is_wanted);
    return st;
}
