/* SPDX-License-Identifier: Apache-2.0 */
/* What a query gives: a scalar, a string, a vector, a matrix, or log streams. All of it lives in the result arena. */
#ifndef STOA_QUERY_VALUE_H
#define STOA_QUERY_VALUE_H

#include "base/arena.h"
#include "base/err.h"
#include "model/event.h"
#include "model/sample.h"

enum value_type { VALUE_NONE, VALUE_SCALAR, VALUE_STRING, VALUE_VECTOR, VALUE_MATRIX, VALUE_STREAMS };

/* One element of a vector (n is 1) or one line of a matrix (n points, time ascending). */
struct value_series {
    struct slice labels; /* canonical */
    size_t n;
    int64_t *t_ms;
    double *v;
};

/* One log line of an answer. */
struct value_line {
    int64_t time_ns;
    uint64_t seq;
    struct slice line;
    struct slice metadata; /* canonical labels: structured metadata of the record, as text */
    struct slice parsed;   /* canonical labels: made by parser stages */
};

/* Lines with the same labels, in the order asked for. labels: the stream plus what stages added. */
struct value_stream {
    struct slice labels;
    size_t n;
    struct value_line *lines;
};

struct value {
    enum value_type type;
    struct sample scalar;     /* VALUE_SCALAR */
    struct slice text;        /* VALUE_STRING, at scalar.t_ms */
    struct value_series *series;
    size_t series_count;
    struct value_stream *streams;
    size_t stream_count;
};

#endif
