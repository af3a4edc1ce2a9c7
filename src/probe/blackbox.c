/* SPDX-License-Identifier: Apache-2.0 */
/* One probe of one URL under blackbox_exporter 0.23's rules and names. A module without ip protocol prefers IPv6 and falls back
 * to IPv4, as there; names are looked up for the preferred one first. Regexes are tried when the file is read and compiled
 * for each probe. */
#include "probe/blackbox.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/date.h"
#include "base/num.h"
#include "codec/regex.h"
#include "probe/check.h"
#include "probe/condition.h"

#define MODULE_TIMEOUT_DEFAULT_NS (120 * NS_S)
enum { MODULES_MAX = 1000, MODULE_LIST_MAX = 64 };

struct header_rule {
    struct slice header, regexp;
    bool allow_missing, must_match;
};

struct module {
    struct slice name, method, body;
    int64_t timeout_ns;
    int64_t *statuses;
    size_t status_count;
    struct slice *versions;
    size_t version_count;
    struct http_header *headers;
    size_t header_count;
    struct slice *body_not, *body_must; /* regexes */
    size_t body_not_count, body_must_count;
    struct header_rule rules[2 * MODULE_LIST_MAX];
    size_t rule_count;
    bool fail_if_ssl, fail_if_not_ssl, follow_redirects, prefer_ip4, fallback, tls_insecure, is_http;
    struct slice user, password, bearer, ca_file, cert_file, key_file, server_name;
};

struct module_set {
    struct module *list;
    size_t count;
    const struct yaml_node *source; /* NULL: the default */
};

/* ---- configuration ---- */

static const struct slice served_http[] = {
    SLICE_INIT("valid_status_codes"), SLICE_INIT("valid_http_versions"), SLICE_INIT("method"), SLICE_INIT("headers"), SLICE_INIT("body"),
    SLICE_INIT("fail_if_body_matches_regexp"), SLICE_INIT("fail_if_body_not_matches_regexp"), SLICE_INIT("fail_if_header_matches"),
    SLICE_INIT("fail_if_header_not_matches"), SLICE_INIT("fail_if_ssl"), SLICE_INIT("fail_if_not_ssl"), SLICE_INIT("no_follow_redirects"),
    SLICE_INIT("follow_redirects"), SLICE_INIT("preferred_ip_protocol"), SLICE_INIT("ip_protocol_fallback"), SLICE_INIT("basic_auth"),
    SLICE_INIT("bearer_token"), SLICE_INIT("tls_config"),
    /* known, not served */
    SLICE_INIT("compression"), SLICE_INIT("body_size_limit"), SLICE_INIT("proxy_url"), SLICE_INIT("skip_resolve_phase_with_proxy"),
    SLICE_INIT("oauth2"), SLICE_INIT("authorization"), SLICE_INIT("bearer_token_file"), SLICE_INIT("enable_http2"), SLICE_INIT("body_file"),
    SLICE_INIT("no_proxy"), SLICE_INIT("proxy_from_environment"), SLICE_INIT("proxy_connect_header"), SLICE_INIT("http_headers"),
    SLICE_INIT("fail_if_body_json_matches_cel"), SLICE_INIT("fail_if_body_json_not_matches_cel"), SLICE_INIT("use_http3"),
};
enum { SERVED_HTTP_COUNT = 18 };

static void warn_unserved(const struct yaml_node *n, const struct slice *known, size_t served, size_t count, struct buf *warnings)
{
    for (size_t k = 0; n && k < n->count; k++)
        for (size_t i = served; i < count; i++)
            if (slice_eq(n->keys[k], known[i]))
                buf_printf(warnings, "%.*s:%d: \"%.*s\" is known but not served by this version\n", SLICE_FMT(n->file), n->key_lines[k],
                           SLICE_FMT(n->keys[k]));
}

static enum status try_regex(const struct yaml_node *n, struct slice pattern, struct err *err)
{
    struct regex *re = NULL;
    struct err why;
    if (regex_compile(&re, pattern, 0, &why))
        return yaml_fail(n, err, "%s", why.text);
    regex_free(re);
    return ST_OK;
}

static enum status read_regexes(struct arena *a, const struct yaml_node *n, struct slice key, struct slice **out, size_t *count, struct err *err)
{
    enum status st = yaml_texts(a, n, key, out, count, err);
    if (!st && *count > MODULE_LIST_MAX)
        return yaml_fail(yaml_get(n, key), err, "%.*s: at most %d are allowed", SLICE_FMT(key), MODULE_LIST_MAX);
    for (size_t i = 0; !st && i < *count; i++)
        st = try_regex(yaml_get(n, key), (*out)[i], err);
    return st;
}

