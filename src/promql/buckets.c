/* SPDX-License-Identifier: Apache-2.0 */
/* histogram_quantile and its kin, over histograms of both kinds: native ones (native.c), and classic ones, where series with
 * a label "le" are the buckets of what the other labels name. Where both have the same labels at one step, neither counts.
 *
 * The rows are held and grouped; then each group is looked at step by step. Counts that are not monotonic (scraped while
 * they grew) are raised, silently when the difference is noise. */
#include <stdlib.h>

#include "base/date.h"
#include "base/num.h"
#include "promql/native.h"
#include "promql/parts.h"
#include "promql/rows.h"

#define NOISE        1e-12
#define DOUBLE_SMALL 2.2250738585072014e-308
#define LE           SLICE("le")

static const struct slice LE_LABEL = SLICE_INIT("le");

struct bucket {
    double le, count;
};

struct bucket_row {
    double le;
    double *v;
};

struct classic {
    struct slice labels, name; /* without le; the name it had, for sentences */
    bool drop_name;
    struct bucket_row *rows;
    size_t count, cap;
};

/* How much of the histograms of one name had to be forced, for the note. */
struct forced {
    struct slice name;
    double min_le, max_le, max_diff;
    int64_t first_ms, last_ms;
    size_t steps;
};

struct native_row {
    struct slice labels, name;
    bool drop_name;
    double *v;           /* numbers are left out */
};

struct buckets_sink {
    struct sink sink;
    struct eval *e;
    const struct node *arg;
    const struct grid *g;
    struct arena *a;
    struct map index;    /* of classic ones, by labels without le */
    struct classic *list;
    size_t count, cap;
    struct native_row *natives;
    size_t native_count, native_cap;
    struct forced *forced; /* by name, as classic ones come: sorted */
    size_t forced_count, forced_cap;
};

/* How notes call a metric: not at all when names go away at once. */
static struct slice shown_name(const struct buckets_sink *s, struct slice labels)
{
    return (s->e->features & FEATURE_DELAYED_NAME_REMOVAL) ? labels_get(labels, NAME_LABEL) : SLICE_EMPTY;
}

static enum status classic_put(struct buckets_sink *s, struct row *row, struct err *err)
{
    struct slice le = labels_get(row->labels, LE), name = shown_name(s, row->labels);
    double bound;
    bool added;
    if (!num_parse_double(le, &bound)) {
        eval_warn(s->e, s->arg, "bucket label \"le\" is missing or has a malformed value of \"%.*s\"%s%.*s%s", SLICE_FMT(le),
                  name.len ? " for metric name \"" : "", SLICE_FMT(name), name.len ? "\"" : "");
        return ST_OK;
    }
    /* With the name, while it is not dropped at once: two histograms of one name each must not mix. */
    struct slice key = labels_without(s->e->line, row->labels, &LE_LABEL, 1);
    uint64_t *at = map_get(&s->index, key);
    if (at == NULL) {
        struct row kept = { arena_copy(s->a, key), row->drop_name, NULL, false };
        struct slice own = kept.labels;
        eval_drop_name(s->e, &kept);
        at = map_put(&s->index, own, &added);
        *at = s->count;
        ARENA_PUSH(s->a, s->list, s->count, s->cap) = (struct classic){ .labels = arena_copy(s->a, kept.labels), .name = arena_copy(s->a, name),
                                                                       .drop_name = kept.drop_name };
    }
    struct classic *h = &s->list[*at];
    double *v = arena_array(s->a, double, s->g->n);
    memcpy(v, row->v, s->g->n * sizeof *v);
    ARENA_PUSH(s->a, h->rows, h->count, h->cap) = (struct bucket_row){ bound, v };
    return eval_check(s->e, err);
}

/* Where a classic histogram of the same labels has buckets, both go. The rows of the one side may come before or after. */
static enum status native_put(struct buckets_sink *s, struct row *row, struct err *err)
{
    double *v = arena_array(s->a, double, s->g->n);
    for (size_t i = 0; i < s->g->n; i++) {
        bool is_native = is_histogram(row->v[i]);
        v[i] = is_native ? row->v[i] : ABSENT;
        row->v[i] = is_native ? ABSENT : row->v[i];
    }
    eval_keep_histograms(s->a, v, s->g->n);
    ARENA_PUSH(s->a, s->natives, s->native_count, s->native_cap) =
        (struct native_row){ arena_copy(s->a, row->labels), arena_copy(s->a, shown_name(s, row->labels)), row->drop_name, v };
    return eval_check(s->e, err);
}

static bool has_any(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_absent(v[i]))
            return true;
    return false;
}

