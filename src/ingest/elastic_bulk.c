/* SPDX-License-Identifier: Apache-2.0 */
/* Elasticsearch's _bulk: a line that says what to do, a line with the document, and so on.
 *
 *     {"create":{"_index":"logs-shop","_id":"7"}}
 *     {"@timestamp":"2026-01-02T03:04:05Z","message":"paid","log":{"level":"info"},"service":{"name":"shop"}}
 *
 * A document becomes a log record. Its objects are taken apart, so that every value is a field under the dotted name that
 * Elasticsearch gives it, whichever way it was written; lists stay JSON. Of these fields the message becomes the line, and
 * service and host become labels; all others stay. The stream is service_name, host, and source, which is the index.
 *
 * What is wrong with one document is told of its item; only a line that should say what to do and does not spoils the whole,
 * because nobody knows what the next one is. */
#include "ingest/elastic_bulk.h"
#include "base/num.h"
#include "base/utf8.h"
#include "codec/hex.h"
#include "ingest/ingest.h"
#include "ingest/jread.h"
#include "ingest/times.h"

enum { SHOWN_BYTES = 120, PINO_LEVEL_STEP = 10, PINO_LEVEL_MAX = 60 };

struct bulk {
    const struct ingest_ctx *ctx;
    struct batch *out;
    struct ingest_result *result;
    struct elastic_bulk *items;
    struct slice service, host, source, stream; /* of the last document: the next one is often of the same */
};

struct document {
    struct arena *arena;
    struct field *fields;
    size_t count, cap;
};

#define NAMES(...) (const struct slice[]){ __VA_ARGS__ }, sizeof((const struct slice[]){ __VA_ARGS__ }) / sizeof(struct slice)

const char *elastic_op_name(enum elastic_op op)
{
    static const char *const names[] = { "index", "create", "update", "delete" };
    return names[op];
}

/* ---- a document's members ---- */

static void value_add(struct document *d, struct slice name, struct jread *j);

static void object_add(struct document *d, struct slice prefix, struct jread *j)
{
    struct slice key;
    if (!jread_object(j))
        return;
    while (jread_key(j, &key)) {
        if (prefix.len + key.len > EVENT_FIELD_NAME_BYTES_MAX || d->count > EVENT_FIELDS_MAX)
            jread_skip(j); /* a name that no field may have; or refused for its fields, however many follow */
        else
            value_add(d, prefix.len ? arena_printf(d->arena, "%.*s.%.*s", SLICE_FMT(prefix), SLICE_FMT(key)) : key, j);
    }
}

/* Whole numbers and floats; what neither holds exactly stays as it was written. */
static void number_set(struct field *f, struct slice text)
{
    bool whole = slice_find_char(text, '.', 0) == SIZE_MAX && slice_find_char(text, 'e', 0) == SIZE_MAX && slice_find_char(text, 'E', 0) == SIZE_MAX;
    f->type = FIELD_JSON;
    f->text = text;
    if (whole && num_parse_i64(text, &f->i))
        f->type = FIELD_INT;
    else if (!whole && num_parse_double(text, &f->d))
        f->type = FIELD_DOUBLE;
}

static void value_add(struct document *d, struct slice name, struct jread *j)
{
    struct field f = { .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = name };
    switch (jread_peek(j)) {
    case JREAD_OBJECT:
        object_add(d, name, j);
        return;
    case JREAD_STRING:
        f.text = jread_string(j);
        break;
    case JREAD_NUMBER:
        number_set(&f, jread_number(j));
        break;
    case JREAD_BOOL:
        f.type = FIELD_BOOL;
        f.i = jread_bool(j);
        break;
    case JREAD_ARRAY:
        f.type = FIELD_JSON;
        f.text = jread_raw(j);
        break;
    case JREAD_NULL:
    case JREAD_NONE:
        jread_skip(j);
        return;
    }
    if (!j->bad)
        ARENA_PUSH(d->arena, d->fields, d->count, d->cap) = f;
}

