/* SPDX-License-Identifier: Apache-2.0 */
/* Files are looked at once a round; what is new goes, line by line, into one batch a piece.
 *
 * (1) A position is put down only after the batch before it is durable. So nothing is lost; what was appended between the
 *     two when the program is killed, at most one piece a file, comes a second time after the restart.
 * (2) A position is inode, offset and a fingerprint (hash of the first bytes, at most TAIL_FINGERPRINT_BYTES_MAX). Another
 *     fingerprint, or a file shorter than the offset, means that it was written anew: reading starts at 0.
 * (3) Renamed (the path leads to another inode): the open file is read until it is quiet, then the new one from 0. After
 *     a restart the renamed file is looked for beside the path by its inode, and read to its end first.
 * (4) A last line without newline waits: for the newline, for TAIL_PARTIAL_NS without change, or for the file's end. A record
 *     that may go on waits likewise, TAIL_JOIN_NS: the position stays before it, so waiting needs no memory and no state.
 * (5) What was truncated between two rounds before it was read is gone: copytruncate has that window with every reader.
 * (6) Two paths to one file (a symbolic link and what it leads to): the first one that is listed is followed. */
#include "collect/tail.h"

#include <stdatomic.h>

#include "collect/container.h"
#include "collect/files.h"
#include "ingest/lines.h"

enum { STATE_VERSION = 1, STATE_BYTES_MAX = 128, BATCH_BYTES_MAX = 512 * MIB };

struct position {
    uint64_t inode, offset, fingerprint_len, fingerprint;
    bool skipping; /* inside of a line that was cut: up to its newline nothing counts */
};

struct followed {
    struct arena *arena;
    const struct log_input *input;
    struct slice path, streams[TAIL_STREAMS];
    enum tail_format format;
    enum tail_charset charset;
    bool is_looked_at; /* its first line told format and charset */
    struct file *file;
    struct position at;
    uint64_t size_before;
    int64_t changed_ns; /* when size changed last */
    bool listed;
    bool handed_over; /* renamed to a path that is followed too, which reads on */
};

struct tail {
    const struct collect_env *env;
    const struct log_input *inputs;
    size_t input_count, line_bytes_max;
    struct followed **files;
    size_t count, cap;
    char *piece;
    int32_t zone_offset_s;
    size_t lines;
    bool had_round;
    _Atomic uint64_t counts[TAIL_COUNTS];
};

struct tail *tail_new(const struct collect_env *env, const struct log_input *inputs, size_t count, size_t line_bytes_max)
{
    struct tail *t = mem_new(struct tail);
    t->env = env;
    t->inputs = inputs;
    t->input_count = count;
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
    f->is_looked_at = false;
}

/* ---- one piece ---- */

static void count_add(struct tail *t, enum tail_count what, uint64_t n)
{
    atomic_fetch_add_explicit(&t->counts[what], n, memory_order_relaxed);
}

static enum status store_at_once(struct tail *t, const struct followed *f, const struct tail_record *list, size_t count, struct err *err)
{
    struct batch *b = batch_new(BATCH_BYTES_MAX);
    struct ingest_ctx ctx = { .received_ns = clock_wall_ns(t->env->clock), .peer = f->path, .tenant = SLICE_EMPTY,
                              .zone_offset_s = t->zone_offset_s, .parse = f->input->parse };
    struct lines lanes[TAIL_STREAMS];
    enum status st = ST_OK;
    b->received_ns = ctx.received_ns;
    for (int k = 0; k < TAIL_STREAMS; k++) {
        ctx.stream = f->streams[k];
        lines_begin(&lanes[k], &ctx, b);
    }
    for (size_t i = 0; i < count && !st; i++) {
        lines_put(&lanes[list[i].stream], arena_copy(b->arena, list[i].text), list[i].time_ns);
        st = ingest_check(b, err);
    }
    if (st) {
        batch_drop(b);
        return st;
    }
    st = t->env->append(t->env->arg, b, err);
    for (int k = 0; k < TAIL_STREAMS && !st; k++)
        count_add(t, TAIL_UNPARSED, lanes[k].unparsed);
    for (size_t i = 0; i < count && !st; i++) {
        t->lines++;
        count_add(t, TAIL_JOINED, list[i].lines - 1);
        count_add(t, TAIL_CUT, list[i].cut);
    }
    return st;
}

