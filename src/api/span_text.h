/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of spans without what changes from call to call, so that alike ones are equal: messages, statements, paths, stack traces. */
#ifndef STOA_API_SPAN_TEXT_H
#define STOA_API_SPAN_TEXT_H

#include "base/arena.h"
#include "base/buf.h"

enum {
    SPAN_TEXT_BYTES_MAX = 4000,      /* of a text that are looked at */
    STACK_TRACE_BYTES_MAX = 64 * KIB, /* of a stack trace that are looked at */
    STACK_FRAMES_LOOKED_MAX = 500,
    STACK_FRAMES_MAX = 5,            /* that tell errors apart: the topmost of the application's own */
    STACK_FRAME_BYTES_MAX = 300
};

/* Numbers, UUIDs, addresses and other ids become <_>. */
void span_text_message(struct slice text, struct buf *out);
/* A statement of a database: literals and parameters become ?, lists of them one, comments go, white space is one space. Of a key-value
 * store (redis, memcached) the command alone. */
void span_text_statement(struct slice system, struct slice text, struct buf *out);
/* The path of a URL, or a path, without its query; segments that are ids become <_>. *host: of a URL, with its port; else empty. */
void span_text_path(struct slice url, struct slice *host, struct buf *out);

struct stack {
    struct slice frames[STACK_FRAMES_MAX]; /* the innermost first; live in the arena */
    size_t count;
    bool is_own;                           /* they are the application's; else of libraries, as there are no others */
};
/* Java, Python, JavaScript, Go, .NET, Ruby, PHP and Rust: functions and files without line numbers, arguments, addresses and folders
 * of installations. No frames: none was recognised. */
void span_text_stack(struct arena *a, struct slice trace, struct stack *out);

#endif
