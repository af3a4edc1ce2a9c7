/* SPDX-License-Identifier: Apache-2.0 */
/* The pieces of a script's lines. */
#ifndef STOA_LOGQL_SCRIPT_TEXT_H
#define STOA_LOGQL_SCRIPT_TEXT_H

#include "base/arena.h"
#include "base/err.h"

struct script_point {
    double v;
    bool has;
};

struct script_row { /* what is expected behind the labels */
    struct script_point *points;
    size_t count, cap;
    struct slice line; /* a log line at time_ns */
    int64_t time_ns;
};

/* Without a comment, which '#' outside of quotes starts. */
struct slice logql_text_uncomment(struct slice line);
/* Takes {a="b", c=""} off *rest. Sorted as labels are, but empty values stay. Lives in a. */
MUST_CHECK enum status logql_text_labels(struct arena *a, struct slice *rest, struct slice *labels, struct err *err);
/* Takes a "text" or `text` off *rest; nothing in it is escaped. */
bool logql_text_quoted(struct slice *rest, struct slice *text);
/* Takes k="v" "k 2"="v"] off *rest. */
bool logql_text_metadata(struct arena *a, struct slice *rest, struct slice *labels);
/* `1 _ 2+3x4 NaN`. */
bool logql_text_points(struct arena *a, struct slice text, struct script_row *out);

#endif
