/* SPDX-License-Identifier: Apache-2.0 */
/* One log record on its way through the stages of a query. */
#ifndef STOA_LOGQL_RECORD_H
#define STOA_LOGQL_RECORD_H

#include "codec/json.h"
#include "logql/ast.h"

enum {
    RECORD_LABELS_MAX = 1024,
    RECORD_SEVERITY_NONE = 255 /* event.severity of an engine whose rows have no level: no detected_level is made */
};
enum label_origin { FROM_STREAM, FROM_METADATA, FROM_PARSER };

struct record_label {
    struct slice name, value;
    enum label_origin origin;
};

struct record {
    int64_t time_ns;
    struct slice line;
    struct record_label labels[RECORD_LABELS_MAX];
    size_t count;
    struct slice error, error_details; /* __error__, __error_details__ */
};

/* What the parser of a line finds, when that is known already. */
struct record_found {
    bool is_error;               /* the line is none of that parser */
    size_t count;
    const struct slice *values;  /* empty: not in the line */
    const struct slice *labels;  /* of each value */
};
struct projection;

/* What stages need beside the record; one per running query. */
struct stage_env {
    struct arena *scratch;  /* reset by the caller between blocks */
    struct json_parser *json;
    const struct projection *only;    /* labels that matter of what json and logfmt find; NULL: all */
    const struct record_found *found; /* NULL: parse the line */
    struct engine_ctx *ctx;           /* asked whether templates may go on; NULL: they may */
    size_t steps;                     /* of templates, since it was asked */
};

/* r from a row: stream labels, structured metadata, detected_level, trace_id, span_id. Borrows e. */
void record_load(struct record *r, const struct event *e, struct arena *scratch);
/* The label that a field of that name is: [^a-zA-Z0-9_] becomes '_', and a digit in front gets one. Lives in a, or is name. */
struct slice record_field_label(struct arena *a, struct slice name);
/* NULL when there is none. Valid until labels are added or dropped. */
const struct record_label *record_find(const struct record *r, struct slice name);
/* The value, or the empty slice; knows __error__ and __error_details__. */
struct slice record_get(const struct record *r, struct slice name);
void record_set(struct record *r, struct slice name, struct slice value, enum label_origin origin);
/* A label that is there with an empty value, unless it is there already. */
void record_set_empty(struct record *r, struct slice name);
void record_drop(struct record *r, struct slice name);
void record_error(struct record *r, const char *error, struct slice details);
/* Canonical labels of one origin, or of all (origin -1) with __error__ and its details when there are. */
struct slice record_labels(const struct record *r, int origin, struct arena *a);
/* Those of these names alone; __error__ and its details are none. */
struct slice record_labels_only(const struct record *r, const struct slice *names, size_t count, struct arena *a);
/* False: filtered out. */
bool logql_stages_run(const struct stage *first, struct record *r, struct stage_env *env);
bool logql_compare(enum cmp_op op, double a, double b);
bool logql_filter_run(const struct label_filter *f, struct record *r, struct arena *scratch);

/* "1.5s", "100ms" (no days) in seconds; "10KB", "1.5 MiB", "2,048" in whole bytes; plain numbers. False when it is none. */
bool logql_value_parse(struct slice text, enum unwrap_as as, double *out);
/* Why it is none. Lives in a. */
struct slice logql_value_fault(struct slice text, enum unwrap_as as, struct arena *a);

#endif
