/* SPDX-License-Identifier: Apache-2.0 */
/* What the import reads of others' files: an index, a list of deletes, a chunk. Samples that parse are written and read again the
 * same. Checksums stop most of what comes as an index: so its series are also read with a checksum made good. */
#include "base/arena.h"
#include "codec/histogram_chunk.h"
#include "codec/tsdb_block.h"
#include "codec/xor_chunk.h"
#include "fuzz/fuzz.h"

enum { TOC_BYTES = 52, HEAD_BYTES = 64 };

static void read_samples(struct slice bytes)
{
    size_t n = xor_chunk_count(bytes);
    int64_t *t = mem_zalloc((2 * n + 1) * sizeof *t);
    double *v = mem_zalloc((2 * n + 1) * sizeof *v);
    struct buf again;
    buf_init(&again, 0);
    if (n > 0 && xor_chunk_decode(bytes, t, v)) {
        xor_chunk_encode(t, v, n, &again);
        MUST(xor_chunk_count(buf_as_slice(&again)) == n && xor_chunk_decode(buf_as_slice(&again), t + n, v + n));
        MUST(memcmp(t, t + n, n * sizeof *t) == 0 && memcmp(v, v + n, n * sizeof *v) == 0);
    }
    buf_free(&again);
    mem_free(t);
    mem_free(v);
}

static void read_histograms(struct slice bytes, bool is_float)
{
    struct arena *a = arena_new(0);
    struct histogram_chunk_sample s;
    bool bad = false;
    struct histogram_chunk *c = histogram_chunk_open(a, bytes, is_float);
    while (c && histogram_chunk_next(c, &s, &bad))
        ;
    arena_free(a);
}

static void read_index(struct slice bytes)
{
    struct arena *a = arena_new(0);
    struct tsdb_index *ix;
    struct tsdb_series s;
    struct err err;
    if (tsdb_index_open(a, bytes, &ix, &err) == ST_OK)
        while (tsdb_index_next(ix, &s, &err) == ST_OK)
            for (size_t i = 0; i < s.label_count; i++)
                MUST(fuzz_within(s.labels[i].name, bytes) && fuzz_within(s.labels[i].value, bytes));
    arena_free(a);
}

static void put_big(uint8_t *to, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        to[i] = (uint8_t)(v >> 8 * (n - 1 - i));
}

/* The bytes as one series behind a table of two symbols, all checksums right. */
static void read_series(struct slice content)
{
    if (content.len == 0 || content.len > 127) /* a length of one byte */
        return;
    struct crc32c crc;
    crc32c_init(&crc);
    size_t series = HEAD_BYTES, toc = series + 1 + content.len + 4, total = toc + TOC_BYTES;
    uint8_t *b = mem_zalloc(total);
    put_big(b, 0xbaaad700u, 4);
    b[4] = 2;
    static const uint8_t symbols[] = { 0, 0, 0, 8, 0, 0, 0, 2, 1, 'a', 1, 'b' };
    memcpy(b + 5, symbols, sizeof symbols);
    put_big(b + 5 + sizeof symbols, crc32c_of(&crc, slice_of(b + 9, sizeof symbols - 4)), 4);
    b[series] = (uint8_t)content.len;
    memcpy(b + series + 1, content.ptr, content.len);
    put_big(b + series + 1 + content.len, crc32c_of(&crc, content), 4);
    put_big(b + toc, 5, 8);
    put_big(b + toc + 8, series, 8);
    put_big(b + toc + 48, crc32c_of(&crc, slice_of(b + toc, 48)), 4);
    read_index(slice_of(b, total));
    mem_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size), chunk;
    struct arena *a = arena_new(0);
    struct tsdb_tombstone *dead;
    struct crc32c crc;
    struct err err;
    size_t n;
    uint8_t encoding;
    crc32c_init(&crc);
    read_samples(bytes);
    read_histograms(bytes, false);
    read_histograms(bytes, true);
    read_index(bytes);
    read_series(bytes);
    (void)tsdb_tombstones(a, bytes, &dead, &n, &err);
    if (tsdb_chunk_at(&crc, bytes, &n, &encoding, &chunk, &err) == ST_OK)
        MUST(fuzz_within(chunk, bytes));
    arena_free(a);
    return 0;
}
