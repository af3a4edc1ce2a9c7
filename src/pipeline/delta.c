/* SPDX-License-Identifier: Apache-2.0 */
/* One map of streams under one lock, by a hash of 128 bits of tenant and labels.
 *
 * (1) A stream's time only rises: a delta of the same time is a repetition (its request was answered by an error, or the
 *     answer got lost), an older one is refused, for it may be in the total already.
 * (2) Intervals may overlap: two senders of one identity add up to the same total.
 * (3) A histogram's total lives in an arena of its own, made anew by each addition.
 * (4) What the store knows of streams that are new to memory is read without the lock; whoever comes second finds the stream.
 * (5) When there is no room, streams that rest for DELTA_IDLE_MINUTES_MAX go; that is tried once a minute at most. */
#include "pipeline/delta.h"

#include "base/map.h"
#include "base/utf8.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "sys/thread.h"

enum { SHOWN_BYTES_MAX = 160, ZERO_GAP_MS_MAX = 5 * 60 * 1000 };

struct stream {
    struct hash128 key;
    int64_t last_ms, seen_ns;
    double total;
    struct histogram *histogram; /* NULL: a number */
    struct arena *arena;         /* (3) */
    size_t bytes;
};

struct delta {
    struct mutex lock;
    struct map streams;
    struct last_reader last;
    size_t streams_max;
    int64_t swept_ns;
    struct delta_stats stats;
};

struct delta *delta_new(size_t streams_max, const struct last_reader *last)
{
    struct delta *d = mem_new(struct delta);
    mutex_init(&d->lock);
    map_init(&d->streams);
    d->last = last ? *last : (struct last_reader){ NULL, NULL };
    d->streams_max = MIN(streams_max, (size_t)DELTA_STREAMS_MAX);
    return d;
}

static void stream_free(struct stream *s)
{
    arena_free(s->arena);
    mem_free(s);
}

void delta_free(struct delta *d)
{
    struct map_entry *e;
    if (d == NULL)
        return;
    for (size_t i = 0; (e = map_each(&d->streams, &i));)
        stream_free((struct stream *)(uintptr_t)e->value);
    map_free(&d->streams);
    mutex_destroy(&d->lock);
    mem_free(d);
}

/* (5) */
static void sweep(struct delta *d, int64_t now_ns)
{
    struct map kept;
    struct map_entry *e;
    if (d->swept_ns && now_ns - d->swept_ns < 60 * NS_S)
        return;
    d->swept_ns = now_ns;
    map_init(&kept);
    for (size_t i = 0; (e = map_each(&d->streams, &i));) {
        struct stream *s = (struct stream *)(uintptr_t)e->value;
        if (now_ns - s->seen_ns < DELTA_IDLE_MINUTES_MAX * 60 * NS_S) {
            *map_put(&kept, slice_of(&s->key, sizeof s->key), NULL) = (uint64_t)(uintptr_t)s;
        } else {
            d->stats.histogram_bytes -= s->bytes;
            stream_free(s);
        }
    }
    map_free(&d->streams);
    d->streams = kept;
}

static uint64_t *stream_at(const struct delta *d, const struct batch *b, struct slice labels, struct hash128 *key)
{
    *key = labels_hash(labels, hash64(b->tenant, 0));
    return map_get(&d->streams, slice_of(key, sizeof *key));
}

static struct stream *stream_find(struct delta *d, const struct batch *b, struct slice labels, bool *is_new)
{
    struct hash128 key;
    uint64_t *at = stream_at(d, b, labels, &key);
    *is_new = at == NULL;
    if (at)
        return (struct stream *)(uintptr_t)*at;
    if (d->streams.count >= d->streams_max)
        sweep(d, b->received_ns);
    if (d->streams.count >= d->streams_max)
        return NULL;
    struct stream *s = mem_new(struct stream);
    s->key = key;
    s->last_ms = INT64_MIN;
    *map_put(&d->streams, slice_of(&s->key, sizeof s->key), NULL) = (uint64_t)(uintptr_t)s;
    return s;
}

/* ---- adding ---- */

