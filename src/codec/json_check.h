/* SPDX-License-Identifier: Apache-2.0 */
/* For json_read.cc: where is the mistake? */
#ifndef STOA_CODEC_JSON_CHECK_H
#define STOA_CODEC_JSON_CHECK_H

#include "base/slice.h"

enum { JSON_CHECK_DEPTH_MAX = 1024 };

/* The offset of the first byte that no JSON document can have there, and what is allowed instead; SIZE_MAX when text is
 * one document, or nested too deeply to tell. */
size_t json_check(struct slice text, const char **expected);

#endif
