/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges with exact ends (extended.c) over native histograms: the same, but that a histogram between two is the earlier one
 * and a share of the difference, and that ones that do not fit give a note and nothing. */
#include "promql/native.h"

static const struct histogram *at(const struct extended *x, size_t i)
{
    return histogram_unbox(x->v[i]);
}

static bool is_mixed(const struct extended *x, size_t low, size_t high, const struct window *w)
{
    for (size_t i = low; i < high; i++) {
        if (is_histogram(x->v[i]))
            continue;
        native_warn_mixed(w);
        return true;
    }
    return false;
}

/* Between samples i and i + 1. */
static const struct histogram *on_line(const struct extended *x, size_t i, int64_t t, bool is_counter, const struct window *w)
{
    const struct histogram *from = at(x, i), *to = at(x, i + 1);
    struct arena *a = w->scratch;
    if (x->t[i] == t)
        return from;
    if (x->t[i + 1] == t)
        return to;
    double share = (double)(t - x->t[i]) / (double)(x->t[i + 1] - x->t[i]);
    if (is_counter && histogram_is_reset(from, to))
        return histogram_scale(a, to, share);
    struct histogram_note sub = { 0 }, add = { 0 };
    struct histogram *h = histogram_sub(a, to, from, &sub);
    if (h) {
        h->hint = to->hint;
        h = histogram_add(a, histogram_scale(a, h, share), from, &add);
    }
    if (h == NULL)
        native_warn_layouts(w);
    if (sub.has_merged_bounds)
        native_info_merged(w, false);
    if (add.has_merged_bounds)
        native_info_merged(w, true);
    return h;
}

double native_between(const struct extended *x, size_t low, size_t high, int64_t t, const struct window *w)
{
    size_t after = low;
    if (is_mixed(x, low, high, w))
        return ABSENT;
    while (after < high && x->t[after] < t)
        after++;
    if (after < high && x->t[after] == t)
        return x->v[after];
    if (after == low)
        return ABSENT;
    if (after == high) { /* what the hint says holds for the sample alone */
        struct histogram *h = histogram_copy(w->out, at(x, after - 1));
        h->hint = HINT_UNKNOWN;
        return histogram_box(h);
    }
    bool is_counter = at(x, after - 1)->hint != HINT_GAUGE || at(x, after)->hint != HINT_GAUGE;
    if (native_is_custom(at(x, after - 1)) != native_is_custom(at(x, after))) {
        native_warn_layouts(w);
        return ABSENT;
    }
    const struct histogram *h = on_line(x, after - 1, t, is_counter, w);
    return h ? histogram_box(h) : ABSENT;
}

/* first and last: the samples at or around the ends of the range. */
static bool check(const struct extended *x, size_t first, size_t last, bool is_counter, const struct window *w)
{
    for (size_t i = first; i <= last; i++) {
        if (native_is_custom(at(x, i)) != native_is_custom(at(x, first))) {
            native_warn_layouts(w);
            return false;
        }
        if (is_counter && at(x, i)->hint == HINT_GAUGE)
            native_warn_not_counter(w);
    }
    return true;
}

static struct histogram *plus(struct histogram *to, const struct histogram *h, const struct window *w)
{
    struct histogram_note note = { 0 };
    struct histogram *sum = histogram_add(w->scratch, to, h, &note);
    if (sum == NULL)
        native_warn_layouts(w);
    if (note.has_merged_bounds)
        native_info_merged(w, true);
    return sum;
}

/* What was there before each reset between left and right. A reset that the line to left went across is in left already;
 * last is represented by right. */
static struct histogram *add_resets(const struct extended *x, size_t first, size_t last, const struct histogram *left,
                                    const struct histogram *right, struct histogram *result, const struct window *w)
{
    const struct histogram *before = left;
    size_t i = first + 1;
    if (x->is_smoothed && i <= last && x->t[first] < w->start_ms && histogram_is_reset(at(x, first), at(x, i))) {
        before = at(x, i);
        i++;
    }
    if (i > last)
        return result;
    for (; result && i < last; i++) {
        if (histogram_is_reset(before, at(x, i)))
            result = plus(result, before, w);
        before = at(x, i);
    }
    return result && histogram_is_reset(before, right) ? plus(result, before, w) : result;
}

/* The first sample behind t, among [low, high). */
static size_t behind(const struct extended *x, size_t low, size_t high, int64_t t)
{
    while (low < high && x->t[low] <= t)
        low++;
    return low;
}

double native_extended(const struct extended *x, size_t low, size_t high, const struct window *w, bool is_counter, bool is_rate)
{
    if (low == high || is_mixed(x, low, high, w))
        return ABSENT;
    size_t first = behind(x, low, high - 1, w->start_ms), last = high - 1;
    first = first > low ? first - 1 : low;
    if (x->is_smoothed)
        last = behind(x, low, high - 1, w->end_ms - 1);
    if (x->t[last] <= w->start_ms || (x->is_smoothed && x->t[first] > w->end_ms) || !check(x, first, last, is_counter, w))
        return ABSENT;
    bool cuts_left = x->is_smoothed && x->t[first] < w->start_ms, cuts_right = x->is_smoothed && last > low && x->t[last] > w->end_ms;
    const struct histogram *left = cuts_left ? on_line(x, first, w->start_ms, is_counter, w) : at(x, first);
    const struct histogram *right = cuts_right ? on_line(x, last - 1, w->end_ms, is_counter, w) : at(x, last);
    struct histogram_note note = { 0 };
    if (left == NULL || right == NULL)
        return ABSENT;
    if (!is_counter && (left->hint != HINT_GAUGE || right->hint != HINT_GAUGE))
        native_warn_not_gauge(w);
    struct histogram *h = histogram_sub(w->scratch, right, left, &note);
    if (h == NULL) {
        native_warn_layouts(w);
        return ABSENT;
    }
    if (note.has_merged_bounds)
        native_info_merged(w, false);
    if (is_counter)
        h = add_resets(x, first, last, left, right, h, w);
    if (h == NULL)
        return ABSENT;
    if (is_rate)
        h = histogram_divide(w->scratch, h, (double)w->range_ms / 1000);
    h = histogram_compact(w->out, h);
    h->hint = HINT_GAUGE;
    return histogram_box(h);
}
