/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOA_SYS_RAND_H
#define STOA_SYS_RAND_H

#include "base/base.h"

/* Random bytes of the system: for seeds, uuids, span ids. Any thread. */
void sys_random(void *to, size_t n);

#endif
