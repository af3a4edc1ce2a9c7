/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of other origins that may read the API: `web.cors_origin`. */
#ifndef STOA_API_CORS_H
#define STOA_API_CORS_H

#include "codec/regex.h"
#include "net/http.h"

/* Says in x's answer whether a page of the Origin it names may read it. origins NULL: none may, and nothing is said. True: it
 * may. Before the answer. */
bool cors_allow(const struct regex *origins, struct http_exchange *x);
/* Answers a preflight for which cors_allow was true. user is not used. */
void cors_preflight(void *user, struct http_exchange *x);

/* Of what takes events from anybody's pages: every origin may read the answer, and bring cookies, as beacons do. Before the answer. */
void cors_open(struct http_exchange *x);
void cors_open_preflight(void *user, struct http_exchange *x);

#endif
