/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks: Alertmanager's JSON, version 4, with the incident and each alert's value added.
 * https://prometheus.io/docs/alerting/latest/configuration/#webhook_config */
#include "alert/notify.h"
#include "codec/json.h"

struct webhook {
    struct slice url, url_file;
    struct http_setup http;
    int64_t max_alerts, timeout_ns;
};

static enum status read_webhook(const struct setup_reading *r, const struct yaml_node *n, const void **out, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("send_resolved"), SLICE_INIT("http_config"), SLICE_INIT("url"),
                                        SLICE_INIT("url_file"),      SLICE_INIT("max_alerts"),  SLICE_INIT("timeout")};
    struct webhook *w = arena_new_of(r->arena, struct webhook);
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = http_setup_read(r, n, &w->http, err);
    if (!st)
        st = yaml_text(n, SLICE("url"), &w->url, err);
    if (!st)
        st = yaml_text(n, SLICE("url_file"), &w->url_file, err);
    if (!st)
        st = yaml_int(n, SLICE("max_alerts"), 0, INT32_MAX, &w->max_alerts, err);
    if (!st)
        st = yaml_duration(n, SLICE("timeout"), &w->timeout_ns, err);
    if (!st && (w->url.len == 0) == (w->url_file.len == 0))
        return yaml_fail(n, err, "webhook_configs: expected either url or url_file");
    if (!st && w->url.len && !slice_starts(w->url, SLICE("http://")) && !slice_starts(w->url, SLICE("https://")))
        return yaml_fail(yaml_get(n, SLICE("url")), err, "url: expected http://HOST/PATH or https://HOST/PATH");
    *out = w;
    return st;
}

static void put_text(struct json_writer *w, struct slice key, struct slice value)
{
    json_key(w, key);
    json_string(w, value);
}

static void put_labels(struct json_writer *w, struct slice key, struct slice labels)
{
    struct label l;
    json_key(w, key);
    json_object_begin(w);
    while (labels_next(&labels, &l))
        put_text(w, l.name, l.value);
    json_object_end(w);
}

static void put_alert(struct json_writer *w, const struct notice *n, const struct notice_alert *al)
{
    json_object_begin(w);
    put_text(w, SLICE("status"), al->ends_ns ? SLICE("resolved") : SLICE("firing"));
    put_labels(w, SLICE("labels"), al->labels);
    put_labels(w, SLICE("annotations"), al->annotations);
    put_text(w, SLICE("startsAt"), notice_time(n->arena, al->starts_ns));
    put_text(w, SLICE("endsAt"), al->ends_ns ? notice_time(n->arena, al->ends_ns) : SLICE("0001-01-01T00:00:00Z"));
    put_text(w, SLICE("generatorURL"), al->generator_url);
    put_text(w, SLICE("fingerprint"), notice_fingerprint(n->arena, al->fingerprint));
    json_key(w, SLICE("value"));
    json_double(w, al->value);
    json_object_end(w);
}

static void put_incident(struct json_writer *w, const struct notice *n)
{
    json_key(w, SLICE("incident"));
    json_object_begin(w);
    put_text(w, SLICE("id"), n->incident_id);
    put_text(w, SLICE("url"), n->incident_url);
    put_text(w, SLICE("severity"), n->severity);
    put_text(w, SLICE("summary"), n->summary);
    put_text(w, SLICE("description"), n->description);
    put_text(w, SLICE("runbookURL"), n->runbook_url);
    put_text(w, SLICE("startedAt"), notice_time(n->arena, n->started_ns));
    json_key(w, SLICE("escalationStep"));
    json_uint(w, n->escalation_step);
    json_object_end(w);
}

static enum status send_webhook(const void *settings, const struct notify_env *env, const struct notice *n, struct err *err)
{
    const struct webhook *s = settings;
    size_t max = s->max_alerts ? (size_t)MIN(s->max_alerts, (int64_t)NOTIFY_ALERTS_SENT_MAX) : NOTIFY_ALERTS_SENT_MAX, shown = MIN(n->count, max);
    struct json_writer w;
    struct buf b;
    buf_init(&b, NOTIFY_BODY_BYTES_MAX);
    json_writer_init(&w, &b);
    w.null_not_nan = true;
    json_object_begin(&w);
    put_text(&w, SLICE("version"), SLICE("4"));
    put_text(&w, SLICE("groupKey"), n->group_key);
    json_key(&w, SLICE("truncatedAlerts"));
    json_uint(&w, n->count - shown);
    put_text(&w, SLICE("status"), n->is_firing ? SLICE("firing") : SLICE("resolved"));
    put_text(&w, SLICE("receiver"), n->receiver);
    put_labels(&w, SLICE("groupLabels"), n->group_labels);
    put_labels(&w, SLICE("commonLabels"), n->common_labels);
    put_labels(&w, SLICE("commonAnnotations"), n->common_annotations);
    put_text(&w, SLICE("externalURL"), n->external_url);
    put_incident(&w, n);
    json_key(&w, SLICE("alerts"));
    json_array_begin(&w);
    for (size_t i = 0; i < shown; i++)
        put_alert(&w, n, &n->alerts[i]);
    json_array_end(&w);
    json_object_end(&w);
    struct notify_request req = {s->url, s->url_file, &s->http, buf_as_slice(&b), s->timeout_ns};
    enum status st = buf_over(&b) ? err_set(err, ST_INVALID, "the message has over %d bytes; max_alerts makes it shorter", NOTIFY_BODY_BYTES_MAX)
                                  : notify_post(env, n->arena, &req, err);
    buf_free(&b);
    return st;
}

const struct notifier notifier_webhook = {"webhook", SLICE_INIT("webhook_configs"), true, read_webhook, send_webhook};
