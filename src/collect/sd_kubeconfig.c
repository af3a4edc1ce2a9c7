/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig file: its current context names a cluster and a user. It is read at each request, so that a rotated token or
 * certificate needs no reload. What runs programs (exec) or asks others (auth-provider) is refused by name.
 * https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ */
#include "codec/hex.h"
#include "collect/sd_kubernetes.h"

enum { KUBECONFIG_BYTES_MAX = MIB, KUBECONFIG_PEM_BYTES_MAX = MIB };

struct kubeconfig {
    struct arena *a;
    struct slice folder; /* with a slash at its end, or empty */
    struct err *err;
};

/* The member `what` of the item of root's list that has this name. */
static enum status named(struct kubeconfig *k, const struct yaml_node *root, struct slice list, struct slice what, struct slice name,
                         const struct yaml_node **out)
{
    const struct yaml_node *all = yaml_get(root, list);
    for (size_t i = 0; all && all->type == YAML_SEQUENCE && i < all->count; i++) {
        struct slice found = SLICE_EMPTY;
        enum status st = yaml_text(all->items[i], SLICE("name"), &found, k->err);
        if (st)
            return st;
        if (slice_eq(found, name)) {
            *out = yaml_get(all->items[i], what);
            return ST_OK;
        }
    }
    return yaml_fail(root, k->err, "%.*s: there is none of the name \"%.*s\"", SLICE_FMT(list), SLICE_FMT(slice_sub(name, 0, 100)));
}

/* A path as seen from the file's folder. */
static enum status path_at(struct kubeconfig *k, const struct yaml_node *n, struct slice key, struct slice *out)
{
    struct slice path = SLICE_EMPTY;
    enum status st = yaml_text(n, key, &path, k->err);
    if (!st && path.len)
        *out = slice_starts(path, SLICE("/")) ? path : arena_printf(k->a, "%.*s%.*s", SLICE_FMT(k->folder), SLICE_FMT(path));
    return st;
}

/* PEM in base64. The error does not show it: it may be a key. */
static enum status pem_at(struct kubeconfig *k, const struct yaml_node *n, struct slice key, struct slice *out)
{
    struct slice text = SLICE_EMPTY;
    struct buf pem;
    enum status st = yaml_text(n, key, &text, k->err);
    if (st || text.len == 0)
        return st;
    buf_init(&pem, KUBECONFIG_PEM_BYTES_MAX);
    bool is_good = base64_decode(slice_trim(text), &pem) && !buf_over(&pem);
    if (is_good)
        *out = arena_copy(k->a, buf_as_slice(&pem));
    buf_free(&pem);
    if (is_good)
        return ST_OK;
    return yaml_fail(yaml_get(n, key), k->err, "%.*s: expected base64 of at most %d bytes", SLICE_FMT(key), KUBECONFIG_PEM_BYTES_MAX);
}

static enum status cluster_read(struct kubeconfig *k, const struct yaml_node *n, struct slice *url, struct scrape_http *http)
{
    enum status st = yaml_text(n, SLICE("server"), url, k->err);
    while (slice_ends(*url, SLICE("/")))
        url->len--;
    if (!st && !slice_starts(*url, SLICE("http://")) && !slice_starts(*url, SLICE("https://")))
        return yaml_fail(n, k->err, "server: found \"%.*s\", expected http://... or https://...", SLICE_FMT(slice_sub(*url, 0, 100)));
    if (!st)
        st = path_at(k, n, SLICE("certificate-authority"), &http->ca_file);
    if (!st)
        st = pem_at(k, n, SLICE("certificate-authority-data"), &http->ca_pem);
    if (!st)
        st = yaml_bool(n, SLICE("insecure-skip-tls-verify"), &http->tls_insecure, k->err);
    if (!st)
        st = yaml_text(n, SLICE("tls-server-name"), &http->server_name, k->err);
    if (!st)
        st = yaml_text(n, SLICE("proxy-url"), &http->proxy_url, k->err);
    if (http->ca_pem.len)
        http->ca_file = SLICE_EMPTY;
    return st;
}

