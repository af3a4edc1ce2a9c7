/* SPDX-License-Identifier: Apache-2.0 */
/* A chunk with histograms in its page:
 *
 *     u8 kind 4: all are histograms; 5: some
 *     kind 5: bits, ceil(n / 8) bytes, bit i % 8 of byte i / 8 is set for a histogram; the numbers between them as chunk.c encodes
 *     varint pieces; each: varint histograms | varint offset of its block | varint length | varint place in it | varint bytes
 *
 * A piece is histograms of one chunk as hchunk.c encodes them: all of it, unless they take too much memory together. Pieces
 * of a page's series stand in blocks one after the other, so that zstd sees neighbours of one metric together and a block
 * is a matter of one read. They are written before the page, since its entries name them. */
#include "metrics/hpage.h"

enum { KIND_ALL = 4, KIND_SOME = 5 };

struct piece {
    uint32_t count, at, bytes, block; /* block: number within the page */
};

struct hpage_writer {
    struct part_writer *w;
    struct arena *scratch;
    struct buf block;
    struct piece *pieces;
    size_t piece_count, piece_cap, piece_at;
    struct block_ref *blocks;
    size_t block_count, block_cap;
};

bool hpage_has(const double *v, size_t n)
{
    bool has = false;
    for (size_t i = 0; i < n; i++)
        has |= is_histogram(v[i]);
    return has;
}

bool hpage_is(struct slice entry)
{
    return entry.len > 0 && (entry.ptr[0] == KIND_ALL || entry.ptr[0] == KIND_SOME);
}

struct hpage_writer *hpage_writer_new(struct part_writer *w)
{
    struct hpage_writer *hw = mem_new(struct hpage_writer);
    hw->w = w;
    hw->scratch = arena_new(0);
    buf_init(&hw->block, PART_BLOCK_BYTES_MAX);
    return hw;
}

void hpage_writer_free(struct hpage_writer *hw)
{
    if (hw == NULL)
        return;
    arena_free(hw->scratch);
    buf_free(&hw->block);
    mem_free(hw->pieces);
    mem_free(hw->blocks);
    mem_free(hw);
}

static enum status block_close(struct hpage_writer *hw, struct err *err)
{
    if (hw->block.len == 0)
        return ST_OK;
    if (hw->block_count == hw->block_cap) {
        hw->block_cap = MAX(hw->block_cap * 2, (size_t)16);
        hw->blocks = mem_realloc(hw->blocks, hw->block_cap * sizeof *hw->blocks);
    }
    enum status st = buf_over(&hw->block) ? err_set(err, ST_LIMIT, "part: a block of histograms is over %d bytes", PART_BLOCK_BYTES_MAX)
                                          : part_write(hw->w, CODEC_ZSTD, buf_as_slice(&hw->block), &hw->blocks[hw->block_count], err);
    hw->block_count++;
    buf_reset(&hw->block);
    return st;
}

/* The histograms among n values. */
static size_t histograms_of(const double *v, size_t n, const struct histogram **to)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (is_histogram(v[i]))
            to[m++] = histogram_unbox(v[i]);
    return m;
}

enum status hpage_put(struct hpage_writer *hw, const double *v, size_t n, struct err *err)
{
    const struct histogram *list[CHUNK_SAMPLES_MAX];
    size_t m = histograms_of(v, n, list);
    if (hw->piece_at > 0) { /* the entries of the page before are made */
        hw->piece_at = hw->piece_count = hw->block_count = 0;
    }
    for (size_t i = 0, fit; i < m; i += fit) {
        fit = hchunk_fit(list + i, m - i);
        if (hw->piece_count == hw->piece_cap) {
            hw->piece_cap = MAX(hw->piece_cap * 2, (size_t)64);
            hw->pieces = mem_realloc(hw->pieces, hw->piece_cap * sizeof *hw->pieces);
        }
        size_t at = hw->block.len;
        hchunk_encode(list + i, fit, hw->scratch, &hw->block);
        hw->pieces[hw->piece_count++] =
            (struct piece){ (uint32_t)fit, (uint32_t)at, (uint32_t)(hw->block.len - at), (uint32_t)hw->block_count };
        enum status st = hw->block.len >= HPAGE_BLOCK_BYTES ? block_close(hw, err) : ST_OK;
        if (st)
            return st;
    }
    return ST_OK;
}

enum status hpage_put_end(struct hpage_writer *hw, struct err *err)
{
    return block_close(hw, err);
}

static uint8_t *put_varint(uint8_t *to, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        *to++ = (uint8_t)(v | 128);
    *to++ = (uint8_t)v;
    return to;
}

