/* SPDX-License-Identifier: Apache-2.0 */
/* Shell patterns over '/'-separated paths:
 *
 *     ?  one character          *  any run of characters       [a-z] [!a-z] [^a-z]  one of (not of) a class
 *     \x the character x        ** as a whole component: any number of components, also none
 *
 * None of them but ** matches a '/'. A name that starts with a dot is like any other. The work is bounded by
 * pattern length x path length: no pattern of a user can make it explode. */
#ifndef STOA_BASE_GLOB_H
#define STOA_BASE_GLOB_H

#include "base/slice.h"

/* The whole path against the whole pattern. A pattern that is not valid matches nothing. */
bool glob_match(struct slice pattern, struct slice path);
/* False when a class is not closed or is empty, a range runs backwards, or a \ stands at the end. */
bool glob_is_valid(struct slice pattern);
/* Has any of * ? [ \ : without them the pattern is a path. */
bool glob_has_wildcard(struct slice pattern);

#endif
