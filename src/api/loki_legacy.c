/* SPDX-License-Identifier: Apache-2.0 */
/* What Loki still answers beside its API of today: /api/prom/query in the shape of its first version, and pages about the process,
 * /config and /services. */
#include "api/handlers.h"
#include "api/loki_json.h"
#include "api/loki_params.h"
#include "base/date.h"
#include "codec/json.h"

enum { LEGACY_ANSWER_BYTES_MAX = 512 * MIB };

/* {a="b", c="d"} */
static void put_labels(struct json_writer *w, struct slice labels)
{
    struct buf text;
    bool first = true;
    buf_init(&text, 0);
    buf_char(&text, '{');
    for (struct label l; labels_next(&labels, &l); first = false) {
        buf_printf(&text, "%s%.*s=", first ? "" : ", ", SLICE_FMT(l.name));
        text_put_quoted(l.value, &text);
    }
    buf_char(&text, '}');
    json_key(w, SLICE("labels"));
    json_string(w, buf_as_slice(&text));
    buf_free(&text);
}

static void put_stream(struct json_writer *w, const struct value_stream *s)
{
    json_object_begin(w);
    put_labels(w, s->labels);
    json_key(w, SLICE("entries"));
    json_array_begin(w);
    for (size_t i = 0; i < s->n; i++) {
        char text[DATE_TEXT_BYTES_MAX];
        json_object_begin(w);
        json_key(w, SLICE("ts"));
        json_string(w, slice_of(text, date_format_rfc3339(s->lines[i].time_ns, 0, DATE_DIGITS_SHORTEST, text)));
        json_key(w, SLICE("line"));
        json_string(w, s->lines[i].line);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static void answer(struct api_query *q, const struct value *v, const struct api_params *p)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, LEGACY_ANSWER_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("streams"));
    json_array_begin(&w);
    for (size_t i = 0; i < v->stream_count; i++)
        put_stream(&w, &v->streams[i]);
    json_array_end(&w);
    loki_stats_put(&w, q, v);
    json_object_end(&w);
    api_reply_json(q->x, 200, &out);
    (void)p;
}

/* `regexp` is from before line filters, and one more of them. */
static struct slice text_of(struct api_query *q, const struct api_params *p)
{
    struct slice text = api_param(p, SLICE("query"), NULL), regexp = api_param(p, SLICE("regexp"), NULL);
    struct buf out;
    if (regexp.len == 0)
        return text;
    buf_init(&out, API_FORM_BYTES_MAX);
    buf_printf(&out, "%.*s |~ ", SLICE_FMT(text));
    text_put_quoted(regexp, &out);
    text = arena_copy(q->arena, buf_as_slice(&out));
    buf_free(&out);
    return text;
}

static enum status run(struct api_query *q, const struct api_params *p, struct value *v, struct err *err)
{
    struct query_params params = { 0 };
    enum value_type type;
    struct slice text = text_of(q, p);
    enum status st = loki_param_range(q->api, p, &params, err);
    if (!st)
        st = q->api->logql->check(text, q->api->features, &type, err);
    if (!st && type != VALUE_STREAMS)
        st = err_set(err, ST_INVALID, "legacy endpoints only support streams result type");
    return st ? st : q->api->logql->range(&q->env, text, &params, v, err);
}

static void fail(struct api_query *q, enum status st, const struct err *err)
{
    api_fail_text(q->x, st == ST_LIMIT ? ST_INVALID : st, err);
}

static const struct api_query_kind legacy_kind = { "logql", run, answer, fail };

void loki_legacy_query(void *user, struct http_exchange *x)
{
    api_serve_query(user, x, &legacy_kind);
}

/* ---- the process ---- */

void loki_config(void *user, struct http_exchange *x)
{
    struct api *api = user;
    http_reply(x, 200, SLICE("text/plain; charset=utf-8"), api->config_text(api->server, http_arena(x)));
}

/* By the names of Loki's modules that do the same. */
void loki_services(void *user, struct http_exchange *x)
{
    static const char always[] = "server => Running\ndistributor => Running\ningester => Running\nquerier => Running\ncompactor => Running\n"
                                 "store => Running\n";
    struct api *api = user;
    http_reply(x, 200, SLICE("text/plain; charset=utf-8"),
               arena_printf(http_arena(x), "%s%s", always, api->alerts ? "ruler => Running\n" : ""));
}
