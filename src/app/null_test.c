/*
 * NULL where something must be: every public function is called once for each of its pointers, with
 * that one NULL and all else right. It must be a panic whose message names function and argument,
 * or be allowed (null_calls.h says why); never a fault, nor the end of the process. What is said
 * before the start must be one of the mistakes that are shown there, or a line and status 1.
 *
 * Functions and parameters are read from the public headers. Each call is a process of its own, so
 * that it finds everything as it is made here, whatever the calls before it have done.
 */
#include "app/public_values.h"

#include "app/declared_testing.h"
#include "base/sanitizer.h"

#include <ctype.h>
#include <signal.h>
#include <sys/wait.h>

#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* so that a format may be NULL */

WEIR_HANDLE(anything, int);
WEIR_HANDLE(another, int);

struct number_of_x {
    int64_t x;
};
typedef struct number_of_x number_of_x;
WEIR_MODEL(number_of_x, (x));

static struct {
    weir_ctx *c;
    weir_chan *chan;
    weir_mutex *mutex;
    weir_sem *sem;
    weir_cond *cond;
    weir_wait_group *group;
    weir_once *once;
    weir_db *db;
    weir_postgres_listener *listener;
    weir_file *file;
    weir_socket *socket;
    weir_http *http;
    weir_reply *reply;
    weir_tls *tls;
    weir_process *process;
    weir_topic *topic;
    weir_subscription *subscription;
    weir_cache *cache;
    weir_redis *redis;
    weir_redis_pipe *redis_pipe;
    weir_redis_subscription *redis_subscription;
    weir_redis_consumer *consumer;
} live;

static struct {
    weir_ctx_options ctx;
    weir_detach_options detach;
    weir_offload_options offload;
    weir_cookie_options cookie;
    weir_file_options file;
    weir_static_options folder;
    weir_group_options group;
    weir_route_options route;
    weir_app_options app;
    weir_db_options db;
    weir_sqlite_options sqlite;
    weir_postgres_options postgres;
    weir_mysql_options mysql;
    weir_migrate_options migrate;
    weir_tx_options tx;
    weir_tx_retry_options retry;
    weir_insert_options insert;
    weir_file_open_options open;
    weir_file_temp_options temp;
    weir_dial_options dial;
    weir_http_options http;
    weir_http_call_options call;
    weir_proxy_options proxy;
    weir_tls_options tls;
    weir_spawn_options spawn;
    weir_topic_options topic;
    weir_subscription_options sub;
    weir_cache_options cache;
    weir_cache_share_options share;
    weir_redis_options redis;
    weir_redis_set_options redis_set;
    weir_redis_subscribe_options redis_sub;
    weir_redis_consume_options consume;
} options = {
    .ctx.size = sizeof(weir_ctx_options),
    .detach.size = sizeof(weir_detach_options),
    .offload.size = sizeof(weir_offload_options),
    .cookie.size = sizeof(weir_cookie_options),
    .file = {.size = sizeof(weir_file_options), .root = "/"},
    .folder.size = sizeof(weir_static_options),
    .group.size = sizeof(weir_group_options),
    .route.size = sizeof(weir_route_options),
    .app.size = sizeof(weir_app_options),
    .db = {.size = sizeof(weir_db_options), .url = "redis://none"},
    .sqlite = {.size = sizeof(weir_sqlite_options), .path = ":memory:"},
    .tx.size = sizeof(weir_tx_options),
    .retry.size = sizeof(weir_tx_retry_options),
    .insert.size = sizeof(weir_insert_options),
    .postgres = {.size = sizeof(weir_postgres_options), .url = "none"},
    .mysql = {.size = sizeof(weir_mysql_options), .url = "none"},
    .migrate.size = sizeof(weir_migrate_options),
    .open.size = sizeof(weir_file_open_options),
    .temp.size = sizeof(weir_file_temp_options),
    .dial.size = sizeof(weir_dial_options),
    .http.size = sizeof(weir_http_options),
    .call.size = sizeof(weir_http_call_options),
    .proxy.size = sizeof(weir_proxy_options),
    .tls.size = sizeof(weir_tls_options),
    .spawn.size = sizeof(weir_spawn_options),
    .topic.size = sizeof(weir_topic_options),
    .sub.size = sizeof(weir_subscription_options),
    .cache = {.size = sizeof(weir_cache_options),
              .name = "calls",
              .entries_max = 10,
              .bytes_max = 32 << 10,
              .ttl = {INT64_C(1000000000)},
              .guard_keys = 10},
    .share = {.size = sizeof(weir_cache_share_options), .space = "x"},
    .redis = {.size = sizeof(weir_redis_options), .url = "unix:/no socket"},
    .redis_set.size = sizeof(weir_redis_set_options),
    .redis_sub.size = sizeof(weir_redis_subscribe_options),
    .consume = {.size = sizeof(weir_redis_consume_options), .group = "g", .consumer = "c"},
};