static struct field *find(struct document *d, const struct slice *names, size_t count)
{
    for (size_t n = 0; n < count; n++)
        for (size_t i = 0; i < d->count; i++)
            if (slice_eq(d->fields[i].name, names[n]))
                return &d->fields[i];
    return NULL;
}

static struct field *find_text(struct document *d, const struct slice *names, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        struct field *f = find(d, &names[n], 1);
        if (f && f->type == FIELD_STRING && f->text.len)
            return f;
    }
    return NULL;
}

static void take_out(struct document *d, struct field *f)
{
    size_t at = (size_t)(f - d->fields);
    memmove(f, f + 1, (d->count - at - 1) * sizeof *f);
    d->count--;
}

/* The text of the first of the names, which is a field no more. */
static struct slice take_text(struct document *d, const struct slice *names, size_t count)
{
    struct field *f = find_text(d, names, count);
    struct slice text = f ? f->text : SLICE_EMPTY;
    if (f)
        take_out(d, f);
    return text;
}

/* ---- a document's record ---- */

static bool time_set(struct document *d, struct event *e, struct slice *bad)
{
    struct field *f = find(d, NAMES(SLICE_INIT("@timestamp")));
    if (f) {
        *bad = field_text(d->arena, f);
        if (!time_parse(*bad, 0, &e->time_ns))
            return false;
        take_out(d, f);
        return true;
    }
    f = find(d, NAMES(SLICE_INIT("timestamp"), SLICE_INIT("time"), SLICE_INIT("ts")));
    if (f)
        (void)time_parse(field_text(d->arena, f), 0, &e->time_ns);
    return true;
}

/* By name; or by number, as bunyan and pino write levels: 10 trace, 20 debug, ... 60 fatal. */
static uint8_t severity_of(const struct field *f)
{
    if (f && f->type == FIELD_INT && f->i >= PINO_LEVEL_STEP && f->i <= PINO_LEVEL_MAX)
        return (uint8_t)(SEVERITY_TRACE + (f->i / PINO_LEVEL_STEP - 1) * (SEVERITY_DEBUG - SEVERITY_TRACE));
    return f && f->type == FIELD_STRING ? severity_parse(f->text) : SEVERITY_UNKNOWN;
}

static void ids_set(struct document *d, struct event *e)
{
    uint8_t id[sizeof e->trace_id];
    struct field *trace = find_text(d, NAMES(SLICE_INIT("trace.id"), SLICE_INIT("trace_id"), SLICE_INIT("traceId"), SLICE_INIT("traceID")));
    struct field *span = find_text(d, NAMES(SLICE_INIT("span.id"), SLICE_INIT("span_id"), SLICE_INIT("spanId"), SLICE_INIT("spanID")));
    if (trace && trace->text.len == 2 * sizeof e->trace_id && hex_decode(trace->text, id))
        memcpy(e->trace_id, id, sizeof e->trace_id);
    if (span && span->text.len == 2 * sizeof e->span_id && hex_decode(span->text, id))
        memcpy(e->span_id, id, sizeof e->span_id);
}

/* An index without the date that many put behind its name. */
static struct slice without_date(struct slice index)
{
    struct slice s = index;
    while (s.len && memchr("0123456789.-_", s.ptr[s.len - 1], sizeof "0123456789.-_" - 1))
        s.len--;
    return s.len ? s : index;
}

