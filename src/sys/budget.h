/* SPDX-License-Identifier: Apache-2.0 */
/* A named, shared allowance: bytes in flight, cache bytes. Any thread. */
#ifndef STOA_SYS_BUDGET_H
#define STOA_SYS_BUDGET_H

#include <stdatomic.h>

#include "base/base.h"

struct budget {
    const char *name;
    uint64_t max;
    _Atomic uint64_t used;
};

/* Takes n, or takes nothing and returns false. */
MUST_CHECK bool budget_take(struct budget *b, uint64_t n);
void budget_give(struct budget *b, uint64_t n);

#endif
