/* SPDX-License-Identifier: Apache-2.0 */
/* Random queries, written with any blanks and more parentheses than needed: each parses, and its canonical form is read as the same tree. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/rand.h"
#include "base/unit.h"
#include "traceql/ast.h"

enum { QUERIES = 3000, DEPTH = 4 };

struct gen {
    struct rand rand;
    struct buf out;
    size_t parts;
};

static size_t below(struct gen *g, size_t n)
{
    return (size_t)rand_below(&g->rand, n);
}

/* A blank or none; put between what does not need one. */
static void gap(struct gen *g)
{
    static const char *const gaps[] = { "", " ", "\n", "  \t" };
    buf_slice(&g->out, slice_str(gaps[below(g, COUNT_OF(gaps))]));
}

static void put(struct gen *g, const char *text)
{
    gap(g);
    buf_slice(&g->out, slice_str(text));
    gap(g);
}

/* One of them, with a blank before and behind it. */
#define PICK(g, ...)                                                                                                                       \
    do {                                                                                                                                   \
        static const char *const choices[] = { __VA_ARGS__ };                                                                              \
        buf_char(&(g)->out, ' ');                                                                                                          \
        buf_slice(&(g)->out, slice_str(choices[below((g), COUNT_OF(choices))]));                                                           \
        buf_char(&(g)->out, ' ');                                                                                                          \
    } while (0)

static void put_attribute(struct gen *g)
{
    PICK(g, ".a", "span.b", "resource.c.d-e", "event.x", "link.\"f g\"", "instrumentation.h/i", "parent.j", "parent.span.k", "parent.resource.l",
         ".\"9\"", "span.\"q\\\"\\\\\".r", ".span.a", "parent.\"span.z\"");
}

static bool may_end(struct gen *g, int depth)
{
    return depth >= DEPTH || g->parts++ > 200 || below(g, 3) == 0;
}

static void put_number(struct gen *g, int depth)
{
    if (may_end(g, depth)) {
        switch (below(g, 3)) {
        case 0:
            put_attribute(g);
            return;
        case 1:
            PICK(g, "duration", "span:childCount", "nestedSetLeft", "event:timeSinceStart", "trace:duration");
            return;
        default:
            PICK(g, "0", "1", "-2", ".5", "3.0", "1e9", "1h", "-1.5ms", "10us", "9223372036854775807", "minInt", "2w");
            return;
        }
    }
    switch (below(g, 4)) {
    case 0:
        put(g, "-");
        put_number(g, depth + 1);
        return;
    case 1:
        put(g, "(");
        put_number(g, depth + 1);
        put(g, ")");
        return;
    default:
        put_number(g, depth + 1);
        PICK(g, "+", "-", "*", "/", "%", "^");
        put_number(g, depth + 1);
    }
}

static void put_text(struct gen *g)
{
    PICK(g, "name", "statusMessage", "span:id", ".a", "resource.b", "rootServiceName", "\"x\"", "`a\\b`", "\"\\u00e4\\n\"");
}

static void put_truth(struct gen *g, int depth);

static void put_compare(struct gen *g, int depth)
{
    switch (below(g, 7)) {
    case 0:
        put_text(g);
        PICK(g, "=~", "!~");
        PICK(g, "\"a.*\"", "`b|c`");
        return;
    case 1:
        put_text(g);
        PICK(g, "=", "!=", "<", ">=");
        put_text(g);
        return;
    case 2:
        PICK(g, "status", "span:status", ".s");
        PICK(g, "=", "!=");
        PICK(g, "ok", "error", "unset");
        return;
    case 3:
        PICK(g, "kind", "server", ".k");
        PICK(g, "=", "!=");
        PICK(g, "client", "internal", "unspecified");
        return;
    case 4:
        PICK(g, ".a", "parent", "nil", "span.b");
        PICK(g, "=", "!=");
        PICK(g, "nil");
        return;
    default:
        put_number(g, depth + 1);
        PICK(g, "=", "!=", "<", "<=", ">", ">=");
        put_number(g, depth + 1);
    }
}

static void put_truth(struct gen *g, int depth)
{
    if (may_end(g, depth)) {
        PICK(g, "true", "false", ".a", "parent.b", "span.c = true");
        return;
    }
    switch (below(g, 5)) {
    case 0:
        put(g, "!");
        put(g, "(");
        put_truth(g, depth + 1);
        put(g, ")");
        return;
    case 1:
        put(g, "(");
        put_truth(g, depth + 1);
        put(g, ")");
        return;
    case 2:
        put_truth(g, depth + 1);
        PICK(g, "&&", "||");
        put_truth(g, depth + 1);
        return;
    default:
        put_compare(g, depth);
    }
}

