/* SPDX-License-Identifier: Apache-2.0 */
/* A family gives HELP, TYPE and UNIT, then the entries of one metric after another. All entries of a metric are made at once:
 *
 *     family -> metric -> queue of entries -> one by one
 *
 * (1) What a queue points to beside the page lies in scratch, which is emptied for the next metric.
 * (2) A series' key is its name and the metric's label messages as they stand: equal from page to page.
 * (3) Bounds and quantiles are written as Prometheus 3 writes them: "1.0", not "1". */
#include "ingest/prom_page.h"

#include <math.h>

#include "base/num.h"
#include "base/utf8.h"
#include "ingest/native.h"

enum { FAMILY_NAME = 1, FAMILY_HELP = 2, FAMILY_TYPE = 3, FAMILY_METRIC = 4, FAMILY_UNIT = 5 };
enum { METRIC_LABEL = 1, METRIC_TIME = 6 };
enum { NAME_SHOWN_MAX = 100, PAGE_BUCKETS_MAX = 16 * 1024 };

/* The fields of a metric that hold its value. */
enum value_field { VALUE_GAUGE = 2, VALUE_COUNTER = 3, VALUE_SUMMARY = 4, VALUE_UNTYPED = 5, VALUE_HISTOGRAM = 7 };

struct family {
    struct slice name, help, unit, metrics; /* metrics: the message, read on from there */
    enum promtext_type type;
};

struct prom_page {
    struct arena *a, *scratch;
    struct prom_page_options opt;
    struct slice rest;      /* families to come */
    struct family family;
    struct pb metrics;      /* of the family: the ones to come */
    size_t number, meta;    /* of the family; which of HELP, TYPE and UNIT come next */
    struct promtext_entry *queue;
    size_t queued, queue_cap, at;
    struct promtext_label labels[PROMTEXT_LABELS_MAX + 1]; /* one more: le or quantile */
    size_t label_count;
};

bool prom_page_is(struct slice content_type)
{
    struct slice media, part;
    bool is_family = false, is_delimited = false;
    slice_cut(content_type, ';', &media, &content_type);
    while (slice_next(&content_type, ';', &part)) {
        struct slice name, value;
        if (!slice_cut(slice_trim(part), '=', &name, &value))
            continue;
        is_family |= slice_eq_nocase(name, SLICE("proto")) && slice_eq(value, SLICE("io.prometheus.client.MetricFamily"));
        is_delimited |= slice_eq_nocase(name, SLICE("encoding")) && slice_eq_nocase(value, SLICE("delimited"));
    }
    return slice_eq_nocase(slice_trim(media), SLICE("application/vnd.google.protobuf")) && is_family && is_delimited;
}

struct prom_page *prom_page_new(struct arena *a, struct slice page, const struct prom_page_options *opt)
{
    struct prom_page *p = mem_new(struct prom_page);
    p->a = a;
    p->scratch = arena_new(0);
    p->opt = *opt;
    p->rest = page;
    p->family = (struct family){ .name = SLICE_EMPTY, .help = SLICE_EMPTY, .unit = SLICE_EMPTY, .metrics = SLICE_EMPTY };
    return p;
}

void prom_page_free(struct prom_page *p)
{
    if (p == NULL)
        return;
    arena_free(p->scratch);
    mem_free(p);
}

static enum status fail(struct prom_page *p, const char *what, struct err *err)
{
    p->rest.len = 0;
    p->metrics.at = p->metrics.end;
    p->queued = p->at = 0;
    p->meta = 3;
    return err_set(err, ST_INVALID, "family %zu \"%.*s\": %s", p->number, SLICE_FMT(utf8_cut(p->family.name, NAME_SHOWN_MAX)), what);
}

/* ---- small messages ---- */

static bool label_read(struct slice message, struct promtext_label *out)
{
    struct pb p = pb_of(message);
    *out = (struct promtext_label){ SLICE_EMPTY, SLICE_EMPTY };
    while (pb_next(&p))
        if (p.field == 1)
            out->name = p.bytes;
        else if (p.field == 2)
            out->value = p.bytes;
    return !p.bad;
}

