/* SPDX-License-Identifier: Apache-2.0 */
/* Lines are unwrapped one by one into a lane for each output of the container; each lane's text is then cut into records.
 *
 * (1) What is not clear to its end (a last line without its break, a part of a line that a runtime wrote in several, a trace
 *     that may go on) is held: it and all behind it are not taken, and come again with more bytes behind them. A record is
 *     held too when lines of it stand behind the place from where bytes come again.
 * (2) With is_last, and when holding would take nothing of a full piece, nothing is held.
 * (3) A line is cut at line_bytes_max with a mark, and the rest of it is skipped; the bytes before are as they came, but for
 *     the '\r' before a line break, and bytes of other charsets. */
#include "collect/tail_lines.h"

#include "base/utf8.h"
#include "ingest/jread.h"
#include "ingest/times.h"
#include "model/event.h"

struct lane_line {
    size_t at;           /* in the lane's text */
    uint64_t from, to;   /* in the bytes */
    int64_t time_ns;
    bool is_cut;
};

struct lane {
    struct buf text;
    struct lane_line *list;
    size_t count, cap;
    bool in_part;        /* the last line goes on */
};

struct cutting {
    struct arena *a;
    const struct tail_cut *how;
    struct lane lanes[TAIL_STREAMS];
    struct tail_records *out;
    int64_t latest_ns;   /* of the runtime's times */
};

struct frame {
    struct slice text;
    int64_t time_ns;
    enum tail_stream stream;
    bool is_part;        /* the line goes on in the next frame of its stream */
};

/* ---- charsets ---- */

bool tail_charset_parse(struct slice name, enum tail_charset *out)
{
    static const struct {
        struct slice name;
        enum tail_charset charset;
    } names[] = {
        { SLICE_INIT("utf-8"), TAIL_BYTES },
        { SLICE_INIT("utf-16le"), TAIL_UTF16LE },
        { SLICE_INIT("utf-16be"), TAIL_UTF16BE },
        { SLICE_INIT("latin1"), TAIL_WINDOWS_1252 },
        { SLICE_INIT("iso-8859-1"), TAIL_WINDOWS_1252 },
        { SLICE_INIT("windows-1252"), TAIL_WINDOWS_1252 },
    };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (slice_eq_nocase(names[i].name, name)) {
            *out = names[i].charset;
            return true;
        }
    return false;
}

static void put_char(struct buf *out, uint32_t c)
{
    char bytes[4];
    buf_put(out, bytes, utf8_put(c, bytes));
}

static uint32_t unit_at(struct slice s, size_t at, bool big)
{
    const uint8_t *b = (const uint8_t *)s.ptr + at;
    return big ? (uint32_t)b[0] << 8 | b[1] : (uint32_t)b[1] << 8 | b[0];
}

static void from_utf16(struct slice s, bool big, struct buf *out)
{
    enum { HIGH = 0xd800, LOW = 0xdc00, LOW_END = 0xe000, BEYOND = 0x10000, BOM = 0xfeff };
    for (size_t i = 0; i + 1 < s.len; i += 2) {
        uint32_t c = unit_at(s, i, big), low = i + 3 < s.len ? unit_at(s, i + 2, big) : 0;
        if (c >= HIGH && c < LOW && low >= LOW && low < LOW_END) {
            c = BEYOND + ((c - HIGH) << 10) + (low - LOW);
            i += 2;
        }
        if (c != BOM)
            put_char(out, c);
    }
}

/* 0x80 to 0x9f are Windows's own; five of them are nothing, and stay control characters as in Latin-1. */
static void from_windows_1252(struct slice s, struct buf *out)
{
    static const uint16_t high[32] = { 0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
                                       0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
                                       0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178 };
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        put_char(out, c >= 0x80 && c < 0xa0 ? high[c - 0x80] : c);
    }
}

static struct slice as_utf8(struct cutting *c, struct slice line)
{
    enum tail_charset charset = c->how->charset;
    if (charset == TAIL_BYTES || (charset == TAIL_WINDOWS_1252 && utf8_is_valid(line)))
        return line;
    struct buf room;
    buf_init(&room, 0);
    if (charset == TAIL_WINDOWS_1252)
        from_windows_1252(line, &room);
    else
        from_utf16(line, charset == TAIL_UTF16BE, &room);
    line = arena_copy(c->a, buf_as_slice(&room));
    buf_free(&room);
    return line;
}

/* The line break's first byte; SIZE_MAX: there is none. */
static size_t line_end(const struct tail_cut *how, struct slice bytes, size_t at)
{
    if (how->charset != TAIL_UTF16LE && how->charset != TAIL_UTF16BE)
        return slice_find_char(bytes, '\n', at);
    for (size_t i = at; i + 1 < bytes.len; i += 2)
        if (unit_at(bytes, i, how->charset == TAIL_UTF16BE) == '\n')
            return i;
    return SIZE_MAX;
}

