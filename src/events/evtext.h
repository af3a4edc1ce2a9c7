/* SPDX-License-Identifier: Apache-2.0 */
/* A column of texts as shapes and typed columns of variables: written, taken apart, and put together again.
 * docs/formats/events-part.md, "Texts". One thread.
 *
 * For a search on columns: evtext_open, look at the shapes, evtext_load the columns that matter, ask them. Text i has shape
 * of[i]; it is value pos[i] of that shape's columns. Shape 0 has one column, of whole texts. */
#ifndef STOA_EVENTS_EVTEXT_H
#define STOA_EVENTS_EVTEXT_H

#include "events/evcol.h"
#include "events/evfilter.h"
#include "events/evrun.h"
#include "events/evtok.h"

/* What else is known of the rows. Members may be NULL, but what was there in writing must be there in reading. */
struct evtext_rows {
    const int64_t *times, *streams, *severities; /* streams, severities: small numbers from 0 on */
    const uint8_t *traces, *spans;               /* 16 and 8 bytes a row */
};

/* Numbers are final. The first byte of a column; EVTEXT_AFFIX added: a text before and a text behind all values follow. */
enum evtext_type {
    EVTEXT_CONST = 0,
    EVTEXT_NUMBER = 1,     /* decimal without leading zeros, at most 18 digits */
    EVTEXT_DIGITS = 2,     /* decimal of one width, at most 18 digits */
    EVTEXT_DECIMAL = 3,    /* digits, a dot, so many digits; no leading zeros but one before the dot */
    EVTEXT_IPV4 = 4,
    EVTEXT_HEX_LOWER = 5,  /* of one width; half a byte a digit */
    EVTEXT_HEX_UPPER = 6,
    EVTEXT_DICT = 7,
    EVTEXT_BYTES = 8,
    EVTEXT_SHAPES = 9,     /* shapes and variables again, without quotes, '=' and times */
    EVTEXT_TRACE_ID = 10,  /* the row's trace id in hex */
    EVTEXT_SPAN_ID = 11,
    EVTEXT_TYPES = 12,
    EVTEXT_AFFIX = 0x40,
};

/* How numbers of a short list are told: one for all, each for itself, or by what else is known of the row. */
enum evtext_ids_form { EVTEXT_IDS_ALL_ONE = 0, EVTEXT_IDS_EACH = 1, EVTEXT_IDS_BY_STREAM = 2, EVTEXT_IDS_BY_SEVERITY = 3 };
enum evtext_ints_form { EVTEXT_INTS_CONST = 0, EVTEXT_INTS_PLANES = 1, EVTEXT_INTS_STEPS = 2, EVTEXT_INTS_LIST = 3 };

/* Writes. A writer is kept for many columns; filter may be NULL, else it gets every word of the texts. */
struct evtext_writer;
struct evtext_writer *evtext_writer_new(void);
void evtext_writer_free(struct evtext_writer *w); /* accepts NULL */
/* Appends the column; false, and nothing appended, when the texts have too little in common. */
bool evtext_put(struct evtext_writer *w, struct buf *out, const struct slice *v, size_t n, const struct evtext_rows *rows,
                struct evfilter_set *filter);

/* ---- reading ---- */

struct evtext_ints { /* as found in the column; evtext_load resolves them */
    uint8_t form, width, bits; /* bits: of a value in the highest plane; under 8 they are packed */
    int64_t min, first;
    size_t count;            /* numbers in planes */
    struct evrun planes[8];
};
struct evtext_ids {
    uint8_t form;
    uint32_t below;          /* ids are 0 to below - 1 */
    size_t count;            /* in runs: one each, or one for each number of stream or severity */
    struct evrun low, high;
};

struct evtext_shape;
struct evtext_texts { /* a column of texts: the whole one, and columns of type EVTEXT_SHAPES */
    size_t n, shape_count;
    struct evtext_shape *shapes;
    uint32_t *of, *pos;
};

struct evtext_column {
    uint8_t type;
    bool is_loaded, is_bad;
    size_t n;
    struct slice before, behind; /* of every value; what follows is without them */
    unsigned width;              /* DIGITS and HEX: of a value; DECIMAL: digits behind the dot */
    const uint32_t *rows;        /* row of each value */
    struct slice text;           /* CONST */
    struct evtext_ints numbers;
    struct evtext_ids picks;     /* DICT; of numbers in a list */
    size_t dict_count;
    struct evrun bytes;          /* HEX, DICT, BYTES */
    struct evtext_ints lens;     /* DICT, BYTES */
    struct evtext_texts *texts;  /* SHAPES; loaded by the caller, column by column */
    /* Once loaded: */
    const int64_t *ints;         /* NUMBER, DIGITS, DECIMAL (times 10^width), IPV4 */
    const struct slice *dict;    /* DICT */
    const uint32_t *ids;
    const uint8_t *packed;       /* HEX: (width + 1) / 2 bytes a value */
    const char *chars;           /* BYTES: value i is chars[ends[i - 1] .. ends[i]) */
    const uint32_t *ends;
};

struct evtext_shape {
    struct slice text;           /* a zero byte for each variable, evstamp's marks for times; shape 0: none */
    size_t rows, slot_count;
    const uint32_t *of_rows;     /* of the block, by place in the columns */
    struct slice *pieces;        /* slot_count + 1: what stands before each variable, and behind the last */
    bool *has_time;              /* of each piece */
    struct evtext_column *slots;
};

struct evtext {
    struct evtext_texts all;
    size_t bytes;                /* of all texts together */
    struct evtext_rows rows;
    struct evrun_in *in;
    struct arena *arena;
    struct evstamp stamp;
};

/* False when r (to its end) does not parse. Borrows what r reads, keeps zstd (NULL: slower); everything lives in a. */
bool evtext_open(struct evtext *t, struct reader *r, size_t n, const struct evtext_rows *rows, struct zstd_ctx *zstd, struct arena *a);
/* Resolves the column's numbers and bytes; not the columns of its texts. False when they do not parse. Cheap when it was done. */
bool evtext_load(struct evtext *t, struct evtext_column *c);
/* Value i of a column (loading what it needs) at to; its length, SIZE_MAX when there is no room or the bytes are damaged. */
size_t evtext_value(struct evtext *t, struct evtext_column *c, size_t i, char *to, size_t room);
/* Text i. */
size_t evtext_text(struct evtext *t, size_t i, char *to, size_t room);
/* Text i of x, which is t->all or in a column of it; row: of the block. */
size_t evtext_text_of(struct evtext *t, struct evtext_texts *x, size_t i, uint32_t row, char *to, size_t room);
/* A piece of a shape, in which times are the row's. */
size_t evtext_piece(struct evtext *t, struct slice piece, uint32_t row, char *to, size_t room);
/* All texts in one run that lives in a: text i is bytes[ends[i - 1] .. ends[i]). */
bool evtext_all(struct evtext *t, struct arena *a, const char **bytes, const uint32_t **ends);
/* The same for these texts alone, in ascending order; of the ends only those around them are set. */
bool evtext_some(struct evtext *t, const uint32_t *wanted, size_t count, struct arena *a, const char **bytes, const uint32_t **ends);

#endif
