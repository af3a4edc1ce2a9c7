/* SPDX-License-Identifier: Apache-2.0 */
/* Query values as Prometheus's JSON. */
#ifndef STOA_API_PROM_JSON_H
#define STOA_API_PROM_JSON_H

#include "api/api.h"
#include "codec/json.h"
#include "model/histogram.h"

/* {"a":"b",...} */
void prom_json_labels(struct json_writer *w, struct slice labels);
/* [1732270800.25,"0.5"]: seconds with at most three digits, the value as text. */
void prom_json_point(struct json_writer *w, int64_t t_ms, double v);
/* [1732270800.25,{"count":"2","sum":"3","buckets":[[0,"0.5","1","2"]]}]: a bucket says which bounds belong to it (0: the upper,
 * 1: the lower, 2: none, 3: both), its bounds and its count; empty ones are left out. */
void prom_json_histogram(struct json_writer *w, int64_t t_ms, const struct histogram *h);
/* "resultType":...,"result":... inside an object that is open. Scalars, strings, vectors and matrices. */
void prom_json_result(struct json_writer *w, const struct value *v);
/* {"status":"success","data": — what every good answer but Jaeger's begins with. out is initialised here. */
void prom_json_begin(struct json_writer *w, struct buf *out, size_t bytes_max);
/* Notes, the end of the object, and the answer itself; takes out. */
void prom_json_reply(struct http_exchange *x, struct json_writer *w, struct buf *out, struct slice warnings, struct slice infos);
/* ,"warnings":[...],"infos":[...]: only those there are; text is sentences ended by '\n'. */
void prom_json_notes(struct json_writer *w, struct slice warnings, struct slice infos);

#endif
