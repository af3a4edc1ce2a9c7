/* SPDX-License-Identifier: Apache-2.0 */
#include "server/flags.h"

#include <stdlib.h>

#include "codec/json.h"
#include "query/lang.h"

#define NO_STARTS "samples are stored without the time they count from; created-timestamp-zero-ingestion gives a sample of 0 there instead"

/* What Prometheus has behind --enable-feature. 0: what it names is always on here, or nothing that Stoa has. */
static const struct {
    struct slice name;
    uint32_t bit;
    const char *refused; /* why it cannot be had; NULL: it can */
} features[] = {
    { SLICE_INIT("promql-experimental-functions"), FEATURE_EXPERIMENTAL_FUNCTIONS, NULL },
    { SLICE_INIT("promql-delayed-name-removal"), FEATURE_DELAYED_NAME_REMOVAL, NULL },
    { SLICE_INIT("promql-extended-range-selectors"), FEATURE_EXTENDED_RANGE_SELECTORS, NULL },
    { SLICE_INIT("promql-binop-fill-modifiers"), FEATURE_BINOP_FILL_MODIFIERS, NULL },
    { SLICE_INIT("type-and-unit-labels"), FEATURE_TYPE_AND_UNIT_LABELS, NULL },
    { SLICE_INIT("use-start-timestamps"), 0, NO_STARTS },
    { SLICE_INIT("promql-duration-expr"), 0, NULL },
    { SLICE_INIT("promql-per-step-stats"), 0, NULL },
    { SLICE_INIT("native-histograms"), 0, NULL },
    { SLICE_INIT("ooo-native-histograms"), 0, NULL },
    { SLICE_INIT("exemplar-storage"), 0, NULL },
    { SLICE_INIT("memory-snapshot-on-shutdown"), 0, NULL },
    { SLICE_INIT("extra-scrape-metrics"), 0, NULL },
    { SLICE_INIT("metadata-wal-records"), 0, NULL },
    { SLICE_INIT("auto-reload-config"), 0, NULL },
    { SLICE_INIT("concurrent-rule-eval"), 0, NULL },
    { SLICE_INIT("created-timestamp-zero-ingestion"), FEATURE_START_ZERO, NULL },
    { SLICE_INIT("xor2-encoding"), 0, NULL },
    { SLICE_INIT("histograms-st-encoding"), 0, NO_STARTS },
    { SLICE_INIT("st-synthesis"), 0, NO_STARTS },
    { SLICE_INIT("st-storage"), 0, NO_STARTS },
    { SLICE_INIT("delayed-compaction"), 0, NULL },
    { SLICE_INIT("old-ui"), 0, NULL },
    { SLICE_INIT("otlp-deltatocumulative"), 0, NULL },
    { SLICE_INIT("otlp-native-delta-ingestion"), 0, "deltas are always added up, as with otlp-deltatocumulative" },
    { SLICE_INIT("use-uncached-io"), 0, NULL },
    { SLICE_INIT("fast-startup"), 0, NULL },
    { SLICE_INIT("search-api"), 0, NULL },
};

static enum status add_features(struct flags *f, struct slice names, struct err *err)
{
    struct slice rest = names, name;
    while (slice_next(&rest, ',', &name)) {
        size_t i = 0;
        while (i < COUNT_OF(features) && !slice_eq(features[i].name, name))
            i++;
        if (i == COUNT_OF(features))
            return err_set(err, ST_INVALID,
                           "--enable-feature: unknown feature \"%.*s\"; allowed: promql-experimental-functions, promql-delayed-name-removal, "
                           "promql-extended-range-selectors, promql-binop-fill-modifiers, type-and-unit-labels, created-timestamp-zero-ingestion",
                           SLICE_FMT(name));
        if (features[i].refused)
            return err_set(err, ST_UNSUPPORTED, "--enable-feature: %.*s is not served: %s", SLICE_FMT(name), features[i].refused);
        f->features |= features[i].bit;
    }
    f->feature_names = f->feature_names.len ? arena_printf(f->arena, "%.*s,%.*s", SLICE_FMT(f->feature_names), SLICE_FMT(names))
                                            : arena_copy(f->arena, names);
    return ST_OK;
}

