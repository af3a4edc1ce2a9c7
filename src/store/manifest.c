/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest: dir/MANIFEST, a header and edits, each written twice.
 *
 *     header:  "STOAMANI" | u32 version | u32 zero | u64 checksum
 *     edit:    u32 magic | u32 body length | u64 sequence | u64 checksum | body
 *     body:    { u8 tag | u32 length | bytes }...
 *
 * (1) An edit is applied whole or not at all: one body, one checksum. Its two copies stand side by side and are synced
 *     together, so a flipped byte costs one copy and no edit; the sequence number tells the second copy from a new edit.
 * (2) A hole in the sequence means that edits are lost for good: said loudly, and remembered in edits_lost so that
 *     store_open sets files it cannot place aside instead of deleting them.
 * (3) The file is rewritten (temporary file, sync, rename) at every start, once the files it does not name are settled, and
 *     when it has grown: damage does not stay.
 * (4) An append that fails for want of space may leave half an edit at the end. Nothing may follow it: the next edit goes
 *     through a rewrite. A failed sync is the end of writing. */
#include "store/manifest.h"

#include <stdio.h>

#include "base/hash.h"
#include "sys/rand.h"

enum { HEADER_BYTES = 24, EDIT_HEADER_BYTES = 24, EDIT_CHECKED_BYTES = 16, EDIT_COPIES = 2 };
#define EDIT_MAGIC 0x4345524du /* "MREC" */

enum tag { TAG_SEED = 1, TAG_NEXT_ID, TAG_NEXT_LSN, TAG_FLUSHED, TAG_PART_ADD, TAG_PART_REMOVE, TAG_DEAD_ADD, TAG_DEAD_REMOVE,
           TAG_DEAD_ADD_VALUE, TAG_CLASS_ADD, TAG_PART_TIER };

struct manifest {
    struct part_env *env;
    struct file *file;
    char *path;
    struct manifest_state state;
    uint64_t sequence;
    uint64_t bytes, compact_bytes;
    bool tail_is_bad; /* (4); and from the opening on until the first rewrite */
};

/* ---- bytes of an edit ---- */

static size_t tag_begin(struct buf *b, enum tag tag)
{
    buf_u8(b, (uint8_t)tag);
    buf_u32(b, 0);
    return b->len;
}

static void tag_end(struct buf *b, size_t start)
{
    uint64_t n = b->len - start;
    for (size_t i = 0; i < 4; i++)
        b->ptr[start - 4 + i] = (char)(n >> (8 * i));
}

static void put_number(struct buf *b, enum tag tag, uint64_t v)
{
    size_t at = tag_begin(b, tag);
    buf_u64(b, v);
    tag_end(b, at);
}

static void put_part(struct buf *b, const struct part_info *i)
{
    size_t at = tag_begin(b, TAG_PART_ADD);
    buf_u64(b, i->id);
    buf_put(b, i->uuid, sizeof i->uuid);
    buf_u8(b, i->kind);
    buf_u8(b, i->level);
    buf_u16(b, i->class);
    buf_u64(b, (uint64_t)i->start_ns);
    buf_u64(b, (uint64_t)i->end_ns);
    buf_u64(b, (uint64_t)i->min_ns);
    buf_u64(b, (uint64_t)i->max_ns);
    buf_u64(b, i->min_lsn);
    buf_u64(b, i->max_lsn);
    buf_u64(b, i->rows);
    buf_u64(b, i->bytes);
    buf_u64(b, i->dead_id);
    tag_end(b, at);
}

static void put_tombstone(struct buf *b, const struct tombstone *t)
{
    bool has_value = t->value.field.len > 0;
    size_t at = tag_begin(b, has_value ? TAG_DEAD_ADD_VALUE : TAG_DEAD_ADD);
    buf_u64(b, t->id);
    buf_u64(b, t->lsn);
    buf_u8(b, (uint8_t)((t->is_events ? 1 : 0) | (t->is_erase ? 2 : 0)));
    buf_u64(b, (uint64_t)t->start_ns);
    buf_u64(b, (uint64_t)t->end_ns);
    buf_lenslice(b, t->tenant);
    buf_lenslice(b, t->selector);
    buf_lenslice(b, t->contains);
    if (has_value) {
        const struct erase_value *v = &t->value;
        buf_lenslice(b, v->field);
        buf_u32(b, v->bytes);
        buf_put(b, v->salt, sizeof v->salt);
        buf_put(b, v->digest, sizeof v->digest);
        buf_u64(b, v->roll);
        buf_u64(b, v->rows);
        buf_u64(b, (uint64_t)v->made_ns);
    }
    tag_end(b, at);
}

