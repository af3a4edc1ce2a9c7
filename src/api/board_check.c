/* SPDX-License-Identifier: Apache-2.0 */
/* Two readings of the same text: the parsed one is checked, and the bytes are cut. Parsed JSON cannot give bytes back as they
 * came (spaces, order, 1.0 or 1), so members are cut out of the text itself, which the parser has found to be well formed. */
#include "api/board_check.h"

#include "codec/json.h"

#define BYTE_ORDER_MARK SLICE("\xef\xbb\xbf")

struct check {
    struct arena *a;
    const struct board_langs *langs;
    struct buf *warnings;
    struct err *err;
    struct slice where; /* "panel 3 \"Latency\"" */
    size_t panels;
};

static const struct slice panel_types[] = { SLICE_INIT("timeseries"), SLICE_INIT("stat"), SLICE_INIT("gauge"), SLICE_INIT("table"),
                                            SLICE_INIT("text"),       SLICE_INIT("logs"), SLICE_INIT("row") };
static const struct slice variable_types[] = { SLICE_INIT("query"), SLICE_INIT("custom"), SLICE_INIT("constant"), SLICE_INIT("interval"),
                                               SLICE_INIT("textbox") };

static bool is_one_of(struct slice word, const struct slice *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(list[i], word))
            return true;
    return false;
}

bool board_uid_is_valid(struct slice uid)
{
    for (size_t i = 0; i < uid.len; i++) {
        char c = uid.ptr[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!fine)
            return false;
    }
    return uid.len > 0 && uid.len <= BOARD_UID_BYTES_MAX;
}

/* ---- members of an object, as bytes ---- */

static size_t skip_spaces(struct slice s, size_t at)
{
    while (at < s.len && (s.ptr[at] == ' ' || s.ptr[at] == '\t' || s.ptr[at] == '\n' || s.ptr[at] == '\r'))
        at++;
    return at;
}

/* at stands on the quote; behind the closing one. */
static size_t skip_string(struct slice s, size_t at)
{
    for (at++; at < s.len && s.ptr[at] != '"'; at++)
        at += s.ptr[at] == '\\';
    return at + 1;
}

