/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a language whose answers are set by the test ("expr" -> "{a=\"b\"} 1; {a=\"c\"} 2"), and a place that keeps what
 * rules append and hand on, as text. */
#ifndef STOA_ALERT_ALERT_FAKE_H
#define STOA_ALERT_ALERT_FAKE_H

#include "alert/eval.h"

enum { FAKE_ANSWERS_MAX = 16 };

struct fake {
    struct engine engine; /* first: the language finds the fake by it */
    struct {
        struct slice expr, answer;
    } answers[FAKE_ANSWERS_MAX];
    size_t answer_count;
    struct slice for_state; /* what ALERTS_FOR_STATE has: "{labels} VALUE"; empty: nothing */
    int64_t for_state_ms;
    struct buf samples, handed; /* one line each; the test resets them */
    struct clock *clock;
    struct log log;
    struct kv *kv;
    struct arena *arena; /* of rule sets */
};

extern const struct query_lang fake_lang;

void fake_init(struct fake *f, int64_t wall_ns);
void fake_free(struct fake *f);
void fake_answer(struct fake *f, const char *expr, const char *answer);
/* text: a rule file. */
struct rule_set *fake_rules(struct fake *f, const char *text);
struct alert_eval *fake_eval(struct fake *f, const struct rule_set *set);

#endif
