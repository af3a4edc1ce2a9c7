/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/redact.h"

#include <stdio.h>

#include "base/unit.h"

struct pair {
    const char *in, *out;
};

static void check_all(enum redact_profile profile, const struct pair *pairs, size_t count)
{
    struct redactor *r = redactor_new(profile);
    for (size_t i = 0; i < count; i++) {
        struct buf out;
        buf_init(&out, 0);
        struct slice in = slice_str(pairs[i].in);
        CHECK_STR(redact_text(r, in, &out, NULL) ? buf_as_slice(&out) : in, pairs[i].out);
        buf_free(&out);
    }
    redactor_free(r);
}

TEST(redact_article_gives_what_python_gives)
{
    static const struct pair pairs[] = {
        { "Failed login for ada@example.com: Invalid password", "Failed login for [REDACTED_EMAIL]: Invalid password" },
        { "a.b+c@x.y.co.uk,", "[REDACTED_EMAIL]," },
        { "..ada@example.com", "..[REDACTED_EMAIL]" },
        { "ada@example.c", "ada@example.c" },
        { "ada@example.com1", "ada@example.com1" },
        { "ada@a.com.x1", "[REDACTED_EMAIL].x1" },
        { "ada@a.co|b", "[REDACTED_EMAIL]" },
        { "a@b@c.com", "a@[REDACTED_EMAIL]" },
        { "\xc3\xa9" "ada@example.com", "\xc3\xa9" "ada@example.com" },
        { "\xc3\xa9-ada@example.com", "\xc3\xa9[REDACTED_EMAIL]" },
        { "card 4111 1111 1111 1111.", "card [REDACTED_CC]." },
        { "1234-5678-9012-3456", "[REDACTED_CC]" },
        { "12345678901234567", "12345678901234567" },
        { "x1234567890123456", "x1234567890123456" },
        { "1234\xc2\xa0" "5678 9012 3456", "[REDACTED_CC]" },
        { "1234  5678 9012 3456", "1234  5678 9012 3456" },
        { "api_key=abc-DEF_1 rest", "api_key=[REDACTED] rest" },
        { "'apikey\" : 'x y", "'api_key=[REDACTED] y" },
        { "api-key=\"\"", "api-key=\"\"" },
        { "Api_key=abc", "Api_key=abc" },
        { "api_key=a@b.com", "api_key=[REDACTED_EMAIL]" },
    };
    check_all(REDACT_ARTICLE, pairs, COUNT_OF(pairs));
}

