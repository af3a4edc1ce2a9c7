/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of rules that came over an API instead of in a file, as Loki's ruler takes them: by namespace and name, kept over restarts,
 * in one set that is evaluated beside the configuration's. A namespace is the `file` of its groups. Any thread. */
#ifndef STOA_ALERT_POSTED_H
#define STOA_ALERT_POSTED_H

#include "alert/rule.h"
#include "store/kv.h"
#include "sys/log.h"

enum { POSTED_GROUPS_MAX = 2000, POSTED_NAME_BYTES_MAX = 256, POSTED_GROUP_BYTES_MAX = 1 * MIB };

struct posted_rules;

/* Keeps all it is given. langs: the first is what a rule is in that does not say. A kept group that does not parse any more is logged, and
 * left out. */
MUST_CHECK enum status posted_rules_open(struct posted_rules **out, struct kv *kv, struct log *log, const struct query_lang *const *langs,
                                         size_t lang_count, uint32_t features, struct err *err);
void posted_rules_close(struct posted_rules *p); /* accepts NULL */

/* changed is called by whoever puts or removes, with the new set; on its return nothing of the old one may be used. Before threads. */
void posted_rules_watch(struct posted_rules *p, void (*changed)(void *arg, const struct rule_set *set), void *arg);
/* As it is now; only until threads start. */
const struct rule_set *posted_rules_set(const struct posted_rules *p);
/* A copy in a. */
struct rule_set *posted_rules_copy(struct posted_rules *p, struct arena *a);

/* text: one group as YAML, {name, interval, limit, rules}; it takes the place of one of that name. ST_INVALID names what is wrong and
 * where; ST_LIMIT. Durable and in force on return. */
MUST_CHECK enum status posted_rules_put(struct posted_rules *p, struct slice space, struct slice text, struct err *err);
/* name empty: the whole namespace. ST_NOT_FOUND: there is none. */
MUST_CHECK enum status posted_rules_remove(struct posted_rules *p, struct slice space, struct slice name, struct err *err);

/* A group as YAML, each line behind `indent` spaces and the first one behind "- " when it is_item. lang: the language that is not said. */
void posted_rules_format(const struct rule_group *g, struct slice lang, unsigned indent, bool is_item, struct buf *out);

#endif
