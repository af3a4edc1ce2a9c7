/* SPDX-License-Identifier: Apache-2.0 */
/* What a script's load puts into the engine: lines of series, lines of start times before them (`name{...}@st -1m _ 0-1sx3`,
 * each a duration from its sample's time), and with load_with_nhcb one native histogram more for each classic one. */
#include <stdlib.h>

#include <math.h>

#include "base/date.h"
#include "base/num.h"
#include "promql/script.h"
#include "query/token.h"

#define NAME   SLICE("__name__")
#define BOUND  SLICE("le")

/* ---- start times ---- */

/* A signed duration at the front. */
static bool take_duration(struct slice *s, int64_t *ms)
{
    bool is_negative = s->len && s->ptr[0] == '-', has_sign = is_negative || (s->len && s->ptr[0] == '+');
    struct slice text = slice_skip(*s, has_sign);
    size_t n = 0;
    while (n < text.len && token_is_alnum(text.ptr[n]) && text.ptr[n] != 'x')
        n++;
    if (!duration_parse_prom(slice_sub(text, 0, n), ms))
        return false;
    *ms = is_negative ? -*ms : *ms;
    *s = slice_skip(text, n);
    return true;
}

static bool take_count(struct slice s, uint64_t *count)
{
    return s.len > 1 && s.ptr[0] == 'x' && num_parse_u64(slice_skip(s, 1), count) && *count <= SCRIPT_POINTS_MAX;
}

static bool take_starts(struct arena *a, struct slice item, struct script_points *p)
{
    int64_t offset, step = 0;
    uint64_t times = 0;
    if (item.ptr[0] == '_') {
        if (item.len > 1 && !take_count(slice_skip(item, 1), &times))
            return false;
        p->next += times ? times : 1;
        return p->next <= SCRIPT_POINTS_MAX;
    }
    if (!take_duration(&item, &offset))
        return false;
    bool has_step = item.len && item.ptr[0] != 'x';
    if ((has_step && !take_duration(&item, &step)) || ((item.len || has_step) && !take_count(item, &times)))
        return false;
    if (p->next + times >= SCRIPT_POINTS_MAX)
        return false;
    for (uint64_t i = 0; i <= times; i++, offset = sat_add(offset, step))
        ARENA_PUSH(a, p->list, p->count, p->cap) = (struct sample){ (int64_t)p->next++, (double)offset };
    return true;
}

/* Where "@st" stands behind a series; SIZE_MAX: it does not. */
static size_t starts_mark(struct slice line)
{
    size_t at = slice_find(line, SLICE("@st"), 0), end = at + 3;
    bool is_mark = at != SIZE_MAX && at > 0 && !token_is_space(line.ptr[at - 1]) && (end == line.len || token_is_space(line.ptr[end]));
    return is_mark && slice_find(slice_sub(line, end, line.len), SLICE("\""), 0) == SIZE_MAX ? at : SIZE_MAX;
}

static enum status read_starts(struct script_load *load, struct slice line, size_t mark, struct err *err)
{
    struct slice rest = slice_skip(line, mark + 3), item;
    if (load->has_starts)
        return err_set(err, ST_INVALID, "start times are not followed by their series");
    enum status st = labels_parse(load->a, slice_sub(line, 0, mark), &load->starts_of, err);
    load->starts = (struct script_points){ 0 };
    load->has_starts = true;
    while (!st && (item = script_take_word(&rest)).len)
        if (!take_starts(load->a, item, &load->starts))
            st = err_set(err, ST_INVALID, "start times cannot be read: %.*s", SLICE_FMT(item));
    return st;
}

/* One for each point; 0: not known. NULL: of none. */
static enum status match_starts(struct script_load *load, struct slice labels, const struct script_points *p, int64_t **out, struct err *err)
{
    *out = NULL;
    if (!load->has_starts)
        return ST_OK;
    if (!slice_eq(labels, load->starts_of) || load->starts.next != p->next)
        return err_set(err, ST_INVALID, "start times are of another series, or %zu where there are %zu points", load->starts.next, p->next);
    *out = arena_zalloc(load->a, (p->count + 1) * sizeof **out);
    for (size_t i = 0, k = 0; i < p->count; i++) {
        int64_t place = p->list[i].t_ms;
        while (k < load->starts.count && load->starts.list[k].t_ms < place)
            k++;
        if (k < load->starts.count && load->starts.list[k].t_ms == place)
            (*out)[i] = sat_add(sat_mul(place, load->step_ms), (int64_t)load->starts.list[k].v);
    }
    load->has_starts = false;
    return ST_OK;
}

/* ---- lines ---- */

enum status script_load_line(struct script_load *load, struct slice line, struct err *err)
{
    struct slice labels;
    struct script_points p;
    int64_t *born;
    size_t mark = starts_mark(line);
    if (mark != SIZE_MAX)
        return read_starts(load, line, mark, err);
    enum status st = script_series(load->a, line, &labels, &p, err);
    st = st ? st : match_starts(load, labels, &p, &born, err);
    for (size_t i = 0; !st && i < p.count; i++) {
        p.list[i].t_ms = sat_mul(p.list[i].t_ms, load->step_ms);
        if (is_histogram(p.list[i].v))
            st = histogram_check(histogram_unbox(p.list[i].v), err);
    }
    if (st)
        return st;
    script_engine_add_born(load->engine, labels, p.list, born, p.count);
    if (load->is_nhcb)
        ARENA_PUSH(load->a, load->series, load->series_count, load->series_cap) = (struct script_loaded){ labels, p.list, p.count };
    return ST_OK;
}

