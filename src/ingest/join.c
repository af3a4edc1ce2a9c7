/* SPDX-License-Identifier: Apache-2.0 */
/* A line is joined for what itself looks like, not for what the line before promised: a frame ("at f(...)"), "Caused by:", a
 * goroutine, indented text. So ordinary lines cost a look at the first byte of the one behind them.
 *
 * (1) classify() says what a line could be of a record that is there already; most lines are CLASS_OTHER, which ends a record.
 * (2) follows() says whether a line of that class goes on a record of this kind, and what kind the record is then.
 * (3) Empty lines, and the second and later lines of an exception's message, wait: they belong to the record only when
 *     something behind them does.
 * (4) A line that tells a time of its own begins a record. One that told a time, or an error, takes an exception, a trace and
 *     indented lines behind it: they tell none. */
#include "ingest/join.h"

#include "ingest/recognise.h"
#include "model/event.h"

enum class {
    CLASS_OTHER,
    CLASS_BLANK,
    CLASS_INDENTED,
    CLASS_FRAME,
    CLASS_CAUSE,        /* Caused by:, ... 3 more, --- End of ... */
    CLASS_EXCEPTION,    /* name.of.SomeException: text */
    CLASS_TRACEBACK,    /* Python's first line */
    CLASS_CHAIN,        /* During handling of the above exception, ... */
    CLASS_GOROUTINE,
    CLASS_GO_HEAD,      /* [signal ..., runtime stack: */
    CLASS_STACK,        /* Stack trace:, stack backtrace: */
    CLASS_NUMBERED,     /* #0 ... */
    CLASS_END           /* what closes a trace, or stands between its parts: }, Node.js v18.1, note: run with ... */
};

enum kind {
    KIND_UNKNOWN,       /* nothing said so far: asked of the first line when it matters */
    KIND_PLAIN,         /* a line that tells nothing */
    KIND_TOLD,          /* a time or an error */
    KIND_EXCEPTION,     /* an exception, no frame so far */
    KIND_FRAMES,
    KIND_PYTHON,
    KIND_PYTHON_DONE,   /* its last line was there */
    KIND_PYTHON_CHAIN,
    KIND_GO,
    KIND_NUMBERED,      /* PHP's frames */
    KIND_RUST,
    KIND_NESTED,        /* Java's "nested exception is:" */
    KIND_SOURCE         /* Node shows the line that threw before the exception, Dart that it was not handled */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_name_char(char c)
{
    return is_letter(c) || is_digit(c) || c == '_' || c == '.' || c == '$' || c == ':' || c == '\\' || c == '/';
}

static struct slice line_at(struct slice text, size_t at, size_t *next)
{
    size_t end = slice_find_char(text, '\n', at);
    *next = end == SIZE_MAX ? text.len : end + 1;
    struct slice line = slice_sub(text, at, end == SIZE_MAX ? text.len : end);
    line.len -= slice_ends(line, SLICE("\r"));
    return line;
}

static struct slice unindented(struct slice line)
{
    while (line.len && (line.ptr[0] == ' ' || line.ptr[0] == '\t'))
        line = slice_skip(line, 1);
    return line;
}

static bool starts_any(struct slice line, const struct slice *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_starts(line, list[i]))
            return true;
    return false;
}

