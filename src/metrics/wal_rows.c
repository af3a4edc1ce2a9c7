/* SPDX-License-Identifier: Apache-2.0 */
/* Samples in the WAL.
 *
 *     u8 version | tenant | varint series | varint samples
 *     per series: zigzag (ordinal - last ordinal - 1) | varint (count << 1 | defines) | labels, when it defines
 *     per sample: zigzag (time - last time)
 *     per sample: value
 *     varint metadata count | metadata
 *
 * Texts are varint length and bytes. A value is a byte (kind << 4 | n) and n bytes, little-endian:
 *
 *     kind 0, 1  a whole number, and a negative one         kind 2, 3, 4  whole number / 10, / 100, / 1000 (not negative)
 *     kind 5     the upper n bytes of the IEEE bits; the lower are 0
 *     kind 6     a histogram, n is 0: its bytes (model/histogram.h) follow behind the last value, in the same order
 *
 * (1) The first frame of a segment that names a series defines its ordinal; encoding happens in LSN order under the store's
 *     append lock. (2) Apart from definitions a frame stands alone, so that a damaged one takes no other with it but those
 *     that need its definitions, and those are known by ordinals that nobody defined. */
#include "metrics/wal_rows.h"

#include "model/histogram.h"

enum {
    WAL_ROWS_VERSION = 1,
    WAL_HISTOGRAMS_VERSION = 2, /* the same, and it has histograms */
    VARINT_BYTES_MAX = 10,
    VALUE_BYTES_MAX = 9,
    ORDINAL_GAP_MAX = 4 * MIB, /* ordinals that lost frames may have defined */
    VALUE_WHOLE = 0,
    VALUE_NEGATIVE = 1,
    VALUE_TENTHS = 2, /* then hundredths, thousandths */
    VALUE_BITS = 5,
    VALUE_HISTOGRAM = 6
};

struct wal_rows {
    /* Writing. */
    uint64_t segment;
    uint32_t next_ordinal;
    /* Replay. */
    struct arena *arena;
    struct slice *defs; /* labels by ordinal; ptr NULL: not defined */
    size_t def_count, def_cap;
};

struct wal_rows *wal_rows_new(void)
{
    struct wal_rows *w = mem_new(struct wal_rows);
    w->segment = UINT64_MAX;
    return w;
}

static void replay_end(struct wal_rows *w)
{
    arena_free(w->arena);
    mem_free(w->defs);
    w->arena = NULL;
    w->defs = NULL;
    w->def_count = w->def_cap = 0;
}

void wal_rows_free(struct wal_rows *w)
{
    if (w)
        replay_end(w);
    mem_free(w);
}

static uint8_t *put_varint(uint8_t *to, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        *to++ = (uint8_t)(v | 128);
    *to++ = (uint8_t)v;
    return to;
}

static uint8_t *put_number(uint8_t *to, unsigned kind, uint64_t x)
{
    unsigned n = x ? 8 - (unsigned)__builtin_clzll(x) / 8 : 0;
    *to++ = (uint8_t)(kind << 4 | n);
    memcpy(to, &x, 8);
    return to + n;
}

static uint8_t *put_value(uint8_t *to, double v)
{
    static const double scales[] = { 100, 1000, 10 };
    static const unsigned kinds[] = { VALUE_TENTHS + 1, VALUE_TENTHS + 2, VALUE_TENTHS };
    const double limit = 9007199254740992.0;
    uint64_t bits = double_bits(v);
    if (is_histogram(v)) {
        *to++ = VALUE_HISTOGRAM << 4;
        return to;
    }
    if (v > -limit && v < limit && bits != 0x8000000000000000ull) {
        int64_t whole = (int64_t)v;
        if ((double)whole == v)
            return whole < 0 ? put_number(to, VALUE_NEGATIVE, (uint64_t)-whole) : put_number(to, VALUE_WHOLE, (uint64_t)whole);
        for (size_t i = 0; v > 0 && v < limit / 2000 && i < COUNT_OF(scales); i++) {
            int64_t scaled = (int64_t)(v * scales[i] + 0.5);
            if (double_bits((double)scaled / scales[i]) == bits)
                return put_number(to, kinds[i], (uint64_t)scaled);
        }
    }
    unsigned dropped = (unsigned)__builtin_ctzll(bits) / 8; /* bits are not 0 here: that is a whole number */
    bits >>= dropped * 8;
    *to++ = (uint8_t)(VALUE_BITS << 4 | (8 - dropped));
    memcpy(to, &bits, 8);
    return to + 8 - dropped;
}