static enum status read_rules(const struct yaml_node *n, struct slice key, bool must_match, struct module *m, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("header"), SLICE_INIT("regexp"), SLICE_INIT("allow_missing") };
    const struct yaml_node *list = yaml_get(n, key);
    if (list == NULL)
        return ST_OK;
    if (list->type != YAML_SEQUENCE || list->count > MODULE_LIST_MAX)
        return yaml_fail(list, err, "%.*s: expected a list of at most %d rules", SLICE_FMT(key), MODULE_LIST_MAX);
    for (size_t i = 0; i < list->count; i++) {
        struct header_rule *r = &m->rules[m->rule_count];
        *r = (struct header_rule){ .must_match = must_match };
        enum status st = yaml_only(list->items[i], keys, COUNT_OF(keys), err);
        if (!st)
            st = yaml_text(list->items[i], keys[0], &r->header, err);
        if (!st)
            st = yaml_text(list->items[i], keys[1], &r->regexp, err);
        if (!st)
            st = yaml_bool(list->items[i], keys[2], &r->allow_missing, err);
        if (!st && r->header.len == 0)
            return yaml_fail(list->items[i], err, "%.*s: the rule has no header", SLICE_FMT(key));
        if (!st)
            st = try_regex(list->items[i], r->regexp, err);
        if (st)
            return st;
        m->rule_count++;
    }
    return ST_OK;
}

static enum status read_statuses(struct arena *a, const struct yaml_node *n, struct module *m, struct err *err)
{
    struct slice *texts = NULL;
    enum status st = yaml_texts(a, n, SLICE("valid_status_codes"), &texts, &m->status_count, err);
    if (st)
        return st;
    m->statuses = arena_array(a, int64_t, m->status_count + 1);
    for (size_t i = 0; i < m->status_count; i++)
        if (!num_parse_i64(texts[i], &m->statuses[i]))
            return yaml_fail(yaml_get(n, SLICE("valid_status_codes")), err, "valid_status_codes: \"%.*s\" is no number", SLICE_FMT(texts[i]));
    return ST_OK;
}

static enum status read_headers(struct arena *a, const struct yaml_node *n, struct module *m, struct err *err)
{
    const struct yaml_node *map = yaml_get(n, SLICE("headers"));
    if (map == NULL)
        return ST_OK;
    if (map->type != YAML_MAP || map->count > MODULE_LIST_MAX)
        return yaml_fail(map, err, "headers: expected a map of at most %d names and texts", MODULE_LIST_MAX);
    m->headers = arena_array(a, struct http_header, map->count + 1);
    for (size_t i = 0; i < map->count; i++)
        m->headers[m->header_count++] = (struct http_header){ map->keys[i], map->items[i]->text };
    return ST_OK;
}

static enum status read_security(const struct yaml_node *n, struct module *m, struct buf *warnings, struct err *err)
{
    static const struct slice auth_keys[] = { SLICE_INIT("username"), SLICE_INIT("password"), SLICE_INIT("password_file"),
                                              SLICE_INIT("username_file") };
    static const struct slice tls_keys[] = { SLICE_INIT("ca_file"),     SLICE_INIT("cert_file"),            SLICE_INIT("key_file"),
                                             SLICE_INIT("server_name"), SLICE_INIT("insecure_skip_verify"), SLICE_INIT("min_version"),
                                             SLICE_INIT("max_version"), SLICE_INIT("ca"),                   SLICE_INIT("cert"),
                                             SLICE_INIT("key") };
    const struct yaml_node *auth = yaml_get(n, SLICE("basic_auth")), *tls = yaml_get(n, SLICE("tls_config"));
    struct slice *const files[] = { &m->ca_file, &m->cert_file, &m->key_file, &m->server_name };
    enum status st = yaml_only(auth, auth_keys, COUNT_OF(auth_keys), err);
    warn_unserved(auth, auth_keys, 2, COUNT_OF(auth_keys), warnings);
    if (!st)
        st = yaml_text(auth, auth_keys[0], &m->user, err);
    if (!st)
        st = yaml_text(auth, auth_keys[1], &m->password, err);
    if (!st)
        st = yaml_text(n, SLICE("bearer_token"), &m->bearer, err);
    if (!st)
        st = yaml_only(tls, tls_keys, COUNT_OF(tls_keys), err);
    warn_unserved(tls, tls_keys, 5, COUNT_OF(tls_keys), warnings);
    for (size_t i = 0; !st && i < COUNT_OF(files); i++)
        st = yaml_text(tls, tls_keys[i], files[i], err);
    return st ? st : yaml_bool(tls, tls_keys[4], &m->tls_insecure, err);
}

