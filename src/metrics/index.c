/* SPDX-License-Identifier: Apache-2.0 */
/* Postings and how matchers are resolved on them.
 *
 * A matcher that refuses the empty value keeps the union of the postings of the values it accepts. One that accepts it
 * also keeps every series without the label, so it takes away the union of those it refuses. Regexes run once per distinct
 * value, not per series.
 *
 * (1) Every pair in use has at least one id; the last id's removal frees the pair, so churn of values does not pile up.
 * (2) A pair with one id has no bitmap: it would take ten times the memory of the rest. */
#include "metrics/index.h"

#include "base/map.h"

enum { PAIRS_MIN = 64, PAIR_BYTES_GUESS = 64 };

static void *grown(void *list, uint32_t *cap, size_t item)
{
    *cap = *cap ? *cap * 2 : PAIRS_MIN;
    return mem_realloc(list, *cap * item);
}

void index_init(struct index *ix)
{
    *ix = (struct index){ .by_pair = mem_new(struct map), .by_name = mem_new(struct map) };
    map_init(ix->by_pair);
    map_init(ix->by_name);
}

void index_free(struct index *ix)
{
    for (uint32_t i = 0; i < ix->pair_count; i++) {
        if (ix->pairs[i].ids)
            roaring_bitmap_free(ix->pairs[i].ids);
        mem_free(ix->pairs[i].bytes);
    }
    for (uint32_t i = 0; i < ix->name_count; i++) {
        mem_free(ix->names[i].pairs);
        mem_free((void *)ix->names[i].name.ptr);
    }
    mem_free(ix->pairs);
    mem_free(ix->names);
    mem_free(ix->free_pairs);
    if (ix->by_pair) {
        map_free(ix->by_pair);
        map_free(ix->by_name);
    }
    mem_free(ix->by_pair);
    mem_free(ix->by_name);
    *ix = (struct index){ 0 };
}

void index_pair_bytes(struct buf *out, struct slice name, struct slice value)
{
    buf_lenslice(out, name);
    buf_lenslice(out, value);
}

static uint32_t name_put(struct index *ix, struct slice name)
{
    uint64_t *known = map_get(ix->by_name, name);
    if (known)
        return (uint32_t)*known;
    if (ix->name_count == ix->name_cap)
        ix->names = grown(ix->names, &ix->name_cap, sizeof *ix->names);
    char *copy = mem_alloc(name.len + 1);
    memcpy(copy, name.ptr, name.len);
    ix->names[ix->name_count] = (struct index_name){ .name = slice_of(copy, name.len) };
    bool added;
    *map_put(ix->by_name, ix->names[ix->name_count].name, &added) = ix->name_count;
    return ix->name_count++;
}

uint32_t index_pair_put(struct index *ix, struct slice pair)
{
    uint64_t *known = map_get(ix->by_pair, pair);
    if (known)
        return (uint32_t)*known;
    uint32_t at;
    if (ix->free_count > 0) {
        at = ix->free_pairs[--ix->free_count];
    } else {
        if (ix->pair_count == ix->pair_cap)
            ix->pairs = grown(ix->pairs, &ix->pair_cap, sizeof *ix->pairs);
        at = ix->pair_count++;
    }
    struct index_pair *p = &ix->pairs[at];
    *p = (struct index_pair){ .bytes = mem_alloc(pair.len), .len = (uint32_t)pair.len, .is_empty = true };
    memcpy(p->bytes, pair.ptr, pair.len);
    struct reader r = reader_of(slice_of(p->bytes, pair.len));
    struct slice name = read_lenslice(&r);
    p->value = read_lenslice(&r);
    p->name = name_put(ix, name);
    struct index_name *n = &ix->names[p->name];
    if (n->count == n->cap) {
        n->cap = n->cap ? n->cap * 2 : 4;
        n->pairs = mem_realloc(n->pairs, n->cap * sizeof *n->pairs);
    }
    p->place = n->count;
    n->pairs[n->count++] = at;
    bool added;
    *map_put(ix->by_pair, slice_of(p->bytes, p->len), &added) = at;
    return at;
}

