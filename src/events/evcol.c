/* SPDX-License-Identifier: Apache-2.0 */
/* Whole numbers lose their minimum (of values or of steps) and their greatest common divisor, then lie in byte planes:
 * all lowest bytes, then all second bytes, and so on. Planes leave the compressor behind us runs of alike bytes, and an
 * outlier costs planes of zeros, which cost nothing. All arithmetic wraps, so every int64 comes back exactly.
 *
 * Strings are a run of bytes with lengths, a dictionary where at most a quarter of them differ, or, where they are long
 * enough to have one, shapes and variables (evtext.c; in older parts evshape.c). Doubles that are short
 * decimals become whole numbers; the others are their bits. */
#include "events/evcol.h"

#include <math.h>

#include "events/evdict.h"
#include "events/evshape.h"
#include "events/evtext.h"
#include "model/sample.h"

enum { DECIMAL_EXPONENT_MAX = 4, CELL_KEY_HEAD_BYTES = 2,
       SHAPES_VALUES_MIN = 64, SHAPES_BYTES_MIN = 6 /* of a value, on average */ };

static const double POWERS[DECIMAL_EXPONENT_MAX + 1] = { 1, 10, 100, 1000, 10000 };

/* ---- whole numbers ---- */

struct shape {
    int64_t min;
    uint64_t range, gcd;
};