/* A name that ends as exceptions' names do, with ':' or nothing behind it (Rails: a text in parentheses). */
static bool is_exception(struct slice line)
{
    static const struct slice heads[] = { SLICE_INIT("Unhandled exception. "), SLICE_INIT("Uncaught "), SLICE_INIT("Exception in thread "),
                                          SLICE_INIT("Unhandled Exception: ") };
    static const struct slice ends[] = { SLICE_INIT("Exception"), SLICE_INIT("Error"), SLICE_INIT("Throwable"), SLICE_INIT("Failure"),
                                         SLICE_INIT("Fault") };
    if (starts_any(line, heads, COUNT_OF(heads)))
        return true;
    size_t n = 0, most = MIN(line.len, (size_t)JOIN_NAME_BYTES_MAX);
    while (n < most && is_name_char(line.ptr[n]))
        n++;
    struct slice name = slice_sub(line, 0, n), rest = slice_skip(line, n);
    bool has_colon = slice_ends(name, SLICE(":"));
    name.len -= has_colon;
    bool is_whole = has_colon || rest.len == 0 || slice_starts(rest, SLICE(" (")) || slice_starts(rest, SLICE(" ["));
    if (name.len == 0 || !is_letter(name.ptr[0]) || !is_whole)
        return false;
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        if (slice_ends(name, ends[i]))
            return true;
    return false;
}

/* app/models/order.rb:12:in `total' */
static bool is_ruby_place(struct slice s)
{
    size_t at = slice_find(slice_sub(s, 0, 1024), SLICE(".rb:"), 0);
    size_t n = at == SIZE_MAX ? s.len : at + 4;
    return n < s.len && is_digit(s.ptr[n]) && slice_find(s, SLICE(":in "), n) != SIZE_MAX;
}

/* "at com.shop.Cart.add(Cart.java:12)", "at /srv/a.js:3:1", "at A.B() in C:\a.cs:line 3" and not "at the market". */
static bool is_at(struct slice s)
{
    if (slice_starts(s, SLICE("eval ")))
        s = slice_skip(s, 5);
    if (!slice_starts(s, SLICE("at ")))
        return false;
    return slice_find_char(s, '(', 3) != SIZE_MAX || slice_find_char(s, ':', 3) != SIZE_MAX || slice_find_char(s, '.', 3) != SIZE_MAX ||
           slice_find_char(s, '<', 3) != SIZE_MAX;
}

static bool is_cause(struct slice s)
{
    static const struct slice heads[] = { SLICE_INIT("Caused by:"), SLICE_INIT("Suppressed:"), SLICE_INIT("nested exception is:"),
                                          SLICE_INIT("--- End of "), SLICE_INIT("---> "), SLICE_INIT("Wrapped by:") };
    if (starts_any(s, heads, COUNT_OF(heads)))
        return true;
    return slice_starts(s, SLICE("... ")) && s.len > 4 && is_digit(s.ptr[4]);
}

static enum class classify_indented(struct slice s)
{
    if (s.len == 0)
        return CLASS_BLANK;
    if (is_cause(s))
        return CLASS_CAUSE;
    if (is_at(s) || slice_starts(s, SLICE("from ")) || slice_starts(s, SLICE("File \"")) || is_ruby_place(s))
        return CLASS_FRAME;
    return CLASS_INDENTED;
}

static bool is_numbered(struct slice s)
{
    size_t n = 1;
    while (n < s.len && is_digit(s.ptr[n]))
        n++;
    return n > 1 && n < s.len && s.ptr[n] == ' ';
}

/* Says (1). */
static enum class classify(struct slice line)
{
    static const struct slice ends[] = { SLICE_INIT("Node.js v"), SLICE_INIT("note: "), SLICE_INIT("exit status "), SLICE_INIT("created by "),
                                         SLICE_INIT("Next ") };
    if (line.len == 0)
        return CLASS_BLANK;
    char c = line.ptr[0];
    if (c == ' ' || c == '\t')
        return classify_indented(unindented(line));
    if (is_digit(c) || c == '{' || c == '<')
        return slice_eq(line, SLICE("<asynchronous suspension>")) ? CLASS_END : CLASS_OTHER;
    if (is_cause(line))
        return CLASS_CAUSE;
    if (c == '#')
        return is_numbered(line) ? CLASS_NUMBERED : CLASS_OTHER;
    if (slice_starts(line, SLICE("Traceback (most recent call last)")))
        return CLASS_TRACEBACK;
    if (slice_starts(line, SLICE("During handling of the above exception")) || slice_starts(line, SLICE("The above exception was")))
        return CLASS_CHAIN;
    if (slice_starts(line, SLICE("goroutine ")) && slice_contains(line, SLICE(" [")))
        return CLASS_GOROUTINE;
    if (slice_starts(line, SLICE("[signal ")) || slice_eq(line, SLICE("runtime stack:")))
        return CLASS_GO_HEAD;
    if (slice_eq(line, SLICE("Stack trace:")) || slice_eq(line, SLICE("stack backtrace:")) || slice_eq(line, SLICE("PHP Stack trace:")))
        return CLASS_STACK;
    if (slice_eq(line, SLICE("}")) || slice_eq(line, SLICE("]")) || starts_any(line, ends, COUNT_OF(ends)))
        return CLASS_END;
    if (is_at(line) || is_ruby_place(line))
        return CLASS_FRAME;
    return is_exception(line) ? CLASS_EXCEPTION : CLASS_OTHER;
}

