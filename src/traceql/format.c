/* SPDX-License-Identifier: Apache-2.0 */
/* A query as text again, in one canonical layout: parentheses only where the tree would be another without them, so that it is never
 * nested deeper than what was written. What is read back is the same tree. */
#include <math.h>

#include "base/buf.h"
#include "base/date.h"
#include "base/num.h"
#include "traceql/parser.h"

/* ---- values and fields ---- */

static void put_float(double d, struct buf *out)
{
    char text[NUM_TEXT_BYTES_MAX];
    struct slice s = slice_of(text, num_format_short(d, text));
    buf_slice(out, s);
    if (isfinite(d) && slice_find_char(s, '.', 0) == SIZE_MAX && slice_find_char(s, 'e', 0) == SIZE_MAX)
        buf_slice(out, SLICE(".0"));
}

static void put_duration(int64_t ns, struct buf *out)
{
    char text[DURATION_TEXT_BYTES_MAX];
    if (ns == INT64_MIN || ns % NS_MS) {
        buf_put(out, text, duration_format_go(ns, text));
        return;
    }
    buf_slice(out, ns < 0 ? SLICE("-") : SLICE_EMPTY);
    buf_put(out, text, duration_format_prom((ns < 0 ? -ns : ns) / NS_MS, text));
}

void traceql_format_value(const struct tql_value *v, struct buf *out)
{
    switch (v->type) {
    case TQL_INT:
        buf_printf(out, "%lld", (long long)v->i);
        return;
    case TQL_FLOAT:
        put_float(v->d, out);
        return;
    case TQL_STRING:
        token_quote(v->text, out);
        return;
    case TQL_BOOL:
        buf_slice(out, v->i ? SLICE("true") : SLICE("false"));
        return;
    case TQL_DURATION:
        put_duration(v->i, out);
        return;
    case TQL_STATUS:
        buf_slice(out, traceql_status_name(v->i));
        return;
    case TQL_KIND:
        buf_slice(out, traceql_kind_name(v->i));
        return;
    case TQL_ARRAY:
        buf_slice(out, v->text);
        return;
    case TQL_NIL:
    case TQL_ANY:
        buf_slice(out, SLICE("nil"));
    }
}

static bool needs_quotes(const struct tql_field *f)
{
    for (size_t i = 0; i < f->name.len; i++)
        if (!tql_is_name_char(f->name.ptr[i]) || f->name.ptr[i] == '"' || f->name.ptr[i] == '\\' || (unsigned char)f->name.ptr[i] < ' ')
            return true;
    if (f->scope != TQL_SCOPE_ANY)
        return false;
    if (f->of_parent)
        return slice_starts(f->name, SLICE("span.")) || slice_starts(f->name, SLICE("resource."));
    return f->name.len && token_is_digit(f->name.ptr[0]); /* a number, otherwise */
}

void traceql_format_field(const struct tql_field *f, struct buf *out)
{
    static const char *const scopes[] = { ".", "span.", "resource.", "event.", "link.", "instrumentation." };
    if (f->scope == TQL_SCOPE_INTRINSIC) {
        buf_slice(out, traceql_intrinsic_name(f->intrinsic));
        return;
    }
    buf_slice(out, f->of_parent ? SLICE("parent.") : SLICE_EMPTY);
    if (!f->of_parent || f->scope != TQL_SCOPE_ANY)
        buf_slice(out, slice_str(scopes[f->scope]));
    if (!needs_quotes(f)) {
        buf_slice(out, f->name);
        return;
    }
    buf_char(out, '"');
    for (size_t i = 0; i < f->name.len; i++) {
        if (f->name.ptr[i] == '"' || f->name.ptr[i] == '\\')
            buf_char(out, '\\');
        buf_char(out, f->name.ptr[i]);
    }
    buf_char(out, '"');
}

/* ---- expressions ---- */

static bool is_negative(const struct tql_value *v)
{
    return v->type == TQL_FLOAT ? signbit(v->d) : (v->type == TQL_INT || v->type == TQL_DURATION) && v->i < 0;
}

static int precedence(const struct tql_expr *e)
{
    if (e->kind == TQL_EXPR_BINARY)
        return tql_binary_of_op(e->op)->precedence;
    bool has_sign = e->kind == TQL_EXPR_UNARY || (e->kind == TQL_EXPR_VALUE && is_negative(&e->value));
    return has_sign ? TQL_PRECEDENCE_UNARY : TQL_PRECEDENCE_VALUE;
}

/* Of two operators side by side: is the inner one to be set apart? */
static bool is_apart(int inner, int outer, bool is_right, bool is_power)
{
    return inner < outer || (inner == outer && is_right != is_power);
}

static void put_expr(const struct tql_expr *e, int next, struct buf *out);

