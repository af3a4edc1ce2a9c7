/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus: our own metrics as JSON (status/self_metrics), and the files of the store as blocks (status/tsdb/blocks).
 *
 * Families are JSON as protobuf has it for io.prometheus.client.MetricFamily: numbers of 64 bits are texts, NaN and Inf too. They
 * are made from our own page, where the samples of a family follow its TYPE, and those of one histogram each other, its buckets
 * first; other pages are never read here. */
#include "api/handlers.h"
#include "api/prom_json.h"
#include "base/num.h"
#include "codec/regex.h"

enum { SELF_LABELS_MAX = 32, ULID_CHARS = 26 };

enum family_kind { FAMILY_GAUGE, FAMILY_COUNTER, FAMILY_HISTOGRAM };

struct family {
    struct slice name, help;
    enum family_kind kind;
    bool wanted, is_open; /* its object has begun */
    bool in_histogram;    /* so has one of its histograms */
};

struct page_sample {
    struct slice name, value;
    struct label labels[SELF_LABELS_MAX];
    size_t count;
};

static void put_text(struct json_writer *w, struct slice key, struct slice value)
{
    json_key(w, key);
    json_string(w, value);
}

/* ---- one line of the page: name{label="value",...} value ---- */

static struct slice unescape(struct arena *a, struct slice text)
{
    char *out = arena_array(a, char, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool escaped = text.ptr[i] == '\\' && i + 1 < text.len;
        i += escaped;
        out[n++] = escaped && text.ptr[i] == 'n' ? '\n' : text.ptr[i];
    }
    return slice_of(out, n);
}

/* rest stands behind '{', and after it behind '}'. */
static void read_labels(struct arena *a, struct slice *rest, struct page_sample *out)
{
    while (rest->len && rest->ptr[0] != '}') {
        size_t eq = slice_find_char(*rest, '=', 0), end = eq + 2;
        if (eq == SIZE_MAX)
            return;
        while (end < rest->len && rest->ptr[end] != '"')
            end += rest->ptr[end] == '\\' ? 2 : 1;
        if (end >= rest->len)
            return;
        if (out->count < SELF_LABELS_MAX)
            out->labels[out->count++] = (struct label){ slice_sub(*rest, 0, eq), unescape(a, slice_sub(*rest, eq + 2, end)) };
        *rest = slice_skip(*rest, end + 1);
        if (slice_starts(*rest, SLICE(",")))
            *rest = slice_skip(*rest, 1);
    }
    *rest = slice_skip(*rest, MIN(rest->len, 1u));
}

static void read_sample(struct arena *a, struct slice line, struct page_sample *out)
{
    size_t n = 0;
    while (n < line.len && line.ptr[n] != '{' && line.ptr[n] != ' ')
        n++;
    *out = (struct page_sample){ .name = slice_sub(line, 0, n) };
    struct slice rest = slice_skip(line, n);
    if (slice_starts(rest, SLICE("{"))) {
        rest = slice_skip(rest, 1);
        read_labels(a, &rest, out);
    }
    out->value = slice_trim(rest);
}

/* ---- families ---- */

static void put_number(struct json_writer *w, struct slice key, struct slice text)
{
    json_key(w, key);
    if (slice_eq(text, SLICE("+Inf")))
        json_string(w, SLICE("Infinity"));
    else if (slice_eq(text, SLICE("-Inf")))
        json_string(w, SLICE("-Infinity"));
    else if (slice_eq(text, SLICE("NaN")))
        json_string(w, text);
    else
        json_raw(w, text);
}

