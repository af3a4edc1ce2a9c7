/* SPDX-License-Identifier: Apache-2.0 */
/* Samples to a server by remote write 1.0, in requests of a bounded size, each tried again while the server is busy: a
 * sample sent twice is one sample. Shows progress on stderr. One thread. */
#ifndef STOA_CTL_SEND_H
#define STOA_CTL_SEND_H

#include "codec/promtext.h"
#include "ctl/account.h"

enum { SEND_LABELS_MAX = PROMTEXT_LABELS_MAX, SEND_EXTRA_MAX = 16 };

struct send_label {
    struct slice name, value;
};

struct send;
struct send_options {
    struct slice url;        /* of the server: "http://127.0.0.1:7862"; with is_endpoint the whole address */
    bool is_endpoint;
    struct slice tenant;
    const struct send_label *extra; /* put on every series, in place of what it has */
    size_t extra_count;
    const char *what;        /* for the progress: "import" */
};

/* What was done so far. */
struct send_counts {
    uint64_t series, samples, skipped_old, requests, retries;
    int64_t min_ms, max_ms;
};

/* Asks the server how long it keeps samples: older ones are not sent but counted. */
MUST_CHECK enum status send_open(struct send **out, const struct send_options *opt, struct err *err);
/* Samples of this series follow. Copies. ST_LIMIT: more than SEND_LABELS_MAX. */
MUST_CHECK enum status send_series(struct send *s, const struct send_label *labels, size_t count, struct err *err);
MUST_CHECK enum status send_sample(struct send *s, int64_t t_ms, double v, struct err *err);
/* A native histogram, as remote write's message of one; of the series, too. */
MUST_CHECK enum status send_histogram(struct send *s, struct slice message, struct err *err);
/* `where` is a word on how far the whole is: "block 3 of 7". Copies. */
void send_where(struct send *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Sends what is left. */
MUST_CHECK enum status send_end(struct send *s, struct err *err);
struct send_counts send_counts(const struct send *s);
void send_free(struct send *s); /* accepts NULL */

#endif