TEST(redact_default_takes_out_values_and_leaves_the_rest)
{
    static const struct pair pairs[] = {
        { "-----BEGIN x\nPRIVATE KEY y", "-----BEGIN x\nPRIVATE KEY y" },
        { "User password: hunter2!", "User password: [REDACTED]" },
        { "login ok password=hunter2, user=ada", "login ok password=[REDACTED], user=ada" },
        { "{\"user\":\"ada\",\"password\":\"a\\\"b\",\"n\":1}", "{\"user\":\"ada\",\"password\":\"[REDACTED]\",\"n\":1}" },
        { "{\"m\":\"{\\\"password\\\":\\\"x y\\\",\\\"k\\\":1}\"}", "{\"m\":\"{\\\"password\\\":\\\"[REDACTED]\\\",\\\"k\\\":1}\"}" },
        { "GET /x?api_key=s3cr3t&page=2", "GET /x?api_key=[REDACTED]&page=2" },
        { "Authorization: Bearer abc.def-123", "Authorization: Bearer [REDACTED]" },
        { "authorization=Basic dXNlcjpwYXNz", "authorization=Basic [REDACTED]" },
        { "Authorization: AWS4-HMAC-SHA256 Credential=a", "Authorization: AWS4-HMAC-SHA256 [REDACTED]" },
        { "Authorization: x-4111111111111111 y", "Authorization: [REDACTED]" },
        { "https://ghp_abcdefghijklmnopqrstuvwxyz0123456789:x-oauth-basic@github.com/a", "https://[REDACTED_TOKEN]:[REDACTED]@github.com/a" },
        { "https://4111111111111111:pw@h/", "https://[REDACTED_CC]:[REDACTED]@h/" },
        { "Cookie: a=b; sid=xyz", "Cookie: [REDACTED]" },
        { "client_secret='a b' next", "client_secret='[REDACTED]' next" },
        { "tokens: 512 token=77 max_token=100", "tokens: 512 token=77 max_token=100" },
        { "token=abcdef", "token=[REDACTED]" },
        { "password: null, secret=true", "password: null, secret=true" },
        { "postgres://app:pa:ss@db/x", "postgres://app:[REDACTED]@db/x" },
        { "http://example.com:80/a@b", "http://example.com:80/a@b" },
        { "Credit card: 4111 1111 1111 1111", "Credit card: [REDACTED_CC]" },
        { "123456789012345678901234567890 4111111111111111", "123456789012345678901234567890 [REDACTED_CC]" },
        { "ACCESS_KEY_ID=abcdefgh access-key-id: ijklmnop trace_id=qrst", "ACCESS_KEY_ID=[REDACTED] access-key-id: [REDACTED] trace_id=qrst" },
        { "order 4111111111111112 is no card", "order 4111111111111112 is no card" },
        { "amex 378282246310005!", "amex [REDACTED_CC]!" },
        { "amex 3782 822463 10005, -4111111111111111", "amex [REDACTED_CC], -[REDACTED_CC]" },
        { "uid 12 4111 1111 1111 1111 and 2026-11-23 4111-1111-1111-1111", "uid 12 [REDACTED_CC] and 2026-11-23 [REDACTED_CC]" },
        { "261123 005601 2461 INFO block blk_-564613548431970989", "261123 005601 2461 INFO block blk_-564613548431970989" },
        { "time 1763596800000000000 ns", "time 1763596800000000000 ns" },
        { "id=a4111111111111111", "id=a4111111111111111" },
        { "key AKIAIOSFODNN7EXAMPLE here", "key [REDACTED_TOKEN] here" },
        { "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeK end", "[REDACTED_TOKEN] end" },
        { "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nafter", "[REDACTED_PRIVATE_KEY]\nafter" },
        { "mail ada@example.com stays", "mail ada@example.com stays" },
        { "Invalid password", "Invalid password" },
        { "", "" },
    };
    check_all(REDACT_DEFAULT, pairs, COUNT_OF(pairs));
}

TEST(redact_default_finds_secrets_wherever_they_stand_in_a_line)
{
    static const struct pair pairs[] = {
        { " token=abcdef ", " token=[REDACTED] " },
        { " 4111 1111 1111 1111 ", " [REDACTED_CC] " },
        { " AKIAIOSFODNN7EXAMPLE ", " [REDACTED_TOKEN] " },
        { " http://u:secret@host ", " http://u:[REDACTED]@host " },
    };
    enum { PLACES = 140, LINE_BYTES = 300 };
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        for (size_t place = 0; place < PLACES; place++) {
            char dots[PLACES + 1] = "", in[LINE_BYTES], want[LINE_BYTES];
            memset(dots, '.', place);
            snprintf(in, sizeof in, "%.*s%s", (int)place, dots, pairs[i].in);
            snprintf(want, sizeof want, "%.*s%s", (int)place, dots, pairs[i].out);
            struct pair p = { in, want };
            check_all(REDACT_DEFAULT, &p, 1);
        }
}

TEST(redact_twice_is_redact_once)
{
    static const char *const texts[] = { "password=a token: bcdefgh \"secret\":\"x\" Authorization: Bearer q", "https://u:p@h/ 4111111111111111" };
    struct redactor *r = redactor_new(REDACT_DEFAULT);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct buf once, twice;
        buf_init(&once, 0);
        buf_init(&twice, 0);
        CHECK(redact_text(r, slice_str(texts[i]), &once, NULL));
        CHECK(!redact_text(r, buf_as_slice(&once), &twice, NULL));
        buf_free(&once);
        buf_free(&twice);
    }
    redactor_free(r);
}

TEST(redact_off_changes_nothing)
{
    static const struct pair pairs[] = { { "password=hunter2 4111111111111111", "password=hunter2 4111111111111111" } };
    check_all(REDACT_OFF, pairs, COUNT_OF(pairs));
}