/* Records over a limit of one batch (rows, or days: months of a quiet file fit in a piece) go in halves; a single one that no
 * batch takes is left out, for trying again would not help and must not hold up what follows. */
static enum status store(struct tail *t, const struct followed *f, const struct tail_record *list, size_t count, struct err *err)
{
    enum status st = store_at_once(t, f, list, count, err);
    if (st != ST_INVALID && st != ST_LIMIT)
        return st;
    if (count == 1) {
        log_line(t->env->log, LOG_WARNING, "a line is left out", "file=\"%.*s\" offset=%llu bytes=%zu error=\"%s\"", SLICE_FMT(f->path),
                 (unsigned long long)(f->at.offset + list->from), list->text.len, err ? err->text : "");
        count_add(t, TAIL_LEFT_OUT, 1);
        return ST_OK;
    }
    st = store(t, f, list, count / 2, err);
    return st ? st : store(t, f, list + count / 2, count - count / 2, err);
}

/* The fingerprint grows with the file until it is full. */
static enum status fingerprint_grow(struct followed *f, struct err *err)
{
    if (f->at.fingerprint_len >= TAIL_FINGERPRINT_BYTES_MAX)
        return ST_OK;
    uint64_t len = MIN(f->at.offset, (uint64_t)TAIL_FINGERPRINT_BYTES_MAX);
    return fingerprint(f->file, len, &f->at.fingerprint, &f->at.fingerprint_len, err);
}

/* What the file is, by its first line; false: that one is not whole yet. A charset that was told is not guessed. */
static bool look(struct tail *t, struct followed *f)
{
    size_t got;
    if (file_pread(f->file, 0, t->piece, TAIL_LOOK_BYTES, &got, NULL) || got < 2)
        return false;
    struct slice start = slice_of(t->piece, got);
    f->charset = f->input->charset;
    if (f->charset == TAIL_BYTES && slice_starts(start, SLICE("\xff\xfe")))
        f->charset = TAIL_UTF16LE;
    if (f->charset == TAIL_BYTES && slice_starts(start, SLICE("\xfe\xff")))
        f->charset = TAIL_UTF16BE;
    size_t end = slice_find_char(start, '\n', 0);
    f->format = f->charset == TAIL_BYTES ? tail_format_of(slice_sub(start, 0, end == SIZE_MAX ? got : end)) : TAIL_PLAIN;
    return end != SIZE_MAX || got == TAIL_LOOK_BYTES;
}

enum patience { WAIT_FOR_ALL, WAIT_FOR_LINE, WAIT_FOR_NOTHING };

/* (1). *taken 0: nothing to do for now. */
static enum status follow_piece(struct tail *t, struct followed *f, enum patience patience, size_t *taken, struct err *err)
{
    struct tail_cut how = { .format = f->format, .charset = f->charset, .join = &f->input->join, .line_bytes_max = t->line_bytes_max,
                            .is_last = patience == WAIT_FOR_NOTHING, .is_quiet = patience != WAIT_FOR_ALL };
    struct tail_records records;
    struct position before = f->at;
    size_t got, most = t->line_bytes_max + TAIL_READ_BYTES;
    *taken = 0;
    enum status st = file_pread(f->file, f->at.offset, t->piece, most, &got, err);
    if (st || got == 0)
        return st;
    struct arena *a = arena_new(0);
    how.is_full = got == most;
    tail_cut(a, &how, slice_of(t->piece, got), f->at.skipping, &records);
    if (records.count)
        st = store(t, f, records.list, records.count, err);
    arena_free(a);
    if (st) {
        f->at = before;
        return st;
    }
    f->at.skipping = records.skipping;
    f->at.offset += records.taken;
    *taken = records.taken;
    st = fingerprint_grow(f, err);
    return st || records.taken == 0 ? st : position_store(t, f, f->path, err);
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
    if (!f->is_looked_at)
        f->is_looked_at = look(t, f);
    int64_t quiet_ns = now_ns - f->changed_ns;
    enum patience patience = last || quiet_ns >= TAIL_PARTIAL_NS ? WAIT_FOR_NOTHING : quiet_ns >= TAIL_JOIN_NS ? WAIT_FOR_LINE : WAIT_FOR_ALL;
    do {
        st = follow_piece(t, f, patience, &taken, err);
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
        struct followed old = { .path = now->path, .input = now->input, .at = *saved };
        memcpy(old.streams, now->streams, sizeof old.streams);
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
        f->at.offset = (size - TAIL_FIRST_BYTES_MAX) & ~(uint64_t)1; /* even: of UTF-16, too */
        f->at.skipping = true;
        if (fingerprint_grow(f, NULL))
            start_anew(f);
    }
}