static void put_apart(const struct tql_expr *e, bool is_it, int next, struct buf *out)
{
    buf_slice(out, is_it ? SLICE("(") : SLICE_EMPTY);
    put_expr(e, is_it ? 0 : next, out);
    buf_slice(out, is_it ? SLICE(")") : SLICE_EMPTY);
}

/* A side of an operator: a sign would take in what binds tighter behind it. */
static void put_side(const struct tql_expr *side, const struct tql_expr *whole, bool is_right, int next, struct buf *out)
{
    int inner = precedence(side), outer = precedence(whole);
    if (inner == TQL_PRECEDENCE_UNARY)
        put_apart(side, next > TQL_PRECEDENCE_UNARY, next, out);
    else
        put_apart(side, is_apart(inner, outer, is_right, whole->op == TQL_POW), next, out);
}

/* next: the precedence of the operator behind it; 0: none. */
static void put_expr(const struct tql_expr *e, int next, struct buf *out)
{
    switch (e->kind) {
    case TQL_EXPR_VALUE:
        traceql_format_value(&e->value, out);
        return;
    case TQL_EXPR_FIELD:
        traceql_format_field(&e->field, out);
        return;
    case TQL_EXPR_UNARY:
        buf_char(out, e->op == TQL_NOT ? '!' : '-');
        put_apart(e->left, precedence(e->left) < TQL_PRECEDENCE_UNARY, next, out);
        return;
    case TQL_EXPR_BINARY:
        break;
    }
    put_side(e->left, e, false, precedence(e), out);
    buf_printf(out, " %.*s ", SLICE_FMT(tql_binary_of_op(e->op)->text));
    put_side(e->right, e, true, next, out);
}

void traceql_format_expr(const struct tql_expr *e, struct buf *out)
{
    put_expr(e, 0, out);
}

/* ---- sets of spans and their numbers ---- */

static void put_stages(const struct tql_stage *s, struct buf *out);

static void put_spans(const struct tql_spans *s, struct buf *out);

static void put_spans_side(const struct tql_spans *side, const struct tql_spans *whole, bool is_right, struct buf *out)
{
    bool is_it = side->kind == TQL_SPANS_PIPELINE;
    if (side->kind == TQL_SPANS_OPERATION)
        is_it = is_apart(tql_binary_of_spans(side)->precedence, tql_binary_of_spans(whole)->precedence, is_right, false);
    buf_slice(out, is_it ? SLICE("(") : SLICE_EMPTY);
    put_spans(side, out);
    buf_slice(out, is_it ? SLICE(")") : SLICE_EMPTY);
}

static void put_spans(const struct tql_spans *s, struct buf *out)
{
    switch (s->kind) {
    case TQL_SPANS_FILTER:
        buf_slice(out, SLICE("{ "));
        if (s->filter) {
            traceql_format_expr(s->filter, out);
            buf_char(out, ' ');
        }
        buf_char(out, '}');
        return;
    case TQL_SPANS_OPERATION:
        put_spans_side(s->left, s, false, out);
        buf_printf(out, " %.*s ", SLICE_FMT(tql_binary_of_spans(s)->text));
        put_spans_side(s->right, s, true, out);
        return;
    case TQL_SPANS_PIPELINE:
        put_stages(s->pipeline, out);
    }
}

static void put_scalar_side(const struct tql_scalar *side, const struct tql_scalar *whole, bool is_right, struct buf *out)
{
    bool is_it = side->kind == TQL_SCALAR_BINARY && is_apart(tql_binary_of_op(side->op)->precedence, tql_binary_of_op(whole->op)->precedence,
                                                             is_right, whole->op == TQL_POW);
    buf_slice(out, is_it ? SLICE("(") : SLICE_EMPTY);
    traceql_format_scalar(side, out);
    buf_slice(out, is_it ? SLICE(")") : SLICE_EMPTY);
}

void traceql_format_scalar(const struct tql_scalar *s, struct buf *out)
{
    switch (s->kind) {
    case TQL_SCALAR_VALUE:
        traceql_format_value(&s->value, out);
        return;
    case TQL_SCALAR_AGGREGATE:
        buf_printf(out, "%.*s(", SLICE_FMT(tql_aggregate_name(s->aggregate)));
        if (s->of)
            traceql_format_expr(s->of, out);
        buf_char(out, ')');
        return;
    case TQL_SCALAR_BINARY:
        put_scalar_side(s->left, s, false, out);
        buf_printf(out, " %.*s ", SLICE_FMT(tql_binary_of_op(s->op)->text));
        put_scalar_side(s->right, s, true, out);
    }
}

