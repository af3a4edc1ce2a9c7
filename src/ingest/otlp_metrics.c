/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP metrics as Prometheus series: ExportMetricsServiceRequest{ resource_metrics=1 { resource=1, scope_metrics=2 {
 * scope=1, metrics=2 } } }.
 *
 * A point becomes one series (numbers, exponential histograms), or _bucket, _sum and _count (explicit histograms), or
 * quantiles (summaries). Labels are the point's attributes, the resource's job and instance and what of it is promoted; the
 * resource's other attributes stand once in target_info.
 *
 * (1) A delta goes into the batch as one, with its start: adding up needs memory, which a decoder has not (pipeline/delta.h).
 *     What is no counter cannot be added up: its origin is not known.
 * (2) A point is stored whole or not at all, and counted as one when refused.
 * (3) A point "without a recorded value" is Prometheus's staleness marker.
 * (4) Cumulative points tell when counting began: ctx->start_zero makes that a sample of 0, when it is not long ago and news. */
#include "base/num.h"
#include "base/utf8.h"
#include "ingest/native.h"
#include "ingest/otlp.h"
#include "ingest/prom_names.h"
#include "model/exemplar.h"

enum { RESOURCE_METRICS = 1, SCOPE_METRICS = 2, METRICS = 2, TEMPORALITY_DELTA = 1, TEMPORALITY_CUMULATIVE = 2, FLAG_NO_VALUE = 1, BUCKETS_MAX = 4096,
       POINT_LABELS_MAX = 4 * LABELS_PER_SERIES_MAX, NAME_SHOWN_BYTES = 120 };

enum data_kind { DATA_GAUGE = 5, DATA_SUM = 7, DATA_HISTOGRAM = 9, DATA_EXPONENTIAL = 10, DATA_SUMMARY = 11 };

struct metric {
    struct slice name, description, unit, data;
    enum data_kind kind;
    uint64_t temporality;
    bool monotonic;
    struct slice prom_name;
};

/* The labels all points of a resource share, and where the points go. */
struct sink {
    const struct ingest_ctx *ctx;
    struct batch *out;
    struct ingest_result *result;
    const struct otlp_options *options;
    struct slice job, instance;
    struct label *promoted; /* of the resource, and of the scope behind them */
    size_t promoted_count, scope_from;
    int64_t newest_ms;
};

/* The parts of any kind of point. */
struct point {
    struct label labels[POINT_LABELS_MAX];
    size_t label_count;
    int64_t t_ms, start_ms, delta_from_ms;
    double value, sum;
    uint64_t count, flags;
    bool has_value, has_sum, broken;
    uint64_t *buckets;
    double *bounds;
    size_t bucket_count, bucket_cap, bound_count, bound_cap;
    struct slice message;
};

/* ---- labels ---- */

/* Attributes whose names become the same are joined by ';', in the order of their own names. */
static size_t labels_merge(struct arena *a, struct label *list, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < kept && !slice_eq(list[k].name, list[i].name))
            k++;
        if (k < kept)
            list[k].value = arena_printf(a, "%.*s;%.*s", SLICE_FMT(list[k].value), SLICE_FMT(list[i].value));
        else
            list[kept++] = list[i];
    }
    return kept;
}

static int field_name_cmp(const struct field *a, const struct field *b)
{
    return slice_cmp(a->name, b->name);
}

static void fields_sort(struct field *items, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && field_name_cmp(&items[k], &items[k - 1]) < 0; k--) {
            struct field f = items[k];
            items[k] = items[k - 1];
            items[k - 1] = f;
        }
}

static struct slice label_name(const struct sink *s, struct slice attribute)
{
    return s->options->keeps_utf8 ? attribute : prom_label_name(s->out->arena, attribute);
}

/* Attributes as labels, sorted by their own names so that joining is repeatable. */
static bool labels_of_fields(const struct sink *s, struct field_list *fields, struct label *out, size_t *count)
{
    if (fields->count > POINT_LABELS_MAX - 8)
        return false;
    fields_sort(fields->items, fields->count);
    for (size_t i = 0; i < fields->count; i++)
        out[i] = (struct label){ label_name(s, fields->items[i].name), field_text(s->out->arena, &fields->items[i]) };
    *count = labels_merge(s->out->arena, out, fields->count);
    return true;
}

