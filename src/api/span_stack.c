/* SPDX-License-Identifier: Apache-2.0 */
/* Stack traces: each line is tried as a frame of each language, by what it begins with. A frame is kept as its function and the
 * last part of its file's path; which frames are libraries' is told from folders and packages. Python tells its frames the
 * outermost first, all others the innermost. What is no frame (messages, source lines, "Caused by") is passed over. */
#include "api/span_text.h"

struct frame {
    struct slice function, file; /* file: its path, without line numbers; either may be empty */
};

static const struct slice library_folders[] = {
    SLICE_INIT("site-packages/"), SLICE_INIT("dist-packages/"), SLICE_INIT("/lib/python"), SLICE_INIT("<frozen "), SLICE_INIT("node_modules/"),
    SLICE_INIT("node:"), SLICE_INIT("internal/modules/"), SLICE_INIT("/pkg/mod/"), SLICE_INIT("/usr/local/go/"), SLICE_INIT("/go/src/runtime/"),
    SLICE_INIT("/gems/"), SLICE_INIT("/lib/ruby/"), SLICE_INIT("vendor/"), SLICE_INIT("/rustc/"), SLICE_INIT("/.cargo/"), SLICE_INIT("<anonymous>"),
    SLICE_INIT("<internal:") };
static const struct slice library_packages[] = {
    SLICE_INIT("java."), SLICE_INIT("javax."), SLICE_INIT("jdk."), SLICE_INIT("sun."), SLICE_INIT("com.sun."), SLICE_INIT("jakarta."),
    SLICE_INIT("java.base/"), SLICE_INIT("org.springframework."), SLICE_INIT("org.apache."), SLICE_INIT("org.hibernate."),
    SLICE_INIT("org.eclipse.jetty."),
    SLICE_INIT("io.netty."), SLICE_INIT("reactor."), SLICE_INIT("kotlin."), SLICE_INIT("kotlinx."), SLICE_INIT("scala."), SLICE_INIT("akka."),
    SLICE_INIT("io.opentelemetry."), SLICE_INIT("com.fasterxml."), SLICE_INIT("org.postgresql."), SLICE_INIT("com.mysql."), SLICE_INIT("com.zaxxer."),
    SLICE_INIT("System."), SLICE_INIT("Microsoft."), SLICE_INIT("runtime."), SLICE_INIT("net/http."), SLICE_INIT("panic("), SLICE_INIT("std::"),
    SLICE_INIT("core::"), SLICE_INIT("rust_begin_unwind"), SLICE_INIT("tokio::") };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_own(const struct frame *f)
{
    for (size_t i = 0; i < COUNT_OF(library_folders); i++)
        if (slice_contains(f->file, library_folders[i]))
            return false;
    for (size_t i = 0; i < COUNT_OF(library_packages); i++)
        if (slice_starts(f->function, library_packages[i]))
            return false;
    return true;
}

/* ":12" and ":12:5" at the end go. */
static struct slice without_line(struct slice s)
{
    for (int round = 0; round < 2; round++) {
        size_t n = s.len;
        while (n && is_digit(s.ptr[n - 1]))
            n--;
        if (n == s.len || n == 0 || s.ptr[n - 1] != ':')
            break;
        s = slice_sub(s, 0, n - 1);
    }
    return s;
}

static size_t find_last(struct slice s, char c)
{
    size_t n = s.len;
    while (n && s.ptr[n - 1] != c)
        n--;
    return n ? n - 1 : SIZE_MAX;
}

static bool has_line(struct slice s)
{
    return without_line(s).len < s.len;
}

/* `File "PATH", line 12, in NAME` */
static bool python(struct slice line, struct frame *f)
{
    if (!slice_starts(line, SLICE("File \"")))
        return false;
    size_t end = slice_find_char(line, '"', 6), in = slice_find(line, SLICE(", in "), 6);
    if (end == SIZE_MAX)
        return false;
    f->file = slice_sub(line, 6, end);
    f->function = in == SIZE_MAX ? SLICE_EMPTY : slice_skip(line, in + 5);
    return true;
}

