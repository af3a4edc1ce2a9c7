/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/otlp_options.h"

enum { PROMOTED_MAX = 128 };

static enum status read_strategy(const struct yaml_node *n, struct otlp_options *out, struct err *err)
{
    static const struct {
        struct slice name;
        bool keeps_utf8, without_suffixes;
    } rows[] = {
        { SLICE_INIT("UnderscoreEscapingWithSuffixes"), false, false },
        { SLICE_INIT("UnderscoreEscapingWithoutSuffixes"), false, true },
        { SLICE_INIT("NoUTF8EscapingWithSuffixes"), true, false },
        { SLICE_INIT("NoTranslation"), true, true },
    };
    struct slice text = rows[0].name;
    enum status st = yaml_text(n, SLICE("translation_strategy"), &text, err);
    for (size_t i = 0; !st && i < COUNT_OF(rows); i++)
        if (slice_eq(text, rows[i].name)) {
            out->keeps_utf8 = rows[i].keeps_utf8;
            out->without_suffixes = rows[i].without_suffixes;
            return ST_OK;
        }
    return st ? st : yaml_fail(yaml_get(n, SLICE("translation_strategy")), err,
                               "translation_strategy: found \"%.*s\", allowed are UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes, "
                               "NoUTF8EscapingWithSuffixes and NoTranslation", SLICE_FMT(slice_sub(text, 0, 60)));
}

static enum status read_list(struct arena *a, const struct yaml_node *n, struct slice key, const struct slice **list, size_t *count, struct err *err)
{
    struct slice *texts = NULL;
    enum status st = yaml_texts(a, n, key, &texts, count, err);
    if (!st && *count > PROMOTED_MAX)
        return yaml_fail(yaml_get(n, key), err, "%.*s: found %zu, at most %d are allowed", SLICE_FMT(key), *count, PROMOTED_MAX);
    *list = texts;
    return st;
}

enum status otlp_options_read(struct arena *a, const struct yaml_node *n, struct otlp_options *out, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("translation_strategy"), SLICE_INIT("promote_resource_attributes"),
                                         SLICE_INIT("promote_all_resource_attributes"), SLICE_INIT("ignore_resource_attributes"),
                                         SLICE_INIT("keep_identifying_resource_attributes"), SLICE_INIT("promote_scope_metadata"),
                                         SLICE_INIT("convert_histograms_to_nhcb") };
    *out = (struct otlp_options){ 0 };
    if (n && n->type != YAML_MAP)
        return yaml_fail(n, err, "otlp: expected a map");
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = read_strategy(n, out, err);
    if (!st)
        st = read_list(a, n, keys[1], &out->promoted, &out->promoted_count, err);
    if (!st)
        st = yaml_bool(n, keys[2], &out->promotes_all, err);
    if (!st)
        st = read_list(a, n, keys[3], &out->ignored, &out->ignored_count, err);
    if (!st && out->promotes_all && out->promoted_count)
        return yaml_fail(n, err, "otlp: promote_all_resource_attributes and promote_resource_attributes exclude each other");
    if (!st && !out->promotes_all && out->ignored_count)
        return yaml_fail(n, err, "otlp: ignore_resource_attributes needs promote_all_resource_attributes: true");
    if (!st)
        st = yaml_bool(n, keys[4], &out->keeps_identity, err);
    if (!st)
        st = yaml_bool(n, keys[5], &out->promotes_scope, err);
    return st ? st : yaml_bool(n, keys[6], &out->converts_histograms, err);
}

bool otlp_options_promotes(const struct otlp_options *o, struct slice attribute)
{
    const struct slice *list = o->promotes_all ? o->ignored : o->promoted;
    size_t count = o->promotes_all ? o->ignored_count : o->promoted_count;
    for (size_t i = 0; i < count; i++)
        if (slice_eq(list[i], attribute))
            return !o->promotes_all;
    return o->promotes_all;
}
