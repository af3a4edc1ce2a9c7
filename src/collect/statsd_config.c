/* SPDX-License-Identifier: Apache-2.0 */
/* The section `statsd`; the defaults are those of statsd_exporter where it has the same setting. */
#include "base/num.h"
#include "collect/statsd.h"

#define FLUSH_DEFAULT_NS (10 * NS_S)
#define IDLE_DEFAULT_NS  (3600 * NS_S)
#define FLUSH_MIN_NS     (100 * NS_MS)

static enum status numbers_read(struct arena *a, const struct yaml_node *n, struct slice key, double min, double max, double *out, size_t out_max,
                                size_t *count, struct err *err)
{
    const struct yaml_node *list = yaml_get(n, key);
    struct slice *texts;
    size_t found;
    if (list == NULL)
        return ST_OK;
    enum status st = yaml_texts(a, n, key, &texts, &found, err);
    if (st)
        return st;
    if (found > out_max)
        return yaml_fail(list, err, "%.*s: found %zu, at most %zu are allowed", SLICE_FMT(key), found, out_max);
    for (size_t i = 0; i < found; i++)
        if (!num_parse_double(texts[i], &out[i]) || !(out[i] >= min && out[i] <= max) || (i && out[i] <= out[i - 1]))
            return yaml_fail(list, err, "%.*s: found \"%.*s\", expected ascending numbers from %g to %g", SLICE_FMT(key),
                             SLICE_FMT(slice_sub(texts[i], 0, 60)), min, max);
    *count = found;
    return ST_OK;
}

static enum status observations_read(const struct yaml_node *n, struct statsd_options *o, struct err *err)
{
    static const struct slice words[] = { [STATSD_AS_SUMMARY] = SLICE_INIT("summary"),
                                          [STATSD_AS_HISTOGRAM] = SLICE_INIT("histogram"),
                                          [STATSD_AS_NATIVE] = SLICE_INIT("native") };
    struct slice text = words[o->observations];
    enum status st = yaml_text(n, SLICE("observations"), &text, err);
    for (size_t i = 0; !st && i < COUNT_OF(words); i++)
        if (slice_eq(words[i], text)) {
            o->observations = (enum statsd_observations)i;
            return ST_OK;
        }
    return st ? st : yaml_fail(n, err, "observations: found \"%.*s\", allowed are summary, histogram and native", SLICE_FMT(slice_sub(text, 0, 60)));
}

enum status statsd_config_read(struct arena *a, const struct yaml_node *root, struct statsd_options **out, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("flush_interval"), SLICE_INIT("idle"), SLICE_INIT("observations"), SLICE_INIT("quantiles"),
                                         SLICE_INIT("buckets") };
    static const double quantiles[] = { 0.5, 0.9, 0.99 };
    static const double buckets[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 };
    const struct yaml_node *n = yaml_get(root, SLICE("statsd"));
    struct statsd_options *o = arena_new_of(a, struct statsd_options);
    *o = (struct statsd_options){ .flush_ns = FLUSH_DEFAULT_NS, .idle_ns = IDLE_DEFAULT_NS, .quantile_count = COUNT_OF(quantiles),
                                  .bucket_count = COUNT_OF(buckets) };
    memcpy(o->quantiles, quantiles, sizeof quantiles);
    memcpy(o->buckets, buckets, sizeof buckets);
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_duration(n, keys[0], &o->flush_ns, err);
    if (!st && o->flush_ns < FLUSH_MIN_NS)
        return yaml_fail(yaml_get(n, keys[0]), err, "flush_interval: found less than 100ms, which is the least allowed");
    if (!st)
        st = yaml_duration(n, keys[1], &o->idle_ns, err);
    if (!st && o->idle_ns < o->flush_ns)
        return yaml_fail(n, err, "idle: shorter than flush_interval; a series would end between two flushes");
    if (!st && n)
        st = observations_read(n, o, err);
    if (!st)
        st = numbers_read(a, n, keys[3], 0, 1, o->quantiles, STATSD_QUANTILES_MAX, &o->quantile_count, err);
    if (!st)
        st = numbers_read(a, n, keys[4], -1e300, 1e300, o->buckets, STATSD_BUCKETS_MAX, &o->bucket_count, err);
    if (!st)
        *out = o;
    return st;
}
