/* SPDX-License-Identifier: Apache-2.0 */
/* What the library's files share. Private to client. */
#ifndef STOA_CLIENT_PRIVATE_H
#define STOA_CLIENT_PRIVATE_H

#include <stdio.h>
#include <stdlib.h>

#include "client/stoa.h"

/* Memory for small things: without it the program cannot go on. */
static inline void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

/* Nanoseconds since 1970. */
int64_t client_now_ns(void);
/* A text and an id as JSON strings. */
void client_put_json(FILE *out, const char *text);
void client_put_hex(FILE *out, const uint8_t *id, size_t n);
const struct stoa_span_data *client_span_data(const struct stoa_span *s);

#endif
