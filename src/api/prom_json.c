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

static void put_number(struct json_writer *w, double v)
{
    char text[NUM_TEXT_BYTES_MAX];
    json_string(w, slice_of(text, format_value(v, text)));
}

/* Which of a bucket's bounds belong to it. */
static int64_t bounds_rule(const struct histogram_bucket *b)
{
    enum { UPPER_BELONGS, LOWER_BELONGS, NONE_BELONGS, BOTH_BELONG };
    if (b->has_lower)
        return b->has_upper ? BOTH_BELONG : LOWER_BELONGS;
    return b->has_upper ? UPPER_BELONGS : NONE_BELONGS;
}

static void put_buckets(struct json_writer *w, const struct histogram *h)
{
    bool is_open = false;
    struct histogram_walk walk = histogram_walk(h);
    for (struct histogram_bucket b; histogram_next(&walk, &b);) {
        if (b.count == 0)
            continue;
        if (!is_open) {
            json_key(w, SLICE("buckets"));
            json_array_begin(w);
            is_open = true;
        }
        json_array_begin(w);
        json_int(w, bounds_rule(&b));
        put_number(w, b.lower);
        put_number(w, b.upper);
        put_number(w, b.count);
        json_array_end(w);
    }
    if (is_open)
        json_array_end(w);
}

void prom_json_histogram(struct json_writer *w, int64_t t_ms, const struct histogram *h)
{
    char text[NUM_TEXT_BYTES_MAX];
    json_array_begin(w);
    json_raw(w, slice_of(text, format_seconds(t_ms, text)));
    json_object_begin(w);
    json_key(w, SLICE("count"));
    put_number(w, h->count);
    json_key(w, SLICE("sum"));
    put_number(w, h->sum);
    put_buckets(w, h);
    json_object_end(w);
    json_array_end(w);
}

/* The numbers, or the histograms, under a key when there are any. */
static void put_points(struct json_writer *w, const struct value_series *s, bool histograms, struct slice key, bool is_list)
{
    bool is_open = false;
    for (size_t k = 0; k < s->n; k++) {
        if (is_histogram(s->v[k]) != histograms)
            continue;
        if (!is_open) {
            json_key(w, key);
            if (is_list)
                json_array_begin(w);
            is_open = true;
        }
        if (histograms)
            prom_json_histogram(w, s->t_ms[k], histogram_unbox(s->v[k]));
        else
            prom_json_point(w, s->t_ms[k], s->v[k]);
    }
    if (is_open && is_list)
        json_array_end(w);
}

static void put_series(struct json_writer *w, const struct value *v)
{
    bool is_list = v->type != VALUE_VECTOR;
    json_array_begin(w);
    for (size_t i = 0; i < v->series_count; i++) {
        const struct value_series *s = &v->series[i];
        json_object_begin(w);
        json_key(w, SLICE("metric"));
        prom_json_labels(w, s->labels);
        put_points(w, s, false, is_list ? SLICE("values") : SLICE("value"), is_list);
        put_points(w, s, true, is_list ? SLICE("histograms") : SLICE("histogram"), is_list);
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
