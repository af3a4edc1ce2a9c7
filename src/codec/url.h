/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOA_CODEC_URL_H
#define STOA_CODEC_URL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* %41 -> A; plus: '+' is a space too (forms, query strings). *out is text itself when there is nothing to decode.
 * ST_INVALID names the bad escape. */
MUST_CHECK enum status url_decode(struct arena *a, struct slice text, bool plus, struct slice *out, struct err *err);
/* Everything but A-Z a-z 0-9 - _ . ~ as %XX. */
void url_encode(struct slice text, struct buf *out);

#endif
