/* SPDX-License-Identifier: Apache-2.0 */
/* An origin that matches as a whole is named back, never "*", and credentials are never allowed: so a browser gives a page of
 * another origin no answer that it got by the cookie or the password of its visitor. A page that has a token sends it itself. */
#include "api/cors.h"

bool cors_allow(const struct regex *origins, struct http_exchange *x)
{
    struct slice origin = http_header(x, SLICE("Origin"));
    if (origins == NULL)
        return false;
    http_set_header(x, SLICE("Vary"), SLICE("Origin")); /* of every answer: caches keep them apart */
    if (origin.len == 0 || !regex_match(origins, origin))
        return false;
    http_set_header(x, SLICE("Access-Control-Allow-Origin"), origin);
    http_set_header(x, SLICE("Access-Control-Expose-Headers"), SLICE("Date"));
    return true;
}

void cors_preflight(void *user, struct http_exchange *x)
{
    http_set_header(x, SLICE("Access-Control-Allow-Methods"), SLICE("GET, POST, OPTIONS"));
    http_set_header(x, SLICE("Access-Control-Allow-Headers"), SLICE("Accept, Authorization, Content-Type, Origin, X-Scope-OrgID"));
    http_reply(x, 204, SLICE_EMPTY, SLICE_EMPTY);
}

/* A browser takes "*" for what comes without cookies only. What comes with the cookie of a login is refused elsewhere: access.c. */
void cors_open(struct http_exchange *x)
{
    struct slice origin = http_header(x, SLICE("Origin"));
    if (origin.len == 0) {
        http_set_header(x, SLICE("Access-Control-Allow-Origin"), SLICE("*"));
        return;
    }
    http_set_header(x, SLICE("Vary"), SLICE("Origin"));
    http_set_header(x, SLICE("Access-Control-Allow-Origin"), origin);
    http_set_header(x, SLICE("Access-Control-Allow-Credentials"), SLICE("true"));
}

/* Exporters send headers of their users' choice: those asked for are allowed. */
void cors_open_preflight(void *user, struct http_exchange *x)
{
    struct slice asked = http_header(x, SLICE("Access-Control-Request-Headers"));
    (void)user;
    cors_open(x);
    http_set_header(x, SLICE("Access-Control-Allow-Methods"), SLICE("GET, POST, PUT, DELETE, OPTIONS"));
    http_set_header(x, SLICE("Access-Control-Allow-Headers"),
                    asked.len ? asked : SLICE("Accept, Authorization, Content-Type, Content-Encoding, Origin, X-Scope-OrgID"));
    http_set_header(x, SLICE("Access-Control-Max-Age"), SLICE("86400"));
    http_reply(x, 204, SLICE_EMPTY, SLICE_EMPTY);
}