static void put_labels(struct json_writer *w, const struct page_sample *s)
{
    json_key(w, SLICE("label"));
    json_array_begin(w);
    for (size_t i = 0; i < s->count; i++) {
        if (slice_eq(s->labels[i].name, SLICE("le")))
            continue;
        json_object_begin(w);
        put_text(w, SLICE("name"), s->labels[i].name);
        put_text(w, SLICE("value"), s->labels[i].value);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_plain(struct json_writer *w, const struct family *f, const struct page_sample *s)
{
    json_object_begin(w);
    put_labels(w, s);
    json_key(w, f->kind == FAMILY_COUNTER ? SLICE("counter") : SLICE("gauge"));
    json_object_begin(w);
    put_number(w, SLICE("value"), s->value);
    json_object_end(w);
    json_object_end(w);
}

/* Buckets, then sum and count, which ends it. */
static void put_histogram_part(struct json_writer *w, struct family *f, const struct page_sample *s)
{
    struct slice le = SLICE_EMPTY;
    for (size_t i = 0; i < s->count; i++)
        if (slice_eq(s->labels[i].name, SLICE("le")))
            le = s->labels[i].value;
    if (!f->in_histogram) {
        json_object_begin(w);
        put_labels(w, s);
        json_key(w, SLICE("histogram"));
        json_object_begin(w);
        json_key(w, SLICE("bucket"));
        json_array_begin(w);
        f->in_histogram = true;
    }
    if (slice_ends(s->name, SLICE("_bucket"))) {
        json_object_begin(w);
        put_text(w, SLICE("cumulativeCount"), s->value);
        put_number(w, SLICE("upperBound"), le);
        json_object_end(w);
    } else if (slice_ends(s->name, SLICE("_sum"))) {
        json_array_end(w);
        put_number(w, SLICE("sampleSum"), s->value);
    } else {
        put_text(w, SLICE("sampleCount"), s->value);
        json_object_end(w);
        json_object_end(w);
        f->in_histogram = false;
    }
}

static void family_end(struct json_writer *w, struct family *f)
{
    if (f->is_open) {
        json_array_end(w);
        json_object_end(w);
    }
    f->is_open = false;
}

static void put_sample(struct json_writer *w, struct family *f, struct arena *a, struct slice line)
{
    static const struct slice kinds[] = { SLICE_INIT("GAUGE"), SLICE_INIT("COUNTER"), SLICE_INIT("HISTOGRAM") };
    struct page_sample s;
    if (!f->wanted)
        return;
    if (!f->is_open) {
        json_object_begin(w);
        put_text(w, SLICE("name"), f->name);
        put_text(w, SLICE("help"), f->help);
        put_text(w, SLICE("type"), kinds[f->kind]);
        json_key(w, SLICE("metric"));
        json_array_begin(w);
        f->is_open = true;
    }
    read_sample(a, line, &s);
    if (f->kind == FAMILY_HISTOGRAM)
        put_histogram_part(w, f, &s);
    else
        put_plain(w, f, &s);
}

static void put_page(struct json_writer *w, struct arena *a, struct slice page, const struct regex *names)
{
    struct family f = { .wanted = false };
    struct slice line, name, text;
    while (slice_next(&page, '\n', &line)) {
        if (slice_starts(line, SLICE("# HELP "))) {
            family_end(w, &f);
            bool cut = slice_cut(slice_skip(line, SLICE("# HELP ").len), ' ', &name, &text);
            f = (struct family){ .name = name, .help = cut ? unescape(a, text) : SLICE_EMPTY, .wanted = cut && (!names || regex_match(names, name)) };
        } else if (slice_starts(line, SLICE("# TYPE "))) {
            f.kind = slice_ends(line, SLICE(" counter")) ? FAMILY_COUNTER : slice_ends(line, SLICE(" histogram")) ? FAMILY_HISTOGRAM : FAMILY_GAUGE;
        } else if (line.len) {
            put_sample(w, &f, a, line);
        }
    }
    family_end(w, &f);
}

void prom_self_metrics(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct api_params p;
    struct regex *names = NULL;
    struct err err;
    struct slice pattern = SLICE_EMPTY;
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        pattern = api_param(&p, SLICE("metric_name_pattern"), NULL);
    if (!st && pattern.len && regex_compile(&names, pattern, REGEX_ANCHORED, &err))
        st = err_set(&err, ST_INVALID, "invalid metric_name_pattern: \"%.*s\" is no regular expression", SLICE_FMT(slice_sub(pattern, 0, 100)));
    if (st) {
        api_fail(x, st, &err);
        return;
    }
    struct buf page, out;
    struct json_writer w;
    buf_init(&page, 0);
    api_metrics_text(api, &page);
    prom_json_begin(&w, &out, 0);
    json_array_begin(&w);
    put_page(&w, http_arena(x), buf_as_slice(&page), names);
    json_array_end(&w);
    buf_free(&page);
    regex_free(names);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}

/* ---- blocks ---- */

/* 128 bits, five to a character: the first has three. */
static struct slice ulid(const uint8_t uuid[16], char out[ULID_CHARS])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    for (int i = 0; i < ULID_CHARS; i++) {
        unsigned v = 0;
        for (int bit = 5 * i - 2; bit < 5 * i + 3; bit++)
            v = v << 1 | (bit >= 0 ? uuid[bit / 8] >> (7 - bit % 8) & 1u : 0u);
        out[i] = digits[v];
    }
    return slice_of(out, ULID_CHARS);
}

static void put_block(struct json_writer *w, const struct engine_block *b)
{
    char text[ULID_CHARS];
    struct slice id = ulid(b->uuid, text);
    json_object_begin(w);
    put_text(w, SLICE("ulid"), id);
    json_key(w, SLICE("minTime"));
    json_int(w, b->min_ns / NS_MS);
    json_key(w, SLICE("maxTime")); /* the first time behind it */
    json_int(w, b->max_ns / NS_MS + 1);
    json_key(w, SLICE("stats"));
    json_object_begin(w);
    json_key(w, SLICE("numSamples"));
    json_uint(w, b->rows);
    json_key(w, SLICE("numBytes"));
    json_uint(w, b->bytes);
    json_object_end(w);
    json_key(w, SLICE("compaction"));
    json_object_begin(w);
    json_key(w, SLICE("level"));
    json_uint(w, b->level + 1u);
    json_key(w, SLICE("sources"));
    json_array_begin(w);
    json_string(w, id);
    json_array_end(w);
    json_object_end(w);
    json_key(w, SLICE("version"));
    json_uint(w, 1);
    json_object_end(w);
}

void prom_tsdb_blocks(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct engine_block *list = NULL;
    struct json_writer w;
    struct buf out;
    size_t n = 0;
    if (api->engine->ops->blocks)
        api->engine->ops->blocks(api->engine, http_arena(x), &list, &n);
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    json_key(&w, SLICE("blocks"));
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++)
        put_block(&w, &list[i]);
    json_array_end(&w);
    json_object_end(&w);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}