TEST(redact_names_of_secrets)
{
    static const char *const yes[] = { "password", "DB_PASSWORD",  "http.request.header.authorization", "X-Api-Key", "clientSecret",
                                       "pwd",      "set-cookie" };
    static const char *const no[] = { "passed", "tokens", "max_tokens", "key", "authorized", "password_changed_at", "cookies_enabled",
                                      "",       "compass" };
    for (size_t i = 0; i < COUNT_OF(yes); i++)
        CHECK(redact_name_is_secret(slice_str(yes[i])));
    for (size_t i = 0; i < COUNT_OF(no); i++)
        CHECK(!redact_name_is_secret(slice_str(no[i])));
}

TEST(redact_reaches_every_text_of_a_batch)
{
    struct redactor *r = redactor_new(REDACT_DEFAULT);
    struct batch *b = batch_new(1 << 20);
    struct label labels[] = { { SLICE("__name__"), SLICE("m") }, { SLICE("url"), SLICE("/a?token=abcdefgh") }, { SLICE("password"), SLICE("x") } };
    struct slice set;
    CHECK_INT(labels_build(b->arena, labels, COUNT_OF(labels), &set, NULL), ST_OK);
    batch_series(b, set);
    batch_sample(b, 1, 1);
    struct event *e = batch_event(b);
    struct field *f = arena_zalloc(b->arena, 2 * sizeof *f);
    f[0] = (struct field){ .type = FIELD_STRING, .name = SLICE("api_key"), .text = SLICE("k1") };
    f[1] = (struct field){ .type = FIELD_STRING, .name = SLICE("note"), .text = SLICE("password=p2") };
    e->kind = EVENT_SPAN;
    e->body = SLICE("GET /?token=secret123");
    e->status_message = SLICE("password=p3");
    e->fields = f;
    e->field_count = 2;
    e->stream = set;
    e->events = arena_zalloc(b->arena, sizeof *e->events);
    e->events[0].name = SLICE("secret=p4");
    e->event_count = 1;
    batch_metadata(b, SLICE("m"), METRIC_GAUGE, SLICE("Of password=p5."), SLICE_EMPTY);
    for (size_t round = 0; round < 2; round++)
        redact_batch(r, b);
    CHECK_STR(labels_get(b->series[0].labels, SLICE("url")), "/a?token=[REDACTED]");
    CHECK_STR(labels_get(b->series[0].labels, SLICE("password")), "[REDACTED]");
    CHECK_STR(labels_get(b->events[0].stream, SLICE("password")), "[REDACTED]");
    CHECK_STR(b->metadata[0].help, "Of password=[REDACTED]");
    CHECK_STR(b->events[0].body, "GET /?token=[REDACTED]");
    CHECK_STR(b->events[0].status_message, "password=[REDACTED]");
    CHECK_STR(b->events[0].fields[0].text, "[REDACTED]");
    CHECK_STR(b->events[0].fields[1].text, "password=[REDACTED]");
    CHECK_STR(b->events[0].events[0].name, "secret=[REDACTED]");
    CHECK(redact_count(r, REDACT_FIELD) >= 3);
    CHECK(redact_count(r, REDACT_KEY_VALUE) >= 5);
    batch_drop(b);
    redactor_free(r);
}

/* Each of these made the scan look again at the rest of the line from every place; at this length that takes minutes. */
TEST(redact_default_takes_no_longer_than_the_length_of_a_hostile_line)
{
    static const char *const repeated[] = { "\\", "eyJ-", "AIza-", "authorization:[REDACTED", "password=[REDACTED", "xoxb-eyJ." };
    enum { LINE_BYTES = 4 * MIB };
    struct redactor *r = redactor_new(REDACT_DEFAULT);
    for (size_t i = 0; i < COUNT_OF(repeated); i++) {
        struct buf line, out, again;
        buf_init(&line, 0);
        buf_init(&out, 0);
        buf_init(&again, 0);
        buf_slice(&line, SLICE("password=\""));
        while (line.len < LINE_BYTES)
            buf_slice(&line, slice_str(repeated[i]));
        redact_text(r, buf_as_slice(&line), &out, NULL);
        line.ptr[9] = ' ';
        redact_text(r, buf_as_slice(&line), &again, NULL);
        CHECK(out.len > 0 && out.len < LINE_BYTES);
        buf_free(&line);
        buf_free(&out);
        buf_free(&again);
    }
    redactor_free(r);
}
