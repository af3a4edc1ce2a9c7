/* SPDX-License-Identifier: Apache-2.0 */
/* A log record, span or other event: fixed columns, and fields that keep scope, name and type as they came. */
#ifndef STOA_MODEL_EVENT_H
#define STOA_MODEL_EVENT_H

#include "model/labels.h"

enum event_kind { EVENT_LOG = 1, EVENT_SPAN = 2, EVENT_RUM = 3, EVENT_PROBE = 4, EVENT_AUDIT = 5, EVENT_EXEMPLAR = 6 };

enum field_scope { SCOPE_RECORD = 0, SCOPE_RESOURCE = 1, SCOPE_INSTRUMENTATION = 2 };
enum field_type { FIELD_STRING = 0, FIELD_INT = 1, FIELD_DOUBLE = 2, FIELD_BOOL = 3, FIELD_BYTES = 4, FIELD_JSON = 5 };

enum {
    EVENT_FIELDS_MAX = 512,            /* a record; more are refused by name */
    EVENT_BODY_BYTES_MAX = 1 * MIB,    /* longer lines are cut, with a mark */
    EVENT_FIELD_NAME_BYTES_MAX = 1024,
    SPAN_EVENTS_MAX = 1024,            /* a span; also links */
    EVENT_TRUNCATED_MARK_BYTES = 3
};
#define EVENT_TRUNCATED_MARK SLICE("\xe2\x80\xa6") /* an ellipsis, behind what was cut */

struct field {
    uint8_t scope, type;
    struct slice name;
    struct slice text; /* STRING, BYTES, JSON */
    union {
        int64_t i; /* INT, BOOL (0 or 1) */
        double d;
    };
};

struct span_event {
    int64_t time_ns;
    struct slice name;
    struct field *fields;
    uint32_t field_count;
};

struct span_link {
    uint8_t trace_id[16], span_id[8];
    struct slice trace_state;
    struct field *fields;
    uint32_t field_count;
};

/* OpenTelemetry's severity numbers: 1..4 TRACE, 5..8 DEBUG, 9..12 INFO, 13..16 WARN, 17..20 ERROR, 21..24 FATAL; 0 unknown.
 * All-zero ids mean "none". */
struct event {
    uint8_t kind;        /* enum event_kind */
    uint8_t severity;
    uint8_t span_kind;   /* OTel: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer */
    uint8_t span_status; /* OTel: 0 unset, 1 ok, 2 error */
    uint16_t class;      /* retention class; 0 default */
    float weight;        /* how many this one stands for; 1 unless sampled */
    int64_t time_ns;     /* a span's start */
    int64_t observed_ns; /* when we or a collector saw it; 0 unknown */
    int64_t duration_ns; /* spans */
    uint64_t seq;        /* stable id: lsn << 20 | row in its request; the store gives it */
    struct slice stream; /* canonical labels: what Loki calls the stream */
    struct slice service;
    struct slice body;   /* the line; a span's name */
    uint8_t trace_id[16], span_id[8], parent_id[8];
    struct slice trace_state, status_message; /* spans */
    struct field *fields;
    uint32_t field_count;
    struct span_event *events;
    struct span_link *links;
    uint32_t event_count, link_count;
};

enum severity_text { SEVERITY_UNKNOWN = 0, SEVERITY_TRACE = 1, SEVERITY_DEBUG = 5, SEVERITY_INFO = 9, SEVERITY_WARN = 13,
                     SEVERITY_ERROR = 17, SEVERITY_FATAL = 21 };

/* Every common spelling, any case: "warn", "WARNING", "E", "crit", "emerg", "notice", "50" is not one. 0 unknown. */
uint8_t severity_parse(struct slice text);
/* Loki's words: "trace" "debug" "info" "warn" "error" "critical" "fatal" "unknown". 21 is "fatal"; "critical" when
 * the record said so (22). */
struct slice severity_name(uint8_t severity);
/* Syslog's 0 (emergency) to 7 (debug). */
uint8_t severity_of_syslog(unsigned level);
/* What a line says about itself: level=x, "level":"x", [ERROR], WARNING: and the like. 0 when it says nothing. */
uint8_t severity_detect(struct slice line);

/* A stream's service, from the labels Loki looks at: service_name, service, app, ..., job. Empty when there is none. */
struct slice service_of_labels(struct slice labels);

bool event_has_trace(const struct event *e);
/* First field of that name in any scope (record, then resource, then instrumentation); NULL when absent. */
const struct field *event_field(const struct event *e, struct slice name);
/* Fields named so say of a span what no attribute says (what a client dropped, flags): no list of attributes has them. */
#define EVENT_HIDDEN_PREFIX SLICE("otlp:")
#define EVENT_DROPPED_ATTRIBUTES SLICE("otlp:dropped_attributes_count")
bool field_is_hidden(struct slice name);
/* Names of an instrumentation scope's own name and version among the fields of SCOPE_INSTRUMENTATION. */
#define EVENT_SCOPE_NAME    SLICE("scope.name")
#define EVENT_CHILD_NAME    SLICE("event:name") /* a span event's name, where its fields are asked for by name */
#define EVENT_SCOPE_VERSION SLICE("scope.version")
/* All of it, living in a. */
struct event event_copy(struct arena *a, const struct event *e);
/* As text: strings as they are, numbers shortest, bools true/false, bytes in hex. Lives in a. */
struct slice field_text(struct arena *a, const struct field *f);

#endif
