/* SPDX-License-Identifier: Apache-2.0 */
/* alertmanager.yml: what each key says, and that what names something else names something that is there. */
#include "alert/setup.h"

#include "alert/notify.h"
#include "base/glob.h"
#include "base/map.h"
#include "sys/file.h"

/* ---- HTTP and TLS ---- */

static const struct gotmpl_options message_template = {.functions = &gotmpl_alert_functions};

/* Keys from `served` on are known, and told when they are there. */
static void warn_unserved(const struct setup_reading *r, const char *section, const struct yaml_node *n, const struct slice *keys, size_t served,
                          size_t count)
{
    for (size_t i = served; i < count; i++)
        if (yaml_get(n, keys[i]))
            buf_printf(r->warnings, "%.*s:%d: %s: %.*s is known but not served by this version\n", SLICE_FMT(n->file), yaml_get(n, keys[i])->line,
                       section, SLICE_FMT(keys[i]));
}

enum status tls_setup_read(const struct setup_reading *r, const struct yaml_node *n, struct http_setup *out, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("ca_file"),     SLICE_INIT("cert_file"),   SLICE_INIT("key_file"),
                                        SLICE_INIT("server_name"), SLICE_INIT("insecure_skip_verify"), SLICE_INIT("min_version"),
                                        SLICE_INIT("max_version")};
    struct slice *const to[] = {&out->ca_file, &out->cert_file, &out->key_file, &out->server_name};
    enum { SERVED = 5 };
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st && n)
        warn_unserved(r, "tls_config", n, keys, SERVED, COUNT_OF(keys));
    for (size_t i = 0; !st && i < COUNT_OF(to); i++)
        st = yaml_text(n, keys[i], to[i], err);
    return st ? st : yaml_bool(n, SLICE("insecure_skip_verify"), &out->tls_insecure, err);
}

static enum status auth_read(const struct yaml_node *n, struct http_setup *out, struct err *err)
{
    static const struct slice basic_keys[] = {SLICE_INIT("username"), SLICE_INIT("password"), SLICE_INIT("password_file")};
    static const struct slice auth_keys[] = {SLICE_INIT("type"), SLICE_INIT("credentials"), SLICE_INIT("credentials_file")};
    const struct yaml_node *basic = yaml_get(n, SLICE("basic_auth")), *auth = yaml_get(n, SLICE("authorization"));
    struct slice *const basic_to[] = {&out->user, &out->password, &out->password_file};
    struct slice *const auth_to[] = {&out->auth_type, &out->credentials, &out->credentials_file};
    if (basic && auth)
        return yaml_fail(n, err, "http_config: expected either basic_auth or authorization");
    enum status st = yaml_only(basic, basic_keys, COUNT_OF(basic_keys), err);
    if (!st)
        st = yaml_only(auth, auth_keys, COUNT_OF(auth_keys), err);
    for (size_t i = 0; !st && i < COUNT_OF(basic_to); i++)
        st = yaml_text(basic, basic_keys[i], basic_to[i], err);
    for (size_t i = 0; !st && i < COUNT_OF(auth_to); i++)
        st = yaml_text(auth, auth_keys[i], auth_to[i], err);
    if (!st)
        st = yaml_text(n, SLICE("bearer_token"), &out->credentials, err);
    return st ? st : yaml_text(n, SLICE("bearer_token_file"), &out->credentials_file, err);
}

enum status http_setup_read(const struct setup_reading *r, const struct yaml_node *n, struct http_setup *out, struct err *err)
{
    static const struct slice keys[] = {
        SLICE_INIT("basic_auth"),   SLICE_INIT("authorization"),    SLICE_INIT("bearer_token"), SLICE_INIT("bearer_token_file"),
        SLICE_INIT("tls_config"),   SLICE_INIT("follow_redirects"), SLICE_INIT("proxy_url"),    SLICE_INIT("oauth2"),
        SLICE_INIT("enable_http2"), SLICE_INIT("http_headers"),     SLICE_INIT("no_proxy"),     SLICE_INIT("proxy_from_environment"),
        SLICE_INIT("proxy_connect_header"),
    };
    enum { SERVED = 7 };
    const struct yaml_node *h = yaml_get(n, SLICE("http_config"));
    *out = r->http;
    if (h == NULL)
        return ST_OK;
    *out = (struct http_setup){.follow_redirects = true};
    enum status st = yaml_only(h, keys, COUNT_OF(keys), err);
    if (!st)
        warn_unserved(r, "http_config", h, keys, SERVED, COUNT_OF(keys));
    if (!st)
        st = auth_read(h, out, err);
    if (!st)
        st = tls_setup_read(r, yaml_get(h, SLICE("tls_config")), out, err);
    if (!st)
        st = yaml_bool(h, SLICE("follow_redirects"), &out->follow_redirects, err);
    return st ? st : yaml_text(h, SLICE("proxy_url"), &out->proxy_url, err);
}