static enum status stream_set(struct bulk *b, struct document *d, struct event *e, struct slice index, struct err *why)
{
    struct slice service = take_text(d, NAMES(SLICE_INIT("service.name"), SLICE_INIT("service_name"), SLICE_INIT("service"), SLICE_INIT("app"),
                                              SLICE_INIT("application")));
    struct slice host = take_text(d, NAMES(SLICE_INIT("host.name"), SLICE_INIT("host"), SLICE_INIT("hostname"), SLICE_INIT("host.hostname"),
                                           SLICE_INIT("fromhost")));
    struct field *dataset = find_text(d, NAMES(SLICE_INIT("data_stream.dataset")));
    if (service.len == 0)
        service = dataset ? dataset->text : without_date(index);
    if (b->stream.len == 0 || !slice_eq(service, b->service) || !slice_eq(host, b->host) || !slice_eq(index, b->source)) {
        struct label list[] = { { SLICE("service_name"), service }, { SLICE("host"), host }, { SLICE("source"), index } };
        enum status st = labels_build(b->out->arena, list, COUNT_OF(list), &b->stream, why);
        if (st)
            b->stream = SLICE_EMPTY;
        if (st)
            return st;
        b->service = service;
        b->host = host;
        b->source = index;
    }
    e->stream = b->stream;
    e->service = b->service;
    return ST_OK;
}

/* Elasticsearch's word for what is wrong, with why; NULL when it became a record. */
static const char *document_add(struct bulk *b, struct slice text, struct slice index, struct err *why)
{
    struct document d = { .arena = b->out->arena };
    struct event e = { .kind = EVENT_LOG, .weight = 1, .observed_ns = b->ctx->received_ns };
    struct slice bad;
    struct jread j = jread_of(text, d.arena, why);
    object_add(&d, SLICE_EMPTY, &j);
    if (!jread_end(&j)) {
        err_prefix(why, "failed to parse: ");
        return "document_parsing_exception";
    }
    if (!time_set(&d, &e, &bad)) {
        err_set(why, ST_INVALID, "failed to parse field [@timestamp]: expected an ISO time or a number since 1970, found \"%.*s\"",
                SLICE_FMT(utf8_cut(bad, SHOWN_BYTES)));
        return "document_parsing_exception";
    }
    if (stream_set(b, &d, &e, index, why))
        return "illegal_argument_exception";
    e.severity = severity_of(find(&d, NAMES(SLICE_INIT("log.level"), SLICE_INIT("level"), SLICE_INIT("severity"), SLICE_INIT("log_level"),
                                            SLICE_INIT("loglevel"), SLICE_INIT("levelname"), SLICE_INIT("level_name"))));
    ids_set(&d, &e);
    e.body = take_text(&d, NAMES(SLICE_INIT("message"), SLICE_INIT("msg"), SLICE_INIT("log"), SLICE_INIT("event.original")));
    if (e.body.len == 0)
        e.body = slice_trim(text);
    if (e.time_ns == 0)
        e.time_ns = b->ctx->received_ns;
    if (d.count > EVENT_FIELDS_MAX) {
        err_set(why, ST_LIMIT, "the document has over %d fields", EVENT_FIELDS_MAX);
        return "illegal_argument_exception";
    }
    e.fields = d.fields;
    e.field_count = (uint32_t)d.count;
    *batch_event(b->out) = e;
    return NULL;
}

/* ---- the lines ---- */

static void item_done(struct bulk *b, struct elastic_item item, const struct err *why)
{
    if (item.error) {
        item.reason = arena_copy(b->out->arena, slice_str(why->text));
        ingest_reject(b->result, INGEST_LOGS, 1, why);
    } else {
        b->result->kinds[INGEST_LOGS].accepted++;
        b->items->all_named &= item.id.len > 0;
    }
    ARENA_PUSH(b->out->arena, b->items->items, b->items->count, b->items->cap) = item;
}

static void item_add(struct bulk *b, struct elastic_item item, struct slice document)
{
    struct err why = { 0 };
    if (item.op == ELASTIC_UPDATE || item.op == ELASTIC_DELETE) {
        err_set(&why, ST_UNSUPPORTED, "%s is not supported: log records are only added", elastic_op_name(item.op));
        item.error = "illegal_argument_exception";
    } else if (item.index.len == 0) {
        err_set(&why, ST_INVALID, "the item names no index, and neither does the path");
        item.error = "action_request_validation_exception";
    } else {
        item.error = document_add(b, document, item.index, &why);
    }
    item_done(b, item, &why);
}

