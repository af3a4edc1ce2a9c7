/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP request of a probe, redirects included, on connections of its own, with each phase timed. */
#ifndef STOA_PROBE_FETCH_H
#define STOA_PROBE_FETCH_H

#include "net/client_details.h"
#include "sys/clock.h"

enum { FETCH_REDIRECTS_MAX = 10, FETCH_BODY_BYTES_MAX = 16 * MIB, FETCH_HEADERS_MAX = 80 };

struct fetch_request {
    struct slice method, url, body;
    const struct http_header *headers;
    size_t header_count;
    struct slice ca_file, cert_file, key_file, server_name, user, password, bearer; /* empty: none */
    bool tls_insecure, follow_redirects;
    int ip_version;       /* as client_request's */
    int64_t timeout_ns;   /* for all of it */
    struct buf *cookies;  /* or NULL */
};

/* Phases are durations, summed over redirects. */
struct fetch_answer {
    int status;           /* of the last answer; 0 when none came */
    int64_t resolve_ns, connect_ns, tls_ns, request_ns, first_byte_ns, transfer_ns, total_ns;
    int redirects;
    bool is_tls;
    struct buf body;
    struct client_details details; /* of the last request */
};

/* fetch_answer_free afterwards, also after an error. ST_LIMIT: too many redirects or too large a body. */
MUST_CHECK enum status fetch_do(struct http_client *client, struct clock *clock, const struct fetch_request *req, struct fetch_answer *out,
                                struct err *err);
void fetch_answer_free(struct fetch_answer *a);

#endif