/* ---- texts ---- */

enum status message_text_parse(const struct setup_reading *r, struct slice text, struct message_text *out, struct err *err)
{
    out->text = text;
    enum status st = gotmpl_parse(r->arena, text, &message_template, &out->tmpl, err);
    if (!st && r->library)
        gotmpl_use(r->arena, out->tmpl, r->library);
    return st;
}

enum status message_text_read(const struct setup_reading *r, const struct yaml_node *n, struct slice key, struct slice text,
                              struct message_text *out, struct err *err)
{
    struct err why;
    enum status st = yaml_text(n, key, &text, err);
    if (!st && message_text_parse(r, text, out, &why))
        return yaml_fail(yaml_get(n, key) ? yaml_get(n, key) : n, err, "%.*s: %s", SLICE_FMT(key), why.text);
    return st;
}

enum status named_texts_read(const struct setup_reading *r, const struct yaml_node *n, struct named_text **out, size_t *count, struct err *err)
{
    *count = 0;
    if (n == NULL)
        return ST_OK;
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "expected a map of name: text");
    *out = arena_zalloc(r->arena, n->count * sizeof **out + 1);
    for (size_t i = 0; i < n->count; i++) {
        struct named_text *t = &(*out)[*count];
        struct err why;
        if (n->items[i]->type != YAML_SCALAR)
            return yaml_fail(n->items[i], err, "%.*s: expected a text", SLICE_FMT(n->keys[i]));
        t->name = n->keys[i];
        if (message_text_parse(r, n->items[i]->text, &t->text, &why))
            return yaml_fail(n->items[i], err, "%.*s: %s", SLICE_FMT(n->keys[i]), why.text);
        ++*count;
    }
    return ST_OK;
}

/* ---- templates: files of `define`s ---- */

static enum status template_file(struct dispatch_config *c, const struct yaml_node *at, struct slice path, struct err *err)
{
    struct gotmpl *t;
    struct buf b;
    struct err why;
    buf_init(&b, 0);
    enum status st = fs_read_all(fs_real(), arena_copy(c->arena, path).ptr, GOTMPL_TEXT_BYTES_MAX, &b, &why);
    if (!st)
        st = gotmpl_parse(c->arena, arena_copy(c->arena, buf_as_slice(&b)), &message_template, &t, &why);
    buf_free(&b);
    if (st)
        return yaml_fail(at, err, "templates: %.*s: %s", SLICE_FMT(path), why.text);
    gotmpl_use(c->arena, t, c->library); /* ours first: what comes last counts */
    gotmpl_use(c->arena, c->library, t);
    return ST_OK;
}

/* A pattern may have wildcards in its last part. */
static enum status templates_glob(struct dispatch_config *c, const struct yaml_node *at, struct slice pattern, size_t *files, struct err *err)
{
    size_t cut = pattern.len, file_cut = at->file.len;
    while (file_cut > 0 && at->file.ptr[file_cut - 1] != '/')
        file_cut--;
    if (pattern.len && pattern.ptr[0] != '/') /* as seen from the configuration's folder */
        pattern = arena_printf(c->arena, "%.*s%.*s", (int)file_cut, at->file.ptr, SLICE_FMT(pattern));
    if (!glob_has_wildcard(pattern)) {
        ++*files;
        return template_file(c, at, pattern, err);
    }
    for (cut = pattern.len; cut > 0 && pattern.ptr[cut - 1] != '/';)
        cut--;
    struct slice folder = cut ? slice_sub(pattern, 0, cut) : SLICE("./"), rest, name;
    struct buf names;
    buf_init(&names, 0);
    enum status st = glob_has_wildcard(slice_sub(pattern, 0, cut))
                         ? yaml_fail(at, err, "templates: \"%.*s\": wildcards may stand in the file's name only", SLICE_FMT(pattern))
                         : ST_OK;
    if (!st && fs_list(fs_real(), arena_copy(c->arena, folder).ptr, &names, err) == ST_OK) {
        rest = buf_as_slice(&names);
        while (!st && slice_next(&rest, '\0', &name)) {
            if (!glob_match(slice_skip(pattern, cut), name))
                continue;
            if (++*files > TEMPLATE_FILES_MAX)
                st = yaml_fail(at, err, "templates: more than %d files", TEMPLATE_FILES_MAX);
            else
                st = template_file(c, at, arena_printf(c->arena, "%.*s%.*s", SLICE_FMT(folder), SLICE_FMT(name)), err);
        }
    }
    buf_free(&names);
    return st;
}