static void label_set(struct label *list, size_t *count, struct slice name, struct slice value)
{
    for (size_t i = 0; i < *count; i++)
        if (slice_eq(list[i].name, name)) {
            list[i].value = value;
            return;
        }
    list[(*count)++] = (struct label){ name, value };
}

/* name + suffix with the point's labels and one more (le, quantile); the point's list is left as it was. */
static enum status series_start(struct sink *s, const struct point *p, struct slice name, const char *suffix, struct slice extra_name,
                                struct slice extra_value, struct err *why)
{
    struct label list[2 * POINT_LABELS_MAX];
    size_t count = 0;
    struct slice labels;
    memcpy(list, s->promoted, s->promoted_count * sizeof *list);
    count = s->promoted_count;
    if (count == 0) {
        memcpy(list, p->labels, p->label_count * sizeof *list);
        count = p->label_count;
    }
    for (size_t i = 0; s->promoted_count && i < p->label_count; i++) /* the point's own win */
        label_set(list, &count, p->labels[i].name, p->labels[i].value);
    label_set(list, &count, SLICE("__name__"), arena_printf(s->out->arena, "%.*s%s", SLICE_FMT(name), suffix));
    if (s->job.len)
        label_set(list, &count, SLICE("job"), s->job);
    if (s->instance.len)
        label_set(list, &count, SLICE("instance"), s->instance);
    if (extra_name.len)
        label_set(list, &count, extra_name, extra_value);
    enum status st = labels_build(s->out->arena, list, count, &labels, why);
    if (st)
        return st;
    batch_series(s->out, labels);
    s->out->series[s->out->series_count - 1].delta_from_ms = p->delta_from_ms;
    return ST_OK;
}

/* (4) A counter's start as a sample of 0. */
static bool has_start(const struct sink *s, const struct point *p)
{
    return ingest_start_is_zero(s->ctx, s->out->series[s->out->series_count - 1].labels, p->start_ms, p->t_ms);
}

static enum status series_put(struct sink *s, const struct point *p, struct slice name, const char *suffix, struct slice extra_name,
                              struct slice extra_value, double v, struct err *why)
{
    enum status st = series_start(s, p, name, suffix, extra_name, extra_value, why);
    if (st)
        return st;
    bool is_stale_mark = p->flags & FLAG_NO_VALUE;
    if (!is_stale_mark && !slice_eq(extra_name, SLICE("quantile")) && has_start(s, p))
        batch_sample(s->out, p->start_ms, 0);
    batch_sample(s->out, p->t_ms, is_stale_mark ? double_of_bits(STALE_NAN_BITS) : v);
    return ST_OK;
}

static enum status native_put(struct sink *s, const struct point *p, struct slice name, struct histogram *h, struct err *why)
{
    enum status st = series_start(s, p, name, "", SLICE_EMPTY, SLICE_EMPTY, why);
    if (st)
        return st;
    if (p->flags & FLAG_NO_VALUE) {
        batch_sample(s->out, p->t_ms, double_of_bits(STALE_NAN_BITS));
        return ST_OK;
    }
    if (has_start(s, p))
        batch_histogram(s->out, p->start_ms, native_empty(s->out->arena, h));
    batch_histogram(s->out, p->t_ms, h);
    return ST_OK;
}

/* ---- points ---- */

/* Which field number means what differs by kind of point. */
struct point_layout {
    uint8_t attributes, flags;
};

static struct point_layout layout_of(enum data_kind kind)
{
    return kind == DATA_HISTOGRAM     ? (struct point_layout){ 9, 10 }
           : kind == DATA_EXPONENTIAL ? (struct point_layout){ 1, 10 }
                                      : (struct point_layout){ 7, 8 };
}

static void packed_u64(struct point *pt, struct arena *a, const struct pb *p, bool is_bound)
{
    struct slice s = p->bytes;
    char single[sizeof(uint64_t)];
    if (p->wire == PB_FIXED64) {
        memcpy(single, &p->value, sizeof single);
        s = slice_of(single, sizeof single);
    }
    pt->broken |= s.len % sizeof(uint64_t) != 0;
    for (; s.len >= sizeof(uint64_t); s = slice_skip(s, sizeof(uint64_t))) {
        if (is_bound ? pt->bound_count == BUCKETS_MAX : pt->bucket_count > BUCKETS_MAX) {
            pt->broken = true;
            return;
        }
        if (is_bound)
            memcpy(&ARENA_PUSH(a, pt->bounds, pt->bound_count, pt->bound_cap), s.ptr, sizeof(double));
        else
            memcpy(&ARENA_PUSH(a, pt->buckets, pt->bucket_count, pt->bucket_cap), s.ptr, sizeof(uint64_t));
    }
}

