/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit.h"
#include "codec/compress.h"
#include "codec/hex.h"
#include "codec/json.h"
#include "codec/logfmt.h"
#include "codec/proto.h"
#include "codec/regex.h"
#include "codec/url.h"
#include "codec/yaml.h"

static struct slice big_text(void)
{
    static char text[100000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + (i * i / 7) % 23);
    return slice_of(text, sizeof text);
}

TEST(every_compression_gives_back_what_went_in_and_refuses_more_than_the_limit)
{
    struct buf packed, plain;
    struct err err;
    struct slice text = big_text(), out;
    buf_init(&packed, 0);
    buf_init(&plain, 0);
    gzip_compress(text, 6, &packed);
    CHECK_INT(body_decode(SLICE_EMPTY, buf_as_slice(&packed), false, 1 << 20, &plain, &out, &err), ST_OK);
    CHECK(slice_eq(out, text));
    buf_reset(&plain);
    CHECK_INT(gzip_decompress(buf_as_slice(&packed), 1000, &plain, &err), ST_LIMIT);
    buf_reset(&packed), buf_reset(&plain);
    zstd_compress(NULL, text, 1, &packed);
    CHECK_INT(zstd_decompress(NULL, buf_as_slice(&packed), 1 << 20, &plain, &err), ST_OK);
    CHECK(slice_eq(buf_as_slice(&plain), text));
    CHECK_INT(zstd_decompress(NULL, buf_as_slice(&packed), 1000, &plain, &err), ST_LIMIT);
    CHECK_INT(zstd_decompress(NULL, slice_sub(buf_as_slice(&packed), 0, packed.len / 2), 1 << 20, &plain, &err), ST_INVALID);
    buf_reset(&packed), buf_reset(&plain);
    snappy_compress_block(text, &packed);
    CHECK(snappy_looks_like(buf_as_slice(&packed)));
    CHECK_INT(body_decode(SLICE_EMPTY, buf_as_slice(&packed), true, 1 << 20, &plain, &out, &err), ST_OK);
    CHECK(slice_eq(out, text));
    CHECK_INT(snappy_decompress(buf_as_slice(&packed), 1000, &plain, &err), ST_LIMIT);
    buf_reset(&packed), buf_reset(&plain);
    lz4_compress(text, &packed);
    CHECK_INT(lz4_decompress(buf_as_slice(&packed), text.len, &plain, &err), ST_OK);
    CHECK(slice_eq(buf_as_slice(&plain), text));
    CHECK_INT(lz4_decompress(buf_as_slice(&packed), text.len + 1, &plain, &err), ST_INVALID);
    buf_free(&packed);
    buf_free(&plain);
}

TEST(a_body_declared_gzip_but_sent_plain_is_taken_as_it_is)
{
    struct buf room;
    struct slice out;
    struct err err;
    buf_init(&room, 0);
    CHECK_INT(body_decode(SLICE("gzip"), SLICE("{}"), false, 100, &room, &out, &err), ST_OK);
    CHECK_STR(out, "{}");
    CHECK_INT(body_decode(SLICE("br"), SLICE("{}"), false, 100, &room, &out, &err), ST_UNSUPPORTED);
    buf_free(&room);
}

TEST(json_writer_puts_commas_and_escapes)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, 0);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, SLICE("a\"\n"));
    json_array_begin(&w);
    json_int(&w, -1);
    json_string(&w, SLICE("\xff x"));
    json_double(&w, 0.5);
    json_array_end(&w);
    json_key(&w, SLICE("b"));
    json_bool(&w, true);
    json_object_end(&w);
    CHECK_STR(buf_as_slice(&b), "{\"a\\\"\\n\":[-1,\"\xef\xbf\xbd x\",0.5],\"b\":true}");
    buf_free(&b);
}

