/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "base/unit.h"
#include "collect/sketch.h"
#include "collect/statsd.h"

#include <math.h>

enum { START_S = 1767225600 };

/* All samples that were appended, as text: one a line. */
struct rig {
    struct clock *clock;
    struct statsd *s;
    struct statsd_options opt;
    struct buf rows;
    size_t events;
    bool fails;
    struct arena *a;
};

static enum status on_append(void *arg, struct batch *b, struct err *err)
{
    struct rig *r = arg;
    char number[NUM_TEXT_BYTES_MAX];
    r->events += b->event_count;
    CHECK(!arena_over(b->arena));
    for (size_t i = 0; i < b->series_count && !r->fails; i++)
        for (uint32_t k = 0; k < b->series[i].count; k++) {
            const struct sample *p = &b->samples[b->series[i].first + k];
            buf_printf(&r->rows, "%.*s ", SLICE_FMT(b->tenant));
            labels_format(b->series[i].labels, &r->rows);
            buf_printf(&r->rows, " %lld ", (long long)(p->t_ms - START_S * 1000ll));
            if (is_stale(p->v))
                buf_slice(&r->rows, SLICE("stale"));
            else if (is_histogram(p->v))
                buf_printf(&r->rows, "histogram %g", histogram_unbox(p->v)->count);
            else
                buf_put(&r->rows, number, num_format_short(p->v, number));
            buf_char(&r->rows, '\n');
        }
    batch_drop(b);
    return r->fails ? err_set(err, ST_FULL, "full") : ST_OK;
}

static void rig_begin(struct rig *r, const char *config)
{
    struct statsd_options *opt;
    struct yaml_node *root;
    struct err err;
    *r = (struct rig){ .clock = clock_sim_new(START_S * NS_S), .a = arena_new(0) };
    CHECK_INT(yaml_parse(r->a, SLICE("x.yml"), slice_str(config), &root, &err), ST_OK);
    CHECK_INT(statsd_config_read(r->a, root, &opt, &err), ST_OK);
    struct statsd_env env = { .clock = r->clock, .log = NULL, .arg = r, .append = on_append };
    r->opt = *opt;
    buf_init(&r->rows, 0);
    r->s = statsd_new(&env, &r->opt);
}

static void rig_end(struct rig *r)
{
    statsd_free(r->s);
    clock_sim_free(r->clock);
    buf_free(&r->rows);
    arena_free(r->a);
}

static void flush(struct rig *r, int64_t after_s)
{
    clock_sim_advance(r->clock, after_s * NS_S);
    statsd_append(r->s, true);
}

static void send(struct rig *r, const char *text)
{
    CHECK_INT(statsd_take(r->s, SLICE("default"), slice_str(text), true), 0);
}

#define CHECK_ROWS(r, text)                                                                                            \
    do {                                                                                                               \
        CHECK_STR(buf_as_slice(&(r)->rows), text);                                                        \
        buf_reset(&(r)->rows);                                                                                         \
    } while (0)

TEST(statsd_counters_add_up_from_a_zero_before_the_first_and_stay)
{
    struct rig r;
    rig_begin(&r, "{}");
    send(&r, "hits:2|c\nhits:1|c|@0.5");
    flush(&r, 10);
    CHECK_ROWS(&r, "default hits 0 0\ndefault hits 10000 4\n");
    send(&r, "hits:1|c");
    flush(&r, 10);
    flush(&r, 10);
    CHECK_ROWS(&r, "default hits 20000 5\ndefault hits 30000 5\n");
    rig_end(&r);
}

TEST(statsd_gauges_are_set_and_changed_by_signed_values)
{
    struct rig r;
    rig_begin(&r, "{}");
    send(&r, "size:10|g\nsize:+5|g\nsize:-2|g");
    flush(&r, 10);
    CHECK_ROWS(&r, "default size 10000 13\n");
    CHECK_INT(statsd_take(r.s, SLICE("default"), SLICE("size:-2|g"), false), 0);
    flush(&r, 10);
    CHECK_ROWS(&r, "default size 20000 -2\n");
    rig_end(&r);
}

TEST(statsd_what_waits_for_a_store_that_is_slow_has_an_end)
{
    enum { TEXT_BYTES = 60 * 1024, EVENTS = 8000 };
    struct rig r;
    struct statsd_stats stats;
    struct buf event;
    rig_begin(&r, "{}");
    buf_init(&event, 0);
    buf_printf(&event, "_e{1,%d}:t|", TEXT_BYTES);
    for (size_t i = 0; i < TEXT_BYTES; i++)
        buf_char(&event, 'x');
    size_t lost = 0;
    for (size_t i = 0; i < EVENTS; i++)
        lost += statsd_take(r.s, SLICE("default"), buf_as_slice(&event), true);
    CHECK_INT(statsd_take(r.s, SLICE("default"), SLICE("n:1|c"), true), 0); /* a count needs no room */
    statsd_stats(r.s, &stats);
    CHECK_INT(stats.counts.rejected[STATSD_EVENTS_FULL], lost);
    flush(&r, 10);
    CHECK(lost > 0 && lost < EVENTS);
    CHECK_INT(r.events, EVENTS - lost);
    CHECK_ROWS(&r, "default n 0 0\ndefault n 10000 1\n");
    buf_free(&event);
    rig_end(&r);
}

