/* SPDX-License-Identifier: Apache-2.0 */
/* One atomic counter. A taker that would go over the maximum changes nothing, so used never exceeds max, not even for a
 * moment, and a refusal of one does not make another's smaller request fail. */
#include "sys/budget.h"

bool budget_take(struct budget *b, uint64_t n)
{
    uint64_t used = atomic_load_explicit(&b->used, memory_order_relaxed);
    do {
        if (used > b->max || n > b->max - used)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&b->used, &used, used + n, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return true;
}

void budget_give(struct budget *b, uint64_t n)
{
    uint64_t before = atomic_fetch_sub_explicit(&b->used, n, memory_order_acq_rel);
    assert(before >= n); /* gave more than was taken */
}
