/* SPDX-License-Identifier: Apache-2.0 */
/* Files are looked at once a round; what is new goes, line by line, into one batch a piece.
 *
 * (1) A position is put down only after the batch before it is durable. So nothing is lost; what was appended between the
 *     two when the program is killed, at most one piece a file, comes a second time after the restart.
 * (2) A position is inode, offset and a fingerprint (hash of the first bytes, at most TAIL_FINGERPRINT_BYTES_MAX). Another
 *     fingerprint, or a file shorter than the offset, means that it was written anew: reading starts at 0.
 * (3) Renamed (the path leads to another inode): the open file is read until it is quiet, then the new one from 0. After
 *     a restart the renamed file is looked for beside the path by its inode, and read to its end first.
 * (4) A last line without newline waits: for the newline, for TAIL_PARTIAL_NS without change, or for the file's end.
 * (5) What was truncated between two rounds before it was read is gone: copytruncate has that window with every reader. */
#include "collect/tail.h"

#include "base/utf8.h"
#include "collect/files.h"
#include "ingest/ingest.h"

enum { STATE_VERSION = 1, STATE_BYTES_MAX = 128, BATCH_BYTES_MAX = 512 * MIB };

struct position {
    uint64_t inode, offset, fingerprint_len, fingerprint;
    bool skipping; /* inside of a line that was cut: up to its newline nothing counts */
};

struct followed {
    struct arena *arena;
    struct slice path, stream;
    struct file *file;
    struct position at;
    uint64_t size_before;
    int64_t changed_ns; /* when size changed last */
    bool listed;
    bool handed_over; /* renamed to a path that is followed too, which reads on */
};

struct tail {
    const struct collect_env *env;
    const struct slice *patterns;
    size_t pattern_count, line_bytes_max;
    struct followed **files;
    size_t count, cap;
    char *piece;
    int32_t zone_offset_s;
    size_t lines;
    bool had_round;
};

struct tail *tail_new(const struct collect_env *env, const struct slice *patterns, size_t count, size_t line_bytes_max)
{
    struct tail *t = mem_new(struct tail);
    t->env = env;
    t->patterns = patterns;
    t->pattern_count = count;
    t->line_bytes_max = MIN(line_bytes_max, (size_t)EVENT_BODY_BYTES_MAX);
    t->piece = mem_alloc(t->line_bytes_max + TAIL_READ_BYTES);
    return t;
}

static void followed_free(struct followed *f)
{
    file_close(f->file);
    arena_free(f->arena);
    mem_free(f);
}

void tail_free(struct tail *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->count; i++)
        followed_free(t->files[i]);
    mem_free(t->files);
    mem_free(t->piece);
    mem_free(t);
}

/* ---- positions ---- */

static struct slice state_key(struct arena *a, struct slice path)
{
    return arena_printf(a, "tail:%.*s", SLICE_FMT(path));
}

static bool position_load(struct tail *t, struct slice path, struct position *out)
{
    struct arena *a = arena_new(0);
    struct buf text;
    struct err err;
    buf_init(&text, STATE_BYTES_MAX);
    enum status st = t->env->state_get(t->env->arg, state_key(a, path), &text, &err);
    struct reader r = reader_of(buf_as_slice(&text));
    uint8_t version = read_u8(&r);
    out->inode = read_u64(&r);
    out->offset = read_u64(&r);
    out->fingerprint_len = read_u64(&r);
    out->fingerprint = read_u64(&r);
    out->skipping = read_u8(&r) != 0;
    buf_free(&text);
    arena_free(a);
    return st == ST_OK && version == STATE_VERSION && !r.bad && out->fingerprint_len <= TAIL_FINGERPRINT_BYTES_MAX;
}

static enum status position_store(struct tail *t, const struct followed *f, struct slice path, struct err *err)
{
    struct arena *a = arena_new(0);
    struct buf text;
    buf_init(&text, STATE_BYTES_MAX);
    buf_u8(&text, STATE_VERSION);
    buf_u64(&text, f->at.inode);
    buf_u64(&text, f->at.offset);
    buf_u64(&text, f->at.fingerprint_len);
    buf_u64(&text, f->at.fingerprint);
    buf_u8(&text, f->at.skipping);
    enum status st = t->env->state_put(t->env->arg, state_key(a, path), buf_as_slice(&text), err);
    buf_free(&text);
    arena_free(a);
    return st;
}

