/* SPDX-License-Identifier: Apache-2.0 */
/* DogStatsD's events and service checks as log records: the service is the tag `service`, or "statsd"; the severity follows from
 * the event's type or the check's status; what else was said is a field of its own, tags under tag_NAME.
 *
 * An event's title and text have their lengths in front and may hold '|'; a check's message is its last section. A line break
 * is sent as \n in both. */
#include "base/num.h"
#include "ingest/statsd.h"

enum { FIELDS_MAX = STATSD_TAGS_MAX + 16 };

struct record {
    const struct statsd_ctx *ctx;
    struct batch *out;
    struct event *e;
    struct statsd_tags tags;
    struct field *fields;
    uint32_t field_count;
    int64_t time_ns;
    uint8_t severity;
    enum statsd_reason *why;
};

static void field_put(struct record *r, struct slice name, struct slice text)
{
    if (text.len && r->field_count < FIELDS_MAX)
        r->fields[r->field_count++] =
            (struct field){ .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = name, .text = arena_copy(r->out->arena, text) };
}

static struct slice unescape(struct arena *a, struct slice text)
{
    char *out = arena_alloc(a, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool line_break = text.ptr[i] == '\\' && i + 1 < text.len && text.ptr[i + 1] == 'n';
        out[n++] = line_break ? '\n' : text.ptr[i];
        i += line_break;
    }
    return slice_of(out, n);
}

static struct record record_begin(const struct statsd_ctx *ctx, struct batch *out, enum statsd_reason *why)
{
    return (struct record){ .ctx = ctx, .out = out, .why = why, .fields = arena_array(out->arena, struct field, FIELDS_MAX),
                            .time_ns = ctx->received_ns, .severity = SEVERITY_INFO };
}

static void record_end(struct record *r, struct slice source, struct slice body)
{
    struct arena *a = r->out->arena;
    struct slice service = SLICE("statsd");
    for (size_t i = 0; i < r->tags.count; i++) {
        struct label *tag = &r->tags.list[i];
        if (slice_eq(tag->name, SLICE("service")))
            service = arena_copy(a, tag->value);
        field_put(r, arena_printf(a, "tag_%.*s", SLICE_FMT(tag->name)), tag->value);
    }
    struct label stream[] = { { SLICE("service_name"), service }, { SLICE("source"), source } };
    struct slice labels;
    if (labels_build(a, stream, COUNT_OF(stream), &labels, NULL)) /* a tag's value is within a label's limits */
        labels = SLICE_EMPTY;
    struct event *e = batch_event(r->out);
    e->kind = EVENT_LOG;
    e->severity = r->severity;
    e->time_ns = r->time_ns;
    e->observed_ns = r->ctx->received_ns;
    e->service = service;
    e->stream = labels;
    e->body = body;
    e->fields = r->fields;
    e->field_count = r->field_count;
}

static bool time_read(struct record *r, struct slice text)
{
    uint64_t seconds;
    if (!num_parse_u64(text, &seconds) || seconds > INT64_MAX / NS_S)
        return false;
    if (seconds)
        r->time_ns = (int64_t)seconds * NS_S;
    if (!statsd_is_old(r->ctx, r->time_ns))
        return true;
    *r->why = STATSD_BAD_TIME;
    return false;
}

/* Sections that both kinds have. */
static bool common_read(struct record *r, struct slice s, bool *known)
{
    *known = true;
    if (slice_starts(s, SLICE("#")))
        return statsd_tags_read(r->out->arena, slice_skip(s, 1), ':', &r->tags);
    if (slice_starts(s, SLICE("d:")))
        return time_read(r, slice_skip(s, 2));
    if (slice_starts(s, SLICE("h:")))
        field_put(r, SLICE("hostname"), slice_skip(s, 2));
    else if (slice_starts(s, SLICE("c:")))
        field_put(r, SLICE("container_id"), slice_skip(s, 2));
    else if (!slice_starts(s, SLICE("e:")) && !slice_starts(s, SLICE("card:")))
        *known = false;
    return true;
}

static bool alert_type_read(struct record *r, struct slice type)
{
    static const struct {
        struct slice name;
        uint8_t severity;
    } types[] = { { SLICE_INIT("error"), SEVERITY_ERROR }, { SLICE_INIT("warning"), SEVERITY_WARN }, { SLICE_INIT("info"), SEVERITY_INFO },
                  { SLICE_INIT("success"), SEVERITY_INFO } };
    field_put(r, SLICE("alert_type"), type);
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (slice_eq(types[i].name, type)) {
            r->severity = types[i].severity;
            return true;
        }
    return false;
}

