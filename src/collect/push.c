/* SPDX-License-Identifier: Apache-2.0 */
/* All groups in a map under one lock; one thread appends them each interval. A change is kept (durably) before it is seen, and
 * its samples are appended at once: nobody waits for the next round to see what was pushed.
 *
 * A push over a limit of the firewall is refused whole: half a group would be seen as if the other half had gone. What is kept
 * is known, and never judged again.
 *
 * Times of samples rise strictly from round to round, so that a marker of an end is never met by an older value at its time. */
#include "collect/push.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/map.h"
#include "codec/hex.h"
#include "codec/url.h"
#include "collect/push_group.h"
#include "pipeline/firewall.h"
#include "sys/thread.h"

enum { KEY_TEXT_BYTES = 32, BATCH_ARENA_BYTES_MAX = 512 * MIB, ROUND_ROWS_MAX = 200 * 1000 /* of one batch */ };

struct push {
    struct push_env env;
    struct mutex lock;
    struct cond wake;
    struct map groups; /* name -> struct push_group *, which holds the name */
    size_t series, bytes;
    int64_t last_ms;
    bool stopping;
    struct thread *thread;
    uint64_t pushes, failures;
    atomic_uint_fast64_t append_failures;
};

/* ---- the grouping key ---- */

static enum status value_decode(struct arena *a, struct slice name, struct slice text, bool is_base64, struct slice *out, struct err *err)
{
    struct buf plain;
    enum status st = url_decode(a, text, false, out, err);
    if (st || !is_base64)
        return st;
    if (slice_eq(*out, SLICE("="))) { /* Pushgateway's way to say "empty" */
        *out = SLICE_EMPTY;
        return ST_OK;
    }
    buf_init(&plain, LABEL_VALUE_BYTES_MAX);
    if (!base64_decode(*out, &plain) || buf_over(&plain))
        st = err_set(err, ST_INVALID, "grouping key: the value of %.*s@base64, \"%.*s\", is no base64", SLICE_FMT(name),
                     SLICE_FMT(slice_sub(*out, 0, 80)));
    else
        *out = arena_copy(a, buf_as_slice(&plain));
    buf_free(&plain);
    return st;
}

static enum status pair_parse(struct arena *a, struct slice name, struct slice value, struct label *out, struct err *err)
{
    bool is_base64 = slice_ends(name, SLICE("@base64"));
    if (is_base64)
        name.len -= SLICE("@base64").len;
    enum status st = url_decode(a, name, false, &out->name, err);
    if (!st && (!label_name_is_legacy(out->name) || slice_starts(out->name, SLICE("__"))))
        return err_set(err, ST_INVALID, "grouping key: \"%.*s\" is no label name", SLICE_FMT(slice_sub(out->name, 0, 80)));
    return st ? st : value_decode(a, out->name, value, is_base64, &out->value, err);
}

enum status push_key_parse(struct arena *a, struct slice path, struct slice *labels, struct err *err)
{
    struct label list[PUSH_KEY_LABELS_MAX];
    size_t n = 0;
    bool more = path.len > 0;
    while (more) {
        struct slice name, value, rest;
        if (!slice_cut(path, '/', &name, &rest))
            return err_set(err, ST_INVALID, "grouping key: label \"%.*s\" has no value; the path is /metrics/job/NAME{/LABEL/VALUE}",
                           SLICE_FMT(slice_sub(name, 0, 80)));
        more = slice_cut(rest, '/', &value, &path);
        if (n == PUSH_KEY_LABELS_MAX)
            return err_set(err, ST_LIMIT, "grouping key: more than %d labels", PUSH_KEY_LABELS_MAX);
        enum status st = pair_parse(a, name, value, &list[n], err);
        if (st)
            return st;
        n++;
    }
    if (n == 0 || !slice_eq(list[0].name, SLICE("job")) || list[0].value.len == 0)
        return err_set(err, ST_INVALID, "grouping key: a job name is needed; the path is /metrics/job/NAME{/LABEL/VALUE}");
    return labels_build(a, list, n, labels, err);
}

/* ---- groups ---- */

