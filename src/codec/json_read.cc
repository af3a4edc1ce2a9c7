/* SPDX-License-Identifier: Apache-2.0 */
/* The shim to simdjson's DOM parser. A value is the document and the tape index of its element, which is what
 * simdjson::dom::element holds inside; so it is stored as the element's bytes, checked by the assertion below. */
#include <simdjson.h>

#include <cstring>

extern "C" {
#include "codec/json.h"
#include "codec/json_check.h"
}

using simdjson::dom::element;

static_assert((int)JSON_CHECK_DEPTH_MAX >= (int)JSON_DEPTH_MAX, "what the parser takes, the check can follow");
static_assert(sizeof(element) == sizeof(json_value), "a json_value carries a simdjson element");
static_assert(sizeof(simdjson::dom::array::iterator) == sizeof(json_value), "an iterator is a place on the tape, too");

struct json_parser {
    simdjson::dom::parser parser;
    json_parser() : parser(JSON_BYTES_MAX) {}
};

static element to_element(struct json_value v)
{
    element e;
    memcpy((void *)&e, &v, sizeof e);
    return e;
}

static struct json_value of_element(const element &e)
{
    struct json_value v;
    memcpy(&v, (const void *)&e, sizeof v);
    return v;
}

extern "C" struct json_parser *json_parser_new(void)
{
    return new json_parser;
}

extern "C" void json_parser_free(struct json_parser *p)
{
    delete p;
}