static bool event_section_read(struct record *r, struct slice s)
{
    static const struct {
        struct slice start, field;
    } texts[] = { { SLICE_INIT("p:"), SLICE_INIT("priority") }, { SLICE_INIT("k:"), SLICE_INIT("aggregation_key") },
                  { SLICE_INIT("s:"), SLICE_INIT("source_type_name") } };
    bool known;
    if (slice_starts(s, SLICE("t:")))
        return alert_type_read(r, slice_skip(s, 2));
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (slice_starts(s, texts[i].start)) {
            field_put(r, texts[i].field, slice_skip(s, 2));
            return true;
        }
    return common_read(r, s, &known) && known;
}

/* "5,4}:" off the front of *text. */
static bool lengths_read(struct slice *text, uint64_t *title, uint64_t *body)
{
    struct slice head, first, second;
    bool cut = slice_cut(*text, '}', &head, text) && slice_cut(head, ',', &first, &second);
    return cut && num_parse_u64(first, title) && num_parse_u64(second, body) && slice_starts(*text, SLICE(":")) && *title > 0;
}

bool statsd_event_read(const struct statsd_ctx *ctx, struct slice line, struct batch *out, enum statsd_reason *why)
{
    *why = STATSD_BAD_EVENT;
    struct slice text = slice_skip(line, SLICE("_e{").len);
    uint64_t title_bytes, body_bytes;
    if (!lengths_read(&text, &title_bytes, &body_bytes))
        return false;
    text = slice_skip(text, 1);
    if (title_bytes >= text.len || text.ptr[title_bytes] != '|' || body_bytes > text.len - title_bytes - 1)
        return false;
    struct arena *a = out->arena;
    struct slice title = unescape(a, slice_sub(text, 0, title_bytes));
    struct slice body = unescape(a, slice_sub(text, title_bytes + 1, title_bytes + 1 + body_bytes));
    struct slice rest = slice_skip(text, title_bytes + 1 + body_bytes), section;
    struct record r = record_begin(ctx, out, why);
    if (rest.len && rest.ptr[0] != '|')
        return false;
    rest = slice_skip(rest, 1);
    field_put(&r, SLICE("title"), title);
    while (slice_next(&rest, '|', &section))
        if (!event_section_read(&r, section))
            return false;
    record_end(&r, SLICE("dogstatsd_event"), body.len ? arena_printf(a, "%.*s: %.*s", SLICE_FMT(title), SLICE_FMT(body)) : title);
    return true;
}

static bool status_read(struct record *r, struct slice text, struct slice *word)
{
    static const struct {
        struct slice number, word;
        uint8_t severity;
    } all[] = { { SLICE_INIT("0"), SLICE_INIT("OK"), SEVERITY_INFO },
                { SLICE_INIT("1"), SLICE_INIT("WARNING"), SEVERITY_WARN },
                { SLICE_INIT("2"), SLICE_INIT("CRITICAL"), SEVERITY_ERROR },
                { SLICE_INIT("3"), SLICE_INIT("UNKNOWN"), SEVERITY_WARN } };
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (slice_eq(all[i].number, text)) {
            *word = all[i].word;
            r->severity = all[i].severity;
            return true;
        }
    return false;
}

bool statsd_check_read(const struct statsd_ctx *ctx, struct slice line, struct batch *out, enum statsd_reason *why)
{
    *why = STATSD_BAD_CHECK;
    struct slice rest = slice_skip(line, SLICE("_sc|").len), name, status, word, section, message = SLICE_EMPTY;
    struct record r = record_begin(ctx, out, why);
    struct arena *a = out->arena;
    bool known;
    if (!slice_cut(rest, '|', &name, &rest) || name.len == 0)
        return false;
    bool left = slice_cut(rest, '|', &status, &rest);
    if (!status_read(&r, status, &word))
        return false;
    field_put(&r, SLICE("check"), name);
    field_put(&r, SLICE("status"), word);
    while (left) {
        if (slice_starts(rest, SLICE("m:"))) { /* the last one: it may hold '|' */
            message = unescape(a, slice_skip(rest, 2));
            break;
        }
        left = slice_cut(rest, '|', &section, &rest);
        if (!common_read(&r, section, &known) || !known)
            return false;
    }
    field_put(&r, SLICE("message"), message);
    record_end(&r, SLICE("dogstatsd_check"),
               message.len ? arena_printf(a, "%.*s %.*s: %.*s", SLICE_FMT(name), SLICE_FMT(word), SLICE_FMT(message)) :
                             arena_printf(a, "%.*s %.*s", SLICE_FMT(name), SLICE_FMT(word)));
    return true;
}
