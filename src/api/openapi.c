/* SPDX-License-Identifier: Apache-2.0 */
/* The document says of each route its path, methods, who may call it and what it is for; parameters and answers of a dialect
 * are in the manual of what it comes from. It is made of the table itself, so it cannot leave anything out.
 * https://spec.openapis.org/oas/v3.0.3 */
#include "api/openapi.h"

#include "codec/json.h"

static void put_text(struct json_writer *w, const char *key, struct slice value)
{
    json_key(w, slice_str(key));
    json_string(w, value);
}

/* "/a/{key...}" is "/a/{key}" there. */
static struct slice path_of(struct arena *a, struct slice pattern)
{
    struct slice end = SLICE("...}");
    return slice_ends(pattern, end) ? arena_printf(a, "%.*s}", SLICE_FMT(slice_sub(pattern, 0, pattern.len - end.len))) : pattern;
}

static void put_parameters(struct json_writer *w, struct slice path)
{
    struct slice part;
    json_key(w, SLICE("parameters"));
    json_array_begin(w);
    while (slice_next(&path, '/', &part)) {
        if (part.len < 3 || part.ptr[0] != '{')
            continue;
        json_object_begin(w);
        put_text(w, "name", slice_sub(part, 1, part.len - 1));
        put_text(w, "in", SLICE("path"));
        json_key(w, SLICE("required"));
        json_bool(w, true);
        json_key(w, SLICE("schema"));
        json_object_begin(w);
        put_text(w, "type", SLICE("string"));
        json_object_end(w);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_operation(struct json_writer *w, const struct api_route_about *r, const char *method, const char *section, struct slice path)
{
    json_key(w, slice_str(method));
    json_object_begin(w);
    put_text(w, "summary", slice_str(r->text ? r->text : section));
    json_key(w, SLICE("tags"));
    json_array_begin(w);
    json_string(w, slice_str(section));
    json_array_end(w);
    put_parameters(w, path);
    put_text(w, "x-stoa-permission", slice_str(permission_name(r->permission)));
    if (r->action)
        put_text(w, "x-stoa-audit", slice_str(r->action));
    if (r->of_server) {
        json_key(w, SLICE("x-stoa-of-server"));
        json_bool(w, true);
    }
    if (r->permission == PERMIT_PUBLIC) {
        json_key(w, SLICE("security"));
        json_array_begin(w);
        json_array_end(w);
    }
    json_key(w, SLICE("responses"));
    json_object_begin(w);
    json_key(w, SLICE("default"));
    json_object_begin(w);
    put_text(w, "description", r->is_grpc ? SLICE("gRPC") : SLICE("As the manual says"));
    json_object_end(w);
    json_object_end(w);
    json_object_end(w);
}

/* All rows of the path of row `first`, which comes first of them. The path begins behind `skipped` bytes. */
static void put_path(struct json_writer *w, struct arena *a, size_t first, size_t skipped)
{
    struct api_route_about r;
    const char *section = "";
    struct slice pattern = SLICE_EMPTY;
    if (api_route_at(first, &r))
        pattern = r.pattern;
    struct slice path = path_of(a, pattern);
    json_key(w, slice_skip(path, skipped));
    json_object_begin(w);
    for (size_t i = 0; api_route_at(i, &r); i++) {
        if (r.is_section)
            section = r.text;
        else if (slice_eq(r.pattern, pattern))
            for (size_t k = 0; k < r.method_count; k++)
                put_operation(w, &r, r.methods[k], section, path);
    }
    json_object_end(w);
}

static bool is_first(size_t row)
{
    struct api_route_about r, other;
    bool first = api_route_at(row, &r) && !r.is_section && !r.is_visit;
    for (size_t i = 0; first && i < row && api_route_at(i, &other); i++)
        first = !slice_eq(other.pattern, r.pattern);
    return first;
}

static void put_schemes(struct json_writer *w)
{
    static const char *const schemes[] = { "basic", "bearer" };
    json_key(w, SLICE("components"));
    json_object_begin(w);
    json_key(w, SLICE("securitySchemes"));
    json_object_begin(w);
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        json_key(w, slice_str(schemes[i]));
        json_object_begin(w);
        put_text(w, "type", SLICE("http"));
        put_text(w, "scheme", slice_str(schemes[i]));
        json_object_end(w);
    }
    json_object_end(w);
    json_object_end(w);
    json_key(w, SLICE("security"));
    json_array_begin(w);
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        json_object_begin(w);
        json_key(w, slice_str(schemes[i]));
        json_array_begin(w);
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
}

/* Of the paths below base; empty: all. */
static struct buf document(struct api *api, struct arena *a, struct slice base)
{
    struct api_route_about r;
    struct json_writer w;
    struct buf out;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    put_text(&w, "openapi", SLICE("3.0.3"));
    json_key(&w, SLICE("info"));
    json_object_begin(&w);
    put_text(&w, "title", SLICE("Stoa"));
    put_text(&w, "version", api->version);
    put_text(&w, "description", SLICE("All paths of the main port. x-stoa-permission is what the caller's role must allow; x-stoa-audit how "
                                      "the audit log calls it; x-stoa-of-server: not for logins that are tied to other tenants than default."));
    json_object_end(&w);
    if (base.len) {
        json_key(&w, SLICE("servers"));
        json_array_begin(&w);
        json_object_begin(&w);
        put_text(&w, "url", base);
        json_object_end(&w);
        json_array_end(&w);
    }
    put_schemes(&w);
    json_key(&w, SLICE("paths"));
    json_object_begin(&w);
    for (size_t i = 0; api_route_at(i, &r); i++)
        if (is_first(i) && slice_starts(r.pattern, base))
            put_path(&w, a, i, base.len);
    json_object_end(&w);
    json_object_end(&w);
    return out;
}

void openapi_get(void *user, struct http_exchange *x)
{
    struct buf out = document(user, http_arena(x), SLICE_EMPTY);
    api_reply_json(x, 200, &out);
}

/* JSON is YAML, too. */
void openapi_prometheus(void *user, struct http_exchange *x)
{
    struct buf out = document(user, http_arena(x), SLICE("/api/v1"));
    http_reply_buf(x, 200, SLICE("application/yaml; charset=utf-8"), &out);
}
