/* SPDX-License-Identifier: Apache-2.0 */
/* logfmt: key=value key="quoted \"value\"" flag. https://brandur.org/logfmt */
#ifndef STOA_CODEC_LOGFMT_H
#define STOA_CODEC_LOGFMT_H

#include "base/arena.h"
#include "base/buf.h"

/* Takes the next pair off *rest. A key without '=' has has_value false and an empty value. Quoted values are unescaped into a.
 * False at the end. *bad turns true at a quote that does not close, a '"' inside a bare value or an '=' without key; the rest of
 * that token is skipped and reading goes on. */
bool logfmt_next(struct slice *rest, struct arena *a, struct slice *key, struct slice *value, bool *has_value, bool *bad);
/* key=value with quotes where they are needed; a space before it when out is not empty. */
void logfmt_put(struct buf *out, struct slice key, struct slice value);

#endif
