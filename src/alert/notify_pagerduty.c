/* SPDX-License-Identifier: Apache-2.0 */
/* PagerDuty's Events API v2. One event series per group: the deduplication key is the incident's.
 * https://developer.pagerduty.com/docs/events-api-v2/overview/ */
#include "alert/notify.h"
#include "base/utf8.h"
#include "codec/json.h"

enum { SUMMARY_BYTES_MAX = 1024, SOURCE_BYTES_MAX = 1024 };
#define EVENTS_URL SLICE("https://events.pagerduty.com/v2/enqueue")

struct pagerduty {
    struct slice url, key, key_file;
    struct http_setup http;
    struct message_text description, severity, client, client_url, source, component, group, class;
    struct named_text *details;
    size_t detail_count;
};

static enum status read_texts(const struct setup_reading *r, const struct yaml_node *n, struct pagerduty *s, struct err *err)
{
    const struct {
        struct slice key, text;
        struct message_text *to;
    } texts[] = {
        {SLICE("description"), SLICE("{{ template \"pagerduty.default.description\" . }}"), &s->description},
        {SLICE("severity"), SLICE("{{ .Severity }}"), &s->severity},
        {SLICE("client"), SLICE("Stoa"), &s->client},
        {SLICE("client_url"), SLICE("{{ .IncidentURL }}"), &s->client_url},
        {SLICE("source"), SLICE("{{ if .CommonLabels.instance }}{{ .CommonLabels.instance }}{{ else }}Stoa{{ end }}"), &s->source},
        {SLICE("component"), SLICE_EMPTY, &s->component},
        {SLICE("group"), SLICE_EMPTY, &s->group},
        {SLICE("class"), SLICE_EMPTY, &s->class},
    };
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < COUNT_OF(texts); i++)
        st = message_text_read(r, n, texts[i].key, texts[i].text, texts[i].to, err);
    return st ? st : named_texts_read(r, yaml_get(n, SLICE("details")), &s->details, &s->detail_count, err);
}

static enum status read_pagerduty(const struct setup_reading *r, const struct yaml_node *n, const void **out, struct err *err)
{
    static const struct slice keys[] = {
        SLICE_INIT("send_resolved"), SLICE_INIT("http_config"), SLICE_INIT("routing_key"), SLICE_INIT("routing_key_file"), SLICE_INIT("url"),
        SLICE_INIT("client"),        SLICE_INIT("client_url"),  SLICE_INIT("description"), SLICE_INIT("severity"),         SLICE_INIT("source"),
        SLICE_INIT("component"),     SLICE_INIT("group"),       SLICE_INIT("class"),       SLICE_INIT("details"),
        SLICE_INIT("images"),        SLICE_INIT("links"),       SLICE_INIT("service_key"), SLICE_INIT("service_key_file"),
    };
    struct pagerduty *s = arena_new_of(r->arena, struct pagerduty);
    s->url = EVENTS_URL;
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st && (yaml_get(n, SLICE("service_key")) || yaml_get(n, SLICE("service_key_file"))))
        return yaml_fail(n, err, "pagerduty_configs: service_key is of the Events API v1; expected the routing_key of an Events API v2 integration");
    if (!st)
        st = http_setup_read(r, n, &s->http, err);
    if (!st)
        st = yaml_text(r->global, SLICE("pagerduty_url"), &s->url, err);
    if (!st)
        st = yaml_text(n, SLICE("url"), &s->url, err);
    if (!st)
        st = yaml_text(n, SLICE("routing_key"), &s->key, err);
    if (!st)
        st = yaml_text(n, SLICE("routing_key_file"), &s->key_file, err);
    if (!st && (s->key.len == 0) == (s->key_file.len == 0))
        return yaml_fail(n, err, "pagerduty_configs: expected either routing_key or routing_key_file");
    if (!st)
        st = read_texts(r, n, s, err);
    if (!st && (yaml_get(n, SLICE("images")) || yaml_get(n, SLICE("links"))))
        buf_printf(r->warnings, "%.*s:%d: pagerduty_configs: images and links are known but not served by this version\n", SLICE_FMT(n->file),
                   n->line);
    *out = s;
    return st;
}

