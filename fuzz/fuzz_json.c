/* SPDX-License-Identifier: Apache-2.0 */
/* A document that parses is written, parses again, and is written the same; one that does not has a place of the mistake.
 * A run of documents is given out piece by piece, each byte at most once. */
#include "codec/json.h"
#include "codec/json_check.h"
#include "fuzz/fuzz.h"

static void round_trip(struct json_parser *p, struct slice text)
{
    struct json_value v;
    struct err err;
    struct buf first, second;
    const char *expected;
    if (json_parse(p, text, &v, &err)) {
        MUST(err.status == ST_INVALID || err.status == ST_LIMIT);
        return;
    }
    MUST(json_check(text, &expected) == SIZE_MAX);
    buf_init(&first, 0);
    buf_init(&second, 0);
    json_write_value(v, &first);
    MUST(json_parse(p, buf_as_slice(&first), &v, &err) == ST_OK);
    json_write_value(v, &second);
    MUST(slice_eq(buf_as_slice(&first), buf_as_slice(&second)));
    buf_free(&first);
    buf_free(&second);
}

static void any_text_is_a_string(struct json_parser *p, struct slice text)
{
    struct buf b;
    struct json_writer w;
    struct json_value v;
    struct err err;
    buf_init(&b, 0);
    json_writer_init(&w, &b);
    json_string(&w, text);
    MUST(json_parse(p, buf_as_slice(&b), &v, &err) == ST_OK && json_type(v) == JSON_STRING);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_parser *p = json_parser_new();
    struct slice text = slice_of(data, size), rest = text, document;
    round_trip(p, text);
    any_text_is_a_string(p, text);
    while (json_next_document(&rest, &document)) {
        MUST(fuzz_within(document, text) && fuzz_within(rest, text));
        MUST(rest.len == 0 || rest.ptr >= document.ptr + document.len);
        round_trip(p, document);
    }
    MUST(rest.len == 0);
    json_parser_free(p);
    return 0;
}
