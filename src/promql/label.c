/* SPDX-License-Identifier: Apache-2.0 */
/* label_replace and label_join: values stay, labels change. Series may become twins by it, so results are collected. */
#include "base/utf8.h"
#include "codec/regex.h"
#include "promql/parts.h"
#include "promql/rows.h"

enum { JOINED_BYTES_MAX = LABEL_VALUE_BYTES_MAX * 16 };

struct label_sink {
    struct sink sink;
    struct eval *e;
    const struct node *n;
    struct regex *re;              /* label_replace */
    struct slice to, from, text;   /* text: the template, or what stands between */
    struct buf value;
    struct sink *next;
};

static enum status label_put(struct label_sink *s, struct row *row, struct err *err)
{
    if (buf_over(&s->value))
        return err_set(err, ST_LIMIT, "%.*s(): a value would be longer than %d bytes", SLICE_FMT(s->n->text), JOINED_BYTES_MAX);
    struct slice value = arena_copy(s->e->line, buf_as_slice(&s->value));
    row->labels = labels_with(s->e->line, row->labels, s->to, value);
    if (slice_eq(s->to, NAME_LABEL))
        row->drop_name = false;
    return s->next->put(s->next, row, err);
}

static enum status replace_put(struct sink *sink, struct row *row, struct err *err)
{
    struct label_sink *s = (struct label_sink *)sink;
    struct slice groups[REGEX_GROUPS_MAX];
    size_t count = MIN(regex_group_count(s->re) + 1, (size_t)REGEX_GROUPS_MAX);
    if (!regex_find(s->re, labels_get(row->labels, s->from), 0, groups, count))
        return s->next->put(s->next, row, err);
    buf_reset(&s->value);
    regex_expand(s->re, s->text, groups, count, &s->value);
    return label_put(s, row, err);
}

static enum status join_put(struct sink *sink, struct row *row, struct err *err)
{
    struct label_sink *s = (struct label_sink *)sink;
    buf_reset(&s->value);
    for (size_t i = 3; i < s->n->kid_count; i++) {
        if (i > 3)
            buf_slice(&s->value, s->text);
        buf_slice(&s->value, labels_get(row->labels, eval_string(s->n->kids[i])));
    }
    return label_put(s, row, err);
}

static enum status run(struct label_sink *s, const struct grid *g, struct sink *sink, struct err *err)
{
    struct rows r;
    rows_init(&r, s->e, g->n);
    s->next = &r.sink;
    buf_init(&s->value, JOINED_BYTES_MAX);
    enum status st = eval_vector(s->e, s->n->kids[0], g, &s->sink, err);
    rows_sort(&r);
    if (!st)
        st = rows_give(&r, sink, err);
    buf_free(&s->value);
    rows_free(&r);
    return st;
}

static enum status check_name(struct slice fn, const char *what, struct slice name, struct err *err)
{
    if (name.len && utf8_is_valid(name))
        return ST_OK;
    return err_set(err, ST_INVALID, "invalid %s label name in %.*s(): %.*s", what, SLICE_FMT(fn), SLICE_FMT(name));
}

enum status label_replace(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    struct label_sink s = { .sink = { replace_put }, .e = e, .n = n, .to = eval_string(n->kids[1]), .text = eval_string(n->kids[2]),
                            .from = eval_string(n->kids[3]) };
    struct slice pattern = eval_string(n->kids[4]);
    struct err why;
    if (regex_compile(&s.re, pattern, REGEX_ANCHORED, &why))
        return err_set(err, ST_INVALID, "invalid regular expression in label_replace(): %.*s", SLICE_FMT(pattern));
    enum status st = check_name(n->text, "destination", s.to, err);
    if (!st)
        st = run(&s, g, sink, err);
    regex_free(s.re);
    return st;
}

enum status label_join(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    struct label_sink s = { .sink = { join_put }, .e = e, .n = n, .to = eval_string(n->kids[1]), .text = eval_string(n->kids[2]) };
    enum status st = check_name(n->text, "destination", s.to, err);
    for (size_t i = 3; !st && i < n->kid_count; i++)
        st = check_name(n->text, "source", eval_string(n->kids[i]), err);
    return st ? st : run(&s, g, sink, err);
}
