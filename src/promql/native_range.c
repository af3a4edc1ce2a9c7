/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of windows in which there are native histograms, and what the notes about them say. Intermediate ones live in
 * the window's scratch, results in its out. A window with both kinds of samples gives nothing where they would have to be
 * mixed. */
#include "promql/native.h"

#include "promql/parts.h"

/* ---- notes ---- */

const struct node *native_range_place(const struct node *call)
{
    static const struct node start = { 0 }; /* Prometheus forgets where a subquery stood */
    const struct node *first = ast_strip_parens(call->kids[0]);
    return first->kind == NODE_SUBQUERY ? &start : first;
}

static struct slice metric(const struct window *w)
{
    return labels_get(w->labels, NAME_LABEL);
}

void native_warn_mixed(const struct window *w)
{
    struct slice name = metric(w);
    eval_warn(w->e, native_range_place(w->call), "encountered a mix of histograms and floats for metric name \"%.*s\"", SLICE_FMT(name));
}

void native_warn_layouts(const struct window *w)
{
    struct slice name = metric(w);
    eval_warn(w->e, native_range_place(w->call),
              "vector contains a mix of histograms with exponential and custom buckets schemas for metric name \"%.*s\"", SLICE_FMT(name));
}

void native_info_merged(const struct window *w, bool is_addition)
{
    eval_info(w->e, native_range_place(w->call), "mismatched custom buckets were reconciled during %s",
              is_addition ? "addition" : "subtraction");
}

void native_warn_not_counter(const struct window *w)
{
    struct slice name = metric(w);
    eval_warn(w->e, native_range_place(w->call), "this native histogram metric is not a counter: \"%.*s\"", SLICE_FMT(name));
}

void native_warn_not_gauge(const struct window *w)
{
    struct slice name = metric(w);
    eval_warn(w->e, native_range_place(w->call), "this native histogram metric is not a gauge: \"%.*s\"", SLICE_FMT(name));
}

/* ---- the window ---- */

static const struct histogram *at(const struct window *w, size_t i)
{
    return histogram_unbox(w->v[i]);
}

static bool is_mixed(const struct window *w)
{
    for (size_t i = 1; i < w->n; i++) {
        if (is_histogram(w->v[i]) == is_histogram(w->v[0]))
            continue;
        native_warn_mixed(w);
        return true;
    }
    return false;
}

double native_numbers_only(const struct function *fn, const struct window *w)
{
    struct window numbers = *w;
    int64_t *t = arena_array(w->scratch, int64_t, w->n);
    double *v = arena_array(w->scratch, double, w->n);
    numbers.t = t;
    numbers.v = v;
    numbers.n = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (is_histogram(w->v[i]))
            continue;
        t[numbers.n] = w->t[i];
        v[numbers.n++] = w->v[i];
    }
    struct slice name = metric(w);
    if (numbers.n == 0)
        return ABSENT;
    eval_info(w->e, native_range_place(w->call), "ignored histograms in a range containing both floats and histograms for metric name \"%.*s\"",
              SLICE_FMT(name));
    return fn->range(&numbers);
}

/* ---- rate, increase, delta ---- */

static bool is_reset(const struct window *w, size_t i)
{
    return range_is_born_anew(w, i) || histogram_is_reset(at(w, i - 1), at(w, i));
}

/* What may be added and subtracted: one kind of buckets. first: the first sample that counts for that. */
static bool has_one_layout(const struct window *w, size_t first)
{
    for (size_t i = first; i < w->n; i++) {
        if (native_is_custom(at(w, i)) == native_is_custom(at(w, first)))
            continue;
        native_warn_layouts(w);
        return false;
    }
    return true;
}

static void note_kinds(const struct window *w, bool is_counter)
{
    bool ends_are_gauges = at(w, 0)->hint == HINT_GAUGE && at(w, w->n - 1)->hint == HINT_GAUGE, any = false;
    for (size_t i = 0; i < w->n; i++)
        any |= at(w, i)->hint == HINT_GAUGE;
    if (is_counter && any)
        native_warn_not_counter(w);
    if (!is_counter && !ends_are_gauges)
        native_warn_not_gauge(w);
}

/* Of at least two samples; NULL: they do not fit. A reset between the first two makes the first one worthless. */
static struct histogram *difference(const struct window *w, bool is_counter)
{
    struct arena *a = w->scratch;
    size_t first = is_counter && is_reset(w, 1) ? 1 : 0;
    const struct histogram *last = at(w, w->n - 1);
    int schema = MIN(last->schema, at(w, first)->schema);
    struct histogram_note sub = { 0 }, add = { 0 };
    if (!is_counter && native_is_custom(last) != native_is_custom(at(w, 0))) {
        native_warn_layouts(w);
        return NULL;
    }
    if (is_counter && !has_one_layout(w, first))
        return NULL;
    note_kinds(w, is_counter);
    for (size_t i = first; is_counter && i < w->n; i++)
        schema = MIN(schema, at(w, i)->schema);
    struct histogram *h = schema == last->schema ? histogram_copy(a, last) : histogram_reduce(a, last, schema);
    if (first == 0)
        h = histogram_sub(a, h, at(w, 0), &sub);
    for (size_t i = first + 1; is_counter && i < w->n; i++)
        if (is_reset(w, i))
            h = histogram_add(a, h, at(w, i - 1), &add);
    if (sub.has_merged_bounds)
        native_info_merged(w, false);
    if (add.has_merged_bounds)
        native_info_merged(w, true);
    return histogram_compact(a, h);
}

