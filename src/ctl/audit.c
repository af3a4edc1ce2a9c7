/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa audit verify|list`: of a data folder, also while its server runs, or of a server by its address. */
#include <stdio.h>

#include "auth/audit.h"
#include "base/date.h"
#include "base/num.h"
#include "codec/json.h"
#include "codec/url.h"
#include "ctl/account.h"
#include "ctl/commands.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 10000, ANSWER_BYTES_MAX = 256 * MIB, ASK_TIMEOUT_SECONDS = 120 };

static const char usage[] = "usage: stoa audit verify [--data DIR | --url URL]\n"
                            "       stoa audit list [--user NAME] [--action WORD] [--limit N] [--data DIR | --url URL]\n"
                            "With --url the login is STOA_TOKEN, or STOA_USER and STOA_PASSWORD; its role must be auditor or admin.\n";

struct asked {
    struct slice dir, url, user, action, limit_text;
    size_t limit;
};

static int say(bool ok, uint64_t records, struct slice why, struct slice head)
{
    if (!ok) {
        fprintf(stderr, "stoa audit: the log is damaged: %.*s\n", SLICE_FMT(why));
        return 1;
    }
    printf("the audit log is whole: %llu records, head %.*s\n", (unsigned long long)records, SLICE_FMT(head));
    return 0;
}

static struct slice text_of(struct json_value v, struct slice key)
{
    struct json_value m;
    return json_get(v, key, &m) ? json_get_string(m) : SLICE_EMPTY;
}

static int64_t int_of(struct json_value v, struct slice key)
{
    struct json_value m;
    int64_t n = 0;
    return json_get(v, key, &m) && json_get_int(m, &n) ? n : 0;
}

/* The user of a failed login is whatever somebody sent: no byte of it may move the cursor, or begin a line or column. */
static struct slice shown(struct arena *a, struct slice text)
{
    struct buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i], next = i + 1 < text.len ? (unsigned char)text.ptr[i + 1] : 0xff;
        if (c == 0xc2 && next < 0xa0)
            buf_printf(&out, "\\x%02x\\x%02x", c, (unsigned char)text.ptr[++i]);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(&out, "\\x%02x", c);
        else
            buf_char(&out, (char)c);
    }
    struct slice copy = arena_copy(a, buf_as_slice(&out));
    buf_free(&out);
    return copy;
}

static void print_record(struct json_value v)
{
    struct arena *a = arena_new(0);
    char time[DATE_TEXT_BYTES_MAX];
    size_t n = date_format_rfc3339(int_of(v, SLICE("t_ms")) * NS_MS, 0, 3, time);
    struct slice user = shown(a, text_of(v, SLICE("user"))), role = shown(a, text_of(v, SLICE("role"))),
                 action = shown(a, text_of(v, SLICE("action"))), text = shown(a, text_of(v, SLICE("text")));
    printf("%lld\t%.*s\t%.*s\t%.*s\t%.*s\t%lld\t%lld\t%.*s\n", (long long)int_of(v, SLICE("seq")), (int)n, time, SLICE_FMT(user), SLICE_FMT(role),
           SLICE_FMT(action), (long long)int_of(v, SLICE("status")), (long long)int_of(v, SLICE("rows")), SLICE_FMT(text));
    arena_free(a);
}

/* ---- of a folder ---- */

static enum status list_folder(struct account_store *s, const struct asked *q, struct err *err)
{
    struct audit_filter f = { 0, INT64_MAX, q->user, q->action, q->limit };
    struct slice *list, dir = arena_printf(s->arena, "%.*s/audit", SLICE_FMT(s->dir));
    struct json_parser *p = json_parser_new();
    struct json_value v;
    size_t n = 0;
    enum status st = audit_list(fs_real(), dir, &f, s->arena, &list, &n, err);
    for (size_t i = 0; !st && i < n; i++)
        if (json_parse(p, list[i], &v, NULL) == ST_OK)
            print_record(v);
    json_parser_free(p);
    return st;
}

static int ask_folder(bool verify, const struct asked *q)
{
    struct account_store s;
    struct audit_check c;
    struct err err;
    int code = 1;
    enum status st = account_open(&s, q->dir, false, &err);
    if (!st && verify) {
        st = audit_verify(fs_real(), arena_printf(s.arena, "%.*s/audit", SLICE_FMT(s.dir)), s.kv, &c, &err);
        code = st ? 1 : say(c.ok, c.records, slice_str(c.why), slice_str(c.head));
    } else if (!st) {
        st = list_folder(&s, q, &err);
        code = st ? 1 : 0;
    }
    if (st)
        fprintf(stderr, "stoa audit: %s\n", err.text);
    account_close(&s);
    return code;
}

/* ---- of a server ---- */

static int print_answer(bool verify, int status, struct slice body)
{
    struct json_parser *p = json_parser_new();
    struct json_value v, list, record, ok;
    struct err err;
    int code = 1;
    if (json_parse(p, body, &v, &err)) {
        fprintf(stderr, "stoa audit: %d: the answer is no JSON: %s\n", status, err.text);
    } else if (status != 200) {
        struct slice why = text_of(v, SLICE("error"));
        fprintf(stderr, "stoa audit: %d: %.*s\n", status, SLICE_FMT(why));
    } else if (verify) {
        struct slice why = text_of(v, SLICE("why")), head = text_of(v, SLICE("head"));
        code = say(json_get(v, SLICE("ok"), &ok) && json_get_bool(ok), (uint64_t)int_of(v, SLICE("records")), why, head);
    } else if (json_get(v, SLICE("records"), &list)) {
        for (struct json_iter it = json_array(list); json_array_next(&it, &record);)
            print_record(record);
        code = 0;
    }
    json_parser_free(p);
    return code;
}

static int ask_server(bool verify, const struct asked *q)
{
    struct arena *a = arena_new(0);
    struct http_client *client = NULL;
    struct client_response resp = { 0 };
    struct err err;
    struct buf url;
    int code = 1;
    buf_init(&url, 0);
    buf_printf(&url, "%.*s/api/stoa/v1/audit%s?limit=%zu&user=", SLICE_FMT(q->url), verify ? "/verify" : "", q->limit);
    url_encode(q->user, &url);
    buf_slice(&url, SLICE("&action="));
    url_encode(q->action, &url);
    struct client_request req = { .method = "GET", .url = arena_copy(a, buf_as_slice(&url)), .timeout_ns = ASK_TIMEOUT_SECONDS * NS_S,
                                  .response_bytes_max = ANSWER_BYTES_MAX };
    account_login(&req);
    if (http_client_new(&client, &err) || http_client_do(client, &req, &resp, &err))
        fprintf(stderr, "stoa audit: %s\n", err.text);
    else
        code = print_answer(verify, resp.status, buf_as_slice(&resp.body));
    buf_free(&resp.body);
    buf_free(&url);
    http_client_free(client);
    arena_free(a);
    return code;
}

int audit_command(int argc, char **argv)
{
    struct asked q = { .limit = LIMIT_DEFAULT };
    struct slice words[1];
    uint64_t limit = LIMIT_DEFAULT;
    size_t n;
    const struct account_flag flags[] = { { "--data", &q.dir }, { "--url", &q.url }, { "--user", &q.user }, { "--action", &q.action },
                                          { "--limit", &q.limit_text } };
    bool good = account_flags(argc, argv, flags, COUNT_OF(flags), words, COUNT_OF(words), &n) && n == 1 && (q.dir.len == 0 || q.url.len == 0);
    good = good && (q.limit_text.len == 0 || (num_parse_u64(q.limit_text, &limit) && limit <= LIMIT_MAX));
    bool verify = good && slice_eq(words[0], SLICE("verify"));
    if (!good || (!verify && !slice_eq(words[0], SLICE("list")))) {
        fputs(usage, stderr);
        return 2;
    }
    q.limit = limit;
    return q.url.len ? ask_server(verify, &q) : ask_folder(verify, &q);
}
