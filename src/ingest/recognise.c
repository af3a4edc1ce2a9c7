/* SPDX-License-Identifier: Apache-2.0 */
/* One reader per family of formats, tried in order; the first that is sure wins.
 *
 * Each looks at the front of the line only and gives up early, so a plain line costs a few compares. Readers fill what they
 * are certain of. What none of them found (a severity) is asked of severity_detect. The table at the end is the list. */
#include "ingest/recognise.h"

#include "base/num.h"
#include "ingest/times.h"
#include "model/event.h"
#include "model/trace_context.h"

enum { TOKENS_MAX = 6, PAIRS_MAX = 64, NAME_BYTES_MAX = 64, NESTING_MAX = 32, DAY_SECONDS = 86400, CLOCK_NEAR_SECONDS = 3600 };

/* What a reader may know beside the line. */
struct scene {
    int64_t received_ns;
    int32_t zone_offset_s;
};

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(struct slice s)
{
    return s.len ? s.ptr[0] : 0;
}

static struct slice skip_spaces(struct slice s)
{
    while (peek(s) == ' ' || peek(s) == '\t')
        s = slice_skip(s, 1);
    return s;
}

static struct slice take_word(struct slice *s)
{
    struct slice word;
    slice_cut(*s, ' ', &word, s);
    return word;
}

/* ---- JSON and logfmt: what a name means ---- */

enum role { ROLE_TIME, ROLE_SEVERITY, ROLE_MESSAGE, ROLE_SERVICE, ROLE_LOGGER, ROLE_HOST, ROLE_TRACE, ROLE_SPAN, ROLE_CONTEXT };

static const struct {
    struct slice name;
    enum role role;
} roles[] = {
    { SLICE_INIT("time"), ROLE_TIME },           { SLICE_INIT("ts"), ROLE_TIME },
    { SLICE_INIT("timestamp"), ROLE_TIME },      { SLICE_INIT("@timestamp"), ROLE_TIME },
    { SLICE_INIT("t"), ROLE_TIME },              { SLICE_INIT("@t"), ROLE_TIME },
    { SLICE_INIT("datetime"), ROLE_TIME },       { SLICE_INIT("asctime"), ROLE_TIME },
    { SLICE_INIT("level"), ROLE_SEVERITY },      { SLICE_INIT("severity"), ROLE_SEVERITY },
    { SLICE_INIT("lvl"), ROLE_SEVERITY },        { SLICE_INIT("levelname"), ROLE_SEVERITY },
    { SLICE_INIT("loglevel"), ROLE_SEVERITY },   { SLICE_INIT("log.level"), ROLE_SEVERITY },
    { SLICE_INIT("@l"), ROLE_SEVERITY },         { SLICE_INIT("severity_text"), ROLE_SEVERITY },
    { SLICE_INIT("msg"), ROLE_MESSAGE },         { SLICE_INIT("message"), ROLE_MESSAGE },
    { SLICE_INIT("@m"), ROLE_MESSAGE },          { SLICE_INIT("service"), ROLE_SERVICE },
    { SLICE_INIT("service.name"), ROLE_SERVICE },{ SLICE_INIT("service_name"), ROLE_SERVICE },
    { SLICE_INIT("serviceName"), ROLE_SERVICE }, { SLICE_INIT("app"), ROLE_SERVICE },
    { SLICE_INIT("application"), ROLE_SERVICE }, { SLICE_INIT("logger"), ROLE_LOGGER },
    { SLICE_INIT("logger_name"), ROLE_LOGGER },  { SLICE_INIT("log.logger"), ROLE_LOGGER },
    { SLICE_INIT("caller"), ROLE_LOGGER },       { SLICE_INIT("host"), ROLE_HOST },
    { SLICE_INIT("hostname"), ROLE_HOST },       { SLICE_INIT("host.name"), ROLE_HOST },
    { SLICE_INIT("trace_id"), ROLE_TRACE },      { SLICE_INIT("traceId"), ROLE_TRACE },
    { SLICE_INIT("traceID"), ROLE_TRACE },       { SLICE_INIT("trace.id"), ROLE_TRACE },
    { SLICE_INIT("traceid"), ROLE_TRACE },       { SLICE_INIT("span_id"), ROLE_SPAN },
    { SLICE_INIT("spanId"), ROLE_SPAN },         { SLICE_INIT("spanID"), ROLE_SPAN },
    { SLICE_INIT("span.id"), ROLE_SPAN },        { SLICE_INIT("spanid"), ROLE_SPAN },
    { SLICE_INIT("traceparent"), ROLE_CONTEXT },
};