/* simdjson says that something is wrong and not where; so the place is looked for once it is known that there is one. */
static enum status fail(struct slice text, const char *reason, struct err *err)
{
    const char *expected = nullptr;
    size_t at = json_check(text, &expected), line = 1, line_start = 0;
    if (at == SIZE_MAX)
        return err_set(err, ST_INVALID, "JSON: %s", reason);
    for (size_t i = 0; i < at; i++)
        if (text.ptr[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    return err_set(err, ST_INVALID, "JSON: line %zu, column %zu: expected %s", line, at - line_start + 1, expected);
}

extern "C" enum status json_parse(struct json_parser *p, struct slice text, struct json_value *out, struct err *err)
{
    element e;
    if (text.len > JSON_BYTES_MAX)
        return err_set(err, ST_LIMIT, "JSON of %zu bytes, at most %d are allowed", text.len, (int)JSON_BYTES_MAX);
    /* simdjson sets the depth with the capacity: allocate once for this size, with our depth. */
    if (p->parser.capacity() < text.len || p->parser.max_depth() != JSON_DEPTH_MAX) {
        auto bad = p->parser.allocate(std::max(text.len, (size_t)4096), JSON_DEPTH_MAX);
        if (bad)
            return err_set(err, ST_LIMIT, "JSON of %zu bytes: %s", text.len, simdjson::error_message(bad));
    }
    auto bad = p->parser.parse(text.ptr, text.len, true).get(e);
    if (bad == simdjson::DEPTH_ERROR)
        return err_set(err, ST_LIMIT, "JSON nested deeper than %d levels", (int)JSON_DEPTH_MAX);
    if (bad)
        return fail(text, simdjson::error_message(bad), err);
    *out = of_element(e);
    return ST_OK;
}

extern "C" enum json_type json_type(struct json_value v)
{
    switch (to_element(v).type()) {
    case simdjson::dom::element_type::ARRAY: return JSON_ARRAY;
    case simdjson::dom::element_type::OBJECT: return JSON_OBJECT;
    case simdjson::dom::element_type::INT64: return JSON_INT;
    case simdjson::dom::element_type::UINT64: return JSON_UINT;
    case simdjson::dom::element_type::DOUBLE: return JSON_DOUBLE;
    case simdjson::dom::element_type::STRING: return JSON_STRING;
    case simdjson::dom::element_type::BOOL: return JSON_BOOL;
    case simdjson::dom::element_type::NULL_VALUE: return JSON_NULL;
    }
    return JSON_NULL;
}

extern "C" bool json_get_bool(struct json_value v)
{
    bool b;
    return !to_element(v).get(b) && b;
}

extern "C" bool json_get_int(struct json_value v, int64_t *out)
{
    return !to_element(v).get(*out);
}

extern "C" bool json_get_double(struct json_value v, double *out)
{
    return !to_element(v).get(*out);
}

extern "C" struct slice json_get_string(struct json_value v)
{
    std::string_view s;
    if (to_element(v).get(s))
        return slice{ "", 0 };
    return slice{ s.data(), s.size() };
}

extern "C" bool json_get(struct json_value v, struct slice key, struct json_value *out)
{
    element e;
    if (to_element(v).at_key(std::string_view(key.ptr, key.len)).get(e))
        return false;
    *out = of_element(e);
    return true;
}

template <class T> static struct json_value place(const T &it)
{
    struct json_value v;
    memcpy(&v, (const void *)&it, sizeof v);
    return v;
}

extern "C" struct json_iter json_array(struct json_value v)
{
    simdjson::dom::array a;
    if (to_element(v).get(a))
        return json_iter{ { nullptr, 0 }, 0 };
    return json_iter{ place(a.begin()), place(a.end()).at };
}

extern "C" bool json_array_next(struct json_iter *it, struct json_value *item)
{
    if (it->value.doc == nullptr || it->value.at >= it->end)
        return false;
    simdjson::dom::array::iterator at;
    memcpy((void *)&at, &it->value, sizeof at);
    *item = of_element(*at);
    ++at;
    it->value = place(at);
    return true;
}

extern "C" struct json_iter json_object(struct json_value v)
{
    simdjson::dom::object o;
    if (to_element(v).get(o))
        return json_iter{ { nullptr, 0 }, 0 };
    return json_iter{ place(o.begin()), place(o.end()).at };
}

extern "C" bool json_object_next(struct json_iter *it, struct slice *key, struct json_value *item)
{
    if (it->value.doc == nullptr || it->value.at >= it->end)
        return false;
    simdjson::dom::object::iterator at;
    memcpy((void *)&at, &it->value, sizeof at);
    std::string_view k = at.key();
    *key = slice{ k.data(), k.size() };
    *item = of_element(at.value());
    ++at;
    it->value = place(at);
    return true;
}

static void write_value(struct json_writer *w, struct json_value v)
{
    switch (json_type(v)) {
    case JSON_NULL: json_raw(w, slice{ "null", 4 }); break;
    case JSON_BOOL: json_bool(w, json_get_bool(v)); break;
    case JSON_INT: json_int(w, (int64_t)to_element(v)); break;
    case JSON_UINT: json_uint(w, (uint64_t)to_element(v)); break;
    case JSON_DOUBLE: json_double(w, (double)to_element(v)); break;
    case JSON_STRING: json_string(w, json_get_string(v)); break;
    case JSON_ARRAY: {
        struct json_value item;
        json_array_begin(w);
        for (struct json_iter it = json_array(v); json_array_next(&it, &item);)
            write_value(w, item);
        json_array_end(w);
        break;
    }
    case JSON_OBJECT: {
        struct json_value item;
        struct slice key;
        json_object_begin(w);
        for (struct json_iter it = json_object(v); json_object_next(&it, &key, &item);) {
            json_key(w, key);
            write_value(w, item);
        }
        json_object_end(w);
        break;
    }
    }
}

extern "C" void json_write_value(struct json_value v, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    write_value(&w, v);
}

extern "C" bool json_flat_object(struct arena *a, struct slice text, struct slice *names, struct slice *values, size_t max, size_t *count)
{
    struct json_parser *p = json_parser_new();
    struct json_value v, item;
    struct slice key;
    bool good = json_parse(p, text, &v, nullptr) == ST_OK && json_type(v) == JSON_OBJECT;
    *count = 0;
    if (good) {
        for (struct json_iter it = json_object(v); good && json_object_next(&it, &key, &item);) {
            enum json_type type = json_type(item);
            good = *count < max && type != JSON_ARRAY && type != JSON_OBJECT && type != JSON_NULL;
            if (!good)
                break;
            names[*count] = arena_copy(a, key);
            if (type == JSON_STRING) {
                values[*count] = arena_copy(a, json_get_string(item));
            } else {
                struct buf b;
                buf_init(&b, 0);
                json_write_value(item, &b);
                values[*count] = arena_copy(a, buf_as_slice(&b));
                buf_free(&b);
            }
            ++*count;
        }
    }
    json_parser_free(p);
    return good;
}