static bool op_of(struct slice name, enum elastic_op *out)
{
    for (*out = ELASTIC_INDEX; *out <= ELASTIC_DELETE; (*out)++)
        if (slice_eq(name, slice_str(elastic_op_name(*out))))
            return true;
    return false;
}

static enum status action_read(struct bulk *b, struct slice line, size_t number, struct elastic_item *out, struct err *err)
{
    struct err why = { 0 };
    struct slice op = SLICE_EMPTY, key;
    bool known = false;
    struct jread j = jread_of(line, b->out->arena, &why);
    *out = (struct elastic_item){ .index = b->items->index, .id = SLICE_EMPTY, .reason = SLICE_EMPTY };
    if (jread_object(&j) && jread_key(&j, &op)) {
        known = op_of(op, &out->op);
        if (known && jread_object(&j)) {
            while (jread_key(&j, &key)) {
                bool is_index = slice_eq(key, SLICE("_index")), is_id = slice_eq(key, SLICE("_id"));
                if ((is_index || is_id) && jread_peek(&j) != JREAD_NULL)
                    *(is_index ? &out->index : &out->id) = jread_number(&j);
                else
                    jread_skip(&j);
            }
        }
        if (!known)
            return err_set(err, ST_INVALID, "Malformed action/metadata line [%zu], expected index, create, update or delete, found \"%.*s\"", number,
                           SLICE_FMT(utf8_cut(op, SHOWN_BYTES)));
        if (jread_key(&j, &key))
            return err_set(err, ST_INVALID, "Malformed action/metadata line [%zu], expected the end behind \"%.*s\"", number,
                           SLICE_FMT(utf8_cut(op, SHOWN_BYTES)));
    }
    if (!known || !jread_end(&j))
        return err_set(err, ST_INVALID, "Malformed action/metadata line [%zu]: %s", number, why.text[0] ? why.text : "expected an action");
    return ST_OK;
}

static bool next_line(struct slice *rest, struct slice *line, size_t *number)
{
    while (slice_next(rest, '\n', line)) {
        ++*number;
        *line = slice_trim(*line);
        if (line->len)
            return true;
    }
    return false;
}

static enum status lines_read(struct bulk *b, struct slice body, struct err *err)
{
    struct slice rest = body, line, document;
    size_t number = 0;
    while (next_line(&rest, &line, &number)) {
        struct elastic_item item;
        enum status st = action_read(b, line, number, &item, err);
        if (st)
            return st;
        document = SLICE_EMPTY;
        if (item.op != ELASTIC_DELETE && !next_line(&rest, &document, &number))
            return err_set(err, ST_INVALID, "line [%zu] asks to %s a document, and no line follows", number, elastic_op_name(item.op));
        item_add(b, item, document);
        st = ingest_check(b->out, err);
        if (st)
            return st;
        if (b->items->count > BATCH_ROWS_MAX)
            return err_set(err, ST_LIMIT, "the request has over %d items; send it in parts", BATCH_ROWS_MAX);
    }
    return number ? ST_OK : err_set(err, ST_INVALID, "request body is required");
}

enum status elastic_bulk_decode(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *result, struct err *err)
{
    struct elastic_bulk own = { .index = SLICE_EMPTY, .id = SLICE_EMPTY };
    struct bulk b = { .ctx = ctx, .out = out, .result = result, .items = ctx->elastic ? ctx->elastic : &own, .service = SLICE_EMPTY,
                      .host = SLICE_EMPTY, .source = SLICE_EMPTY, .stream = SLICE_EMPTY };
    b.items->all_named = true;
    if (!b.items->is_document)
        return lines_read(&b, body, err);
    item_add(&b, (struct elastic_item){ .op = b.items->op, .index = b.items->index, .id = b.items->id, .reason = SLICE_EMPTY }, body);
    return ingest_check(out, err);
}