static void first_wins(struct slice *target, struct slice value)
{
    if (target->len == 0)
        *target = value;
}

/* W3C's traceparent: both ids in one. */
static void take_context(struct recognised *out, struct slice value)
{
    struct trace_parent p;
    if (out->trace.len || !trace_parent_read(value, &p))
        return;
    out->trace = slice_sub(value, 3, 35);
    out->span = slice_sub(value, 36, 52);
}

/* True when the name has a role. */
static bool take_pair(struct recognised *out, const struct scene *sc, struct slice name, struct slice value)
{
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        if (!slice_eq(name, roles[i].name))
            continue;
        switch (roles[i].role) {
        case ROLE_TIME:
            if (out->time_ns == 0 && !time_parse(value, sc->zone_offset_s, &out->time_ns))
                out->time_ns = 0;
            break;
        case ROLE_SEVERITY: /* numbers are bunyan's tens: severity_detect knows them */
            if (out->severity == 0 && is_alpha(peek(value)))
                out->severity = severity_parse(value);
            break;
        case ROLE_MESSAGE:
            first_wins(&out->message, value);
            break;
        case ROLE_SERVICE:
            first_wins(&out->service, value);
            break;
        case ROLE_LOGGER:
            first_wins(&out->logger, value);
            break;
        case ROLE_HOST:
            first_wins(&out->host, value);
            break;
        case ROLE_TRACE:
            first_wins(&out->trace, value);
            break;
        case ROLE_SPAN:
            first_wins(&out->span, value);
            break;
        case ROLE_CONTEXT:
            take_context(out, slice_trim(value));
            break;
        }
        return true;
    }
    return false;
}

/* Behind the quote that opened it: the raw inside of a string, escapes and all; *rest stands behind its end. */
static bool take_string(struct slice *rest, struct slice *out)
{
    for (size_t i = 0; i < rest->len; i++) {
        if (rest->ptr[i] == '\\')
            i++;
        else if (rest->ptr[i] == '"') {
            *out = slice_sub(*rest, 0, i);
            *rest = slice_skip(*rest, i + 1);
            return true;
        }
    }
    return false;
}

/* Passes over an object or a list; *rest stands at its opening. */
static bool skip_nested(struct slice *rest)
{
    int depth = 0;
    struct slice inside;
    while (rest->len) {
        char c = rest->ptr[0];
        *rest = slice_skip(*rest, 1);
        if (c == '"' && !take_string(rest, &inside))
            return false;
        if ((c == '{' || c == '[') && ++depth > NESTING_MAX)
            return false;
        if ((c == '}' || c == ']') && --depth == 0)
            return true;
    }
    return false;
}

static struct slice skip_white(struct slice s)
{
    while (s.len && (s.ptr[0] == ' ' || (s.ptr[0] >= '\t' && s.ptr[0] <= '\r')))
        s = slice_skip(s, 1);
    return s;
}

static bool json_value(struct slice *s, struct slice *value, bool *scalar)
{
    *scalar = true;
    if (peek(*s) == '"') {
        *s = slice_skip(*s, 1);
        return take_string(s, value);
    }
    if (peek(*s) == '{' || peek(*s) == '[') {
        *scalar = false;
        *value = *s;
        return skip_nested(s);
    }
    size_t n = 0;
    while (n < s->len && s->ptr[n] != ',' && s->ptr[n] != '}' && s->ptr[n] > ' ')
        n++;
    *value = slice_sub(*s, 0, n);
    *s = slice_skip(*s, n);
    return n > 0;
}