static enum status read_switches(const struct yaml_node *n, struct module *m, struct err *err)
{
    bool no_follow = false;
    struct slice protocol = SLICE("ip6");
    enum status st = yaml_bool(n, SLICE("fail_if_ssl"), &m->fail_if_ssl, err);
    if (!st)
        st = yaml_bool(n, SLICE("fail_if_not_ssl"), &m->fail_if_not_ssl, err);
    if (!st)
        st = yaml_bool(n, SLICE("follow_redirects"), &m->follow_redirects, err);
    if (!st)
        st = yaml_bool(n, SLICE("no_follow_redirects"), &no_follow, err);
    if (!st)
        st = yaml_bool(n, SLICE("ip_protocol_fallback"), &m->fallback, err);
    if (!st)
        st = yaml_text(n, SLICE("preferred_ip_protocol"), &protocol, err);
    if (!st && !slice_eq(protocol, SLICE("ip4")) && !slice_eq(protocol, SLICE("ip6")))
        return yaml_fail(yaml_get(n, SLICE("preferred_ip_protocol")), err, "preferred_ip_protocol: found \"%.*s\", allowed are ip4 and ip6",
                         SLICE_FMT(protocol));
    m->prefer_ip4 = slice_eq(protocol, SLICE("ip4"));
    m->follow_redirects = m->follow_redirects && !no_follow;
    return st;
}

static enum status read_http(struct arena *a, const struct yaml_node *n, struct module *m, struct buf *warnings, struct err *err)
{
    enum status st = yaml_only(n, served_http, COUNT_OF(served_http), err);
    warn_unserved(n, served_http, SERVED_HTTP_COUNT, COUNT_OF(served_http), warnings);
    if (!st)
        st = read_statuses(a, n, m, err);
    if (!st)
        st = yaml_texts(a, n, SLICE("valid_http_versions"), &m->versions, &m->version_count, err);
    if (!st)
        st = yaml_text(n, SLICE("method"), &m->method, err);
    if (!st)
        st = read_headers(a, n, m, err);
    if (!st)
        st = yaml_text(n, SLICE("body"), &m->body, err);
    if (!st)
        st = read_regexes(a, n, SLICE("fail_if_body_matches_regexp"), &m->body_not, &m->body_not_count, err);
    if (!st)
        st = read_regexes(a, n, SLICE("fail_if_body_not_matches_regexp"), &m->body_must, &m->body_must_count, err);
    if (!st)
        st = read_rules(n, SLICE("fail_if_header_matches"), false, m, err);
    if (!st)
        st = read_rules(n, SLICE("fail_if_header_not_matches"), true, m, err);
    if (!st)
        st = read_switches(n, m, err);
    return st ? st : read_security(n, m, warnings, err);
}

static struct module module_default(struct slice name)
{
    return (struct module){ .name = name, .method = SLICE("GET"), .follow_redirects = true, .fallback = true, .is_http = true };
}

static enum status read_module(struct arena *a, struct slice name, const struct yaml_node *n, struct module *m, struct buf *warnings, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("prober"), SLICE_INIT("timeout"), SLICE_INIT("http"), SLICE_INIT("tcp"),
                                         SLICE_INIT("icmp"),   SLICE_INIT("dns"),     SLICE_INIT("grpc"), SLICE_INIT("unix") };
    struct slice prober = SLICE_EMPTY;
    *m = module_default(name);
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_text(n, keys[0], &prober, err);
    if (!st)
        st = yaml_duration(n, keys[1], &m->timeout_ns, err);
    m->is_http = slice_eq(prober, SLICE("http"));
    if (st || m->is_http)
        return st ? st : read_http(a, yaml_get(n, keys[2]), m, warnings, err);
    for (size_t i = 3; i < COUNT_OF(keys); i++)
        if (slice_eq(prober, keys[i])) {
            buf_printf(warnings, "%.*s:%d: module \"%.*s\": prober \"%.*s\" is known but not served by this version\n", SLICE_FMT(n->file), n->line,
                       SLICE_FMT(name), SLICE_FMT(prober));
            return ST_OK;
        }
    return yaml_fail(n, err, "module \"%.*s\": prober \"%.*s\"; allowed are http, tcp, icmp, dns, grpc, unix", SLICE_FMT(name), SLICE_FMT(prober));
}