static struct push_group *group_find(struct push *p, struct slice name)
{
    uint64_t *at = map_get(&p->groups, name);
    return at ? (struct push_group *)(uintptr_t)*at : NULL;
}

/* The kept value holds tenant and key; its own key need only be one of a kind. */
static struct slice state_key(struct slice name, char text[KEY_TEXT_BYTES])
{
    struct hash128 h = hash128(name, 0);
    hex_encode(slice_of(&h, sizeof h), text);
    return slice_of(text, KEY_TEXT_BYTES);
}

/* Takes g out of what is kept in memory, and frees it. Lock held. */
static void group_forget(struct push *p, struct push_group *g)
{
    p->series -= push_group_series(g);
    p->bytes -= g->bytes;
    map_remove(&p->groups, g->name);
    push_group_free(g);
}

/* Takes g; the one before, if any, goes. Lock held. */
static void group_place(struct push *p, struct push_group *g)
{
    struct push_group *old = group_find(p, g->name);
    if (old)
        group_forget(p, old);
    *map_put(&p->groups, g->name, NULL) = (uint64_t)(uintptr_t)g;
    p->series += push_group_series(g);
    p->bytes += g->bytes;
}

/* old: whose place it takes, or NULL. */
static enum status group_keep(struct push *p, struct push_group *g, const struct push_group *old, struct err *err)
{
    char text[KEY_TEXT_BYTES];
    struct buf bytes;
    enum status st = ST_OK;
    buf_init(&bytes, PUSH_STATE_BYTES_MAX);
    push_group_save(g, &bytes);
    g->bytes = bytes.len;
    if (buf_over(&bytes))
        st = err_set(err, ST_LIMIT, "the group has over %d bytes with all its labels, no more is kept", PUSH_STATE_BYTES_MAX);
    else if (p->bytes - (old ? old->bytes : 0) + g->bytes > PUSH_BYTES_MAX)
        st = err_set(err, ST_LIMIT, "all groups would have over %d bytes, no more is kept; delete those that nobody needs", PUSH_BYTES_MAX);
    if (!st)
        st = p->env.state_put(p->env.arg, state_key(g->name, text), buf_as_slice(&bytes), err);
    buf_free(&bytes);
    return st;
}

static int64_t next_ms(struct push *p)
{
    p->last_ms = MAX(clock_wall_ms(p->env.clock), p->last_ms + 1);
    return p->last_ms;
}

static struct batch *batch_for(struct push *p, struct slice tenant)
{
    struct batch *b = batch_new(BATCH_ARENA_BYTES_MAX);
    b->tenant = arena_copy(b->arena, tenant);
    b->received_ns = clock_wall_ns(p->env.clock);
    return b;
}

/* What is kept is safe; samples that the store refuses now come with the next round. */
static void append(struct push *p, struct batch *b)
{
    struct err err;
    if (p->env.append(p->env.arg, b, &err) == ST_OK)
        return;
    atomic_fetch_add(&p->append_failures, 1);
    log_line(p->env.log, LOG_WARNING, "pushed metrics are not appended", "error=\"%s\"", err.text);
}

/* ---- push and delete ---- */

static enum status check_room(struct push *p, const struct push_group *g, const struct push_group *old, struct err *err)
{
    size_t series = p->series - (old ? push_group_series(old) : 0) + push_group_series(g);
    if (old == NULL && p->groups.count >= PUSH_GROUPS_MAX)
        return err_set(err, ST_LIMIT, "%d groups are kept, no more are allowed; delete those that nobody needs", PUSH_GROUPS_MAX);
    if (push_group_series(g) > PUSH_SERIES_PER_GROUP_MAX)
        return err_set(err, ST_LIMIT, "the group would have %zu series, at most %d are allowed", push_group_series(g), PUSH_SERIES_PER_GROUP_MAX);
    if (series > PUSH_SERIES_MAX)
        return err_set(err, ST_LIMIT, "all groups would have %zu series, at most %d are allowed", series, PUSH_SERIES_MAX);
    return ST_OK;
}

/* As Pushgateway does for pages that are well formed and do not fit: remembers that it failed, in the group as it is; a group
 * that never was is made for it. Lock held. */
