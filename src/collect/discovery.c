/* SPDX-License-Identifier: Apache-2.0 */
/* A source is a file, a URL, a few names of DNS or a Kubernetes API server, with the last text that was good; groups are made from
 * these texts when they are asked for.
 *
 * (1) A text becomes a source's only after it parsed: a half-written file changes nothing.
 * (2) A file that is gone takes its targets along; a server that does not answer does not.
 *
 * Files and answers of http_sd, JSON too, are read by the YAML reader, of which JSON is a part: it tells lines. Texts that we
 * made ourselves (sd.h) are read as JSON, which is faster and takes more. How each source does is under a lock, for others
 * ask. */
#include "collect/discovery.h"

#include "collect/files.h"
#include "collect/scrape_http.h"
#include "collect/sd.h"
#include "sys/thread.h"

enum { SOURCE_BYTES_MAX = 16 * MIB, SOURCES_MAX = 10 * 1000 };
#define HTTP_TIMEOUT_NS (10 * NS_S)

struct source {
    enum discovery_kind kind;
    struct slice name;                      /* path, URL or what is asked for; ours */
    const struct http_sd *http;             /* of each kind its own */
    const struct dns_sd *dns;
    const struct kubernetes_sd *kubernetes;
    struct sd_kubernetes *watch;            /* NULL: it did not start yet */
    struct buf good;
    uint64_t bad_hash;                      /* of the text or the error that was complained about last */
    int64_t next_ns;                        /* but files */
    bool seen;
    struct discovery_state state;           /* under the lock */
    char error[DISCOVERY_ERROR_BYTES_MAX + 1];
};

struct discovery {
    const struct collect_env *env;
    const struct scrape_job *job;
    struct mutex lock; /* sources' place in memory, and the state of each; written by the thread that polls */
    struct source *sources;
    size_t count, cap;
};

const char *discovery_kind_name(enum discovery_kind kind)
{
    static const char *const names[DISCOVERY_KINDS] = { "file", "http", "dns", "kubernetes" };
    return names[kind];
}

static struct source *source_add(struct discovery *d, enum discovery_kind kind, struct slice name)
{
    mutex_lock(&d->lock);
    if (d->count == d->cap) {
        d->cap = d->cap ? 2 * d->cap : 8;
        d->sources = mem_realloc(d->sources, d->cap * sizeof *d->sources);
    }
    struct source *s = &d->sources[d->count++];
    char *own = mem_alloc(name.len + 1);
    memcpy(own, name.ptr, name.len);
    own[name.len] = 0;
    *s = (struct source){ .kind = kind, .name = slice_of(own, name.len) };
    buf_init(&s->good, 0);
    mutex_unlock(&d->lock);
    return s;
}

static void source_end(struct source *s)
{
    sd_kubernetes_stop(s->watch);
    mem_free((char *)(uintptr_t)s->name.ptr);
    buf_free(&s->good);
}

struct discovery *discovery_new(const struct collect_env *env, const struct scrape_job *job)
{
    struct discovery *d = mem_new(struct discovery);
    d->env = env;
    d->job = job;
    mutex_init(&d->lock);
    for (size_t i = 0; i < job->http_sd_count; i++)
        source_add(d, DISCOVERY_HTTP, job->http_sds[i].url)->http = &job->http_sds[i];
    for (size_t i = 0; i < job->dns_sd_count; i++)
        source_add(d, DISCOVERY_DNS, job->dns_sds[i].names[0])->dns = &job->dns_sds[i];
    for (size_t i = 0; i < job->kubernetes_sd_count; i++) {
        const struct kubernetes_sd *sd = &job->kubernetes_sds[i];
        struct source *s = source_add(d, DISCOVERY_KUBERNETES, sd->url.len ? sd->url : sd->kubeconfig);
        s->kubernetes = sd;
        if (sd_kubernetes_start(&s->watch, env, sd, NULL))
            s->watch = NULL; /* tried again at each poll, which tells why */
    }
    return d;
}

void discovery_free(struct discovery *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->count; i++)
        source_end(&d->sources[i]);
    mutex_destroy(&d->lock);
    mem_free(d->sources);
    mem_free(d);
}

static enum status parse(struct arena *a, const struct source *s, struct slice text, struct target_group **out, size_t *count, struct err *err)
{
    struct yaml_node *root;
    *out = NULL;
    *count = 0;
    if (s->dns || s->kubernetes)
        return sd_groups_read(a, text, out, count, err);
    enum status st = yaml_parse(a, s->name, text, &root, err);
    return st ? st : target_groups_read(a, root, out, count, err);
}

