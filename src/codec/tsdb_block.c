/* SPDX-License-Identifier: Apache-2.0 */
/* The index of a block: a table of contents at the end says where symbols (all strings, sorted) and series begin. Series
 * stand one after the other at multiples of 16 bytes, each with a length in front and a checksum behind; the section ends
 * where the next one begins. Postings are not needed to read everything, and not looked at.
 *
 * All fixed-width numbers of these files are big-endian. */
#include "codec/tsdb_block.h"

enum {
    INDEX_MAGIC_BYTES = 5,
    INDEX_VERSION = 2,
    TOC_SECTIONS = 6,
    TOC_BYTES = TOC_SECTIONS * 8 + 4,
    SERIES_ALIGN = 16,
    CRC_BYTES = 4,
    LENGTH_BYTES_MAX = 5
};

#define INDEX_MAGIC 0xbaaad700u
#define CHUNKS_MAGIC 0x85bd40ddu
#define TOMBSTONES_MAGIC 0x0130ba30u

struct tsdb_index {
    struct crc32c crc;
    struct arena *a;
    struct slice bytes;
    struct slice *symbols;
    size_t symbol_count;
    uint64_t at, end; /* of the series */
    struct tsdb_label *labels;
    struct tsdb_chunk *chunks;
    size_t chunk_cap;
};

static uint64_t big(struct slice bytes, uint64_t at, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++)
        v = v << 8 | (uint8_t)bytes.ptr[at + i];
    return v;
}

static bool crc_is_good(const struct crc32c *crc, struct slice bytes, uint64_t from, uint64_t to)
{
    return crc32c_of(crc, slice_sub(bytes, from, to)) == big(bytes, to, CRC_BYTES);
}

static enum status damaged(struct err *err, const char *what, uint64_t at)
{
    return err_set(err, ST_CORRUPT, "block: %s at offset %llu does not check", what, (unsigned long long)at);
}

static enum status read_symbols(struct tsdb_index *ix, uint64_t at, struct err *err)
{
    if (at == 0 || at > ix->bytes.len || ix->bytes.len - at < 8 + CRC_BYTES)
        return damaged(err, "the table of symbols", at);
    uint64_t len = big(ix->bytes, at, 4), count = big(ix->bytes, at + 4, 4);
    if (len < 4 || len > ix->bytes.len - at - 4 - CRC_BYTES || count > len || !crc_is_good(&ix->crc, ix->bytes, at + 4, at + 4 + len))
        return damaged(err, "the table of symbols", at);
    struct reader r = reader_of(slice_sub(ix->bytes, at + 8, at + 4 + len));
    ix->symbols = arena_array(ix->a, struct slice, count + 1);
    for (ix->symbol_count = 0; ix->symbol_count < count && !r.bad; ix->symbol_count++)
        ix->symbols[ix->symbol_count] = read_lenslice(&r);
    return r.bad ? damaged(err, "the table of symbols", at) : ST_OK;
}

enum status tsdb_index_open(struct arena *a, struct slice bytes, struct tsdb_index **out, struct err *err)
{
    if (bytes.len < INDEX_MAGIC_BYTES + TOC_BYTES || big(bytes, 0, 4) != INDEX_MAGIC)
        return err_set(err, ST_CORRUPT, "block: this is no index of a block (%zu bytes)", bytes.len);
    if (big(bytes, 4, 1) != INDEX_VERSION)
        return err_set(err, ST_UNSUPPORTED, "block: its index has version %u, known is %d", (unsigned)big(bytes, 4, 1), INDEX_VERSION);
    struct tsdb_index *ix = arena_new_of(a, struct tsdb_index);
    crc32c_init(&ix->crc);
    ix->a = a;
    ix->bytes = bytes;
    uint64_t toc = bytes.len - TOC_BYTES;
    if (!crc_is_good(&ix->crc, bytes, toc, toc + TOC_SECTIONS * 8))
        return damaged(err, "the table of contents", toc);
    ix->at = big(bytes, toc + 8, 8);
    ix->end = toc;
    for (unsigned i = 0; i < TOC_SECTIONS; i++) {
        uint64_t section = big(bytes, toc + 8 * i, 8);
        if (section > ix->at && section < ix->end)
            ix->end = section;
    }
    if (ix->at == 0 || ix->at > ix->end)
        return damaged(err, "the table of contents", toc);
    ix->labels = arena_array(a, struct tsdb_label, TSDB_SERIES_LABELS_MAX);
    *out = ix;
    return read_symbols(ix, big(bytes, toc, 8), err);
}

static bool read_labels(struct tsdb_index *ix, struct reader *r, struct tsdb_series *out)
{
    uint64_t count = read_varint(r);
    if (count > TSDB_SERIES_LABELS_MAX)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t name = read_varint(r), value = read_varint(r);
        if (name >= ix->symbol_count || value >= ix->symbol_count)
            return false;
        ix->labels[i] = (struct tsdb_label){ ix->symbols[name], ix->symbols[value] };
    }
    out->labels = ix->labels;
    out->label_count = count;
    return !r->bad;
}