static void put_class(struct buf *b, const struct manifest_class *c)
{
    size_t at = tag_begin(b, TAG_CLASS_ADD);
    buf_u16(b, c->id);
    buf_lenslice(b, c->name);
    tag_end(b, at);
}

static void put_tier(struct buf *b, uint64_t part, uint8_t tier)
{
    size_t at = tag_begin(b, TAG_PART_TIER);
    buf_u64(b, part);
    buf_u8(b, tier);
    tag_end(b, at);
}

static void put_flushed(struct buf *b, const struct flushed *f)
{
    size_t at = tag_begin(b, TAG_FLUSHED);
    buf_u8(b, f->kind);
    buf_u64(b, f->lsn);
    tag_end(b, at);
}

static void edit_put(struct buf *b, const struct manifest_edit *e)
{
    if (e->seed)
        put_number(b, TAG_SEED, e->seed);
    if (e->next_id)
        put_number(b, TAG_NEXT_ID, e->next_id);
    if (e->next_lsn)
        put_number(b, TAG_NEXT_LSN, e->next_lsn);
    for (size_t i = 0; i < e->flushed_count; i++)
        put_flushed(b, &e->flushed[i]);
    for (size_t i = 0; i < e->remove_count; i++)
        put_number(b, TAG_PART_REMOVE, e->removes[i]);
    for (size_t i = 0; i < e->add_count; i++)
        put_part(b, &e->adds[i]);
    for (size_t i = 0; i < e->add_count; i++)
        if (e->adds[i].tier != TIER_DATA)
            put_tier(b, e->adds[i].id, e->adds[i].tier);
    for (size_t i = 0; i < e->tier_count; i++)
        put_tier(b, e->tiers[i].part, e->tiers[i].tier);
    for (size_t i = 0; i < e->class_add_count; i++)
        put_class(b, &e->class_adds[i]);
    for (size_t i = 0; i < e->dead_remove_count; i++)
        put_number(b, TAG_DEAD_REMOVE, e->dead_removes[i]);
    for (size_t i = 0; i < e->dead_add_count; i++)
        put_tombstone(b, &e->dead_adds[i]);
}

/* ---- state ---- */

static void part_add(struct manifest_state *s, const struct part_info *i)
{
    if (s->part_count == s->part_cap) {
        s->part_cap = s->part_cap ? s->part_cap * 2 : 16;
        s->parts = mem_realloc(s->parts, s->part_cap * sizeof *s->parts);
    }
    s->parts[s->part_count++] = *i;
}

static void part_remove(struct manifest_state *s, uint64_t id)
{
    for (size_t i = 0; i < s->part_count; i++)
        if (s->parts[i].id == id) {
            memmove(&s->parts[i], &s->parts[i + 1], (s->part_count - i - 1) * sizeof *s->parts);
            s->part_count--;
            return;
        }
}

static void dead_add(struct manifest_state *s, const struct tombstone *t)
{
    if (s->dead_count == s->dead_cap) {
        s->dead_cap = s->dead_cap ? s->dead_cap * 2 : 8;
        s->dead = mem_realloc(s->dead, s->dead_cap * sizeof *s->dead);
    }
    char *text = mem_alloc(t->tenant.len + t->selector.len + t->contains.len + t->value.field.len + 1);
    struct tombstone *to = &s->dead[s->dead_count++];
    *to = *t;
    to->tenant.ptr = text;
    to->selector.ptr = text + t->tenant.len;
    to->contains.ptr = to->selector.ptr + t->selector.len;
    memcpy(text, t->tenant.ptr, t->tenant.len);
    memcpy(text + t->tenant.len, t->selector.ptr, t->selector.len);
    memcpy(text + t->tenant.len + t->selector.len, t->contains.ptr, t->contains.len);
    to->value.field.ptr = to->contains.ptr + t->contains.len;
    if (t->value.field.len)
        memcpy(text + t->tenant.len + t->selector.len + t->contains.len, t->value.field.ptr, t->value.field.len);
}