/* An object's members, in order; text beside it makes it no object. */
static bool read_json(struct slice line, const struct scene *sc, struct recognised *out)
{
    struct slice s = skip_white(line);
    if (peek(s) != '{' || line.ptr[line.len - 1] != '}')
        return false;
    s = skip_white(slice_skip(s, 1));
    int pairs = 0;
    struct slice who = SLICE_EMPTY; /* beside Python's levelname, name is the logger; elsewhere it may be anything */
    bool is_python = false;
    while (peek(s) == '"' && pairs++ < PAIRS_MAX) {
        struct slice name, value;
        bool scalar;
        s = slice_skip(s, 1);
        if (!take_string(&s, &name))
            return false;
        s = skip_white(s);
        if (peek(s) != ':')
            return false;
        s = skip_white(slice_skip(s, 1));
        if (!json_value(&s, &value, &scalar))
            return false;
        if (scalar && !slice_eq(value, SLICE("null")))
            take_pair(out, sc, name, value);
        who = scalar && slice_eq(name, SLICE("name")) ? value : who;
        is_python = is_python || slice_eq(name, SLICE("levelname"));
        s = skip_white(s);
        if (peek(s) == ',')
            s = skip_white(slice_skip(s, 1));
    }
    if (is_python)
        first_wins(&out->logger, who);
    return peek(s) == '}' || pairs > PAIRS_MAX;
}

static bool is_key_char(char c)
{
    return is_alpha(c) || is_digit(c) || c == '_' || c == '.' || c == '-' || c == '@' || c == '/';
}

/* key=value key="value": at least two pairs, one of them with a role, from the first byte on. */
static bool read_logfmt(struct slice line, const struct scene *sc, struct recognised *out)
{
    struct slice s = line;
    int pairs = 0, known = 0;
    while (s.len && pairs < PAIRS_MAX) {
        size_t n = 0;
        while (n < s.len && is_key_char(s.ptr[n]))
            n++;
        if (n == 0 || n == s.len || s.ptr[n] != '=')
            break;
        struct slice name = slice_sub(s, 0, n), value;
        s = slice_skip(s, n + 1);
        if (peek(s) == '"') {
            s = slice_skip(s, 1);
            if (!take_string(&s, &value))
                return false;
        } else {
            value = take_word(&s);
        }
        known += take_pair(out, sc, name, value);
        pairs++;
        s = skip_spaces(s);
    }
    return pairs >= 2 && known >= 1;
}

/* ---- syslog ---- */

/* <165> */
static bool take_priority(struct slice *s, unsigned *out)
{
    uint64_t v;
    size_t end = slice_find_char(slice_sub(*s, 0, 5), '>', 1);
    if (peek(*s) != '<' || end == SIZE_MAX || !num_parse_u64(slice_sub(*s, 1, end), &v) || v > 191)
        return false;
    *out = (unsigned)v;
    *s = slice_skip(*s, end + 1);
    return true;
}

static bool is_host(struct slice word)
{
    for (size_t i = 0; i < word.len; i++)
        if (!is_alpha(word.ptr[i]) && !is_digit(word.ptr[i]) && word.ptr[i] != '.' && word.ptr[i] != '-' && word.ptr[i] != '_' && word.ptr[i] != ':')
            return false;
    return word.len && word.ptr[word.len - 1] != ':';
}

/* app[123]: or app: */
static bool take_tag(struct slice *rest, struct recognised *out)
{
    struct slice s = *rest, word = take_word(&s), tag, pid;
    if (word.len < 2 || word.ptr[word.len - 1] != ':' || word.len > 2 * NAME_BYTES_MAX)
        return false;
    word.len--;
    if (slice_cut(word, '[', &tag, &pid) && slice_ends(pid, SLICE("]")))
        out->pid = slice_sub(pid, 0, pid.len - 1);
    if (tag.len == 0 || !(is_alpha(tag.ptr[0]) || tag.ptr[0] == '/' || tag.ptr[0] == '_' || tag.ptr[0] == '('))
        return false;
    size_t paren = slice_find_char(tag, '(', 1); /* sshd(pam_unix) */
    out->service = slice_sub(tag, 0, paren);
    out->message = skip_spaces(s);
    *rest = s;
    return true;
}

