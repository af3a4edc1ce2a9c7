/* SPDX-License-Identifier: Apache-2.0 */
#include "events/evmem.h"
#include "events/evworld.h"
#include "sys/thread.h"

enum { BATCHES = 200, BATCH_ROWS = 25 };

struct reading {
    struct evmem *m;
    atomic_bool is_over;
    uint64_t rows_seen;
    bool is_broken;
};

/* Every walk sees a whole number of batches, in order, with the bodies they were given. */
static void read_on(void *arg)
{
    struct reading *r = arg;
    while (!atomic_load(&r->is_over)) {
        struct evmem_walk w = evmem_walk(r->m);
        uint64_t n = 0;
        for (const struct evrow *row; (row = evmem_next(&w)) != NULL; n++)
            r->is_broken = r->is_broken || row->e.seq != ((n / BATCH_ROWS + 1) << 20 | n % BATCH_ROWS) || row->e.body.len != 4 ||
                           !slice_eq(row->tenant, SLICE("default"));
        r->is_broken = r->is_broken || n % BATCH_ROWS != 0 || n < r->rows_seen;
        r->rows_seen = n;
    }
}

TEST(readers_see_whole_batches_while_one_thread_writes)
{
    struct reading r[2] = { { .m = evmem_new(NULL) } };
    struct thread *threads[2];
    struct err err = { 0 };
    r[1].m = r[0].m;
    for (int i = 0; i < 2; i++)
        CHECK(thread_start(&threads[i], "reader", read_on, &r[i], &err) == ST_OK);
    for (uint64_t lsn = 1; lsn <= BATCHES; lsn++) {
        struct batch *b = batch_new(0);
        for (int i = 0; i < BATCH_ROWS; i++) {
            struct event *e = batch_event(b);
            e->kind = EVENT_LOG;
            e->stream = e->service = SLICE_EMPTY;
            e->body = arena_printf(b->arena, "%04d", i);
        }
        evmem_apply(r[0].m, b, lsn);
        batch_drop(b);
    }
    for (int i = 0; i < 2; i++) {
        atomic_store(&r[i].is_over, true);
        thread_join(threads[i]);
        CHECK(!r[i].is_broken);
    }
    CHECK_INT(evmem_rows(r[0].m), BATCHES * BATCH_ROWS);
    CHECK(evmem_bytes(r[0].m) > BATCHES * BATCH_ROWS * sizeof(struct evrow));
    evmem_free(r[0].m);
}
