/* SPDX-License-Identifier: Apache-2.0 */
/* Two threads, one for files (a round a second) and one for the journal. Either says once what goes wrong, goes on trying, and
 * says when it works again. */
#include <time.h>

#include "collect/journal.h"
#include "collect/tail.h"
#include "sys/thread.h"

#define ROUND_INTERVAL_NS  NS_S
#define RETRY_INTERVAL_NS  (60 * NS_S)

struct logs_collector {
    struct collect_env env;
    struct logs_options opt;
    struct tail *tail;
    struct mutex lock;
    struct cond wake;
    struct thread *tail_thread, *journal_thread;
    bool stopping;
};

/* True when it is time to end; sleeps ns otherwise. */
static bool pause_for(struct logs_collector *l, int64_t ns)
{
    mutex_lock(&l->lock);
    if (!l->stopping && ns)
        (void)cond_wait_ns(&l->wake, &l->lock, ns);
    bool stopping = l->stopping;
    mutex_unlock(&l->lock);
    return stopping;
}

static int32_t zone_offset_s(struct clock *clock)
{
    time_t now = (time_t)(clock_wall_ns(clock) / NS_S);
    struct tm local;
    return localtime_r(&now, &local) ? (int32_t)local.tm_gmtoff : 0;
}

struct round_state {
    const char *job;
    bool failing;
};

static void round_done(struct logs_collector *l, struct round_state *state, int64_t wall_ns, int64_t begin_ns, size_t rows, enum status st,
                       const struct err *err)
{
    if (st && !state->failing)
        log_line(l->env.log, LOG_WARNING, "logs are not collected for now", "job=%s error=\"%s\"", state->job, err->text);
    if (!st && state->failing)
        log_line(l->env.log, LOG_INFO, "logs are collected again", "job=%s", state->job);
    if (rows || st)
        l->env.job_done(l->env.arg, state->job, wall_ns, clock_mono_ns(l->env.clock) - begin_ns, st, st ? err->text : "");
    state->failing = st != ST_OK;
}

static void tail_main(void *arg)
{
    struct logs_collector *l = arg;
    struct round_state state = { .job = "logs_files" };
    do {
        struct err err = { 0 };
        size_t lines = 0;
        int64_t wall_ns = clock_wall_ns(l->env.clock), begin_ns = clock_mono_ns(l->env.clock);
        enum status st = tail_round(l->tail, zone_offset_s(l->env.clock), &lines, &err);
        round_done(l, &state, wall_ns, begin_ns, lines, st, &err);
    } while (!pause_for(l, ROUND_INTERVAL_NS));
}

static void journal_follow(struct logs_collector *l, struct journal *j)
{
    struct round_state state = { .job = "logs_journal" };
    while (!pause_for(l, state.failing ? ROUND_INTERVAL_NS : 0)) {
        struct err err = { 0 };
        size_t entries = 0;
        int64_t wall_ns = clock_wall_ns(l->env.clock), begin_ns = clock_mono_ns(l->env.clock);
        enum status st = journal_round(j, &entries, &err);
        round_done(l, &state, wall_ns, begin_ns, entries, st, &err);
        if (!st && entries == 0 && !journal_wait(j, ROUND_INTERVAL_NS) && pause_for(l, ROUND_INTERVAL_NS))
            return;
    }
}

static void journal_main(void *arg)
{
    struct logs_collector *l = arg;
    bool told = false;
    do {
        struct journal *j;
        struct err err;
        if (journal_open(&j, &l->env, l->opt.journal_dir, l->opt.line_bytes_max, &err) == ST_OK) {
            journal_follow(l, j);
            journal_free(j);
        } else if (!told) {
            log_line(l->env.log, LOG_INFO, "no journal is read", "reason=\"%s\"", err.text);
            told = true;
        }
    } while (!pause_for(l, RETRY_INTERVAL_NS));
}

enum status logs_start(struct logs_collector **out, const struct collect_env *env, const struct logs_options *opt, struct err *err)
{
    struct logs_collector *l = mem_new(struct logs_collector);
    enum status st = ST_OK;
    l->env = *env;
    l->opt = *opt;
    mutex_init(&l->lock);
    cond_init(&l->wake);
    if (opt->file_count) {
        l->tail = tail_new(&l->env, opt->files, opt->file_count, opt->line_bytes_max);
        st = thread_start(&l->tail_thread, "logs-files", tail_main, l, err);
    }
    if (!st && opt->journal)
        st = thread_start(&l->journal_thread, "logs-journal", journal_main, l, err);
    if (st) {
        logs_free(l);
        return st;
    }
    *out = l;
    return ST_OK;
}

void logs_metrics(const struct logs_collector *l, struct buf *out)
{
    static const struct {
        const char *name, *help;
    } counters[TAIL_COUNTS] = {
        [TAIL_JOINED] = { "stoa_logs_lines_joined_total", "Lines of followed files that became part of the record before them." },
        [TAIL_CUT] = { "stoa_logs_lines_cut_total", "Lines of followed files over line_max." },
        [TAIL_UNPARSED] = { "stoa_logs_records_unparsed_total", "Records of followed files that the file's parse does not fit." },
        [TAIL_LEFT_OUT] = { "stoa_logs_records_left_out_total", "Records of followed files that no request can hold." },
    };
    for (int i = 0; l->tail && i < TAIL_COUNTS; i++)
        buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n%s %llu\n", counters[i].name, counters[i].help, counters[i].name, counters[i].name,
                   (unsigned long long)tail_count(l->tail, (enum tail_count)i));
}

void logs_stop(struct logs_collector *l)
{
    if (l == NULL)
        return;
    mutex_lock(&l->lock);
    l->stopping = true;
    cond_broadcast(&l->wake);
    mutex_unlock(&l->lock);
    thread_join(l->tail_thread);
    thread_join(l->journal_thread);
    l->tail_thread = l->journal_thread = NULL;
}

void logs_free(struct logs_collector *l)
{
    if (l == NULL)
        return;
    logs_stop(l);
    tail_free(l->tail);
    cond_destroy(&l->wake);
    mutex_destroy(&l->lock);
    mem_free(l);
}