static uint64_t gcd_of(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

static struct shape shape_of(const int64_t *v, size_t n)
{
    struct shape s = { v[0], 0, 0 };
    int64_t max = v[0];
    for (size_t i = 1; i < n; i++) {
        s.min = MIN(s.min, v[i]);
        max = MAX(max, v[i]);
    }
    s.range = (uint64_t)max - (uint64_t)s.min;
    for (size_t i = 0; i < n && s.gcd != 1; i++)
        s.gcd = gcd_of((uint64_t)v[i] - (uint64_t)s.min, s.gcd);
    return s;
}

static unsigned width_of(uint64_t range)
{
    unsigned w = 0;
    while (range) {
        w++;
        range >>= 8;
    }
    return w;
}

/* Bits it takes to say the values one by one: what the compressor will be left with, roughly. */
static uint64_t cost_of(const int64_t *v, size_t n, const struct shape *s)
{
    uint64_t bits = 0;
    if (s->gcd == 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t u = ((uint64_t)v[i] - (uint64_t)s->min) / s->gcd;
        bits += u ? 64 - (unsigned)__builtin_clzll(u) : 0;
    }
    return bits;
}

static void put_planes(struct buf *out, const int64_t *v, size_t n, const struct shape *s)
{
    buf_zigzag(out, s->min);
    buf_varint(out, s->gcd);
    unsigned w = s->gcd ? width_of(s->range / s->gcd) : 0;
    buf_u8(out, (uint8_t)w);
    uint8_t *at = (uint8_t *)buf_room(out, (size_t)w * n);
    if (at == NULL || w == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        uint64_t u = (uint64_t)v[i] - (uint64_t)s->min;
        u = s->gcd > 1 ? u / s->gcd : u;
        for (unsigned p = 0; p < w; p++)
            at[p * n + i] = (uint8_t)(u >> (8 * p));
    }
    buf_added(out, (size_t)w * n);
}

/* Most columns have one to four planes: these take one pass. */
static void join_planes(const uint8_t *p, unsigned w, int64_t *v, size_t n)
{
    const uint8_t *q = p + n, *s = q + (w > 2 ? n : 0), *t = s + (w > 3 ? n : 0);
    switch (w) {
    case 1:
        for (size_t i = 0; i < n; i++)
            v[i] = p[i];
        return;
    case 2:
        for (size_t i = 0; i < n; i++)
            v[i] = p[i] | q[i] << 8;
        return;
    case 3:
        for (size_t i = 0; i < n; i++)
            v[i] = p[i] | q[i] << 8 | s[i] << 16;
        return;
    case 4:
        for (size_t i = 0; i < n; i++)
            v[i] = p[i] | q[i] << 8 | s[i] << 16 | (int64_t)t[i] << 24;
        return;
    default:
        memset(v, 0, n * sizeof *v);
        for (unsigned k = 0; k < w; k++)
            for (size_t i = 0; i < n; i++)
                v[i] |= (int64_t)((uint64_t)p[k * n + i] << (8 * k));
    }
}

struct planes { /* value i is min + gcd * (its bytes, one of each plane), wrapping */
    uint64_t min, gcd;
    unsigned w;
    size_t n;
    const uint8_t *bytes;
};

static bool read_planes(struct reader *r, size_t n, struct planes *p)
{
    p->min = (uint64_t)read_zigzag(r);
    p->gcd = read_varint(r);
    p->w = read_u8(r);
    p->n = n;
    if (r->bad || p->w > 8)
        return false;
    p->bytes = (const uint8_t *)read_bytes(r, (size_t)p->w * n).ptr;
    return !r->bad;
}

static bool get_planes(struct reader *r, int64_t *v, size_t n)
{
    struct planes p;
    if (!read_planes(r, n, &p))
        return false;
    join_planes(p.bytes, p.w, v, n);
    for (size_t i = 0; p.gcd != 1 && i < n; i++)
        v[i] = (int64_t)((uint64_t)v[i] * p.gcd);
    for (size_t i = 0; p.min != 0 && i < n; i++)
        v[i] = (int64_t)((uint64_t)v[i] + p.min);
    return true;
}

/* The sum of values [from, to). */
static uint64_t sum_of(const struct planes *p, size_t from, size_t to)
{
    uint64_t sum = 0;
    for (unsigned k = 0; k < p->w; k++) {
        uint64_t bytes = 0;
        for (size_t i = from; i < to; i++)
            bytes += p->bytes[k * p->n + i];
        sum += bytes << (8 * k);
    }
    return sum * p->gcd + p->min * (to - from);
}

void evcol_put_ints(struct buf *out, const int64_t *v, size_t n)
{
    if (n == 0)
        return;
    struct shape plain = shape_of(v, n);
    if (plain.range == 0) {
        buf_u8(out, EVCOL_INT_CONST);
        buf_zigzag(out, v[0]);
        return;
    }
    int64_t *step = mem_alloc(n * sizeof *step);
    for (size_t i = 1; i < n; i++)
        step[i - 1] = (int64_t)((uint64_t)v[i] - (uint64_t)v[i - 1]);
    struct shape delta = shape_of(step, n - 1);
    if (cost_of(step, n - 1, &delta) < cost_of(v, n, &plain)) {
        buf_u8(out, EVCOL_INT_DELTA);
        buf_zigzag(out, v[0]);
        put_planes(out, step, n - 1, &delta);
    } else {
        buf_u8(out, EVCOL_INT_PLAIN);
        put_planes(out, v, n, &plain);
    }
    mem_free(step);
}

bool evcol_get_ints(struct reader *r, int64_t *v, size_t n)
{
    if (n == 0)
        return true;
    unsigned codec = read_u8(r);
    if (codec == EVCOL_INT_PLAIN)
        return get_planes(r, v, n);
    int64_t first = read_zigzag(r);
    if (codec == EVCOL_INT_CONST) {
        for (size_t i = 0; i < n; i++)
            v[i] = first;
        return !r->bad;
    }
    if (codec != EVCOL_INT_DELTA || !get_planes(r, v + 1, n - 1))
        return false;
    v[0] = first;
    for (size_t i = 1; i < n; i++)
        v[i] = (int64_t)((uint64_t)v[i] + (uint64_t)v[i - 1]);
    return true;
}

bool evcol_get_some_ints(struct reader *r, int64_t *v, size_t n, const uint32_t *wanted, size_t count)
{
    struct planes p;
    if (n == 0)
        return true;
    unsigned codec = read_u8(r);
    bool is_plain = codec == EVCOL_INT_PLAIN;
    uint64_t value = is_plain ? 0 : (uint64_t)read_zigzag(r);
    size_t at = 0;
    if (codec == EVCOL_INT_CONST) {
        for (size_t k = 0; k < count; k++)
            v[wanted[k]] = (int64_t)value;
        return !r->bad;
    }
    if (codec > EVCOL_INT_DELTA || !read_planes(r, is_plain ? n : n - 1, &p))
        return false;
    for (size_t k = 0; k < count; k++) {
        size_t i = wanted[k];
        value = is_plain ? sum_of(&p, i, i + 1) : value + sum_of(&p, at, i);
        v[i] = (int64_t)value;
        at = i;
    }
    return true;
}

/* ---- doubles ---- */

static bool is_decimal(const double *v, size_t n, int exponent, int64_t *out)
{
    for (size_t i = 0; i < n; i++) {
        double scaled = v[i] * POWERS[exponent];
        if (!(fabs(scaled) < 9007199254740992.0))
            return false;
        out[i] = (int64_t)nearbyint(scaled);
        if (double_bits((double)out[i] / POWERS[exponent]) != double_bits(v[i]))
            return false;
    }
    return true;
}

void evcol_put_doubles(struct buf *out, const double *v, size_t n)
{
    int64_t *ints = mem_alloc((n + 1) * sizeof *ints);
    for (int exponent = 0; exponent <= DECIMAL_EXPONENT_MAX; exponent++) {
        if (!is_decimal(v, n, exponent, ints))
            continue;
        buf_u8(out, EVCOL_DOUBLE_DECIMAL);
        buf_u8(out, (uint8_t)exponent);
        evcol_put_ints(out, ints, n);
        mem_free(ints);
        return;
    }
    for (size_t i = 0; i < n; i++)
        ints[i] = (int64_t)double_bits(v[i]);
    buf_u8(out, EVCOL_DOUBLE_BITS);
    evcol_put_ints(out, ints, n);
    mem_free(ints);
}

static double double_of(int64_t number, unsigned codec, unsigned exponent)
{
    return codec == EVCOL_DOUBLE_BITS ? double_of_bits((uint64_t)number) : (double)number / POWERS[exponent];
}

bool evcol_get_some_doubles(struct reader *r, double *v, size_t n, const uint32_t *wanted, size_t count)
{
    unsigned codec = read_u8(r);
    unsigned exponent = codec == EVCOL_DOUBLE_DECIMAL ? read_u8(r) : 0;
    if (r->bad || codec > EVCOL_DOUBLE_DECIMAL || exponent > DECIMAL_EXPONENT_MAX)
        return false;
    int64_t *ints = mem_alloc((n + 1) * sizeof *ints);
    bool ok = wanted ? evcol_get_some_ints(r, ints, n, wanted, count) : evcol_get_ints(r, ints, n);
    for (size_t i = 0; ok && wanted && i < count; i++)
        v[wanted[i]] = double_of(ints[wanted[i]], codec, exponent);
    for (size_t i = 0; ok && wanted == NULL && i < n; i++)
        v[i] = double_of(ints[i], codec, exponent);
    mem_free(ints);
    return ok;
}

bool evcol_get_doubles(struct reader *r, double *v, size_t n)
{
    return evcol_get_some_doubles(r, v, n, NULL, 0);
}

/* ---- strings ---- */

void evcol_put_plain(struct buf *out, const struct slice *v, size_t n)
{
    int64_t *lens = mem_alloc((n + 1) * sizeof *lens);
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        lens[i] = (int64_t)v[i].len;
        total += v[i].len;
    }
    evcol_put_ints(out, lens, n);
    mem_free(lens);
    char *at = buf_room(out, total);
    if (at == NULL)
        return;
    for (size_t i = 0; i < n; i++) {
        if (v[i].len)
            memcpy(at, v[i].ptr, v[i].len);
        at += v[i].len;
    }
    buf_added(out, total);
}