/* ---- what runtimes put around a line ---- */

static enum tail_stream stream_of(struct slice name)
{
    return slice_eq(name, SLICE("stderr")) ? TAIL_STDERR : TAIL_STDOUT;
}

static bool take_docker(struct arena *a, struct slice line, struct frame *out)
{
    struct err err;
    struct jread j = jread_of(line, a, &err);
    bool has_log = false;
    if (!slice_starts(line, SLICE("{")) || !jread_object(&j))
        return false;
    for (struct slice key; jread_key(&j, &key);) {
        if (slice_eq(key, SLICE("log")) && jread_peek(&j) == JREAD_STRING) {
            out->text = jread_string(&j);
            has_log = true;
        } else if (slice_eq(key, SLICE("stream")) && jread_peek(&j) == JREAD_STRING) {
            out->stream = stream_of(jread_string(&j));
        } else if (slice_eq(key, SLICE("time")) && jread_peek(&j) == JREAD_STRING) {
            if (!time_parse(jread_string(&j), 0, &out->time_ns))
                out->time_ns = 0;
        } else {
            jread_skip(&j);
        }
    }
    if (!has_log || !jread_end(&j))
        return false;
    out->is_part = !slice_ends(out->text, SLICE("\n"));
    out->text.len -= !out->is_part;
    return true;
}

static bool take_cri(struct slice line, struct frame *out)
{
    struct slice when, stream, tag, rest = line;
    if (!slice_cut(rest, ' ', &when, &rest) || !slice_cut(rest, ' ', &stream, &rest))
        return false;
    slice_cut(rest, ' ', &tag, &rest);
    bool is_known = slice_eq(stream, SLICE("stdout")) || slice_eq(stream, SLICE("stderr"));
    bool is_part = slice_starts(tag, SLICE("P"));
    if (!is_known || !(is_part || slice_starts(tag, SLICE("F"))) || !time_parse(when, 0, &out->time_ns))
        return false;
    out->stream = stream_of(stream);
    out->is_part = is_part;
    out->text = rest;
    return true;
}

enum tail_format tail_format_of(struct slice line)
{
    struct arena *a = arena_new(0);
    struct frame f = { 0 };
    enum tail_format format = take_cri(line, &f) ? TAIL_CRI : take_docker(a, line, &f) && f.time_ns ? TAIL_DOCKER : TAIL_PLAIN;
    arena_free(a);
    return format;
}

/* ---- lines ---- */

/* Says (3). from, to: the line's place in the bytes. */
static void put_line(struct cutting *c, struct slice raw, uint64_t from, uint64_t to)
{
    size_t most = c->how->line_bytes_max;
    struct frame f = { .text = raw };
    if (c->how->format == TAIL_DOCKER ? !take_docker(c->a, raw, &f) : c->how->format == TAIL_CRI && !take_cri(raw, &f))
        f = (struct frame){ .text = raw };
    struct lane *lane = &c->lanes[f.stream];
    struct slice text = as_utf8(c, f.text);
    if (!f.is_part && slice_ends(text, SLICE("\r")))
        text.len--;
    if (!lane->in_part)
        ARENA_PUSH(c->a, lane->list, lane->count, lane->cap) =
            (struct lane_line){ .at = lane->text.len, .from = from, .time_ns = f.time_ns };
    struct lane_line *line = &lane->list[lane->count - 1];
    size_t had = lane->text.len - line->at;
    if (!line->is_cut && had + text.len > most) {
        buf_slice(&lane->text, slice_sub(text, 0, most - had));
        lane->text.len = line->at + utf8_cut(slice_of(lane->text.ptr + line->at, most), most - EVENT_TRUNCATED_MARK_BYTES).len;
        buf_slice(&lane->text, EVENT_TRUNCATED_MARK);
        line->is_cut = true;
    } else if (!line->is_cut) {
        buf_slice(&lane->text, text);
    }
    c->latest_ns = MAX(c->latest_ns, f.time_ns);
    line->to = to;
    lane->in_part = f.is_part;
    if (!f.is_part)
        buf_char(&lane->text, '\n');
}