static char *an_argv[] = {(char[]){"null"}, NULL};
static const weir_error_entry an_entry = {.code = WEIR_DOMAIN(1), .status = 409, .name = "taken"};
static weir_arg an_arg;
static weir_redis_value a_value_of_redis;
static weir_checked_table a_table;
static weir_page_out a_place;
static const weir_checked_sql *statements[1];
static char bytes[128];
static number_of_x thing;
static weir_header_iter iter;
static weir_buf buf;
static weir_wall wall;
static weir_uuid uuid;
static weir_decimal decimal;
static weir_timer timer;
static weir_pool_stats stats;
static weir_result result;
static weir_group *group;
static weir_chan *shared; /* of the application */

/* --- what the rows need ------------------------------------------------------------------- */

static void see_line(weir_str line, void *arg)
{
    (void)line, (void)arg;
}

static weir_err pass(weir_ctx *c)
{
    return weir_next(c);
}

static const weir_handler middleware[] = {pass};

static const weir_select_case *one_arm(void)
{
    static weir_select_case arm;
    arm = (weir_select_case){.chan = live.chan, .recv = &number};
    return &arm;
}

static weir_ctx *the_app(void)
{
    return weir__ctx_handle(weir__self->runtime->app);
}

static weir_err load_nothing(weir_ctx *c, weir_str key, void *out, void *arg)
{
    (void)c, (void)key, (void)out, (void)arg;
    return WEIR_OK;
}

static const int64_t *pinned_here(void)
{
    assert_int_equal(
        weir_cache_pin(live.c, live.cache, a_value, int64_t, &pinned, load_nothing, NULL), WEIR_OK);
    return pinned;
}

static weir_mutex *locked(void)
{
    assert_int_equal(weir_lock(live.c, live.mutex), WEIR_OK);
    return live.mutex;
}

static weir_stream *a_stream(void)
{
    return weir_stream_begin(live.c, 200, "text/plain");
}

static weir_stream *an_array(void)
{
    return weir_json_array(live.c, 200);
}

/* As main() does; its status says whether the start was refused. */
static void run(weir_app *app)
{
    _exit(weir_app_run(app));
}

static weir_rows *some_rows(void)
{
    return weir_query(live.c, live.db, "SELECT 1 AS x");
}

static weir_batch *a_batch(void)
{
    return weir_batch_new(live.c, live.db);
}

static weir_batch *a_batch_of_one(void)
{
    weir_batch *b = a_batch();
    weir_batch_exec(b, NULL, "SELECT 1");
    return b;
}

static weir_tx *a_tx(void)
{
    return weir_begin(live.c, live.db);
}

static weir_buf *a_buf(void)
{
    weir_buf_init(&buf, 1 << 10);
    return &buf;
}

