/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a configuration: `groups` and `alerts` that stand in it, and the files that `rule_files` names, seen from the
 * folder of the file that names them. */
#include "collect/files.h"
#include "logql/logql.h"
#include "promql/promql.h"
#include "server/config.h"
#include "traceql/traceql.h"

static const struct query_lang *const langs[] = {&promql_lang, &logql_lang, &traceql_lang};

static enum status read_file(const struct rule_reading *r, struct fs *fs, struct slice path, struct rule_set *set, struct err *err)
{
    struct buf text;
    struct yaml_node *root;
    buf_init(&text, 0);
    enum status st = fs_read_all(fs, path.ptr, CONFIG_FILE_BYTES_MAX, &text, err);
    if (!st)
        st = yaml_parse(r->arena, path, buf_as_slice(&text), &root, err);
    if (!st)
        st = rule_set_read(r, root, true, set, err);
    buf_free(&text);
    return st;
}

static enum status read_files(const struct rule_reading *r, struct fs *fs, const struct yaml_node *root, struct rule_set *set, struct buf *warnings,
                              struct err *err)
{
    const struct yaml_node *n = yaml_get(root, SLICE("rule_files"));
    struct slice *patterns = NULL;
    size_t count = 0;
    enum status st = n ? yaml_texts(r->arena, root, SLICE("rule_files"), &patterns, &count, err) : ST_OK;
    for (size_t i = 0; i < count && !st; i++) {
        struct file_list found = {0};
        bool is_absolute = slice_starts(patterns[i], SLICE("/"));
        struct slice folder = is_absolute ? SLICE_EMPTY : files_folder(n->file);
        files_glob(fs, r->arena, arena_printf(r->arena, "%.*s%.*s", SLICE_FMT(folder), SLICE_FMT(patterns[i])), &found);
        if (found.count == 0)
            buf_printf(warnings, "%.*s:%d: rule_files: \"%.*s\" names no file\n", SLICE_FMT(n->file), n->line, SLICE_FMT(patterns[i]));
        for (size_t k = 0; k < found.count && !st; k++)
            st = read_file(r, fs, found.paths[k], set, err);
    }
    return st;
}

/* `rules`: what is done with rules. */
static enum status read_settings(struct config *c, const struct yaml_node *n, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("backfill"), SLICE_INIT("golden"), SLICE_INIT("span_metrics")};
    c->rules->backfill_ns = RULE_BACKFILL_DEFAULT_NS;
    c->rules->span_metrics = true;
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_duration(n, keys[0], &c->rules->backfill_ns, err);
    if (!st)
        st = yaml_bool(n, keys[1], &c->golden_rules, err);
    return st ? st : yaml_bool(n, keys[2], &c->rules->span_metrics, err);
}

enum status config_rules_read(struct config *c, struct fs *fs, const struct yaml_node *root, struct err *err)
{
    struct rule_reading r = {.arena = c->arena, .langs = langs, .lang_count = COUNT_OF(langs), .interval_ns = RULE_INTERVAL_DEFAULT_NS,
                             .features = c->features};
    c->rules = arena_new_of(c->arena, struct rule_set);
    c->rules->external_labels = SLICE_EMPTY;
    enum status st = read_settings(c, yaml_get(root, SLICE("rules")), err);
    if (!st)
        st = rule_globals_read(&r, root, c->rules, err);
    if (!st)
        st = rule_set_read(&r, root, false, c->rules, err);
    return st ? st : read_files(&r, fs, root, c->rules, &c->warnings, err);
}
