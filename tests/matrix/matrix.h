/*
 * The ownership matrix: each resource of a list meets each way out of a handler. A cell is a real
 * handler behind the real router and server, on the simulated network and in virtual time; it is
 * run a thousand times, and afterwards everything that can be counted is what it was. See
 * docs/design/matrix.md.
 */
#ifndef WEIR_MATRIX_MATRIX_H
#define WEIR_MATRIX_MATRIX_H

#include "cell.h"
#include "exits.h"
#include "http/over_testing.h"
#include "measure.h"
#include "watch/watch.h"

#define WARM_RUNS 50
#define CAPACITY (64u << 10) /* of a simulated socket, each way */

static struct cell *now; /* the one that runs */
static weir_buf said;    /* the log of a run */

/* --- the service ------------------------------------------------------------------------------ */

static weir_err hold(weir_ctx *c, struct cell *cell)
{
    weir_err err = cell->resource->take(c, cell);
    expect(cell, err == WEIR_OK, "cannot be taken: %s", weir_strerror(err));
    expect(cell, cell->resource->is_held(c, cell), "is not held at the exit");
    cell->is_at_exit = true;
    return cell->way->leave(c, cell);
}

static weir_err hold_in_a_block(weir_ctx *c, struct cell *cell)
{
    WEIR_WITH(turn, c)
        return hold(turn, cell);
    return WEIR_OK;
}

static weir_err handle(weir_ctx *c)
{
    now->request = c;
    return now->way->is_inner ? hold_in_a_block(c, now) : hold(c, now);
}

/* How the request ended, before its context does. */
static void (*web_done)(struct weir__exchange *x, void *arg);

static void done(struct weir__exchange *x, void *arg)
{
    now->done++;
    now->status = x->status;
    now->reason = (weir_reason)x->ctx->reason;
    web_done(x, arg);
}

static void build(weir_group *app)
{
    weir_post(app, "/cell", handle);
    weir_post(weir_group_new(app, "/soon", .timeout = weir_ms(50)), "", handle);
}

static void open_server(struct cell *cell)
{
    struct weir__http_server_options options = {0};
    struct weir__http_app app = weir__web_app(cell->web);
    web_done = app.done;
    app.done = done;
    cell->server = weir__http_server_new(weir__self->runtime, &options, &app);
    WEIR_ASSERT(cell->server != NULL, "there is memory for a server");
    cell->listener = weir__sim_listen();
    weir_err err = weir__http_server_adopt_listener(cell->server, cell->listener);
    over_server(cell->server);
    if (err == WEIR_OK)
        err = weir__http_server_start(cell->server, weir__ctx_of(cell->c));
    WEIR_ASSERT(err == WEIR_OK, "the server starts");
    cell->is_drained = false;
}

static void close_server(struct cell *cell)
{
    struct weir__ctx *c = weir__ctx_of(cell->c);
    weir__http_server_stop_accepting(cell->server, c);
    weir__http_server_drain(cell->server, c);
    weir_err err =
        weir__http_server_wait_closed(cell->server, c, weir_time_add(weir_now(), weir_sec(60)));
    expect(cell, err == WEIR_OK, "a connection stays open");
    weir__http_server_free(cell->server, c);
}

/* --- the client ------------------------------------------------------------------------------- */