static void make_things(weir_ctx *c)
{
    static char path[128];
    live.c = c;
    live.chan = weir_chan_new(c, int, 4);
    assert_int_equal(weir_chan_send(c, live.chan, &number), WEIR_OK);
    shared = weir_chan_new(the_app(), int, 4);
    live.mutex = weir_mutex_new(c);
    live.sem = weir_sem_new(c, 4);
    live.cond = weir_cond_new(c);
    live.group = weir_wait_group_new(c);
    live.once = weir_once_new(c);
    snprintf(path, sizeof path, "%s/db", folder);
    live.db = weir_sqlite_open(c, .path = path, .create = true, .pool = {.max_open = 2});
    assert_int_equal(weir_db_err(live.db), WEIR_OK);
    live.listener = weir_postgres_listen(c, live.db, "x"); /* which it has not */
    live.file = weir_file_temp(c);
    live.socket = weir_dial(c, "no address");
    live.http = weir_http_open(c, .base = "unix:/no socket");
    live.reply = weir_http_get(c, live.http, "no target");
    live.tls = weir_tls_new(c, .ca_file = "/nowhere");
    live.process = weir_spawn(c, no_program);
    live.topic = weir_topic_new(c, int);
    live.subscription = weir_subscribe(c, live.topic);
    live.cache = weir_cache_new_at(WEIR_HERE, the_app(), &options.cache);
    assert_int_equal(weir_cache_err(live.cache), WEIR_OK);
    live.redis = weir_redis_open(c, .url = "unix:/no socket");
    live.redis_pipe = weir_redis_pipe_new(c, live.redis);
    live.redis_subscription = weir_redis_subscribe(c, live.redis, "channel");
    live.consumer = weir_redis_consume(c, live.redis, "stream", .group = "g", .consumer = "c");
    number = 1;
    assert_int_equal(weir_publish(c, live.topic, &number), WEIR_OK);
    weir_error_clear(c);
    an_arg = weir_arg_int(1);
}

/* --- the rows ----------------------------------------------------------------------------- */

/* The parameter that is NULL this time, and whether the row knows it. */
static const char *nulled;
static bool is_known;

static bool is_nulled(const char *parameter)
{
    bool is = strcmp(nulled, parameter) == 0;
    is_known = is_known || is;
    return is;
}

#define N(parameter, value) (is_nulled(#parameter) ? NULL : (value))

enum when { IN_A_HANDLER, BEFORE_THE_START, ALLOWED, NOT_ASKED };

struct row {
    enum when when;
    const char *function, *parameter;
    void (*call)(void);
};

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define CALL(function, ...)                                                                        \
    static void JOIN(call_, __LINE__)(void)                                                        \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }
#define START CALL
#define MAY(function, parameter, why)
#define NONE(function, why)
#include "app/null_calls.h"
#undef CALL
#undef START
#undef MAY
#undef NONE

#define CALL(function, ...) {IN_A_HANDLER, #function, NULL, JOIN(call_, __LINE__)},
#define START(function, ...) {BEFORE_THE_START, #function, NULL, JOIN(call_, __LINE__)},
#define MAY(function, parameter, why) {ALLOWED, #function, #parameter, NULL},
#define NONE(function, why) {NOT_ASKED, #function, why, NULL},
static const struct row rows[] = {
#include "app/null_calls.h"
};
#define ROWS (sizeof rows / sizeof rows[0])

static const struct row *row_of(const char *function, int len)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].when != ALLOWED && strncmp(rows[i].function, function, (size_t)len) == 0 &&
            rows[i].function[len] == '\0')
            return &rows[i];
    }
    return NULL;
}

/* Where code stands is only shown, and need not be known. */
static bool may_be_null(const char *function, const char *parameter)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].when == ALLOWED && strcmp(rows[i].function, function) == 0 &&
            strcmp(rows[i].parameter, parameter) == 0)
            return true;
    }
    return strcmp(parameter, "site") == 0;
}

