/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus remote write 2.0: Request{ symbols = 4, timeseries = 5 }; every text of a series is a number into symbols.
 *
 * (1) Symbols are read first, wherever they stand; each is looked at for UTF-8 once.
 * (2) A series stands in the batch with all its samples or not at all; a histogram or exemplar that cannot be is left out alone.
 * (3) A family's series each tell its metadata: it goes along once a request.
 * (4) Where a series began counting is a sample of 0 there (ctx->start_zero), when that lies shortly before its first
 *     sample. It was not sent, so it counts nowhere.
 * (5) Nothing of the batch points into the body. */
#include "base/map.h"
#include "base/num.h"
#include "ingest/native.h"
#include "ingest/prom_labels.h"
#include "model/exemplar.h"

enum { REQUEST_SYMBOL = 4, REQUEST_TIMESERIES = 5 };
enum { SERIES_LABELS = 1, SERIES_SAMPLE = 2, SERIES_HISTOGRAM = 3, SERIES_EXEMPLAR = 4, SERIES_METADATA = 5, SERIES_START = 6 };
enum { SYMBOLS_MAX = 4 * 1024 * 1024 };

struct symbol {
    struct slice text;
    bool is_utf8;
};

struct request {
    const struct ingest_ctx *ctx;
    struct batch *out;
    struct ingest_result *result;
    struct symbol *symbols;
    size_t symbol_count;
    struct map families; /* (3): names */
};

struct sample2 {
    int64_t t_ms, start_ms;
    double v;
};

struct series2 {
    struct label_run run;
    struct label list[LABELS_READ_MAX];
    size_t samples, histograms, exemplars;
    int64_t start_ms;
    struct slice metadata;
};

/* ---- symbols ---- */

/* (1) */
static enum status symbols_read(struct request *r, struct slice body, struct err *err)
{
    size_t count = 0;
    struct pb p = pb_of(body);
    while (pb_next(&p))
        count += p.field == REQUEST_SYMBOL && p.wire == PB_BYTES;
    if (p.bad)
        return err_set(err, ST_INVALID, "remote write 2.0: the body is no protobuf Request (broken at byte %zu of %zu)",
                       (size_t)(p.at - (const uint8_t *)body.ptr), body.len);
    if (count > SYMBOLS_MAX)
        return err_set(err, ST_LIMIT, "remote write 2.0: %zu symbols, at most %d are allowed", count, SYMBOLS_MAX);
    r->symbols = arena_array(r->out->arena, struct symbol, count + 1);
    p = pb_of(body);
    while (pb_next(&p))
        if (p.field == REQUEST_SYMBOL && p.wire == PB_BYTES)
            r->symbols[r->symbol_count++] = (struct symbol){ p.bytes, label_is_ascii(p.bytes) || utf8_is_valid(p.bytes) };
    if (r->symbol_count && r->symbols[0].text.len)
        return err_set(err, ST_INVALID, "remote write 2.0: the first symbol must be empty, it is \"%.*s\"",
                       SLICE_FMT(utf8_cut(r->symbols[0].text, 60)));
    return ST_OK;
}

/* Numbers of name and value in turn, packed or not. */
struct refs {
    struct pb in;
    uint64_t single;
    bool is_single;
};

static struct refs refs_of(const struct pb *p)
{
    return (struct refs){ .in = pb_of(p->bytes), .single = p->value, .is_single = p->wire == PB_VARINT };
}

static bool refs_next(struct refs *r, uint64_t *out)
{
    if (r->is_single) {
        r->is_single = false;
        *out = r->single;
        return true;
    }
    if (r->in.bad || r->in.at >= r->in.end)
        return false;
    *out = pb_varint(&r->in);
    return !r->in.bad;
}

/* Labels of a series or an exemplar, as they come. */
struct pairs {
    struct label *list;
    size_t max, count;
    bool has_name, is_over, is_checked;
    uint64_t bad_ref; /* 1 + the first number of no symbol */
};

