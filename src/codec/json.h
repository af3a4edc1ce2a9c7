/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: a writer on a buf, and a reader over simdjson. */
#ifndef STOA_CODEC_JSON_H
#define STOA_CODEC_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* ---- writing: commas are put where they belong; text is escaped, invalid UTF-8 becomes U+FFFD ---- */

struct json_writer {
    struct buf *out;
    bool comma;        /* something stands before at this level */
    bool null_not_nan; /* NaN and Inf become null; may be set after json_writer_init() */
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_object_begin(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array_begin(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_key(struct json_writer *w, struct slice key);
void json_string(struct json_writer *w, struct slice s);
void json_int(struct json_writer *w, int64_t v);
void json_uint(struct json_writer *w, uint64_t v);
void json_double(struct json_writer *w, double v); /* shortest; NaN and Inf as strings, or null */
void json_bool(struct json_writer *w, bool v);
void json_raw(struct json_writer *w, struct slice json); /* one value, as it is */

/* ---- reading ---- */

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_UINT, JSON_DOUBLE, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
enum { JSON_DEPTH_MAX = 64, JSON_BYTES_MAX = 256 * MIB };

/* Reused from document to document; one thread at a time. A document lives until the next parse or the parser's end. */
struct json_parser;
struct json_value { /* a place in the document; plain value */
    const void *doc;
    size_t at;
};
struct json_iter { /* of an array or object */
    struct json_value value;
    size_t end;
};

struct json_parser *json_parser_new(void);
void json_parser_free(struct json_parser *p); /* accepts NULL */
/* Borrows text for the call (it is copied with the slack simdjson wants). Nothing but white space may follow.
 * ST_INVALID: malformed, with line and column. ST_LIMIT: deeper than JSON_DEPTH_MAX or larger than JSON_BYTES_MAX. */
MUST_CHECK enum status json_parse(struct json_parser *p, struct slice text, struct json_value *out, struct err *err);

enum json_type json_type(struct json_value v);
bool json_get_bool(struct json_value v);                      /* false unless JSON true */
bool json_get_int(struct json_value v, int64_t *out);         /* whole numbers that fit */
bool json_get_double(struct json_value v, double *out);       /* any number */
struct slice json_get_string(struct json_value v);            /* empty unless a string; unescaped, lives with the document */
/* The member of that name; false when v is no object or has none. */
bool json_get(struct json_value v, struct slice key, struct json_value *out);
/* for (struct json_iter it = json_array(v); json_array_next(&it, &item); ) — nothing when v is no array. */
struct json_iter json_array(struct json_value v);
bool json_array_next(struct json_iter *it, struct json_value *item);
struct json_iter json_object(struct json_value v);
bool json_object_next(struct json_iter *it, struct slice *key, struct json_value *item);
/* v as JSON text without white space. */
void json_write_value(struct json_value v, struct buf *out);

/* {"a":"b","c":1,"d":true}: texts, numbers and booleans as text, copied into a. False when it is anything else or has over max. */
bool json_flat_object(struct arena *a, struct slice text, struct slice *names, struct slice *values, size_t max, size_t *count);
/* Takes the next document off a run of them (NDJSON, or objects one after another). False at the end. What is no object or
 * array, or is one that does not close as it should, is given up to the line's end: so a broken line spoils no other. */
bool json_next_document(struct slice *rest, struct slice *document);

#endif
