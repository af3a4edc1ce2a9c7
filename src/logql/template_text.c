/* SPDX-License-Identifier: Apache-2.0 */
/* Loki's functions of texts, and the line itself. Where a name has a small and a large form (replace, Replace), the small one takes the
 * text last, for pipelines. Lengths are in bytes, but those of alignLeft and alignRight, which count characters. */
#include <ctype.h>

#include "base/utf8.h"
#include "codec/url.h"
#include "logql/template.h"

enum { REGEX_STEPS = 100 };

static enum status give_text(struct gotmpl_value *out, struct slice s)
{
    *out = gotmpl_text(s);
    return ST_OK;
}

GOTMPL_FUNCTION(fn_line)
{
    return give_text(out, ((const struct template_data *)env->arg)->line);
}

GOTMPL_FUNCTION(fn_lower)
{
    return give_text(out, gotmpl_change_case(env->arena, v[0].text, GOTMPL_LOWER));
}

GOTMPL_FUNCTION(fn_upper)
{
    return give_text(out, gotmpl_change_case(env->arena, v[0].text, GOTMPL_UPPER));
}

GOTMPL_FUNCTION(fn_title)
{
    return give_text(out, gotmpl_change_case(env->arena, v[0].text, GOTMPL_TITLE));
}

/* ---- replacing ---- */

/* At most times times; all when it is negative. An empty old stands before every character, and at the end. */
static enum status replace_in(const struct gotmpl_env *env, struct slice s, struct slice old, struct slice by, int64_t times,
                              struct gotmpl_value *out, struct err *err)
{
    struct buf b;
    size_t at = 0, first = old.len ? slice_find(s, old, 0) : 0;
    if (times == 0 || first == SIZE_MAX || slice_eq(old, by))
        return give_text(out, s);
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    for (int64_t i = 0; (times < 0 || i < times) && !buf_over(&b); i++) {
        size_t found = i == 0 ? first : old.len ? slice_find(s, old, at) : at;
        if (old.len == 0 && i > 0) {
            size_t n = utf8_char(slice_skip(s, at));
            found = at == s.len ? SIZE_MAX : at + MAX(n, (size_t)1);
        }
        if (found == SIZE_MAX)
            break;
        buf_slice(&b, slice_sub(s, at, found));
        buf_slice(&b, by);
        at = found + old.len;
    }
    buf_slice(&b, slice_skip(s, at));
    return gotmpl_give(env, &b, out, err);
}

GOTMPL_FUNCTION(fn_replace)
{
    return replace_in(env, v[2].text, v[0].text, v[1].text, -1, out, err);
}

GOTMPL_FUNCTION(fn_replace_times)
{
    return replace_in(env, v[0].text, v[1].text, v[2].text, v[3].i, out, err);
}

/* The pattern: as compiled with the query, or now, which may take as long as the query has. *made is to be freed. */
static enum status regex_of(const struct gotmpl_env *env, const struct gotmpl_value *v, const struct regex **re, struct regex **made,
                            struct err *err)
{
    const struct template_data *d = env->arg;
    *made = NULL;
    *re = v->re;
    if (*re)
        return ST_OK;
    enum status st = d->env->ctx ? engine_ctx_check(d->env->ctx, err) : ST_OK;
    if (st)
        return st;
    st = regex_compile(made, v->text, 0, err);
    *re = *made;
    return st ? err_prefix(err, "error parsing regexp: ") : ST_OK;
}

static enum status regex_replace(const struct gotmpl_env *env, const struct gotmpl_value *v, struct slice by, struct gotmpl_value *out,
                                 struct err *err)
{
    const struct regex *re;
    struct regex *made;
    struct buf b;
    enum status st = regex_of(env, &v[0], &re, &made, err);
    if (st)
        return st;
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    regex_replace_all(re, v[1].text, by, &b);
    regex_free(made);
    return gotmpl_give(env, &b, out, err);
}

GOTMPL_FUNCTION(fn_regex_replace)
{
    return regex_replace(env, v, v[2].text, out, err);
}