struct texts { /* how to put texts; writer NULL: never as shapes */
    struct evtext_writer *writer;
    const struct evtext_rows *rows;
    struct evfilter_set *filter;
};

static bool put_shapes(struct buf *out, const struct slice *v, size_t n, const struct texts *how)
{
    size_t total = 0, before = out->len;
    for (size_t i = 0; i < n; i++)
        total += v[i].len;
    if (how->writer == NULL || n < SHAPES_VALUES_MIN || total < n * SHAPES_BYTES_MIN)
        return false;
    buf_u8(out, EVCOL_STRING_TEXTS);
    if (evtext_put(how->writer, out, v, n, how->rows, how->filter))
        return true;
    out->len = before;
    return false;
}

static void put_strings(struct buf *out, const struct slice *v, size_t n, const struct evdict *d, struct texts how)
{
    if (d->is_worth) {
        buf_u8(out, EVCOL_STRING_DICT);
        buf_varint(out, d->count);
        evcol_put_plain(out, d->values, d->count);
        evcol_put_ints(out, d->ids, n);
        for (size_t i = 0; how.filter && i < d->count; i++)
            evfilter_add_text(how.filter, d->values[i]);
    } else if (!put_shapes(out, v, n, &how)) {
        buf_u8(out, EVCOL_STRING_PLAIN);
        evcol_put_plain(out, v, n);
        for (size_t i = 0; how.filter && i < n; i++)
            evfilter_add_text(how.filter, v[i]);
    }
}

