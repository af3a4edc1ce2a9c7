/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"
#include "base/rand.h"
#include "base/unit.h"

static bool smaller(const void *a, const void *b)
{
    return *(const int *)a < *(const int *)b;
}

TEST(heap_gives_everything_back_in_order)
{
    struct heap h;
    struct rand r;
    int values[1000];
    heap_init(&h, smaller);
    rand_seed(&r, unit_seed());
    for (int i = 0; i < 1000; i++) {
        values[i] = (int)rand_below(&r, 100);
        heap_push(&h, &values[i]);
    }
    int last = -1, count = 0;
    for (int *v; (v = heap_pop(&h)); count++) {
        CHECK(*v >= last);
        last = *v;
    }
    CHECK_INT(count, 1000);
    CHECK(heap_top(&h) == NULL && heap_pop(&h) == NULL);
    heap_free(&h);
}

TEST(heap_merges_sorted_runs_by_changing_its_top)
{
    struct heap h;
    int runs[4] = { 0, 1, 2, 3 }; /* run i yields i, i + 4, i + 8, ... */
    heap_init(&h, smaller);
    for (int i = 0; i < 4; i++)
        heap_push(&h, &runs[i]);
    for (int want = 0; want < 400; want++) {
        int *top = heap_top(&h);
        CHECK_INT(*top, want);
        *top += 4;
        heap_top_changed(&h);
    }
    heap_free(&h);
}
