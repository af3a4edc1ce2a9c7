/* SPDX-License-Identifier: Apache-2.0 */
/* Aggregations. Each series is folded into the cells of its group as it comes, and is gone after that; what a group costs
 * is a cell a step. topk and its kin keep the labels of what they saw, and the values of what is in. */
#include "base/num.h"
#include "base/utf8.h"
#include "promql/native.h"
#include "promql/rows.h"
#include "promql/words.h"
#include "query/token.h"

enum { GROUPING_NAMES_MAX = 260 };

struct group {
    struct slice labels;
    bool drop_name;              /* some input will lose its name, so the group will, even one by name */
    struct agg_cell *cells;      /* sum and its kin */
    struct native_sum *sums;     /* beside them, once there are histograms to add up */
    struct agg_values *values;   /* quantile */
    struct agg_top *tops;        /* topk, bottomk, limitk, limit_ratio */
};

struct agg_sink {
    struct sink sink;
    struct eval *e;
    const struct node *n;
    const struct grid *g;
    struct arena *a, *scratch;
    enum agg_op op;
    double *param;              /* a step each; NULL: none */
    struct slice text;          /* count_values: the label */
    struct slice names[GROUPING_NAMES_MAX];
    size_t name_count;
    struct map index;
    struct group *groups;
    size_t group_count, group_cap;
    /* topk and its kin: rows in the order they came */
    struct row *seen;
    size_t seen_count, seen_cap;
    struct rows counted;        /* count_values */
};

static struct slice group_labels(struct agg_sink *s, struct slice labels)
{
    const struct node *n = s->n;
    if (!n->has_grouping || (!n->without && n->grouping.count == 0))
        return SLICE_EMPTY;
    return n->without ? labels_without(s->e->line, labels, s->names, s->name_count)
                      : labels_only(s->e->line, labels, s->names, s->name_count);
}

static struct group *group_of(struct agg_sink *s, const struct row *row)
{
    bool added;
    struct slice key = group_labels(s, row->labels);
    uint64_t *at = map_get(&s->index, key);
    if (at) {
        s->groups[*at].drop_name |= row->drop_name;
        return &s->groups[*at];
    }
    struct group g = { .labels = arena_copy(s->a, key), .drop_name = row->drop_name };
    if (s->n->agg == AGGR_QUANTILE)
        g.values = arena_zalloc(s->a, s->g->n * sizeof *g.values);
    else if (agg_keeps_series(s->n->agg))
        g.tops = arena_zalloc(s->a, s->g->n * sizeof *g.tops);
    else if (s->n->agg != AGGR_COUNT_VALUES)
        g.cells = arena_zalloc(s->a, s->g->n * sizeof *g.cells);
    *map_put(&s->index, g.labels, &added) = s->group_count;
    ARENA_PUSH(s->a, s->groups, s->group_count, s->group_cap) = g;
    return &s->groups[s->group_count - 1];
}

static void tell_ignored(struct agg_sink *s, const struct node *at)
{
    struct slice name = words_aggregation_name(s->n->agg);
    eval_info(s->e, at, "ignored histogram in %.*s aggregation", SLICE_FMT(name));
}

static const struct node *argument(const struct agg_sink *s)
{
    return s->n->kids[s->n->kid_count - 1];
}

/* Takes histograms out of a row for those who cannot use them. */
static void ignore_histograms(struct agg_sink *s, struct row *row, const struct node *at)
{
    bool any = false;
    for (size_t i = 0; i < s->g->n; i++) {
        if (!is_histogram(row->v[i]))
            continue;
        row->v[i] = ABSENT;
        any = true;
    }
    if (any)
        tell_ignored(s, at);
}

