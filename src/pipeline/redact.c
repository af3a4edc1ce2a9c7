/* SPDX-License-Identifier: Apache-2.0 */
/* Walks a batch and replaces the texts that hold secrets. A clean text is never copied; a changed one goes to the batch's arena.
 *
 * Label sets repeat from request to request, so the hashes of clean ones are kept in a small table: in the steady state a
 * series costs one hash and one look. The table may forget (a new hash takes the place of an old one); it never errs, but
 * for two label sets with the same 64-bit XXH3 under a random seed. It begins small, so that a few label sets lie together in
 * few pages and in the processor's caches, and forgets all when it grows: each is looked through once more then. */
#include "pipeline/redact.h"

#include <stdatomic.h>

#include "base/ends.h"
#include "base/hash.h"
#include "codec/regex.h"
#include "pipeline/redact_scan.h"

enum {
    SERIES_GROUP = 32,
    CLEAN_PLACE_BITS = 9, PLAIN_PLACE_BITS = 7,
    CLEAN_WAYS = 4,
    CLEAN_BUCKETS_MIN = 1 << 10, CLEAN_BUCKETS_MAX = 1 << 18, /* a million label sets: 8 MiB, touched only as they come */
    CLEAN_GROWTH = 4, CLEAN_LOAD_DIVISOR = 4 /* over a quarter full there would be buckets with no empty place */
};

struct redactor {
    enum redact_profile profile;
    struct redact_words words;
    uint64_t seed;
    atomic_uint_fast64_t counts[REDACT_DETECTOR_COUNT];
    atomic_uint_fast64_t clean_buckets, clean_notes; /* buckets in use; hashes put there since it grew last */
    atomic_uint_fast64_t clean[CLEAN_BUCKETS_MAX][CLEAN_WAYS];
};

static const char *const profile_names[REDACT_PROFILE_COUNT] = {
    [REDACT_DEFAULT] = "default", [REDACT_ARTICLE] = "article", [REDACT_OFF] = "off",
};

static const char *const detector_names[REDACT_DETECTOR_COUNT] = {
    [REDACT_EMAIL] = "email",         [REDACT_CARD] = "card",       [REDACT_API_KEY] = "api_key",
    [REDACT_KEY_VALUE] = "key_value", [REDACT_AUTHORIZATION] = "authorization", [REDACT_TOKEN] = "token",
    [REDACT_PRIVATE_KEY] = "private_key", [REDACT_URL_PASSWORD] = "url_password", [REDACT_FIELD] = "field",
};

const char *redact_detector_name(enum redact_detector d)
{
    return detector_names[d];
}

const char *redact_profile_name(enum redact_profile profile)
{
    return profile_names[profile];
}

bool redact_profile_parse(struct slice name, enum redact_profile *out)
{
    for (size_t i = 0; i < REDACT_PROFILE_COUNT; i++)
        if (slice_eq(name, slice_str(profile_names[i]))) {
            *out = (enum redact_profile)i;
            return true;
        }
    return false;
}

struct redactor *redactor_new(enum redact_profile profile)
{
    struct redactor *r = mem_new(struct redactor);
    r->profile = profile;
    atomic_init(&r->clean_buckets, CLEAN_BUCKETS_MIN);
    /* The address differs from process to process, and that is all the seed is for. */
    r->seed = hash_u64((uint64_t)(uintptr_t)r);
    if (profile == REDACT_ARTICLE &&
        (regex_compile(&r->words.alnum, SLICE("^[\\p{L}\\p{N}]$"), 0, NULL) || regex_compile(&r->words.digit, SLICE("^\\p{Nd}$"), 0, NULL)))
        assert(!"constant patterns compile");
    return r;
}

void redactor_free(struct redactor *r)
{
    if (r == NULL)
        return;
    regex_free(r->words.alnum);
    regex_free(r->words.digit);
    mem_free(r);
}