static enum status buckets_put(struct sink *sink, struct row *row, struct err *err)
{
    struct buckets_sink *s = (struct buckets_sink *)sink;
    enum status st = row->has_histograms ? native_put(s, row, err) : ST_OK;
    return st || (row->has_histograms && !has_any(row->v, s->g->n)) ? st : classic_put(s, row, err);
}

static bool has_buckets(const struct classic *h, size_t step)
{
    for (size_t i = 0; i < h->count; i++)
        if (!is_absent(h->rows[i].v[step]))
            return true;
    return false;
}

/* Takes out what is there as both kinds. */
static void settle(struct buckets_sink *s)
{
    for (size_t k = 0; k < s->native_count; k++) {
        struct native_row *native = &s->natives[k];
        const uint64_t *at = map_get(&s->index, native->labels);
        bool any = false;
        for (size_t i = 0; at && i < s->g->n; i++) {
            struct classic *h = &s->list[*at];
            if (is_absent(native->v[i]) || !has_buckets(h, i))
                continue;
            any = true;
            native->v[i] = ABSENT;
            for (size_t b = 0; b < h->count; b++)
                h->rows[b].v[i] = ABSENT;
        }
        if (any)
            eval_warn(s->e, s->arg, "vector contains a mix of classic and native histograms%s%.*s%s",
                      native->name.len ? " for metric name \"" : "", SLICE_FMT(native->name), native->name.len ? "\"" : "");
        struct row row = { native->labels, native->drop_name, native->v, false };
        eval_drop_name(s->e, &row);
        native->labels = arena_copy(s->a, row.labels);
        native->drop_name = row.drop_name;
    }
}

static int bucket_cmp(const void *a, const void *b)
{
    double x = ((const struct bucket *)a)->le, y = ((const struct bucket *)b)->le;
    return x < y ? -1 : x > y;
}

/* The buckets of one step, by bound, equal bounds made one. */
static size_t buckets_at(const struct classic *h, size_t step, struct bucket *out)
{
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < h->count; i++)
        if (!is_absent(h->rows[i].v[step]))
            out[n++] = (struct bucket){ h->rows[i].le, h->rows[i].v[step] };
    qsort(out, n, sizeof *out, bucket_cmp);
    for (size_t i = 0; i < n; i++) {
        if (kept && out[kept - 1].le == out[i].le)
            out[kept - 1].count += out[i].count;
        else
            out[kept++] = out[i];
    }
    return kept;
}

static bool almost_equal(double a, double b)
{
    double sum = fabs(a) + fabs(b), diff = fabs(a - b);
    if (a == b)
        return true;
    if (a == 0 || b == 0 || sum < DOUBLE_SMALL)
        return diff < NOISE * DOUBLE_SMALL;
    return diff / fmin(sum, 1.7976931348623157e308) < NOISE;
}

static void make_monotonic(struct bucket *b, size_t n, int64_t t_ms, struct forced *f)
{
    double before = n ? b[0].count : 0;
    bool is_forced = false;
    for (size_t i = 1; i < n; i++) {
        if (b[i].count > before && !almost_equal(before, b[i].count)) {
            before = b[i].count;
            continue;
        }
        if (b[i].count < before && !almost_equal(before, b[i].count)) {
            bool first = f->steps == 0 && !is_forced;
            f->min_le = first ? b[i].le : fmin(f->min_le, b[i].le);
            f->max_le = first ? b[i].le : fmax(f->max_le, b[i].le);
            f->max_diff = first ? before - b[i].count : fmax(f->max_diff, before - b[i].count);
            is_forced = true;
        }
        b[i].count = before;
    }
    if (!is_forced)
        return;
    f->first_ms = f->steps ? MIN(f->first_ms, t_ms) : t_ms;
    f->last_ms = f->steps ? MAX(f->last_ms, t_ms) : t_ms;
    f->steps++;
}

static double quantile(double q, struct bucket *b, size_t n, int64_t t_ms, struct forced *f)
{
    if (isnan(q))
        return NAN;
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    if (n == 0 || b[n - 1].le != INFINITY)
        return NAN;
    make_monotonic(b, n, t_ms, f);
    if (n < 2)
        return NAN;
    double observations = b[n - 1].count, rank = q * observations;
    if (observations == 0 || isnan(observations))
        return NAN;
    size_t at = 0;
    while (at < n - 1 && b[at].count < rank)
        at++;
    if (at == n - 1)
        return b[n - 2].le;
    if (at == 0 && b[0].le <= 0)
        return b[0].le;
    double start = at ? b[at - 1].le : 0, below = at ? b[at - 1].count : 0;
    return start + (b[at].le - start) * ((rank - below) / (b[at].count - below));
}

