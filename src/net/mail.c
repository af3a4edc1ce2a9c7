/* SPDX-License-Identifier: Apache-2.0 */
/* Texts travel in base64: no line of ours is longer than SMTP allows, none starts with a dot, and no byte needs the server's
 * leave. */
#include "net/mail.h"

#include <curl/curl.h>

#include "base/utf8.h"
#include "codec/hex.h"

enum { WORD_BYTES_MAX = 45, LINE_BYTES = 57, CONNECT_SECONDS_MAX = 30, TLS_PORT = 465 };

/* ---- headers ---- */

bool mail_address_is_valid(struct slice s)
{
    size_t at = slice_find_char(s, '@', 0);
    if (s.len > MAIL_ADDRESS_BYTES_MAX || at == 0 || at >= s.len - (s.len > 0) || slice_find_char(s, '@', at + 1) != SIZE_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '<' || c == '>' || c == '"' || c == ',' || c == ';' || c == '\\' || c == '(' || c == ')')
            return false;
    }
    return true;
}

static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' || (unsigned char)s.ptr[i] >= 0x7f)
            return false;
    return !slice_contains(s, SLICE("=?"));
}

/* Encoded words of whole characters, one a line. Line breaks and other control characters become spaces. */
static void put_words(struct buf *out, struct slice value)
{
    char clean[WORD_BYTES_MAX + 1];
    for (bool first = true; value.len; first = false) {
        struct slice piece = utf8_cut(value, WORD_BYTES_MAX);
        if (piece.len == 0)
            piece = slice_sub(value, 0, 1);
        value = slice_skip(value, piece.len);
        for (size_t i = 0; i < piece.len; i++)
            clean[i] = (unsigned char)piece.ptr[i] < ' ' || piece.ptr[i] == 0x7f ? ' ' : piece.ptr[i];
        buf_slice(out, first ? SLICE("=?utf-8?B?") : SLICE("\r\n =?utf-8?B?"));
        base64_encode(slice_of(clean, piece.len), out);
        buf_slice(out, SLICE("?="));
    }
}

/* Folded at spaces, so that no line is long. */
static void put_plain(struct buf *out, struct slice value, size_t column)
{
    enum { FOLD_AT = 76 };
    struct slice word;
    for (bool first = true; slice_next(&value, ' ', &word); first = false) {
        if (!first)
            buf_slice(out, column + word.len + 1 > FOLD_AT && word.len ? SLICE("\r\n ") : SLICE(" "));
        column = !first && column + word.len + 1 > FOLD_AT ? word.len + 1 : column + word.len + 1;
        buf_slice(out, word);
    }
}

static bool has_long_word(struct slice s)
{
    enum { LONG = 900 };
    struct slice word;
    while (slice_next(&s, ' ', &word))
        if (word.len > LONG)
            return true;
    return false;
}

void mail_put_header(struct buf *out, struct slice name, struct slice value)
{
    value = slice_trim(utf8_cut(value, MAIL_HEADER_BYTES_MAX));
    for (size_t i = 0; i < name.len; i++) /* a name is printable and has no colon, or there is no header */
        if (name.ptr[i] <= ' ' || name.ptr[i] >= 0x7f || name.ptr[i] == ':')
            return;
    buf_slice(out, name);
    buf_slice(out, SLICE(": "));
    if (is_plain(value) && !has_long_word(value))
        put_plain(out, value, name.len + 2);
    else
        put_words(out, value);
    buf_slice(out, SLICE("\r\n"));
}

/* The name and the bare address of one entry. */
static enum status entry_read(struct slice entry, struct slice *name, struct slice *address, struct err *err)
{
    size_t from = slice_find_char(entry, '<', 0);
    *name = SLICE_EMPTY;
    *address = slice_trim(entry);
    if (from != SIZE_MAX) {
        size_t to = slice_find_char(entry, '>', from);
        *name = slice_trim(slice_sub(entry, 0, from));
        *address = slice_trim(slice_sub(entry, from + 1, to == SIZE_MAX ? from + 1 : to));
        if (name->len >= 2 && name->ptr[0] == '"' && slice_ends(*name, SLICE("\"")))
            *name = slice_sub(*name, 1, name->len - 1);
    }
    if (!mail_address_is_valid(*address))
        return err_set(err, ST_INVALID, "\"%.*s\" is no mail address", SLICE_FMT(utf8_cut(slice_trim(entry), 100)));
    return ST_OK;
}

enum status mail_addresses_read(struct arena *a, struct slice text, struct slice **out, size_t *count, struct err *err)
{
    struct slice entry, name, *list = arena_array(a, struct slice, MAIL_RECIPIENTS_MAX);
    size_t n = 0;
    while (slice_next(&text, ',', &entry)) {
        if (slice_trim(entry).len == 0)
            continue;
        if (n == MAIL_RECIPIENTS_MAX)
            return err_set(err, ST_LIMIT, "more than %d mail addresses", MAIL_RECIPIENTS_MAX);
        enum status st = entry_read(entry, &name, &list[n], err);
        if (st)
            return st;
        n++;
    }
    if (n == 0)
        return err_set(err, ST_INVALID, "no mail address is given");
    *out = list;
    *count = n;
    return ST_OK;
}

enum status mail_put_addresses(struct arena *a, struct buf *out, struct slice name, struct slice list, struct err *err)
{
    struct slice entry, *checked;
    size_t count;
    enum status st = mail_addresses_read(a, list, &checked, &count, err);
    if (st)
        return st;
    buf_slice(out, name);
    buf_slice(out, SLICE(": "));
    for (bool first = true; slice_next(&list, ',', &entry);) {
        struct slice person, address;
        if (slice_trim(entry).len == 0)
            continue;
        st = entry_read(entry, &person, &address, err);
        if (st)
            return st;
        if (!first)
            buf_slice(out, SLICE(",\r\n "));
        first = false;
        if (person.len)
            put_words(out, utf8_cut(person, MAIL_HEADER_BYTES_MAX));
        buf_printf(out, "%s<%.*s>", person.len ? " " : "", SLICE_FMT(address));
    }
    buf_slice(out, SLICE("\r\n"));
    return ST_OK;
}

