/* SPDX-License-Identifier: Apache-2.0 */
/* The web page, from inside the binary: files made by the page's build, compressed, included as bytes (tools/embed.sh).
 * Every page path answers the one index; files under /assets/ have their content's hash in the name, so they never change. */
#include "api/handlers.h"

#include "codec/compress.h"
#include "codec/url.h"

/* One embedded file. The layout is known to tools/embed.sh. */
struct page_asset {
    const char *path;
    const char *gz, *gz_end;
};

extern const struct page_asset page_assets[]; /* ends with path NULL */

enum { PAGE_BYTES_MAX = 8 * MIB };

static const struct page_asset *asset_of(struct slice path)
{
    for (const struct page_asset *a = page_assets; a->path; a++)
        if (slice_eq(slice_str(a->path), path))
            return a;
    return NULL;
}

static struct slice type_of(struct slice path)
{
    static const struct {
        struct slice ending, type;
    } types[] = {
        { SLICE_INIT(".html"), SLICE_INIT("text/html; charset=utf-8") },
        { SLICE_INIT(".js"), SLICE_INIT("text/javascript; charset=utf-8") },
        { SLICE_INIT(".css"), SLICE_INIT("text/css; charset=utf-8") },
        { SLICE_INIT(".svg"), SLICE_INIT("image/svg+xml") },
        { SLICE_INIT(".json"), SLICE_INIT("application/json") },
        { SLICE_INIT(".png"), SLICE_INIT("image/png") },
    };
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (slice_ends(path, types[i].ending))
            return types[i].type;
    return SLICE("application/octet-stream");
}

/* The manual is static pages: /docs, /docs/queries, /docs/protocols/otlp. */
static struct slice file_of(struct http_exchange *x, struct slice path)
{
    if (slice_starts(path, SLICE("/assets/")))
        return path;
    if (slice_eq(path, SLICE("/docs")) || slice_eq(path, SLICE("/docs/")))
        return SLICE("/docs/index.html");
    if (slice_starts(path, SLICE("/docs/")))
        return arena_printf(http_arena(x), "%.*s.html", SLICE_FMT(path));
    return SLICE("/index.html");
}

void page_serve(void *user, struct http_exchange *x)
{
    struct slice path = http_path(x);
    bool is_file = slice_starts(path, SLICE("/assets/"));
    const struct page_asset *a = asset_of(file_of(x, path));
    if (a == NULL) {
        http_reply(x, 404, SLICE("text/plain; charset=utf-8"), SLICE("no such file\n"));
        return;
    }
    struct slice gz = slice_of(a->gz, (size_t)(a->gz_end - a->gz));
    struct slice type = type_of(slice_str(a->path));
    http_set_header(x, SLICE("Cache-Control"), is_file ? SLICE("public, max-age=31536000, immutable") : SLICE("no-cache"));
    http_set_header(x, SLICE("X-Content-Type-Options"), SLICE("nosniff"));
    http_set_header(x, SLICE("Referrer-Policy"), SLICE("same-origin"));
    http_set_header(x, SLICE("Content-Security-Policy"),
                    SLICE("default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"));
    http_set_header(x, SLICE("Vary"), SLICE("Accept-Encoding"));
    if (slice_contains(http_header(x, SLICE("Accept-Encoding")), SLICE("gzip"))) {
        http_set_header(x, SLICE("Content-Encoding"), SLICE("gzip"));
        http_reply(x, 200, type, gz);
        return;
    }
    struct buf plain;
    struct err err;
    buf_init(&plain, PAGE_BYTES_MAX);
    enum status st = gzip_decompress(gz, PAGE_BYTES_MAX, &plain, &err);
    if (st) {
        buf_free(&plain);
        api_fail(x, st, &err);
        return;
    }
    http_reply_buf(x, 200, type, &plain);
}
