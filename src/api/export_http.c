/* SPDX-License-Identifier: Apache-2.0 */
/* GET /api/stoa/v1/logs/export: all lines of a log query or a search, oldest first, streamed as they are read, so that neither side holds
 * them. Three forms: NDJSON (as the tail gives them), CSV (time, service, level, line, labels as JSON), and plain lines.
 *
 * The status is sent before the last line is read. What breaks off later says so in its last line: {"error":"..."} or
 * "# the export broke off: ...". */
#include "api/handlers.h"
#include "api/prom_json.h"
#include "api/query_log.h"
#include "base/date.h"
#include "base/num.h"
#include "logql/search.h"

enum {
    EXPORT_SECONDS_MAX = 3600,
    EXPORT_PAST_HOURS = 1,       /* unless `start` says otherwise */
    EXPORT_PIECE_BYTES = 64 * KIB,
    EXPORT_SCRATCH_BYTES = 1 * MIB,
    EXPORT_CHECK_BYTES = 1 * MIB /* of lines walked between two questions whether to go on */
};

enum export_form { FORM_NDJSON, FORM_CSV, FORM_PLAIN, FORM_COUNT };
static const struct {
    struct slice name, type;
} forms[FORM_COUNT] = { [FORM_NDJSON] = { SLICE_INIT("ndjson"), SLICE_INIT("application/x-ndjson") },
                        [FORM_CSV] = { SLICE_INIT("csv"), SLICE_INIT("text/csv; charset=utf-8") },
                        [FORM_PLAIN] = { SLICE_INIT("plain"), SLICE_INIT("text/plain; charset=utf-8") } };

struct asked {
    const struct query_lang *lang;
    struct query_rows *rows;
    int64_t start_ns, end_ns;
    enum export_form form;
};

/* ---- One line in each form ---- */

static void put_time(struct buf *out, int64_t ns)
{
    char text[DATE_TEXT_BYTES_MAX];
    buf_put(out, text, date_format_rfc3339(ns, 0, 9, text));
}

static void put_ndjson(struct buf *out, struct slice labels, const struct value_line *l)
{
    struct json_writer j;
    char text[NUM_TEXT_BYTES_MAX];
    json_writer_init(&j, out);
    json_object_begin(&j);
    json_key(&j, SLICE("time"));
    json_string(&j, slice_of(text, num_format_i64(l->time_ns, text)));
    json_key(&j, SLICE("labels"));
    prom_json_labels(&j, labels);
    json_key(&j, SLICE("line"));
    json_string(&j, l->line);
    json_object_end(&j);
    buf_char(out, '\n');
}

/* RFC 4180; a cell that a spreadsheet would take for a formula gets an apostrophe in front. */
static void put_cell(struct buf *out, struct slice s)
{
    bool formula = s.len && slice_find_char(SLICE("=+-@\t\r"), s.ptr[0], 0) != SIZE_MAX;
    buf_char(out, '"');
    if (formula)
        buf_char(out, '\'');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"')
            buf_char(out, '"');
        buf_char(out, s.ptr[i]);
    }
    buf_char(out, '"');
}

static void put_csv(struct buf *out, struct slice labels, const struct value_line *l)
{
    struct buf json;
    struct json_writer j;
    buf_init(&json, 0);
    json_writer_init(&j, &json);
    prom_json_labels(&j, labels);
    put_time(out, l->time_ns);
    buf_char(out, ',');
    put_cell(out, labels_get(labels, SLICE("service_name")));
    buf_char(out, ',');
    put_cell(out, labels_get(labels, SLICE("detected_level")));
    buf_char(out, ',');
    put_cell(out, l->line);
    buf_char(out, ',');
    put_cell(out, buf_as_slice(&json));
    buf_printf(out, "\r\n");
    buf_free(&json);
}

static void put_line(struct buf *out, enum export_form form, struct slice labels, const struct value_line *l)
{
    if (form == FORM_NDJSON) {
        put_ndjson(out, labels, l);
    } else if (form == FORM_CSV) {
        put_csv(out, labels, l);
    } else {
        buf_slice(out, l->line);
        buf_char(out, '\n');
    }
}

static void put_failure(struct buf *out, enum export_form form, const struct err *err)
{
    if (form != FORM_NDJSON) {
        buf_printf(out, "# the export broke off: %s\n", err->text);
        return;
    }
    struct json_writer j;
    json_writer_init(&j, out);
    json_object_begin(&j);
    json_key(&j, SLICE("error"));
    json_string(&j, slice_str(err->text));
    json_object_end(&j);
    buf_char(out, '\n');
}

/* ---- The request ---- */

