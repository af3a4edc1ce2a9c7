/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of Tempo's API share. */
#ifndef STOA_API_TEMPO_H
#define STOA_API_TEMPO_H

#include "api/trace_read.h"
#include "codec/json.h"
#include "traceql/eval.h"

enum { TEMPO_ANSWER_BYTES_MAX = 256 * MIB };

/* Answers with what went wrong, if anything, and ends the query. */
void tempo_end(struct api_query *q, enum status st, const struct err *err);
/* start and end in seconds; the whole of the last second. Absent: the last TRACE_LOOKBACK_HOURS. */
MUST_CHECK enum status tempo_window(struct api_query *q, const struct api_params *p, int64_t *start_ns, int64_t *end_ns, struct err *err);
/* A duration as Go writes it, of a parameter; absent is -1. */
MUST_CHECK enum status tempo_duration(const struct api_params *p, struct slice name, int64_t *out_ns, struct err *err);
bool tempo_wants_protobuf(struct http_exchange *x);
void tempo_reply_protobuf(struct http_exchange *x, struct buf *body); /* takes body */

/* What the answer must say about itself, in a line; empty: nothing. Lives in the query's arena. */
struct slice tempo_notes(struct api_query *q);
/* Takes body. The notes go into a header as well, for answers whose clients refuse members they do not know. */
void tempo_reply_json(struct api_query *q, struct buf *body);
/* {"inspectedTraces":...}: what the query read. */
void tempo_put_metrics(struct json_writer *w, const struct api_query *q, size_t traces);
void tempo_put_id(struct json_writer *w, const uint8_t *id, size_t bytes); /* in hexadecimal */

/* Spans by a hand, newest first, until it has seen enough or rows_max of them. */
struct tempo_scan {
    const struct pred *pred;
    int64_t start_ns, end_ns;
    unsigned want;
    size_t rows_max;
    bool (*see)(void *arg, const struct event *e); /* false: enough */
    void *arg;
};
MUST_CHECK enum status tempo_scan(struct api_query *q, const struct tempo_scan *s, struct err *err);

/* What a search finds: whole traces, newest first. */
struct tempo_found {
    struct tempo_trace {
        const struct event *const *spans;
        size_t count;
        int64_t start_ns;
        const struct traceql_trace *hit; /* the spans a query gave; NULL by tags */
    } *traces;
    size_t trace_count, inspected;
    struct traceql *tree;                /* a query's, which the found borrow from; to be freed */
    const struct traceql_found *query;
    size_t hits_shown;                   /* of a set of spans */
    /* Asked before a search by a query: as traceql_found has it; traces given to it are not among the found. NULL: no. */
    enum status (*on_more)(void *arg, const struct traceql_found *f, size_t from, struct err *err);
    void *arg;
};
/* The traces as a JSON array. */
void tempo_put_found(struct json_writer *w, struct arena *a, const struct tempo_found *f);
/* A value of a query as an attribute of that name: statuses and kinds as their words, durations as Go writes them. Text may live in a. */
struct field tempo_field_of(struct arena *a, struct slice name, const struct tql_value *v);
/* Is it told of every span anyway? */
bool tempo_is_told(const struct tql_expr *e);
/* As the attributes of an answer name it: without its scope. */
struct slice tempo_shown_name(struct arena *a, const struct tql_expr *e);

/* The older parameters of a search as a query in TraceQL, living in a: tags as logfmt, and the least and most a trace may last (-1: any). */
MUST_CHECK enum status tempo_old_query(struct arena *a, struct slice tags, int64_t min_ns, int64_t max_ns, struct slice *out, struct err *err);
/* True: no tag, or one that any span may have, which the predicate finds (NULL: all). */
bool tempo_old_pred(struct arena *a, struct slice tags, struct pred **out);

struct tempo_summary {
    const struct event *root; /* NULL: it has not come */
    int64_t start_ns, end_ns;
    struct tempo_stats {
        struct slice name;
        size_t spans, errors;
    } *services;
    size_t service_count, service_cap;
    char id[32]; /* as Tempo writes it: without leading zeros */
    size_t id_len;
    struct slice root_service;
};
struct tempo_summary tempo_summary_of(struct arena *a, const struct event *const *spans, size_t count);

/* A SearchRequest as the parameters of api/search, in a; the answer as a SearchResponse. */
MUST_CHECK enum status tempo_grpc_params(struct arena *a, struct slice message, struct api_params *out, struct err *err);
void tempo_grpc_found(struct api_query *q, const struct tempo_found *f, bool is_last, struct buf *out);

/* What a name of TraceQL means: an attribute of a scope, or something of the span itself. */
enum tempo_scope { TEMPO_ANY, TEMPO_SPAN, TEMPO_RESOURCE, TEMPO_INSTRUMENTATION, TEMPO_EVENT, TEMPO_LINK, TEMPO_INTRINSIC };
enum tempo_intrinsic { TEMPO_NONE, TEMPO_NAME, TEMPO_STATUS, TEMPO_STATUS_MESSAGE, TEMPO_KIND, TEMPO_ROOT_NAME, TEMPO_ROOT_SERVICE, TEMPO_EVENT_NAME,
                       TEMPO_SCOPE_NAME, TEMPO_SCOPE_VERSION, TEMPO_NUMBER /* durations, times, ids: have no list of values */ };
struct tempo_tag {
    enum tempo_scope scope;
    enum tempo_intrinsic intrinsic;
    struct slice name; /* of an attribute */
};
struct tempo_tag tempo_tag_of(struct slice text);
/* The index of a status ("unset", "ok", "error") by its name; -1: there is none of that name. */
int tempo_status_of(struct slice text);
struct slice tempo_status_name(unsigned status);

#endif
