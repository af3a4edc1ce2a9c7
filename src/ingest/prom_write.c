/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus remote write 1.0: WriteRequest{ timeseries = 1, metadata = 3 }.
 *
 * The work per series is its labels. Senders sort them, so pairs are written straight into the canonical form while they
 * are read; the first thing that does not fit (order, an empty value, a limit, odd bytes) sends the series to the slow path,
 * which sorts, checks and words the reason. Sample values go through as bits: staleness is a NaN with a payload.
 *
 * (1) A series stands in the batch with all its samples or not at all.
 * (2) What is left out is counted, with the first reason: good series beside it are kept.
 * (3) Nothing of the batch points into the body. */
#include "base/utf8.h"
#include "ingest/ingest.h"
#include "ingest/pb.h"
#include "model/exemplar.h"

enum { LABELS_READ_MAX = 4 * LABELS_PER_SERIES_MAX, RUN_BYTES_MAX = 8 * KIB, SERIES_TEXT_BYTES_MAX = 160 };

enum { WRITE_TIMESERIES = 1, WRITE_METADATA = 3 };
enum { SERIES_LABEL = 1, SERIES_SAMPLE = 2, SERIES_EXEMPLAR = 3, SERIES_HISTOGRAM = 4 };

#define NAME_LABEL SLICE("__name__")

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

/* ---- labels, the fast way ---- */

struct run {
    char bytes[RUN_BYTES_MAX];
    size_t len, count;
    struct slice last; /* the name before */
};

/* Most names and values have under 16 bytes: two overlapping words instead of a call. */
static inline char *put_bytes(char *to, const char *from, size_t n)
{
    uint64_t head, tail;
    if (n > 2 * sizeof head || n < sizeof head) {
        if (n > 2 * sizeof head)
            memcpy(to, from, n);
        else
            for (size_t i = 0; i < n; i++)
                to[i] = from[i];
        return to + n;
    }
    memcpy(&head, from, sizeof head);
    memcpy(&tail, from + n - sizeof tail, sizeof tail);
    memcpy(to, &head, sizeof head);
    memcpy(to + n - sizeof tail, &tail, sizeof tail);
    return to + n;
}

static inline char *put_text(char *at, struct slice s)
{
    if (s.len >= 0x80)
        *at++ = (char)(s.len | 0x80);
    *at++ = (char)(s.len >= 0x80 ? s.len >> 7 : s.len);
    return put_bytes(at, s.ptr, s.len);
}

static inline bool is_ascii(struct slice s)
{
    const uint64_t high_bits = 0x8080808080808080ull;
    uint64_t all = 0, word;
    size_t i = 0;
    for (; i + sizeof word <= s.len; i += sizeof word) {
        memcpy(&word, s.ptr + i, sizeof word);
        all |= word;
    }
    for (; i < s.len; i++)
        all |= (uint64_t)(unsigned char)s.ptr[i];
    return (all & high_bits) == 0;
}

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

static inline bool rises(struct slice last, struct slice name)
{
    if (last.ptr[0] != name.ptr[0])
        return (unsigned char)last.ptr[0] < (unsigned char)name.ptr[0];
    return slice_cmp(last, name) < 0;
}

/* Adds a pair when it continues the canonical form: `__name__` leads, names rise, nothing is empty or over a limit. */
static bool run_add(struct run *r, struct slice pair)
{
    struct label l;
    if (!label_read_quick(pair, &l) || pair.len + 8 > RUN_BYTES_MAX - r->len || r->count == LABELS_PER_SERIES_MAX)
        return false;
    if (l.name.len == 0 || l.value.len == 0 || l.name.len > LABEL_NAME_BYTES_MAX || l.value.len > LABEL_VALUE_BYTES_MAX)
        return false;
    bool in_order = r->count ? rises(r->last, l.name) : slice_eq(l.name, NAME_LABEL);
    if (!in_order || (!is_ascii(pair) && (!utf8_is_valid(l.name) || !utf8_is_valid(l.value))))
        return false;
    char *at = put_text(put_text(r->bytes + r->len, l.name), l.value);
    r->len = (size_t)(at - r->bytes);
    r->last = l.name;
    r->count++;
    return true;
}