TEST(json_reader_walks_values_and_refuses_depth_and_garbage)
{
    struct json_parser *p = json_parser_new();
    struct json_value v, item;
    struct err err;
    struct buf b;
    struct slice key;
    int64_t i, sum = 0;
    buf_init(&b, 0);
    CHECK_INT(json_parse(p, SLICE("{\"list\":[1,2,3],\"name\":\"\\u00e9\",\"o\":{\"x\":1.5}}"), &v, &err), ST_OK);
    CHECK(json_get(v, SLICE("list"), &item));
    for (struct json_iter it = json_array(item); json_array_next(&it, &item);) {
        CHECK(json_get_int(item, &i));
        sum += i;
    }
    CHECK_INT(sum, 6);
    CHECK(json_get(v, SLICE("name"), &item));
    CHECK_STR(json_get_string(item), "\xc3\xa9");
    int keys = 0;
    for (struct json_iter it = json_object(v); json_object_next(&it, &key, &item);)
        keys++;
    CHECK_INT(keys, 3);
    json_write_value(v, &b);
    CHECK_STR(buf_as_slice(&b), "{\"list\":[1,2,3],\"name\":\"\xc3\xa9\",\"o\":{\"x\":1.5}}");
    CHECK_INT(json_parse(p, SLICE("{\"a\":}"), &v, &err), ST_INVALID);
    char deep[400];
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    CHECK_INT(json_parse(p, slice_of(deep, sizeof deep), &v, &err), ST_LIMIT);
    buf_free(&b);
    json_parser_free(p);
}

TEST(json_documents_in_a_run_are_split_even_without_newlines)
{
    struct slice rest = SLICE("{\"a\":\"}\"}{\"b\":2}\n\n[3]\nnonsense\n"), doc;
    CHECK(json_next_document(&rest, &doc));
    CHECK_STR(doc, "{\"a\":\"}\"}");
    CHECK(json_next_document(&rest, &doc));
    CHECK_STR(doc, "{\"b\":2}");
    CHECK(json_next_document(&rest, &doc));
    CHECK_STR(doc, "[3]");
    CHECK(json_next_document(&rest, &doc));
    CHECK_STR(doc, "nonsense");
    CHECK(!json_next_document(&rest, &doc));
}

TEST(proto_reads_what_it_wrote_and_marks_a_cut_message_bad)
{
    struct buf b;
    struct proto_field f;
    bool bad = false;
    buf_init(&b, 0);
    proto_put_varint(&b, 1, 300);
    proto_put_double(&b, 2, 0.25);
    proto_put_bytes(&b, 15, SLICE("text"));
    struct slice rest = buf_as_slice(&b);
    CHECK(proto_next(&rest, &f, &bad) && f.number == 1 && f.value == 300);
    CHECK(proto_next(&rest, &f, &bad) && proto_double(&f) == 0.25);
    CHECK(proto_next(&rest, &f, &bad) && slice_eq(f.bytes, SLICE("text")));
    CHECK(!proto_next(&rest, &f, &bad) && !bad);
    rest = slice_sub(buf_as_slice(&b), 0, b.len - 1);
    while (proto_next(&rest, &f, &bad))
        ;
    CHECK(bad);
    buf_free(&b);
}

TEST(regex_is_anchored_as_prometheus_has_it_and_expands_groups)
{
    struct regex *re;
    struct err err;
    struct slice groups[3];
    struct buf b;
    const struct slice *literals;
    buf_init(&b, 0);
    CHECK_INT(regex_compile(&re, SLICE("a|b.c"), REGEX_ANCHORED, &err), ST_OK);
    CHECK(regex_match(re, SLICE("a")) && regex_match(re, SLICE("b\nc")) && !regex_match(re, SLICE("xa")));
    CHECK_INT(regex_literals(re, &literals), 0);
    regex_free(re);
    CHECK_INT(regex_compile(&re, SLICE("(?P<host>[^:]+):(\\d+)"), 0, &err), ST_OK);
    CHECK(regex_find(re, SLICE("at db:80"), 3, groups, 3));
    regex_expand(re, SLICE("$2/${host}-$nope$$"), groups, 3, &b);
    CHECK_STR(buf_as_slice(&b), "80/db-$");
    CHECK_STR(regex_group_name(re, 1), "host");
    regex_free(re);
    CHECK_INT(regex_compile(&re, SLICE("get|post"), REGEX_ANCHORED, &err), ST_OK);
    CHECK_INT(regex_literals(re, &literals), 2);
    CHECK_STR(literals[1], "post");
    regex_free(re);
    CHECK_INT(regex_compile(&re, SLICE("a("), 0, &err), ST_INVALID);
    buf_reset(&b);
    CHECK_INT(regex_compile(&re, SLICE("x*"), 0, &err), ST_OK);
    regex_replace_all(re, SLICE("axb"), SLICE("-"), &b);
    CHECK_STR(buf_as_slice(&b), "-a-b-"); /* Go: no empty match right behind another */
    regex_free(re);
    buf_free(&b);
}

