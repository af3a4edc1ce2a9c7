/* SPDX-License-Identifier: Apache-2.0 */
/* Severity words, and fields as text. */
#include "model/event.h"

#include "base/num.h"

enum { SEVERITY_INFO2 = 10, SEVERITY_CRITICAL = 22, SEVERITY_TEXT_BYTES_MAX = 16 };

/* Words as syslog, Go, Java, Python, JavaScript, .NET, glog and databases write them. */
static const struct {
    struct slice word;
    uint8_t severity;
} severity_words[] = {
    { SLICE_INIT("info"), SEVERITY_INFO },         { SLICE_INIT("error"), SEVERITY_ERROR },
    { SLICE_INIT("warn"), SEVERITY_WARN },         { SLICE_INIT("warning"), SEVERITY_WARN },
    { SLICE_INIT("debug"), SEVERITY_DEBUG },       { SLICE_INIT("trace"), SEVERITY_TRACE },
    { SLICE_INIT("fatal"), SEVERITY_FATAL },       { SLICE_INIT("critical"), SEVERITY_CRITICAL },
    { SLICE_INIT("notice"), SEVERITY_INFO2 },      { SLICE_INIT("err"), SEVERITY_ERROR },
    { SLICE_INIT("crit"), SEVERITY_CRITICAL },     { SLICE_INIT("alert"), SEVERITY_CRITICAL },
    { SLICE_INIT("emerg"), SEVERITY_FATAL },       { SLICE_INIT("emergency"), SEVERITY_FATAL },
    { SLICE_INIT("panic"), SEVERITY_FATAL },       { SLICE_INIT("severe"), SEVERITY_ERROR },
    { SLICE_INIT("information"), SEVERITY_INFO },  { SLICE_INIT("informational"), SEVERITY_INFO },
    { SLICE_INIT("verbose"), SEVERITY_TRACE },     { SLICE_INIT("fine"), SEVERITY_DEBUG },
    { SLICE_INIT("finer"), SEVERITY_TRACE },       { SLICE_INIT("finest"), SEVERITY_TRACE },
    { SLICE_INIT("failure"), SEVERITY_ERROR },     { SLICE_INIT("log"), SEVERITY_INFO },
    { SLICE_INIT("dbg"), SEVERITY_DEBUG },         { SLICE_INIT("inf"), SEVERITY_INFO },
    { SLICE_INIT("wrn"), SEVERITY_WARN },          { SLICE_INIT("trc"), SEVERITY_TRACE },
    { SLICE_INIT("eror"), SEVERITY_ERROR },        { SLICE_INIT("ftl"), SEVERITY_FATAL },
    { SLICE_INIT("dpanic"), SEVERITY_FATAL },      { SLICE_INIT("silly"), SEVERITY_TRACE },
    { SLICE_INIT("t"), SEVERITY_TRACE },           { SLICE_INIT("d"), SEVERITY_DEBUG },
    { SLICE_INIT("i"), SEVERITY_INFO },            { SLICE_INIT("w"), SEVERITY_WARN },
    { SLICE_INIT("e"), SEVERITY_ERROR },           { SLICE_INIT("f"), SEVERITY_FATAL },
    { SLICE_INIT("c"), SEVERITY_CRITICAL },        { SLICE_INIT("n"), SEVERITY_INFO2 },
};

uint8_t severity_parse(struct slice text)
{
    text = slice_trim(text);
    if (text.len == 0 || text.len > SEVERITY_TEXT_BYTES_MAX)
        return SEVERITY_UNKNOWN;
    /* OpenTelemetry's short names carry a number: WARN2. */
    char last = text.ptr[text.len - 1];
    uint8_t more = 0;
    if (text.len > 4 && last >= '2' && last <= '4') {
        more = (uint8_t)(last - '1');
        text.len--;
    }
    for (size_t i = 0; i < COUNT_OF(severity_words); i++)
        if (slice_eq_nocase(text, severity_words[i].word))
            return (uint8_t)(severity_words[i].severity + (severity_words[i].severity % 4 == 1 ? more : 0));
    return SEVERITY_UNKNOWN;
}

struct slice severity_name(uint8_t severity)
{
    static const struct slice names[] = { SLICE_INIT("trace"), SLICE_INIT("debug"), SLICE_INIT("info"),
                                          SLICE_INIT("warn"),  SLICE_INIT("error"), SLICE_INIT("fatal") };
    if (severity == SEVERITY_UNKNOWN || severity > SEVERITY_FATAL + 3)
        return SLICE("unknown");
    if (severity == SEVERITY_CRITICAL)
        return SLICE("critical");
    return names[(severity - 1) / 4];
}

bool event_has_trace(const struct event *e)
{
    static const uint8_t none[sizeof e->trace_id];
    return memcmp(e->trace_id, none, sizeof none) != 0;
}

const struct field *event_field(const struct event *e, struct slice name)
{
    static const uint8_t order[] = { SCOPE_RECORD, SCOPE_RESOURCE, SCOPE_INSTRUMENTATION };
    for (size_t s = 0; s < COUNT_OF(order); s++)
        for (uint32_t i = 0; i < e->field_count; i++)
            if (e->fields[i].scope == order[s] && slice_eq(e->fields[i].name, name))
                return &e->fields[i];
    return NULL;
}

static struct slice hex_text(struct arena *a, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *out = arena_alloc(a, 2 * bytes.len + 1);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        out[2 * i] = digits[c >> 4];
        out[2 * i + 1] = digits[c & 15];
    }
    return slice_of(out, 2 * bytes.len);
}

struct slice field_text(struct arena *a, const struct field *f)
{
    char text[NUM_TEXT_BYTES_MAX];
    switch ((enum field_type)f->type) {
    case FIELD_STRING:
    case FIELD_JSON:
        return f->text;
    case FIELD_INT:
        return arena_copy(a, slice_of(text, num_format_i64(f->i, text)));
    case FIELD_DOUBLE:
        return arena_copy(a, slice_of(text, num_format_short(f->d, text)));
    case FIELD_BOOL:
        return f->i ? SLICE("true") : SLICE("false");
    case FIELD_BYTES:
        return hex_text(a, f->text);
    }
    return SLICE_EMPTY;
}