/* The three patterns one after another, each over what the one before left. */
static bool article(const struct redactor *r, struct slice text, struct buf *out, uint64_t *counts)
{
    static const struct {
        uint64_t (*run)(const struct redact_words *w, struct slice text, struct buf *out);
        enum redact_detector detector;
    } steps[] = { { redact_article_email, REDACT_EMAIL }, { redact_article_card, REDACT_CARD }, { redact_article_api_key, REDACT_API_KEY } };
    struct buf before;
    bool changed = false;
    buf_init(&before, 0);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct buf after;
        buf_init(&after, 0);
        uint64_t n = steps[i].run(&r->words, changed ? buf_as_slice(&before) : text, &after);
        if (n == 0) {
            buf_free(&after);
            continue;
        }
        buf_free(&before);
        before = after;
        changed = true;
        if (counts)
            counts[steps[i].detector] += n;
    }
    if (changed)
        buf_slice(out, buf_as_slice(&before));
    buf_free(&before);
    return changed;
}

bool redact_text(const struct redactor *r, struct slice text, struct buf *out, uint64_t *counts)
{
    switch (r->profile) {
    case REDACT_DEFAULT: return redact_secrets(text, out, counts);
    case REDACT_ARTICLE: return article(r, text, out, counts);
    case REDACT_OFF:
    case REDACT_PROFILE_COUNT: return false;
    }
    return false;
}

/* ---- batches ---- */

struct walk {
    struct redactor *r;
    struct arena *a;
    struct buf scratch;
    uint64_t counts[REDACT_DETECTOR_COUNT];
    struct slice stream_before, stream_after; /* streams come in runs */
    /* Texts of this batch that were clean, and names of fields that are no secret's, by address: rows share them. */
    struct slice clean[1 << CLEAN_PLACE_BITS], plain[1 << PLAIN_PLACE_BITS];
};

static bool clean_text(struct walk *w, struct slice *text)
{
    struct slice *known = &w->clean[ends_address_place(*text, CLEAN_PLACE_BITS)];
    if (text->len == 0 || ends_same_place(*known, *text))
        return true;
    buf_reset(&w->scratch);
    if (!redact_text(w->r, *text, &w->scratch, w->counts)) {
        *known = *text;
        return true;
    }
    *text = arena_copy(w->a, buf_as_slice(&w->scratch));
    return false;
}

/* Only the default profile goes by names: the article's patterns see texts alone. */
static bool name_is_secret(struct walk *w, struct slice name)
{
    struct slice *known = &w->plain[ends_address_place(name, PLAIN_PLACE_BITS)];
    if (w->r->profile != REDACT_DEFAULT || (name.len && ends_same_place(*known, name)))
        return false;
    bool is_secret = redact_name_is_secret(name);
    if (!is_secret)
        *known = name;
    return is_secret;
}

static void clean_fields(struct walk *w, struct field *fields, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct field *f = &fields[i];
        if (name_is_secret(w, f->name) && !(f->type == FIELD_INT || f->type == FIELD_DOUBLE || f->type == FIELD_BOOL)) {
            f->type = FIELD_STRING;
            f->text = SLICE("[REDACTED]");
            w->counts[REDACT_FIELD]++;
        } else if (f->type == FIELD_STRING || f->type == FIELD_JSON || f->type == FIELD_BYTES) {
            clean_text(w, &f->text);
        }
    }
}

static uint64_t labels_key(const struct redactor *r, struct slice labels)
{
    return hash64(labels, r->seed) | 1; /* 0 is an empty place */
}

static atomic_uint_fast64_t *bucket_of(struct redactor *r, uint64_t hash)
{
    return r->clean[(hash >> 1) & (atomic_load_explicit(&r->clean_buckets, memory_order_relaxed) - 1)];
}

/* What others put into the old buckets meanwhile is in the way of nobody: it gives way to new hashes. */
static void clean_grow(struct redactor *r, uint64_t buckets)
{
    if (!atomic_compare_exchange_strong(&r->clean_buckets, &buckets, buckets * CLEAN_GROWTH))
        return; /* another thread does it */
    atomic_store_explicit(&r->clean_notes, 0, memory_order_relaxed);
    for (size_t i = 0; i < buckets; i++)
        for (size_t k = 0; k < CLEAN_WAYS; k++)
            atomic_store_explicit(&r->clean[i][k], 0, memory_order_relaxed);
}

static bool is_known_clean(struct redactor *r, uint64_t hash)
{
    atomic_uint_fast64_t *bucket = bucket_of(r, hash);
    for (size_t i = 0; i < CLEAN_WAYS; i++)
        if (atomic_load_explicit(&bucket[i], memory_order_relaxed) == hash)
            return true;
    return false;
}