/* Old syslog, and the same with an RFC 3339 time as rsyslog writes it today. */
static bool read_syslog(struct slice line, const struct scene *sc, struct recognised *out)
{
    struct civil c;
    struct slice s = line;
    unsigned priority = 0;
    bool has_priority = take_priority(&s, &priority);
    if (time_take_syslog(&s, &c))
        civil_guess_year(&c, sc->received_ns);
    else if (!time_take_iso(&s, &c) || !c.has_zone)
        return false;
    if (peek(s) != ' ')
        return false;
    s = skip_spaces(s);
    struct slice host = take_word(&s);
    if (!is_host(host) || severity_parse(host) || !take_tag(&s, out))
        return false;
    out->host = host;
    out->time_ns = civil_ns(&c, sc->zone_offset_s);
    if (has_priority)
        out->severity = severity_of_syslog(priority & 7);
    return true;
}

static struct slice nil_as_empty(struct slice s)
{
    return slice_eq(s, SLICE("-")) ? SLICE_EMPTY : s;
}

/* <165>1 time host app pid msgid [structured data] message */
static bool read_syslog5424(struct slice line, const struct scene *sc, struct recognised *out)
{
    struct slice s = line;
    struct civil c;
    unsigned priority;
    if (!take_priority(&s, &priority) || !slice_starts(s, SLICE("1 ")))
        return false;
    s = slice_skip(s, 2);
    struct slice when = take_word(&s);
    if (time_take_iso(&when, &c))
        out->time_ns = civil_ns(&c, sc->zone_offset_s);
    else if (!slice_eq(when, SLICE("-")))
        return false;
    out->host = nil_as_empty(take_word(&s));
    out->service = nil_as_empty(take_word(&s));
    out->pid = nil_as_empty(take_word(&s));
    take_word(&s); /* the message's id */
    while (peek(s) == '[') {
        size_t end = 1;
        for (bool quoted = false; end < s.len && (quoted || s.ptr[end] != ']'); end++) {
            if (s.ptr[end] == '"')
                quoted = !quoted;
            end += s.ptr[end] == '\\';
        }
        s = slice_skip(s, end + 1);
    }
    if (peek(s) == '-')
        s = slice_skip(s, 1);
    out->message = skip_spaces(s);
    if (slice_starts(out->message, SLICE("\xef\xbb\xbf")))
        out->message = slice_skip(out->message, 3);
    out->severity = severity_of_syslog(priority & 7);
    return true;
}

/* ---- access logs, klog, Python ---- */

/* 127.0.0.1 - user [22/Nov/2026:13:16:01 +0000] "GET / HTTP/1.1" 200 5 ... The status tells the severity. */
static bool read_access(struct slice line, const struct scene *sc, struct recognised *out)
{
    struct civil c;
    struct slice s = line, request, status;
    size_t at = slice_find_char(slice_sub(line, 0, 512), '[', 0);
    uint64_t code;
    if (at == SIZE_MAX || at < 4 || line.ptr[at - 1] != ' ')
        return false;
    s = slice_skip(s, at + 1);
    if (!time_take_clf(&s, &c) || !slice_starts(s, SLICE("] \"")))
        return false;
    s = slice_skip(s, 3);
    if (!take_string(&s, &request))
        return false;
    s = skip_spaces(s);
    status = take_word(&s);
    if (status.len != 3 || !num_parse_u64(status, &code))
        return false;
    out->time_ns = civil_ns(&c, sc->zone_offset_s);
    out->severity = code >= 500 ? SEVERITY_ERROR : code >= 400 ? SEVERITY_WARN : SEVERITY_INFO;
    out->message = request;
    return true;
}

