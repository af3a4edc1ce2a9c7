/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of scripts, piece by piece. Labels are built here and not by labels_build, since an expected label may be empty. */
#include "logql/script_text.h"

#include <stdlib.h>

#include "base/num.h"
#include "logql/lexer.h"
#include "logql/script.h"
#include "model/labels.h"

enum { SCRIPT_LABELS_MAX = 256 };

struct slice logql_text_uncomment(struct slice line)
{
    char quote = 0;
    for (size_t i = 0; i < line.len; i++) {
        char c = line.ptr[i];
        if (quote) {
            if (c == '\\' && quote == '"')
                i++;
            else if (c == quote)
                quote = 0;
        } else if (c == '"' || c == '`') {
            quote = c;
        } else if (c == '#') {
            return slice_sub(line, 0, i);
        }
    }
    return line;
}

static int by_name(const void *a, const void *b)
{
    return slice_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static struct slice build(struct arena *a, struct label *list, size_t n)
{
    struct buf b;
    buf_init(&b, 0);
    if (n > 1)
        qsort(list, n, sizeof *list, by_name);
    for (size_t i = 0; i < n; i++) {
        buf_lenslice(&b, list[i].name);
        buf_lenslice(&b, list[i].value);
    }
    struct slice out = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return out;
}

/* name="value" at the front of tokens; names may be quoted. */
static bool take_pair(const struct lex_token **t, struct label *out)
{
    const struct lex_token *at = *t;
    if ((at[0].kind != LEX_IDENT && at[0].kind != LEX_STRING) || at[1].kind != LEX_OP || !slice_eq(at[1].text, SLICE("=")) ||
        at[2].kind != LEX_STRING)
        return false;
    *out = (struct label){ at[0].text, at[2].text };
    *t = at + 3;
    return true;
}

/* Where the bracket that closes text (outside of quotes) stands. */
static size_t closing(struct slice text, char bracket)
{
    char quote = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (quote && c == '\\' && quote == '"')
            i++;
        else if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '`')
            quote = c;
        else if (c == bracket)
            return i;
    }
    return SIZE_MAX;
}

/* Pairs between brackets; with commas or blanks between them. */
static enum status read_pairs(struct arena *a, struct slice text, struct slice *labels, struct err *err)
{
    struct label list[SCRIPT_LABELS_MAX];
    struct lex_token *tokens;
    size_t count, n = 0;
    enum status st = logql_lex_all(a, text, &tokens, &count, err);
    if (st)
        return st;
    const struct lex_token *t = tokens;
    while (t->kind != LEX_END) {
        if (n == SCRIPT_LABELS_MAX || !take_pair(&t, &list[n++]))
            return err_set(err, ST_INVALID, "labels cannot be read: %.*s", SLICE_FMT(text));
        t += t->kind == LEX_OP && slice_eq(t->text, SLICE(","));
    }
    *labels = build(a, list, n);
    return ST_OK;
}

enum status logql_text_labels(struct arena *a, struct slice *rest, struct slice *labels, struct err *err)
{
    *rest = slice_trim(*rest);
    size_t end = closing(*rest, '}');
    if (end == SIZE_MAX || rest->ptr[0] != '{')
        return err_set(err, ST_INVALID, "labels in braces are missing");
    enum status st = read_pairs(a, slice_sub(*rest, 1, end), labels, err);
    *rest = slice_trim(slice_skip(*rest, end + 1));
    return st;
}

bool logql_text_quoted(struct slice *rest, struct slice *text)
{
    if (rest->len < 2 || (rest->ptr[0] != '"' && rest->ptr[0] != '`'))
        return false;
    size_t end = slice_find_char(*rest, rest->ptr[0], 1);
    if (end == SIZE_MAX)
        return false;
    *text = slice_sub(*rest, 1, end);
    *rest = slice_trim(slice_skip(*rest, end + 1));
    return true;
}

bool logql_text_metadata(struct arena *a, struct slice *rest, struct slice *labels)
{
    struct err err;
    size_t end = closing(*rest, ']');
    if (end == SIZE_MAX || read_pairs(a, slice_sub(*rest, 0, end), labels, &err))
        return false;
    *rest = slice_trim(slice_skip(*rest, end + 1));
    return true;
}

/* 1, 1x3, 1+2x3, _, _x3. */
static bool take_points(struct arena *a, struct slice word, struct script_row *out)
{
    struct slice value, times_text, base = word, step_text = SLICE_EMPTY;
    uint64_t times = 0;
    double v = 0, step = 0;
    bool repeats = slice_cut(word, 'x', &value, &times_text), has = word.ptr[0] != '_';
    if (repeats && (!num_parse_u64(times_text, &times) || times > LOGQL_SCRIPT_POINTS_MAX))
        return false;
    base = value;
    for (size_t i = 1; repeats && i < value.len; i++) {
        if ((value.ptr[i] == '+' || value.ptr[i] == '-') && value.ptr[i - 1] != 'e') {
            base = slice_sub(value, 0, i);
            step_text = slice_skip(value, value.ptr[i] == '+' ? i + 1 : i);
            break;
        }
    }
    if (has ? !num_parse_double(base, &v) : base.len != 1)
        return false;
    if (step_text.len && !num_parse_double(step_text, &step))
        return false;
    if (!has && times)
        times--;
    if (out->count + times >= LOGQL_SCRIPT_POINTS_MAX)
        return false;
    for (uint64_t i = 0; i <= times; i++, v += step)
        ARENA_PUSH(a, out->points, out->count, out->cap) = (struct script_point){ v, has };
    return true;
}

bool logql_text_points(struct arena *a, struct slice text, struct script_row *out)
{
    struct slice piece;
    while (slice_next(&text, ' ', &piece)) {
        piece = slice_trim(piece);
        if (piece.len && !take_points(a, piece, out))
            return false;
    }
    return out->count > 0;
}
