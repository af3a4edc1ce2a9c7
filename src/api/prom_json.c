/* SPDX-License-Identifier: Apache-2.0 */
#include "api/prom_json.h"

#include "base/num.h"

#include <math.h>

void prom_json_labels(struct json_writer *w, struct slice labels)
{
    struct label l;
    json_object_begin(w);
    while (labels_next(&labels, &l)) {
        json_key(w, l.name);
        json_string(w, l.value);
    }
    json_object_end(w);
}

/* Milliseconds as seconds, without a float on the way: 1732270800.25. */
static size_t format_seconds(int64_t t_ms, char *out)
{
    size_t n = 0;
    uint64_t abs = t_ms < 0 ? -(uint64_t)t_ms : (uint64_t)t_ms;
    if (t_ms < 0)
        out[n++] = '-';
    n += num_format_u64(abs / 1000, out + n);
    unsigned rest = (unsigned)(abs % 1000);
    if (rest == 0)
        return n;
    out[n++] = '.';
    for (unsigned unit = 100; unit && rest; unit /= 10) {
        out[n++] = (char)('0' + rest / unit);
        rest %= unit;
    }
    return n;
}

/* As Prometheus writes the values of series: an exponent only for what is very large or very small. */
static size_t format_value(double v, char *out)
{
    double size = fabs(v);
    bool fixed = size == 0 || (size >= 1e-6 && size < 1e21);
    return fixed ? num_format_fixed(v, out) : num_format_short(v, out);
}

void prom_json_point(struct json_writer *w, int64_t t_ms, double v)
{
    char text[2 * NUM_TEXT_BYTES_MAX];
    size_t n = 0;
    text[n++] = '[';
    n += format_seconds(t_ms, text + n);
    text[n++] = ',';
    text[n++] = '"';
    n += format_value(v, text + n);
    text[n++] = '"';
    text[n++] = ']';
    json_raw(w, slice_of(text, n));
}

static void put_series(struct json_writer *w, const struct value *v)
{
    bool is_vector = v->type == VALUE_VECTOR;
    json_array_begin(w);
    for (size_t i = 0; i < v->series_count; i++) {
        const struct value_series *s = &v->series[i];
        json_object_begin(w);
        json_key(w, SLICE("metric"));
        prom_json_labels(w, s->labels);
        json_key(w, is_vector ? SLICE("value") : SLICE("values"));
        if (!is_vector)
            json_array_begin(w);
        for (size_t k = 0; k < s->n; k++)
            prom_json_point(w, s->t_ms[k], s->v[k]);
        if (!is_vector)
            json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_string(struct json_writer *w, const struct value *v)
{
    char text[NUM_TEXT_BYTES_MAX];
    json_array_begin(w);
    json_raw(w, slice_of(text, format_seconds(v->scalar.t_ms, text)));
    json_string(w, v->text);
    json_array_end(w);
}

void prom_json_result(struct json_writer *w, const struct value *v)
{
    static const char *const names[] = { "none", "scalar", "string", "vector", "matrix", "streams" };
    json_key(w, SLICE("resultType"));
    json_string(w, slice_str(names[v->type]));
    json_key(w, SLICE("result"));
    switch (v->type) {
    case VALUE_SCALAR:
        prom_json_point(w, v->scalar.t_ms, v->scalar.v);
        break;
    case VALUE_STRING:
        put_string(w, v);
        break;
    case VALUE_VECTOR:
    case VALUE_MATRIX:
        put_series(w, v);
        break;
    case VALUE_NONE:
    case VALUE_STREAMS:
        json_array_begin(w);
        json_array_end(w);
        break;
    }
}

static void put_notes(struct json_writer *w, struct slice name, struct slice lines)
{
    struct slice line;
    if (lines.len == 0)
        return;
    json_key(w, name);
    json_array_begin(w);
    while (slice_next(&lines, '\n', &line))
        json_string(w, line);
    json_array_end(w);
}

void prom_json_notes(struct json_writer *w, struct slice warnings, struct slice infos)
{
    put_notes(w, SLICE("warnings"), warnings);
    put_notes(w, SLICE("infos"), infos);
}

void prom_json_begin(struct json_writer *w, struct buf *out, size_t bytes_max)
{
    buf_init(out, bytes_max);
    json_writer_init(w, out);
    json_object_begin(w);
    json_key(w, SLICE("status"));
    json_string(w, SLICE("success"));
    json_key(w, SLICE("data"));
}

void prom_json_reply(struct http_exchange *x, struct json_writer *w, struct buf *out, struct slice warnings, struct slice infos)
{
    prom_json_notes(w, warnings, infos);
    json_object_end(w);
    api_reply_json(x, 200, out);
}