/* E1122 13:16:01.123456    1234 file.go:12] message */
static bool read_klog(struct slice line, const struct scene *sc, struct recognised *out)
{
    struct civil c;
    struct slice s = slice_skip(line, 1);
    if (memchr("IWEFD", peek(line), 5) == NULL || !time_take_klog(&s, &c))
        return false;
    size_t end = slice_find(slice_sub(s, 0, 256), SLICE("] "), 0);
    if (end == SIZE_MAX)
        return false;
    civil_guess_year(&c, sc->received_ns);
    out->time_ns = civil_ns(&c, sc->zone_offset_s);
    out->severity = severity_parse(slice_sub(line, 0, 1));
    struct slice head = skip_spaces(slice_sub(s, 0, end));
    out->pid = take_word(&head);
    out->logger = head;
    out->message = slice_skip(s, end + 2);
    return true;
}

/* WARNING:root:message, as Python's logging prints without any set-up. */
static bool read_python(struct slice line, const struct scene *sc, struct recognised *out)
{
    static const struct slice levels[] = { SLICE_INIT("DEBUG:"), SLICE_INIT("INFO:"), SLICE_INIT("WARNING:"), SLICE_INIT("ERROR:"),
                                           SLICE_INIT("CRITICAL:") };
    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        struct slice logger, message;
        if (!slice_starts(line, levels[i]))
            continue;
        if (!slice_cut(slice_skip(line, levels[i].len), ':', &logger, &message) || logger.len == 0 || logger.len > NAME_BYTES_MAX ||
            slice_find_char(logger, ' ', 0) != SIZE_MAX)
            return false;
        out->severity = severity_parse(slice_sub(levels[i], 0, levels[i].len - 1));
        out->logger = logger;
        out->message = message;
        return true;
    }
    return false;
}

/* ---- a date in front ---- */

/* A service, not a thread: [auth-service], not [main], [pool-1-thread-2] or [1234]. */
static bool is_service(struct slice name)
{
    static const struct slice threads[] = { SLICE_INIT("thread"), SLICE_INIT("exec-"), SLICE_INIT("pool-"), SLICE_INIT("nio-"),
                                            SLICE_INIT("worker"), SLICE_INIT("Thread") };
    if (name.len < 2 || name.len > NAME_BYTES_MAX || !is_alpha(name.ptr[0]) || slice_eq_nocase(name, SLICE("main")))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_alpha(name.ptr[i]) && !is_digit(name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '_' && name.ptr[i] != '.')
            return false;
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        if (slice_contains(name, threads[i]))
            return false;
    return true;
}

static bool is_upper(struct slice word)
{
    for (size_t i = 0; i < word.len; i++)
        if (is_alpha(word.ptr[i]) && word.ptr[i] >= 'a')
            return false;
    return true;
}

static bool is_number(struct slice word)
{
    uint64_t v;
    return num_parse_u64(word, &v) || slice_eq(word, SLICE("---"));
}

/* Apache's [core:error] and Monolog's "production.ERROR:": what stands before the level is a logger. */
static uint8_t severity_behind(struct slice *token, bool bracketed, bool colon, struct recognised *out)
{
    char separator = bracketed ? ':' : '.';
    size_t at = token->len;
    while (at > 0 && token->ptr[at - 1] != separator)
        at--;
    struct slice level = slice_skip(*token, at);
    if (at < 2 || level.len < 2 || !(bracketed || (colon && is_upper(level))))
        return 0;
    uint8_t severity = severity_parse(level);
    if (severity)
        first_wins(&out->logger, slice_sub(*token, 0, at - 1));
    return severity;
}

