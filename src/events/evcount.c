/* SPDX-License-Identifier: Apache-2.0 */
/* Weights are summed by cell of time and group. The caller says which group a row is in, and is asked once for each stream and
 * severity of a block when nothing else of the row can matter, otherwise once a row.
 *
 * Rows of a block lie mostly in order of time, so the cell at hand changes seldom: its sums are in a small table, by stream and
 * severity, and go to the tallies when the cell changes. A block that is ours as a whole, lies in one cell and has one group a
 * severity is answered by its directory entry. */
#include "events/evcount.h"

#include <stdlib.h>

#include "base/date.h"
#include "base/hash.h"
#include "base/num.h"

enum { SEVERITY_VALUES = 32 /* of a table; the directory knows fewer */, TALLIES_FIRST = 1024, GROUP_NONE = UINT32_MAX };

struct cell {
    int64_t from_ns, to_ns; /* [from, to) */
};

struct evcount {
    struct events_iter it;
    struct evscope *sc;
    const struct events_count_by *by;
    struct event_count *tallies; /* open addressing by (group, time); count 0: free */
    size_t tally_count, tally_cap;
    uint8_t *sel;
    bool is_done;
};

/* ---- tallies ---- */

static struct event_count *slot_of(struct event_count *list, size_t cap, uint32_t group, int64_t time_ns)
{
    size_t at = hash_u64((uint64_t)time_ns * UINT64_C(0x9e3779b97f4a7c15) + group) & (cap - 1);
    while (list[at].count > 0 && (list[at].group != group || list[at].time_ns != time_ns))
        at = (at + 1) & (cap - 1);
    return &list[at];
}

static void grow(struct evcount *c)
{
    size_t cap = c->tally_cap ? c->tally_cap * 2 : TALLIES_FIRST;
    struct event_count *list = mem_zalloc(cap * sizeof *list);
    for (size_t i = 0; i < c->tally_cap; i++)
        if (c->tallies[i].count > 0)
            *slot_of(list, cap, c->tallies[i].group, c->tallies[i].time_ns) = c->tallies[i];
    mem_free(c->tallies);
    c->tallies = list;
    c->tally_cap = cap;
}

static enum status add(struct evcount *c, uint32_t group, int64_t time_ns, double weight, struct err *err)
{
    if (weight <= 0)
        return ST_OK;
    if (c->tally_count * 4 >= c->tally_cap * 3)
        grow(c);
    struct event_count *t = slot_of(c->tallies, c->tally_cap, group, time_ns);
    if (t->count == 0 && c->tally_count++ == EVCOUNT_TALLIES_MAX)
        return err_set(err, ST_LIMIT, "the query counts over %d steps times series; ask for fewer steps, or group by fewer labels",
                       EVCOUNT_TALLIES_MAX);
    *t = (struct event_count){ time_ns, group, t->count + weight };
    return ST_OK;
}

static struct cell cell_at(const struct evcount *c, int64_t time_ns)
{
    struct cell cell = { INT64_MIN, INT64_MAX };
    for (size_t i = 0; i < COUNT_OF(c->by->origin_ns); i++) {
        int64_t from = sat_add(c->by->origin_ns[i], date_floor(sat_sub(time_ns, c->by->origin_ns[i]), c->by->step_ns));
        cell.from_ns = MAX(cell.from_ns, from);
        cell.to_ns = MIN(cell.to_ns, sat_add(from, c->by->step_ns));
    }
    return cell;
}

/* ---- tables in memory ---- */

static enum status count_mem(struct evcount *c, const struct evmem *m, struct err *err)
{
    struct evmem_walk w = evmem_walk(m);
    enum status st = ST_OK;
    struct cell cell = { 0 };
    for (const struct evrow *row; st == ST_OK && (row = evmem_next(&w)) != NULL;) {
        uint32_t group;
        c->sc->ctx->rows_read++;
        if (!evscope_has_row(c->sc, row))
            continue;
        if (row->e.time_ns < cell.from_ns || row->e.time_ns >= cell.to_ns)
            cell = cell_at(c, row->e.time_ns);
        c->sc->ctx->is_sampled |= row->e.weight != 1;
        st = c->by->group(c->by->arg, &row->e, &group, err);
        if (st == ST_OK)
            st = add(c, group, cell.from_ns, row->e.weight, err);
    }
    return st;
}