/* `at NAME(FILE:12)`, `at NAME (PATH:12:5)`, `at PATH:12:5`, `at NAME(ARGS) in PATH:line 12` */
static bool at_lines(struct slice line, struct frame *f)
{
    if (!slice_starts(line, SLICE("at ")))
        return false;
    line = slice_trim(slice_skip(line, 3));
    if (slice_starts(line, SLICE("async ")))
        line = slice_skip(line, 6);
    size_t in = slice_find(line, SLICE(" in "), 0), open = slice_find_char(line, '(', 0), number = slice_find(line, SLICE(":line "), 0);
    if (in != SIZE_MAX && number != SIZE_MAX && in < number) {
        f->function = slice_sub(line, 0, MIN(open, in));
        f->file = slice_sub(line, in + 4, number);
        return true;
    }
    if (open == SIZE_MAX) {
        f->file = without_line(line);
        f->function = SLICE_EMPTY;
        if (has_line(line))
            return true;
        f->function = line;
        f->file = SLICE_EMPTY;
        return slice_find_char(line, ' ', 0) == SIZE_MAX;
    }
    f->function = slice_trim(slice_sub(line, 0, open));
    size_t end = find_last(line, ')');
    if (end == SIZE_MAX || end < open)
        return false;
    f->file = without_line(slice_sub(line, open + 1, end));
    if (slice_find(f->file, SLICE(", "), 0) != SIZE_MAX || slice_find_char(f->file, ' ', 0) != SIZE_MAX)
        f->file = SLICE_EMPTY; /* arguments, of .NET without files */
    return f->function.len > 0;
}

/* `PATH:12:in 'NAME'`, also behind "from " */
static bool ruby(struct slice line, struct frame *f)
{
    if (slice_starts(line, SLICE("from ")))
        line = slice_skip(line, 5);
    size_t in = slice_find(line, SLICE(":in "), 0);
    if (in == SIZE_MAX || !has_line(slice_sub(line, 0, in)))
        return false;
    struct slice name = slice_skip(line, in + 4);
    size_t end = MIN(slice_find(name, SLICE("': "), 0), find_last(name, '\''));
    f->file = without_line(slice_sub(line, 0, in));
    f->function = name.len > 1 ? slice_sub(name, 1, MIN(end, name.len)) : name;
    return true;
}

/* `#0 PATH(12): NAME(ARGS)` */
static bool php(struct slice line, struct frame *f)
{
    size_t n = 1;
    if (line.len < 4 || line.ptr[0] != '#' || !is_digit(line.ptr[1]))
        return false;
    while (n < line.len && is_digit(line.ptr[n]))
        n++;
    line = slice_trim(slice_skip(line, n));
    size_t colon = slice_find(line, SLICE("): "), 0), internal = slice_find(line, SLICE("]: "), 0);
    size_t split = colon != SIZE_MAX ? colon : internal;
    if (split == SIZE_MAX)
        return false;
    struct slice where = slice_sub(line, 0, split), name = slice_skip(line, split + 3);
    size_t open = find_last(where, '(');
    f->file = colon == SIZE_MAX ? SLICE("<internal:") : slice_sub(where, 0, open);
    f->function = slice_sub(name, 0, MIN(slice_find_char(name, '(', 0), name.len));
    return true;
}

/* `12: NAME`, of Rust; its file is on a line of its own, `at PATH:12:5`, which at_lines would take for a frame. */
static bool rust(struct slice line, struct frame *f)
{
    size_t n = 0;
    while (n < line.len && is_digit(line.ptr[n]))
        n++;
    if (n == 0 || !slice_starts(slice_skip(line, n), SLICE(": ")))
        return false;
    f->function = slice_trim(slice_skip(line, n + 2));
    f->file = SLICE_EMPTY;
    if (slice_starts(f->function, SLICE("0x"))) {
        size_t dash = slice_find(f->function, SLICE(" - "), 0);
        f->function = dash == SIZE_MAX ? f->function : slice_skip(f->function, dash + 3);
    }
    return slice_contains(f->function, SLICE("::"));
}

