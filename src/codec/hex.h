/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal and base64. */
#ifndef STOA_CODEC_HEX_H
#define STOA_CODEC_HEX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Writes 2 * bytes.len lower-case digits, no NUL. */
void hex_encode(struct slice bytes, char *out);
/* digits.len must be even; writes half as many bytes. False on any other character. */
bool hex_decode(struct slice digits, uint8_t *out);

void base64_encode(struct slice bytes, struct buf *out);
/* Standard and URL-safe alphabets; padding to a multiple of four or none at all; no white space. */
bool base64_decode(struct slice text, struct buf *out);

#endif