/* Whole lines into their lanes; where the bytes that are no whole line begin. */
static size_t take_lines(struct cutting *c, struct slice bytes, bool *skipping)
{
    size_t at = 0, wide = c->how->charset == TAIL_UTF16LE || c->how->charset == TAIL_UTF16BE ? 2 : 1;
    while (at < bytes.len) {
        size_t end = line_end(c->how, bytes, at);
        struct slice line = slice_sub(bytes, at, end == SIZE_MAX ? bytes.len : end);
        bool is_long = end == SIZE_MAX && line.len > wide * c->how->line_bytes_max;
        if (end == SIZE_MAX && !*skipping && !is_long && !c->how->is_last)
            break;
        size_t next = end == SIZE_MAX ? bytes.len : end + wide;
        if (!*skipping)
            put_line(c, line, at, next);
        *skipping = end == SIZE_MAX && (*skipping || is_long);
        at = next;
    }
    return at;
}

/* ---- records ---- */

struct span {
    struct tail_record r;
    bool is_open;
};

struct spans {
    struct span *list;
    size_t count, cap;
};

static void lane_records(struct cutting *c, enum tail_stream stream, struct spans *out)
{
    struct lane *lane = &c->lanes[stream];
    if (lane->in_part)
        buf_char(&lane->text, '\n');
    struct slice rest = buf_as_slice(&lane->text);
    size_t at = 0, line = 0;
    while (rest.len) {
        bool is_open;
        size_t n = join_next(c->how->join, rest, c->how->line_bytes_max, &is_open), first = line;
        while (line < lane->count && lane->list[line].at < at + n)
            line++;
        const struct lane_line *from = &lane->list[first], *to = &lane->list[line - 1];
        struct slice text = slice_sub(rest, 0, n - 1);
        uint32_t cut = 0;
        for (size_t i = first; i < line; i++)
            cut += lane->list[i].is_cut;
        is_open &= !c->how->is_quiet && c->latest_ns - to->time_ns < TAIL_JOIN_NS;
        is_open |= lane->in_part && line == lane->count;
        if (slice_trim(text).len || is_open)
            ARENA_PUSH(c->a, out->list, out->count, out->cap) = (struct span){
                .r = { .text = text, .time_ns = from->time_ns, .stream = stream, .from = from->from, .to = to->to,
                       .lines = (uint32_t)(line - first), .cut = cut },
                .is_open = is_open };
        rest = slice_skip(rest, n);
        at += n;
    }
}

/* Says (1): where the bytes begin that must come again. */
static uint64_t held_from(const struct spans *s, uint64_t end)
{
    uint64_t hold = end, before;
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i].is_open)
            hold = MIN(hold, s->list[i].r.from);
    do {
        before = hold;
        for (size_t i = 0; i < s->count; i++)
            if (s->list[i].r.from < hold && s->list[i].r.to > hold)
                hold = s->list[i].r.from;
    } while (hold != before);
    return hold;
}

/* Both lanes' records in one row, as they begin. */
static void merge(struct cutting *c, const struct spans *lanes, uint64_t before)
{
    size_t at[TAIL_STREAMS] = { 0 };
    for (;;) {
        const struct span *next = NULL;
        int which = 0;
        for (int k = 0; k < TAIL_STREAMS; k++) {
            const struct span *s = at[k] < lanes[k].count ? &lanes[k].list[at[k]] : NULL;
            if (s && (next == NULL || s->r.from < next->r.from)) {
                next = s;
                which = k;
            }
        }
        if (next == NULL || next->r.from >= before)
            return;
        at[which]++;
        if (slice_trim(next->r.text).len == 0)
            continue;
        struct tail_record r = next->r;
        r.text = arena_copy(c->a, r.text);
        ARENA_PUSH(c->a, c->out->list, c->out->count, c->out->cap) = r;
    }
}

void tail_cut(struct arena *a, const struct tail_cut *how, struct slice bytes, bool skipping, struct tail_records *out)
{
    struct cutting c = { .a = a, .how = how, .out = out };
    struct spans lanes[TAIL_STREAMS] = { 0 };
    *out = (struct tail_records){ .skipping = skipping };
    for (int k = 0; k < TAIL_STREAMS; k++)
        buf_init(&c.lanes[k].text, 0);
    uint64_t end = take_lines(&c, bytes, &out->skipping), hold = end;
    for (int k = 0; k < TAIL_STREAMS; k++)
        lane_records(&c, (enum tail_stream)k, &lanes[k]);
    bool may_hold = !how->is_last && !out->skipping;
    for (bool again = may_hold; again;) {
        uint64_t before = hold;
        for (int k = 0; k < TAIL_STREAMS; k++)
            hold = held_from(&lanes[k], hold);
        again = hold != before;
    }
    if (hold == 0 && how->is_full)
        hold = end;
    merge(&c, lanes, hold);
    out->taken = hold;
    for (int k = 0; k < TAIL_STREAMS; k++)
        buf_free(&c.lanes[k].text);
}
