/* SPDX-License-Identifier: Apache-2.0 */
/* A native histogram as people read it: brackets tell whether a bound belongs to its bucket. Empty buckets are left out. */
#include "base/num.h"
#include "model/histogram.h"

static void put_number(struct buf *out, double v)
{
    char text[NUM_TEXT_BYTES_MAX];
    buf_put(out, text, num_format_short(v, text));
}

static void put_bucket(struct buf *out, const struct histogram_bucket *b)
{
    if (b->count == 0)
        return;
    buf_slice(out, b->has_lower ? SLICE(", [") : SLICE(", ("));
    put_number(out, b->lower);
    buf_char(out, ',');
    put_number(out, b->upper);
    buf_slice(out, b->has_upper ? SLICE("]:") : SLICE("):"));
    put_number(out, b->count);
}

void histogram_format(struct buf *out, const struct histogram *h)
{
    buf_slice(out, SLICE("{count:"));
    put_number(out, h->count);
    buf_slice(out, SLICE(", sum:"));
    put_number(out, h->sum);
    struct histogram_walk walk = histogram_walk(h);
    for (struct histogram_bucket b; histogram_next(&walk, &b);)
        put_bucket(out, &b);
    buf_char(out, '}');
}
