/* SPDX-License-Identifier: Apache-2.0 */
/* A folded counter is the sum of its lines. It must not fall when lines go while others stay (a client that forgets old ids), or
 * every rate over it would see a reset:
 *
 * (1) What a line that is gone stood at last goes into the base, which is added from then on.
 * (2) A line that falls, or a page with none of the lines before, is a process that began anew: the base is 0 again, the sum
 *     falls, and rate() takes that for the reset it is.
 * (3) A line that comes back takes its part out of the base.
 * (4) A line counts as of a page only when that page was read to its end: next becomes value then.
 *
 * Exemplars: a line is one when it is new or grew since the page before. Its time is when it was created, where the page
 * says so (*_created), else the page's. Of a histogram the smallest bucket that grew has it, with the mean of what was
 * observed since (one request observes once, so that is the observation). */
#include "collect/fold_page.h"

#include "base/map.h"
#include "model/exemplar.h"

enum { REPORT_LABELS_BYTES_MAX = 200 };
#define AGE_MAX_MS ((int64_t)EXEMPLAR_AGE_HOURS_MAX * 3600 * 1000)

/* ---- what a line is ---- */

/* A line under another family's TYPE has no type of its own. */
static bool is_of_family(struct slice name, struct slice family, bool is_whole)
{
    static const struct slice counted[] = { SLICE_INIT("_total"), SLICE_INIT("_created"), SLICE_INIT("_bucket"), SLICE_INIT("_sum"),
                                           SLICE_INIT("_count") };
    static const struct slice whole[] = { SLICE_INIT("_info"), SLICE_INIT("_created") };
    const struct slice *list = is_whole ? whole : counted;
    size_t count = is_whole ? COUNT_OF(whole) : COUNT_OF(counted);
    if (family.len == 0 || !slice_starts(name, family))
        return false;
    struct slice rest = slice_skip(name, family.len);
    bool found = rest.len == 0;
    for (size_t i = 0; i < count && !found; i++)
        found = slice_eq(rest, list[i]);
    return found;
}

struct fold_kind fold_kind_of(enum metric_type type, struct slice family, struct slice name, bool has_quantile)
{
    static const struct {
        struct slice suffix;
        enum fold_part part;
        enum fold_how how;
    } suffixes[] = {
        { SLICE_INIT("_created"), FOLD_CREATED, FOLD_OLDEST }, { SLICE_INIT("_total"), FOLD_VALUE, FOLD_SUM },
        { SLICE_INIT("_bucket"), FOLD_BUCKET, FOLD_SUM },      { SLICE_INIT("_sum"), FOLD_TOTAL_SUM, FOLD_SUM },
        { SLICE_INIT("_count"), FOLD_TOTAL_COUNT, FOLD_SUM },
    };
    struct fold_kind k = { FOLD_LAST, FOLD_VALUE, true, name };
    bool is_whole = type == METRIC_GAUGE || type == METRIC_INFO || type == METRIC_STATESET, is_family = is_of_family(name, family, is_whole);
    bool is_gauge = is_family && is_whole;
    if (is_family && type == METRIC_COUNTER)
        k.how = FOLD_SUM;
    for (size_t i = 0; i < COUNT_OF(suffixes) && !has_quantile; i++) {
        if (!slice_ends(name, suffixes[i].suffix) || (is_gauge && suffixes[i].part != FOLD_CREATED))
            continue;
        if (is_family && type == METRIC_COUNTER && suffixes[i].part != FOLD_VALUE && suffixes[i].part != FOLD_CREATED)
            continue;
        k.part = suffixes[i].part;
        k.how = suffixes[i].how;
        k.base = slice_sub(name, 0, name.len - suffixes[i].suffix.len);
    }
    bool is_histogram = is_family && (type == METRIC_HISTOGRAM || type == METRIC_GAUGEHISTOGRAM);
    k.has_exemplars = !has_quantile && k.part != FOLD_CREATED && k.part != FOLD_TOTAL_SUM && !(k.part == FOLD_TOTAL_COUNT && is_histogram);
    return k;
}

/* ---- a sample ---- */

static void series_begin(struct fold_page *p, struct fold_series *s, size_t at, bool is_first)
{
    s->round = p->round;
    s->at = at;
    /* The row may have been made by a line of this series that had no id when nothing was folded into it yet. */
    s->sum = is_first ? 0 : p->b->samples[at].v;
    s->kept_before = s->returned = 0;
    s->count = s->kept = s->ids = s->lines = 0;
    s->exemplars = s->exemplars_left = 0;
    s->decreased = false;
    s->rank = 0;
    s->chosen = s->named = NULL;
}