/* Fields 4 to 7 by kind: a number's value, or a histogram's or summary's parts. */
static void point_field(struct point *pt, struct arena *a, enum data_kind kind, const struct pb *p)
{
    bool number = kind == DATA_GAUGE || kind == DATA_SUM;
    if (number && (p->field == 4 || p->field == 6)) {
        pt->has_value = true;
        pt->value = p->field == 4 ? pb_double(p) : (double)(int64_t)p->value;
    } else if (!number && p->field == 4) {
        pt->count = p->value;
    } else if (!number && p->field == 5) {
        pt->has_sum = true;
        pt->sum = pb_double(p);
    } else if (kind == DATA_HISTOGRAM && (p->field == 6 || p->field == 7)) {
        packed_u64(pt, a, p, p->field == 7);
    }
}

static bool point_read(struct sink *s, struct slice message, enum data_kind kind, struct point *pt)
{
    struct arena *a = s->out->arena;
    struct point_layout layout = layout_of(kind);
    struct field_list fields = { 0 };
    uint64_t time_ns = 0, start_ns = 0;
    struct pb p = pb_of(message);
    pt->delta_from_ms = 0;
    pt->label_count = pt->bucket_count = pt->bucket_cap = pt->bound_count = pt->bound_cap = 0;
    pt->value = pt->sum = 0;
    pt->count = pt->flags = 0;
    pt->has_value = pt->has_sum = pt->broken = false;
    pt->message = message;
    while (pb_next(&p)) {
        if (p.field == layout.attributes)
            pt->broken |= !otlp_attribute(a, p.bytes, SCOPE_RECORD, &fields);
        else if (p.field == layout.flags)
            pt->flags = p.value;
        else if (p.field == 3)
            time_ns = p.value;
        else if (p.field == 2)
            start_ns = p.value;
        else
            point_field(pt, a, kind, &p);
    }
    pt->t_ms = (time_ns ? otlp_time(time_ns) : s->ctx->received_ns) / NS_MS;
    pt->start_ms = otlp_time(start_ns) / NS_MS;
    return !p.bad && !pt->broken && labels_of_fields(s, &fields, pt->labels, &pt->label_count);
}

static struct slice bound_text(struct arena *a, double v)
{
    char text[NUM_TEXT_BYTES_MAX];
    return arena_copy(a, slice_of(text, num_format_fixed(v, text)));
}

static enum status histogram_put(struct sink *s, const struct point *p, struct slice name, struct err *why)
{
    uint64_t so_far = 0;
    bool is_empty = p->flags & FLAG_NO_VALUE || p->bucket_count == 0;
    if (p->bucket_count && p->bucket_count != p->bound_count + 1)
        return err_set(why, ST_INVALID, "%zu bucket counts for %zu bounds; there must be one more", p->bucket_count, p->bound_count);
    enum status st = ST_OK;
    if (s->options->converts_histograms) {
        struct histogram *h = NULL;
        st = is_empty ? ST_OK : otlp_explicit_make(s->out->arena, p->bounds, p->buckets, p->bound_count, p->sum, &h, why);
        if (h == NULL)
            st = otlp_explicit_make(s->out->arena, NULL, &p->count, 0, p->sum, &h, why);
        return st ? st : native_put(s, p, name, h, why);
    }
    for (size_t i = 0; !st && i < p->bound_count && i < p->bucket_count; i++) {
        so_far += p->buckets[i];
        st = series_put(s, p, name, "_bucket", SLICE("le"), bound_text(s->out->arena, p->bounds[i]), (double)so_far, why);
    }
    if (!st)
        st = series_put(s, p, name, "_bucket", SLICE("le"), SLICE("+Inf"), (double)p->count, why);
    if (!st && p->has_sum)
        st = series_put(s, p, name, "_sum", SLICE_EMPTY, SLICE_EMPTY, p->sum, why);
    return st ? st : series_put(s, p, name, "_count", SLICE_EMPTY, SLICE_EMPTY, (double)p->count, why);
}

