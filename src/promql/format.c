/* SPDX-License-Identifier: Apache-2.0 */
/* A tree as text again: one spelling for all spellings of a query. Short ones stay on a line; longer ones are opened up,
 * a level of the tree per level of indentation. */
#include <math.h>
#include <stdlib.h>

#include "base/date.h"
#include "base/num.h"
#include "promql/functions.h"
#include "promql/words.h"
#include "query/token.h"

enum { LINE_BYTES_MAX = 100, INDENT = 2 };

static void put_duration(int64_t ms, struct buf *out)
{
    char text[DURATION_TEXT_BYTES_MAX];
    buf_put(out, text, duration_format_prom(ms, text));
}

static void put_number(double v, struct buf *out)
{
    char text[NUM_TEXT_BYTES_MAX];
    buf_put(out, text, num_format_short(v, text));
}

static void put_label(struct slice name, struct buf *out)
{
    if (label_name_is_legacy(name))
        buf_slice(out, name);
    else
        token_quote(name, out);
}

static void put_names(const struct names *names, struct buf *out)
{
    buf_char(out, '(');
    for (size_t i = 0; i < names->count; i++) {
        if (i)
            buf_put(out, ", ", 2);
        put_label(names->list[i], out);
    }
    buf_char(out, ')');
}

static void put_selector(const struct node *n, struct buf *out)
{
    static const char *const ops[] = { [MATCH_EQ] = "=", [MATCH_NE] = "!=", [MATCH_RE] = "=~", [MATCH_NRE] = "!~" };
    bool outside = n->text.len && metric_name_is_legacy(n->text), any = false;
    if (outside)
        buf_slice(out, n->text);
    for (size_t i = 0; i < n->matcher_count; i++) {
        const struct matcher *m = &n->matchers[i];
        bool is_name = n->text.len && slice_eq(m->name, SLICE("__name__"));
        if (is_name && outside)
            continue;
        buf_char(out, any ? ',' : '{');
        any = true;
        if (!is_name) {
            put_label(m->name, out);
            buf_printf(out, "%s", ops[m->op]);
        }
        token_quote(m->value, out);
    }
    if (any)
        buf_char(out, '}');
}

static void put_modifiers(const struct node *n, struct buf *out)
{
    if (n->at == AT_START || n->at == AT_END)
        buf_printf(out, " @ %s()", n->at == AT_START ? "start" : "end");
    if (n->at == AT_TIME)
        buf_printf(out, " @ %s%lld.%03lld", n->at_ms < 0 ? "-" : "", llabs(n->at_ms / 1000), llabs(n->at_ms % 1000));
    if (!n->has_offset)
        return;
    buf_printf(out, " offset ");
    if (n->offset_expr) {
        format_node(n->offset_expr, out);
        return;
    }
    if (n->offset_ms < 0)
        buf_char(out, '-');
    put_duration(n->offset_ms < 0 ? -n->offset_ms : n->offset_ms, out);
}

static void put_extended(const struct node *n, struct buf *out)
{
    if (n->is_anchored || n->is_smoothed)
        buf_printf(out, n->is_anchored ? " anchored" : " smoothed");
}

static void put_span(const struct node *expr, int64_t ms, struct buf *out)
{
    if (expr)
        format_node(expr, out);
    else
        put_duration(ms, out);
}

static void put_brackets(const struct node *n, struct buf *out)
{
    buf_char(out, '[');
    put_span(n->range_expr, n->range_ms, out);
    if (n->kind == NODE_SUBQUERY) {
        buf_char(out, ':');
        if (n->step_expr || n->step_ms)
            put_span(n->step_expr, n->step_ms, out);
    }
    buf_char(out, ']');
}

static void put_aggregation_head(const struct node *n, struct buf *out)
{
    buf_slice(out, words_aggregation_name(n->agg));
    if (n->has_grouping && (n->without || n->grouping.count)) {
        buf_printf(out, n->without ? " without " : " by ");
        put_names(&n->grouping, out);
        buf_char(out, ' ');
    }
}

static void put_operator(const struct node *n, struct buf *out)
{
    const struct matching *m = &n->matching;
    buf_slice(out, words_binary_name(n->op));
    if (n->is_bool)
        buf_printf(out, " bool");
    if (m->is_given && (m->on || m->names.count || m->card == CARD_MANY_TO_ONE || m->card == CARD_ONE_TO_MANY)) {
        buf_printf(out, m->on ? " on " : " ignoring ");
        put_names(&m->names, out);
    }
    if (m->card == CARD_MANY_TO_ONE || m->card == CARD_ONE_TO_MANY) {
        buf_printf(out, m->card == CARD_MANY_TO_ONE ? " group_left " : " group_right ");
        put_names(&m->include, out);
    }
    if (m->has_fill_left && m->has_fill_right && m->fill_left == m->fill_right) {
        buf_printf(out, " fill (");
        put_number(m->fill_left, out);
        buf_char(out, ')');
        return;
    }
    if (m->has_fill_left) {
        buf_printf(out, " fill_left (");
        put_number(m->fill_left, out);
        buf_char(out, ')');
    }
    if (m->has_fill_right) {
        buf_printf(out, " fill_right (");
        put_number(m->fill_right, out);
        buf_char(out, ')');
    }
}

