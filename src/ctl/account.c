/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/account.h"

#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "auth/audit.h"

enum { LINE_BYTES_MAX = PASSWORD_BYTES_MAX + 2 };

bool account_flags(int argc, char **argv, const struct account_flag *flags, size_t flag_count, struct slice *words, size_t words_max,
                   size_t *word_count)
{
    *word_count = 0;
    for (int i = 1; i < argc; i++) {
        struct slice arg = slice_str(argv[i]), name, value;
        bool has_value = slice_cut(arg, '=', &name, &value);
        size_t k = 0;
        while (k < flag_count && !slice_eq(slice_str(flags[k].name), name))
            k++;
        if (k < flag_count) {
            if (!has_value && ++i == argc)
                return false;
            *flags[k].place = has_value ? value : slice_str(argv[i]);
        } else if (slice_starts(arg, SLICE("--")) || *word_count == words_max) {
            return false;
        } else {
            words[(*word_count)++] = arg;
        }
    }
    return true;
}

enum status account_open(struct account_store *s, struct slice dir, bool make, struct err *err)
{
    struct file_info info;
    *s = (struct account_store){ .arena = arena_new(0) };
    if (dir.len == 0)
        dir = slice_str(getenv("STOA_DATA"));
    if (dir.len == 0)
        dir = SLICE("./data");
    s->dir = arena_copy(s->arena, dir);
    const char *path = arena_printf(s->arena, "%.*s/state.db", SLICE_FMT(dir)).ptr;
    enum status st = make ? fs_mkdir_all(fs_real(), s->dir.ptr, err) : fs_info(fs_real(), path, &info, err);
    if (st == ST_NOT_FOUND)
        return err_set(err, ST_NOT_FOUND, "%.*s is no data folder of Stoa: it has no state.db", SLICE_FMT(dir));
    return st ? st : kv_open(&s->kv, path, err);
}

void account_close(struct account_store *s)
{
    kv_close(s->kv);
    arena_free(s->arena);
}

enum status account_record(struct account_store *s, const char *action, struct slice text, int status, struct err *err)
{
    struct audit_record r = { .user = arena_printf(s->arena, "cli:uid-%u", (unsigned)getuid()), .role = SLICE("admin"), .peer = SLICE("local"),
                              .action = slice_str(action), .text = text, .status = status };
    struct audit_options opt = { .fs = fs_real(), .dir = arena_printf(s->arena, "%.*s/audit", SLICE_FMT(s->dir)), .kv = s->kv,
                                 .clock = clock_real(), .no_wait = true };
    struct audit *audit;
    enum status st = audit_defer(s->kv, clock_real(), &r, err);
    if (st)
        return st;
    st = audit_open(&audit, &opt, err);
    if (st)
        return st == ST_EXISTS ? ST_OK : st;
    st = audit_drain(audit, err);
    audit_close(audit);
    return st;
}

enum status account_told(struct account_store *s, const char *action, struct slice text, int status, enum status st, struct err *err)
{
    struct err late;
    enum status told = account_record(s, action, text, status, &late);
    if (!st && told)
        *err = late;
    return st ? st : told;
}

int account_command_run(const struct account_command *c, int argc, char **argv)
{
    struct account_asked q = { 0 };
    struct slice words[3];
    struct err err;
    size_t n, i = 0;
    const struct account_flag flags[] = { { "--data", &q.dir }, { "--role", &q.role }, { "--tenants", &q.tenants }, { "--expires", &q.expires } };
    bool good = account_flags(argc, argv, flags, COUNT_OF(flags) - !c->has_expires, words, COUNT_OF(words), &n) && n > 0;
    while (good && i < c->action_count && !slice_eq(slice_str(c->actions[i].name), words[0]))
        i++;
    if (!good || i == c->action_count || n != c->actions[i].words) {
        fputs(c->usage, stderr);
        return 2;
    }
    q.name = n > 1 ? words[1] : SLICE_EMPTY;
    q.role = n > 2 ? words[2] : q.role;
    enum status st = account_open(&q.store, q.dir, c->actions[i].make, &err);
    if (!st)
        st = c->actions[i].run(&q, &err);
    if (st)
        fprintf(stderr, "stoa %s: %s\n", c->name, err.text);
    account_close(&q.store);
    return st ? 1 : 0;
}

static enum status read_line(struct arena *a, struct slice *out, struct err *err)
{
    char line[LINE_BYTES_MAX];
    if (fgets(line, sizeof line, stdin) == NULL)
        return err_set(err, ST_INVALID, "no password: set STOA_PASSWORD, or give it as the first line of standard input");
    struct slice text = slice_str(line);
    while (text.len && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
        text.len--;
    *out = arena_copy(a, text);
    secret_forget(line, sizeof line);
    return ST_OK;
}

static enum status ask(struct arena *a, const char *prompt, struct slice *out, struct err *err)
{
    struct termios old, quiet;
    fputs(prompt, stderr);
    bool is_quiet = tcgetattr(STDIN_FILENO, &old) == 0;
    if (is_quiet) {
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    enum status st = read_line(a, out, err);
    if (is_quiet)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
    fputs("\n", stderr);
    return st;
}

enum status account_password(struct arena *a, struct slice *out, struct err *err)
{
    struct slice again;
    *out = slice_str(getenv("STOA_PASSWORD"));
    if (out->len)
        return ST_OK;
    if (!isatty(STDIN_FILENO))
        return read_line(a, out, err);
    enum status st = ask(a, "Password: ", out, err);
    if (!st)
        st = ask(a, "Again: ", &again, err);
    if (!st && !slice_eq(*out, again))
        st = err_set(err, ST_INVALID, "the two passwords differ");
    return st;
}

void account_login(struct client_request *req)
{
    const char *ca_file = getenv("STOA_CA_FILE");
    req->ca_file = ca_file && ca_file[0] ? ca_file : NULL;
    req->bearer = slice_str(getenv("STOA_TOKEN"));
    if (req->bearer.len)
        return;
    req->user = slice_str(getenv("STOA_USER"));
    req->password = slice_str(getenv("STOA_PASSWORD"));
}
