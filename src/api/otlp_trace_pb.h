/* SPDX-License-Identifier: Apache-2.0 */
/* Spans as OTLP's protobuf. */
#ifndef STOA_API_OTLP_TRACE_PB_H
#define STOA_API_OTLP_TRACE_PB_H

#include "api/otlp_trace.h"

/* TracesData, which is ExportTraceServiceRequest and Tempo's Trace as well: its resource_spans appended to out. */
void otlp_trace_pb(struct buf *out, struct arena *a, const struct event *const *spans, size_t count);
/* A KeyValue in that field of a message. p: parses values that are lists and maps; reused. */
void otlp_trace_pb_attribute(struct buf *out, uint32_t number, struct json_parser *p, const struct field *f);

#endif