/* --- one call ----------------------------------------------------------------------------- */

enum { WENT_ON = 0, SAID = 1, UNKNOWN = 3 };

/* In a process of its own: what is said there, and its status as of wait. */
static int apart(void (*call)(const struct row *r), const struct row *r, char *said, size_t size)
{
    int pipes[2], status = 0;
    assert_int_equal(pipe(pipes), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}; /* cmocka has them */
        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
            signal(faults[i], SIG_DFL);
        dup2(pipes[1], STDERR_FILENO);
        is_known = false;
        call(r);
        fflush(NULL);
        _exit(is_known ? WENT_ON : UNKNOWN);
    }
    close(pipes[1]);
    size_t len = 0;
    for (ssize_t n; len + 1 < size && (n = read(pipes[0], said + len, size - 1 - len)) > 0;)
        len += (size_t)n;
    said[len] = '\0';
    close(pipes[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static weir_err call_row(weir_ctx *c, void *arg)
{
    (void)c;
    ((const struct row *)arg)->call();
    return WEIR_OK;
}

static void call_in_a_handler(const struct row *r)
{
    weir_err err = weir_protect(live.c, call_row, (void *)(uintptr_t)r);
    const weir_error *e = weir_last_error(live.c);
    if (err != WEIR_EPANIC)
        return;
    fprintf(stderr, WEIR_STR_FMT, WEIR_STR_ARG(e->message));
    fflush(NULL);
    _exit(SAID);
}

static void call_before_the_start(const struct row *r)
{
    static struct weir__web web;
    weir_buf report;
    weir__web_init(&web);
    group = &web.root;
    r->call();
    weir_buf_init(&report, 1 << 20);
    if (weir__web_freeze(&web, &report) == WEIR_OK)
        return;
    fprintf(stderr, WEIR_STR_FMT, WEIR_STR_ARG(weir_buf_str(&report)));
    fflush(NULL);
    _exit(SAID);
}

static bool says(const char *said, const char *function)
{
    char what[96];
    snprintf(what, sizeof what, "%s: ", declared_as_called(function));
    const char *at = strstr(said, what);
    return at != NULL && strstr(at, "NULL") != NULL;
}

/* One parameter: how many of its calls went wrong. */
static int check(const struct row *r, const char *parameter)
{
    char said[4096];
    if (r == NULL) {
        print_error("%s of no row\n", parameter);
        return 1;
    }
    nulled = parameter;
    bool is_allowed = may_be_null(r->function, parameter);
    int status = apart(r->when == IN_A_HANDLER ? call_in_a_handler : call_before_the_start, r, said,
                       sizeof said);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SAID && (is_allowed || says(said, r->function)))
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == WENT_ON && is_allowed)
        return 0;
    const char *what = "the end of the process";
    if (WIFEXITED(status) && WEXITSTATUS(status) <= UNKNOWN) {
        const char *const whats[] = {"went on", "says something else", "?", "not in the row"};
        what = whats[WEXITSTATUS(status)];
    }
    if (WIFSIGNALED(status))
        what = strsignal(WTERMSIG(status));
    print_error("%s(%s = NULL): %s: %.200s\n", r->function, parameter, what, said);
    return 1;
}

/* --- all parameters of all functions ------------------------------------------------------ */

struct count {
    enum when when;
    int calls, step, wrong;
};

/* Processes are dear under a sanitizer: some of the calls. */
static int step(void)
{
    const char *sanitizers = getenv("WEIR_SANITIZE");
    return sanitizers == NULL || strcmp(sanitizers, "none") == 0 ? 1 : 5;
}

static bool is_pointer(const char *at, int len)
{
    const char *const types[] = {"weir_fiber_fn ", "weir_handler "};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strncmp(at, types[i], strlen(types[i])) == 0)
            return true;
    }
    return memchr(at, '*', (size_t)len) != NULL;
}

