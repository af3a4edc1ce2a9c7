/* SPDX-License-Identifier: Apache-2.0 */
/* Slack's incoming webhooks, and what takes the same JSON (Mattermost, Rocket.Chat): one attachment. */
#include "alert/notify.h"
#include "codec/json.h"

enum { SLACK_TEXT_BYTES_MAX = 30 * 1000 };

struct slack {
    struct slice url, url_file;
    struct http_setup http;
    struct message_text channel, username, color, title, title_link, text, pretext, fallback, footer, icon_emoji, icon_url;
    bool short_fields;
    struct named_text *fields;
    struct message_text *field_values;
    size_t field_count;
};

static enum status read_fields(const struct setup_reading *r, const struct yaml_node *n, struct slack *s, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("title"), SLICE_INIT("value"), SLICE_INIT("short")};
    const struct yaml_node *list = yaml_get(n, SLICE("fields"));
    enum { FIELDS_MAX = 100 };
    enum status st = ST_OK;
    if (list == NULL)
        return ST_OK;
    if (list->type != YAML_SEQUENCE || list->count > FIELDS_MAX)
        return yaml_fail(list, err, "fields: expected a list of {title, value}, at most %d", FIELDS_MAX);
    s->fields = arena_zalloc(r->arena, list->count * sizeof *s->fields + 1);
    s->field_values = arena_zalloc(r->arena, list->count * sizeof *s->field_values + 1);
    s->field_count = list->count;
    for (size_t i = 0; !st && i < list->count; i++) {
        bool is_short = s->short_fields;
        st = yaml_only(list->items[i], keys, COUNT_OF(keys), err);
        if (!st)
            st = message_text_read(r, list->items[i], keys[0], SLICE_EMPTY, &s->fields[i].text, err);
        if (!st)
            st = message_text_read(r, list->items[i], keys[1], SLICE_EMPTY, &s->field_values[i], err);
        if (!st)
            st = yaml_bool(list->items[i], keys[2], &is_short, err);
        s->fields[i].name = is_short ? SLICE("short") : SLICE_EMPTY;
    }
    return st;
}

static enum status read_texts(const struct setup_reading *r, const struct yaml_node *n, struct slack *s, struct err *err)
{
    const struct {
        struct slice key, text;
        struct message_text *to;
    } texts[] = {
        {SLICE("channel"), SLICE_EMPTY, &s->channel},
        {SLICE("username"), SLICE_EMPTY, &s->username},
        {SLICE("color"), SLICE("{{ if eq .Status \"firing\" }}danger{{ else }}good{{ end }}"), &s->color},
        {SLICE("title"), SLICE("{{ template \"slack.default.title\" . }}"), &s->title},
        {SLICE("title_link"), SLICE("{{ template \"slack.default.titlelink\" . }}"), &s->title_link},
        {SLICE("text"), SLICE("{{ template \"slack.default.text\" . }}"), &s->text},
        {SLICE("pretext"), SLICE_EMPTY, &s->pretext},
        {SLICE("fallback"), SLICE("{{ template \"slack.default.fallback\" . }}"), &s->fallback},
        {SLICE("footer"), SLICE("Stoa"), &s->footer},
        {SLICE("icon_emoji"), SLICE_EMPTY, &s->icon_emoji},
        {SLICE("icon_url"), SLICE_EMPTY, &s->icon_url},
    };
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < COUNT_OF(texts); i++)
        st = message_text_read(r, n, texts[i].key, texts[i].text, texts[i].to, err);
    return st;
}