static void pairs_read(const struct request *r, const struct pb *p, struct pairs *out)
{
    struct refs refs = refs_of(p);
    uint64_t ref;
    while (refs_next(&refs, &ref)) {
        if (ref >= r->symbol_count) {
            out->bad_ref = out->bad_ref ? out->bad_ref : ref + 1;
            return;
        }
        const struct symbol *s = &r->symbols[ref];
        out->is_checked &= s->is_utf8;
        if (out->has_name) {
            out->list[out->count++].value = s->text;
        } else if (out->count == out->max) {
            out->is_over = true;
            return;
        } else {
            out->list[out->count].name = s->text;
        }
        out->has_name = !out->has_name;
    }
}

static enum status pairs_check(const struct pairs *p, size_t symbols, const char *what, struct err *why)
{
    if (p->bad_ref)
        return err_set(why, ST_INVALID, "%s names symbol %llu, there are %zu", what, (unsigned long long)p->bad_ref - 1, symbols);
    if (p->is_over)
        return err_set(why, ST_LIMIT, "%s has over %zu labels", what, p->max);
    if (p->has_name)
        return err_set(why, ST_INVALID, "%s has a label without a value: an odd count of labels_refs", what);
    return ST_OK;
}

/* ---- the parts of a series ---- */

static bool sample_read(struct slice bytes, struct sample2 *out)
{
    struct pb p = pb_of(bytes);
    *out = (struct sample2){ 0 };
    while (pb_next(&p)) {
        if (p.field == 1)
            out->v = pb_double(&p);
        else if (p.field == 2)
            out->t_ms = (int64_t)p.value;
        else if (p.field == 3)
            out->start_ms = (int64_t)p.value;
    }
    return !p.bad;
}

/* (4) */
static bool is_start(const struct request *r, int64_t start_ms, int64_t t_ms)
{
    return ingest_start_is_zero(r->ctx, r->out->series[r->out->series_count - 1].labels, start_ms, t_ms);
}

static bool samples_decode(struct request *r, struct slice body, int64_t start_ms)
{
    int64_t last_start_ms = 0;
    struct pb p = pb_of(body);
    while (pb_next(&p)) {
        struct sample2 s;
        if (p.field != SERIES_SAMPLE)
            continue;
        if (!sample_read(p.bytes, &s))
            return false;
        int64_t began_ms = s.start_ms ? s.start_ms : start_ms;
        if (began_ms != last_start_ms && is_start(r, began_ms, s.t_ms))
            batch_sample(r->out, began_ms, 0);
        last_start_ms = began_ms;
        batch_sample(r->out, s.t_ms, s.v);
    }
    return true;
}

static void histograms_decode(struct request *r, struct slice body, struct slice labels, int64_t start_ms)
{
    struct arena *a = r->out->arena;
    int64_t last_start_ms = 0;
    struct pb p = pb_of(body);
    while (pb_next(&p)) {
        struct native_point point;
        struct err why;
        if (p.field != SERIES_HISTOGRAM)
            continue;
        if (native_read(a, p.bytes, &native_remote_write, &point, &why)) {
            prom_name_prefix(&why, labels);
            ingest_reject(r->result, INGEST_HISTOGRAMS, 1, &why);
            continue;
        }
        int64_t began_ms = point.start_ms ? point.start_ms : start_ms;
        bool is_counter = point.histogram->hint != HINT_GAUGE && !is_stale(point.histogram->sum);
        if (is_counter && began_ms != last_start_ms && is_start(r, began_ms, point.t_ms))
            batch_histogram(r->out, began_ms, native_empty(a, point.histogram));
        last_start_ms = began_ms;
        batch_histogram(r->out, point.t_ms, point.histogram);
        r->result->kinds[INGEST_HISTOGRAMS].accepted++;
    }
}

static enum status exemplar_decode(struct request *r, struct slice body, struct slice series, struct err *why)
{
    struct label list[EXEMPLAR_LABELS_MAX];
    struct pairs pairs = { .list = list, .max = EXEMPLAR_LABELS_MAX, .is_checked = true };
    double value = 0;
    int64_t t_ms = 0;
    struct pb p = pb_of(body);
    while (pb_next(&p)) {
        if (p.field == 1)
            pairs_read(r, &p, &pairs);
        else if (p.field == 2)
            value = pb_double(&p);
        else if (p.field == 3)
            t_ms = (int64_t)p.value;
    }
    if (p.bad)
        return err_set(why, ST_INVALID, "exemplar: no protobuf message");
    enum status st = pairs_check(&pairs, r->symbol_count, "an exemplar", why);
    if (st)
        return st;
    return exemplar_add(r->out, series, list, pairs.count, value, sat_mul(t_ms, NS_MS), why);
}