static void note_failure(struct push *p, struct slice tenant, struct slice key, const struct push_group *old)
{
    struct err err;
    struct push_group *g = push_group_new(tenant, key);
    if (old) {
        push_group_inherit(g, old);
        g->pushed_ms = old->pushed_ms;
    }
    g->failed_ms = clock_wall_ms(p->env.clock);
    if (check_room(p, g, old, &err) || group_keep(p, g, old, &err)) {
        push_group_free(g);
        return;
    }
    struct batch *b = batch_for(p, tenant);
    push_group_samples(g, next_ms(p), false, b);
    group_place(p, g);
    append(p, b);
}

/* b: the samples of the push. */
static enum status check_firewall(struct push *p, struct batch *b, uint32_t *retry_s, struct err *err)
{
    struct ingest_result result = { 0 };
    result.kinds[INGEST_SAMPLES].accepted = b->sample_count;
    if (p->env.firewall == NULL || firewall_batch(p->env.firewall, b, &result) == 0)
        return ST_OK;
    *retry_s = result.retry_after_s;
    return err_set(err, ST_INVALID, "the push is refused whole: %s", result.kinds[INGEST_SAMPLES].first.text);
}

static enum status put_locked(struct push *p, struct push_group *g, struct push_group *old, bool replace_all, uint32_t *retry_s, bool *is_over,
                              struct err *err)
{
    if (old && !replace_all)
        push_group_inherit(g, old);
    g->failed_ms = old ? old->failed_ms : 0;
    g->pushed_ms = clock_wall_ms(p->env.clock);
    enum status st = check_room(p, g, old, err);
    if (st)
        return st;
    struct batch *b = batch_for(p, g->tenant);
    int64_t t_ms = next_ms(p);
    push_group_samples(g, t_ms, false, b);
    st = check_firewall(p, b, retry_s, err);
    *is_over = st != ST_OK;
    if (!st)
        st = group_keep(p, g, old, err);
    if (st) {
        batch_drop(b);
        return st;
    }
    push_group_metadata(g, b);
    if (old)
        push_group_ends(g, old, t_ms, b);
    group_place(p, g);
    p->pushes++;
    append(p, b);
    return ST_OK;
}

enum status push_put(struct push *p, const struct push_page *page, uint32_t *retry_s, struct err *err)
{
    struct push_group *g = push_group_new(page->tenant, page->key);
    bool is_page, is_over = false;
    enum status st = push_group_read(g, page->body, page->content_type, &is_page, err);
    *retry_s = 0;
    mutex_lock(&p->lock);
    struct push_group *old = group_find(p, g->name);
    if (!st)
        st = put_locked(p, g, old, page->replace_all, retry_s, &is_over, err);
    p->failures += st != ST_OK;
    if (st && is_page && (old || !is_over)) /* over a limit no group is made for it, either */
        note_failure(p, page->tenant, page->key, old);
    if (st)
        push_group_free(g);
    mutex_unlock(&p->lock);
    return st;
}

enum status push_delete(struct push *p, struct slice tenant, struct slice key, struct err *err)
{
    char text[KEY_TEXT_BYTES];
    struct push_group *asked = push_group_new(tenant, key);
    enum status st = ST_OK;
    mutex_lock(&p->lock);
    struct push_group *g = group_find(p, asked->name);
    if (g)
        st = p->env.state_delete(p->env.arg, state_key(asked->name, text), err);
    if (g && !st) {
        struct batch *b = batch_for(p, tenant);
        push_group_samples(g, next_ms(p), true, b);
        group_forget(p, g);
        append(p, b);
    }
    mutex_unlock(&p->lock);
    push_group_free(asked);
    return st;
}

/* ---- rounds ---- */

static int by_name(const void *x, const void *y)
{
    const struct push_group *const *a = x, *const *b = y;
    return slice_cmp((*a)->name, (*b)->name);
}

