/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/condition.h"

#include "base/unit.h"

static const struct answer_view answer = {
    .status = 200,
    .total_ns = 1500 * NS_MS,
    .resolve_ns = 2 * NS_MS,
    .has_certificate = true,
    .certificate_days = 20.5,
    .headers = SLICE_INIT("HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nX-Id: 7\r\n\r\n"),
    .body = SLICE_INIT("{\"user\":{\"id\":7,\"name\":\"Ann \\\"A\\\"\",\"ok\":true,\"none\":null},"
                       "\"items\":[{\"n\":1},{\"n\":2.5}],\"a key\":\"x\"}"),
};

static bool holds(const char *text)
{
    struct condition *c;
    struct err err;
    if (condition_parse(slice_str(text), &c, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    bool ok = condition_check(c, &answer, &err) == ST_OK;
    condition_free(c);
    return ok;
}

static void check_refused(const char *text, const char *want)
{
    struct condition *c = NULL;
    struct err err;
    CHECK_INT(condition_parse(slice_str(text), &c, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), want);
}

static void check_found(const char *text, const char *want)
{
    struct condition *c = NULL;
    struct err err;
    CHECK_INT(condition_parse(slice_str(text), &c, &err), ST_OK);
    CHECK_INT(condition_check(c, &answer, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), want);
    condition_free(c);
}

TEST(condition_on_status_compares_numbers_and_lists)
{
    CHECK(holds("status == 200"));
    CHECK(holds("status==200"));
    CHECK(holds("  status  <  300 "));
    CHECK(holds("status in [200, 204]"));
    CHECK(holds("status not in [500]"));
    CHECK(!holds("status != 200"));
    CHECK(!holds("status in [201,204]"));
}

TEST(condition_on_latency_and_its_phases_compares_durations)
{
    CHECK(holds("latency < 2s"));
    CHECK(holds("latency <= 1500ms"));
    CHECK(!holds("latency < 1.5s"));
    CHECK(holds("dns < 10ms"));
    CHECK(!holds("dns > 10ms"));
}

TEST(condition_on_texts_contains_matches_and_equals)
{
    CHECK(holds("body contains \"Ann\""));
    CHECK(holds("body not contains 'Bob'"));
    CHECK(holds("body contains \"\\\"items\\\"\""));
    CHECK(holds("body matches /\"id\":\\d+/"));
    CHECK(holds("body matches /ANN/i"));
    CHECK(!holds("body matches /ANN/"));
    CHECK(holds("header content-type contains json"));
    CHECK(holds("header X-ID == 7"));
    CHECK(!holds("header x-other contains a"));
    CHECK(holds("header x-other not exists"));
    CHECK(holds("header x-id exists"));
}

TEST(condition_on_json_follows_the_path)
{
    CHECK(holds("json .user.id == 7"));
    CHECK(holds("json .user.id == 7.0"));
    CHECK(holds("json .user.id < 8"));
    CHECK(holds("json .user.ok == true"));
    CHECK(holds("json .user.none == null"));
    CHECK(holds("json .items[1].n == 2.5"));
    CHECK(holds("json .[\"a key\"] == x"));
    CHECK(holds("json .user.name == \"Ann \\\"A\\\"\""));
    CHECK(holds("json .user.other not exists"));
    CHECK(holds("json .user.id in [6, 7]"));
    CHECK(holds("json . contains items"));
    CHECK(!holds("json .items[2].n == 1"));
}

TEST(condition_on_the_certificate_counts_days)
{
    CHECK(holds("certificate days > 14"));
    CHECK(!holds("certificate days > 21"));
}

TEST(condition_that_does_not_parse_says_where_and_what_is_allowed)
{
    check_refused("status = 200",
                  "condition \"status = 200\": column 8: expected a comparison, found \"= 200\"; allowed: ==, !=, <, <=, >, >=, in [200, 204]");
    check_refused("status == ok", "condition \"status == ok\": column 11: expected a number, found \"ok\"");
    check_refused("latency < 2", "condition \"latency < 2\": column 11: expected a duration, found \"2\"; allowed: 500ms, 2s, 1m30s");
    check_refused("latency contains 2",
                  "condition \"latency contains 2\": column 9: expected a comparison, found \"contains 2\"; allowed: ==, !=, <, <=, >, >=");
    check_refused("stauts == 200",
                  "condition \"stauts == 200\": column 1: expected what is to be looked at, found \"stauts == 200\"; allowed: status, "
                                   "latency, dns, connect, tls, request, first_byte, transfer, body, header NAME, json .PATH, certificate days");
    check_refused("body matches /(/", "condition \"body matches /(/\": column 14: invalid regular expression \"(\": missing ): (");
    check_refused("status in [200", "condition \"status in [200\": column 15: the list does not end, found the end; allowed: ]");
    check_refused("body contains \"a", "condition \"body contains \"a\": column 15: the text does not end, found \"\"a\"; allowed: a closing quote");
    check_refused("json user == 1",
                  "condition \"json user == 1\": column 6: expected a path such as .user.name or .items[0].id, found \"user == 1\"");
}

TEST(condition_that_does_not_hold_says_what_was_found)
{
    check_found("status == 201", "expected status == 201, found 200");
    check_found("latency < 1s", "expected latency < 1s, found 1.5s");
    check_found("json .user.id == 8", "expected json .user.id == 8, found 7");
    check_found("json .nothing == 8", "expected json .nothing == 8: the body has no .nothing");
    check_found("header x-other == 8", "expected header x-other == 8: the answer has no header x-other");
    check_found("certificate days > 30", "expected certificate days > 30, found 20.5 days");
}

static void check_pick(const char *text, const char *want)
{
    struct arena *a = arena_new(0);
    struct condition *c;
    struct slice value;
    struct err err;
    CHECK_INT(pick_parse(slice_str(text), &c, &err), ST_OK);
    CHECK_INT(pick_take(c, &answer, a, &value, &err), ST_OK);
    CHECK_STR(value, want);
    condition_free(c);
    arena_free(a);
}

TEST(pick_takes_a_text_of_the_answer)
{
    struct condition *c = NULL;
    struct err err;
    check_pick("json .user.id", "7");
    check_pick("json .user.name", "Ann \"A\"");
    check_pick("header x-id", "7");
    check_pick("status", "200");
    check_pick("body /\"n\":(\\d+)/", "1");
    CHECK_INT(pick_parse(SLICE("json .a == 1"), &c, &err), ST_INVALID);
    CHECK_INT(pick_parse(SLICE("latency"), &c, &err), ST_INVALID);
}
