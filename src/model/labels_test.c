/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit.h"
#include "base/utf8.h"
#include "model/labels.h"

static struct slice parse(struct arena *a, const char *text)
{
    struct slice out = SLICE_EMPTY;
    struct err err = { 0 };
    if (labels_parse(a, slice_str(text), &out, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    CHECK(labels_check(out));
    return out;
}

static struct slice format(struct arena *a, struct slice labels)
{
    struct buf b;
    buf_init(&b, 0);
    labels_format(labels, &b);
    struct slice out = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return out;
}

TEST(labels_are_the_same_bytes_in_whatever_order_they_came)
{
    struct arena *a = arena_new(0);
    struct slice x = parse(a, "up{zone=\"b\", Area=\"1\", job=\"a\"}");
    struct slice y = parse(a, "{job=\"a\",empty=\"\",__name__=\"up\",Area=\"1\",zone=\"b\",}");
    CHECK(slice_eq(x, y));
    CHECK(labels_hash(x, 7).lo == labels_hash(y, 7).lo);
    CHECK_INT(labels_count(x), 4);
    struct label first;
    struct slice rest = x;
    CHECK(labels_next(&rest, &first));
    CHECK_STR(first.name, "__name__"); /* before "Area" */
    CHECK_STR(labels_get(x, SLICE("zone")), "b");
    CHECK_STR(labels_get(x, SLICE("nope")), "");
    CHECK_STR(format(a, x), "up{Area=\"1\",job=\"a\",zone=\"b\"}");
    arena_free(a);
}

TEST(labels_text_is_read_back_as_it_was_written)
{
    struct arena *a = arena_new(0);
    static const char *const texts[] = {
        "up", "{}", "{a=\"1\"}", "up{a=\"q\\\"b\\\\s\\nn\\tt\\x01\"}", "{\"my.metric\",\"a.b\"=\"c\"}", "ns:rule{le=\"+Inf\"}", "{a=\"\xc3\xa4\"}",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct slice labels = parse(a, texts[i]);
        CHECK_STR(format(a, labels), texts[i]);
    }
    CHECK_STR(labels_get(parse(a, "{a=`raw\\n`}"), SLICE("a")), "raw\\n");
    CHECK_STR(labels_get(parse(a, "{ a = '\\u00e4\\101' , }"), SLICE("a")), "\xc3\xa4" "A");
    arena_free(a);
}

TEST(labels_text_that_is_wrong_is_refused_with_its_position)
{
    struct arena *a = arena_new(0);
    static const char *const texts[] = {
        "", "{", "{a}", "{a=}", "{a=\"1}", "{a=\"1\" b=\"2\"}", "{a=\"1\"}x", "{a=\"\\q\"}", "{=\"1\"}", "{a=\"1\",a=\"2\"}", "{a=\"\\xff\"}", "a b",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct slice out;
        struct err err = { 0 };
        if (labels_parse(a, slice_str(texts[i]), &out, &err) != ST_INVALID || err.text[0] == 0)
            unit_fail(__FILE__, __LINE__, texts[i]);
    }
    struct slice out;
    struct err err = { 0 };
    CHECK_INT(labels_parse(a, SLICE("{abc=1}"), &out, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "labels: position 6: expected a string in quotes, found \"1}\"");
    arena_free(a);
}

TEST(labels_over_a_limit_are_refused_by_name)
{
    struct arena *a = arena_new(0);
    char *large = mem_zalloc(LABEL_VALUE_BYTES_MAX + 1);
    memset(large, 'x', LABEL_VALUE_BYTES_MAX + 1);
    struct label l = { SLICE("big"), slice_of(large, LABEL_VALUE_BYTES_MAX) };
    struct slice out;
    struct err err = { 0 };
    CHECK_INT(labels_build(a, &l, 1, &out, &err), ST_OK);
    l.value.len++;
    CHECK_INT(labels_build(a, &l, 1, &out, &err), ST_LIMIT);
    CHECK_STR(slice_str(err.text), "label \"big\": the value has 4097 bytes, at most 4096 are allowed");
    l = (struct label){ slice_of(large, LABEL_NAME_BYTES_MAX + 1), SLICE("v") };
    CHECK_INT(labels_build(a, &l, 1, &out, &err), ST_LIMIT);
    struct label many[LABELS_PER_SERIES_MAX + 1];
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = (struct label){ arena_printf(a, "l%zu", i), SLICE("v") };
    CHECK_INT(labels_build(a, many, LABELS_PER_SERIES_MAX, &out, &err), ST_OK);
    CHECK(labels_check(out));
    CHECK_INT(labels_build(a, many, COUNT_OF(many), &out, &err), ST_LIMIT);
    l = (struct label){ SLICE_EMPTY, SLICE("v") };
    CHECK_INT(labels_build(a, &l, 1, &out, &err), ST_INVALID);
    mem_free(large);
    arena_free(a);
}

TEST(labels_order_is_by_name_then_value_with_the_metric_first)
{
    struct arena *a = arena_new(0);
    static const char *const sorted[] = { "{}",           "a",            "a{a=\"1\"}", "a{a=\"1\",b=\"1\"}", "a{a=\"2\"}",
                                          "a{b=\"0\"}", "b{Z=\"1\"}", "{A=\"1\"}",  "{a=\"1\"}" };
    for (size_t i = 0; i < COUNT_OF(sorted); i++)
        for (size_t k = 0; k < COUNT_OF(sorted); k++) {
            int order = labels_cmp(parse(a, sorted[i]), parse(a, sorted[k]));
            CHECK_INT((order > 0) - (order < 0), (i > k) - (i < k));
        }
    arena_free(a);
}

TEST(labels_change_by_name_and_stay_canonical)
{
    struct arena *a = arena_new(0);
    struct slice x = parse(a, "up{a=\"1\",c=\"3\"}");
    CHECK_STR(format(a, labels_with(a, x, SLICE("b"), SLICE("2"))), "up{a=\"1\",b=\"2\",c=\"3\"}");
    CHECK_STR(format(a, labels_with(a, x, SLICE("a"), SLICE("9"))), "up{a=\"9\",c=\"3\"}");
    CHECK_STR(format(a, labels_with(a, x, SLICE("c"), SLICE_EMPTY)), "up{a=\"1\"}");
    CHECK_STR(format(a, labels_with(a, x, SLICE("__name__"), SLICE("down"))), "down{a=\"1\",c=\"3\"}");
    CHECK_STR(format(a, labels_with(a, x, SLICE("z"), SLICE("26"))), "up{a=\"1\",c=\"3\",z=\"26\"}");
    struct slice names[] = { SLICE("__name__"), SLICE("c") };
    CHECK_STR(format(a, labels_without(a, x, names, 2)), "{a=\"1\"}");
    CHECK_STR(format(a, labels_only(a, x, names, 2)), "up{c=\"3\"}");
    CHECK(slice_eq(labels_without(a, x, names, 0), x));
    arena_free(a);
}

TEST(labels_check_refuses_every_other_form)
{
    static const struct slice wrong[] = {
        SLICE_INIT("\x01" "a\x01"),                         /* cut */
        SLICE_INIT("\x01" "a\x00"),                         /* empty value */
        SLICE_INIT("\x00\x01" "b"),                         /* empty name */
        SLICE_INIT("\x01" "b\x01" "1\x01" "a\x01" "1"),     /* order */
        SLICE_INIT("\x01" "a\x01" "1\x01" "a\x01" "2"),     /* twice */
        SLICE_INIT("\x81\x00" "a\x01" "1"),                 /* a longer varint than needed */
        SLICE_INIT("\x01" "a\xff\xff\xff\xff\x7f"),         /* a length past the end */
        SLICE_INIT("\x01" "a\x01\xff"),                     /* not UTF-8 */
    };
    CHECK(labels_check(SLICE("\x01" "a\x01" "1\x01" "b\x01" "1")));
    CHECK(labels_check(SLICE_EMPTY));
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        CHECK(!labels_check(wrong[i]));
}

TEST(labels_at_their_limit_have_room_for_those_we_add)
{
    struct arena *a = arena_new(0);
    struct label list[LABELS_PER_SERIES_MAX];
    struct slice labels;
    for (int i = 0; i < LABELS_PER_SERIES_MAX; i++)
        list[i] = (struct label){ arena_printf(a, "l%02d", i), SLICE("x") };
    CHECK_INT(labels_build(a, list, COUNT_OF(list), &labels, NULL), ST_OK);
    for (int i = 0; i <= LABELS_ADDED_MAX; i++) {
        CHECK(labels_check(labels));
        labels = labels_with(a, labels, arena_printf(a, "ours%d", i), SLICE("y"));
    }
    CHECK(!labels_check(labels));
    arena_free(a);
}

TEST(names_are_legacy_or_not)
{
    CHECK(label_name_is_legacy(SLICE("a_1")) && label_name_is_legacy(SLICE("_")));
    CHECK(!label_name_is_legacy(SLICE("1a")) && !label_name_is_legacy(SLICE("a:b")) && !label_name_is_legacy(SLICE_EMPTY));
    CHECK(metric_name_is_legacy(SLICE("a:b")) && !metric_name_is_legacy(SLICE("a.b")));
}

TEST(utf8_is_checked_cut_and_written)
{
    CHECK(utf8_is_valid(SLICE("plain ascii over eight bytes")) && utf8_is_valid(SLICE("12345678\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")));
    CHECK(!utf8_is_valid(SLICE("\xc0\x80")) && !utf8_is_valid(SLICE("\xed\xa0\x80")) && !utf8_is_valid(SLICE("\xf4\x90\x80\x80")));
    CHECK(!utf8_is_valid(SLICE("12345678\xe2\x82")) && !utf8_is_valid(SLICE("\x80")));
    CHECK_STR(utf8_cut(SLICE("ab\xe2\x82\xac"), 4), "ab");
    CHECK_STR(utf8_cut(SLICE("ab\xe2\x82\xac"), 5), "ab\xe2\x82\xac");
    char out[4];
    CHECK_STR(slice_of(out, utf8_put(0x20ac, out)), "\xe2\x82\xac");
    CHECK_STR(slice_of(out, utf8_put(0xd800, out)), "\xef\xbf\xbd");
}
