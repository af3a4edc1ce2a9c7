/* SPDX-License-Identifier: Apache-2.0 */
/* Lines that are alike, and what a parser of lines finds in them, column by column: so that many lines are parsed at once. */
#ifndef STOA_STORE_LOT_H
#define STOA_STORE_LOT_H

#include "base/slice.h"

enum lot_parser { LOT_JSON, LOT_LOGFMT };

/* Which fields of bodies are wanted, as LogQL's stages of these names find them. */
struct lot_query {
    enum lot_parser parser;
    /* Names of fields with '_' for every byte that is no letter or digit, JSON's nested ones joined by '_', a digit in front with a '_'
     * before; of equal ones the first that is not empty. is_exact: JSON's outermost keys, and logfmt's, as they stand in the line. */
    bool is_exact;
    const struct slice *names;
    size_t count;
    /* Rows with a field (of the record, not of its body) that this is true of come as rows. */
    bool (*looks_at)(void *arg, struct slice field);
    void *arg;
};

enum lot_kind { LOT_DICT, LOT_NUMBERS, LOT_TEXTS };

/* The values of one name. An empty text: the line does not have it, or nothing in it. */
struct lot_values {
    enum lot_kind kind;
    const uint32_t *ids;       /* DICT: row i has dict[ids[i]]; NULL: every row dict[0] */
    const struct slice *dict;
    size_t dict_count;
    const int64_t *ints;       /* NUMBERS: ints[i] / 10^digits, ints[i] from 0 to 2^53; without digits also above it */
    unsigned digits, width;    /* width: as text it has leading zeros up to so many digits; with digits: 0 */
    bool is_shortest;          /* as text it is the shortest that gives the number */
    const struct slice *texts; /* TEXTS */
};

/* Rows in no order that can be relied on. Lives until the iterator's next call. */
struct lot {
    size_t n;
    bool is_error;             /* these are no lines of that parser; no values then */
    const uint32_t *rows;      /* of a larger table, rising: row i has times[rows[i]] and classes[rows[i]] */
    const int64_t *times;
    const uint32_t *classes;   /* place of the stream in stream_list, times severities, and the severity */
    uint32_t severities;       /* all are below */
    const struct slice *stream_list;
    size_t stream_count;
    const float *weights;      /* of row i: weights[i]; NULL: 1 each */
    const struct lot_values *values; /* one a name */
};

/* Which rows of lots are asked for. */
struct lot_filter {
    struct lot_query query;
    /* Sets is_wanted[i] to 0 for rows of the lot that are not; they are 1 before. */
    void (*pass)(void *arg, const struct lot *lot, uint8_t *is_wanted);
    void *arg;
};

#endif
