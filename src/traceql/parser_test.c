/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/unit.h"
#include "traceql/ast.h"

static void check_format(const char *text, const char *want)
{
    struct arena *a = arena_new(0);
    struct traceql *q;
    struct err err = { 0 };
    struct buf out;
    buf_init(&out, 0);
    if (traceql_parse(a, slice_str(text), &q, &err))
        CHECK_STR(slice_str(err.text), text);
    traceql_format_query(q, &out);
    CHECK_STR(buf_as_slice(&out), want);
    traceql_free(q);
    buf_free(&out);
    arena_free(a);
}

static void check_same(const char *text)
{
    check_format(text, text);
}

static void check_refused(const char *text, const char *why)
{
    struct arena *a = arena_new(0);
    struct traceql *q;
    struct err err = { 0 };
    CHECK_INT(traceql_parse(a, slice_str(text), &q, &err), ST_INVALID);
    CHECK(q == NULL);
    if (!slice_contains(slice_str(err.text), slice_str(why)))
        CHECK_STR(slice_str(err.text), why);
    CHECK(slice_starts(slice_str(err.text), SLICE("parse error at line ")));
    arena_free(a);
}

/* The filter of `{ text }`, with parentheses around all that has two sides. */
static void put_tree(const struct tql_expr *e, struct buf *out)
{
    static const char *const ops[] = { "+", "-", "*", "/", "%", "^", "=", "!=", "<", "<=", ">", ">=", "=~", "!~", "&&", "||", "!", "-" };
    if (e->kind == TQL_EXPR_UNARY) {
        buf_printf(out, "(%s", ops[e->op]);
        put_tree(e->left, out);
        buf_char(out, ')');
    } else if (e->kind == TQL_EXPR_BINARY) {
        buf_char(out, '(');
        put_tree(e->left, out);
        buf_slice(out, slice_str(ops[e->op]));
        put_tree(e->right, out);
        buf_char(out, ')');
    } else
        traceql_format_expr(e, out);
}

static void check_tree(const char *filter, const char *want)
{
    struct arena *a = arena_new(0);
    struct traceql *q;
    struct err err = { 0 };
    struct buf out;
    buf_init(&out, 0);
    if (traceql_parse(a, arena_printf(a, "{%s}", filter), &q, &err))
        CHECK_STR(slice_str(err.text), filter);
    put_tree(q->stages->spans->filter, &out);
    CHECK_STR(buf_as_slice(&out), want);
    traceql_free(q);
    buf_free(&out);
    arena_free(a);
}

TEST(and_and_or_bind_alike_from_the_left)
{
    check_tree(".a || .b && .c", "((.a||.b)&&.c)");
    check_tree(".a && .b || .c", "((.a&&.b)||.c)");
    check_tree(".a || (.b && .c)", "(.a||(.b&&.c))");
    check_format("{(.a||.b)&&.c||(.d&&.e)}", "{ .a || .b && .c || (.d && .e) }");
    check_format("({} || {}) && ({} || {})", "{ } || { } && ({ } || { })");
}

TEST(operators_bind_in_their_order)
{
    check_tree(".a + .b * .c ^ .d ^ 2 = 1 && .e", "(((.a+(.b*(.c^(.d^2))))=1)&&.e)");
    check_tree(".a - .b - .c > 0", "(((.a-.b)-.c)>0)");
    check_tree(".a / .b % .c > 0", "(((.a/.b)%.c)>0)");
    check_tree("1 = 1 = true", "((1=1)=true)");
}

TEST(signs_take_products_but_no_sums)
{
    check_tree("-.a * 2 + 1 = 0", "(((-(.a*2))+1)=0)");
    check_tree("2 * -.a + 1 = 0", "(((2*(-.a))+1)=0)");
    check_tree("!.a = .b", "((!.a)=.b)");
    check_tree("-.a ^ 2 < 0", "((-(.a^2))<0)");
    check_tree("-1 = .a", "(-1=.a)");
    check_tree("- 1.5 + 2 = .a", "((-1.5+2)=.a)");
    check_tree("(-2) ^ .a > -1s", "((-2^.a)>-1s)");
    check_same("{ (-2) ^ .a = 1 }");
    check_same("{ -2 ^ .a = 1 }");
    check_same("{ --.a = 1 }");
    check_same("{ 2 * -.a + 1 = 0 && 2 * (-.a) * 3 = 0 && 2 ^ -.a = 1 && 2 ^ (-.a) * 3 > -1 }");
}

