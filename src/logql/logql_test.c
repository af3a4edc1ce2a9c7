/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit.h"
#include "logql/record.h"

static struct slice formatted(const char *query)
{
    static struct buf out;
    struct err err;
    buf_reset(&out);
    if (logql_lang.format(slice_str(query), 0, &out, &err)) {
        buf_reset(&out);
        buf_slice(&out, slice_str(err.text));
    }
    return buf_as_slice(&out);
}

TEST(queries_are_read_and_written_back_in_one_layout)
{
    CHECK_STR(formatted("{a=\"b\",c=~`d+`}|=\"x\"!=\"y\" or \"z\""), "{a=\"b\", c=~\"d+\"} |= \"x\" != \"y\" or \"z\"");
    CHECK_STR(formatted("sum by(level)(rate({a=\"b\"} | json | status >= 500 [5m] offset 1m))"),
              "sum by (level) (rate({a=\"b\"} | json | status >= 500[5m] offset 1m))");
    CHECK_STR(formatted("quantile_over_time(0.9,{a=\"b\"}|logfmt --strict|unwrap duration(took)|__error__=\"\"[1m])by(host)"),
              "quantile_over_time(0.9, {a=\"b\"} | logfmt --strict | unwrap duration(took) | __error__ = \"\"[1m]) by (host)");
    CHECK_STR(formatted("{a=\"b\"} | took > 1m30s or (size < 10KB and x=\"1\")"), "{a=\"b\"} | (took > 1m30s or (size < 10KB and x = \"1\"))");
    CHECK_STR(formatted("1 + 2 * 3"), "(1 + (2 * 3))");
}

TEST(errors_name_line_and_column)
{
    CHECK_STR(formatted("{a=\"b\""), "parse error at line 1, col 7: syntax error: unexpected $end, expecting } or ,");
    CHECK_STR(formatted("rate({a=\"b\"} |= \"x\")"), "parse error at line 1, col 20: syntax error: unexpected ), expecting [");
    CHECK(slice_starts(formatted("{a=~\".*\"}"), SLICE("parse error : queries require at least one")));
    CHECK(slice_starts(formatted("{a=\"b\"} |~ \"(\""), SLICE("parse error at line 1, col 12: error parsing regexp")));
    CHECK(slice_contains(formatted("{a=\"b\"} | line_format \"{{nope .a}}\""), SLICE("function \"nope\" not defined")));
    CHECK(slice_contains(formatted("sum_over_time({a=\"b\"}[1m])"), SLICE("without unwrap")));
}

