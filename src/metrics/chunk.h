/* SPDX-License-Identifier: Apache-2.0 */
/* The encoding of up to 512 values, or up to 512 times, of one series. docs/formats/metrics-part.md. Pure; any thread. */
#ifndef STOA_METRICS_CHUNK_H
#define STOA_METRICS_CHUNK_H

#include "base/buf.h"

enum {
    CHUNK_SAMPLES_MAX = 512,
    CHUNK_BYTES_MAX = 6 * KIB /* what the encoders may write: 64 planes of 64 bytes, exceptions, header */
};

enum chunk_flag { CHUNK_HAS_STALE = 1, CHUNK_LAST_STALE = 2, CHUNK_HAS_NAN = 4 /* another NaN than the stale mark */, CHUNK_CONSTANT = 8,
                  CHUNK_HISTOGRAMS = 16 /* it has some: see hpage.h; their NaNs and constancy are not looked at */ };

/* Writes at most CHUNK_BYTES_MAX bytes, returns the count. n is 1 to CHUNK_SAMPLES_MAX. *hint carries the decimal exponent
 * from one chunk of a metric to the next (start with 0): only a matter of speed. */
size_t chunk_encode_values(const double *v, size_t n, uint8_t *hint, uint8_t *out, uint8_t *flags);
size_t chunk_encode_times(const int64_t *t, size_t n, uint8_t *out);
/* Bit for bit what was encoded. False when bytes do not parse. */
MUST_CHECK bool chunk_decode_values(struct slice bytes, size_t n, double *v);
/* The same from where r stands, up to the chunk's end. */
MUST_CHECK bool chunk_read_values(struct reader *r, size_t n, double *v);
/* Values of samples: a NaN that would pass for a histogram (model/sample.h) becomes a plain one. */
MUST_CHECK bool chunk_read_numbers(struct reader *r, size_t n, double *v);
MUST_CHECK bool chunk_decode_times(struct slice bytes, size_t n, int64_t *t);

#endif
