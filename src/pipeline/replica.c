/* SPDX-License-Identifier: Apache-2.0 */
/* (1) A batch of a sender that knows of no replicas costs a look at its first row: external labels stand on all rows or none.
 * (2) A row with only one of the two labels is no business of ours.
 * (3) What is to be kept is noted under the lock, and kept without it. */
#include "pipeline/replica.h"

#include "base/map.h"
#include "base/utf8.h"
#include "model/labels.h"
#include "sys/thread.h"

enum { LABEL_TEXT_MAX = 128, KEY_BYTES_MAX = 2 * REPLICA_NAME_BYTES_MAX };
#define FAILOVER_DEFAULT_NS (30 * NS_S)

struct cluster {
    struct arena *arena;
    struct slice tenant, name, key, elected;
    int64_t heard_ns;
    uint64_t dropped, failovers;
    bool is_unkept;       /* (3) */
    struct cluster *next; /* of those that are forgotten */
};

struct replica {
    struct mutex lock;
    struct replica_options opt;
    char cluster_label[LABEL_TEXT_MAX], replica_label[LABEL_TEXT_MAX];
    struct map clusters; /* tenant, newline, cluster -> struct cluster * */
    struct replica_keeper keeper;
    size_t unkept;       /* clusters that are */
    struct cluster *forgotten;
    int64_t swept_ns;
};

struct replica_options replica_options_default(void)
{
    return (struct replica_options){ true, SLICE("cluster"), SLICE("__replica__"), FAILOVER_DEFAULT_NS, REPLICA_CLUSTERS_DEFAULT };
}

static struct slice text_keep(char room[LABEL_TEXT_MAX], struct slice s)
{
    size_t n = MIN(s.len, (size_t)LABEL_TEXT_MAX);
    memcpy(room, s.ptr, n);
    return slice_of(room, n);
}

static void options_keep(struct replica *r, const struct replica_options *opt)
{
    r->opt = *opt;
    r->opt.cluster_label = text_keep(r->cluster_label, opt->cluster_label);
    r->opt.replica_label = text_keep(r->replica_label, opt->replica_label);
    r->opt.clusters_max = MIN(opt->clusters_max, (size_t)REPLICA_CLUSTERS_MAX);
}

struct replica *replica_new(const struct replica_options *opt, const struct replica_keeper *keeper)
{
    struct replica *r = mem_new(struct replica);
    mutex_init(&r->lock);
    map_init(&r->clusters);
    r->keeper = keeper ? *keeper : (struct replica_keeper){ NULL, NULL };
    options_keep(r, opt);
    return r;
}

static void cluster_free(struct cluster *c)
{
    arena_free(c->arena);
    mem_free(c);
}

void replica_free(struct replica *r)
{
    struct map_entry *e;
    if (r == NULL)
        return;
    for (size_t i = 0; (e = map_each(&r->clusters, &i));)
        cluster_free((struct cluster *)(uintptr_t)e->value);
    for (struct cluster *c = r->forgotten, *next; c; c = next) {
        next = c->next;
        cluster_free(c);
    }
    map_free(&r->clusters);
    mutex_destroy(&r->lock);
    mem_free(r);
}

void replica_set(struct replica *r, const struct replica_options *opt)
{
    mutex_lock(&r->lock);
    options_keep(r, opt);
    mutex_unlock(&r->lock);
}

/* ---- election ---- */

/* The names live as long as the cluster; an arena of names only grows by elections, so it is made anew by each. */
static void elect(struct replica *r, struct cluster *c, struct slice tenant, struct slice name, struct slice replica, int64_t now_ns)
{
    struct arena *a = arena_new(0);
    c->tenant = arena_copy(a, tenant);
    c->name = arena_copy(a, name);
    c->elected = arena_copy(a, replica);
    arena_free(c->arena);
    c->arena = a;
    c->heard_ns = now_ns;
    r->unkept += !c->is_unkept;
    c->is_unkept = true;
}

/* Clusters that have long been silent make room; tried once a minute at most. Not the ones of the pass that asks: they were just heard,
 * or their elected one was within the failover time. */
static void sweep(struct replica *r, int64_t now_ns)
{
    int64_t silent_ns = MAX(r->opt.failover_ns, REPLICA_SILENT_MINUTES_MAX * 60 * NS_S);
    struct cluster *list = NULL;
    struct map_entry *e;
    if (r->swept_ns && now_ns - r->swept_ns < 60 * NS_S)
        return;
    r->swept_ns = now_ns;
    for (size_t i = 0; (e = map_each(&r->clusters, &i));) {
        struct cluster *c = (struct cluster *)(uintptr_t)e->value;
        if (c->arena && now_ns - c->heard_ns > silent_ns) {
            c->next = list;
            list = c;
        }
    }
    while (list) {
        struct cluster *c = list;
        list = c->next;
        map_remove(&r->clusters, c->key);
        r->unkept += !c->is_unkept;
        c->is_unkept = true;
        c->elected = SLICE_EMPTY;
        c->next = r->forgotten;
        r->forgotten = c;
    }
}

