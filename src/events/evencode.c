/* SPDX-License-Identifier: Apache-2.0 */
/* A column function gathers one member of all rows and hands it to the codec of its type. Times when seen are kept
 * relative to the row's time; a span's parent as the number of rows back to it where it stands in the same block. */
#include "events/evencode.h"

#include "base/hash.h"

static const uint8_t NO_ID[16];

enum { SEQ_ROW_MASK = (1 << 20) - 1 };

/* Room for n numbers, living as long as the block. */
static int64_t *numbers(const struct evencode *e)
{
    return arena_array(e->arena, int64_t, e->n + 1);
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

static bool put_observed(const struct evencode *e, struct buf *out)
{
    bool all = true, none = true;
    for (size_t i = 0; i < e->n; i++) {
        all = all && e->rows[i]->observed_ns;
        none = none && !e->rows[i]->observed_ns;
    }
    if (none)
        return false;
    GATHER(e, v, all ? (int64_t)((uint64_t)row->observed_ns - (uint64_t)row->time_ns) : row->observed_ns);
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
        evcol_put_strings(out, v, e->n);
    return any;
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
    if (column == EVCOL_TIME) {
        GATHER(e, v, row->time_ns);
        return put_always(e, out, v);
    }
    if (column == EVCOL_LSN) {
        GATHER(e, v, (int64_t)(row->seq >> 20));
        return put_always(e, out, v);
    }
    if (column == EVCOL_ROW) {
        GATHER(e, v, (int64_t)(row->seq & SEQ_ROW_MASK));
        return put_always(e, out, v);
    }
    GATHER(e, v, column == EVCOL_SEVERITY      ? row->severity
                 : column == EVCOL_DURATION    ? row->duration_ns
                 : column == EVCOL_SPAN_KIND   ? row->span_kind
                                               : row->span_status);
    return put_numbers(e, out, v, 0);
}

bool evencode_column(const struct evencode *e, enum evdir_column column, struct buf *out)
{
    switch (column) {
    case EVCOL_TIME:
    case EVCOL_LSN:
    case EVCOL_ROW:
    case EVCOL_SEVERITY:
    case EVCOL_DURATION:
    case EVCOL_SPAN_KIND:
    case EVCOL_SPAN_STATUS:
        return put_member(e, column, out);
    case EVCOL_OBSERVED:
        return put_observed(e, out);
    case EVCOL_STREAM:
        return put_always(e, out, e->streams);
    case EVCOL_SERVICE:
        return put_always(e, out, e->services);
    case EVCOL_BODY:
        return put_strings(e, out, offsetof(struct event, body));
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
