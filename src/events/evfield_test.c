/* SPDX-License-Identifier: Apache-2.0 */
/* That what is found is right is tested against the parsers themselves (src/server/lots_test.c); here, that it is found in columns. */
#include "events/evfield.h"
#include "events/evworld.h"

enum { LINES = 80 };

struct counts {
    size_t lots, lot_rows, errors, rows;
    double sum;
    struct slice first; /* of the last name's texts */
};

static bool looks_at_none(void *arg, struct slice field)
{
    return false;
}

static void append_lines(struct world *w, const char *form, struct slice body(struct world *w, const char *form, unsigned i))
{
    struct event list[LINES];
    for (unsigned i = 0; i < LINES; i++)
        list[i] = (struct event){ .kind = EVENT_LOG, .weight = 1, .time_ns = world_start_ns + i * NS_S, .stream = world_stream(w->arena, 1),
                                  .service = SLICE("s"), .body = body(w, form, i) };
    world_append(w, 0, list, LINES);
}

static struct slice body_of(struct world *w, const char *form, unsigned i)
{
    struct slice parts[4], rest = slice_str(form);
    size_t n = 0;
    while (n < 3 && slice_find_char(rest, '#', 0) != SIZE_MAX)
        slice_cut(rest, '#', &parts[n++], &rest);
    parts[n++] = rest;
    struct slice out = parts[0];
    for (size_t k = 1; k < n; k++)
        out = arena_printf(w->arena, "%.*s%u%.*s", SLICE_FMT(out), i * 37 + (unsigned)k, SLICE_FMT(parts[k]));
    return out;
}

static struct counts count_lots(struct world *w, enum lot_parser parser, const struct slice *names, size_t count)
{
    struct counts out = { 0 };
    struct lot_query lots = { .parser = parser, .names = names, .count = count, .looks_at = looks_at_none };
    struct events_query q = world_query_all();
    struct events_iter *it;
    struct event_block block;
    struct engine_ctx ctx;
    struct slice tenant = world_tenant(0);
    struct err err = { 0 };
    unsigned did;
    q.lots = &lots;
    engine_ctx_init(&ctx, &tenant, 1, w->clock);
    CHECK(events_scan(w->store, &ctx, &q, &it, &did, &err) == ST_OK);
    CHECK(did & ENGINE_DID_LOTS);
    while (it->ops->next(it, &block, &err) == ST_OK) {
        out.rows += block.lot ? 0 : block.n;
        if (block.lot == NULL)
            continue;
        out.lots++;
        out.lot_rows += block.lot->n;
        out.errors += block.lot->is_error ? block.lot->n : 0;
        const struct lot_values *v = block.lot->is_error ? NULL : &block.lot->values[count - 1];
        for (size_t i = 0; v && v->kind == LOT_NUMBERS && i < block.lot->n; i++)
            out.sum += (double)v->ints[i];
        if (v && v->kind != LOT_NUMBERS)
            out.first = arena_copy(w->arena, v->kind == LOT_TEXTS ? v->texts[0] : v->dict[v->ids ? v->ids[0] : 0]);
    }
    it->ops->close(it);
    engine_ctx_free(&ctx);
    return out;
}

TEST(fields_of_json_lines_come_as_numbers_and_lines_of_other_forms_as_errors)
{
    struct world w;
    struct slice names[] = { SLICE("msg"), SLICE("http_ms") };
    world_open(&w);
    append_lines(&w, "{\"msg\":\"job # done\",\"http\":{\"ms\":#},\"ok\":true}", body_of);
    append_lines(&w, "10.0.0.# - - \"GET /x/# HTTP/1.1\" 200", body_of);
    world_flush(&w);
    struct counts c = count_lots(&w, LOT_JSON, names, COUNT_OF(names));
    CHECK_INT(c.lot_rows, 2 * LINES);
    CHECK_INT(c.errors, LINES);
    CHECK_INT(c.rows, 0);
    CHECK_NEAR(c.sum, LINES * 2 + 37 * (LINES * (LINES - 1) / 2), 0);
    world_close(&w);
}

TEST(fields_of_logfmt_lines_are_found_beside_lines_that_have_them_in_quotes)
{
    struct world w;
    struct slice names[] = { SLICE("took") };
    world_open(&w);
    append_lines(&w, "level=info msg=\"run # of it\" took=# n=#", body_of);
    append_lines(&w, "{\"msg\":\"it took=# and # more\"}", body_of);
    append_lines(&w, "{\"msg\":\"it has # and # more\"}", body_of);
    world_flush(&w);
    struct counts c = count_lots(&w, LOT_LOGFMT, names, COUNT_OF(names));
    CHECK_INT(c.lot_rows, 2 * LINES);
    CHECK_INT(c.rows, LINES); /* the name stands inside of a variable: these are for the parser */
    CHECK_NEAR(c.sum, LINES * 2 + 37 * (LINES * (LINES - 1) / 2), 0);
    world_close(&w);
}

TEST(lines_that_do_not_fit_their_shape_come_whole)
{
    struct world w;
    struct slice names[] = { SLICE("n"), SLICE("msg") };
    struct event odd = { .kind = EVENT_LOG, .weight = 1, .time_ns = world_start_ns, .service = SLICE("s"),
                         .body = SLICE("{\"msg\":\"say \\\"no\\\"\",\"n\":7}") };
    world_open(&w);
    odd.stream = world_stream(w.arena, 1);
    append_lines(&w, "{\"msg\":\"say #\",\"n\":#}", body_of);
    world_append(&w, 0, &odd, 1);
    world_flush(&w);
    struct counts c = count_lots(&w, LOT_JSON, names, COUNT_OF(names));
    CHECK_INT(c.lot_rows, LINES);
    CHECK_INT(c.rows, 1);
    c = count_lots(&w, LOT_JSON, names, 1); /* what is escaped is not asked for */
    CHECK_INT(c.lot_rows, LINES + 1);
    CHECK_INT(c.rows, 0);
    world_close(&w);
}

TEST(numbers_are_told_from_what_only_looks_like_one)
{
    struct arena *a = arena_new(0);
    const char *good[] = { "0", "12", "0.5", "-3.25", "123456789012345" }, *bad[] = { "", "-", "007", "1.", ".5", "1.2.3", "1e5", "0x1",
               "1234567890123456" };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        CHECK(evfield_fits(slice_str(good[i]), EVFIELD_NUMBER));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK(!evfield_fits(slice_str(bad[i]), EVFIELD_NUMBER));
    CHECK_STR(evfield_number(SLICE("1.50"), a), "1.5");
    CHECK_STR(evfield_number(SLICE("-0"), a), "0");
    CHECK_STR(evfield_needle(SLICE("dur_ms"), false, a), "ms=");
    CHECK_STR(evfield_needle(SLICE("dur_ms"), true, a), "dur_ms=");
    arena_free(a);
}