/* A step where buckets of both kinds met has no result, whatever else comes. */
static void fold_histograms(struct agg_sink *s, struct group *g, const struct row *row)
{
    if (g->sums == NULL)
        g->sums = arena_zalloc(s->a, s->g->n * sizeof *g->sums);
    for (size_t i = 0; i < s->g->n; i++) {
        struct native_sum *sum = &g->sums[i];
        if (is_absent(row->v[i]) || sum->is_mixed)
            continue;
        if (!is_histogram(row->v[i])) {
            agg_add(s->op, &g->cells[i], row->v[i]);
            continue;
        }
        sum->is_mean = s->op == AGG_AVG;
        arena_reset(s->scratch);
        struct slice name = labels_get(row->labels, NAME_LABEL);
        if (!native_sum_add(s->a, s->scratch, sum, histogram_unbox(row->v[i])))
            eval_warn(s->e, argument(s),
                      "vector contains a mix of histograms with exponential and custom buckets schemas for metric name \"%.*s\"",
                      SLICE_FMT(name));
    }
}

static enum status fold_put(struct sink *sink, struct row *row, struct err *err)
{
    struct agg_sink *s = (struct agg_sink *)sink;
    struct group *g = group_of(s, row);
    if (row->has_histograms && s->op != AGG_SUM && s->op != AGG_AVG && s->op != AGG_COUNT && s->op != AGG_GROUP)
        ignore_histograms(s, row, argument(s));
    if (g->sums || (row->has_histograms && (s->op == AGG_SUM || s->op == AGG_AVG)))
        fold_histograms(s, g, row);
    else
        agg_add_row(s->op, g->cells, row->v, s->g->n, STALE_NAN_BITS);
    return arena_over(s->a) ? eval_check(s->e, err) : ST_OK;
}

static enum status values_put(struct sink *sink, struct row *row, struct err *err)
{
    struct agg_sink *s = (struct agg_sink *)sink;
    struct group *g = group_of(s, row);
    if (row->has_histograms)
        ignore_histograms(s, row, argument(s));
    for (size_t i = 0; i < s->g->n; i++)
        if (!is_absent(row->v[i]))
            agg_values_add(s->a, &g->values[i], row->v[i]);
    return arena_over(s->a) ? eval_check(s->e, err) : ST_OK;
}

static struct slice value_text(struct arena *a, double v)
{
    char text[NUM_TEXT_BYTES_MAX];
    struct buf long_text;
    if (!is_histogram(v))
        return arena_copy(a, slice_of(text, num_format_fixed(v, text)));
    buf_init(&long_text, 0);
    histogram_format(&long_text, histogram_unbox(v));
    struct slice out = arena_copy(a, buf_as_slice(&long_text));
    buf_free(&long_text);
    return out;
}

static enum status count_put(struct sink *sink, struct row *row, struct err *err)
{
    struct agg_sink *s = (struct agg_sink *)sink;
    struct slice base = group_labels(s, row->labels);
    struct row *to = NULL;
    double last = 0;
    for (size_t i = 0; i < s->g->n; i++) {
        double v = row->v[i];
        if (is_absent(v))
            continue;
        if (to == NULL || double_bits(v) != double_bits(last)) {
            to = rows_get(&s->counted, labels_with(s->e->line, base, s->text, value_text(s->e->line, v)), false);
            last = v;
        }
        to->v[i] = is_absent(to->v[i]) ? 1 : to->v[i] + 1;
    }
    return arena_over(s->counted.a) ? eval_check(s->e, err) : ST_OK;
}

/* ---- topk, bottomk, limitk, limit_ratio ---- */

static void put_sized(struct buf *out, struct slice text)
{
    if (text.len < 255) {
        buf_u8(out, (uint8_t)text.len);
    } else {
        buf_u8(out, 255);
        buf_u8(out, (uint8_t)text.len);
        buf_u8(out, (uint8_t)(text.len >> 8));
        buf_u8(out, (uint8_t)(text.len >> 16));
    }
    buf_slice(out, text);
}

