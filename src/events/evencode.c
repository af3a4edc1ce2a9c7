/* SPDX-License-Identifier: Apache-2.0 */
/* A column function gathers one member of all rows and hands it to the codec of its type. Times when seen are kept
 * relative to the row's time; a span's parent as the number of rows back to it where it stands in the same block. */
#include "events/evencode.h"

#include <stdlib.h>

#include "base/hash.h"

static const uint8_t NO_ID[16];

enum { SEQ_ROW_MASK = (1 << 20) - 1, LSN_ROWS_MIN = 4 /* on average, for a list of LSNs to be worth it */ };

/* Room for n numbers, living as long as the block. */
static int64_t *numbers(const struct evencode *e)
{
    return arena_array(e->arena, int64_t, e->n + 1);
}

static unsigned column_bit(enum evdir_column column)
{
    return 1u << column;
}

static bool has_column(const struct evencode *e, enum evdir_column column)
{
    return e->has & column_bit(column);
}

static unsigned columns_of(const struct event *row)
{
    unsigned has = 0;
    has |= row->duration_ns ? column_bit(EVCOL_DURATION) : 0;
    has |= row->span_kind ? column_bit(EVCOL_SPAN_KIND) : 0;
    has |= row->span_status ? column_bit(EVCOL_SPAN_STATUS) : 0;
    has |= row->weight != 1 ? column_bit(EVCOL_WEIGHT) : 0;
    has |= memcmp(row->trace_id, NO_ID, sizeof row->trace_id) ? column_bit(EVCOL_TRACE_ID) : 0;
    has |= memcmp(row->span_id, NO_ID, sizeof row->span_id) ? column_bit(EVCOL_SPAN_ID) : 0;
    has |= memcmp(row->parent_id, NO_ID, sizeof row->parent_id) ? column_bit(EVCOL_PARENT_ID) : 0;
    has |= row->trace_state.len ? column_bit(EVCOL_TRACE_STATE) : 0;
    has |= row->status_message.len ? column_bit(EVCOL_STATUS_MESSAGE) : 0;
    has |= row->event_count ? column_bit(EVCOL_EVENTS) : 0;
    has |= row->link_count ? column_bit(EVCOL_LINKS) : 0;
    return has;
}

void evencode_begin(struct evencode *e)
{
    enum { AHEAD = 12, LINE_BYTES = 64 };
    e->times = numbers(e);
    e->lsns = numbers(e);
    e->severities = numbers(e);
    e->observed = numbers(e);
    e->has = 0;
    for (size_t i = 0; i < e->n; i++) {
        const struct event *row = e->rows[i];
        const char *ahead = (const char *)e->rows[MIN(i + AHEAD, e->n - 1)];
        for (size_t k = 0; k < sizeof *row; k += LINE_BYTES)
            __builtin_prefetch(ahead + k);
        e->times[i] = row->time_ns;
        e->lsns[i] = (int64_t)(row->seq >> 20);
        e->severities[i] = row->severity;
        e->observed[i] = row->observed_ns;
        e->has |= columns_of(row);
    }
}

static bool put_numbers(const struct evencode *e, struct buf *out, const int64_t *v, int64_t standard)
{
    size_t i = 0;
    while (i < e->n && v[i] == standard)
        i++;
    if (i == e->n)
        return false;
    evcol_put_ints(out, v, e->n);
    return true;
}

#define GATHER(e, v, expression)                                                                                       \
    int64_t *v = numbers(e);                                                                                           \
    for (size_t i = 0; i < (e)->n; i++) {                                                                              \
        const struct event *row = (e)->rows[i];                                                                        \
        v[i] = (expression);                                                                                           \
    }

/* ---- what the rows of a request have in common ---- */

static int cmp_lsn(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

size_t evencode_lsn_places(const int64_t *lsn, size_t n, struct arena *a, size_t **places)
{
    int64_t *list = arena_array(a, int64_t, n + 1);
    size_t count = 0, unique = 0;
    *places = arena_array(a, size_t, n + 1);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || lsn[i] != lsn[i - 1])
            list[count++] = lsn[i];
    qsort(list, count, sizeof *list, cmp_lsn);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || list[i] != list[i - 1])
            list[unique++] = list[i];
    for (size_t i = 0; i < n; i++) {
        if (i && lsn[i] == lsn[i - 1])
            (*places)[i] = (*places)[i - 1];
        else
            (*places)[i] = (size_t)((const int64_t *)bsearch(&lsn[i], list, unique, sizeof *list, cmp_lsn) - list);
    }
    return unique;
}