TEST(values_come_back)
{
    check_format("{ .a = 1.50 || .a = 3.0 || .a = .25 || .a = 1e3 || .a = 1e300 }",
                 "{ .a = 1.5 || .a = 3.0 || .a = 0.25 || .a = 1000.0 || .a = 1e+300 }");
    check_format("{ duration > 90m && duration < 1500ms && duration != 10us && duration != 10\xc2\xb5s }",
                 "{ duration > 1h30m && duration < 1s500ms && duration != 10\xc2\xb5s && duration != 10\xc2\xb5s }");
    check_same("{ duration > 1.5ms && duration < 2d }");
    check_format("{ .a = \"x\\ty\\\"\" && .b = `c:\\d` }", "{ .a = \"x\\ty\\\"\" && .b = \"c:\\\\d\" }");
    check_format("{ .a = minInt || .a = maxInt || .a = -9223372036854775808 }",
                 "{ .a = -9223372036854775808 || .a = 9223372036854775807 || .a = -9223372036854775808 }");
    check_same("{ status = error && kind != consumer && .a != nil && .b = true && span:id = \"00\" }");
}

TEST(names_go_on_to_a_blank_or_an_operator)
{
    check_same("{ .http.status-code = 1 && resource.k8s.io/name = \"a\" && span.a+b*c%d:e@f = 2 }");
    check_format("{.a>1&&span.b<2||event.c=~\"x\"}", "{ .a > 1 && span.b < 2 || event.c =~ \"x\" }");
    check_same("{ link.a = 1 && instrumentation.b = 2 && .\xc3\xa4 = 3 }");
    check_format("{ span.\"a b\".c = 1 && .x.\"(\" = 2 && .\"plain\" = 3 }", "{ span.\"a b.c\" = 1 && .\"x.(\" = 2 && .plain = 3 }");
    check_same("{ .\"a\\\"b\\\\c\" = 1 && .\"line\nbreak\" = 2 && .\"9a\" = 3 && span.9a = 4 }");
    check_same("{ parent.a = 1 && parent.span.a = 2 && parent.resource.a = 3 && parent.\"span.a\" = 4 && parent.event.a = 5 }");
    check_same("{ .parent.a = 1 && .span.a = 2 && span.span.a = 3 }");
    check_refused("{ . = 1 }", "col 4: syntax error: an attribute's name");
    check_refused("{ span. }", "an attribute's name");
    check_refused("{ .\"a = 1 }", "do not end");
    check_refused("{ .\"a\\n\" = 1 }", "an escape other than");
}

TEST(intrinsics_have_two_spellings)
{
    check_format("{ span:duration > 1s && trace:duration > 1s && trace:rootService = \"a\" && span:statusMessage = \"b\" && childCount = 2 }",
                 "{ duration > 1s && traceDuration > 1s && rootServiceName = \"a\" && statusMessage = \"b\" && span:childCount = 2 }");
    check_same("{ event:name = \"a\" && event:timeSinceStart > 1ms && link:traceID = \"b\" && link:spanID = \"c\" }");
    check_same("{ instrumentation:version = \"1\" && instrumentation:name =~ \"otel.*\" }");
    check_same("{ nestedSetLeft > 3 && nestedSetParent < nestedSetRight && span:parentID = \"\" && trace:id = \"ab\" && parent = nil }");
    check_refused("{ trace:status = error }", "unexpected trace:status");
    check_refused("{ span:rootName = \"a\" }", "unexpected span:rootName");
    check_refused("{ service = \"a\" }", "unexpected service");
}

TEST(sets_of_spans_are_joined)
{
    check_format("{}>{}>>{}<{}<<{}~{}", "{ } > { } >> { } < { } << { } ~ { }");
    check_format("{}!>{}!>>{}!<{}!<<{}!~{}", "{ } !> { } !>> { } !< { } !<< { } !~ { }");
    check_format("{}&>{}&>>{}&<{}&<<{}&~{}", "{ } &> { } &>> { } &< { } &<< { } &~ { }");
    check_format("{.a} && {.b} >> {.c} || {.d}", "{ .a } && { .b } >> { .c } || { .d }");
    check_same("({ .a } && { .b }) >> ({ .c } > { .d })");
    check_same("({ .a } | count() > 1 | { .b }) >> (by(.c) | avg(duration) > 1s)");
    check_format("(({ .a }))", "{ .a }");
    check_format("({ .a } | count() > 1)", "{ .a } | count() > 1");
    check_refused("{ } + { }", "unexpected + between a set of spans and a set of spans");
    check_refused("{ } = { }", "unexpected =");
    check_refused("({ }) && (count())", "unexpected && between a set of spans and a number");
}