/* Bracketed parts and words between the time and the message, in any order: a level, a service, a pid, a logger. */
static struct slice take_tokens(struct slice s, struct recognised *out)
{
    for (int i = 0; i < TOKENS_MAX; i++) {
        while (s.len && (memchr(" |\t,:", s.ptr[0], 5) || slice_starts(s, SLICE("- "))))
            s = slice_skip(s, 1);
        bool bracketed = peek(s) == '[';
        struct slice rest, token;
        if (bracketed ? !slice_cut(slice_skip(s, 1), ']', &token, &rest) : !slice_cut(s, ' ', &token, &rest))
            return s;
        struct slice trimmed = slice_trim(token);
        if (i == 0 && (slice_eq(trimmed, SLICE("UTC")) || slice_eq(trimmed, SLICE("GMT")))) {
            s = rest;
            continue;
        }
        bool colon = slice_ends(trimmed, SLICE(":"));
        trimmed.len -= colon;
        bool dashed = slice_starts(rest, SLICE("- ")) || slice_starts(rest, SLICE(": "));
        /* Right behind the time "Info" is a level; further in it must look like one. */
        bool looks = bracketed || colon || is_upper(trimmed) || (i == 0 && trimmed.len > 3 && is_upper(slice_sub(trimmed, 0, 1)));
        uint8_t severity = trimmed.len > 1 && looks ? severity_parse(trimmed) : 0;
        if (severity == 0)
            severity = severity_behind(&trimmed, bracketed, colon, out);
        if (severity && out->severity == 0)
            out->severity = severity;
        else if (bracketed && out->service.len == 0 && is_service(trimmed))
            out->service = trimmed;
        else if (is_number(trimmed))
            first_wins(&out->pid, slice_eq(trimmed, SLICE("---")) ? SLICE_EMPTY : trimmed);
        else if (!bracketed && (colon || dashed) && is_service(trimmed) && out->logger.len == 0)
            out->logger = trimmed;
        else if (!bracketed)
            return s;
        s = rest;
    }
    return s;
}

static bool read_dated(struct slice line, const struct scene *sc, struct recognised *out)
{
    struct civil c;
    struct slice s = line;
    bool bracketed = peek(s) == '[';
    if (bracketed)
        s = slice_skip(s, 1);
    if (!time_take_iso(&s, &c) && !(bracketed && time_take_asctime(&s, &c)))
        return false;
    if (bracketed && peek(s) == ']')
        s = slice_skip(s, 1);
    out->time_ns = civil_ns(&c, sc->zone_offset_s);
    out->message = take_tokens(s, out);
    return true;
}

/* 10:30:45.123 and 10:30:45, as seconds and nanoseconds of a day. */
static bool take_clock(struct slice *rest, int64_t *out_ns)
{
    struct civil c;
    char text[64] = "1970-01-01T";
    size_t head = SLICE("1970-01-01T").len, n = 0;
    while (n < rest->len && n < sizeof text - head - 2 && (is_digit(rest->ptr[n]) || memchr(":.,", rest->ptr[n], 3)))
        n++;
    if (n < SLICE("00:00:00").len || rest->ptr[2] != ':' || rest->ptr[5] != ':')
        return false;
    memcpy(text + head, rest->ptr, n);
    text[head + n] = 'Z';
    struct slice s = slice_of(text, head + n + 1);
    if (!time_take_iso(&s, &c) || s.len)
        return false;
    *out_ns = civil_ns(&c, 0);
    *rest = slice_skip(*rest, n);
    return true;
}

/* "10:30:45.123 [main] INFO  a.B - text", "[10:30:45 ERR] text": Logback and Serilog as they are without any set-up. The day is
 * that of the arrival; a clock that is not near it says nothing, for it may be of another zone or day. */
static bool read_clock(struct slice line, const struct scene *sc, struct recognised *out)
{
    struct slice s = line;
    bool bracketed = peek(s) == '[';
    int64_t clock_ns, day_ns = DAY_SECONDS * NS_S, local_ns = sat_add(sc->received_ns, sc->zone_offset_s * NS_S);
    if (bracketed)
        s = slice_skip(s, 1);
    if (!is_digit(peek(s)) || !take_clock(&s, &clock_ns) || !(peek(s) == ' ' || peek(s) == ']'))
        return false;
    for (int64_t day = -1; day <= 1; day++) {
        int64_t t = local_ns - local_ns % day_ns + day * day_ns + clock_ns;
        if (t - local_ns < CLOCK_NEAR_SECONDS * NS_S && local_ns - t < CLOCK_NEAR_SECONDS * NS_S)
            out->time_ns = t - sc->zone_offset_s * NS_S;
    }
    struct slice level = s;
    if (bracketed && peek(s) == ' ' && slice_cut(slice_skip(s, 1), ']', &level, &s))
        out->severity = severity_parse(slice_trim(level));
    else if (bracketed)
        s = slice_skip(s, peek(s) == ']');
    out->message = take_tokens(s, out);
    return true;
}