/* The hash Prometheus gives a label set (model/labels, as it is built by default): all labels by name, the metric's among them. */
static uint64_t prometheus_hash(struct slice labels)
{
    struct label l;
    struct slice name = labels_get(labels, NAME_LABEL);
    struct buf all;
    bool is_named = name.len == 0;
    buf_init(&all, 0);
    while (labels_next(&labels, &l)) {
        bool is_name = slice_eq(l.name, NAME_LABEL);
        if (!is_named && !is_name && slice_cmp(l.name, NAME_LABEL) > 0) {
            put_sized(&all, NAME_LABEL);
            put_sized(&all, name);
            is_named = true;
        }
        if (!is_name) {
            put_sized(&all, l.name);
            put_sized(&all, l.value);
        }
    }
    if (!is_named) {
        put_sized(&all, NAME_LABEL);
        put_sized(&all, name);
    }
    uint64_t hash = hash64_old(buf_as_slice(&all));
    buf_free(&all);
    return hash;
}

/* In or not by where the labels' hash stands between 0 and 1: the same series at every step, and -r takes what r leaves. */
static bool ratio_has(double ratio, double place)
{
    return ratio >= 0 ? place < ratio : place >= 1 + ratio;
}

static void top_step(struct agg_sink *s, struct agg_top *top, double v, double param, uint64_t tag, double place)
{
    switch (s->n->agg) {
    case AGGR_TOPK:
    case AGGR_BOTTOMK:
        if (param >= 1)
            agg_top_add(s->a, top, param > 1e9 ? (size_t)1000000000 : (size_t)param, s->n->agg == AGGR_BOTTOMK, v, tag);
        return;
    case AGGR_LIMITK:
        if ((double)top->count >= param || param < 1)
            return;
        break;
    case AGGR_LIMIT_RATIO:
        if (!ratio_has(param, place))
            return;
        break;
    case AGGR_SUM: case AGGR_AVG: case AGGR_MIN: case AGGR_MAX: case AGGR_COUNT: case AGGR_GROUP: case AGGR_STDDEV:
    case AGGR_STDVAR: case AGGR_QUANTILE: case AGGR_COUNT_VALUES:
        return;
    }
    eval_keep_histograms(s->a, &v, 1);
    ARENA_PUSH(s->a, top->list, top->count, top->cap) = (struct agg_ranked){ v, tag };
}

static enum status top_put(struct sink *sink, struct row *row, struct err *err)
{
    struct agg_sink *s = (struct agg_sink *)sink;
    struct group *g = group_of(s, row);
    uint64_t tag = s->seen_count;
    if (row->has_histograms && (s->n->agg == AGGR_TOPK || s->n->agg == AGGR_BOTTOMK)) {
        ignore_histograms(s, row, s->n);
        row->has_histograms = false;
    }
    ARENA_PUSH(s->a, s->seen, s->seen_count, s->seen_cap) =
        (struct row){ arena_copy(s->a, row->labels), row->drop_name, NULL, row->has_histograms };
    double place = s->n->agg == AGGR_LIMIT_RATIO ? (double)prometheus_hash(row->labels) / 18446744073709551616.0 : 0;
    for (size_t i = 0; i < s->g->n; i++)
        if (!is_absent(row->v[i]))
            top_step(s, &g->tops[i], row->v[i], s->param[i], tag, place);
    return arena_over(s->a) ? eval_check(s->e, err) : ST_OK;
}

static enum status give_seen(struct agg_sink *s, uint64_t tag, struct sink *next, struct err *err)
{
    struct row row = s->seen[tag];
    if (row.v == NULL)
        return ST_OK;
    s->seen[tag].v = NULL;
    arena_reset(s->e->line);
    return next->put(next, &row, err);
}

