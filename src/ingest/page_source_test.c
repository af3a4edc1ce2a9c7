/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/page_source.h"

#include "base/unit.h"
#include "codec/proto.h"
#include "ingest/prom_page.h"
#include "model/histogram.h"

#define PROTO SLICE("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited")
#define TEXT  SLICE("text/plain; version=0.0.4")

/* The page's samples, a line each, without spaces between. */
static void read_page(struct slice page, struct slice type, struct page_source_options opt, struct buf *out)
{
    struct arena *a = arena_new(0);
    struct err err = { 0 };
    struct promtext_entry e = { .kind = PROMTEXT_SAMPLE };
    struct page_source *s = page_source_new(a, page, type, &opt);
    enum status st = ST_OK;
    buf_init(out, 0);
    while (!st && e.kind != PROMTEXT_END) {
        st = page_source_next(s, &e, &err);
        if (st || e.kind != PROMTEXT_SAMPLE)
            continue;
        buf_slice(out, e.name);
        if (e.start_ms)
            buf_printf(out, "@%lld", (long long)e.start_ms);
        for (size_t i = 0; i < e.label_count; i++)
            buf_printf(out, ",%.*s=%.*s", SLICE_FMT(e.labels[i].name), SLICE_FMT(e.labels[i].value));
        if (is_histogram(e.value)) {
            buf_char(out, ' ');
            histogram_format(out, histogram_unbox(e.value));
        } else {
            buf_printf(out, " %g", e.value);
        }
        buf_char(out, '\n');
    }
    if (st)
        buf_printf(out, "error: %s\n", err.text);
    page_source_free(s);
    arena_free(a);
}

static void check_page(struct slice page, struct slice type, struct page_source_options opt, const char *want)
{
    struct buf out;
    read_page(page, type, opt, &out);
    CHECK_STR(buf_as_slice(&out), want);
    buf_free(&out);
}

TEST(classic_histograms_convert_each_label_set_by_itself)
{
    struct slice page = SLICE("# TYPE h histogram\n"
                              "h_bucket{a=\"x\",le=\"1\"} 1\nh_bucket{a=\"x\",le=\"+Inf\"} 3\nh_sum{a=\"x\"} 9\nh_count{a=\"x\"} 3\n"
                              "h_bucket{a=\"y\",le=\"2\"} 0\nh_bucket{a=\"y\",le=\"+Inf\"} 1\nh_sum{a=\"y\"} 5\nh_count{a=\"y\"} 1\n"
                              "# TYPE g gauge\ng 1\n");
    check_page(page, TEXT, (struct page_source_options){ .convert = true, .fallback = SLICE_EMPTY },
               "h,a=x {count:3, sum:9, [-Inf,1]:1, (1,+Inf]:2}\nh,a=y {count:1, sum:5, (2,+Inf]:1}\ng 1\n");
    struct buf out;
    read_page(page, TEXT, (struct page_source_options){ .convert = true, .classic = true, .fallback = SLICE_EMPTY }, &out);
    CHECK(slice_contains(buf_as_slice(&out), SLICE("h_count,a=x 3\n")) && slice_contains(buf_as_slice(&out), SLICE("h,a=x {count:3")));
    buf_free(&out);
}

TEST(classic_histograms_whose_buckets_fall_are_not_converted)
{
    check_page(SLICE("# TYPE h histogram\nh_bucket{le=\"1\"} 5\nh_bucket{le=\"2\"} 3\nh_bucket{le=\"+Inf\"} 6\nh_count 6\nh_sum 1\nx 1\n"), TEXT,
               (struct page_source_options){ .convert = true, .fallback = SLICE_EMPTY }, "x 1\n");
}

/* One family of one metric, of which put writes the value's field. */
static void family(struct buf *page, struct slice name, uint64_t type, void (*put)(struct buf *metric))
{
    struct buf f;
    buf_init(&f, 0);
    proto_put_bytes(&f, 1, name);
    proto_put_varint(&f, 3, type);
    size_t mark = proto_nested_begin(&f, 4);
    put(&f);
    proto_nested_end(&f, mark);
    buf_lenslice(page, buf_as_slice(&f));
    buf_free(&f);
}

static void put_odd_gauge(struct buf *metric)
{
    size_t mark = proto_nested_begin(metric, 2);
    proto_put_double(metric, 1, double_of_bits(HISTOGRAM_TAG << 48 | 0x1234)); /* a number that looks like a histogram's place */
    proto_nested_end(metric, mark);
}