/* Observations up to bound, as a share of rank 1, along straight lines between bounds. */
static double rank_of(double bound, const struct bucket *b, size_t n)
{
    double total = b[n - 1].count;
    if (bound == -INFINITY)
        return 0;
    if (bound == INFINITY)
        return total;
    for (size_t i = 0; i < n; i++) {
        if (bound > b[i].le)
            continue;
        double low = i ? b[i - 1].le : (b[0].le > 0 ? 0 : -INFINITY), below = i ? b[i - 1].count : 0;
        if (bound <= low)
            return below;
        if (b[i].le == INFINITY)
            return below;
        if (low == -INFINITY)
            return b[i].count; /* no line through a bucket without end: all of it is below */
        return below + (b[i].count - below) * (bound - low) / (b[i].le - low);
    }
    return total;
}

static double fraction(double lower, double upper, const struct bucket *b, size_t n)
{
    if (n == 0 || b[n - 1].le != INFINITY || b[n - 1].count == 0 || isnan(lower) || isnan(upper) || isnan(b[n - 1].count))
        return NAN;
    if (lower >= upper)
        return 0;
    return (rank_of(upper, b, n) - rank_of(lower, b, n)) / b[n - 1].count;
}

/* The end of each of the functions: what was asked for is given out unless something failed, and all of it is freed. */
static enum status give_and_free(struct buckets_sink *s, struct rows *out, enum status st, struct sink *sink, struct err *err)
{
    if (!st)
        st = rows_give(out, sink, err);
    map_free(&s->index);
    arena_free(s->a);
    rows_free(out);
    return st;
}

static enum status collect(struct buckets_sink *s, struct eval *e, const struct node *arg, const struct grid *g, struct err *err)
{
    *s = (struct buckets_sink){ .sink = { buckets_put }, .e = e, .arg = arg, .g = g, .a = eval_arena(e) };
    map_init(&s->index);
    enum status st = eval_vector(e, arg, g, &s->sink, err);
    if (!st)
        settle(s);
    return st;
}

static struct forced *forced_of(struct buckets_sink *s, struct slice name)
{
    if (s->forced_count == 0 || !slice_eq(s->forced[s->forced_count - 1].name, name))
        ARENA_PUSH(s->a, s->forced, s->forced_count, s->forced_cap) = (struct forced){ .name = name };
    return &s->forced[s->forced_count - 1];
}

/* Once for all series and steps; times in whole seconds. */
static void note_forced(struct buckets_sink *s, const struct forced *f)
{
    char first[DATE_TEXT_BYTES_MAX], last[DATE_TEXT_BYTES_MAX], low[NUM_TEXT_BYTES_MAX], high[NUM_TEXT_BYTES_MAX];
    if (f->steps == 0)
        return;
    size_t first_len = date_format_rfc3339(f->first_ms / 1000 * NS_S, 0, DATE_DIGITS_SHORTEST, first);
    size_t last_len = date_format_rfc3339(f->last_ms / 1000 * NS_S, 0, DATE_DIGITS_SHORTEST, last);
    int low_len = (int)num_format_short(f->min_le, low), high_len = (int)num_format_short(f->max_le, high);
    eval_info(s->e, s->arg,
              "input to histogram_quantile needed to be fixed for monotonicity (see "
              "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)%s%.*s%s, "
              "from buckets %.*s to %.*s, with a max diff of %.2g, over %zu samples from %.*s to %.*s",
              f->name.len ? " for metric name \"" : "", SLICE_FMT(f->name), f->name.len ? "\"" : "", low_len, low, high_len, high, f->max_diff,
              f->steps, (int)first_len, first, (int)last_len, last);
}

/* As OpenMetrics writes numbers: always with a point or an exponent. */
static struct slice quantile_text(struct arena *a, double q)
{
    char text[NUM_TEXT_BYTES_MAX];
    struct slice s = slice_of(text, num_format_short(q, text));
    bool is_whole = isfinite(q) && slice_find_char(s, '.', 0) == SIZE_MAX && slice_find_char(s, 'e', 0) == SIZE_MAX;
    return arena_printf(a, "%.*s%s", SLICE_FMT(s), is_whole ? ".0" : "");
}

static enum status give_native_quantiles(struct buckets_sink *s, const double *q, struct slice label, struct rows *out, struct err *err)
{
    enum status st = ST_OK;
    for (size_t k = 0; !st && k < s->native_count; k++) {
        const struct native_row *h = &s->natives[k];
        double *v = arena_array(s->a, double, s->g->n);
        for (size_t i = 0; i < s->g->n; i++)
            v[i] = is_absent(h->v[i]) ? ABSENT : native_quantile(s->e, s->arg, h->name, q[i], histogram_unbox(h->v[i]));
        struct row row = { h->labels, h->drop_name, v, false };
        if (label.len)
            row.labels = labels_with(s->a, row.labels, label, quantile_text(s->a, q[0]));
        if (has_any(v, s->g->n))
            st = rows_put(out, &row, err);
    }
    return st;
}

