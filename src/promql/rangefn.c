/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the samples in one window. Sums are Kahan's, in Prometheus's order of operations. */
#include "promql/parts.h"

bool range_is_born_inside(const struct window *w)
{
    return w->born_ms && w->born_ms[0] != 0 && w->born_ms[0] > w->start_ms && w->born_ms[0] < w->t[0];
}

/* A start at the sample before is one anew only when that one had a start of its own: so it is with deltas; else it says
 * that the start is not known. */
bool range_is_born_anew(const struct window *w, size_t i)
{
    if (w->born_ms == NULL)
        return false;
    int64_t born = w->born_ms[i], before = w->born_ms[i - 1], t = w->t[i - 1];
    if (born == 0 || born >= w->t[i] || born < t)
        return false;
    return born > t || (before != 0 && before < t);
}

double range_stretch(const struct window *w, double first, double result, bool is_counter)
{
    double to_start = (double)(w->t[0] - w->start_ms) / 1000, to_end = (double)(w->end_ms - w->t[w->n - 1]) / 1000;
    double sampled = (double)(w->t[w->n - 1] - w->t[0]) / 1000, mean = w->n > 1 ? sampled / (double)(w->n - 1) : 0;
    double threshold = mean * 1.1;
    if (is_counter && range_is_born_inside(w)) {
        to_start = 0;
        sampled = (double)(w->t[w->n - 1] - w->born_ms[0]) / 1000;
    } else if (to_start >= threshold)
        to_start = mean / 2;
    if (is_counter && result > 0 && first >= 0) {
        double to_zero = sampled * (first / result);
        if (to_zero < to_start)
            to_start = to_zero;
    }
    if (to_end >= threshold)
        to_end = mean / 2;
    return sampled != 0 ? (sampled + to_start + to_end) / sampled : 1;
}

static void note_overlap(const struct window *w)
{
    struct slice name = labels_get(w->labels, NAME_LABEL);
    for (size_t i = 1; i < w->n; i++) {
        int64_t born = w->born_ms[i];
        if (born == 0 || born >= w->t[i - 1] || born == w->born_ms[i - 1])
            continue;
        eval_warn(w->e, ast_strip_parens(w->call->kids[0]),
                  "sample has start time that overlaps with previous sample timestamp for metric \"%.*s\"", SLICE_FMT(name));
        return;
    }
}

static double increase(const struct window *w, bool is_counter, bool is_rate)
{
    bool has_births = is_counter && w->born_ms, is_born = has_births && range_is_born_inside(w);
    if (w->n < 2 && !is_born)
        return ABSENT;
    double result = w->v[w->n - 1] - w->v[0];
    for (size_t i = 1; is_counter && (w->has_resets || has_births) && i < w->n; i++)
        if (w->v[i] < w->v[i - 1] || range_is_born_anew(w, i))
            result += w->v[i - 1];
    if (has_births)
        note_overlap(w);
    if (is_born)
        result += w->v[0];
    double factor = range_stretch(w, w->v[0], result, is_counter);
    if (is_rate)
        factor /= (double)w->range_ms / 1000;
    return result * factor;
}

double range_rate(const struct window *w)
{
    return increase(w, true, true);
}

double range_increase(const struct window *w)
{
    return increase(w, true, false);
}

double range_delta(const struct window *w)
{
    return increase(w, false, false);
}

static double last_two(const struct window *w, bool is_rate)
{
    if (w->n < 2)
        return ABSENT;
    double last = w->v[w->n - 1], before = w->v[w->n - 2];
    int64_t ms = w->t[w->n - 1] - w->t[w->n - 2];
    bool is_reset = is_rate && (last < before || range_is_born_anew(w, w->n - 1));
    double result = is_reset ? last : last - before;
    return is_rate ? result / ((double)ms / 1000) : result;
}

double range_irate(const struct window *w)
{
    return last_two(w, true);
}

double range_idelta(const struct window *w)
{
    return last_two(w, false);
}

double range_sum(const struct window *w)
{
    double sum = 0, comp = 0;
    for (size_t i = 0; i < w->n; i++)
        agg_kahan_add(w->v[i], &sum, &comp);
    return isinf(sum) ? sum : sum + comp;
}

double range_avg(const struct window *w)
{
    struct agg_cell c = { 0 };
    for (size_t i = 0; i < w->n; i++)
        agg_add(AGG_AVG, &c, w->v[i]);
    return agg_result(AGG_AVG, &c);
}

double range_min(const struct window *w)
{
    double m = w->v[0];
    for (size_t i = 1; i < w->n; i++)
        if (w->v[i] < m || isnan(m))
            m = w->v[i];
    return m;
}

double range_max(const struct window *w)
{
    double m = w->v[0];
    for (size_t i = 1; i < w->n; i++)
        if (w->v[i] > m || isnan(m))
            m = w->v[i];
    return m;
}

