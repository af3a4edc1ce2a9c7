/* SPDX-License-Identifier: Apache-2.0 */
/* What of log records is too much: `duplicates` make equal lines one row, `rate_limits` keep so many a second of each service.
 *
 *     duplicates:
 *       - {name: retries, service: web, within: 10s}
 *     rate_limits:
 *       - {name: loud, lines_per_second: 500, burst: 2000}
 *
 * Rows that go are in the weight of one that stays, so counts over them stay right. docs/manual/cost.md. */
#ifndef STOA_PIPELINE_LIMIT_H
#define STOA_PIPELINE_LIMIT_H

#include "model/batch.h"
#include "pipeline/sample.h"

enum {
    LIMIT_BUCKETS_MAX = 16 * KIB,            /* services and streams with a rate; beyond it the one that was quiet longest is forgotten */
    LIMIT_LINES_MAX = 8 * KIB,               /* lines that are remembered at once */
    LIMIT_LINE_BYTES_MAX = 4 * KIB,          /* longer ones are never duplicates */
    LIMIT_PROBES = 8
};

/* Lives as long as the pipeline, whatever its rules are. Any thread. */
struct limiter;
struct limiter *limiter_new(void);
void limiter_free(struct limiter *l); /* accepts NULL */
/* Takes rows out of b, raises weights of others, and adds rows that stand for duplicates whose time is over. */
void limiter_run(struct limiter *l, const struct sample_config *c, struct batch *b);

#endif