/* Into an empty place, or over one that the hash itself chooses. */
static void note_clean(struct redactor *r, uint64_t hash)
{
    uint64_t notes = atomic_fetch_add_explicit(&r->clean_notes, 1, memory_order_relaxed) + 1;
    uint64_t buckets = atomic_load_explicit(&r->clean_buckets, memory_order_relaxed);
    if (notes > buckets * CLEAN_WAYS / CLEAN_LOAD_DIVISOR && buckets < CLEAN_BUCKETS_MAX)
        clean_grow(r, buckets);
    atomic_uint_fast64_t *bucket = bucket_of(r, hash);
    size_t at = hash >> 62;
    for (size_t i = 0; i < CLEAN_WAYS; i++)
        if (atomic_load_explicit(&bucket[i], memory_order_relaxed) == 0) {
            at = i;
            break;
        }
    atomic_store_explicit(&bucket[at], hash, memory_order_relaxed);
}

/* Gives the labels as they may be stored. hash: their labels_key. */
static struct slice clean_labels(struct walk *w, struct slice labels, uint64_t hash)
{
    if (labels.len == 0 || is_known_clean(w->r, hash))
        return labels;
    struct slice rest = labels, out = labels;
    struct label l;
    while (labels_next(&rest, &l)) {
        struct slice value = l.value;
        if (name_is_secret(w, l.name)) {
            value = SLICE("[REDACTED]");
            w->counts[REDACT_FIELD]++;
        } else if (clean_text(w, &value)) {
            continue;
        }
        out = labels_with(w->a, out, l.name, value);
    }
    if (out.ptr == labels.ptr)
        note_clean(w->r, hash);
    return out;
}

static void clean_event(struct walk *w, struct event *e)
{
    clean_text(w, &e->body);
    clean_text(w, &e->service);
    clean_text(w, &e->status_message);
    clean_text(w, &e->trace_state);
    clean_fields(w, e->fields, e->field_count);
    for (uint32_t i = 0; i < e->event_count; i++) {
        clean_text(w, &e->events[i].name);
        clean_fields(w, e->events[i].fields, e->events[i].field_count);
    }
    for (uint32_t i = 0; i < e->link_count; i++)
        clean_fields(w, e->links[i].fields, e->links[i].field_count);
    if (w->stream_before.ptr != e->stream.ptr || w->stream_before.len != e->stream.len) {
        w->stream_before = e->stream;
        w->stream_after = clean_labels(w, e->stream, labels_key(w->r, e->stream));
    }
    e->stream = w->stream_after;
}

/* In groups, so that the table's cache lines come in together: one after another each would be waited for. A series' ref, when
 * it is not 0, is a hash of its labels already. */
static void clean_series(struct walk *w, struct batch *b)
{
    uint64_t keys[SERIES_GROUP];
    for (size_t from = 0; from < b->series_count; from += SERIES_GROUP) {
        size_t n = MIN(b->series_count - from, SERIES_GROUP);
        for (size_t i = 0; i < n; i++) {
            keys[i] = b->series[from + i].ref ? b->series[from + i].ref : labels_key(w->r, b->series[from + i].labels);
            __builtin_prefetch(bucket_of(w->r, keys[i]));
        }
        for (size_t i = 0; i < n; i++) {
            struct batch_series *s = &b->series[from + i];
            struct slice labels = clean_labels(w, s->labels, keys[i]);
            s->ref = labels.ptr == s->labels.ptr ? s->ref : 0;
            s->labels = labels;
        }
    }
}

void redact_batch(struct redactor *r, struct batch *b)
{
    if (r->profile == REDACT_OFF)
        return;
    struct walk w = { .r = r, .a = b->arena, .stream_before = SLICE_EMPTY, .stream_after = SLICE_EMPTY };
    buf_init(&w.scratch, 0);
    clean_series(&w, b);
    for (size_t i = 0; i < b->event_count; i++)
        clean_event(&w, &b->events[i]);
    for (size_t i = 0; i < b->metadata_count; i++)
        clean_text(&w, &b->metadata[i].help);
    buf_free(&w.scratch);
    for (size_t i = 0; i < REDACT_DETECTOR_COUNT; i++)
        if (w.counts[i])
            atomic_fetch_add_explicit(&r->counts[i], w.counts[i], memory_order_relaxed);
}

uint64_t redact_count(const struct redactor *r, enum redact_detector d)
{
    return atomic_load_explicit(&r->counts[d], memory_order_relaxed);
}
