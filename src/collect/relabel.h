/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus's relabelling: a list of rules that change a label set, or say that it is not wanted.
 * https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config */
#ifndef STOA_COLLECT_RELABEL_H
#define STOA_COLLECT_RELABEL_H

#include "codec/yaml.h"
#include "model/labels.h"

/* A label set that is being changed: unsorted, each name once, no empty values. */
struct label_list {
    struct arena *arena;
    struct label *list;
    size_t count, cap;
};

/* An empty one; its array lives in a. */
struct label_list label_list_new(struct arena *a);
struct slice label_list_get(const struct label_list *l, struct slice name); /* empty when absent */
bool label_list_has(const struct label_list *l, struct slice name);
/* Borrows nothing: name and value must live as long as the arena. An empty value removes the label. */
void label_list_set(struct label_list *l, struct slice name, struct slice value);
void label_list_add_all(struct label_list *l, struct slice labels); /* canonical */

enum relabel_action { RELABEL_REPLACE, RELABEL_KEEP, RELABEL_DROP, RELABEL_KEEPEQUAL, RELABEL_DROPEQUAL, RELABEL_HASHMOD, RELABEL_LABELMAP,
                      RELABEL_LABELDROP, RELABEL_LABELKEEP, RELABEL_LOWERCASE, RELABEL_UPPERCASE };

/* As configured: plain values in the configuration's arena. */
struct relabel_rule {
    enum relabel_action action;
    struct slice *source;
    size_t source_count;
    struct slice separator, regex, target, replacement;
    uint64_t modulus;
};
struct slice relabel_action_name(enum relabel_action action);
/* Reads n's member key (a list of rules; absent: none). Regexes are tried, so relabel_new() does not fail on them. */
MUST_CHECK enum status relabel_read(struct arena *a, const struct yaml_node *n, struct slice key, struct relabel_rule **out, size_t *count,
                                    struct err *err);

/* Rules ready to run, on any thread at once. Keeps rules. */
struct relabel;
MUST_CHECK enum status relabel_new(struct relabel **out, const struct relabel_rule *rules, size_t count, struct err *err);
void relabel_free(struct relabel *r); /* accepts NULL */
/* Changes l in place; new texts live in its arena. False: the set is dropped. */
MUST_CHECK bool relabel_run(const struct relabel *r, struct label_list *l);
/* Rule i alone. */
MUST_CHECK bool relabel_step(const struct relabel *r, size_t i, struct label_list *l);

#endif
