/* SPDX-License-Identifier: Apache-2.0 */
/* What the firewall's files share. */
#ifndef STOA_PIPELINE_FIREWALL_PARTS_H
#define STOA_PIPELINE_FIREWALL_PARTS_H

#include <stdatomic.h>

#include "base/map.h"
#include "pipeline/distinct.h"
#include "pipeline/firewall.h"
#include "sys/thread.h"

enum {
    FW_SHARDS = 1024,                        /* tables of series that were seen: small ones grow without a long stop */
    FW_CACHE_WAYS = 8,
    FW_CACHE_BUCKETS_MIN = 1 << 8, FW_CACHE_BUCKETS_MAX = 1 << 18, /* two million label sets: 8 MiB, touched only as they come */
    FW_CACHE_GROWTH = 4, FW_CACHE_LOAD_DIVISOR = 4, /* over a quarter full there would be buckets with no empty place */
    FW_EXAMPLE_BYTES_MAX = 120
};

struct fw_label {
    char *name;
    uint32_t name_len;
    struct distinct values;
};

struct fw_tenant {
    struct firewall_limits limits;
    struct distinct series;
    double level;                            /* samples that may be sent now */
    int64_t level_ns;
    uint8_t name_len;
    char name[64];
};

struct fw_metric {
    struct fw_tenant *tenant;
    struct distinct series;
    struct fw_label *labels;
    uint64_t most;                           /* values of a label; UINT64_MAX: more than are remembered, ask */
    uint32_t label_count, label_cap, key_len, name_at;
    char key[];                              /* tenant, 0, name */
};

struct fw_offender {
    struct firewall_offender about;
    struct distinct different;
    char *texts;                             /* of about; the key first */
    uint32_t key_len;
};

struct firewall {
    uint64_t seed;
    atomic_bool is_on, has_rates;
    atomic_int_fast64_t turn_ns;             /* when this window ends; 0: none has begun */
    atomic_int_fast64_t back_ns;             /* before this, the clock was set back */
    _Atomic uint32_t (*cache)[FW_CACHE_WAYS];
    _Atomic uint32_t cache_buckets;          /* in use */
    atomic_uint_fast64_t refused[FIREWALL_REASON_COUNT], folded, rate_limited;

    struct mutex lock;                       /* all below */
    const struct redactor *redactor;
    struct arena *config_arena;
    struct firewall_config config;
    struct map tenants, metrics, offenders;  /* -> struct fw_tenant *, ... */
    struct fw_tenant *others;                /* when there are too many */
    struct fw_metric *last;                  /* the one found last: series come in runs of one metric */
    struct slice before;                     /* labels of the series counted last while the lock was held */
    uint64_t cache_notes;                    /* put there since it grew or was emptied */
    struct recent seen[FW_SHARDS];
    size_t bytes, seen_bytes;
    uint64_t untracked, turns;
    struct buf scratch;
};

static inline struct slice fw_metric_name(const struct fw_metric *m)
{
    return slice_of(m->key + m->name_at, m->key_len - m->name_at);
}
static inline struct slice fw_tenant_name(const struct fw_tenant *t)
{
    return slice_of(t->name, t->name_len);
}
static inline uint32_t fw_value_hash(const struct firewall *f, struct slice value)
{
    return (uint32_t)hash64(value, f->seed);
}

/* firewall.c: the cache, without the lock. */
uint64_t fw_tenant_hash(const struct firewall *f, struct slice tenant);
uint64_t fw_key(uint64_t labels_hash, uint64_t of_tenant);
_Atomic uint32_t *fw_bucket(const struct firewall *f, uint64_t key);
bool fw_cache_has(const struct firewall *f, uint64_t key);
/* Takes the lock when the cache does not know. */
bool fw_is_known(struct firewall *f, uint64_t key);
void fw_turn_when_due(struct firewall *f, int64_t now_ns);

/* firewall.c, under the lock. must: the series is counted and accepted whatever the limits are. */
void fw_prefetch(struct firewall *f, uint64_t key);
struct fw_tenant *fw_tenant_of(struct firewall *f, struct slice name);
bool fw_admit(struct firewall *f, struct fw_tenant *t, struct slice labels, uint64_t key, bool must, struct firewall_verdict *out);

/* firewall_report.c. Under the lock. */
struct fw_event {
    struct slice tenant, labels;
    const struct firewall_verdict *why;
    bool is_folded;
    uint64_t samples;
    int64_t t_ms, now_ns;
};
void fw_offend(struct firewall *f, const struct fw_event *e);
void fw_offenders_free(struct firewall *f);

#endif