static void dead_remove(struct manifest_state *s, uint64_t id)
{
    for (size_t i = 0; i < s->dead_count; i++)
        if (s->dead[i].id == id) {
            mem_free((void *)s->dead[i].tenant.ptr);
            memmove(&s->dead[i], &s->dead[i + 1], (s->dead_count - i - 1) * sizeof *s->dead);
            s->dead_count--;
            return;
        }
}

static void flushed_set(struct manifest_state *s, struct flushed f)
{
    for (size_t i = 0; i < s->flushed_count; i++)
        if (s->flushed[i].kind == f.kind) {
            s->flushed[i].lsn = MAX(s->flushed[i].lsn, f.lsn);
            return;
        }
    if (s->flushed_count < STORE_KINDS_MAX)
        s->flushed[s->flushed_count++] = f;
}

static void apply_part(struct manifest_state *s, struct reader *r)
{
    struct part_info i = { .id = read_u64(r) };
    struct slice uuid = read_bytes(r, sizeof i.uuid);
    if (uuid.len == sizeof i.uuid)
        memcpy(i.uuid, uuid.ptr, sizeof i.uuid);
    i.kind = read_u8(r);
    i.level = read_u8(r);
    i.class = read_u16(r);
    i.start_ns = (int64_t)read_u64(r);
    i.end_ns = (int64_t)read_u64(r);
    i.min_ns = (int64_t)read_u64(r);
    i.max_ns = (int64_t)read_u64(r);
    i.min_lsn = read_u64(r);
    i.max_lsn = read_u64(r);
    i.rows = read_u64(r);
    i.bytes = read_u64(r);
    i.dead_id = read_u64(r);
    if (!r->bad)
        part_add(s, &i);
}

static void apply_value(struct erase_value *v, struct reader *r)
{
    v->field = read_lenslice(r);
    v->bytes = read_u32(r);
    struct slice salt = read_bytes(r, sizeof v->salt), digest = read_bytes(r, sizeof v->digest);
    if (r->bad)
        return;
    memcpy(v->salt, salt.ptr, sizeof v->salt);
    memcpy(v->digest, digest.ptr, sizeof v->digest);
    v->roll = read_u64(r);
    v->rows = read_u64(r);
    v->made_ns = (int64_t)read_u64(r);
    r->bad |= v->field.len == 0;
}

static void apply_class(struct manifest_state *s, struct reader *r)
{
    struct manifest_class c = { .id = read_u16(r) };
    struct slice name = read_lenslice(r);
    if (r->bad)
        return;
    if (s->class_count == s->class_cap) {
        s->class_cap = s->class_cap ? s->class_cap * 2 : 8;
        s->classes = mem_realloc(s->classes, s->class_cap * sizeof *s->classes);
    }
    char *text = mem_alloc(name.len + 1);
    memcpy(text, name.ptr, name.len);
    c.name = slice_of(text, name.len);
    s->classes[s->class_count++] = c;
}

static void apply_tier(struct manifest_state *s, struct reader *r)
{
    uint64_t id = read_u64(r);
    uint8_t tier = read_u8(r);
    r->bad |= tier >= STORE_TIERS;
    for (size_t i = 0; i < s->part_count && !r->bad; i++)
        if (s->parts[i].id == id)
            s->parts[i].tier = tier;
}

static void apply_tombstone(struct manifest_state *s, struct reader *r, bool has_value)
{
    struct tombstone t = { .id = read_u64(r), .lsn = read_u64(r) };
    uint8_t flags = read_u8(r);
    t.is_events = flags & 1;
    t.is_erase = flags & 2;
    t.start_ns = (int64_t)read_u64(r);
    t.end_ns = (int64_t)read_u64(r);
    t.tenant = read_lenslice(r);
    t.selector = read_lenslice(r);
    t.contains = read_lenslice(r);
    if (has_value)
        apply_value(&t.value, r);
    if (!r->bad)
        dead_add(s, &t);
}

