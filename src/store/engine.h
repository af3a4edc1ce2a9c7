/* SPDX-License-Identifier: Apache-2.0 */
/* The only door to data: a table of functions that the local engine and a remote one both fill. Query, alert and api
 * cannot tell which they talk to.
 *
 * Calls block and run on workers. Filters, projections and aggregations are handed down, so that an engine can push them
 * to where the data is; it reports in *did what it did, and the caller does the rest. Each call may run beside any other.
 * What a query reads is a snapshot: appends and merges during it change nothing. */
#ifndef STOA_STORE_ENGINE_H
#define STOA_STORE_ENGINE_H

#include "model/batch.h"
#include "model/matcher.h"
#include "store/lot.h"
#include "sys/clock.h"

/* Downsampled samples: buckets of five minutes, and of an hour. */
enum rollup { ROLLUP_NONE, ROLLUP_5M, ROLLUP_1H, ROLLUP_COUNT };
static inline int64_t rollup_ms(enum rollup r)
{
    return r == ROLLUP_1H ? 3600 * 1000 : r == ROLLUP_5M ? 300 * 1000 : 0;
}

enum { TENANTS_PER_QUERY_MAX = 64 };

/* Who asks, until when, and what it may cost. One per query; shared by its engine calls. */
struct engine_ctx {
    const struct slice *tenants;
    size_t tenant_count;
    struct clock *clock;
    int64_t started_mono_ns;
    int64_t deadline_mono_ns;                 /* 0: none; then ST_TIMEOUT */
    bool (*is_cancelled)(void *arg);          /* may be NULL; then ST_CANCELLED */
    void *cancel_arg;
    uint64_t samples_max, bytes_max;          /* 0: none; then ST_LIMIT */
    enum rollup rollup_min;                   /* the coarsest resolution is asked for; ROLLUP_NONE: raw where there is any */
    /* Out: what it cost, and what an answer must say about itself (a block that does not check, ...). */
    uint64_t samples_read, bytes_read, blocks_read, rows_read;
    enum rollup rollup_used;                  /* the coarsest that was read */
    int64_t rollup_until_ms;                  /* samples up to here were downsampled ones */
    bool is_sampled;                          /* rows that stand for others were counted, by their weights */
    struct buf warnings;                      /* sentences, each ended by '\n' */
};

