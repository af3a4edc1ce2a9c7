/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions on an answer, as a person writes them:
 *
 *     status == 200            status in [200, 204]        latency < 2s           certificate days > 14
 *     body contains "text"     body not matches /re/i      header content-type contains json
 *     json .user.id == 7       json .items[0].name exists
 *
 * and picks, which name one text of an answer to carry on: `json .token`, `header location`, `body /id=(\d+)/`, `status`. */
#ifndef STOA_PROBE_CONDITION_H
#define STOA_PROBE_CONDITION_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { CONDITION_TEXT_BYTES_MAX = 4096, CONDITION_LIST_MAX = 64, CONDITION_PATH_PARTS_MAX = 32 };

/* What a condition can look at. Times are durations. */
struct answer_view {
    int status;
    int64_t total_ns, resolve_ns, connect_ns, tls_ns, request_ns, first_byte_ns, transfer_ns;
    bool has_certificate;
    double certificate_days;   /* until the first of them ends */
    struct slice headers;      /* status line, then "name: value\r\n" */
    struct slice body;
};

struct condition; /* holds compiled regexes: condition_free */

/* ST_INVALID names the condition, the column, what was found and what is allowed. text is kept, and must live as long. */
MUST_CHECK enum status condition_parse(struct slice text, struct condition **out, struct err *err);
void condition_free(struct condition *c); /* accepts NULL */
struct slice condition_text(const struct condition *c);
/* ST_OK when it holds; ST_INVALID with a sentence that says what was found. Any thread. */
MUST_CHECK enum status condition_check(const struct condition *c, const struct answer_view *v, struct err *err);

/* A pick has the subject of a condition and no comparison. */
MUST_CHECK enum status pick_parse(struct slice text, struct condition **out, struct err *err);
/* What it names, in a. ST_NOT_FOUND says what is missing. */
MUST_CHECK enum status pick_take(const struct condition *c, const struct answer_view *v, struct arena *a, struct slice *out, struct err *err);

/* The value of the first header of that name, trimmed; false when there is none. */
bool answer_header(struct slice headers, struct slice name, struct slice *value);

#endif
