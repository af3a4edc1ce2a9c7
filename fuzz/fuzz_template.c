/* SPDX-License-Identifier: Apache-2.0 */
/* A template of line_format and label_format is refused with the query, or runs over any labels to a line within its limits, or to
 * an error that says why. The first line of the input is the value of a label, the rest the template. */
#include "fuzz/fuzz.h"
#include "logql/record.h"
#include "query/gotmpl.h"
#include "query/token.h"

/* One stage over a record of two labels. */
static void run(struct arena *a, struct json_parser *json, const char *stage, struct slice text, struct slice value)
{
    static struct record r; /* large; of this function alone */
    struct label labels[] = { { SLICE("n"), SLICE("7") }, { SLICE("x"), value } };
    struct event e = { .body = SLICE("{\"a\":[1,{\"b\":\"2s\"}],\"t\":\"2026-01-02T03:04:05Z\"}"), .time_ns = 1767323045123456789 };
    struct stage_env env = { .scratch = a, .json = json };
    struct logql *q;
    struct buf query;
    struct err err = { .text = "" };
    if (labels_build(a, labels, COUNT_OF(labels), &e.stream, &err))
        return;
    buf_init(&query, 0);
    buf_printf(&query, "{a=\"b\"} | %s", stage);
    token_quote(text, &query);
    enum status st = logql_parse(a, arena_copy(a, buf_as_slice(&query)), &q, &err);
    buf_free(&query);
    MUST(st == ST_OK || err.text[0]);
    if (st)
        return;
    record_load(&r, &e, a);
    MUST(logql_stages_run(q->root->stages, &r, &env));
    MUST(r.line.len <= EVENT_BODY_BYTES_MAX);
    MUST(r.error.len == 0 || (slice_eq(r.error, SLICE("TemplateFormatErr")) && r.error_details.len));
    MUST(env.steps < 2u * GOTMPL_STEPS_MAX + EVENT_BODY_BYTES_MAX);
    MUST(arena_bytes(a) < 4u * GOTMPL_CALLS_BYTES_MAX);
    logql_free(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size), value = SLICE_EMPTY;
    struct arena *a = arena_new(0);
    struct json_parser *json = json_parser_new();
    slice_next(&text, '\n', &value);
    run(a, json, "line_format ", text, value);
    arena_reset(a);
    run(a, json, "label_format y=", text, value);
    json_parser_free(json);
    arena_free(a);
    return 0;
}