TEST(regex_prefix_is_a_text_that_every_match_starts_with)
{
    static const struct {
        const char *pattern, *prefix;
    } cases[] = { { "node_.*", "node_" }, { "ab?c", "a" }, { "abc", "abc" }, { "a|b", "" }, { "(a|b)c", "" }, { "x(a)c", "x" }, { "ab(c|d)", "" } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct regex *re;
        struct err err;
        CHECK_INT(regex_compile(&re, slice_str(cases[i].pattern), REGEX_ANCHORED, &err), ST_OK);
        CHECK_STR(regex_prefix(re), cases[i].prefix);
        regex_free(re);
    }
}

TEST(yaml_nodes_know_their_lines_and_errors_name_them)
{
    struct arena *a = arena_new(0);
    struct yaml_node *n;
    struct err err;
    int64_t ns = 0;
    static const struct slice allowed[] = { SLICE_INIT("global"), SLICE_INIT("scrape_configs") };
    struct slice text = SLICE("global:\n  scrape_interval: 15s\nscrape_config:\n  - a\n");
    CHECK_INT(yaml_parse(a, SLICE("f.yml"), text, &n, &err), ST_OK);
    CHECK_INT(yaml_duration(yaml_get(n, SLICE("global")), SLICE("scrape_interval"), &ns, &err), ST_OK);
    CHECK_INT(ns, 15 * NS_S);
    CHECK_INT(yaml_only(n, allowed, COUNT_OF(allowed), &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "f.yml:3: unknown key \"scrape_config\"; did you mean \"scrape_configs\"?");
    CHECK_INT(yaml_parse(a, SLICE("f.yml"), SLICE("a: 1\nb: 2\na: 3\n"), &n, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "f.yml:3: key \"a\" stands twice, the first time in line 1");
    CHECK_INT(yaml_parse(a, SLICE("f.yml"), SLICE("a: [1\n"), &n, &err), ST_INVALID);
    CHECK_INT(yaml_parse(a, SLICE("f.yml"), SLICE("# nothing\n"), &n, &err), ST_OK);
    CHECK_INT(n->count, 0);
    arena_free(a);
}

TEST(logfmt_reads_quotes_and_flags)
{
    struct arena *a = arena_new(0);
    struct slice rest = SLICE("a=1 b=\"x \\\"y\\\"\" flag =bad c="), key, value;
    bool has, bad = false;
    CHECK(logfmt_next(&rest, a, &key, &value, &has, &bad));
    CHECK_STR(value, "1");
    CHECK(logfmt_next(&rest, a, &key, &value, &has, &bad));
    CHECK_STR(value, "x \"y\"");
    CHECK(logfmt_next(&rest, a, &key, &value, &has, &bad) && !has && !bad);
    CHECK(logfmt_next(&rest, a, &key, &value, &has, &bad) && bad);
    CHECK_STR(key, "c");
    CHECK(!logfmt_next(&rest, a, &key, &value, &has, &bad));
    arena_free(a);
}

TEST(url_and_base64_and_hex_round_trip_and_refuse_garbage)
{
    struct arena *a = arena_new(0);
    struct slice out;
    struct err err;
    struct buf b;
    uint8_t bytes[2];
    buf_init(&b, 0);
    CHECK_INT(url_decode(a, SLICE("a%20b+c%2B"), true, &out, &err), ST_OK);
    CHECK_STR(out, "a b c+");
    CHECK_INT(url_decode(a, SLICE("a%2"), true, &out, &err), ST_INVALID);
    base64_encode(SLICE("hello"), &b);
    CHECK_STR(buf_as_slice(&b), "aGVsbG8=");
    buf_reset(&b);
    CHECK(base64_decode(SLICE("aGVsbG8"), &b));
    CHECK_STR(buf_as_slice(&b), "hello");
    CHECK(!base64_decode(SLICE("a!"), &b));
    CHECK(hex_decode(SLICE("FF0a"), bytes) && bytes[0] == 255 && bytes[1] == 10);
    CHECK(!hex_decode(SLICE("f"), bytes));
    buf_free(&b);
    arena_free(a);
}
