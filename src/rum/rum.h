/* SPDX-License-Identifier: Apache-2.0 */
/* Real users: what browsers measure of a page (web vitals) as events, and what it comes to per page, country and device.
 *
 * A browser may send the same metric of one page load several times (CLS and INP grow while the page lives); all have one id,
 * and the last one counts. */
#ifndef STOA_RUM_RUM_H
#define STOA_RUM_RUM_H

#include "base/map.h"
#include "codec/yaml.h"
#include "model/batch.h"
#include "store/engine.h"
#include "sys/log.h"

enum {
    RUM_BODY_BYTES_MAX = 256 * KIB,    /* of one post: the entries behind a metric come along, and are not kept */
    RUM_METRICS_PER_POST_MAX = 64,
    RUM_ID_BYTES_MAX = 128,
    RUM_NAVIGATION_BYTES_MAX = 32,
    RUM_PAGE_BYTES_MAX = 256,          /* longer paths are cut */
    RUM_COUNTRY_BYTES_MAX = 32,
    RUM_VALUE_MAX = 24 * 3600 * 1000,  /* a day, in milliseconds */
    RUM_POSTS_PER_SECOND_MAX = 2000,   /* over it 429: the route is open to whoever finds it */
    RUM_ORIGINS_MAX = 256,
    RUM_ROWS_MAX = 500,                /* of a report; further keys are added up as "(other)" */
    RUM_STEPS_MAX = 500,
    RUM_METRICS_PER_SECOND_MAX = 2000, /* and in all of these posts: RUM_MEASURE_WINDOW_SECONDS of them can be measured */
    RUM_PAGES_MEASURED_MAX = 50,       /* pages with series of their own: those with most loads */
    RUM_PAGES_NAMED_MAX = 500,         /* that ever get series of a tenant while we run: who posts made-up paths makes no more */
    RUM_MEASURE_SECONDS = 60,          /* how often, and */
    RUM_MEASURE_WINDOW_SECONDS = 900,  /* over which time */
    RUM_TENANTS_MAX = 64,              /* measured so */
    RUM_LOADS_MAX = 2 * 1000 * 1000    /* metrics of page loads one report looks at */
};

/* ---- the metrics ---- */

enum rum_metric { RUM_CLS, RUM_FID, RUM_INP, RUM_FCP, RUM_LCP, RUM_TTFB, RUM_METRIC_COUNT };
enum rum_rating { RUM_GOOD, RUM_NEEDS_IMPROVEMENT, RUM_POOR, RUM_RATING_COUNT };

/* https://web.dev/articles/defining-core-web-vitals-thresholds: good up to and with good, poor above poor. */
struct rum_band {
    struct slice name, unit; /* "LCP", "ms"; CLS has no unit */
    double good, poor;
};
extern const struct rum_band rum_bands[RUM_METRIC_COUNT];

bool rum_metric_parse(struct slice name, enum rum_metric *out);
enum rum_rating rum_rate(enum rum_metric m, double value);
struct slice rum_rating_name(enum rum_rating r); /* "good", "needs_improvement", "poor" */

/* ---- configuration: `rum:` ---- */

struct rum_config {
    struct slice country_header;   /* empty: countries are not known */
    const struct slice *origins;   /* of pages that may post; "*": any */
    size_t origin_count;
};
/* *out lives in a; without the key it holds nothing. */
MUST_CHECK enum status rum_config_read(struct arena *a, const struct yaml_node *root, struct rum_config **out, struct buf *warnings, struct err *err);

/* What the route needs to know between requests. Any thread. */
struct rum;
struct rum *rum_new(struct clock *clock);
void rum_free(struct rum *r); /* accepts NULL */
/* Copies c. */
void rum_configure(struct rum *r, const struct rum_config *c);
/* The header's name; lives in a; may be empty. */
struct slice rum_country_header(struct rum *r, struct arena *a);
enum rum_origin { RUM_ORIGIN_NO_LIST, RUM_ORIGIN_LISTED, RUM_ORIGIN_OTHER };
enum rum_origin rum_origin(struct rum *r, struct slice origin);
/* False: too many posts in this second. */
bool rum_may_post(struct rum *r);
/* As rum_may_post, for what a post holds: all of it or nothing. */
bool rum_may_take(struct rum *r, size_t metrics);
/* The tenant posted: it is measured from now on. */
void rum_posted(struct rum *r, struct slice tenant);

/* Each RUM_MEASURE_SECONDS what was posted becomes series, so that boards and alert rules can use it:
 * web_vitals_p75{metric,page} and web_vitals_loads{metric,page,rating}, over the last RUM_MEASURE_WINDOW_SECONDS; page "(all)" is
 * all of them. */
struct rum_env {
    struct engine *engine;
    struct log *log;
    void *arg;
    /* Takes batch. Blocks until durable. */
    enum status (*append)(void *arg, struct batch *batch, struct err *err);
};
/* Starts the thread; keeps env. rum_free ends it. */
MUST_CHECK enum status rum_run(struct rum *r, const struct rum_env *env, struct err *err);
/* The pages of one tenant that have series; further ones have none beyond RUM_PAGES_NAMED_MAX. */
struct rum_pages {
    struct map names;
    struct arena *arena;
};
void rum_pages_init(struct rum_pages *p);
void rum_pages_free(struct rum_pages *p);
/* One measurement, into b; a is scratch. */
MUST_CHECK enum status rum_measure(struct engine *e, struct engine_ctx *ctx, int64_t start_ns, int64_t end_ns, struct rum_pages *pages,
                                   struct arena *a, struct batch *b, struct err *err);

/* ---- posts ---- */

/* What a request's headers say of the visitor; borrowed. */
struct rum_visit {
    int64_t received_ns;
    struct slice referer, fetch_site /* Sec-Fetch-Site */, user_agent, mobile_hint /* Sec-CH-UA-Mobile */, country;
};

/* body: a metric as web-vitals (2 to 5) makes it, or an array of such; each becomes an event of b. ST_INVALID, ST_LIMIT name the field. */
MUST_CHECK enum status rum_decode(const struct rum_visit *v, struct slice body, struct batch *b, struct err *err);
/* "/shop/item/{id}" of "https://a.example/shop/item/4711?x=1"; lives in a. "(unknown)" when only the site is told. */
struct slice rum_page(struct arena *a, struct slice url, bool is_whole_url);
struct slice rum_device(struct slice user_agent, struct slice mobile_hint); /* "desktop", "mobile", "tablet" */

/* ---- the report ---- */

enum rum_by { RUM_BY_PAGE, RUM_BY_COUNTRY, RUM_BY_DEVICE };
bool rum_by_parse(struct slice text, enum rum_by *out);

struct rum_query {
    int64_t start_ns, end_ns, step_ns; /* [start, end); at most RUM_STEPS_MAX steps */
    enum rum_by by;
    size_t rows_max;
};
/* Appends a JSON object: {"by","all":{metrics},"rows":[{"key","loads","metrics"}],"series":[{"key","metric","points":[[t_ms,p75]]}]}. */
MUST_CHECK enum status rum_report(struct engine *e, struct engine_ctx *ctx, const struct rum_query *q, struct arena *a, struct buf *out,
                                  struct err *err);

#endif
