/* SPDX-License-Identifier: Apache-2.0 */
#include "model/exemplar.h"

#include "base/hash.h"
#include "base/utf8.h"
#include "codec/hex.h"

/* As OpenMetrics, OpenTelemetry and older clients write it. */
static const struct slice trace_names[] = { SLICE_INIT("trace_id"), SLICE_INIT("traceID"), SLICE_INIT("traceId"), SLICE_INIT("TraceID") };
static const struct slice span_names[] = { SLICE_INIT("span_id"), SLICE_INIT("spanID"), SLICE_INIT("spanId"), SLICE_INIT("SpanID") };

static void id_take(const struct label *l, const struct slice *names, size_t name_count, uint8_t *out, size_t bytes)
{
    uint8_t id[16];
    for (size_t i = 0; i < name_count; i++)
        if (slice_eq(l->name, names[i]) && l->value.len == 2 * bytes && hex_decode(l->value, id))
            memcpy(out, id, bytes);
}

static enum status label_check(const struct label *l, size_t *bytes, struct err *err)
{
    struct slice name = utf8_cut(l->name, 60);
    *bytes += l->name.len + l->value.len;
    if (l->name.len == 0 || !utf8_is_valid(l->name) || !utf8_is_valid(l->value))
        return err_set(err, ST_INVALID, "exemplar: label \"%.*s\" has no name or is not UTF-8", SLICE_FMT(name));
    if (*bytes > EXEMPLAR_LABELS_BYTES_MAX)
        return err_set(err, ST_LIMIT, "exemplar: its labels have over %d bytes with \"%.*s\"", EXEMPLAR_LABELS_BYTES_MAX, SLICE_FMT(name));
    return ST_OK;
}

enum status exemplar_add(struct batch *b, struct slice series, const struct label *labels, size_t count, double value, int64_t time_ns,
                         struct err *err)
{
    size_t bytes = 0;
    if (count > EXEMPLAR_LABELS_MAX)
        return err_set(err, ST_LIMIT, "exemplar: %zu labels, at most %d are allowed", count, EXEMPLAR_LABELS_MAX);
    for (size_t i = 0; i < count; i++) {
        enum status st = label_check(&labels[i], &bytes, err);
        if (st)
            return st;
    }
    struct event *e = batch_event(b);
    e->kind = EVENT_EXEMPLAR;
    e->time_ns = time_ns;
    e->stream = series;
    e->service = service_of_labels(series);
    e->fields = arena_array(b->arena, struct field, count + 1);
    for (size_t i = 0; i < count; i++) {
        e->fields[i] = (struct field){ .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = arena_copy(b->arena, labels[i].name),
                                       .text = arena_copy(b->arena, labels[i].value) };
        id_take(&labels[i], trace_names, COUNT_OF(trace_names), e->trace_id, sizeof e->trace_id);
        id_take(&labels[i], span_names, COUNT_OF(span_names), e->span_id, sizeof e->span_id);
    }
    e->fields[count] = (struct field){ .scope = SCOPE_INSTRUMENTATION, .type = FIELD_DOUBLE, .name = EXEMPLAR_VALUE, .text = SLICE_EMPTY,
                                       .d = value };
    e->field_count = (uint32_t)count + 1;
    return ST_OK;
}

double exemplar_value(const struct event *e)
{
    for (uint32_t i = 0; i < e->field_count; i++)
        if (e->fields[i].scope == SCOPE_INSTRUMENTATION && slice_eq(e->fields[i].name, EXEMPLAR_VALUE))
            return e->fields[i].type == FIELD_DOUBLE ? e->fields[i].d : (double)e->fields[i].i;
    return 0;
}

struct slice exemplar_labels(struct arena *a, const struct event *e)
{
    struct label list[EXEMPLAR_LABELS_MAX];
    struct slice out = SLICE_EMPTY;
    struct err err;
    size_t n = 0;
    for (uint32_t i = 0; i < e->field_count && n < EXEMPLAR_LABELS_MAX; i++)
        if (e->fields[i].scope == SCOPE_RECORD)
            list[n++] = (struct label){ e->fields[i].name, field_text(a, &e->fields[i]) };
    return labels_build(a, list, n, &out, &err) ? SLICE_EMPTY : out;
}

static bool fields_equal(const struct field *x, const struct field *y)
{
    return x->scope == y->scope && x->type == y->type && slice_eq(x->name, y->name) && slice_eq(x->text, y->text) &&
           (x->type == FIELD_STRING || x->i == y->i);
}

bool exemplar_equal(const struct event *x, const struct event *y)
{
    if (x->time_ns != y->time_ns || x->field_count != y->field_count || !slice_eq(x->stream, y->stream))
        return false;
    for (uint32_t i = 0; i < x->field_count; i++) {
        bool found = false;
        for (uint32_t k = 0; k < y->field_count && !found; k++)
            found = fields_equal(&x->fields[i], &y->fields[k]);
        if (!found)
            return false;
    }
    return true;
}