/* google.protobuf.Timestamp, saturated. */
static int64_t time_read(struct slice message)
{
    int64_t seconds = 0, nanos = 0;
    struct pb p = pb_of(message);
    while (pb_next(&p))
        *(p.field == 1 ? &seconds : &nanos) = (int64_t)p.value;
    return sat_add(sat_mul(seconds, 1000), nanos / NS_MS);
}

static bool exemplar_read(struct prom_page *p, struct slice message, struct promtext_exemplar *out)
{
    struct promtext_label *list = NULL;
    size_t count = 0, cap = 0;
    struct pb in = pb_of(message);
    *out = (struct promtext_exemplar){ 0 };
    while (pb_next(&in)) {
        if (in.field == 1 && (count == PROMTEXT_LABELS_MAX || !label_read(in.bytes, &ARENA_PUSH(p->scratch, list, count, cap))))
            return false;
        if (in.field == 2)
            out->value = pb_double(&in);
        if (in.field == 3) {
            out->has_time = true;
            out->t_ms = time_read(in.bytes);
        }
    }
    out->labels = list;
    out->label_count = count;
    return !in.bad;
}

struct slice prom_page_float(struct arena *a, double v)
{
    char text[NUM_TEXT_BYTES_MAX + 2];
    size_t n = num_format_short(v, text);
    bool is_whole = isfinite(v);
    for (size_t i = 0; i < n; i++)
        is_whole &= text[i] != '.' && text[i] != 'e';
    if (is_whole) { /* (3) */
        text[n++] = '.';
        text[n++] = '0';
    }
    return arena_copy(a, slice_of(text, n));
}

struct slice prom_page_label(struct arena *a, enum metric_type family, struct slice name, struct slice value)
{
    double v;
    bool is_bound = (family == METRIC_HISTOGRAM && slice_eq(name, SLICE("le"))) || (family == METRIC_SUMMARY && slice_eq(name, SLICE("quantile")));
    return is_bound && num_parse_double(value, &v) ? prom_page_float(a, v) : value;
}

/* ---- entries of a metric ---- */

struct metric {
    struct slice message, value;
    enum value_field kind;
    bool has_time;
    int64_t t_ms, start_ms;
};

static struct promtext_entry *entry_add(struct prom_page *p, const struct metric *m, const char *suffix, double v)
{
    struct promtext_entry *e = &ARENA_PUSH(p->scratch, p->queue, p->queued, p->queue_cap);
    struct promtext_label *labels = arena_array(p->scratch, struct promtext_label, p->label_count + 1);
    memcpy(labels, p->labels, p->label_count * sizeof *labels);
    *e = (struct promtext_entry){ .kind = PROMTEXT_SAMPLE, .line = p->number, .labels = labels, .label_count = p->label_count,
                                  .value = sample_number(v), .has_time = m->has_time, .t_ms = m->t_ms, .start_ms = m->start_ms };
    struct slice end = slice_str(suffix);
    char *name = arena_alloc(p->scratch, p->family.name.len + end.len); /* a name may have any byte */
    memcpy(name, p->family.name.ptr, p->family.name.len);
    memcpy(name + p->family.name.len, end.ptr, end.len);
    e->name = slice_of(name, p->family.name.len + end.len);
    e->text = SLICE_EMPTY;
    return e;
}

/* One more label: le or quantile. */
static void entry_label(struct promtext_entry *e, struct slice name, struct slice value)
{
    ((struct promtext_label *)(uintptr_t)e->labels)[e->label_count++] = (struct promtext_label){ name, value };
}

/* (2) */
static void entry_key(struct prom_page *p, struct promtext_entry *e)
{
    struct buf key;
    buf_init(&key, 0);
    buf_slice(&key, e->name);
    for (size_t i = 0; i < e->label_count; i++) {
        buf_lenslice(&key, e->labels[i].name);
        buf_lenslice(&key, e->labels[i].value);
    }
    e->series = arena_copy(p->scratch, buf_as_slice(&key));
    buf_free(&key);
}

