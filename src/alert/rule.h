/* SPDX-License-Identifier: Apache-2.0 */
/* Rules: one structure for Prometheus's rule files (`groups`) and for the short form (`alerts`, "cpu_usage > 90 for 5 minutes").
 * A set is read once, immutable afterwards, and lives in an arena. docs/manual/alerting.md describes both forms. */
#ifndef STOA_ALERT_RULE_H
#define STOA_ALERT_RULE_H

#include "base/arena.h"
#include "base/buf.h"
#include "codec/yaml.h"
#include "model/labels.h"
#include "query/gotmpl.h"
#include "query/lang.h"

enum { RULE_GROUPS_MAX = 10 * 1000, RULES_MAX = 100 * 1000, RULE_LABELS_MAX = LABELS_PER_SERIES_MAX };
#define RULE_INTERVAL_DEFAULT_NS (60 * NS_S)
#define RULE_INTERVAL_MIN_NS     (100 * NS_MS)

enum rule_kind { RULE_ALERT, RULE_RECORD };

/* A label or annotation: its text and the same as a template. */
struct rule_text {
    struct slice name, text;
    struct gotmpl *tmpl;
};

struct rule {
    enum rule_kind kind;
    struct slice name;      /* of the alert, or of the metric recorded */
    struct slice expr;      /* what is evaluated */
    struct slice condition; /* short form: as it was written; else empty */
    const struct query_lang *lang;
    int64_t for_ns, keep_firing_ns;
    struct rule_text *labels, *annotations; /* labels: the group's too */
    size_t label_count, annotation_count;
    struct slice receiver; /* short form: its `action`; else empty */
    struct slice file;
    int line;
    uint64_t id; /* the same for the same rule after a restart or reload: of group, kind, name and labels */
    uint64_t expr_hash;
};

struct rule_group {
    struct slice name, file;
    int64_t interval_ns, query_offset_ns;
    size_t limit; /* 0: none */
    struct rule *rules;
    size_t rule_count, rule_cap;
};

struct rule_set {
    struct rule_group *groups;
    size_t group_count, group_cap, rule_count;
    int64_t backfill_ns;          /* how far back recording rules that are new are evaluated; 0: not at all */
    bool span_metrics;            /* spans are counted as metrics, for rules to ask */
    struct slice external_labels; /* canonical: of `global`; added to alerts that are handed on */
};

/* How a set is read. */
struct rule_reading {
    struct arena *arena;                   /* keeps everything */
    const struct query_lang *const *langs; /* the first is the default */
    size_t lang_count;
    uint32_t features;
    int64_t interval_ns, query_offset_ns; /* defaults of groups */
};

/* evaluation_interval, rule_query_offset and external_labels of `global`, when root has them, into r and set. */
MUST_CHECK enum status rule_globals_read(struct rule_reading *r, const struct yaml_node *root, struct rule_set *set, struct err *err);
/* Adds `groups` and `alerts` of root to set. only: root is a rule file, any other key is an error.
 * ST_INVALID names file, line, what was found and what is allowed; expressions and templates are checked. */
MUST_CHECK enum status rule_set_read(const struct rule_reading *r, const struct yaml_node *root, bool only, struct rule_set *set,
                                     struct err *err);
/* A copy in a, without templates: for those who look at it while a reload may come. */
struct rule_set *rule_set_copy(struct arena *a, const struct rule_set *set);
/* The set as a Prometheus rule file. */
void rule_set_format(const struct rule_set *set, struct buf *out);

/* The variables that templates of rules know. */
extern const struct slice rule_variables[];
enum { RULE_VARIABLES = 4 }; /* $labels, $externalLabels, $externalURL, $value: in this order */

/* ---- short form ---- */

struct article_condition {
    struct slice expr;
    int64_t for_ns;
};
/* "NAME OP NUMBER [for DURATION]" into a query over what Stoa collects; see docs/manual/alerting.md for the table of names.
 * Lives in a. The query is not checked here. */
MUST_CHECK enum status article_condition_read(struct arena *a, struct slice text, struct article_condition *out, struct err *err);
struct article_name {
    struct slice name, expr, what;
};
extern const struct article_name article_names[];
extern const size_t article_name_count;

#endif