TEST(statsd_sets_count_different_members_of_an_interval)
{
    struct rig r;
    rig_begin(&r, "{}");
    send(&r, "who:a|s\nwho:b|s\nwho:a|s");
    flush(&r, 10);
    flush(&r, 10);
    CHECK_ROWS(&r, "default who 10000 2\ndefault who 20000 0\n");
    rig_end(&r);
}

TEST(statsd_timers_are_summaries_of_about_a_minute)
{
    struct rig r;
    rig_begin(&r, "statsd: {quantiles: [0.5]}");
    send(&r, "t:200|ms\nt:200|ms");
    flush(&r, 10);
    CHECK_ROWS(&r, "default t_sum 0 0\ndefault t_count 0 0\ndefault t{quantile=\"0.5\"} 10000 0.2\ndefault t_sum 10000 0.4\n"
                   "default t_count 10000 2\n");
    flush(&r, 120);
    CHECK_ROWS(&r, "default t{quantile=\"0.5\"} 130000 NaN\ndefault t_sum 130000 0.4\ndefault t_count 130000 2\n");
    rig_end(&r);
}

TEST(statsd_timers_can_be_classic_and_native_histograms)
{
    struct rig r;
    rig_begin(&r, "statsd: {observations: histogram, buckets: [1, 5]}");
    send(&r, "h:0.5:3|h");
    flush(&r, 10);
    CHECK_ROWS(&r, "default h_bucket{le=\"1.0\"} 0 0\ndefault h_bucket{le=\"5.0\"} 0 0\ndefault h_bucket{le=\"+Inf\"} 0 0\ndefault h_sum 0 0\n"
                   "default h_count 0 0\ndefault h_bucket{le=\"1.0\"} 10000 1\ndefault h_bucket{le=\"5.0\"} 10000 2\n"
                   "default h_bucket{le=\"+Inf\"} 10000 2\ndefault h_sum 10000 3.5\ndefault h_count 10000 2\n");
    rig_end(&r);
    rig_begin(&r, "statsd: {observations: native}");
    send(&r, "h:0.5:3|h");
    flush(&r, 10);
    CHECK_ROWS(&r, "default h 0 histogram 0\ndefault h 10000 histogram 2\n");
    rig_end(&r);
}

TEST(statsd_idle_series_end_with_a_stale_mark_and_make_room)
{
    struct rig r;
    struct statsd_stats stats;
    rig_begin(&r, "statsd: {idle: 30s}");
    send(&r, "a:1|g\nb:1|g");
    flush(&r, 10);
    send(&r, "b:2|g");
    flush(&r, 25);
    CHECK_ROWS(&r, "default a 10000 1\ndefault b 10000 1\ndefault a 35000 stale\ndefault b 35000 2\n");
    statsd_stats(r.s, &stats);
    CHECK_INT(stats.series, 1);
    CHECK_INT(stats.expired, 1);
    send(&r, "a:1|c"); /* the name is free again */
    rig_end(&r);
}

TEST(statsd_a_name_has_one_type)
{
    struct rig r;
    struct statsd_stats stats;
    rig_begin(&r, "{}");
    send(&r, "x:1|c\nt:1|ms\nt:1|h");
    CHECK_INT(statsd_take(r.s, SLICE("default"), SLICE("x:1|g|#a:b\nx:1|ms"), true), 2);
    CHECK_INT(statsd_take(r.s, SLICE("other"), SLICE("x:1|g"), true), 0);
    statsd_stats(r.s, &stats);
    CHECK_INT(stats.counts.rejected[STATSD_CONFLICT], 2);
    flush(&r, 10);
    CHECK(slice_contains(buf_as_slice(&r.rows), SLICE("other x 10000 1\n")));
    rig_end(&r);
}

TEST(statsd_values_with_a_time_keep_it_and_events_go_at_once)
{
    struct rig r;
    rig_begin(&r, "{}");
    clock_sim_advance(r.clock, 60 * NS_S);
    send(&r, "g:5|g|T1767225620\nc:1|c|T1767225630\nc:1|c|T1767225625\n_e{1,1}:a|b\n_sc|x|0");
    statsd_append(r.s, false);
    CHECK_ROWS(&r, "default g 20000 5\ndefault c 30000 1\n");
    CHECK_INT(r.events, 2);
    flush(&r, 10);
    CHECK_ROWS(&r, "default c 70000 2\n");
    rig_end(&r);
}

