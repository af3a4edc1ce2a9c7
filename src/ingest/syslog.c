/* SPDX-License-Identifier: Apache-2.0 */
/* The header is read part by part; the first part that is not there ends it, and the rest is the message.
 *
 * (1) A time without a zone is local to us. When that lies ahead of its arrival, the sender's clock is in another zone: it is
 *     moved back by the quarter hours that bring it nearest to its arrival. Times behind stay: they may be old messages.
 * (2) A message in JSON or logfmt that tells its level knows better than the priority, which Docker and others set to the
 *     same for every line. */
#include "ingest/syslog.h"

#include "base/num.h"
#include "base/utf8.h"
#include "codec/hex.h"
#include "ingest/parse_rule.h"
#include "ingest/recognise.h"
#include "ingest/times.h"

enum { PRIORITY_MAX = 191, QUARTER_HOUR_SECONDS = 900, FIELDS_FIXED = 6, SEQUENCE_DIGITS_MAX = 10 };

struct reading {
    const struct syslog_ctx *ctx;
    struct batch *out;
    int64_t time_ns; /* 0: none told */
    struct slice host, app, pid, id;
    struct field fields[SYSLOG_PARAMS_MAX + FIELDS_FIXED];
    uint32_t field_count;
};

static char peek(struct slice s)
{
    return s.len ? s.ptr[0] : 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || memchr("._-/:@+", c, 7);
}

static struct slice skip_spaces(struct slice s)
{
    while (peek(s) == ' ')
        s = slice_skip(s, 1);
    return s;
}

static struct slice take_word(struct slice *s)
{
    struct slice word;
    slice_cut(*s, ' ', &word, s);
    return word;
}

/* Field texts and labels are UTF-8; a message may be anything. */
static struct slice repaired(struct reading *r, struct slice s)
{
    if (utf8_is_valid(s))
        return s;
    struct buf room;
    buf_init(&room, 0);
    utf8_repair(s, &room);
    struct slice text = arena_copy(r->out->arena, buf_as_slice(&room));
    buf_free(&room);
    return text;
}

static void field_add(struct reading *r, struct slice name, struct slice text)
{
    if (name.len && r->field_count < SYSLOG_PARAMS_MAX + FIELDS_FIXED)
        r->fields[r->field_count++] =
            (struct field){ .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = repaired(r, name), .text = repaired(r, text) };
}

static void field_add_told(struct reading *r, struct slice name, struct slice text)
{
    if (text.len)
        field_add(r, name, text);
}

static bool take_priority(struct slice *s, unsigned *out)
{
    uint64_t v;
    size_t end = slice_find_char(slice_sub(*s, 0, 5), '>', 1);
    if (peek(*s) != '<' || end == SIZE_MAX || !num_parse_u64(slice_sub(*s, 1, end), &v) || v > PRIORITY_MAX)
        return false;
    *out = (unsigned)v;
    *s = slice_skip(*s, end + 1);
    return true;
}

/* Says (1). */
static int64_t time_of(const struct reading *r, struct civil *c)
{
    if (c->year == 0)
        civil_guess_year(c, r->ctx->received_ns);
    int64_t t = civil_ns(c, r->ctx->zone_offset_s);
    int64_t ahead_s = c->has_zone || t < r->ctx->received_ns ? 0 : (t - r->ctx->received_ns) / NS_S;
    if (ahead_s > SYSLOG_ZONE_AHEAD_SECONDS && ahead_s <= SYSLOG_ZONE_SECONDS_MAX + SYSLOG_ZONE_AHEAD_SECONDS)
        t -= (ahead_s + QUARTER_HOUR_SECONDS / 2) / QUARTER_HOUR_SECONDS * QUARTER_HOUR_SECONDS * NS_S;
    return t;
}

/* ---- RFC 5424 ---- */

static struct slice nil_as_empty(struct slice s)
{
    return slice_eq(s, SLICE("-")) ? SLICE_EMPTY : s;
}

/* Without the backslashes before '"', '\' and ']'. */
static struct slice unescaped(struct reading *r, struct slice s)
{
    if (slice_find_char(s, '\\', 0) == SIZE_MAX)
        return s;
    char *to = arena_alloc(r->out->arena, s.len);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\\' && i + 1 < s.len && memchr("\"\\]", s.ptr[i + 1], 3))
            i++;
        to[n++] = s.ptr[i];
    }
    return slice_of(to, n);
}

/* Up to the quote that no backslash is before; SIZE_MAX: none. */
static size_t quote_end(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"')
            return i;
        i += s.ptr[i] == '\\';
    }
    return SIZE_MAX;
}

