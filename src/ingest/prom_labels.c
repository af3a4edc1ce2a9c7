/* SPDX-License-Identifier: Apache-2.0 */
/* What the two versions of remote write share beside histograms: labels that are not as they should be, and metadata. */
#include "ingest/prom_labels.h"

enum status prom_labels_build(struct arena *a, struct label *list, size_t count, struct slice *out, struct err *err)
{
    enum status st = labels_build(a, list, count, out, err);
    if (st)
        return st;
    if (out->len == 0)
        return err_set(err, ST_INVALID, "a series has no labels");
    if (labels_get(*out, NAME_LABEL).len == 0) {
        struct buf text;
        buf_init(&text, 0);
        labels_format(*out, &text);
        err_set(err, ST_INVALID, "series %.*s has no metric name", SLICE_FMT(utf8_cut(buf_as_slice(&text), SERIES_TEXT_BYTES_MAX)));
        buf_free(&text);
        return ST_INVALID;
    }
    return ST_OK;
}

void prom_name_prefix(struct err *why, struct slice labels)
{
    err_prefix(why, "series %.*s: ", SLICE_FMT(utf8_cut(labels_get(labels, NAME_LABEL), SERIES_TEXT_BYTES_MAX)));
}

enum metric_type prom_metadata_type(uint64_t wire)
{
    static const uint8_t types[] = { METRIC_UNKNOWN, METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_GAUGEHISTOGRAM, METRIC_SUMMARY,
                                     METRIC_INFO, METRIC_STATESET };
    return wire < COUNT_OF(types) ? (enum metric_type)types[wire] : METRIC_UNKNOWN;
}

enum status prom_metadata_add(struct batch *out, const struct metric_metadata *m, struct err *why)
{
    struct arena *a = out->arena;
    bool too_long = m->name.len > LABEL_NAME_BYTES_MAX || m->unit.len > LABEL_NAME_BYTES_MAX;
    if (m->name.len == 0 || too_long || !utf8_is_valid(m->name) || !utf8_is_valid(m->help) || !utf8_is_valid(m->unit))
        return err_set(why, ST_INVALID, "metadata of a metric: %s",
                       m->name.len == 0 ? "no name" : too_long ? "the name or unit has over 1024 bytes" : "not UTF-8");
    batch_metadata(out, arena_copy(a, m->name), m->type, arena_copy(a, utf8_cut(m->help, LABEL_VALUE_BYTES_MAX)), arena_copy(a, m->unit));
    return ST_OK;
}
