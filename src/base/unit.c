/* SPDX-License-Identifier: Apache-2.0 */
/* Test runner: forks a child per test, waits with a limit, counts. Linked only into test programs. */
#include "base/unit.h"

#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TEST_SECONDS_MAX = 240 };

extern const struct unit_test *const __start_stoa_unit[];
extern const struct unit_test *const __stop_stoa_unit[];

/* State of the one test that this (forked) process runs. */
static struct {
    uint64_t seed;
    bool seed_used;
    char dir[64];
} unit;

void unit_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    if (unit.seed_used)
        fprintf(stderr, "  repeat with STOA_TEST_SEED=%llu\n", (unsigned long long)unit.seed);
    _exit(1);
}

void unit_check_int(const char *file, int line, const char *what, int64_t got, int64_t want)
{
    if (got == want)
        return;
    char text[256];
    snprintf(text, sizeof text, "%s is %lld, expected %lld", what, (long long)got, (long long)want);
    unit_fail(file, line, text);
}

void unit_check_str(const char *file, int line, const char *what, struct slice got, struct slice want)
{
    if (slice_eq(got, want))
        return;
    size_t room = got.len + want.len + 256;
    char *text = mem_alloc(room);
    snprintf(text, room, "%s is \"%.*s\", expected \"%.*s\"", what, SLICE_FMT(got), SLICE_FMT(want));
    unit_fail(file, line, text);
}

void unit_check_near(const char *file, int line, const char *what, double got, double want, double eps)
{
    if ((isnan(got) && isnan(want)) || fabs(got - want) <= eps)
        return;
    char text[256];
    snprintf(text, sizeof text, "%s is %.17g, expected %.17g", what, got, want);
    unit_fail(file, line, text);
}

uint64_t unit_seed(void)
{
    if (!unit.seed_used) {
        const char *given = getenv("STOA_TEST_SEED");
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        unit.seed = given ? strtoull(given, NULL, 10) : (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)getpid();
        unit.seed_used = true;
    }
    return unit.seed;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    return remove(path);
}

static void remove_dir(void)
{
    if (unit.dir[0])
        nftw(unit.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *unit_dir(void)
{
    if (!unit.dir[0]) {
        snprintf(unit.dir, sizeof unit.dir, "/tmp/stoa-unit-XXXXXX");
        if (mkdtemp(unit.dir) == NULL)
            unit_fail(__FILE__, __LINE__, "cannot make a temporary folder");
    }
    return unit.dir;
}

static bool run_one(const struct unit_test *t)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(TEST_SECONDS_MAX);
        t->run();
        remove_dir();
        /* exit(), so that a leak checker has its say. */
        exit(0);
    }
    int how = 0;
    waitpid(child, &how, 0);
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0)
        return true;
    if (WIFSIGNALED(how))
        printf("FAIL %s (%s): ended by signal %d%s\n", t->name, t->file, WTERMSIG(how),
               WTERMSIG(how) == SIGALRM ? ", over its time" : "");
    else
        printf("FAIL %s (%s)\n", t->name, t->file);
    return false;
}

static bool is_wanted(const struct unit_test *t, int argc, char **argv)
{
    bool filtered = false;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-')
            continue;
        filtered = true;
        if (strstr(t->name, argv[i]))
            return true;
    }
    return !filtered;
}

int main(int argc, char **argv)
{
    int passed = 0, failed = 0;
    bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    for (const struct unit_test *const *t = __start_stoa_unit; t < __stop_stoa_unit; t++) {
        if (!is_wanted(*t, argc, argv))
            continue;
        bool good = run_one(*t);
        passed += good;
        failed += !good;
        if (verbose)
            printf("%s %s\n", good ? "ok  " : "FAIL", (*t)->name);
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}
