/* SPDX-License-Identifier: Apache-2.0 */
/* A query as text again, in one canonical layout. What is read back is the same tree. */
#include "base/date.h"
#include "base/num.h"
#include "logql/ast.h"
#include "query/token.h"

static void put_number(double v, struct buf *out)
{
    char text[NUM_TEXT_BYTES_MAX];
    buf_put(out, text, num_format_short(v, text));
}

static void put_duration(int64_t ns, struct buf *out)
{
    char text[DURATION_TEXT_BYTES_MAX];
    size_t n = ns % NS_MS ? duration_format_go(ns, text) : duration_format_prom(ns / NS_MS, text);
    buf_put(out, text, n);
}

static void put_names(const char *word, const struct slice *names, size_t count, struct buf *out)
{
    buf_printf(out, "%s (", word);
    for (size_t i = 0; i < count; i++) {
        buf_slice(out, i ? SLICE(", ") : SLICE_EMPTY);
        buf_slice(out, names[i]);
    }
    buf_char(out, ')');
}

static void put_filter(const struct label_filter *f, struct buf *out)
{
    static const char *const ops[] = { "=", "!=", ">", ">=", "<", "<=", "=~", "!~" };
    if (f->kind == FILTER_AND || f->kind == FILTER_OR) {
        buf_char(out, '(');
        put_filter(f->left, out);
        buf_slice(out, f->kind == FILTER_AND ? SLICE(" and ") : SLICE(" or "));
        put_filter(f->right, out);
        buf_char(out, ')');
        return;
    }
    buf_slice(out, f->name);
    buf_printf(out, " %s ", ops[f->op]);
    if (f->kind == FILTER_STRING)
        token_quote(f->text, out);
    else if (f->kind == FILTER_IP)
        buf_slice(out, SLICE("ip(")), token_quote(f->text, out), buf_char(out, ')');
    else
        buf_printf(out, "%s%.*s", f->number < 0 ? "-" : "", SLICE_FMT(f->text));
}

static void put_assigns(const struct stage *s, struct buf *out)
{
    static const char *const ops[] = { "=", "!=", "=~", "!~" };
    for (size_t i = 0; i < s->assign_count; i++) {
        const struct assign *e = &s->assigns[i];
        buf_slice(out, i ? SLICE(", ") : SLICE(" "));
        buf_slice(out, e->name);
        if (s->kind == STAGE_LABEL_FORMAT && e->template == NULL)
            buf_printf(out, "=%.*s", SLICE_FMT(e->source));
        else if (e->has_matcher || s->kind == STAGE_JSON || s->kind == STAGE_LOGFMT || e->template)
            buf_slice(out, slice_str(e->has_matcher ? ops[e->op] : "=")), token_quote(e->source, out);
    }
}

static void put_line_filter(const struct stage *s, struct buf *out)
{
    static const char *const ops[] = { "|=", "!=", "|~", "!~", "|>", "!>" };
    buf_printf(out, " %s ", ops[s->line_op]);
    for (size_t i = 0; i < s->text_count; i++) {
        buf_slice(out, i ? SLICE(" or ") : SLICE_EMPTY);
        if (s->ips[i])
            buf_slice(out, SLICE("ip(")), token_quote(s->texts[i], out), buf_char(out, ')');
        else
            token_quote(s->texts[i], out);
    }
}

static void put_stage(const struct stage *s, struct buf *out)
{
    static const char *const words[] = { "",       "json",        "logfmt",       "regexp", "pattern", "unpack",
                                         "",       "line_format", "label_format", "drop",   "keep",    "decolorize" };
    if (s->kind == STAGE_LINE) {
        put_line_filter(s, out);
        return;
    }
    buf_printf(out, " | %s", words[s->kind]);
    if (s->kind == STAGE_LABEL_FILTER)
        put_filter(s->filter, out);
    if (s->strict)
        buf_slice(out, SLICE(" --strict"));
    if (s->keep_empty)
        buf_slice(out, SLICE(" --keep-empty"));
    if (s->kind == STAGE_REGEXP || s->kind == STAGE_PATTERN || s->kind == STAGE_LINE_FORMAT)
        buf_char(out, ' '), token_quote(s->source, out);
    put_assigns(s, out);
}