static void put_list(const struct node *n, struct buf *out)
{
    buf_char(out, '(');
    for (size_t i = 0; i < n->kid_count; i++) {
        if (i)
            buf_put(out, ", ", 2);
        format_node(n->kids[i], out);
    }
    buf_char(out, ')');
}

void format_node(const struct node *n, struct buf *out)
{
    static const char *const timings[] = { "step", "range", "min_of", "max_of" };
    switch (n->kind) {
    case NODE_NUMBER:
        if (n->is_duration && n->number >= 0)
            put_duration((int64_t)round(n->number * 1000), out);
        else
            put_number(n->number, out);
        return;
    case NODE_STRING:
        token_quote(n->text, out);
        return;
    case NODE_SELECTOR:
        put_selector(n, out);
        put_modifiers(n, out);
        put_extended(n, out);
        return;
    case NODE_MATRIX:
        put_selector(n->kids[0], out);
        put_brackets(n, out);
        put_modifiers(n->kids[0], out);
        put_extended(n->kids[0], out);
        return;
    case NODE_SUBQUERY:
        format_node(n->kids[0], out);
        put_brackets(n, out);
        put_modifiers(n, out);
        return;
    case NODE_CALL:
        buf_slice(out, n->text);
        put_list(n, out);
        return;
    case NODE_AGGREGATE:
        put_aggregation_head(n, out);
        put_list(n, out);
        return;
    case NODE_BINARY:
        format_node(n->kids[0], out);
        buf_char(out, ' ');
        put_operator(n, out);
        buf_char(out, ' ');
        format_node(n->kids[1], out);
        return;
    case NODE_UNARY:
        buf_slice(out, words_binary_name(n->op));
        format_node(n->kids[0], out);
        return;
    case NODE_PAREN:
        put_list(n, out);
        return;
    case NODE_TIMING:
        buf_printf(out, "%s", timings[n->timing]);
        put_list(n, out);
        return;
    }
}

static void put_indent(int level, struct buf *out)
{
    for (int i = 0; i < level * INDENT; i++)
        buf_char(out, ' ');
}

/* Each kid on lines of its own. */
static void pretty_list(const struct node *n, int level, struct buf *out)
{
    buf_printf(out, "(\n");
    for (size_t i = 0; i < n->kid_count; i++) {
        format_pretty(n->kids[i], level + 1, out);
        buf_printf(out, i + 1 < n->kid_count ? ",\n" : "\n");
    }
    put_indent(level, out);
    buf_char(out, ')');
}

static bool fits(const struct node *n)
{
    struct buf b;
    buf_init(&b, LINE_BYTES_MAX);
    format_node(n, &b);
    bool yes = !buf_over(&b);
    buf_free(&b);
    return yes;
}

void format_pretty(const struct node *n, int level, struct buf *out)
{
    bool whole = fits(n) || n->kind == NODE_SELECTOR || n->kind == NODE_MATRIX || n->kind == NODE_STRING || n->kind == NODE_NUMBER;
    if (!whole && n->kind == NODE_BINARY) {
        format_pretty(n->kids[0], level + 1, out);
        buf_char(out, '\n');
        put_indent(level, out);
        put_operator(n, out);
        buf_char(out, '\n');
        format_pretty(n->kids[1], level + 1, out);
        return;
    }
    if (!whole && n->kind == NODE_SUBQUERY) {
        format_pretty(n->kids[0], level, out);
        put_brackets(n, out);
        put_modifiers(n, out);
        return;
    }
    put_indent(level, out);
    if (whole) {
        format_node(n, out);
        return;
    }
    if (n->kind == NODE_UNARY) {
        buf_slice(out, words_binary_name(n->op));
        struct buf inner;
        buf_init(&inner, out->max);
        format_pretty(n->kids[0], level, &inner);
        buf_slice(out, slice_trim(buf_as_slice(&inner)));
        buf_free(&inner);
        return;
    }
    if (n->kind == NODE_CALL)
        buf_slice(out, n->text);
    if (n->kind == NODE_AGGREGATE)
        put_aggregation_head(n, out);
    pretty_list(n, level, out);
}
