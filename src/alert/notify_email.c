/* SPDX-License-Identifier: Apache-2.0 */
/* Mail: text and HTML beside each other. All mails of an incident are one thread of conversation: the first one's Message-ID is
 * made of the incident's id, the later ones refer to it; so a mail that is sent twice is the same mail to a reader. */
#include <stdio.h>

#include "alert/notify.h"
#include "base/date.h"
#include "codec/hex.h"
#include "net/mail.h"
#include "sys/rand.h"

enum { ID_BYTES = 12, DATE_BYTES_MAX = 64, HEADERS_MAX = 50 };

struct email {
    struct mail_server server;
    struct slice password_file, from, domain;
    struct message_text to, subject, text, html;
    struct named_text *headers;
    size_t header_count;
};

/* ---- reading ---- */

static enum status texts_of(const struct yaml_node *n, const char *key, const struct yaml_node *global, const char *global_key, struct slice *out,
                            struct err *err)
{
    enum status st = yaml_text(global, slice_str(global_key), out, err);
    return st ? st : yaml_text(n, slice_str(key), out, err);
}

static enum status read_server(const struct setup_reading *r, const struct yaml_node *n, struct email *s, struct err *err)
{
    struct http_setup tls = {.user = SLICE_EMPTY};
    struct mail_server *m = &s->server;
    m->require_tls = true;
    m->timeout_ns = NOTIFY_TIMEOUT_NS;
    enum status st = texts_of(n, "smarthost", r->global, "smtp_smarthost", &m->address, err);
    if (!st)
        st = texts_of(n, "hello", r->global, "smtp_hello", &m->hello, err);
    if (!st)
        st = texts_of(n, "from", r->global, "smtp_from", &s->from, err);
    if (!st)
        st = texts_of(n, "auth_username", r->global, "smtp_auth_username", &m->user, err);
    if (!st)
        st = texts_of(n, "auth_password", r->global, "smtp_auth_password", &m->password, err);
    if (!st)
        st = texts_of(n, "auth_password_file", r->global, "smtp_auth_password_file", &s->password_file, err);
    if (!st)
        st = yaml_bool(r->global, SLICE("smtp_require_tls"), &m->require_tls, err);
    if (!st)
        st = yaml_bool(n, SLICE("require_tls"), &m->require_tls, err);
    if (!st)
        st = tls_setup_read(r, yaml_get(r->global, SLICE("smtp_tls_config")), &tls, err);
    if (!st)
        st = tls_setup_read(r, yaml_get(n, SLICE("tls_config")), &tls, err);
    m->ca_file = tls.ca_file;
    m->cert_file = tls.cert_file;
    m->key_file = tls.key_file;
    m->tls_insecure = tls.tls_insecure;
    if (!st && tls.server_name.len)
        return yaml_fail(n, err, "email_configs: server_name is not served: the smarthost's own name is checked");
    return st;
}

static enum status check(const struct setup_reading *r, const struct yaml_node *n, struct email *s, struct err *err)
{
    struct slice host, port, *from;
    size_t count;
    struct err why;
    if (s->server.address.len == 0)
        return yaml_fail(n, err, "email_configs: expected smarthost, or smtp_smarthost in global");
    if (!slice_cut(s->server.address, ':', &host, &port) || host.len == 0 || port.len == 0 ||
        slice_find_char(s->server.address, '/', 0) != SIZE_MAX || slice_find_char(s->server.address, '@', 0) != SIZE_MAX)
        return yaml_fail(n, err, "smarthost: found \"%.*s\", expected HOST:PORT", SLICE_FMT(s->server.address));
    if (mail_addresses_read(r->arena, s->from, &from, &count, &why) || count != 1)
        return yaml_fail(n, err, "email_configs: expected one mail address in from, or smtp_from in global; found \"%.*s\"", SLICE_FMT(s->from));
    for (size_t i = 0; i < s->server.hello.len; i++)
        if (s->server.hello.ptr[i] <= ' ' || s->server.hello.ptr[i] == '/')
            return yaml_fail(n, err, "hello: expected a host's name");
    s->domain = slice_skip(from[0], slice_find_char(from[0], '@', 0) + 1);
    if (gotmpl_is_plain(s->to.tmpl) && mail_addresses_read(r->arena, s->to.text, &from, &count, &why))
        return yaml_fail(n, err, "email_configs: to: %s", why.text);
    return ST_OK;
}

