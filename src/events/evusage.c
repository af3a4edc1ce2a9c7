/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a service are counted exactly: a block of one service says so in the directory, of another the column of services is
 * read. Bytes of a block with several services are shared out by their rows. */
#include "events/evusage.h"

#include "events/evread.h"

static struct slice signal_of(uint8_t kind)
{
    return kind == EVENT_LOG ? SLICE("logs") : kind == EVENT_SPAN ? SLICE("traces") : SLICE("other");
}

static enum status count_block(const struct part *p, const struct evdir *d, const struct evdir_block *b, uint64_t *rows, struct err *err)
{
    const int64_t *services;
    struct evread *x = evread_new(p, d, b, NULL);
    enum status st = evread_ints(x, EVCOL_SERVICE, &services, err);
    for (uint32_t r = 0; st == ST_OK && r < b->rows; r++)
        rows[services[r]]++;
    evread_free(x);
    return st;
}

enum status evusage_part(void *state, const struct part *p, struct usage *u, struct err *err)
{
    const struct evdir *d = part_user(p);
    uint64_t *rows = mem_alloc((d->service_count + 1) * sizeof *rows);
    enum status st = ST_OK;
    for (size_t i = 0; i < d->block_count && st == ST_OK; i++) {
        const struct evdir_block *b = &d->blocks[i];
        uint64_t bytes = 0;
        for (uint32_t k = 0; k < b->frame_count; k++)
            bytes += b->frames[k].length;
        memset(rows, 0, (b->service_count + 1) * sizeof *rows);
        if (b->service_count == 1)
            rows[0] = b->rows;
        else
            st = count_block(p, d, b, rows, err);
        for (uint32_t k = 0; k < b->service_count && st == ST_OK; k++)
            if (rows[k])
                usage_add(u, signal_of(b->kind), d->services[b->services[k]], rows[k], bytes * rows[k] / MAX(b->rows, 1u));
    }
    mem_free(rows);
    (void)state;
    return st;
}
