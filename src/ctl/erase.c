/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa erase FIELD=VALUE`: says how many rows have it, asks, and erases them. */
#include <stdio.h>

#include "codec/json.h"
#include "ctl/account.h"
#include "ctl/commands.h"
#include "sys/clock.h"

enum { ANSWER_BYTES_MAX = 1 * MIB, TIMEOUT_SECONDS = 1900, LINE_BYTES_MAX = 64 };

static const char usage[] = "usage: stoa erase [--url http://127.0.0.1:7862] [--tenant NAME] [--start T] [--end T] [--yes] FIELD=VALUE\n"
                            "Erases every log record, span and sample that has the value; FIELD body: every line that contains it.\n"
                            "T is seconds since 1970 or a date such as 2026-11-22T10:00:00Z; from the beginning until now when absent.\n";

struct asked {
    struct slice url, tenant, start, end, field, value;
    bool yes;
};

static bool read_arguments(int argc, char **argv, struct asked *q)
{
    char **kept = mem_alloc((size_t)(argc + 1) * sizeof *kept);
    int n = 0;
    struct slice words[1];
    size_t count;
    for (int i = 0; i < argc; i++) {
        if (slice_eq(slice_str(argv[i]), SLICE("--yes")))
            q->yes = true;
        else
            kept[n++] = argv[i];
    }
    const struct account_flag flags[] = { { "--url", &q->url }, { "--tenant", &q->tenant }, { "--start", &q->start }, { "--end", &q->end } };
    bool good = account_flags(n, kept, flags, COUNT_OF(flags), words, COUNT_OF(words), &count) && count == 1 &&
                slice_cut(words[0], '=', &q->field, &q->value) && q->field.len && q->value.len;
    if (q->url.len == 0)
        q->url = SLICE("http://127.0.0.1:7862");
    mem_free(kept);
    return good;
}

static void put_member(struct json_writer *w, const char *key, struct slice value)
{
    if (value.len == 0)
        return;
    json_key(w, slice_str(key));
    json_string(w, value);
}

static int64_t count_of(struct json_value v, struct slice key)
{
    struct json_value m;
    int64_t n = 0;
    return json_get(v, key, &m) && json_get_int(m, &n) ? n : 0;
}

/* One call. False: it failed, and the reason was said. */
static bool call(struct http_client *client, const struct asked *q, bool dry_run, struct json_parser *p, struct json_value *out)
{
    struct arena *a = arena_new(0);
    struct client_response resp = { 0 };
    const struct http_header headers[] = { { SLICE("Content-Type"), SLICE("application/json") }, { SLICE("X-Scope-OrgID"), q->tenant } };
    struct json_writer w;
    struct buf body;
    struct err err;
    bool good = false;
    buf_init(&body, 0);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    put_member(&w, "field", q->field);
    put_member(&w, "value", q->value);
    put_member(&w, "start", q->start);
    put_member(&w, "end", q->end);
    json_key(&w, SLICE("dry_run"));
    json_bool(&w, dry_run);
    json_object_end(&w);
    struct client_request req = { .method = "POST", .url = arena_printf(a, "%.*s/api/stoa/v1/erase", SLICE_FMT(q->url)), .headers = headers,
                                  .header_count = q->tenant.len ? 2 : 1, .body = buf_as_slice(&body), .timeout_ns = TIMEOUT_SECONDS * NS_S,
                                  .response_bytes_max = ANSWER_BYTES_MAX };
    account_login(&req);
    if (http_client_do(client, &req, &resp, &err) || json_parse(p, buf_as_slice(&resp.body), out, &err)) {
        fprintf(stderr, "stoa erase: %s\n", err.text);
    } else if (resp.status != 200) {
        struct json_value why;
        struct slice text = json_get(*out, SLICE("error"), &why) ? json_get_string(why) : SLICE_EMPTY;
        fprintf(stderr, "stoa erase: %d: %.*s\n", resp.status, SLICE_FMT(text));
    } else {
        good = true;
    }
    buf_free(&resp.body);
    buf_free(&body);
    arena_free(a);
    return good;
}

static bool is_confirmed(void)
{
    char line[LINE_BYTES_MAX];
    printf("Erase them for good? [y/N] ");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        return false;
    struct slice word = slice_trim(slice_str(line));
    return slice_eq_nocase(word, SLICE("y")) || slice_eq_nocase(word, SLICE("yes"));
}

static int erase(struct http_client *client, const struct asked *q, struct json_parser *p)
{
    struct json_value v, counts;
    if (!call(client, q, true, p, &v))
        return 1;
    int64_t count = count_of(v, SLICE("count"));
    if (!json_get(v, SLICE("counts"), &counts))
        counts = v;
    printf("%lld rows have %.*s=%.*s: %lld log records, %lld spans, %lld samples, %lld others\n", (long long)count, SLICE_FMT(q->field),
           SLICE_FMT(q->value), (long long)count_of(counts, SLICE("logs")), (long long)count_of(counts, SLICE("spans")),
           (long long)count_of(counts, SLICE("samples")), (long long)count_of(counts, SLICE("other")));
    if (!q->yes && !is_confirmed()) {
        printf("Nothing was erased.\n");
        return 1;
    }
    if (!call(client, q, false, p, &v))
        return 1;
    struct json_value id;
    struct slice text = json_get(v, SLICE("id"), &id) ? json_get_string(id) : SLICE_EMPTY;
    printf("Erased %lld rows (erase %.*s). Answers leave them out from now on; merges take them out of the files.\n",
           (long long)count_of(v, SLICE("count")), SLICE_FMT(text));
    return 0;
}

int erase_command(int argc, char **argv)
{
    struct asked q = { .url = SLICE_EMPTY, .tenant = SLICE_EMPTY, .start = SLICE_EMPTY, .end = SLICE_EMPTY };
    struct http_client *client = NULL;
    struct err err;
    if (!read_arguments(argc, argv, &q)) {
        fputs(usage, stderr);
        return 2;
    }
    if (http_client_new(&client, &err)) {
        fprintf(stderr, "stoa erase: %s\n", err.text);
        return 1;
    }
    struct json_parser *p = json_parser_new();
    int code = erase(client, &q, p);
    json_parser_free(p);
    http_client_free(client);
    return code;
}