/* A look at the source is over; err NULL: it went well. */
static void note(struct discovery *d, struct source *s, const struct err *err)
{
    size_t n = err ? MIN(slice_str(err->text).len, (size_t)DISCOVERY_ERROR_BYTES_MAX) : 0;
    mutex_lock(&d->lock);
    s->state.refreshes++;
    s->state.failures += err != NULL;
    if (n)
        memcpy(s->error, err->text, n);
    s->error[n] = 0;
    s->state.looked_ns = clock_wall_ns(d->env->clock);
    mutex_unlock(&d->lock);
}

/* Once for each text or error that is wrong. */
static void complain(struct discovery *d, struct source *s, struct slice what, const struct err *err)
{
    note(d, s, err);
    uint64_t hash = hash64(what, 0);
    if (hash != s->bad_hash)
        log_line(d->env->log, LOG_WARNING, "targets cannot be read; the last good ones stay", "job=\"%.*s\" source=\"%.*s\" error=\"%s\"",
                 SLICE_FMT(d->job->name), SLICE_FMT(s->name), err->text);
    s->bad_hash = hash;
}

/* True when text is new and good. */
static bool source_take(struct discovery *d, struct source *s, struct slice text)
{
    struct target_group *groups;
    struct err err;
    size_t count;
    if (slice_eq(text, buf_as_slice(&s->good))) {
        note(d, s, NULL);
        return false;
    }
    struct arena *a = arena_new(0);
    enum status st = parse(a, s, text, &groups, &count, &err);
    arena_free(a);
    if (st) {
        complain(d, s, text, &err);
        return false;
    }
    buf_reset(&s->good);
    buf_slice(&s->good, text);
    note(d, s, NULL);
    mutex_lock(&d->lock);
    s->state.updates++;
    mutex_unlock(&d->lock);
    return true;
}

static struct source *file_source(struct discovery *d, struct slice path)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->sources[i].kind == DISCOVERY_FILE && slice_eq(d->sources[i].name, path))
            return &d->sources[i];
    return d->count < SOURCES_MAX ? source_add(d, DISCOVERY_FILE, path) : NULL;
}

static bool poll_file(struct discovery *d, struct slice path)
{
    struct buf text;
    struct err err;
    bool changed = false;
    struct source *s = file_source(d, path);
    if (s == NULL)
        return false;
    s->seen = true;
    buf_init(&text, 0);
    if (fs_read_all(d->env->fs, path.ptr, SOURCE_BYTES_MAX, &text, &err) == ST_OK)
        changed = source_take(d, s, buf_as_slice(&text));
    else
        complain(d, s, slice_str(err.text), &err);
    buf_free(&text);
    return changed;
}

static bool poll_files(struct discovery *d)
{
    bool changed = false;
    if (d->job->file_sd_count == 0)
        return false;
    struct arena *a = arena_new(0);
    struct file_list list = { 0 };
    for (size_t i = 0; i < d->job->file_sd_count; i++)
        for (size_t k = 0; k < d->job->file_sds[i].file_count; k++)
            files_glob(d->env->fs, a, d->job->file_sds[i].files[k], &list);
    for (size_t i = 0; i < d->count; i++)
        d->sources[i].seen = d->sources[i].kind != DISCOVERY_FILE;
    for (size_t i = 0; i < list.count; i++)
        changed |= poll_file(d, list.paths[i]);
    size_t kept = 0;
    mutex_lock(&d->lock);
    for (size_t i = 0; i < d->count; i++) {
        if (d->sources[i].seen) {
            d->sources[kept++] = d->sources[i];
        } else {
            changed = true;
            source_end(&d->sources[i]);
        }
    }
    d->count = kept;
    mutex_unlock(&d->lock);
    arena_free(a);
    return changed;
}

static enum status ask_http(struct discovery *d, const struct http_sd *http, struct buf *out, struct err *err)
{
    struct arena *a = arena_new(0);
    struct client_response resp;
    struct scrape_get get = { .url = http->url, .accept = SLICE("application/json"), .timeout_ns = HTTP_TIMEOUT_NS, .bytes_max = SOURCE_BYTES_MAX,
                              .compression = true };
    enum status st = scrape_http_get(d->env, &http->http, &get, a, &resp, err);
    if (!st)
        buf_slice(out, buf_as_slice(&resp.body));
    buf_free(&resp.body);
    arena_free(a);
    return st;
}

