/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions and the choice of merges.
 *
 * (1) Size-tiered: a run of parts is merged when its largest is small against the sum, so each row is rewritten about
 *     log8(parts) times while a day is hot: a day of ten-minute flushes is 144 parts, two merges deep.
 * (2) A partition gone cold is brought down to one part, unless that would rewrite a large part for a little late data:
 *     the rest must be at least a quarter of the largest.
 * (3) Rows of one request mostly fall into one day: the check is one comparison a row then. */
#include "store/partition.h"

#include "base/num.h"
#include "store/store.h"

#define FUTURE_NS_MAX (86400 * NS_S)
#define NS_PER_MS 1000000

int64_t partition_start(int64_t t_ns)
{
    int64_t day = t_ns / PARTITION_NS - (t_ns % PARTITION_NS < 0);
    return day * PARTITION_NS;
}

struct opened {
    int64_t start_ns[BATCH_PARTITIONS_MAX];
    size_t count;
};

/* Days are counted, whatever the classes of their rows: how many policies there are is not the sender's business. */
static enum status open_partition(struct opened *o, int64_t start_ns, struct err *err)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->start_ns[i] == start_ns)
            return ST_OK;
    if (o->count == BATCH_PARTITIONS_MAX)
        return err_set(err, ST_LIMIT, "request has rows in more than the %d day partitions allowed at once", BATCH_PARTITIONS_MAX);
    o->start_ns[o->count++] = start_ns;
    return ST_OK;
}

static enum status check_time(int64_t t_ns, int64_t now_ns, const char *what, struct err *err)
{
    int64_t max_ns = sat_add(now_ns, FUTURE_NS_MAX);
    if (t_ns >= 0 && t_ns <= max_ns)
        return ST_OK;
    return err_set(err, ST_INVALID, "%s at %lld ms since 1970: times from 0 to %lld ms (now and one day) are taken", what,
                   (long long)(t_ns / NS_PER_MS), (long long)(max_ns / NS_PER_MS));
}

static enum status check_samples(const struct batch *b, int64_t now_ns, struct opened *o, struct err *err)
{
    int64_t low_ms = INT64_MAX, high_ms = INT64_MIN; /* of the partition the last sample was in, within what is allowed */
    for (size_t i = 0; i < b->sample_count; i++) {
        int64_t t_ms = b->samples[i].t_ms;
        if (t_ms >= low_ms && t_ms < high_ms)
            continue;
        int64_t t_ns = sat_mul(t_ms, NS_PER_MS);
        enum status st = check_time(t_ns, now_ns, "sample", err);
        if (st == ST_OK)
            st = open_partition(o, partition_start(t_ns), err);
        if (st)
            return st;
        low_ms = partition_start(t_ns) / NS_PER_MS;
        high_ms = MIN(low_ms + PARTITION_NS / NS_PER_MS, sat_add(now_ns, FUTURE_NS_MAX) / NS_PER_MS);
    }
    return ST_OK;
}

static enum status check_events(const struct batch *b, int64_t now_ns, struct opened *o, struct err *err)
{
    for (size_t i = 0; i < b->event_count; i++) {
        const struct event *e = &b->events[i];
        enum status st = check_time(e->time_ns, now_ns, "record", err);
        if (st == ST_OK)
            st = open_partition(o, partition_start(e->time_ns), err);
        if (st)
            return st;
    }
    return ST_OK;
}

enum status partition_check_batch(const struct batch *b, int64_t now_ns, struct err *err)
{
    struct opened o;
    o.count = 0;
    if (batch_rows(b) > BATCH_ROWS_MAX)
        return err_set(err, ST_LIMIT, "request has %zu rows, at most %d are taken at once", batch_rows(b), BATCH_ROWS_MAX);
    enum status st = check_samples(b, now_ns, &o, err);
    return st ? st : check_events(b, now_ns, &o, err);
}

size_t partition_pick(const uint64_t *bytes, size_t count, bool cold, size_t *first)
{
    size_t least = cold ? 2 : MERGE_PARTS_MIN, best = 0;
    double best_ratio = cold ? 1.25 : 3.0; /* sum to largest */
    for (size_t from = 0; from + least <= count; from++) {
        uint64_t sum = 0, largest = 1;
        for (size_t to = from; to < count && to - from < MERGE_PARTS_MAX; to++) {
            sum += bytes[to];
            largest = MAX(largest, bytes[to]);
            if (sum > MERGE_BYTES_MAX)
                break;
            double ratio = (double)sum / (double)largest;
            if (to - from + 1 >= least && ratio >= best_ratio) {
                best_ratio = ratio;
                best = to - from + 1;
                *first = from;
            }
        }
    }
    return best;
}