static void add_to_sum(struct fold_series *s, struct fold_line *line, double v, bool was_there, bool is_known)
{
    s->sum += v;
    s->count++;
    if (was_there) {
        s->kept++;
        s->kept_before += line->value;
        s->decreased |= v < line->value;
    } else if (is_known && line->round >= s->reset_round) {
        s->returned += line->value; /* (3) */
    }
}

/* The line that changed last: a later one in the page over an earlier one, as clients write new ones last. */
static void choose(struct fold_series *s, const struct fold_line *line, double v, bool changed)
{
    int rank = changed ? 2 : s->last == line ? 1 : 0;
    if (s->chosen && rank < s->rank)
        return;
    s->rank = rank;
    s->chosen = line;
    s->sum = v;
}

static void candidate_add(struct fold_page *p, struct fold_line *line, double v, double up, bool is_new, bool changed)
{
    struct fold_group *g = line->group;
    bool is_bucket = line->kind.part == FOLD_BUCKET;
    bool is_last = line->kind.how == FOLD_LAST, is_one = is_bucket ? up > 0 && g->bucket == 0 : changed && (is_new || up > 0 || is_last);
    if (!line->kind.has_exemplars || line->ids.len == 0 || !is_one)
        return;
    ARENA_PUSH(p->b->arena, p->list, p->count, p->cap) =
        (struct fold_candidate){ line, line->to, is_bucket ? line->bound : is_last ? v : up, is_new };
    if (is_bucket)
        g->bucket = p->count;
}

void fold_sample(struct fold_page *p, struct fold_line *line, double v, size_t at, bool is_first)
{
    struct fold_series *s = line->to;
    struct fold_group *g = line->group;
    if (s->round != p->round)
        series_begin(p, s, at, is_first);
    if (g->round != p->round) {
        g->round = p->round;
        g->bucket = 0;
        g->sum_up = g->count_up = 0;
        g->has_sum = false;
    }
    if (line->next_round == p->round)
        return; /* the same line twice in a page: the first counts */
    if (line->next_round && line->next_round <= s->good_round && line->next_round != s->bad_round) { /* (4) */
        line->value = line->next;
        line->round = line->next_round;
    }
    bool is_known = line->round != 0, was_there = is_known && line->round == s->good_round;
    double up = is_known && v >= line->value ? v - line->value : v;
    bool changed = !is_known || double_bits(v) != double_bits(line->value);
    line->next = v;
    line->next_round = p->round;
    s->ids += line->ids.len > 0;
    s->lines++;
    if (s->named == NULL && line->ids.len)
        s->named = line;
    if (s->how == FOLD_SUM)
        add_to_sum(s, line, v, was_there, is_known);
    else if (s->how == FOLD_LAST)
        choose(s, line, v, changed);
    else
        s->sum = s->count++ && s->sum < v ? s->sum : v;
    if (line->kind.part == FOLD_CREATED)
        g->created = v;
    if (line->kind.part == FOLD_TOTAL_SUM) {
        g->sum_up = is_known && changed ? v - line->value : v;
        g->has_sum = true;
    }
    if (line->kind.part == FOLD_TOTAL_COUNT)
        g->count_up = up;
    candidate_add(p, line, v, up, !is_known, changed);
}

/* ---- the end of a page ---- */

void fold_fail(struct fold_page *p)
{
    for (struct fold_series *s = p->all; s; s = s->next)
        if (s->round == p->round)
            s->bad_round = p->round;
}

static void series_settle(struct fold_page *p, struct fold_series *s)
{
    if (s->how == FOLD_SUM) {
        double gone = s->good_count > s->kept ? s->good_sum - s->kept_before : 0;
        bool began_anew = s->decreased || (s->good_count && s->kept == 0);
        s->base = began_anew ? 0 : MAX(s->base + gone - s->returned, 0.0);
        if (began_anew)
            s->reset_round = p->round;
    }
    s->good_sum = s->sum;
    s->good_count = s->count;
    s->good_round = p->round;
    s->last = s->chosen;
    p->b->samples[s->at].v = s->sum + (s->how == FOLD_SUM ? s->base : 0);
}

