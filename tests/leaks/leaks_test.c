/*
 * The leak suite, on the simulation: one case for each id of docs/leaks.md whose fault needs no
 * real socket, thread or clock (those are in tests/e2e/test_leaks.py). A row of the table says what
 * a case asserts, and what it says is what docs/leaks.md shows:
 *
 *   prevented  the faulty handler runs 10,000 times; then everything is back where it was before
 *              the first run
 *   reported   the log names kind, route, age, function and line of the fault, and the counter of
 *              that place goes up by one a run
 *   refused    the client, or the log, is told what to write instead
 *
 * Before each fault its clean twin runs a hundred times, and nothing at all is said about it.
 *
 *   tests-leaks-leaks --table     prints the rows, for tests/leaks/table
 */
#include "http/over_testing.h"
#include "suite.h"

enum { PREVENTED = 1, REPORTED = 2, REFUSED = 4 };

struct row {
    const char *id;
    unsigned verdict;
    int status, clean_status; /* of the answers; 0: 200 */
    const char *target;       /* behind the path: "?user=7" */
    const char *body;
    const char *kind;    /* of what is left open, as it is counted */
    const char *told;    /* a part of the line that tells of it while it is still held */
    const char *message; /* a part of what says what to write instead */
    int64_t age_ms;      /* at least so long it was held */
    void (*also)(struct suite *s, const struct row *row);
    const char *proof; /* what `also` asserts, for the table */
};

/* --- what is special about some ----------------------------------------------------------- */

static weir_test_reply ask_with(struct suite *s, const char *where, const struct row *row,
                                const char *target)
{
    char path[128];
    snprintf(path, sizeof path, "/%s/%s%s", where, row->id, target != NULL ? target : "");
    const weir_test_options options = {.size = sizeof options, .body = weir_str_from(row->body)};
    return weir_test_request_of(s->t, row->body != NULL ? "POST" : "GET", path, &options);
}

static weir_test_reply ask(struct suite *s, const char *where, const struct row *row)
{
    return ask_with(s, where, row, row->target);
}

static int64_t count_people(struct suite *s);

static void closes_past_the_limit(struct suite *s, const struct row *row)
{
    enum { LARGE = 4 << 20 };
    char *body = calloc(1, LARGE + 1);
    memset(body, 'x', LARGE);
    struct row large = *row;
    large.body = body;
    weir_test_reply r = ask(s, "leak", &large);
    assert_int_equal(r.status, 200);
    weir_str connection = weir_test_header(&r, "Connection");
    assert_true(over_is(OVER_H2) || weir_str_eq(connection, WEIR_S("close")));
    free(body);
}

/* A service without a time limit: the wait is told after a minute, and ends with its client. */
static void tells_of_no_deadline(struct suite *s, const struct row *row)
{
    char path[64], made[96], waits[160];
    const struct place p = place_of(row->id);
    stop_leaky(s);
    start_leaky(s, "--handler-timeout=0");
    snprintf(path, sizeof path, "/leak/%s", row->id);
    weir_test_reply r = weir_test_request(s->t, "GET", path, .gone_after = weir_sec(90));
    assert_int_equal(r.status, 0);
    const char *line = find_line(take_log(s->t), "waits without a deadline", path);
    assert_non_null(line);
    assert_in_range(number_of(line, "age_ms"), 60000, 60010);
    snprintf(made, sizeof made, "chan made at examples/leaky/app.c:");
    assert_has(line, made);
    snprintf(waits, sizeof waits, "%s at %s:%d", p.function, p.file, p.line);
    assert_has(line, waits);
    assert_has(line, "weir_select with a timeout");
    snprintf(path, sizeof path, "/clean/%s", row->id);
    assert_int_equal(weir_test_request(s->t, "GET", path).status, 200);
    assert_null(find_line(take_log(s->t), "\"level\":\"warn\"", ""));
}

static void says_retry_after(struct suite *s, const struct row *row)
{
    weir_pool_stats readers;
    weir_test_reply r = ask(s, "leak", row);
    assert_true(weir_str_eq(weir_test_header(&r, "Retry-After"), WEIR_S("1")));
    weir_db_stats(s->leaky.db, &readers, NULL);
    assert_int_equal(readers.timeouts, runs + 1);
    assert_int_equal(readers.in_use, 0);
    assert_int_equal(readers.waiting, 0);
}

