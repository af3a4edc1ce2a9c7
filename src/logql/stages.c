/* SPDX-License-Identifier: Apache-2.0 */
/* Stages at work on one record. A parser that fails marks the record with __error__ and lets it pass, as Loki does. */
#include "codec/logfmt.h"
#include "logql/project.h"
#include "query/token.h"

enum { JSON_NAME_BYTES_MAX = 1024 };

static bool line_has(const struct stage *s, size_t i, struct slice line)
{
    if (s->ips[i])
        return ip_line_has(s->ips[i], line);
    if (s->res[i])
        return regex_match(s->res[i], line);
    if (s->patterns[i])
        return pattern_test(s->patterns[i], s->pattern_counts[i], line);
    return slice_contains(line, s->texts[i]);
}

static bool run_line(const struct stage *s, const struct record *r)
{
    bool wanted = s->line_op == LINE_CONTAINS || s->line_op == LINE_MATCHES || s->line_op == LINE_PATTERN;
    for (size_t i = 0; i < s->text_count; i++)
        if (line_has(s, i, r->line))
            return wanted;
    return !wanted;
}

/* ---- parsers ---- */

/* A parsed label that clashes with a stream label or metadata is kept beside it, as name_extracted. */
static void put_parsed(struct record *r, struct slice name, struct slice value, struct arena *a)
{
    const struct record_label *l = record_find(r, name);
    if (l && l->origin != FROM_PARSER) {
        name = arena_printf(a, "%.*s_extracted", SLICE_FMT(name));
        l = record_find(r, name);
    }
    if (l == NULL || l->origin != FROM_PARSER || l->value.len == 0)
        record_set(r, name, value, FROM_PARSER);
}

static struct slice clean_name(struct slice prefix, struct slice key, struct arena *a)
{
    char *to = arena_alloc(a, prefix.len + key.len + 2);
    size_t n = 0;
    if (prefix.len) {
        memcpy(to, prefix.ptr, prefix.len);
        n = prefix.len;
        to[n++] = '_';
    } else if (key.len && token_is_digit(key.ptr[0])) {
        to[n++] = '_';
    }
    for (size_t i = 0; i < key.len; i++)
        to[n++] = token_is_alnum(key.ptr[i]) ? key.ptr[i] : '_';
    return slice_of(to, MIN(n, (size_t)JSON_NAME_BYTES_MAX));
}

static struct slice json_text(struct json_value v, struct arena *a)
{
    struct buf b;
    if (json_type(v) == JSON_STRING)
        return arena_copy(a, json_get_string(v));
    buf_init(&b, 0);
    json_write_value(v, &b);
    struct slice text = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return text;
}

/* Does the label matter to anything behind? */
static bool is_wanted(const struct stage_env *env, struct slice name)
{
    return env->only == NULL || logql_projection_has(env->only, name);
}

static void put_json_object(struct record *r, struct json_value object, struct slice prefix, struct stage_env *env)
{
    struct arena *a = env->scratch;
    struct json_value v;
    struct slice key;
    for (struct json_iter it = json_object(object); json_object_next(&it, &key, &v);) {
        struct slice name = clean_name(prefix, key, a);
        switch (json_type(v)) {
        case JSON_OBJECT: put_json_object(r, v, name, env); break;
        case JSON_ARRAY:
        case JSON_NULL: break;
        case JSON_STRING:
        case JSON_BOOL:
        case JSON_INT:
        case JSON_UINT:
        case JSON_DOUBLE:
            if (is_wanted(env, name))
                put_parsed(r, name, json_text(v, a), a);
            break;
        }
    }
}

/* a.b[0]["c d"] from v. */
static bool json_path(struct json_value v, struct slice path, struct json_value *out)
{
    while (path.len) {
        if (path.ptr[0] == '.') {
            path = slice_skip(path, 1);
            continue;
        }
        if (path.ptr[0] != '[') {
            size_t n = 0;
            while (n < path.len && path.ptr[n] != '.' && path.ptr[n] != '[')
                n++;
            if (!json_get(v, slice_sub(path, 0, n), &v))
                return false;
            path = slice_skip(path, n);
            continue;
        }
        size_t end = slice_find_char(path, ']', 0);
        if (end == SIZE_MAX)
            return false;
        struct slice inside = slice_sub(path, 1, end);
        path = slice_skip(path, end + 1);
        if (inside.len > 1 && inside.ptr[0] == '"') {
            if (!json_get(v, slice_sub(inside, 1, inside.len - 1), &v))
                return false;
            continue;
        }
        size_t index = 0;
        for (size_t i = 0; i < inside.len; i++)
            index = index * 10 + (size_t)(inside.ptr[i] - '0');
        struct json_iter it = json_array(v);
        bool found = false;
        for (size_t i = 0; i <= index && (found = json_array_next(&it, &v)); i++)
            ;
        if (!found)
            return false;
    }
    *out = v;
    return true;
}

