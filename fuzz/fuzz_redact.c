/* SPDX-License-Identifier: Apache-2.0 */
/* What the default profile made is left as it is by the default profile; UTF-8 stays UTF-8; what says it changed nothing wrote
 * nothing. */
#include "base/utf8.h"
#include "fuzz/fuzz.h"
#include "pipeline/redact.h"

static void once(struct redactor *r, struct slice text, struct buf *out)
{
    uint64_t counts[REDACT_DETECTOR_COUNT] = { 0 }, sum = 0;
    buf_init(out, 0);
    bool changed = redact_text(r, text, out, counts);
    for (size_t i = 0; i < REDACT_DETECTOR_COUNT; i++)
        sum += counts[i];
    MUST(changed == (sum > 0) && (changed || out->len == 0));
    if (!changed)
        buf_slice(out, text);
    MUST(!utf8_is_valid(text) || utf8_is_valid(buf_as_slice(out)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct redactor *plain, *article;
    struct slice text = slice_of(data, size);
    struct buf first, second;
    if (plain == NULL) {
        plain = redactor_new(REDACT_DEFAULT);
        article = redactor_new(REDACT_ARTICLE);
    }
    once(plain, text, &first);
    once(plain, buf_as_slice(&first), &second);
    MUST(slice_eq(buf_as_slice(&first), buf_as_slice(&second)));
    buf_free(&second);
    buf_free(&first);
    once(article, text, &first);
    buf_free(&first);
    redact_name_is_secret(text);
    return 0;
}