/* ---- blocks ---- */

/* A block whose rows are counted by stream and severity. */
struct table {
    const struct evdir *d;
    const struct evdir_block *b;
    uint32_t *groups; /* stream * SEVERITY_VALUES + severity: the group, or GROUP_NONE: not asked yet */
    double *sums;     /* the same places, of the cell at hand */
    uint32_t *used;   /* places with a sum */
    size_t used_count;
};

static struct event event_of(const struct table *t, size_t stream, uint8_t severity)
{
    struct event e = { .kind = t->b->kind, .severity = severity, .weight = 1 };
    e.stream = stream < t->b->stream_count ? t->d->streams[t->b->streams[stream]] : SLICE_EMPTY;
    return e;
}

static enum status group_of(struct evcount *c, struct table *t, size_t place, uint32_t *out, struct err *err)
{
    enum status st = ST_OK;
    if (t->groups[place] == GROUP_NONE) {
        struct event e = event_of(t, place / SEVERITY_VALUES, (uint8_t)(place % SEVERITY_VALUES));
        st = c->by->group(c->by->arg, &e, &t->groups[place], err);
    }
    *out = t->groups[place];
    return st;
}

static struct table *table_new(const struct evdir *d, const struct evdir_block *b, struct arena *a)
{
    struct table *t = arena_new_of(a, struct table);
    size_t places = (size_t)MAX(b->stream_count, 1u) * SEVERITY_VALUES;
    *t = (struct table){ .d = d, .b = b, .groups = arena_array(a, uint32_t, places), .sums = arena_zalloc(a, places * sizeof *t->sums),
                         .used = arena_array(a, uint32_t, places) };
    memset(t->groups, 0xff, places * sizeof *t->groups);
    return t;
}

static enum status close_cell(struct evcount *c, struct table *t, const struct cell *cell, struct err *err)
{
    enum status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < t->used_count; i++) {
        uint32_t group;
        st = group_of(c, t, t->used[i], &group, err);
        if (st == ST_OK)
            st = add(c, group, cell->from_ns, t->sums[t->used[i]], err);
        t->sums[t->used[i]] = 0;
    }
    t->used_count = 0;
    return st;
}

static double weight_of(int64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float weight;
    memcpy(&weight, &low, sizeof weight);
    return weight;
}

/* How many rows from r on lie in the cell. */
static size_t run_in(const int64_t *times, size_t r, size_t n, const struct cell *cell)
{
    size_t end = r;
    while (end < n && times[end] >= cell->from_ns && times[end] < cell->to_ns)
        end++;
    return end - r;
}

/* NULL severities, streams: 0 in every row; NULL weights: 1. */
struct columns {
    const int64_t *times, *severities, *streams, *weights;
};

/* A severity that tables have no place for. */
static enum status add_odd(struct evcount *c, const struct table *t, size_t stream, int64_t severity, const struct cell *cell, double weight,
                           struct err *err)
{
    uint32_t group;
    struct event e = event_of(t, stream, (uint8_t)severity);
    enum status st = c->by->group(c->by->arg, &e, &group, err);
    return st ? st : add(c, group, cell->from_ns, weight, err);
}

static enum status add_run(struct evcount *c, struct table *t, const struct columns *col, size_t from, size_t to, const struct cell *cell,
                           struct err *err)
{
    enum status st = ST_OK;
    for (size_t i = from; i < to; i++) {
        size_t stream = col->streams ? (size_t)col->streams[i] : 0;
        int64_t severity = col->severities ? col->severities[i] : 0;
        double weight = col->weights ? weight_of(col->weights[i]) : 1;
        if (!c->sel[i])
            continue;
        c->sc->ctx->is_sampled |= weight != 1;
        if ((uint64_t)severity >= SEVERITY_VALUES) {
            st = add_odd(c, t, stream, severity, cell, weight, err);
            if (st)
                return st;
            continue;
        }
        size_t place = stream * SEVERITY_VALUES + (size_t)severity;
        if (t->sums[place] == 0)
            t->used[t->used_count++] = (uint32_t)place;
        t->sums[place] += weight;
    }
    return close_cell(c, t, cell, err);
}

