/* SPDX-License-Identifier: Apache-2.0 */
/* The engine against a search so naive that it is right: walk every row, ask every question of it, sort. */
#include <stdlib.h>

#include "base/date.h"
#include "base/num.h"
#include "codec/regex.h"
#include "events/evworld.h"
#include "store/pred.h"

/* ---- the naive search ---- */

static const struct field *naive_field(const struct pred *p, const struct event *e)
{
    for (int scope = 0; scope < 3; scope++)
        for (uint32_t i = 0; i < e->field_count; i++)
            if (e->fields[i].scope == scope && (p->scope < 0 || p->scope == scope) && slice_eq(e->fields[i].name, p->name))
                return &e->fields[i];
    return NULL;
}

static bool naive_compare(enum pred_op op, int order)
{
    return op == PRED_EQ ? order == 0 : op == PRED_NE ? order != 0 : op == PRED_LT ? order < 0 : op == PRED_LE ? order <= 0
           : op == PRED_GT ? order > 0 : order >= 0;
}

static bool naive_number(const struct pred *p, bool is_there, double v)
{
    double want = p->type == FIELD_INT ? (double)p->i : p->d;
    return is_there ? naive_compare(p->op, (v > want) - (v < want)) : p->op == PRED_NE;
}

static bool naive_text(const struct pred *p, bool is_there, struct slice text)
{
    double number = 0;
    if (p->op == PRED_RE)
        return regex_match(p->re, text);
    if (p->op == PRED_CONTAINS)
        return slice_contains(text, p->text);
    if (p->op == PRED_CONTAINS_NOCASE) {
        for (size_t i = 0; i + p->text.len <= text.len; i++)
            if (slice_eq_nocase(slice_sub(text, i, i + p->text.len), p->text))
                return true;
        return false;
    }
    if (p->type != FIELD_STRING) {
        bool is_number = is_there && num_parse_double(text, &number);
        return naive_number(p, is_number, number);
    }
    bool is_order = p->op != PRED_EQ && p->op != PRED_NE;
    return is_order && !is_there ? false : naive_compare(p->op, slice_cmp(text, p->text));
}

static bool naive_leaf(const struct pred *p, const struct event *e, struct arena *a)
{
    const struct field *f;
    bool has_trace = event_has_trace(e), is_span = e->kind == EVENT_SPAN;
    for (size_t i = 0; p->op == PRED_AMONG && i < p->text.len; i += 16)
        if (has_trace && memcmp(p->text.ptr + i, e->trace_id, 16) == 0)
            return true;
    if (p->op == PRED_AMONG)
        return false;
    switch (p->column) {
    case COL_FIELD:
        f = naive_field(p, e);
        if (p->op == PRED_EXISTS)
            return f != NULL && (p->type != FIELD_JSON || f->type == FIELD_JSON);
        if (f && p->type != FIELD_STRING && (f->type == FIELD_INT || f->type == FIELD_DOUBLE) && p->op <= PRED_GE)
            return naive_number(p, true, f->type == FIELD_INT ? (double)f->i : f->d);
        return naive_text(p, f != NULL, f ? field_text(a, f) : SLICE_EMPTY);
    case COL_STREAM:
        return naive_text(p, true, labels_get(e->stream, p->name));
    case COL_SERVICE:
        return naive_text(p, true, e->service);
    case COL_BODY:
        return naive_text(p, true, e->body);
    case COL_SEVERITY:
        return naive_number(p, true, e->severity);
    case COL_DURATION:
        return naive_number(p, is_span, (double)e->duration_ns);
    case COL_SPAN_KIND:
        return naive_number(p, is_span, e->span_kind);
    case COL_EVENTS:
        return naive_number(p, is_span, e->event_count);
    case COL_LINKS:
        return naive_number(p, is_span, e->link_count);
    default:
        return naive_text(p, has_trace, has_trace ? slice_of(e->trace_id, 16) : SLICE_EMPTY);
    }
}

static bool naive_pred(const struct pred *p, const struct event *e, struct arena *a)
{
    if (p == NULL || p->op == PRED_TRUE)
        return true;
    if (p->op == PRED_NOT)
        return !naive_pred(p->kids[0], e, a);
    if (p->op != PRED_AND && p->op != PRED_OR)
        return naive_leaf(p, e, a);
    for (size_t i = 0; i < p->kid_count; i++)
        if (naive_pred(p->kids[i], e, a) != (p->op == PRED_AND))
            return p->op == PRED_OR;
    return p->op == PRED_AND;
}

static int cmp_rows(const void *x, const void *y)
{
    const struct event *a = &(*(const struct world_row *const *)x)->e, *b = &(*(const struct world_row *const *)y)->e;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return (a->seq > b->seq) - (a->seq < b->seq);
}

static const struct world_row **naive_scan(struct world *w, unsigned tenants, const struct events_query *q, struct arena *a, size_t *count)
{
    const struct world_row **list = arena_array(a, const struct world_row *, w->count + 1);
    *count = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct event *e = &w->rows[i].e;
        if (!w->rows[i].is_dead && tenants >> w->rows[i].tenant & 1 && q->kinds >> e->kind & 1 && e->time_ns >= q->start_ns &&
            e->time_ns < q->end_ns && naive_pred(q->pred, e, a))
            list[(*count)++] = &w->rows[i];
    }
    qsort(list, *count, sizeof *list, cmp_rows);
    for (size_t i = 0; q->order == ORDER_TIME_DESC && i < *count / 2; i++) {
        const struct world_row *t = list[i];
        list[i] = list[*count - 1 - i];
        list[*count - 1 - i] = t;
    }
    return list;
}

