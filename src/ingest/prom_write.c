/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus remote write 1.0: WriteRequest{ timeseries = 1, metadata = 3 }.
 *
 * The work per series is its labels: prom_labels.h. Sample values go through as bits: staleness is a NaN with a payload.
 *
 * (1) A series stands in the batch with all its samples or not at all; a histogram that cannot be is left out alone.
 * (2) What is left out is counted, with the first reason: good series beside it are kept.
 * (3) Nothing of the batch points into the body. */
#include "base/num.h"
#include "ingest/native.h"
#include "ingest/prom_labels.h"
#include "model/exemplar.h"

enum { WRITE_TIMESERIES = 1, WRITE_METADATA = 3 };
enum { SERIES_LABEL = 1, SERIES_SAMPLE = 2, SERIES_EXEMPLAR = 3, SERIES_HISTOGRAM = 4 };

static bool label_read(struct slice bytes, struct label *out)
{
    struct pb p = pb_of(bytes);
    *out = (struct label){ SLICE_EMPTY, SLICE_EMPTY };
    while (pb_next(&p)) {
        if (p.field == 1)
            out->name = p.bytes;
        else if (p.field == 2)
            out->value = p.bytes;
    }
    return !p.bad;
}

/* ---- labels ---- */

/* A label as every sender writes it: name, then value, each once, under 128 bytes; else the general way. */
static inline bool label_read_quick(struct slice pair, struct label *out)
{
    const unsigned char *p = (const unsigned char *)pair.ptr;
    if (pair.len < 4 || p[0] != (1 << 3 | PB_BYTES) || p[1] >= 0x80 || (size_t)p[1] + 4 > pair.len)
        return label_read(pair, out);
    const unsigned char *q = p + 2 + p[1];
    if (q[0] != (2 << 3 | PB_BYTES) || q[1] >= 0x80 || (size_t)(q - p) + 2 + q[1] != pair.len)
        return label_read(pair, out);
    *out = (struct label){ slice_of(p + 2, p[1]), slice_of(q + 2, q[1]) };
    return true;
}

static inline bool run_add(struct label_run *r, struct slice pair)
{
    struct label l;
    return label_read_quick(pair, &l) && label_run_add(r, &l, label_is_ascii(pair));
}

/* ---- a series ---- */

struct series {
    struct label_run run;
    bool fast;           /* run holds all labels */
    bool samples_broken;
    size_t samples, exemplars, histograms;
};

static enum status labels_slow(struct slice body, struct arena *a, struct slice *out, struct err *err)
{
    struct label list[LABELS_READ_MAX];
    size_t count = 0;
    struct pb p = pb_of(body);
    while (pb_next(&p)) {
        if (p.field != SERIES_LABEL)
            continue;
        if (count == LABELS_READ_MAX)
            return err_set(err, ST_LIMIT, "a series has over %d labels, at most %d are allowed", LABELS_READ_MAX, LABELS_PER_SERIES_MAX);
        if (!label_read(p.bytes, &list[count++]))
            return err_set(err, ST_INVALID, "a label is no protobuf message");
    }
    return prom_labels_build(a, list, count, out, err);
}

static bool sample_read(struct slice bytes, struct batch *out)
{
    struct pb p = pb_of(bytes);
    int64_t t_ms = 0;
    double v = 0;
    while (pb_next(&p)) {
        if (p.field == 1)
            v = pb_double(&p);
        else if (p.field == 2)
            t_ms = (int64_t)p.value;
    }
    batch_sample(out, t_ms, v);
    return !p.bad;
}

/* One pass: labels into the run, samples into the batch, the rest counted. False when the message is broken. */
static bool series_scan(struct slice body, struct batch *out, struct series *s)
{
    struct pb p = pb_of(body);
    s->run.len = s->run.count = 0;
    s->samples = s->exemplars = s->histograms = 0;
    s->fast = true;
    s->samples_broken = false;
    while (pb_next(&p)) {
        switch (p.field) {
        case SERIES_LABEL:
            s->fast = s->fast && run_add(&s->run, p.bytes);
            break;
        case SERIES_SAMPLE:
            s->samples++;
            s->samples_broken |= !sample_read(p.bytes, out);
            break;
        case SERIES_EXEMPLAR:
            s->exemplars++;
            break;
        case SERIES_HISTOGRAM:
            s->histograms++;
            break;
        }
    }
    s->fast = s->fast && s->run.count > 0;
    return !p.bad;
}

/* Bad ones are left out; the good ones stand behind the series' samples. */
static void histograms_decode(struct slice body, struct slice labels, struct batch *out, struct ingest_result *r)
{
    struct pb p = pb_of(body);
    while (pb_next(&p)) {
        struct native_point point;
        struct err why;
        if (p.field != SERIES_HISTOGRAM)
            continue;
        if (native_read(out->arena, p.bytes, &native_remote_write, &point, &why)) {
            prom_name_prefix(&why, labels);
            ingest_reject(r, INGEST_HISTOGRAMS, 1, &why);
        } else {
            batch_histogram(out, point.t_ms, point.histogram);
            r->kinds[INGEST_HISTOGRAMS].accepted++;
        }
    }
}

