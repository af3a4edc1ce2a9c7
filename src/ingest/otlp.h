/* SPDX-License-Identifier: Apache-2.0 */
/* What OTLP's three signals share: attributes, resources, JSON bodies, answers. */
#ifndef STOA_INGEST_OTLP_H
#define STOA_INGEST_OTLP_H

#include "ingest/ingest.h"
#include "ingest/otlp_options.h"
#include "ingest/pb.h"
#include "model/histogram.h"

enum { OTLP_NESTING_MAX = 16 }; /* lists in maps in lists of an attribute's value; deeper is null */

struct field_list {
    struct field *items;
    size_t count, cap;
};

/* What a resource (or a scope) says, once for all rows under it. */
struct otlp_resource {
    struct field_list fields; /* resource, then scope */
    struct slice service, service_namespace, instance;
};

/* What spans say beside their attributes; hidden fields (model/event.h) of the span, its resource, its scope, an event or a link. */
#define OTLP_DROPPED_ATTRIBUTES EVENT_DROPPED_ATTRIBUTES
#define OTLP_DROPPED_EVENTS     SLICE("otlp:dropped_events_count")
#define OTLP_DROPPED_LINKS      SLICE("otlp:dropped_links_count")
#define OTLP_FLAGS              SLICE("otlp:flags")
#define OTLP_SCHEMA_URL         SLICE("otlp:schema_url")

/* A KeyValue message as a field; lists and maps become FIELD_JSON. False when it is broken or has no key. */
bool otlp_attribute(struct arena *a, struct slice key_value, enum field_scope scope, struct field_list *out);
/* The bytes of the last such field of a message; empty when there is none. */
struct slice otlp_message_in(struct slice message, uint32_t number);
/* All attributes of the message (in field number) appended. */
bool otlp_attributes(struct arena *a, struct slice message, uint32_t number, enum field_scope scope, struct field_list *out);
/* An AnyValue as text: strings as they are, everything else as JSON would have it. */
struct slice otlp_any_text(struct arena *a, struct slice any);

/* The resource of a ResourceX message (its field 1), and then the scope of a ScopeX message (field 1) on top of it. */
bool otlp_resource_read(struct arena *a, struct slice resource_message, struct otlp_resource *out);
bool otlp_scope_read(struct arena *a, struct slice scope_message, const struct otlp_resource *resource, struct otlp_resource *out);
/* How many messages stand in fields outer and then inner: what is lost with a resource. */
size_t otlp_count(struct slice message, uint32_t outer, uint32_t inner);

/* Copies an id of exactly n bytes. False (out zeroed) when it has another length or is all zero. */
bool otlp_id(struct slice bytes, uint8_t *out, size_t n);
/* fixed64 nanoseconds as int64, saturating. */
int64_t otlp_time(uint64_t ns);

/* An ExponentialHistogramDataPoint as a native histogram in a; checked. */
MUST_CHECK enum status otlp_exponential_read(struct arena *a, struct slice message, struct histogram **out, struct err *err);
/* Explicit buckets (one count more than bounds) as a native histogram with these bounds. */
MUST_CHECK enum status otlp_explicit_make(struct arena *a, const double *bounds, const uint64_t *counts, size_t bound_count, double sum,
                                          struct histogram **out, struct err *err);

enum otlp_signal { OTLP_METRICS, OTLP_LOGS, OTLP_TRACES };

/* The body as protobuf: as it is, or translated from OTLP's JSON into the batch's arena. ST_INVALID names what is wrong where. */
MUST_CHECK enum status otlp_body(const struct ingest_ctx *ctx, enum otlp_signal signal, struct slice body, struct arena *a, struct slice *out,
                                 struct err *err);
MUST_CHECK enum status otlp_json_to_protobuf(enum otlp_signal signal, struct slice json, struct arena *a, struct slice *out, struct err *err);

/* ExportXServiceResponse: empty or {} on full success, partial_success otherwise (also for warnings, with 0 rejected). */
void otlp_response(const struct ingest_result *result, enum otlp_signal signal, bool json, struct buf *out);
/* google.rpc.Status, the body of a refusal. */
void otlp_status(int code, struct slice message, bool json, struct buf *out);

#endif
