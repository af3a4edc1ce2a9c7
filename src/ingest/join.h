/* SPDX-License-Identifier: Apache-2.0 */
/* Lines that belong together: a stack trace and the line that it explains are one record. Pure, and without state: whoever asks
 * holds back what is open, and asks again when more has come. */
#ifndef STOA_INGEST_JOIN_H
#define STOA_INGEST_JOIN_H

#include "codec/regex.h"

enum {
    JOIN_LINES_MAX = 4096,    /* of one record; what follows begins another */
    JOIN_BLANKS_MAX = 2,      /* empty lines in a row inside of a trace */
    JOIN_MESSAGE_LINES_MAX = 8, /* of an exception's own text, before its first frame */
    JOIN_NAME_BYTES_MAX = 256 /* of an exception */
};

enum join_mode {
    JOIN_OFF,
    JOIN_AUTO,     /* traces of Java, Python, Go, JavaScript, Ruby, .NET, PHP and Rust, and indented lines behind a dated one */
    JOIN_START,    /* a record begins with a line that fits the pattern */
    JOIN_CONTINUE  /* a line that fits the pattern belongs to the one before */
};

struct join_rule {
    enum join_mode mode;
    struct regex *pattern; /* of JOIN_START and JOIN_CONTINUE */
};

/* The bytes of the first record of text, with the line break behind its last line. A record of more than bytes_max bytes or
 * JOIN_LINES_MAX lines ends before it is whole. *is_open: text ends before it is clear whether what follows belongs to it.
 * Lines end with '\n'; text is not empty. */
size_t join_next(const struct join_rule *rule, struct slice text, size_t bytes_max, bool *is_open);

#endif