static enum status exemplar_decode(struct slice body, struct slice series, struct batch *out, struct err *why)
{
    struct label list[EXEMPLAR_LABELS_MAX];
    size_t count = 0;
    double value = 0;
    int64_t t_ms = 0;
    struct pb p = pb_of(body);
    while (pb_next(&p)) {
        if (p.field == 1 && count == EXEMPLAR_LABELS_MAX)
            return err_set(why, ST_LIMIT, "exemplar: over %d labels", EXEMPLAR_LABELS_MAX);
        if (p.field == 1 && !label_read(p.bytes, &list[count++]))
            p.bad = true;
        else if (p.field == 2)
            value = pb_double(&p);
        else if (p.field == 3)
            t_ms = (int64_t)p.value;
        if (p.bad)
            break;
    }
    if (p.bad)
        return err_set(why, ST_INVALID, "exemplar: no protobuf message");
    return exemplar_add(out, series, list, count, value, sat_mul(t_ms, NS_MS), why);
}

static void exemplars_decode(struct slice body, struct slice labels, struct batch *out, struct ingest_result *r)
{
    struct pb p = pb_of(body);
    while (pb_next(&p)) {
        struct err why;
        if (p.field != SERIES_EXEMPLAR)
            continue;
        if (exemplar_decode(p.bytes, labels, out, &why)) {
            prom_name_prefix(&why, labels);
            ingest_reject(r, INGEST_EXEMPLARS, 1, &why);
        } else {
            r->kinds[INGEST_EXEMPLARS].accepted++;
        }
    }
}

static enum status series_decode(struct slice body, struct batch *out, struct ingest_result *r, struct err *err)
{
    struct series s;
    struct err why;
    size_t series_before = out->series_count, samples_before = out->sample_count;
    struct slice labels = SLICE_EMPTY;
    batch_series(out, labels);
    if (!series_scan(body, out, &s))
        return err_set(err, ST_INVALID, "remote write: series %zu of the request is no protobuf message", series_before + 1);
    enum status st = ST_OK;
    if (s.fast)
        labels = arena_copy(out->arena, slice_of(s.run.bytes, s.run.len));
    else
        st = labels_slow(body, out->arena, &labels, &why);
    if (!st && s.samples_broken)
        st = err_set(&why, ST_INVALID, "a sample of a series is no protobuf message");
    if (st) {
        out->series_count = series_before;
        out->sample_count = samples_before;
        ingest_reject(r, INGEST_SAMPLES, s.samples, &why);
        ingest_reject(r, INGEST_HISTOGRAMS, s.histograms, &why);
        ingest_reject(r, INGEST_EXEMPLARS, s.exemplars, &why);
        return ST_OK;
    }
    out->series[series_before].labels = labels;
    r->kinds[INGEST_SAMPLES].accepted += s.samples;
    if (s.histograms)
        histograms_decode(body, labels, out, r);
    if (out->sample_count == samples_before)
        out->series_count = series_before;
    if (s.exemplars)
        exemplars_decode(body, labels, out, r);
    return ST_OK;
}

static void metadata_decode(struct slice body, struct batch *out, struct ingest_result *r)
{
    struct metric_metadata m = { .name = SLICE_EMPTY, .help = SLICE_EMPTY, .unit = SLICE_EMPTY };
    struct pb p = pb_of(body);
    while (pb_next(&p)) {
        switch (p.field) {
        case 1:
            m.type = prom_metadata_type(p.value);
            break;
        case 2:
            m.name = p.bytes;
            break;
        case 4:
            m.help = p.bytes;
            break;
        case 5:
            m.unit = p.bytes;
            break;
        }
    }
    struct err why;
    enum status st = p.bad ? err_set(&why, ST_INVALID, "metadata of a metric: no protobuf message") : prom_metadata_add(out, &m, &why);
    if (st)
        ingest_reject(r, INGEST_METADATA, 1, &why);
    else
        r->kinds[INGEST_METADATA].accepted++;
}

enum status prom_write_decode(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *result, struct err *err)
{
    struct pb p = pb_of(body);
    while (pb_next(&p)) {
        enum status st = ST_OK;
        if (p.field == WRITE_TIMESERIES && p.wire == PB_BYTES)
            st = series_decode(p.bytes, out, result, err);
        else if (p.field == WRITE_METADATA && p.wire == PB_BYTES)
            metadata_decode(p.bytes, out, result);
        if (!st)
            st = ingest_check(out, err);
        if (st)
            return st;
    }
    if (p.bad)
        return err_set(err, ST_INVALID, "remote write: the body is no protobuf WriteRequest (broken at byte %zu of %zu)",
                       (size_t)(p.at - (const uint8_t *)body.ptr), body.len);
    return ST_OK;
}