static size_t name_end(struct slice s)
{
    size_t n = 0;
    while (n < s.len && (uint8_t)s.ptr[n] > ' ' && !memchr("=]\"", s.ptr[n], 3))
        n++;
    return n;
}

/* [id name="value" ...]: fields id.name; an element without pairs is a field of its id. False: no such thing, and nothing is taken. */
static bool take_element(struct reading *r, struct slice *rest)
{
    struct slice s = slice_skip(*rest, 1), id = slice_sub(s, 0, name_end(s));
    uint32_t before = r->field_count;
    s = slice_skip(s, id.len);
    while (id.len && peek(skip_spaces(s)) != ']') {
        struct slice pair = skip_spaces(s), name = slice_sub(pair, 0, name_end(pair));
        struct slice value = slice_skip(pair, name.len);
        size_t end = slice_starts(value, SLICE("=\"")) ? quote_end(slice_skip(value, 2)) : SIZE_MAX;
        if (name.len == 0 || end == SIZE_MAX) {
            r->field_count = before;
            return false;
        }
        value = slice_skip(value, 2);
        if (r->field_count < SYSLOG_PARAMS_MAX)
            field_add(r, arena_printf(r->out->arena, "%.*s.%.*s", SLICE_FMT(id), SLICE_FMT(name)), unescaped(r, slice_sub(value, 0, end)));
        s = slice_skip(value, end + 1);
    }
    if (id.len == 0)
        return false;
    if (r->field_count == before && r->field_count < SYSLOG_PARAMS_MAX)
        field_add(r, id, SLICE_EMPTY);
    *rest = slice_skip(skip_spaces(s), 1);
    return true;
}

/* Behind "1 ". Also what leaves structured data out, and Meraki's seconds since 1970 with nothing but a host behind them. */
static bool read_5424(struct reading *r, struct slice *rest)
{
    struct civil c;
    struct slice s = *rest, when = take_word(&s), whole = when;
    if (time_take_iso(&when, &c) && when.len == 0) {
        r->time_ns = time_of(r, &c);
    } else if (time_parse(whole, 0, &r->time_ns)) {
        r->host = take_word(&s);
        *rest = s;
        return true;
    } else if (!slice_eq(whole, SLICE("-"))) {
        return false;
    }
    r->host = nil_as_empty(take_word(&s));
    r->app = nil_as_empty(take_word(&s));
    r->pid = nil_as_empty(take_word(&s));
    r->id = nil_as_empty(take_word(&s));
    if (peek(s) == '-' && (s.len == 1 || s.ptr[1] == ' ')) {
        s = slice_skip(s, 1);
    } else {
        while (peek(s) == '[' && take_element(r, &s))
            continue;
    }
    if (peek(s) == ' ')
        s = slice_skip(s, 1);
    *rest = slice_starts(s, SLICE("\xef\xbb\xbf")) ? slice_skip(s, 3) : s;
    return true;
}

/* ---- RFC 3164 ---- */

/* Cisco's "123: " or "000123: " before the time, and the mark of a clock that is not set. */
static struct slice skip_sequence(struct slice s)
{
    size_t n = 0;
    while (n < s.len && n < SEQUENCE_DIGITS_MAX && is_digit(s.ptr[n]))
        n++;
    struct slice after = n && n < s.len && s.ptr[n] == ':' ? skip_spaces(slice_skip(s, n + 1)) : s;
    return peek(after) == '*' || peek(after) == '.' ? slice_skip(after, 1) : after;
}

/* " 2026" behind the day (ASA) or the clock. */
static bool take_year(struct slice *rest, struct civil *c)
{
    uint64_t v;
    struct slice s = *rest;
    if (s.len < 5 || s.ptr[0] != ' ' || !num_parse_u64(slice_sub(s, 1, 5), &v) || v < 1970 || v > 2200)
        return false;
    if (s.len > 5 && s.ptr[5] != ' ' && s.ptr[5] != ':')
        return false;
    c->year = (int)v;
    *rest = slice_skip(s, 5);
    return true;
}

/* "Nov 22 2026 13:16:01" as the shape without its year. */
static bool take_time_with_year(struct reading *r, struct slice *rest, struct civil *c)
{
    struct slice s = *rest, year = slice_skip(s, MIN(s.len, 6));
    if (s.len < 20 || !take_year(&year, c))
        return false;
    int y = c->year;
    struct slice joined = arena_printf(r->out->arena, "%.*s%.*s", SLICE_FMT(slice_sub(s, 0, 6)), SLICE_FMT(slice_sub(year, 0, 20)));
    struct slice left = joined;
    if (!time_take_syslog(&left, c))
        return false;
    c->year = y;
    *rest = slice_skip(s, 11 + joined.len - left.len - 6);
    return true;
}

