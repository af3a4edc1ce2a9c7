/* SPDX-License-Identifier: Apache-2.0 */
/* Text files: OpenMetrics, the text format 0.0.4, CSV. They may be larger than memory, so they are read in pieces of whole lines. */
#include "base/date.h"
#include "base/num.h"
#include "ctl/import.h"
#include "sys/file.h"

enum { PIECE_BYTES = 16 * MIB, EOF_SEARCH_BYTES = 64, CSV_COLUMNS_MAX = SEND_LABELS_MAX };

#define EOF_LINE "# EOF"

struct pieces {
    struct file *file;
    struct buf buf;
    uint64_t size, at; /* at: where the next piece starts */
};

enum status pieces_open(struct pieces **out, struct slice path, struct err *err)
{
    struct arena *a = arena_new(0);
    struct pieces *p = mem_new(struct pieces);
    buf_init(&p->buf, 0);
    enum status st = fs_open(fs_real(), arena_copy(a, path).ptr, FILE_READ, &p->file, err);
    if (!st)
        st = file_size(p->file, &p->size, err);
    arena_free(a);
    if (st)
        pieces_close(p);
    else
        *out = p;
    return st;
}

void pieces_close(struct pieces *p)
{
    file_close(p->file);
    buf_free(&p->buf);
    mem_free(p);
}

uint64_t pieces_size(const struct pieces *p)
{
    return p->size;
}

uint64_t pieces_at(const struct pieces *p)
{
    return p->at;
}

enum status pieces_next(struct pieces *p, struct slice *out, struct err *err)
{
    size_t got = 0;
    if (p->at >= p->size)
        return ST_NOT_FOUND;
    buf_reset(&p->buf);
    enum status st = file_pread(p->file, p->at, buf_room(&p->buf, PIECE_BYTES), PIECE_BYTES, &got, err);
    if (st)
        return st;
    bool is_last = p->at + got >= p->size || got == 0;
    size_t end = got;
    while (!is_last && end > 0 && p->buf.ptr[end - 1] != '\n')
        end--;
    if (end == 0 && got > 0)
        return err_set(err, ST_LIMIT, "a line of more than %d bytes at offset %llu", PIECE_BYTES, (unsigned long long)p->at);
    p->at = is_last ? p->size : p->at + end;
    *out = slice_of(p->buf.ptr, end);
    return ST_OK;
}

static void say_percent(struct send *s, const struct pieces *p)
{
    send_where(s, "%u%%", (unsigned)(p->at * 100 / p->size));
}

/* ---- exposition text ---- */

static bool ends_with_eof(struct pieces *p)
{
    char tail[EOF_SEARCH_BYTES];
    size_t got = 0;
    struct err ignored;
    uint64_t from = p->size > sizeof tail ? p->size - sizeof tail : 0;
    if (file_pread(p->file, from, tail, sizeof tail, &got, &ignored))
        return false;
    struct slice end = slice_trim(slice_of(tail, got));
    return end.len >= sizeof EOF_LINE - 1 && slice_eq(slice_skip(end, end.len - (sizeof EOF_LINE - 1)), SLICE(EOF_LINE));
}

static enum status put_entry(struct send *s, const struct promtext_entry *e, bool is_same, size_t line, struct err *err)
{
    struct send_label labels[PROMTEXT_LABELS_MAX + 1];
    if (!e->has_time)
        return err_set(err, ST_INVALID, "line %zu: %.*s has no time: samples of the past need one", line, SLICE_FMT(e->name));
    labels[0] = (struct send_label){ SLICE("__name__"), e->name };
    for (size_t i = 0; i < e->label_count; i++)
        labels[i + 1] = (struct send_label){ e->labels[i].name, e->labels[i].value };
    enum status st = is_same ? ST_OK : send_series(s, labels, e->label_count + 1, err);
    return st ? st : send_sample(s, e->t_ms, e->value, err);
}