static enum status read_email(const struct setup_reading *r, const struct yaml_node *n, const void **out, struct err *err)
{
    static const struct slice keys[] = {
        SLICE_INIT("send_resolved"), SLICE_INIT("to"),            SLICE_INIT("from"),          SLICE_INIT("smarthost"),
        SLICE_INIT("hello"),         SLICE_INIT("auth_username"), SLICE_INIT("auth_password"), SLICE_INIT("auth_password_file"),
        SLICE_INIT("auth_secret"),   SLICE_INIT("auth_identity"), SLICE_INIT("require_tls"),   SLICE_INIT("tls_config"),
        SLICE_INIT("html"),          SLICE_INIT("text"),          SLICE_INIT("headers"),       SLICE_INIT("threading"),
        SLICE_INIT("force_implicit_tls"),
    };
    static const struct slice unserved[] = {SLICE_INIT("auth_secret"), SLICE_INIT("auth_identity"), SLICE_INIT("threading"),
                                            SLICE_INIT("force_implicit_tls")};
    struct email *s = arena_new_of(r->arena, struct email);
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = read_server(r, n, s, err);
    if (!st)
        st = message_text_read(r, n, SLICE("to"), SLICE_EMPTY, &s->to, err);
    if (!st)
        st = message_text_read(r, n, SLICE("html"), SLICE("{{ template \"email.default.html\" . }}"), &s->html, err);
    if (!st)
        st = message_text_read(r, n, SLICE("text"), SLICE("{{ template \"email.default.text\" . }}"), &s->text, err);
    if (!st)
        st = message_text_parse(r, SLICE("{{ template \"email.default.subject\" . }}"), &s->subject, err);
    if (!st)
        st = named_texts_read(r, yaml_get(n, SLICE("headers")), &s->headers, &s->header_count, err);
    if (!st && s->header_count > HEADERS_MAX)
        return yaml_fail(n, err, "headers: more than %d", HEADERS_MAX);
    if (!st)
        st = check(r, n, s, err);
    for (size_t i = 0; !st && i < COUNT_OF(unserved); i++)
        if (yaml_get(n, unserved[i]))
            buf_printf(r->warnings, "%.*s:%d: email_configs: %.*s is known but not served by this version\n", SLICE_FMT(n->file),
                       yaml_get(n, unserved[i])->line, SLICE_FMT(unserved[i]));
    *out = s;
    return st;
}

/* ---- sending ---- */

static const struct message_text *header_given(const struct email *s, struct slice name)
{
    for (size_t i = 0; i < s->header_count; i++)
        if (slice_eq_nocase(s->headers[i].name, name))
            return &s->headers[i].text;
    return NULL;
}

/* Those that we write ourselves, and those that would change what the message is. */
static bool is_ours(struct slice name)
{
    static const struct slice ours[] = {SLICE_INIT("subject"), SLICE_INIT("from"),       SLICE_INIT("to"),         SLICE_INIT("date"),
                                        SLICE_INIT("bcc"),     SLICE_INIT("message-id"), SLICE_INIT("references"), SLICE_INIT("in-reply-to")};
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        if (slice_eq_nocase(name, ours[i]))
            return true;
    return slice_eq_nocase(name, SLICE("mime-version")) || slice_eq_nocase(slice_sub(name, 0, 8), SLICE("content-"));
}

static void put_date(struct buf *out, int64_t ns)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    enum { DAY_S = 86400 };
    int64_t s = ns / NS_S, day = s / DAY_S;
    struct date d = date_of_days(day);
    int in_day = (int)(s - day * DAY_S);
    buf_printf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[date_weekday(day)], d.day, months[d.month - 1], (int)d.year,
               in_day / 3600, in_day / 60 % 60, in_day % 60);
}