static void send_request(struct cell *cell)
{
    char head[256];
    const char *body = cell->resource->body != NULL ? cell->resource->body : "";
    int num = weir__sim_connect(cell->listener, CAPACITY);
    weir_err err = weir__fd_watch(&cell->client, num, NULL);
    int len = snprintf(head, sizeof head,
                       "POST %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       cell->way->path != NULL ? cell->way->path : "/cell", 2 * strlen(body), body);
    ssize_t n = weir__send(weir__ctx_of(cell->c), &cell->client, head, (size_t)len, weir_never());
    expect(cell, err == WEIR_OK && n == len, "the request could not be sent");
}

/* All that comes until the server closes; ended by a NUL. */
static size_t receive_answer(struct cell *cell, char *text, size_t size)
{
    size_t len = 0;
    ssize_t n = 1;
    while (n > 0 && len < size - 1) {
        n = weir__recv(weir__ctx_of(cell->c), &cell->client, text + len, size - 1 - len,
                       weir_never());
        len += n > 0 ? (size_t)n : 0;
    }
    text[len] = '\0';
    return len;
}

/* The client can tell that this is all of a response. */
static bool is_whole(const char *text)
{
    const char *body = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
    if (body == NULL)
        return false;
    if (length != NULL)
        return strlen(body + 4) == strtoul(length + 16, NULL, 10);
    size_t len = strlen(text);
    return len >= 5 && strcmp(text + len - 5, "0\r\n\r\n") == 0;
}

static void check_answer(struct cell *cell)
{
    static char text[CAPACITY];
    size_t len = receive_answer(cell, text, sizeof text);
    int status = strncmp(text, "HTTP/1.1 ", 9) == 0 ? atoi(text + 9) : 0;
    int wanted = cell->resource->is_answer ? 200 : cell->way->status;
    expect(cell, status == wanted, "the client got status %d instead of %d", status, wanted);
    expect(cell, is_whole(text) != cell->resource->is_answer, "the client got %s response: %.*s",
           cell->resource->is_answer ? "a whole" : "half a", (int)(len < 300 ? len : 300), text);
}

/* --- a run ------------------------------------------------------------------------------------ */

static bool is_settled(const struct cell *cell, const struct measure *before)
{
    struct measure m = *before;
    struct weir__http_stats stats;
    weir__http_server_stats(cell->server, &stats);
    measure_quickly(&m);
    return stats.open == 0 && memcmp(&m, before, sizeof m) == 0;
}

/* Until nothing of the request is left: background work, and what the server throws away. */
static void settle(struct cell *cell, const struct measure *before)
{
    for (int64_t ms = 1; ms < 1 << 17; ms *= 2) {
        if (is_settled(cell, before))
            return;
        (void)!weir_sleep(cell->c, weir_ms(ms));
    }
}

static void wait_for_the_exit(struct cell *cell)
{
    for (int i = 0; i < TURNS_MAX && !cell->is_at_exit; i++)
        (void)!weir_yield(cell->c);
    expect(cell, cell->is_at_exit, "the handler did not come to its exit");
    let_them_wait(cell->c);
}

static void check_end(struct cell *cell)
{
    const struct way *way = cell->way;
    int wanted = cell->resource->is_answer ? 200 : way->status;
    expect(cell, cell->done == 1, "%u requests have ended", cell->done);
    expect(cell, cell->status == wanted, "it ended with %d instead of %d", cell->status, wanted);
    expect(cell, cell->reason == way->reason, "its reason is \"%s\" instead of \"%s\"",
           weir_reason_name(cell->reason), weir_reason_name(way->reason));
    expect(cell, cell->resource->is_back == NULL || cell->resource->is_back(cell->c, cell),
           "is not back after the request");
}

static void run_once(struct cell *cell)
{
    const struct way *way = cell->way;
    uint64_t panics = weir__panic_total(), faults = weir__fault_total();
    struct measure before = {0};
    weir_buf_reset(&said);
    cell->is_at_exit = false;
    cell->done = 0;
    cell->held = NULL;
    measure_quickly(&before);
    send_request(cell);
    if (way->meanwhile != NULL) {
        wait_for_the_exit(cell);
        way->meanwhile(cell);
    }
    if (!way->is_unheard)
        check_answer(cell);
    weir__fd_close(&cell->client);
    before.n[COUNT_WATCHED] -= cell->is_drained; /* its listener is closed */
    settle(cell, &before);
    check_end(cell);
    expect(cell, weir__panic_total() - panics == way->panics, "%u panics instead of %u",
           (unsigned)(weir__panic_total() - panics), way->panics);
    expect(cell, weir__fault_total() - faults == way->faults, "%u faults instead of %u",
           (unsigned)(weir__fault_total() - faults), way->faults);
    if (cell->is_drained) {
        close_server(cell);
        open_server(cell);
    }
}

/* --- a cell ----------------------------------------------------------------------------------- */

/*
 * A thousand; fewer under sanitizers, which slow each down and find what they do in the first, and
 * over other transports, where each is a connection with a handshake or a session.
 */
static unsigned runs_wanted(void)
{
    const char *runs = getenv("MATRIX_RUNS"), *sanitize = getenv("WEIR_SANITIZE");
    if (runs != NULL)
        return (unsigned)atoi(runs);
    bool is_sanitized = sanitize != NULL && strcmp(sanitize, "none") != 0 && sanitize[0] != '\0';
    return is_sanitized || over_is(OVER_TLS) ? 20 : over_is(OVER_H2) ? 200 : 1000;
}

static unsigned runs_of(const struct resource *r)
{
    unsigned n = runs_wanted();
    return r->is_slow && n > 20 ? n / 20 : n;
}

/* Who holds what: the contexts that all requests share. */
static void list_owned(const char *whose, const struct weir__ctx *c)
{
    WEIR_LIST_EACH(node, &c->owned) {
        const struct weir__owned *o = WEIR_CONTAINER(node, struct weir__owned, link);
        fprintf(stderr, "    %s context owns: %s, by %s:%d\n", whose, o->type->name,
                o->site != NULL ? o->site->file : "?", o->site != NULL ? o->site->line : 0);
    }
}

static void list_fibers(void)
{
    char text[4096];
    weir_buf list;
    weir_buf_init_fixed(&list, text, sizeof text);
    weir__sim_list_waiting(weir__self, &list);
    fprintf(stderr, WEIR_STR_FMT, WEIR_STR_ARG(weir_buf_str(&list)));
}

/*
 * The heap of a sanitizer keeps what was freed, so resident memory says nothing there; the leak
 * sanitizer says more.
 */
static bool is_equal(enum count i, int64_t before, int64_t after)
{
#if defined(WEIR__ASAN) || defined(WEIR__TSAN)
    return i == COUNT_PAGES || before == after;
#else
    return i == COUNT_PAGES ? after - before <= PAGES_MAX : before == after;
#endif
}

static void compare(struct cell *cell, const struct measure *before, const struct measure *after)
{
    bool is_same = true;
    for (unsigned i = 0; i < COUNTS; i++) {
        bool is_ok = is_equal((enum count)i, before->n[i], after->n[i]);
        is_same = is_same && is_ok;
        expect(cell, is_ok, "%s: %lld before, %lld after, %+lld left by %u runs", count_names[i],
               (long long)before->n[i], (long long)after->n[i],
               (long long)(after->n[i] - before->n[i]), cell->run - WARM_RUNS);
    }
    if (is_same)
        return;
    list_owned("the application's", weir__self->runtime->app);
    list_owned("the worker's", weir__self->root);
    list_fibers();
}

static weir_err run_cell(weir_ctx *c, void *arg)
{
    struct cell *cell = arg;
    struct measure before, after;
    cell->c = c;
    weir__web_attach(weir__self, cell->web);
    if (cell->resource->prepare != NULL)
        cell->resource->prepare(weir__ctx_handle(weir__self->runtime->app), cell);
    open_server(cell);
    for (; cell->run < WARM_RUNS && cell->failures == 0; cell->run++)
        run_once(cell);
    (void)!weir_sleep(c, weir_sec(120));
    measure(&before);
    for (unsigned n = runs_of(cell->resource); cell->run < n + WARM_RUNS && cell->failures == 0;
         cell->run++)
        run_once(cell);
    (void)!weir_sleep(c, weir_sec(120)); /* what the worker keeps for a while goes */
    measure(&after);
    compare(cell, &before, &after);
    close_server(cell);
    return WEIR_OK;
}

static unsigned play(const struct resource *resource, const struct way *way)
{
    static struct cell cell;
    cell = (struct cell){.resource = resource, .way = way};
    now = &cell;
    cell.web = calloc(1, sizeof *cell.web);
    WEIR_ASSERT(cell.web != NULL, "the test has memory");
    weir_buf report;
    weir_buf_init(&report, 1 << 20);
    weir__web_init(cell.web);
    build(&cell.web->root);
    weir_err err = weir__web_freeze(cell.web, &report);
    WEIR_ASSERT(err == WEIR_OK, "the service has no mistakes");
    weir_buf_fini(&report);
    struct weir__runtime_options options = {.request_memory_max = MEMORY_MAX,
                                            .contain_faults = true};
    weir__watch_install();
    (void)weir__sim_run_with(&options, run_cell, &cell);
    weir__web_fini(cell.web);
    free(cell.web);
    if (resource->clean != NULL)
        resource->clean(&cell);
    return cell.failures;
}

/* --- the table -------------------------------------------------------------------------------- */

static void print_heads(void)
{
    printf("%-22s", "");
    for (unsigned i = 0; i < EXIT_COUNT; i++)
        printf(" %2u", i + 1);
    printf("\n");
}

static void print_legend(void)
{
    for (unsigned i = 0; i < EXIT_COUNT; i++)
        printf("%s%u %s%s%s", i > 0 ? ", " : "", i + 1, exits[i].name,
               exits[i].off != NULL ? ": - " : "", exits[i].off != NULL ? exits[i].off : "");
    printf("; %u runs a cell\n", runs_wanted());
}

/* The program of a shard: its resources against all exits. */
static int matrix(const struct resource *resources, size_t count)
{
    unsigned failed = 0;
    over_begin();
    weir_buf_init(&said, 1 << 20);
    weir__log_capture(&said);
    print_heads();
    for (size_t r = 0; r < count; r++) {
        printf("%-22s", resources[r].name);
        for (unsigned i = 0; i < EXIT_COUNT; i++) {
            bool is_off = exits[i].off != NULL;
            bool is_bad = !is_off && play(&resources[r], &exits[i]) > 0;
            printf("  %s", is_off ? "-" : is_bad ? "✗" : "✓");
            fflush(stdout);
            failed += is_bad;
        }
        printf("\n");
    }
    print_legend();
    weir__log_capture(NULL);
    weir_buf_fini(&said);
    return failed > 0;
}

#define MATRIX(resources) matrix((resources), sizeof(resources) / sizeof(resources)[0])

#endif
