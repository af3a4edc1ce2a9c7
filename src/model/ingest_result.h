/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a request's rows, filled by its decoder and then by the pipeline: for the answer and for counters. */
#ifndef STOA_MODEL_INGEST_RESULT_H
#define STOA_MODEL_INGEST_RESULT_H

#include "base/err.h"

enum ingest_kind { INGEST_SAMPLES, INGEST_HISTOGRAMS, INGEST_EXEMPLARS, INGEST_METADATA, INGEST_LOGS, INGEST_SPANS, INGEST_KIND_COUNT };

struct ingest_tally {
    uint64_t accepted, rejected;
    struct err first; /* why the first of the rejected was */
};

struct ingest_result {
    struct ingest_tally kinds[INGEST_KIND_COUNT];
    uint64_t warnings;         /* things that were changed or ignored, not refused */
    struct err first_warning;
    uint32_t retry_after_s;    /* not 0: something was refused that may be taken after so long */
};

/* count rows (nothing happens for 0) that never were accepted; why is copied when it is the first. */
void ingest_reject(struct ingest_result *r, enum ingest_kind kind, uint64_t count, const struct err *why);
/* The same for rows counted as accepted before. */
void ingest_withdraw(struct ingest_result *r, enum ingest_kind kind, uint64_t count, const struct err *why);
void ingest_warn(struct ingest_result *r, const struct err *what);
const char *ingest_kind_name(enum ingest_kind kind); /* "samples", "logs", ... */
uint64_t ingest_rejected(const struct ingest_result *r); /* over all kinds */

#endif