/* Names may be several, and going away: then results grow together or collide in rows. */
static enum status give_quantiles(struct buckets_sink *s, const double *q, struct slice label, struct rows *out, struct err *err)
{
    enum status st = ST_OK;
    for (size_t k = 0; !st && k < s->count; k++) {
        struct classic *h = &s->list[k];
        struct forced *forced = forced_of(s, h->name);
        struct bucket *b = arena_array(s->a, struct bucket, h->count);
        double *v = arena_array(s->a, double, s->g->n);
        for (size_t i = 0; i < s->g->n; i++) {
            size_t n = buckets_at(h, i, b);
            v[i] = n ? quantile(q[i], b, n, grid_at(s->g, i), forced) : ABSENT;
        }
        struct row row = { h->labels, h->drop_name, v, false };
        if (label.len)
            row.labels = labels_with(s->a, row.labels, label, quantile_text(s->a, q[0]));
        st = rows_put(out, &row, err);
    }
    return st;
}

/* The kids first to end - 1 say which; label, unless empty, tells them apart in the results. */
static enum status quantiles(struct eval *e, const struct node *n, const struct node *arg, size_t first, size_t end, struct slice label,
                             const struct grid *g, struct sink *sink, struct err *err)
{
    struct buckets_sink s;
    struct rows out;
    rows_init(&out, e, g->n);
    double *q = arena_array(out.a, double, g->n);
    enum status st = collect(&s, e, arg, g, err);
    for (size_t k = first; !st && k < end; k++) {
        st = eval_scalar(e, n->kids[k], g, q, err);
        if (st)
            break;
        eval_warn_quantile(e, n->kids[k], q, g->n);
        st = give_native_quantiles(&s, q, label, &out, err);
        if (!st)
            st = give_quantiles(&s, q, label, &out, err);
    }
    for (size_t k = 0; !st && k < s.forced_count; k++)
        note_forced(&s, &s.forced[k]);
    return give_and_free(&s, &out, st, sink, err);
}

enum status buckets_quantile(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    return quantiles(e, n, n->kids[1], 0, 1, SLICE_EMPTY, g, sink, err);
}

enum status buckets_quantiles(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    struct slice label = eval_string(n->kids[1]);
    if (label.len == 0)
        return err_set(err, ST_INVALID, "invalid label name \"\"");
    return quantiles(e, n, n->kids[0], 2, n->kid_count, label, g, sink, err);
}

static enum status give_fractions(struct buckets_sink *s, const double *lower, const double *upper, struct rows *out, struct err *err)
{
    enum status st = ST_OK;
    for (size_t k = 0; !st && k < s->count; k++) {
        struct classic *h = &s->list[k];
        struct bucket *b = arena_array(s->a, struct bucket, h->count);
        double *v = arena_array(s->a, double, s->g->n);
        for (size_t i = 0; i < s->g->n; i++) {
            size_t count = buckets_at(h, i, b);
            v[i] = count ? fraction(lower[i], upper[i], b, count) : ABSENT;
        }
        struct row row = { h->labels, h->drop_name, v, false };
        st = rows_put(out, &row, err);
    }
    for (size_t k = 0; !st && k < s->native_count; k++) {
        const struct native_row *h = &s->natives[k];
        double *v = arena_array(s->a, double, s->g->n);
        for (size_t i = 0; i < s->g->n; i++)
            v[i] = is_absent(h->v[i]) ? ABSENT : native_fraction(s->e, s->arg, h->name, lower[i], upper[i], histogram_unbox(h->v[i]));
        struct row row = { h->labels, h->drop_name, v, false };
        if (has_any(v, s->g->n))
            st = rows_put(out, &row, err);
    }
    return st;
}

enum status buckets_fraction(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    struct buckets_sink s;
    struct rows out;
    rows_init(&out, e, g->n);
    double *lower = arena_array(out.a, double, g->n), *upper = arena_array(out.a, double, g->n);
    enum status st = collect(&s, e, n->kids[2], g, err);
    if (!st)
        st = eval_scalar(e, n->kids[0], g, lower, err);
    if (!st)
        st = eval_scalar(e, n->kids[1], g, upper, err);
    if (!st)
        st = give_fractions(&s, lower, upper, &out, err);
    return give_and_free(&s, &out, st, sink, err);
}
