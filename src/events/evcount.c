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
        int64_t origin = c->by->origin_ns[i], from;
        if (time_ns >= origin) /* the distance may be more than an int64_t of nanoseconds */
            from = time_ns - (int64_t)(((uint64_t)time_ns - (uint64_t)origin) % (uint64_t)c->by->step_ns);
        else
            from = sat_add(origin, date_floor(sat_sub(time_ns, origin), c->by->step_ns));
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

/* ---- groups ---- */

/* What the caller said of the part's streams. */
struct groups {
    const struct evdir *d;
    uint32_t **of_stream; /* by the part's number of it: SEVERITY_VALUES of them, GROUP_NONE where not asked yet; NULL: none asked yet */
    const bool *is_seen;  /* by number of a field: does the caller look at it? */
    const struct slice *seen; /* names of those */
    size_t seen_count;
};

static struct event event_of(const struct groups *g, const struct evdir_block *b, size_t stream, uint8_t severity)
{
    struct event e = { .kind = b->kind, .severity = severity, .weight = 1 };
    e.stream = stream < b->stream_count ? g->d->streams[b->streams[stream]] : SLICE_EMPTY;
    return e;
}

/* stream: the block's number of it. A block without any asks as if it were the part's last and one more. */
static enum status group_of(struct evcount *c, const struct groups *g, const struct evdir_block *b, size_t stream, size_t severity, uint32_t *out,
                            struct err *err)
{
    uint32_t **of_stream = &g->of_stream[stream < b->stream_count ? b->streams[stream] : g->d->stream_count];
    if (*of_stream == NULL) {
        *of_stream = arena_array(c->sc->arena, uint32_t, SEVERITY_VALUES);
        memset(*of_stream, 0xff, SEVERITY_VALUES * sizeof **of_stream);
    }
    enum status st = ST_OK;
    uint32_t *group = &(*of_stream)[severity];
    if (*group == GROUP_NONE) {
        struct event e = event_of(g, b, stream, (uint8_t)severity);
        st = c->by->group(c->by->arg, &e, group, err);
    }
    *out = *group;
    return st;
}

/* ---- blocks ---- */

/* A block whose rows are counted by stream and severity, as far as groups differ by them. */
struct table {
    const struct groups *g;
    const struct evdir_block *b;
    size_t stream_count;              /* at least 1 */
    bool is_by_stream, is_by_severity, may_be_odd;
    uint8_t severity;                 /* one that is there: of all rows when groups do not differ by it */
    uint32_t first[EVDIR_SEVERITIES]; /* the first stream's groups */
    const int64_t *times, *severities, *streams, *weights; /* NULL severities, streams: of no matter; NULL weights: 1 */
    uint32_t *counts; /* of the cell at hand, by stream * SEVERITY_VALUES + severity */
    double *sums;     /* the same, of weights that are not 1 */
    uint32_t *used;   /* places that have any */
    size_t used_count;
};

/* Directories count severities over theirs as 0, so a column is needed to tell. */
static bool may_be_odd(const struct evdir_block *b)
{
    return b->severities[0] && evdir_place_of(b, EVCOL_SEVERITY);
}

static enum status table_init(struct evcount *c, const struct groups *g, const struct evdir_block *b, struct table *t, struct err *err)
{
    enum status st = ST_OK;
    uint32_t any = GROUP_NONE, group;
    *t = (struct table){ .g = g, .b = b, .stream_count = MAX(b->stream_count, 1u), .may_be_odd = may_be_odd(b), .is_by_severity = may_be_odd(b) };
    for (size_t v = 0; st == ST_OK && v < EVDIR_SEVERITIES; v++) {
        if (b->severities[v] == 0)
            continue;
        t->severity = (uint8_t)v;
        st = group_of(c, g, b, 0, v, &t->first[v], err);
        t->is_by_severity |= any != GROUP_NONE && any != t->first[v];
        any = t->first[v];
        for (size_t s = 1; st == ST_OK && s < t->stream_count; s++) {
            st = group_of(c, g, b, s, v, &group, err);
            t->is_by_stream |= group != t->first[v];
        }
    }
    return st;
}