static enum status summary_put(struct sink *s, const struct point *pt, struct slice name, struct err *why)
{
    struct pb p = pb_of(pt->message);
    enum status st = series_put(s, pt, name, "_sum", SLICE_EMPTY, SLICE_EMPTY, pt->sum, why);
    if (!st)
        st = series_put(s, pt, name, "_count", SLICE_EMPTY, SLICE_EMPTY, (double)pt->count, why);
    while (!st && pb_next(&p)) {
        double quantile = 0, value = 0;
        struct pb q = pb_of(p.bytes);
        if (p.field != 6)
            continue;
        while (pb_next(&q))
            *(q.field == 1 ? &quantile : &value) = pb_double(&q);
        st = q.bad ? err_set(why, ST_INVALID, "a quantile is no valid message")
                   : series_put(s, pt, name, "", SLICE("quantile"), bound_text(s->out->arena, quantile), value, why);
    }
    return st;
}

static enum status point_put(struct sink *s, const struct metric *m, const struct point *p, struct err *why)
{
    switch (m->kind) {
    case DATA_GAUGE:
    case DATA_SUM:
        if (!p->has_value && !(p->flags & FLAG_NO_VALUE))
            return err_set(why, ST_INVALID, "a point has no value");
        return series_put(s, p, m->prom_name, "", SLICE_EMPTY, SLICE_EMPTY, p->value, why);
    case DATA_HISTOGRAM:
        return histogram_put(s, p, m->prom_name, why);
    case DATA_SUMMARY:
        return summary_put(s, p, m->prom_name, why);
    case DATA_EXPONENTIAL: {
        struct histogram *h = NULL;
        enum status st = p->flags & FLAG_NO_VALUE ? ST_OK : otlp_exponential_read(s->out->arena, p->message, &h, why);
        return st ? st : native_put(s, p, m->prom_name, h, why);
    }
    }
    return err_set(why, ST_UNSUPPORTED, "a metric of unknown kind");
}

/* ---- exemplars ---- */

static struct slice id_text(struct arena *a, struct slice id)
{
    struct field f = { .type = FIELD_BYTES, .name = SLICE_EMPTY, .text = id };
    return field_text(a, &f);
}

/* Its labels are the ids and the attributes that the point's lack, as Prometheus has them. */
static enum status exemplar_read(struct sink *s, struct slice message, struct label *list, size_t *count, double *value, int64_t *time_ns,
                                 struct err *why)
{
    struct field_list fields = { 0 };
    struct slice trace_id = SLICE_EMPTY, span_id = SLICE_EMPTY;
    uint64_t ns = 0;
    bool broken = false;
    struct pb p = pb_of(message);
    while (pb_next(&p)) {
        if (p.field == 7)
            broken |= !otlp_attribute(s->out->arena, p.bytes, SCOPE_RECORD, &fields);
        else if (p.field == 2)
            ns = p.value;
        else if (p.field == 3)
            *value = pb_double(&p);
        else if (p.field == 6)
            *value = (double)(int64_t)p.value;
        else if (p.field == 4)
            span_id = p.bytes;
        else if (p.field == 5)
            trace_id = p.bytes;
    }
    if (p.bad || broken || !labels_of_fields(s, &fields, list, count))
        return err_set(why, ST_INVALID, "an exemplar is no valid message, or has too many attributes");
    if (trace_id.len)
        label_set(list, count, SLICE("trace_id"), id_text(s->out->arena, trace_id));
    if (span_id.len)
        label_set(list, count, SLICE("span_id"), id_text(s->out->arena, span_id));
    *time_ns = ns ? otlp_time(ns) : s->ctx->received_ns;
    return ST_OK;
}

/* Which of the point's series it belongs to: a histogram's bucket that counted it. */
static size_t exemplar_series(const struct sink *s, const struct metric *m, const struct point *p, size_t first, double value)
{
    size_t i = 0;
    if (m->kind != DATA_HISTOGRAM || s->options->converts_histograms)
        return first;
    while (i < p->bound_count && i < p->bucket_count && value > p->bounds[i])
        i++;
    return first + i;
}