static void put_any_strings(struct buf *out, const struct slice *v, size_t n, struct texts how)
{
    struct evdict d;
    evdict_make(&d, v, n);
    put_strings(out, v, n, &d, how);
    evdict_free(&d);
}

static bool get_plain(struct reader *r, size_t n, struct arena *a, uint32_t **ends, const char **bytes)
{
    int64_t *lens = mem_alloc((n + 1) * sizeof *lens);
    bool ok = evcol_get_ints(r, lens, n);
    size_t left = reader_left(r), total = 0;
    *ends = arena_array(a, uint32_t, n + 1);
    for (size_t i = 0; ok && i < n; i++) {
        ok = lens[i] >= 0 && (uint64_t)lens[i] <= left - total;
        total += ok ? (size_t)lens[i] : 0;
        ok = ok && total <= UINT32_MAX;
        (*ends)[i] = (uint32_t)total;
    }
    mem_free(lens);
    if (ok)
        *bytes = read_bytes(r, total).ptr;
    return ok;
}

void evcol_put_strings(struct buf *out, const struct slice *v, size_t n)
{
    put_any_strings(out, v, n, (struct texts){ 0 });
}

void evcol_put_words(struct buf *out, const struct slice *v, size_t n)
{
    put_any_strings(out, v, n, (struct texts){ 0 });
}

void evcol_put_texts(struct buf *out, const struct slice *v, size_t n, struct evtext_writer *w, const struct evtext_rows *rows,
                     struct evfilter_set *filter)
{
    put_any_strings(out, v, n, (struct texts){ w, rows, filter });
}

void evcol_put_known_texts(struct buf *out, const struct slice *v, size_t n, const struct evdict *d, struct evtext_writer *w)
{
    put_strings(out, v, n, d, (struct texts){ w, NULL, NULL });
}

bool evcol_get_plain(struct reader *r, struct evcol_strings *s, size_t n, struct arena *a)
{
    uint32_t *ends;
    *s = (struct evcol_strings){ .n = n, .bytes = "" };
    bool ok = get_plain(r, n, a, &ends, &s->bytes);
    s->ends = ends;
    return ok;
}

