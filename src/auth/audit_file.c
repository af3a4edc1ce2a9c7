/* SPDX-License-Identifier: Apache-2.0 */
/* docs/formats/audit.md: files NNNNNNNN.jsonl of lines
 *
 *     {"seq":7,"t_ms":...,...,"status":200,"prev":"<hash of 6>","hash":"<SHA-256 of all bytes before ,"hash":>"}
 *
 * (1) A line's hash covers every byte of it before its own hash member, so also prev: each line fixes all before it.
 * (2) seq grows by one. The first line has seq 1 and a prev of zeros.
 * (3) The anchor in state.db is written after the file is synced: the files may be ahead of it, never behind. */
#include "auth/audit_file.h"

#include <sodium.h>

#include "base/num.h"
#include "codec/hex.h"
#include "codec/json.h"

enum { READ_BYTES = 256 * KIB, NAME_DIGITS = 8, NAMES_BYTES_MAX = 16 * MIB, ANCHOR_BYTES_MAX = 4 * KIB };

static const struct slice anchor_key = SLICE_INIT("audit/head");
static const struct slice hash_member = SLICE_INIT(",\"hash\":\""), prev_member = SLICE_INIT(",\"prev\":\""), seq_member = SLICE_INIT("{\"seq\":");

/* ---- the anchor ---- */

enum status audit_anchor_get(struct kv *kv, struct audit_head *out, bool *found, struct err *err)
{
    struct buf text;
    struct slice rest, part[4];
    buf_init(&text, ANCHOR_BYTES_MAX);
    *out = (struct audit_head){ .file = 1 };
    memset(out->hash, '0', sizeof out->hash);
    *found = false;
    enum status st = kv_get(kv, anchor_key, &text, err);
    if (st == ST_NOT_FOUND) {
        buf_free(&text);
        return ST_OK;
    }
    rest = buf_as_slice(&text);
    size_t n = 0;
    while (!st && n < COUNT_OF(part) && slice_next(&rest, ' ', &part[n]))
        n++;
    if (!st && (n != COUNT_OF(part) || !num_parse_u64(part[0], &out->seq) || part[1].len != sizeof out->hash ||
                !num_parse_u64(part[2], &out->file) || !num_parse_u64(part[3], &out->size)))
        st = err_set(err, ST_CORRUPT, "state.db: the audit log's head does not read");
    if (!st) {
        memcpy(out->hash, part[1].ptr, sizeof out->hash);
        *found = true;
    }
    buf_free(&text);
    return st;
}

enum status audit_anchor_put(struct kv *kv, const struct audit_head *h, struct err *err)
{
    struct buf text;
    buf_init(&text, ANCHOR_BYTES_MAX);
    buf_printf(&text, "%llu %.*s %llu %llu", (unsigned long long)h->seq, AUDIT_HASH_DIGITS, h->hash, (unsigned long long)h->file,
               (unsigned long long)h->size);
    enum status st = kv_put(kv, anchor_key, buf_as_slice(&text), err);
    buf_free(&text);
    return st;
}

/* ---- files ---- */

struct slice audit_path(struct arena *a, struct slice dir, uint64_t file)
{
    return arena_printf(a, "%.*s/%0*llu.jsonl", SLICE_FMT(dir), NAME_DIGITS, (unsigned long long)file);
}

enum status audit_files(struct fs *fs, struct slice dir, struct arena *a, uint64_t **out, size_t *count, struct err *err)
{
    struct buf names;
    struct file_info info;
    size_t n = 0, cap = 0;
    uint64_t *list = NULL;
    const char *path = arena_copy(a, dir).ptr;
    *out = NULL;
    *count = 0;
    enum status st = fs_info(fs, path, &info, err);
    if (st == ST_NOT_FOUND)
        return ST_OK;
    buf_init(&names, NAMES_BYTES_MAX);
    if (!st)
        st = fs_list(fs, path, &names, err);
    struct slice rest = buf_as_slice(&names), name;
    while (!st && slice_next(&rest, '\0', &name)) {
        uint64_t number;
        if (name.len < NAME_DIGITS + 6 || !slice_ends(name, SLICE(".jsonl")) || !num_parse_u64(slice_sub(name, 0, name.len - 6), &number))
            continue;
        if (n == AUDIT_FILES_MAX)
            st = err_set(err, ST_LIMIT, "%s: more than %d files", path, AUDIT_FILES_MAX);
        else
            ARENA_PUSH(a, list, n, cap) = number;
    }
    buf_free(&names);
    *out = list;
    *count = n;
    return st;
}

/* ---- lines ---- */

static void put_cut(struct json_writer *w, struct slice key, struct slice value, size_t bytes_max)
{
    static const struct slice mark = SLICE_INIT(" [cut]");
    char text[AUDIT_TEXT_BYTES_MAX];
    json_key(w, key);
    if (value.len > bytes_max) {
        size_t keep = bytes_max - mark.len;
        memcpy(text, value.ptr, keep);
        memcpy(text + keep, mark.ptr, mark.len);
        value = slice_of(text, bytes_max);
    }
    json_string(w, value);
}

