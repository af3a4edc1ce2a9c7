/* SPDX-License-Identifier: Apache-2.0 */
/* Retention policies: which class a row belongs to, how long its class is kept, where, and what a gigabyte costs there.
 *
 *     retention_policies:
 *       error_logs: {retention_days: 90, storage: cloud, cost_per_gb: $0.50}
 *
 * The name says for which rows: LEVEL_logs, audit_logs, logs, traces, metrics; or any name with `match`. docs/manual/retention.md. */
#ifndef STOA_PIPELINE_CLASS_H
#define STOA_PIPELINE_CLASS_H

#include "codec/yaml.h"
#include "model/batch.h"
#include "model/matcher.h"

enum { CLASS_POLICIES_MAX = 64, CLASS_RETENTION_DAYS_MAX = 36500, CLASS_CURRENCY_BYTES_MAX = 8 };

enum class_kind { CLASS_LEVEL, CLASS_AUDIT, CLASS_LOGS, CLASS_TRACES, CLASS_METRICS, CLASS_METRICS_5M, CLASS_METRICS_1H, CLASS_MATCH };
enum class_storage { CLASS_LOCAL, CLASS_CLOUD, CLASS_ARCHIVE, CLASS_STORAGE_COUNT };

struct class_policy {
    struct slice name;
    enum class_kind kind;
    uint8_t severity;      /* CLASS_LEVEL: of the level */
    enum class_storage storage;
    int64_t retention_ns;
    double cost_per_gb;    /* a month; a gigabyte has 10^9 bytes */
    struct slice match;    /* CLASS_MATCH: the selector as given */
    struct matcher *matchers;
    size_t matcher_count;
    uint16_t id;           /* the engine's number; 0 until it has given one */
};

struct class_config {
    struct class_policy *list;
    size_t count;
    struct slice currency; /* as given with the first price: "$"; may be empty */
    struct slice dirs[CLASS_STORAGE_COUNT]; /* `storage`; empty: the default */
};

/* `retention_policies` and `storage` of root; *out lives in a and holds nothing to free until class_config_bind. */
MUST_CHECK enum status class_config_read(struct arena *a, const struct yaml_node *root, struct class_config **out, struct buf *warnings,
                                         struct err *err);
/* A copy in a with its selectors made ready; to be ended by class_config_unbind. */
struct class_config *class_config_bind(struct arena *a, const struct class_config *from);
void class_config_unbind(struct class_config *c);
const char *class_storage_name(enum class_storage s);

/* The class of an event; 0: no policy speaks of it. scratch is for the call. */
uint16_t class_of_event(const struct class_config *c, const struct event *e, struct arena *scratch);

#endif