int64_t *evencode_rows_of_next(const int64_t *lsn, const int64_t *next, const int64_t *streams, size_t n, size_t stream_count, struct arena *a)
{
    int64_t *rows = arena_array(a, int64_t, n + 1), *last = arena_array(a, int64_t, 2 * stream_count + 2);
    for (size_t s = 0; s < stream_count; s++)
        last[2 * s] = -1; /* no LSN */
    for (size_t i = 0; i < n; i++) {
        int64_t *of = &last[2 * streams[i]];
        rows[i] = (int64_t)((uint64_t)next[i] + (of[0] == lsn[i] ? (uint64_t)of[1] + 1 : 0));
        of[0] = lsn[i];
        of[1] = rows[i];
    }
    return rows;
}

/* The column of EVCOL_ROW_NEXT; NULL when most rows do not follow on one another. */
static int64_t *next_of_rows(const struct evencode *e)
{
    int64_t streams = 0;
    for (size_t i = 0; i < e->n; i++)
        streams = MAX(streams, e->streams[i]);
    int64_t *next = numbers(e), *last = arena_array(e->arena, int64_t, 2 * (size_t)streams + 2);
    size_t others = 0;
    for (int64_t s = 0; s <= streams; s++)
        last[2 * s] = -1;
    for (size_t i = 0; i < e->n; i++) {
        int64_t *of = &last[2 * e->streams[i]], lsn = (int64_t)(e->rows[i]->seq >> 20), row = (int64_t)(e->rows[i]->seq & SEQ_ROW_MASK);
        next[i] = row - (of[0] == lsn ? of[1] + 1 : 0);
        others += next[i] != 0;
        of[0] = lsn;
        of[1] = row;
    }
    return others * 2 < e->n ? next : NULL;
}

static bool put_row(const struct evencode *e, struct buf *out, bool is_next)
{
    int64_t *next = next_of_rows(e);
    if ((next != NULL) != is_next)
        return false;
    GATHER(e, v, is_next ? next[i] : (int64_t)(row->seq & SEQ_ROW_MASK));
    evcol_put_ints(out, v, e->n);
    return true;
}

/* The service of each stream, when that says it for all rows. */
static int64_t *services_of_streams(const struct evencode *e, size_t *count)
{
    int64_t max = 0;
    for (size_t i = 0; i < e->n; i++)
        max = MAX(max, e->streams[i]);
    *count = (size_t)max + 1;
    int64_t *of = arena_array(e->arena, int64_t, *count);
    memset(of, 0xff, *count * sizeof *of);
    for (size_t i = 0; i < e->n; i++) {
        int64_t *at = &of[e->streams[i]];
        if (*at >= 0 && *at != e->services[i])
            return NULL;
        *at = e->services[i];
    }
    return of;
}

static bool put_services(const struct evencode *e, struct buf *out, bool is_of_stream)
{
    size_t count;
    int64_t *of = services_of_streams(e, &count);
    if ((of != NULL) != is_of_stream)
        return false;
    evcol_put_ints(out, of ? of : e->services, of ? count : e->n);
    return true;
}

/* One time a request, as servers that see a request at once give. */
static bool put_observed_by_lsn(const struct evencode *e, struct buf *out)
{
    size_t *places, count = evencode_lsn_places(e->lsns, e->n, e->arena, &places);
    if (count * LSN_ROWS_MIN > e->n)
        return false;
    int64_t *of = arena_array(e->arena, int64_t, count);
    bool *is_known = arena_zalloc(e->arena, count * sizeof *is_known);
    for (size_t i = 0; i < e->n; i++) {
        if (is_known[places[i]] && of[places[i]] != e->observed[i])
            return false;
        of[places[i]] = e->observed[i];
        is_known[places[i]] = true;
    }
    buf_u8(out, EVENCODE_OBSERVED_BY_LSN);
    evcol_put_ints(out, of, count);
    return true;
}