/* ---- classic histograms ---- */

enum part { PART_BUCKET, PART_COUNT, PART_SUM };

/* A sample of a classic histogram. */
struct piece {
    struct slice base; /* the labels of the histogram */
    int64_t t_ms;
    enum part part;
    double bound, v;
};

static int piece_cmp(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    int by_name = slice_cmp(x->base, y->base);
    if (by_name)
        return by_name;
    if (x->t_ms != y->t_ms)
        return x->t_ms < y->t_ms ? -1 : 1;
    if (x->part != y->part)
        return x->part < y->part ? -1 : 1;
    return x->bound < y->bound ? -1 : x->bound > y->bound;
}

static bool part_of(struct slice labels, struct slice *name, enum part *part, double *bound)
{
    static const struct slice suffixes[] = { SLICE_INIT("_bucket"), SLICE_INIT("_count"), SLICE_INIT("_sum") };
    struct slice whole = labels_get(labels, NAME);
    *bound = 0;
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        if (!slice_ends(whole, suffixes[i]))
            continue;
        *name = slice_sub(whole, 0, whole.len - suffixes[i].len);
        *part = (enum part)i;
        return i != PART_BUCKET || (num_parse_double(labels_get(labels, BOUND), bound) && !isnan(*bound));
    }
    return false;
}

static size_t take_pieces(struct script_load *load, struct piece **out)
{
    size_t n = 0, cap = 0;
    *out = NULL;
    for (size_t i = 0; i < load->series_count; i++) {
        const struct script_loaded *s = &load->series[i];
        struct piece piece;
        struct slice name, le = BOUND;
        if (!part_of(s->labels, &name, &piece.part, &piece.bound))
            continue;
        piece.base = labels_with(load->a, labels_without(load->a, s->labels, &le, 1), NAME, name);
        for (size_t k = 0; k < s->count; k++) {
            if (is_histogram(s->samples[k].v))
                continue;
            piece.t_ms = s->samples[k].t_ms;
            piece.v = s->samples[k].v;
            ARENA_PUSH(load->a, *out, n, cap) = piece;
        }
    }
    if (n)
        qsort(*out, n, sizeof **out, piece_cmp);
    return n;
}

/* Of n pieces of one time: buckets by bound, then perhaps a count, then perhaps a sum. */
static enum status convert(struct arena *a, const struct piece *p, size_t n, struct histogram **out, struct err *err)
{
    struct histogram *h = arena_new_of(a, struct histogram);
    double before = 0;
    bool has_count = false;
    h->schema = HISTOGRAM_SCHEMA_CUSTOM;
    h->bounds = arena_array(a, double, n);
    h->positive.buckets = arena_array(a, double, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (p[i].part == PART_SUM)
            h->sum = p[i].v;
        if (p[i].part == PART_COUNT) {
            h->count = p[i].v;
            has_count = true;
        }
        if (p[i].part != PART_BUCKET || (i && p[i - 1].part == PART_BUCKET && p[i - 1].bound == p[i].bound))
            continue;
        if (p[i].v < before)
            return err_set(err, ST_INVALID, "a classic histogram counts %g up to %g, and %g below it", p[i].v, p[i].bound, before);
        if (p[i].bound < INFINITY)
            h->bounds[h->bound_count++] = p[i].bound;
        h->positive.buckets[h->positive.bucket_count++] = p[i].v - before;
        before = p[i].v;
    }
    h->count = has_count ? h->count : before;
    if (h->positive.bucket_count == h->bound_count) /* none up to +Inf */
        h->positive.buckets[h->positive.bucket_count++] = h->count - before;
    else if (h->count != before)
        return err_set(err, ST_INVALID, "a classic histogram has the count %g and %g up to +Inf", h->count, before);
    struct histogram_span span = { 0, h->positive.bucket_count };
    h->positive.spans = &span;
    h->positive.span_count = 1;
    *out = histogram_compact(a, h);
    return histogram_check(*out, err);
}

enum status script_load_end(struct script_load *load, struct err *err)
{
    struct piece *p;
    if (load->has_starts)
        return err_set(err, ST_INVALID, "start times are not followed by their series");
    size_t n = take_pieces(load, &p);
    for (size_t i = 0, end; i < n; i = end) {
        struct histogram *h = NULL;
        for (end = i + 1; end < n && p[end].t_ms == p[i].t_ms && slice_eq(p[end].base, p[i].base);)
            end++;
        enum status st = convert(load->a, p + i, end - i, &h, err);
        if (st)
            return st;
        struct sample one = { p[i].t_ms, histogram_box(h) };
        script_engine_add(load->engine, p[i].base, &one, 1);
    }
    return ST_OK;
}
