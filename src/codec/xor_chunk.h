/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus's chunks of samples: times as deltas of deltas, values by XOR with the one before, as bits.
 * https://github.com/prometheus/prometheus/blob/main/tsdb/docs/format/chunks.md */
#ifndef STOA_CODEC_XOR_CHUNK_H
#define STOA_CODEC_XOR_CHUNK_H

#include "base/buf.h"

enum {
    XOR_CHUNK_SAMPLES_MAX = UINT16_MAX,
    XOR_CHUNK_SAMPLE_BYTES_MAX = 20 /* what one may take: 1 + 8 bytes of time, 2 + 8 of value, rounded up */
};

/* Appends a chunk's bytes (without length, encoding and checksum) to out. n is 1 to XOR_CHUNK_SAMPLES_MAX; t is in ms and does
 * not go down. */
void xor_chunk_encode(const int64_t *t_ms, const double *v, size_t n, struct buf *out);
/* How many samples a chunk says it has; 0 when there are no bytes for that. */
size_t xor_chunk_count(struct slice bytes);
/* t_ms and v have room for xor_chunk_count samples. False when bytes end too early. */
MUST_CHECK bool xor_chunk_decode(struct slice bytes, int64_t *t_ms, double *v);

#endif