static bool put_observed(const struct evencode *e, struct buf *out)
{
    bool all = true, none = true;
    for (size_t i = 0; i < e->n; i++) {
        all = all && e->observed[i];
        none = none && !e->observed[i];
    }
    if (none)
        return false;
    if (put_observed_by_lsn(e, out))
        return true;
    int64_t *v = numbers(e);
    for (size_t i = 0; i < e->n; i++)
        v[i] = all ? (int64_t)((uint64_t)e->observed[i] - (uint64_t)e->times[i]) : e->observed[i];
    buf_u8(out, all ? EVENCODE_OBSERVED_RELATIVE : EVENCODE_OBSERVED_ABSOLUTE);
    evcol_put_ints(out, v, e->n);
    return true;
}

static bool put_weight(const struct evencode *e, struct buf *out)
{
    bool is_one = true;
    int64_t *v = numbers(e);
    for (size_t i = 0; i < e->n; i++) {
        uint32_t bits;
        memcpy(&bits, &e->rows[i]->weight, sizeof bits);
        v[i] = bits;
        is_one = is_one && e->rows[i]->weight == 1;
    }
    if (is_one)
        return false;
    evcol_put_ints(out, v, e->n);
    return true;
}

static bool put_ids(const struct evencode *e, struct buf *out, size_t offset, size_t width)
{
    uint8_t *v = arena_alloc(e->arena, e->n * width + 1);
    bool any = false;
    for (size_t i = 0; i < e->n; i++) {
        memcpy(v + i * width, (const uint8_t *)e->rows[i] + offset, width);
        any = any || memcmp(v + i * width, NO_ID, width) != 0;
    }
    if (any)
        evcol_put_fixed(out, v, width, e->n);
    return any;
}

static bool put_strings(const struct evencode *e, struct buf *out, size_t offset)
{
    struct slice *v = arena_array(e->arena, struct slice, e->n + 1);
    bool any = false;
    for (size_t i = 0; i < e->n; i++) {
        memcpy(&v[i], (const uint8_t *)e->rows[i] + offset, sizeof v[i]);
        any = any || v[i].len;
    }
    if (any)
        evcol_put_texts(out, v, e->n, e->texts, NULL, NULL);
    return any;
}

static bool put_body(const struct evencode *e, struct buf *out)
{
    struct slice *v = arena_array(e->arena, struct slice, e->n + 1);
    bool any = false, has_trace = has_column(e, EVCOL_TRACE_ID), has_span = has_column(e, EVCOL_SPAN_ID);
    for (size_t i = 0; i < e->n; i++) {
        v[i] = e->rows[i]->body;
        any = any || v[i].len;
    }
    if (!any)
        return false;
    uint8_t *traces = has_trace ? arena_alloc(e->arena, e->n * 16) : NULL, *spans = has_span ? arena_alloc(e->arena, e->n * 8) : NULL;
    for (size_t i = 0; has_trace && i < e->n; i++)
        memcpy(traces + i * 16, e->rows[i]->trace_id, 16);
    for (size_t i = 0; has_span && i < e->n; i++)
        memcpy(spans + i * 8, e->rows[i]->span_id, 8);
    struct evtext_rows rows = { e->times, e->streams, e->severities, traces, spans };
    evcol_put_texts(out, v, e->n, e->texts, &rows, e->filter);
    return true;
}

/* ---- parents ---- */

/* Rows by span id: open addressing, row + 1. The first row of an id wins. */
static uint32_t *index_spans(const struct evencode *e, size_t *cap)
{
    *cap = 16;
    while (*cap < e->n * 2)
        *cap *= 2;
    uint32_t *index = arena_zalloc(e->arena, *cap * sizeof *index);
    for (size_t i = 0; i < e->n; i++) {
        uint64_t id;
        memcpy(&id, e->rows[i]->span_id, sizeof id);
        size_t at = (size_t)hash_u64(id) & (*cap - 1);
        while (index[at] && memcmp(e->rows[index[at] - 1]->span_id, &id, sizeof id) != 0)
            at = (at + 1) & (*cap - 1);
        if (index[at] == 0)
            index[at] = (uint32_t)i + 1;
    }
    return index;
}