static enum status add_config(struct flags *f, struct slice path, struct err *err)
{
    if (f->config_count == FLAG_CONFIGS_MAX)
        return err_set(err, ST_INVALID, "--config: more than %d files", FLAG_CONFIGS_MAX);
    f->configs[f->config_count++] = arena_copy(f->arena, path);
    return ST_OK;
}

static enum status set(struct flags *f, struct slice name, struct slice value, struct err *err)
{
    if (slice_eq(name, SLICE("--config")))
        return add_config(f, value, err);
    if (slice_eq(name, SLICE("--enable-feature")))
        return add_features(f, value, err);
    if (slice_eq(name, SLICE("--data")))
        f->data = arena_copy(f->arena, value);
    else if (slice_eq(name, SLICE("--listen")))
        f->listen = arena_copy(f->arena, value);
    else
        return err_set(err, ST_INVALID,
                       "unknown flag %.*s; allowed: --config FILE, --data DIR, --listen ADDRESS:PORT, --enable-feature NAMES, --insecure",
                       SLICE_FMT(name));
    return ST_OK;
}

static enum status from_environment(struct flags *f, struct err *err)
{
    struct slice configs = slice_str(getenv("STOA_CONFIG")), path;
    if (f->config_count == 0) {
        while (slice_next(&configs, ':', &path)) {
            enum status st = path.len ? add_config(f, path, err) : ST_OK;
            if (st)
                return st;
        }
    }
    if (f->data.len == 0)
        f->data = slice_str(getenv("STOA_DATA"));
    if (f->listen.len == 0)
        f->listen = slice_str(getenv("STOA_LISTEN"));
    struct slice wanted = slice_str(getenv("STOA_ENABLE_FEATURE"));
    if (f->feature_names.len == 0 && wanted.len) {
        enum status st = add_features(f, wanted, err);
        if (st)
            return st;
    }
    struct slice insecure = slice_str(getenv("STOA_INSECURE"));
    f->insecure |= slice_eq(insecure, SLICE("1")) || slice_eq_nocase(insecure, SLICE("true"));
    return ST_OK;
}

static void write_json(struct flags *f)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    for (size_t i = 0; i < f->config_count; i++) {
        json_key(&w, i ? arena_printf(f->arena, "config.%zu", i + 1) : SLICE("config"));
        json_string(&w, f->configs[i]);
    }
    json_key(&w, SLICE("data"));
    json_string(&w, f->data);
    json_key(&w, SLICE("listen"));
    json_string(&w, f->listen);
    json_key(&w, SLICE("enable-feature"));
    json_string(&w, f->feature_names);
    json_key(&w, SLICE("insecure"));
    json_string(&w, f->insecure ? SLICE("true") : SLICE("false"));
    json_object_end(&w);
    f->json = arena_copy(f->arena, buf_as_slice(&out));
    buf_free(&out);
}

enum status flags_read(int argc, char **argv, struct flags *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    out->arena = arena_new(0);
    out->features = FEATURE_DURATION_EXPR; /* on in Prometheus since 3.14 */
    for (int i = 1; i < argc; i++) {
        struct slice name, value, arg = slice_str(argv[i]);
        if (slice_eq(arg, SLICE("--insecure"))) {
            out->insecure = true;
            continue;
        }
        if (!slice_cut(arg, '=', &name, &value)) {
            if (i + 1 == argc)
                return err_set(err, ST_INVALID, "%.*s: a value is missing", SLICE_FMT(arg));
            value = slice_str(argv[++i]);
        }
        enum status st = set(out, name, value, err);
        if (st)
            return st;
    }
    enum status st = from_environment(out, err);
    if (!st)
        write_json(out);
    return st;
}

void flags_free(struct flags *f)
{
    arena_free(f->arena);
    f->arena = NULL;
}
