/* SPDX-License-Identifier: Apache-2.0 */
/* Aggregations. Each series is folded into the cells of its group as it comes, and is gone after that; what a group costs
 * is a cell a step. topk and its kin keep the labels of what they saw, and the values of what is in. */
#include "base/num.h"
#include "base/utf8.h"
#include "promql/eval.h"
#include "promql/rows.h"
#include "query/token.h"

enum { GROUPING_NAMES_MAX = 260 };

struct group {
    struct slice labels;
    bool drop_name;              /* some input will lose its name, so the group will, even one by name */
    struct agg_cell *cells;      /* sum and its kin */
    struct agg_values *values;   /* quantile */
    struct agg_top *tops;        /* topk, bottomk, limitk, limit_ratio */
};

struct agg_sink {
    struct sink sink;
    struct eval *e;
    const struct node *n;
    const struct grid *g;
    struct arena *a;
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

static enum status fold_put(struct sink *sink, struct row *row, struct err *err)
{
    struct agg_sink *s = (struct agg_sink *)sink;
    struct group *g = group_of(s, row);
    agg_add_row(s->op, g->cells, row->v, s->g->n, STALE_NAN_BITS);
    return arena_over(s->a) ? eval_check(s->e, err) : ST_OK;
}

static enum status values_put(struct sink *sink, struct row *row, struct err *err)
{
    struct agg_sink *s = (struct agg_sink *)sink;
    struct group *g = group_of(s, row);
    for (size_t i = 0; i < s->g->n; i++)
        if (!is_absent(row->v[i]))
            agg_values_add(s->a, &g->values[i], row->v[i]);
    return arena_over(s->a) ? eval_check(s->e, err) : ST_OK;
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
            char text[NUM_TEXT_BYTES_MAX];
            size_t n = num_format_fixed(v, text);
            to = rows_get(&s->counted, labels_with(s->e->line, base, s->text, slice_of(text, n)), row->drop_name);
            last = v;
        }
        to->v[i] = is_absent(to->v[i]) ? 1 : to->v[i] + 1;
    }
    return arena_over(s->counted.a) ? eval_check(s->e, err) : ST_OK;
}

/* ---- topk, bottomk, limitk, limit_ratio ---- */

/* In or not by a hash of the labels: the same series at every step, and -r takes what r leaves. */
static bool ratio_has(double ratio, struct slice labels)
{
    double place = (double)hash_u64(labels_hash(labels, 0).hi) / 18446744073709551616.0;
    return ratio >= 0 ? place < ratio : place >= 1 + ratio;
}

static void top_step(struct agg_sink *s, struct agg_top *top, double v, double param, uint64_t tag, struct slice labels)
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
        if (!ratio_has(param, labels))
            return;
        break;
    case AGGR_SUM: case AGGR_AVG: case AGGR_MIN: case AGGR_MAX: case AGGR_COUNT: case AGGR_GROUP: case AGGR_STDDEV:
    case AGGR_STDVAR: case AGGR_QUANTILE: case AGGR_COUNT_VALUES:
        return;
    }
    ARENA_PUSH(s->a, top->list, top->count, top->cap) = (struct agg_ranked){ v, tag };
}

static enum status top_put(struct sink *sink, struct row *row, struct err *err)
{
    struct agg_sink *s = (struct agg_sink *)sink;
    struct group *g = group_of(s, row);
    uint64_t tag = s->seen_count;
    ARENA_PUSH(s->a, s->seen, s->seen_count, s->seen_cap) = (struct row){ arena_copy(s->a, row->labels), row->drop_name, NULL };
    for (size_t i = 0; i < s->g->n; i++)
        if (!is_absent(row->v[i]))
            top_step(s, &g->tops[i], row->v[i], s->param[i], tag, row->labels);
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

static enum status give_groups(struct agg_sink *s, struct sink *next, struct err *err)
{
    double *v = arena_array(s->a, double, s->g->n);
    enum status st = ST_OK;
    for (size_t k = 0; !st && k < s->group_count; k++) {
        const struct group *g = &s->groups[k];
        bool any = false;
        for (size_t i = 0; i < s->g->n; i++) {
            v[i] = ABSENT;
            if (g->cells && g->cells[i].count > 0)
                v[i] = agg_result(s->op, &g->cells[i]);
            else if (g->values && g->values[i].count > 0)
                v[i] = agg_quantile(s->param[i], g->values[i].list, g->values[i].count);
            any |= !is_absent(v[i]);
        }
        struct row row = { g->labels, g->drop_name, v };
        arena_reset(s->e->line);
        if (any)
            st = next->put(next, &row, err);
    }
    return st;
}

static enum status check_params(struct agg_sink *s, struct err *err)
{
    const struct node *at = s->n->kids[0];
    for (size_t i = 0; i < s->g->n; i++) {
        double v = s->param[i];
        char text[NUM_TEXT_BYTES_MAX];
        int n = (int)num_format_short(v, text);
        if (s->n->agg == AGGR_QUANTILE)
            break;
        if (isnan(v))
            return err_set(err, ST_INVALID, s->n->agg == AGGR_LIMIT_RATIO ? "Ratio value is NaN" : "Parameter value is NaN");
        if (s->n->agg == AGGR_LIMIT_RATIO && fabs(v) > 1) {
            eval_warn(s->e, at, "ratio value should be between -1 and 1, got %.*s, capping to %d", n, text, v > 0 ? 1 : -1);
            s->param[i] = v > 0 ? 1 : -1;
        } else if (s->n->agg != AGGR_LIMIT_RATIO && fabs(v) >= 9223372036854775808.0)
            return err_set(err, ST_INVALID, "Scalar value %.*s overflows int64", n, text);
    }
    if (s->n->agg == AGGR_QUANTILE)
        eval_warn_quantile(s->e, at, s->param, s->g->n);
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
    for (size_t i = 0; i < n->grouping.count; i++)
        s->names[s->name_count++] = n->grouping.list[i];
    const struct slice *names;
    size_t count = eval_name_labels(e, &names);
    for (size_t i = 0; n->without && i < count; i++)
        s->names[s->name_count++] = names[i];
    map_init(&s->index);
    rows_init(&s->counted, e, g->n);
    enum status st = run(s, sink, err);
    rows_free(&s->counted);
    map_free(&s->index);
    arena_free(s->a);
    mem_free(s);
    return st;
}