void audit_middle(struct buf *out, int64_t t_ms, const struct audit_record *r)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_key(&w, SLICE("t_ms"));
    json_int(&w, t_ms);
    put_cut(&w, SLICE("user"), r->user, AUDIT_NAME_BYTES_MAX);
    put_cut(&w, SLICE("role"), r->role, AUDIT_NAME_BYTES_MAX);
    put_cut(&w, SLICE("peer"), r->peer, AUDIT_NAME_BYTES_MAX);
    put_cut(&w, SLICE("tenant"), r->tenant, AUDIT_NAME_BYTES_MAX);
    put_cut(&w, SLICE("action"), r->action, AUDIT_NAME_BYTES_MAX);
    put_cut(&w, SLICE("text"), r->text, AUDIT_TEXT_BYTES_MAX);
    put_cut(&w, SLICE("request"), r->request, AUDIT_TEXT_BYTES_MAX);
    json_key(&w, SLICE("rows"));
    json_uint(&w, r->rows);
    json_key(&w, SLICE("status"));
    json_int(&w, r->status);
}

static void hash_of(struct slice bytes, char out[AUDIT_HASH_DIGITS])
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, (const unsigned char *)bytes.ptr, bytes.len);
    hex_encode(slice_of(digest, sizeof digest), out);
}

void audit_line_write(struct audit_head *head, struct slice middle, struct buf *out)
{
    size_t from = out->len;
    buf_printf(out, "{\"seq\":%llu,", (unsigned long long)head->seq + 1);
    buf_slice(out, middle);
    buf_printf(out, ",\"prev\":\"%.*s\"", AUDIT_HASH_DIGITS, head->hash);
    hash_of(slice_of(out->ptr + from, out->len - from), head->hash);
    buf_printf(out, ",\"hash\":\"%.*s\"}\n", AUDIT_HASH_DIGITS, head->hash);
    head->seq++;
    head->size += out->len - from;
}

bool audit_line_follows(struct audit_head *head, struct slice line, const char **why)
{
    enum { TAIL = AUDIT_HASH_DIGITS + 2 }; /* the digits, '"' and '}' */
    char hash[AUDIT_HASH_DIGITS];
    uint64_t seq;
    struct slice body, number;
    *why = "the line is no record";
    if (line.len < TAIL + hash_member.len + prev_member.len + AUDIT_HASH_DIGITS + 1 || !slice_starts(line, seq_member) ||
        !slice_ends(line, SLICE("\"}")))
        return false;
    body = slice_sub(line, 0, line.len - TAIL - hash_member.len);
    if (!slice_eq(slice_sub(line, body.len, body.len + hash_member.len), hash_member))
        return false;
    struct slice told = slice_sub(line, line.len - TAIL, line.len - 2);
    hash_of(body, hash);
    *why = "its hash is not that of its bytes: it was changed";
    if (!slice_eq(told, slice_of(hash, sizeof hash)))
        return false;
    struct slice prev = slice_sub(body, body.len - AUDIT_HASH_DIGITS - 1 - prev_member.len, body.len);
    *why = "it does not follow the record before it: records between are missing or were put in";
    if (!slice_starts(prev, prev_member) || !slice_eq(slice_sub(prev, prev_member.len, prev_member.len + AUDIT_HASH_DIGITS),
                                                      slice_of(head->hash, sizeof head->hash)))
        return false;
    slice_cut(slice_skip(line, seq_member.len), ',', &number, &body);
    if (!num_parse_u64(number, &seq) || seq != head->seq + 1)
        return false;
    head->seq = seq;
    memcpy(head->hash, hash, sizeof hash);
    head->size += line.len + 1;
    return true;
}

enum status audit_lines_open(struct audit_lines *l, struct fs *fs, const char *path, uint64_t offset, struct err *err)
{
    *l = (struct audit_lines){ .at = offset };
    buf_init(&l->held, 0);
    return fs_open(fs, path, FILE_READ, &l->f, err);
}

bool audit_lines_next(struct audit_lines *l, struct slice *line, enum status *st, struct err *err)
{
    *st = ST_OK;
    for (size_t seen = 0;;) {
        struct slice held = slice_skip(buf_as_slice(&l->held), l->from);
        size_t end = slice_find_char(held, '\n', seen);
        if (end != SIZE_MAX) {
            *line = slice_sub(held, 0, end);
            l->from += end + 1;
            return true;
        }
        seen = held.len;
        /* A longer line is none of ours: given as it is, in pieces. */
        if (held.len > 2 * AUDIT_LINE_BYTES_MAX) {
            *line = held;
            l->from += held.len;
            return true;
        }
        if (held.len)
            memmove(l->held.ptr, held.ptr, held.len);
        l->held.len = held.len;
        l->from = 0;
        size_t got = 0;
        char *room = buf_room(&l->held, READ_BYTES);
        *st = file_pread(l->f, l->at, room, READ_BYTES, &got, err);
        if (*st)
            return false;
        if (got == 0) {
            l->torn = l->held.len > 0;
            l->torn_bytes = l->held.len;
            return false;
        }
        buf_added(&l->held, got);
        l->at += got;
    }
}

void audit_lines_close(struct audit_lines *l)
{
    file_close(l->f);
    buf_free(&l->held);
    *l = (struct audit_lines){ 0 };
}