static void raise_to(uint64_t *to, uint64_t v)
{
    *to = MAX(*to, v);
}

/* False when the body has what this version does not know. */
static bool apply_body(struct manifest_state *s, struct slice body)
{
    struct reader r = reader_of(body);
    while (reader_left(&r) > 0) {
        uint8_t tag = read_u8(&r);
        struct reader in = reader_of(read_bytes(&r, read_u32(&r)));
        if (r.bad)
            return false;
        switch (tag) {
        case TAG_SEED: s->seed = read_u64(&in); break;
        case TAG_NEXT_ID: raise_to(&s->next_id, read_u64(&in)); break;
        case TAG_NEXT_LSN: raise_to(&s->next_lsn, read_u64(&in)); break;
        case TAG_FLUSHED: {
            uint8_t kind = read_u8(&in);
            flushed_set(s, (struct flushed){ kind, read_u64(&in) });
            break;
        }
        case TAG_PART_ADD: apply_part(s, &in); break;
        case TAG_PART_REMOVE: part_remove(s, read_u64(&in)); break;
        case TAG_DEAD_ADD:
        case TAG_DEAD_ADD_VALUE: apply_tombstone(s, &in, tag == TAG_DEAD_ADD_VALUE); break;
        case TAG_CLASS_ADD: apply_class(s, &in); break;
        case TAG_PART_TIER: apply_tier(s, &in); break;
        case TAG_DEAD_REMOVE: dead_remove(s, read_u64(&in)); break;
        default: return false;
        }
        if (in.bad)
            return false;
    }
    return true;
}

/* ---- reading ---- */

static uint64_t edit_checksum(const char *header, struct slice body)
{
    return hash64(body, hash64(slice_of(header, EDIT_CHECKED_BYTES), EDIT_MAGIC));
}

/* A whole, checked edit at offset? */
static bool edit_at(struct slice all, size_t offset, uint64_t *sequence, struct slice *body)
{
    struct reader r = reader_of(slice_skip(all, offset));
    uint32_t magic = read_u32(&r), length = read_u32(&r);
    *sequence = read_u64(&r);
    uint64_t sum = read_u64(&r);
    *body = read_bytes(&r, length);
    return !r.bad && magic == EDIT_MAGIC && sum == edit_checksum(all.ptr + offset, *body);
}

/* Where the next edit that checks begins, behind offset; all.len when there is none. */
static size_t next_edit(struct slice all, size_t offset)
{
    uint64_t sequence;
    struct slice body;
    for (size_t at = offset + 1; at + EDIT_HEADER_BYTES <= all.len; at++)
        if (memcmp(all.ptr + at, "MREC", 4) == 0 && edit_at(all, at, &sequence, &body))
            return at;
    return all.len;
}

static void report(struct manifest *m, size_t offset, size_t bytes, const char *what)
{
    struct err err;
    err_set(&err, ST_CORRUPT, "manifest %s: %zu bytes at offset %zu %s", m->path, bytes, offset, what);
    part_env_corrupt(m->env, &err);
}

/* An edit that the end of the file cuts off is what a crash leaves: its first copy was not done, or the second one is not
 * needed. One that is all there is damaged. first_bytes: of the first copy, when that is what stands before offset. */
static bool is_torn(struct slice all, size_t offset, size_t first_bytes)
{
    size_t left = all.len - offset;
    if (first_bytes)
        return left < first_bytes;
    struct reader r = reader_of(slice_skip(all, offset + 4));
    return left < EDIT_HEADER_BYTES || read_u32(&r) > left - EDIT_HEADER_BYTES;
}