static void serves_the_next_of_the_connection(struct suite *s, const struct row *row)
{
    (void)row;
    assert_int_equal(count_people(s), 3);
    assert_int_equal(weir_test_request(s->t, "GET", "/clean/L39").status, 200);
}

static void has_written_nothing(struct suite *s, const struct row *row)
{
    (void)row;
    assert_int_equal(count_people(s), 3);
}

static void sees_nobody_else(struct suite *s, const struct row *row)
{
    for (int i = 1; i <= 1000; i++) {
        char user[32], expected[32];
        snprintf(user, sizeof user, "?user=%d", i);
        snprintf(expected, sizeof expected, "user %d\n", i);
        assert_string_equal(ask_with(s, "leak", row, user).body.ptr, expected);
        assert_string_equal(ask_with(s, "leak", row, NULL).body.ptr, "nobody\n");
        forget_replies(s->t);
    }
}

static void streams_a_million(struct suite *s, const struct row *row)
{
    int64_t before = resident_bytes();
    weir_test_reply r = ask_with(s, "leak", row, IS_SANITIZED ? "?rows=20000" : "?rows=1000000");
    assert_int_equal(r.status, 200);
    assert_true(IS_SANITIZED || weir_str_eq(r.body, WEIR_S("12888896 bytes of names\n")));
    if (!IS_SANITIZED)
        assert_in_range(resident_bytes(), 0, before + RESIDENT_SLACK);
}

static void has_no_subscribers(struct suite *s, const struct row *row)
{
    (void)row;
    assert_int_equal(weir_topic_subscribers(s->leaky.news), 0);
}

static void counts_the_late(struct suite *s, const struct row *row)
{
    weir_pool_stats readers, writer;
    weir_db_stats(s->leaky.db, &readers, &writer);
    bool is_writer = strcmp(row->kind, "transaction") == 0;
    const weir_pool_stats *stats = is_writer ? &writer : &readers;
    assert_int_equal(stats->leaked, runs);
    assert_int_equal(stats->leaks_returned, runs);
    assert_int_equal(stats->in_use, 0);
    if (is_writer)
        has_written_nothing(s, row);
}

/* --- the table ---------------------------------------------------------------------------- */

static const struct row rows[] = {
    {"L01", PREVENTED, .body = "unread, all of it", .also = closes_past_the_limit,
     .proof = "an unread body of 4 MiB closes its connection"},
    {"L03", .verdict = PREVENTED},
    {"L04", PREVENTED | REPORTED, .kind = "rows"},
    {"L05", PREVENTED | REPORTED, .kind = "rows", .told = "a rows of pool leaky.db is out for",
     .age_ms = 400, .also = counts_the_late,
     .proof = "told while it is out, at its threshold, and counted by the pool, as is its return"},
    {"L06", PREVENTED | REPORTED, .status = 504, .also = tells_of_no_deadline,
     .proof = "without a deadline the wait is told after a minute, with its function and line and "
              "the channel's"},
    {"L07", PREVENTED | REPORTED, .status = 504, .also = tells_of_no_deadline,
     .proof = "without a deadline the wait is told after a minute, with its function and line and "
              "the channel's"},
    {"L08", REFUSED | PREVENTED, .status = 503, .message = "weir_join some first, or let a few"},
    {"L10", .verdict = PREVENTED},
    {"L12", PREVENTED | REPORTED, .status = 202, .clean_status = 202,
     .told = "panic in notes_later: weir_request_path: the context has ended: work that goes on "
             "after its request is started with weir_detach, which copies the data it needs"},
    {"L13", PREVENTED | REPORTED, .status = 500,
     .told = "panic in request: weir_request_path: the context has ended: work that goes on after "
             "its request is started with weir_detach"},
    {"L16", REFUSED | PREVENTED, .status = 500,
     .message = "keep it in a cache and its id in the context"},
    {"L16-memory", REFUSED | PREVENTED, .status = 503, .message = "memory_budget"},
    {"L18", PREVENTED, .also = sees_nobody_else,
     .proof = "of requests by turns with a user and without, none sees the one before"},
    {"L19", PREVENTED | REPORTED, .status = 500, .clean_status = 409,
     .told = "panic in request: this cannot happen", .also = serves_the_next_of_the_connection,
     .proof = "the transaction is rolled back, the lock is free"},
    {"L20", PREVENTED | REPORTED, .kind = "deferred call"},
    {"L21", REFUSED | PREVENTED, .status = 500,
     .message = "max_open is 4294967295; allowed: 1 to 10000; "},
    {"L22", PREVENTED, .status = 503, .also = says_retry_after,
     .proof = "503 with Retry-After after 100 ms in line, counted by the pool"},
    {"L27", PREVENTED | REPORTED, .kind = "transaction", .also = has_written_nothing,
     .proof = "nothing was written"},
    {"L28", .verdict = PREVENTED},
    {"L31", PREVENTED, .target = "?rows=100", .also = streams_a_million,
     .proof = "a million rows take no memory"},
    {"L32", PREVENTED, .also = has_no_subscribers, .proof = "the topic has no subscribers"},
    {"L36", PREVENTED | REPORTED, .kind = "transaction",
     .told = "a transaction of pool leaky.db writer is out for", .age_ms = 400,
     .also = counts_the_late,
     .proof = "told while it is open, at its threshold; nothing was written"},
    {"L37", .verdict = PREVENTED},
    {"L39", PREVENTED | REPORTED, .kind = "lock"},
};
#define ROWS (sizeof rows / sizeof rows[0])