static void run_found(const struct stage *s, struct record *r, struct stage_env *env)
{
    const struct record_found *f = env->found;
    for (size_t i = 0; !f->is_error && i < f->count; i++) {
        if (f->values[i].len)
            put_parsed(r, f->labels[i], f->values[i], env->scratch);
        if (s->assign_count)
            record_set_empty(r, f->labels[i]);
    }
    if (f->is_error)
        record_error(r, "JSONParserErr", SLICE("the line is no JSON object"));
}

static void run_json(const struct stage *s, struct record *r, struct stage_env *env)
{
    struct json_value v, part;
    struct err err;
    if (json_parse(env->json, r->line, &v, &err) || json_type(v) != JSON_OBJECT) {
        record_error(r, "JSONParserErr", SLICE("the line is no JSON object"));
        return;
    }
    if (s->assign_count == 0)
        put_json_object(r, v, SLICE_EMPTY, env);
    for (size_t i = 0; i < s->assign_count; i++) {
        if (json_path(v, s->assigns[i].source, &part) && json_type(part) != JSON_NULL)
            put_parsed(r, s->assigns[i].name, json_text(part, env->scratch), env->scratch);
        record_set_empty(r, s->assigns[i].name);
    }
}

static void run_logfmt(const struct stage *s, struct record *r, struct stage_env *env)
{
    struct slice rest = r->line, key, value;
    bool has_value, bad = false;
    while (logfmt_next(&rest, env->scratch, &key, &value, &has_value, &bad)) {
        if (bad && s->strict)
            break;
        if (value.len == 0 && !s->keep_empty)
            continue;
        if (s->assign_count == 0) {
            struct slice name = clean_name(SLICE_EMPTY, key, env->scratch);
            if (value.len && is_wanted(env, name))
                put_parsed(r, name, value, env->scratch);
            else if (value.len == 0 && is_wanted(env, name))
                record_set_empty(r, name);
        }
        for (size_t i = 0; i < s->assign_count; i++)
            if (slice_eq(s->assigns[i].source, key))
                put_parsed(r, s->assigns[i].name, value, env->scratch);
    }
    for (size_t i = 0; i < s->assign_count; i++)
        record_set_empty(r, s->assigns[i].name);
    if (bad && s->strict)
        record_error(r, "LogfmtParserErr", SLICE("the line is no logfmt"));
}

static void run_regexp(const struct stage *s, struct record *r, struct stage_env *env)
{
    struct slice groups[REGEX_GROUPS_MAX + 1];
    size_t n = MIN(regex_group_count(s->re) + 1, (size_t)REGEX_GROUPS_MAX + 1);
    while (n > 1 && regex_group_name(s->re, n - 1).len == 0)
        n--; /* each group that is looked for makes the search slower */
    if (!regex_find(s->re, r->line, 0, groups, n))
        return;
    for (size_t i = 1; i < n; i++) {
        struct slice name = regex_group_name(s->re, i);
        if (name.len && groups[i].ptr)
            put_parsed(r, name, groups[i], env->scratch);
    }
}

static void run_pattern(const struct stage *s, struct record *r, struct stage_env *env)
{
    struct slice *values = arena_array(env->scratch, struct slice, s->piece_count + 1);
    size_t v = 0, found = pattern_captures(s->pieces, s->piece_count, r->line, values);
    for (size_t i = 0; i < s->piece_count && v < found; i++) {
        if (!s->pieces[i].is_capture)
            continue;
        if (s->pieces[i].name.len)
            put_parsed(r, s->pieces[i].name, values[v], env->scratch);
        v++;
    }
}

static void run_unpack(struct record *r, struct stage_env *env)
{
    struct json_value v, item;
    struct slice key;
    struct err err;
    if (json_parse(env->json, r->line, &v, &err) || json_type(v) != JSON_OBJECT) {
        record_error(r, "JSONParserErr", SLICE("the line is no JSON object"));
        return;
    }
    for (struct json_iter it = json_object(v); json_object_next(&it, &key, &item);) {
        if (json_type(item) != JSON_STRING)
            continue;
        if (slice_eq(key, SLICE("_entry")))
            r->line = arena_copy(env->scratch, json_get_string(item));
        else
            put_parsed(r, clean_name(SLICE_EMPTY, key, env->scratch), json_text(item, env->scratch), env->scratch);
    }
}

/* ---- label filters ---- */

bool logql_compare(enum cmp_op op, double a, double b)
{
    switch (op) {
    case CMP_EQ: return a == b;
    case CMP_NE: return a != b;
    case CMP_GT: return a > b;
    case CMP_GE: return a >= b;
    case CMP_LT: return a < b;
    case CMP_LE: return a <= b;
    case CMP_RE:
    case CMP_NRE: return false;
    }
    return false;
}

