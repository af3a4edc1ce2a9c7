/* SPDX-License-Identifier: Apache-2.0 */
/* Records of plain text, one by one, from one place. */
#ifndef STOA_INGEST_LINES_H
#define STOA_INGEST_LINES_H

#include "ingest/ingest.h"

/* What lines of one place have in common; plain value, lives as long as the batch. */
struct lines {
    const struct ingest_ctx *ctx;
    struct batch *out;
    struct slice stream;          /* in the batch's arena */
    struct slice default_service;
    struct slice service, stream_of_service; /* of the last line: lines of one service follow each other */
    int64_t time_ns;
    uint8_t severity;
    uint64_t unparsed;            /* lines that ctx->parse does not fit: read as they look */
};

/* Keeps ctx and out; copies ctx->stream. */
void lines_begin(struct lines *l, const struct ingest_ctx *ctx, struct batch *out);
/* A record, of one line or of several; its bytes must outlive the batch. time_ns: when it was written, as somebody knows who saw
 * it; 0: the line says so, or it is the time of arrival. */
void lines_put(struct lines *l, struct slice record, int64_t time_ns);

#endif
