/* SPDX-License-Identifier: Apache-2.0 */
/* The request of Prometheus's remote read: prompb.ReadRequest. */
#ifndef STOA_INGEST_PROM_READ_REQUEST_H
#define STOA_INGEST_PROM_READ_REQUEST_H

#include "model/matcher.h"

enum {
    READ_QUERIES_MAX = 64,
    READ_MATCHERS_MAX = 1024 /* of all queries of a request: a regex takes memory */
};

struct prom_read_query {
    int64_t start_ms, end_ms; /* both belong to it */
    struct matcher *matchers;
    size_t matcher_count, matcher_cap;
};

struct prom_read_request {
    struct prom_read_query queries[READ_QUERIES_MAX];
    size_t count, matcher_count;
    bool is_streamed;  /* frames of chunks are preferred to samples */
    struct slice func; /* of the first hint */
};

/* Borrows bytes. A matcher that asks for one of the external labels finds series without it. ST_INVALID, ST_LIMIT; in any case
 * prom_read_request_end() is to be called. */
MUST_CHECK enum status prom_read_request_parse(struct arena *a, struct slice external, struct slice bytes, struct prom_read_request *out,
                                               struct err *err);
void prom_read_request_end(struct prom_read_request *r);

#endif