/* ---- random questions ---- */

static struct slice text_to_find(struct world *w, struct arena *a)
{
    static const char *const texts[] = { "login", "fail", "user", "api/v1", "Timeout after", "id=1", "lpha42", "", "GET ", " login failed ", "42" };
    if (rand_one_in(&w->rand, 3) && w->count) {
        struct slice body = w->rows[rand_below(&w->rand, w->count)].e.body;
        size_t from = (size_t)rand_below(&w->rand, body.len + 1);
        return slice_sub(body, from, from + (size_t)rand_below(&w->rand, 30));
    }
    return arena_copy(a, slice_str(texts[rand_below(&w->rand, COUNT_OF(texts))]));
}

static void value_any(struct world *w, struct arena *a, struct pred *p, int64_t below)
{
    p->type = rand_one_in(&w->rand, 2) ? FIELD_INT : FIELD_DOUBLE;
    p->i = (int64_t)rand_below(&w->rand, (uint64_t)below);
    p->d = (double)rand_below(&w->rand, (uint64_t)below * 2) / 2;
}

static struct pred *leaf_any(struct world *w, struct arena *a)
{
    static const enum event_column columns[] = { COL_FIELD, COL_FIELD, COL_FIELD, COL_STREAM, COL_SERVICE, COL_BODY, COL_BODY, COL_SEVERITY,
                                                 COL_DURATION, COL_TRACE_ID, COL_SPAN_KIND, COL_EVENTS, COL_LINKS };
    static const char *const names[] = { "http.method", "http.status_code", "user.id", "retries", "ratio", "cached", "blob", "none" };
    static const char *const labels[] = { "app", "pod", "zone", "none" };
    struct pred *p = arena_new_of(a, struct pred);
    p->column = columns[rand_below(&w->rand, COUNT_OF(columns))];
    p->op = PRED_EQ + (enum pred_op)rand_below(&w->rand, 6);
    p->scope = (int)rand_below(&w->rand, 4) - 1;
    p->name = slice_str(p->column == COL_STREAM ? labels[rand_below(&w->rand, COUNT_OF(labels))] : names[rand_below(&w->rand, COUNT_OF(names))]);
    p->type = FIELD_STRING;
    p->text = text_to_find(w, a);
    if (p->column == COL_SEVERITY || p->column == COL_SPAN_KIND)
        value_any(w, a, p, p->column == COL_SEVERITY ? 25 : 6);
    else if (p->column == COL_EVENTS || p->column == COL_LINKS)
        value_any(w, a, p, 3);
    else if (p->column == COL_DURATION)
        value_any(w, a, p, NS_S);
    else if (p->column == COL_TRACE_ID) {
        uint8_t *id = arena_zalloc(a, 16);
        id[15] = (uint8_t)(1 + rand_below(&w->rand, 70));
        p->op = rand_one_in(&w->rand, 4) ? PRED_NE : PRED_EQ;
        p->text = slice_of(id, 16);
        if (rand_one_in(&w->rand, 3)) {
            size_t count = 1 + rand_below(&w->rand, 20);
            uint8_t(*ids)[16] = arena_zalloc(a, count * sizeof *ids);
            for (size_t i = 0; i < count; i++)
                ids[i][15] = (uint8_t)rand_below(&w->rand, 70);
            return pred_traces(a, ids, count);
        }
    } else if (p->column == COL_STREAM)
        p->text = rand_one_in(&w->rand, 2) ? arena_printf(a, "app%u", (unsigned)rand_below(&w->rand, 5)) : SLICE("north");
    else if (p->column == COL_SERVICE)
        p->text = arena_printf(a, "service-%u", (unsigned)rand_below(&w->rand, 6));
    else if (rand_one_in(&w->rand, 2))
        p->op = p->column == COL_FIELD && rand_one_in(&w->rand, 3) ? PRED_EXISTS : rand_one_in(&w->rand, 2) ? PRED_CONTAINS : PRED_CONTAINS_NOCASE;
    else if (p->column == COL_FIELD && rand_one_in(&w->rand, 2))
        value_any(w, a, p, 600);
    else if (p->column == COL_FIELD)
        p->text = arena_printf(a, "%u", (unsigned)rand_below(&w->rand, 600));
    if (p->op == PRED_EXISTS && rand_one_in(&w->rand, 2))
        p->type = FIELD_JSON;
    return p;
}

static struct pred *pred_any(struct world *w, struct arena *a, unsigned depth)
{
    if (depth == 0 || rand_one_in(&w->rand, 3))
        return leaf_any(w, a);
    struct pred *p = arena_new_of(a, struct pred);
    p->op = (enum pred_op)rand_below(&w->rand, 3);
    p->kid_count = p->op == PRED_NOT ? 1 : 1 + (size_t)rand_below(&w->rand, 3);
    p->kids = arena_array(a, struct pred *, p->kid_count);
    for (size_t i = 0; i < p->kid_count; i++)
        p->kids[i] = pred_any(w, a, depth - 1);
    return p;
}

