/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines as Loki's JSON. */
#ifndef STOA_API_LOKI_JSON_H
#define STOA_API_LOKI_JSON_H

#include "api/api.h"
#include "codec/json.h"

/* [{"stream":{},"values":[["ns","line"]]}]. Without categorize a stream's labels are all labels of its lines together; with it
 * ("categorize-labels") they are its own, and each line says what is structured metadata and what was parsed. */
void loki_json_streams(struct json_writer *w, const struct value *v, bool categorize);
/* "resultType":...,"result":... of lines or numbers, inside an object that is open. */
void loki_json_result(struct json_writer *w, const struct value *v, bool categorize);
/* "stats":{...} inside an object that is open; v: the answer, NULL when it is not of a query. */
void loki_stats_put(struct json_writer *w, const struct api_query *q, const struct value *v);
/* Does the request ask for categories? */
bool loki_json_categorizes(const struct http_exchange *x);

#endif
