/* SPDX-License-Identifier: Apache-2.0 */
/* Elasticsearch's answers to what is sent to it. */
#ifndef STOA_API_ELASTIC_H
#define STOA_API_ELASTIC_H

#include "api/api.h"
#include "ingest/elastic_bulk.h"

/* Every answer says whose it is: the official clients speak to nobody else. */
void elastic_set_product(struct http_exchange *x);
void elastic_fail(struct http_exchange *x, int status, struct slice sentence);
/* Of a bulk whose documents are on disk, or of its one document. */
void elastic_answer(struct http_exchange *x, const struct elastic_bulk *bulk);
/* What knows a request again; empty when its items do not all have an id. In a. */
struct slice elastic_key(struct arena *a, const struct elastic_bulk *bulk, struct slice body);
/* ingest_http.c: decodes the body as bulk says, stores and answers. bulk lives in the exchange's arena. */
void ingest_elastic(struct api *api, struct http_exchange *x, struct elastic_bulk *bulk);

#endif
