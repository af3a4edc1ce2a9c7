/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks give their rows in runs of ascending time, so that sorting is merging the runs there are. */
#include "logql/points.h"

static void merge(const struct point *from, size_t a, size_t mid, size_t end, struct point *to)
{
    size_t b = mid, n = a;
    while (a < mid && b < end)
        to[n++] = from[b].time_ns < from[a].time_ns ? from[b++] : from[a++];
    memcpy(to + n, from + a, (mid - a) * sizeof *to);
    n += mid - a;
    memcpy(to + n, from + b, (end - b) * sizeof *to);
}

void points_sort(struct point *list, size_t n)
{
    size_t runs = n > 0;
    for (size_t i = 1; i < n; i++)
        runs += list[i].time_ns < list[i - 1].time_ns;
    if (runs < 2)
        return;
    size_t *starts = mem_alloc((runs + 1) * sizeof *starts), count = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || list[i].time_ns < list[i - 1].time_ns)
            starts[count++] = i;
    starts[count] = n;
    struct point *room = mem_alloc(n * sizeof *room), *from = list, *to = room;
    while (count > 1) {
        size_t kept = 0;
        for (size_t r = 0; r < count; r += 2) {
            size_t mid = starts[r + 1], end = r + 1 < count ? starts[r + 2] : mid;
            merge(from, starts[r], mid, end, to);
            starts[kept++] = starts[r];
        }
        starts[kept] = n;
        count = kept;
        struct point *t = from;
        from = to;
        to = t;
    }
    if (from != list)
        memcpy(list, from, n * sizeof *list);
    mem_free(room);
    mem_free(starts);
}