/* `NAME(0xc000, ...)`, and its file on the next line, behind a tab. */
static bool go(struct slice line, struct slice next, struct frame *f)
{
    struct slice trimmed = slice_trim(next);
    size_t open = find_last(line, '('), space = slice_find(trimmed, SLICE(" +0x"), 0), by = slice_find(line, SLICE(" in goroutine "), 0);
    struct slice place = slice_sub(trimmed, 0, MIN(space, trimmed.len));
    if (next.len == 0 || next.ptr[0] != '\t' || !has_line(place) || !slice_contains(place, SLICE(".go")))
        return false;
    if (slice_starts(line, SLICE("created by "))) {
        line = slice_sub(line, 11, MIN(by, line.len));
        open = line.len;
    }
    f->function = slice_sub(line, 0, MIN(open, line.len));
    f->file = without_line(place);
    return true;
}

static bool frame_of(struct slice line, struct slice next, struct frame *f)
{
    struct slice trimmed = slice_trim(line);
    return python(trimmed, f) || at_lines(trimmed, f) || php(trimmed, f) || ruby(trimmed, f) || rust(trimmed, f) || go(trimmed, next, f);
}

/* Lambdas and generated classes are numbered: digits behind a $ go. */
static struct slice text_of(struct arena *a, const struct frame *f)
{
    struct buf b;
    struct slice file = f->file;
    size_t slash = find_last(file, '/');
    buf_init(&b, STACK_FRAME_BYTES_MAX);
    file = slash == SIZE_MAX ? file : slice_skip(file, slash + 1);
    slash = find_last(file, '\\');
    file = slash == SIZE_MAX ? file : slice_skip(file, slash + 1);
    for (size_t i = 0; i < f->function.len; i++) {
        if (i && is_digit(f->function.ptr[i]) && (f->function.ptr[i - 1] == '$' || f->function.ptr[i - 1] == '/'))
            while (i + 1 < f->function.len && (is_digit(f->function.ptr[i + 1]) || f->function.ptr[i + 1] == 'x'))
                i++;
        else
            buf_char(&b, f->function.ptr[i]);
    }
    if (file.len) {
        buf_slice(&b, b.len ? SLICE(" (") : SLICE("("));
        buf_slice(&b, file);
        buf_char(&b, ')');
    }
    struct slice text = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return text;
}

void span_text_stack(struct arena *a, struct slice trace, struct stack *out)
{
    struct frame *list = arena_array(a, struct frame, STACK_FRAMES_LOOKED_MAX);
    struct slice rest = slice_sub(trace, 0, STACK_TRACE_BYTES_MAX), line;
    size_t count = 0, own = 0;
    bool is_rust = false, is_python = false;
    while (count < STACK_FRAMES_LOOKED_MAX && slice_next(&rest, '\n', &line)) {
        size_t end = slice_find_char(rest, '\n', 0);
        struct frame f = { SLICE_EMPTY, SLICE_EMPTY };
        if (!frame_of(line, slice_sub(rest, 0, MIN(end, rest.len)), &f))
            continue;
        struct slice trimmed = slice_trim(line);
        is_rust |= is_digit(trimmed.ptr[0]);
        is_python |= slice_starts(trimmed, SLICE("File \""));
        if (is_rust && slice_starts(trimmed, SLICE("at "))) {
            if (count)
                list[count - 1].file = f.file;
            continue;
        }
        list[count++] = f;
    }
    for (size_t i = 0; i < count; i++)
        own += is_own(&list[i]);
    *out = (struct stack){ .is_own = own > 0 };
    for (size_t i = 0; i < count && out->count < STACK_FRAMES_MAX; i++) {
        const struct frame *f = &list[is_python ? count - 1 - i : i];
        if (own == 0 || is_own(f))
            out->frames[out->count++] = text_of(a, f);
    }
}