static void put_filter(struct gen *g)
{
    put(g, "{");
    if (below(g, 4))
        put_truth(g, 1);
    put(g, "}");
}

static void put_stages(struct gen *g, int depth);

static void put_spans(struct gen *g, int depth)
{
    if (may_end(g, depth)) {
        put_filter(g);
        return;
    }
    if (below(g, 3) == 0) {
        put(g, "(");
        if (below(g, 2))
            put_spans(g, depth + 1);
        else
            put_stages(g, depth + 1);
        put(g, ")");
        return;
    }
    put_spans(g, depth + 1);
    PICK(g, "&&", "||", ">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!<<", "!~", "&>", "&>>", "&<", "&<<", "&~");
    put_spans(g, depth + 1);
}

static void put_scalar(struct gen *g, int depth)
{
    if (may_end(g, depth)) {
        if (below(g, 3) == 0) {
            PICK(g, "1", "-2", "1.5", "10ms", "-1h", "0");
            return;
        }
        PICK(g, "count()", "min(.a)", "max(duration)", "avg(span.b * 2 - 1)", "sum(-.c ^ 2)");
        return;
    }
    bool is_apart = below(g, 2);
    if (is_apart)
        put(g, "(");
    put_scalar(g, depth + 1);
    PICK(g, "+", "-", "*", "/", "%", "^");
    put_scalar(g, depth + 1);
    if (is_apart)
        put(g, ")");
}

static void put_stages(struct gen *g, int depth)
{
    put_spans(g, depth + 1);
    for (size_t more = below(g, 4); more > 0; more--) {
        put(g, "|");
        switch (below(g, 4)) {
        case 0:
            put_spans(g, depth + 1);
            break;
        case 1:
            PICK(g, "count() + ");
            put_scalar(g, depth + 1);
            PICK(g, "=", "!=", "<", "<=", ">", ">=");
            put_scalar(g, depth + 1);
            break;
        case 2:
            PICK(g, "by(.a)", "by ( name )", "by(.a + 1 > 2 || .b && .c)", "coalesce()");
            break;
        default:
            PICK(g, "select(.a)", "select ( name,span.\"b c\" , span:id)");
        }
    }
}

static void put_function(struct gen *g)
{
    put_stages(g, 2);
    put(g, "|");
    PICK(g, "rate()", "count_over_time()", "min_over_time(.a)", "max_over_time(span:duration)", "sum_over_time(.b)", "avg_over_time(.c)",
         "histogram_over_time(duration)", "quantile_over_time(duration, .5, 0.99,1)");
    if (below(g, 2))
        PICK(g, "by(.a)", "by (name , resource.b)");
}

static void put_more(struct gen *g)
{
    for (size_t more = below(g, 3); more > 0; more--)
        PICK(g, "| topk(3)", "|bottomk( 10 )", "> 5", "<= -1.5", "= 1 / 2", "!= 3 * (2 - 1)");
}

static void put_metric(struct gen *g, int depth)
{
    if (depth >= 3 || below(g, 3) == 0) {
        put(g, "(");
        put_function(g);
        put_more(g);
        put(g, ")");
        return;
    }
    bool is_apart = below(g, 2);
    if (is_apart)
        put(g, "(");
    if (below(g, 4) == 0) {
        PICK(g, "1", "-2.5", "1 + 2", "(3 - 1) * 2");
        PICK(g, "+", "-", "*", "/");
    }
    put_metric(g, depth + 1);
    PICK(g, "+", "-", "*", "/");
    if (below(g, 4) == 0)
        PICK(g, "3", "-0.5", "(1 / 4)");
    else
        put_metric(g, depth + 1);
    if (is_apart) {
        put_more(g);
        put(g, ")");
    }
}

static void put_query(struct gen *g)
{
    switch (below(g, 3)) {
    case 0:
        put_metric(g, 1);
        put_more(g);
        break;
    case 1:
        put_function(g);
        put_more(g);
        break;
    default:
        put_stages(g, 0);
    }
    if (below(g, 4) == 0)
        PICK(g, "with(sample=0.1)", "with (a = \"b\",c=ok , d=-1s)");
}

/* ---- the tree as it is ---- */

static void dump_value(const struct tql_value *v, struct buf *out)
{
    buf_printf(out, "%d:", (int)v->type);
    traceql_format_value(v, out);
}

static void dump_expr(const struct tql_expr *e, struct buf *out)
{
    buf_printf(out, "[%d %d %d ", (int)e->kind, (int)e->type, (int)e->op);
    if (e->kind == TQL_EXPR_VALUE)
        dump_value(&e->value, out);
    if (e->kind == TQL_EXPR_FIELD)
        buf_printf(out, "%d %d %d %.*s", (int)e->field.scope, (int)e->field.intrinsic, e->field.of_parent, SLICE_FMT(e->field.name));
    if (e->left)
        dump_expr(e->left, out);
    if (e->right)
        dump_expr(e->right, out);
    buf_char(out, ']');
}

