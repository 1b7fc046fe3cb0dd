/*
 * A database of several servers, told what to do line by line, for test_nodes.py: the servers say
 * themselves who has answered. Each line is a request of its own; its answer is one line.
 *
 *     read PORT-SQL N     the ports that N reads were answered from, each once, in order
 *     write               "ok", or the error's code and words
 *     both PORT-SQL       a write and a read of one request: the port of the read
 *     leases              node (note): in use / open, of each pool
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/pool_facts.h"
#include "rt/runtime.h"
#include "rt/worker.h"
#include <weir/weir.h>

enum { PORTS_MAX = 8, POOLS_MAX = 16 };

static weir_db *db;

static struct weir__ctx *begin_request(void)
{
    weir_time until = weir_time_add(weir_now(), weir_sec(5));
    struct weir__ctx *r = weir__ctx_new(weir__self->root, until, 0, WEIR_HERE);
    if (r == NULL)
        abort();
    return r;
}

static void fail(weir_ctx *c, weir_err err)
{
    const weir_error *e = weir_last_error(c);
    printf("error %d %.*s\n", err, e != NULL ? (int)e->message.len : 0,
           e != NULL ? e->message.ptr : "");
}

/* --- what it is told -------------------------------------------------------------------------- */

struct ports {
    int64_t at[PORTS_MAX];
    size_t count;
};

static void add_port(struct ports *p, int64_t port)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->at[i] == port)
            return;
    if (p->count < PORTS_MAX)
        p->at[p->count++] = port;
}

static void read_often(const char *sql, int count)
{
    struct ports p = {.count = 0};
    for (int i = 0; i < count; i++) {
        struct weir__ctx *r = begin_request();
        int64_t port;
        weir_err err = weir_query_one(weir__ctx_handle(r), db, int64_t, &port, sql);
        if (err < 0) {
            fail(weir__ctx_handle(r), err);
            weir__ctx_end(r);
            return;
        }
        weir__ctx_end(r);
        add_port(&p, port);
    }
    for (size_t i = 0; i < p.count; i++)
        printf("%s%lld", i > 0 ? " " : "", (long long)p.at[i]);
    printf("\n");
}

static void write_once(const char *sql_of_port)
{
    struct weir__ctx *r = begin_request();
    weir_ctx *c = weir__ctx_handle(r);
    int64_t port;
    weir_err err = weir_db_exec(c, db, NULL, "INSERT INTO weir_nodes VALUES (1)");
    if (err == WEIR_OK && sql_of_port != NULL)
        err = weir_query_one(c, db, int64_t, &port, sql_of_port);
    if (err < 0)
        fail(c, err);
    else if (sql_of_port != NULL)
        printf("%lld\n", (long long)port);
    else
        printf("ok\n");
    weir__ctx_end(r);
}

static void tell_leases(void)
{
    static struct weir__pool_facts facts[POOLS_MAX];
    size_t count = weir__pool_facts(facts, POOLS_MAX);
    for (size_t i = 0; i < count; i++)
        printf("%s%s|%s|%llu|%llu", i > 0 ? ";" : "", facts[i].name, facts[i].note,
               (unsigned long long)facts[i].stats.in_use, (unsigned long long)facts[i].stats.open);
    printf("\n");
}

static void obey(char *line)
{
    char *rest = line, *word = strsep(&rest, " ");
    if (strcmp(word, "read") == 0) {
        char *space = strrchr(rest, ' ');
        *space = '\0';
        read_often(rest, atoi(space + 1));
    } else if (strcmp(word, "leases") == 0) {
        tell_leases();
    } else {
        write_once(strcmp(word, "both") == 0 ? rest : NULL);
    }
    fflush(stdout);
}

/* --- the program ------------------------------------------------------------------------------ */

struct line {
    char *text;
    size_t size;
};

static weir_err read_line(void *arg)
{
    struct line *l = arg;
    ssize_t n = getline(&l->text, &l->size, stdin);
    if (n > 0 && l->text[n - 1] == '\n')
        l->text[n - 1] = '\0';
    return n > 0 ? WEIR_OK : WEIR_ECLOSED;
}

static weir_err serve(weir_ctx *c, void *url)
{
    struct line line = {NULL, 0};
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app); /* requests are not below it */
    db = weir_db_open(app, .url = url, .pool = {.max_open = 4},
                      .nodes = {.lag_max = weir_sec(2), .probe_interval = weir_ms(500)});
    if (weir_db_err(db) < 0)
        fail(app, weir_db_err(db));
    else
        printf("ok\n");
    fflush(stdout);
    while (weir_db_err(db) == WEIR_OK && weir_offload(c, read_line, &line) == WEIR_OK)
        obey(line.text);
    free(line.text);
    return WEIR_OK;
}

int main(int argc, char **argv)
{
    struct weir__runtime_options o = {.workers = 1, .stall = weir_ns(-1)};
    char message[200];
    weir_err err;
    if (argc != 2)
        return 2;
    struct weir__runtime *rt = weir__runtime_new(&o, &err, message, sizeof message);
    if (rt == NULL)
        return 1;
    err = weir__runtime_run(rt, serve, argv[1]);
    weir__runtime_free(rt);
    return err == WEIR_OK ? 0 : 1;
}