static double get_value(struct reader *r, bool *is_marked)
{
    unsigned head = read_u8(r), kind = head >> 4, n = head & 15;
    *is_marked = head == VALUE_HISTOGRAM << 4;
    if (*is_marked)
        return 0;
    if (n > 8 || kind > VALUE_BITS || reader_left(r) < n) {
        r->bad = true;
        return 0;
    }
    uint64_t x = 0;
    memcpy(&x, r->at, n);
    r->at += n;
    switch (kind) {
    case VALUE_WHOLE: return (double)x;
    case VALUE_NEGATIVE: return -(double)x;
    case VALUE_TENTHS: return (double)x / 10;
    case VALUE_TENTHS + 1: return (double)x / 100;
    case VALUE_TENTHS + 2: return (double)x / 1000;
    default: return double_of_bits(n ? x << (8 - n) * 8 : 0);
    }
}

static void put_series(struct metrics_state *st, const struct batch *b, uint64_t segment, struct buf *out)
{
    struct wal_rows *w = st->wal;
    uint32_t last = UINT32_MAX;
    for (size_t i = 0; i < b->series_count; i++) {
        struct series *s = series_at(st->dict, series_slot(b->series[i].ref));
        bool is_new = s->wal_segment != segment;
        if (is_new) {
            s->wal_segment = segment;
            s->wal_ordinal = w->next_ordinal++;
        }
        buf_zigzag(out, (int64_t)(int32_t)(s->wal_ordinal - last - 1));
        buf_varint(out, (uint64_t)b->series[i].count << 1 | is_new);
        if (is_new)
            buf_lenslice(out, series_labels(s));
        last = s->wal_ordinal;
    }
}

static void put_samples(const struct batch *b, struct buf *out)
{
    size_t room = b->sample_count * (VARINT_BYTES_MAX + VALUE_BYTES_MAX);
    uint8_t *start = (uint8_t *)buf_room(out, room + sizeof(uint64_t)), *to = start;
    if (to == NULL)
        return;
    int64_t last = 0;
    for (size_t i = 0; i < b->series_count; i++)
        for (uint32_t j = 0; j < b->series[i].count; j++) {
            int64_t t = b->samples[b->series[i].first + j].t_ms;
            int64_t delta = (int64_t)((uint64_t)t - (uint64_t)last);
            to = put_varint(to, ((uint64_t)delta << 1) ^ (uint64_t)(delta >> 63));
            last = t;
        }
    for (size_t i = 0; i < b->series_count; i++)
        for (uint32_t j = 0; j < b->series[i].count; j++)
            to = put_value(to, b->samples[b->series[i].first + j].v);
    buf_added(out, (size_t)(to - start));
    for (size_t i = 0; i < b->series_count; i++)
        for (uint32_t j = 0; j < b->series[i].count && !buf_over(out); j++) {
            double v = b->samples[b->series[i].first + j].v;
            if (is_histogram(v))
                histogram_write(out, histogram_unbox(v));
        }
}

static bool has_histograms(const struct batch *b)
{
    for (size_t i = 0; i < b->sample_count; i++)
        if (is_histogram(b->samples[i].v))
            return true;
    return false;
}

enum status wal_rows_encode(void *state, const struct batch *b, uint64_t segment, struct buf *out, struct err *err)
{
    struct metrics_state *st = state;
    struct wal_rows *w = st->wal;
    if (w->arena)
        replay_end(w);
    if (w->segment != segment) {
        w->segment = segment;
        w->next_ordinal = 0;
    }
    size_t samples = 0;
    for (size_t i = 0; i < b->series_count; i++)
        samples += b->series[i].count;
    buf_u8(out, has_histograms(b) ? WAL_HISTOGRAMS_VERSION : WAL_ROWS_VERSION);
    buf_lenslice(out, b->tenant);
    buf_varint(out, b->series_count);
    buf_varint(out, samples);
    series_lock_batch(st->dict, (struct batch *)b);
    put_series(st, b, segment, out);
    put_samples(b, out);
    series_unlock(st->dict);
    buf_varint(out, b->metadata_count);
    for (size_t i = 0; i < b->metadata_count; i++)
        metadata_write(out, &b->metadata[i]);
    return buf_over(out) ? err_set(err, ST_LIMIT, "request: its samples do not fit into one WAL frame of %zu bytes", out->max) : ST_OK;
}

/* ---- replay ---- */