static bool put_parents(const struct evencode *e, struct buf *out)
{
    bool any = false;
    for (size_t i = 0; i < e->n; i++)
        any = any || memcmp(e->rows[i]->parent_id, NO_ID, sizeof e->rows[i]->parent_id) != 0;
    if (!any)
        return false;
    size_t cap, elsewhere = 0;
    uint32_t *index = index_spans(e, &cap);
    uint8_t *raw = arena_alloc(e->arena, e->n * 8);
    int64_t *v = numbers(e);
    for (size_t i = 0; i < e->n; i++) {
        uint64_t id;
        memcpy(&id, e->rows[i]->parent_id, sizeof id);
        size_t at = (size_t)hash_u64(id) & (cap - 1);
        while (id && index[at] && memcmp(e->rows[index[at] - 1]->span_id, &id, sizeof id) != 0)
            at = (at + 1) & (cap - 1);
        int64_t back = (int64_t)i - ((int64_t)index[at] - 1);
        v[i] = id == 0 ? EVENCODE_PARENT_NONE : EVENCODE_PARENT_ELSEWHERE;
        if (id && index[at])
            v[i] = EVENCODE_PARENT_ROWS + (int64_t)((uint64_t)back << 1 ^ (uint64_t)(back >> 63));
        else if (id)
            memcpy(raw + 8 * elsewhere++, &id, sizeof id);
    }
    evcol_put_ints(out, v, e->n);
    buf_put(out, raw, elsewhere * 8);
    return true;
}

/* ---- lists ---- */

static void put_field_lists(const struct evencode *e, struct buf *out, const int64_t *counts, size_t n,
                            const struct field *const *lists)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        total += (size_t)counts[i];
    const struct field **all = arena_array(e->arena, const struct field *, total + 1);
    for (size_t i = 0; i < n; i++)
        for (int64_t k = 0; k < counts[i]; k++)
            all[at++] = &lists[i][k];
    evcol_put_ints(out, counts, n);
    evcol_put_cells(out, all, total);
}

static bool put_events(const struct evencode *e, struct buf *out)
{
    GATHER(e, counts, row->event_count);
    size_t total = 0, at = 0;
    for (size_t i = 0; i < e->n; i++)
        total += e->rows[i]->event_count;
    if (total == 0)
        return false;
    int64_t *times = arena_array(e->arena, int64_t, total), *fields = arena_array(e->arena, int64_t, total);
    struct slice *names = arena_array(e->arena, struct slice, total);
    const struct field **lists = arena_array(e->arena, const struct field *, total);
    for (size_t i = 0; i < e->n; i++)
        for (uint32_t k = 0; k < e->rows[i]->event_count; k++, at++) {
            const struct span_event *ev = &e->rows[i]->events[k];
            times[at] = (int64_t)((uint64_t)ev->time_ns - (uint64_t)e->rows[i]->time_ns);
            names[at] = ev->name;
            fields[at] = ev->field_count;
            lists[at] = ev->fields;
        }
    evcol_put_ints(out, counts, e->n);
    evcol_put_ints(out, times, total);
    evcol_put_strings(out, names, total);
    put_field_lists(e, out, fields, total, lists);
    return true;
}

static bool put_links(const struct evencode *e, struct buf *out)
{
    GATHER(e, counts, row->link_count);
    size_t total = 0, at = 0;
    for (size_t i = 0; i < e->n; i++)
        total += e->rows[i]->link_count;
    if (total == 0)
        return false;
    int64_t *fields = arena_array(e->arena, int64_t, total);
    struct slice *states = arena_array(e->arena, struct slice, total);
    const struct field **lists = arena_array(e->arena, const struct field *, total);
    uint8_t *traces = arena_alloc(e->arena, total * 16), *spans = arena_alloc(e->arena, total * 8);
    for (size_t i = 0; i < e->n; i++)
        for (uint32_t k = 0; k < e->rows[i]->link_count; k++, at++) {
            const struct span_link *link = &e->rows[i]->links[k];
            memcpy(traces + at * 16, link->trace_id, 16);
            memcpy(spans + at * 8, link->span_id, 8);
            states[at] = link->trace_state;
            fields[at] = link->field_count;
            lists[at] = link->fields;
        }
    evcol_put_ints(out, counts, e->n);
    evcol_put_fixed(out, traces, 16, total);
    evcol_put_fixed(out, spans, 8, total);
    evcol_put_strings(out, states, total);
    put_field_lists(e, out, fields, total, lists);
    return true;
}