static void exemplars_decode(struct request *r, struct slice body, struct slice labels)
{
    struct pb p = pb_of(body);
    while (pb_next(&p)) {
        struct err why;
        if (p.field != SERIES_EXEMPLAR)
            continue;
        if (exemplar_decode(r, p.bytes, labels, &why)) {
            prom_name_prefix(&why, labels);
            ingest_reject(r->result, INGEST_EXEMPLARS, 1, &why);
        } else {
            r->result->kinds[INGEST_EXEMPLARS].accepted++;
        }
    }
}

/* The name of the family a series belongs to: classic histograms and summaries have several. */
static struct slice family_name(struct slice name, enum metric_type type)
{
    static const struct slice suffixes[] = { SLICE_INIT("_bucket"), SLICE_INIT("_count"), SLICE_INIT("_sum") };
    bool has_parts = type == METRIC_HISTOGRAM || type == METRIC_GAUGEHISTOGRAM || type == METRIC_SUMMARY;
    for (size_t i = 0; has_parts && i < COUNT_OF(suffixes); i++)
        if (slice_ends(name, suffixes[i]) && name.len > suffixes[i].len)
            return slice_sub(name, 0, name.len - suffixes[i].len);
    return name;
}

static struct slice symbol(const struct request *r, uint64_t ref)
{
    return ref < r->symbol_count ? r->symbols[ref].text : SLICE_EMPTY;
}

/* (3) */
static void metadata_decode(struct request *r, struct slice body, struct slice labels)
{
    struct metric_metadata m = { .name = SLICE_EMPTY, .help = SLICE_EMPTY, .unit = SLICE_EMPTY };
    struct pb p = pb_of(body);
    while (pb_next(&p)) {
        if (p.field == 1)
            m.type = prom_metadata_type(p.value);
        else if (p.field == 3)
            m.help = symbol(r, p.value);
        else if (p.field == 4)
            m.unit = symbol(r, p.value);
    }
    struct err why;
    m.name = family_name(labels_get(labels, NAME_LABEL), m.type);
    if (!p.bad && m.type == METRIC_UNKNOWN && m.help.len == 0 && m.unit.len == 0)
        return; /* says nothing */
    if (!p.bad && map_get(&r->families, m.name))
        return;
    enum status st = p.bad ? err_set(&why, ST_INVALID, "metadata: no protobuf message") : prom_metadata_add(r->out, &m, &why);
    if (st) {
        prom_name_prefix(&why, labels);
        ingest_reject(r->result, INGEST_METADATA, 1, &why);
        return;
    }
    *map_put(&r->families, r->out->metadata[r->out->metadata_count - 1].name, NULL) = 1;
    r->result->kinds[INGEST_METADATA].accepted++;
}

/* ---- a series ---- */

/* How much of it there is, and its labels. False when the message is broken. */
static bool series_scan(struct request *r, struct slice body, struct series2 *s, struct pairs *pairs)
{
    struct pb p = pb_of(body);
    s->samples = s->histograms = s->exemplars = 0;
    s->start_ms = 0;
    s->metadata = SLICE_EMPTY;
    while (pb_next(&p)) {
        switch (p.field) {
        case SERIES_LABELS:
            pairs_read(r, &p, pairs);
            break;
        case SERIES_SAMPLE:
            s->samples++;
            break;
        case SERIES_HISTOGRAM:
            s->histograms++;
            break;
        case SERIES_EXEMPLAR:
            s->exemplars++;
            break;
        case SERIES_METADATA:
            s->metadata = p.bytes;
            break;
        case SERIES_START:
            s->start_ms = (int64_t)p.value;
            break;
        }
    }
    return !p.bad;
}

