/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts from file to verdict, apart from what each language reads and compares (script.h). */
#include "query/script.h"

#include <stdio.h>

#include "base/num.h"
#include "model/histogram.h"
#include "query/token.h"
#include "sys/file.h"

enum { TOLD_MAX = 24 }; /* series, points of one, streams, lines of one */

enum status script_run_file(script_run_fn *run, const char *path, uint32_t features, struct script_result *result, struct buf *out,
                            struct err *err)
{
    struct buf text;
    buf_init(&text, SCRIPT_BYTES_MAX);
    enum status st = fs_read_all(fs_real(), path, SCRIPT_BYTES_MAX, &text, err);
    if (!st)
        st = run(slice_str(path), buf_as_slice(&text), features, result, out, err);
    buf_free(&text);
    return st;
}

int script_main(script_run_fn *run, int argc, char **argv)
{
    struct script_result sum = { 0, 0 };
    bool broken = false;
    for (int i = 1; i < argc; i++) {
        struct script_result one = { 0, 0 };
        struct buf out;
        struct err err;
        buf_init(&out, 0);
        enum status st = script_run_file(run, argv[i], SCRIPT_FEATURES, &one, &out, &err);
        if (out.len)
            fwrite(out.ptr, 1, out.len, stdout);
        if (st)
            printf("%s: %s\n", argv[i], err.text);
        if (argc > 2)
            printf("%s: %zu passed, %zu failed\n", argv[i], one.passed, one.failed);
        broken |= st != ST_OK;
        sum.passed += one.passed;
        sum.failed += one.failed;
        buf_free(&out);
    }
    printf("%zu passed, %zu failed\n", sum.passed, sum.failed);
    return sum.failed || broken ? 1 : 0;
}

struct slice script_take_word(struct slice *rest)
{
    *rest = slice_trim(*rest);
    size_t n = 0;
    while (n < rest->len && !token_is_space(rest->ptr[n]))
        n++;
    struct slice word = slice_sub(*rest, 0, n);
    *rest = slice_trim(slice_skip(*rest, n));
    return word;
}

void script_ask(const struct query_lang *lang, struct engine *engine, struct arena *a, struct slice query, const struct query_params *p,
                bool is_range, struct script_answer *out)
{
    struct engine_ctx ctx;
    struct slice tenant = SLICE("default");
    memset(out, 0, sizeof *out);
    engine_ctx_init(&ctx, &tenant, 1, clock_real());
    struct query_env env = { engine, &ctx, a, { 0 } };
    buf_init(&env.infos, 0);
    out->st = is_range ? lang->range(&env, query, p, &out->value, &out->err) : lang->instant(&env, query, p, &out->value, &out->err);
    out->infos = arena_copy(a, buf_as_slice(&env.infos));
    out->warnings = arena_copy(a, buf_as_slice(&ctx.warnings));
    buf_free(&env.infos);
    engine_ctx_free(&ctx);
}

/* ---- telling ---- */

static void tell_number(double v, struct buf *out)
{
    static const char *const hints[] = { "", " reset", " not_reset", " gauge" };
    char text[NUM_TEXT_BYTES_MAX];
    if (!is_histogram(v)) {
        buf_put(out, text, num_format_short(v, text));
        return;
    }
    const struct histogram *h = histogram_unbox(v);
    histogram_format(out, h);
    buf_printf(out, "(schema %d%s, zero within %g)", h->schema, hints[h->hint], h->zero_threshold);
}

void script_tell_scalar(const char *what, double v, struct buf *out)
{
    buf_printf(out, "    %s: ", what);
    tell_number(v, out);
    buf_char(out, '\n');
}

static void tell_series(const struct value_series *s, struct buf *out)
{
    buf_printf(out, "    got: ");
    labels_format(s->labels, out);
    for (size_t i = 0; i < s->n && i < TOLD_MAX; i++) {
        buf_char(out, ' ');
        tell_number(s->v[i], out);
        buf_printf(out, "@%gs", (double)s->t_ms[i] / 1e3);
    }
    buf_char(out, '\n');
}

static void tell_stream(const struct value_stream *s, struct buf *out)
{
    for (size_t i = 0; i < s->n && i < TOLD_MAX; i++) {
        buf_printf(out, "    got: ");
        labels_format(s->labels, out);
        buf_printf(out, " \"%.*s\" @ %gs\n", SLICE_FMT(s->lines[i].line), (double)s->lines[i].time_ns / 1e9);
    }
}

static void tell_notes(struct slice notes, struct buf *out)
{
    struct slice line;
    while (slice_next(&notes, '\n', &line))
        buf_printf(out, "    got: %.*s\n", SLICE_FMT(line));
}

void script_tell_answer(const struct script_answer *answer, struct buf *out)
{
    const struct value *v = &answer->value;
    if (answer->st) {
        buf_printf(out, "    got error: %s\n", answer->err.text);
        return;
    }
    if (v->type == VALUE_SCALAR)
        script_tell_scalar("got", v->scalar.v, out);
    else if (v->type == VALUE_STRING)
        buf_printf(out, "    got a string: \"%.*s\"\n", SLICE_FMT(v->text));
    else if (v->series_count + v->stream_count == 0)
        buf_printf(out, "    got nothing\n");
    for (size_t i = 0; i < v->series_count && i < TOLD_MAX; i++)
        tell_series(&v->series[i], out);
    for (size_t i = 0; i < v->stream_count && i < TOLD_MAX; i++)
        tell_stream(&v->streams[i], out);
    tell_notes(answer->warnings, out);
    tell_notes(answer->infos, out);
}
