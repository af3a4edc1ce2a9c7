/* SPDX-License-Identifier: Apache-2.0 */
/* A line is cut at '|': name and values, type, then sections in any order, each known by its first characters.
 *
 * (1) A line counts whole or not at all: values are given away after every section has been read.
 * (2) What makes a section of its own in old StatsD ("a:1|c:2|ms": a further value with a type of its own) is told by a ':' in a
 *     type or rate, where DogStatsD has none.
 * (3) Names become what Prometheus allows, as statsd_exporter does it: any other character is '_', and a digit in front
 *     gets one. */
#include "ingest/statsd.h"

#include "base/num.h"
#include "base/utf8.h"

enum { MS_PER_S = 1000 };
#define RATE_MIN 1e-9 /* one value stands for a billion at most: no line makes a sum that is none */

struct line {
    const struct statsd_ctx *ctx;
    struct arena *a;
    struct statsd_counts *counts;
    struct slice name;
    struct statsd_tags tags;
    bool has_name_tags, has_tags;
    struct slice container;
    int64_t t_ms;
};

struct values {
    struct slice text;
    enum statsd_type type;
    double rate;
};

const char *statsd_reason_name(enum statsd_reason reason)
{
    static const char *const names[STATSD_REASON_COUNT] = {
        "bad_line", "bad_utf8", "bad_name", "bad_value", "bad_type", "bad_rate", "bad_tags",
        "bad_field", "bad_time", "bad_event", "bad_check", "too_long", "type_conflict", "series_limit", "pending_limit",
    };
    return names[reason];
}

/* ---- names and tags ---- */

static bool is_word(char c, bool colon)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (colon && c == ':');
}

/* (3) */
static struct slice word_of(struct arena *a, struct slice text, bool colon)
{
    bool digit = text.len && text.ptr[0] >= '0' && text.ptr[0] <= '9';
    char *out = arena_alloc(a, text.len + 1);
    size_t n = 0;
    if (digit)
        out[n++] = '_';
    for (size_t i = 0; i < text.len; i++)
        out[n++] = is_word(text.ptr[i], colon) ? text.ptr[i] : '_';
    return slice_of(out, n);
}

static void tag_set(struct statsd_tags *t, struct label l)
{
    size_t i = 0;
    while (i < t->count && !slice_eq(t->list[i].name, l.name))
        i++;
    t->list[i] = l;
    t->count += i == t->count;
}

bool statsd_tags_read(struct arena *a, struct slice text, char sep, struct statsd_tags *out)
{
    struct slice piece;
    while (slice_next(&text, ',', &piece)) {
        struct slice name, value;
        piece = slice_trim(piece);
        if (slice_starts(piece, SLICE("#")))
            piece = slice_skip(piece, 1);
        if (piece.len == 0)
            continue;
        bool is_pair = slice_cut(piece, sep, &name, &value) && name.len && value.len;
        if (is_pair && (name.len > LABEL_NAME_BYTES_MAX / 2 || value.len > LABEL_VALUE_BYTES_MAX))
            return false;
        struct slice word = is_pair ? word_of(a, name, false) : SLICE_EMPTY;
        if (!is_pair || slice_starts(word, SLICE("__"))) {
            out->ignored++;
            continue;
        }
        if (out->count == STATSD_TAGS_MAX)
            return false;
        tag_set(out, (struct label){ word, value });
    }
    return true;
}

/* name[tags]rest, name,tags and name#tags. */
static bool name_read(struct line *l, struct slice text)
{
    size_t open = slice_find_char(text, '[', 0), close = open == SIZE_MAX ? SIZE_MAX : slice_find_char(text, ']', open);
    struct slice tags = SLICE_EMPTY;
    l->name = text;
    if (close != SIZE_MAX) {
        tags = slice_sub(text, open + 1, close);
        l->name = arena_printf(l->a, "%.*s%.*s", (int)open, text.ptr, SLICE_FMT(slice_skip(text, close + 1)));
        l->has_name_tags = true;
    } else if (slice_find_char(text, ']', 0) == SIZE_MAX && open == SIZE_MAX) {
        size_t at = 0;
        while (at < text.len && text.ptr[at] != '#' && text.ptr[at] != ',')
            at++;
        if (at < text.len) {
            tags = slice_skip(text, at + 1);
            l->name = slice_sub(text, 0, at);
            l->has_name_tags = true;
        }
    }
    return statsd_tags_read(l->a, tags, '=', &l->tags);
}

/* ---- sections ---- */

static bool type_read(struct slice text, enum statsd_type *out)
{
    static const struct {
        struct slice text;
        enum statsd_type type;
    } types[] = { { SLICE_INIT("c"), STATSD_COUNTER },   { SLICE_INIT("g"), STATSD_GAUGE },        { SLICE_INIT("ms"), STATSD_TIMER },
                  { SLICE_INIT("h"), STATSD_HISTOGRAM }, { SLICE_INIT("d"), STATSD_DISTRIBUTION }, { SLICE_INIT("s"), STATSD_SET } };
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (slice_eq(types[i].text, text)) {
            *out = types[i].type;
            return true;
        }
    return false;
}