static bool add_number(struct prom_page *p, struct metric *m)
{
    struct promtext_exemplar exemplar = { 0 };
    bool has_exemplar = false, ok = true;
    double v = 0;
    struct pb in = pb_of(m->value);
    while (pb_next(&in)) {
        if (in.field == 1) {
            v = pb_double(&in);
        } else if (m->kind == VALUE_COUNTER && in.field == 2) {
            has_exemplar = true;
            ok &= exemplar_read(p, in.bytes, &exemplar);
        } else if (m->kind == VALUE_COUNTER && in.field == 3) {
            m->start_ms = time_read(in.bytes);
        }
    }
    struct promtext_entry *e = entry_add(p, m, "", v);
    e->has_exemplar = has_exemplar;
    e->exemplar = exemplar;
    return ok && !in.bad;
}

static bool add_summary(struct prom_page *p, struct metric *m)
{
    double count = 0, sum = 0;
    size_t quantiles = 0;
    struct pb in = pb_of(m->value);
    while (pb_next(&in)) {
        if (in.field == 1)
            count = (double)in.value;
        else if (in.field == 2)
            sum = pb_double(&in);
        else if (in.field == 4)
            m->start_ms = time_read(in.bytes);
    }
    bool ok = !in.bad;
    for (in = pb_of(m->value); pb_next(&in) && quantiles < PAGE_BUCKETS_MAX;) {
        double quantile = 0, v = 0;
        struct pb q = pb_of(in.bytes);
        if (in.field != 3)
            continue;
        while (pb_next(&q))
            *(q.field == 1 ? &quantile : &v) = pb_double(&q);
        ok &= !q.bad;
        quantiles++;
        struct metric no_start = *m;
        no_start.start_ms = 0;
        entry_label(entry_add(p, &no_start, "", v), SLICE("quantile"), prom_page_float(p->scratch, quantile));
    }
    entry_add(p, m, "_sum", sum);
    entry_add(p, m, "_count", count);
    return ok;
}

struct histogram_parts {
    double count, sum;
    bool is_native, is_float;
    size_t exemplars;
};

static struct histogram_parts histogram_scan(struct slice message, struct metric *m, bool *ok)
{
    struct histogram_parts h = { 0 };
    struct pb in = pb_of(message);
    while (pb_next(&in)) {
        switch (in.field) {
        case 1:
            h.count = h.is_float ? h.count : (double)in.value;
            break;
        case 4:
            h.is_float = pb_double(&in) > 0;
            h.count = h.is_float ? pb_double(&in) : h.count;
            break;
        case 2:
            h.sum = pb_double(&in);
            break;
        case 6:
        case 8:
            h.is_native |= pb_double(&in) > 0;
            break;
        case 7:
            h.is_native |= in.value > 0;
            break;
        case 9:
        case 12:
            h.is_native = true;
            break;
        case 15:
            m->start_ms = time_read(in.bytes);
            break;
        case 16:
            h.exemplars++;
            break;
        }
    }
    *ok = !in.bad;
    return h;
}

struct bucket {
    double bound, count;
    struct slice exemplar;
};

static bool bucket_read(struct slice message, struct bucket *out)
{
    bool is_float = false;
    struct pb in = pb_of(message);
    *out = (struct bucket){ .exemplar = SLICE_EMPTY };
    while (pb_next(&in)) {
        if (in.field == 1 && !is_float)
            out->count = (double)in.value;
        else if (in.field == 2)
            out->bound = pb_double(&in);
        else if (in.field == 3)
            out->exemplar = in.bytes;
        else if (in.field == 4 && pb_double(&in) > 0) {
            is_float = true;
            out->count = pb_double(&in);
        }
    }
    return !in.bad;
}

