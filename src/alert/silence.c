/* SPDX-License-Identifier: Apache-2.0 */
/* Silences, as Alertmanager has them: matchers and a time. Each is one value in kv, "dispatch/silence/ID", written before the call
 * that makes or ends it returns.
 *
 * (1) A silence without matchers, or whose matchers all match an alert without labels, would silence everything: refused.
 * (2) One that has ended stays for SILENCE_KEPT_NS to be seen, and is never active again. */
#include <stdio.h>

#include "alert/dispatch_parts.h"
#include "base/num.h"
#include "base/utf8.h"
#include "sys/rand.h"

enum { SILENCE_VERSION = 1, UUID_BYTES = 16, KEY_BYTES_MAX = 80, TEXT_BYTES_MAX = 4096 };
#define KEY_PREFIX SLICE("dispatch/silence/")

const char *silence_state(const struct silence *s, int64_t now_ns)
{
    return now_ns < s->starts_ns ? "pending" : now_ns < s->ends_ns ? "active" : "expired";
}

bool silence_mutes(const struct dispatch *d, struct slice labels, int64_t now_ns)
{
    for (size_t i = 0; i < d->silence_count; i++) {
        const struct silence *s = d->silences[i];
        if (now_ns >= s->starts_ns && now_ns < s->ends_ns && matchers_match(s->matchers, s->matcher_count, labels))
            return true;
    }
    return false;
}

static void silence_free(struct silence *s)
{
    matchers_destroy(s->matchers, s->matcher_count);
    arena_free(s->arena);
}

void silences_free(struct dispatch *d)
{
    for (size_t i = 0; i < d->silence_count; i++)
        silence_free(d->silences[i]);
    mem_free(d->silences);
}

static struct slice key_of(char *to, struct slice id)
{
    return slice_of(to, (size_t)snprintf(to, KEY_BYTES_MAX, "%.*s%.*s", SLICE_FMT(KEY_PREFIX), SLICE_FMT(id)));
}

static enum status save(struct dispatch *d, const struct silence *s, struct err *err)
{
    char key[KEY_BYTES_MAX];
    struct buf b;
    buf_init(&b, KV_VALUE_BYTES_MAX);
    buf_u8(&b, SILENCE_VERSION);
    buf_lenslice(&b, s->id);
    buf_lenslice(&b, s->created_by);
    buf_lenslice(&b, s->comment);
    buf_zigzag(&b, s->starts_ns);
    buf_zigzag(&b, s->ends_ns);
    buf_zigzag(&b, s->updated_ns);
    buf_varint(&b, s->matcher_count);
    for (size_t i = 0; i < s->matcher_count; i++) {
        buf_u8(&b, (uint8_t)s->matchers[i].op);
        buf_lenslice(&b, s->matchers[i].name);
        buf_lenslice(&b, s->matchers[i].value);
    }
    enum status st = kv_put(d->env.kv, key_of(key, s->id), buf_as_slice(&b), err);
    buf_free(&b);
    return st;
}

static struct silence *silence_new(void)
{
    struct arena *a = arena_new(0);
    struct silence *s = arena_new_of(a, struct silence);
    s->arena = a;
    return s;
}

static void keep(struct dispatch *d, struct silence *s)
{
    enum { CAP_FIRST = 16 };
    if (d->silence_count == d->silence_cap) {
        d->silence_cap = d->silence_cap ? d->silence_cap * 2 : CAP_FIRST;
        d->silences = mem_realloc(d->silences, d->silence_cap * sizeof(struct silence *));
    }
    d->silences[d->silence_count++] = s;
}

