/* SPDX-License-Identifier: Apache-2.0 */
/* The kubelet writes a container's log under /var/log/pods and links to it from /var/log/containers; Docker writes into a folder
 * named by the container's id, with the container's settings beside it. Only the last parts of a path are looked at, so that a
 * machine's root that is mounted elsewhere is understood, too. */
#include "collect/container.h"

#include "ingest/jread.h"

enum { ID_BYTES = 64, ID_BYTES_MIN = 12 };

/* Takes the last component off *path. */
static struct slice take_last(struct slice *path)
{
    size_t n = path->len;
    while (n > 0 && path->ptr[n - 1] != '/')
        n--;
    struct slice last = slice_skip(*path, n);
    *path = slice_sub(*path, 0, n ? n - 1 : 0);
    return last;
}

static bool is_id(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return s.len >= ID_BYTES_MIN && s.len <= ID_BYTES;
}

static bool of_pods(struct slice path, struct container *out)
{
    take_last(&path);
    struct slice name = take_last(&path), pod = take_last(&path), rest;
    if (name.len == 0 || !slice_eq(take_last(&path), SLICE("pods")) || !slice_cut(pod, '_', &out->ns, &rest))
        return false;
    size_t end = rest.len;
    while (end > 0 && rest.ptr[end - 1] != '_')
        end--;
    out->pod = slice_sub(rest, 0, end ? end - 1 : rest.len);
    out->name = name;
    return out->ns.len && out->pod.len;
}

static bool of_links(struct slice path, struct container *out)
{
    struct slice file = take_last(&path), rest;
    if (!slice_eq(take_last(&path), SLICE("containers")) || !slice_ends(file, SLICE(".log")))
        return false;
    file.len -= SLICE(".log").len;
    size_t dash = file.len;
    while (dash > 0 && file.ptr[dash - 1] != '-')
        dash--;
    if (dash == 0 || !is_id(slice_skip(file, dash)))
        return false;
    file = slice_sub(file, 0, dash - 1);
    return slice_cut(file, '_', &out->pod, &rest) && slice_cut(rest, '_', &out->ns, &out->name) && out->name.len;
}

static void read_labels(struct jread *j, struct container *out)
{
    if (!jread_object(j))
        return;
    for (struct slice key; jread_key(j, &key);) {
        struct slice *to = slice_eq(key, SLICE("com.docker.compose.service"))     ? &out->service
                           : slice_eq(key, SLICE("io.kubernetes.pod.name"))       ? &out->pod
                           : slice_eq(key, SLICE("io.kubernetes.pod.namespace"))  ? &out->ns
                           : slice_eq(key, SLICE("io.kubernetes.container.name")) ? &out->name
                                                                                  : NULL;
        if (to && jread_peek(j) == JREAD_STRING)
            *to = jread_string(j);
        else
            jread_skip(j);
    }
}

/* Docker's settings of a container: Name is "/web". */
static void read_config(struct arena *a, struct slice text, struct container *out)
{
    struct err err;
    struct jread j = jread_of(text, a, &err);
    struct slice name = SLICE_EMPTY;
    if (!jread_object(&j))
        return;
    for (struct slice key; jread_key(&j, &key);) {
        if (slice_eq(key, SLICE("Name")) && jread_peek(&j) == JREAD_STRING) {
            name = jread_string(&j);
        } else if (slice_eq(key, SLICE("Config")) && jread_peek(&j) == JREAD_OBJECT && jread_object(&j)) {
            for (struct slice inner; jread_key(&j, &inner);) {
                if (slice_eq(inner, SLICE("Labels")) && jread_peek(&j) == JREAD_OBJECT)
                    read_labels(&j, out);
                else
                    jread_skip(&j);
            }
        } else {
            jread_skip(&j);
        }
    }
    if (slice_starts(name, SLICE("/")))
        name = slice_skip(name, 1);
    if (name.len && out->pod.len == 0)
        out->name = name;
}

static bool of_docker(struct fs *fs, struct arena *a, struct slice path, struct container *out)
{
    enum { SHORT_ID_BYTES = 12 };
    struct slice file = take_last(&path), folder = path, id = take_last(&path);
    size_t end = slice_find(file, SLICE("-json.log"), 0);
    if (end == SIZE_MAX || !is_id(id) || !slice_eq(slice_sub(file, 0, end), id))
        return false;
    struct file *f;
    size_t got = 0;
    out->name = slice_sub(id, 0, SHORT_ID_BYTES);
    if (fs_open(fs, arena_printf(a, "%.*s/config.v2.json", SLICE_FMT(folder)).ptr, FILE_READ, &f, NULL))
        return true;
    char *text = arena_alloc(a, CONTAINER_CONFIG_BYTES_MAX);
    if (file_pread(f, 0, text, CONTAINER_CONFIG_BYTES_MAX, &got, NULL) == ST_OK)
        read_config(a, slice_of(text, got), out);
    file_close(f);
    return true;
}

bool container_of_path(struct fs *fs, struct arena *a, struct slice path, struct container *out)
{
    static const struct container none;
    *out = none;
    if (of_pods(path, out))
        return true;
    *out = none;
    if (of_links(path, out))
        return true;
    *out = none;
    return of_docker(fs, a, path, out);
}
