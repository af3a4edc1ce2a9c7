/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa agent`: runs the checks of one location for a server elsewhere, until SIGTERM or SIGINT. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/date.h"
#include "ctl/commands.h"
#include "probe/agent.h"

enum { POLL_SECONDS_DEFAULT = 60, POLL_MS_MIN = 100 };

struct settings {
    struct slice server, location, token, data, ca_file, poll;
};

static const struct {
    const char *flag, *variable;
    size_t at;
} flags[] = {
    { "--server", "STOA_SERVER", offsetof(struct settings, server) },       { "--location", "STOA_LOCATION", offsetof(struct settings, location) },
    { "--token", "STOA_TOKEN", offsetof(struct settings, token) },          { "--data", "STOA_DATA", offsetof(struct settings, data) },
    { "--ca-file", "STOA_CA_FILE", offsetof(struct settings, ca_file) },    { "--poll", "STOA_POLL", offsetof(struct settings, poll) },
};

static struct slice *place(struct settings *s, size_t i)
{
    return (struct slice *)(void *)((char *)s + flags[i].at);
}

static bool read_flags(int argc, char **argv, struct settings *s)
{
    s->data = SLICE("./stoa-agent");
    s->poll = SLICE("60s");
    for (size_t k = 0; k < COUNT_OF(flags); k++) {
        const char *v = getenv(flags[k].variable);
        if (v && v[0])
            *place(s, k) = slice_str(v);
    }
    for (int i = 1; i < argc; i += 2) {
        size_t k = 0;
        while (k < COUNT_OF(flags) && !slice_eq(slice_str(flags[k].flag), slice_str(argv[i])))
            k++;
        if (k == COUNT_OF(flags) || i + 1 == argc) {
            fprintf(stderr, k == COUNT_OF(flags) ? "stoa agent: unknown flag %s\n" : "stoa agent: %s needs a value\n", argv[i]);
            return false;
        }
        *place(s, k) = slice_str(argv[i + 1]);
    }
    return true;
}

static bool is_usable(const struct settings *s, int64_t *poll_ns)
{
    if (!slice_starts(s->server, SLICE("http://")) && !slice_starts(s->server, SLICE("https://"))) {
        fprintf(stderr, "stoa agent: --server: found \"%.*s\", expected a URL such as https://stoa.example.com\n", SLICE_FMT(s->server));
        return false;
    }
    if (!check_name_is_valid(s->location) || slice_eq(s->location, CHECK_LOCATION_LOCAL)) {
        fprintf(stderr, "stoa agent: --location: found \"%.*s\", expected a name of at most %d of the characters A-Z a-z 0-9 space _ . : - "
                        "other than \"local\", which is the server itself\n",
                SLICE_FMT(s->location), CHECK_NAME_BYTES_MAX);
        return false;
    }
    if (!duration_parse_go(s->poll, poll_ns) || *poll_ns < POLL_MS_MIN * NS_MS || *poll_ns > 3600 * NS_S) {
        fprintf(stderr, "stoa agent: --poll: found \"%.*s\", allowed are 100ms to 1h\n", SLICE_FMT(s->poll));
        return false;
    }
    return true;
}

static bool on_variable(void *arg, struct slice name, struct slice *value)
{
    struct arena *a = arena_new(0);
    const char *v = getenv(arena_copy(a, name).ptr);
    arena_free(a);
    *value = slice_str(v);
    return v != NULL;
}

static void wait_for_end(const sigset_t *signals)
{
    int number;
    while (sigwait(signals, &number))
        ;
}

int agent_command(int argc, char **argv)
{
    struct settings s = { .server = SLICE_EMPTY };
    struct agent *agent = NULL;
    struct http_client *client = NULL;
    struct log log = { .clock = clock_real(), .min = LOG_INFO, .fd = STDERR_FILENO };
    sigset_t signals;
    struct err err;
    int64_t poll_ns = POLL_SECONDS_DEFAULT * NS_S;
    if (!read_flags(argc, argv, &s) || !is_usable(&s, &poll_ns)) {
        fprintf(stderr, "usage: stoa agent --server URL --location NAME [--token T] [--data DIR] [--ca-file FILE] [--poll 60s]\n");
        return 2;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    enum status st = http_client_new(&client, &err);
    if (!st) {
        struct agent_options opt = {
            .env = { clock_real(), client, on_variable, NULL },
            .log = &log,
            .fs = fs_real(),
            .server = s.server,
            .location = s.location,
            .token = s.token,
            .ca_file = s.ca_file,
            .data = s.data,
            .poll_ns = poll_ns,
        };
        st = agent_start(&agent, &opt, &err);
    }
    if (st) {
        fprintf(stderr, "stoa agent: %s\n", err.text);
    } else {
        fprintf(stderr, "stoa: agent at %.*s for %.*s\n", SLICE_FMT(s.location), SLICE_FMT(s.server));
        wait_for_end(&signals);
    }
    agent_stop(agent);
    http_client_free(client);
    return st ? 1 : 0;
}
