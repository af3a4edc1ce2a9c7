/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding and query strings. */
#ifndef STOA_CODEC_URL_H
#define STOA_CODEC_URL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* %41 -> A; plus: '+' is a space too (forms, query strings). *out is text itself when there is nothing to decode.
 * ST_INVALID names the bad escape. */
MUST_CHECK enum status url_decode(struct arena *a, struct slice text, bool plus, struct slice *out, struct err *err);
/* Takes the next key=value off a query string or form; neither is decoded yet, and a key alone has an empty value. False at
 * the end. Empty pairs ("a=1&&b=2") are passed over. */
bool url_next_pair(struct slice *rest, struct slice *key, struct slice *value);
/* Everything but A-Z a-z 0-9 - _ . ~ as %XX. */
void url_encode(struct slice text, struct buf *out);

#endif