static enum status add_rows(struct evcount *c, struct table *t, const struct columns *col, struct err *err)
{
    enum status st = ST_OK;
    for (size_t r = 0, run; st == ST_OK && r < t->b->rows; r += run) {
        struct cell cell = cell_at(c, col->times[r]);
        run = run_in(col->times, r, t->b->rows, &cell);
        st = add_run(c, t, col, r, r + run, &cell, err);
    }
    return st;
}

static enum status read_some(struct evread *x, enum evdir_column column, bool is_needed, const int64_t **out, struct err *err)
{
    *out = NULL;
    return is_needed ? evread_ints(x, column, out, err) : ST_OK;
}

static enum status count_rows(struct evcount *c, struct evread *x, const struct evdir *d, struct err *err)
{
    const struct evdir_block *b = evread_block(x);
    struct columns col = { 0 };
    enum status st = evread_ints(x, EVCOL_TIME, &col.times, err);
    if (st == ST_OK)
        st = read_some(x, EVCOL_SEVERITY, evdir_place_of(b, EVCOL_SEVERITY), &col.severities, err);
    if (st == ST_OK)
        st = read_some(x, EVCOL_STREAM, b->stream_count > 1, &col.streams, err);
    if (st == ST_OK)
        st = read_some(x, EVCOL_WEIGHT, evdir_place_of(b, EVCOL_WEIGHT), &col.weights, err);
    if (st)
        return evscope_skip(c->sc, st, err);
    return add_rows(c, table_new(d, b, c->sc->scratch), &col, err);
}

/* Rows that the caller has to see: one has a field that it looks at, or an id. */
static enum status count_seen(struct evcount *c, struct evread *x, struct err *err)
{
    const struct evdir_block *b = evread_block(x);
    unsigned want = WANT_STREAM | WANT_FIELDS | (c->by->with_ids ? WANT_IDS : 0);
    enum status st = evread_load(x, want, err);
    if (st)
        return evscope_skip(c->sc, st, err);
    struct cell cell = { 0 };
    for (size_t r = 0; st == ST_OK && r < b->rows; r++) {
        struct event e;
        uint32_t group;
        if (!c->sel[r])
            continue;
        evread_row(x, r, want, c->sc->scratch, &e);
        if (e.time_ns < cell.from_ns || e.time_ns >= cell.to_ns)
            cell = cell_at(c, e.time_ns);
        c->sc->ctx->is_sampled |= e.weight != 1;
        st = c->by->group(c->by->arg, &e, &group, err);
        if (st == ST_OK)
            st = add(c, group, cell.from_ns, e.weight, err);
        if (arena_bytes(c->sc->scratch) > MIB)
            arena_reset(c->sc->scratch);
    }
    return st;
}

/* ---- parts ---- */

/* Which of the part's fields does the caller look at? */
static bool *fields_looked_at(struct evcount *c, const struct evdir *d)
{
    bool *is_seen = arena_zalloc(c->sc->arena, d->field_count + 1);
    for (size_t f = 0; f < d->field_count; f++)
        is_seen[f] = c->by->looks_at(c->by->arg, d->fields[f].name);
    return is_seen;
}

static bool must_be_seen(const struct evcount *c, const struct evdir_block *b, const bool *is_seen)
{
    if (b->has_cells || (c->by->with_ids && (evdir_place_of(b, EVCOL_TRACE_ID) || evdir_place_of(b, EVCOL_SPAN_ID))))
        return true;
    for (uint32_t i = 0; i < b->place_count; i++)
        if (b->places[i].column >= EVCOL_FIELD_FIRST && is_seen[b->places[i].column - EVCOL_FIELD_FIRST])
            return true;
    return false;
}

/* *group: of all the block's rows of a severity, or GROUP_NONE when they are of several. */
static enum status group_of_all(struct evcount *c, struct table *t, size_t severity, uint32_t *group, struct err *err)
{
    enum status st = group_of(c, t, severity, group, err);
    for (size_t s = 1; st == ST_OK && s < t->b->stream_count && *group != GROUP_NONE; s++) {
        uint32_t other;
        st = group_of(c, t, s * SEVERITY_VALUES + severity, &other, err);
        if (st == ST_OK && other != *group)
            *group = GROUP_NONE;
    }
    return st;
}