/* /srv/shop/cart.js:12 and nothing behind it. */
static bool is_source_place(struct slice line)
{
    static const struct slice ends[] = { SLICE_INIT(".js"), SLICE_INIT(".mjs"), SLICE_INIT(".cjs"), SLICE_INIT(".ts") };
    size_t n = line.len;
    while (n > 0 && is_digit(line.ptr[n - 1]))
        n--;
    if (n < 2 || n == line.len || line.ptr[n - 1] != ':')
        return false;
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        if (slice_ends(slice_sub(line, 0, n - 1), ends[i]))
            return true;
    return false;
}

/* ASP.NET's console: "fail: Shop.Cart[0]", its text indented below. */
static bool is_console_head(struct slice line)
{
    static const struct slice heads[] = { SLICE_INIT("trce: "), SLICE_INIT("dbug: "), SLICE_INIT("info: "),
                                          SLICE_INIT("warn: "), SLICE_INIT("fail: "), SLICE_INIT("crit: ") };
    return slice_ends(line, SLICE("]")) && starts_any(line, heads, COUNT_OF(heads));
}

static bool tells(struct slice line)
{
    struct recognised r;
    if (is_console_head(line))
        return true;
    recognise(line, 0, 0, &r);
    if (slice_eq(r.format, SLICE("json")))
        return false;
    return r.time_ns || slice_eq(r.format, SLICE("python")) || slice_eq(r.format, SLICE("clock")) || r.severity >= SEVERITY_ERROR;
}

/* What the first line of a record makes it by its look; KIND_UNKNOWN: nothing. */
static enum kind kind_by_look(struct slice line)
{
    static const struct slice go[] = { SLICE_INIT("panic: "), SLICE_INIT("fatal error: "), SLICE_INIT("SIGQUIT: "), SLICE_INIT("SIGABRT: ") };
    enum class c = classify(line);
    if (c == CLASS_TRACEBACK)
        return KIND_PYTHON;
    if (c == CLASS_GOROUTINE || c == CLASS_GO_HEAD || starts_any(line, go, COUNT_OF(go)))
        return KIND_GO;
    if (slice_starts(line, SLICE("thread '")) && slice_contains(line, SLICE(" panicked at ")))
        return KIND_RUST;
    if (c == CLASS_FRAME || c == CLASS_CAUSE)
        return KIND_FRAMES;
    if (c == CLASS_EXCEPTION || (c == CLASS_INDENTED && is_exception(unindented(line))))
        return KIND_EXCEPTION;
    if (is_source_place(line) || slice_eq(line, SLICE("Unhandled exception:")))
        return KIND_SOURCE;
    return c == CLASS_OTHER ? KIND_UNKNOWN : KIND_PLAIN;
}

static enum kind kind_of(struct slice line)
{
    enum kind kind = kind_by_look(line);
    return kind != KIND_UNKNOWN ? kind : tells(line) ? KIND_TOLD : KIND_PLAIN;
}