/* E, [2026-01-01T00:00:00.123456 #42] ERROR -- prog: text, as Ruby's Logger writes. */
static bool read_ruby(struct slice line, const struct scene *sc, struct recognised *out)
{
    struct civil c;
    struct slice s = line, pid, level;
    if (line.len < 5 || !memchr("DIWEFA", line.ptr[0], 6) || !slice_starts(slice_skip(line, 1), SLICE(", [")))
        return false;
    s = slice_skip(s, 4);
    if (!time_take_iso(&s, &c) || !slice_cut(skip_spaces(s), ']', &pid, &s))
        return false;
    out->time_ns = civil_ns(&c, sc->zone_offset_s);
    out->pid = slice_trim(slice_skip(pid, slice_starts(pid, SLICE("#"))));
    s = skip_spaces(s);
    level = take_word(&s);
    out->severity = severity_parse(level);
    struct slice program, rest;
    s = skip_spaces(s);
    if (slice_starts(s, SLICE("-- ")) && slice_cut(slice_skip(s, 3), ':', &program, &rest)) {
        out->logger = slice_trim(program);
        s = skip_spaces(rest);
    }
    out->message = s;
    return true;
}

/* "update-alternatives 2026-01-01 00:00:00: text": the program in front of the time. */
static bool read_named(struct slice line, const struct scene *sc, struct recognised *out)
{
    struct civil c;
    struct slice s = line, name = take_word(&s);
    name.len -= slice_ends(name, SLICE(":"));
    s = skip_spaces(s);
    if (!is_service(name) || severity_parse(name) || !time_take_iso(&s, &c))
        return false;
    out->service = name;
    out->time_ns = civil_ns(&c, sc->zone_offset_s);
    out->message = take_tokens(s, out);
    return true;
}

static const struct {
    struct slice name;
    bool (*read)(struct slice line, const struct scene *sc, struct recognised *out);
} readers[] = {
    { SLICE_INIT("json"), read_json },
    { SLICE_INIT("syslog5424"), read_syslog5424 },
    { SLICE_INIT("syslog"), read_syslog },
    { SLICE_INIT("dated"), read_dated },
    { SLICE_INIT("clock"), read_clock },
    { SLICE_INIT("klog"), read_klog },
    { SLICE_INIT("ruby"), read_ruby },
    { SLICE_INIT("python"), read_python },
    { SLICE_INIT("access"), read_access },
    { SLICE_INIT("dated"), read_named },
    { SLICE_INIT("logfmt"), read_logfmt },
};

static void clear(struct recognised *out)
{
    *out = (struct recognised){ .service = SLICE_EMPTY, .host = SLICE_EMPTY, .pid = SLICE_EMPTY, .logger = SLICE_EMPTY,
                                .message = SLICE_EMPTY, .trace = SLICE_EMPTY, .span = SLICE_EMPTY };
}

void recognise(struct slice line, int64_t received_ns, int32_t zone_offset_s, struct recognised *out)
{
    struct scene sc = { received_ns, zone_offset_s };
    for (size_t i = 0; line.len && i < COUNT_OF(readers); i++) {
        clear(out);
        if (!readers[i].read(line, &sc, out))
            continue;
        out->format = readers[i].name;
        if (out->message.len == 0)
            out->message = line;
        if (out->severity == 0) /* of JSON and logfmt the keys lie before the message */
            out->severity = severity_detect(readers[i].read == read_json || readers[i].read == read_logfmt ? line : out->message);
        return;
    }
    clear(out);
    out->format = SLICE("plain");
    out->message = line;
    out->severity = severity_detect(line);
}
