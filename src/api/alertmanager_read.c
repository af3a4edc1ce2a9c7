/* SPDX-License-Identifier: Apache-2.0 */
/* Alertmanager's JSON read: a wrong alert is told of and left out, its neighbours are taken. */
#include "api/alertmanager_read.h"

#include <math.h>

#include "base/date.h"
#include "base/utf8.h"
#include "codec/json.h"

static struct slice text_of(struct json_value v, const char *key)
{
    struct json_value item;
    return json_get(v, slice_str(key), &item) ? json_get_string(item) : SLICE_EMPTY;
}

static enum status time_of(struct json_value v, const char *key, int64_t *out, struct err *err)
{
    struct slice text = text_of(v, key);
    *out = 0;
    if (text.len == 0 || slice_starts(text, SLICE("0001-01-01T00:00:00")))
        return ST_OK;
    if (!date_parse_rfc3339(text, out))
        return err_set(err, ST_INVALID, "%s: found \"%.*s\", expected a time such as 2026-01-31T08:00:00Z", key, SLICE_FMT(utf8_cut(text, 64)));
    return ST_OK;
}

static enum status labels_of(struct arena *a, struct json_value v, const char *key, struct slice *out, struct err *err)
{
    struct label pairs[LABELS_PER_SERIES_MAX + 1];
    struct json_value map, item;
    struct slice name;
    size_t n = 0;
    *out = SLICE_EMPTY;
    if (!json_get(v, slice_str(key), &map) || json_type(map) == JSON_NULL)
        return ST_OK;
    if (json_type(map) != JSON_OBJECT)
        return err_set(err, ST_INVALID, "%s: expected an object of texts", key);
    for (struct json_iter it = json_object(map); json_object_next(&it, &name, &item);) {
        if (json_type(item) != JSON_STRING)
            return err_set(err, ST_INVALID, "%s: %.*s: expected a text", key, SLICE_FMT(utf8_cut(name, 64)));
        if (n == LABELS_PER_SERIES_MAX)
            return err_set(err, ST_LIMIT, "%s: more than %d", key, LABELS_PER_SERIES_MAX);
        pairs[n++] = (struct label){arena_copy(a, name), arena_copy(a, json_get_string(item))};
    }
    return labels_build(a, pairs, n, out, err);
}

/* Annotations are texts for people, longer than labels may be: cut, not refused. */
static enum status annotations_of(struct arena *a, struct json_value v, struct slice *out, struct err *err)
{
    struct label pairs[LABELS_PER_SERIES_MAX + 1];
    struct json_value map, item;
    struct slice name;
    size_t n = 0;
    *out = SLICE_EMPTY;
    if (!json_get(v, SLICE("annotations"), &map) || json_type(map) != JSON_OBJECT)
        return ST_OK;
    for (struct json_iter it = json_object(map); n < LABELS_PER_SERIES_MAX && json_object_next(&it, &name, &item);)
        pairs[n++] = (struct label){arena_copy(a, name), arena_copy(a, utf8_cut(json_get_string(item), LABEL_VALUE_BYTES_MAX))};
    return labels_build(a, pairs, n, out, err);
}

static enum status alert_read(struct arena *a, struct json_value v, struct alert_put *out, struct err *err)
{
    *out = (struct alert_put){.generator_url = arena_copy(a, text_of(v, "generatorURL")), .receiver = SLICE_EMPTY, .value = NAN};
    enum status st = labels_of(a, v, "labels", &out->labels, err);
    if (!st && out->labels.len == 0)
        return err_set(err, ST_INVALID, "an alert needs at least one label");
    if (!st)
        st = annotations_of(a, v, &out->annotations, err);
    if (!st)
        st = time_of(v, "startsAt", &out->starts_ns, err);
    if (!st)
        st = time_of(v, "endsAt", &out->ends_ns, err);
    if (!st && out->starts_ns && out->ends_ns && out->ends_ns < out->starts_ns)
        return err_set(err, ST_INVALID, "an alert's end must not be before its start");
    return st;
}

static enum status alerts_of(struct arena *a, struct json_value doc, struct am_alerts *out, struct err *err)
{
    struct json_value item;
    size_t cap = 0;
    if (json_type(doc) != JSON_ARRAY)
        return err_set(err, ST_INVALID, "expected a list of alerts");
    for (struct json_iter it = json_array(doc); json_array_next(&it, &item);) {
        struct alert_put p;
        struct err why;
        if (out->count == ALERTS_POST_MAX)
            return err_set(err, ST_LIMIT, "more than %d alerts in one request", ALERTS_POST_MAX);
        enum status st = alert_read(a, item, &p, &why);
        if (!st) {
            ARENA_PUSH(a, out->list, out->count, cap) = p;
        } else if (!out->refused) {
            out->refused = st;
            out->why = why;
        }
    }
    return ST_OK;
}

enum status am_alerts_read(struct arena *a, struct slice body, struct am_alerts *out, struct err *err)
{
    struct json_value doc;
    struct json_parser *parser = json_parser_new();
    *out = (struct am_alerts){.count = 0};
    enum status st = json_parse(parser, body, &doc, err);
    if (!st)
        st = alerts_of(a, doc, out, err);
    json_parser_free(parser);
    return st;
}

static enum status silence_of(struct arena *a, struct json_value v, struct silence_put *out, struct err *err)
{
    struct json_value list_value, item, part;
    struct matcher *matchers = NULL;
    size_t cap = 0;
    *out = (struct silence_put){.id = arena_copy(a, text_of(v, "id")),
                                .created_by = arena_copy(a, text_of(v, "createdBy")),
                                .comment = arena_copy(a, text_of(v, "comment"))};
    if (json_type(v) != JSON_OBJECT || !json_get(v, SLICE("matchers"), &list_value))
        return err_set(err, ST_INVALID, "expected a silence with matchers, startsAt, endsAt, createdBy and comment");
    enum status st = time_of(v, "startsAt", &out->starts_ns, err);
    if (!st)
        st = time_of(v, "endsAt", &out->ends_ns, err);
    for (struct json_iter it = json_array(list_value); !st && json_array_next(&it, &item);) {
        bool is_regex = json_get(item, SLICE("isRegex"), &part) && json_get_bool(part);
        bool is_equal = !json_get(item, SLICE("isEqual"), &part) || json_get_bool(part);
        if (out->matcher_count == SELECTOR_MATCHERS_MAX)
            st = err_set(err, ST_LIMIT, "more than %d matchers", SELECTOR_MATCHERS_MAX);
        else
            ARENA_PUSH(a, matchers, out->matcher_count, cap) =
                (struct matcher){.op = is_regex ? (is_equal ? MATCH_RE : MATCH_NRE) : is_equal ? MATCH_EQ : MATCH_NE,
                                 .name = arena_copy(a, text_of(item, "name")),
                                 .value = arena_copy(a, text_of(item, "value"))};
    }
    out->matchers = matchers;
    return st;
}

enum status am_silence_read(struct arena *a, struct slice body, struct silence_put *out, struct err *err)
{
    struct json_value doc;
    struct json_parser *parser = json_parser_new();
    enum status st = json_parse(parser, body, &doc, err);
    if (!st)
        st = silence_of(a, doc, out, err);
    json_parser_free(parser);
    return st;
}
