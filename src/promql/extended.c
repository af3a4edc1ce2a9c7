/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges with exact ends, instead of extrapolated ones.
 *
 * anchored: the last sample at or before the start stands for the start, the last one in the range for the end. It needs a
 * sample in the range. smoothed: both ends lie on the lines between the samples around them; without a sample before the
 * start or after the end the nearest one counts. Both look past the ends by the lookback.
 * A counter that falls begins at zero: so does the line to the sample behind the fall. */
#include "promql/native.h"
#include "promql/parts.h"

struct places {
    size_t low, first, last, high; /* [low: what lookback reaches; first: behind the start; last: behind the end; high: reach */
};

static size_t behind(const struct extended *x, int64_t t)
{
    size_t low = 0, high = x->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (x->t[mid] <= t)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static double on_line(const struct extended *x, size_t a, int64_t t, bool is_counter)
{
    if (x->t[a] == t)
        return x->v[a];
    double share = (double)(t - x->t[a]) / (double)(x->t[a + 1] - x->t[a]), from = x->v[a], to = x->v[a + 1];
    if (is_counter && to < from)
        from = 0;
    return from + (to - from) * share;
}

double extended_at(const struct extended *x, int64_t t, const struct window *w)
{
    size_t after = behind(x, t), low = behind(x, t - x->lookback_ms), high = behind(x, t + x->lookback_ms);
    if (x->has_histograms && eval_has_histograms(x->v + low, high - low))
        return native_between(x, low, high, t, w);
    if (after == low)
        return ABSENT;
    bool has_next = after < x->n && x->t[after] <= t + x->lookback_ms;
    return has_next ? on_line(x, after - 1, t, false) : x->v[after - 1];
}

/* From left over the samples of [from, to) to right. */
static double difference(const struct extended *x, double left, size_t from, size_t to, double right, bool is_counter)
{
    double result = right - left, before = left;
    for (size_t i = from; is_counter && i < to; before = x->v[i++])
        if (x->v[i] < before)
            result += before;
    return is_counter && right < before ? result + before : result;
}

static double smoothed(const struct extended *x, const struct window *w, const struct places *p, bool is_counter)
{
    if (p->last == p->low || p->first == p->high)
        return ABSENT; /* all behind the end, or all before the start */
    double left = p->first > p->low ? on_line(x, p->first - 1, w->start_ms, is_counter) : x->v[p->first];
    double right = p->last < p->high ? on_line(x, p->last - 1, w->end_ms, is_counter) : x->v[p->last - 1];
    size_t inner = p->last;
    while (inner > p->first && x->t[inner - 1] >= w->end_ms)
        inner--;
    return difference(x, left, p->first, inner, right, is_counter);
}

double extended_range(const struct extended *x, const struct window *w, const struct function *fn)
{
    struct places p = { behind(x, w->start_ms - x->lookback_ms), behind(x, w->start_ms), behind(x, w->end_ms),
                        x->is_smoothed ? behind(x, w->end_ms + x->lookback_ms) : behind(x, w->end_ms) };
    bool is_rate = fn->range == range_rate, is_counter = is_rate || fn->range == range_increase;
    double result;
    if (x->has_histograms && (fn->flags & FN_RATE_LIKE) && eval_has_histograms(x->v + p.low, p.high - p.low))
        return native_extended(x, p.low, p.high, w, is_counter, is_rate);
    if (x->is_smoothed)
        result = smoothed(x, w, &p, is_counter);
    else {
        if (p.first == p.last)
            return ABSENT;
        size_t anchor = p.first > p.low ? p.first - 1 : p.first;
        if (!(fn->flags & FN_RATE_LIKE)) {
            struct window whole = *w;
            whole.t = x->t + anchor;
            whole.v = x->v + anchor;
            whole.n = p.last - anchor;
            return x->has_histograms ? fn->range_mixed(&whole) : fn->range(&whole);
        }
        result = difference(x, x->v[anchor], anchor, p.last - 1, x->v[p.last - 1], is_counter);
    }
    return is_rate && !is_absent(result) ? result / ((double)w->range_ms / 1000) : result;
}