static enum status close_cell(struct evcount *c, struct table *t, const struct cell *cell, struct err *err)
{
    enum status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < t->used_count; i++) {
        uint32_t group, place = t->used[i];
        st = group_of(c, t->g, t->b, place / SEVERITY_VALUES, place % SEVERITY_VALUES, &group, err);
        if (st == ST_OK)
            st = add(c, group, cell->from_ns, t->counts[place] + t->sums[place], err);
        t->counts[place] = 0;
        t->sums[place] = 0;
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

/* Where the run of rows that begins at r and lies in the cell ends. Most of the time whole chunks lie in it: no difference is
 * negative then. */
static size_t run_end(const struct table *t, size_t r, const struct cell *cell)
{
    enum { CHUNK = 64 };
    const int64_t *times = t->times;
    int64_t first = MAX(cell->from_ns, t->b->min_ns), last = MIN(cell->to_ns - 1, t->b->max_ns);
    bool may_wrap = sat_sub(t->b->max_ns, t->b->min_ns) == INT64_MAX;
    for (; !may_wrap && r + CHUNK <= t->b->rows; r += CHUNK) {
        int64_t signs = 0;
        for (size_t i = r; i < r + CHUNK; i++)
            signs |= (times[i] - first) | (last - times[i]);
        if (signs < 0)
            break;
    }
    while (r < t->b->rows && times[r] >= cell->from_ns && times[r] < cell->to_ns)
        r++;
    return r;
}

/* A severity that tables have no place for. */
static enum status add_odd(struct evcount *c, const struct table *t, size_t row, const struct cell *cell, double weight, struct err *err)
{
    uint32_t group;
    struct event e = event_of(t->g, t->b, t->streams ? (size_t)t->streams[row] : 0, (uint8_t)t->severities[row]);
    enum status st = c->by->group(c->by->arg, &e, &group, err);
    return st ? st : add(c, group, cell->from_ns, weight, err);
}

static bool has_odd(const struct table *t)
{
    uint64_t bits = 0;
    for (size_t r = 0; t->may_be_odd && r < t->b->rows; r++)
        bits |= (uint64_t)t->severities[r];
    return bits >= SEVERITY_VALUES;
}

static size_t place_of(const struct table *t, size_t row)
{
    return (t->streams ? (size_t)t->streams[row] * SEVERITY_VALUES : 0) + (t->severities ? (size_t)t->severities[row] : t->severity);
}

static void use(struct table *t, size_t place)
{
    t->used[t->used_count] = (uint32_t)place;
    t->used_count += t->counts[place] == 0 && t->sums[place] == 0;
}

/* Rows that may be left out, have weights, or severities without a place. */
static enum status add_some(struct evcount *c, struct table *t, size_t from, size_t to, const struct cell *cell, struct err *err)
{
    enum status st = ST_OK;
    for (size_t r = from; st == ST_OK && r < to; r++) {
        double weight = t->weights ? weight_of(t->weights[r]) : 1;
        if (!c->sel[r])
            continue;
        c->sc->ctx->is_sampled |= weight != 1;
        if (t->severities && (uint64_t)t->severities[r] >= SEVERITY_VALUES) {
            st = add_odd(c, t, r, cell, weight, err);
            continue;
        }
        use(t, place_of(t, r));
        t->sums[place_of(t, r)] += weight;
    }
    return st;
}

static void add_all(struct table *t, size_t from, size_t to)
{
    if (t->severities == NULL && t->streams == NULL) {
        use(t, t->severity);
        t->counts[t->severity] += (uint32_t)(to - from);
        return;
    }
    uint32_t *counts = t->counts, *used = t->used;
    size_t used_count = t->used_count;
    for (size_t r = from; r < to; r++) {
        size_t place = place_of(t, r);
        used[used_count] = (uint32_t)place;
        used_count += counts[place]++ == 0;
    }
    t->used_count = used_count;
}

static enum status read_some(struct evread *x, enum evdir_column column, bool is_needed, const int64_t **out, struct err *err)
{
    return is_needed ? evread_ints(x, column, out, err) : ST_OK;
}

static enum status read_columns(struct table *t, struct evread *x, struct err *err)
{
    enum status st = evread_ints(x, EVCOL_TIME, &t->times, err);
    if (st == ST_OK)
        st = read_some(x, EVCOL_SEVERITY, t->is_by_severity, &t->severities, err);
    if (st == ST_OK)
        st = read_some(x, EVCOL_STREAM, t->is_by_stream || (t->may_be_odd && t->stream_count > 1), &t->streams, err);
    return st ? st : read_some(x, EVCOL_WEIGHT, evdir_place_of(t->b, EVCOL_WEIGHT), &t->weights, err);
}

/* x holds count selected rows. */
static enum status count_rows(struct evcount *c, struct table *t, struct evread *x, size_t count, struct err *err)
{
    size_t n = t->b->rows, places = t->stream_count * SEVERITY_VALUES;
    enum status st = read_columns(t, x, err);
    if (st)
        return evscope_skip(c->sc, st, err);
    bool is_all = count == n && t->weights == NULL && !has_odd(t);
    t->counts = arena_zalloc(c->sc->scratch, places * sizeof *t->counts);
    t->sums = arena_zalloc(c->sc->scratch, places * sizeof *t->sums);
    t->used = arena_array(c->sc->scratch, uint32_t, places + 1);
    for (size_t r = 0, end; st == ST_OK && r < n; r = end) {
        struct cell cell = cell_at(c, t->times[r]);
        end = run_end(t, r, &cell);
        if (is_all)
            add_all(t, r, end);
        else
            st = add_some(c, t, r, end, &cell, err);
        if (st == ST_OK)
            st = close_cell(c, t, &cell, err);
    }
    return st;
}

/* Rows that the caller has to see: one has a field that it looks at, or an id. */
static enum status count_seen(struct evcount *c, const struct groups *g, struct evread *x, struct err *err)
{
    const struct evdir_block *b = evread_block(x);
    unsigned want = WANT_STREAM | WANT_FIELDS | (c->by->with_ids ? WANT_IDS : 0);
    if (g->seen_count < g->d->field_count)
        evread_only(x, g->seen, g->seen_count);
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

static struct groups *groups_new(struct evcount *c, const struct evdir *d)
{
    struct arena *a = c->sc->arena;
    struct groups *g = arena_new_of(a, struct groups);
    bool *is_seen = arena_zalloc(a, d->field_count + 1);
    struct slice *seen = arena_array(a, struct slice, d->field_count + 1);
    size_t seen_count = 0;
    for (size_t f = 0; f < d->field_count; f++) {
        is_seen[f] = c->by->looks_at(c->by->arg, d->fields[f].name);
        seen[seen_count] = d->fields[f].name;
        seen_count += is_seen[f];
    }
    *g = (struct groups){ d, arena_zalloc(a, (d->stream_count + 1) * sizeof *g->of_stream), is_seen, seen, seen_count };
    return g;
}

static bool must_be_seen(const struct evcount *c, const struct groups *g, const struct evdir_block *b)
{
    if (b->has_cells || (c->by->with_ids && (evdir_place_of(b, EVCOL_TRACE_ID) || evdir_place_of(b, EVCOL_SPAN_ID))))
        return true;
    for (uint32_t i = 0; i < b->place_count; i++)
        if (b->places[i].column >= EVCOL_FIELD_FIRST && g->is_seen[b->places[i].column - EVCOL_FIELD_FIRST])
            return true;
    return false;
}

/* By the directory alone: *is_counted when it could. */
static enum status count_whole(struct evcount *c, struct evplan *plan, const struct table *t, bool *is_counted, struct err *err)
{
    const struct evdir_block *b = t->b;
    struct cell cell = cell_at(c, b->min_ns);
    enum status st = ST_OK;
    *is_counted = !t->is_by_stream && !t->may_be_odd && !evdir_place_of(b, EVCOL_WEIGHT) && b->max_ns < cell.to_ns && evscope_has_all(c->sc, plan, b);
    for (size_t v = 0; *is_counted && st == ST_OK && v < EVDIR_SEVERITIES; v++)
        if (b->severities[v])
            st = add(c, t->first[v], cell.from_ns, b->severities[v], err);
    return st;
}

static enum status count_block(struct evcount *c, struct evplan *plan, const struct groups *g, const struct evdir_block *b, struct err *err)
{
    struct evread *x;
    struct table t;
    size_t count;
    bool is_counted = false, is_wide = must_be_seen(c, g, b);
    enum status st = is_wide ? ST_OK : table_init(c, g, b, &t, err);
    if (st == ST_OK && !is_wide)
        st = count_whole(c, plan, &t, &is_counted, err);
    if (st || is_counted)
        return st;
    arena_reset(c->sc->scratch);
    st = evscope_select(c->sc, plan, b, &x, c->sel, &count, err);
    if (st == ST_OK && x)
        st = is_wide ? count_seen(c, g, x, err) : count_rows(c, &t, x, count, err);
    evread_free(x);
    return st;
}

static enum status count_part(struct evcount *c, struct evplan *plan, struct err *err)
{
    const struct evdir *d = evplan_dir(plan);
    const struct groups *g = groups_new(c, d);
    enum status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < d->block_count; i++)
        if (evscope_has_block(c->sc, d, &d->blocks[i]))
            st = count_block(c, plan, g, &d->blocks[i], err);
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
