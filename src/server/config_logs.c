/* SPDX-License-Identifier: Apache-2.0 */
/* `logs`: the journal, and files that are followed, each a path or a map:
 *
 *     files:
 *       - /var/log/shop.log
 *       - {path: /srv/old.log, service: billing, charset: latin1, multiline: {start: "^\\d{4}-"}}
 *
 * and parsers by name, for lines that are sent. */
#include "ingest/parse_rule.h"
#include "server/config.h"

static enum status read_multiline(const struct yaml_node *parent, struct join_rule *out, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("start"), SLICE_INIT("continue") };
    const struct yaml_node *n = yaml_get(parent, SLICE("multiline"));
    struct slice patterns[COUNT_OF(keys)] = { SLICE_EMPTY, SLICE_EMPTY };
    struct err why;
    if (n == NULL)
        return ST_OK;
    out->pattern = NULL;
    if (n->type == YAML_SCALAR && (slice_eq(n->text, SLICE("auto")) || slice_eq(n->text, SLICE("off")))) {
        out->mode = slice_eq(n->text, SLICE("auto")) ? JOIN_AUTO : JOIN_OFF;
        return ST_OK;
    }
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "multiline: expected auto, off, {start: REGEX} or {continue: REGEX}");
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    for (size_t i = 0; !st && i < COUNT_OF(keys); i++)
        st = yaml_text(n, keys[i], &patterns[i], err);
    if (!st && (patterns[0].len > 0) == (patterns[1].len > 0))
        return yaml_fail(n, err, "multiline: expected one of start and continue, a regex of a record's first line or of its further lines");
    size_t which = patterns[0].len == 0;
    out->mode = which ? JOIN_CONTINUE : JOIN_START;
    if (!st && regex_compile(&out->pattern, patterns[which], 0, &why))
        return yaml_fail(yaml_get(n, keys[which]), err, "%.*s: %s", SLICE_FMT(keys[which]), why.text);
    return st;
}

static enum status read_file(struct config *c, const struct yaml_node *n, struct log_input *out, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("path"), SLICE_INIT("service"), SLICE_INIT("charset"), SLICE_INIT("multiline"),
                                         SLICE_INIT("parse") };
    struct slice charset = SLICE_EMPTY;
    if (n->type == YAML_SCALAR && n->text.len) {
        out->path = n->text;
        return ST_OK;
    }
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "files: expected a path or {path, service, charset, multiline, parse}");
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_text(n, keys[0], &out->path, err);
    if (!st && out->path.len == 0)
        return yaml_fail(n, err, "files: path is missing: of the files to follow, wildcards are allowed");
    if (!st)
        st = yaml_text(n, keys[1], &out->service, err);
    if (!st)
        st = yaml_text(n, keys[2], &charset, err);
    if (!st && charset.len && !tail_charset_parse(charset, &out->charset))
        return yaml_fail(yaml_get(n, keys[2]), err, "charset: found \"%.*s\", allowed are utf-8, utf-16le, utf-16be, latin1 and windows-1252",
                         SLICE_FMT(charset));
    struct parse_rule *parse = NULL;
    if (!st && yaml_get(n, keys[4]))
        st = parse_rule_read(c->arena, yaml_get(n, keys[4]), &parse, err);
    out->parse = parse;
    return st ? st : read_multiline(n, &out->join, err);
}

/* A single path may stand without a list. */
static enum status read_files(struct config *c, const struct yaml_node *n, struct join_rule join, struct err *err)
{
    size_t count = n->type == YAML_SEQUENCE ? n->count : 1;
    struct log_input *list = arena_array(c->arena, struct log_input, count + 1);
    enum status st = ST_OK;
    c->logs.files = list;
    c->logs.file_count = 0;
    for (size_t i = 0; i < count && !st; i++) {
        list[i] = (struct log_input){ .path = SLICE_EMPTY, .service = SLICE_EMPTY, .join = join };
        st = read_file(c, n->type == YAML_SEQUENCE ? n->items[i] : n, &list[i], err);
        c->logs.file_count++;
    }
    return st;
}