/* ---- a series ---- */

struct series {
    struct run run;
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
    enum status st = labels_build(a, list, count, out, err);
    if (st)
        return st;
    if (out->len == 0)
        return err_set(err, ST_INVALID, "a series has no labels");
    if (labels_get(*out, NAME_LABEL).len == 0) {
        struct buf text;
        buf_init(&text, 0);
        labels_format(*out, &text);
        err_set(err, ST_INVALID, "series %.*s has no metric name", SLICE_FMT(utf8_cut(buf_as_slice(&text), SERIES_TEXT_BYTES_MAX)));
        buf_free(&text);
        return ST_INVALID;
    }
    return ST_OK;
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

/* What of a series is not stored, by name. */
static void series_report(struct ingest_result *r, const struct series *s, struct slice labels)
{
    struct err why;
    struct slice name = utf8_cut(labels_get(labels, NAME_LABEL), SERIES_TEXT_BYTES_MAX);
    r->kinds[INGEST_SAMPLES].accepted += s->samples;
    if (s->histograms) {
        err_set(&why, ST_UNSUPPORTED, "series %.*s: native histograms are not stored; send classic ones", SLICE_FMT(name));
        ingest_reject(r, INGEST_HISTOGRAMS, s->histograms, &why);
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
    return exemplar_add(out, series, list, count, value, t_ms > INT64_MAX / NS_MS ? INT64_MAX : t_ms * NS_MS, why);
}

static void exemplars_decode(struct slice body, struct slice labels, struct batch *out, struct ingest_result *r)
{
    struct pb p = pb_of(body);
    while (pb_next(&p)) {
        struct err why;
        if (p.field != SERIES_EXEMPLAR)
            continue;
        if (exemplar_decode(p.bytes, labels, out, &why)) {
            err_prefix(&why, "series %.*s: ", SLICE_FMT(utf8_cut(labels_get(labels, NAME_LABEL), SERIES_TEXT_BYTES_MAX)));
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
    if (st || s.samples == 0) {
        out->series_count = series_before;
        out->sample_count = samples_before;
    }
    if (st) {
        ingest_reject(r, INGEST_SAMPLES, s.samples, &why);
        ingest_reject(r, INGEST_HISTOGRAMS, s.histograms, &why);
        ingest_reject(r, INGEST_EXEMPLARS, s.exemplars, &why);
        return ST_OK;
    }
    if (s.samples)
        out->series[series_before].labels = labels;
    series_report(r, &s, labels);
    if (s.exemplars)
        exemplars_decode(body, labels, out, r);
    return ST_OK;
}

static enum metric_type metadata_type(uint64_t wire)
{
    static const uint8_t types[] = { METRIC_UNKNOWN, METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_GAUGEHISTOGRAM, METRIC_SUMMARY,
                                     METRIC_INFO, METRIC_STATESET };
    return wire < COUNT_OF(types) ? (enum metric_type)types[wire] : METRIC_UNKNOWN;
}

static void metadata_decode(struct slice body, struct batch *out, struct ingest_result *r)
{
    struct metric_metadata m = { .name = SLICE_EMPTY, .help = SLICE_EMPTY, .unit = SLICE_EMPTY };
    struct pb p = pb_of(body);
    while (pb_next(&p)) {
        switch (p.field) {
        case 1:
            m.type = metadata_type(p.value);
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
    bool too_long = m.name.len > LABEL_NAME_BYTES_MAX || m.unit.len > LABEL_NAME_BYTES_MAX;
    if (p.bad || m.name.len == 0 || too_long || !utf8_is_valid(m.name) || !utf8_is_valid(m.help) || !utf8_is_valid(m.unit)) {
        err_set(&why, ST_INVALID, "metadata of a metric: %s",
                p.bad ? "no protobuf message" : m.name.len == 0 ? "no name" : too_long ? "the name or unit has over 1024 bytes" : "not UTF-8");
        ingest_reject(r, INGEST_METADATA, 1, &why);
        return;
    }
    struct arena *a = out->arena;
    batch_metadata(out, arena_copy(a, m.name), m.type, arena_copy(a, utf8_cut(m.help, LABEL_VALUE_BYTES_MAX)), arena_copy(a, m.unit));
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