/* One that cannot be kept takes no sample with it. */
static void exemplars_put(struct sink *s, const struct metric *m, const struct point *pt, size_t first)
{
    uint32_t number = m->kind == DATA_HISTOGRAM ? 8 : m->kind == DATA_EXPONENTIAL ? 11 : 5;
    struct pb p = pb_of(pt->message);
    if (m->kind == DATA_SUMMARY)
        return;
    while (pb_next(&p)) {
        struct label list[POINT_LABELS_MAX];
        struct err why;
        double value = 0;
        int64_t time_ns = 0;
        size_t count = 0;
        if (p.field != number || p.wire != PB_BYTES)
            continue;
        enum status st = exemplar_read(s, p.bytes, list, &count, &value, &time_ns, &why);
        if (!st)
            st = exemplar_add(s->out, s->out->series[exemplar_series(s, m, pt, first, value)].labels, list, count, value, time_ns, &why);
        if (st) {
            err_prefix(&why, "metric \"%.*s\": ", SLICE_FMT(utf8_cut(m->name, NAME_SHOWN_BYTES)));
            ingest_warn(s->result, &why);
        } else {
            s->result->kinds[INGEST_EXEMPLARS].accepted++;
        }
    }
}

/* ---- metrics ---- */

static bool metric_read(struct slice message, struct metric *m)
{
    struct pb p = pb_of(message);
    *m = (struct metric){ .name = SLICE_EMPTY, .description = SLICE_EMPTY, .unit = SLICE_EMPTY, .data = SLICE_EMPTY, .prom_name = SLICE_EMPTY };
    while (pb_next(&p)) {
        switch (p.field) {
        case 1:
            m->name = p.bytes;
            break;
        case 2:
            m->description = p.bytes;
            break;
        case 3:
            m->unit = p.bytes;
            break;
        case DATA_GAUGE:
        case DATA_SUM:
        case DATA_HISTOGRAM:
        case DATA_EXPONENTIAL:
        case DATA_SUMMARY:
            m->kind = (enum data_kind)p.field;
            m->data = p.bytes;
            break;
        }
    }
    struct pb d = pb_of(m->data);
    while (pb_next(&d)) {
        if (d.field == 2)
            m->temporality = d.value;
        else if (d.field == 3)
            m->monotonic = d.value != 0;
    }
    return !p.bad && !d.bad;
}

/* Why no point of this metric can be kept; ST_OK when they can. */
static enum status metric_check(const struct sink *s, const struct metric *m, struct err *why)
{
    struct slice name = utf8_cut(m->name, NAME_SHOWN_BYTES);
    bool has_temporality = m->kind == DATA_SUM || m->kind == DATA_HISTOGRAM || m->kind == DATA_EXPONENTIAL;
    if (m->name.len == 0)
        return err_set(why, ST_INVALID, "a metric has no name");
    if (!has_temporality || m->temporality == TEMPORALITY_CUMULATIVE)
        return ST_OK;
    if (m->temporality != TEMPORALITY_DELTA)
        return err_set(why, ST_UNSUPPORTED, "metric \"%.*s\": unspecified temporality; set the exporter to cumulative", SLICE_FMT(name));
    if (m->kind == DATA_SUM && !m->monotonic)
        return err_set(why, ST_UNSUPPORTED, "metric \"%.*s\": delta temporality of a sum that goes up and down: where it began is not known; set "
                       "the exporter to cumulative", SLICE_FMT(name));
    if (!s->ctx->takes_deltas)
        return err_set(why, ST_UNSUPPORTED, "metric \"%.*s\": delta temporality is not supported here; set the exporter to cumulative",
                       SLICE_FMT(name));
    return ST_OK;
}

static void metadata_put(struct sink *s, const struct metric *m)
{
    enum metric_type type = m->kind == DATA_GAUGE ? METRIC_GAUGE : m->kind == DATA_SUM ? (m->monotonic ? METRIC_COUNTER : METRIC_GAUGE)
                          : m->kind == DATA_SUMMARY ? METRIC_SUMMARY : METRIC_HISTOGRAM;
    batch_metadata(s->out, m->prom_name, type, utf8_cut(m->description, LABEL_VALUE_BYTES_MAX), prom_unit(s->out->arena, m->unit));
    s->result->kinds[INGEST_METADATA].accepted++;
}

