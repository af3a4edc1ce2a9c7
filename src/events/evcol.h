/* SPDX-License-Identifier: Apache-2.0 */
/* Columns as bytes: whole numbers, doubles, strings, ids and cells (scope, type, name, value). Every column starts with a codec id,
 * so that better codecs can be added later; ids are final. docs/formats/events-part.md.
 *
 * Readers check everything: get functions return false when the bytes are not what a writer makes. */
#ifndef STOA_EVENTS_EVCOL_H
#define STOA_EVENTS_EVCOL_H

#include "base/arena.h"
#include "base/buf.h"
#include "model/event.h"

enum evcol_int_codec { EVCOL_INT_CONST = 0, EVCOL_INT_PLAIN = 1, EVCOL_INT_DELTA = 2 };
enum evcol_string_codec { EVCOL_STRING_PLAIN = 0, EVCOL_STRING_DICT = 1, EVCOL_STRING_SHAPES = 2, EVCOL_STRING_TEXTS = 3 };
enum evcol_double_codec { EVCOL_DOUBLE_BITS = 0, EVCOL_DOUBLE_DECIMAL = 1 };
enum evcol_fixed_codec { EVCOL_FIXED_PLAIN = 0, EVCOL_FIXED_DICT = 1 };

enum { EVCOL_VALUES_MAX = 1 << 24 }; /* of one column of one block: more is not ours */

void evcol_put_ints(struct buf *out, const int64_t *v, size_t n);
bool evcol_get_ints(struct reader *r, int64_t *v, size_t n);
/* Sets v[wanted[0]], v[wanted[1]], ... alone, whose places ascend; reads to the same end. */
bool evcol_get_some_ints(struct reader *r, int64_t *v, size_t n, const uint32_t *wanted, size_t count);

void evcol_put_doubles(struct buf *out, const double *v, size_t n);
bool evcol_get_doubles(struct reader *r, double *v, size_t n);
bool evcol_get_some_doubles(struct reader *r, double *v, size_t n, const uint32_t *wanted, size_t count); /* wanted NULL: all */

/* A decoded string column. Strings borrow from the bytes read. */
struct evcol_strings {
    size_t n;
    bool is_dict;
    size_t dict_count;      /* is_dict */
    const struct slice *dict;
    const uint32_t *ids;
    const char *bytes;      /* not is_dict: value i is bytes[ends[i - 1] .. ends[i]) */
    const uint32_t *ends;
};
void evcol_put_strings(struct buf *out, const struct slice *v, size_t n);
bool evcol_get_strings(struct reader *r, struct evcol_strings *s, size_t n, struct arena *a);
/* As texts (evtext.h) where that is worth it; filter may be NULL, else gets all words. */
struct evtext_writer;
struct evtext_rows;
struct evfilter_set;
void evcol_put_texts(struct buf *out, const struct slice *v, size_t n, struct evtext_writer *w, const struct evtext_rows *rows,
                     struct evfilter_set *filter);
/* The same bytes as without rows and filter; d was made of v. */
struct evdict;
void evcol_put_known_texts(struct buf *out, const struct slice *v, size_t n, const struct evdict *d, struct evtext_writer *w);
/* Of what evcol_put_strings or evcol_put_texts made, which then ends r; rows as in writing. */
bool evcol_get_texts(struct reader *r, struct evcol_strings *s, size_t n, const struct evtext_rows *rows, struct arena *a);
/* The same, but only these values, in ascending order, are good to ask for; without rows. */
bool evcol_get_some_texts(struct reader *r, struct evcol_strings *s, size_t n, const uint32_t *wanted, size_t count, struct arena *a);
/* Never as shapes: variables of shapes have none of their own. */
void evcol_put_words(struct buf *out, const struct slice *v, size_t n);
bool evcol_get_words(struct reader *r, struct evcol_strings *s, size_t n, struct arena *a);
/* Without a codec id: lengths and bytes. */
void evcol_put_plain(struct buf *out, const struct slice *v, size_t n);
bool evcol_get_plain(struct reader *r, struct evcol_strings *s, size_t n, struct arena *a);
static inline struct slice evcol_string(const struct evcol_strings *s, size_t i)
{
    if (s->is_dict)
        return s->dict[s->ids[i]];
    uint32_t from = i ? s->ends[i - 1] : 0;
    return slice_of(s->bytes + from, s->ends[i] - from);
}

/* n ids of width bytes each, in one run. */
void evcol_put_fixed(struct buf *out, const uint8_t *v, size_t width, size_t n);
bool evcol_get_fixed(struct reader *r, uint8_t *v, size_t width, size_t n, struct arena *a);
/* The same where they lie: borrows from the bytes read. */
struct evcol_fixed {
    const uint8_t *bytes; /* count ids, step bytes apart */
    size_t count, step;   /* step 0: all are the same one */
    const int64_t *codes; /* which of them value i is; NULL: the i-th */
};
bool evcol_read_fixed(struct reader *r, struct evcol_fixed *out, size_t width, size_t n, struct arena *a);
static inline const uint8_t *evcol_fixed_at(const struct evcol_fixed *f, size_t i)
{
    return f->bytes + (f->codes ? (size_t)f->codes[i] : i) * f->step;
}

/* Fields with their names beside them: for those without a column of their own, and those of span events and links. */
void evcol_put_cells(struct buf *out, const struct field *const *fields, size_t n);
bool evcol_get_cells(struct reader *r, struct field *fields, size_t n, struct arena *a);

#endif
