/* SPDX-License-Identifier: Apache-2.0 */
/* Which queries run now, which were the slowest, and, when asked for, a line of JSON for each one that ended. Any thread. */
#ifndef STOA_API_QUERY_LOG_H
#define STOA_API_QUERY_LOG_H

#include "api/api.h"
#include "auth/auth.h"
#include "codec/json.h"
#include "sys/file.h"

enum {
    QUERY_LOG_BYTES_MAX = 64 * MIB,  /* of the file; then it becomes FILE.1, and the one before goes */
    QUERY_LOG_TEXT_BYTES_MAX = 4096, /* of a query's text, in lists and lines; the rest is cut off */
    QUERIES_SLOWEST_MAX = 50,
    QUERIES_SLOWEST_HOURS = 24       /* older ones make room */
};

struct query_log;

struct query_log *query_log_new(struct clock *clock, struct log *log, struct fs *fs);
void query_log_free(struct query_log *l); /* accepts NULL */
/* Where lines go from now on; empty: nowhere. ST_* of the file: then the one before stays. */
MUST_CHECK enum status query_log_file(struct query_log *l, struct slice path, struct err *err);

/* A query starts; gives the number by which it is known, 0 when there is no place for it. *cancelled lives until its end. */
uint64_t query_log_begin(struct query_log *l, struct http_exchange *x, struct slice tenants, struct slice user, const atomic_bool **cancelled);
/* Its text is known. */
void query_log_text(struct query_log *l, uint64_t id, struct slice text);
/* It ended: q says what it cost. */
void query_log_end(struct query_log *l, const struct api_query *q, const char *dialect, enum status st, const struct err *err);
/* False: no such query runs. */
bool query_log_cancel(struct query_log *l, uint64_t id);
/* "running":[...],"slowest":[...] into an object that is open: queries whose tenants who may read, all of them. */
void query_log_json(struct query_log *l, const struct auth_caller *who, struct json_writer *w);

/* "timings":{...},"samples":{...}: what Prometheus tells of a query's cost, into an object that is open. */
void query_log_stats(struct json_writer *w, const struct api_query *q, double seconds);
void query_log_metrics(struct query_log *l, struct buf *out);

#endif
