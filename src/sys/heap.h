/* SPDX-License-Identifier: Apache-2.0 */
/* How the C library's heap gives memory back to the system. Any thread. */
#ifndef STOA_SYS_HEAP_H
#define STOA_SYS_HEAP_H

#include "base/base.h"

/* Once, before other threads start: what is large comes from the system by itself and goes back when it is freed. */
void heap_setup(void);
/* Gives back what lies free in whole pages. Takes milliseconds for each 100 MB, so only after much was freed. */
void heap_trim(void);

#endif