TEST(statsd_settings_that_cannot_be_are_refused_by_name)
{
    static const char *const bad[] = { "statsd: {flush: 1s}", "statsd: {flush_interval: 1ms}", "statsd: {idle: 1s}", "statsd: {observations: x}",
                                       "statsd: {quantiles: [0.9, 0.5]}", "statsd: {quantiles: [2]}", "statsd: {buckets: [a]}" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct arena *a = arena_new(0);
        struct statsd_options *opt;
        struct yaml_node *root;
        struct err err = { 0 };
        CHECK_INT(yaml_parse(a, SLICE("x.yml"), slice_str(bad[i]), &root, &err), ST_OK);
        CHECK_INT(statsd_config_read(a, root, &opt, &err), ST_INVALID);
        CHECK(slice_starts(slice_str(err.text), SLICE("x.yml:1: ")));
        arena_free(a);
    }
}

TEST(sketch_quantiles_are_near_and_memory_is_bounded)
{
    struct sketch s;
    sketch_init(&s, 5);
    for (int i = 1; i <= 10000; i++)
        sketch_add(&s, i, 1);
    for (int i = 1; i <= 9; i++)
        CHECK(fabs(sketch_quantile(&s, NULL, i / 10.0) / (i * 1000.0) - 1) < 0.05);
    CHECK(sketch_quantile(&s, NULL, 1) == 10000);
    for (int i = -300; i <= 300; i++) {
        sketch_add(&s, pow(10, i), 1);
        sketch_add(&s, -pow(10, i), 1);
    }
    CHECK(s.positive.n + s.negative.n <= SKETCH_BUCKETS_MOST);
    sketch_free(&s);
}

TEST(sketch_is_a_native_histogram)
{
    struct arena *a = arena_new(0);
    struct sketch s;
    struct err err;
    sketch_init(&s, 3);
    sketch_add(&s, 0, 2);
    sketch_add(&s, 1, 1);
    sketch_add(&s, 1.05, 1);
    sketch_add(&s, -8, 3);
    struct histogram *h = sketch_histogram(&s, a);
    CHECK_INT(histogram_check(h, &err), ST_OK);
    CHECK(h->count == 7 && h->zero_count == 2 && h->sum == 1 + 1.05 - 24);
    CHECK_INT(h->positive.span_count, 1);
    CHECK_INT(h->positive.spans[0].offset, 0);
    CHECK_INT(h->positive.spans[0].length, 2);
    CHECK_INT(h->negative.spans[0].offset, 24);
    sketch_free(&s);
    arena_free(a);
}

/* A store that knows a counter, a gauge, a summary's sum and count. */
static bool rig_read(void *arg, struct slice tenant, struct slice labels, struct arena *a, struct sample *out)
{
    static const struct {
        const char *labels;
        double v;
    } known[] = { { "hits", 40 }, { "cart", 7 }, { "took_sum", 9 }, { "took_count", 3 },
                  { "level", 5 } };
    struct buf text;
    bool is_found = false;
    (void)arg;
    (void)a;
    CHECK_STR(tenant, "default");
    buf_init(&text, 0);
    labels_format(labels, &text);
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (slice_eq(buf_as_slice(&text), slice_str(known[i].labels))) {
            is_found = true;
            *out = (struct sample){ START_S * 1000ll - 5000, known[i].v };
        }
    buf_free(&text);
    return is_found;
}

TEST(statsd_series_go_on_from_where_the_store_has_them)
{
    struct rig r;
    rig_begin(&r, "statsd: {quantiles: [0.5]}");
    struct statsd_env env = { .clock = r.clock, .log = NULL, .arg = &r, .append = on_append, .last = { &r, rig_read } };
    struct statsd_stats stats;
    statsd_free(r.s);
    r.s = statsd_new(&env, &r.opt);
    send(&r, "hits:2|c");
    send(&r, "cart:-3|g");
    send(&r, "level:1|g");
    send(&r, "took:2000|ms");
    send(&r, "new:1|c");
    flush(&r, 10);
    CHECK_ROWS(&r, "default hits 10000 42\ndefault cart 10000 4\ndefault level 10000 1\n"
                   "default took{quantile=\"0.5\"} 10000 2\ndefault took_sum 10000 11\ndefault took_count 10000 4\n"
                   "default new 0 0\ndefault new 10000 1\n");
    send(&r, "hits:1|c");
    statsd_append(r.s, false);
    flush(&r, 10);
    CHECK(slice_starts(buf_as_slice(&r.rows), SLICE("default hits 20000 43\n")));
    buf_reset(&r.rows);
    statsd_stats(r.s, &stats);
    CHECK_INT(stats.restored, 4);
    rig_end(&r);
}

TEST(a_native_sketch_goes_on_in_the_coarser_of_both_resolutions)
{
    struct arena *a = arena_new(0);
    struct sketch one, all;
    sketch_init(&one, 2);
    sketch_init(&all, 3);
    for (int i = 1; i < 50; i++) {
        sketch_add(&one, i * 1.5, 1);
        sketch_add(&all, -i, 2);
    }
    sketch_load(&all, sketch_histogram(&one, a));
    for (int i = 1; i < 50; i++)
        sketch_add(&one, -i, 2);
    CHECK(histogram_equal(sketch_histogram(&one, a), sketch_histogram(&all, a)));
    sketch_free(&one);
    sketch_free(&all);
    arena_free(a);
}