static enum status give_tops(struct agg_sink *s, struct sink *next, struct err *err)
{
    enum status st = ST_OK;
    for (size_t k = 0; k < s->group_count; k++) {
        for (size_t i = 0; i < s->g->n; i++) {
            struct agg_top *top = &s->groups[k].tops[i];
            if (s->n->agg == AGGR_TOPK || s->n->agg == AGGR_BOTTOMK)
                agg_top_sort(top, s->n->agg == AGGR_BOTTOMK);
            for (size_t m = 0; m < top->count; m++) {
                struct row *row = &s->seen[top->list[m].tag];
                if (row->v == NULL) {
                    row->v = arena_array(s->a, double, s->g->n);
                    for (size_t x = 0; x < s->g->n; x++)
                        row->v[x] = ABSENT;
                }
                row->v[i] = top->list[m].v;
            }
        }
        if (arena_over(s->a))
            return eval_check(s->e, err);
    }
    /* At a single step best first, as a reader of an instant query wants it. */
    for (size_t k = 0; s->g->n == 1 && !st && k < s->group_count; k++)
        for (size_t m = 0; !st && m < s->groups[k].tops[0].count; m++)
            st = give_seen(s, s->groups[k].tops[0].list[m].tag, next, err);
    for (size_t k = 0; s->g->n > 1 && !st && k < s->seen_count; k++)
        st = give_seen(s, k, next, err);
    return st;
}

/* ---- results ---- */

static double sum_result(struct agg_sink *s, const struct group *g, size_t i)
{
    const struct native_sum *sum = &g->sums[i];
    if (sum->sum && g->cells[i].count > 0) {
        eval_warn(s->e, argument(s), "encountered a mix of histograms and floats for aggregation");
        return ABSENT;
    }
    struct histogram *h = native_sum_result(s->a, sum);
    if (h == NULL)
        return ABSENT;
    native_sum_tell(s->e, argument(s), sum);
    return histogram_box(histogram_compact(s->a, h));
}

static enum status give_groups(struct agg_sink *s, struct sink *next, struct err *err)
{
    double *v = arena_array(s->a, double, s->g->n);
    enum status st = ST_OK;
    for (size_t k = 0; !st && k < s->group_count; k++) {
        const struct group *g = &s->groups[k];
        bool any = false;
        for (size_t i = 0; i < s->g->n; i++) {
            v[i] = ABSENT;
            if (g->sums && g->sums[i].sum)
                v[i] = sum_result(s, g, i);
            else if (g->cells && g->cells[i].count > 0)
                v[i] = agg_result(s->op, &g->cells[i]);
            else if (g->values && g->values[i].count > 0)
                v[i] = agg_quantile(s->param[i], g->values[i].list, g->values[i].count);
            any |= !is_absent(v[i]);
        }
        struct row row = { g->labels, g->drop_name, v, g->sums != NULL };
        arena_reset(s->e->line);
        if (any)
            st = next->put(next, &row, err);
    }
    return st;
}

static void warn_quantile(struct agg_sink *s, double q)
{
    eval_warn_quantile(s->e, s->n->kids[0], &q, 1);
}

static enum status fail_number(double v, const char *what, struct err *err)
{
    char text[NUM_TEXT_BYTES_MAX];
    int n = (int)num_format_short(v, text);
    return err_set(err, ST_INVALID, "Scalar value %.*s %s int64", n, text, what);
}

static void warn_ratio(struct agg_sink *s, double v, int to)
{
    char text[NUM_TEXT_BYTES_MAX];
    int n = (int)num_format_short(v, text);
    eval_warn(s->e, s->n->kids[0], "ratio value should be between -1 and 1, got %.*s, capping to %d", n, text, to);
}