static enum status read_slack(const struct setup_reading *r, const struct yaml_node *n, const void **out, struct err *err)
{
    static const struct slice keys[] = {
        SLICE_INIT("send_resolved"), SLICE_INIT("http_config"), SLICE_INIT("api_url"),      SLICE_INIT("api_url_file"), SLICE_INIT("channel"),
        SLICE_INIT("username"),      SLICE_INIT("color"),       SLICE_INIT("title"),        SLICE_INIT("title_link"),   SLICE_INIT("text"),
        SLICE_INIT("pretext"),       SLICE_INIT("fallback"),    SLICE_INIT("footer"),       SLICE_INIT("icon_emoji"),   SLICE_INIT("icon_url"),
        SLICE_INIT("fields"),        SLICE_INIT("short_fields"), SLICE_INIT("mrkdwn_in"),   SLICE_INIT("link_names"),   SLICE_INIT("actions"),
        SLICE_INIT("callback_id"),   SLICE_INIT("image_url"),   SLICE_INIT("thumb_url"),
    };
    static const struct slice unserved[] = {SLICE_INIT("mrkdwn_in"), SLICE_INIT("link_names"), SLICE_INIT("actions"),
                                            SLICE_INIT("callback_id"), SLICE_INIT("image_url"), SLICE_INIT("thumb_url")};
    struct slack *s = arena_new_of(r->arena, struct slack);
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = http_setup_read(r, n, &s->http, err);
    if (!st)
        st = yaml_text(n, SLICE("api_url"), &s->url, err);
    if (!st)
        st = yaml_text(n, SLICE("api_url_file"), &s->url_file, err);
    if (!st && s->url.len == 0 && s->url_file.len == 0)
        st = yaml_text(r->global, SLICE("slack_api_url"), &s->url, err);
    if (!st && s->url.len == 0 && s->url_file.len == 0)
        st = yaml_text(r->global, SLICE("slack_api_url_file"), &s->url_file, err);
    if (!st && s->url.len == 0 && s->url_file.len == 0)
        return yaml_fail(n, err, "slack_configs: expected api_url, or slack_api_url in global");
    if (!st)
        st = yaml_bool(n, SLICE("short_fields"), &s->short_fields, err);
    if (!st)
        st = read_texts(r, n, s, err);
    if (!st)
        st = read_fields(r, n, s, err);
    for (size_t i = 0; !st && i < COUNT_OF(unserved); i++)
        if (yaml_get(n, unserved[i]))
            buf_printf(r->warnings, "%.*s:%d: slack_configs: %.*s is known but not served by this version\n", SLICE_FMT(n->file),
                       yaml_get(n, unserved[i])->line, SLICE_FMT(unserved[i]));
    *out = s;
    return st;
}

static void put(struct json_writer *w, const char *key, struct slice text)
{
    if (text.len == 0)
        return;
    json_key(w, slice_str(key));
    json_string(w, slice_sub(text, 0, SLACK_TEXT_BYTES_MAX));
}

static void put_fields(struct json_writer *w, const struct slack *s, const struct notice *n)
{
    if (s->field_count == 0)
        return;
    json_key(w, SLICE("fields"));
    json_array_begin(w);
    for (size_t i = 0; i < s->field_count; i++) {
        json_object_begin(w);
        put(w, "title", notice_text(n, &s->fields[i].text));
        put(w, "value", notice_text(n, &s->field_values[i]));
        json_key(w, SLICE("short"));
        json_bool(w, s->fields[i].name.len > 0);
        json_object_end(w);
    }
    json_array_end(w);
}

static enum status send_slack(const void *settings, const struct notify_env *env, const struct notice *n, struct err *err)
{
    const struct slack *s = settings;
    struct json_writer w;
    struct buf b;
    buf_init(&b, NOTIFY_BODY_BYTES_MAX);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    put(&w, "channel", notice_text(n, &s->channel));
    put(&w, "username", notice_text(n, &s->username));
    put(&w, "icon_emoji", notice_text(n, &s->icon_emoji));
    put(&w, "icon_url", notice_text(n, &s->icon_url));
    json_key(&w, SLICE("attachments"));
    json_array_begin(&w);
    json_object_begin(&w);
    put(&w, "color", notice_text(n, &s->color));
    put(&w, "pretext", notice_text(n, &s->pretext));
    put(&w, "title", notice_text(n, &s->title));
    put(&w, "title_link", notice_text(n, &s->title_link));
    put(&w, "text", notice_text(n, &s->text));
    put(&w, "fallback", notice_text(n, &s->fallback));
    put(&w, "footer", notice_text(n, &s->footer));
    put_fields(&w, s, n);
    json_key(&w, SLICE("mrkdwn_in"));
    json_raw(&w, SLICE("[\"fallback\",\"pretext\",\"text\"]"));
    json_key(&w, SLICE("ts"));
    json_int(&w, n->started_ns / NS_S);
    json_object_end(&w);
    json_array_end(&w);
    json_object_end(&w);
    struct notify_request req = {s->url, s->url_file, &s->http, buf_as_slice(&b), 0};
    enum status st = notify_post(env, n->arena, &req, err);
    buf_free(&b);
    return st;
}

const struct notifier notifier_slack = {"slack", SLICE_INIT("slack_configs"), false, read_slack, send_slack};