/* main.run(0xc000010000, 0x2), main.main.func1(...), registers of a fatal signal. */
static bool is_go_call(struct slice line)
{
    if (slice_ends(line, SLICE(")")) && slice_find_char(line, '(', 1) != SIZE_MAX)
        return slice_find_char(slice_sub(line, 0, slice_find_char(line, '(', 1)), ' ', 0) == SIZE_MAX;
    return line.len > 4 && line.ptr[0] == 'r' && slice_contains(line, SLICE("  0x"));
}

/* "KeyError: 'x'", "requests.exceptions.Timeout", "Exit: 3": the line that ends a trace of Python. */
static bool is_python_end(struct slice line)
{
    size_t n = 0;
    while (n < line.len && (is_letter(line.ptr[n]) || is_digit(line.ptr[n]) || line.ptr[n] == '_' || line.ptr[n] == '.'))
        n++;
    return n > 0 && !is_digit(line.ptr[0]) && (n == line.len || line.ptr[n] == ':');
}

static bool follows_go(enum class c, struct slice line, bool after_blank)
{
    if (c == CLASS_GOROUTINE || c == CLASS_GO_HEAD)
        return true;
    if (c == CLASS_END)
        return slice_starts(line, SLICE("exit status ")) || (!after_blank && slice_starts(line, SLICE("created by ")));
    return c == CLASS_INDENTED || c == CLASS_FRAME || is_go_call(line);
}

static enum kind kind_behind(enum class c, struct slice line)
{
    return c == CLASS_CAUSE && slice_ends(line, SLICE("nested exception is:")) ? KIND_NESTED : KIND_FRAMES;
}

/* Of a record that is no trace so far. */
static bool follows_first(enum kind *kind, enum class c, struct slice line, bool after_blank)
{
    enum kind was = *kind;
    bool told = was == KIND_TOLD, exception = was == KIND_EXCEPTION;
    switch (c) {
    case CLASS_FRAME:
    case CLASS_CAUSE:
        *kind = kind_behind(c, line);
        return !after_blank || told || exception || was == KIND_SOURCE;
    case CLASS_INDENTED:
        return !after_blank && was != KIND_PLAIN;
    case CLASS_EXCEPTION:
        *kind = KIND_EXCEPTION;
        return (told && !after_blank) || was == KIND_SOURCE;
    case CLASS_TRACEBACK:
        *kind = KIND_PYTHON;
        return told && !after_blank;
    case CLASS_GOROUTINE:
    case CLASS_GO_HEAD:
        *kind = KIND_GO;
        return told;
    case CLASS_STACK:
    case CLASS_NUMBERED:
        *kind = KIND_NUMBERED;
        return !after_blank || (exception && c == CLASS_NUMBERED);
    default:
        return false;
    }
}

/* Says (2). Changes *kind only where it is true, but for kinds that end with it. */
static bool follows(enum kind *kind, enum class c, struct slice line, bool after_blank)
{
    switch (*kind) {
    case KIND_FRAMES:
        *kind = kind_behind(c, line);
        if (c == CLASS_FRAME || c == CLASS_CAUSE || c == CLASS_INDENTED)
            return !after_blank || c != CLASS_INDENTED;
        return c == CLASS_END && (after_blank ? slice_starts(line, SLICE("Node.js v")) : line.len == 1);
    case KIND_NESTED:
        *kind = KIND_EXCEPTION;
        return c == CLASS_EXCEPTION;
    case KIND_PYTHON:
        if (c == CLASS_INDENTED || c == CLASS_FRAME)
            return true;
        *kind = KIND_PYTHON_DONE;
        return !after_blank && is_python_end(line);
    case KIND_PYTHON_DONE:
        if (c == CLASS_INDENTED || c == CLASS_FRAME)
            return !after_blank;
        *kind = KIND_PYTHON_CHAIN;
        return c == CLASS_CHAIN;
    case KIND_PYTHON_CHAIN:
        *kind = KIND_PYTHON;
        return c == CLASS_TRACEBACK;
    case KIND_GO:
        return follows_go(c, line, after_blank);
    case KIND_NUMBERED:
        if (c == CLASS_END)
            return slice_starts(line, SLICE("Next ")) || slice_starts(line, SLICE("<"));
        return c == CLASS_NUMBERED || c == CLASS_STACK || c == CLASS_FRAME || (c == CLASS_INDENTED && !after_blank);
    case KIND_RUST:
        return c == CLASS_STACK || c == CLASS_INDENTED || c == CLASS_FRAME || (c == CLASS_END && slice_starts(line, SLICE("note: ")));
    default:
        return follows_first(kind, c, line, after_blank);
    }
}