static bool read_chunks(struct tsdb_index *ix, struct reader *r, struct tsdb_series *out)
{
    uint64_t count = read_varint(r), ref = 0, end = 0;
    if (count > TSDB_SERIES_CHUNKS_MAX || count > reader_left(r))
        return false;
    if (count > ix->chunk_cap) {
        ix->chunk_cap = MAX(count, ix->chunk_cap * 2);
        ix->chunks = arena_array(ix->a, struct tsdb_chunk, ix->chunk_cap);
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t start = i == 0 ? (uint64_t)read_zigzag(r) : end + read_varint(r);
        end = start + read_varint(r);
        ref = i == 0 ? read_varint(r) : ref + (uint64_t)read_zigzag(r);
        ix->chunks[i] = (struct tsdb_chunk){ (int64_t)start, (int64_t)end, (uint32_t)(ref >> 32), (uint32_t)ref };
    }
    out->chunks = ix->chunks;
    out->chunk_count = count;
    return !r->bad;
}

enum status tsdb_index_next(struct tsdb_index *ix, struct tsdb_series *out, struct err *err)
{
    uint64_t at = (ix->at + SERIES_ALIGN - 1) / SERIES_ALIGN * SERIES_ALIGN;
    if (at >= ix->end)
        return ST_NOT_FOUND;
    struct reader r = reader_of(slice_sub(ix->bytes, at, ix->end));
    uint64_t len = read_varint(&r);
    if (r.bad || len == 0 || reader_left(&r) < CRC_BYTES || len > reader_left(&r) - CRC_BYTES)
        return damaged(err, "a series", at);
    uint64_t from = (uint64_t)((const char *)r.at - ix->bytes.ptr);
    if (!crc_is_good(&ix->crc, ix->bytes, from, from + len))
        return damaged(err, "a series", at);
    r = reader_of(slice_sub(ix->bytes, from, from + len));
    out->ref = at / SERIES_ALIGN;
    if (!read_labels(ix, &r, out) || !read_chunks(ix, &r, out))
        return damaged(err, "a series", at);
    ix->at = from + len + CRC_BYTES;
    return ST_OK;
}

/* ---- chunks ---- */

bool tsdb_segment_check(struct slice head)
{
    return head.len >= TSDB_SEGMENT_HEAD_BYTES && big(head, 0, 4) == CHUNKS_MAGIC && big(head, 4, 1) == 1;
}

enum status tsdb_chunk_at(const struct crc32c *crc, struct slice bytes, size_t *need, uint8_t *encoding, struct slice *data, struct err *err)
{
    struct reader r = reader_of(slice_sub(bytes, 0, LENGTH_BYTES_MAX));
    *need = TSDB_CHUNK_HEAD_BYTES;
    uint64_t len = read_varint(&r);
    if (r.bad)
        return bytes.len < LENGTH_BYTES_MAX ? err_set(err, ST_LIMIT, "block: a chunk is cut off") : damaged(err, "the length of a chunk", 0);
    if (len > TSDB_CHUNK_BYTES_MAX)
        return err_set(err, ST_CORRUPT, "block: a chunk of %llu bytes, at most %d are allowed", (unsigned long long)len, TSDB_CHUNK_BYTES_MAX);
    size_t head = (size_t)((const char *)r.at - bytes.ptr);
    *need = head + 1 + len + CRC_BYTES;
    if (bytes.len < *need)
        return err_set(err, ST_LIMIT, "block: a chunk of %zu bytes is cut off at %zu", *need, bytes.len);
    if (!crc_is_good(crc, bytes, head, head + 1 + len))
        return err_set(err, ST_CORRUPT, "block: the checksum of a chunk of %llu bytes does not fit", (unsigned long long)len);
    *encoding = (uint8_t)bytes.ptr[head];
    *data = slice_sub(bytes, head + 1, head + 1 + len);
    return ST_OK;
}

/* ---- tombstones ---- */

enum status tsdb_tombstones(struct arena *a, struct slice bytes, struct tsdb_tombstone **out, size_t *count, struct err *err)
{
    struct crc32c crc;
    size_t cap = 0;
    crc32c_init(&crc);
    *out = NULL;
    *count = 0;
    if (bytes.len < INDEX_MAGIC_BYTES + CRC_BYTES || big(bytes, 0, 4) != TOMBSTONES_MAGIC || big(bytes, 4, 1) != 1 ||
        !crc_is_good(&crc, bytes, INDEX_MAGIC_BYTES, bytes.len - CRC_BYTES))
        return err_set(err, ST_CORRUPT, "block: its list of deleted samples does not check (%zu bytes)", bytes.len);
    struct reader r = reader_of(slice_sub(bytes, INDEX_MAGIC_BYTES, bytes.len - CRC_BYTES));
    while (reader_left(&r) > 0 && !r.bad) {
        struct tsdb_tombstone t = { .ref = read_varint(&r) };
        t.min_ms = read_zigzag(&r);
        t.max_ms = read_zigzag(&r);
        ARENA_PUSH(a, *out, *count, cap) = t;
    }
    return r.bad ? err_set(err, ST_CORRUPT, "block: its list of deleted samples does not parse") : ST_OK;
}
