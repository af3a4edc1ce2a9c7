/* SPDX-License-Identifier: Apache-2.0 */
/* Synthetic checks as configured: a check is a journey of HTTP steps, run every so often from one or more locations.
 * Plain values in the configuration's arena; what is a condition or a pick here was tried when it was read. */
#ifndef STOA_PROBE_CHECK_H
#define STOA_PROBE_CHECK_H

#include "base/buf.h"
#include "codec/yaml.h"

enum {
    CHECKS_MAX = 1000,
    CHECK_STEPS_MAX = 64,
    CHECK_LOCATIONS_MAX = 64,
    CHECK_NAME_BYTES_MAX = 100,
    STEP_CONDITIONS_MAX = 64,
    STEP_HEADERS_MAX = 64,
    STEP_SAVES_MAX = 32
};
#define CHECK_LOCATION_LOCAL SLICE("local") /* the server itself */

struct check_pair {
    struct slice name, value;
};

struct check_tls {
    struct slice ca_file, cert_file, key_file, server_name; /* empty: the system's, none, the URL's */
    bool insecure;
};

struct check_step {
    struct slice name, method, url; /* as written, with {{names}} and ${NAMES} */
    struct check_pair *headers;
    size_t header_count;
    const struct yaml_node *json, *form; /* at most one of these and body */
    struct slice body;
    struct slice *conditions;
    size_t condition_count;
    struct check_pair *saves; /* name, pick */
    size_t save_count;
    int64_t timeout_ns;
    bool follow_redirects;
};

struct check {
    struct slice name;
    int64_t every_ns;
    struct slice *locations;
    size_t location_count;
    struct check_tls tls;
    struct check_step *steps;
    size_t step_count;
    const struct yaml_node *source;
};

struct check_set {
    struct check *list;
    size_t count;
    const struct yaml_node *source; /* of all; NULL: none */
};

/* Reads `checks` of root; without the key, an empty set. Errors name file and line. */
MUST_CHECK enum status check_config_read(struct arena *a, const struct yaml_node *root, struct check_set **out, struct buf *warnings,
                                         struct err *err);
const struct check *check_find(const struct check_set *s, struct slice name); /* NULL when there is none */
bool check_is_at(const struct check *c, struct slice location);
/* [A-Za-z0-9 _.:-], at most CHECK_NAME_BYTES_MAX bytes: names of checks, steps and locations. */
bool check_name_is_valid(struct slice name);
/* The checks meant for a location as {"checks":[...]}, which check_config_read reads again: JSON is YAML. */
void check_set_write(const struct check_set *s, struct slice location, struct buf *out);
/* The whole set once more in arena a, for who outlives the configuration. */
struct check_set *check_set_copy(const struct check_set *s, struct arena *a);
/* A tree with all its texts in arena a. */
struct yaml_node *yaml_copy(const struct yaml_node *from, struct arena *a);
/* A node as JSON: bare true, false, null and numbers as such, all else as text. change, when given, sees each text first. */
void yaml_write_json(const struct yaml_node *n, struct slice (*change)(void *arg, struct slice text), void *arg, struct buf *out);

#endif
