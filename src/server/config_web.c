/* SPDX-License-Identifier: Apache-2.0 */
/* `web`: what browsers may do, by the names of Prometheus's flags. */
#include "codec/regex.h"
#include "server/config.h"

enum status config_web_read(struct config *c, const struct yaml_node *root, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("cors_origin") };
    const struct yaml_node *n = yaml_get(root, SLICE("web"));
    struct regex *re = NULL;
    struct err why;
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_text(n, keys[0], &c->cors_origin, err);
    if (!st && c->cors_origin.len && regex_compile(&re, c->cors_origin, REGEX_ANCHORED, &why))
        return yaml_fail(yaml_get(n, keys[0]), err, "cors_origin: %s", why.text);
    regex_free(re);
    return st;
}