static bool histogram_total(struct delta *d, struct stream *s, const struct histogram *h)
{
    struct arena *a = arena_new(0);
    struct histogram_note note = { 0 };
    struct histogram *total = s->histogram ? histogram_add(a, s->histogram, h, &note) : NULL;
    struct err err;
    if (total == NULL || histogram_check(total, &err)) /* another kind of buckets, or too many: a new start */
        total = histogram_copy(a, h);
    total->hint = HINT_UNKNOWN;
    size_t bytes = histogram_bytes(total);
    if (d->stats.histogram_bytes - s->bytes + bytes > DELTA_HISTOGRAM_BYTES_MAX) {
        arena_free(a);
        return false;
    }
    d->stats.histogram_bytes += bytes - s->bytes;
    arena_free(s->arena);
    s->arena = a;
    s->histogram = total;
    s->bytes = bytes;
    return true;
}

static struct slice series_text(const struct batch *b, struct slice labels)
{
    struct buf text;
    buf_init(&text, 0);
    labels_format(labels, &text);
    struct slice shown = arena_copy(b->arena, utf8_cut(buf_as_slice(&text), SHOWN_BYTES_MAX));
    buf_free(&text);
    return shown;
}

/* found: the stream's last sample in the store, or of time 0. False: it is of another kind, or there is no room for it. */
static bool stream_restore(struct delta *d, struct stream *s, struct sample found, double first)
{
    if (found.t_ms == 0 || is_histogram(found.v) != is_histogram(first))
        return false;
    if (is_histogram(found.v) && !histogram_total(d, s, histogram_unbox(found.v)))
        return false;
    if (!is_histogram(found.v))
        s->total = found.v;
    s->last_ms = found.t_ms;
    d->stats.restored++;
    return true;
}

/* sample becomes the total at its time. False with why set: it is left out. */
static bool sample_add(struct delta *d, struct batch *b, struct slice labels, struct stream *s, struct sample *sample, struct err *why)
{
    if (sample->t_ms < s->last_ms) {
        d->stats.refused_late++;
        err_set(why, ST_INVALID, "series %.*s: a delta of %lld ms comes behind one of %lld ms", SLICE_FMT(series_text(b, labels)),
                (long long)sample->t_ms, (long long)s->last_ms);
        return false;
    }
    bool is_repeated = sample->t_ms == s->last_ms;
    bool has_room = true;
    if (is_repeated) /* (1) */
        d->stats.repeated++;
    else if (is_histogram(sample->v))
        has_room = histogram_total(d, s, histogram_unbox(sample->v));
    else
        s->total += sample->v;
    if (!has_room) {
        d->stats.refused_limit++;
        err_set(why, ST_LIMIT, "series %.*s: totals of deltas of histograms take over %d bytes; set the exporter to cumulative",
                SLICE_FMT(series_text(b, labels)), DELTA_HISTOGRAM_BYTES_MAX);
        return false;
    }
    d->stats.added += !is_repeated;
    s->last_ms = sample->t_ms;
    if (is_histogram(sample->v))
        sample->v = s->histogram ? histogram_box(histogram_copy(b->arena, s->histogram)) : sample->v;
    else
        sample->v = s->total;
    return true;
}

struct zero {
    struct slice labels;
    struct sample sample;
};

/* What a stream that begins stood at before: nothing. */
static struct zero zero_before(struct batch *b, const struct batch_series *s)
{
    struct sample first = b->samples[s->first];
    bool has_from = s->delta_from_ms > 0 && s->delta_from_ms < first.t_ms && first.t_ms - s->delta_from_ms <= ZERO_GAP_MS_MAX;
    struct zero zero = { s->labels, { has_from ? s->delta_from_ms : first.t_ms - 1, 0 } };
    if (is_histogram(first.v)) {
        struct histogram *empty = histogram_scale(b->arena, histogram_unbox(first.v), 0);
        zero.sample.v = histogram_box(histogram_compact(b->arena, empty));
    }
    return zero;
}

static bool is_delta(const struct batch *b, const struct batch_series *s)
{
    return s->delta_from_ms && s->count && !is_stale(b->samples[s->first].v);
}