/* What is wrong is said of the largest and of the smallest of all steps; where none selects anything, nothing is wrong. */
static enum status check_params(struct agg_sink *s, struct err *err)
{
    double low = INFINITY, high = -INFINITY;
    bool has_nan = false, is_ratio = s->n->agg == AGGR_LIMIT_RATIO;
    for (size_t i = 0; i < s->g->n; i++) {
        double v = s->param[i];
        has_nan |= isnan(v);
        low = fmin(low, v);
        high = fmax(high, v);
    }
    if (s->n->agg == AGGR_QUANTILE) {
        if (has_nan)
            warn_quantile(s, NAN);
        if (!has_nan && high > 1)
            warn_quantile(s, high);
        if (!has_nan && low < 0)
            warn_quantile(s, low);
        return ST_OK;
    }
    if (has_nan)
        return err_set(err, ST_INVALID, is_ratio ? "Ratio value is NaN" : "Parameter value is NaN");
    if (!is_ratio && high >= 1 && low <= -9223372036854775808.0)
        return fail_number(low, "underflows", err);
    if (!is_ratio && high >= 9223372036854774784.0)
        return fail_number(high, "overflows", err);
    if (is_ratio && high > 1)
        warn_ratio(s, high, 1);
    if (is_ratio && low < -1)
        warn_ratio(s, low, -1);
    for (size_t i = 0; is_ratio && i < s->g->n; i++)
        s->param[i] = fmax(-1, fmin(1, s->param[i]));
    return ST_OK;
}

static enum status check_label(struct slice name, struct err *err)
{
    if (name.len && utf8_is_valid(name))
        return ST_OK;
    struct buf text;
    buf_init(&text, ERR_TEXT_BYTES_MAX);
    token_quote(name, &text);
    struct slice quoted = buf_as_slice(&text);
    err_set(err, ST_INVALID, "invalid label name %.*s", SLICE_FMT(quoted));
    buf_free(&text);
    return ST_INVALID;
}

static enum status run(struct agg_sink *s, struct sink *next, struct err *err)
{
    const struct node *n = s->n, *arg = n->kids[n->kid_count - 1];
    enum status st = ST_OK;
    if (n->agg == AGGR_COUNT_VALUES) {
        s->text = eval_string(n->kids[0]);
        st = check_label(s->text, err);
        s->sink.put = count_put;
    } else if (agg_has_param(n->agg)) {
        s->param = arena_array(s->a, double, s->g->n);
        st = eval_scalar(s->e, n->kids[0], s->g, s->param, err);
        if (!st)
            st = check_params(s, err);
        s->sink.put = n->agg == AGGR_QUANTILE ? values_put : top_put;
    } else {
        _Static_assert((int)AGGR_SUM == (int)AGG_SUM && (int)AGGR_STDVAR == (int)AGG_STDVAR, "the first eight are the same");
        s->op = (enum agg_op)n->agg;
        s->sink.put = fold_put;
    }
    if (st)
        return st;
    if ((n->agg == AGGR_COUNT || n->agg == AGGR_GROUP) && ast_strip_parens(arg)->kind == NODE_SELECTOR)
        st = eval_selector_present(s->e, ast_strip_parens(arg), s->g, &s->sink, err);
    else
        st = eval_vector(s->e, arg, s->g, &s->sink, err);
    if (st)
        return st;
    if (n->agg == AGGR_COUNT_VALUES)
        return rows_give(&s->counted, next, err);
    return agg_keeps_series(n->agg) ? give_tops(s, next, err) : give_groups(s, next, err);
}

enum status eval_aggregate(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    struct agg_sink *s = mem_new(struct agg_sink);
    s->e = e;
    s->n = n;
    s->g = g;
    s->a = eval_arena(e);
    s->scratch = eval_arena(e);
    for (size_t i = 0; i < n->grouping.count; i++)
        s->names[s->name_count++] = n->grouping.list[i];
    if (n->without)
        s->names[s->name_count++] = NAME_LABEL;
    map_init(&s->index);
    rows_init(&s->counted, e, g->n);
    enum status st = run(s, sink, err);
    rows_free(&s->counted);
    map_free(&s->index);
    arena_free(s->scratch);
    arena_free(s->a);
    mem_free(s);
    return st;
}