static struct events_query query_any(struct world *w, struct arena *a)
{
    struct events_query q = world_query_all();
    q.order = rand_one_in(&w->rand, 2) ? ORDER_TIME_ASC : ORDER_TIME_DESC;
    if (rand_one_in(&w->rand, 3)) {
        q.start_ns = world_start_ns + (int64_t)rand_below(&w->rand, 100) * NS_S;
        q.end_ns = q.start_ns + (int64_t)rand_below(&w->rand, 200000) * NS_S;
    }
    if (rand_one_in(&w->rand, 3))
        q.kinds = 1u << (rand_one_in(&w->rand, 2) ? EVENT_LOG : EVENT_SPAN);
    if (rand_one_in(&w->rand, 3))
        q.limit = 1 + (size_t)rand_below(&w->rand, 50);
    if (!rand_one_in(&w->rand, 5))
        q.pred = pred_any(w, a, 3);
    return q;
}

/* What a row has of what is wanted, as one number. */
static uint64_t print_of(const struct event *e, unsigned want)
{
    uint64_t h = hash64(e->service, (uint64_t)e->time_ns);
    h = want & WANT_BODY ? hash64(e->body, h) : h;
    h = want & (WANT_TRACE | WANT_IDS) ? hash64(slice_of(e->trace_id, 16), h) : h;
    h = want & WANT_IDS ? hash64(slice_of(e->parent_id, 8), h) : h;
    h = want & WANT_SPAN ? hash64(e->status_message, h ^ e->event_count) : h;
    return want & WANT_OBSERVED ? hash_u64(h ^ (uint64_t)e->observed_ns) : h;
}

/* Without an order by seq, and some columns alone: the same rows. */
static void check_loose(struct world *w, unsigned tenants, const struct events_query *asked, const struct world_row **want, size_t want_count,
                        struct arena *a)
{
    struct events_query q = *asked;
    uint64_t sum = 0, want_sum = 0;
    q.limit = 0;
    q.order = rand_one_in(&w->rand, 2) ? ORDER_NONE : ORDER_NEWEST;
    q.want = (unsigned)rand_below(&w->rand, WANT_ALL + 1);
    struct world_found got = world_scan(w, tenants, &q, a);
    CHECK_INT(got.count, want_count);
    for (size_t i = 0; i < got.count; i++) {
        CHECK(!(q.want & WANT_SEQ) || got.rows[i].seq);
        CHECK(q.order == ORDER_NONE || i == 0 || got.rows[i - 1].time_ns >= got.rows[i].time_ns);
        sum += print_of(&got.rows[i], q.want);
        want_sum += print_of(&want[i]->e, q.want);
    }
    CHECK(sum == want_sum);
}

static void check_query(struct world *w)
{
    struct arena *a = arena_new(0);
    struct events_query q = query_any(w, a);
    unsigned tenants = 1 + (unsigned)rand_below(&w->rand, 3);
    size_t want_count;
    const struct world_row **want = naive_scan(w, tenants, &q, a, &want_count);
    size_t limit = q.limit ? q.limit : SIZE_MAX, at = 0;
    check_loose(w, tenants, &q, want, want_count, a);
    for (int page = 0; page < 3 && at <= want_count; page++) {
        struct world_found got = world_scan(w, tenants, &q, a);
        size_t n = MIN(want_count - at, limit);
        CHECK_INT(got.count, n);
        for (size_t i = 0; i < n; i++) {
            CHECK(world_same(&got.rows[i], &want[at + i]->e));
            CHECK(slice_eq(got.tenants[i], world_tenant(want[at + i]->tenant)));
        }
        if (n == 0)
            break;
        size_t last = (size_t)rand_below(&w->rand, n);
        q.has_cursor = true;
        q.cursor_time_ns = got.rows[last].time_ns;
        q.cursor_seq = got.rows[last].seq;
        at += last + 1;
    }
    arena_free(a);
}

static bool child_has(const struct field *fields, uint32_t count, const struct pred *p, struct arena *a)
{
    for (uint32_t i = 0; i < count; i++)
        if (slice_eq(fields[i].name, p->name) && (fields[i].type == FIELD_JSON || slice_eq(field_text(a, &fields[i]), p->text)))
            return true;
    return false;
}

static bool naive_child(const struct event *e, const struct pred *p, struct arena *a)
{
    bool found = false;
    for (uint32_t i = 0; i < e->event_count; i++)
        found = found || child_has(e->events[i].fields, e->events[i].field_count, p, a) ||
                (slice_eq(p->name, EVENT_CHILD_NAME) && slice_eq(e->events[i].name, p->text));
    for (uint32_t i = 0; i < e->link_count; i++)
        found = found || child_has(e->links[i].fields, e->links[i].field_count, p, a);
    return found;
}