void mail_put_part(struct buf *out, struct slice boundary, struct slice content_type, struct slice text)
{
    buf_printf(out, "--%.*s\r\nContent-Type: %.*s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n", SLICE_FMT(boundary),
               SLICE_FMT(content_type));
    while (text.len) {
        base64_encode(slice_sub(text, 0, LINE_BYTES), out);
        buf_slice(out, SLICE("\r\n"));
        text = slice_skip(text, LINE_BYTES);
    }
    buf_slice(out, SLICE("\r\n"));
}

/* ---- sending ---- */

struct transfer {
    struct slice rest;
    const atomic_bool *cancelled;
};

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    n = MIN(size * n, t->rest.len);
    memcpy(to, t->rest.ptr, n);
    t->rest = slice_skip(t->rest, n);
    return n;
}

static int on_progress(void *arg, curl_off_t dl_total, curl_off_t dl_now, curl_off_t ul_total, curl_off_t ul_now)
{
    const struct transfer *t = arg;
    (void)dl_total, (void)dl_now, (void)ul_total, (void)ul_now;
    return t->cancelled && atomic_load(t->cancelled);
}

static void set_text(CURL *e, CURLoption option, struct arena *a, struct slice value)
{
    if (value.len)
        curl_easy_setopt(e, option, arena_copy(a, value).ptr);
}

static void set_server(CURL *e, struct arena *a, const struct mail_server *s)
{
    size_t colon = s->address.len;
    while (colon > 0 && s->address.ptr[colon - 1] != ':')
        colon--;
    bool is_smtps = slice_eq(slice_skip(s->address, colon), SLICE("465"));
    static_assert(TLS_PORT == 465, "as compared above");
    struct slice hello = s->hello.len ? s->hello : SLICE("localhost");
    curl_easy_setopt(e, CURLOPT_URL, arena_printf(a, "%s://%.*s/%.*s", is_smtps ? "smtps" : "smtp", SLICE_FMT(s->address), SLICE_FMT(hello)).ptr);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_USE_SSL, s->require_tls ? (long)CURLUSESSL_ALL : (long)CURLUSESSL_TRY);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, s->tls_insecure ? 0L : 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, s->tls_insecure ? 0L : 2L);
    set_text(e, CURLOPT_CAINFO, a, s->ca_file);
    set_text(e, CURLOPT_SSLCERT, a, s->cert_file);
    set_text(e, CURLOPT_SSLKEY, a, s->key_file);
    if (s->user.len) {
        set_text(e, CURLOPT_USERNAME, a, s->user);
        curl_easy_setopt(e, CURLOPT_PASSWORD, arena_copy(a, s->password).ptr);
    }
}

static enum status verdict(CURLcode code, long reply, const char *reason, struct slice server, struct err *err)
{
    enum { REFUSED = 500, BUSY = 400 };
    enum status st = ST_UNAVAILABLE;
    if (code == CURLE_OK)
        return ST_OK;
    if (code == CURLE_OPERATION_TIMEDOUT)
        st = ST_TIMEOUT;
    else if (code == CURLE_ABORTED_BY_CALLBACK)
        st = ST_CANCELLED;
    else if (reply >= REFUSED || code == CURLE_LOGIN_DENIED || code == CURLE_USE_SSL_FAILED || code == CURLE_PEER_FAILED_VERIFICATION ||
             code == CURLE_SSL_CACERT_BADFILE || code == CURLE_URL_MALFORMAT)
        st = ST_INVALID;
    if (reply >= BUSY)
        return err_set(err, st, "mail server %.*s: answer %ld: %s", SLICE_FMT(server), reply, reason[0] ? reason : curl_easy_strerror(code));
    return err_set(err, st, "mail server %.*s: %s", SLICE_FMT(server), reason[0] ? reason : curl_easy_strerror(code));
}

enum status mail_send(const struct mail_server *s, struct slice from, const struct slice *to, size_t to_count, struct slice message,
                      const atomic_bool *cancelled, struct err *err)
{
    struct transfer t = {message, cancelled};
    char reason[CURL_ERROR_SIZE] = "";
    long reply = 0;
    struct curl_slist *recipients = NULL;
    if (!mail_address_is_valid(from))
        return err_set(err, ST_INVALID, "\"%.*s\" is no mail address to send from", SLICE_FMT(utf8_cut(from, 100)));
    struct arena *a = arena_new(0);
    CURL *e = curl_easy_init();
    assert(e);
    for (size_t i = 0; i < to_count; i++)
        if (mail_address_is_valid(to[i]))
            recipients = curl_slist_append(recipients, arena_printf(a, "<%.*s>", SLICE_FMT(to[i])).ptr);
    set_server(e, a, s);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(e, CURLOPT_MAIL_FROM, arena_printf(a, "<%.*s>", SLICE_FMT(from)).ptr);
    curl_easy_setopt(e, CURLOPT_MAIL_RCPT, recipients);
    curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(e, CURLOPT_READDATA, &t);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(e, CURLOPT_XFERINFODATA, &t);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS_MAX);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(s->timeout_ns / NS_MS));
    CURLcode code = curl_easy_perform(e);
    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &reply);
    enum status st = verdict(code, reply, reason, s->address, err);
    curl_easy_cleanup(e);
    curl_slist_free_all(recipients);
    arena_free(a);
    return st;
}
