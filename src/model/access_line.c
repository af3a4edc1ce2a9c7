/* SPDX-License-Identifier: Apache-2.0 */
/* address ident user [time] "METHOD path PROTOCOL" status bytes "referer" "user agent" rest. A name of the host may stand in front;
 * referer and user agent may be missing. Of the rest, a number with a point that is by itself or behind rt= or request_time= is how
 * long the request took. */
#include "model/access_line.h"

enum { FRONT_BYTES_MAX = 512, TIME_BYTES_MAX = 40, FRONT_WORDS_MAX = 4, FRONT_WORDS_MIN = 3 };

const struct slice access_field_names[ACCESS_FIELDS] = {
    [ACCESS_ADDRESS] = SLICE_INIT("remote_addr"),     [ACCESS_USER] = SLICE_INIT("remote_user"), [ACCESS_METHOD] = SLICE_INIT("method"),
    [ACCESS_PATH] = SLICE_INIT("path"),               [ACCESS_PROTOCOL] = SLICE_INIT("protocol"), [ACCESS_STATUS] = SLICE_INIT("status"),
    [ACCESS_BYTES] = SLICE_INIT("bytes"),             [ACCESS_REFERER] = SLICE_INIT("referer"),  [ACCESS_USER_AGENT] = SLICE_INIT("user_agent"),
    [ACCESS_REQUEST_TIME] = SLICE_INIT("request_time"),
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct slice take_word(struct slice *rest)
{
    struct slice word;
    *rest = slice_trim(*rest);
    slice_cut(*rest, ' ', &word, rest);
    return word;
}

/* "text" at the front, with \" inside. False: none. */
static bool take_quoted(struct slice *rest, struct slice *out)
{
    size_t end = 1;
    *rest = slice_trim(*rest);
    if (rest->len < 2 || rest->ptr[0] != '"')
        return false;
    while (end < rest->len && rest->ptr[end] != '"')
        end += rest->ptr[end] == '\\' ? 2 : 1;
    if (end >= rest->len)
        return false;
    *out = slice_sub(*rest, 1, end);
    *rest = slice_skip(*rest, end + 1);
    return true;
}

static struct slice known(struct slice value)
{
    return slice_eq(value, SLICE("-")) ? SLICE_EMPTY : value;
}

static bool is_number(struct slice s)
{
    size_t digits = 0;
    while (digits < s.len && is_digit(s.ptr[digits]))
        digits++;
    return s.len && digits == s.len;
}

static bool is_seconds(struct slice s)
{
    struct slice whole, rest;
    return slice_cut(s, '.', &whole, &rest) && is_number(whole) && is_number(rest);
}

/* What stands before the '[' of the time. */
static bool read_front(struct slice front, struct access_line *out)
{
    struct slice words[FRONT_WORDS_MAX];
    size_t n = 0;
    for (front = slice_trim(front); front.len; n++) {
        if (n == FRONT_WORDS_MAX)
            return false;
        words[n] = take_word(&front);
    }
    if (n < FRONT_WORDS_MIN)
        return false;
    out->fields[ACCESS_ADDRESS] = known(words[n - 3]);
    out->fields[ACCESS_USER] = known(words[n - 1]);
    return true;
}

/* A request that is none, as a scanner sends it, leaves these empty. */
static void read_request(struct slice request, struct access_line *out)
{
    struct slice method = take_word(&request), path = take_word(&request), protocol = take_word(&request);
    if (path.len == 0)
        return;
    out->fields[ACCESS_METHOD] = method;
    out->fields[ACCESS_PATH] = path;
    out->fields[ACCESS_PROTOCOL] = protocol;
}

static void read_rest(struct slice rest, struct access_line *out)
{
    if (take_quoted(&rest, &out->fields[ACCESS_REFERER]))
        take_quoted(&rest, &out->fields[ACCESS_USER_AGENT]);
    out->fields[ACCESS_REFERER] = known(out->fields[ACCESS_REFERER]);
    out->fields[ACCESS_USER_AGENT] = known(out->fields[ACCESS_USER_AGENT]);
    while ((rest = slice_trim(rest)).len) {
        struct slice word = take_word(&rest), name, value;
        bool is_named = slice_cut(word, '=', &name, &value) && (slice_eq(name, SLICE("rt")) || slice_eq(name, SLICE("request_time")));
        struct slice seconds = is_named ? value : word;
        if (is_seconds(seconds)) {
            out->fields[ACCESS_REQUEST_TIME] = seconds;
            return;
        }
    }
}

bool access_line_parse(struct slice line, struct access_line *out)
{
    struct slice request, rest = line;
    *out = (struct access_line){ 0 };
    size_t open = slice_find_char(slice_sub(line, 0, MIN(line.len, (size_t)FRONT_BYTES_MAX)), '[', 0);
    size_t close = open == SIZE_MAX ? SIZE_MAX : slice_find(line, SLICE("] \""), open);
    if (close == SIZE_MAX || close - open > TIME_BYTES_MAX || !read_front(slice_sub(line, 0, open), out))
        return false;
    rest = slice_skip(line, close + 2);
    if (!take_quoted(&rest, &request))
        return false;
    read_request(request, out);
    out->fields[ACCESS_STATUS] = take_word(&rest);
    out->fields[ACCESS_BYTES] = known(take_word(&rest));
    if (out->fields[ACCESS_STATUS].len != 3 || !is_number(out->fields[ACCESS_STATUS]))
        return false;
    if (out->fields[ACCESS_BYTES].len && !is_number(out->fields[ACCESS_BYTES]))
        return false;
    read_rest(rest, out);
    return true;
}
