/* SPDX-License-Identifier: Apache-2.0 */
/* The store as a last_reader: one query of the last hour, a series. It is asked in our first hour alone: later whatever adds up has its
 * totals in memory, and what it does not know is new. */
#include "model/histogram.h"
#include "model/matcher.h"
#include "server/state.h"

enum { LAST_MINUTES = 60, LAST_AHEAD_HOURS = 24 /* as far as samples may lie */, LAST_QUERY_SECONDS_MAX = 10 };

static bool take(const struct series_samples *found, struct slice labels, struct arena *a, struct sample *out)
{
    if (!slice_eq(found->labels, labels) || found->n == 0 || is_stale(found->v[found->n - 1]))
        return false;
    *out = (struct sample){ found->t_ms[found->n - 1], found->v[found->n - 1] };
    if (is_histogram(out->v))
        out->v = histogram_box(histogram_copy(a, histogram_unbox(out->v)));
    return true;
}

static size_t matchers_of(struct slice labels, struct matcher list[LABELS_PER_SERIES_MAX])
{
    size_t n = 0;
    struct err err;
    for (struct label l; n < LABELS_PER_SERIES_MAX && labels_next(&labels, &l);)
        if (matcher_init(&list[n], MATCH_EQ, l.name, l.value, &err) == ST_OK)
            n++;
    return n;
}

static bool read_last(void *arg, struct slice tenant, struct slice labels, struct arena *a, struct sample *out)
{
    struct server *s = arg;
    int64_t now_ms = clock_wall_ms(s->clock), mono_ns = clock_mono_ns(s->clock);
    struct matcher matchers[LABELS_PER_SERIES_MAX];
    struct samples_iter *it;
    struct series_samples found;
    struct engine_ctx ctx;
    struct err err;
    bool is_found = false;
    if (mono_ns >= s->last_until_ns)
        return false;
    size_t count = matchers_of(labels, matchers);
    engine_ctx_init(&ctx, &tenant, 1, s->clock);
    ctx.deadline_mono_ns = mono_ns + LAST_QUERY_SECONDS_MAX * NS_S;
    struct samples_query q = { .start_ms = now_ms - LAST_MINUTES * 60 * 1000, .end_ms = now_ms + LAST_AHEAD_HOURS * 3600 * 1000, .matchers = matchers,
                               .matcher_count = count, .mode = SAMPLES_LAST };
    if (s->engine->ops->samples(s->engine, &ctx, &q, &it, &err) == ST_OK) {
        while (!is_found && it->ops->next(it, &found, &err) == ST_OK) /* others may have more labels */
            is_found = take(&found, labels, a, out);
        it->ops->close(it);
    }
    engine_ctx_free(&ctx);
    while (count)
        matcher_destroy(&matchers[--count]);
    return is_found;
}

struct last_reader server_last_reader(struct server *s)
{
    if (s->last_until_ns == 0)
        s->last_until_ns = clock_mono_ns(s->clock) + LAST_MINUTES * 60 * NS_S;
    return (struct last_reader){ s, read_last };
}