/* All groups as batches of one tenant each, in a. Lock held. */
static struct batch **round_build(struct push *p, struct arena *a, size_t *count)
{
    struct map_entry *e;
    size_t n = 0, batches = 0;
    int64_t t_ms = next_ms(p);
    const struct push_group **list = arena_array(a, const struct push_group *, p->groups.count + 1);
    struct batch **out = arena_array(a, struct batch *, p->groups.count + 1);
    for (size_t i = 0; (e = map_each(&p->groups, &i));)
        list[n++] = (const struct push_group *)(uintptr_t)e->value;
    qsort(list, n, sizeof *list, by_name);
    for (size_t i = 0; i < n; i++) {
        if (batches == 0 || !slice_eq(out[batches - 1]->tenant, list[i]->tenant) || batch_rows(out[batches - 1]) > ROUND_ROWS_MAX)
            out[batches++] = batch_for(p, list[i]->tenant);
        push_group_samples(list[i], t_ms, false, out[batches - 1]);
    }
    *count = batches;
    return out;
}

/* Lock held, and let go while the store works. */
static void round_run(struct push *p)
{
    size_t n;
    struct arena *a = arena_new(0);
    struct batch **batches = round_build(p, a, &n);
    mutex_unlock(&p->lock);
    for (size_t i = 0; i < n; i++)
        append(p, batches[i]);
    arena_free(a);
    mutex_lock(&p->lock);
}

static void run(void *arg)
{
    struct push *p = arg;
    mutex_lock(&p->lock);
    int64_t due = clock_mono_ns(p->env.clock) + p->env.interval_ns;
    while (!p->stopping) {
        int64_t left = due - clock_mono_ns(p->env.clock);
        if (left > 0) {
            cond_wait_ns(&p->wake, &p->lock, left);
            continue;
        }
        round_run(p);
        due = clock_mono_ns(p->env.clock) + p->env.interval_ns;
    }
    mutex_unlock(&p->lock);
}

/* ---- start, end, views ---- */

static void load_one(void *to, struct slice value)
{
    struct push *p = to;
    struct push_group *g = push_group_load(value);
    if (g)
        group_place(p, g);
    else
        log_line(p->env.log, LOG_WARNING, "a kept group of pushed metrics does not check and is left out", "bytes=%zu", value.len);
}

enum status push_new(struct push **out, const struct push_env *env, struct err *err)
{
    struct push *p = mem_new(struct push);
    p->env = *env;
    mutex_init(&p->lock);
    cond_init(&p->wake);
    map_init(&p->groups);
    enum status st = env->state_each(env->arg, load_one, p, err);
    if (st)
        push_free(p);
    else
        *out = p;
    return st;
}

enum status push_run(struct push *p, struct err *err)
{
    return thread_start(&p->thread, "push", run, p, err);
}

void push_free(struct push *p)
{
    struct map_entry *e;
    if (p == NULL)
        return;
    mutex_lock(&p->lock);
    p->stopping = true;
    cond_signal(&p->wake);
    mutex_unlock(&p->lock);
    thread_join(p->thread);
    for (size_t i = 0; (e = map_each(&p->groups, &i));)
        push_group_free((struct push_group *)(uintptr_t)e->value);
    map_free(&p->groups);
    cond_destroy(&p->wake);
    mutex_destroy(&p->lock);
    mem_free(p);
}

static int by_key(const void *x, const void *y)
{
    return labels_cmp(((const struct push_group_view *)x)->labels, ((const struct push_group_view *)y)->labels);
}

void push_groups(struct push *p, struct slice tenant, struct arena *a, struct push_group_view **out, size_t *count)
{
    struct map_entry *e;
    size_t n = 0;
    mutex_lock(&p->lock);
    struct push_group_view *list = arena_array(a, struct push_group_view, p->groups.count + 1);
    for (size_t i = 0; (e = map_each(&p->groups, &i));) {
        const struct push_group *g = (const struct push_group *)(uintptr_t)e->value;
        if (slice_eq(g->tenant, tenant))
            list[n++] = (struct push_group_view){ arena_copy(a, g->key), g->pushed_ms, g->failed_ms, g->family_count, push_group_series(g) };
    }
    mutex_unlock(&p->lock);
    qsort(list, n, sizeof *list, by_key);
    *out = list;
    *count = n;
}

void push_stats(struct push *p, struct push_stats *out)
{
    mutex_lock(&p->lock);
    *out = (struct push_stats){ p->groups.count, p->series, p->pushes, p->failures, atomic_load(&p->append_failures) };
    mutex_unlock(&p->lock);
}
