/* SPDX-License-Identifier: Apache-2.0 */
/* glibc's own rules suit a program that takes and frees the same sizes: each large block that is freed raises the size from
 * which blocks are mapped by themselves (up to 32 MiB), and twice that may then lie free at the end of each thread's heap. Here the
 * large blocks (a table being encoded, an index being decoded) are rare and of all sizes, taken by one thread and freed by
 * another, so most of the process's memory would be such rests. With the sizes fixed, they go back at once.
 *
 * (1) The size from which blocks are mapped is above that of an arena's chunks (1 MiB and a header), which every request takes
 *     and frees: each would cost a system call and the faults of its pages. */
#include "sys/heap.h"

#include <malloc.h>

enum { MAPPED_FROM_BYTES = 2 * MIB, FREE_AT_END_BYTES_MAX = 4 * MIB };

void heap_setup(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_FROM_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, FREE_AT_END_BYTES_MAX);
#endif
}

void heap_trim(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}
