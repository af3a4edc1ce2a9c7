/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, at most U+10FFFF. */
#ifndef STOA_BASE_UTF8_H
#define STOA_BASE_UTF8_H

#include "base/buf.h"

bool utf8_is_valid(struct slice s);
/* The longest start of s of at most bytes_max bytes that does not end inside a character. */
struct slice utf8_cut(struct slice s, size_t bytes_max);
/* Writes code point c (surrogates and too large ones become U+FFFD) to out, gives its length, 1 to 4. */
size_t utf8_put(uint32_t c, char out[4]);
/* Length of the valid character at the start of s; 0 when s is empty or starts with a byte that begins none. */
size_t utf8_char(struct slice s);
/* The code point of that character; the length as utf8_char gives it, and *out is left alone when that is 0. */
size_t utf8_decode(struct slice s, uint32_t *out);
/* Characters in s; what is no UTF-8 counts as it would be repaired. */
size_t utf8_count(struct slice s);
/* Appends s to out with U+FFFD for each piece that is no UTF-8: the longest start of a character, or else one byte, as
 * Unicode recommends and browsers do. */
void utf8_repair(struct slice s, struct buf *out);

#endif
