/* SPDX-License-Identifier: Apache-2.0 */
/* An error is a status, for code, and a sentence, for a person. Never printed where it happens. */
#ifndef STOA_BASE_ERR_H
#define STOA_BASE_ERR_H

#include "base/base.h"

enum status {
    ST_OK = 0,
    ST_INVALID,     /* the input is wrong; trying again will not help */
    ST_LIMIT,       /* over a named limit */
    ST_NOT_FOUND,
    ST_EXISTS,
    ST_UNSUPPORTED, /* known but not served */
    ST_DENIED,      /* who asks may not */
    ST_UNAVAILABLE, /* try again later: shutting down, too busy */
    ST_FULL,        /* the disk guard refuses writes, or the store is read-only */
    ST_TIMEOUT,
    ST_CANCELLED,
    ST_CORRUPT,     /* a checksum or a structure on disk does not check */
    ST_IO,          /* the operating system failed us */
    ST_INTERNAL     /* our bug */
};

enum { ERR_TEXT_BYTES_MAX = 512 };

struct err {
    enum status status;
    char text[ERR_TEXT_BYTES_MAX];
};

/* Fills err (which may be NULL) and returns status, so that `return err_set(err, ST_X, ...)` reads well. */
enum status err_set(struct err *err, enum status status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Puts a sentence in front of what err already says: "file x: " + text. Returns err's status. */
enum status err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "invalid", "limit", ...: for logs and metrics. */
const char *status_name(enum status status);

#endif