static enum status templates_read(struct dispatch_config *c, const struct yaml_node *root, struct err *err)
{
    struct slice *patterns = NULL;
    size_t count = 0, files = 0;
    const struct yaml_node *n = yaml_get(root, SLICE("templates"));
    enum status st = gotmpl_parse(c->arena, message_defaults, &message_template, &c->library, err);
    if (!st && n)
        st = yaml_texts(c->arena, root, SLICE("templates"), &patterns, &count, err);
    for (size_t i = 0; !st && i < count; i++)
        st = templates_glob(c, n->type == YAML_SEQUENCE ? n->items[i] : n, patterns[i], &files, err);
    return st;
}

/* ---- global, time intervals, inhibition ---- */

static enum status global_read(struct dispatch_config *c, struct setup_reading *r, struct err *err)
{
    static const struct slice keys[] = {
        SLICE_INIT("resolve_timeout"),    SLICE_INIT("http_config"),        SLICE_INIT("smtp_smarthost"),     SLICE_INIT("smtp_from"),
        SLICE_INIT("smtp_hello"),         SLICE_INIT("smtp_auth_username"), SLICE_INIT("smtp_auth_password"), SLICE_INIT("smtp_auth_password_file"),
        SLICE_INIT("smtp_require_tls"),   SLICE_INIT("smtp_tls_config"),    SLICE_INIT("slack_api_url"),      SLICE_INIT("slack_api_url_file"),
        SLICE_INIT("pagerduty_url"),
        /* known, of no use here */
        SLICE_INIT("smtp_auth_secret"),   SLICE_INIT("smtp_auth_identity"), SLICE_INIT("smtp_force_implicit_tls"), SLICE_INIT("opsgenie_api_key"),
        SLICE_INIT("opsgenie_api_key_file"), SLICE_INIT("opsgenie_api_url"), SLICE_INIT("victorops_api_key"), SLICE_INIT("victorops_api_key_file"),
        SLICE_INIT("victorops_api_url"),  SLICE_INIT("telegram_api_url"),   SLICE_INIT("webex_api_url"),      SLICE_INIT("wechat_api_url"),
        SLICE_INIT("wechat_api_secret"),  SLICE_INIT("wechat_api_corp_id"), SLICE_INIT("jira_api_url"),       SLICE_INIT("rocketchat_api_url"),
        SLICE_INIT("slack_app_token"),    SLICE_INIT("slack_app_url"),
    };
    enum { SERVED = 13 };
    enum status st = yaml_only(r->global, keys, COUNT_OF(keys), err);
    for (size_t i = SERVED; !st && i < COUNT_OF(keys); i++)
        if (yaml_get(r->global, keys[i]))
            buf_printf(r->warnings, "%.*s:%d: global: %.*s is known but not served by this version\n", SLICE_FMT(r->global->file),
                       yaml_get(r->global, keys[i])->line, SLICE_FMT(keys[i]));
    if (!st)
        st = http_setup_read(r, r->global, &r->http, err);
    if (!st)
        st = yaml_duration(r->global, SLICE("resolve_timeout"), &c->resolve_timeout_ns, err);
    if (!st && c->resolve_timeout_ns < NS_S)
        return yaml_fail(yaml_get(r->global, SLICE("resolve_timeout")), err, "resolve_timeout: found less than 1s, which is the least allowed");
    return st;
}

static enum status intervals_read(struct dispatch_config *c, const struct yaml_node *root, struct err *err)
{
    const struct yaml_node *lists[] = {yaml_get(root, SLICE("time_intervals")), yaml_get(root, SLICE("mute_time_intervals"))};
    enum status st = ST_OK;
    c->intervals = arena_zalloc(c->arena, INTERVALS_MAX * sizeof *c->intervals);
    for (size_t l = 0; l < COUNT_OF(lists); l++) {
        if (lists[l] && lists[l]->type != YAML_SEQUENCE)
            return yaml_fail(lists[l], err, "time_intervals: expected a list of {name, time_intervals}");
        for (size_t i = 0; lists[l] && !st && i < lists[l]->count; i++) {
            if (c->interval_count == INTERVALS_MAX)
                return yaml_fail(lists[l], err, "time_intervals: more than %d", INTERVALS_MAX);
            struct interval *to = &c->intervals[c->interval_count];
            st = interval_read(c->arena, lists[l]->items[i], to, err);
            for (size_t k = 0; !st && k < c->interval_count; k++)
                if (slice_eq(c->intervals[k].name, to->name))
                    return yaml_fail(lists[l]->items[i], err, "time_intervals: there are two with the name \"%.*s\"", SLICE_FMT(to->name));
            c->interval_count++;
        }
    }
    return st;
}