/* Who looks for what some event or link has is given each row that has it, and perhaps others. */
static void check_children(struct world *w)
{
    struct arena *a = arena_new(0);
    const struct event *from = &w->rows[rand_below(&w->rand, w->count)].e;
    struct slice name = EVENT_CHILD_NAME, text = SLICE("nobody has this");
    if (from->event_count) {
        const struct span_event *ev = &from->events[rand_below(&w->rand, from->event_count)];
        const struct field *f = ev->field_count ? &ev->fields[rand_below(&w->rand, ev->field_count)] : NULL;
        name = f ? f->name : name;
        text = f ? field_text(a, f) : ev->name;
    } else if (from->link_count && from->links[0].field_count) {
        name = from->links[0].fields[0].name;
        text = field_text(a, &from->links[0].fields[0]);
    }
    struct events_query q = world_query_all();
    q.pred = pred_child(a, name, text);
    struct world_found got = world_scan(w, 3, &q, a);
    size_t want_count, want = 0, found = 0;
    struct events_query all = world_query_all();
    const struct world_row **rows = naive_scan(w, 3, &all, a, &want_count);
    for (size_t i = 0; i < want_count; i++)
        want += naive_child(&rows[i]->e, q.pred, a);
    for (size_t i = 0; i < got.count; i++)
        found += naive_child(&got.rows[i], q.pred, a);
    CHECK_INT(found, want);
    arena_free(a);
}

static void erase_any(struct world *w)
{
    unsigned tenant = (unsigned)rand_below(&w->rand, WORLD_TENANTS), app = (unsigned)rand_below(&w->rand, 4);
    struct tombstone t = { .tenant = world_tenant(tenant), .is_events = true, .start_ns = world_start_ns };
    struct err err = { 0 };
    t.end_ns = world_start_ns + (int64_t)(1 + rand_below(&w->rand, 200)) * NS_S;
    t.selector = arena_printf(w->arena, "{app=\"app%u\", zone!=\"south\"}", app);
    t.contains = rand_one_in(&w->rand, 2) ? SLICE("login") : SLICE_EMPTY;
    struct slice label = arena_printf(w->arena, "app%u", app);
    CHECK(store_erase(w->store, &t, &err) == ST_OK);
    for (size_t i = 0; i < w->count; i++) {
        const struct event *e = &w->rows[i].e;
        if (w->rows[i].tenant == tenant && slice_eq(labels_get(e->stream, SLICE("app")), label) && e->time_ns >= t.start_ns &&
            e->time_ns < t.end_ns && (t.contains.len == 0 || slice_contains(e->body, t.contains)))
            w->rows[i].is_dead = true;
    }
}

TEST(scans_give_what_a_naive_search_gives_after_any_flushes_merges_deletes_and_restarts)
{
    struct world w;
    world_open(&w);
    for (int step = 0; step < 120; step++) {
        world_append_random(&w, 1 + (size_t)rand_below(&w.rand, 120));
        uint64_t dice = rand_below(&w.rand, 24);
        if (dice < 4)
            world_tick(&w);
        else if (dice < 7)
            world_flush(&w);
        else if (dice < 9)
            world_merge(&w);
        else if (dice < 11)
            erase_any(&w);
        else if (dice == 11)
            world_restart(&w);
        for (int i = 0; i < 4; i++) {
            check_query(&w);
            check_children(&w);
        }
    }
    world_close(&w);
}

/* ---- promises one by one ---- */

static void check_all_rows(struct world *w)
{
    struct arena *a = arena_new(0);
    struct events_query q = world_query_all();
    size_t want_count;
    const struct world_row **want = naive_scan(w, 3, &q, a, &want_count);
    struct world_found got = world_scan(w, 3, &q, a);
    CHECK_INT(got.count, want_count);
    for (size_t i = 0; i < want_count; i++)
        CHECK(world_same(&got.rows[i], &want[i]->e));
    arena_free(a);
}

TEST(every_type_of_field_and_its_extremes_come_back_exactly)
{
    struct world w;
    world_open(&w);
    struct field fields[] = {
        { .type = FIELD_INT, .name = SLICE("i"), .i = INT64_MIN },      { .type = FIELD_INT, .name = SLICE("i"), .i = INT64_MAX },
        { .type = FIELD_DOUBLE, .name = SLICE("d"), .d = -0.0 },        { .type = FIELD_DOUBLE, .name = SLICE("d"), .d = 0.1 },
        { .type = FIELD_DOUBLE, .name = SLICE("n"), .i = 0x7ff0000000000002 }, { .type = FIELD_BOOL, .name = SLICE("b"), .i = 1 },
        { .type = FIELD_BYTES, .name = SLICE("y"), .text = SLICE("\0\xff\0") },
        { .type = FIELD_JSON, .name = SLICE("j"), .text = SLICE("{\"a\":[1]}") },
        { .type = FIELD_STRING, .name = SLICE(""), .text = SLICE("") },
        { .type = FIELD_STRING, .scope = SCOPE_RESOURCE, .name = SLICE("i"), .text = SLICE("x") },
    };
    struct event e = { .kind = EVENT_PROBE, .severity = 255, .weight = 0.1f, .time_ns = 5, .observed_ns = INT64_MIN, .duration_ns = INT64_MIN,
                       .stream = SLICE_EMPTY, .service = SLICE_EMPTY, .body = SLICE("\0"), .trace_state = SLICE("t"), .status_message = SLICE("m"),
                       .fields = fields, .field_count = COUNT_OF(fields) };
    world_append(&w, 0, &e, 1);
    check_all_rows(&w);
    world_flush(&w);
    check_all_rows(&w);
    world_append_random(&w, 50);
    world_flush(&w);
    world_merge(&w);
    check_all_rows(&w);
    world_close(&w);
}

