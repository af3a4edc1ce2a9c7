/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa COMMAND`: one table; a command stands in it, and so in the help, only when it works. */
#include <curl/curl.h>
#include <stdio.h>

#include "base/slice.h"
#include "ctl/commands.h"
#include "server/server.h"
#include "server/version.h"
#include "sys/heap.h"

static const struct command {
    const char *name, *arguments, *what;
    int (*run)(int argc, char **argv);
} commands[] = {
    { "serve", "[--config FILE]... [--data DIR] [--listen ADDR:PORT] [--insecure] [--enable-feature NAME]", "run the server", server_main },
    { "agent", "--server URL --location NAME [--token T] [--data DIR] [--poll 60s]", "run a server's synthetic checks from here", agent_command },
    { "query", "[--url URL] [--logs|--traces|--correlate] [--start T --end T --step D] QUERY",
      "ask a server: PromQL, LogQL, TraceQL, or one id", query_command },
    { "services", "[--url URL] [--map|--errors|--calls|--deploys] [--start T] [--end T] [SERVICE]",
      "services as their spans tell: who calls whom, errors, statements, deployments", services_command },
    { "tail", "[--url URL] [--limit N] [--start T] [--json] LOGQL", "print the lines of a log query as they come in", tail_command },
    { "check", "config|rules|metrics FILE... | redaction < TEXT", "say what is wrong with files; show a text as it would be stored", check_command },
    { "test", "promql|logql|traceql FILE...", "run query scripts against an engine in memory", test_command },
    { "import", "[--url URL] prometheus DIR | openmetrics FILE | csv FILE", "bring samples from elsewhere into a running server", import_command },
    { "export", "[--url URL] [--start T] [--end T] [--format csv | --to URL] SELECTOR", "raw samples as text, or to another server", export_command },
    { "user", "add|passwd|role|remove|list [NAME] [--role ROLE] [--data DIR]", "say who may log in", user_command },
    { "token", "create|list|revoke [NAME|ID] [--role ROLE] [--expires 90d] [--data DIR]", "tokens for programs", token_command },
    { "audit", "verify|list [--data DIR | --url URL]", "who read and changed what, and whether that record is whole", audit_command },
    { "erase", "[--url URL] [--start T] [--end T] [--yes] FIELD=VALUE", "erase everything that has a value, after a count", erase_command },
    { "version", "", "say which version this is", version_command },
};

int version_command(int argc, char **argv)
{
    printf("stoa %s (%s)\n", STOA_VERSION, STOA_REVISION);
    return 0;
}

static void print_help(FILE *out)
{
    fprintf(out, "Stoa: metrics, logs and traces in one program.\n\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        fprintf(out, "  stoa %s %s\n        %s\n", commands[i].name, commands[i].arguments, commands[i].what);
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct slice arg = slice_str(argv[i]);
        if (slice_eq(arg, SLICE("--")))
            break;
        if (slice_eq(arg, SLICE("--help")) || slice_eq(arg, SLICE("-h")))
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    struct slice name = slice_str(argc > 1 ? argv[1] : "");
    heap_setup();
    if (slice_eq(name, SLICE("help")) || slice_eq(name, SLICE("--help")) || slice_eq(name, SLICE("-h"))) {
        print_help(stdout);
        return 0;
    }
    if (slice_eq(name, SLICE("--version")))
        return version_command(0, argv);
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (!slice_eq(slice_str(commands[i].name), name))
            continue;
        if (wants_help(argc - 1, argv + 1)) {
            printf("usage: stoa %s %s\n\n%s\n", commands[i].name, commands[i].arguments, commands[i].what);
            return 0;
        }
        /* Not thread-safe, so before any thread. */
        curl_global_init(CURL_GLOBAL_DEFAULT);
        return commands[i].run(argc - 1, argv + 1);
    }
    if (name.len)
        fprintf(stderr, "stoa: unknown command \"%.*s\"\n\n", SLICE_FMT(name));
    print_help(stderr);
    return 2;
}