/* (6) */
static bool is_alias(struct tail *t, const struct followed *f, uint64_t inode)
{
    struct file_info info;
    for (size_t i = 0; i < t->count && t->files[i] != f; i++)
        if (t->files[i]->file && t->files[i]->at.inode == inode && fs_info(t->env->fs, t->files[i]->path.ptr, &info, NULL) == ST_OK &&
            info.inode == inode)
            return true;
    return false;
}

/* Opens what path leads to. A file that cannot be opened is tried again in the next round. */
static enum status followed_open(struct tail *t, struct followed *f, bool rotated, struct err *err)
{
    struct file_info before, after;
    uint64_t size;
    enum status st = fs_info(t->env->fs, f->path.ptr, &before, err);
    if (!st && is_alias(t, f, before.inode))
        return ST_OK;
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
    f->is_looked_at = false;
    if (!rotated)
        choose_start(t, f, size);
    f->size_before = size;
    f->changed_ns = clock_mono_ns(t->env->clock);
    return ST_OK;
}

/* Where lines of a file come from. Containers' outputs are streams of their own. */
static enum status streams_build(struct tail *t, struct followed *f, struct err *err)
{
    static const struct slice outputs[TAIL_STREAMS] = { SLICE_INIT("stdout"), SLICE_INIT("stderr") };
    struct arena *scratch = arena_new(0);
    struct container c;
    bool is_container = container_of_path(t->env->fs, scratch, f->path, &c);
    struct slice service = f->input->service.len ? f->input->service : is_container ? c.service.len ? c.service : c.name : SLICE_EMPTY;
    enum status st = ST_OK;
    for (int k = 0; k < TAIL_STREAMS && !st; k++) {
        struct label labels[] = { { SLICE("filename"), f->path },
                                  { SLICE("host"), t->env->instance },
                                  { SLICE("source"), is_container ? SLICE("container") : SLICE("file") },
                                  { SLICE("service_name"), service },
                                  { SLICE("namespace"), is_container ? c.ns : SLICE_EMPTY },
                                  { SLICE("pod"), is_container ? c.pod : SLICE_EMPTY },
                                  { SLICE("container"), is_container ? c.name : SLICE_EMPTY },
                                  { SLICE("stream"), is_container ? outputs[k] : SLICE_EMPTY } };
        st = labels_build(f->arena, labels, COUNT_OF(labels), &f->streams[k], err);
    }
    arena_free(scratch);
    return st;
}

static struct followed *followed_add(struct tail *t, const struct log_input *input, struct slice path)
{
    if (t->count == TAIL_FILES_MAX)
        return NULL;
    struct followed *f = mem_new(struct followed);
    f->arena = arena_new(0);
    f->input = input;
    f->path = arena_copy(f->arena, path);
    if (streams_build(t, f, NULL)) {
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

static void list_path(struct tail *t, const struct log_input *input, struct slice path)
{
    struct followed *f = NULL;
    for (size_t k = 0; k < t->count && !f; k++)
        if (slice_eq(t->files[k]->path, path))
            f = t->files[k];
    if (f == NULL)
        f = followed_add(t, input, path);
    if (f)
        f->listed = true;
}

static void list_files(struct tail *t)
{
    for (size_t i = 0; i < t->count; i++)
        t->files[i]->listed = false;
    for (size_t i = 0; i < t->input_count; i++) {
        struct arena *a = arena_new(0);
        struct file_list list = { 0 };
        files_glob(t->env->fs, a, t->inputs[i].path, &list);
        for (size_t k = 0; k < list.count; k++)
            list_path(t, &t->inputs[i], list.paths[k]);
        arena_free(a);
    }
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

uint64_t tail_count(const struct tail *t, enum tail_count what)
{
    return atomic_load_explicit(&t->counts[what], memory_order_relaxed);
}