/* The four that PagerDuty takes. */
static struct slice severity_of(struct slice s)
{
    static const struct {
        struct slice from, to;
    } known[] = {{SLICE_INIT("critical"), SLICE_INIT("critical")}, {SLICE_INIT("error"), SLICE_INIT("error")},
                 {SLICE_INIT("warning"), SLICE_INIT("warning")},   {SLICE_INIT("info"), SLICE_INIT("info")},
                 {SLICE_INIT("page"), SLICE_INIT("critical")},     {SLICE_INIT("warn"), SLICE_INIT("warning")}};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (slice_eq_nocase(slice_trim(s), known[i].from))
            return known[i].to;
    return SLICE("error");
}

static void put(struct json_writer *w, const char *key, struct slice text)
{
    if (text.len == 0)
        return;
    json_key(w, slice_str(key));
    json_string(w, text);
}

static void put_details(struct json_writer *w, const struct pagerduty *s, const struct notice *n)
{
    struct slice labels = n->common_labels;
    struct label l;
    json_key(w, SLICE("custom_details"));
    json_object_begin(w);
    put(w, "summary", n->summary);
    put(w, "description", n->description);
    put(w, "runbook_url", n->runbook_url);
    put(w, "started", notice_time(n->arena, n->started_ns));
    if (n->count)
        put(w, "value", notice_number(n->arena, n->alerts[0].value));
    json_key(w, SLICE("num_firing"));
    json_uint(w, n->firing);
    json_key(w, SLICE("num_resolved"));
    json_uint(w, n->count - n->firing);
    json_key(w, SLICE("labels"));
    json_object_begin(w);
    while (labels_next(&labels, &l)) {
        json_key(w, l.name);
        json_string(w, l.value);
    }
    json_object_end(w);
    for (size_t i = 0; i < s->detail_count; i++) {
        json_key(w, s->details[i].name);
        json_string(w, notice_text(n, &s->details[i].text));
    }
    json_object_end(w);
}

static void put_event(struct json_writer *w, const struct pagerduty *s, const struct notice *n, struct slice key)
{
    json_object_begin(w);
    put(w, "routing_key", key);
    put(w, "event_action", n->is_firing ? SLICE("trigger") : SLICE("resolve"));
    put(w, "dedup_key", n->incident_id);
    put(w, "client", notice_text(n, &s->client));
    put(w, "client_url", notice_text(n, &s->client_url));
    json_key(w, SLICE("payload"));
    json_object_begin(w);
    put(w, "summary", utf8_cut(notice_text(n, &s->description), SUMMARY_BYTES_MAX));
    put(w, "source", utf8_cut(notice_text(n, &s->source), SOURCE_BYTES_MAX));
    put(w, "severity", severity_of(notice_text(n, &s->severity)));
    put(w, "timestamp", notice_time(n->arena, n->started_ns));
    put(w, "component", notice_text(n, &s->component));
    put(w, "group", notice_text(n, &s->group));
    put(w, "class", notice_text(n, &s->class));
    put_details(w, s, n);
    json_object_end(w);
    json_key(w, SLICE("links"));
    json_array_begin(w);
    json_object_begin(w);
    put(w, "href", n->incident_url);
    put(w, "text", SLICE("Incident"));
    json_object_end(w);
    if (n->runbook_url.len) {
        json_object_begin(w);
        put(w, "href", n->runbook_url);
        put(w, "text", SLICE("Runbook"));
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static enum status send_pagerduty(const void *settings, const struct notify_env *env, const struct notice *n, struct err *err)
{
    const struct pagerduty *s = settings;
    struct slice key = s->key;
    struct json_writer w;
    struct buf b;
    enum status st = key.len ? ST_OK : notify_secret(n->arena, s->key_file, &key, err);
    if (st)
        return st;
    buf_init(&b, NOTIFY_BODY_BYTES_MAX);
    json_writer_init(&w, &b);
    put_event(&w, s, n, key);
    struct notify_request req = {s->url, SLICE_EMPTY, &s->http, buf_as_slice(&b), 0};
    st = notify_post(env, n->arena, &req, err);
    buf_free(&b);
    return st;
}

const struct notifier notifier_pagerduty = {"pagerduty", SLICE_INIT("pagerduty_configs"), true, read_pagerduty, send_pagerduty};