/* A rate of 0 counts as 1: clients send it for "not sampled". */
static bool rate_read(struct slice text, double *out)
{
    if (!num_parse_double(text, out) || !(*out >= 0) || *out > 1)
        return false;
    if (*out == 0)
        *out = 1;
    return *out >= RATE_MIN;
}

/* Behind the rate; STATSD_REASON_COUNT: well read. */
static enum statsd_reason section_read(struct line *l, struct slice s)
{
    uint64_t seconds;
    if (s.len == 0)
        return STATSD_BAD_LINE;
    if (s.ptr[0] == '#') {
        if (l->has_name_tags)
            return STATSD_BAD_TAGS;
        l->has_tags = true;
        return statsd_tags_read(l->a, slice_skip(s, 1), ':', &l->tags) ? STATSD_REASON_COUNT : STATSD_BAD_TAGS;
    }
    if (s.ptr[0] == 'T') { /* one that is no time says nothing */
        if (num_parse_u64(slice_skip(s, 1), &seconds) && seconds < INT64_MAX / NS_S)
            l->t_ms = (int64_t)seconds * MS_PER_S;
        return l->t_ms && statsd_is_old(l->ctx, l->t_ms * NS_MS) ? STATSD_BAD_TIME : STATSD_REASON_COUNT;
    }
    if (slice_starts(s, SLICE("c:"))) {
        l->container = slice_skip(s, 2);
        return l->container.len && l->container.len <= LABEL_VALUE_BYTES_MAX ? STATSD_REASON_COUNT : STATSD_BAD_FIELD;
    }
    if (slice_starts(s, SLICE("e:")) || slice_starts(s, SLICE("card:")))
        return STATSD_REASON_COUNT; /* for an agent that enriches tags */
    return STATSD_BAD_FIELD;
}

/* Cuts what follows the first ':' off s into *more: (2). */
static bool further(struct slice *s, struct slice *more, struct slice rest)
{
    size_t at = slice_find_char(*s, ':', 0);
    if (at == SIZE_MAX)
        return false;
    *more = slice_of(s->ptr + at + 1, (size_t)(rest.ptr + rest.len - (s->ptr + at + 1)));
    *s = slice_sub(*s, 0, at);
    return true;
}

/* One sample off the front of *text: "1|c|@0.1" and all sections, or up to a ':' that begins another. */
static enum statsd_reason sample_read(struct line *l, struct slice *text, struct values *out)
{
    struct slice rest, section, more = SLICE_EMPTY;
    *out = (struct values){ .rate = 1 };
    if (!slice_cut(*text, '|', &out->text, &rest))
        return STATSD_BAD_LINE;
    *text = SLICE_EMPTY;
    bool left = slice_cut(rest, '|', &section, &rest);
    if (!left)
        rest = slice_of(section.ptr + section.len, 0);
    if (further(&section, &more, rest)) {
        *text = more;
        left = false;
    }
    if (!type_read(section, &out->type))
        return section.len ? STATSD_BAD_TYPE : STATSD_BAD_LINE;
    while (left) {
        left = slice_cut(rest, '|', &section, &rest);
        if (!left)
            rest = slice_of(section.ptr + section.len, 0);
        if (slice_starts(section, SLICE("@"))) {
            if (further(&section, &more, rest)) {
                *text = more;
                left = false;
            }
            if (!rate_read(slice_skip(section, 1), &out->rate))
                return STATSD_BAD_RATE;
            continue;
        }
        enum statsd_reason why = section_read(l, section);
        if (why != STATSD_REASON_COUNT)
            return why;
    }
    return STATSD_REASON_COUNT;
}

/* ---- values ---- */

static enum statsd_reason value_read(const struct line *l, const struct values *s, struct slice text, struct statsd_metric *m)
{
    m->weight = 1 / s->rate;
    if (s->type == STATSD_SET) {
        m->member = text;
        return text.len ? STATSD_REASON_COUNT : STATSD_BAD_VALUE;
    }
    if (!num_parse_double(text, &m->value) || m->value - m->value != 0)
        return STATSD_BAD_VALUE;
    double total = m->value * m->weight;
    if (total - total != 0)
        return STATSD_BAD_VALUE;
    if (s->type == STATSD_COUNTER) {
        m->value = total;
        return total >= 0 ? STATSD_REASON_COUNT : STATSD_BAD_VALUE;
    }
    if (s->type == STATSD_TIMER)
        m->value /= MS_PER_S;
    m->is_delta = s->type == STATSD_GAUGE && l->ctx->is_signed_delta && (text.ptr[0] == '+' || text.ptr[0] == '-');
    return STATSD_REASON_COUNT;
}