static enum status replay(struct manifest *m, struct slice all, struct err *err)
{
    struct reader r = reader_of(all);
    struct slice magic = read_bytes(&r, 8);
    uint32_t version = read_u32(&r);
    read_u32(&r);
    uint64_t sum = read_u64(&r);
    if (r.bad || !slice_eq(magic, SLICE("STOAMANI")) || sum != hash64(slice_sub(all, 0, HEADER_BYTES - 8), 0))
        report(m, 0, MIN(all.len, (size_t)HEADER_BYTES), "(the header) do not check");
    else if (version != MANIFEST_VERSION)
        return err_set(err, ST_UNSUPPORTED, "manifest %s is of format version %u; this program knows version %d", m->path, version,
                       MANIFEST_VERSION);
    size_t first_bytes = 0;
    for (size_t at = HEADER_BYTES; at < all.len;) {
        uint64_t sequence;
        struct slice body;
        if (!edit_at(all, at, &sequence, &body)) {
            size_t next = next_edit(all, at);
            if (next < all.len || !is_torn(all, at, first_bytes))
                report(m, at, next - at, "do not check");
            at = next;
            continue;
        }
        if (sequence > m->sequence + 1 && m->sequence > 0) {
            m->state.edits_lost = true;
            report(m, at, EDIT_HEADER_BYTES, "come behind edits that are lost: parts may be missing");
        }
        if (sequence > m->sequence && !apply_body(&m->state, body))
            return err_set(err, ST_UNSUPPORTED, "manifest %s: the edit at offset %zu has what this version does not know", m->path, at);
        first_bytes = sequence > m->sequence ? EDIT_HEADER_BYTES + body.len : 0;
        m->sequence = MAX(m->sequence, sequence);
        at += EDIT_HEADER_BYTES + body.len;
    }
    if (m->sequence == 0)
        m->state.edits_lost = true;
    return ST_OK;
}

/* ---- writing ---- */

static void edit_frame(struct buf *to, uint64_t sequence, struct slice body)
{
    for (int copy = 0; copy < EDIT_COPIES; copy++) {
        size_t start = to->len;
        buf_u32(to, EDIT_MAGIC);
        buf_u32(to, (uint32_t)body.len);
        buf_u64(to, sequence);
        buf_u64(to, edit_checksum(to->ptr + start, body));
        buf_slice(to, body);
    }
}

/* A whole file of one edit. */
static enum status whole_file(const struct manifest *m, const struct part_info *parts, struct buf *file, struct err *err)
{
    const struct manifest_state *s = &m->state;
    struct manifest_edit e = { .adds = parts,
                               .add_count = s->part_count,
                               .dead_adds = s->dead,
                               .dead_add_count = s->dead_count,
                               .class_adds = s->classes,
                               .class_add_count = s->class_count,
                               .flushed_count = s->flushed_count,
                               .next_id = s->next_id,
                               .next_lsn = s->next_lsn,
                               .seed = s->seed };
    memcpy(e.flushed, s->flushed, sizeof e.flushed);
    struct buf body;
    buf_init(&body, MANIFEST_EDIT_BYTES_MAX);
    edit_put(&body, &e);
    buf_slice(file, SLICE("STOAMANI"));
    buf_u32(file, MANIFEST_VERSION);
    buf_u32(file, 0);
    buf_u64(file, hash64(buf_as_slice(file), 0));
    edit_frame(file, m->sequence + 1, buf_as_slice(&body));
    enum status st = buf_over(&body) ? err_set(err, ST_LIMIT, "manifest would have an edit over %d bytes", MANIFEST_EDIT_BYTES_MAX) : ST_OK;
    buf_free(&body);
    return st;
}

enum status manifest_write_copy(const struct manifest *m, const char *path, struct err *err)
{
    struct part_info *parts = mem_alloc((m->state.part_count + 1) * sizeof *parts);
    struct buf file;
    buf_init(&file, 0);
    for (size_t i = 0; i < m->state.part_count; i++) {
        parts[i] = m->state.parts[i];
        parts[i].tier = TIER_DATA;
    }
    enum status st = whole_file(m, parts, &file, err);
    if (st == ST_OK)
        st = fs_replace(m->env->fs, path, buf_as_slice(&file), err);
    buf_free(&file);
    mem_free(parts);
    return st;
}

enum status manifest_rewrite(struct manifest *m, struct err *err)
{
    struct buf file;
    buf_init(&file, 0);
    enum status st = whole_file(m, m->state.parts, &file, err);
    if (st == ST_OK)
        st = fs_replace(m->env->fs, m->path, buf_as_slice(&file), err);
    if (st == ST_OK) {
        file_close(m->file);
        m->file = NULL;
        m->sequence++;
        m->bytes = m->compact_bytes = file.len;
        m->tail_is_bad = false;
        st = fs_open(m->env->fs, m->path, FILE_APPEND, &m->file, err);
        st = st == ST_FULL ? ST_IO : st; /* ST_FULL would say that nothing was done */
    }
    buf_free(&file);
    return st;
}

