/* SPDX-License-Identifier: Apache-2.0 */
#include "server/flags.h"

#include <stdlib.h>

#include "codec/json.h"

static enum status add_config(struct flags *f, struct slice path, struct err *err)
{
    if (f->config_count == FLAG_CONFIGS_MAX)
        return err_set(err, ST_INVALID, "--config: more than %d files", FLAG_CONFIGS_MAX);
    f->configs[f->config_count++] = arena_copy(f->arena, path);
    return ST_OK;
}

static enum status set(struct flags *f, struct slice name, struct slice value, struct err *err)
{
    if (slice_eq(name, SLICE("--config")))
        return add_config(f, value, err);
    if (slice_eq(name, SLICE("--data")))
        f->data = arena_copy(f->arena, value);
    else if (slice_eq(name, SLICE("--listen")))
        f->listen = arena_copy(f->arena, value);
    else
        return err_set(err, ST_INVALID, "unknown flag %.*s; allowed: --config FILE, --data DIR, --listen ADDRESS:PORT, --insecure", SLICE_FMT(name));
    return ST_OK;
}

static enum status from_environment(struct flags *f, struct err *err)
{
    struct slice configs = slice_str(getenv("STOA_CONFIG")), path;
    if (f->config_count == 0) {
        while (slice_next(&configs, ':', &path)) {
            enum status st = path.len ? add_config(f, path, err) : ST_OK;
            if (st)
                return st;
        }
    }
    if (f->data.len == 0)
        f->data = slice_str(getenv("STOA_DATA"));
    if (f->listen.len == 0)
        f->listen = slice_str(getenv("STOA_LISTEN"));
    struct slice insecure = slice_str(getenv("STOA_INSECURE"));
    f->insecure |= slice_eq(insecure, SLICE("1")) || slice_eq_nocase(insecure, SLICE("true"));
    return ST_OK;
}

static void write_json(struct flags *f)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    for (size_t i = 0; i < f->config_count; i++) {
        json_key(&w, i ? arena_printf(f->arena, "config.%zu", i + 1) : SLICE("config"));
        json_string(&w, f->configs[i]);
    }
    json_key(&w, SLICE("data"));
    json_string(&w, f->data);
    json_key(&w, SLICE("listen"));
    json_string(&w, f->listen);
    json_key(&w, SLICE("insecure"));
    json_string(&w, f->insecure ? SLICE("true") : SLICE("false"));
    json_object_end(&w);
    f->json = arena_copy(f->arena, buf_as_slice(&out));
    buf_free(&out);
}

enum status flags_read(int argc, char **argv, struct flags *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    out->arena = arena_new(0);
    for (int i = 1; i < argc; i++) {
        struct slice name, value, arg = slice_str(argv[i]);
        if (slice_eq(arg, SLICE("--insecure"))) {
            out->insecure = true;
            continue;
        }
        if (!slice_cut(arg, '=', &name, &value)) {
            if (i + 1 == argc)
                return err_set(err, ST_INVALID, "%.*s: a value is missing", SLICE_FMT(arg));
            value = slice_str(argv[++i]);
        }
        enum status st = set(out, name, value, err);
        if (st)
            return st;
    }
    enum status st = from_environment(out, err);
    if (!st)
        write_json(out);
    return st;
}

void flags_free(struct flags *f)
{
    arena_free(f->arena);
    f->arena = NULL;
}