size_t hpage_entry(struct hpage_writer *hw, const double *v, size_t n, uint8_t *hint, uint8_t *out, uint8_t *flags)
{
    double numbers[CHUNK_SAMPLES_MAX];
    uint8_t bits[CHUNK_SAMPLES_MAX / 8] = { 0 }, *to = out;
    size_t m = 0, pieces = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_histogram(v[i]))
            bits[i / 8] |= (uint8_t)(1 << i % 8);
        else
            numbers[m++] = v[i];
    }
    *flags = CHUNK_HISTOGRAMS;
    *to++ = m == 0 ? KIND_ALL : KIND_SOME;
    if (m > 0) {
        memcpy(to, bits, (n + 7) / 8);
        to += (n + 7) / 8;
        uint8_t of_numbers;
        to += chunk_encode_values(numbers, m, hint, to, &of_numbers);
        *flags |= of_numbers & (CHUNK_HAS_STALE | CHUNK_HAS_NAN);
        *flags |= is_stale(v[n - 1]) ? CHUNK_LAST_STALE : 0;
    }
    for (size_t left = n - m; left > 0; left -= hw->pieces[hw->piece_at + pieces++].count)
        ;
    to = put_varint(to, pieces);
    for (; pieces > 0; pieces--) {
        const struct piece *p = &hw->pieces[hw->piece_at++];
        to = put_varint(to, p->count);
        to = put_varint(to, hw->blocks[p->block].offset);
        to = put_varint(to, hw->blocks[p->block].length);
        to = put_varint(to, p->at);
        to = put_varint(to, p->bytes);
    }
    return (size_t)(to - out);
}

/* ---- reading ---- */

struct hpage_reader {
    hpage_fetch *fetch;
    void *arg;
    struct arena *scratch, *a;
    struct block *block; /* the last, for neighbours share it; NULL: none, or it could not be read */
    uint64_t block_offset_1;
};

struct hpage_reader *hpage_reader_new(hpage_fetch *fetch, void *arg)
{
    struct hpage_reader *hr = mem_new(struct hpage_reader);
    hr->fetch = fetch;
    hr->arg = arg;
    hr->scratch = arena_new(0);
    hr->a = arena_new(0);
    return hr;
}

void hpage_reader_free(struct hpage_reader *hr)
{
    if (hr == NULL)
        return;
    block_drop(hr->block);
    arena_free(hr->scratch);
    arena_free(hr->a);
    mem_free(hr);
}

void hpage_reader_reset(struct hpage_reader *hr)
{
    arena_reset(hr->a);
}

/* Marks histograms in is_one, puts the numbers to v; the count of histograms, 0: does not parse. */
static size_t places_get(struct reader *r, size_t n, double *v, bool *is_one)
{
    unsigned kind = read_u8(r);
    struct slice bits = kind == KIND_SOME ? read_bytes(r, (n + 7) / 8) : SLICE_EMPTY;
    size_t m = 0;
    if (r->bad || n == 0 || n > CHUNK_SAMPLES_MAX)
        return 0;
    for (size_t i = 0; i < n; i++)
        m += is_one[i] = kind == KIND_ALL || (uint8_t)bits.ptr[i / 8] >> i % 8 & 1;
    if (m == n)
        return kind == KIND_ALL ? m : 0;
    double numbers[CHUNK_SAMPLES_MAX];
    if (!chunk_read_numbers(r, n - m, numbers))
        return 0;
    for (size_t i = 0, at = 0; i < n; i++)
        v[i] = is_one[i] ? 0 : numbers[at++];
    return m;
}

static enum status block_get(struct hpage_reader *hr, struct block_ref ref, struct err *err)
{
    if (hr->block_offset_1 == ref.offset + 1)
        return hr->block ? ST_OK : ST_NOT_FOUND;
    block_drop(hr->block);
    hr->block = NULL;
    hr->block_offset_1 = ref.offset + 1;
    return hr->fetch(hr->arg, ref, &hr->block, err);
}

enum status hpage_read(struct hpage_reader *hr, struct slice entry, size_t n, size_t from, size_t to, double *v, uint64_t *bytes,
                       struct err *err)
{
    bool is_one[CHUNK_SAMPLES_MAX];
    const struct histogram *list[CHUNK_SAMPLES_MAX];
    struct reader r = reader_of(entry);
    size_t m = places_get(&r, n, v, is_one), done = 0, first = 0, last = 0; /* histograms first <= i < last are wanted */
    if (m == 0)
        return ST_CORRUPT;
    for (size_t i = 0; i < to; i++) {
        first += i < from && is_one[i];
        last += is_one[i];
    }
    uint64_t pieces = read_varint(&r);
    for (; pieces > 0; pieces--) {
        uint64_t count = read_varint(&r), offset = read_varint(&r), length = read_varint(&r), at = read_varint(&r), len = read_varint(&r);
        if (r.bad || count > m - done || length > UINT32_MAX)
            return ST_CORRUPT;
        size_t low = MAX(done, first), high = MIN(done + count, last);
        if (low < high) {
            enum status st = block_get(hr, (struct block_ref){ offset, (uint32_t)length }, err);
            if (st)
                return st;
            struct slice all = hr->block->bytes;
            if (at > all.len || len > all.len - at ||
                !hchunk_decode(slice_sub(all, at, at + len), count, low - done, high - low, hr->scratch, hr->a, list + low))
                return ST_CORRUPT;
        }
        done += count;
    }
    if (r.bad || done != m || reader_left(&r) > 0)
        return ST_CORRUPT;
    for (size_t i = 0, at = 0; i < n; i++) {
        if (!is_one[i])
            continue;
        bool is_wanted = at >= first && at < last;
        v[i] = is_wanted ? histogram_box(list[at]) : 0;
        *bytes += is_wanted ? histogram_bytes(list[at]) : 0;
        at++;
    }
    return ST_OK;
}