enum status manifest_open(struct manifest **out, struct part_env *env, struct err *err)
{
    char path[PART_PATH_BYTES_MAX];
    snprintf(path, sizeof path, "%.*s/MANIFEST", SLICE_FMT(env->dir));
    struct manifest *m = mem_new(struct manifest);
    m->env = env;
    m->path = mem_alloc(slice_str(path).len + 1);
    memcpy(m->path, path, slice_str(path).len + 1);
    struct buf all;
    buf_init(&all, MANIFEST_FILE_BYTES_MAX);
    enum status st = fs_read_all(env->fs, path, MANIFEST_FILE_BYTES_MAX, &all, err);
    if (st == ST_OK)
        st = replay(m, buf_as_slice(&all), err);
    else if (st == ST_NOT_FOUND) {
        m->state.edits_lost = true; /* a new store has no files to delete; one without its manifest must keep them */
        st = ST_OK;
    }
    m->bytes = all.len;
    m->tail_is_bad = true;
    buf_free(&all);
    if (m->state.seed == 0)
        sys_random(&m->state.seed, sizeof m->state.seed);
    m->state.seed |= 1; /* zero means "not given" in an edit */
    m->state.next_id = MAX(m->state.next_id, (uint64_t)1);
    m->state.next_lsn = MAX(m->state.next_lsn, (uint64_t)1);
    if (st) {
        manifest_close(m);
        return st;
    }
    *out = m;
    return ST_OK;
}

void manifest_close(struct manifest *m)
{
    if (m == NULL)
        return;
    file_close(m->file);
    for (size_t i = 0; i < m->state.dead_count; i++)
        mem_free((void *)m->state.dead[i].tenant.ptr);
    for (size_t i = 0; i < m->state.class_count; i++)
        mem_free((void *)m->state.classes[i].name.ptr);
    mem_free(m->state.classes);
    mem_free(m->state.dead);
    mem_free(m->state.parts);
    mem_free(m->path);
    mem_free(m);
}

enum status manifest_apply(struct manifest *m, const struct manifest_edit *e, struct err *err)
{
    struct buf body, bytes;
    if (m->tail_is_bad) {
        enum status st = manifest_rewrite(m, err);
        if (st)
            return st;
    }
    buf_init(&body, MANIFEST_EDIT_BYTES_MAX);
    buf_init(&bytes, 0);
    edit_put(&body, e);
    edit_frame(&bytes, m->sequence + 1, buf_as_slice(&body));
    enum status st = buf_over(&body) ? err_set(err, ST_LIMIT, "manifest: an edit over %d bytes", MANIFEST_EDIT_BYTES_MAX)
                                     : file_append(m->file, bytes.ptr, bytes.len, err);
    m->tail_is_bad = st == ST_FULL;
    if (st == ST_OK) {
        st = file_sync(m->file, err);
        if (st == ST_FULL)
            st = ST_IO; /* written but not synced: nobody knows */
    }
    if (st == ST_OK) {
        m->sequence++;
        m->bytes += bytes.len;
        bool known = apply_body(&m->state, buf_as_slice(&body));
        assert(known);
    }
    buf_free(&body);
    buf_free(&bytes);
    if (st == ST_OK && m->bytes > MANIFEST_COMPACT_BYTES && m->bytes > 4 * m->compact_bytes) {
        /* The edit is safe already; a full disk leaves the long file in place for another time. */
        st = manifest_rewrite(m, err);
        if (st == ST_FULL)
            st = ST_OK;
    }
    return st;
}

const struct manifest_state *manifest_state(const struct manifest *m)
{
    return &m->state;
}

uint64_t manifest_flushed(const struct manifest *m, uint8_t kind)
{
    for (size_t i = 0; i < m->state.flushed_count; i++)
        if (m->state.flushed[i].kind == kind)
            return m->state.flushed[i].lsn;
    return 0;
}

uint64_t manifest_bytes(const struct manifest *m)
{
    return m->bytes;
}
