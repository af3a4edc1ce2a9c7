/* SPDX-License-Identifier: Apache-2.0 */
/* From the bytes of a log file to records: lines as the program wrote them, out of the frames that container runtimes put
 * around them, in UTF-8 where the file is in UTF-16, and joined where they belong together. Pure. */
#ifndef STOA_COLLECT_TAIL_LINES_H
#define STOA_COLLECT_TAIL_LINES_H

#include "base/arena.h"
#include "ingest/join.h"
#include "sys/clock.h"

enum tail_format {
    TAIL_PLAIN,
    TAIL_DOCKER, /* {"log":"text\n","stream":"stdout","time":"2026-01-02T03:04:05.1Z"} */
    TAIL_CRI     /* 2026-01-02T03:04:05.1Z stdout F text */
};
enum tail_charset {
    TAIL_BYTES,    /* as they come: UTF-8, and whatever else a program writes */
    TAIL_UTF16LE,
    TAIL_UTF16BE,
    TAIL_WINDOWS_1252, /* and so Latin-1, all of whose texts it can say */
    TAIL_CHARSETS
};
#define TAIL_JOIN_NS (2 * NS_S) /* a record that may go on is given when nothing went on for so long */

enum tail_stream { TAIL_STDOUT, TAIL_STDERR, TAIL_STREAMS };

struct tail_cut {
    enum tail_format format;
    enum tail_charset charset;
    const struct join_rule *join;
    size_t line_bytes_max; /* of a line, and of a record that several make */
    bool is_last;          /* nothing follows soon: what has no end by now is whole */
    bool is_quiet;         /* nothing came for a while: a record that may go on does not */
    bool is_full;          /* no more than this can be looked at together */
};

struct tail_record {
    struct slice text;        /* in the arena, or in the bytes */
    int64_t time_ns;          /* when the runtime took it; 0: nobody told */
    enum tail_stream stream;
    uint64_t from, to;        /* where its lines stand in the bytes; others' may stand between them */
    uint32_t lines, cut;      /* how many; how many of them were cut */
};

struct tail_records {
    struct tail_record *list; /* as they begin in the bytes */
    size_t count, cap;
    size_t taken;             /* bytes that are done with; 0: more must come */
    bool skipping;
};

/* bytes begins at a line's start; or, skipping, inside of one that was cut, up to whose end nothing counts. */
void tail_cut(struct arena *a, const struct tail_cut *how, struct slice bytes, bool skipping, struct tail_records *out);
/* What the first line of a file says; TAIL_PLAIN when it is no runtime's. */
enum tail_format tail_format_of(struct slice line);
/* "utf-16le", "utf-16be", "windows-1252", "latin1", "iso-8859-1", "utf-8". False: none of these. */
bool tail_charset_parse(struct slice name, enum tail_charset *out);

#endif
