/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/buf.h"
#include "base/unit.h"
#include "codec/promtext.h"

/* Reads the whole page; the last sample stays in *last. The status of the first error, else ST_OK. */
static enum status read_page(struct arena *a, enum promtext_format format, struct slice page, struct promtext_entry *last, size_t *samples,
                             struct err *err)
{
    struct promtext *p = promtext_new(a, page, format);
    struct promtext_entry e;
    enum status st;
    size_t n = 0;
    while ((st = promtext_next(p, &e, err)) == ST_OK && e.kind != PROMTEXT_END) {
        n += e.kind == PROMTEXT_SAMPLE;
        if (e.kind == PROMTEXT_SAMPLE && last) {
            struct promtext_label *copy = arena_array(a, struct promtext_label, e.label_count + 1);
            if (e.label_count)
                memcpy(copy, e.labels, e.label_count * sizeof *copy);
            *last = e;
            last->labels = copy;
        }
    }
    if (samples)
        *samples = n;
    promtext_free(p);
    return st;
}

static void check_page(enum promtext_format format, const char *page, enum status want)
{
    struct arena *a = arena_new(0);
    struct err err = { 0 };
    enum status st = read_page(a, format, slice_str(page), NULL, NULL, &err);
    if (st != want)
        unit_check_str(__FILE__, __LINE__, err.text, slice_str(page), slice_str(want ? "refused" : "taken"));
    arena_free(a);
}

TEST(promtext_classic_gives_names_labels_values_and_times)
{
    struct arena *a = arena_new(0);
    struct promtext_entry e;
    struct err err;
    size_t n;
    struct slice page = SLICE("# a remark\n\n# HELP up Is it\\n up?\n# TYPE up gauge\nup 1\n"
                              "  disk_bytes{ dev = \"sd\\\"a\\n\\\\\\z\", mount=\"/\" , } -12.5e3 \t 1700000000123\r\n");
    CHECK_INT(read_page(a, PROMTEXT_CLASSIC, page, &e, &n, &err), ST_OK);
    CHECK_INT(n, 2);
    CHECK_STR(e.name, "disk_bytes");
    CHECK_INT(e.label_count, 2);
    CHECK_STR(e.labels[0].name, "dev");
    CHECK_STR(e.labels[0].value, "sd\"a\n\\\\z");
    CHECK_STR(e.labels[1].value, "/");
    CHECK(e.value == -12500 && e.has_time && e.t_ms == 1700000000123 && e.line == 6);
    CHECK_STR(e.series, "disk_bytes{ dev = \"sd\\\"a\\n\\\\\\z\", mount=\"/\" , }");
    arena_free(a);
}

TEST(promtext_metadata_is_unescaped_and_typed)
{
    struct arena *a = arena_new(0);
    struct promtext_entry e;
    struct err err;
    struct promtext *p = promtext_new(a, SLICE("# HELP a x\\ny \\\\ \\q\n# TYPE a counter\n# TYPE b untyped\n# UNIT a s\n"), PROMTEXT_CLASSIC);
    CHECK(promtext_next(p, &e, &err) == ST_OK && e.kind == PROMTEXT_HELP);
    CHECK_STR(e.text, "x\ny \\ \\q");
    CHECK(promtext_next(p, &e, &err) == ST_OK && e.kind == PROMTEXT_TYPE && e.type == PROMTEXT_COUNTER);
    CHECK(promtext_next(p, &e, &err) == ST_OK && e.kind == PROMTEXT_TYPE && e.type == PROMTEXT_UNKNOWN);
    CHECK(promtext_next(p, &e, &err) == ST_OK && e.kind == PROMTEXT_END);
    promtext_free(p);
    arena_free(a);
}

TEST(promtext_names_in_quotes_may_be_any_text)
{
    struct arena *a = arena_new(0);
    struct promtext_entry e;
    struct err err;
    struct slice page = SLICE("{\"my.metric\",a=\"b\",\"x y\"=\"c\"} 1\n# EOF\n");
    for (int format = PROMTEXT_CLASSIC; format <= PROMTEXT_OPENMETRICS_STRICT; format++) {
        CHECK_INT(read_page(a, (enum promtext_format)format, page, &e, NULL, &err), ST_OK);
        CHECK_STR(e.name, "my.metric");
        CHECK_INT(e.label_count, 2);
        CHECK_STR(e.labels[1].name, "x y");
    }
    check_page(PROMTEXT_CLASSIC, "{\"a\",\"b\"} 1\n", ST_INVALID);
    check_page(PROMTEXT_CLASSIC, "{a=\"b\"} 1\n", ST_INVALID);
    arena_free(a);
}