/* The replacement as it is: its '$' are doubled. */
GOTMPL_FUNCTION(fn_regex_replace_literal)
{
    struct buf by;
    if (slice_find_char(v[2].text, '$', 0) == SIZE_MAX)
        return regex_replace(env, v, v[2].text, out, err);
    buf_init(&by, GOTMPL_RESULT_BYTES_MAX);
    for (size_t i = 0; i < v[2].text.len; i++)
        buf_printf(&by, v[2].text.ptr[i] == '$' ? "$$" : "%c", v[2].text.ptr[i]);
    enum status st = regex_replace(env, v, buf_as_slice(&by), out, err);
    buf_free(&by);
    return st;
}

/* Matches one after the other; an empty one right behind another does not count. */
GOTMPL_FUNCTION(fn_count)
{
    const struct regex *re;
    struct regex *made;
    struct slice text = v[1].text, group;
    size_t at = 0, last = SIZE_MAX, count = 0;
    enum status st = regex_of(env, &v[0], &re, &made, err);
    while (!st && at <= text.len && regex_find(re, text, at, &group, 1)) {
        size_t from = (size_t)(group.ptr - text.ptr), end = from + group.len;
        count += end != at || from != last;
        if (end == at) {
            size_t width = utf8_char(slice_skip(text, at));
            at += MAX(width, (size_t)1);
        } else {
            at = end;
        }
        last = end;
    }
    regex_free(made);
    *out = gotmpl_int((int64_t)count);
    return st;
}

/* ---- trimming ---- */

static size_t char_length(struct slice s)
{
    size_t n = utf8_char(s);
    return n ? n : MIN(s.len, (size_t)1);
}

/* The character that s ends with. */
static size_t last_length(struct slice s)
{
    for (size_t n = 1; n <= 4 && n <= s.len; n++)
        if (utf8_char(slice_skip(s, s.len - n)) == n)
            return n;
    return MIN(s.len, (size_t)1);
}

/* set: characters; NULL: white space. */
static struct slice trim_set(struct slice s, const struct slice *set, bool left, bool right)
{
    while (left && s.len) {
        size_t n = char_length(s);
        if (set ? !slice_contains(*set, slice_sub(s, 0, n)) : gotmpl_space(s) == 0)
            break;
        s = slice_skip(s, n);
    }
    while (right && s.len) {
        size_t n = last_length(s);
        struct slice last = slice_skip(s, s.len - n);
        if (set ? !slice_contains(*set, last) : gotmpl_space(last) == 0)
            break;
        s.len -= n;
    }
    return s;
}

GOTMPL_FUNCTION(fn_trim_space)
{
    return give_text(out, trim_set(v[0].text, NULL, true, true));
}

GOTMPL_FUNCTION(fn_trim_of)
{
    return give_text(out, trim_set(v[0].text, &v[1].text, true, true));
}

GOTMPL_FUNCTION(fn_trim_left_of)
{
    return give_text(out, trim_set(v[0].text, &v[1].text, true, false));
}

GOTMPL_FUNCTION(fn_trim_right_of)
{
    return give_text(out, trim_set(v[0].text, &v[1].text, false, true));
}

GOTMPL_FUNCTION(fn_trim_all)
{
    return give_text(out, trim_set(v[1].text, &v[0].text, true, true));
}

static struct slice without_prefix(struct slice s, struct slice prefix)
{
    return slice_starts(s, prefix) ? slice_skip(s, prefix.len) : s;
}

static struct slice without_suffix(struct slice s, struct slice suffix)
{
    return slice_ends(s, suffix) ? slice_sub(s, 0, s.len - suffix.len) : s;
}

GOTMPL_FUNCTION(fn_trim_prefix)
{
    return give_text(out, without_prefix(v[1].text, v[0].text));
}

GOTMPL_FUNCTION(fn_trim_prefix_of)
{
    return give_text(out, without_prefix(v[0].text, v[1].text));
}

GOTMPL_FUNCTION(fn_trim_suffix)
{
    return give_text(out, without_suffix(v[1].text, v[0].text));
}

