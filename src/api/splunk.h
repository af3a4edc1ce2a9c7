/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of Splunk's HTTP Event Collector. */
#ifndef STOA_API_SPLUNK_H
#define STOA_API_SPLUNK_H

#include "api/api.h"
#include "ingest/splunk_hec.h"

bool splunk_is_asked(struct http_exchange *x);
/* A request without a login, or with one that is not known. */
void splunk_refuse(struct http_exchange *x, bool is_missing);
/* status: HTTP's, of a request that could not be taken. */
void splunk_fail(struct http_exchange *x, int status);
/* Of events that are on disk, or of the one that was wrong. */
void splunk_answer(struct http_exchange *x, const struct splunk_hec *told);
/* ingest_http.c: decodes the body as told says, stores and answers. told lives in the exchange's arena. */
void ingest_splunk(struct api *api, struct http_exchange *x, struct splunk_hec *told);

#endif
