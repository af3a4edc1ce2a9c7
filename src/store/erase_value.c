/* SPDX-License-Identifier: Apache-2.0 */
/* Equality is asked by length first and by digest then, so a row costs a hash only when it has a value of the right length in
 * the right field. A text inside of a line is found by a polynomial sum over windows of its length (Rabin and Karp) with an odd
 * factor, and the digest decides. Of the sum the first 12 bits are kept: all 64 would give a short text away, for the sum is no secret
 * function and has no salt. Even so one window in 4096 costs a digest. */
#include "store/erase_value.h"

#include <openssl/evp.h>

#include "codec/hex.h"
#include "model/body_field.h"
#include "sys/rand.h"

#define ROLL_FACTOR 0x9e3779b97f4a7c15ull
#define ROLL_KEPT 0xfff0000000000000ull

static void digest_of(const struct erase_value *v, struct slice text, uint8_t out[ERASE_DIGEST_BYTES])
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    assert(c);
    int good = EVP_DigestInit_ex(c, EVP_sha256(), NULL) && EVP_DigestUpdate(c, v->salt, sizeof v->salt) &&
               EVP_DigestUpdate(c, text.ptr, text.len) && EVP_DigestFinal_ex(c, out, NULL);
    assert(good); /* only memory could be short */
    EVP_MD_CTX_free(c);
}

static uint64_t roll_of(struct slice text)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < text.len; i++)
        sum = sum * ROLL_FACTOR + (uint8_t)text.ptr[i] + 1;
    return sum;
}

enum status erase_value_make(struct erase_value *v, struct slice field, struct slice value, struct err *err)
{
    bool in_body = slice_eq(field, SLICE("body"));
    if (field.len == 0 || field.len > ERASE_FIELD_BYTES_MAX)
        return err_set(err, ST_INVALID, "erase: field has %zu bytes, 1 to %d are allowed", field.len, ERASE_FIELD_BYTES_MAX);
    if (value.len == 0 || value.len > ERASE_VALUE_BYTES_MAX)
        return err_set(err, ST_INVALID, "erase: value has %zu bytes, 1 to %d are allowed", value.len, ERASE_VALUE_BYTES_MAX);
    if (in_body && value.len < ERASE_BODY_VALUE_BYTES_MIN)
        return err_set(err, ST_INVALID, "erase: a text of %zu bytes stands in nearly every line; at least %d are needed", value.len,
                       ERASE_BODY_VALUE_BYTES_MIN);
    *v = (struct erase_value){ .field = field, .bytes = (uint32_t)value.len, .roll = in_body ? roll_of(value) & ROLL_KEPT : 0 };
    sys_random(v->salt, sizeof v->salt);
    digest_of(v, value, v->digest);
    return ST_OK;
}

static bool is_value(const struct erase_value *v, struct slice text)
{
    uint8_t digest[ERASE_DIGEST_BYTES];
    if (text.len != v->bytes)
        return false;
    digest_of(v, text, digest);
    return memcmp(digest, v->digest, sizeof digest) == 0;
}

static bool is_inside(const struct erase_value *v, struct slice text)
{
    size_t n = v->bytes;
    uint64_t sum, top = 1;
    if (text.len < n)
        return false;
    for (size_t i = 1; i < n; i++)
        top *= ROLL_FACTOR;
    sum = roll_of(slice_sub(text, 0, n));
    for (size_t at = 0;; at++) {
        if (((sum ^ v->roll) & ROLL_KEPT) == 0 && is_value(v, slice_sub(text, at, at + n)))
            return true;
        if (at + n >= text.len)
            return false;
        sum = (sum - ((uint8_t)text.ptr[at] + 1u) * top) * ROLL_FACTOR + (uint8_t)text.ptr[at + n] + 1;
    }
}

static bool in_fields(const struct erase_value *v, const struct field *fields, uint32_t count, struct arena *scratch)
{
    for (uint32_t i = 0; i < count; i++)
        if (slice_eq(fields[i].name, v->field) && is_value(v, field_text(scratch, &fields[i])))
            return true;
    return false;
}

static bool in_body(const struct erase_value *v, struct slice body, struct arena *scratch)
{
    struct slice found;
    for (size_t from = 0; body_field_next(body, v->field, &from, scratch, &found);)
        if (is_value(v, found))
            return true;
    return false;
}

/* A member of a field that is JSON as a whole. */
static bool in_json_fields(const struct erase_value *v, const struct field *fields, uint32_t count, struct arena *scratch)
{
    for (uint32_t i = 0; i < count; i++)
        if (fields[i].type == FIELD_JSON && in_body(v, fields[i].text, scratch))
            return true;
    return false;
}

static bool in_any(const struct erase_value *v, const struct field *fields, uint32_t count, struct arena *scratch)
{
    return in_fields(v, fields, count, scratch) || in_json_fields(v, fields, count, scratch);
}

bool erase_value_in_event(const struct erase_value *v, const struct event *e, struct arena *scratch)
{
    if (slice_eq(v->field, SLICE("body")))
        return is_inside(v, e->body);
    if (slice_eq(v->field, SLICE("trace_id")) && event_has_trace(e)) {
        char hex[2 * sizeof e->trace_id + 1];
        hex_encode(slice_of(e->trace_id, sizeof e->trace_id), hex);
        if (is_value(v, slice_of(hex, 2 * sizeof e->trace_id)))
            return true;
    }
    bool is_service = slice_eq(v->field, SLICE("service")) || slice_eq(v->field, SLICE("service_name")) || slice_eq(v->field, SLICE("service.name"));
    if ((is_service && is_value(v, e->service)) || erase_value_in_labels(v, e->stream) || in_any(v, e->fields, e->field_count, scratch) ||
        in_body(v, e->body, scratch))
        return true;
    for (uint32_t i = 0; i < e->event_count; i++)
        if (in_any(v, e->events[i].fields, e->events[i].field_count, scratch))
            return true;
    for (uint32_t i = 0; i < e->link_count; i++)
        if (in_any(v, e->links[i].fields, e->links[i].field_count, scratch))
            return true;
    return false;
}

bool erase_value_in_labels(const struct erase_value *v, struct slice labels)
{
    struct slice value = labels_get(labels, v->field);
    return value.len && is_value(v, value);
}