static bool take_time(struct reading *r, struct slice *rest)
{
    struct civil c;
    struct slice s = skip_sequence(*rest), end;
    if (time_take_syslog(&s, &c))
        (void)take_year(&s, &c);
    else if (!time_take_iso(&s, &c) && !take_time_with_year(r, &s, &c))
        return false;
    if (slice_starts(s, SLICE(" UTC"))) { /* IOS, told to show it */
        c.has_zone = true;
        c.zone_s = 0;
        s = slice_skip(s, 4);
    }
    end = s;
    if (peek(s) == ':')
        s = slice_skip(s, 1);
    if (peek(s) != ' ' && s.len)
        return false;
    r->time_ns = time_of(r, &c);
    *rest = end.len && peek(end) == ':' ? s : skip_spaces(s);
    return true;
}

/* app[123]: or app: or app[123]; "@cee:" is no program */
static bool take_tag(struct reading *r, struct slice *rest)
{
    struct slice s = *rest;
    size_t n = 0;
    while (n < s.len && n < SYSLOG_NAME_BYTES_MAX && s.ptr[n] != ':' && s.ptr[n] != '[' && (is_name(s.ptr[n]) || memchr("()", s.ptr[n], 2)))
        n++;
    struct slice tag = slice_sub(s, 0, n), pid = SLICE_EMPTY;
    if (n == 0 || n == s.len || s.ptr[0] == '@' || (s.ptr[n] != '[' && (s.ptr[n] != ':' || is_digit(s.ptr[0]))))
        return false;
    s = slice_skip(s, n);
    if (peek(s) == '[') {
        size_t end = slice_find_char(slice_sub(s, 0, MIN(s.len, SYSLOG_NAME_BYTES_MAX)), ']', 1);
        if (end == SIZE_MAX || slice_find_char(slice_sub(s, 1, end), ' ', 0) != SIZE_MAX)
            return false;
        pid = slice_sub(s, 1, end);
        s = slice_skip(s, end + 1);
    }
    bool has_colon = peek(s) == ':';
    if (has_colon)
        s = slice_skip(s, 1);
    if (s.len && s.ptr[0] != ' ' && (pid.len == 0 || !has_colon))
        return false;
    r->app = slice_sub(tag, 0, slice_find_char(tag, '(', 1)); /* sshd(pam_unix) */
    r->pid = pid;
    *rest = peek(s) == ' ' ? slice_skip(s, 1) : s;
    return true;
}

static bool is_host(struct slice word)
{
    for (size_t i = 0; i < word.len; i++)
        if (!is_name(word.ptr[i]) || memchr("/@+", word.ptr[i], 3))
            return false;
    return word.len && word.len <= SYSLOG_NAME_BYTES_MAX && word.ptr[word.len - 1] != ':';
}

static void read_3164(struct reading *r, struct slice *rest)
{
    struct slice after;
    if (!take_time(r, rest)) {
        (void)take_tag(r, rest);
        return;
    }
    if (slice_starts(*rest, SLICE(": ")) || peek(*rest) == ':')
        *rest = slice_skip(*rest, 1);
    else if (peek(*rest) == ' ') { /* "time: %ASA-6-...": no host */
        *rest = skip_spaces(*rest);
        return;
    }
    if (take_tag(r, rest)) /* no host, as on the machine itself */
        return;
    after = *rest;
    struct slice host = take_word(&after);
    if (!is_host(host))
        return;
    r->host = host;
    *rest = skip_spaces(after);
    (void)take_tag(r, rest);
}

/* ---- the record ---- */

static const char *facility_name(unsigned facility)
{
    static const char *const names[] = { "kern",   "user",     "mail",   "daemon", "auth",   "syslog", "lpr",    "news",
                                         "uucp",   "cron",     "authpriv", "ftp",  "ntp",    "audit",  "alert",  "clock",
                                         "local0", "local1",   "local2", "local3", "local4", "local5", "local6", "local7" };
    return names[MIN(facility, COUNT_OF(names) - 1)];
}