/* One piece; *lines counts those before it. */
static enum status put_text(struct send *s, struct slice text, enum promtext_format format, size_t *lines, struct err *err)
{
    struct arena *a = arena_new(0);
    struct promtext *p = promtext_new(a, text, format);
    struct slice last = SLICE_EMPTY;
    struct promtext_entry e;
    enum status st;
    while ((st = promtext_next(p, &e, err)) == ST_OK && e.kind != PROMTEXT_END) {
        if (e.kind != PROMTEXT_SAMPLE)
            continue;
        st = put_entry(s, &e, last.len && slice_eq(e.series, last), *lines + e.line, err);
        if (st)
            break;
        last = e.series;
    }
    if (st && *lines > 0)
        st = err_prefix(err, "behind line %zu: ", *lines);
    for (size_t i = 0; i < text.len; i++)
        *lines += text.ptr[i] == '\n';
    promtext_free(p);
    arena_free(a);
    return st;
}

enum status import_text(struct send *s, struct slice path, struct err *err)
{
    struct pieces *p;
    struct slice piece;
    size_t lines = 0;
    enum status st = pieces_open(&p, path, err);
    if (st)
        return st;
    bool is_open_metrics = ends_with_eof(p);
    while ((st = pieces_next(p, &piece, err)) == ST_OK) {
        if (is_open_metrics && p->at < p->size) { /* each piece is a page of its own */
            buf_reset(&p->buf);
            buf_added(&p->buf, piece.len);
            buf_slice(&p->buf, SLICE(EOF_LINE "\n"));
            piece = buf_as_slice(&p->buf);
        }
        st = put_text(s, piece, is_open_metrics ? PROMTEXT_OPENMETRICS : PROMTEXT_CLASSIC, &lines, err);
        if (st)
            break;
        lines -= is_open_metrics && p->at < p->size;
        say_percent(s, p);
    }
    pieces_close(p);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- CSV (RFC 4180) ---- */

struct csv {
    struct send *send;
    struct slice metric;
    struct slice names[CSV_COLUMNS_MAX];
    size_t count, time, value, name; /* columns; CSV_COLUMNS_MAX: none */
    size_t line;
};

/* Takes the fields of a line; quoted ones are unquoted into a. False: a quote that does not end, or too many columns. */
static bool take_fields(struct arena *a, struct slice *rest, struct slice *out, size_t *count)
{
    *count = 0;
    for (bool more = true; more;) {
        if (*count == CSV_COLUMNS_MAX)
            return false;
        size_t i = 0;
        struct slice field;
        if (rest->len > 0 && rest->ptr[0] == '"') {
            char *to = arena_alloc(a, rest->len);
            size_t n = 0;
            for (i = 1; i < rest->len && (rest->ptr[i] != '"' || (i + 1 < rest->len && rest->ptr[i + 1] == '"')); i++) {
                to[n++] = rest->ptr[i];
                i += rest->ptr[i] == '"';
            }
            if (i++ >= rest->len)
                return false;
            field = slice_of(to, n);
        } else {
            while (i < rest->len && rest->ptr[i] != ',' && rest->ptr[i] != '\n')
                i++;
            field = slice_trim(slice_sub(*rest, 0, i));
        }
        while (i < rest->len && rest->ptr[i] != ',' && rest->ptr[i] != '\n')
            i++;
        more = i < rest->len && rest->ptr[i] == ',';
        out[(*count)++] = field;
        *rest = slice_skip(*rest, MIN(i + 1, rest->len));
    }
    return true;
}

static enum status read_head(struct csv *c, struct arena *a, struct slice *rest, struct err *err)
{
    struct slice fields[CSV_COLUMNS_MAX];
    c->time = c->value = c->name = CSV_COLUMNS_MAX;
    if (!take_fields(a, rest, fields, &c->count))
        return err_set(err, ST_INVALID, "line 1: the columns' names do not parse, or are more than %d", CSV_COLUMNS_MAX);
    for (size_t i = 0; i < c->count; i++) {
        c->names[i] = arena_copy(a, fields[i]);
        if (slice_eq_nocase(fields[i], SLICE("time")) || slice_eq_nocase(fields[i], SLICE("timestamp")))
            c->time = i;
        else if (slice_eq_nocase(fields[i], SLICE("value")))
            c->value = i;
        else if (slice_eq_nocase(fields[i], SLICE("metric")) || slice_eq(fields[i], SLICE("__name__")))
            c->name = i;
    }
    if (c->time == CSV_COLUMNS_MAX || c->value == CSV_COLUMNS_MAX || (c->name == CSV_COLUMNS_MAX && c->metric.len == 0))
        return err_set(err, ST_INVALID, "line 1: wanted are columns named time, value and metric (or --metric NAME); other columns are labels");
    return ST_OK;
}

/* Seconds, milliseconds above a hundred billion, or RFC 3339. */
static bool time_of(struct slice text, int64_t *t_ms)
{
    double seconds;
    int64_t ns;
    if (num_parse_double(text, &seconds) && seconds > -1e15 && seconds < 1e15) {
        *t_ms = (int64_t)(seconds > 1e11 || seconds < -1e11 ? seconds : seconds * 1000 + (seconds < 0 ? -0.5 : 0.5));
        return true;
    }
    if (!date_parse_rfc3339(text, &ns))
        return false;
    *t_ms = ns / NS_MS;
    return true;
}

static enum status put_line(struct csv *c, struct arena *a, struct slice *rest, struct err *err)
{
    struct slice fields[CSV_COLUMNS_MAX];
    struct send_label labels[CSV_COLUMNS_MAX + 1];
    size_t count, n = 0;
    int64_t t_ms;
    double v;
    if (!take_fields(a, rest, fields, &count))
        return err_set(err, ST_INVALID, "line %zu does not parse: a quote that does not end, or more than %d columns", c->line, CSV_COLUMNS_MAX);
    if (count == 1 && fields[0].len == 0)
        return ST_OK; /* an empty line */
    if (count != c->count)
        return err_set(err, ST_INVALID, "line %zu has %zu columns, the first line has %zu", c->line, count, c->count);
    if (!time_of(fields[c->time], &t_ms))
        return err_set(err, ST_INVALID, "line %zu: \"%.*s\" is no time (seconds, milliseconds or RFC 3339)", c->line, SLICE_FMT(fields[c->time]));
    if (!num_parse_double(fields[c->value], &v))
        return err_set(err, ST_INVALID, "line %zu: \"%.*s\" is no number", c->line, SLICE_FMT(fields[c->value]));
    labels[n++] = (struct send_label){ SLICE("__name__"), c->name < CSV_COLUMNS_MAX ? fields[c->name] : c->metric };
    for (size_t i = 0; i < count; i++)
        if (i != c->time && i != c->value && i != c->name && fields[i].len > 0)
            labels[n++] = (struct send_label){ c->names[i], fields[i] };
    enum status st = send_series(c->send, labels, n, err);
    return st ? st : send_sample(c->send, t_ms, v, err);
}

enum status import_csv(struct send *s, struct slice path, struct slice metric, struct err *err)
{
    struct csv c = { .send = s, .metric = metric };
    struct arena *a = arena_new(0), *line = arena_new(0);
    struct pieces *p;
    struct slice piece;
    enum status st = pieces_open(&p, path, err);
    if (!st) {
        while ((st = pieces_next(p, &piece, err)) == ST_OK) {
            while (!st && piece.len > 0) {
                arena_reset(line);
                st = c.line++ == 0 ? read_head(&c, a, &piece, err) : put_line(&c, line, &piece, err);
            }
            if (st)
                break;
            say_percent(s, p);
        }
        pieces_close(p);
    }
    arena_free(line);
    arena_free(a);
    return st == ST_NOT_FOUND && c.line > 0 ? ST_OK : st;
}