static bool add_classic(struct prom_page *p, const struct metric *m, const struct histogram_parts *h)
{
    bool ok = true, has_inf = false;
    size_t count = 0;
    struct pb in = pb_of(m->value);
    while (pb_next(&in) && ok && count < PAGE_BUCKETS_MAX) {
        struct bucket b;
        if (in.field != 3)
            continue;
        ok = bucket_read(in.bytes, &b);
        count++;
        has_inf |= isinf(b.bound) && b.bound > 0;
        struct promtext_entry *e = entry_add(p, m, "_bucket", b.count);
        entry_label(e, SLICE("le"), prom_page_float(p->scratch, b.bound));
        e->has_exemplar = b.exemplar.len > 0;
        if (e->has_exemplar)
            ok &= exemplar_read(p, b.exemplar, &e->exemplar);
    }
    if (!has_inf)
        entry_label(entry_add(p, m, "_bucket", h->count), SLICE("le"), SLICE("+Inf"));
    entry_add(p, m, "_sum", h->sum);
    entry_add(p, m, "_count", h->count);
    return ok;
}

/* Those of the histogram itself, else those of its classic buckets. */
static bool native_exemplars(struct prom_page *p, const struct metric *m, const struct histogram_parts *h, struct promtext_entry *e)
{
    struct promtext_exemplar *list = NULL;
    size_t count = 0, cap = 0;
    bool ok = true;
    struct pb in = pb_of(m->value);
    while (ok && pb_next(&in) && count < PROMTEXT_EXEMPLARS_MAX) {
        struct bucket b = { .exemplar = SLICE_EMPTY };
        if (in.field == 16)
            b.exemplar = in.bytes;
        else if (in.field == 3 && h->exemplars == 0)
            ok = bucket_read(in.bytes, &b);
        if (b.exemplar.len)
            ok &= exemplar_read(p, b.exemplar, &ARENA_PUSH(p->scratch, list, count, cap));
    }
    e->more = list;
    e->more_count = count;
    return ok;
}

static enum status add_histogram(struct prom_page *p, struct metric *m, struct err *err)
{
    bool ok;
    struct histogram_parts h = histogram_scan(m->value, m, &ok);
    bool is_native = p->opt.native && h.is_native;
    if (ok && is_native) {
        struct native_point point;
        struct err why;
        if (native_read(p->a, m->value, &native_exposition, &point, &why))
            return fail(p, why.text, err);
        if (p->family.type == PROMTEXT_GAUGEHISTOGRAM)
            point.histogram->hint = HINT_GAUGE;
        struct promtext_entry *e = entry_add(p, m, "", 0);
        e->value = histogram_box(point.histogram);
        ok = native_exemplars(p, m, &h, e);
    }
    if (ok && (!is_native || p->opt.classic))
        ok = add_classic(p, m, &h);
    return ok ? ST_OK : fail(p, "a histogram is no valid message", err);
}

static enum status metric_read(struct prom_page *p, struct slice message, struct err *err)
{
    struct metric m = { .message = message, .value = SLICE_EMPTY };
    struct pb in = pb_of(message);
    arena_reset(p->scratch);
    p->queue = NULL;
    p->queued = p->queue_cap = p->at = p->label_count = 0;
    while (pb_next(&in)) {
        if (in.field == METRIC_LABEL) {
            if (p->label_count == PROMTEXT_LABELS_MAX)
                return fail(p, "a metric has too many labels", err);
            if (!label_read(in.bytes, &p->labels[p->label_count++]))
                return fail(p, "a label is no protobuf message", err);
        } else if (in.field == METRIC_TIME) {
            m.has_time = true;
            m.t_ms = (int64_t)in.value;
        } else if (in.wire == PB_BYTES && (in.field == VALUE_HISTOGRAM || (in.field >= VALUE_GAUGE && in.field <= VALUE_UNTYPED))) {
            m.kind = (enum value_field)in.field;
            m.value = in.bytes;
        }
    }
    if (in.bad)
        return fail(p, "a metric is no protobuf message", err);
    enum status st = ST_OK;
    if (m.kind == VALUE_HISTOGRAM)
        st = add_histogram(p, &m, err);
    else if (m.kind && !(m.kind == VALUE_SUMMARY ? add_summary(p, &m) : add_number(p, &m)))
        st = fail(p, "a value is no protobuf message", err);
    for (size_t i = 0; i < p->queued; i++)
        entry_key(p, &p->queue[i]);
    return st;
}