/* Hash of the first len bytes; *got tells how many there were. */
static enum status fingerprint(struct file *file, uint64_t len, uint64_t *out, uint64_t *got_bytes, struct err *err)
{
    char bytes[TAIL_FINGERPRINT_BYTES_MAX];
    size_t got = 0;
    enum status st = file_pread(file, 0, bytes, (size_t)len, &got, err);
    *out = hash64(slice_of(bytes, got), 0);
    *got_bytes = got;
    return st;
}

/* (2): is what stands in file still what the position was taken in? */
static bool position_holds(struct file *file, uint64_t size, const struct position *p)
{
    uint64_t hash, got;
    if (size < p->offset)
        return false;
    return fingerprint(file, p->fingerprint_len, &hash, &got, NULL) == ST_OK && got == p->fingerprint_len && hash == p->fingerprint;
}

static void start_anew(struct followed *f)
{
    f->at = (struct position){ .inode = f->at.inode };
}

/* ---- one piece ---- */

static void put_line(struct tail *t, struct slice line, struct buf *body)
{
    if (slice_ends(line, SLICE("\r")))
        line.len--;
    bool cut = line.len > t->line_bytes_max;
    if (cut)
        line = slice_sub(line, 0, t->line_bytes_max - EVENT_TRUNCATED_MARK_BYTES);
    size_t before = body->len;
    if (utf8_is_valid(line))
        buf_slice(body, line);
    else if (cut && utf8_is_valid(utf8_cut(line, line.len - 1)))
        buf_slice(body, utf8_cut(line, line.len - 1));
    else
        utf8_repair(line, body);
    if (cut)
        buf_slice(body, EVENT_TRUNCATED_MARK);
    if (body->len > before)
        buf_char(body, '\n');
}

/* Whole lines of bytes into body; gives how many bytes are dealt with. last: also a line without its newline. */
static size_t take_lines(struct tail *t, struct slice bytes, bool last, bool *skipping, struct buf *body)
{
    size_t at = 0;
    while (at < bytes.len) {
        size_t end = slice_find_char(bytes, '\n', at);
        struct slice line = slice_sub(bytes, at, end);
        if (end == SIZE_MAX && !*skipping && line.len <= t->line_bytes_max && !last)
            break;
        if (!*skipping)
            put_line(t, line, body);
        *skipping = end == SIZE_MAX && (*skipping || line.len > t->line_bytes_max);
        at = end == SIZE_MAX ? bytes.len : end + 1;
    }
    return at;
}

static enum status store_at_once(struct tail *t, const struct followed *f, struct slice body, struct err *err)
{
    struct batch *b = batch_new(BATCH_BYTES_MAX);
    struct ingest_result result = { 0 };
    struct ingest_ctx ctx = { .received_ns = clock_wall_ns(t->env->clock), .peer = f->path, .tenant = SLICE_EMPTY,
                              .zone_offset_s = t->zone_offset_s, .stream = f->stream };
    b->received_ns = ctx.received_ns;
    enum status st = lines_decode(&ctx, arena_copy(b->arena, body), b, &result, err);
    size_t lines = b->event_count;
    if (st || lines == 0) {
        batch_drop(b);
        return st;
    }
    st = t->env->append(t->env->arg, b, err);
    if (!st)
        t->lines += lines;
    return st;
}

/* Lines over a limit of one batch (rows, or days: months of a quiet file fit in a piece) go in halves; a single line that no
 * batch takes is left out, for trying again would not help and must not hold up what follows. */
static enum status store(struct tail *t, const struct followed *f, struct slice body, struct err *err)
{
    enum status st = store_at_once(t, f, body, err);
    if (st != ST_INVALID && st != ST_LIMIT)
        return st;
    size_t cut = body.len / 2;
    while (cut > 0 && body.ptr[cut - 1] != '\n')
        cut--;
    if (cut == 0)
        cut = MIN(slice_find_char(body, '\n', body.len / 2), body.len - 1) + 1;
    if (cut == body.len) {
        log_line(t->env->log, LOG_WARNING, "a line is left out", "file=\"%.*s\" offset=%llu bytes=%zu error=\"%s\"", SLICE_FMT(f->path),
                 (unsigned long long)f->at.offset, body.len, err ? err->text : "");
        return ST_OK;
    }
    st = store(t, f, slice_sub(body, 0, cut), err);
    return st ? st : store(t, f, slice_skip(body, cut), err);
}

/* The fingerprint grows with the file until it is full. */
static enum status fingerprint_grow(struct followed *f, struct err *err)
{
    if (f->at.fingerprint_len >= TAIL_FINGERPRINT_BYTES_MAX)
        return ST_OK;
    uint64_t len = MIN(f->at.offset, (uint64_t)TAIL_FINGERPRINT_BYTES_MAX);
    return fingerprint(f->file, len, &f->at.fingerprint, &f->at.fingerprint_len, err);
}