TEST(promtext_values_are_read_exactly)
{
    static const struct {
        const char *text;
        double want;
    } cases[] = { { "0", 0 }, { "123456789012345", 123456789012345.0 }, { "0.1", 0.1 }, { "1.7976931348623157e308", 1.7976931348623157e308 },
                  { ".5", 0.5 }, { "5.", 5 }, { "+3", 3 }, { "4.9e-324", 4.9e-324 }, { "+Inf", INFINITY }, { "-inf", -INFINITY },
                  { "9007199254740993", 9007199254740992.0 }, { "0.000000000000001", 1e-15 }, { "-2.5E+2", -250 } };
    struct arena *a = arena_new(0);
    struct promtext_entry e;
    struct err err;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK_INT(read_page(a, PROMTEXT_CLASSIC, arena_printf(a, "m %s\n", cases[i].text), &e, NULL, &err), ST_OK);
        CHECK(e.value == cases[i].want);
    }
    CHECK_INT(read_page(a, PROMTEXT_CLASSIC, SLICE("m nan\nn -0"), &e, NULL, &err), ST_OK);
    CHECK(e.value == 0 && signbit(e.value));
    static const char *const bad[] = { "m 0x10\n", "m 1_000\n", "m 1e\n", "m nan(1)\n", "m -\n", "m .\n", "m 1.2.3\n", "m --1\n",
                                       "m 1 2.5\n", "m 1 2 3\n", "m\n" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        check_page(PROMTEXT_CLASSIC, bad[i], ST_INVALID);
    arena_free(a);
}

TEST(promtext_openmetrics_reads_seconds_and_exemplars)
{
    struct arena *a = arena_new(0);
    struct promtext_entry e;
    struct err err;
    struct slice page = SLICE("# TYPE a counter\na_total{x=\"1\"} 7 1520879607.789 # {trace_id=\"ab\"} 0.5 1520879607.001\n# EOF");
    CHECK_INT(read_page(a, PROMTEXT_OPENMETRICS_STRICT, page, &e, NULL, &err), ST_OK);
    CHECK(e.value == 7 && e.has_time && e.t_ms == 1520879607789 && e.has_exemplar);
    CHECK(e.exemplar.value == 0.5 && e.exemplar.t_ms == 1520879607001 && e.exemplar.label_count == 1);
    CHECK_INT(read_page(a, PROMTEXT_OPENMETRICS, SLICE("a 1 -1e300\n# EOF\n"), &e, NULL, &err), ST_OK);
    CHECK(e.t_ms == INT64_MIN);
    arena_free(a);
}

TEST(promtext_openmetrics_refuses_other_spacing_and_a_missing_end)
{
    static const char *const bad[] = { "", "a 1\n", "a 1\n\n# EOF\n", "a  1\n# EOF\n", "a 1 \n# EOF\n",
                                       " a 1\n# EOF\n", "a 1\n# EOF\n\n", "a 1\n# EOFx",
                                       "# a remark\n# EOF\n", "a{b=\"c\",} 1\n# EOF\n", "a{b=\"c\"}1\n# EOF\n",
                                       "a 1 Inf\n# EOF\n", "a 1# {} 1\n# EOF\n",
                                       "a 1 # {} 1 \n# EOF\n", "# TYPE a untyped\n# EOF\n", "a 1\r\n# EOF\n", "# HELP a\n# EOF\n" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        check_page(PROMTEXT_OPENMETRICS, bad[i], ST_INVALID);
        check_page(PROMTEXT_OPENMETRICS_STRICT, bad[i], ST_INVALID);
    }
    check_page(PROMTEXT_OPENMETRICS_STRICT, "# HELP a \na 1\n# EOF", ST_OK);
}