static enum status cluster_find(struct replica *r, struct slice tenant, struct slice name, int64_t now_ns, struct cluster **out, struct err *err)
{
    char room[KEY_BYTES_MAX];
    struct buf key;
    if (name.len > REPLICA_NAME_BYTES_MAX)
        return err_set(err, ST_LIMIT, "label %.*s has %zu bytes, at most %d are allowed in a cluster's name", SLICE_FMT(r->opt.cluster_label),
                       name.len, REPLICA_NAME_BYTES_MAX);
    buf_init(&key, sizeof room);
    buf_slice(&key, tenant);
    buf_char(&key, '\n');
    buf_slice(&key, name);
    uint64_t *at = map_get(&r->clusters, buf_as_slice(&key));
    enum status st = ST_OK;
    if (at == NULL && r->clusters.count >= r->opt.clusters_max)
        sweep(r, now_ns);
    if (at) {
        *out = (struct cluster *)(uintptr_t)*at;
    } else if (r->clusters.count >= r->opt.clusters_max) {
        st = err_set(err, ST_LIMIT, "cluster \"%.*s\": samples of %zu clusters of replicas are told apart already, which is the limit",
                     SLICE_FMT(utf8_cut(name, 60)), r->opt.clusters_max);
    } else {
        struct cluster *c = mem_alloc(sizeof *c + key.len);
        *c = (struct cluster){ .elected = SLICE_EMPTY };
        memcpy(c + 1, key.ptr, key.len);
        c->key = slice_of(c + 1, key.len);
        *map_put(&r->clusters, c->key, NULL) = (uint64_t)(uintptr_t)c;
        *out = c;
    }
    buf_free(&key);
    return st;
}

/* Whether replica is the one that is listened to. */
static enum status check(struct replica *r, struct slice tenant, struct slice cluster, struct slice replica, int64_t now_ns, struct cluster **c,
                         bool *is_elected, struct err *err)
{
    enum status st = cluster_find(r, tenant, cluster, now_ns, c, err);
    if (st)
        return st;
    if ((*c)->arena == NULL) {
        elect(r, *c, tenant, cluster, replica, now_ns);
    } else if (slice_eq((*c)->elected, replica)) {
        (*c)->heard_ns = MAX((*c)->heard_ns, now_ns);
    } else if (now_ns - (*c)->heard_ns > r->opt.failover_ns) {
        (*c)->failovers++;
        elect(r, *c, tenant, cluster, replica, now_ns);
    }
    *is_elected = slice_eq((*c)->elected, replica);
    return ST_OK;
}

/* ---- batches ---- */

/* The row before: rows of one request are of one replica, mostly. */
struct pass {
    struct replica *r;
    struct batch *b;
    int64_t now_ns;
    struct slice cluster, replica;
    struct cluster *c;
    bool is_elected, has_last;
    size_t dropped;
};

/* *keep: the row stays, with *labels. */
static enum status row_check(struct pass *p, struct slice *labels, bool *keep, size_t rows, struct err *err)
{
    const struct replica_options *o = &p->r->opt;
    struct slice cluster = labels_get(*labels, o->cluster_label), replica = labels_get(*labels, o->replica_label);
    *keep = true;
    if (cluster.len == 0 || replica.len == 0)
        return ST_OK; /* (2) */
    if (!p->has_last || !slice_eq(cluster, p->cluster) || !slice_eq(replica, p->replica)) {
        enum status st = check(p->r, p->b->tenant, cluster, replica, p->now_ns, &p->c, &p->is_elected, err);
        if (st)
            return st;
        p->cluster = cluster;
        p->replica = replica;
        p->has_last = true;
    }
    *keep = p->is_elected;
    if (*keep)
        *labels = labels_without(p->b->arena, *labels, &o->replica_label, 1);
    else
        p->c->dropped += rows;
    p->dropped += *keep ? 0 : rows;
    return ST_OK;
}

