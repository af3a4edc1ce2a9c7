/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/span_metrics.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/unit.h"
#include "model/sample.h"

#define NOW_MS (1700000000 * INT64_C(1000))

/* What was appended, as lines "labels t v". */
static enum status on_append(void *arg, struct batch *b, struct err *err)
{
    struct buf *out = arg;
    (void)err;
    for (size_t i = 0; i < b->series_count; i++) {
        for (uint32_t k = 0; k < b->series[i].count; k++) {
            const struct sample *s = &b->samples[b->series[i].first + k];
            bool stale = double_bits(s->v) == STALE_NAN_BITS;
            labels_format(b->series[i].labels, out);
            buf_printf(out, " %lld %s%g\n", (long long)(s->t_ms - NOW_MS), stale ? "stale" : "", stale ? 0 : s->v);
        }
    }
    batch_drop(b);
    return ST_OK;
}

static void span(struct span_metrics *m, const char *service, const char *name, uint8_t kind, uint8_t status, int64_t ms,
                 struct span_metrics_result *r)
{
    struct batch *b = batch_new(0);
    struct event *e = batch_event(b);
    e->kind = EVENT_SPAN;
    e->span_kind = kind;
    e->span_status = status;
    e->service = slice_str(service);
    e->body = slice_str(name);
    e->duration_ns = ms * NS_MS;
    span_metrics_take(m, b, r);
    batch_drop(b);
}

static bool has(const struct buf *b, const char *text)
{
    return slice_contains(buf_as_slice(b), slice_str(text));
}

#define PLACE(name) name "{service=\"shop\",span_kind=\"SPAN_KIND_SERVER\",span_name=\"GET /\",status_code=\"STATUS_CODE_ERROR\"}"

TEST(served_spans_become_counters_that_begin_at_zero_and_a_histogram)
{
    struct span_metrics *m = span_metrics_new();
    struct span_metrics_result r;
    struct buf out;
    struct err err;
    buf_init(&out, 0);
    span(m, "shop", "GET /", 2, 2, 5, &r); /* off */
    span_metrics_switch(m, true);
    span(m, "shop", "GET /", 2, 2, 5, &r);
    span(m, "shop", "GET /", 2, 2, 100, &r);
    span(m, "shop", "query", 3, 0, 1, &r); /* a client's */
    CHECK_INT(r.left_out + r.folded, 0);
    CHECK(!span_metrics_write(m, NOW_MS, on_append, &out, &err));
    CHECK(has(&out, PLACE("traces_spanmetrics_calls_total") " -15000 0\n" PLACE("traces_spanmetrics_calls_total") " 0 2\n"));
    CHECK(has(&out, PLACE("traces_spanmetrics_latency_sum") " 0 0.105\n"));
    CHECK(has(&out, "le=\"0.004\"") && has(&out, "le=\"+Inf\"") && !has(&out, "query"));
    buf_reset(&out);
    span(m, "shop", "GET /", 2, 2, 5, &r);
    CHECK(!span_metrics_write(m, NOW_MS + 15000, on_append, &out, &err));
    CHECK(has(&out, PLACE("traces_spanmetrics_latency_count") " 15000 3\n") && !has(&out, " -15000 "));
    span_metrics_free(m);
    buf_free(&out);
}

TEST(series_of_spans_that_no_longer_come_end_and_all_do_when_it_is_switched_off)
{
    struct span_metrics *m = span_metrics_new();
    struct span_metrics_result r;
    struct buf out;
    struct err err;
    buf_init(&out, 0);
    span_metrics_switch(m, true);
    span(m, "shop", "old", 5, 0, 1, &r);
    CHECK(!span_metrics_write(m, NOW_MS, on_append, &out, &err));
    span(m, "shop", "new", 2, 1, 1, &r);
    CHECK(!span_metrics_write(m, NOW_MS + SPAN_METRICS_REST_SECONDS * 1000 - 1, on_append, &out, &err));
    CHECK(!has(&out, "stale"));
    buf_reset(&out);
    CHECK(!span_metrics_write(m, NOW_MS + SPAN_METRICS_REST_SECONDS * 1000, on_append, &out, &err));
    CHECK(has(&out, "span_name=\"old\",status_code=\"STATUS_CODE_UNSET\"} 900000 stale0"));
    CHECK(has(&out, "span_name=\"new\",status_code=\"STATUS_CODE_OK\"} 900000 1"));
    buf_reset(&out);
    span_metrics_switch(m, false);
    CHECK(!span_metrics_write(m, NOW_MS, on_append, &out, &err));
    CHECK(has(&out, "stale") && !has(&out, "old"));
    buf_reset(&out);
    CHECK(!span_metrics_write(m, NOW_MS, on_append, &out, &err));
    CHECK_INT(out.len, 0);
    span_metrics_free(m);
    buf_free(&out);
}

TEST(a_service_with_too_many_names_folds_and_leaves_room_for_others)
{
    struct span_metrics *m = span_metrics_new();
    struct span_metrics_result r;
    struct buf out;
    struct err err;
    char name[32];
    uint64_t folded = 0;
    buf_init(&out, 0);
    span_metrics_switch(m, true);
    for (int i = 0; i < SPAN_NAMES_PER_SERVICE_MAX + 50; i++) {
        snprintf(name, sizeof name, "GET /%d", i);
        span(m, "wild", name, 2, 1, 1, &r);
        folded += r.folded;
    }
    CHECK_INT(folded, 50);
    span(m, "calm", "GET /", 2, 1, 1, &r);
    CHECK_INT(r.folded + r.left_out, 0);
    CHECK(!span_metrics_write(m, NOW_MS, on_append, &out, &err));
    CHECK(has(&out, "service=\"wild\",span_kind=\"SPAN_KIND_SERVER\",span_name=\"__overflow__\",status_code=\"STATUS_CODE_OK\"} 0 50\n"));
    CHECK(has(&out, "service=\"calm\""));
    span_metrics_free(m);
    buf_free(&out);
}