GOTMPL_FUNCTION(fn_trim_suffix_of)
{
    return give_text(out, without_suffix(v[0].text, v[1].text));
}

/* ---- parts and places ---- */

/* The first n bytes, or the last -n. */
GOTMPL_FUNCTION(fn_trunc)
{
    struct slice s = v[1].text;
    uint64_t keep = v[0].i < 0 ? 0 - (uint64_t)v[0].i : (uint64_t)v[0].i;
    if (keep >= s.len)
        return give_text(out, s);
    return give_text(out, v[0].i < 0 ? slice_skip(s, s.len - keep) : slice_sub(s, 0, keep));
}

GOTMPL_FUNCTION(fn_substr)
{
    struct slice s = v[2].text;
    int64_t len = (int64_t)s.len, from = MAX(v[0].i, (int64_t)0), to = v[1].i;
    if (v[0].i >= 0 && (to < 0 || to > len))
        to = len;
    if (to < 0 || to > len)
        return err_set(err, ST_INVALID, "runtime error: slice bounds out of range [:%lld]", (long long)to);
    if (from > to)
        return err_set(err, ST_INVALID, "runtime error: slice bounds out of range [%lld:%lld]", (long long)from, (long long)to);
    return give_text(out, slice_sub(s, (size_t)from, (size_t)to));
}

static enum status put_repeated(struct slice s, int64_t times, struct buf *out, struct err *err)
{
    if (times < 0)
        return err_set(err, ST_INVALID, "strings: negative Repeat count");
    if (s.len && (uint64_t)times > GOTMPL_RESULT_BYTES_MAX / s.len)
        return err_set(err, ST_LIMIT, "%lld times %zu bytes, at most %d are allowed", (long long)times, s.len, GOTMPL_RESULT_BYTES_MAX);
    for (int64_t i = 0; s.len && i < times; i++)
        buf_slice(out, s);
    return ST_OK;
}

GOTMPL_FUNCTION(fn_repeat)
{
    struct buf b;
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    enum status st = put_repeated(v[1].text, v[0].i, &b, err), given = gotmpl_give(env, &b, out, err);
    return st ? st : given;
}

/* Every line starts with that many spaces. */
static enum status indent(const struct gotmpl_env *env, const struct gotmpl_value *v, bool on_new_line, struct gotmpl_value *out, struct err *err)
{
    struct buf pad, b;
    buf_init(&pad, GOTMPL_RESULT_BYTES_MAX);
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    enum status st = put_repeated(SLICE(" "), v[0].i, &pad, err);
    struct slice rest = v[1].text;
    if (on_new_line)
        buf_char(&b, '\n');
    for (bool more = !st; more && !buf_over(&b);) {
        size_t end = slice_find_char(rest, '\n', 0);
        more = end != SIZE_MAX;
        buf_slice(&b, buf_as_slice(&pad));
        buf_slice(&b, slice_sub(rest, 0, more ? end + 1 : rest.len));
        rest = more ? slice_skip(rest, end + 1) : SLICE_EMPTY;
    }
    buf_free(&pad);
    enum status given = gotmpl_give(env, &b, out, err);
    return st ? st : given;
}

GOTMPL_FUNCTION(fn_indent)
{
    return indent(env, v, false, out, err);
}

GOTMPL_FUNCTION(fn_nindent)
{
    return indent(env, v, true, out, err);
}

/* Exactly that many characters: cut, or filled with spaces. */
static enum status align(const struct gotmpl_env *env, const struct gotmpl_value *v, bool to_left, struct gotmpl_value *out, struct err *err)
{
    struct slice s = v[1].text;
    int64_t have = (int64_t)utf8_count(s), want = v[0].i;
    struct buf b;
    if (want < 0 || want == have)
        return give_text(out, s);
    if (want < have) {
        for (int64_t drop = have - want; drop > 0 && !to_left; drop--)
            s = slice_skip(s, char_length(s));
        size_t len = 0;
        for (int64_t keep = want; keep > 0 && to_left; keep--)
            len += char_length(slice_skip(s, len));
        return give_text(out, to_left ? slice_sub(s, 0, len) : s);
    }
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    if (to_left)
        buf_slice(&b, s);
    enum status st = put_repeated(SLICE(" "), want - have, &b, err);
    if (!to_left)
        buf_slice(&b, s);
    enum status given = gotmpl_give(env, &b, out, err);
    return st ? st : given;
}