TEST(fields_beyond_the_columns_of_a_part_are_kept_and_found)
{
    struct world w;
    world_open(&w);
    struct event *list = arena_zalloc(w.arena, 1500 * sizeof *list);
    for (unsigned i = 0; i < 1500; i++) {
        struct field *f = arena_zalloc(w.arena, 2 * sizeof *f);
        f[0] = (struct field){ .type = FIELD_STRING, .name = arena_printf(w.arena, "name-%u", i), .text = arena_printf(w.arena, "value-%u", i) };
        f[1] = (struct field){ .type = FIELD_INT, .name = SLICE("n"), .i = i };
        list[i] = (struct event){ .kind = EVENT_LOG, .weight = 1, .time_ns = world_start_ns + i, .stream = world_stream(w.arena, i % 3),
                                  .service = SLICE_EMPTY, .body = SLICE_EMPTY, .trace_state = SLICE_EMPTY, .status_message = SLICE_EMPTY,
                                  .fields = f, .field_count = 2 };
    }
    world_append(&w, 0, list, 1500);
    world_flush(&w);
    check_all_rows(&w);
    struct pred p = { .op = PRED_EQ, .column = COL_FIELD, .scope = -1, .name = SLICE("name-1400"), .type = FIELD_STRING,
                      .text = SLICE("value-1400") };
    struct events_query q = world_query_all();
    q.pred = &p;
    CHECK_INT(world_scan(&w, 1, &q, w.arena).count, 1);
    world_close(&w);
}

static void append_lines(struct world *w, unsigned count, unsigned in_batch)
{
    for (unsigned i = 0; i < count; i += in_batch) {
        struct event *list = arena_zalloc(w->arena, in_batch * sizeof *list);
        for (unsigned k = 0; k < in_batch; k++) {
            unsigned n = i + k;
            list[k] = (struct event){ .kind = n % 4 ? EVENT_LOG : EVENT_SPAN, .weight = 1, .severity = SEVERITY_INFO,
                                      .time_ns = world_start_ns + n * NS_MS,
                                      .stream = world_stream(w->arena, n % 2), .service = SLICE("shop"), .trace_state = SLICE_EMPTY,
                                      .status_message = SLICE_EMPTY, .body = arena_printf(w->arena, "request number%u took %u ms", n, n % 977) };
            if (n % 4 == 0) {
                list[k].trace_id[0] = (uint8_t)(n >> 16);
                list[k].trace_id[1] = (uint8_t)(n >> 8);
                list[k].trace_id[2] = 0x80 | (n & 0x70) >> 4; /* 4 spans a trace */
            }
        }
        world_append(w, 0, list, in_batch);
    }
    world_flush(w);
    world_merge(w);
}

TEST(newest_first_with_a_limit_reads_the_newest_blocks_only)
{
    struct world w;
    world_open(&w);
    append_lines(&w, 56000, 2000);
    struct events_query q = world_query_all();
    q.order = ORDER_TIME_DESC;
    q.limit = 10;
    q.kinds = 1 << EVENT_SPAN;
    struct world_found got = world_scan(&w, 1, &q, w.arena);
    CHECK_INT(got.count, 10);
    CHECK(got.rows[0].time_ns > got.rows[9].time_ns);
    CHECK(got.rows_read <= 16384);
    world_close(&w);
}

TEST(a_trace_and_a_rare_word_are_found_without_reading_other_blocks)
{
    struct world w;
    world_open(&w);
    append_lines(&w, 56000, 2000);
    struct pred p = { .op = PRED_EQ, .column = COL_TRACE_ID, .type = FIELD_STRING, .text = slice_of(w.rows[4000].e.trace_id, 16) };
    struct events_query q = world_query_all();
    q.pred = &p;
    struct world_found got = world_scan(&w, 1, &q, w.arena);
    CHECK(got.count >= 4 && got.rows_read <= 2 * 16384);
    p.text = SLICE("0123456789abcdef");
    CHECK_INT(world_scan(&w, 1, &q, w.arena).rows_read, 0);
    p = (struct pred){ .op = PRED_CONTAINS, .column = COL_BODY, .text = SLICE(" number40001 took") };
    got = world_scan(&w, 1, &q, w.arena);
    CHECK(got.count == 1 && got.rows_read <= 2 * 16384);
    world_close(&w);
}

