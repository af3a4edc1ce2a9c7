/* SPDX-License-Identifier: Apache-2.0 */
/* GET /api/stoa/v1/openapi.json: the route table as an OpenAPI document. */
#ifndef STOA_API_OPENAPI_H
#define STOA_API_OPENAPI_H

#include "api/api.h"
#include "auth/role.h"

enum { ROUTE_METHODS_MAX = 6 };

/* A row of the table, as routes.c has it. */
struct api_route_about {
    bool is_section; /* the name (text) of the rows that follow, and no route */
    bool is_visit;   /* of the page: for browsers alone */
    bool of_server, is_grpc;
    const char *text, *action; /* NULL: none */
    struct slice pattern;
    enum permission permission;
    const char *methods[ROUTE_METHODS_MAX]; /* "get", ... */
    size_t method_count;
};
/* False: there is no such row. */
bool api_route_at(size_t i, struct api_route_about *out);

void openapi_get(void *user, struct http_exchange *x);
/* GET /api/v1/openapi.yaml: the paths below /api/v1/ alone. */
void openapi_prometheus(void *user, struct http_exchange *x);

#endif