static weir_err reads_count(weir_ctx *c, void *n)
{
    return weir_query_one(c, leaky(c)->db, int64_t, (int64_t *)n, "SELECT count(*) FROM people");
}

static int64_t count_people(struct suite *s)
{
    int64_t n = -1;
    assert_int_equal(weir_test_run(s->t, reads_count, &n), WEIR_OK);
    return n;
}

/* --- a case ------------------------------------------------------------------------------- */

/* The twin: answered as it should be, and nothing said. */
static void run_clean(struct suite *s, const struct row *row)
{
    uint64_t reports = weir__leak_total();
    (void)take_log(s->t);
    for (int i = 0; i < CLEAN_RUNS; i++) {
        assert_int_equal(ask(s, "clean", row).status,
                         row->clean_status != 0 ? row->clean_status : 200);
        forget_replies(s->t);
    }
    assert_string_equal(weir_test_leaks(s->t), "");
    assert_int_equal(weir__leak_total(), reports);
    const char *log = take_log(s->t);
    assert_null(find_line(log, "\"level\":\"warn\"", ""));
    assert_null(find_line(log, "\"level\":\"error\"", ""));
}

/* What a context had to give back: who took it, for whom, how long ago. */
static void assert_left_open(const char *log, const struct row *row)
{
    char part[256];
    const struct place p = place_of(row->id);
    snprintf(part, sizeof part, "\"route\":\"GET /leak/%s\",\"kind\":\"%s\"", row->id, row->kind);
    const char *line = find_line(log, part, "");
    if (line == NULL)
        fail_msg("no %s in %s", part, log);
    snprintf(part, sizeof part, "\"at\":\"%s:%d\"", p.file, p.line);
    assert_has(line, part);
    snprintf(part, sizeof part, "\"func\":\"%s\"", p.function);
    assert_has(line, part);
    snprintf(part, sizeof part, "%s at %s:%d", p.function, p.file, p.line);
    assert_has(line, part); /* in the stack that acquired it */
    assert_in_range(number_of(line, "age_ms"), row->age_ms, row->age_ms + 50);
}

/* What is told while it goes on, or where it is caught: the same facts in a sentence. */
static void assert_told(const char *log, const struct row *row)
{
    char part[256];
    const struct place p = place_of(row->id);
    const char *line = find_line(log, row->told, "");
    if (line == NULL)
        fail_msg("no %s in %s", row->told, log);
    snprintf(part, sizeof part, "%s at %s:%d", p.function, p.file, p.line);
    assert_has(line, part);
    snprintf(part, sizeof part, "GET /leak/%s", row->id);
    assert_has(line, part);
}

/* The first run of the fault: its answer, and what was said. */
static void run_first(struct suite *s, const struct row *row)
{
    weir_test_reply r = ask(s, "leak", row);
    if (strcmp(row->id, "L13") == 0) { /* the first one only leaves its context behind */
        assert_int_equal(r.status, 200);
        r = ask(s, "leak", row);
    }
    assert_int_equal(r.status, row->status != 0 ? row->status : 200);
    if (row->message != NULL)
        assert_has(r.body.ptr, row->message);
    weir_test_advance(s->t, weir_ms(10)); /* for what was detached */
    const char *log = take_log(s->t);
    if (row->kind != NULL)
        assert_left_open(log, row);
    if (row->told != NULL)
        assert_told(log, row);
    forget_replies(s->t);
}

