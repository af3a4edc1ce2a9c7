/* SPDX-License-Identifier: Apache-2.0 */
/* What reports about logs look at in a line: its fields, its shape, and the kinds of event it tells of. Pure; any thread. */
#ifndef STOA_API_LOG_TEXT_H
#define STOA_API_LOG_TEXT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "codec/json.h"
#include "model/event.h"

enum {
    LOG_SHAPE_BYTES_MAX = 200,
    LOG_FIELD_NAME_BYTES_MAX = 128,
    LOG_FIELDS_PER_LINE_MAX = 256,
    LOG_JSON_DEPTH_MAX = 8,
    LOG_KIND_FIELDS_MAX = 12
};

/* ---- fields ---- */

enum log_parser { LOG_PARSER_JSON, LOG_PARSER_LOGFMT, LOG_PARSER_TEXT, LOG_PARSER_ACCESS, LOG_PARSER_COUNT };

struct log_field {
    struct slice name, value; /* the name as a label: a.b is a_b */
    enum log_parser parser;
    struct slice path; /* JSON: the keys on the way as JSON texts, "http","status" */
};
/* The fields of one line, by what it is: JSON, logfmt, a line of an access log, or name=value pairs within free text. Everything lives in a. */
size_t log_fields(struct arena *a, struct json_parser *json, struct slice line, struct log_field *out, size_t max);
/* Takes the next name=value off free text: "Paid: order_id=12345, amount=$9" gives order_id and amount, without the commas. */
bool log_pair_next(struct slice *rest, struct slice *name, struct slice *value);

/* ---- shapes ---- */

/* The line without time, level and the like, with numbers as <n>, ids as <id>, texts in quotes as <text> and addresses of mail as
 * <email>: lines of one statement of a program have one shape. Appends at most LOG_SHAPE_BYTES_MAX bytes. */
void log_shape(struct slice line, struct buf *out);
/* The longest run of words of a shape, to find its lines by; a part of shape. */
struct slice log_shape_words(struct slice shape);

/* ---- kinds ---- */

enum log_kind { LOG_BUSINESS, LOG_PERFORMANCE, LOG_ERROR, LOG_SECURITY, LOG_KIND_COUNT };

struct log_kind_rule {
    struct slice name;
    uint8_t severity_min;      /* 0: no level makes it one */
    struct slice words;        /* a regular expression over the line */
    struct slice fields[LOG_KIND_FIELDS_MAX]; /* names in structured metadata; ends with an empty one */
};
extern const struct log_kind_rule log_kinds[LOG_KIND_COUNT];

/* The rules made ready. */
struct log_matcher;
MUST_CHECK enum status log_matcher_new(struct log_matcher **out, struct err *err);
void log_matcher_free(struct log_matcher *m); /* accepts NULL */
bool log_matcher_is(const struct log_matcher *m, enum log_kind kind, const struct event *e);
/* The n-th LogQL query whose lines are of the kind; false: there are no more. Together they find what log_matcher_is does. */
bool log_kind_query(enum log_kind kind, size_t n, struct buf *out);

#endif