enum status inhibit_read(struct dispatch_config *c, const struct yaml_node *list, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("source_matchers"), SLICE_INIT("source_match"), SLICE_INIT("source_match_re"),
                                        SLICE_INIT("target_matchers"), SLICE_INIT("target_match"), SLICE_INIT("target_match_re"),
                                        SLICE_INIT("equal"),           SLICE_INIT("name")};
    enum status st = ST_OK;
    if (list == NULL)
        return ST_OK;
    if (list->type != YAML_SEQUENCE || list->count > INHIBIT_RULES_MAX)
        return yaml_fail(list, err, "inhibit_rules: expected a list of at most %d", INHIBIT_RULES_MAX);
    c->inhibit = arena_zalloc(c->arena, list->count * sizeof *c->inhibit + 1);
    c->inhibit_count = list->count;
    for (size_t i = 0; !st && i < list->count; i++) {
        const struct yaml_node *n = list->items[i];
        struct inhibit_rule *to = &c->inhibit[i];
        st = yaml_only(n, keys, COUNT_OF(keys), err);
        if (!st)
            st = matcher_keys_read(c, n, keys[0], keys[1], keys[2], &to->source, &to->source_count, err);
        if (!st)
            st = matcher_keys_read(c, n, keys[3], keys[4], keys[5], &to->target, &to->target_count, err);
        if (!st && yaml_get(n, SLICE("equal")))
            st = yaml_texts(c->arena, n, SLICE("equal"), &to->equal, &to->equal_count, err);
        if (!st && (to->source_count == 0 || to->target_count == 0))
            return yaml_fail(n, err, "inhibit_rules: a rule needs source_matchers and target_matchers");
    }
    return st;
}

/* ---- all of it ---- */

const struct receiver *receiver_find(const struct dispatch_config *c, struct slice name)
{
    for (size_t i = 0; i < c->receiver_count; i++)
        if (slice_eq(c->receivers[i].name, name))
            return &c->receivers[i];
    return NULL;
}

bool dispatch_config_has_receiver(const struct dispatch_config *c, struct slice name)
{
    return receiver_find(c, name) != NULL;
}

static enum status read_all(struct dispatch_config *c, const struct yaml_node *root, struct buf *warnings, struct err *err)
{
    const struct yaml_node *receivers = yaml_get(root, SLICE("receivers")), *route = yaml_get(root, SLICE("route"));
    struct setup_reading r = {.arena = c->arena,
                              .warnings = warnings,
                              .global = yaml_get(root, SLICE("alertmanager_global")),
                              .http = {.follow_redirects = true}};
    enum status st = templates_read(c, root, err);
    r.library = c->library;
    if (!st)
        st = global_read(c, &r, err);
    if (!st)
        st = intervals_read(c, root, err);
    if (!st && receivers)
        st = receivers_read(&r, receivers, &c->receivers, &c->receiver_count, err);
    if (!st && c->receiver_count == 0) {
        c->receivers = arena_new_of(c->arena, struct receiver);
        c->receivers->name = SLICE("default");
        c->receiver_count = 1;
    }
    if (!st)
        st = route_read(c, route, err);
    return st ? st : inhibit_read(c, yaml_get(root, SLICE("inhibit_rules")), err);
}

enum status dispatch_config_read(struct arena *a, const struct yaml_node *root, struct dispatch_config **out, struct buf *warnings, struct err *err)
{
    struct dispatch_config *c = arena_new_of(a, struct dispatch_config);
    c->arena = a;
    c->resolve_timeout_ns = RESOLVE_TIMEOUT_DEFAULT_NS;
    enum status st = read_all(c, root, warnings, err);
    if (st) {
        dispatch_config_free(c);
        return st;
    }
    *out = c;
    return ST_OK;
}

void dispatch_config_free(struct dispatch_config *c)
{
    for (size_t i = 0; c && i < c->owned_count; i++)
        matchers_destroy(c->owned[i], c->owned_counts[i]);
}