/* An indented line with a time of its own is a record. */
static enum class class_here(struct slice line)
{
    enum class c = classify(line);
    struct slice text = c == CLASS_INDENTED ? unindented(line) : SLICE_EMPTY;
    struct recognised r;
    if (text.len == 0 || !(is_digit(text.ptr[0]) || text.ptr[0] == '['))
        return c;
    recognise(text, 0, 0, &r);
    return r.time_ns ? CLASS_OTHER : c;
}

/* Lines of a message before its first frame: (3). */
static bool may_wait(enum kind kind, enum class c, struct slice line, size_t waiting)
{
    if (waiting >= JOIN_MESSAGE_LINES_MAX || (c != CLASS_OTHER && c != CLASS_CHAIN))
        return false;
    return (kind == KIND_EXCEPTION || kind == KIND_RUST || kind == KIND_SOURCE) && !tells(line);
}

static size_t join_auto(struct slice text, size_t bytes_max, bool *is_open)
{
    size_t end, at, next, lines = 1, blanks = 0, waiting = 0;
    struct slice first = line_at(text, 0, &end);
    enum kind kind = KIND_UNKNOWN;
    if (slice_trim(first).len == 0)
        return end;
    for (at = end; at < text.len; at = next) {
        struct slice line = line_at(text, at, &next);
        enum class c = class_here(line);
        if (kind == KIND_UNKNOWN)
            kind = c == CLASS_OTHER ? kind_by_look(first) : kind_of(first);
        if (kind == KIND_UNKNOWN)
            return end; /* the common case */
        if (next > bytes_max || ++lines > JOIN_LINES_MAX)
            return end;
        if (c == CLASS_BLANK && kind != KIND_PLAIN && ++blanks <= JOIN_BLANKS_MAX)
            continue;
        if (c != CLASS_BLANK && follows(&kind, c, line, blanks > 0)) {
            end = next;
            blanks = waiting = 0;
        } else if (c == CLASS_BLANK || !may_wait(kind, c, line, waiting++)) {
            return end;
        }
    }
    if (kind == KIND_UNKNOWN)
        kind = kind_of(first);
    struct recognised r;
    recognise(first, 0, 0, &r);
    *is_open = kind != KIND_PLAIN && (kind != KIND_TOLD || r.severity >= SEVERITY_ERROR || lines > 1);
    return end;
}

static size_t join_pattern(const struct join_rule *rule, struct slice text, size_t bytes_max, bool *is_open)
{
    size_t end, next, lines = 1;
    line_at(text, 0, &end);
    for (; end < text.len; end = next) {
        struct slice line = line_at(text, end, &next);
        bool fits = regex_match(rule->pattern, line);
        if (fits == (rule->mode == JOIN_START) || next > bytes_max || ++lines > JOIN_LINES_MAX)
            return end;
    }
    *is_open = true;
    return end;
}

size_t join_next(const struct join_rule *rule, struct slice text, size_t bytes_max, bool *is_open)
{
    size_t end;
    *is_open = false;
    if (rule && rule->mode == JOIN_AUTO)
        return join_auto(text, bytes_max, is_open);
    if (rule && rule->mode != JOIN_OFF)
        return join_pattern(rule, text, bytes_max, is_open);
    line_at(text, 0, &end);
    return end;
}
