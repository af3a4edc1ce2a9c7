/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes: each kind that a role needs is listed once, in pages, and watched from there on, in each namespace asked for: by
 * streams, which need no thread of their own. One thread of this configuration steps through them when something came. Targets
 * are made by who asks for them, of all objects at once, and only when one of them changed. */
#include "collect/sd_kubernetes_stream.h"

#define FIRST_WAIT_NS  (60 * NS_S)
#define NAMESPACE_FILE "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

/* Until something comes or a stream's time has come. False: we stop. */
static bool wait(struct sd_kubernetes *k)
{
    int64_t now_ns = clock_mono_ns(k->env->clock), due_ns = now_ns + KUBERNETES_BACKOFF_MAX_NS;
    for (size_t i = 0; i < k->count; i++)
        if (k->streams[i].state == STREAM_WAITS)
            due_ns = MIN(due_ns, k->streams[i].due_ns);
    mutex_lock(&k->lock);
    if (!k->woken && !k->stopping && due_ns > now_ns)
        (void)cond_wait_ns(&k->wake, &k->lock, due_ns - now_ns);
    k->woken = false;
    bool stopping = k->stopping;
    mutex_unlock(&k->lock);
    return !stopping;
}

static void kubernetes_main(void *arg)
{
    struct sd_kubernetes *k = arg;
    while (wait(k))
        for (size_t i = 0; i < k->count; i++)
            stream_step(&k->streams[i], clock_mono_ns(k->env->clock));
    for (size_t i = 0; i < k->count; i++)
        if (k->streams[i].transfer)
            stream_drop(&k->streams[i]);
}

/* ---- start and stop ---- */

static enum status spaces_of(struct sd_kubernetes *k, struct slice **out, size_t *count, struct err *err)
{
    const struct kubernetes_sd *sd = k->sd;
    struct buf text;
    struct slice *all = arena_array(k->a, struct slice, sd->namespace_count + 2);
    enum status st = ST_OK;
    size_t n = 0;
    buf_init(&text, 0);
    for (size_t i = 0; i <= sd->namespace_count && !st; i++) {
        struct slice name = SLICE_EMPTY;
        size_t same = 0;
        if (i < sd->namespace_count) {
            name = sd->namespaces[i];
        } else if (sd->own_namespace) {
            st = fs_read_all(k->env->fs, NAMESPACE_FILE, KIB, &text, err);
            name = st ? SLICE_EMPTY : arena_copy(k->a, slice_trim(buf_as_slice(&text)));
        }
        while (same < n && !slice_eq(all[same], name))
            same++;
        if (name.len && same == n)
            all[n++] = name;
    }
    buf_free(&text);
    *out = all;
    *count = n;
    return st;
}

static void stream_add(struct sd_kubernetes *k, enum kubernetes_kind kind, struct slice space)
{
    struct stream *s = &k->streams[k->count];
    *s = (struct stream){ .k = k, .number = (uint32_t)k->count, .kind = kind, .space = space };
    k->count++;
    buf_init(&s->version, 0);
    buf_init(&s->more, 0);
    buf_init(&s->line, 0);
    buf_init(&s->waiting, 0);
}

/* The kinds that the role needs, in each namespace. */
static enum status streams_make(struct sd_kubernetes *k, struct err *err)
{
    const struct kubernetes_sd *sd = k->sd;
    bool is_endpoints = sd->role == KUBERNETES_ENDPOINTS || sd->role == KUBERNETES_ENDPOINTSLICE;
    bool has_pods = is_endpoints || sd->role == KUBERNETES_POD;
    bool needs[KUBERNETES_KINDS] = { [KIND_NODE] = sd->attach_node && has_pods,
                                     [KIND_POD] = is_endpoints,
                                     [KIND_SERVICE] = is_endpoints,
                                     [KIND_NAMESPACE] = sd->attach_namespace && sd->role != KUBERNETES_NODE,
                                     [KIND_REPLICASET] = sd->attach_deployment && has_pods,
                                     [KIND_JOB] = sd->attach_cronjob && has_pods };
    struct slice *spaces;
    size_t n;
    enum status st = spaces_of(k, &spaces, &n, err);
    if (!st && n * KUBERNETES_KINDS > KUBERNETES_STREAMS_MAX)
        return err_set(err, ST_LIMIT, "found %zu namespaces, at most %d can be watched", n, KUBERNETES_STREAMS_MAX / KUBERNETES_KINDS);
    needs[kubernetes_role_kind(sd->role)] = true;
    k->streams = mem_zalloc((n + 1) * KUBERNETES_KINDS * sizeof *k->streams);
    for (size_t kind = 0; !st && kind < KUBERNETES_KINDS; kind++) {
        size_t count = n && kubernetes_has_namespace((enum kubernetes_kind)kind) ? n : 1;
        for (size_t i = 0; needs[kind] && i < count; i++)
            stream_add(k, (enum kubernetes_kind)kind, n && kubernetes_has_namespace((enum kubernetes_kind)kind) ? spaces[i] : SLICE_EMPTY);
    }
    return st;
}

