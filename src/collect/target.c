/* SPDX-License-Identifier: Apache-2.0 */
/* Everything about a target is a label before relabelling, so rules may change any of it: __address__, __scheme__,
 * __metrics_path__, __param_<name>, __scrape_interval__, __scrape_timeout__. Afterwards labels with two leading underscores
 * go, and instance becomes the address unless something set it. */
#include "collect/target.h"

#include "base/date.h"
#include "codec/url.h"

#define PARAM_PREFIX SLICE("__param_")

static void set_default(struct label_list *l, struct slice name, struct slice value)
{
    if (!label_list_has(l, name))
        label_list_set(l, name, value);
}

static struct slice duration_text(struct arena *a, int64_t ns)
{
    char text[DURATION_TEXT_BYTES_MAX];
    return arena_copy(a, slice_of(text, duration_format_prom(ns / NS_MS, text)));
}

static void put_discovered(struct label_list *l, const struct scrape_job *job, const struct target_group *group, struct slice address)
{
    struct arena *a = l->arena;
    label_list_set(l, SLICE("__address__"), address);
    for (size_t i = 0; i < group->label_count; i++)
        set_default(l, group->labels[i].name, group->labels[i].value);
    set_default(l, SLICE("job"), job->name);
    set_default(l, SLICE("__scrape_interval__"), duration_text(a, job->interval_ns));
    set_default(l, SLICE("__scrape_timeout__"), duration_text(a, job->timeout_ns));
    set_default(l, SLICE("__metrics_path__"), job->path);
    set_default(l, SLICE("__scheme__"), job->scheme);
    for (size_t i = 0; i < job->param_count; i++)
        if (job->params[i].value_count)
            set_default(l, arena_printf(a, "__param_%.*s", SLICE_FMT(job->params[i].name)), job->params[i].values[0]);
}

static void put_param(struct buf *out, struct slice name, struct slice value)
{
    buf_char(out, slice_contains(buf_as_slice(out), SLICE("?")) ? '&' : '?');
    url_encode(name, out);
    buf_char(out, '=');
    url_encode(value, out);
}

/* The first value of a parameter is what relabelling left of it; further values are the configuration's. */
static struct slice build_url(const struct label_list *l, const struct scrape_job *job)
{
    struct buf out;
    buf_init(&out, 0);
    struct slice path = label_list_get(l, SLICE("__metrics_path__"));
    buf_printf(&out, "%.*s://%.*s%s%.*s", SLICE_FMT(label_list_get(l, SLICE("__scheme__"))), SLICE_FMT(label_list_get(l, SLICE("__address__"))),
               path.len == 0 || path.ptr[0] != '/' ? "/" : "", SLICE_FMT(path));
    for (size_t i = 0; i < l->count; i++)
        if (slice_starts(l->list[i].name, PARAM_PREFIX))
            put_param(&out, slice_skip(l->list[i].name, PARAM_PREFIX.len), l->list[i].value);
    for (size_t i = 0; i < job->param_count; i++)
        for (size_t k = 1; k < job->params[i].value_count; k++)
            put_param(&out, job->params[i].name, job->params[i].values[k]);
    struct slice url = arena_copy(l->arena, buf_as_slice(&out));
    buf_free(&out);
    return url;
}

static enum status take_time(const struct label_list *l, struct slice name, int64_t *out_ns, struct err *err)
{
    struct slice text = label_list_get(l, name);
    int64_t ms;
    if (!duration_parse_prom(text, &ms) || ms <= 0)
        return err_set(err, ST_INVALID, "%.*s: found \"%.*s\", expected a duration above 0", SLICE_FMT(name), SLICE_FMT(slice_sub(text, 0, 60)));
    *out_ns = ms * NS_MS;
    return ST_OK;
}

static enum status check(const struct label_list *l, struct target_spec *out, struct err *err)
{
    struct slice address = label_list_get(l, SLICE("__address__")), scheme = label_list_get(l, SLICE("__scheme__"));
    if (address.len == 0)
        return err_set(err, ST_INVALID, "a target has no address");
    if (slice_contains(address, SLICE("/")))
        return err_set(err, ST_INVALID, "target \"%.*s\" is no host:port", SLICE_FMT(slice_sub(address, 0, 100)));
    if (!slice_eq_nocase(scheme, SLICE("http")) && !slice_eq_nocase(scheme, SLICE("https")))
        return err_set(err, ST_INVALID, "target %.*s: scheme \"%.*s\", allowed are http and https", SLICE_FMT(address),
                       SLICE_FMT(slice_sub(scheme, 0, 60)));
    enum status st = take_time(l, SLICE("__scrape_interval__"), &out->interval_ns, err);
    if (!st)
        st = take_time(l, SLICE("__scrape_timeout__"), &out->timeout_ns, err);
    if (!st && out->timeout_ns > out->interval_ns)
        return err_set(err, ST_INVALID, "target %.*s: the timeout is longer than the interval", SLICE_FMT(address));
    return st;
}

enum status target_build(struct arena *a, const struct scrape_job *job, const struct relabel *rules, const struct target_group *group,
                         struct slice address, struct target_spec *out, bool *dropped, struct err *err)
{
    struct label_list l = label_list_new(a);
    *out = (struct target_spec){ .labels = SLICE_EMPTY, .url = SLICE_EMPTY };
    put_discovered(&l, job, group, address);
    struct label *copy = arena_array(a, struct label, l.count);
    memcpy(copy, l.list, l.count * sizeof *copy);
    out->discovered = labels_build_wide(a, copy, l.count);
    *dropped = !relabel_run(rules, &l);
    if (*dropped)
        return ST_OK;
    enum status st = check(&l, out, err);
    if (st)
        return st;
    out->url = build_url(&l, job);
    set_default(&l, SLICE("instance"), label_list_get(&l, SLICE("__address__")));
    size_t kept = 0;
    for (size_t i = 0; i < l.count; i++)
        if (!slice_starts(l.list[i].name, SLICE("__")))
            l.list[kept++] = l.list[i];
    return labels_build(a, l.list, kept, &out->labels, err);
}