static enum status user_read(struct kubeconfig *k, const struct yaml_node *n, struct scrape_http *http)
{
    static const struct slice refused[] = { SLICE_INIT("exec"), SLICE_INIT("auth-provider"), SLICE_INIT("as"), SLICE_INIT("as-uid"),
                                            SLICE_INIT("as-groups"), SLICE_INIT("as-user-extra") };
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        if (yaml_get(n, refused[i])) {
            (void)yaml_fail(yaml_get(n, refused[i]), k->err,
                            "users: %.*s is not served: give a token, tokenFile, client certificate, or username and password",
                            SLICE_FMT(refused[i]));
            if (k->err)
                k->err->status = ST_UNSUPPORTED;
            return ST_UNSUPPORTED;
        }
    enum status st = yaml_text(n, SLICE("token"), &http->credentials, k->err);
    if (!st)
        st = path_at(k, n, SLICE("tokenFile"), &http->credentials_file);
    if (!st)
        st = yaml_text(n, SLICE("username"), &http->user, k->err);
    if (!st)
        st = yaml_text(n, SLICE("password"), &http->password, k->err);
    if (!st)
        st = path_at(k, n, SLICE("client-certificate"), &http->cert_file);
    if (!st)
        st = path_at(k, n, SLICE("client-key"), &http->key_file);
    if (!st)
        st = pem_at(k, n, SLICE("client-certificate-data"), &http->cert_pem);
    if (!st)
        st = pem_at(k, n, SLICE("client-key-data"), &http->key_pem);
    if (http->cert_pem.len)
        http->cert_file = SLICE_EMPTY;
    if (http->key_pem.len)
        http->key_file = SLICE_EMPTY;
    return st;
}

static enum status context_read(struct kubeconfig *k, const struct yaml_node *root, struct slice *url, struct scrape_http *http)
{
    struct slice current = SLICE_EMPTY, cluster = SLICE_EMPTY, user = SLICE_EMPTY;
    const struct yaml_node *n = NULL;
    enum status st = yaml_text(root, SLICE("current-context"), &current, k->err);
    if (!st && current.len == 0)
        return yaml_fail(root, k->err, "current-context is missing");
    if (!st)
        st = named(k, root, SLICE("contexts"), SLICE("context"), current, &n);
    if (!st)
        st = yaml_text(n, SLICE("cluster"), &cluster, k->err);
    if (!st)
        st = yaml_text(n, SLICE("user"), &user, k->err);
    if (!st)
        st = named(k, root, SLICE("clusters"), SLICE("cluster"), cluster, &n);
    if (!st && n == NULL)
        return yaml_fail(root, k->err, "clusters: \"%.*s\" says nothing", SLICE_FMT(slice_sub(cluster, 0, 100)));
    if (!st)
        st = cluster_read(k, n, url, http);
    if (st || user.len == 0)
        return st;
    st = named(k, root, SLICE("users"), SLICE("user"), user, &n);
    return st ? st : user_read(k, n, http);
}

enum status kubeconfig_read(struct fs *fs, struct slice path, struct arena *a, struct slice *url, struct scrape_http *http, struct err *err)
{
    struct kubeconfig k = { .a = a, .folder = path, .err = err };
    struct yaml_node *root;
    struct buf text;
    while (k.folder.len && k.folder.ptr[k.folder.len - 1] != '/')
        k.folder.len--;
    *http = (struct scrape_http){ .follow_redirects = true, .auth_type = SLICE("Bearer") };
    *url = SLICE_EMPTY;
    buf_init(&text, 0);
    enum status st = fs_read_all(fs, arena_copy(a, path).ptr, KUBECONFIG_BYTES_MAX, &text, err);
    if (!st)
        st = yaml_parse(a, path, arena_copy(a, buf_as_slice(&text)), &root, err);
    buf_free(&text);
    return st ? st : context_read(&k, root, url, http);
}
