/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks that hold histograms: what stands in their page entry, and the blocks of histograms it names.
 * docs/formats/metrics-part.md. */
#ifndef STOA_METRICS_HPAGE_H
#define STOA_METRICS_HPAGE_H

#include "metrics/hchunk.h"
#include "store/part.h"

enum {
    HPAGE_BLOCK_BYTES = 64 * KIB, /* a block of histograms is closed when it has so many */
    HPAGE_ENTRY_BYTES_MAX = CHUNK_BYTES_MAX + CHUNK_SAMPLES_MAX / 8 + CHUNK_SAMPLES_MAX * 32 + 16 /* kind, places, numbers, pieces */
};

/* Has any of n values a histogram? */
bool hpage_has(const double *v, size_t n);
/* What `count` values, histograms among them that take so many bytes, add to a query's samples besides one for each. */
static inline uint64_t samples_of_histograms(uint64_t bytes, size_t count)
{
    uint64_t n = bytes / sizeof(struct sample);
    return n > count ? n - count : 0;
}
/* Do bytes of an entry stand for a chunk with histograms? */
bool hpage_is(struct slice entry);

/* ---- writing a page: its chunks with histograms twice, in the same order. One thread. ---- */

struct hpage_writer;

struct hpage_writer *hpage_writer_new(struct part_writer *w);
void hpage_writer_free(struct hpage_writer *hw); /* accepts NULL */
/* First: writes the histograms of each chunk to blocks, ... */
MUST_CHECK enum status hpage_put(struct hpage_writer *hw, const double *v, size_t n, struct err *err);
/* ... once all of the page are there, the last block, ... */
MUST_CHECK enum status hpage_put_end(struct hpage_writer *hw, struct err *err);
/* ... then each chunk's entry: at most HPAGE_ENTRY_BYTES_MAX bytes, their count is returned. hint and flags as chunk_encode_values. */
size_t hpage_entry(struct hpage_writer *hw, const double *v, size_t n, uint8_t *hint, uint8_t *out, uint8_t *flags);

/* ---- reading. One thread. ---- */

struct hpage_reader;

/* Reads one block: struct part's or a cursor's way to it. */
typedef enum status hpage_fetch(void *arg, struct block_ref ref, struct block **out, struct err *err);

struct hpage_reader *hpage_reader_new(hpage_fetch *fetch, void *arg);
void hpage_reader_free(struct hpage_reader *hr); /* accepts NULL; the histograms go with it */
/* Frees the histograms given so far. */
void hpage_reader_reset(struct hpage_reader *hr);
/* The n values of a chunk. Only histograms at places from <= i < to are read, and live until the reset; others are given as 0.
 * *bytes grows by what those take in memory. ST_CORRUPT with an empty text: entry or block do not parse;
 * ST_NOT_FOUND: the block that was asked for last and could not be read. */
MUST_CHECK enum status hpage_read(struct hpage_reader *hr, struct slice entry, size_t n, size_t from, size_t to, double *v, uint64_t *bytes,
                                  struct err *err);

#endif