static void dump_scalar(const struct tql_scalar *s, struct buf *out)
{
    buf_printf(out, "(%d %d %d %d ", (int)s->kind, (int)s->type, (int)s->aggregate, (int)s->op);
    if (s->kind == TQL_SCALAR_VALUE)
        dump_value(&s->value, out);
    if (s->of)
        dump_expr(s->of, out);
    if (s->left)
        dump_scalar(s->left, out), dump_scalar(s->right, out);
    buf_char(out, ')');
}

static void dump_stages(const struct tql_stage *s, struct buf *out);

static void dump_spans(const struct tql_spans *s, struct buf *out)
{
    buf_printf(out, "<%d %d %d %d ", (int)s->kind, (int)s->relation, s->is_negated, s->is_union);
    if (s->filter)
        dump_expr(s->filter, out);
    if (s->left)
        dump_spans(s->left, out), dump_spans(s->right, out);
    dump_stages(s->pipeline, out);
    buf_char(out, '>');
}

static void dump_stages(const struct tql_stage *s, struct buf *out)
{
    for (; s; s = s->next) {
        buf_printf(out, "|%d %d ", (int)s->kind, (int)s->op);
        if (s->spans)
            dump_spans(s->spans, out);
        if (s->left)
            dump_scalar(s->left, out), dump_scalar(s->right, out);
        if (s->by)
            dump_expr(s->by, out);
        for (size_t i = 0; i < s->select_count; i++)
            dump_expr(s->select[i], out);
    }
}

static void dump_metric(const struct tql_metric *m, struct buf *out)
{
    buf_printf(out, "{%d %d %d %zu ", (int)m->kind, (int)m->function, (int)m->op, m->top);
    dump_stages(m->stages, out);
    if (m->of)
        dump_expr(m->of, out);
    for (size_t i = 0; i < m->quantile_count; i++)
        buf_printf(out, " %a", m->quantiles[i]);
    for (size_t i = 0; i < m->by_count; i++)
        dump_expr(m->by[i], out);
    dump_value(&m->number, out);
    if (m->left)
        dump_metric(m->left, out);
    if (m->right)
        dump_metric(m->right, out);
    buf_char(out, '}');
}

static void dump(const struct traceql *q, struct buf *out)
{
    dump_stages(q->stages, out);
    if (q->metric)
        dump_metric(q->metric, out);
    for (size_t i = 0; i < q->hint_count; i++) {
        buf_slice(out, q->hints[i].name);
        dump_value(&q->hints[i].value, out);
    }
}

/* False: it is over a limit, which a few are. */
static bool read_one(struct arena *a, struct slice text, struct buf *tree, struct buf *canonical)
{
    struct traceql *q;
    struct err err = { 0 };
    enum status st = traceql_parse(a, text, &q, &err);
    bool is_over = st && (slice_contains(slice_str(err.text), SLICE("more than")) || slice_contains(slice_str(err.text), SLICE("deeper than")));
    if (is_over)
        return false;
    if (st)
        CHECK_STR(text, err.text);
    dump(q, tree);
    traceql_format_query(q, canonical);
    traceql_free(q);
    return true;
}

TEST(the_canonical_form_of_any_query_is_the_same_tree)
{
    struct gen g = { 0 };
    size_t read = 0;
    rand_seed(&g.rand, unit_seed());
    buf_init(&g.out, 0);
    for (size_t i = 0; i < QUERIES; i++) {
        struct arena *a = arena_new(0);
        struct buf tree, again, canonical, twice;
        struct buf *all[] = { &tree, &again, &canonical, &twice };
        for (size_t k = 0; k < COUNT_OF(all); k++)
            buf_init(all[k], 0);
        buf_reset(&g.out);
        g.parts = 0;
        put_query(&g);
        if (read_one(a, buf_as_slice(&g.out), &tree, &canonical)) {
            CHECK(read_one(a, buf_as_slice(&canonical), &again, &twice));
            if (!slice_eq(buf_as_slice(&tree), buf_as_slice(&again)))
                CHECK_STR(buf_as_slice(&g.out), arena_copy(a, buf_as_slice(&canonical)).ptr);
            CHECK(slice_eq(buf_as_slice(&canonical), buf_as_slice(&twice)));
            read++;
        }
        for (size_t k = 0; k < COUNT_OF(all); k++)
            buf_free(all[k]);
        arena_free(a);
    }
    CHECK(read > QUERIES / 2);
    buf_free(&g.out);
}
