/* SPDX-License-Identifier: Apache-2.0 */
/* Matchers. A regex that is a plain list of texts (a|b|c, the most common kind: dashboards make it) is compared without RE2. */
#include "model/matcher.h"

#include "base/utf8.h"
#include "codec/regex.h"

enum status matcher_init(struct matcher *m, enum match_op op, struct slice name, struct slice value, struct err *err)
{
    *m = (struct matcher){ .op = op, .name = name, .value = value };
    if (op == MATCH_EQ || op == MATCH_NE)
        return ST_OK;
    enum status st = regex_compile(&m->re, value, REGEX_ANCHORED, err);
    if (st) {
        struct slice shown = utf8_cut(value, 120);
        err_prefix(err, "matcher %.*s%s\"%.*s\": ", SLICE_FMT(utf8_cut(name, 80)), op == MATCH_RE ? "=~" : "!~", SLICE_FMT(shown));
    }
    return st;
}

void matcher_destroy(struct matcher *m)
{
    regex_free(m->re);
    m->re = NULL;
}

static bool regex_accepts(const struct regex *re, struct slice value)
{
    const struct slice *texts;
    size_t count = regex_literals(re, &texts);
    for (size_t i = 0; i < count; i++)
        if (slice_eq(texts[i], value))
            return true;
    return count == 0 && regex_match(re, value);
}

bool matcher_match(const struct matcher *m, struct slice value)
{
    switch (m->op) {
    case MATCH_EQ:
        return slice_eq(m->value, value);
    case MATCH_NE:
        return !slice_eq(m->value, value);
    case MATCH_RE:
        return regex_accepts(m->re, value);
    case MATCH_NRE:
        return !regex_accepts(m->re, value);
    }
    return false;
}

bool matcher_matches_empty(const struct matcher *m)
{
    return matcher_match(m, SLICE_EMPTY);
}

bool matchers_match(const struct matcher *list, size_t count, struct slice labels)
{
    for (size_t i = 0; i < count; i++)
        if (!matcher_match(&list[i], labels_get(labels, list[i].name)))
            return false;
    return true;
}

void matcher_format(const struct matcher *m, struct buf *out)
{
    static const char *const ops[] = { "=", "!=", "=~", "!~" };
    if (label_name_is_legacy(m->name))
        buf_slice(out, m->name);
    else
        text_put_quoted(m->name, out);
    buf_slice(out, slice_str(ops[m->op]));
    text_put_quoted(m->value, out);
}

void matchers_format(const struct matcher *list, size_t count, struct buf *out)
{
    buf_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_char(out, ',');
        matcher_format(&list[i], out);
    }
    buf_char(out, '}');
}

void matchers_destroy(struct matcher *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        matcher_destroy(&list[i]);
}