static bool define(struct wal_rows *w, uint32_t ordinal, struct slice labels)
{
    if (ordinal >= w->def_count + ORDINAL_GAP_MAX)
        return false;
    if (ordinal >= w->def_cap) {
        w->def_cap = MAX((size_t)ordinal + 1, w->def_cap ? w->def_cap * 2 : 1024);
        w->defs = mem_realloc(w->defs, w->def_cap * sizeof *w->defs);
    }
    for (; w->def_count <= ordinal; w->def_count++)
        w->defs[w->def_count] = (struct slice){ NULL, 0 };
    w->defs[ordinal] = arena_copy(w->arena, labels);
    return true;
}

/* Reads the series; ordinals[i] and counts[i] of each go to lists in the batch's arena. */
static bool get_series(struct wal_rows *w, struct reader *r, size_t count, uint32_t *ordinals, uint32_t *counts)
{
    uint32_t last = UINT32_MAX;
    for (size_t i = 0; i < count && !r->bad; i++) {
        uint32_t ordinal = last + 1 + (uint32_t)read_zigzag(r);
        uint64_t n = read_varint(r);
        if (n >> 1 > BATCH_ROWS_MAX)
            return false;
        if (n & 1) {
            struct slice labels = read_lenslice(r);
            if (r->bad || !labels_check(labels) || !define(w, ordinal, labels))
                return false;
        }
        if (ordinal >= w->def_count || w->defs[ordinal].ptr == NULL)
            return false;
        ordinals[i] = ordinal;
        counts[i] = (uint32_t)(n >> 1);
        last = ordinal;
    }
    return !r->bad;
}

static bool get_samples(struct wal_rows *w, struct reader *r, size_t series, const uint32_t *ordinals, const uint32_t *counts, size_t total,
                        struct batch *out)
{
    int64_t *times = arena_array(out->arena, int64_t, total);
    uint32_t *marked = arena_array(out->arena, uint32_t, total + 1); /* samples that are histograms */
    int64_t last = 0;
    size_t marked_count = 0;
    for (size_t i = 0; i < total; i++)
        times[i] = last = (int64_t)((uint64_t)last + (uint64_t)read_zigzag(r));
    size_t at = 0;
    for (size_t i = 0; i < series; i++) {
        batch_series(out, w->defs[ordinals[i]]);
        for (uint32_t j = 0; j < counts[i]; j++) {
            bool is_marked;
            if (at == total)
                return false;
            batch_sample(out, times[at++], get_value(r, &is_marked));
            if (is_marked)
                marked[marked_count++] = (uint32_t)(out->sample_count - 1);
        }
    }
    for (size_t i = 0; i < marked_count && !r->bad; i++) {
        struct histogram *h;
        if (!histogram_read(r, out->arena, &h))
            return false;
        out->samples[marked[i]].v = histogram_box(h);
    }
    return at == total && !r->bad;
}

enum status wal_rows_decode(void *state, struct slice bytes, bool new_segment, struct batch *out, struct err *err)
{
    struct metrics_state *st = state;
    struct wal_rows *w = st->wal;
    if (new_segment)
        replay_end(w);
    if (w->arena == NULL)
        w->arena = arena_new(0);
    struct reader r = reader_of(bytes);
    unsigned version = read_u8(&r);
    if (version != WAL_ROWS_VERSION && version != WAL_HISTOGRAMS_VERSION)
        return err_set(err, ST_CORRUPT, "WAL frame: samples of version %u, known are up to %d", version, WAL_HISTOGRAMS_VERSION);
    struct slice tenant = read_lenslice(&r);
    size_t series = read_varint(&r), total = read_varint(&r);
    if (r.bad || !tenant_is_stored(tenant) || series > reader_left(&r) || total > reader_left(&r))
        return err_set(err, ST_CORRUPT, "WAL frame: the head of its samples does not parse (%zu bytes)", bytes.len);
    out->tenant = arena_copy(out->arena, tenant);
    uint32_t *ordinals = arena_array(out->arena, uint32_t, series + 1), *counts = arena_array(out->arena, uint32_t, series + 1);
    if (!get_series(w, &r, series, ordinals, counts) || !get_samples(w, &r, series, ordinals, counts, total, out))
        return err_set(err, ST_CORRUPT, "WAL frame: its %zu series do not parse (%zu bytes)", series, bytes.len);
    size_t about = read_varint(&r);
    for (size_t i = 0; i < about && !r.bad; i++) {
        struct metric_metadata m;
        metadata_read(&r, &m);
        if (!r.bad)
            batch_metadata(out, m.name, m.type, m.help, m.unit);
    }
    if (r.bad || reader_left(&r) > 0)
        return err_set(err, ST_CORRUPT, "WAL frame: its metadata does not parse (%zu bytes)", bytes.len);
    return ST_OK;
}
