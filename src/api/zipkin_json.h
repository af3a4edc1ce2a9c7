/* SPDX-License-Identifier: Apache-2.0 */
/* Spans as Zipkin's second model has them (zipkin2-api.yaml). */
#ifndef STOA_API_ZIPKIN_JSON_H
#define STOA_API_ZIPKIN_JSON_H

#include "codec/json.h"
#include "model/event.h"

/* One span object. a: scratch. */
void zipkin_json_span(struct json_writer *w, struct arena *a, const struct event *e);

#endif