/* ---- fields ---- */

static bool put_shapes(const struct evencode *e, struct buf *out)
{
    if (e->shape_count == 1 && e->starts[1] == 0)
        return false;
    buf_varint(out, e->shape_count);
    for (size_t s = 0; s < e->shape_count; s++) {
        buf_varint(out, e->starts[s + 1] - e->starts[s]);
        for (uint32_t i = e->starts[s]; i < e->starts[s + 1]; i++)
            buf_varint(out, e->elements[i]);
    }
    evcol_put_ints(out, e->shapes, e->n);
    return true;
}

static bool put_cells(const struct evencode *e, struct buf *out)
{
    if (e->cell_count == 0)
        return false;
    buf_varint(out, e->cell_count);
    evcol_put_cells(out, e->cells, e->cell_count);
    return true;
}

static bool put_always(const struct evencode *e, struct buf *out, const int64_t *v)
{
    evcol_put_ints(out, v, e->n);
    return true;
}

/* Members that are one whole number each. */
static bool put_member(const struct evencode *e, enum evdir_column column, struct buf *out)
{
    if (column == EVCOL_TIME || column == EVCOL_LSN)
        return put_always(e, out, column == EVCOL_TIME ? e->times : e->lsns);
    if (column == EVCOL_SEVERITY)
        return put_numbers(e, out, e->severities, 0);
    GATHER(e, v, column == EVCOL_DURATION      ? row->duration_ns
                 : column == EVCOL_SPAN_KIND   ? row->span_kind
                                               : row->span_status);
    return put_numbers(e, out, v, 0);
}

bool evencode_column(const struct evencode *e, enum evdir_column column, struct buf *out)
{
    bool may_lack = column >= EVCOL_TRACE_ID && column <= EVCOL_LINKS && column != EVCOL_SHAPE && column != EVCOL_CELLS;
    if (may_lack && !has_column(e, column))
        return false;
    switch (column) {
    case EVCOL_TIME:
    case EVCOL_LSN:
    case EVCOL_SEVERITY:
    case EVCOL_DURATION:
    case EVCOL_SPAN_KIND:
    case EVCOL_SPAN_STATUS:
        return put_member(e, column, out);
    case EVCOL_OBSERVED:
        return put_observed(e, out);
    case EVCOL_STREAM:
        return put_always(e, out, e->streams);
    case EVCOL_ROW:
    case EVCOL_ROW_NEXT:
        return put_row(e, out, column == EVCOL_ROW_NEXT);
    case EVCOL_SERVICE:
    case EVCOL_STREAM_SERVICE:
        return put_services(e, out, column == EVCOL_STREAM_SERVICE);
    case EVCOL_BODY:
        return put_body(e, out);
    case EVCOL_TRACE_ID:
        return put_ids(e, out, offsetof(struct event, trace_id), 16);
    case EVCOL_SPAN_ID:
        return put_ids(e, out, offsetof(struct event, span_id), 8);
    case EVCOL_PARENT_ID:
        return put_parents(e, out);
    case EVCOL_WEIGHT:
        return put_weight(e, out);
    case EVCOL_TRACE_STATE:
        return put_strings(e, out, offsetof(struct event, trace_state));
    case EVCOL_STATUS_MESSAGE:
        return put_strings(e, out, offsetof(struct event, status_message));
    case EVCOL_SHAPE:
        return put_shapes(e, out);
    case EVCOL_CELLS:
        return put_cells(e, out);
    case EVCOL_EVENTS:
        return put_events(e, out);
    case EVCOL_LINKS:
        return put_links(e, out);
    case EVCOL_FILTER:
    case EVCOL_FIELD_FIRST:
        break;
    }
    return false;
}
