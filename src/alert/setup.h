/* SPDX-License-Identifier: Apache-2.0 */
/* alertmanager.yml as values: receivers, the tree of routes, inhibition, time intervals. Immutable, in the configuration's arena. */
#ifndef STOA_ALERT_SETUP_H
#define STOA_ALERT_SETUP_H

#include "alert/dispatch.h"
#include "model/matcher.h"
#include "query/gotmpl.h"
#include "sys/zone.h"

enum {
    RECEIVERS_MAX = 1000,
    INTEGRATIONS_MAX = 64, /* of one receiver */
    ROUTES_MAX = 10 * 1000,
    ROUTE_DEPTH_MAX = 32,
    ROUTE_GROUP_BY_MAX = LABELS_PER_SERIES_MAX,
    ESCALATION_STEPS_MAX = 16,
    INHIBIT_RULES_MAX = 1000,
    INTERVALS_MAX = 1000,
    TEMPLATE_FILES_MAX = 100
};
#define GROUP_WAIT_DEFAULT_NS      (30 * NS_S)
#define GROUP_INTERVAL_DEFAULT_NS  (300 * NS_S)
#define REPEAT_INTERVAL_DEFAULT_NS (4 * 3600 * NS_S)
#define RESOLVE_TIMEOUT_DEFAULT_NS (300 * NS_S)

/* ---- matchers as Alertmanager writes them: severity="critical", team=~"a|b", in braces or not, values quoted or not ---- */

/* *out lives in a, its regexes until matchers_destroy. ST_INVALID: with the text. */
MUST_CHECK enum status alert_matchers_read(struct arena *a, struct slice text, struct matcher **out, size_t *count, struct err *err);

/* ---- time intervals ---- */

struct span { /* both ends count; times: minutes of a day, the end not counting */
    int from, to;
};
struct interval_part { /* all that are given must fit */
    struct span *times, *weekdays, *days, *months, *years;
    size_t time_count, weekday_count, day_count, month_count, year_count;
    struct zone *zone; /* NULL: UTC */
};
struct interval {
    struct slice name;
    struct interval_part *parts; /* one of them must fit */
    size_t part_count;
};
MUST_CHECK enum status interval_read(struct arena *a, const struct yaml_node *n, struct interval *out, struct err *err);
bool interval_holds(const struct interval *i, int64_t wall_ns);

/* ---- receivers ---- */

/* How to ask over HTTP. Empty: not set. */
struct http_setup {
    struct slice user, password, password_file, auth_type, credentials, credentials_file, ca_file, cert_file, key_file, server_name, proxy_url;
    bool tls_insecure, follow_redirects;
};

/* A text of a message: a template. */
struct message_text {
    struct slice text;
    struct gotmpl *tmpl;
};
struct named_text {
    struct slice name;
    struct message_text text;
};

struct notifier;
struct integration {
    const struct notifier *notifier;
    size_t index; /* among those of its kind */
    bool send_resolved;
    const void *settings; /* the notifier's */
};
struct receiver {
    struct slice name;
    struct integration *integrations;
    size_t count;
};

/* What the readers of receivers share. */
struct setup_reading {
    struct arena *arena;
    struct buf *warnings;
    const struct yaml_node *global;  /* may be NULL */
    struct http_setup http;          /* global's */
    const struct gotmpl *library;    /* our default texts and those of `templates` */
};

MUST_CHECK enum status http_setup_read(const struct setup_reading *r, const struct yaml_node *n, struct http_setup *out, struct err *err);
MUST_CHECK enum status tls_setup_read(const struct setup_reading *r, const struct yaml_node *n, struct http_setup *out, struct err *err);
/* Key of n as a template; text when the key is not there. */
MUST_CHECK enum status message_text_read(const struct setup_reading *r, const struct yaml_node *n, struct slice key, struct slice text,
                                         struct message_text *out, struct err *err);
MUST_CHECK enum status message_text_parse(const struct setup_reading *r, struct slice text, struct message_text *out, struct err *err);
MUST_CHECK enum status named_texts_read(const struct setup_reading *r, const struct yaml_node *n, struct named_text **out, size_t *count,
                                        struct err *err);
MUST_CHECK enum status receivers_read(struct setup_reading *r, const struct yaml_node *list, struct receiver **out, size_t *count,
                                      struct err *err);

/* ---- routes ---- */

struct escalation_step {
    const struct receiver *receiver;
    int64_t after_ns; /* since the step before, or since the incident began */
};

struct route {
    const struct route *parent;
    struct route *children;
    size_t child_count;
    struct matcher *matchers;
    size_t matcher_count;
    const struct receiver *receiver;
    struct slice *group_by;
    size_t group_by_count;
    bool group_by_all, continues;
    int64_t group_wait_ns, group_interval_ns, repeat_interval_ns;
    const struct interval **mute, **active;
    size_t mute_count, active_count;
    struct escalation_step *escalate;
    size_t escalate_count;
    struct slice path; /* {}/{team="db"}: the beginning of its groups' keys */
};

struct inhibit_rule {
    struct matcher *source, *target;
    size_t source_count, target_count;
    struct slice *equal;
    size_t equal_count;
};

struct dispatch_config {
    struct arena *arena;
    int64_t resolve_timeout_ns;
    struct receiver *receivers;
    size_t receiver_count;
    struct route *root;
    struct route *direct; /* one for each receiver: for alerts that name it */
    struct inhibit_rule *inhibit;
    size_t inhibit_count;
    struct interval *intervals;
    size_t interval_count;
    struct gotmpl *library;
    struct matcher **owned; /* with regexes to give back */
    size_t *owned_counts, owned_count, owned_cap, owned_counts_cap;
    struct slice text; /* the keys as they were given, secrets hidden */
};

const struct receiver *receiver_find(const struct dispatch_config *c, struct slice name);
/* The routes that labels take, at most max; the order is the tree's. At least the root. */
size_t route_match(const struct route *root, struct slice labels, const struct route **out, size_t max);
MUST_CHECK enum status route_read(struct dispatch_config *c, const struct yaml_node *n, struct err *err);
/* The labels a group of the route has in common. */
struct slice route_group_labels(struct arena *a, const struct route *r, struct slice labels);
/* Whether messages of the route rest at that time. */
bool route_is_muted(const struct route *r, int64_t wall_ns);
MUST_CHECK enum status inhibit_read(struct dispatch_config *c, const struct yaml_node *list, struct err *err);
/* `matchers` list, `match` and `match_re` maps of n, under these keys, into one list that c gives back. */
MUST_CHECK enum status matcher_keys_read(struct dispatch_config *c, const struct yaml_node *n, struct slice list_key, struct slice match_key,
                                         struct slice re_key, struct matcher **out, size_t *count, struct err *err);

#endif
