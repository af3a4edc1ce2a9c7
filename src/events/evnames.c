/* SPDX-License-Identifier: Apache-2.0 */
/* Which streams, labels, fields, values and services there are. Blocks that are in question as a whole answer from their
 * directory entry where that says enough; of others the rows in question are looked at. */
#include <stdlib.h>

#include "base/map.h"
#include "events/events.h"
#include "events/evscope.h"

enum { NAMES_VALUES_MAX = 100000 };

/* ---- streams ---- */

struct streams {
    struct evscope *sc;
    const struct matcher *matchers;
    size_t matcher_count, max;
    struct arena *a;
    struct map seen;
    struct slice *list;
    size_t count, cap;
    uint8_t *sel;
};

static void add_stream(struct streams *s, struct slice labels)
{
    if (labels.len == 0 || map_get(&s->seen, labels))
        return;
    bool added;
    struct slice kept = arena_copy(s->a, labels);
    map_put(&s->seen, kept, &added);
    ARENA_PUSH(s->a, s->list, s->count, s->cap) = kept;
}

static void streams_of_mem(struct streams *s, const struct evmem *m)
{
    struct evmem_walk w = evmem_walk(m);
    const char *last = NULL;
    for (const struct evrow *row; (row = evmem_next(&w)) != NULL;) {
        if (row->e.stream.ptr == last || !evscope_has_row(s->sc, row))
            continue;
        last = row->e.stream.ptr;
        if (matchers_match(s->matchers, s->matcher_count, row->e.stream))
            add_stream(s, row->e.stream);
    }
}

enum { STREAM_UNKNOWN = 0, STREAM_OTHER = 1, STREAM_WANTED = 2, STREAM_DONE = 3 };

/* Is any stream of the block wanted and not yet known to have rows? */
static bool block_has_news(struct streams *s, const struct evdir *d, const struct evdir_block *b, uint8_t *known)
{
    bool news = false;
    for (uint32_t i = 0; i < b->stream_count; i++) {
        uint32_t n = b->streams[i];
        if (known[n] == STREAM_UNKNOWN)
            known[n] = matchers_match(s->matchers, s->matcher_count, d->streams[n]) ? STREAM_WANTED : STREAM_OTHER;
        news = news || known[n] == STREAM_WANTED;
    }
    return news;
}

static enum status streams_of_rows(struct streams *s, struct evplan *plan, const struct evdir_block *b, uint8_t *known, struct err *err)
{
    struct evread *x;
    size_t count;
    const int64_t *v;
    enum status st = evscope_select(s->sc, plan, b, &x, s->sel, &count, err);
    if (st || x == NULL)
        return st;
    st = evread_ints(x, EVCOL_STREAM, &v, err);
    for (size_t r = 0; st == ST_OK && r < b->rows; r++) {
        uint32_t n = b->streams[v[r]];
        if (!s->sel[r] || known[n] != STREAM_WANTED)
            continue;
        add_stream(s, evplan_dir(plan)->streams[n]);
        known[n] = STREAM_DONE;
    }
    evread_free(x);
    return evscope_skip(s->sc, st, err);
}

static enum status streams_of_part(struct streams *s, struct evplan *plan, struct err *err)
{
    const struct evdir *d = evplan_dir(plan);
    uint8_t *known = mem_zalloc(d->stream_count + 1);
    enum status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < d->block_count; i++) {
        const struct evdir_block *b = &d->blocks[i];
        if (!evscope_has_block(s->sc, d, b) || !block_has_news(s, d, b, known))
            continue;
        if (!evscope_has_all(s->sc, plan, b)) {
            st = streams_of_rows(s, plan, b, known, err);
            continue;
        }
        for (uint32_t k = 0; k < b->stream_count; k++)
            if (known[b->streams[k]] == STREAM_WANTED) {
                add_stream(s, d->streams[b->streams[k]]);
                known[b->streams[k]] = STREAM_DONE;
            }
    }
    mem_free(known);
    return st;
}