static size_t skip_value(struct slice s, size_t at)
{
    int depth = 0;
    while (at < s.len) {
        char c = s.ptr[at];
        if (c == '"') {
            at = skip_string(s, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            break;
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        at++;
    }
    return at;
}

struct member {
    struct slice key, value;
    size_t start, end; /* of key and value together, without the comma */
};

/* *at is 0 before the first. text is well-formed JSON of an object. */
static bool member_next(struct slice text, size_t *at, struct member *out)
{
    size_t i = skip_spaces(text, *at);
    if (*at == 0 || (i < text.len && text.ptr[i] == ','))
        i = skip_spaces(text, i + 1);
    if (i >= text.len || text.ptr[i] != '"')
        return false;
    out->start = i;
    size_t key_end = skip_string(text, i);
    out->key = slice_sub(text, i + 1, key_end - 1);
    i = skip_spaces(text, skip_spaces(text, key_end) + 1);
    *at = skip_value(text, i);
    out->value = slice_trim(slice_sub(text, i, *at));
    out->end = i + out->value.len;
    return true;
}

static bool member_find(struct slice text, struct slice key, struct member *out)
{
    for (size_t at = 0; member_next(text, &at, out);)
        if (slice_eq(out->key, key))
            return true;
    return false;
}

/* Without the member, and without the comma that parted it. */
static struct slice member_cut(struct arena *a, struct slice text, struct slice key)
{
    struct member m, other;
    struct slice head, tail;
    if (!member_find(text, key, &m))
        return text;
    size_t at = m.end, after = skip_spaces(text, m.end);
    bool is_last = after < text.len && text.ptr[after] != ',';
    if (!is_last && member_next(text, &at, &other)) {
        head = slice_sub(text, 0, m.start);
        tail = slice_skip(text, other.start);
    } else {
        head = slice_trim(slice_sub(text, 0, m.start));
        if (head.len && head.ptr[head.len - 1] == ',')
            head.len--;
        tail = slice_skip(text, m.end);
    }
    /* Once more: a name may stand twice. */
    return member_cut(a, arena_printf(a, "%.*s%.*s", SLICE_FMT(head), SLICE_FMT(tail)), key);
}

/* ---- checks ---- */

static enum status bad_text(struct check *c, struct slice field, struct json_value v)
{
    static const char *const names[] = { "null", "a truth value", "a number", "a number", "a number", "a text", "a list", "an object" };
    return err_set(c->err, ST_INVALID, "%.*s: %.*s is %s, expected a text", SLICE_FMT(c->where), SLICE_FMT(field), names[json_type(v)]);
}

/* A member that is a text, or is not there (or null). */
static enum status text_of(struct check *c, struct json_value object, struct slice field, struct slice *out)
{
    struct json_value v;
    *out = SLICE_EMPTY;
    if (!json_get(object, field, &v) || json_type(v) == JSON_NULL)
        return ST_OK;
    if (json_type(v) != JSON_STRING)
        return bad_text(c, field, v);
    *out = json_get_string(v);
    return ST_OK;
}

static enum status list_of(struct check *c, struct json_value object, struct slice field, size_t max, struct json_value *out, bool *has)
{
    struct json_value item;
    size_t n = 0;
    *has = json_get(object, field, out) && json_type(*out) != JSON_NULL;
    if (!*has)
        return ST_OK;
    if (json_type(*out) != JSON_ARRAY)
        return err_set(c->err, ST_INVALID, "%.*s: %.*s must be a list", SLICE_FMT(c->where), SLICE_FMT(field));
    for (struct json_iter it = json_array(*out); json_array_next(&it, &item);)
        n++;
    if (n > max)
        return err_set(c->err, ST_LIMIT, "%.*s: %.*s has %zu entries, at most %zu are allowed", SLICE_FMT(c->where), SLICE_FMT(field), n, max);
    return ST_OK;
}

static enum status check_grid(struct check *c, struct json_value panel)
{
    static const struct {
        struct slice name;
        int64_t min, max;
    } sides[] = { { SLICE_INIT("x"), 0, BOARD_GRID_COLUMNS - 1 }, { SLICE_INIT("y"), 0, BOARD_GRID_ROWS_MAX },
                  { SLICE_INIT("w"), 1, BOARD_GRID_COLUMNS },     { SLICE_INIT("h"), 1, BOARD_GRID_ROWS_MAX } };
    struct json_value grid, v;
    int64_t n;
    if (!json_get(panel, SLICE("gridPos"), &grid))
        return ST_OK;
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        if (!json_get(grid, sides[i].name, &v))
            continue;
        if (!json_get_int(v, &n) || n < sides[i].min || n > sides[i].max)
            return err_set(c->err, ST_INVALID, "%.*s: gridPos.%.*s must be a whole number, %lld to %lld", SLICE_FMT(c->where),
                           SLICE_FMT(sides[i].name),
                           (long long)sides[i].min, (long long)sides[i].max);
    }
    return ST_OK;
}

/* "prometheus", "loki" or "tempo"; older boards name a datasource by a text or a variable, which tells no type. */
static struct slice source_of(struct json_value object, struct slice inherited)
{
    struct json_value source, type;
    if (!json_get(object, SLICE("datasource"), &source) || !json_get(source, SLICE("type"), &type) || json_type(type) != JSON_STRING)
        return inherited;
    return json_get_string(type);
}

/* A query with a variable of the board in it is no query yet: it cannot be checked. */
static enum status check_expr(struct check *c, struct slice target, struct slice expr, struct slice source)
{
    struct err why;
    enum value_type type = VALUE_NONE;
    bool is_tempo = slice_eq(source, SLICE("tempo"));
    const struct query_lang *lang = is_tempo ? c->langs->traceql : slice_eq(source, SLICE("loki")) ? c->langs->logql : c->langs->promql;
    if (expr.len == 0 || slice_contains(expr, SLICE("$")) || slice_contains(expr, SLICE("[[")))
        return ST_OK;
    if (lang->check(expr, UINT32_MAX, &type, &why)) /* whether it runs is the flags' matter */
        return err_set(c->err, ST_INVALID, "%.*s: %.*s.%s: %s", SLICE_FMT(c->where), SLICE_FMT(target), is_tempo ? "query" : "expr", why.text);
    if (is_tempo && type == VALUE_NONE)
        buf_printf(c->warnings, "%.*s: %.*s searches for traces; of TraceQL, what gives numbers is drawn\n", SLICE_FMT(c->where), SLICE_FMT(target));
    return ST_OK;
}

static enum status check_target(struct check *c, struct json_value target, size_t number, struct slice inherited)
{
    struct slice expr, legend, where = arena_printf(c->a, "targets[%zu]", number);
    if (json_type(target) != JSON_OBJECT)
        return err_set(c->err, ST_INVALID, "%.*s: %.*s must be an object", SLICE_FMT(c->where), SLICE_FMT(where));
    struct slice source = source_of(target, inherited);
    bool is_tempo = slice_eq(source, SLICE("tempo"));
    if (source.len && !is_tempo && !slice_eq(source, SLICE("prometheus")) && !slice_eq(source, SLICE("loki"))) {
        buf_printf(c->warnings, "%.*s: %.*s asks a datasource of type \"%.*s\"; prometheus, loki and tempo are answered\n", SLICE_FMT(c->where),
                   SLICE_FMT(where), SLICE_FMT(source));
        return ST_OK;
    }
    struct json_value v;
    struct slice member = is_tempo ? SLICE("query") : SLICE("expr");
    if (json_get(target, member, &v) && json_type(v) != JSON_STRING)
        return bad_text(c, arena_printf(c->a, "%.*s.%.*s", SLICE_FMT(where), SLICE_FMT(member)), v);
    enum status st = text_of(c, target, member, &expr);
    if (!st)
        st = text_of(c, target, SLICE("legendFormat"), &legend);
    return st ? st : check_expr(c, where, expr, source);
}

static enum status check_panels(struct check *c, struct json_value panels, struct slice path, bool is_inner);

static enum status check_panel_body(struct check *c, struct json_value panel, bool is_inner)
{
    struct slice type;
    struct json_value list, item;
    bool has;
    size_t number = 0;
    enum status st = text_of(c, panel, SLICE("type"), &type);
    if (!st && type.len == 0)
        return err_set(c->err, ST_INVALID, "%.*s: type is missing", SLICE_FMT(c->where));
    if (!st && !is_one_of(type, panel_types, COUNT_OF(panel_types)))
        buf_printf(c->warnings, "%.*s: panels of type \"%.*s\" are kept but not drawn; drawn are "
                                "timeseries, stat, gauge, table, text, logs and row\n",
                   SLICE_FMT(c->where), SLICE_FMT(type));
    if (!st)
        st = check_grid(c, panel);
    if (!st)
        st = list_of(c, panel, SLICE("targets"), BOARD_TARGETS_PER_PANEL_MAX, &list, &has);
    if (st)
        return st;
    struct slice source = source_of(panel, SLICE_EMPTY);
    if (has)
        for (struct json_iter it = json_array(list); !st && json_array_next(&it, &item); number++)
            st = check_target(c, item, number, source);
    if (!st && slice_eq(type, SLICE("row")) && !is_inner) {
        st = list_of(c, panel, SLICE("panels"), BOARD_PANELS_MAX, &list, &has);
        if (!st && has)
            st = check_panels(c, list, arena_printf(c->a, "%.*s, ", SLICE_FMT(c->where)), true);
    }
    return st;
}

static enum status check_panels(struct check *c, struct json_value panels, struct slice path, bool is_inner)
{
    struct json_value panel, title;
    size_t number = 0;
    for (struct json_iter it = json_array(panels); json_array_next(&it, &panel);) {
        number++;
        c->where = arena_printf(c->a, "%.*spanel %zu", SLICE_FMT(path), number);
        if (++c->panels > BOARD_PANELS_MAX)
            return err_set(c->err, ST_LIMIT, "more than %d panels", BOARD_PANELS_MAX);
        if (json_type(panel) != JSON_OBJECT)
            return err_set(c->err, ST_INVALID, "%.*s must be an object", SLICE_FMT(c->where));
        if (json_get(panel, SLICE("title"), &title)) {
            if (json_type(title) != JSON_STRING && json_type(title) != JSON_NULL)
                return bad_text(c, SLICE("title"), title);
            c->where = arena_printf(c->a, "%.*spanel %zu \"%.*s\"", SLICE_FMT(path), number, SLICE_FMT(slice_sub(json_get_string(title), 0, 80)));
        }
        enum status st = check_panel_body(c, panel, is_inner);
        if (st)
            return st;
    }
    return ST_OK;
}

static enum status check_variables(struct check *c, struct json_value root)
{
    struct json_value templating, list, item;
    struct slice name, type;
    bool has = false;
    size_t number = 0;
    c->where = SLICE("templating");
    if (!json_get(root, SLICE("templating"), &templating))
        return ST_OK;
    enum status st = list_of(c, templating, SLICE("list"), BOARD_VARIABLES_MAX, &list, &has);
    if (st || !has)
        return st;
    for (struct json_iter it = json_array(list); json_array_next(&it, &item);) {
        c->where = arena_printf(c->a, "variable %zu", ++number);
        st = text_of(c, item, SLICE("name"), &name);
        if (!st)
            st = text_of(c, item, SLICE("type"), &type);
        if (st)
            return st;
        if (name.len == 0)
            return err_set(c->err, ST_INVALID, "%.*s: name is missing", SLICE_FMT(c->where));
        if (!is_one_of(type, variable_types, COUNT_OF(variable_types)))
            buf_printf(c->warnings, "variable %zu \"%.*s\": type \"%.*s\" is kept but not asked for; query, "
                                    "custom, constant, interval and textbox are\n",
                       number, SLICE_FMT(slice_sub(name, 0, 80)), SLICE_FMT(slice_sub(type, 0, 80)));
    }
    return ST_OK;
}

static enum status check_top(struct check *c, struct json_value root, struct slice uid)
{
    struct json_value v, tag;
    struct slice title, own;
    bool has;
    int64_t schema;
    c->where = SLICE("board");
    enum status st = text_of(c, root, SLICE("title"), &title);
    if (!st && (title.len == 0 || title.len > BOARD_TITLE_BYTES_MAX))
        return err_set(c->err, ST_INVALID, "board: title has %zu bytes, 1 to %d are allowed", title.len, BOARD_TITLE_BYTES_MAX);
    if (!st)
        st = text_of(c, root, SLICE("uid"), &own);
    if (!st && own.len && !slice_eq(own, uid))
        return err_set(c->err, ST_INVALID, "board: uid is \"%.*s\", but the path says \"%.*s\"", SLICE_FMT(slice_sub(own, 0, 80)), SLICE_FMT(uid));
    if (!st)
        st = list_of(c, root, SLICE("tags"), BOARD_TAGS_MAX, &v, &has);
    if (st)
        return st;
    if (has)
        for (struct json_iter it = json_array(v); json_array_next(&it, &tag);)
            if (json_type(tag) != JSON_STRING)
                return bad_text(c, SLICE("a tag"), tag);
    if (json_get(root, SLICE("schemaVersion"), &v) && (!json_get_int(v, &schema) || schema < BOARD_SCHEMA_VERSION_MIN))
        return err_set(c->err, ST_INVALID, "board: schemaVersion must be a whole number from %d on; "
                                                "open an older board in Grafana and export it again",
                       BOARD_SCHEMA_VERSION_MIN);
    st = list_of(c, root, SLICE("panels"), BOARD_PANELS_MAX, &v, &has);
    if (!st && !has)
        return err_set(c->err, ST_INVALID, "board: panels is missing");
    return st ? st : check_panels(c, v, SLICE_EMPTY, false);
}

/* ---- in and out ---- */

static struct slice with_uid(struct arena *a, struct slice text, struct slice uid)
{
    struct member m;
    if (member_find(text, SLICE("uid"), &m) && m.value.len > 2 && m.value.ptr[0] == '"')
        return text;
    text = member_cut(a, text, SLICE("uid"));
    return arena_printf(a, "{\"uid\":\"%.*s\",%.*s", SLICE_FMT(uid), SLICE_FMT(slice_skip(text, 1)));
}

enum status board_prepare(struct arena *a, struct slice text, struct slice uid, const struct board_langs *langs, struct slice *json,
                          struct buf *warnings, struct err *err)
{
    struct check c = { .a = a, .langs = langs, .warnings = warnings, .err = err, .where = SLICE("board") };
    struct json_parser *p = json_parser_new();
    struct json_value root, inner;
    struct member m;
    struct slice own = slice_trim(slice_starts(text, BYTE_ORDER_MARK) ? slice_skip(text, BYTE_ORDER_MARK.len) : text);
    if (!board_uid_is_valid(uid)) {
        json_parser_free(p);
        return err_set(err, ST_INVALID, "board: uid \"%.*s\"; allowed are 1 to %d of A-Z a-z 0-9 _ -", SLICE_FMT(slice_sub(uid, 0, 80)),
                       BOARD_UID_BYTES_MAX);
    }
    enum status st = json_parse(p, own, &root, err);
    if (st)
        err_prefix(err, "board: ");
    else if (json_type(root) != JSON_OBJECT)
        st = err_set(err, ST_INVALID, "board: expected a dashboard, an object with title and panels");
    if (!st && !json_get(root, SLICE("panels"), &inner) && json_get(root, SLICE("dashboard"), &inner) && json_type(inner) == JSON_OBJECT &&
        member_find(own, SLICE("dashboard"), &m)) {
        own = m.value;
        root = inner;
    }
    if (!st)
        st = check_top(&c, root, uid);
    if (!st)
        st = check_variables(&c, root);
    if (!st)
        *json = with_uid(a, member_cut(a, member_cut(a, own, SLICE("id")), SLICE("version")), uid);
    json_parser_free(p);
    return st;
}

bool board_summary_read(struct arena *a, struct slice json, struct board_summary *out)
{
    struct json_parser *p = json_parser_new();
    struct json_value root, v, tag;
    size_t cap = 0;
    *out = (struct board_summary){ .uid = SLICE_EMPTY, .title = SLICE_EMPTY };
    bool good = json_parse(p, json, &root, NULL) == ST_OK && json_type(root) == JSON_OBJECT;
    if (good && json_get(root, SLICE("uid"), &v))
        out->uid = arena_copy(a, json_get_string(v));
    if (good && json_get(root, SLICE("title"), &v))
        out->title = arena_copy(a, json_get_string(v));
    if (good && json_get(root, SLICE("tags"), &v))
        for (struct json_iter it = json_array(v); json_array_next(&it, &tag);)
            ARENA_PUSH(a, out->tags, out->tag_count, cap) = arena_copy(a, json_get_string(tag));
    json_parser_free(p);
    return good;
}
