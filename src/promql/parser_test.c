/* SPDX-License-Identifier: Apache-2.0 */
/* What the parser reads, what it refuses and where, and the canonical form. */
#include "base/unit.h"
#include "promql/ast.h"
#include "promql/promql.h"

static void check_format(const char *text, const char *want)
{
    struct buf out, again;
    struct err err = { 0 };
    buf_init(&out, 0);
    buf_init(&again, 0);
    if (promql_lang.format(slice_str(text), 0, &out, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    CHECK_STR(buf_as_slice(&out), want);
    CHECK_INT(promql_lang.format(buf_as_slice(&out), 0, &again, &err), ST_OK);
    CHECK(slice_eq(buf_as_slice(&out), buf_as_slice(&again)));
    buf_free(&out);
    buf_free(&again);
}

static void check_error(const char *text, const char *want)
{
    enum value_type type;
    struct err err = { 0 };
    CHECK_INT(promql_lang.check(slice_str(text), 0, &type, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), want);
}

TEST(one_form_for_every_spelling)
{
    check_format("sum(rate(x[300s]))by(a)", "sum by (a) (rate(x[5m]))");
    check_format("{__name__=\"x\",a='b'}", "{__name__=\"x\",a=\"b\"}");
    check_format("{\"my.name\", \"a b\"=~`c\\d`}", "{\"my.name\",\"a b\"=~\"c\\\\d\"}");
    check_format("a   OR b and on() c", "a or b and on () c");
    check_format("a*ignoring(x)group_left(y)b", "a * ignoring (x) group_left (y) b");
    check_format("x[5m:] offset -1h @ start()", "x[5m:] @ start() offset -1h");
    check_format("x @ 1.5", "x @ 1.500");
    check_format("x @ -0.5", "x @ -0.500");
    check_format("-(2^-1)", "-(2 ^ -1)");
    check_format("1h30m", "1h30m");
    check_format("0x10 > bool 1_6", "16 > bool 16");
    check_format("sum without () (x)", "sum without () (x)");
    check_format("# says nothing\nup # at all", "up");
    check_format("sum", "sum");
    check_format("offset offset 5m", "offset offset 5m");
}

TEST(long_expressions_open_up)
{
    check_format("sum by (job) (rate(requests_with_a_rather_long_name_total{job=\"api\",code=~\"5..\",zone!=\"test\"}[5m])) / count(up)",
                 "  sum by (job) (rate(requests_with_a_rather_long_name_total{job=\"api\",code=~\"5..\",zone!=\"test\"}[5m]))\n"
                 "/\n"
                 "  count(up)");
    check_format("clamp(requests_with_a_rather_long_name_total{job=\"api\",code=~\"5..\"}, scalar(lower_bound{job=\"api\"}), 100)",
                 "clamp(\n"
                 "  requests_with_a_rather_long_name_total{job=\"api\",code=~\"5..\"},\n"
                 "  scalar(lower_bound{job=\"api\"}),\n"
                 "  100\n"
                 ")");
}

TEST(errors_say_where_and_what)
{
    check_error("", "1:1: parse error: no expression found in input");
    check_error("sum(", "1:5: parse error: unclosed left parenthesis");
    check_error("a b", "1:3: parse error: unexpected identifier \"b\"");
    check_error("a +", "1:4: parse error: unexpected end of input");
    check_error("foo{a=}", "1:7: parse error: unexpected \"}\" in label matching, expected string");
    check_error("foo{a=\"b\" c=\"d\"}", "1:11: parse error: unexpected identifier \"c\" in label matching, expected \",\" or \"}\"");
    check_error("foo{__name__=\"b\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"b\"");
    check_error("{__name__=~\"b\", \"foo\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"b\"");
    check_error("\n\nrate(foo)", "3:6: parse error: expected type range vector in call to function \"rate\", got instant vector");
    check_error("foo[0s]", "1:5: parse error: duration must be greater than 0");
    check_error("foo[5x]", "1:5: parse error: bad number or duration syntax: \"5x\"");
    check_error("sum(foo)[5m]", "1:9: parse error: ranges only allowed for vector selectors");
    check_error("foo offset 1m offset 1m", "1:15: parse error: offset may not be set multiple times");
    check_error("1 offset 1m",
                "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery");
    check_error("foo == \"a\"", "1:8: parse error: binary expression must contain only scalar and instant vector types");
    check_error("foo and on(a) group_left() bar", "1:1: parse error: no grouping allowed for \"and\" operation");
    check_error("foo[1m * 2]", "1:5: parse error: experimental duration expression is not enabled");
    check_error("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier");
    check_error("foo[]", "1:5: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()");
    check_error("foo offset", "1:11: parse error: unexpected end of input in offset, expected number, duration, step(), or range()");
    check_error("foo{1}", "1:5: parse error: unexpected character inside braces: '1'");
    check_error("1 =~ 1", "1:3: parse error: unexpected character after '=': '~'");
    check_error("a - on(b) ignoring(c) d", "1:11: parse error: unexpected <ignoring>");
    check_error("sum (x) by test", "1:12: parse error: unexpected identifier \"test\" in grouping opts, expected \"(\"");
    check_error("\"open", "1:1: parse error: unterminated quoted string");
    check_error("a)", "1:2: parse error: unexpected right parenthesis ')'");
}

static void check_depth(const char *piece, const char *end, size_t times, enum status want)
{
    struct buf text;
    enum value_type type;
    struct err err;
    buf_init(&text, 0);
    for (size_t i = 0; i < times; i++)
        buf_printf(&text, "%s", piece);
    buf_printf(&text, "%s", end);
    for (size_t i = 0; piece[0] == '(' && i < times; i++)
        buf_char(&text, ')');
    CHECK_INT(promql_lang.check(buf_as_slice(&text), 0, &type, &err), want);
    buf_free(&text);
}

TEST(depth_has_a_limit_of_its_own)
{
    check_depth("(", "1", 100, ST_OK);
    check_depth("(", "1", 30000, ST_INVALID);
    check_depth("-", "x", 30000, ST_INVALID);
    check_depth("1+", "1", 200, ST_OK);
    check_depth("1+", "1", 30000, ST_INVALID);
    check_depth("1^", "1", 30000, ST_INVALID);
    check_depth("1+", "1", 40000, ST_LIMIT);
}

/* Memory of a multiple of the text's, however many parts there are. */
TEST(many_arguments_need_no_more_memory_than_their_number)
{
    struct arena *a = arena_new(0);
    struct buf text;
    struct ast ast;
    buf_init(&text, 0);
    buf_printf(&text, "sum(x");
    while (text.len < QUERY_TEXT_BYTES_MAX - 10)
        buf_printf(&text, ",x");
    buf_char(&text, ')');
    CHECK_INT(ast_parse(a, buf_as_slice(&text), 0, &ast, NULL), ST_INVALID);
    CHECK(arena_bytes(a) < 64 * MIB);
    buf_free(&text);
    arena_free(a);
}

TEST(regular_expressions_have_a_size_together)
{
    struct buf text;
    enum value_type type;
    struct err err;
    buf_init(&text, 0);
    buf_printf(&text, "x{a=~`\\pL{400}`}");
    CHECK_INT(promql_lang.check(buf_as_slice(&text), 0, &type, &err), ST_OK);
    for (int i = 0; i < 40; i++)
        buf_printf(&text, " or x{a=~`\\pL{400}`}");
    CHECK_INT(promql_lang.check(buf_as_slice(&text), 0, &type, &err), ST_INVALID);
    CHECK(slice_contains(slice_str(err.text), SLICE("the regular expressions take more than 1000000 steps")));
    buf_free(&text);
}

TEST(types_are_told)
{
    static const struct {
        const char *text;
        enum value_type type;
    } cases[] = { { "1", VALUE_SCALAR }, { "'a'", VALUE_STRING }, { "a", VALUE_VECTOR }, { "a[1m]", VALUE_MATRIX }, { "a[1m:1s]", VALUE_MATRIX },
                  { "time() + 1", VALUE_SCALAR }, { "a + 1", VALUE_VECTOR } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum value_type type;
        CHECK_INT(promql_lang.check(slice_str(cases[i].text), 0, &type, NULL), ST_OK);
        CHECK_INT(type, cases[i].type);
    }
}

TEST(a_selector_alone_gives_its_matchers)
{
    struct arena *a = arena_new(0);
    struct matcher *m;
    size_t n;
    CHECK_INT(promql_parse_selector(a, SLICE("up{job=~\"a|b\"}"), &m, &n, NULL), ST_OK);
    CHECK_INT(n, 2);
    for (size_t i = 0; i < n; i++)
        matcher_destroy(&m[i]);
    CHECK_INT(promql_parse_selector(a, SLICE("up + up"), &m, &n, NULL), ST_INVALID);
    CHECK_INT(promql_parse_selector(a, SLICE("up[5m]"), &m, &n, NULL), ST_INVALID);
    arena_free(a);
}
