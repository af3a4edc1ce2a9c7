/* SPDX-License-Identifier: Apache-2.0 */
/* A label set in canonical form: one run of bytes, so that it hashes, compares and travels as it is.
 *
 *     { varint name length | name | varint value length | value }...
 *
 * sorted by name bytewise, but `__name__` first; no name twice; no empty value (Prometheus: absent and empty are the same).
 * A `struct slice labels` in this code base is always in this form. */
#ifndef STOA_MODEL_LABELS_H
#define STOA_MODEL_LABELS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

enum {
    LABELS_PER_SERIES_MAX = 64,
    LABEL_NAME_BYTES_MAX = 1024,
    LABEL_VALUE_BYTES_MAX = 4096,
    LABELS_BYTES_MAX = 64 * KIB,
    LABELS_ADDED_MAX = 4 /* beyond these: what we add to a sender's (service_name, an alert's name and state) */
};

struct label {
    struct slice name, value;
};

/* Sorts list in place, drops empty values, checks the limits above. ST_INVALID: a name twice, an empty name or invalid
 * UTF-8. ST_LIMIT names the label, what was found and what is allowed. *out lives in a. */
MUST_CHECK enum status labels_build(struct arena *a, struct label *list, size_t count, struct slice *out, struct err *err);
/* The same form without the limits on counts and bytes, of checked names and values: what discovery found is only shown. The first of
 * a name counts. */
struct slice labels_build_wide(struct arena *a, struct label *list, size_t count);
/* Takes the next pair off *rest. False at the end. */
bool labels_next(struct slice *rest, struct label *out);
size_t labels_count(struct slice labels);
/* The value, or the empty slice. */
struct slice labels_get(struct slice labels, struct slice name);
/* Order of series: pair by pair, name then value, `__name__` first. */
int labels_cmp(struct slice a, struct slice b);
struct hash128 labels_hash(struct slice labels, uint64_t seed);
/* True when bytes (from a file or a peer) are in canonical form and within the limits, LABELS_ADDED_MAX more included. */
bool labels_check(struct slice bytes);
/* Without the named ones (count may be 0), or only the named ones. */
struct slice labels_without(struct arena *a, struct slice labels, const struct slice *names, size_t count);
struct slice labels_only(struct arena *a, struct slice labels, const struct slice *names, size_t count);
/* With name set to value (removed when value is empty). */
struct slice labels_with(struct arena *a, struct slice labels, struct slice name, struct slice value);
/* Prometheus's text: name{a="b",c="d"}; just {a="b"} without a name. */
void labels_format(struct slice labels, struct buf *out);
/* Reads {a="b", c="d"} or name{a="b"} (Loki's push sends the first). Position in the error. */
MUST_CHECK enum status labels_parse(struct arena *a, struct slice text, struct slice *out, struct err *err);
/* A string in quotes, escaped as Go's and PromQL's. */
void text_put_quoted(struct slice s, struct buf *out);
/* [a-zA-Z_][a-zA-Z0-9_]*, and ':' too in a metric's name. */
bool label_name_is_legacy(struct slice name);
bool metric_name_is_legacy(struct slice name);

#endif
