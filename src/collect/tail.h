/* SPDX-License-Identifier: Apache-2.0 */
/* Follows text files: through rotation, truncation and restart. */
#ifndef STOA_COLLECT_TAIL_H
#define STOA_COLLECT_TAIL_H

#include "collect/collect.h"

enum {
    TAIL_FIRST_BYTES_MAX = 1 * MIB,   /* a file never seen before, at the first round: only its last bytes */
    TAIL_READ_BYTES = 512 * KIB,      /* on top of the longest line: one batch */
    TAIL_ROUND_BYTES_MAX = 16 * MIB,  /* of one file, before the others have their turn */
    TAIL_FINGERPRINT_BYTES_MAX = 256,
    TAIL_LOOK_BYTES = 64 * KIB,       /* of a file's first line, to see what it is */
    TAIL_FILES_MAX = 4096
};
#define TAIL_PARTIAL_NS (5 * NS_S) /* a last line without its newline is taken as it is after this time */
#define TAIL_ROTATED_NS (2 * NS_S) /* a renamed file must be quiet for so long before the new one is read */

enum tail_count {
    TAIL_JOINED,    /* lines that went to the record before them */
    TAIL_CUT,       /* lines over the length that is kept */
    TAIL_UNPARSED,  /* records that the file's `parse` does not fit */
    TAIL_LEFT_OUT,  /* records that no batch takes */
    TAIL_COUNTS
};

/* Keeps env and inputs. One thread at a time. */
struct tail;
struct tail *tail_new(const struct collect_env *env, const struct log_input *inputs, size_t count, size_t line_bytes_max);
void tail_free(struct tail *t); /* accepts NULL */
/* Looks at all files once; gives the count of lines stored. ST_OK, or what the last failure was: the lines concerned are read
 * again in the next round. */
MUST_CHECK enum status tail_round(struct tail *t, int32_t zone_offset_s, size_t *lines, struct err *err);
/* Since it was made; any thread. */
uint64_t tail_count(const struct tail *t, enum tail_count what);

#endif
