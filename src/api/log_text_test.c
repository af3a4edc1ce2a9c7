/* SPDX-License-Identifier: Apache-2.0 */
#include "api/log_text.h"

#include "base/unit.h"

static bool shape_is(const char *line, const char *want)
{
    struct buf out;
    buf_init(&out, 0);
    log_shape(slice_str(line), &out);
    bool same = slice_eq(buf_as_slice(&out), slice_str(want));
    if (!same)
        CHECK_STR(buf_as_slice(&out), want);
    buf_free(&out);
    return same;
}

TEST(lines_of_one_statement_have_one_shape)
{
    CHECK(shape_is("Processing item 3 of 500", "Processing item <n> of <n>"));
    CHECK(shape_is("2025-01-15 10:30:45,123 DEBUG [shop] Processing item 17 of 500", "Processing item <n> of <n>"));
    CHECK(shape_is("{\"level\":\"debug\",\"message\":\"Processing item 3 of 500\"}", "Processing item <n> of <n>"));
    CHECK(shape_is("user 3f2504e0-4f89-11d3-9a0c-0305e82c3301 took 84ms, by ada@mail.example.com", "user <id> took <n>ms, by <email>"));
    CHECK(shape_is("session s-8842 key \"any text\" 10.0.0.7:443", "session <id> key <text> <n>:<n>"));
    CHECK(shape_is("{\"event\":\"user_login\",\"user_id\":4711}", "{event,user_id}"));
}

TEST(the_words_of_a_shape_find_its_lines)
{
    CHECK_STR(log_shape_words(SLICE("Processing item <n> of <n>")), "Processing item");
    CHECK_STR(log_shape_words(SLICE("<n> rows <text> written to disk")), "written to disk");
}

TEST(pairs_within_free_text_come_without_what_parts_them)
{
    struct slice rest = SLICE("Payment processed: order_id=12345, amount=$99.99, status=success a==b x= note='two words'"), name, value;
    CHECK(log_pair_next(&rest, &name, &value));
    CHECK_STR(name, "order_id");
    CHECK_STR(value, "12345");
    CHECK(log_pair_next(&rest, &name, &value));
    CHECK_STR(value, "$99.99");
    CHECK(log_pair_next(&rest, &name, &value));
    CHECK_STR(name, "status");
    CHECK_STR(value, "success");
    CHECK(log_pair_next(&rest, &name, &value));
    CHECK_STR(name, "note");
    CHECK_STR(value, "two words");
    CHECK(!log_pair_next(&rest, &name, &value));
}

TEST(fields_are_found_by_what_a_line_is)
{
    struct arena *a = arena_new(0);
    struct json_parser *json = json_parser_new();
    struct log_field f[8];
    CHECK_INT(log_fields(a, json, SLICE("{\"http\":{\"status\":200},\"user.id\":\"u\",\"list\":[1],\"none\":null}"), f, COUNT_OF(f)), 2);
    CHECK_STR(f[0].name, "http_status");
    CHECK_STR(f[0].value, "200");
    CHECK_STR(f[1].name, "user_id");
    CHECK_INT(f[1].parser, LOG_PARSER_JSON);
    CHECK_INT(log_fields(a, json, SLICE("level=info msg=\"two words\" n=3"), f, COUNT_OF(f)), 3);
    CHECK_STR(f[1].value, "two words");
    CHECK_INT(f[1].parser, LOG_PARSER_LOGFMT);
    struct slice line = SLICE("2025-01-15 10:30:46 INFO [payment-service] Payment processed: order_id=12345, amount=$99.99");
    CHECK_INT(log_fields(a, json, line, f, COUNT_OF(f)), 2);
    CHECK_INT(f[0].parser, LOG_PARSER_TEXT);
    json_parser_free(json);
    arena_free(a);
}

static bool is(const struct log_matcher *m, enum log_kind kind, uint8_t severity, const char *line)
{
    struct event e = { .kind = EVENT_LOG, .severity = severity, .body = slice_str(line) };
    return log_matcher_is(m, kind, &e);
}

TEST(kinds_of_events_are_told_apart)
{
    struct log_matcher *m;
    struct err err;
    CHECK_INT(log_matcher_new(&m, &err), ST_OK);
    CHECK(is(m, LOG_BUSINESS, 9, "{\"message\":\"Payment processed\",\"order_id\":12345}"));
    CHECK(is(m, LOG_BUSINESS, 9, "{\"event\": \"user_login\"}") && is(m, LOG_SECURITY, 9, "{\"event\": \"user_login\"}"));
    CHECK(is(m, LOG_PERFORMANCE, 13, "Slow query detected: SELECT 1 took 2.5s"));
    CHECK(is(m, LOG_PERFORMANCE, 9, "{\"duration_ms\": 84}"));
    CHECK(is(m, LOG_ERROR, 17, "anything") && is(m, LOG_ERROR, 0, "java.lang.NullPointerException: x") && !is(m, LOG_ERROR, 9, "no errors found"));
    CHECK(is(m, LOG_SECURITY, 17, "Failed login attempt for user x") && is(m, LOG_SECURITY, 9, "open: Permission denied"));
    for (int k = 0; k < LOG_KIND_COUNT; k++)
        CHECK(!is(m, (enum log_kind)k, 5, "Processing item 3 of 500"));
    log_matcher_free(m);
}