/* ---- families ---- */

static enum promtext_type type_of(uint64_t wire)
{
    static const enum promtext_type types[] = { PROMTEXT_COUNTER, PROMTEXT_GAUGE, PROMTEXT_SUMMARY, PROMTEXT_UNKNOWN, PROMTEXT_HISTOGRAM,
                                                PROMTEXT_GAUGEHISTOGRAM };
    return wire < COUNT_OF(types) ? types[wire] : PROMTEXT_UNKNOWN;
}

static enum status family_next(struct prom_page *p, struct err *err)
{
    struct pb length = pb_of(p->rest);
    uint64_t bytes = pb_varint(&length);
    size_t left = (size_t)(length.end - length.at);
    p->number++;
    p->family = (struct family){ .name = SLICE_EMPTY, .help = SLICE_EMPTY, .unit = SLICE_EMPTY, .metrics = SLICE_EMPTY };
    if (length.bad || bytes > left)
        return fail(p, "its message is cut short", err);
    p->family.metrics = slice_of(length.at, (size_t)bytes);
    p->rest = slice_of(length.at + bytes, left - (size_t)bytes);
    p->family.type = type_of(0);
    struct pb in = pb_of(p->family.metrics);
    while (pb_next(&in)) {
        if (in.field == FAMILY_NAME)
            p->family.name = in.bytes;
        else if (in.field == FAMILY_HELP)
            p->family.help = in.bytes;
        else if (in.field == FAMILY_TYPE)
            p->family.type = type_of(in.value);
        else if (in.field == FAMILY_UNIT)
            p->family.unit = in.bytes;
    }
    if (in.bad || p->family.name.len == 0 || !utf8_is_valid(p->family.name))
        return fail(p, in.bad ? "it is no protobuf message" : "it has no name, or one that is not UTF-8", err);
    p->metrics = pb_of(p->family.metrics);
    p->meta = 0;
    return ST_OK;
}

/* HELP, TYPE, UNIT in turn; false behind the last. */
static bool meta_next(struct prom_page *p, struct promtext_entry *out)
{
    static const enum promtext_kind kinds[] = { PROMTEXT_TYPE, PROMTEXT_HELP, PROMTEXT_UNIT };
    while (p->number && p->meta < COUNT_OF(kinds)) {
        enum promtext_kind kind = kinds[p->meta++];
        struct slice text = kind == PROMTEXT_HELP ? p->family.help : kind == PROMTEXT_UNIT ? p->family.unit : SLICE_EMPTY;
        if (kind != PROMTEXT_TYPE && (text.len == 0 || !utf8_is_valid(text)))
            continue;
        *out = (struct promtext_entry){ .kind = kind, .line = p->number, .name = p->family.name, .text = text, .type = p->family.type };
        return true;
    }
    return false;
}

enum status prom_page_next(struct prom_page *p, struct promtext_entry *out, struct err *err)
{
    for (;;) {
        enum status st = ST_OK;
        if (meta_next(p, out))
            return ST_OK;
        if (p->at < p->queued) {
            *out = p->queue[p->at++];
            return ST_OK;
        }
        if (pb_next(&p->metrics))
            st = p->metrics.field == FAMILY_METRIC ? metric_read(p, p->metrics.bytes, err) : ST_OK;
        else if (p->rest.len)
            st = family_next(p, err);
        else
            break;
        if (st)
            return st;
    }
    *out = (struct promtext_entry){ .kind = PROMTEXT_END, .line = p->number };
    return ST_OK;
}