static void run_case(struct suite *s, const struct row *row)
{
    struct counts before;
    const struct place p = row->kind != NULL ? place_of(row->id) : (struct place){.line = 0};
    start_leaky(s, NULL);
    run_clean(s, row);
    count_all(s->t, &before);
    run_first(s, row);
    for (unsigned i = 1; i < runs; i++) {
        assert_int_equal(ask(s, "leak", row).status, row->status != 0 ? row->status : 200);
        forget_replies(s->t);
    }
    assert_nothing_left(s->t, &before);
    if (row->kind != NULL)
        assert_int_equal(reports_at(row->kind, p.file, p.line), runs);
    if (row->also != NULL)
        row->also(s, row);
    stop_leaky(s);
}

static const struct row *row_of(const char *id)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].id, id) == 0)
            return &rows[i];
    return NULL;
}

/* --- the table, printed ------------------------------------------------------------------- */

static void print_row(const struct leak *leak)
{
    const char *parts[3];
    size_t n = 0;
    const struct row *row = row_of(leak->id);
    if (row == NULL) { /* its case is one of tests/e2e/test_leaks.py */
        printf("%s\t%s\t\t\t\n", leak->id, leak->title);
        return;
    }
    if (row->verdict & REFUSED)
        parts[n++] = "refused";
    if (row->verdict & PREVENTED)
        parts[n++] = "prevented";
    if (row->verdict & REPORTED)
        parts[n++] = "reported";
    printf("%s\t%s\t", leak->id, leak->title);
    for (size_t i = 0; i < n; i++)
        printf("%s%s", i > 0 ? ", " : "", parts[i]);
    printf("\tafter 10,000 runs nothing is left");
    if (row->message != NULL)
        printf("; each is told: `%s`", row->message);
    if (row->kind != NULL)
        printf("; each is told as `%s` taken in `%s`, with line, route, age and stack", row->kind,
               place_of(row->id).function);
    else if (row->told != NULL)
        printf("; told with function, line and route: `%.60s…`", row->told);
    if (row->proof != NULL)
        printf("; %s", row->proof);
    printf("\ttests/leaks/leaks_test.c:test_%s\n",
           strcmp(row->id, "L16-memory") == 0 ? "L16_memory" : row->id);
}

#define CASE(id)                                                                                   \
    static void test_##id(void **state)                                                            \
    {                                                                                              \
        run_case(*state, row_of(#id));                                                             \
    }
CASE(L01)
CASE(L03)
CASE(L04)
CASE(L05)
CASE(L06)
CASE(L07)
CASE(L08)
CASE(L10)
CASE(L12)
CASE(L13)
CASE(L16)
CASE(L18)
CASE(L19)
CASE(L20)
CASE(L21)
CASE(L22)
CASE(L27)
CASE(L28)
CASE(L31)
CASE(L32)
CASE(L36)
CASE(L37)
CASE(L39)

static void test_L16_memory(void **state)
{
    run_case(*state, row_of("L16-memory"));
}

#define TEST(id) cmocka_unit_test_setup_teardown(test_##id, make_suite, remove_suite)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(L01), TEST(L03), TEST(L04), TEST(L05), TEST(L06), TEST(L07),
        TEST(L08), TEST(L10), TEST(L12), TEST(L13), TEST(L16), TEST(L16_memory),
        TEST(L18), TEST(L19), TEST(L20), TEST(L21), TEST(L22), TEST(L27),
        TEST(L28), TEST(L31), TEST(L32), TEST(L36), TEST(L37), TEST(L39),
    };
    over_begin();
    weir__test_prepares = over_server;
    if (over_is(OVER_TLS))
        runs = IS_SANITIZED ? 60 : 200;
    else if (over_is(OVER_H2))
        runs = IS_SANITIZED ? 100 : 1000;
    _Static_assert(sizeof tests / sizeof tests[0] == ROWS, "each row has its case");
    if (argc > 1 && strcmp(argv[1], "--table") == 0) {
        for (const struct leak *l = leaky_catalogue; l->id != NULL; l++)
            print_row(l);
        return 0;
    }
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("leaks", tests, NULL, NULL);
}
