/* SPDX-License-Identifier: Apache-2.0 */
/* What of the events is not kept: `filters` drop all they fit, `sampling` keeps a share. The rules of limit.h are read here, too.
 *
 *     filters:
 *       - {name: health checks, service: web, contains: "GET /healthz"}
 *     sampling:
 *       - {service: api, level: debug, keep: 0.1}
 *
 * What is kept of a share stands for 1 / keep rows: its weight says so, and counts over it stay right. docs/manual/retention.md. */
#ifndef STOA_PIPELINE_SAMPLE_H
#define STOA_PIPELINE_SAMPLE_H

#include <stdatomic.h>

#include "codec/yaml.h"
#include "model/event.h"
#include "model/matcher.h"

enum {
    SAMPLE_RULES_MAX = 256,
    SAMPLE_RATE_MAX = 100 * 1000 * 1000, /* lines a second, and of a burst */
    SAMPLE_BURST_SECONDS = 10,           /* of the rate, when no burst is given */
    SAMPLE_WITHIN_DEFAULT_SECONDS = 10,
    SAMPLE_WITHIN_SECONDS_MAX = 3600
};

enum sample_kind { SAMPLE_FILTER, SAMPLE_SHARE, SAMPLE_DUPLICATES, SAMPLE_RATE, SAMPLE_KINDS };

struct sample_rule {
    enum sample_kind kind;
    struct slice name;     /* given, or "filter 1", "sampling 2", "duplicates 1", "rate limit 1": for metrics */
    struct slice service;  /* empty: any */
    struct slice match;    /* selector over the stream; empty: any */
    struct slice contains; /* in the line or the span's name; empty: any */
    uint8_t level_max;     /* records of this severity and below; 0: any. Spans have none, and do not fit a rule with one */
    bool logs, traces;     /* which signals */
    double keep;           /* of a share */
    double per_second, burst; /* of a rate, for each service */
    int64_t window_ns;     /* of duplicates */
    struct matcher *matchers;
    size_t matcher_count;
    atomic_uint_fast64_t kept, dropped; /* rows */
};

struct sample_config {
    struct sample_rule *list; /* as the kinds stand above */
    size_t count;
};

/* `filters`, `sampling`, `duplicates` and `rate_limits` of root; as class_config_read and _bind. */
MUST_CHECK enum status sample_config_read(struct arena *a, const struct yaml_node *root, struct sample_config **out, struct buf *warnings,
                                          struct err *err);
struct sample_config *sample_config_bind(struct arena *a, const struct sample_config *from);
void sample_config_unbind(struct sample_config *c);
/* Goes on counting where a rule of the same name was. */
void sample_config_continue(struct sample_config *c, const struct sample_config *before);

/* Whether a rule speaks of the event. */
bool sample_rule_fits(const struct sample_rule *r, const struct event *e);

/* False: the event is to be dropped. Else its weight may have grown. The first filter that fits drops; else the first
 * rule of sampling that fits decides: by the trace id where there is one, so that a trace is kept or dropped as a whole, and by
 * the row itself where there is none, so that the same row fares the same each time it is sent. Any thread. */
bool sample_event(struct sample_config *c, struct event *e);

#endif