TEST(what_no_event_or_link_has_is_known_without_reading_spans)
{
    struct world w;
    world_open(&w);
    struct field fields[] = { { .type = FIELD_STRING, .name = SLICE("exception.type"), .text = SLICE("Timeout") },
                              { .type = FIELD_INT, .name = SLICE("attempt"), .i = 3 },
                              { .type = FIELD_JSON, .name = SLICE("tags"), .text = SLICE("[\"a\"]") } };
    struct span_event events[] = { { .time_ns = 6, .name = SLICE("exception"), .fields = fields, .field_count = 2 } };
    struct span_link links[] = { { .trace_id = { 1 }, .trace_state = SLICE_EMPTY, .fields = fields + 2, .field_count = 1 } };
    struct event e = { .kind = EVENT_SPAN, .weight = 1, .time_ns = 5, .trace_id = { 7 }, .span_id = { 7 }, .stream = SLICE_EMPTY,
                       .service = SLICE("s"), .body = SLICE("call"), .trace_state = SLICE_EMPTY, .status_message = SLICE_EMPTY,
                       .events = events, .event_count = 1, .links = links, .link_count = 1 };
    static const struct {
        const char *name, *text;
        size_t count;
    } cases[] = { { "exception.type", "Timeout", 1 }, { "exception.type", "timeout", 0 }, { "attempt", "3", 1 }, { "attempt", "4", 0 },
                  { "event:name", "exception", 1 },   { "event:name", "retry", 0 },       { "tags", "b", 1 },    { "none", "", 0 } };
    world_append(&w, 0, &e, 1);
    world_flush(&w);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena *a = arena_new(0);
        struct events_query q = world_query_all();
        q.pred = pred_child(a, slice_str(cases[i].name), slice_str(cases[i].text));
        struct world_found got = world_scan(&w, 1, &q, a);
        CHECK_INT(got.count, cases[i].count);
        CHECK_INT(got.rows_read, cases[i].count);
        arena_free(a);
    }
    world_close(&w);
}

TEST(a_scan_wants_only_some_columns_and_gets_them)
{
    struct world w;
    world_open(&w);
    world_append_random(&w, 500);
    world_flush(&w);
    struct events_query q = world_query_all();
    q.want = WANT_BODY;
    struct world_found got = world_scan(&w, 3, &q, w.arena);
    CHECK_INT(got.count, 500);
    for (size_t i = 0; i < got.count; i++)
        CHECK(got.rows[i].field_count == 0 && got.rows[i].stream.len == 0 && got.rows[i].time_ns != 0);
    world_close(&w);
}

/* The fields of a name, one after the other. */
static const struct field *next_named(const struct event *e, struct slice name, uint32_t *at)
{
    while (*at < e->field_count && !slice_eq(e->fields[*at].name, name))
        ++*at;
    return *at < e->field_count ? &e->fields[(*at)++] : NULL;
}

static void check_named(const struct event *got, const struct event *want, struct slice name)
{
    uint32_t at_got = 0, at_want = 0;
    for (;;) {
        const struct field *x = next_named(got, name, &at_got), *y = next_named(want, name, &at_want);
        CHECK((x == NULL) == (y == NULL));
        if (x == NULL)
            return;
        CHECK(x->type == y->type && x->scope == y->scope);
        CHECK(x->type == FIELD_INT || x->type == FIELD_BOOL || x->type == FIELD_DOUBLE ? x->i == y->i : slice_eq(x->text, y->text));
    }
}

TEST(fields_of_some_names_are_given_as_all_of_them_would_be)
{
    struct world w;
    world_open(&w);
    world_append_random(&w, 2000);
    for (int round = 0; round < 3; round++) {
        struct events_query q = world_query_all(), few = q;
        struct world_found all = world_scan(&w, 3, &q, w.arena);
        size_t fields = 0, left = 0;
        for (size_t i = 0; i < all.count; i += 97) {
            struct slice names[] = { SLICE("no such"), all.rows[i].field_count ? all.rows[i].fields[0].name : SLICE("none") };
            few.field_names = names;
            few.field_name_count = COUNT_OF(names);
            struct world_found got = world_scan(&w, 3, &few, w.arena);
            CHECK_INT(got.count, all.count);
            for (size_t k = 0; k < all.count; k++) {
                check_named(&got.rows[k], &all.rows[k], names[1]);
                fields += all.rows[k].field_count;
                left += got.rows[k].field_count;
            }
        }
        CHECK(round == 0 || fields == 0 || left < fields / 2);
        world_flush(&w);
        if (round)
            world_merge(&w);
    }
    world_close(&w);
}

/* ---- counts, streams, names ---- */

enum { COUNT_GROUPS_MAX = 4000 };

/* Groups are (service or a field's text, severity), numbered as they come. */
struct grouping {
    struct arena *a;
    struct slice field, names[COUNT_GROUPS_MAX]; /* field empty: none is looked at */
    uint8_t severities[COUNT_GROUPS_MAX];
    uint32_t count;
};

static struct slice group_text(const struct grouping *g, const struct event *e)
{
    const struct field *f = g->field.len ? event_field(e, g->field) : NULL;
    return f ? field_text(g->a, f) : e->stream;
}

static enum status group_of_event(void *arg, const struct event *e, uint32_t *out, struct err *err)
{
    struct grouping *g = arg;
    struct slice text = group_text(g, e);
    uint32_t i = 0;
    while (i < g->count && (g->severities[i] != e->severity || !slice_eq(g->names[i], text)))
        i++;
    if (i == COUNT_GROUPS_MAX)
        return err_set(err, ST_LIMIT, "too many groups");
    g->names[i] = arena_copy(g->a, text);
    g->severities[i] = e->severity;
    g->count = MAX(g->count, i + 1);
    *out = i;
    return ST_OK;
}

static bool group_looks_at(void *arg, struct slice field)
{
    const struct grouping *g = arg;
    return slice_eq(field, g->field);
}