void index_pair_add(struct index_pair *p, const uint32_t *ids, size_t count)
{
    if (count == 0)
        return;
    if (p->is_empty && count == 1) {
        p->one = ids[0];
        p->is_empty = false;
        return;
    }
    if (p->ids == NULL) {
        p->ids = roaring_bitmap_create();
        if (!p->is_empty)
            roaring_bitmap_add(p->ids, p->one);
    }
    p->is_empty = false;
    if (count == 1)
        roaring_bitmap_add(p->ids, ids[0]);
    else
        roaring_bitmap_add_many(p->ids, count, ids);
}

void index_pair_add_range(struct index_pair *p, uint32_t from, uint32_t to)
{
    if (from >= to)
        return;
    assert(p->is_empty);
    p->ids = roaring_bitmap_from_range(from, to, 1);
    p->is_empty = false;
}

bool index_pair_has(const struct index_pair *p, uint32_t id)
{
    return p->ids ? roaring_bitmap_contains(p->ids, id) : !p->is_empty && p->one == id;
}

uint64_t index_pair_count(const struct index_pair *p, const roaring_bitmap_t *ids)
{
    if (p->ids)
        return roaring_bitmap_and_cardinality(p->ids, ids);
    return !p->is_empty && roaring_bitmap_contains(ids, p->one);
}

uint32_t index_pair_end(const struct index_pair *p)
{
    return p->ids ? roaring_bitmap_maximum(p->ids) + 1 : p->is_empty ? 0 : p->one + 1;
}

static roaring_bitmap_t *pair_copy(const struct index_pair *p)
{
    if (p->ids)
        return roaring_bitmap_copy(p->ids);
    return p->is_empty ? roaring_bitmap_create() : roaring_bitmap_of_ptr(1, &p->one);
}

static void pair_drop(struct index *ix, uint32_t at)
{
    struct index_pair *p = &ix->pairs[at];
    struct index_name *n = &ix->names[p->name];
    uint32_t last = n->pairs[--n->count];
    n->pairs[p->place] = last;
    ix->pairs[last].place = p->place;
    map_remove(ix->by_pair, slice_of(p->bytes, p->len));
    if (p->ids)
        roaring_bitmap_free(p->ids);
    mem_free(p->bytes);
    *p = (struct index_pair){ 0 };
    if (ix->free_count == ix->free_cap)
        ix->free_pairs = grown(ix->free_pairs, &ix->free_cap, sizeof *ix->free_pairs);
    ix->free_pairs[ix->free_count++] = at;
}

static void pair_remove(struct index *ix, uint32_t id, struct slice pair)
{
    uint64_t *known = map_get(ix->by_pair, pair);
    if (known == NULL)
        return;
    uint32_t at = (uint32_t)*known;
    struct index_pair *p = &ix->pairs[at];
    if (p->ids)
        roaring_bitmap_remove(p->ids, id);
    if (p->ids ? roaring_bitmap_is_empty(p->ids) : p->one == id)
        pair_drop(ix, at);
}

/* The bytes of the next pair of canonical labels, name and value together. */
static bool pair_next(struct slice *rest, struct slice *pair)
{
    struct label l;
    const char *from = rest->ptr;
    if (!labels_next(rest, &l))
        return false;
    *pair = slice_of(from, (size_t)(l.value.ptr + l.value.len - from));
    return true;
}

static struct slice tenant_pair(struct slice tenant, char *room, size_t size)
{
    assert(tenant.len < 128 && tenant.len + 2 <= size);
    room[0] = 0;
    room[1] = (char)tenant.len;
    memcpy(room + 2, tenant.ptr, tenant.len);
    return slice_of(room, tenant.len + 2);
}

void index_add(struct index *ix, uint32_t id, struct slice tenant, struct slice labels)
{
    char room[130];
    struct slice pair, rest = labels;
    uint32_t at = index_pair_put(ix, tenant_pair(tenant, room, sizeof room));
    index_pair_add(&ix->pairs[at], &id, 1);
    while (pair_next(&rest, &pair)) {
        at = index_pair_put(ix, pair);
        index_pair_add(&ix->pairs[at], &id, 1);
    }
}

