/* SPDX-License-Identifier: Apache-2.0 */
/* How many values a query holds at once, as Prometheus counts them, where there is a limit to it: scripts of Prometheus's
 * assume one, a server has limits of memory and of what is read.
 *
 * What an expression gave counts until the expression around it is done; a histogram counts by its size. */
#include "promql/native.h"

size_t eval_value_size(double v)
{
    enum { POINT_BYTES = 16, BARE_BYTES = 168, TIME_BYTES = 8, PIECE_BYTES = 8 }; /* of Prometheus's own */
    if (!is_histogram(v))
        return 1;
    const struct histogram *h = histogram_unbox(v);
    size_t pieces = (size_t)h->positive.span_count + h->negative.span_count + h->positive.bucket_count + h->negative.bucket_count + h->bound_count;
    return (BARE_BYTES + TIME_BYTES + pieces * PIECE_BYTES) / POINT_BYTES;
}

enum status eval_check_held(struct eval *e, size_t more, struct err *err)
{
    if (e->values_max == 0 || e->held + more <= e->values_max)
        return ST_OK;
    return err_set(err, ST_LIMIT, "query processing would load too many samples into memory in query execution");
}

struct held_sink {
    struct sink sink;
    struct eval *e;
    size_t n, given;
    struct sink *next;
};

static enum status held_put(struct sink *sink, struct row *row, struct err *err)
{
    struct held_sink *s = (struct held_sink *)sink;
    size_t more = 0;
    for (size_t i = 0; i < s->n; i++)
        more += is_absent(row->v[i]) ? 0 : eval_value_size(row->v[i]);
    s->given += more;
    s->e->held += more;
    enum status st = eval_check_held(s->e, 0, err);
    return st ? st : s->next->put(s->next, row, err);
}

enum status eval_vector(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    if (e->values_max == 0)
        return eval_vector_run(e, n, g, sink, err);
    struct held_sink s = { { held_put }, e, g->n, 0, sink };
    size_t before = e->held;
    enum status st = eval_vector_run(e, n, g, &s.sink, err);
    e->held = before + s.given;
    return st;
}