static void put_ids(struct buf *out, const struct email *s, const struct notice *n)
{
    uint8_t random[ID_BYTES];
    char text[2 * ID_BYTES];
    sys_random(random, sizeof random);
    hex_encode(slice_of(random, sizeof random), text);
    if (n->is_first) {
        buf_printf(out, "Message-ID: <%.*s@%.*s>\r\n", SLICE_FMT(n->incident_id), SLICE_FMT(s->domain));
        return;
    }
    buf_printf(out, "Message-ID: <%.*s.%.*s@%.*s>\r\n", SLICE_FMT(n->incident_id), (int)sizeof text, text, SLICE_FMT(s->domain));
    buf_printf(out, "In-Reply-To: <%.*s@%.*s>\r\nReferences: <%.*s@%.*s>\r\n", SLICE_FMT(n->incident_id), SLICE_FMT(s->domain),
               SLICE_FMT(n->incident_id), SLICE_FMT(s->domain));
}

static enum status write_mail(const struct email *s, const struct notice *n, struct slice to, struct buf *out, struct err *err)
{
    const struct message_text *subject = header_given(s, SLICE("subject"));
    uint8_t random[ID_BYTES];
    char mark[2 * ID_BYTES];
    sys_random(random, sizeof random);
    hex_encode(slice_of(random, sizeof random), mark);
    struct slice boundary = arena_printf(n->arena, "stoa-%.*s", (int)sizeof mark, mark);
    enum status st = mail_put_addresses(n->arena, out, SLICE("From"), s->from, err);
    if (!st)
        st = mail_put_addresses(n->arena, out, SLICE("To"), to, err);
    if (st)
        return st;
    mail_put_header(out, SLICE("Subject"), notice_text(n, subject ? subject : &s->subject));
    put_date(out, n->now_ns);
    put_ids(out, s, n);
    for (size_t i = 0; i < s->header_count; i++)
        if (!is_ours(s->headers[i].name))
            mail_put_header(out, s->headers[i].name, notice_text(n, &s->headers[i].text));
    buf_slice(out, SLICE("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"));
    buf_printf(out, "Content-Type: multipart/alternative; boundary=\"%.*s\"\r\n\r\n", SLICE_FMT(boundary));
    struct slice text = notice_text(n, &s->text), html = notice_text(n, &s->html);
    if (text.len || html.len == 0)
        mail_put_part(out, boundary, SLICE("text/plain"), text);
    if (html.len)
        mail_put_part(out, boundary, SLICE("text/html"), html);
    buf_printf(out, "--%.*s--\r\n", SLICE_FMT(boundary));
    return buf_over(out) ? err_set(err, ST_INVALID, "the mail has over %d bytes", NOTIFY_BODY_BYTES_MAX) : ST_OK;
}

static enum status send_email(const void *settings, const struct notify_env *env, const struct notice *n, struct err *err)
{
    const struct email *s = settings;
    struct mail_server server = s->server;
    struct slice to = notice_text(n, &s->to), *recipients, *from;
    size_t count, from_count;
    struct buf b;
    enum status st = mail_addresses_read(n->arena, to, &recipients, &count, err);
    if (!st)
        st = mail_addresses_read(n->arena, s->from, &from, &from_count, err);
    if (!st && s->password_file.len)
        st = notify_secret(n->arena, s->password_file, &server.password, err);
    if (st)
        return st;
    buf_init(&b, NOTIFY_BODY_BYTES_MAX);
    st = write_mail(s, n, to, &b, err);
    if (!st)
        st = mail_send(&server, from[0], recipients, count, buf_as_slice(&b), env->cancelled, err);
    buf_free(&b);
    return st;
}

const struct notifier notifier_email = {"email", SLICE_INIT("email_configs"), false, read_email, send_email};
