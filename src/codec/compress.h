/* SPDX-License-Identifier: Apache-2.0 */
/* Compression by the libraries: gzip and zlib (libdeflate), zstd, lz4 and snappy blocks. Any thread.
 * Decompressors append to out and refuse more than bytes_max decompressed bytes (ST_LIMIT) before allocating them; what does
 * not parse is ST_INVALID. */
#ifndef STOA_CODEC_COMPRESS_H
#define STOA_CODEC_COMPRESS_H

#include "base/buf.h"
#include "base/err.h"

/* gzip (several members too), zlib or raw deflate, seen from the first bytes. */
MUST_CHECK enum status gzip_decompress(struct slice in, size_t bytes_max, struct buf *out, struct err *err);
/* level 1 to 9. */
void gzip_compress(struct slice in, int level, struct buf *out);

/* Contexts are costly to make: one per thread or loop, kept by its owner; NULL makes one for the call. */
struct zstd_ctx;
struct zstd_ctx *zstd_ctx_new(void);
void zstd_ctx_free(struct zstd_ctx *c); /* accepts NULL */
void zstd_compress(struct zstd_ctx *c, struct slice in, int level, struct buf *out);
/* Level 1, for numbers: only long matches count, so that chance ones do not cost more than they save. */
void zstd_compress_numbers(struct zstd_ctx *c, struct slice in, struct buf *out);
MUST_CHECK enum status zstd_decompress(struct zstd_ctx *c, struct slice in, size_t bytes_max, struct buf *out, struct err *err);

/* Blocks without a header: the raw length is the caller's to keep. */
void lz4_compress(struct slice in, struct buf *out);
MUST_CHECK enum status lz4_decompress(struct slice in, size_t raw_len, struct buf *out, struct err *err);

/* Snappy's block format, and its framed format when it starts with the stream identifier. */
MUST_CHECK enum status snappy_decompress(struct slice in, size_t bytes_max, struct buf *out, struct err *err);
void snappy_compress_block(struct slice in, struct buf *out);
/* Walks the tags without decompressing: is this a whole snappy block? */
bool snappy_looks_like(struct slice in);

/* Request bodies. declared: the Content-Encoding header, empty when absent; often wrong or missing among real clients, so
 * magic bytes win. want_snappy: the protocol's bodies are snappy blocks even when nobody says so. *out is body itself when
 * nothing was to be done, else lives in room. bytes_max is for what was compressed: a plain body is the caller's to limit.
 * ST_UNSUPPORTED: an encoding we do not know. */
MUST_CHECK enum status body_decode(struct slice declared, struct slice body, bool want_snappy, size_t bytes_max, struct buf *room,
                                   struct slice *out, struct err *err);

#endif