/* (1). *taken 0: nothing to do for now. */
static enum status follow_piece(struct tail *t, struct followed *f, bool last, size_t *taken, struct err *err)
{
    struct buf body;
    struct position before = f->at;
    size_t got;
    *taken = 0;
    enum status st = file_pread(f->file, f->at.offset, t->piece, t->line_bytes_max + TAIL_READ_BYTES, &got, err);
    if (st || got == 0)
        return st;
    buf_init(&body, 0);
    size_t n = take_lines(t, slice_of(t->piece, got), last, &f->at.skipping, &body);
    if (body.len)
        st = store(t, f, buf_as_slice(&body), err);
    buf_free(&body);
    if (st) {
        f->at = before;
        return st;
    }
    f->at.offset += n;
    *taken = n;
    st = fingerprint_grow(f, err);
    return st || n == 0 ? st : position_store(t, f, f->path, err);
}

/* Reads on to the end of what is there. last: what has no newline too. */
static enum status follow(struct tail *t, struct followed *f, bool last, struct err *err)
{
    int64_t now_ns = clock_mono_ns(t->env->clock);
    uint64_t size, round_bytes = 0;
    size_t taken;
    enum status st = file_size(f->file, &size, err);
    if (st)
        return st;
    if (size != f->size_before) {
        f->size_before = size;
        f->changed_ns = now_ns;
        if (!position_holds(f->file, size, &f->at))
            start_anew(f);
    }
    bool is_old = now_ns - f->changed_ns >= TAIL_PARTIAL_NS;
    do {
        st = follow_piece(t, f, last || is_old, &taken, err);
        round_bytes += taken;
    } while (!st && taken && round_bytes < TAIL_ROUND_BYTES_MAX);
    return st;
}

/* ---- opening ---- */

/* (3) after a restart: the file that was being read may have another name in the same folder. */
static void finish_renamed(struct tail *t, const struct followed *now, const struct position *saved)
{
    struct arena *a = arena_new(0);
    struct slice folder = files_folder(now->path);
    struct buf names;
    buf_init(&names, 0);
    struct slice rest = SLICE_EMPTY, name;
    if (fs_list(t->env->fs, folder.len ? arena_copy(a, folder).ptr : ".", &names, NULL) == ST_OK)
        rest = buf_as_slice(&names);
    while (slice_next(&rest, 0, &name)) {
        struct slice path = arena_printf(a, "%.*s%.*s", SLICE_FMT(folder), SLICE_FMT(name));
        struct file_info info;
        struct followed old = { .path = now->path, .stream = now->stream, .at = *saved };
        struct err err;
        if (fs_info(t->env->fs, path.ptr, &info, NULL) || info.is_dir || info.inode != saved->inode)
            continue;
        if (fs_open(t->env->fs, path.ptr, FILE_READ, &old.file, NULL))
            continue;
        old.changed_ns = clock_mono_ns(t->env->clock);
        old.size_before = info.size;
        /* Its own position too: the other name may be followed as well. */
        if (position_holds(old.file, info.size, saved) && (follow(t, &old, true, &err) || position_store(t, &old, path, &err)))
            log_line(t->env->log, LOG_WARNING, "a rotated file was not read to its end", "file=\"%.*s\" error=\"%s\"", SLICE_FMT(path), err.text);
        file_close(old.file);
        break;
    }
    buf_free(&names);
    arena_free(a);
}

/* Another path that leads to the same file (it was renamed to a name that is followed too). */
static struct followed *same_inode(const struct tail *t, const struct followed *f)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->files[i] != f && t->files[i]->file && t->files[i]->at.inode == f->at.inode)
            return t->files[i];
    return NULL;
}

static void choose_start(struct tail *t, struct followed *f, uint64_t size)
{
    struct position saved;
    struct followed *twin = same_inode(t, f);
    uint64_t inode = f->at.inode;
    if (position_load(t, f->path, &saved)) {
        if (saved.inode == inode && position_holds(f->file, size, &saved))
            f->at = saved;
        else if (saved.inode != inode && twin == NULL)
            finish_renamed(t, f, &saved);
    } else if (twin && position_holds(f->file, size, &twin->at)) {
        f->at = twin->at;
        twin->handed_over = true;
    } else if (!t->had_round && size > TAIL_FIRST_BYTES_MAX) {
        f->at.offset = size - TAIL_FIRST_BYTES_MAX;
        f->at.skipping = true;
        if (fingerprint_grow(f, NULL))
            start_anew(f);
    }
}