void index_remove(struct index *ix, uint32_t id, struct slice tenant, struct slice labels)
{
    char room[130];
    struct slice pair, rest = labels;
    pair_remove(ix, id, tenant_pair(tenant, room, sizeof room));
    while (pair_next(&rest, &pair))
        pair_remove(ix, id, pair);
}

const struct index_pair *index_find(const struct index *ix, struct slice name, struct slice value)
{
    struct buf b;
    buf_init(&b, 0);
    index_pair_bytes(&b, name, value);
    uint64_t *at = map_get(ix->by_pair, buf_as_slice(&b));
    buf_free(&b);
    return at ? &ix->pairs[*at] : NULL;
}

const struct index_name *index_name(const struct index *ix, struct slice name)
{
    uint64_t *at = map_get(ix->by_name, name);
    return at ? &ix->names[*at] : NULL;
}

/* The union of the postings of name's values which the matcher accepts (or refuses, when is_refused). */
static roaring_bitmap_t *values_union(const struct index *ix, const struct matcher *m, bool is_refused)
{
    if (m->op == (is_refused ? MATCH_NE : MATCH_EQ)) {
        const struct index_pair *p = index_find(ix, m->name, m->value);
        return p ? pair_copy(p) : roaring_bitmap_create();
    }
    const struct index_name *n = index_name(ix, m->name);
    if (n == NULL || n->count == 0)
        return roaring_bitmap_create();
    const roaring_bitmap_t **picked = mem_alloc(n->count * sizeof *picked);
    roaring_bitmap_t *single = roaring_bitmap_create();
    size_t count = 0;
    for (uint32_t i = 0; i < n->count; i++) {
        const struct index_pair *p = &ix->pairs[n->pairs[i]];
        if (matcher_match(m, p->value) == is_refused)
            continue;
        if (p->ids)
            picked[count++] = p->ids;
        else if (!p->is_empty)
            roaring_bitmap_add(single, p->one);
    }
    if (count > 0) {
        roaring_bitmap_t *many = roaring_bitmap_or_many(count, picked);
        roaring_bitmap_or_inplace(single, many);
        roaring_bitmap_free(many);
    }
    mem_free(picked);
    return single;
}

static bool is_plain_equal(const struct matcher *m)
{
    return m->op == MATCH_EQ && m->value.len > 0;
}

/* Narrows ids by one matcher; frees and returns NULL when none are left. */
static roaring_bitmap_t *narrow(const struct index *ix, roaring_bitmap_t *ids, const struct matcher *m)
{
    bool keeps_absent = matcher_matches_empty(m);
    roaring_bitmap_t *of = values_union(ix, m, keeps_absent);
    if (keeps_absent)
        roaring_bitmap_andnot_inplace(ids, of);
    else
        roaring_bitmap_and_inplace(ids, of);
    roaring_bitmap_free(of);
    if (!roaring_bitmap_is_empty(ids))
        return ids;
    roaring_bitmap_free(ids);
    return NULL;
}

roaring_bitmap_t *index_resolve(const struct index *ix, struct slice tenant, const struct matcher *matchers, size_t count)
{
    const struct index_pair *p = index_find(ix, SLICE_EMPTY, tenant);
    if (p == NULL)
        return NULL;
    roaring_bitmap_t *ids = pair_copy(p);
    /* Equalities first: they are cheap, and an empty result spares the regexes. */
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; ids && i < count; i++)
            if (is_plain_equal(&matchers[i]) == (round == 0))
                ids = narrow(ix, ids, &matchers[i]);
    return ids;
}

size_t index_bytes(const struct index *ix)
{
    return ix->pair_cap * sizeof *ix->pairs + (size_t)ix->pair_count * PAIR_BYTES_GUESS +
           ix->by_pair->cap * sizeof(struct map_entry);
}