enum status sd_kubernetes_start(struct sd_kubernetes **out, const struct collect_env *env, const struct kubernetes_sd *sd, struct err *err)
{
    struct sd_kubernetes *k = mem_new(struct sd_kubernetes);
    k->env = env;
    k->sd = sd;
    k->a = arena_new(0);
    k->store = kubernetes_store_new();
    buf_init(&k->scratch, 0);
    mutex_init(&k->lock);
    cond_init(&k->wake);
    cond_init(&k->first);
    enum status st = streams_make(k, err);
    if (!st)
        st = thread_start(&k->thread, "kubernetes-sd", kubernetes_main, k, err);
    if (st) {
        sd_kubernetes_stop(k);
        return st;
    }
    *out = k;
    return ST_OK;
}

void sd_kubernetes_stop(struct sd_kubernetes *k)
{
    if (k == NULL)
        return;
    mutex_lock(&k->lock);
    k->stopping = true;
    cond_signal(&k->wake);
    mutex_unlock(&k->lock);
    thread_join(k->thread);
    for (size_t i = 0; i < k->count; i++) {
        buf_free(&k->streams[i].version);
        buf_free(&k->streams[i].more);
        buf_free(&k->streams[i].line);
        buf_free(&k->streams[i].waiting);
    }
    buf_free(&k->scratch);
    cond_destroy(&k->wake);
    cond_destroy(&k->first);
    mutex_destroy(&k->lock);
    kubernetes_store_free(k->store);
    arena_free(k->a);
    mem_free(k->streams);
    mem_free(k);
}

/* ---- asking what was found ---- */

struct standing {
    bool all_listed, any_failed;
    const char *error; /* of the first that fails now */
};

/* The lock is held. */
static struct standing standing_of(const struct sd_kubernetes *k)
{
    struct standing now = { .all_listed = true };
    for (size_t i = 0; i < k->count; i++) {
        const struct stream *s = &k->streams[i];
        now.all_listed = now.all_listed && s->is_listed;
        now.any_failed = now.any_failed || s->has_failed;
        if (now.error == NULL && s->error[0])
            now.error = s->error;
    }
    return now;
}

enum status sd_kubernetes_poll(struct sd_kubernetes *k, struct buf *out, bool *changed, struct err *err)
{
    int64_t end_ns = clock_mono_ns(k->env->clock) + FIRST_WAIT_NS, now_ns;
    enum status st = ST_OK;
    *changed = false;
    mutex_lock(&k->lock);
    struct standing now = standing_of(k);
    while (!now.all_listed && !now.any_failed && (now_ns = clock_mono_ns(k->env->clock)) < end_ns) {
        (void)cond_wait_ns(&k->first, &k->lock, end_ns - now_ns);
        now = standing_of(k);
    }
    if (now.error)
        st = err_set(err, ST_UNAVAILABLE, "%s", now.error);
    else if (!now.all_listed)
        st = err_set(err, ST_TIMEOUT, "the first lists are not there yet");
    mutex_unlock(&k->lock);
    if (!now.all_listed || kubernetes_store_changes(k->store) + 1 == k->taken)
        return st;
    uint64_t changes;
    struct err why;
    enum status made = kubernetes_store_targets(k->store, k->sd, out, &changes, &why);
    if (made) {
        if (err)
            *err = why;
        return made;
    }
    k->taken = changes + 1;
    *changed = true;
    return st;
}

void sd_kubernetes_counts(struct sd_kubernetes *k, struct discovery_counts *out)
{
    mutex_lock(&k->lock);
    *out = k->counts;
    mutex_unlock(&k->lock);
}
