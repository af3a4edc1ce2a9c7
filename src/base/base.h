/* SPDX-License-Identifier: Apache-2.0 */
/* What every file may rely on: fixed-width types, MUST_CHECK, small sizes, memory.
 * Functions that read past ends or hide errors (strcpy, strtok, sprintf, atoi, ...) are rejected by tools/style.py. */
#ifndef STOA_BASE_BASE_H
#define STOA_BASE_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_CHECK           __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, va) __attribute__((format(printf, fmt, va)))
#define COUNT_OF(array)      (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b)            ((a) < (b) ? (a) : (b))
#define MAX(a, b)            ((a) > (b) ? (a) : (b))

enum { KIB = 1024, MIB = 1024 * 1024 };
#define GIB   ((uint64_t)1 << 30)
#define NS_MS ((int64_t)1000000)
#define NS_S  ((int64_t)1000000000)

/* Memory for small, bounded things. Never NULL: the program ends with a message when the system has none left.
 * What is sized by input is checked against a limit or a budget first. */
void *mem_alloc(size_t bytes) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t bytes) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *p, size_t bytes) __attribute__((returns_nonnull));
void mem_free(void *p);
#define mem_new(type) ((type *)mem_zalloc(sizeof(type)))

#endif