GOTMPL_FUNCTION(fn_align_left)
{
    return align(env, v, true, out, err);
}

GOTMPL_FUNCTION(fn_align_right)
{
    return align(env, v, false, out, err);
}

/* ---- questions ---- */

GOTMPL_FUNCTION(fn_contains)
{
    *out = gotmpl_bool(slice_contains(v[1].text, v[0].text));
    return ST_OK;
}

GOTMPL_FUNCTION(fn_has_prefix)
{
    *out = gotmpl_bool(slice_starts(v[1].text, v[0].text));
    return ST_OK;
}

GOTMPL_FUNCTION(fn_has_suffix)
{
    *out = gotmpl_bool(slice_ends(v[1].text, v[0].text));
    return ST_OK;
}

/* The value, or what stands for it when it is empty, zero, false or nil. */
GOTMPL_FUNCTION(fn_default)
{
    *out = n > 1 && gotmpl_truth(&v[1]) ? v[1] : v[0];
    return ST_OK;
}

/* ---- encodings ---- */

GOTMPL_FUNCTION(fn_url_encode)
{
    struct buf b;
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    gotmpl_url_escape(v[0].text, &b);
    return gotmpl_give(env, &b, out, err);
}

GOTMPL_FUNCTION(fn_url_decode)
{
    struct slice s = v[0].text, text;
    for (size_t i = 0; i < s.len; i++) {
        struct slice escape = slice_sub(s, i, i + 3);
        bool good = s.ptr[i] != '%' || (escape.len == 3 && isxdigit((unsigned char)escape.ptr[1]) && isxdigit((unsigned char)escape.ptr[2]));
        if (!good)
            return err_set(err, ST_INVALID, "invalid URL escape \"%.*s\"", SLICE_FMT(escape));
    }
    enum status st = url_decode(env->arena, s, true, &text, err);
    return st ? st : give_text(out, text);
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

GOTMPL_FUNCTION(fn_base64_encode)
{
    struct slice s = v[0].text;
    struct buf b;
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    for (size_t i = 0; i < s.len && !buf_over(&b); i += 3) {
        size_t k = MIN(s.len - i, (size_t)3);
        uint32_t bits = (uint32_t)(uint8_t)s.ptr[i] << 16 | (k > 1 ? (uint32_t)(uint8_t)s.ptr[i + 1] << 8 : 0) | (k > 2 ? (uint8_t)s.ptr[i + 2] : 0);
        char four[4] = { base64[bits >> 18], base64[bits >> 12 & 63], k > 1 ? base64[bits >> 6 & 63] : '=', k > 2 ? base64[bits & 63] : '=' };
        buf_put(&b, four, sizeof four);
    }
    return gotmpl_give(env, &b, out, err);
}

/* Where s stops being base64, with as many '=' behind it as it lacks; SIZE_MAX: nowhere. */
static size_t base64_read(struct slice s, struct buf *out)
{
    size_t total = s.len + (s.len % 4 > 1 ? 4 - s.len % 4 : 0), digits = 0, pads = 0, pad_at = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < total; i++) {
        char c = i < s.len ? s.ptr[i] : '=';
        const char *at = c && c != '=' ? strchr(base64, c) : NULL;
        bool is_last_pad = pads && pads + digits % 4 == 4;
        if (c == '\n' || c == '\r')
            continue;
        if (is_last_pad || (c != '=' && at == NULL && !pads) || (c == '=' && digits % 4 < 2))
            return i;
        if (pads && c != '=')
            return pad_at;
        if (c == '=') {
            pads++;
            pad_at = i;
            continue;
        }
        bits = bits << 6 | (uint32_t)(at - base64);
        if (++digits % 4 == 0) {
            char three[3] = { (char)(bits >> 16), (char)(bits >> 8), (char)bits };
            buf_put(out, three, sizeof three);
        }
    }
    size_t left = digits % 4;
    if (left && left + pads != 4)
        return pads ? total : total - left;
    if (left > 1) {
        char two[2] = { (char)(bits >> (left == 2 ? 4 : 10)), (char)(bits >> 2) };
        buf_put(out, two, left - 1);
    }
    return SIZE_MAX;
}