static int64_t cell_of_row(const struct events_count_by *by, int64_t time_ns)
{
    int64_t a = by->origin_ns[0] + date_floor(time_ns - by->origin_ns[0], by->step_ns);
    int64_t b = by->origin_ns[1] + date_floor(time_ns - by->origin_ns[1], by->step_ns);
    return MAX(a, b);
}

static double naive_count(struct world *w, const struct events_query *q, const struct grouping *g, const struct event_count *c)
{
    double sum = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct event *e = &w->rows[i].e;
        if (w->rows[i].tenant == 0 && !w->rows[i].is_dead && e->severity == g->severities[c->group] && e->time_ns >= q->start_ns &&
            e->time_ns < q->end_ns && cell_of_row(q->count_by, e->time_ns) == c->time_ns && slice_eq(group_text(g, e), g->names[c->group]))
            sum += e->weight;
    }
    return sum;
}

static void check_counts(struct world *w, struct slice field, int64_t step_ns)
{
    struct grouping *g = arena_zalloc(w->arena, sizeof *g);
    g->a = w->arena;
    g->field = field;
    struct events_count_by by = { .step_ns = step_ns, .origin_ns = { world_start_ns + 3, world_start_ns - 2 * NS_S }, .group = group_of_event,
                                  .looks_at = group_looks_at, .arg = g };
    struct events_query q = world_query_all();
    q.start_ns = world_start_ns;
    q.end_ns = world_start_ns + 50000 * NS_S;
    q.count_by = &by;
    struct slice tenant = world_tenant(0);
    struct engine_ctx ctx;
    struct events_iter *it;
    struct event_block block;
    struct err err = { 0 };
    unsigned did;
    engine_ctx_init(&ctx, &tenant, 1, w->clock);
    CHECK(events_scan(w->store, &ctx, &q, &it, &did, &err) == ST_OK);
    CHECK(did & ENGINE_DID_COUNT);
    double total = 0, want = 0;
    enum status st;
    while ((st = it->ops->next(it, &block, &err)) == ST_OK)
        for (size_t i = 0; i < block.n; i++) {
            CHECK_NEAR(block.counts[i].count, naive_count(w, &q, g, &block.counts[i]), 1e-9);
            total += block.counts[i].count;
        }
    for (size_t i = 0; i < w->count; i++)
        if (w->rows[i].tenant == 0 && !w->rows[i].is_dead && w->rows[i].e.time_ns < q.end_ns)
            want += w->rows[i].e.weight;
    CHECK(st == ST_NOT_FOUND);
    CHECK_NEAR(total, want, 1e-6);
    it->ops->close(it);
    engine_ctx_free(&ctx);
}

TEST(counts_by_cell_and_group_are_the_rows)
{
    struct world w;
    world_open(&w);
    world_append_random(&w, 700);
    world_flush(&w);
    world_append_random(&w, 300);
    erase_any(&w);
    check_counts(&w, SLICE_EMPTY, 7 * NS_S);
    check_counts(&w, SLICE_EMPTY, 100000 * NS_S);
    for (int i = 0; i < 3; i++) {
        const struct field *f = w.rows[i * 7].e.field_count ? &w.rows[i * 7].e.fields[0] : NULL;
        if (f)
            check_counts(&w, f->name, 500 * NS_S);
    }
    world_close(&w);
}

TEST(counts_of_a_block_with_one_severity_are_of_that_severity)
{
    enum { ROWS = 200 };
    struct event list[ROWS];
    struct world w;
    world_open(&w);
    for (size_t i = 0; i < ROWS; i++)
        list[i] = (struct event){ .kind = EVENT_LOG, .severity = SEVERITY_ERROR, .weight = 1, .time_ns = world_start_ns + (int64_t)i * NS_S,
                                  .stream = world_stream(w.arena, i % 2), .body = SLICE("x") };
    world_append(&w, 0, list, ROWS);
    world_flush(&w);
    check_counts(&w, SLICE_EMPTY, 7 * NS_S);
    check_counts(&w, SLICE_EMPTY, 100000 * NS_S);
    world_close(&w);
}

static void check_streams(struct world *w, int64_t end_ns)
{
    struct slice tenant = world_tenant(1), *got;
    struct engine_ctx ctx;
    struct matcher m;
    size_t count, want = 0;
    struct err err = { 0 };
    engine_ctx_init(&ctx, &tenant, 1, w->clock);
    CHECK(matcher_init(&m, MATCH_RE, SLICE("app"), SLICE("app[12]"), &err) == ST_OK);
    CHECK(events_streams(w->store, &ctx, INT64_MIN, end_ns, 1 << EVENT_LOG, &m, 1, 0, w->arena, &got, &count, &err) == ST_OK);
    for (unsigned s = 0; s < 14; s++) {
        struct slice labels = world_stream(w->arena, s);
        bool is_there = false;
        for (size_t i = 0; i < w->count; i++)
            is_there = is_there || (!w->rows[i].is_dead && w->rows[i].tenant == 1 && w->rows[i].e.kind == EVENT_LOG &&
                                    w->rows[i].e.time_ns < end_ns && slice_eq(w->rows[i].e.stream, labels));
        want += is_there && matcher_match(&m, labels_get(labels, SLICE("app")));
    }
    CHECK_INT(count, want);
    for (size_t i = 1; i < count; i++)
        CHECK(labels_cmp(got[i - 1], got[i]) < 0);
    matcher_destroy(&m);
    engine_ctx_free(&ctx);
}