/* What the watches told since; their own errors, too. */
static bool poll_kubernetes(struct discovery *d, struct source *s)
{
    bool is_new = false, changed = false;
    struct sd_kubernetes *watch = s->watch;
    struct buf text;
    struct err err;
    enum status st = watch ? ST_OK : sd_kubernetes_start(&watch, d->env, s->kubernetes, &err);
    if (st) {
        complain(d, s, slice_str(err.text), &err);
        return false;
    }
    mutex_lock(&d->lock);
    s->watch = watch;
    mutex_unlock(&d->lock);
    buf_init(&text, SD_BYTES_MAX);
    st = sd_kubernetes_poll(watch, &text, &is_new, &err);
    if (is_new && buf_over(&text))
        st = err_set(&err, ST_LIMIT, "the targets have over %d bytes as JSON", SD_BYTES_MAX);
    else if (is_new)
        changed = source_take(d, s, buf_as_slice(&text));
    if (st)
        complain(d, s, slice_str(err.text), &err);
    else if (!is_new)
        note(d, s, NULL);
    buf_free(&text);
    return changed;
}

/* Asks a server when its time has come. */
static bool poll_server(struct discovery *d, struct source *s)
{
    int64_t now_ns = clock_mono_ns(d->env->clock);
    struct buf text;
    struct err err;
    bool changed = false;
    if (now_ns < s->next_ns)
        return false;
    s->next_ns = now_ns + (s->http ? s->http->refresh_ns : s->dns->refresh_ns);
    buf_init(&text, SD_BYTES_MAX);
    enum status st = s->http ? ask_http(d, s->http, &text, &err) : sd_dns_look(s->dns, &text, &err);
    if (!st && buf_over(&text))
        st = err_set(&err, ST_LIMIT, "the targets have over %d bytes as JSON", SD_BYTES_MAX);
    if (st == ST_OK)
        changed = source_take(d, s, buf_as_slice(&text));
    else if (st != ST_CANCELLED) /* that is: we end */
        complain(d, s, slice_str(err.text), &err);
    buf_free(&text);
    return changed;
}

bool discovery_poll(struct discovery *d, bool with_http)
{
    bool changed = poll_files(d);
    for (size_t i = 0; with_http && i < d->count; i++)
        if (d->sources[i].kind != DISCOVERY_FILE)
            changed |= d->sources[i].kubernetes ? poll_kubernetes(d, &d->sources[i]) : poll_server(d, &d->sources[i]);
    return changed;
}

/* __meta_filepath and __meta_url, as Prometheus names them; the group's own labels stay in front. */
static void add_meta(struct arena *a, const struct source *s, struct target_group *g)
{
    if (s->dns || s->kubernetes)
        return;
    struct label *list = arena_array(a, struct label, g->label_count + 1);
    if (g->label_count)
        memcpy(list, g->labels, g->label_count * sizeof *list);
    list[g->label_count++] = (struct label){ s->http ? SLICE("__meta_url") : SLICE("__meta_filepath"), arena_copy(a, s->name) };
    g->labels = list;
}

void discovery_groups(struct discovery *d, struct arena *a, struct target_group **out, size_t *count)
{
    size_t cap = d->job->group_count + 1, n = d->job->group_count;
    struct target_group *all = arena_array(a, struct target_group, cap);
    if (n)
        memcpy(all, d->job->groups, n * sizeof *all);
    for (size_t i = 0; i < d->count; i++) {
        struct target_group *groups;
        size_t found;
        struct source *s = &d->sources[i];
        if (s->good.len == 0 || parse(a, s, buf_as_slice(&s->good), &groups, &found, NULL))
            continue;
        for (size_t k = 0; k < found; k++) {
            add_meta(a, s, &groups[k]);
            ARENA_PUSH(a, all, n, cap) = groups[k];
        }
    }
    *out = all;
    *count = n;
}

void discovery_states(struct discovery *d, struct arena *a, struct discovery_state **list, size_t *count, size_t *cap)
{
    mutex_lock(&d->lock);
    for (size_t i = 0; i < d->count; i++) {
        const struct source *s = &d->sources[i];
        struct discovery_state state = s->state;
        state.kind = s->kind;
        if (s->watch) {
            sd_kubernetes_counts(s->watch, &state.watch);
            state.refreshes = state.watch.lists;
            state.failures = state.watch.failures;
        }
        state.job = d->job->name;
        state.source = arena_copy(a, s->name);
        state.error = arena_copy(a, slice_str(s->error));
        ARENA_PUSH(a, *list, *count, *cap) = state;
    }
    mutex_unlock(&d->lock);
}
