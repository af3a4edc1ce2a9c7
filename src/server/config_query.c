/* SPDX-License-Identifier: Apache-2.0 */
/* `query`: what a query may cost, by the names of Prometheus's flags; and global.query_log_file. */
#include "api/api.h"
#include "server/config.h"

static enum status read_limits(struct config *c, const struct yaml_node *n, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("max_samples"), SLICE_INIT("timeout"), SLICE_INIT("max_concurrency"),
                                         SLICE_INIT("lookback_delta") };
    int64_t samples = QUERY_SAMPLES_MAX, running = QUERIES_RUNNING_MAX;
    int64_t timeout_ns = QUERY_SECONDS_MAX * NS_S, lookback_ns = QUERY_LOOKBACK_SECONDS * NS_S;
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_int(n, keys[0], 1, INT64_MAX, &samples, err);
    if (!st)
        st = yaml_duration(n, keys[1], &timeout_ns, err);
    if (!st)
        st = yaml_int(n, keys[2], 1, QUERIES_RUNNING_MOST, &running, err);
    if (!st)
        st = yaml_duration(n, keys[3], &lookback_ns, err);
    if (!st && timeout_ns < NS_MS)
        return yaml_fail(yaml_get(n, keys[1]), err, "timeout: found less than 1ms, which is the least allowed");
    if (!st && lookback_ns < NS_MS)
        return yaml_fail(yaml_get(n, keys[3]), err, "lookback_delta: found less than 1ms, which is the least allowed");
    c->query = (struct config_query){ .samples_max = (uint64_t)samples, .timeout_ns = timeout_ns, .lookback_ns = lookback_ns,
                                      .running_max = (unsigned)running, .log_file = SLICE_EMPTY };
    return st;
}

enum status config_query_read(struct config *c, const struct yaml_node *root, struct err *err)
{
    enum status st = read_limits(c, yaml_get(root, SLICE("query")), err);
    return st ? st : yaml_text(yaml_get(root, SLICE("global")), SLICE("query_log_file"), &c->query.log_file, err);
}
