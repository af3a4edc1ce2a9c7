/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/replica.h"

#include "base/unit.h"
#include "model/exemplar.h"
#include "model/labels.h"

static void add(struct batch *b, const char *labels, double v)
{
    struct slice series;
    CHECK_INT(labels_parse(b->arena, slice_str(labels), &series, NULL), ST_OK);
    batch_series(b, series);
    batch_sample(b, 1000, v);
}

/* Two series of a replica at that second: what is left of them, and the first one's labels in *text. */
static size_t send(struct replica *r, const char *cluster, const char *name, int64_t second, char text[200])
{
    struct batch *b = batch_new(0);
    struct err err = { 0 };
    struct buf out;
    size_t dropped;
    add(b, arena_printf(b->arena, "{__name__=\"up\",cluster=\"%s\",__replica__=\"%s\"}%c", cluster, name, 0).ptr, 1);
    add(b, arena_printf(b->arena, "{__name__=\"down\",cluster=\"%s\",__replica__=\"%s\"}%c", cluster, name, 0).ptr, 2);
    const struct label labels[] = { { SLICE("trace_id"), SLICE("abc") } };
    CHECK_INT(exemplar_add(b, b->series[1].labels, labels, 1, 1, 0, &err), ST_OK);
    CHECK_INT(replica_run(r, b, second * NS_S, &dropped, &err), ST_OK);
    buf_init(&out, 0);
    if (b->series_count)
        labels_format(b->series[0].labels, &out);
    CHECK_INT(dropped, b->series_count ? 0 : 3);
    CHECK_INT(b->event_count, b->series_count ? 1 : 0);
    if (dropped == 0 && b->series_count && labels_get(b->series[0].labels, SLICE("__replica__")).len == 0)
        CHECK(labels_get(b->events[0].stream, SLICE("__replica__")).len == 0);
    memcpy(text, out.ptr ? out.ptr : "", MIN(out.len, (size_t)199));
    text[MIN(out.len, (size_t)199)] = 0;
    size_t left = b->series_count;
    buf_free(&out);
    batch_drop(b);
    return left;
}

static struct replica *tracker(size_t clusters_max)
{
    struct replica_options opt = replica_options_default();
    opt.clusters_max = clusters_max;
    return replica_new(&opt, NULL);
}

TEST(replica_that_is_heard_first_is_kept_without_its_label_and_the_other_dropped)
{
    struct replica *r = tracker(10);
    char text[200];
    CHECK_INT(send(r, "eu", "a", 100, text), 2);
    CHECK_STR(slice_str(text), "up{cluster=\"eu\"}");
    CHECK_INT(send(r, "eu", "b", 101, text), 0);
    CHECK_INT(send(r, "us", "b", 101, text), 2); /* another cluster */
    CHECK_INT(send(r, "eu", "a", 110, text), 2);
    CHECK_INT(send(r, "eu", "b", 130, text), 0);
    replica_free(r);
}

TEST(replica_silent_for_over_thirty_seconds_is_followed_by_the_next_one_heard)
{
    struct replica *r = tracker(10);
    struct arena *a = arena_new(0);
    struct replica_cluster *list;
    size_t count;
    char text[200];
    CHECK_INT(send(r, "eu", "a", 100, text), 2);
    CHECK_INT(send(r, "eu", "b", 130, text), 0);
    CHECK_INT(send(r, "eu", "b", 131, text), 2);
    CHECK_INT(send(r, "eu", "a", 132, text), 0); /* back, and not elected */
    replica_clusters(r, a, &list, &count);
    CHECK_INT(count, 1);
    CHECK(slice_eq(list[0].elected, SLICE("b")));
    CHECK_INT(list[0].failovers, 1);
    CHECK_INT(list[0].dropped, 6);
    arena_free(a);
    replica_free(r);
}

TEST(replica_labels_are_nothing_special_when_one_is_missing_or_it_is_off)
{
    struct replica_options opt = replica_options_default();
    struct replica *r = tracker(10);
    struct batch *b = batch_new(0);
    struct err err;
    size_t dropped;
    char text[200];
    add(b, "{__name__=\"up\",__replica__=\"a\"}", 1);
    CHECK_INT(replica_run(r, b, 1, &dropped, &err), ST_OK);
    CHECK(labels_get(b->series[0].labels, SLICE("__replica__")).len == 1);
    batch_drop(b);
    opt.is_on = false;
    replica_set(r, &opt);
    CHECK_INT(send(r, "eu", "a", 100, text) + 0, 2);
    replica_free(r);
}

TEST(replica_clusters_over_the_limit_are_refused_by_name)
{
    struct replica *r = tracker(1);
    struct batch *b = batch_new(0);
    struct err err = { 0 };
    size_t dropped;
    char text[200];
    CHECK_INT(send(r, "eu", "a", 100, text), 2);
    add(b, "{__name__=\"up\",cluster=\"us\",__replica__=\"a\"}", 1);
    CHECK_INT(replica_run(r, b, NS_S, &dropped, &err), ST_LIMIT);
    CHECK(slice_contains(slice_str(err.text), SLICE("\"us\"")));
    CHECK_INT(b->series_count, 1);
    batch_drop(b);
    replica_free(r);
}

/* What is kept, as lines. */
static void on_keep(void *arg, struct slice tenant, struct slice cluster, struct slice elected)
{
    buf_printf(arg, "%.*s/%.*s=%.*s\n", SLICE_FMT(tenant), SLICE_FMT(cluster), SLICE_FMT(elected));
}

TEST(elections_are_kept_and_a_restored_one_has_the_failover_time_to_speak_again)
{
    struct replica_options opt = replica_options_default();
    struct buf kept;
    buf_init(&kept, 0);
    struct replica_keeper keeper = { &kept, on_keep };
    struct replica *r = replica_new(&opt, &keeper);
    char text[200];
    replica_restore(r, SLICE("default"), SLICE("eu"), SLICE("b"), 100 * NS_S);
    CHECK_INT(send(r, "eu", "a", 101, text), 0);
    CHECK_INT(send(r, "eu", "b", 102, text), 2);
    CHECK_INT(send(r, "us", "a", 102, text), 2);
    CHECK_INT(send(r, "eu", "a", 140, text), 2);
    CHECK_STR(buf_as_slice(&kept), "default/us=a\ndefault/eu=a\n");
    replica_free(r);
    buf_free(&kept);
}

TEST(clusters_that_are_silent_for_long_make_room_and_are_forgotten)
{
    struct replica_options opt = replica_options_default();
    struct buf kept;
    opt.clusters_max = 1;
    buf_init(&kept, 0);
    struct replica_keeper keeper = { &kept, on_keep };
    struct replica *r = replica_new(&opt, &keeper);
    char text[200];
    CHECK_INT(send(r, "eu", "a", 100, text), 2);
    CHECK_INT(send(r, "us", "a", 100 + 3700, text), 2);
    CHECK_STR(buf_as_slice(&kept), "default/eu=a\ndefault/eu=\ndefault/us=a\n");
    replica_free(r);
    buf_free(&kept);
}