static bool labels_read(struct line *l, enum statsd_type type, struct slice name, struct slice *out)
{
    struct label list[STATSD_TAGS_MAX + 2];
    size_t n = 0;
    bool observed = type == STATSD_TIMER || type == STATSD_HISTOGRAM || type == STATSD_DISTRIBUTION;
    list[n++] = (struct label){ SLICE("__name__"), name };
    for (size_t i = 0; i < l->tags.count; i++) {
        struct label tag = l->tags.list[i];
        if (observed && (slice_eq(tag.name, SLICE("le")) || slice_eq(tag.name, SLICE("quantile"))))
            tag.name = arena_printf(l->a, "exported_%.*s", SLICE_FMT(tag.name));
        if (l->container.len == 0 || !slice_eq(tag.name, SLICE("container_id")))
            list[n++] = tag;
    }
    if (l->container.len)
        list[n++] = (struct label){ SLICE("container_id"), l->container };
    return labels_build(l->a, list, n, out, NULL) == ST_OK;
}

static enum statsd_reason sample_give(struct line *l, const struct values *s, struct slice labels, bool really)
{
    struct slice rest = s->text, text;
    struct statsd_metric m = { .type = s->type, .name = l->name, .labels = labels, .member = SLICE_EMPTY, .t_ms = l->t_ms };
    enum statsd_reason why = STATSD_REASON_COUNT;
    bool more = true;
    for (size_t n = 0; more; n++) {
        text = rest; /* a set's member may hold anything */
        more = s->type != STATSD_SET && slice_cut(rest, ':', &text, &rest);
        why = n < STATSD_VALUES_MAX ? value_read(l, s, text, &m) : STATSD_BAD_VALUE;
        if (why != STATSD_REASON_COUNT)
            return why;
        if (really && !l->ctx->metric(l->ctx->arg, &m, &why))
            return why;
        l->counts->metrics += really;
    }
    return STATSD_REASON_COUNT;
}

static enum statsd_reason metric_read(struct line *l, struct slice text)
{
    enum { SAMPLES_MAX = 64 };
    struct values list[SAMPLES_MAX];
    struct slice head, labels[SAMPLES_MAX];
    size_t n = 0;
    enum statsd_reason why = STATSD_REASON_COUNT;
    if (!slice_cut(text, ':', &head, &text) || head.len == 0 || slice_find_char(head, '|', 0) != SIZE_MAX)
        return STATSD_BAD_LINE;
    if (head.len > STATSD_NAME_BYTES_MAX)
        return STATSD_BAD_NAME;
    if (!name_read(l, head))
        return STATSD_BAD_TAGS;
    l->name = word_of(l->a, l->name, true);
    if (l->name.len == 0)
        return STATSD_BAD_NAME;
    do {
        why = n < SAMPLES_MAX ? sample_read(l, &text, &list[n++]) : STATSD_BAD_LINE;
    } while (why == STATSD_REASON_COUNT && text.len);
    for (size_t i = 0; why == STATSD_REASON_COUNT && i < n; i++)
        why = labels_read(l, list[i].type, l->name, &labels[i]) ? sample_give(l, &list[i], labels[i], false) : STATSD_BAD_TAGS;
    for (size_t i = 0; why == STATSD_REASON_COUNT && i < n; i++)
        why = sample_give(l, &list[i], labels[i], true);
    l->counts->tags_ignored += l->tags.ignored;
    return why;
}

static enum statsd_reason line_read(const struct statsd_ctx *ctx, struct slice text, struct arena *a, struct batch *events,
                                    struct statsd_counts *counts)
{
    enum statsd_reason why = STATSD_REASON_COUNT;
    bool is_event = slice_starts(text, SLICE("_e{")), is_check = slice_starts(text, SLICE("_sc|"));
    if (text.len > STATSD_LINE_BYTES_MAX)
        return STATSD_TOO_LONG;
    if (!utf8_is_valid(text))
        return STATSD_BAD_UTF8;
    if ((is_event || is_check) && events->event_count >= ctx->events_max)
        return STATSD_EVENTS_FULL;
    if (is_event) {
        if (!statsd_event_read(ctx, text, events, &why))
            return why;
        counts->events++;
        return STATSD_REASON_COUNT;
    }
    if (is_check) {
        if (!statsd_check_read(ctx, text, events, &why))
            return why;
        counts->checks++;
        return STATSD_REASON_COUNT;
    }
    struct line l = { .ctx = ctx, .a = a, .counts = counts, .name = SLICE_EMPTY, .container = SLICE_EMPTY };
    return metric_read(&l, text);
}

void statsd_decode(const struct statsd_ctx *ctx, struct slice datagram, struct arena *scratch, struct batch *events, struct statsd_counts *counts)
{
    struct slice text;
    while (slice_next(&datagram, '\n', &text)) {
        if (slice_ends(text, SLICE("\r")))
            text.len--;
        if (text.len == 0)
            continue;
        arena_reset(scratch);
        counts->lines++;
        enum statsd_reason why = line_read(ctx, text, scratch, events, counts);
        if (why != STATSD_REASON_COUNT)
            counts->rejected[why]++;
    }
}