static void put_histogram(struct buf *metric)
{
    size_t mark = proto_nested_begin(metric, 7);
    proto_put_varint(metric, 1, 3);
    proto_put_double(metric, 2, 4.5);
    size_t bucket = proto_nested_begin(metric, 3);
    proto_put_varint(metric, 1, 1);
    proto_put_double(metric, 2, 1);
    proto_nested_end(metric, bucket);
    proto_put_sint(metric, 5, 0);
    proto_put_varint(metric, 7, 1);
    size_t span = proto_nested_begin(metric, 12);
    proto_put_sint(metric, 1, 0);
    proto_put_varint(metric, 2, 1);
    proto_nested_end(metric, span);
    proto_put_sint(metric, 13, 2);
    proto_nested_end(metric, mark);
}

TEST(protobuf_pages_give_native_or_classic_histograms_as_wanted)
{
    struct buf page;
    buf_init(&page, 0);
    family(&page, SLICE("h"), 4, put_histogram);
    check_page(buf_as_slice(&page), PROTO, (struct page_source_options){ .native = true, .fallback = SLICE_EMPTY },
               "h {count:3, sum:4.5, [-0,0]:1, (0.5,1]:2}\n");
    check_page(buf_as_slice(&page), PROTO, (struct page_source_options){ .fallback = SLICE_EMPTY },
               "h_bucket,le=1.0 1\nh_bucket,le=+Inf 3\nh_sum 4.5\nh_count 3\n");
    buf_free(&page);
}

TEST(protobuf_pages_numbers_never_pass_for_histograms_and_cut_pages_name_the_family)
{
    struct buf page;
    buf_init(&page, 0);
    family(&page, SLICE("odd"), 1, put_odd_gauge);
    check_page(buf_as_slice(&page), PROTO, (struct page_source_options){ .native = true, .fallback = SLICE_EMPTY }, "odd nan\n");
    family(&page, SLICE("h"), 4, put_histogram);
    check_page(slice_sub(buf_as_slice(&page), 0, page.len - 3), PROTO, (struct page_source_options){ .fallback = SLICE_EMPTY },
               "odd nan\nerror: family 2 \"\": its message is cut short\n");
    buf_free(&page);
}

TEST(page_formats_are_told_by_content_type_or_the_fallback)
{
    CHECK(prom_page_is(PROTO));
    CHECK(!prom_page_is(SLICE("application/vnd.google.protobuf")));
    CHECK(!prom_page_is(TEXT));
    check_page(SLICE("a 1\n"), SLICE(""), (struct page_source_options){ .fallback = SLICE("application/openmetrics-text;version=1.0.0") },
               "a 1\nerror: line 2: the page ends without \"# EOF\"\n");
    check_page(SLICE("a 1\n"), TEXT, (struct page_source_options){ .fallback = SLICE("application/openmetrics-text;version=1.0.0") }, "a 1\n");
}

TEST(lines_that_tell_a_start_are_no_samples_when_starts_are_asked_for)
{
    struct slice page = SLICE("# TYPE c counter\nc_total{a=\"x\",b=\"y\"} 1\nc_created{b=\"y\",a=\"x\"} 10.5\nc_total{a=\"z\"} 2\n"
                              "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\nh_sum 9\nh_count 3\nh_created 20\n"
                              "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\ns_created 30\n"
                              "# TYPE g gauge\ng_created 5\n# TYPE u unknown\nu_created 6\n# EOF\n");
    struct slice type = SLICE("application/openmetrics-text; version=1.0.0");
    check_page(page, type, (struct page_source_options){ .starts = true, .fallback = SLICE_EMPTY },
               "c_total@10500,a=x,b=y 1\nc_total,a=z 2\nh_bucket@20000,le=+Inf 3\nh_sum@20000 9\nh_count@20000 3\ns,quantile=0.5 1\n"
               "s_sum@30000 1\ns_count@30000 1\ng_created 5\nu_created 6\n");
    struct buf out;
    read_page(page, type, (struct page_source_options){ .fallback = SLICE_EMPTY }, &out);
    CHECK(slice_contains(buf_as_slice(&out), SLICE("c_created,b=y,a=x 10.5\nc_total,a=z 2\n")) && !slice_contains(buf_as_slice(&out), SLICE("@")));
    buf_free(&out);
    /* 0.0.4 knows of no such lines. */
    check_page(SLICE("# TYPE c counter\nc_created 5\n"), TEXT, (struct page_source_options){ .starts = true, .fallback = SLICE_EMPTY },
               "c_created 5\n");
}