/* When the request was: 0 when it is not to be told. */
static int64_t candidate_time(const struct fold_page *p, const struct fold_candidate *c)
{
    double created_ms = c->line->group->created * 1000;
    bool has_created = c->is_new && created_ms > 0 && created_ms <= (double)p->t_ms;
    int64_t t_ms = has_created ? (int64_t)created_ms : p->t_ms;
    if (p->is_learning && c->is_new && (!has_created || t_ms <= p->before_ms))
        return 0;
    return t_ms > p->t_ms - AGE_MAX_MS ? t_ms : 0;
}

/* Whether there is room for it is asked from the page's end: the newest stay. */
static bool candidate_put(struct fold_page *p, const struct fold_candidate *c)
{
    struct label list[EXEMPLAR_LABELS_MAX];
    struct err err;
    size_t n = 0;
    double value = c->value;
    int64_t t_ms = candidate_time(p, c);
    if (t_ms == 0)
        return false;
    struct slice rest = c->line->ids;
    while (n < EXEMPLAR_LABELS_MAX && labels_next(&rest, &list[n]))
        n++;
    const struct fold_group *g = c->line->group;
    if (c->line->kind.part == FOLD_BUCKET && g->has_sum && g->count_up > 0)
        value = g->sum_up / g->count_up;
    return exemplar_add(p->b, arena_copy(p->b->arena, c->to->labels), list, n, value, t_ms * NS_MS, &err) == ST_OK;
}

static void exemplars_settle(struct fold_page *p)
{
    size_t room = MIN((size_t)FOLD_EXEMPLARS_PER_SCRAPE_MAX, BATCH_ROWS_MAX - MIN(batch_rows(p->b), (size_t)BATCH_ROWS_MAX));
    for (size_t i = p->count; i-- > 0;) {
        const struct fold_candidate *c = &p->list[i];
        bool has_room = room && c->to->exemplars < FOLD_EXEMPLARS_PER_SERIES_MAX;
        bool is_put = has_room && candidate_put(p, c);
        room -= is_put;
        c->to->exemplars += is_put;
        c->to->exemplars_left += !is_put && !p->is_learning;
    }
}

/* "a, b" with the names of the line's ids added. */
static struct slice names_add(struct arena *a, struct slice names, const struct fold_line *line)
{
    struct slice rest = line ? line->ids : SLICE_EMPTY;
    for (struct label l; labels_next(&rest, &l);)
        if (!slice_contains(names, l.name) && names.len < REPORT_LABELS_BYTES_MAX)
            names = arena_printf(a, "%.*s%s%.*s", SLICE_FMT(names), names.len ? ", " : "", SLICE_FMT(l.name));
    return names;
}

static void tell(struct fold_page *p, struct fold *f, struct slice labels)
{
    static const struct slice hows[] = { [FOLD_SUM] = SLICE_INIT("sum"), [FOLD_LAST] = SLICE_INIT("last"), [FOLD_OLDEST] = SLICE_INIT("oldest") };
    struct map index;
    struct fold_report *list = NULL;
    size_t count = 0, cap = 0;
    map_init(&index);
    for (const struct fold_series *s = p->all; s; s = s->next) {
        if (s->round != p->round || (s->is_overflow && s->ids == 0))
            continue;
        uint64_t *at = map_put(&index, labels_get(s->labels, SLICE("__name__")), NULL);
        if (*at == 0) {
            ARENA_PUSH(p->b->arena, list, count, cap) =
                (struct fold_report){ .job = labels_get(labels, SLICE("job")), .instance = labels_get(labels, SLICE("instance")),
                                      .metric = labels_get(s->labels, SLICE("__name__")), .labels = SLICE_EMPTY, .how = hows[s->how],
                                      .last_ms = p->t_ms };
            *at = count;
        }
        struct fold_report *r = &list[*at - 1];
        r->labels = names_add(p->b->arena, r->labels, s->named);
        r->series += s->ids;
        r->into++;
        r->exemplars += s->exemplars;
        r->exemplars_left += s->exemplars_left;
    }
    for (size_t i = 0; i < count; i++)
        fold_tell(f, &list[i]);
    map_free(&index);
}

void fold_settle(struct fold_page *p, struct fold *f, struct slice labels)
{
    for (struct fold_series *s = p->all; s; s = s->next)
        if (s->round == p->round)
            series_settle(p, s);
    exemplars_settle(p);
    if (f && p->all)
        tell(p, f, labels);
}