/* The name of one: its last word, or the one behind "(*". */
static void name_of(const char *at, int len, char *name, size_t size)
{
    const char *end = at + len, *fn = memmem(at, (size_t)len, "(*", 2);
    if (fn != NULL) {
        at = fn + 2;
        end = at + strcspn(at, ")");
    }
    const char *begin = end;
    while (begin > at && (isalnum((unsigned char)begin[-1]) || begin[-1] == '_'))
        begin--;
    snprintf(name, size, "%.*s", (int)(end - begin), begin);
}

static void check_parameter(const struct row *r, const char *at, int len, struct count *count)
{
    char name[64];
    while (len > 0 && isspace((unsigned char)*at))
        at++, len--;
    if (!is_pointer(at, len))
        return;
    name_of(at, len, name, sizeof name);
    if (count->calls++ % count->step != 0)
        return;
    count->wrong += check(r, name);
}

static void check_function(const struct declared *d, void *arg)
{
    struct count *count = arg;
    const struct row *r = row_of(d->name, d->name_len);
    int from = 0, depth = 0;
    if (r == NULL) {
        bool has_pointer = is_pointer(d->parameters, d->parameters_len);
        if (has_pointer)
            print_error("%.*s (%s) has no row in null_calls.h\n", d->name_len, d->name, d->header);
        count->wrong += has_pointer;
        return;
    }
    if (r->when != count->when)
        return;
    for (int i = 0; i <= d->parameters_len; i++) {
        char ch = i < d->parameters_len ? d->parameters[i] : ',';
        depth += (ch == '(') - (ch == ')');
        if (ch != ',' || depth > 0)
            continue;
        check_parameter(r, d->parameters + from, i - from, count);
        from = i + 1;
    }
}

/*
 * A panic's stack is told with names, for which the debug information of the whole process is read
 * once: here, so that each of the processes begins with what was read.
 */
static void panic_once(weir_ctx *c)
{
    nulled = "sql";
    weir_err err = weir_protect(c, call_row, (void *)(uintptr_t)row_of("weir_db_exec_at", 15));
    assert_int_equal(err, WEIR_EPANIC);
    weir_error_clear(c);
}

static weir_err make_each_call(weir_ctx *c)
{
    struct count count = {IN_A_HANDLER, 0, step(), 0};
    make_things(c);
    panic_once(c);
    declared_each(check_function, &count);
    /* A source is one of two, which the headers' parameter does not say. */
    nulled = "from";
    count.wrong += check(row_of("weir_query_at", 13), "from");
    count.wrong += check(row_of("weir_query_one_at", 17), "from");
    assert_int_equal(count.wrong, 0);
    assert_in_range(count.calls, 250, 1000); /* the scan sees them */
    return weir_no_content(c);
}

static void build(weir_group *app)
{
    weir_post(app, "/null/:x", make_each_call);
    weir_provide(app, anything, &number);
}

static void ask(struct kit *k)
{
    assert_int_equal(kit_status(kit_post_json(k, "/null/1?q=1", "{\"x\":1}")), 204);
}

/*
 * Not under ThreadSanitizer: after a fork it takes no note of what orders the steps of the fiber
 * that forked, and calls its switch back to the worker a race.
 */
static void test_in_a_handler_it_is_a_panic_that_names_it(void **state)
{
    (void)state;
    if (weir__has_tsan())
        skip();
    assert_non_null(mkdtemp(folder));
    kit_run(build, ask);
}

static void test_before_the_start_it_is_a_mistake(void **state)
{
    (void)state;
    struct count count = {BEFORE_THE_START, 0, step(), 0};
    options.route.handler = pass;
    declared_each(check_function, &count);
    assert_int_equal(count.wrong, 0);
    assert_in_range(count.calls, 30, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_the_start_it_is_a_mistake),
        cmocka_unit_test(test_in_a_handler_it_is_a_panic_that_names_it),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