static enum status point_add(struct sink *s, const struct metric *m, struct slice message, struct err *err)
{
    struct point p;
    struct err why = { 0 };
    size_t series_before = s->out->series_count, samples_before = s->out->sample_count;
    bool is_good = point_read(s, message, m->kind, &p);
    if (m->temporality == TEMPORALITY_DELTA && m->kind != DATA_GAUGE && m->kind != DATA_SUMMARY) { /* (1) */
        p.delta_from_ms = p.start_ms > 0 ? p.start_ms : -1;
        p.start_ms = 0;
    }
    if (m->kind == DATA_GAUGE || (m->kind == DATA_SUM && !m->monotonic))
        p.start_ms = 0;
    enum status st = is_good ? point_put(s, m, &p, &why) : err_set(&why, ST_INVALID, "a point is no valid message, or has too many attributes");
    bool is_native = m->kind == DATA_EXPONENTIAL || (m->kind == DATA_HISTOGRAM && s->options->converts_histograms);
    if (st) {
        s->out->series_count = series_before;
        s->out->sample_count = samples_before;
        err_prefix(&why, "metric \"%.*s\": ", SLICE_FMT(utf8_cut(m->name, NAME_SHOWN_BYTES)));
        ingest_reject(s->result, is_native ? INGEST_HISTOGRAMS : INGEST_SAMPLES, 1, &why);
        return ST_OK;
    }
    s->newest_ms = MAX(s->newest_ms, p.t_ms);
    exemplars_put(s, m, &p, series_before);
    s->result->kinds[is_native ? INGEST_HISTOGRAMS : INGEST_SAMPLES].accepted += s->out->sample_count - samples_before;
    return ingest_check(s->out, err);
}

static enum status metric_add(struct sink *s, struct slice message, struct err *err)
{
    struct metric m;
    struct err why = { 0 };
    if (!metric_read(message, &m)) {
        err_set(&why, ST_INVALID, "metric \"%.*s\" is no protobuf message", SLICE_FMT(utf8_cut(m.name, NAME_SHOWN_BYTES)));
        ingest_reject(s->result, INGEST_SAMPLES, 1, &why);
        return ST_OK;
    }
    if (m.kind == 0)
        return ST_OK;
    if (metric_check(s, &m, &why)) {
        struct pb p = pb_of(m.data);
        size_t points = 0;
        while (pb_next(&p))
            points += p.field == 1;
        ingest_reject(s->result, m.kind == DATA_EXPONENTIAL ? INGEST_HISTOGRAMS : INGEST_SAMPLES, points, &why);
        return ST_OK;
    }
    enum prom_name_kind kind = m.kind == DATA_GAUGE || (m.kind == DATA_SUM && !m.monotonic) ? PROM_NAME_GAUGE
                             : m.kind == DATA_SUM ? PROM_NAME_COUNTER : PROM_NAME_OTHER;
    if (m.kind == DATA_SUM && !m.monotonic)
        kind = PROM_NAME_OTHER; /* an up-down counter of unit 1 is no ratio */
    if (s->options->keeps_utf8)
        m.prom_name = s->options->without_suffixes ? m.name : prom_metric_name_utf8(s->out->arena, m.name, m.unit, kind);
    else if (s->options->without_suffixes)
        m.prom_name = prom_metric_name(s->out->arena, m.name, SLICE_EMPTY, PROM_NAME_OTHER);
    else
        m.prom_name = prom_metric_name(s->out->arena, m.name, m.unit, kind);
    size_t before = s->out->series_count;
    struct pb p = pb_of(m.data);
    while (pb_next(&p)) {
        enum status st = p.field == 1 ? point_add(s, &m, p.bytes, err) : ST_OK;
        if (st)
            return st;
    }
    if (s->out->series_count > before)
        metadata_put(s, &m);
    return ST_OK;
}

/* ---- resources ---- */

/* One target_info series a resource: what it says beyond job and instance. */
static void target_info_put(struct sink *s, struct field_list *resource)
{
    struct point p = { .t_ms = s->newest_ms };
    struct field_list rest = { 0 };
    struct err why = { 0 };
    s->promoted_count = 0;
    for (size_t i = 0; i < resource->count; i++) {
        struct slice name = resource->items[i].name;
        bool is_identity = slice_eq(name, SLICE("service.name")) || slice_eq(name, SLICE("service.namespace")) ||
                           slice_eq(name, SLICE("service.instance.id"));
        if (s->options->keeps_identity || !is_identity)
            ARENA_PUSH(s->out->arena, rest.items, rest.count, rest.cap) = resource->items[i];
    }
    if (rest.count == 0 || (s->job.len == 0 && s->instance.len == 0) || s->newest_ms == 0)
        return;
    enum status st = labels_of_fields(s, &rest, p.labels, &p.label_count)
                         ? series_put(s, &p, SLICE("target_info"), "", SLICE_EMPTY, SLICE_EMPTY, 1, &why)
                         : err_set(&why, ST_LIMIT, "%zu attributes, at most %d are allowed", rest.count, POINT_LABELS_MAX - 8);
    if (st) {
        err_prefix(&why, "target_info is left out: ");
        ingest_warn(s->result, &why);
    } else {
        s->result->kinds[INGEST_SAMPLES].accepted++;
    }
}

