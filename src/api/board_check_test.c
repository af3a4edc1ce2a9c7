/* SPDX-License-Identifier: Apache-2.0 */
#include "api/board_check.h"

#include "base/unit.h"
#include "logql/logql.h"
#include "promql/promql.h"
#include "traceql/traceql.h"

static const struct board_langs langs = { &promql_lang, &logql_lang, &traceql_lang };

struct outcome {
    struct arena *a;
    enum status st;
    struct slice json;
    struct buf warnings;
    struct err err;
};

static void prepare(struct outcome *o, const char *text)
{
    o->a = arena_new(0);
    o->err.text[0] = 0;
    buf_init(&o->warnings, 0);
    o->st = board_prepare(o->a, slice_str(text), SLICE("mine"), &langs, &o->json, &o->warnings, &o->err);
}

static void outcome_free(struct outcome *o)
{
    buf_free(&o->warnings);
    arena_free(o->a);
}

static void gives(const char *text, const char *want)
{
    struct outcome o;
    prepare(&o, text);
    CHECK_INT(o.st, ST_OK);
    CHECK_STR(o.json, want);
    outcome_free(&o);
}

static void fails(const char *text, const char *why)
{
    struct outcome o;
    prepare(&o, text);
    CHECK(o.st != ST_OK);
    if (!slice_contains(slice_str(o.err.text), slice_str(why)))
        CHECK_STR(slice_str(o.err.text), why);
    outcome_free(&o);
}

TEST(what_is_not_ours_is_kept_byte_by_byte)
{
    gives("{\"uid\":\"mine\", \"title\" : \"T\\u0041\",\n \"x\":{\"id\":1, \"version\":1.0},\"panels\":[ ]}",
          "{\"uid\":\"mine\", \"title\" : \"T\\u0041\",\n \"x\":{\"id\":1, \"version\":1.0},\"panels\":[ ]}");
}

TEST(id_and_version_are_left_out_wherever_they_stand)
{
    gives("{\"id\": 7, \"uid\":\"mine\",\"title\":\"T\",\"panels\":[]}", "{\"uid\":\"mine\",\"title\":\"T\",\"panels\":[]}");
    gives("{\"uid\":\"mine\",\"title\":\"T\",\"id\":null,\"panels\":[],\"version\":3 }", "{\"uid\":\"mine\",\"title\":\"T\",\"panels\":[] }");
    gives("{\"uid\":\"mine\",\"title\":\"}, {\\\"id\\\":1\",\"panels\":[],\"id\":1,\"version\":2}",
          "{\"uid\":\"mine\",\"title\":\"}, {\\\"id\\\":1\",\"panels\":[]}");
}

TEST(what_stands_twice_or_behind_a_byte_order_mark_is_read_alike)
{
    gives("\xef\xbb\xbf{\"id\":1,\"title\":\"T\",\"id\":2,\"panels\":[]}", "{\"uid\":\"mine\",\"title\":\"T\",\"panels\":[]}");
}

TEST(a_board_without_uid_gets_the_paths_one)
{
    gives("{\"title\":\"T\",\"panels\":[]}", "{\"uid\":\"mine\",\"title\":\"T\",\"panels\":[]}");
    gives("{\"uid\":null,\"title\":\"T\",\"panels\":[]}", "{\"uid\":\"mine\",\"title\":\"T\",\"panels\":[]}");
    gives("{\"dashboard\": {\"title\":\"T\",\"panels\":[]}, \"overwrite\":true}", "{\"uid\":\"mine\",\"title\":\"T\",\"panels\":[]}");
}