static enum status load_one(struct dispatch *d, struct slice value, struct err *err)
{
    struct reader r = reader_of(value);
    if (read_u8(&r) != SILENCE_VERSION)
        return err_set(err, ST_CORRUPT, "a silence is of an unknown version");
    struct silence *s = silence_new();
    s->id = arena_copy(s->arena, read_lenslice(&r));
    s->created_by = arena_copy(s->arena, read_lenslice(&r));
    s->comment = arena_copy(s->arena, read_lenslice(&r));
    s->starts_ns = read_zigzag(&r);
    s->ends_ns = read_zigzag(&r);
    s->updated_ns = read_zigzag(&r);
    uint64_t count = read_varint(&r);
    enum status st = r.bad || count > SELECTOR_MATCHERS_MAX ? err_set(err, ST_CORRUPT, "a silence is damaged") : ST_OK;
    s->matchers = st ? NULL : arena_zalloc(s->arena, count * sizeof *s->matchers + 1);
    for (uint64_t i = 0; !st && i < count; i++) {
        uint8_t op = read_u8(&r);
        struct slice name = arena_copy(s->arena, read_lenslice(&r)), text = arena_copy(s->arena, read_lenslice(&r));
        st = r.bad || op > MATCH_NRE ? err_set(err, ST_CORRUPT, "a silence is damaged")
                                     : matcher_init(&s->matchers[i], (enum match_op)op, name, text, err);
        s->matcher_count += !st;
    }
    if (st)
        silence_free(s);
    else
        keep(d, s);
    return st;
}

enum status silences_load(struct dispatch *d, struct err *err)
{
    struct arena *a = arena_new(0);
    struct kv_pair *list;
    size_t count;
    struct err why;
    enum status st = kv_list(d->env.kv, KEY_PREFIX, a, &list, &count, err);
    for (size_t i = 0; !st && i < count; i++)
        if (load_one(d, list[i].value, &why))
            log_line(d->env.log, LOG_ERROR, "a silence cannot be read and is left out", "key=\"%.*s\" error=\"%s\"", SLICE_FMT(list[i].key),
                     why.text);
    arena_free(a);
    return st;
}

void silences_sweep(struct dispatch *d, int64_t now_ns)
{
    size_t kept = 0;
    char key[KEY_BYTES_MAX];
    struct err err;
    for (size_t i = 0; i < d->silence_count; i++) {
        struct silence *s = d->silences[i];
        if (now_ns < sat_add(s->ends_ns, SILENCE_KEPT_NS) || kv_delete(d->env.kv, key_of(key, s->id), &err))
            d->silences[kept++] = s;
        else
            silence_free(s);
    }
    d->silence_count = kept;
}

/* ---- what people do ---- */

static struct silence *find(const struct dispatch *d, struct slice id)
{
    for (size_t i = 0; i < d->silence_count; i++)
        if (slice_eq(d->silences[i]->id, id))
            return d->silences[i];
    return NULL;
}