/* A record that failed before counts like any other here: without the label it is dropped. __error__ is no number. */
static bool filter_number(const struct label_filter *f, struct record *r, struct arena *a)
{
    const struct record_label *l = record_find(r, f->name);
    enum unwrap_as as = f->kind == FILTER_DURATION ? UNWRAP_DURATION : f->kind == FILTER_BYTES ? UNWRAP_BYTES : UNWRAP_NUMBER;
    double v;
    if (l == NULL)
        return false;
    if (!logql_value_parse(l->value, as, &v)) {
        record_error(r, "LabelFilterErr", logql_value_fault(l->value, as, a));
        return true;
    }
    return logql_compare(f->op, v, f->number);
}

/* What failed before passes, so that the error is seen; what has no such label does not. */
static bool filter_ip(const struct label_filter *f, struct record *r)
{
    const struct record_label *l = record_find(r, f->name);
    if (r->error.len)
        return true;
    return l && ip_line_has(f->ip, l->value) == (f->op == CMP_EQ);
}

bool logql_filter_run(const struct label_filter *f, struct record *r, struct arena *a)
{
    struct slice text;
    switch (f->kind) {
    case FILTER_AND: return logql_filter_run(f->left, r, a) && logql_filter_run(f->right, r, a);
    case FILTER_OR: return logql_filter_run(f->left, r, a) || logql_filter_run(f->right, r, a);
    case FILTER_NUMBER:
    case FILTER_DURATION:
    case FILTER_BYTES: return filter_number(f, r, a);
    case FILTER_IP: return filter_ip(f, r);
    case FILTER_STRING:
        text = record_get(r, f->name);
        if (f->re)
            return regex_match(f->re, text) == (f->op == CMP_RE);
        return slice_eq(text, f->text) == (f->op == CMP_EQ);
    }
    return false;
}

/* ---- formats, drop, keep ---- */

static bool assign_matches(const struct assign *e, struct slice value)
{
    if (!e->has_matcher)
        return true;
    if (e->re)
        return regex_match(e->re, value) == (e->op == MATCH_RE);
    return slice_eq(value, e->source) == (e->op == MATCH_EQ);
}

static void run_drop(const struct stage *s, struct record *r)
{
    for (size_t i = 0; i < s->assign_count; i++)
        if (assign_matches(&s->assigns[i], record_get(r, s->assigns[i].name)))
            record_drop(r, s->assigns[i].name);
}

static void run_keep(const struct stage *s, struct record *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->count; i++) {
        bool keep = false;
        for (size_t k = 0; k < s->assign_count && !keep; k++)
            keep = slice_eq(s->assigns[k].name, r->labels[i].name) && assign_matches(&s->assigns[k], r->labels[i].value);
        if (keep)
            r->labels[n++] = r->labels[i];
    }
    r->count = n;
}

/* Takes ESC [ ... letter out. */
static void run_decolorize(struct record *r, struct arena *a)
{
    if (slice_find_char(r->line, '\x1b', 0) == SIZE_MAX)
        return;
    char *to = arena_alloc(a, r->line.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < r->line.len; i++) {
        if (r->line.ptr[i] == '\x1b' && i + 1 < r->line.len && r->line.ptr[i + 1] == '[') {
            size_t k = i + 2;
            while (k < r->line.len && !(r->line.ptr[k] >= '@' && r->line.ptr[k] <= '~'))
                k++;
            if (k < r->line.len) {
                i = k;
                continue;
            }
        }
        to[n++] = r->line.ptr[i];
    }
    r->line = slice_of(to, n);
}

bool logql_stages_run(const struct stage *s, struct record *r, struct stage_env *env)
{
    for (; s; s = s->next) {
        switch (s->kind) {
        case STAGE_LINE:
            if (!run_line(s, r))
                return false;
            break;
        case STAGE_LABEL_FILTER:
            if (!logql_filter_run(s->filter, r, env->scratch))
                return false;
            break;
        case STAGE_JSON: (env->found ? run_found : run_json)(s, r, env); break;
        case STAGE_LOGFMT: (env->found ? run_found : run_logfmt)(s, r, env); break;
        case STAGE_REGEXP: run_regexp(s, r, env); break;
        case STAGE_PATTERN: run_pattern(s, r, env); break;
        case STAGE_UNPACK: run_unpack(r, env); break;
        case STAGE_LINE_FORMAT: template_format_line(s->template, r, env); break;
        case STAGE_LABEL_FORMAT: template_format_labels(s->assigns, s->assign_count, r, env); break;
        case STAGE_DROP: run_drop(s, r); break;
        case STAGE_KEEP: run_keep(s, r); break;
        case STAGE_DECOLORIZE: run_decolorize(r, env->scratch); break;
        }
    }
    return true;
}