TEST(streams_are_those_with_rows_in_the_window)
{
    struct world w;
    world_open(&w);
    for (int i = 0; i < 12; i++) {
        world_append_random(&w, 40);
        if (i % 3 == 0)
            world_flush(&w);
        if (i % 4 == 0)
            erase_any(&w);
        check_streams(&w, INT64_MAX);
        check_streams(&w, world_start_ns + 20 * NS_S);
    }
    world_merge(&w);
    check_streams(&w, INT64_MAX);
    world_close(&w);
}

static uint64_t naive_name(struct world *w, const struct names_query *q, struct slice value, struct arena *a)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct event *e = &w->rows[i].e;
        bool is_named = false;
        if (w->rows[i].is_dead || w->rows[i].tenant != 0)
            continue;
        rows += q->what == NAMES_SERVICES && slice_eq(e->service, value);
        for (uint32_t f = 0; f < e->field_count; f++) {
            is_named = is_named || slice_eq(e->fields[f].name, value);
            rows += q->what == NAMES_FIELD_VALUES && slice_eq(e->fields[f].name, q->name) && slice_eq(field_text(a, &e->fields[f]), value);
        }
        rows += q->what == NAMES_FIELDS && is_named;
    }
    return rows;
}

TEST(names_are_listed_with_the_number_of_their_rows)
{
    static const enum names_what whats[] = { NAMES_FIELDS, NAMES_FIELD_VALUES, NAMES_SERVICES };
    struct world w;
    world_open(&w);
    world_append_random(&w, 400);
    world_append_random(&w, 400);
    world_flush(&w);
    world_append_random(&w, 200);
    struct slice tenant = world_tenant(0);
    for (size_t i = 0; i < COUNT_OF(whats); i++) {
        struct names_query q = { .what = whats[i], .name = SLICE("retries"), .start_ns = INT64_MIN, .end_ns = INT64_MAX, .kinds = UINT32_MAX };
        struct engine_ctx ctx;
        struct name_hit *hits;
        size_t count;
        struct err err = { 0 };
        engine_ctx_init(&ctx, &tenant, 1, w.clock);
        CHECK(events_names(w.store, &ctx, &q, w.arena, &hits, &count, &err) == ST_OK);
        for (size_t k = 0; k < count; k++) {
            CHECK_INT(hits[k].count, naive_name(&w, &q, hits[k].value, w.arena));
            CHECK(k == 0 || slice_cmp(hits[k - 1].value, hits[k].value) < 0);
        }
        size_t services = 0;
        for (unsigned k = 0; k < 5; k++)
            services += naive_name(&w, &q, arena_printf(w.arena, "service-%u", k), w.arena) != 0;
        CHECK(whats[i] != NAMES_SERVICES || count == services);
        engine_ctx_free(&ctx);
    }
    world_close(&w);
}

/* As a server sees lines: many of a stream in a request, a service a stream, seen at one time. */
static void append_request(struct world *w, size_t batch)
{
    enum { LINES = 200, STREAMS = 9 };
    struct event *list = arena_zalloc(w->arena, LINES * sizeof *list);
    for (size_t i = 0; i < LINES; i++) {
        unsigned stream = (unsigned)(i * STREAMS / LINES);
        list[i] = (struct event){ .kind = EVENT_LOG, .weight = 1, .stream = world_stream(w->arena, stream), .trace_state = SLICE_EMPTY,
                                  .status_message = SLICE_EMPTY, .severity = (uint8_t)(9 + i % 2 * 4) };
        list[i].service = arena_printf(w->arena, "service-%u", stream);
        list[i].time_ns = world_start_ns + (int64_t)(batch * LINES + rand_below(&w->rand, LINES)) * NS_MS;
        list[i].observed_ns = world_start_ns + (int64_t)batch * NS_S;
        rand_bytes(&w->rand, list[i].trace_id, sizeof list[i].trace_id);
        list[i].body = arena_printf(w->arena, "took=%u of %u by user-%llu level=%u", (unsigned)rand_below(&w->rand, 100000), stream,
                                    (unsigned long long)rand_u64(&w->rand), list[i].severity);
    }
    world_append(w, 0, list, LINES);
}

TEST(rows_of_requests_keep_their_seq_and_the_time_they_were_seen_at_through_flush_and_merge)
{
    enum { BATCHES = 8 };
    struct world w;
    struct world_found found[3];
    struct events_query q = world_query_all();
    world_open(&w);
    for (size_t i = 0; i < BATCHES; i++) {
        append_request(&w, i);
        if (i == BATCHES / 2)
            world_flush(&w);
    }
    found[0] = world_scan(&w, 1, &q, w.arena);
    world_flush(&w);
    found[1] = world_scan(&w, 1, &q, w.arena);
    world_merge(&w);
    found[2] = world_scan(&w, 1, &q, w.arena);
    for (size_t k = 0; k < COUNT_OF(found); k++) {
        CHECK_INT(found[k].count, w.count);
        for (size_t i = 0; i < found[k].count; i++) {
            CHECK_INT(found[k].rows[i].seq, found[0].rows[i].seq);
            CHECK(world_same(&found[k].rows[i], &found[0].rows[i]));
        }
    }
    world_close(&w);
}