TEST(promtext_strict_refuses_what_a_family_may_not_hold_and_the_plain_format_takes_it)
{
    static const char *const bad[] = {
        "# TYPE c counter\nc 1\n",
        "# TYPE c counter\nc_total -1\n",
        "# TYPE c counter\nc_total NaN\n",
        "# TYPE c gauge\nc 1 # {x=\"y\"} 1\n",
        "# TYPE c gauge\n# TYPE c gauge\n",
        "c 1\nd 1\nc 2\n",
        "c 1\n# HELP c late\n",
        "c{x=\"1\"} 1\nc{x=\"2\"} 1\nc{x=\"1\"} 2\n",
        "c 1 5\nc 1 4\n",
        "c 1 5\nc 1\n",
        "c{x=\"1\",x=\"2\"} 1\n",
        "# TYPE c histogram\nc_bucket{le=\"1\"} 1\n",
        "# TYPE c histogram\nc_bucket{le=\"2\"} 1\nc_bucket{le=\"1\"} 1\nc_bucket{le=\"+Inf\"} 1\n",
        "# TYPE c histogram\nc_bucket{le=\"2\"} 2\nc_bucket{le=\"+Inf\"} 1\n",
        "# TYPE c histogram\nc_bucket{le=\"+Inf\"} 1\nc_count 2\nc_sum 1\n",
        "# TYPE c histogram\nc_bucket{le=\"+Inf\"} 1\nc_count 1\n",
        "# TYPE c histogram\nc_bucket 1\n",
        "# TYPE c summary\nc{quantile=\"1.5\"} 1\n",
        "# TYPE c info\nc_info 2\n",
        "# TYPE c stateset\nc{c=\"on\"} 0.5\n",
        "# TYPE c stateset\nc{d=\"on\"} 1\n",
        "# TYPE c gauge\n# UNIT c bytes\nc 1\n",
        "# TYPE c_total gauge\n# TYPE c counter\n",
        "# HELP c \xff\n",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct arena *a = arena_new(0);
        struct slice page = arena_printf(a, "%s# EOF\n", bad[i]);
        check_page(PROMTEXT_OPENMETRICS_STRICT, page.ptr, ST_INVALID);
        check_page(PROMTEXT_OPENMETRICS, page.ptr, ST_OK);
        arena_free(a);
    }
    check_page(PROMTEXT_OPENMETRICS_STRICT,
               "# TYPE h histogram\nh_bucket{a=\"1\",le=\"1\"} 1 1\nh_bucket{le=\"+Inf\",a=\"1\"} 2 1\nh_count{a=\"1\"} 2 1\nh_sum{a=\"1\"} 3 1\n"
               "h_bucket{a=\"1\",le=\"1\"} 1 2\nh_bucket{a=\"1\",le=\"+Inf\"} 2 2\n# EOF\n",
               ST_OK);
}

TEST(promtext_errors_name_line_and_column_and_reading_goes_on_behind_them)
{
    struct arena *a = arena_new(0);
    struct promtext_entry e;
    struct err err;
    struct promtext *p = promtext_new(a, SLICE("good 1\nbad{x=1} 2\ngood 3\n"), PROMTEXT_CLASSIC);
    CHECK_INT(promtext_next(p, &e, &err), ST_OK);
    CHECK_INT(promtext_next(p, &e, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "line 2, column 7: expected a label's value in double quotes, found \"1} 2\"");
    CHECK_INT(promtext_next(p, &e, &err), ST_OK);
    CHECK(e.kind == PROMTEXT_SAMPLE && e.value == 3);
    CHECK(promtext_next(p, &e, &err) == ST_OK && e.kind == PROMTEXT_END);
    promtext_free(p);
    arena_free(a);
}

TEST(promtext_says_how_many_labels_are_too_many)
{
    struct arena *a = arena_new(0);
    struct buf b;
    struct err err;
    struct promtext_entry e;
    buf_init(&b, 0);
    buf_slice(&b, SLICE("m{"));
    for (int i = 0; i <= PROMTEXT_LABELS_MAX; i++)
        buf_printf(&b, "l%d=\"\",", i);
    buf_slice(&b, SLICE("} 1\n"));
    CHECK_INT(read_page(a, PROMTEXT_CLASSIC, buf_as_slice(&b), &e, NULL, &err), ST_LIMIT);
    CHECK_STR(slice_str(err.text), "line 1: over 256 labels in one set, which is the limit");
    buf_free(&b);
    arena_free(a);
}

TEST(promtext_format_comes_from_the_content_type)
{
    CHECK_INT(promtext_format_of(SLICE("application/openmetrics-text; version=1.0.0; charset=utf-8")), PROMTEXT_OPENMETRICS);
    CHECK_INT(promtext_format_of(SLICE("text/plain;version=0.0.4")), PROMTEXT_CLASSIC);
    CHECK_INT(promtext_format_of(SLICE_EMPTY), PROMTEXT_CLASSIC);
}
