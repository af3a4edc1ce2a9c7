/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs of scraping, as the API shows them. A reload replaces the configuration: all that is given lives in the asker's arena. */
#include "base/date.h"
#include "collect/scrape_config.h"
#include "server/config_text.h"
#include "server/state.h"

static void on_list(void *arg, struct arena *a, struct scrape_pool **out, size_t *count)
{
    struct server *s = arg;
    mutex_lock(&s->reload_lock);
    scraper_pools(s->scraper, a, out, count);
    mutex_unlock(&s->reload_lock);
}

/* reload_lock held. NULL: err says that there is none. */
static const struct scrape_job *job_find(const struct server *s, struct slice name, struct err *err)
{
    const struct scrape_set *set = s->config->scrapes;
    for (size_t i = 0; i < set->job_count; i++)
        if (slice_eq(set->jobs[i].name, name))
            return &set->jobs[i];
    (void)err_set(err, ST_INVALID, "scrape pool \"%.*s\" not found", SLICE_FMT(slice_sub(name, 0, 100)));
    return NULL;
}

/* What was not written is as it is by default. */
static void put_default(struct buf *out, const struct yaml_node *n, struct slice key, struct slice value)
{
    if (yaml_get(n, key) == NULL)
        buf_printf(out, "%.*s: %.*s\n", SLICE_FMT(key), SLICE_FMT(value));
}

static void put_defaults(struct buf *out, const struct scrape_job *job)
{
    char text[DURATION_TEXT_BYTES_MAX];
    put_default(out, job->node, SLICE("scrape_interval"), slice_of(text, duration_format_prom(job->interval_ns / NS_MS, text)));
    put_default(out, job->node, SLICE("scrape_timeout"), slice_of(text, duration_format_prom(job->timeout_ns / NS_MS, text)));
    put_default(out, job->node, SLICE("metrics_path"), job->path);
    put_default(out, job->node, SLICE("scheme"), job->scheme);
    put_default(out, job->node, SLICE("honor_labels"), job->honor_labels ? SLICE("true") : SLICE("false"));
    put_default(out, job->node, SLICE("honor_timestamps"), job->honor_timestamps ? SLICE("true") : SLICE("false"));
}

static enum status on_config(void *arg, struct arena *a, struct slice pool, struct slice *yaml, struct err *err)
{
    struct server *s = arg;
    struct buf out;
    buf_init(&out, 0);
    mutex_lock(&s->reload_lock);
    const struct scrape_job *job = job_find(s, pool, err);
    if (job) {
        buf_slice(&out, config_text(a, job->node));
        put_defaults(&out, job);
    }
    mutex_unlock(&s->reload_lock);
    *yaml = arena_copy(a, buf_as_slice(&out));
    buf_free(&out);
    return job ? ST_OK : ST_INVALID;
}

static struct relabel_rule rule_copy(struct arena *a, const struct relabel_rule *from)
{
    struct relabel_rule r = *from;
    r.source = arena_array(a, struct slice, from->source_count + 1);
    for (size_t i = 0; i < from->source_count; i++)
        r.source[i] = arena_copy(a, from->source[i]);
    r.separator = arena_copy(a, from->separator);
    r.regex = arena_copy(a, from->regex);
    r.target = arena_copy(a, from->target);
    r.replacement = arena_copy(a, from->replacement);
    return r;
}

static enum status on_rules(void *arg, struct arena *a, struct slice pool, struct relabel_rule **out, size_t *count, struct err *err)
{
    struct server *s = arg;
    *count = 0;
    mutex_lock(&s->reload_lock);
    const struct scrape_job *job = job_find(s, pool, err);
    if (job) {
        *out = arena_array(a, struct relabel_rule, job->relabel_count + 1);
        while (*count < job->relabel_count) {
            (*out)[*count] = rule_copy(a, &job->relabel[*count]);
            ++*count;
        }
    }
    mutex_unlock(&s->reload_lock);
    return job ? ST_OK : ST_INVALID;
}

const struct api_pools server_pools = { .list = on_list, .config = on_config, .rules = on_rules };
