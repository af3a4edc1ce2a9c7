/* SPDX-License-Identifier: Apache-2.0 */
/* A template is refused with a line, or runs to an end within its limits, whatever its labels are. The first line of the input is
 * the value of a label. */
#include "fuzz/fuzz.h"
#include "model/labels.h"
#include "query/gotmpl.h"

static enum status on_query(void *arg, struct slice text, struct gotmpl_value *out, struct err *err)
{
    struct gotmpl_env *env = arg;
    struct arena *a = env->arena;
    struct gotmpl_value *items = arena_array(a, struct gotmpl_value, 2);
    (void)err;
    items[0] = gotmpl_sample(a, env->dot.text, (double)text.len);
    items[1] = gotmpl_sample(a, SLICE_EMPTY, -0.5);
    *out = (struct gotmpl_value){ .type = GOTMPL_LIST, .items = items, .count = text.len % 3 };
    return ST_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct slice names[] = { SLICE_INIT("$labels"), SLICE_INIT("$value") };
    static const struct gotmpl_options options = { .variables = names, .variable_count = COUNT_OF(names), .functions = &gotmpl_alert_functions };
    struct slice text = slice_of(data, size), first = SLICE_EMPTY, labels;
    struct arena *a = arena_new(0);
    struct gotmpl *t;
    struct buf out;
    struct err err = { .text = "" };
    slice_next(&text, '\n', &first);
    struct label list[] = { { SLICE("Labels"), first }, { SLICE("instance"), SLICE("h:9100") } };
    buf_init(&out, GOTMPL_OUT_BYTES_MAX);
    if (labels_build(a, list, COUNT_OF(list), &labels, &err) == ST_OK) {
        struct gotmpl_variable variables[] = { { names[0], gotmpl_labels(labels) }, { names[1], gotmpl_float(92.5) } };
        struct gotmpl_env env = { .arena = a, .dot = gotmpl_labels(labels), .variables = variables, .variable_count = COUNT_OF(variables),
                                  .external_url = SLICE("http://h:1/p"), .query = on_query };
        env.arg = &env;
        enum status st = gotmpl_parse(a, text, &options, &t, &err);
        MUST(st == ST_OK || err.text[0]);
        if (st == ST_OK && gotmpl_run(t, &env, &out, &err))
            MUST(err.text[0]);
        MUST(out.len <= GOTMPL_OUT_BYTES_MAX);
        MUST(arena_bytes(a) < 2u * GOTMPL_CALLS_BYTES_MAX);
    }
    buf_free(&out);
    arena_free(a);
    return 0;
}