static enum status count_whole(struct evcount *c, struct evplan *plan, const struct evdir_block *b, bool *is_counted, struct err *err)
{
    uint32_t groups[EVDIR_SEVERITIES];
    struct cell cell = cell_at(c, b->min_ns);
    *is_counted = false;
    bool is_plain = !evdir_place_of(b, EVCOL_WEIGHT) && (b->severities[0] == 0 || !evdir_place_of(b, EVCOL_SEVERITY)); /* over 24 counts as 0 there */
    if (!is_plain || b->max_ns >= cell.to_ns || !evscope_has_all(c->sc, plan, b))
        return ST_OK;
    struct table *t = table_new(evplan_dir(plan), b, c->sc->scratch);
    enum status st = ST_OK;
    for (size_t s = 0; st == ST_OK && s < EVDIR_SEVERITIES; s++) {
        if (b->severities[s] == 0)
            continue;
        st = group_of_all(c, t, s, &groups[s], err);
        if (st || groups[s] == GROUP_NONE)
            return st;
    }
    for (size_t s = 0; st == ST_OK && s < EVDIR_SEVERITIES; s++)
        if (b->severities[s])
            st = add(c, groups[s], cell.from_ns, b->severities[s], err);
    *is_counted = true;
    return st;
}

static enum status count_block(struct evcount *c, struct evplan *plan, const struct evdir_block *b, const bool *is_seen, struct err *err)
{
    const struct evdir *d = evplan_dir(plan);
    struct evread *x;
    size_t count;
    bool is_counted = false, is_wide = must_be_seen(c, b, is_seen);
    arena_reset(c->sc->scratch);
    enum status st = is_wide ? ST_OK : count_whole(c, plan, b, &is_counted, err);
    if (st || is_counted)
        return st;
    st = evscope_select(c->sc, plan, b, &x, c->sel, &count, err);
    if (st == ST_OK && x)
        st = is_wide ? count_seen(c, x, err) : count_rows(c, x, d, err);
    evread_free(x);
    return st;
}

static enum status count_part(struct evcount *c, struct evplan *plan, struct err *err)
{
    const struct evdir *d = evplan_dir(plan);
    const bool *is_seen = fields_looked_at(c, d);
    enum status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < d->block_count; i++)
        if (evscope_has_block(c->sc, d, &d->blocks[i]))
            st = count_block(c, plan, &d->blocks[i], is_seen, err);
    return st;
}

/* ---- out ---- */

static int by_group(const void *x, const void *y)
{
    const struct event_count *a = x, *b = y;
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    return (a->time_ns > b->time_ns) - (a->time_ns < b->time_ns);
}

static enum status count_all(struct evcount *c, struct err *err)
{
    enum status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < c->sc->view->mem_count; i++)
        st = count_mem(c, c->sc->view->mems[i], err);
    for (size_t i = 0; st == ST_OK && i < c->sc->view->part_count; i++)
        if (c->sc->plans[i])
            st = count_part(c, c->sc->plans[i], err);
    size_t n = 0;
    for (size_t i = 0; i < c->tally_cap; i++)
        if (c->tallies[i].count > 0)
            c->tallies[n++] = c->tallies[i];
    if (n)
        qsort(c->tallies, n, sizeof *c->tallies, by_group);
    return st;
}

static enum status count_next(struct events_iter *it, struct event_block *out, struct err *err)
{
    struct evcount *c = (struct evcount *)it;
    enum status st = c->is_done ? ST_NOT_FOUND : count_all(c, err);
    c->is_done = true;
    *out = (struct event_block){ .tenant = SLICE_EMPTY };
    if (st)
        return st;
    out->counts = c->tallies;
    out->n = c->tally_count;
    return out->n ? ST_OK : ST_NOT_FOUND;
}

static void count_close(struct events_iter *it)
{
    struct evcount *c = (struct evcount *)it;
    mem_free(c->tallies);
    mem_free(c->sel);
    evscope_close(c->sc);
    mem_free(c);
}

static const struct events_iter_ops count_ops = { count_next, count_close };

struct events_iter *evcount_open(struct evscope *sc, const struct events_count_by *by)
{
    struct evcount *c = mem_new(struct evcount);
    c->it.ops = &count_ops;
    c->sc = sc;
    c->by = by;
    c->sel = mem_alloc(EVDIR_BLOCK_ROWS_MAX);
    return &c->it;
}
