/* SPDX-License-Identifier: Apache-2.0 */
#include "model/ingest_result.h"

const char *ingest_kind_name(enum ingest_kind kind)
{
    static const char *const names[INGEST_KIND_COUNT] = { "samples", "histograms", "exemplars", "metadata", "logs", "spans" };
    return names[kind];
}

void ingest_reject(struct ingest_result *r, enum ingest_kind kind, uint64_t count, const struct err *why)
{
    struct ingest_tally *t = &r->kinds[kind];
    if (count && t->rejected == 0)
        t->first = *why;
    t->rejected += count;
}

void ingest_withdraw(struct ingest_result *r, enum ingest_kind kind, uint64_t count, const struct err *why)
{
    r->kinds[kind].accepted -= MIN(count, r->kinds[kind].accepted);
    ingest_reject(r, kind, count, why);
}

void ingest_warn(struct ingest_result *r, const struct err *what)
{
    if (r->warnings++ == 0)
        r->first_warning = *what;
}

uint64_t ingest_rejected(const struct ingest_result *r)
{
    uint64_t n = 0;
    for (size_t i = 0; i < INGEST_KIND_COUNT; i++)
        n += r->kinds[i].rejected;
    return n;
}