/* Opens what path leads to. A file that cannot be opened is tried again in the next round. */
static enum status followed_open(struct tail *t, struct followed *f, bool rotated, struct err *err)
{
    struct file_info before, after;
    uint64_t size;
    enum status st = fs_info(t->env->fs, f->path.ptr, &before, err);
    if (!st)
        st = fs_open(t->env->fs, f->path.ptr, FILE_READ, &f->file, err);
    if (st)
        return st;
    st = fs_info(t->env->fs, f->path.ptr, &after, err);
    if (!st)
        st = file_size(f->file, &size, err);
    if (st || before.inode != after.inode) { /* replaced meanwhile: which one is open is not known */
        file_close(f->file);
        f->file = NULL;
        return st;
    }
    f->at = (struct position){ .inode = after.inode };
    if (!rotated)
        choose_start(t, f, size);
    f->size_before = size;
    f->changed_ns = clock_mono_ns(t->env->clock);
    return ST_OK;
}

static struct followed *followed_add(struct tail *t, struct slice path)
{
    if (t->count == TAIL_FILES_MAX)
        return NULL;
    struct followed *f = mem_new(struct followed);
    f->arena = arena_new(0);
    f->path = arena_copy(f->arena, path);
    struct label labels[] = { { SLICE("filename"), f->path }, { SLICE("host"), t->env->instance }, { SLICE("source"), SLICE("file") } };
    if (labels_build(f->arena, labels, COUNT_OF(labels), &f->stream, NULL)) {
        followed_free(f);
        return NULL;
    }
    if (t->count == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 16;
        t->files = mem_realloc(t->files, t->cap * sizeof *t->files);
    }
    return t->files[t->count++] = f;
}

/* ---- a round ---- */

static void list_files(struct tail *t)
{
    struct arena *a = arena_new(0);
    struct file_list list = { 0 };
    for (size_t i = 0; i < t->pattern_count; i++)
        files_glob(t->env->fs, a, t->patterns[i], &list);
    for (size_t i = 0; i < t->count; i++)
        t->files[i]->listed = false;
    for (size_t i = 0; i < list.count; i++) {
        struct followed *f = NULL;
        for (size_t k = 0; k < t->count && !f; k++)
            if (slice_eq(t->files[k]->path, list.paths[i]))
                f = t->files[k];
        if (f == NULL)
            f = followed_add(t, list.paths[i]);
        if (f)
            f->listed = true;
    }
    arena_free(a);
}

/* (3). Afterwards f->file is NULL when the path leads nowhere and what was open is read to its end. */
static enum status round_of(struct tail *t, struct followed *f, struct err *err)
{
    struct file_info info;
    bool handed_over = f->handed_over;
    if (handed_over) {
        file_close(f->file);
        f->file = NULL;
        f->handed_over = false;
    }
    if (f->file == NULL) {
        enum status st = followed_open(t, f, handed_over, err);
        if (st || f->file == NULL)
            return st == ST_NOT_FOUND ? ST_OK : st;
    }
    enum status st = follow(t, f, false, err);
    if (st)
        return st;
    bool there = fs_info(t->env->fs, f->path.ptr, &info, NULL) == ST_OK;
    if ((there && info.inode == f->at.inode) || clock_mono_ns(t->env->clock) - f->changed_ns < TAIL_ROTATED_NS)
        return ST_OK;
    st = follow(t, f, true, err);
    if (st)
        return st;
    file_close(f->file);
    f->file = NULL;
    return there ? followed_open(t, f, true, err) : ST_OK;
}

enum status tail_round(struct tail *t, int32_t zone_offset_s, size_t *lines, struct err *err)
{
    enum status worst = ST_OK;
    size_t kept = 0;
    t->zone_offset_s = zone_offset_s;
    t->lines = 0;
    list_files(t);
    for (size_t i = 0; i < t->count; i++) {
        struct err why;
        enum status st = round_of(t, t->files[i], &why);
        if (st)
            worst = err_set(err, st, "%.*s: %s", SLICE_FMT(t->files[i]->path), why.text);
    }
    for (size_t i = 0; i < t->count; i++) {
        if (t->files[i]->file || t->files[i]->listed)
            t->files[kept++] = t->files[i];
        else
            followed_free(t->files[i]);
    }
    t->count = kept;
    t->had_round = true;
    *lines = t->lines;
    return worst;
}
