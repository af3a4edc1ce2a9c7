/* SPDX-License-Identifier: Apache-2.0 */
/* One run of a check: what came out of each step. A plain value whose texts live in the arena it was made with. */
#ifndef STOA_PROBE_RUN_H
#define STOA_PROBE_RUN_H

#include "codec/json.h"
#include "model/batch.h"
#include "net/client.h"
#include "probe/check.h"
#include "sys/clock.h"

enum { RUN_ID_BYTES = 16, RUN_JSON_BYTES_MAX = 1 * MIB, RUN_ERROR_BYTES_MAX = 500 };

struct run_step {
    struct slice name, method, url; /* url as configured: no secret and no variable is filled in */
    struct slice error, ip;
    bool ran, ok, is_tls;
    int status, redirects, http_version; /* http_version: 10, 11, 20, 30 */
    uint8_t span_id[8];
    int64_t start_ns, total_ns;          /* start: wall clock */
    int64_t resolve_ns, connect_ns, tls_ns, request_ns, first_byte_ns, transfer_ns;
    int64_t certificate_expiry_ms;       /* 0: none */
    uint64_t body_bytes;
};

struct run {
    uint8_t id[RUN_ID_BYTES], trace_id[16], span_id[8];
    struct slice check, location, failed_step, error; /* the last two empty when ok */
    int64_t start_ns, duration_ns, every_ns;
    bool ok, is_cancelled;                /* cancelled: the HTTP client stopped; says nothing about the target */
    struct run_step *steps;
    size_t step_count;
};

/* What a run needs. variable gives the value of ${NAME}; false: not set. */
struct run_env {
    struct clock *clock;
    struct http_client *client;
    bool (*variable)(void *arg, struct slice name, struct slice *value);
    void *arg;
};

/* Runs the steps in order until one fails; never fails itself: what went wrong is in the run. Blocks. */
void run_check(const struct run_env *env, const struct check *c, struct slice location, struct arena *a, struct run *out);

/* One JSON object; and back. ST_INVALID names what is missing. */
void run_write(const struct run *r, struct buf *out);
MUST_CHECK enum status run_read(struct json_value v, struct arena *a, struct run *out, struct err *err);

/* Samples at t_ms: probe_success, probe_duration_seconds and their like, with labels check, step, location, instance. */
void run_put_samples(const struct run *r, int64_t t_ms, struct batch *b);
/* The run as a log line (service stoa-probe, the body is run_write's JSON), and its trace. */
void run_put_events(const struct run *r, struct batch *b);
#define RUN_SERVICE SLICE("stoa-probe")

#endif
