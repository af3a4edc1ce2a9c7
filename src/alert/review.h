/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with rules: what can be seen in the text, and what their history and the data of now say. */
#ifndef STOA_ALERT_REVIEW_H
#define STOA_ALERT_REVIEW_H

#include "alert/eval.h"

#define REVIEW_NEVER_AFTER_DEFAULT_NS  ((int64_t)30 * 86400 * NS_S)
#define REVIEW_ALWAYS_AFTER_DEFAULT_NS ((int64_t)86400 * NS_S)
enum { REVIEW_EVALUATIONS_MIN = 3, REVIEW_QUERIES_MAX = 2000, REVIEW_QUERY_SECONDS_MAX = 5 };

struct review_finding {
    const struct rule *rule;
    const struct rule_group *group;
    const char *finding; /* "no_for", "never_fired", ...: docs/manual/alerting.md lists them */
    bool is_warning;     /* else a remark */
    struct slice text, suggestion;
};

struct review {
    struct arena *arena;
    uint32_t features;
    struct review_finding *list;
    size_t count, cap;
    /* Whether a receiver is configured; NULL: nobody knows. */
    bool (*has_receiver)(void *arg, struct slice name);
    void *arg;
};

/* What the text alone says: without `for`, a cause and not a symptom, a low threshold, duplicates, no annotations, severity or
 * receiver. */
void review_rules(struct review *v, const struct rule_set *set);
/* And what their life says: never fired, always firing, failing, no data. never_after_ns, always_after_ns: how long a rule must
 * have been watched. */
void review_life(struct review *v, struct alert_eval *e, int64_t never_after_ns, int64_t always_after_ns);

#endif
