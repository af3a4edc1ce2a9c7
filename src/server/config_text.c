/* SPDX-License-Identifier: Apache-2.0 */
/* Written from the tree, not cut out of the files: so no way of quoting, folding or naming (an alias) a secret shows it. */
#include "server/config_text.h"

#include "codec/json.h"

enum { INDENT = 2 };
#define HIDDEN SLICE("<secret>")

/* Our keys, those of prometheus.yml, alertmanager.yml and blackbox.yml, and what looks like them; names of headers too. */
static bool is_secret(struct slice key)
{
    static const struct slice endings[] = { SLICE_INIT("password"), SLICE_INIT("secret"), SLICE_INIT("secrets"), SLICE_INIT("token"),
                                            SLICE_INIT("credentials"), SLICE_INIT("_key"), SLICE_INIT("-key"), SLICE_INIT("apikey"),
                                            SLICE_INIT("authorization"), SLICE_INIT("cookie"), SLICE_INIT("api_url"), SLICE_INIT("webhook_url") };
    for (size_t i = 0; i < COUNT_OF(endings); i++)
        if (key.len >= endings[i].len && slice_eq_nocase(slice_skip(key, key.len - endings[i].len), endings[i]))
            return true;
    return slice_eq(key, SLICE("key"));
}

static void put_quoted(struct buf *out, struct slice text)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_string(&w, text);
}

/* What was plain stays plain when it stands on one line and cannot be taken for anything else. */
static void put_text(struct buf *out, struct slice text, bool quoted)
{
    bool plain = !quoted && text.len > 0 && !slice_contains(SLICE("-?:,[]{}#&*!|>'\"%@` "), slice_sub(text, 0, 1)) &&
                 !slice_contains(text, SLICE(": ")) && !slice_contains(text, SLICE(" #")) && !slice_ends(text, SLICE(":"));
    for (size_t i = 0; plain && i < text.len; i++)
        plain = (unsigned char)text.ptr[i] >= ' ';
    if (plain)
        buf_slice(out, text);
    else
        put_quoted(out, text);
}

/* https://user:password@host. */
static struct slice without_password(struct arena *a, struct slice text)
{
    size_t from = slice_find(text, SLICE("://"), 0);
    if (from == SIZE_MAX)
        return text;
    size_t end = MIN(slice_find_char(text, '/', from + 3), text.len), at = end;
    while (at > from + 3 && text.ptr[at - 1] != '@')
        at--;
    size_t colon = slice_find_char(text, ':', from + 3);
    if (at == from + 3 || colon >= at - 1)
        return text;
    return arena_printf(a, "%.*s:%.*s%.*s", (int)colon, text.ptr, SLICE_FMT(HIDDEN), SLICE_FMT(slice_skip(text, at - 1)));
}

static void put_scalar(struct buf *out, struct arena *a, const struct yaml_node *n, bool secret)
{
    if (secret && n->text.len)
        buf_slice(out, HIDDEN);
    else if (n->text.len || n->quoted)
        put_text(out, without_password(a, n->text), n->quoted);
}

/* under: the key that n, or the list n is in, stands at. A webhook's address is what lets one in. */
static void put_node(struct buf *out, struct arena *a, const struct yaml_node *n, int indent, bool secret, struct slice under)
{
    for (size_t i = 0; i < n->count && !buf_over(out); i++) {
        const struct yaml_node *item = n->items[i];
        bool is_map = n->type == YAML_MAP, is_hook = slice_eq(under, SLICE("webhook_configs"));
        bool hide = secret || (is_map && (is_secret(n->keys[i]) || (is_hook && slice_eq(n->keys[i], SLICE("url")))));
        buf_printf(out, "%*s", indent, "");
        if (n->type == YAML_MAP) {
            put_text(out, n->keys[i], false);
            buf_char(out, ':');
        } else {
            buf_char(out, '-');
        }
        if (item->type == YAML_SCALAR) {
            buf_char(out, ' ');
            put_scalar(out, a, item, hide);
            buf_char(out, '\n');
        } else if (item->count == 0) {
            buf_slice(out, item->type == YAML_MAP ? SLICE(" {}\n") : SLICE(" []\n"));
        } else {
            buf_char(out, '\n');
            put_node(out, a, item, indent + INDENT, hide, is_map ? n->keys[i] : under);
        }
    }
}

struct slice config_text(struct arena *a, const struct yaml_node *root)
{
    struct buf out;
    buf_init(&out, CONFIG_TEXT_BYTES_MAX);
    put_node(&out, a, root, 0, false, SLICE_EMPTY);
    struct slice text = arena_copy(a, buf_as_slice(&out));
    buf_free(&out);
    return text;
}