static enum status series_labels(struct request *r, struct series2 *s, const struct pairs *pairs, struct slice *out, struct err *why)
{
    bool is_fast = true;
    enum status st = pairs_check(pairs, r->symbol_count, "a series", why);
    s->run.len = s->run.count = 0;
    for (size_t i = 0; !st && is_fast && i < pairs->count; i++)
        is_fast = label_run_add(&s->run, &pairs->list[i], pairs->is_checked);
    if (!st && is_fast && pairs->count)
        *out = label_run_labels(&s->run, r->out->arena);
    else if (!st)
        st = prom_labels_build(r->out->arena, pairs->list, pairs->count, out, why);
    if (!st && s->samples == 0 && s->histograms == 0) {
        st = err_set(why, ST_INVALID, "it has neither samples nor histograms");
        prom_name_prefix(why, *out);
    }
    return st;
}

static enum status series_decode(struct request *r, struct slice body, struct series2 *s, size_t number, struct err *err)
{
    struct batch *out = r->out;
    struct pairs pairs = { .list = s->list, .max = LABELS_READ_MAX, .is_checked = true };
    struct slice labels = SLICE_EMPTY;
    struct err why;
    size_t series_before = out->series_count, samples_before = out->sample_count;
    if (!series_scan(r, body, s, &pairs))
        return err_set(err, ST_INVALID, "remote write 2.0: series %zu of the request is no protobuf message", number);
    enum status st = series_labels(r, s, &pairs, &labels, &why);
    if (!st) {
        batch_series(out, labels);
        if (!samples_decode(r, body, s->start_ms)) {
            st = err_set(&why, ST_INVALID, "a sample is no protobuf message");
            prom_name_prefix(&why, labels);
        }
    }
    if (st) {
        out->series_count = series_before;
        out->sample_count = samples_before;
        ingest_reject(r->result, INGEST_SAMPLES, s->histograms == 0 && s->samples == 0 ? 1 : s->samples, &why);
        ingest_reject(r->result, INGEST_HISTOGRAMS, s->histograms, &why);
        ingest_reject(r->result, INGEST_EXEMPLARS, s->exemplars, &why);
        return ST_OK;
    }
    r->result->kinds[INGEST_SAMPLES].accepted += s->samples;
    if (s->histograms)
        histograms_decode(r, body, labels, s->start_ms);
    if (out->sample_count == samples_before)
        out->series_count = series_before;
    if (s->exemplars)
        exemplars_decode(r, body, labels);
    if (s->metadata.len)
        metadata_decode(r, s->metadata, labels);
    return ST_OK;
}

enum status prom_write2_decode(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *result, struct err *err)
{
    struct request r = { .ctx = ctx, .out = out, .result = result };
    struct series2 *s = arena_new_of(out->arena, struct series2);
    size_t number = 0;
    map_init(&r.families);
    enum status st = symbols_read(&r, body, err);
    struct pb p = pb_of(body);
    while (!st && pb_next(&p)) {
        if (p.field != REQUEST_TIMESERIES || p.wire != PB_BYTES)
            continue;
        st = series_decode(&r, p.bytes, s, ++number, err);
        if (!st)
            st = ingest_check(out, err);
    }
    map_free(&r.families);
    return st;
}

/* The value of the parameter proto of a Content-Type; empty when there is none. */
static struct slice proto_parameter(struct slice content_type)
{
    struct slice part;
    while (slice_next(&content_type, ';', &part)) {
        struct slice name, value;
        if (slice_cut(slice_trim(part), '=', &name, &value) && slice_eq_nocase(slice_trim(name), SLICE("proto"))) {
            value = slice_trim(value);
            return value.len >= 2 && value.ptr[0] == '"' ? slice_sub(value, 1, value.len - 1) : value;
        }
    }
    return SLICE_EMPTY;
}

struct slice prom_write_protocol(struct slice content_type)
{
    struct slice proto = proto_parameter(content_type);
    if (slice_eq(proto, SLICE("io.prometheus.write.v2.Request")))
        return SLICE("prometheus_remote_write_2");
    return proto.len == 0 || slice_eq(proto, SLICE("prometheus.WriteRequest")) ? SLICE("prometheus_remote_write") : SLICE_EMPTY;
}
