/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

enum status err_set(struct err *err, enum status status, const char *fmt, ...)
{
    if (err == NULL)
        return status;
    va_list args;
    va_start(args, fmt);
    err->status = status;
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return status;
}

enum status err_prefix(struct err *err, const char *fmt, ...)
{
    if (err == NULL)
        return ST_INTERNAL;
    char old[ERR_TEXT_BYTES_MAX];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->text)
        snprintf(err->text + n, sizeof err->text - (size_t)n, "%s", old);
    return err->status;
}

const char *status_name(enum status status)
{
    switch (status) {
    case ST_OK: return "ok";
    case ST_INVALID: return "invalid";
    case ST_LIMIT: return "limit";
    case ST_NOT_FOUND: return "not_found";
    case ST_EXISTS: return "exists";
    case ST_UNSUPPORTED: return "unsupported";
    case ST_DENIED: return "denied";
    case ST_UNAVAILABLE: return "unavailable";
    case ST_FULL: return "full";
    case ST_TIMEOUT: return "timeout";
    case ST_CANCELLED: return "cancelled";
    case ST_CORRUPT: return "corrupt";
    case ST_IO: return "io";
    case ST_INTERNAL: return "internal";
    }
    return "unknown";
}
