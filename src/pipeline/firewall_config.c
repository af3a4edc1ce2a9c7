/* SPDX-License-Identifier: Apache-2.0 */
/* `cardinality:` of the configuration. The defaults are far above what a healthy machine park has and far below what one label
 * with an id in it makes in an hour. */
#include "pipeline/firewall.h"

#define SECOND_NS     NS_S
#define WINDOW_NS_MIN (10 * SECOND_NS)
#define WINDOW_NS_MAX (7 * 24 * 3600 * SECOND_NS)
#define RATE_MAX      ((int64_t)1000 * 1000 * 1000)

enum { SERIES_DEFAULT = 10 * 1000 * 1000, SERIES_PER_METRIC_DEFAULT = 2 * 1000 * 1000, VALUES_PER_LABEL_DEFAULT = 200 * 1000 };

struct firewall_config firewall_config_default(void)
{
    return (struct firewall_config){
        .on = true,
        .window_ns = 3600 * SECOND_NS,
        .limits = { .series = SERIES_DEFAULT, .series_per_metric = SERIES_PER_METRIC_DEFAULT, .values_per_label = VALUES_PER_LABEL_DEFAULT },
    };
}

static const struct slice limit_keys[] = { SLICE_INIT("series_per_tenant"), SLICE_INIT("series_per_metric"), SLICE_INIT("values_per_label"),
                                           SLICE_INIT("samples_per_second") };

/* Keys that are absent keep what *l has. */
static enum status read_limits(const struct yaml_node *n, struct firewall_limits *l, struct err *err)
{
    uint64_t *const places[COUNT_OF(limit_keys)] = { &l->series, &l->series_per_metric, &l->values_per_label, &l->samples_per_second };
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < COUNT_OF(limit_keys); i++) {
        int64_t v = (int64_t)*places[i];
        st = yaml_int(n, limit_keys[i], 0, places[i] == &l->samples_per_second ? RATE_MAX : FIREWALL_LIMIT_MAX, &v, err);
        *places[i] = (uint64_t)v;
    }
    return st;
}

static enum status read_tenants(struct arena *a, const struct yaml_node *n, struct firewall_config *c, struct err *err)
{
    if (n == NULL)
        return ST_OK;
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "cardinality: tenants: expected a map of tenant names to limits");
    if (n->count > FIREWALL_OVERRIDES_MAX)
        return yaml_fail(n, err, "cardinality: %zu tenants have limits of their own, at most %d may", n->count, FIREWALL_OVERRIDES_MAX);
    struct firewall_override *list = arena_array(a, struct firewall_override, n->count + 1);
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < n->count; i++) {
        list[i] = (struct firewall_override){ n->keys[i], c->limits };
        if (!tenant_is_valid(n->keys[i]))
            return yaml_fail(n->items[i], err, "cardinality: tenant \"%.*s\" is not allowed: 1 to 64 of A-Z a-z 0-9 _ . -", SLICE_FMT(n->keys[i]));
        st = yaml_only(n->items[i], limit_keys, COUNT_OF(limit_keys), err);
        if (!st)
            st = read_limits(n->items[i], &list[i].limits, err);
    }
    c->tenants = list;
    c->tenant_count = n->count;
    return st;
}

enum status firewall_config_read(struct arena *a, const struct yaml_node *root, struct firewall_config **out, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("enabled"), SLICE_INIT("window"), SLICE_INIT("tenants"),
                                         SLICE_INIT("series_per_tenant"), SLICE_INIT("series_per_metric"), SLICE_INIT("values_per_label"),
                                         SLICE_INIT("samples_per_second") };
    const struct yaml_node *n = yaml_get(root, SLICE("cardinality"));
    struct firewall_config *c = arena_new_of(a, struct firewall_config);
    *c = firewall_config_default();
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_bool(n, keys[0], &c->on, err);
    if (!st)
        st = yaml_duration(n, keys[1], &c->window_ns, err);
    if (!st && (c->window_ns < WINDOW_NS_MIN || c->window_ns > WINDOW_NS_MAX))
        return yaml_fail(yaml_get(n, keys[1]), err, "cardinality: window: found %llds, allowed 10s to 7d", (long long)(c->window_ns / NS_S));
    if (!st)
        st = read_limits(n, &c->limits, err);
    if (!st)
        st = read_tenants(a, yaml_get(n, keys[2]), c, err);
    if (!st)
        *out = c;
    return st;
}