/* The last sample with the extreme value; numbers before NaN. */
static double time_of(const struct window *w, bool is_max)
{
    size_t best = 0;
    for (size_t i = 1; i < w->n; i++)
        if ((is_max ? w->v[i] >= w->v[best] : w->v[i] <= w->v[best]) || isnan(w->v[best]))
            best = i;
    return (double)w->t[best] / 1000;
}

double range_ts_of_min(const struct window *w)
{
    return time_of(w, false);
}

double range_ts_of_max(const struct window *w)
{
    return time_of(w, true);
}

double range_ts_of_first(const struct window *w)
{
    return (double)w->t[0] / 1000;
}

double range_ts_of_last(const struct window *w)
{
    return (double)w->t[w->n - 1] / 1000;
}

double range_count(const struct window *w)
{
    return w->is_counted ? range_sum(w) : (double)w->n;
}

double range_last(const struct window *w)
{
    return w->v[w->n - 1];
}

double range_first(const struct window *w)
{
    return w->v[0];
}

double range_present(const struct window *w)
{
    return 1;
}

double range_stdvar(const struct window *w)
{
    double count = 0, mean = 0, mean_comp = 0, aux = 0, aux_comp = 0;
    for (size_t i = 0; i < w->n; i++) {
        count++;
        double delta = w->v[i] - (mean + mean_comp);
        agg_kahan_add(delta / count, &mean, &mean_comp);
        agg_kahan_add(delta * (w->v[i] - (mean + mean_comp)), &aux, &aux_comp);
    }
    return (aux + aux_comp) / count;
}

double range_stddev(const struct window *w)
{
    return sqrt(range_stdvar(w));
}

static double *copy_values(const struct window *w)
{
    double *v = arena_array(w->scratch, double, w->n);
    memcpy(v, w->v, w->n * sizeof *v);
    return v;
}

double range_quantile(const struct window *w)
{
    return agg_quantile(w->params[0], copy_values(w), w->n);
}

/* Median of the distances from the median. */
double range_mad(const struct window *w)
{
    for (size_t i = 0; i < w->n; i++)
        if (isnan(w->v[i]))
            return NAN;
    double *v = copy_values(w), median = agg_quantile(0.5, v, w->n);
    for (size_t i = 0; i < w->n; i++)
        v[i] = fabs(w->v[i] - median);
    return agg_quantile(0.5, v, w->n);
}

double range_changes(const struct window *w)
{
    double n = 0;
    for (size_t i = 1; i < w->n; i++)
        n += w->v[i] != w->v[i - 1] && !(isnan(w->v[i]) && isnan(w->v[i - 1]));
    return n;
}

double range_resets(const struct window *w)
{
    double n = 0;
    for (size_t i = 1; i < w->n; i++)
        n += w->v[i] < w->v[i - 1] || range_is_born_anew(w, i);
    return n;
}

/* Least squares over seconds from origin_ms. */
static void regression(const struct window *w, int64_t origin_ms, double *slope, double *intercept)
{
    double n = 0, x = 0, cx = 0, y = 0, cy = 0, xy = 0, cxy = 0, xx = 0, cxx = 0;
    bool is_const = true;
    for (size_t i = 0; i < w->n; i++) {
        double at = (double)(w->t[i] - origin_ms) / 1000;
        is_const = is_const && w->v[i] == w->v[0];
        n++;
        agg_kahan_add(at, &x, &cx);
        agg_kahan_add(w->v[i], &y, &cy);
        agg_kahan_add(at * w->v[i], &xy, &cxy);
        agg_kahan_add(at * at, &xx, &cxx);
    }
    if (is_const) { /* exactly, where rounding would leave a slope */
        *slope = isinf(w->v[0]) ? NAN : 0;
        *intercept = isinf(w->v[0]) ? NAN : w->v[0];
        return;
    }
    x += cx;
    y += cy;
    xy += cxy;
    xx += cxx;
    *slope = (xy - x * y / n) / (xx - x * x / n);
    *intercept = y / n - *slope * x / n;
}

double range_deriv(const struct window *w)
{
    double slope, intercept;
    if (w->n < 2)
        return ABSENT;
    regression(w, w->t[0], &slope, &intercept);
    return slope;
}

double range_predict_linear(const struct window *w)
{
    double slope, intercept;
    if (w->n < 2)
        return ABSENT;
    regression(w, w->eval_ms, &slope, &intercept);
    return slope * w->params[0] + intercept;
}

/* Holt's linear method. */
double range_double_exponential(const struct window *w)
{
    double sf = w->params[0], tf = w->params[1];
    if (w->n < 2)
        return ABSENT;
    double before = 0, smooth = w->v[0], trend = w->v[1] - w->v[0];
    for (size_t i = 1; i < w->n; i++) {
        if (i > 1)
            trend = tf * (smooth - before) + (1 - tf) * trend;
        double next = sf * w->v[i] + (1 - sf) * (smooth + trend);
        before = smooth;
        smooth = next;
    }
    return smooth;
}
