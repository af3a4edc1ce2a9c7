/* SPDX-License-Identifier: Apache-2.0 */
/* Operators where a native histogram takes part. Those add up, compare for sameness, and are scaled and trimmed by numbers;
 * everything else gives nothing, and a note. */
#include "promql/native.h"
#include "promql/words.h"

static double nothing(struct eval *e, const struct node *n, double l, double r)
{
    struct slice op = words_binary_name(n->op);
    eval_info(e, n, "incompatible sample types encountered for binary operator \"%.*s\": %s %.*s %s", SLICE_FMT(op),
              is_histogram(l) ? "histogram" : "float", SLICE_FMT(op), is_histogram(r) ? "histogram" : "float");
    return ABSENT;
}

static double boxed(struct arena *a, const struct histogram *h)
{
    return histogram_box(histogram_compact(a, h));
}

static double two_histograms(struct eval *e, const struct node *n, const struct histogram *l, const struct histogram *r)
{
    bool is_sum = n->op == OP_ADD;
    struct slice op = words_binary_name(n->op);
    struct histogram_note note = { 0 };
    struct histogram *h = is_sum ? histogram_add(e->line, l, r, &note) : histogram_sub(e->line, l, r, &note);
    if (h == NULL) {
        eval_warn(e, n, "incompatible bucket layout encountered for binary operator %.*s", SLICE_FMT(op));
        return ABSENT;
    }
    if (note.has_hint_conflict) {
        eval_warn(e, n, "conflicting counter resets during histogram %s", is_sum ? "addition" : "subtraction");
        return ABSENT;
    }
    if (note.has_merged_bounds)
        eval_info(e, n, "mismatched custom buckets were reconciled during %s", is_sum ? "addition" : "subtraction");
    if (!is_sum)
        h->hint = HINT_GAUGE;
    return boxed(e->line, h);
}

double binary_native(struct eval *e, const struct node *n, double l, double r, double kept)
{
    struct arena *a = e->line;
    bool left = is_histogram(l), right = is_histogram(r);
    if (left && right && (n->op == OP_EQ || n->op == OP_NE)) {
        bool yes = histogram_equal(histogram_unbox(l), histogram_unbox(r)) == (n->op == OP_EQ);
        return n->is_bool ? (double)yes : yes ? kept : ABSENT;
    }
    if (left && right && (n->op == OP_ADD || n->op == OP_SUB))
        return two_histograms(e, n, histogram_unbox(l), histogram_unbox(r));
    if (left != right && n->op == OP_MUL)
        return boxed(a, histogram_scale(a, histogram_unbox(left ? l : r), left ? r : l));
    if (left && !right && n->op == OP_DIV)
        return boxed(a, histogram_divide(a, histogram_unbox(l), r));
    if (left && !right && op_is_trim(n->op))
        return histogram_box(native_trim(a, histogram_unbox(l), r, n->op == OP_TRIM_UPPER));
    return nothing(e, n, l, r);
}