static enum status read_asked(struct api *api, struct api_query *q, struct asked *out, struct err *err)
{
    struct api_params p;
    bool is_search = false;
    enum status st = api_params_read(q->x, &p, err);
    if (!st)
        st = api_param_time(&p, SLICE("end"), clock_wall_ns(api->clock), &out->end_ns, err);
    if (!st)
        st = api_param_time(&p, SLICE("start"), sat_sub(out->end_ns, EXPORT_PAST_HOURS * 3600 * NS_S), &out->start_ns, err);
    if (st)
        return st;
    struct slice form = api_param(&p, SLICE("format"), NULL), search = api_param(&p, SLICE("search"), &is_search);
    for (size_t i = 0; i < FORM_COUNT && form.len; i++)
        if (slice_eq(form, forms[i].name)) {
            out->form = (enum export_form)i;
            form = SLICE_EMPTY;
        }
    if (form.len)
        return err_set(err, ST_INVALID, "parameter \"format\": found \"%.*s\", allowed: ndjson, csv, plain", SLICE_FMT(form));
    out->lang = is_search ? &search_lang : api->logql;
    q->text = arena_copy(q->arena, is_search ? search : api_param(&p, SLICE("query"), NULL));
    query_log_text(api->queries, q->log_id, q->text);
    return out->lang->rows_open(q->text, &out->rows, err);
}

static enum status stream(struct api_query *q, const struct asked *asked, struct events_iter *it, struct buf *out, uint64_t *lines, struct err *err)
{
    struct arena *scratch = arena_new(0);
    struct event_block block;
    enum status st;
    size_t walked = 0;
    while ((st = it->ops->next(it, &block, err)) == ST_OK && (st = engine_ctx_check(&q->ctx, err)) == ST_OK) {
        for (size_t i = 0; i < block.n && !st; i++) {
            struct slice labels;
            struct value_line line;
            if (asked->lang->rows_take(asked->rows, &block.rows[i], scratch, &labels, &line)) {
                put_line(out, asked->form, labels, &line);
                ++*lines;
            }
            walked += block.rows[i].body.len;
            if (walked >= EXPORT_CHECK_BYTES) {
                walked = 0;
                st = engine_ctx_check(&q->ctx, err);
            }
            if (!st && out->len >= EXPORT_PIECE_BYTES) {
                st = http_write(q->x, buf_as_slice(out), err);
                buf_reset(out);
            }
            if (arena_bytes(scratch) > EXPORT_SCRATCH_BYTES)
                arena_reset(scratch);
        }
        if (st)
            break;
        arena_reset(scratch);
    }
    arena_free(scratch);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status begin(struct api_query *q, const struct asked *asked, struct events_iter **it, struct err *err)
{
    unsigned did;
    struct events_query rows = { .start_ns = asked->start_ns, .end_ns = asked->end_ns, .kinds = 1u << EVENT_LOG,
                                 .pred = asked->lang->rows_pred(asked->rows, q->arena), .want = WANT_STREAM | WANT_BODY | WANT_FIELDS | WANT_IDS,
                                 .order = ORDER_TIME_ASC };
    q->ctx.deadline_mono_ns = q->start_mono_ns + EXPORT_SECONDS_MAX * NS_S;
    return q->api->engine->ops->events(q->api->engine, &q->ctx, &rows, it, &did, err);
}

/* An export goes as fast as its reader and holds a worker so long: half of them stay for who waits for an answer. */
static enum status turn_take(struct api *api, struct http_exchange *x, struct err *err)
{
    int max = api->http ? MAX((int)http_server_workers(api->http) / 2, 1) : 1;
    if (atomic_fetch_add(&api->exports_running, 1) < max)
        return ST_OK;
    atomic_fetch_sub(&api->exports_running, 1);
    http_set_header(x, SLICE("Retry-After"), SLICE("5"));
    return err_set(err, ST_UNAVAILABLE, "%d exports are running, which is the limit; try again", max);
}

void logs_export(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct api_query q;
    struct asked asked = { .form = FORM_NDJSON };
    struct events_iter *it = NULL;
    struct buf out;
    struct err err;
    uint64_t lines = 0;
    if (!api_query_begin(api, x, &q))
        return;
    enum status st = read_asked(api, &q, &asked, &err);
    if (!st)
        st = turn_take(api, x, &err);
    bool has_turn = !st;
    if (!st)
        st = begin(&q, &asked, &it, &err);
    if (st) {
        api_fail(x, st, &err);
    } else {
        const char *ending = asked.form == FORM_PLAIN ? "txt" : forms[asked.form].name.ptr;
        struct slice name = arena_printf(http_arena(x), "attachment; filename=\"logs.%s\"", ending);
        buf_init(&out, 0);
        http_set_header(x, SLICE("Content-Disposition"), name);
        http_begin(x, 200, forms[asked.form].type);
        if (asked.form == FORM_CSV)
            buf_printf(&out, "time,service,level,line,labels\r\n");
        st = stream(&q, &asked, it, &out, &lines, &err);
        if (st)
            put_failure(&out, asked.form, &err);
        struct err gone;
        if (http_write(x, buf_as_slice(&out), &gone) && !st) { /* nobody is there to be told */
            st = gone.status;
            err = gone;
        }
        it->ops->close(it);
        buf_free(&out);
        api_audit_note(x, SLICE_EMPTY, lines);
        http_end(x);
    }
    if (asked.rows)
        asked.lang->rows_close(asked.rows);
    if (has_turn)
        atomic_fetch_sub(&api->exports_running, 1);
    api_query_end(&q, "export", st, &err);
}