/* wanted NULL: all. */
static bool get_strings(struct reader *r, struct evcol_strings *s, size_t n, const uint32_t *wanted, size_t wanted_count, struct arena *a)
{
    unsigned codec = read_u8(r);
    uint32_t *ends;
    *s = (struct evcol_strings){ .n = n, .is_dict = codec == EVCOL_STRING_DICT };
    if (codec == EVCOL_STRING_PLAIN)
        return !r->bad && evcol_get_plain(r, s, n, a);
    if (codec == EVCOL_STRING_SHAPES)
        return !r->bad && evshape_get(r, n, a, &s->bytes, &s->ends);
    uint64_t count = read_varint(r);
    const char *bytes = "";
    if (r->bad || codec != EVCOL_STRING_DICT || count > evdict_count_max(n) || !get_plain(r, (size_t)count, a, &ends, &bytes))
        return false;
    struct slice *dict = arena_array(a, struct slice, (size_t)count + 1);
    for (size_t i = 0; i < count; i++) {
        uint32_t from = i ? ends[i - 1] : 0;
        dict[i] = slice_of(bytes + from, ends[i] - from);
    }
    int64_t *wide = mem_alloc((n + 1) * sizeof *wide);
    uint32_t *ids = arena_array(a, uint32_t, n + 1);
    bool ok = wanted ? evcol_get_some_ints(r, wide, n, wanted, wanted_count) : evcol_get_ints(r, wide, n);
    for (size_t k = 0; ok && k < (wanted ? wanted_count : n); k++) {
        size_t i = wanted ? wanted[k] : k;
        ok = (uint64_t)wide[i] < count;
        ids[i] = (uint32_t)wide[i];
    }
    mem_free(wide);
    s->dict_count = (size_t)count;
    s->dict = dict;
    s->ids = ids;
    return ok;
}

bool evcol_get_strings(struct reader *r, struct evcol_strings *s, size_t n, struct arena *a)
{
    return get_strings(r, s, n, NULL, 0, a);
}

/* wanted NULL: all. */
static bool get_texts(struct reader *r, struct evcol_strings *s, size_t n, const struct evtext_rows *rows, const uint32_t *wanted, size_t count,
                      struct arena *a)
{
    if (reader_left(r) == 0 || *r->at != EVCOL_STRING_TEXTS)
        return get_strings(r, s, n, wanted, count, a);
    struct evtext t;
    struct arena *scratch = arena_new(0); /* the columns take more room than the texts */
    struct zstd_ctx *zstd = zstd_ctx_new();
    read_u8(r);
    *s = (struct evcol_strings){ .n = n };
    bool ok = evtext_open(&t, r, n, rows, zstd, scratch);
    ok = ok && (wanted ? evtext_some(&t, wanted, count, a, &s->bytes, &s->ends) : evtext_all(&t, a, &s->bytes, &s->ends));
    zstd_ctx_free(zstd);
    arena_free(scratch);
    return ok;
}

bool evcol_get_texts(struct reader *r, struct evcol_strings *s, size_t n, const struct evtext_rows *rows, struct arena *a)
{
    return get_texts(r, s, n, rows, NULL, 0, a);
}

bool evcol_get_some_texts(struct reader *r, struct evcol_strings *s, size_t n, const uint32_t *wanted, size_t count, struct arena *a)
{
    return get_texts(r, s, n, NULL, wanted, count, a);
}

bool evcol_get_words(struct reader *r, struct evcol_strings *s, size_t n, struct arena *a)
{
    bool is_shapes = reader_left(r) && *r->at == EVCOL_STRING_SHAPES;
    return !is_shapes && evcol_get_strings(r, s, n, a);
}

/* ---- ids ---- */

