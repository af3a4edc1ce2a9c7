/* SPDX-License-Identifier: Apache-2.0 */
/* Fields inside of a line: "name": value of JSON at any depth, and name=value of logfmt, without parsing the line as a whole. */
#ifndef STOA_MODEL_BODY_FIELD_H
#define STOA_MODEL_BODY_FIELD_H

#include "base/arena.h"

/* The next value of a field of that name at or after *from, which moves behind it. Texts are unescaped; numbers and words as they
 * stand; objects and arrays are none. False at the end. *value lives in the body or in a. */
bool body_field_next(struct slice body, struct slice name, size_t *from, struct arena *a, struct slice *value);
/* Has the line such a field with exactly this value? */
bool body_field_is(struct slice body, struct slice name, struct slice value, struct arena *a);

#endif