static void put_log(const struct expr *e, struct buf *out)
{
    buf_char(out, '{');
    for (size_t i = 0; i < e->matcher_count; i++) {
        static const char *const ops[] = { "=", "!=", "=~", "!~" };
        buf_printf(out, "%s%.*s%s", i ? ", " : "", SLICE_FMT(e->matchers[i].name), ops[e->matchers[i].op]);
        token_quote(e->matchers[i].value, out);
    }
    buf_char(out, '}');
    for (const struct stage *s = e->stages; s; s = s->next)
        put_stage(s, out);
}

static void put_range(const struct expr *e, struct buf *out)
{
    static const char *const conversions[] = { "", "duration", "bytes" };
    buf_slice(out, logql_range_names[e->range_op]);
    buf_char(out, '(');
    if (e->range_op == RANGE_QUANTILE)
        put_number(e->parameter, out), buf_slice(out, SLICE(", "));
    put_log(e->left, out);
    if (e->has_unwrap && e->unwrap_as == UNWRAP_NUMBER)
        buf_printf(out, " | unwrap %.*s", SLICE_FMT(e->unwrap_label));
    else if (e->has_unwrap)
        buf_printf(out, " | unwrap %s(%.*s)", conversions[e->unwrap_as], SLICE_FMT(e->unwrap_label));
    if (e->unwrap_filter)
        buf_slice(out, SLICE(" | ")), put_filter(e->unwrap_filter, out);
    buf_char(out, '[');
    put_duration(e->range_ns, out);
    buf_char(out, ']');
    if (e->offset_ns) {
        buf_printf(out, " offset %s", e->offset_ns < 0 ? "-" : "");
        put_duration(e->offset_ns < 0 ? -e->offset_ns : e->offset_ns, out);
    }
    buf_char(out, ')');
    if (e->grouping.given)
        put_names(e->grouping.without ? " without" : " by", e->grouping.names, e->grouping.count, out);
}

static void put_binary(const struct expr *e, struct buf *out)
{
    buf_char(out, '(');
    logql_format_expr(e->left, out);
    buf_printf(out, " %.*s", SLICE_FMT(logql_binary_names[e->op]));
    buf_slice(out, e->is_bool ? SLICE(" bool") : SLICE_EMPTY);
    if (e->has_match)
        put_names(e->on ? " on" : " ignoring", e->match_names, e->match_count, out);
    if (e->group_side)
        put_names(e->group_side < 0 ? " group_left" : " group_right", e->include, e->include_count, out);
    buf_char(out, ' ');
    logql_format_expr(e->right, out);
    buf_char(out, ')');
}

void logql_format_expr(const struct expr *e, struct buf *out)
{
    switch (e->kind) {
    case EXPR_LOG: put_log(e, out); return;
    case EXPR_RANGE: put_range(e, out); return;
    case EXPR_BINARY: put_binary(e, out); return;
    case EXPR_NUMBER: put_number(e->number, out); return;
    case EXPR_VECTOR:
        buf_slice(out, SLICE("vector("));
        put_number(e->number, out);
        buf_char(out, ')');
        return;
    case EXPR_VECTOR_AGG:
        buf_slice(out, logql_agg_names[e->agg]);
        if (e->grouping.given)
            put_names(e->grouping.without ? " without" : " by", e->grouping.names, e->grouping.count, out), buf_char(out, ' ');
        buf_char(out, '(');
        if (e->agg == AGG_KIND_TOPK || e->agg == AGG_KIND_BOTTOMK || e->agg == AGG_KIND_APPROX_TOPK)
            put_number(e->parameter, out), buf_slice(out, SLICE(", "));
        logql_format_expr(e->left, out);
        buf_char(out, ')');
        return;
    case EXPR_LABEL_REPLACE:
        buf_slice(out, SLICE("label_replace("));
        logql_format_expr(e->left, out);
        for (size_t i = 0; i < COUNT_OF(e->replace); i++)
            buf_slice(out, SLICE(", ")), token_quote(e->replace[i], out);
        buf_char(out, ')');
        return;
    }
}