static enum status samples_check(struct pass *p, struct err *err)
{
    struct batch *b = p->b;
    size_t kept = 0, samples = 0;
    enum status st = ST_OK;
    struct batch_series *list = arena_array(b->arena, struct batch_series, b->series_count + 1);
    for (size_t i = 0; !st && i < b->series_count; i++) {
        bool keep;
        list[kept] = b->series[i];
        st = row_check(p, &list[kept].labels, &keep, list[kept].count, err);
        kept += keep;
    }
    if (st)
        return st;
    for (size_t i = 0; i < kept; i++) {
        memmove(&b->samples[samples], &b->samples[list[i].first], list[i].count * sizeof *b->samples);
        list[i].first = (uint32_t)samples;
        samples += list[i].count;
        b->series[i] = list[i];
    }
    b->series_count = kept;
    b->sample_count = samples;
    return ST_OK;
}

static enum status events_check(struct pass *p, struct err *err)
{
    struct batch *b = p->b;
    size_t kept = 0;
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < b->event_count; i++) {
        struct event e = b->events[i];
        bool keep = true;
        if (e.kind == EVENT_EXEMPLAR)
            st = row_check(p, &e.stream, &keep, 1, err);
        if (keep)
            b->events[kept++] = e;
    }
    if (!st)
        b->event_count = kept;
    return st;
}

/* ---- keeping: (3) ---- */

struct note {
    struct slice tenant, cluster, elected;
};

static void note_add(struct arena *a, struct cluster *c, struct note *list, size_t *count)
{
    list[(*count)++] = (struct note){ arena_copy(a, c->tenant), arena_copy(a, c->name), arena_copy(a, c->elected) };
    c->is_unkept = false;
}

/* Under the lock. */
static struct note *notes_take(struct replica *r, struct arena *a, size_t *count)
{
    struct map_entry *e;
    *count = 0;
    if (r->unkept == 0)
        return NULL;
    struct note *list = arena_array(a, struct note, r->unkept);
    while (r->forgotten) {
        struct cluster *c = r->forgotten;
        r->forgotten = c->next;
        note_add(a, c, list, count);
        cluster_free(c);
    }
    for (size_t i = 0; (e = map_each(&r->clusters, &i));) {
        struct cluster *c = (struct cluster *)(uintptr_t)e->value;
        if (c->is_unkept)
            note_add(a, c, list, count);
    }
    r->unkept = 0;
    return list;
}

static void notes_keep(const struct replica *r, const struct note *list, size_t count)
{
    for (size_t i = 0; r->keeper.keep && i < count; i++)
        r->keeper.keep(r->keeper.arg, list[i].tenant, list[i].cluster, list[i].elected);
}

void replica_restore(struct replica *r, struct slice tenant, struct slice cluster, struct slice elected, int64_t now_ns)
{
    struct cluster *c;
    struct err err;
    mutex_lock(&r->lock);
    if (cluster_find(r, tenant, cluster, now_ns, &c, &err) == ST_OK && c->arena == NULL) {
        elect(r, c, tenant, cluster, elected, now_ns);
        c->is_unkept = false;
        r->unkept--;
    }
    mutex_unlock(&r->lock);
}

enum status replica_run(struct replica *r, struct batch *b, int64_t now_ns, size_t *dropped, struct err *err)
{
    struct slice first = b->series_count ? b->series[0].labels : b->event_count ? b->events[0].stream : SLICE_EMPTY;
    struct pass p = { .r = r, .b = b, .now_ns = now_ns, .cluster = SLICE_EMPTY, .replica = SLICE_EMPTY };
    *dropped = 0;
    mutex_lock(&r->lock);
    bool is_ours = r->opt.is_on && labels_get(first, r->opt.replica_label).len; /* (1) */
    enum status st = is_ours ? samples_check(&p, err) : ST_OK;
    if (is_ours && !st)
        st = events_check(&p, err);
    size_t note_count;
    const struct note *notes = notes_take(r, b->arena, &note_count);
    mutex_unlock(&r->lock);
    notes_keep(r, notes, note_count);
    *dropped = p.dropped;
    if (p.dropped && batch_rows(b) == 0)
        b->metadata_count = 0; /* the elected one tells the same */
    return st;
}

void replica_clusters(struct replica *r, struct arena *a, struct replica_cluster **out, size_t *count)
{
    struct map_entry *e;
    size_t n = 0;
    mutex_lock(&r->lock);
    *out = arena_array(a, struct replica_cluster, r->clusters.count + 1);
    for (size_t i = 0; (e = map_each(&r->clusters, &i));) {
        const struct cluster *c = (const struct cluster *)(uintptr_t)e->value;
        (*out)[n++] = (struct replica_cluster){ arena_copy(a, c->tenant), arena_copy(a, c->name), arena_copy(a, c->elected), c->heard_ns, c->dropped,
                                                c->failovers };
    }
    mutex_unlock(&r->lock);
    *count = n;
}
