/* SPDX-License-Identifier: Apache-2.0 */
/* The distinct values of a column of strings, in order of appearance, and which of them each value is. */
#ifndef STOA_EVENTS_EVDICT_H
#define STOA_EVENTS_EVDICT_H

#include "base/slice.h"

struct evdict {
    bool is_worth;        /* false: too many differ, and there is nothing else here */
    struct slice *values; /* borrowed bytes */
    size_t count;
    int64_t *ids;         /* of each value its place in values */
};

/* Of n values; a reader finds no more in what we wrote. */
size_t evdict_count_max(size_t n);
/* v is borrowed until the end. */
void evdict_make(struct evdict *d, const struct slice *v, size_t n);
void evdict_free(struct evdict *d);

#endif