TEST(pipelines_come_back)
{
    check_same("{ .a } | by(resource.service.name) | count() > 2 | coalesce() | select(.b, span:id) | { .c } >> { .d }");
    check_same("avg(.a) > 1.5 | { .b }");
    check_same("select(.a)");
    check_same("{ } | min(.a) + 2 * (max(duration) - 1) ^ 2 <= sum(.b + 1)");
    check_same("1 < count()");
    check_refused("{ } | count()", "unexpected end, expecting a comparison");
    check_refused("{ } | count = 1", "expecting (");
    check_refused("{ } | 3 > 2", "expecting an aggregate");
    check_refused("count() > 3 && { }", "a pipeline without parentheses");
    check_refused("{ } | max() = 1", "unexpected )");
    check_refused("max(name) = \"foo\"", "unexpected \"foo\"");
    check_refused("sum(3) = 2", "the same for each span");
    check_refused("max(kind) > 2", "max() of a kind");
    check_refused("{ } | by(1)", "the same for each span");
    check_refused("({ } | count()) > ({ } | count())", "> between numbers of whole pipelines is not supported");
    check_refused("true", "col 1: syntax error: unexpected true");
    check_refused("", "unexpected end");
}

TEST(functions_over_time_come_back)
{
    check_same("{ } | rate()");
    check_format("{} | count_over_time() by(name,resource.a)with(sample=0.1,most_recent=true)",
                 "{ } | count_over_time() by (name, resource.a) with (sample=0.1, most_recent=true)");
    check_format("{}|quantile_over_time(duration,0,.9,1)by(.a)|topk(3)>1.50|bottomk(2)<=10ms",
                 "{ } | quantile_over_time(duration, 0, 0.9, 1) by (.a) | topk(3) > 1.5 | bottomk(2) <= 10ms");
    check_same("{ .a } | compare({ status = error })");
    check_format("{ .a } | compare({ status = error }, 10)", "{ .a } | compare({ status = error })");
    check_same("{ .a } | compare({ status = error }, 5, 1700000000000000000, 1700000001000000000)");
    check_same("{ } >> { .b } | by(.a) | count() > 2 | max_over_time(span.c)");
    check_refused("rate()", "unexpected rate");
    check_refused("{ } | topk(5)", "unexpected topk");
    check_refused("{ } | rate() | topk(0)", "topk(0), 1 to 1000 is allowed");
    check_refused("{ } | rate() | topk(-1)", "unexpected -");
    check_refused("{ } | rate() | { }", "only topk() and bottomk()");
    check_refused("{ } | rate() + 5", "unexpected +");
    check_refused("{ } | quantile_over_time(duration, 1.5)", "quantile 1.5, 0 to 1");
    check_refused("{ } | quantile_over_time(duration)", "expecting , and a quantile");
    check_refused("{ } | min_over_time(name)", "min_over_time() of a text");
    check_refused("{ } | compare({ .a }) | topk(5)", "compare() stands alone");
    check_refused("{ } | compare({ .a }, 10, 5, 5)", "the end is to be behind the start");
    check_refused("{ } | rate() with (1=2)", "a hint");
}

TEST(arithmetic_over_time_keeps_its_shape)
{
    check_format("({} | rate()) / ({} | rate()) * 100", "({ } | rate()) / ({ } | rate()) * 100");
    check_format("({} | rate())*10+5>50|topk(1)", "({ } | rate()) * 10 + 5 > 50 | topk(1)");
    check_format("1 + 2 + ({} | rate()) - 3 / 2", "3 + ({ } | rate()) - 1.5");
    check_format("100 * (({}|rate()) - (2 - ({}|rate()|topk(5))))", "100 * (({ } | rate()) - (2 - ({ } | rate() | topk(5))))");
    check_format("({} | rate()) > 10s", "{ } | rate() > 10s");
    check_refused("({ } | rate()) > 10s * 2", "arithmetic of durations");
    check_refused("({ } | rate()) * 10s", "a duration beside");
    check_refused("({ } | rate()) ^ 2", "expecting +, -, * or /");
    check_refused("({ } | rate()) / (1 / 0)", "gives no number");
    check_refused("5 > ({ } | rate())", "compared with a number on the right");
    check_refused("({ } | rate()) + count()", "unexpected count()");
    check_refused("2 * 3", "expecting a comparison");
    check_refused("({ } | rate()) + ({ } | compare({ .a }))", "compare() stands alone");
}

TEST(types_are_to_fit)
{
    check_refused("{ 1 + 1 }", "a filter is to be true or false, this is a whole number");
    check_refused("{ status }", "this is a status");
    check_refused("{ 1 = \"a\" }", "= between a whole number and a text");
    check_refused("{ duration = name }", "= between a duration and a text");
    check_refused("{ status > ok }", "> does not take a status");
    check_refused("{ .a < true }", "< does not take true or false");
    check_refused("{ .a =~ 2 }", "=~ does not take a whole number");
    check_refused("{ 1 && .a }", "&& does not take a whole number");
    check_refused("{ -name = \"a\" }", "- does not take a text");
    check_refused("{ !1h = .a }", "! does not take a duration");
    check_refused("{ .a + true = 1 }", "+ does not take true or false");
    check_refused("{ span:status = nil }", "nil is compared with what a span may lack");
    check_refused("{ nil = resource.service.name }", "nil is compared with what a span may lack");
    check_refused("{ .a > nil }", "> with nil or parent");
    check_refused("{ parent = 1 }", "parent is compared with nil alone");
    check_refused("{ parent }", "this is nil");
    check_refused("{ .a =~ .b }", "a text in quotes");
    check_refused("{ .a =~ \"(\" }", "bad regular expression");
    check_same("{ nil = nil && .a = nil && parent.resource.service.name != nil && 1 < 1h && \"a\" =~ \"a\" && .a + 1 > .b }");
}