static double increase(const struct window *w, bool is_counter, bool is_rate)
{
    bool is_born = is_counter && range_is_born_inside(w);
    if (is_mixed(w) || (w->n < 2 && !is_born))
        return ABSENT;
    struct histogram *h = w->n < 2 ? histogram_copy(w->scratch, at(w, 0)) : difference(w, is_counter);
    struct histogram_note note = { 0 };
    if (h == NULL)
        return ABSENT;
    if (is_born && w->n >= 2)
        h = histogram_add(w->scratch, h, at(w, 0), &note);
    if (h == NULL) {
        native_warn_layouts(w);
        return ABSENT;
    }
    if (note.has_merged_bounds)
        native_info_merged(w, true);
    double factor = range_stretch(w, at(w, 0)->count, h->count, is_counter);
    if (is_rate)
        factor /= (double)w->range_ms / 1000;
    h = histogram_scale(w->out, h, factor);
    if (w->n >= 2)
        h->hint = HINT_GAUGE;
    return histogram_box(h);
}

double native_rate(const struct window *w)
{
    return increase(w, true, true);
}

double native_increase(const struct window *w)
{
    return increase(w, true, false);
}

double native_delta(const struct window *w)
{
    return increase(w, false, false);
}

/* ---- irate, idelta ---- */

static double last_two(const struct window *w, bool is_rate)
{
    struct window two = *w;
    if (w->n < 2)
        return ABSENT;
    two.t += w->n - 2;
    two.v += w->n - 2;
    two.born_ms = w->born_ms ? w->born_ms + w->n - 2 : NULL;
    two.n = 2;
    if (is_mixed(&two))
        return ABSENT;
    if (!is_histogram(two.v[0]))
        return is_rate ? range_irate(&two) : range_idelta(&two);
    const struct histogram *before = at(&two, 0), *last = at(&two, 1);
    if (is_rate && (before->hint == HINT_GAUGE || last->hint == HINT_GAUGE))
        native_warn_not_counter(w);
    if (!is_rate && (before->hint != HINT_GAUGE || last->hint != HINT_GAUGE))
        native_warn_not_gauge(w);
    struct histogram_note note = { 0 };
    const struct histogram *h = is_rate && is_reset(&two, 1) ? last : histogram_sub(w->scratch, last, before, &note);
    if (h == NULL) {
        native_warn_layouts(w);
        return ABSENT;
    }
    if (note.has_merged_bounds)
        native_info_merged(w, false);
    h = histogram_compact(w->scratch, h);
    struct histogram *out = histogram_divide(w->out, h, is_rate ? (double)(two.t[1] - two.t[0]) / 1000 : 1);
    out->hint = HINT_GAUGE;
    return histogram_box(out);
}

double native_irate(const struct window *w)
{
    return last_two(w, true);
}

double native_idelta(const struct window *w)
{
    return last_two(w, false);
}

/* ---- sum and mean ---- */

static double sum_over(const struct window *w, bool is_mean)
{
    struct native_sum sum = { .is_mean = is_mean };
    if (is_mixed(w))
        return ABSENT;
    for (size_t i = 0; i < w->n; i++) {
        if (!native_sum_add(w->scratch, w->scratch, &sum, at(w, i))) {
            native_warn_layouts(w);
            return ABSENT;
        }
    }
    native_sum_tell(w->e, native_range_place(w->call), &sum);
    return histogram_box(native_sum_result(w->out, &sum));
}

double native_sum_over(const struct window *w)
{
    return sum_over(w, false);
}

double native_avg_over(const struct window *w)
{
    return sum_over(w, true);
}

/* ---- changes and resets: from a number to a histogram is one of either ---- */

double native_changes(const struct window *w)
{
    double n = 0;
    for (size_t i = 1; i < w->n; i++) {
        double before = w->v[i - 1], v = w->v[i];
        if (is_histogram(before) != is_histogram(v))
            n++;
        else if (is_histogram(v))
            n += !histogram_equal(at(w, i - 1), at(w, i));
        else
            n += v != before && !(isnan(v) && isnan(before));
    }
    return n;
}

double native_resets(const struct window *w)
{
    double n = 0;
    for (size_t i = 1; i < w->n; i++) {
        if (is_histogram(w->v[i - 1]) != is_histogram(w->v[i]))
            n++;
        else if (is_histogram(w->v[i]))
            n += is_reset(w, i);
        else
            n += w->v[i] < w->v[i - 1] || range_is_born_anew(w, i);
    }
    return n;
}
