/* SPDX-License-Identifier: Apache-2.0 */
/* Values of Zipkin's JSON, of both its models. */
#ifndef STOA_INGEST_ZIPKIN_JSON_H
#define STOA_INGEST_ZIPKIN_JSON_H

#include "ingest/jread.h"

/* A time, duration or port; null is 0. Any other number, or what is none, is wrong. */
uint64_t zipkin_json_number(struct jread *j);
/* null is empty; numbers and words, which Zipkin itself refuses in its second model, are their text. */
struct slice zipkin_json_text(struct jread *j);

#endif
