/* SPDX-License-Identifier: Apache-2.0 */
/* The C client library: metrics, structured logs and traces for any C program. No dependency but libc
 * and pthreads. Strings are NUL-terminated UTF-8. Every call may be made from any thread, unless said otherwise.
 *
 *     struct stoa_metrics *m = stoa_metrics_new();
 *     struct stoa_family *requests = stoa_counter(m, "http_requests_total", "Requests served.", 2, (const char *[]){ "method", "status" });
 *     stoa_add(requests, 1, (const char *[]){ "GET", "200" });
 *     char *page = stoa_metrics_text(m, &size);              // Prometheus text format 0.0.4; free() it
 *
 *     struct stoa_tracer *t = stoa_tracer_new("shop", send, arg);
 *     struct stoa_span *s = stoa_span_start(t, "checkout", NULL, STOA_SPAN_SERVER);
 *     stoa_span_text(s, "http.route", "/pay");
 *     stoa_span_end(s);                                       // handed to send
 */
#ifndef STOA_CLIENT_STOA_H
#define STOA_CLIENT_STOA_H

#include <stddef.h>
#include <stdint.h>

/* ---- metrics ---- */

enum { STOA_LABELS_MAX = 8, STOA_CHILDREN_MAX = 4096, STOA_BUCKETS_MAX = 64 };

struct stoa_metrics;
struct stoa_family;

struct stoa_metrics *stoa_metrics_new(void);
void stoa_metrics_free(struct stoa_metrics *m);

/* A family of one name; its children differ in label values. name, help and labels (at most STOA_LABELS_MAX) are copied.
 * Asking again for a known name gives the same family; to ask for another kind or number of labels is a bug, and asserts.
 * Beyond STOA_CHILDREN_MAX children a new combination is counted under "__overflow__". */
struct stoa_family *stoa_counter(struct stoa_metrics *m, const char *name, const char *help, int labels, const char *const *names);
struct stoa_family *stoa_gauge(struct stoa_metrics *m, const char *name, const char *help, int labels, const char *const *names);
/* bounds: upper bounds ascending, without +Inf; at most STOA_BUCKETS_MAX. The first asking decides. */
struct stoa_family *stoa_histogram(struct stoa_metrics *m, const char *name, const char *help, int bounds_count, const double *bounds,
                                   int labels, const char *const *names);
/* values: as many as the family has labels; NULL when it has none. */
void stoa_add(struct stoa_family *f, double v, const char *const *values);
void stoa_set(struct stoa_family *f, double v, const char *const *values);
void stoa_observe(struct stoa_family *f, double v, const char *const *values);

/* All families in the text format, in the order they were made. The caller frees it. *size may be NULL. */
char *stoa_metrics_text(struct stoa_metrics *m, size_t *size);

/* ---- structured logs ---- */

enum stoa_level { STOA_DEBUG, STOA_INFO, STOA_WARNING, STOA_ERROR, STOA_CRITICAL };

enum stoa_log_format { STOA_LOG_JSON, STOA_LOG_LOGFMT };
enum { STOA_LOG_LINE_BYTES_MAX = 4096 /* of logfmt; JSON has no limit */ };

struct stoa_logger;
/* send gets one record with its newline. NULL: to stderr. */
struct stoa_logger *stoa_logger_new(const char *service, enum stoa_log_format format, void (*send)(void *arg, const char *line, size_t size),
                                    void *arg);
void stoa_logger_free(struct stoa_logger *l);
struct stoa_span;
/* fields: pairs of name and value, ended by NULL; may be NULL. span may be NULL; else its ids go into the record. */
void stoa_log(struct stoa_logger *l, enum stoa_level level, const struct stoa_span *span, const char *message, const char *const *fields);

/* For programs with a logger of their own. "debug", ... */
const char *stoa_level_name(enum stoa_level level);
/* One record as a line of logfmt with its newline, no NUL; returns its length. pairs is logfmt already, "" for none. Asks for
 * no memory. Control characters become spaces; of a message about 2 KB are kept, of pairs what fits the line. */
size_t stoa_log_line(char out[STOA_LOG_LINE_BYTES_MAX], int64_t time_ns, enum stoa_level level, const char *message, const char *pairs);
/* text as such a line takes it, and a NUL: control characters become spaces, and it is cut between two characters. room is at
 * least 1; out may be text itself. Returns the length. */
size_t stoa_log_clean(char *out, size_t room, const char *text);

/* ---- traces ---- */

enum stoa_span_kind { STOA_SPAN_INTERNAL = 1, STOA_SPAN_SERVER = 2, STOA_SPAN_CLIENT = 3 };
enum { STOA_SPAN_ATTRIBUTES_MAX = 32 };

struct stoa_attribute {
    const char *name;
    const char *text; /* NULL: number holds */
    int64_t number;
};

/* A finished span, borrowed by send. */
struct stoa_span_data {
    const char *service, *name;
    uint8_t trace_id[16], span_id[8], parent_id[8];
    enum stoa_span_kind kind;
    int64_t start_ns, end_ns; /* since 1970 */
    const char *error;        /* NULL: it went well */
    float weight;             /* how many requests it stands for */
    const struct stoa_attribute *attributes;
    int attribute_count;
    const char *trace_state;  /* of the header tracestate; NULL: none */
};

struct stoa_tracer;
struct stoa_tracer *stoa_tracer_new(const char *service, void (*send)(void *arg, const struct stoa_span_data *span), void *arg);
void stoa_tracer_free(struct stoa_tracer *t);
/* parent NULL: a new trace. A span belongs to one thread at a time. */
struct stoa_span *stoa_span_start(struct stoa_tracer *t, const char *name, const struct stoa_span *parent, enum stoa_span_kind kind);
/* Continues the trace of a W3C traceparent header ("00-<32 hex>-<16 hex>-01"). Returns 0, or -1 and changes nothing
 * when malformed. */
int stoa_span_traceparent(struct stoa_span *s, const char *header);
/* What stood in its tracestate headers, put together with commas. */
void stoa_span_state(struct stoa_span *s, const char *state);
void stoa_span_text(struct stoa_span *s, const char *name, const char *value);
void stoa_span_number(struct stoa_span *s, const char *name, int64_t value);
void stoa_span_error(struct stoa_span *s, const char *sentence);
void stoa_span_weight(struct stoa_span *s, float weight);
/* Puts the span where the caller says: its trace, its own id, its parent; NULL leaves what it has. */
void stoa_span_place(struct stoa_span *s, const uint8_t *trace_id, const uint8_t *span_id, const uint8_t *parent_id);
/* Moves the start back: for work that began before the span could be made. */
void stoa_span_started(struct stoa_span *s, int64_t start_ns);
void stoa_span_end(struct stoa_span *s);    /* sends and frees */
void stoa_span_cancel(struct stoa_span *s); /* frees without sending */
/* One finished span as an OTLP/HTTP JSON request body (POST /v1/traces). The caller frees it. */
char *stoa_span_otlp_json(const struct stoa_span_data *span, size_t *size);

#endif