/* Line ends are passed over. What is no base64 gives a text that says so. */
GOTMPL_FUNCTION(fn_base64_decode)
{
    struct buf b;
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    size_t bad = base64_read(v[0].text, &b);
    if (bad != SIZE_MAX) {
        buf_reset(&b);
        buf_printf(&b, "illegal base64 data at input byte %zu", bad);
    }
    return gotmpl_give(env, &b, out, err);
}

#define ROW(name, count, params, run) { SLICE_INIT(name), count, count, params, run, 0, 0, 0, GOTMPL_CALL_PLAIN }

static const struct gotmpl_function functions[] = {
    ROW("__line__", 0, "", fn_line),
    ROW("ToLower", 1, "s", fn_lower),
    ROW("lower", 1, "s", fn_lower),
    ROW("ToUpper", 1, "s", fn_upper),
    ROW("upper", 1, "s", fn_upper),
    ROW("title", 1, "s", fn_title),
    ROW("Replace", 4, "sssi", fn_replace_times),
    ROW("replace", 3, "sss", fn_replace),
    { SLICE_INIT("regexReplaceAll"), 3, 3, "sss", fn_regex_replace, REGEX_STEPS, 1, 0, GOTMPL_CALL_PLAIN },
    { SLICE_INIT("regexReplaceAllLiteral"), 3, 3, "sss", fn_regex_replace_literal, REGEX_STEPS, 1, 0, GOTMPL_CALL_PLAIN },
    { SLICE_INIT("count"), 2, 2, "ss", fn_count, REGEX_STEPS, 1, 0, GOTMPL_CALL_PLAIN },
    ROW("Trim", 2, "ss", fn_trim_of),
    ROW("TrimLeft", 2, "ss", fn_trim_left_of),
    ROW("TrimRight", 2, "ss", fn_trim_right_of),
    ROW("TrimPrefix", 2, "ss", fn_trim_prefix_of),
    ROW("TrimSuffix", 2, "ss", fn_trim_suffix_of),
    ROW("TrimSpace", 1, "s", fn_trim_space),
    ROW("trim", 1, "s", fn_trim_space),
    ROW("trimAll", 2, "ss", fn_trim_all),
    ROW("trimPrefix", 2, "ss", fn_trim_prefix),
    ROW("trimSuffix", 2, "ss", fn_trim_suffix),
    ROW("trunc", 2, "is", fn_trunc),
    ROW("substr", 3, "iis", fn_substr),
    ROW("repeat", 2, "is", fn_repeat),
    ROW("indent", 2, "is", fn_indent),
    ROW("nindent", 2, "is", fn_nindent),
    ROW("alignLeft", 2, "is", fn_align_left),
    ROW("alignRight", 2, "is", fn_align_right),
    ROW("contains", 2, "ss", fn_contains),
    ROW("hasPrefix", 2, "ss", fn_has_prefix),
    ROW("hasSuffix", 2, "ss", fn_has_suffix),
    { SLICE_INIT("default"), 1, GOTMPL_ARGS_MAX, "a", fn_default, 0, 0, 0, GOTMPL_CALL_PLAIN },
    ROW("urlencode", 1, "s", fn_url_encode),
    ROW("urldecode", 1, "s", fn_url_decode),
    ROW("b64enc", 1, "s", fn_base64_encode),
    ROW("b64dec", 1, "s", fn_base64_decode),
};

const struct gotmpl_functions template_text_functions = { functions, COUNT_OF(functions), &template_number_functions };