static int cmp_labels(const void *a, const void *b)
{
    return labels_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

enum status events_streams(struct store *store, struct engine_ctx *ctx, int64_t start_ns, int64_t end_ns, uint32_t kinds,
                           const struct matcher *matchers, size_t matcher_count, size_t max, struct arena *a, struct slice **out,
                           size_t *count, struct err *err)
{
    enum status st = engine_ctx_check(ctx, err);
    if (st)
        return st;
    struct streams s = { .matchers = matchers, .matcher_count = matcher_count, .max = max, .a = a };
    s.sc = evscope_open(store, ctx, start_ns, end_ns, kinds, NULL);
    s.sel = mem_alloc(EVDIR_BLOCK_ROWS_MAX);
    map_init(&s.seen);
    for (size_t i = 0; i < s.sc->view->mem_count; i++)
        streams_of_mem(&s, s.sc->view->mems[i]);
    for (size_t i = 0; st == ST_OK && i < s.sc->view->part_count; i++) {
        if (s.sc->plans[i])
            st = streams_of_part(&s, s.sc->plans[i], err);
        if (st == ST_OK && max && s.count > max)
            st = err_set(err, ST_LIMIT, "more than %zu streams match; narrow the selector or the time range", max);
    }
    if (st == ST_OK && max && s.count > max)
        st = err_set(err, ST_LIMIT, "%zu streams match, at most %zu are allowed", s.count, max);
    if (s.count)
        qsort(s.list, s.count, sizeof *s.list, cmp_labels);
    map_free(&s.seen);
    mem_free(s.sel);
    evscope_close(s.sc);
    *out = s.list;
    *count = s.count;
    return st;
}

/* ---- names ---- */

struct names {
    const struct names_query *q;
    struct evscope *sc;
    struct arena *a;
    struct map index; /* to hits */
    struct name_hit *hits;
    size_t count, cap;
    uint8_t *sel;
    bool is_cut;
};

static void add_name(struct names *n, struct slice value, uint64_t rows)
{
    uint64_t *at = map_get(&n->index, value);
    if (at) {
        n->hits[*at].count += rows;
        return;
    }
    if (n->count == NAMES_VALUES_MAX) {
        n->is_cut = true;
        return;
    }
    bool added;
    struct slice kept = arena_copy(n->a, value);
    *map_put(&n->index, kept, &added) = n->count;
    ARENA_PUSH(n->a, n->hits, n->count, n->cap) = (struct name_hit){ .value = kept, .count = rows };
}

static void names_of_event(struct names *n, const struct event *e)
{
    if (n->q->what == NAMES_SERVICES && e->service.len)
        add_name(n, e->service, 1);
    for (uint32_t i = 0; n->q->what == NAMES_FIELD_VALUES && i < e->field_count; i++)
        if (slice_eq(e->fields[i].name, n->q->name))
            add_name(n, field_text(n->sc->scratch, &e->fields[i]), 1);
    for (uint32_t i = 0; n->q->what == NAMES_FIELDS && i < e->field_count; i++) {
        uint32_t k = 0;
        while (k < i && !slice_eq(e->fields[k].name, e->fields[i].name))
            k++;
        if (k == i)
            add_name(n, e->fields[i].name, 1);
    }
}

static void names_of_mem(struct names *n, const struct evmem *m)
{
    struct evmem_walk w = evmem_walk(m);
    for (const struct evrow *row; (row = evmem_next(&w)) != NULL;)
        if (evscope_has_row(n->sc, row) && matchers_match(n->q->matchers, n->q->matcher_count, row->e.stream))
            names_of_event(n, &row->e);
}

static enum status keep_matching(struct names *n, struct evread *x, const struct evdir *d, struct err *err)
{
    const struct evdir_block *b = evread_block(x);
    const int64_t *v;
    if (n->q->matcher_count == 0)
        return ST_OK;
    enum status st = evread_ints(x, EVCOL_STREAM, &v, err);
    if (st)
        return st;
    bool *is_match = mem_alloc(b->stream_count + 1);
    for (uint32_t i = 0; i < b->stream_count; i++)
        is_match[i] = matchers_match(n->q->matchers, n->q->matcher_count, d->streams[b->streams[i]]);
    for (size_t r = 0; r < b->rows; r++)
        n->sel[r] &= is_match[v[r]];
    mem_free(is_match);
    return ST_OK;
}

static enum status services_of_rows(struct names *n, struct evread *x, const struct evdir *d, struct err *err)
{
    const struct evdir_block *b = evread_block(x);
    const int64_t *v;
    enum status st = evread_ints(x, EVCOL_SERVICE, &v, err);
    if (st)
        return st;
    uint64_t *rows = mem_zalloc((b->service_count + 1) * sizeof *rows);
    for (size_t r = 0; r < b->rows; r++)
        rows[v[r]] += n->sel[r];
    for (uint32_t i = 0; i < b->service_count; i++)
        if (rows[i] && d->services[b->services[i]].len)
            add_name(n, d->services[b->services[i]], rows[i]);
    mem_free(rows);
    return ST_OK;
}

/* Names of a list of fields, each once, for as many rows as have the list. */
static void fields_of_shape(struct names *n, const struct evdir *d, const struct evread_shapes *sh, size_t shape, uint64_t rows)
{
    for (uint32_t e = sh->starts[shape]; rows && e < sh->starts[shape + 1]; e++) {
        if (sh->elements[e] == 0)
            continue;
        struct slice name = d->fields[sh->elements[e] - 1].name;
        uint32_t k = sh->starts[shape];
        while (k < e && !(sh->elements[k] && slice_eq(d->fields[sh->elements[k] - 1].name, name)))
            k++;
        if (k == e)
            add_name(n, name, rows);
    }
}

static enum status cells_of_rows(struct names *n, struct evread *x, const struct evread_shapes *sh, struct err *err)
{
    const struct field *cells;
    const uint32_t *order;
    enum status st = evread_cells(x, &cells, &order, err);
    for (size_t r = 0; st == ST_OK && r < evread_block(x)->rows; r++) {
        uint32_t shape = sh->of_row[r];
        for (uint32_t e = sh->starts[shape]; n->sel[r] && e < sh->starts[shape + 1]; e++) {
            const struct field *f = &cells[(order ? order[r] : r) + sh->nth[e]];
            if (sh->elements[e] != 0)
                continue;
            if (n->q->what == NAMES_FIELDS)
                add_name(n, f->name, 1);
            else if (slice_eq(f->name, n->q->name))
                add_name(n, field_text(n->sc->scratch, f), 1);
        }
    }
    return st;
}

static enum status fields_of_rows(struct names *n, struct evread *x, const struct evdir *d, struct err *err)
{
    const struct evdir_block *b = evread_block(x);
    const struct evread_shapes *sh;
    enum status st = evread_shapes(x, &sh, err);
    if (st)
        return st;
    uint64_t *rows = mem_zalloc((sh->count + 1) * sizeof *rows);
    for (size_t r = 0; r < b->rows; r++)
        rows[sh->of_row[r]] += n->sel[r];
    for (size_t s = 0; s < sh->count; s++)
        fields_of_shape(n, d, sh, s, rows[s]);
    mem_free(rows);
    return b->has_cells ? cells_of_rows(n, x, sh, err) : ST_OK;
}

static enum status values_of_rows(struct names *n, struct evread *x, const struct evdir *d, struct err *err)
{
    const struct evdir_block *b = evread_block(x);
    const struct evread_shapes *sh;
    const struct evread_values *v;
    enum status st = evread_shapes(x, &sh, err);
    for (uint32_t f = 0; st == ST_OK && f < d->field_count; f++) {
        if (!slice_eq(d->fields[f].name, n->q->name))
            continue;
        st = evread_values(x, f, &v, err);
        for (size_t r = 0; st == ST_OK && v && r < b->rows; r++)
            for (uint32_t e = sh->starts[sh->of_row[r]]; n->sel[r] && e < sh->starts[sh->of_row[r] + 1]; e++)
                if (sh->elements[e] == f + 1) {
                    struct field value = evread_value(v, &d->fields[f], r, sh->nth[e]);
                    add_name(n, field_text(n->sc->scratch, &value), 1);
                }
    }
    return st == ST_OK && b->has_cells ? cells_of_rows(n, x, sh, err) : st;
}

static enum status names_of_block(struct names *n, struct evplan *plan, const struct evdir_block *b, struct err *err)
{
    struct evread *x;
    size_t count;
    const struct evdir *d = evplan_dir(plan);
    enum status st = evscope_select(n->sc, plan, b, &x, n->sel, &count, err);
    if (st || x == NULL)
        return st;
    st = keep_matching(n, x, d, err);
    if (st == ST_OK && n->q->what == NAMES_SERVICES)
        st = services_of_rows(n, x, d, err);
    else if (st == ST_OK && n->q->what == NAMES_FIELDS)
        st = fields_of_rows(n, x, d, err);
    else if (st == ST_OK)
        st = values_of_rows(n, x, d, err);
    evread_free(x);
    arena_reset(n->sc->scratch);
    return evscope_skip(n->sc, st, err);
}

static enum status names_of_rows(struct names *n, struct store *store, struct engine_ctx *ctx, struct err *err)
{
    enum status st = ST_OK;
    n->sc = evscope_open(store, ctx, n->q->start_ns, n->q->end_ns, n->q->kinds, NULL);
    n->sel = mem_alloc(EVDIR_BLOCK_ROWS_MAX);
    for (size_t i = 0; i < n->sc->view->mem_count; i++)
        names_of_mem(n, n->sc->view->mems[i]);
    for (size_t i = 0; st == ST_OK && i < n->sc->view->part_count; i++) {
        struct evplan *plan = n->sc->plans[i];
        for (size_t k = 0; plan && st == ST_OK && k < evplan_dir(plan)->block_count; k++)
            if (evscope_has_block(n->sc, evplan_dir(plan), &evplan_dir(plan)->blocks[k]))
                st = names_of_block(n, plan, &evplan_dir(plan)->blocks[k], err);
    }
    if (n->is_cut)
        engine_warn(ctx, "only the first %d values found are listed", NAMES_VALUES_MAX);
    mem_free(n->sel);
    evscope_close(n->sc);
    return st;
}

static enum status names_of_streams(struct names *n, struct store *store, struct engine_ctx *ctx, struct err *err)
{
    struct arena *scratch = arena_new(0);
    struct slice *list;
    size_t count;
    const struct names_query *q = n->q;
    enum status st = events_streams(store, ctx, q->start_ns, q->end_ns, q->kinds, q->matchers, q->matcher_count, 0, scratch, &list, &count, err);
    for (size_t i = 0; st == ST_OK && i < count; i++) {
        struct slice rest = list[i];
        for (struct label l; labels_next(&rest, &l);) {
            if (q->what == NAMES_STREAM_LABELS)
                add_name(n, l.name, 1);
            else if (slice_eq(l.name, q->name))
                add_name(n, l.value, 1);
        }
    }
    arena_free(scratch);
    return st;
}

static int cmp_hits(const void *a, const void *b)
{
    return slice_cmp(((const struct name_hit *)a)->value, ((const struct name_hit *)b)->value);
}

enum status events_names(struct store *store, struct engine_ctx *ctx, const struct names_query *q, struct arena *a, struct name_hit **out,
                         size_t *count, struct err *err)
{
    struct names n = { .q = q, .a = a };
    enum status st = engine_ctx_check(ctx, err);
    if (st)
        return st;
    map_init(&n.index);
    switch (q->what) {
    case NAMES_STREAM_LABELS:
    case NAMES_STREAM_VALUES:
        st = names_of_streams(&n, store, ctx, err);
        break;
    case NAMES_FIELDS:
    case NAMES_FIELD_VALUES:
    case NAMES_SERVICES:
        st = names_of_rows(&n, store, ctx, err);
        break;
    case NAMES_LABELS:
    case NAMES_LABEL_VALUES:
    case NAMES_METADATA:
        st = err_set(err, ST_UNSUPPORTED, "names: events have no names of kind %d", (int)q->what);
        break;
    }
    if (n.count)
        qsort(n.hits, n.count, sizeof *n.hits, cmp_hits);
    map_free(&n.index);
    *out = n.hits;
    *count = q->limit ? MIN(n.count, q->limit) : n.count;
    return st;
}
