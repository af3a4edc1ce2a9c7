/* SPDX-License-Identifier: Apache-2.0 */
/* Walks the audit log: the check of the whole chain, and the newest records. Neither changes anything.
 *
 * The anchor is read before the files, which only grow: so while a server appends, the files hold at least what it names. */
#include "auth/audit_file.h"
#include "codec/json.h"

struct walk {
    struct audit_head head, anchor;
    bool anchored;      /* the anchor's record was met, as it is named */
    struct audit_check *out;
};

static void bad(struct walk *w, uint64_t file, uint64_t line, const char *why)
{
    struct err e;
    w->out->first_bad = w->head.seq + 1;
    err_set(&e, ST_CORRUPT, "%08llu.jsonl line %llu, record %llu: %s", (unsigned long long)file, (unsigned long long)line,
            (unsigned long long)w->out->first_bad, why);
    memcpy(w->out->why, e.text, sizeof w->out->why);
}

static enum status walk_file(struct walk *w, struct fs *fs, const char *path, uint64_t file, bool is_last, struct err *err)
{
    struct audit_lines lines;
    struct slice line;
    const char *why;
    uint64_t number = 0;
    enum status st = audit_lines_open(&lines, fs, path, 0, err);
    while (!st && !w->out->first_bad && audit_lines_next(&lines, &line, &st, err)) {
        number++;
        if (!audit_line_follows(&w->head, line, &why))
            bad(w, file, number, why);
        else if (w->head.seq == w->anchor.seq)
            w->anchored = memcmp(w->head.hash, w->anchor.hash, sizeof w->anchor.hash) == 0;
    }
    /* A torn end after the anchor is a record being written, or one that a kill cut off. */
    if (!st && lines.torn && !w->out->first_bad && (!is_last || w->head.seq < w->anchor.seq))
        bad(w, file, number + 1, "the file ends inside of it");
    audit_lines_close(&lines);
    return st;
}

enum status audit_verify(struct fs *fs, struct slice dir, struct kv *kv, struct audit_check *out, struct err *err)
{
    struct arena *a = arena_new(0);
    struct walk w = { .out = out };
    uint64_t *files;
    size_t n;
    bool found;
    memset(out, 0, sizeof *out);
    memset(w.head.hash, '0', sizeof w.head.hash);
    enum status st = audit_anchor_get(kv, &w.anchor, &found, err);
    if (!st)
        st = audit_files(fs, dir, a, &files, &n, err);
    for (size_t i = 0; !st && !out->first_bad && i < n; i++) {
        if (files[i] != i + 1)
            bad(&w, i + 1, 1, "the file is missing");
        else
            st = walk_file(&w, fs, audit_path(a, dir, files[i]).ptr, files[i], i + 1 == n, err);
    }
    if (!st && !out->first_bad && w.anchor.seq > w.head.seq) {
        struct err e;
        out->first_bad = w.head.seq + 1;
        err_set(&e, ST_CORRUPT, "records %llu to %llu are missing at the end: state.db names %llu as the newest",
                (unsigned long long)w.head.seq + 1, (unsigned long long)w.anchor.seq, (unsigned long long)w.anchor.seq);
        memcpy(out->why, e.text, sizeof out->why);
    } else if (!st && !out->first_bad && w.head.seq && (!found || (w.anchor.seq && !w.anchored))) {
        struct err e;
        out->first_bad = found ? w.anchor.seq : w.head.seq;
        err_set(&e, ST_CORRUPT, found ? "record %llu is not the one that state.db names: the log was replaced"
                                      : "state.db names no newest record, and the log has %llu", (unsigned long long)out->first_bad);
        memcpy(out->why, e.text, sizeof out->why);
    }
    out->ok = !st && out->first_bad == 0;
    out->records = w.head.seq;
    memcpy(out->head, w.head.hash, sizeof w.head.hash);
    arena_free(a);
    return st;
}

/* ---- the newest records ---- */

struct ring {
    struct slice *lines; /* limit of them, oldest overwritten */
    size_t limit, count, at;
};

static bool fits(struct json_parser *p, struct slice line, const struct audit_filter *f, int64_t *t_ms)
{
    struct json_value v, m;
    if (json_parse(p, line, &v, NULL) || !json_get(v, SLICE("t_ms"), &m) || !json_get_int(m, t_ms))
        return false;
    if (*t_ms < f->start_ms || *t_ms >= f->end_ms)
        return false;
    if (f->user.len && (!json_get(v, SLICE("user"), &m) || !slice_eq(json_get_string(m), f->user)))
        return false;
    return f->action.len == 0 || (json_get(v, SLICE("action"), &m) && slice_starts(json_get_string(m), f->action));
}

/* Of one file; *older: it has records from before the window, so earlier files need no look. */
static enum status list_file(struct fs *fs, const char *path, struct json_parser *p, const struct audit_filter *f, struct ring *r, bool *older,
                             struct err *err)
{
    struct audit_lines lines;
    struct slice line;
    enum status st = audit_lines_open(&lines, fs, path, 0, err);
    while (!st && audit_lines_next(&lines, &line, &st, err)) {
        int64_t t_ms = INT64_MAX;
        bool good = fits(p, line, f, &t_ms);
        *older |= t_ms < f->start_ms;
        if (!good || r->limit == 0)
            continue;
        struct slice *place = &r->lines[r->at];
        mem_free((void *)place->ptr);
        char *copy = mem_alloc(line.len + 1);
        memcpy(copy, line.ptr, line.len);
        *place = slice_of(copy, line.len);
        r->at = (r->at + 1) % r->limit;
        r->count = MIN(r->count + 1, r->limit);
    }
    audit_lines_close(&lines);
    return st;
}

enum status audit_list(struct fs *fs, struct slice dir, const struct audit_filter *f, struct arena *mem, struct slice **out, size_t *count,
                       struct err *err)
{
    struct arena *a = arena_new(0);
    struct json_parser *p = json_parser_new();
    struct slice *list = arena_array(mem, struct slice, f->limit + 1);
    uint64_t *files;
    size_t n, have = 0;
    bool older = false;
    enum status st = audit_files(fs, dir, a, &files, &n, err);
    for (size_t i = n; !st && i-- > 0 && have < f->limit && !older;) {
        struct ring r = { mem_zalloc(sizeof *r.lines * f->limit), f->limit - have, 0, 0 };
        st = list_file(fs, audit_path(a, dir, files[i]).ptr, p, f, &r, &older, err);
        for (size_t k = 0; k < r.count; k++)
            list[have++] = arena_copy(mem, r.lines[(r.at + r.limit - 1 - k) % r.limit]);
        for (size_t k = 0; k < r.limit; k++)
            mem_free((void *)r.lines[k].ptr);
        mem_free(r.lines);
    }
    json_parser_free(p);
    arena_free(a);
    *out = list;
    *count = have;
    return st;
}
