/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP's histograms as native ones. Bucket k of a side holds (base^k, base^(k+1)]: it is Prometheus's bucket k + 1. Scales
 * over 8 are merged down to 8; below -4 there is no schema. */
#include <math.h>

#include "ingest/native.h"
#include "ingest/otlp.h"

#define ZERO_THRESHOLD_DEFAULT 1e-128 /* as Prometheus: OTLP senders rarely tell one */

struct side {
    int64_t offset;
    struct native_bucket *list;
    size_t count, cap;
};

static int64_t zigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static bool side_count(struct arena *a, struct side *s, uint64_t v)
{
    if (s->count == HISTOGRAM_BUCKETS_MAX)
        return false;
    ARENA_PUSH(a, s->list, s->count, s->cap) = (struct native_bucket){ 0, (double)v };
    return true;
}

static bool side_read(struct arena *a, struct slice message, struct side *s)
{
    bool ok = true;
    struct pb p = pb_of(message);
    while (ok && pb_next(&p)) {
        if (p.field == 1)
            s->offset = (int32_t)zigzag(p.value);
        if (p.field == 2 && p.wire == PB_VARINT)
            ok = side_count(a, s, p.value);
        if (p.field == 2 && p.wire == PB_BYTES) {
            struct pb in = pb_of(p.bytes);
            while (ok && in.at < in.end && !in.bad)
                ok = side_count(a, s, pb_varint(&in));
            ok &= !in.bad;
        }
    }
    for (size_t i = 0; i < s->count; i++)
        s->list[i].index = s->offset + (int64_t)i + 1;
    return ok && !p.bad;
}

static double side_total(const struct side *s)
{
    double total = 0;
    for (size_t i = 0; i < s->count; i++)
        total += s->list[i].count;
    return total;
}

enum status otlp_exponential_read(struct arena *a, struct slice message, struct histogram **out, struct err *err)
{
    struct histogram *h = *out = arena_new_of(a, struct histogram);
    struct side positive = { 0 }, negative = { 0 };
    int64_t scale = 0;
    bool ok = true;
    struct pb p = pb_of(message);
    while (pb_next(&p)) {
        switch (p.field) {
        case 4:
            h->count = (double)p.value;
            break;
        case 5:
            h->sum = pb_double(&p);
            break;
        case 6:
            scale = zigzag(p.value);
            break;
        case 7:
            h->zero_count = (double)p.value;
            break;
        case 8:
            ok &= side_read(a, p.bytes, &positive);
            break;
        case 9:
            ok &= side_read(a, p.bytes, &negative);
            break;
        case 14:
            h->zero_threshold = pb_double(&p);
            break;
        }
    }
    if (!ok || p.bad)
        return err_set(err, ST_INVALID, "an exponential histogram is no valid message, or has over %d buckets", HISTOGRAM_BUCKETS_MAX);
    if (scale < HISTOGRAM_SCHEMA_MIN || scale > NATIVE_SCHEMA_MAX)
        return err_set(err, ST_INVALID, "an exponential histogram of scale %lld, allowed are %d to %d", (long long)scale, HISTOGRAM_SCHEMA_MIN,
                       NATIVE_SCHEMA_MAX);
    double total = h->zero_count + side_total(&positive) + side_total(&negative);
    if (isnan(h->sum) ? total > h->count : total != h->count)
        return err_set(err, ST_INVALID, "an exponential histogram with %.0f observations in its buckets and a count of %.0f", total, h->count);
    int shift = (int)MAX(scale - HISTOGRAM_SCHEMA_MAX, 0);
    h->schema = (int8_t)(scale - shift);
    if (!(h->zero_threshold > 0))
        h->zero_threshold = ZERO_THRESHOLD_DEFAULT;
    enum status st = native_side(a, positive.list, positive.count, shift, &h->positive, err);
    if (!st)
        st = native_side(a, negative.list, negative.count, shift, &h->negative, err);
    return st ? st : histogram_check(h, err);
}

enum status otlp_explicit_make(struct arena *a, const double *bounds, const uint64_t *counts, size_t bound_count, double sum,
                               struct histogram **out, struct err *err)
{
    struct histogram *h = *out = arena_new_of(a, struct histogram);
    struct native_bucket *list = arena_array(a, struct native_bucket, bound_count + 1);
    size_t kept = bound_count;
    if (kept && isinf(bounds[kept - 1])) /* the last bucket has no bound anyway */
        kept--;
    for (size_t i = 0; i <= bound_count; i++) {
        list[i] = (struct native_bucket){ (int64_t)MIN(i, kept), (double)counts[i] };
        h->count += (double)counts[i];
    }
    h->schema = HISTOGRAM_SCHEMA_CUSTOM;
    h->sum = sum;
    h->bounds = arena_array(a, double, kept + 1);
    if (kept)
        memcpy(h->bounds, bounds, kept * sizeof *bounds);
    h->bound_count = (uint32_t)kept;
    enum status st = native_side(a, list, bound_count + 1, 0, &h->positive, err);
    return st ? st : histogram_check(h, err);
}
