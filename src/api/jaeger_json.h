/* SPDX-License-Identifier: Apache-2.0 */
/* Spans as the JSON of Jaeger's query API (model/json of its UI). */
#ifndef STOA_API_JAEGER_JSON_H
#define STOA_API_JAEGER_JSON_H

#include "codec/json.h"
#include "model/event.h"
#include "net/http.h"

/* One trace object; spans (all of one trace) are pointers into rows that live on. a: scratch. With corrects, clocks of hosts are put
 * right, and warnings of the spans say so (trace_skew.h). */
void jaeger_json_trace(struct json_writer *w, struct arena *a, const struct event *const *spans, size_t count, bool corrects);

/* An error as that API tells it. */
void jaeger_fail(struct http_exchange *x, enum status st, const struct err *err);

#endif
