/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit.h"
#include "model/exemplar.h"

static struct slice series(struct batch *b)
{
    struct slice out = SLICE_EMPTY;
    struct err err;
    CHECK_INT(labels_parse(b->arena, SLICE("c_total{job=\"shop\"}"), &out, &err), ST_OK);
    return out;
}

TEST(exemplar_keeps_labels_value_and_ids)
{
    struct batch *b = batch_new(0);
    struct label list[] = { { SLICE("trace_id"), SLICE("4bf92f3577b34da6a3ce929d0e0e4736") }, { SLICE("value"), SLICE("x") } };
    struct buf text;
    struct err err;
    buf_init(&text, 0);
    CHECK_INT(exemplar_add(b, series(b), list, 2, 0.5, 77, &err), ST_OK);
    CHECK_INT(exemplar_add(b, series(b), list, 2, 0.5, 77, &err), ST_OK);
    CHECK_INT(exemplar_add(b, series(b), list, 2, 0.25, 77, &err), ST_OK);
    const struct event *e = b->events;
    CHECK_INT(e->kind, EVENT_EXEMPLAR);
    CHECK(exemplar_value(e) == 0.5 && e->trace_id[0] == 0x4b && event_has_trace(e));
    labels_format(exemplar_labels(b->arena, e), &text);
    CHECK_STR(buf_as_slice(&text), "{trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\",value=\"x\"}");
    CHECK_STR(e->service, "shop");
    CHECK(exemplar_equal(&e[0], &e[1]) && !exemplar_equal(&e[0], &e[2]));
    buf_free(&text);
    batch_drop(b);
}

TEST(exemplar_refuses_labels_over_its_limits)
{
    static char much[EXEMPLAR_LABELS_BYTES_MAX + 1];
    struct batch *b = batch_new(0);
    struct label list[EXEMPLAR_LABELS_MAX + 1];
    struct err err;
    memset(much, 'a', sizeof much);
    for (size_t i = 0; i < COUNT_OF(list); i++)
        list[i] = (struct label){ SLICE("a"), SLICE("b") };
    CHECK_INT(exemplar_add(b, series(b), list, COUNT_OF(list), 1, 1, &err), ST_LIMIT);
    list[0].value = slice_of(much, sizeof much);
    CHECK_INT(exemplar_add(b, series(b), list, 1, 1, 1, &err), ST_LIMIT);
    list[0].value = SLICE("\xff");
    CHECK_INT(exemplar_add(b, series(b), list, 1, 1, 1, &err), ST_INVALID);
    CHECK_INT(b->event_count, 0);
    batch_drop(b);
}