static enum status read_parsers(struct config *c, const struct yaml_node *n, struct err *err)
{
    enum status st = ST_OK;
    if (n == NULL)
        return ST_OK;
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "parsers: expected a map of names, each with {regex}, {pattern} or {cut, fields}");
    struct parse_named *list = arena_array(c->arena, struct parse_named, n->count + 1);
    c->parsers.list = list;
    for (size_t i = 0; i < n->count && !st; i++) {
        struct parse_rule *rule = NULL;
        st = parse_rule_read(c->arena, n->items[i], &rule, err);
        if (!st)
            list[c->parsers.count++] = (struct parse_named){ n->keys[i], rule };
    }
    return st;
}

enum status config_logs_read(struct config *c, const struct yaml_node *root, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("journal"), SLICE_INIT("journal_dir"), SLICE_INIT("files"), SLICE_INIT("line_max"),
                                         SLICE_INIT("multiline"), SLICE_INIT("parsers") };
    const struct yaml_node *n = yaml_get(root, SLICE("logs"));
    uint64_t line_max = c->logs.line_bytes_max;
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_bool(n, keys[0], &c->logs.journal, err);
    if (!st)
        st = yaml_text(n, keys[1], &c->logs.journal_dir, err);
    if (!st)
        st = read_multiline(n, &c->logs_join, err);
    if (!st && yaml_get(n, keys[2]))
        st = read_files(c, yaml_get(n, keys[2]), c->logs_join, err);
    else if (!st && yaml_get(n, keys[4]))
        config_logs_defaults(c);
    if (!st)
        st = yaml_size(n, keys[3], &line_max, err);
    if (!st && (line_max < CONFIG_LOG_LINE_BYTES_MIN || line_max > EVENT_BODY_BYTES_MAX))
        return yaml_fail(yaml_get(n, keys[3]), err, "line_max: found %llu bytes, allowed 1KiB to 1MiB", (unsigned long long)line_max);
    c->logs.line_bytes_max = line_max;
    return st ? st : read_parsers(c, yaml_get(n, keys[5]), err);
}

void config_logs_defaults(struct config *c)
{
    static const struct slice paths[] = {
        SLICE_INIT("/var/log/syslog"),          SLICE_INIT("/var/log/messages"),    SLICE_INIT("/var/log/auth.log"),
        SLICE_INIT("/var/log/kern.log"),        SLICE_INIT("/var/log/daemon.log"),  SLICE_INIT("/var/log/dpkg.log"),
        SLICE_INIT("/var/log/apt/history.log"), SLICE_INIT("/var/log/nginx/*.log"), SLICE_INIT("/var/log/apache2/*.log"),
        SLICE_INIT("/var/log/pods/*/*/*.log"),  SLICE_INIT("/var/lib/docker/containers/*/*-json.log")
    };
    struct log_input *list = arena_array(c->arena, struct log_input, COUNT_OF(paths));
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        list[i] = (struct log_input){ .path = paths[i], .service = SLICE_EMPTY, .join = c->logs_join };
    c->logs.files = list;
    c->logs.file_count = COUNT_OF(paths);
}

void config_logs_free(struct config *c)
{
    for (size_t i = 0; i < c->parsers.count; i++)
        parse_rule_close(c->parsers.list[i].rule);
    for (size_t i = 0; i < c->logs.file_count; i++)
        parse_rule_close((struct parse_rule *)(uintptr_t)c->logs.files[i].parse);
    for (size_t i = 0; i < c->logs.file_count; i++)
        if (c->logs.files[i].join.pattern != c->logs_join.pattern)
            regex_free(c->logs.files[i].join.pattern);
    regex_free(c->logs_join.pattern);
}
