/* SPDX-License-Identifier: Apache-2.0 */
/* JSON read value by value, in the order it stands there, without a tree: for bodies that become rows at once.
 *
 *     if (jread_object(&j))
 *         for (struct slice key; jread_key(&j, &key);)
 *             if (slice_eq(key, SLICE("a"))) ...jread_string(&j)... else jread_skip(&j);
 *
 * Every key's value must be read or skipped. The first mistake sets bad and the error with its position; from then on all
 * calls give false or the empty slice, so loops end: ask bad once. */
#ifndef STOA_INGEST_JREAD_H
#define STOA_INGEST_JREAD_H

#include "base/arena.h"
#include "base/err.h"

enum { JREAD_NESTING_MAX = 62 };

enum jread_type { JREAD_NONE, JREAD_NULL, JREAD_BOOL, JREAD_NUMBER, JREAD_STRING, JREAD_OBJECT, JREAD_ARRAY };

struct jread {
    const char *start, *at, *end;
    struct arena *arena;  /* strings with escapes are unescaped here; others point into the text */
    struct err *err;
    uint64_t fresh;       /* bit d: nothing read yet at depth d */
    int depth;
    bool bad;
};

/* Keeps text, arena and err. */
struct jread jread_of(struct slice text, struct arena *a, struct err *err);
/* What comes next; JREAD_NONE at the end of the text or at what is no value. */
enum jread_type jread_peek(struct jread *j);
/* Go into what comes next. False, with an error, when it is something else. */
bool jread_object(struct jread *j);
bool jread_array(struct jread *j);
/* The next member or item; false at the end of the object or array, which is left. */
bool jread_key(struct jread *j, struct slice *key);
bool jread_item(struct jread *j);
struct slice jread_string(struct jread *j);
/* A number's own text; also of a string that holds one. Other types are an error. */
struct slice jread_number(struct jread *j);
bool jread_bool(struct jread *j);
void jread_skip(struct jread *j);
/* A value's own text, passed over: {"a":1} and so on. */
struct slice jread_raw(struct jread *j);
/* True when nothing but white space is left and nothing was bad; else the error is set. */
bool jread_end(struct jread *j);
/* Sets the error (once) and bad; returns ST_INVALID. */
enum status jread_wrong(struct jread *j, const char *what);

#endif