static struct slice stream_of(struct reading *r, struct slice service)
{
    struct label pairs[3] = { { SLICE("service_name"), service }, { SLICE("source"), SLICE("syslog") }, { SLICE("host"), r->host } };
    struct slice stream;
    if (labels_build(r->out->arena, pairs, r->host.len ? 3 : 2, &stream, NULL) == ST_OK)
        return stream;
    struct label plain[2] = { { SLICE("service_name"), SLICE("unknown_service") }, { SLICE("source"), SLICE("syslog") } };
    return labels_build(r->out->arena, plain, 2, &stream, NULL) == ST_OK ? stream : SLICE_EMPTY;
}

static void ids_read(struct event *e, const struct recognised *said)
{
    uint8_t id[sizeof e->trace_id];
    if (said->trace.len == 2 * sizeof e->trace_id && hex_decode(said->trace, id))
        memcpy(e->trace_id, id, sizeof e->trace_id);
    if (said->span.len == 2 * sizeof e->span_id && hex_decode(said->span, id))
        memcpy(e->span_id, id, sizeof e->span_id);
}

static void record_add(struct reading *r, struct slice line, bool has_priority, unsigned priority)
{
    struct recognised said;
    struct slice inner = slice_starts(line, SLICE("@cee:")) ? skip_spaces(slice_skip(line, 5)) : line;
    recognise(inner, r->ctx->received_ns, r->ctx->zone_offset_s, &said);
    struct field found[PARSE_FIELDS_MAX];
    uint32_t found_count = 0;
    bool is_parsed = r->ctx->parse && parse_rule_apply(r->ctx->parse, inner, r->ctx->received_ns, r->ctx->zone_offset_s, &said, found, &found_count);
    bool is_structured = is_parsed || slice_eq(said.format, SLICE("json")) || slice_eq(said.format, SLICE("logfmt"));
    bool is_said = said.service.len && (is_parsed || r->app.len == 0);
    struct slice service = is_said ? said.service : r->app.len ? r->app : SLICE("unknown_service");
    struct event *e = batch_event(r->out);
    e->kind = EVENT_LOG;
    e->body = line;
    e->observed_ns = r->ctx->received_ns;
    e->time_ns = r->time_ns > 0 ? r->time_ns : said.time_ns > 0 ? said.time_ns : r->ctx->received_ns;
    e->severity = has_priority && !(is_structured && said.severity) ? severity_of_syslog(priority & 7) : said.severity;
    r->host = repaired(r, slice_sub(r->host, 0, MIN(r->host.len, SYSLOG_NAME_BYTES_MAX)));
    e->stream = stream_of(r, repaired(r, slice_sub(service, 0, MIN(service.len, SYSLOG_NAME_BYTES_MAX))));
    e->service = labels_get(e->stream, SLICE("service_name"));
    ids_read(e, &said);
    if (has_priority)
        field_add(r, SLICE("facility"), slice_str(facility_name(priority >> 3)));
    field_add_told(r, SLICE("host"), r->host.len ? r->host : said.host);
    field_add_told(r, SLICE("pid"), r->pid.len ? r->pid : said.pid);
    field_add_told(r, SLICE("msgid"), r->id);
    field_add_told(r, SLICE("logger"), said.logger);
    e->fields = arena_array(r->out->arena, struct field, r->field_count + found_count);
    for (uint32_t i = 0; i < r->field_count; i++)
        e->fields[e->field_count++] = r->fields[i];
    for (uint32_t i = 0; i < found_count; i++) {
        found[i].name = arena_copy(r->out->arena, found[i].name);
        e->fields[e->field_count++] = found[i];
    }
}

/* Without line breaks and zeros at its end, which are framing. */
static struct slice without_end(struct slice s)
{
    while (s.len && memchr("\r\n", s.ptr[s.len - 1], 3)) /* and the literal's zero */
        s.len--;
    return s;
}

bool syslog_decode(const struct syslog_ctx *ctx, struct slice message, struct batch *out)
{
    struct slice rest = without_end(message);
    if (slice_trim(rest).len == 0)
        return false;
    rest = arena_copy(out->arena, rest);
    struct reading r; /* its fields are written before they are read */
    r.ctx = ctx;
    r.out = out;
    r.time_ns = 0;
    r.host = r.app = r.pid = r.id = SLICE_EMPTY;
    r.field_count = 0;
    unsigned priority = 0;
    bool has_priority = take_priority(&rest, &priority), is_read = false;
    if (has_priority && slice_starts(rest, SLICE("1 "))) {
        struct slice s = slice_skip(rest, 2);
        is_read = read_5424(&r, &s);
        rest = is_read ? s : rest;
    }
    if (!is_read)
        read_3164(&r, &rest);
    record_add(&r, rest, has_priority, priority);
    return true;
}