void evcol_put_fixed(struct buf *out, const uint8_t *v, size_t width, size_t n)
{
    struct slice *list = mem_alloc((n + 1) * sizeof *list);
    struct evdict d;
    for (size_t i = 0; i < n; i++)
        list[i] = slice_of(v + i * width, width);
    evdict_make(&d, list, n);
    if (d.is_worth) {
        buf_u8(out, EVCOL_FIXED_DICT);
        buf_varint(out, d.count);
        for (size_t i = 0; i < d.count; i++)
            buf_slice(out, d.values[i]);
        evcol_put_ints(out, d.ids, n);
    } else {
        buf_u8(out, EVCOL_FIXED_PLAIN);
        buf_put(out, v, width * n);
    }
    evdict_free(&d);
    mem_free(list);
}

bool evcol_read_fixed(struct reader *r, struct evcol_fixed *out, size_t width, size_t n, struct arena *a)
{
    unsigned codec = read_u8(r);
    uint64_t count = codec == EVCOL_FIXED_PLAIN ? n : read_varint(r);
    *out = (struct evcol_fixed){ .count = (size_t)count, .step = width };
    if (r->bad || codec > EVCOL_FIXED_DICT || (codec == EVCOL_FIXED_DICT && count > evdict_count_max(n)))
        return false;
    out->bytes = (const uint8_t *)read_bytes(r, (size_t)count * width).ptr;
    if (r->bad || codec == EVCOL_FIXED_PLAIN)
        return !r->bad;
    int64_t *codes = arena_array(a, int64_t, n + 1);
    bool ok = evcol_get_ints(r, codes, n);
    for (size_t i = 0; ok && i < n; i++)
        ok = (uint64_t)codes[i] < count;
    out->codes = codes;
    return ok;
}

bool evcol_get_fixed(struct reader *r, uint8_t *v, size_t width, size_t n, struct arena *a)
{
    struct evcol_fixed all;
    if (!evcol_read_fixed(r, &all, width, n, a))
        return false;
    for (size_t i = 0; i < n; i++)
        memcpy(v + i * width, evcol_fixed_at(&all, i), width);
    return true;
}

/* ---- cells ---- */

static bool type_is_text(unsigned type)
{
    return type == FIELD_STRING || type == FIELD_BYTES || type == FIELD_JSON;
}

void evcol_put_cells(struct buf *out, const struct field *const *fields, size_t n)
{
    struct arena *a = arena_new(0);
    struct slice *keys = arena_array(a, struct slice, n + 1), *values = arena_array(a, struct slice, n + 1);
    for (size_t i = 0; i < n; i++) {
        const struct field *f = fields[i];
        char *key = arena_alloc(a, CELL_KEY_HEAD_BYTES + f->name.len);
        key[0] = (char)f->scope;
        key[1] = (char)f->type;
        if (f->name.len)
            memcpy(key + CELL_KEY_HEAD_BYTES, f->name.ptr, f->name.len);
        keys[i] = slice_of(key, CELL_KEY_HEAD_BYTES + f->name.len);
        values[i] = type_is_text(f->type) ? f->text : slice_of(&f->i, sizeof f->i);
    }
    evcol_put_strings(out, keys, n);
    evcol_put_strings(out, values, n);
    arena_free(a);
}

bool evcol_get_cells(struct reader *r, struct field *fields, size_t n, struct arena *a)
{
    struct evcol_strings keys, values;
    if (!evcol_get_strings(r, &keys, n, a) || !evcol_get_strings(r, &values, n, a))
        return false;
    for (size_t i = 0; i < n; i++) {
        struct slice key = evcol_string(&keys, i), value = evcol_string(&values, i);
        if (key.len < CELL_KEY_HEAD_BYTES || (uint8_t)key.ptr[1] > FIELD_JSON)
            return false;
        struct field *f = &fields[i];
        *f = (struct field){ .scope = (uint8_t)key.ptr[0], .type = (uint8_t)key.ptr[1], .text = SLICE_EMPTY };
        f->name = slice_skip(key, CELL_KEY_HEAD_BYTES);
        if (type_is_text(f->type))
            f->text = value;
        else if (value.len == sizeof f->i)
            memcpy(&f->i, value.ptr, sizeof f->i);
        else
            return false;
    }
    return true;
}