static void put_fields(struct tql_expr *const *fields, size_t count, struct buf *out)
{
    buf_char(out, '(');
    for (size_t i = 0; i < count; i++) {
        buf_slice(out, i ? SLICE(", ") : SLICE_EMPTY);
        traceql_format_expr(fields[i], out);
    }
    buf_char(out, ')');
}

static void put_stage(const struct tql_stage *s, struct buf *out)
{
    switch (s->kind) {
    case TQL_STAGE_SPANS:
        put_spans(s->spans, out);
        return;
    case TQL_STAGE_SCALAR_FILTER:
        traceql_format_scalar(s->left, out);
        buf_printf(out, " %.*s ", SLICE_FMT(tql_binary_of_op(s->op)->text));
        traceql_format_scalar(s->right, out);
        return;
    case TQL_STAGE_BY:
        buf_slice(out, SLICE("by("));
        traceql_format_expr(s->by, out);
        buf_char(out, ')');
        return;
    case TQL_STAGE_COALESCE:
        buf_slice(out, SLICE("coalesce()"));
        return;
    case TQL_STAGE_SELECT:
        buf_slice(out, SLICE("select"));
        put_fields(s->select, s->select_count, out);
    }
}

static void put_stages(const struct tql_stage *s, struct buf *out)
{
    for (bool is_first = true; s; s = s->next, is_first = false) {
        buf_slice(out, is_first ? SLICE_EMPTY : SLICE(" | "));
        put_stage(s, out);
    }
}

/* ---- numbers over time ---- */

static void put_function(const struct tql_metric *m, struct buf *out)
{
    char text[NUM_TEXT_BYTES_MAX];
    put_stages(m->stages, out);
    buf_printf(out, " | %.*s(", SLICE_FMT(traceql_function_name(m->function)));
    if (m->selection)
        put_spans(m->selection, out);
    if (m->selection && (m->top != TRACEQL_TOP_DEFAULT || m->start_ns || m->end_ns))
        buf_printf(out, ", %zu", m->top);
    if (m->start_ns || m->end_ns)
        buf_printf(out, ", %lld, %lld", (long long)m->start_ns, (long long)m->end_ns);
    if (m->of)
        traceql_format_expr(m->of, out);
    for (size_t i = 0; i < m->quantile_count; i++) {
        buf_slice(out, SLICE(", "));
        buf_put(out, text, num_format_short(m->quantiles[i], text));
    }
    buf_char(out, ')');
    if (m->by_count) {
        buf_slice(out, SLICE(" by "));
        put_fields(m->by, m->by_count, out);
    }
}

static void put_metric(const struct tql_metric *m, struct buf *out);

static void put_metric_side(const struct tql_metric *side, const struct tql_metric *whole, bool is_right, struct buf *out)
{
    bool is_it = side->kind != TQL_METRIC_NUMBER;
    if (side->kind == TQL_METRIC_BINARY)
        is_it = is_apart(tql_binary_of_op(side->op)->precedence, tql_binary_of_op(whole->op)->precedence, is_right, false);
    buf_slice(out, is_it ? SLICE("(") : SLICE_EMPTY);
    put_metric(side, out);
    buf_slice(out, is_it ? SLICE(")") : SLICE_EMPTY);
}

static void put_metric(const struct tql_metric *m, struct buf *out)
{
    switch (m->kind) {
    case TQL_METRIC_FUNCTION:
        put_function(m, out);
        return;
    case TQL_METRIC_NUMBER:
        traceql_format_value(&m->number, out);
        return;
    case TQL_METRIC_BINARY:
        put_metric_side(m->left, m, false, out);
        buf_printf(out, " %.*s ", SLICE_FMT(tql_binary_of_op(m->op)->text));
        put_metric_side(m->right, m, true, out);
        return;
    case TQL_METRIC_FILTER:
        put_metric(m->left, out);
        buf_printf(out, " %.*s ", SLICE_FMT(tql_binary_of_op(m->op)->text));
        traceql_format_value(&m->number, out);
        return;
    case TQL_METRIC_TOPK:
    case TQL_METRIC_BOTTOMK:
        put_metric(m->left, out);
        buf_printf(out, " | %s(%zu)", m->kind == TQL_METRIC_TOPK ? "topk" : "bottomk", m->top);
    }
}

void traceql_format_query(const struct traceql *q, struct buf *out)
{
    if (q->metric)
        put_metric(q->metric, out);
    else
        put_stages(q->stages, out);
    for (size_t i = 0; i < q->hint_count; i++) {
        buf_printf(out, "%s%.*s=", i ? ", " : " with (", SLICE_FMT(q->hints[i].name));
        traceql_format_value(&q->hints[i].value, out);
    }
    buf_slice(out, q->hint_count ? SLICE(")") : SLICE_EMPTY);
}