TEST(errors_say_where)
{
    check_refused("{ .a = 1 &&\n  foo }", "line 2, col 3: syntax error: unexpected foo");
    check_refused("{ .a == 1 }", "line 1, col 7: syntax error: unexpected =");
    check_refused("{ .a = 1", "unexpected end, expecting an operator such as = or &&, or }");
    check_refused("{ .a = 5x }", "bad duration \"5x\"");
    check_refused("{ .a = 9223372036854775808 }", "at most 9223372036854775807");
    check_refused("{ .a = 1_000 }", "bad number \"1_000\"");
    check_refused("{ .a = 'x' }", "unexpected character '''");
    check_refused("{ .a = \"x }", "unterminated");
    check_refused("{ } # all", "unexpected character '#'");
}

static void check_many(const char *start, const char *piece, size_t times, const char *end, enum status want)
{
    struct arena *a = arena_new(0);
    struct traceql *q;
    struct err err;
    struct buf text;
    buf_init(&text, 0);
    buf_printf(&text, "%s", start);
    for (size_t i = 0; i < times; i++)
        buf_printf(&text, "%s", piece);
    buf_printf(&text, "%s", end);
    CHECK_INT(traceql_parse(a, buf_as_slice(&text), &q, &err), want);
    traceql_free(q);
    CHECK(arena_bytes(a) < 64 * MIB);
    buf_free(&text);
    arena_free(a);
}

TEST(queries_have_limits)
{
    check_many("{", " .a ||", 1000, " .b }", ST_OK);
    check_many("{", " .a ||", 2000, " .b }", ST_INVALID);
    check_many("{", "(", 30000, "", ST_INVALID);
    check_many("{", "!", 30000, ".a }", ST_INVALID);
    check_many("{ 1", "^1", 30000, " = 1 }", ST_INVALID);
    check_many("", "(", 30000, "{ }", ST_INVALID);
    check_many("count() > 1", "^1", 30000, "", ST_INVALID);
    check_many("{ }", " | { }", TRACEQL_STAGES_MAX - 1, "", ST_OK);
    check_many("{ }", " | { }", TRACEQL_STAGES_MAX, "", ST_INVALID);
    check_many("{ } | select(.a", ",.a", TRACEQL_NAMES_MAX - 1, ")", ST_OK);
    check_many("{ } | select(.a", ",.a", TRACEQL_NAMES_MAX, ")", ST_INVALID);
    check_many("{ } | quantile_over_time(.a", ",1", TRACEQL_QUANTILES_MAX + 1, ")", ST_INVALID);
    check_many("{ } with (a=1", ",a=1", TRACEQL_HINTS_MAX, ")", ST_INVALID);
    check_many("{ .a", "=~\"a\" || .a ", TRACEQL_REGEXES_MAX + 1, "}", ST_INVALID);
    check_many("{ .a =~ `\\pL{400}`", " || .a =~ `\\pL{400}`", 40, "}", ST_INVALID);
    check_many("{", " ", QUERY_TEXT_BYTES_MAX, "}", ST_LIMIT);
    check_many("{ 1", "*-1", 100, "> 0 }", ST_OK);
    check_many("", "{", QUERY_TEXT_BYTES_MAX, "", ST_INVALID);
}

TEST(a_field_alone_is_read)
{
    static const struct {
        const char *text, *want;
    } cases[] = { { ".a", ".a" }, { "span.http.method", "span.http.method" }, { "resource.\"a b\"", "resource.\"a b\"" }, { "span:name", "name" },
                  { "parent.resource.a", "parent.resource.a" }, { "rootServiceName", "rootServiceName" } };
    static const char *const wrong[] = { "", ".", "a", "span.a span.b", "1", "\"a\"", "span.a = 1", "span:nothing", "span." };
    struct arena *a = arena_new(0);
    struct tql_field f;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out;
        buf_init(&out, 0);
        CHECK(traceql_field_of(a, slice_str(cases[i].text), &f));
        traceql_format_field(&f, &out);
        CHECK_STR(buf_as_slice(&out), cases[i].want);
        buf_free(&out);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        CHECK(!traceql_field_of(a, slice_str(wrong[i]), &f));
    arena_free(a);
}
