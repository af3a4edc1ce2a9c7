/* SPDX-License-Identifier: Apache-2.0 */
/* Spans as OTLP's JSON. */
#ifndef STOA_API_OTLP_TRACE_JSON_H
#define STOA_API_OTLP_TRACE_JSON_H

#include "api/otlp_trace.h"

enum otlp_json_style {
    OTLP_JSON_HEX,   /* as OTLP/JSON asks: ids in hexadecimal, kinds and codes as numbers */
    OTLP_JSON_BASE64 /* as protobuf's own JSON has it, and Tempo: ids in base64, kinds and codes by name */
};

/* An array of ResourceSpans, and its members alone. */
void otlp_trace_json(struct json_writer *w, struct arena *a, enum otlp_json_style style, const struct event *const *spans, size_t count);
void otlp_trace_json_members(struct json_writer *w, struct arena *a, enum otlp_json_style style, const struct event *const *spans, size_t count);
/* One {"key":...,"value":{...}}. p: parses values that are lists and maps; reused. */
void otlp_trace_json_attribute(struct json_writer *w, struct json_parser *p, const struct field *f);

#endif