void engine_ctx_init(struct engine_ctx *ctx, const struct slice *tenants, size_t tenant_count, struct clock *clock);
void engine_ctx_free(struct engine_ctx *ctx);
/* Call once a block or series: ST_OK, ST_CANCELLED, ST_TIMEOUT or ST_LIMIT. */
MUST_CHECK enum status engine_ctx_check(struct engine_ctx *ctx, struct err *err);
void engine_warn(struct engine_ctx *ctx, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- append ---- */

/* Called once, from the commit thread or the caller's: ST_OK when the batch is durable and visible. Must not block. */
struct append_ack {
    void (*done)(void *arg, enum status st, const struct err *err);
    void *arg;
};

/* ---- samples ---- */

enum samples_mode {
    SAMPLES_RAW,     /* every sample */
    SAMPLES_LAST,    /* the caller needs only the last one of each series in the window */
    SAMPLES_PRESENT  /* only whether the series has any (non-stale last) sample: n is 0 or 1 */
};

struct samples_query {
    int64_t start_ms, end_ms; /* (start_ms, end_ms]: left-open as PromQL's ranges */
    const struct matcher *matchers;
    size_t matcher_count;
    enum samples_mode mode;
    /* A hint, step 0 when absent: the grid and window the caller will evaluate fn over, so that an engine may pre-aggregate
     * or downsample; an engine that ignores it leaves did 0. */
    struct {
        int64_t start_ms, end_ms, step_ms, range_ms;
        struct slice fn;
    } grid;
    size_t series_max; /* 0: none; then ST_LIMIT */
};

/* One series, samples by time, each time once; some values may be histograms (model/sample.h). Valid until the next call. */
struct series_samples {
    struct slice labels, tenant;
    size_t n;
    const int64_t *t_ms;
    const double *v;
    const int64_t *born_ms; /* since when each counts, 0: not known; NULL: of none */
    bool is_counted;        /* downsampled, for count_over_time: each value says how many samples it stands for */
};

struct samples_iter {
    const struct samples_iter_ops *ops;
};
struct samples_iter_ops {
    /* ST_NOT_FOUND (err untouched) at the end. Series come in label order within a tenant, tenants in the order asked. */
    enum status (*next)(struct samples_iter *it, struct series_samples *out, struct err *err);
    void (*close)(struct samples_iter *it);
};

/* ---- events ---- */

enum event_column { /* the fixed columns a predicate can name */
    COL_FIELD = 0,  /* a field by scope and name */
    COL_STREAM,     /* a stream label by name */
    COL_SERVICE, COL_BODY, COL_SEVERITY, COL_DURATION, COL_TRACE_ID, COL_SPAN_ID, COL_PARENT_ID, COL_SPAN_KIND,
    COL_SPAN_STATUS, COL_SEQ,
    COL_EVENTS, COL_LINKS, /* of a span: how many it has */
    COL_CHILDREN           /* of a span: how many events and links have this text, or a list, in a field of this name; an engine may count others */
};

enum pred_op {
    PRED_AND, PRED_OR, PRED_NOT, PRED_TRUE,                 /* inner nodes: kids */
    PRED_EQ, PRED_NE, PRED_LT, PRED_LE, PRED_GT, PRED_GE,   /* leaves */
    PRED_RE,                                                /* unanchored search by re; anchor in the pattern if wanted */
    PRED_CONTAINS,                                          /* substring, bytewise */
    PRED_CONTAINS_NOCASE,                                   /* ASCII case-insensitive */
    PRED_EXISTS,                                            /* of fields with type JSON: as a list or a map */
    PRED_AMONG                                              /* a trace id: text has many of 16 bytes each, ascending */
};

struct pred {
    enum pred_op op;
    struct pred **kids;      /* AND, OR, NOT */
    size_t kid_count;
    enum event_column column;
    int scope;               /* COL_FIELD: enum field_scope, or -1 for any */
    struct slice name;       /* COL_FIELD, COL_STREAM, COL_CHILDREN */
    enum field_type type;    /* of the value to compare with: STRING, INT or DOUBLE */
    struct slice text;       /* STRING; 16 or 8 raw bytes for ids; compares with fields as text */
    int64_t i;               /* INT: compares with numbers and numeric text */
    double d;
    struct regex *re;
};

enum event_want { /* which columns the caller will look at; the rest may be left empty */
    WANT_STREAM = 1, WANT_BODY = 2, WANT_FIELDS = 4, WANT_SPAN = 8 /* status message, trace state, events, links */, WANT_IDS = 16,
    WANT_OBSERVED = 32, WANT_SEQ = 64 /* comes unasked with an order by seq */, WANT_TRACE = 128 /* of the ids this alone */, WANT_ALL = 255
};

enum event_order {
    ORDER_TIME_ASC, ORDER_TIME_DESC, /* by (time_ns, seq) */
    ORDER_NONE,
    ORDER_NEWEST                     /* newest first, those of the same time as they come: cheaper where seqs are not looked at */
};

struct events_query {
    int64_t start_ns, end_ns;  /* [start, end) over time_ns */
    uint32_t kinds;            /* bit 1 << enum event_kind */
    const struct pred *pred;   /* NULL: all */
    unsigned want;             /* enum event_want bits; times, kind, severity, service always come */
    /* A hint: of fields those of these names alone are looked at, in any scope; an engine may leave out others. NULL: all. Borrowed until the
     * iterator is closed. */
    const struct slice *field_names;
    size_t field_name_count;
    enum event_order order;
    size_t limit;              /* 0: all; otherwise the first so many in order */
    /* Continue behind this row (in order); has_cursor false: from the start. */
    bool has_cursor;
    int64_t cursor_time_ns;
    uint64_t cursor_seq;
    /* A hint: count rows instead of giving them. NULL: no. An engine that does it sets ENGINE_DID_COUNT in *did and gives
     * blocks of counts. Borrowed until the iterator is closed. */
    const struct events_count_by *count_by;
    /* A hint: give lots of alike lines with these fields of their bodies, in no order, where lines are kept so, and rows of the others. NULL:
     * no. An engine that does it sets ENGINE_DID_LOTS. Borrowed as above. */
    const struct lot_query *lots;
    /* A hint: rows that can be seen as lots are wanted only when this passes them; an engine may give others all the same. NULL: no. */
    const struct lot_filter *lot_filter;
};

enum engine_did { ENGINE_DID_PRED = 1, ENGINE_DID_ORDER = 2, ENGINE_DID_LIMIT = 4, ENGINE_DID_COUNT = 8, ENGINE_DID_LOTS = 16 };

/* A cell: times between neighbours of two rows of marks, both step_ns apart, one through each origin. group() says which group a
 * row is in, by stream, severity, fields and ids, and no other column; it may be asked once for many rows that have the first two
 * and no field that looks_at() is true of. An error of it ends the count. */
struct events_count_by {
    int64_t step_ns, origin_ns[2]; /* step_ns > 0 */
    enum status (*group)(void *arg, const struct event *e, uint32_t *group, struct err *err); /* below UINT32_MAX */
    bool (*looks_at)(void *arg, struct slice field);
    bool with_ids; /* are trace and span ids looked at? */
    void *arg;
};

struct event_count {
    int64_t time_ns; /* the cell's first */
    uint32_t group;
    double count;    /* of weights; over 0 */
};

/* A batch of rows, column by column where it pays. Valid until the next call. */
struct event_block {
    size_t n;
    struct slice tenant;
    const struct event *rows;          /* columns not wanted are empty */
    const struct event_count *counts;  /* with ENGINE_DID_COUNT; n counts them */
    const struct lot *lot;             /* with ENGINE_DID_LOTS; NULL: rows */
};

struct events_iter {
    const struct events_iter_ops *ops;
};
struct events_iter_ops {
    enum status (*next)(struct events_iter *it, struct event_block *out, struct err *err); /* ST_NOT_FOUND at the end */
    void (*close)(struct events_iter *it);
};

/* ---- names ---- */

enum names_what { NAMES_LABELS, NAMES_LABEL_VALUES, NAMES_STREAM_LABELS, NAMES_STREAM_VALUES, NAMES_FIELDS, NAMES_FIELD_VALUES,
                  NAMES_SERVICES, NAMES_METADATA };

struct names_query {
    enum names_what what;
    struct slice name;               /* of the label or field whose values are asked for */
    int64_t start_ns, end_ns;
    uint32_t kinds;                  /* of events, for the event kinds of names */
    const struct matcher *matchers;  /* series or streams to look at */
    size_t matcher_count, limit;     /* limit 0: all */
};

/* value and, where it is known, how many rows or series have it (else 0). For NAMES_METADATA value is the metric's name. */
struct name_hit {
    struct slice value;
    uint64_t count;
    const struct metric_metadata *metadata;
};

/* ---- deletes ---- */

/* A value that is to be erased, by what tells it again and not by itself: the manifest must not keep what is erased. */
enum { ERASE_SALT_BYTES = 16, ERASE_DIGEST_BYTES = 32 };
struct erase_value {
    struct slice field;             /* empty: no such condition. See store/erase_value.h */
    uint32_t bytes;                 /* of the value */
    uint8_t salt[ERASE_SALT_BYTES], digest[ERASE_DIGEST_BYTES];
    uint64_t roll;                  /* 12 bits, to look for it inside of texts */
    uint64_t rows;                  /* how many rows were found when it was made; for people */
    int64_t made_ns;
};

struct tombstone {
    uint64_t id, lsn;               /* the engine gives both */
    struct slice tenant;
    bool is_events, is_erase;       /* an erase also applies to what comes later */
    int64_t start_ns, end_ns;       /* [start, end) */
    struct slice selector;          /* {a="b",...}: series or streams */
    struct slice contains;          /* events: lines containing this; empty: all */
    struct erase_value value;       /* and rows that have it */
};

/* An erase in force, and how far merges have come with it. */
struct engine_erase {
    uint64_t id;
    struct slice tenant, field, selector;
    uint8_t salt[ERASE_SALT_BYTES];
    bool is_events;
    int64_t start_ns, end_ns, made_ns;
    uint64_t rows;                         /* found when it was made */
    uint64_t pending_parts, pending_bytes; /* on disk, not rewritten since; answers leave its rows out all the same */
};

/* ---- retention classes ---- */

enum storage { STORAGE_LOCAL, STORAGE_CLOUD, STORAGE_ARCHIVE, STORAGE_COUNT };

struct engine_class {
    struct slice name;
    int64_t retention_ns;
    enum storage storage;
    bool is_of_metrics; /* all samples belong to it */
    enum rollup rollup; /* downsampled ones do */
    uint16_t id;        /* out: given once to a name, for ever; 0 is "default" */
};

struct engine_usage_class {
    struct engine_class class; /* retention and storage in force */
    uint64_t bytes, rows, parts, storage_bytes[STORAGE_COUNT], storage_parts[STORAGE_COUNT];
    int64_t oldest_ns;
};
struct engine_usage_service {
    struct slice service, signal; /* signal: "metrics", "logs", "traces", "other" */
    uint16_t class;
    uint64_t rows, bytes;
};
struct engine_usage_day { /* a partition */
    int64_t start_ns;
    uint64_t rows, bytes;
};
/* What is in files; rows that are still in memory are not counted. */
struct engine_usage {
    struct engine_usage_class *classes;
    struct engine_usage_service *services;
    struct engine_usage_day *days;
    size_t class_count, service_count, day_count;
};

struct engine_stats {
    uint64_t series, streams, samples, log_records, spans, disk_bytes, wal_bytes, memory_bytes, parts, memory_parts, pending_rows;
    uint64_t appended_samples, appended_events, wal_syncs, merges, merged_rows, corrupt_blocks, expired_parts;
    int64_t commit_ns;     /* spent so far in writing and syncing the log, with the commit that is under way */
    uint64_t queued_bytes; /* of requests that wait for it */
    uint64_t tier_moves, tier_move_failures; /* parts moved to the folder of their class's storage */
    uint64_t too_old_rows; /* sent when over the retention time, and dropped instead of written to disk */
    uint64_t disk_free_bytes, disk_total_bytes;
    int64_t oldest_ns, newest_ns;
    bool read_only, disk_low, disk_full;
    char reason[ERR_TEXT_BYTES_MAX]; /* why read-only or full */
};

/* Where series in use come from: the largest first, as many as asked for. */
struct engine_count {
    struct slice name, value; /* value empty: of all its values together */
    uint64_t count;
};
struct engine_cardinality {
    uint64_t series, metric_count, pair_count;
    struct engine_count *metrics, *pairs; /* series with this __name__; with this label pair */
    struct engine_count *names, *bytes;   /* values of this label; their bytes, in every series that has them */
    size_t metrics_shown, pairs_shown, names_shown, bytes_shown;
};

/* A file of samples. */
struct engine_block {
    uint8_t uuid[16], level; /* level: how often it was merged */
    int64_t min_ns, max_ns;  /* times of its samples */
    uint64_t rows, bytes;
};

struct engine {
    const struct engine_ops *ops;
};

struct engine_ops {
    const char *name;
    /* Takes batch (its reference). An error is also given by return, and then ack is not called.
     * ST_LIMIT: too many rows or partitions. ST_FULL: disk guard, read-only. ST_UNAVAILABLE: too much waits already. */
    enum status (*append)(struct engine *, struct batch *batch, struct append_ack ack, struct err *err);
    /* Label sets of series with samples in [start_ms, end_ms], in order, each once, living in a. Fails with ST_LIMIT when
     * over max (0: none). */
    enum status (*series)(struct engine *, struct engine_ctx *, int64_t start_ms, int64_t end_ms, const struct matcher *matchers,
                          size_t matcher_count, size_t max, struct arena *a, struct slice **out, size_t *count,
                          struct err *err);
    enum status (*samples)(struct engine *, struct engine_ctx *, const struct samples_query *q, struct samples_iter **out,
                           struct err *err);
    enum status (*events)(struct engine *, struct engine_ctx *, const struct events_query *q, struct events_iter **out,
                          unsigned *did, struct err *err);
    /* Distinct stream label sets with events in the window, as series(). */
    enum status (*streams)(struct engine *, struct engine_ctx *, int64_t start_ns, int64_t end_ns, uint32_t kinds, const struct matcher *matchers,
                           size_t matcher_count, size_t max, struct arena *a, struct slice **out, size_t *count,
                          struct err *err);
    /* Sorted by value, living in a. */
    enum status (*names)(struct engine *, struct engine_ctx *, const struct names_query *q, struct arena *a, struct name_hit **out, size_t *count,
                         struct err *err);
    enum status (*erase)(struct engine *, const struct tombstone *t, struct err *err);
    /* Those made with a value, living in a. */
    enum status (*erases)(struct engine *, struct arena *a, struct engine_erase **out, size_t *count, struct err *err);
    /* From now on: how long rows of which class are kept, and where. Fills the ids. Durable on return. */
    enum status (*set_classes)(struct engine *, struct engine_class *list, size_t count, struct err *err);
    /* Living in a. by_service false: classes and days alone, which costs nothing. */
    enum status (*usage)(struct engine *, bool by_service, struct arena *a, struct engine_usage *out, struct err *err);
    /* Every series that has samples since then, and some beside them that had a little before; as often as it stands anywhere.
     * visit gives false when it has had enough. */
    enum status (*each_series)(struct engine *, int64_t since_ms, bool (*visit)(void *arg, struct slice tenant, struct slice labels), void *arg,
                               struct err *err);
    enum status (*cardinality)(struct engine *, const struct slice *tenants, size_t tenant_count, size_t limit, struct arena *a,
                               struct engine_cardinality *out, struct err *err);
    /* Downsamples a day that needs it: *did false: none does. From time to time, one call at a time. */
    enum status (*downsample)(struct engine *, const atomic_bool *stop, bool *did, struct err *err);
    enum status (*flush)(struct engine *, struct err *err);  /* everything into file parts; an empty WAL */
    enum status (*merge)(struct engine *, struct err *err);  /* each partition down to one part a kind and class */
    void (*stats)(struct engine *, struct engine_stats *out);
    /* Files of samples, the oldest first, in a. NULL: this engine has no files. */
    void (*blocks)(struct engine *, struct arena *a, struct engine_block **out, size_t *count);
    /* See store_snapshot. NULL: this engine has no files. */
    enum status (*snapshot)(struct engine *, const char *to, bool skip_head, struct err *err);
    void (*close)(struct engine *);                          /* flushes */
};

/* Appends and waits until durable. For callers that may block. */
MUST_CHECK enum status engine_append_wait(struct engine *e, struct batch *batch, struct err *err);

#endif
