/* SPDX-License-Identifier: Apache-2.0 */
#include "events/evwal.h"
#include "events/evworld.h"

TEST(a_wal_frame_gives_back_every_event)
{
    struct world w = { .arena = arena_new(0) };
    rand_seed(&w.rand, unit_seed());
    struct batch *in = batch_new(0), *out = batch_new(0);
    struct buf bytes;
    struct err err = { 0 };
    buf_init(&bytes, 0);
    for (int i = 0; i < 500; i++)
        *batch_event(in) = world_event(&w, w.arena);
    in->tenant = SLICE("blue");
    evwal_encode(in, &bytes);
    CHECK(evwal_decode(buf_as_slice(&bytes), out, &err) == ST_OK);
    CHECK_STR(out->tenant, "blue");
    CHECK_INT(out->event_count, 500);
    for (size_t i = 0; i < 500; i++)
        CHECK(world_same(&in->events[i], &out->events[i]));
    buf_free(&bytes);
    batch_drop(in);
    batch_drop(out);
    arena_free(w.arena);
}

TEST(a_damaged_wal_frame_is_refused_or_parsed_but_never_harms)
{
    struct world w = { .arena = arena_new(0) };
    rand_seed(&w.rand, unit_seed());
    struct batch *in = batch_new(0);
    struct buf bytes;
    struct err err = { 0 };
    buf_init(&bytes, 0);
    for (int i = 0; i < 20; i++)
        *batch_event(in) = world_event(&w, w.arena);
    evwal_encode(in, &bytes);
    for (size_t cut = 0; cut < bytes.len; cut++) {
        struct batch *out = batch_new(0);
        CHECK_INT(evwal_decode(slice_of(bytes.ptr, cut), out, &err), ST_CORRUPT);
        batch_drop(out);
    }
    for (int i = 0; i < 2000; i++) {
        struct batch *out = batch_new(0);
        char *copy = mem_alloc(bytes.len);
        memcpy(copy, bytes.ptr, bytes.len);
        copy[rand_below(&w.rand, bytes.len)] ^= (char)(1 << rand_below(&w.rand, 8));
        enum status st = evwal_decode(slice_of(copy, bytes.len), out, &err);
        CHECK(st == ST_OK || st == ST_CORRUPT);
        batch_drop(out);
        mem_free(copy);
    }
    buf_free(&bytes);
    batch_drop(in);
    arena_free(w.arena);
}