/* What of the resource stands on every series. */
static void promote(struct sink *s, const struct field_list *resource)
{
    struct field_list kept = { 0 };
    for (size_t i = 0; i < resource->count && kept.count < LABELS_PER_SERIES_MAX; i++)
        if (otlp_options_promotes(s->options, resource->items[i].name))
            ARENA_PUSH(s->out->arena, kept.items, kept.count, kept.cap) = resource->items[i];
    s->promoted = arena_array(s->out->arena, struct label, POINT_LABELS_MAX);
    s->promoted_count = 0;
    (void)labels_of_fields(s, &kept, s->promoted, &s->promoted_count);
    s->scope_from = s->promoted_count;
}

/* otel_scope_name, otel_scope_version, and otel_scope_ in front of the scope's attributes. */
static void promote_scope(struct sink *s, struct slice scope_metrics)
{
    const struct otlp_resource none = { .service = SLICE_EMPTY };
    struct otlp_resource scope;
    s->promoted_count = s->scope_from;
    if (!s->options->promotes_scope || !otlp_scope_read(s->out->arena, scope_metrics, &none, &scope))
        return;
    for (size_t i = 0; i < scope.fields.count && s->promoted_count < LABELS_PER_SERIES_MAX; i++) {
        struct slice name = scope.fields.items[i].name;
        name = slice_starts(name, SLICE("scope.")) ? slice_skip(name, SLICE("scope.").len) : name;
        label_set(s->promoted, &s->promoted_count, arena_printf(s->out->arena, "otel_scope_%.*s", SLICE_FMT(label_name(s, name))),
                  field_text(s->out->arena, &scope.fields.items[i]));
    }
}

static enum status resource_decode(const struct ingest_ctx *ctx, struct slice message, struct batch *out, struct ingest_result *r, struct err *err)
{
    struct otlp_resource resource;
    static const struct otlp_options usual = { 0 };
    struct sink s = { .ctx = ctx, .out = out, .result = r, .options = ctx->otlp ? ctx->otlp : &usual };
    struct err why;
    if (!otlp_resource_read(out->arena, message, &resource)) {
        err_set(&why, ST_INVALID, "resource of metrics: an attribute is no valid message");
        ingest_reject(r, INGEST_SAMPLES, otlp_count(message, SCOPE_METRICS, METRICS), &why);
        return ST_OK;
    }
    s.instance = resource.instance;
    s.job = resource.service_namespace.len && resource.service.len
                ? arena_printf(out->arena, "%.*s/%.*s", SLICE_FMT(resource.service_namespace), SLICE_FMT(resource.service))
                : resource.service;
    promote(&s, &resource.fields);
    struct pb p = pb_of(message);
    while (pb_next(&p)) {
        if (p.field != SCOPE_METRICS)
            continue;
        struct pb q = pb_of(p.bytes);
        promote_scope(&s, p.bytes);
        while (pb_next(&q)) {
            enum status st = q.field == METRICS ? metric_add(&s, q.bytes, err) : ST_OK;
            if (st)
                return st;
        }
        if (q.bad)
            return err_set(err, ST_INVALID, "otlp metrics: scope_metrics is no protobuf message");
    }
    if (p.bad)
        return err_set(err, ST_INVALID, "otlp metrics: resource_metrics is no protobuf message");
    target_info_put(&s, &resource.fields);
    return ST_OK;
}

enum status otlp_metrics_decode(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *result, struct err *err)
{
    struct slice message;
    enum status st = otlp_body(ctx, OTLP_METRICS, body, out->arena, &message, err);
    if (st)
        return st;
    struct pb p = pb_of(message);
    while (pb_next(&p)) {
        if (p.field != RESOURCE_METRICS)
            continue;
        st = resource_decode(ctx, p.bytes, out, result, err);
        if (st)
            return st;
    }
    return p.bad ? err_set(err, ST_INVALID, "otlp metrics: the body is no ExportMetricsServiceRequest") : ST_OK;
}