enum status module_config_read(struct arena *a, const struct yaml_node *root, struct module_set **out, struct buf *warnings, struct err *err)
{
    const struct yaml_node *map = yaml_get(root, SLICE("modules"));
    struct module_set *s = arena_new_of(a, struct module_set);
    size_t n = map ? map->count : 1;
    if (map && (map->type != YAML_MAP || n > MODULES_MAX))
        return yaml_fail(map, err, "modules: expected a map of at most %d modules", MODULES_MAX);
    s->list = arena_array(a, struct module, n + 1);
    s->count = n;
    s->source = map;
    if (map == NULL)
        s->list[0] = module_default(SLICE("http_2xx"));
    for (size_t i = 0; map && i < n; i++) {
        enum status st = read_module(a, map->keys[i], map->items[i], &s->list[i], warnings, err);
        if (st)
            return st;
    }
    *out = s;
    return ST_OK;
}

struct module_set *module_set_copy(const struct module_set *s, struct arena *a)
{
    struct yaml_node root = { .type = YAML_MAP }, *map = s->source ? yaml_copy(s->source, a) : NULL;
    struct slice key = SLICE("modules");
    struct module_set *copy = NULL;
    struct buf warnings;
    buf_init(&warnings, 0);
    root.keys = &key;
    root.items = &map;
    root.count = map != NULL;
    /* It read before, so it reads again. */
    enum status st = module_config_read(a, &root, &copy, &warnings, NULL);
    assert(st == ST_OK);
    buf_free(&warnings);
    return copy;
}

/* ---- judging ---- */

static bool is_match(struct slice pattern, struct slice text)
{
    struct regex *re = NULL;
    if (regex_compile(&re, pattern, 0, NULL))
        return false;
    bool found = regex_match(re, text);
    regex_free(re);
    return found;
}

/* Every value of a header counts, not only the first. */
static bool header_matches(struct slice headers, struct slice name, struct slice pattern, bool *present)
{
    struct slice line, head, value;
    bool found = false;
    *present = false;
    while (slice_next(&headers, '\n', &line))
        if (slice_cut(line, ':', &head, &value) && slice_eq_nocase(head, name)) {
            *present = true;
            found = found || is_match(pattern, slice_trim(value));
        }
    return found;
}

static bool passes_regexes(const struct module *m, const struct fetch_answer *f)
{
    struct slice body = buf_as_slice(&f->body), headers = buf_as_slice(&f->details.headers);
    for (size_t i = 0; i < m->body_not_count; i++)
        if (is_match(m->body_not[i], body))
            return false;
    for (size_t i = 0; i < m->body_must_count; i++)
        if (!is_match(m->body_must[i], body))
            return false;
    for (size_t i = 0; i < m->rule_count; i++) {
        const struct header_rule *r = &m->rules[i];
        bool present, found = header_matches(headers, r->header, r->regexp, &present);
        if (!present && r->allow_missing)
            continue;
        if (!present || found != r->must_match)
            return false;
    }
    return true;
}

static bool has_status(const struct module *m, int status)
{
    for (size_t i = 0; i < m->status_count; i++)
        if (m->statuses[i] == status)
            return true;
    return m->status_count == 0 && status >= 200 && status < 300;
}

static bool has_version(const struct module *m, int version)
{
    char text[16];
    struct slice found = slice_of(text, (size_t)snprintf(text, sizeof text, "HTTP/%d.%d", version / 10, version % 10));
    for (size_t i = 0; i < m->version_count; i++)
        if (slice_eq(m->versions[i], found))
            return true;
    return m->version_count == 0;
}

/* ---- the page ---- */