/* (4) A sample a series, of time 0 where nothing is known; NULL: of none. */
static struct sample *last_find(struct delta *d, struct batch *b)
{
    struct hash128 key;
    size_t unknown = 0;
    if (d->last.read == NULL)
        return NULL;
    struct sample *list = arena_array(b->arena, struct sample, b->series_count);
    mutex_lock(&d->lock);
    for (size_t i = 0; i < b->series_count; i++) {
        bool asks = is_delta(b, &b->series[i]) && stream_at(d, b, b->series[i].labels, &key) == NULL;
        list[i] = (struct sample){ asks, 0 };
        unknown += asks;
    }
    mutex_unlock(&d->lock);
    for (size_t i = 0; unknown && i < b->series_count; i++)
        if (list[i].t_ms && !last_read(&d->last, b->tenant, b->series[i].labels, b->arena, &list[i]))
            list[i].t_ms = 0;
    return unknown ? list : NULL;
}

/* found: its last sample in the store, or of time 0. False: nothing of the series is left. */
static bool series_add(struct delta *d, struct batch *b, struct batch_series *s, struct sample found, struct zero *zero, struct ingest_result *result)
{
    bool is_new = false;
    struct err why;
    uint32_t kept = 0;
    if (!is_delta(b, s))
        return true; /* its end, which is no delta */
    struct stream *stream = stream_find(d, b, s->labels, &is_new);
    if (stream == NULL) {
        err_set(&why, ST_LIMIT, "series %.*s: %zu streams of deltas are added up already, which is the limit; set the exporter to cumulative",
                SLICE_FMT(series_text(b, s->labels)), d->streams_max);
        d->stats.refused_limit += s->count;
    } else {
        stream->seen_ns = b->received_ns;
        if (is_new && !stream_restore(d, stream, found, b->samples[s->first].v))
            *zero = zero_before(b, s);
    }
    for (uint32_t i = 0; i < s->count; i++) {
        struct sample *sample = &b->samples[s->first + i];
        if (stream && sample_add(d, b, s->labels, stream, sample, &why))
            b->samples[s->first + kept++] = *sample;
        else
            ingest_withdraw(result, is_histogram(sample->v) ? INGEST_HISTOGRAMS : INGEST_SAMPLES, 1, &why);
    }
    s->count = kept;
    return kept > 0;
}

void delta_run(struct delta *d, struct batch *b, struct ingest_result *result)
{
    struct zero *zeros = NULL;
    size_t zero_count = 0, zero_cap = 0, kept = 0, samples = 0, i = 0;
    while (i < b->series_count && b->series[i].delta_from_ms == 0)
        i++;
    if (i == b->series_count)
        return;
    const struct sample *last = last_find(d, b);
    mutex_lock(&d->lock);
    for (i = 0; i < b->series_count; i++) {
        struct batch_series s = b->series[i];
        struct zero zero = { .labels = SLICE_EMPTY };
        struct sample found = last ? last[i] : (struct sample){ 0, 0 };
        if (s.delta_from_ms && !series_add(d, b, &s, found, &zero, result))
            continue;
        if (zero.labels.len)
            ARENA_PUSH(b->arena, zeros, zero_count, zero_cap) = zero;
        memmove(&b->samples[samples], &b->samples[s.first], s.count * sizeof *b->samples);
        s.first = (uint32_t)samples;
        s.delta_from_ms = 0;
        samples += s.count;
        b->series[kept++] = s;
    }
    b->series_count = kept;
    b->sample_count = samples;
    d->stats.streams = d->streams.count;
    mutex_unlock(&d->lock);
    for (i = 0; i < zero_count; i++) {
        batch_series(b, zeros[i].labels);
        if (is_histogram(zeros[i].sample.v))
            batch_histogram(b, zeros[i].sample.t_ms, histogram_unbox(zeros[i].sample.v));
        else
            batch_sample(b, zeros[i].sample.t_ms, zeros[i].sample.v);
    }
}

struct delta_stats delta_stats(struct delta *d)
{
    mutex_lock(&d->lock);
    struct delta_stats stats = d->stats;
    mutex_unlock(&d->lock);
    return stats;
}
