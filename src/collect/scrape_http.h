/* SPDX-License-Identifier: Apache-2.0 */
/* One GET as a job's settings want it: for scrapes and for servers that know targets. */
#ifndef STOA_COLLECT_SCRAPE_HTTP_H
#define STOA_COLLECT_SCRAPE_HTTP_H

#include "collect/scrape_config.h"

struct scrape_get {
    struct slice url, accept;
    int64_t timeout_ns;
    size_t bytes_max;
    bool compression, tell_timeout;
};

/* Blocks. A status other than 200 is ST_UNAVAILABLE. resp->body is the caller's to free, also after an error. a is for the
 * request's own texts. */
MUST_CHECK enum status scrape_http_get(const struct collect_env *env, const struct scrape_http *h, const struct scrape_get *get, struct arena *a,
                                       struct client_response *resp, struct err *err);

/* As client_request has them. */
struct scrape_stream {
    bool (*piece)(void *arg, struct slice bytes);
    void (*answered)(void *arg, int status);
    void (*over_now)(void *arg);
    void *arg;
};
/* Does not block; http_transfer_end() gives the answer, whose status is any. */
MUST_CHECK enum status scrape_http_start(const struct collect_env *env, const struct scrape_http *h, const struct scrape_get *get,
                                         const struct scrape_stream *stream, struct http_transfer **out, struct err *err);

#endif