TEST(an_error_names_panel_and_field)
{
    fails("{\"title\":\"T\",\"panels\":[{\"type\":\"text\"},{\"type\":\"stat\",\"title\":\"Load\",\"targets\":[{\"expr\":\"rate(x\"}]}]}",
          "panel 2 \"Load\": targets[0].expr: ");
    fails("{\"title\":\"T\",\"panels\":[{\"type\":\"stat\",\"title\":\"Load\",\"targets\":[{\"expr\":5}]}]}",
          "targets[0].expr is a number, expected a text");
    fails("{\"title\":\"T\",\"panels\":[{\"type\":\"stat\",\"gridPos\":{\"x\":0,\"w\":25}}]}", "panel 1: gridPos.w must be a whole number, 1 to 24");
    fails("{\"title\":\"T\",\"panels\":[{\"title\":\"X\"}]}", "panel 1 \"X\": type is missing");
    fails("{\"title\":\"T\",\"panels\":[{\"type\":\"row\",\"title\":\"R\",\"panels\":[{\"type\":\"stat\",\"targets\":{}}]}]}",
          "panel 1 \"R\", panel 1: targets must be a list");
    fails("{\"title\":\"T\",\"panels\":[{\"type\":\"logs\",\"datasource\":{\"type\":\"loki\"},\"targets\":[{\"expr\":\"up\"}]}]}", "targets[0].expr");
    fails("{\"title\":\"T\"}", "panels is missing");
    fails("{\"panels\":[]}", "title has 0 bytes");
    fails("{\"title\":\"T\",\"uid\":\"other\",\"panels\":[]}", "uid is \"other\", but the path says \"mine\"");
    fails("{\"title\":\"T\",\"schemaVersion\":14,\"panels\":[]}", "schemaVersion");
    fails("{\"title\":\"T\",\"panels\":[],\"templating\":{\"list\":[{\"type\":\"query\"}]}}", "variable 1: name is missing");
    fails("[1]", "expected a dashboard");
    fails("{", "board: ");
}

TEST(numbers_of_spans_are_drawn_and_a_search_is_kept)
{
    struct outcome o;
    prepare(&o, "{\"title\":\"T\",\"panels\":[{\"type\":\"timeseries\",\"datasource\":{\"type\":\"tempo\"},\"targets\":["
                "{\"query\":\"{ } | rate()\"},{\"query\":\"{ .a = $a } | rate()\"},{\"query\":\"{ status = error }\"}]}]}");
    CHECK_INT(o.st, ST_OK);
    CHECK_STR(buf_as_slice(&o.warnings), "panel 1: targets[2] searches for traces; of TraceQL, what gives numbers is drawn\n");
    outcome_free(&o);
    fails("{\"title\":\"T\",\"panels\":[{\"type\":\"stat\",\"targets\":[{\"datasource\":{\"type\":\"tempo\"},\"query\":\"{ } | rate(\"}]}]}",
          "panel 1: targets[0].query: ");
    fails("{\"title\":\"T\",\"panels\":[{\"type\":\"stat\",\"targets\":[{\"datasource\":{\"type\":\"tempo\"},\"query\":5}]}]}",
          "targets[0].query is a number, expected a text");
}

TEST(what_is_kept_but_not_drawn_is_told)
{
    struct outcome o;
    prepare(&o, "{\"title\":\"T\",\"panels\":[{\"type\":\"heatmap\",\"title\":\"H\",\"targets\":[{\"expr\":\"sum(rate(x[$__rate_interval]))\"}]},"
                "{\"type\":\"stat\",\"targets\":[{\"datasource\":{\"type\":\"mysql\"},\"rawSql\":\"select 1\"}]}],"
                "\"templating\":{\"list\":[{\"name\":\"d\",\"type\":\"datasource\"}]}}");
    CHECK_INT(o.st, ST_OK);
    struct slice text = buf_as_slice(&o.warnings);
    CHECK(slice_contains(text, SLICE("panel 1 \"H\": panels of type \"heatmap\"")));
    CHECK(slice_contains(text, SLICE("panel 2: targets[0] asks a datasource of type \"mysql\"")));
    CHECK(slice_contains(text, SLICE("variable 1 \"d\": type \"datasource\"")));
    outcome_free(&o);
}
