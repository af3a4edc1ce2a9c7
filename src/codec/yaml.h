/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as a tree of nodes that know their line, so that an error can name it. By libyaml; aliases are resolved. */
#ifndef STOA_CODEC_YAML_H
#define STOA_CODEC_YAML_H

#include "base/arena.h"
#include "base/err.h"

enum { YAML_NODES_MAX = 200 * 1000, YAML_DEPTH_MAX = 64, YAML_BYTES_MAX = 16 * MIB };
enum yaml_type { YAML_SCALAR, YAML_MAP, YAML_SEQUENCE };

struct yaml_node {
    enum yaml_type type;
    int line, column;        /* from 1 */
    struct slice file;       /* as given to yaml_parse */
    struct slice text;       /* SCALAR */
    bool quoted;             /* SCALAR: "yes" in quotes is text */
    struct slice *keys;      /* MAP */
    int *key_lines;
    struct yaml_node **items; /* MAP and SEQUENCE */
    size_t count;
    size_t nodes; /* this one and all below it; what an alias names counts each time */
};

/* Everything lives in a. An alias gives the same node again, so a tree may be far larger than its text: nodes are counted
 * as a walk meets them, and over YAML_NODES_MAX is ST_LIMIT. An empty document gives a MAP without keys. Several documents in one file are an error.
 * ST_INVALID names file, line and column; a key twice names both lines. ST_LIMIT as above. */
MUST_CHECK enum status yaml_parse(struct arena *a, struct slice file, struct slice text, struct yaml_node **out, struct err *err);

/* The value of key; NULL when n is no map, or has no such key, or the value is empty (`key:`). n may be NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *n, struct slice key);
/* err_set with "file:line: " in front. */
enum status yaml_fail(const struct yaml_node *n, struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Typed reading of n's member key into *out, which keeps its value when the key is absent. The error names file, line, key,
 * what was found and what is allowed. */
MUST_CHECK enum status yaml_text(const struct yaml_node *n, struct slice key, struct slice *out, struct err *err);
MUST_CHECK enum status yaml_bool(const struct yaml_node *n, struct slice key, bool *out, struct err *err);
MUST_CHECK enum status yaml_int(const struct yaml_node *n, struct slice key, int64_t min, int64_t max, int64_t *out, struct err *err);
MUST_CHECK enum status yaml_double(const struct yaml_node *n, struct slice key, double min, double max, double *out, struct err *err);
/* 15s, 1h30m, 1d; Prometheus's durations; in nanoseconds. */
MUST_CHECK enum status yaml_duration(const struct yaml_node *n, struct slice key, int64_t *out_ns, struct err *err);
/* 64MB, 512MiB, 1GB, 1000: bytes. */
MUST_CHECK enum status yaml_size(const struct yaml_node *n, struct slice key, uint64_t *out, struct err *err);
/* A sequence of scalars, or one scalar. */
MUST_CHECK enum status yaml_texts(struct arena *a, const struct yaml_node *n, struct slice key, struct slice **out, size_t *count,
                                  struct err *err);

/* Every key of map n must be in allowed: the first that is not is an error with its line and the nearest allowed word. */
MUST_CHECK enum status yaml_only(const struct yaml_node *n, const struct slice *allowed, size_t count, struct err *err);
/* The nearest of list by edit distance, or the empty slice when none is near. */
struct slice yaml_suggest(struct slice word, const struct slice *list, size_t count);

#endif
