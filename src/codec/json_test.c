/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/unit.h"
#include "codec/json.h"

TEST(json_errors_name_the_place_of_the_mistake)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "{\"a\":1,\n \"b\":}", "JSON: line 2, column 6: expected a value" },
        { "", "JSON: line 1, column 1: expected a value" },
        { "[1,]", "JSON: line 1, column 4: expected a value" },
        { "[1 2]", "JSON: line 1, column 4: expected ',' or the end of the object or array" },
        { "{\"a\" 1}", "JSON: line 1, column 6: expected ':' behind a key" },
        { "{a:1}", "JSON: line 1, column 2: expected a key in double quotes or '}'" },
        { "{\"a\":1}}", "JSON: line 1, column 8: expected nothing behind the document" },
        { "[\"a\nb\"]", "JSON: line 1, column 4: expected an escape such as \\n for a control character in a text" },
        { "[\"\xff\"]", "JSON: line 1, column 3: expected UTF-8" },
        { "[\"\\x\"]", "JSON: line 1, column 3: expected an escape that JSON knows" },
        { "[\"open", "JSON: line 1, column 7: expected the text's closing quote" },
        { "[01]", "JSON: line 1, column 3: expected no digit behind a leading zero" },
        { "[1.]", "JSON: line 1, column 4: expected a digit" },
        { "[1}", "JSON: line 1, column 3: expected ',' or the end of the object or array" },
        { "[truth]", "JSON: line 1, column 2: expected a value or ']'" },
    };
    struct json_parser *p = json_parser_new();
    struct json_value v;
    struct err err;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK_INT(json_parse(p, slice_str(cases[i].text), &v, &err), ST_INVALID);
        CHECK_STR(slice_str(err.text), cases[i].want);
    }
    CHECK_INT(json_parse(p, SLICE("[1]"), &v, &err), ST_OK);
    json_parser_free(p);
}

TEST(json_a_broken_line_spoils_no_other)
{
    static const char *const want[] = { "{\"a\":1", "{\"b\":2}", "{\"c\":[3}", "{\"d\":\"x", "[4]", "5", "}", "{\"e\":\"\\\"\\n}\"}" };
    struct slice rest = SLICE("{\"a\":1\n{\"b\":2}\n{\"c\":[3}\n{\"d\":\"x\n[4],\r\n5\n}\n{\"e\":\"\\\"\\n}\"}"), doc;
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        CHECK(json_next_document(&rest, &doc));
        CHECK_STR(doc, want[i]);
    }
    CHECK(!json_next_document(&rest, &doc));
}

TEST(json_numbers_keep_their_kind_and_their_bits)
{
    struct json_parser *p = json_parser_new();
    struct json_value v, item;
    struct err err;
    struct buf b;
    int64_t whole;
    double real;
    buf_init(&b, 0);
    struct slice text = SLICE("[-9223372036854775808,18446744073709551615,0.1,1e+21,5e-324,-0.0,44073709551637045248.0,null,true]");
    CHECK_INT(json_parse(p, text, &v, &err), ST_OK);
    struct json_iter it = json_array(v);
    CHECK(json_array_next(&it, &item) && json_type(item) == JSON_INT && json_get_int(item, &whole) && whole == INT64_MIN);
    CHECK(json_array_next(&it, &item) && json_type(item) == JSON_UINT && !json_get_int(item, &whole) && json_get_double(item, &real));
    CHECK(json_array_next(&it, &item) && json_type(item) == JSON_DOUBLE && json_get_double(item, &real) && real == 0.1);
    json_write_value(v, &b);
    CHECK(slice_eq(buf_as_slice(&b), text));
    buf_free(&b);
    json_parser_free(p);
}

TEST(json_writer_writes_what_is_no_number_as_text_or_null)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, 0);
    json_writer_init(&w, &b);
    json_array_begin(&w);
    json_double(&w, NAN);
    json_double(&w, -INFINITY);
    w.null_not_nan = true;
    json_double(&w, NAN);
    json_double(&w, 1e300);
    json_uint(&w, UINT64_MAX);
    json_array_end(&w);
    CHECK_STR(buf_as_slice(&b), "[\"NaN\",\"-Inf\",null,1e+300,18446744073709551615]");
    buf_free(&b);
}

TEST(json_any_bytes_become_a_text_that_parses)
{
    struct json_parser *p = json_parser_new();
    struct json_value v;
    struct err err;
    struct buf b;
    struct json_writer w;
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    buf_init(&b, 0);
    json_writer_init(&w, &b);
    json_string(&w, slice_of(all, sizeof all));
    CHECK_INT(json_parse(p, buf_as_slice(&b), &v, &err), ST_OK);
    CHECK(slice_eq(slice_sub(json_get_string(v), 0, 128), slice_of(all, 128)));
    buf_free(&b);
    json_parser_free(p);
}