static void put_head(struct buf *page, const char *name, const char *help)
{
    buf_printf(page, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void put_value(struct buf *page, const char *name, const char *labels, double v)
{
    char text[NUM_TEXT_BYTES_MAX];
    buf_printf(page, "%s%s %.*s\n", name, labels, (int)num_format_short(v, text), text);
}

static void put_gauge(struct buf *page, const char *name, const char *help, double v)
{
    put_head(page, name, help);
    put_value(page, name, "", v);
}

static double seconds(int64_t ns)
{
    return (double)ns / (double)NS_S;
}

/* FNV-1a over the address's bytes, as blackbox_exporter tells a change of address. */
static uint32_t address_hash(const char *ip, int *protocol)
{
    uint8_t bytes[sizeof(struct in6_addr)];
    size_t n = 0;
    uint32_t hash = 2166136261u;
    *protocol = 0;
    if (inet_pton(AF_INET, ip, bytes) == 1) {
        n = sizeof(struct in_addr);
        *protocol = 4;
    } else if (inet_pton(AF_INET6, ip, bytes) == 1) {
        n = sizeof(struct in6_addr);
        *protocol = 6;
    }
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return n ? hash : 0;
}

static double content_length(const struct fetch_answer *f)
{
    struct slice text;
    double v;
    if (f->status == 0)
        return 0;
    if (answer_header(buf_as_slice(&f->details.headers), SLICE("content-length"), &text) && num_parse_double(text, &v))
        return v;
    return -1;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT"; false on anything else. */
static bool parse_http_date(struct slice s, int64_t *out_s)
{
    uint64_t day, year, h, m, sec;
    if (s.len != 29 || !slice_ends(s, SLICE(" GMT")))
        return false;
    size_t month = slice_find(SLICE("JanFebMarAprMayJunJulAugSepOctNovDec"), slice_sub(s, 8, 11), 0);
    if (month == SIZE_MAX || month % 3 || !num_parse_u64(slice_sub(s, 5, 7), &day) || !num_parse_u64(slice_sub(s, 12, 16), &year) ||
        !num_parse_u64(slice_sub(s, 17, 19), &h) || !num_parse_u64(slice_sub(s, 20, 22), &m) || !num_parse_u64(slice_sub(s, 23, 25), &sec))
        return false;
    *out_s = date_days((int64_t)year, (int)month / 3 + 1, (int)day) * 86400 + (int64_t)(h * 3600 + m * 60 + sec);
    return true;
}

static void put_phases(struct buf *page, const struct fetch_answer *f)
{
    static const char name[] = "probe_http_duration_seconds";
    put_head(page, name, "Duration of http request by phase, summed over all redirects");
    put_value(page, name, "{phase=\"connect\"}", seconds(f->connect_ns));
    put_value(page, name, "{phase=\"processing\"}", seconds(f->request_ns + f->first_byte_ns));
    put_value(page, name, "{phase=\"resolve\"}", seconds(f->resolve_ns));
    put_value(page, name, "{phase=\"tls\"}", seconds(f->tls_ns));
    put_value(page, name, "{phase=\"transfer\"}", seconds(f->transfer_ns));
}

static void put_label(struct buf *page, const char *name, const char *value)
{
    buf_printf(page, ",%s=\"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            buf_char(page, '\\');
        buf_char(page, *value == '\n' ? ' ' : *value);
    }
    buf_char(page, '"');
}

static void put_tls(struct buf *page, const struct client_details *d)
{
    char labels[64];
    if (!d->has_peer_cert)
        return;
    put_gauge(page, "probe_ssl_earliest_cert_expiry", "Returns last SSL chain expiry in unixtime", (double)d->earliest_expiry_s);
    /* Go's zero time where no chain was verified. */
    put_gauge(page, "probe_ssl_last_chain_expiry_timestamp_seconds", "Returns last SSL chain expiry in timestamp",
              d->chain_expiry_s ? (double)d->chain_expiry_s : -62135596800.0);
    put_head(page, "probe_ssl_last_chain_info", "Contains SSL leaf certificate information");
    buf_printf(page, "probe_ssl_last_chain_info{fingerprint_sha256=\"%s\"", d->fingerprint_sha256);
    put_label(page, "issuer", d->issuer);
    put_label(page, "subject", d->subject);
    put_label(page, "subjectalternative", d->alternatives);
    buf_slice(page, SLICE("} 1\n"));
    put_head(page, "probe_tls_version_info", "Returns the TLS version used or NaN when unknown");
    snprintf(labels, sizeof labels, "{version=\"%s\"}", d->tls_version);
    put_value(page, "probe_tls_version_info", labels, 1);
}

static void put_page(struct buf *page, const struct fetch_answer *f, bool failed_by_regex, bool ok, int64_t duration_ns)
{
    int protocol;
    int64_t modified_s;
    struct slice text;
    uint32_t hash = address_hash(f->details.ip, &protocol);
    put_gauge(page, "probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds", seconds(f->resolve_ns));
    put_gauge(page, "probe_duration_seconds", "Returns how long the probe took to complete in seconds", seconds(duration_ns));
    put_gauge(page, "probe_failed_due_to_regex", "Indicates if probe failed due to regex", failed_by_regex);
    put_gauge(page, "probe_http_content_length", "Length of http content response", content_length(f));
    put_phases(page, f);
    if (answer_header(buf_as_slice(&f->details.headers), SLICE("last-modified"), &text) && parse_http_date(text, &modified_s))
        put_gauge(page, "probe_http_last_modified_timestamp_seconds", "Returns the Last-Modified HTTP response header in unixtime",
                  (double)modified_s);
    put_gauge(page, "probe_http_redirects", "The number of redirects", f->redirects);
    put_gauge(page, "probe_http_ssl", "Indicates if SSL was used for the final redirect", f->is_tls && f->status);
    put_gauge(page, "probe_http_status_code", "Response HTTP status code", f->status);
    put_gauge(page, "probe_http_uncompressed_body_length", "Length of uncompressed response body", (double)f->body.len);
    put_gauge(page, "probe_http_version", "Returns the version of HTTP of the probe response", f->details.http_version / 10.0);
    put_gauge(page, "probe_ip_addr_hash", "Specifies the hash of IP address. It's useful to detect if the IP address changes.", hash);
    put_gauge(page, "probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6", protocol);
    put_tls(page, &f->details);
    put_gauge(page, "probe_success", "Displays whether or not the probe was a success", ok);
}

static enum status fetch_preferred(struct http_client *client, struct clock *clock, const struct module *m, struct fetch_request *req,
                                   struct fetch_answer *out, struct err *err)
{
    req->ip_version = m->prefer_ip4 ? 4 : 6;
    enum status st = fetch_do(client, clock, req, out, err);
    if (!st || !out->details.resolve_failed || !m->fallback)
        return st;
    fetch_answer_free(out);
    req->ip_version = 10 - req->ip_version;
    return fetch_do(client, clock, req, out, err);
}

static const struct module *find(const struct module_set *s, struct slice name)
{
    for (size_t i = 0; i < s->count; i++)
        if (slice_eq(s->list[i].name, name))
            return &s->list[i];
    return NULL;
}

enum status blackbox_probe(struct http_client *client, struct clock *clock, const struct module_set *modules, struct slice module,
                           struct slice target, int64_t timeout_ns, struct buf *page, struct err *err)
{
    const struct module *m = find(modules, module.len ? module : SLICE("http_2xx"));
    struct fetch_answer f;
    if (m == NULL)
        return err_set(err, ST_INVALID, "Unknown module \"%.*s\"", SLICE_FMT(slice_sub(module, 0, 200)));
    if (target.len == 0)
        return err_set(err, ST_INVALID, "Target parameter is missing");
    if (!m->is_http)
        return err_set(err, ST_UNSUPPORTED, "module \"%.*s\": only the prober http is served by this version", SLICE_FMT(m->name));
    struct arena *a = arena_new(0);
    bool has_scheme = slice_starts(target, SLICE("http://")) || slice_starts(target, SLICE("https://"));
    int64_t most_ns = m->timeout_ns ? m->timeout_ns : MODULE_TIMEOUT_DEFAULT_NS, start_ns = clock_mono_ns(clock);
    struct fetch_request req = {
        .method = m->method,
        .url = has_scheme ? target : arena_printf(a, "http://%.*s", SLICE_FMT(target)),
        .body = m->body,
        .headers = m->headers,
        .header_count = m->header_count,
        .ca_file = m->ca_file,
        .cert_file = m->cert_file,
        .key_file = m->key_file,
        .server_name = m->server_name,
        .user = m->user,
        .password = m->password,
        .bearer = m->bearer,
        .tls_insecure = m->tls_insecure,
        .follow_redirects = m->follow_redirects,
        .timeout_ns = timeout_ns > 0 ? MIN(timeout_ns, most_ns) : most_ns,
    };
    bool ok = !fetch_preferred(client, clock, m, &req, &f, err);
    /* blackbox_exporter counts the redirect that it does not follow. */
    if (ok && !m->follow_redirects && f.details.redirect_url.len)
        f.redirects++;
    bool regexes = !ok || passes_regexes(m, &f);
    ok = ok && regexes && has_status(m, f.status) && has_version(m, f.details.http_version) && !(f.is_tls ? m->fail_if_ssl : m->fail_if_not_ssl);
    put_page(page, &f, !regexes, ok, clock_mono_ns(clock) - start_ns);
    fetch_answer_free(&f);
    arena_free(a);
    return ST_OK;
}