/* Runs the stages of query over line; the labels afterwards, as text, then the line. "-" when it is filtered out. */
static struct slice run(const char *query, const char *line)
{
    static struct record r;
    static struct buf out;
    struct arena *a = arena_new(0);
    struct logql *q;
    struct err err;
    struct label labels[] = {{SLICE("app"), SLICE("shop")}};
    struct event e = {.body = slice_str(line), .severity = 0};
    struct stage_env env = { .scratch = a, .json = json_parser_new() };
    buf_reset(&out);
    CHECK_INT(labels_build(a, labels, 1, &e.stream, &err), ST_OK);
    if (logql_parse(a, slice_str(query), &q, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    record_load(&r, &e, a);
    if (logql_stages_run(q->root->stages, &r, &env)) {
        labels_format(record_labels(&r, FROM_PARSER, a), &out);
        buf_char(&out, ' ');
        buf_slice(&out, r.line);
    } else {
        buf_char(&out, '-');
    }
    logql_free(q);
    json_parser_free(env.json);
    arena_free(a);
    return buf_as_slice(&out);
}

TEST(parsers_make_labels_and_keep_clashing_ones_apart)
{
    CHECK_STR(run("{a=\"b\"} | json", "{\"a\":{\"b-c\":1},\"app\":\"x\",\"list\":[1],\"t\":true}"),
              "{a_b_c=\"1\",app_extracted=\"x\",t=\"true\"} {\"a\":{\"b-c\":1},\"app\":\"x\",\"list\":[1],\"t\":true}");
    CHECK_STR(run("{a=\"b\"} | json first=\"list[0].x\"", "{\"list\":[{\"x\":\"y\"}]}"), "{first=\"y\"} {\"list\":[{\"x\":\"y\"}]}");
    CHECK_STR(run("{a=\"b\"} | logfmt", "level=info msg=\"a b\" n=1"), "{level=\"info\",msg=\"a b\",n=\"1\"} level=info msg=\"a b\" n=1");
    CHECK_STR(run("{a=\"b\"} | regexp \"(?P<m>GET|POST) (?P<p>\\\\S+)\"", "x GET /a y"), "{m=\"GET\",p=\"/a\"} x GET /a y");
    CHECK_STR(run("{a=\"b\"} | pattern \"<ip> - <_> <path> end\"", "1.2.3.4 - u /p end"), "{ip=\"1.2.3.4\",path=\"/p\"} 1.2.3.4 - u /p end");
    CHECK_STR(run("{a=\"b\"} | json", "no json"), "{__error__=\"JSONParserErr\",__error_details__=\"the line is no JSON object\"} no json");
}

TEST(filters_compare_numbers_durations_sizes_and_addresses)
{
    CHECK_STR(run("{a=\"b\"} | logfmt | n > 10", "n=9"), "-");
    CHECK_STR(run("{a=\"b\"} | logfmt | took >= 1.5s, size < 2KB", "took=1500ms size=1.9KB"),
              "{size=\"1.9KB\",took=\"1500ms\"} took=1500ms size=1.9KB");
    CHECK_STR(run("{a=\"b\"} | logfmt | addr = ip(\"10.0.0.0/8\")", "addr=11.0.0.1"), "-");
    CHECK_STR(run("{a=\"b\"} |= ip(\"10.1.0.0-10.1.0.9\")", "from 10.1.0.5:80."), "{} from 10.1.0.5:80.");
    CHECK_STR(run("{a=\"b\"} |> \"<_> took <_>ms\"", "it took 5ms"), "{} it took 5ms");
}

TEST(formats_rewrite_lines_and_labels)
{
    CHECK_STR(run("{a=\"b\"} | logfmt | line_format `{{.x | ToUpper}}-{{ default \"none\" .nope }} {{ printf \"%s!\" .x }}`", "x=ab"),
              "{x=\"ab\"} AB-none ab!");
    CHECK_STR(run("{a=\"b\"} | logfmt | label_format y=x, z=`<{{.app}}>` | drop app", "x=1"), "{y=\"1\",z=\"<shop>\"} x=1");
    CHECK_STR(run("{a=\"b\"} | logfmt | keep x", "x=1 y=2"), "{x=\"1\"} x=1 y=2");
    CHECK_STR(run("{a=\"b\"} | decolorize", "\x1b[31mred\x1b[0m"), "{} red");
}

/* What a template makes on the way and throws away counts, too. */
TEST(a_template_that_makes_too_much_fails_its_line)
{
    struct buf query, line;
    buf_init(&query, 0);
    buf_init(&line, 0);
    buf_printf(&query, "{a=\"b\"} | line_format `");
    for (int i = 0; i < 100; i++)
        buf_printf(&query, "{{ __line__ | replace \"a\" \"aaaaaaaa\" | trunc 0 }}");
    buf_printf(&query, "`%c", 0);
    for (int i = 0; i < 100 * 1000; i++)
        buf_char(&line, 'a');
    buf_char(&line, 0);
    struct slice out = run(query.ptr, line.ptr);
    CHECK(slice_starts(out, SLICE("{__error__=\"TemplateFormatErr\",__error_details__=\"template: more than 200000 steps\"} aaa")));
    buf_free(&query);
    buf_free(&line);
}

TEST(steps_are_counted_over_all_of_time)
{
    struct value v;
    struct err err;
    struct arena *a = arena_new(0);
    struct query_env env = { NULL, NULL, a, { 0 } };
    struct query_params p = { .start_ns = INT64_MIN, .end_ns = INT64_MAX, .step_ns = NS_S };
    memset(&v, 0xa5, sizeof v); /* an answer is made anew, whatever was there */
    CHECK_INT(logql_lang.range(&env, SLICE("vector(1)"), &p, &v, &err), ST_INVALID);
    CHECK(slice_contains(slice_str(err.text), SLICE("at most 11000 points")));
    p.step_ns = INT64_MAX / 500;
    CHECK_INT(logql_lang.range(&env, SLICE("vector(1)"), &p, &v, &err), ST_OK);
    CHECK_INT(v.series[0].n, 1001);
    CHECK_INT(v.series[0].t_ms[1000], (int64_t)((uint64_t)p.start_ns + 1000 * (uint64_t)p.step_ns) / NS_MS);
    arena_free(a);
}
