/* SPDX-License-Identifier: Apache-2.0 */
/* A span being put together by the readers of Zipkin's and Jaeger's formats. What has no place of its own in OpenTelemetry's model
 * becomes an attribute, so that the format's own API can give it back. Everything lives in the batch's arena. */
#ifndef STOA_INGEST_SPAN_H
#define STOA_INGEST_SPAN_H

#include "ingest/otlp.h"

/* Names of what these formats alone have. */
#define SPAN_LOCAL_IP    SLICE("net.host.ip")
#define SPAN_LOCAL_IPV6  SLICE("net.host.ipv6") /* beside an IPv4 */
#define SPAN_LOCAL_PORT  SLICE("net.host.port")
#define SPAN_PEER        SLICE("peer.service")
#define SPAN_PEER_IP     SLICE("net.peer.ip")
#define SPAN_PEER_IPV6   SLICE("net.peer.ipv6")
#define SPAN_PEER_PORT   SLICE("net.peer.port")
#define SPAN_DEBUG       SLICE("zipkin.debug")
#define SPAN_SHARED      SLICE("zipkin.shared")
#define SPAN_REF_TYPE    SLICE("opentracing.ref_type")

/* Hidden fields: how the format said what the model has a place for, so that its own API says it in the same way. */
#define SPAN_TOLD        SLICE("otlp:told_as")       /* bits of enum span_told */
#define SPAN_REMOTE      SLICE("otlp:remote_endpoint") /* Zipkin's, as JSON, when tags have the names of its attributes */
enum span_told {
    TOLD_BARE_ERROR = 1,  /* Jaeger: error=true, no otel.status_code */
    TOLD_BARE_CODE = 2,   /* otel.status_code=ERROR, no error=true */
    TOLD_LIBRARY = 4,     /* otel.library.name instead of otel.scope.name */
    TOLD_NO_TIME = 8,     /* Zipkin: no timestamp */
    TOLD_NO_SERVICE = 16, /* Zipkin: no local service */
    TOLD_REMOTE = 32,     /* Zipkin: the attributes of the peer are the remote endpoint, and no tags */
    TOLD_REMOTE_NAME = 64, /* so is peer.service alone; the rest of it is in SPAN_REMOTE */
    TOLD_NO_REMOTE = 128  /* Zipkin: no remote endpoint, though tags look like one */
};

struct span_parts {
    struct arena *arena;
    struct event e;
    bool has_trace, has_id;
    unsigned told; /* bits of enum span_told */
    struct slice service;
    struct field_list fields;
    struct span_event *events;
    struct span_link *links;
    size_t event_count, event_cap, link_count, link_cap, cut;
};

void span_begin(struct span_parts *s, struct arena *a);
/* value.name, scope and text or number; empty names are left out. */
void span_field(struct span_parts *s, struct field value);
void span_text(struct span_parts *s, enum field_scope scope, struct slice name, struct slice text);
void span_int(struct span_parts *s, enum field_scope scope, struct slice name, int64_t value);
void span_true(struct span_parts *s, struct slice name);
/* Over SPAN_EVENTS_MAX they are counted in s->cut. */
void span_event_add(struct span_parts *s, struct span_event event);
void span_link_add(struct span_parts *s, struct span_link link);
/* Hexadecimal of at most 2 * n digits, right-aligned. False: it is none, or all zero. */
bool span_id_of_text(struct slice text, uint8_t *out, size_t n);
bool span_id_of_int(uint64_t high, uint64_t low, uint8_t *out, size_t n);
/* Microseconds as nanoseconds, saturating. */
int64_t span_time_of_us(uint64_t us);
/* The finished span as a row of out, or a tally of why it is none. */
void span_finish(struct span_parts *s, const struct ingest_ctx *ctx, struct batch *out, struct ingest_result *r);

#endif