static struct slice uuid(struct arena *a)
{
    uint8_t b[UUID_BYTES];
    sys_random(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    return arena_printf(a, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7],
                        b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static enum status check(const struct silence_put *p, int64_t now_ns, struct err *err)
{
    bool all_empty = true;
    if (p->matcher_count == 0 || p->matcher_count > SELECTOR_MATCHERS_MAX)
        return err_set(err, ST_INVALID, "a silence has 1 to %d matchers, found %zu", SELECTOR_MATCHERS_MAX, p->matcher_count);
    if (p->starts_ns <= 0 || p->ends_ns <= p->starts_ns)
        return err_set(err, ST_INVALID, "a silence's end must be after its start");
    if (p->ends_ns <= now_ns)
        return err_set(err, ST_INVALID, "a silence's end must not be in the past");
    if (p->comment.len > TEXT_BYTES_MAX || p->created_by.len > TEXT_BYTES_MAX)
        return err_set(err, ST_LIMIT, "a silence's comment and author have at most %d bytes each", TEXT_BYTES_MAX);
    for (size_t i = 0; i < p->matcher_count; i++) {
        if (p->matchers[i].name.len == 0)
            return err_set(err, ST_INVALID, "a silence's matcher has no name");
        struct matcher m;
        enum status st = matcher_init(&m, p->matchers[i].op, p->matchers[i].name, p->matchers[i].value, err);
        if (st)
            return st;
        all_empty = all_empty && matcher_matches_empty(&m);
        matcher_destroy(&m);
    }
    return all_empty ? err_set(err, ST_INVALID, "at least one matcher of a silence must not match the empty text") : ST_OK;
}

static bool same_matchers(const struct silence *s, const struct silence_put *p)
{
    bool same = s->matcher_count == p->matcher_count;
    for (size_t i = 0; same && i < s->matcher_count; i++)
        same = s->matchers[i].op == p->matchers[i].op && slice_eq(s->matchers[i].name, p->matchers[i].name) &&
               slice_eq(s->matchers[i].value, p->matchers[i].value);
    return same;
}

/* Alertmanager's rule: the same silence goes on when only its end, comment or (of one not yet begun) start changes; otherwise
 * the old one ends and a new one begins. Starts are told in milliseconds, so the same second is the same start. */
static enum status replace(struct dispatch *d, struct silence *old, struct silence *fresh, const struct silence_put *p, int64_t now_ns,
                           struct err *err)
{
    bool goes_on = old && now_ns < old->ends_ns && same_matchers(old, p) &&
                   (now_ns < old->starts_ns || p->starts_ns / NS_S == old->starts_ns / NS_S);
    if (!goes_on && d->silence_count >= SILENCES_MAX)
        return err_set(err, ST_LIMIT, "there are %d silences, which is the limit", SILENCES_MAX);
    fresh->id = goes_on ? arena_copy(fresh->arena, old->id) : uuid(fresh->arena);
    if (!goes_on)
        fresh->starts_ns = MAX(fresh->starts_ns, now_ns);
    enum status st = save(d, fresh, err);
    if (st || old == NULL)
        return st;
    if (goes_on) {
        for (size_t i = 0; i < d->silence_count; i++)
            if (d->silences[i] == old)
                d->silences[i] = d->silences[--d->silence_count];
        silence_free(old);
        return ST_OK;
    }
    if (now_ns < old->ends_ns) {
        old->starts_ns = MIN(old->starts_ns, now_ns);
        old->ends_ns = old->updated_ns = now_ns;
        st = save(d, old, err);
    }
    return st;
}

enum status dispatch_silence_put(struct dispatch *d, const struct silence_put *p, struct arena *a, struct slice *id, struct err *err)
{
    int64_t now_ns = clock_wall_ns(d->env.clock);
    enum status st = check(p, now_ns, err);
    if (st)
        return st;
    mutex_lock(&d->lock);
    struct silence *old = p->id.len ? find(d, p->id) : NULL;
    if (p->id.len && old == NULL)
        st = err_set(err, ST_NOT_FOUND, "there is no silence %.*s", SLICE_FMT(utf8_cut(p->id, 64)));
    if (!st) {
        struct silence *s = silence_new();
        s->created_by = arena_copy(s->arena, p->created_by);
        s->comment = arena_copy(s->arena, p->comment);
        s->starts_ns = p->starts_ns;
        s->ends_ns = p->ends_ns;
        s->updated_ns = now_ns;
        s->matchers = arena_zalloc(s->arena, p->matcher_count * sizeof *s->matchers);
        for (size_t i = 0; !st && i < p->matcher_count; i++, s->matcher_count += !st)
            st = matcher_init(&s->matchers[i], p->matchers[i].op, arena_copy(s->arena, p->matchers[i].name),
                              arena_copy(s->arena, p->matchers[i].value), err);
        if (!st)
            st = replace(d, old, s, p, now_ns, err);
        if (st) {
            silence_free(s);
        } else {
            keep(d, s);
            *id = arena_copy(a, s->id);
        }
    }
    cond_signal(&d->wake);
    mutex_unlock(&d->lock);
    return st;
}

enum status dispatch_silence_expire(struct dispatch *d, struct slice id, struct err *err)
{
    int64_t now_ns = clock_wall_ns(d->env.clock);
    enum status st = ST_OK;
    mutex_lock(&d->lock);
    struct silence *s = find(d, id);
    if (s == NULL)
        st = err_set(err, ST_NOT_FOUND, "there is no silence %.*s", SLICE_FMT(utf8_cut(id, 64)));
    else if (now_ns >= s->ends_ns)
        st = err_set(err, ST_INVALID, "silence %.*s has already expired", SLICE_FMT(s->id));
    if (!st) {
        int64_t starts_ns = s->starts_ns, ends_ns = s->ends_ns;
        s->starts_ns = MIN(s->starts_ns, now_ns);
        s->ends_ns = s->updated_ns = now_ns;
        st = save(d, s, err);
        if (st) {
            s->starts_ns = starts_ns;
            s->ends_ns = ends_ns;
        }
    }
    cond_signal(&d->wake);
    mutex_unlock(&d->lock);
    return st;
}
