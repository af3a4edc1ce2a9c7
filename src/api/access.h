/* SPDX-License-Identifier: Apache-2.0 */
/* Who may call a route, and what of it goes to the audit log: enforced here, for all routes, from what their rows say. */
#ifndef STOA_API_ACCESS_H
#define STOA_API_ACCESS_H

#include "api/api.h"
#include "auth/role.h"

struct access_rule {
    enum permission permission;
    const char *action; /* for the audit log; NULL: the route is not recorded by itself */
    bool of_server;     /* not about the caller's tenants: of the whole server, or always of the tenant "default" */
};

enum access_verdict {
    ACCESS_GRANTED,
    ACCESS_ANSWERED, /* refused; x has its answer */
    ACCESS_SLOW      /* a password is to be checked: call again with may_block, off the loop */
};

/* Tells the caller, by whom api_caller answers from now on. */
enum access_verdict access_check(struct api *api, struct http_exchange *x, struct access_rule rule, bool may_block);
/* Answers that too many passwords wait to be checked. */
void access_busy(struct http_exchange *x);
/* The Cookie header with the session: HTTP/2 may bring several. Empty when there is none. */
struct slice access_cookie(struct http_exchange *x);
/* Must the route's call be on record, durably, before it is made? Then it is made by a worker. */
bool access_is_change(struct access_rule rule);
/* Puts it there. False: it cannot be, and x has its answer. */
bool access_record(struct api *api, struct http_exchange *x, struct access_rule rule);
/* After the answer: what was read, or how a change went. On the loop. */
void access_done(struct api *api, struct http_exchange *x, struct access_rule rule, int status);
/* The numbers of auth and audit, for /metrics. */
void access_metrics(struct api *api, struct buf *out);

#endif
