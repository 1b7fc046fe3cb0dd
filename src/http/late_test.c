/*
 * Late binding: the decision by itself, the passage in the simulation, and two real workers of
 * which one holds up its connections in a handler until all is as it must be, whatever time that
 * takes.
 */
#include "http/testing.h"
#include "watch/watch.h"

#include <arpa/inet.h>
#include <sched.h>
#include <unistd.h>

#include "base/metric_testing.h"

#include <weir/offload.h>

/* --- the decision ----------------------------------------------------------------------------- */

static const struct weir__late_facts late = {.lateness = {3000000}, .is_bare = true};

static void test_who_gives(void **state)
{
    (void)state;
    assert_true(weir__late_may_give(&late));
    struct weir__late_facts in_time = late, busy = late, draining = late, enough = late;
    in_time.lateness = weir_ms(2);
    assert_false(weir__late_may_give(&in_time));
    in_time.lateness.ns++;
    assert_true(weir__late_may_give(&in_time));
    busy.is_bare = false;
    assert_false(weir__late_may_give(&busy));
    draining.is_draining = true;
    assert_false(weir__late_may_give(&draining));
    enough.moved = 15;
    assert_true(weir__late_may_give(&enough));
    enough.moved = 16;
    assert_false(weir__late_may_give(&enough));
}

static void test_who_takes(void **state)
{
    (void)state;
    assert_true(weir__late_may_take(&(struct weir__late_other){.is_sleeping = true}));
    assert_false(weir__late_may_take(&(struct weir__late_other){.is_sleeping = false}));
    assert_false(
        weir__late_may_take(&(struct weir__late_other){.is_sleeping = true, .incoming = 1}));
    assert_false(
        weir__late_may_take(&(struct weir__late_other){.is_sleeping = true, .runnable = 1}));
}

/* --- the passage, to oneself ------------------------------------------------------------------ */

static void find(struct weir__http_conn *c, void *arg)
{
    *(struct weir__http_conn **)arg = c;
}

/* The only connection, with a request that nobody has looked at yet, on its way. */
static int send_one(struct rig *rig)
{
    struct weir__http_worker *home = rig->server->homes[0];
    struct weir__http_conn *c = NULL;
    int client = dial(rig);
    assert_has(ask(rig, client, HELLO), "hello");
    weir__idle_each(home, find, &c);
    assert_non_null(c);
    put(client, HELLO);
    assert_true(weir__late_send(c, home));
    assert_int_equal(weir__gauge_read(&home->count.open), 0);
    assert_int_equal(atomic_load(&home->incoming), 1);
    assert_int_equal(weir__latch_count(&rig->server->open), 1);
    return client;
}

static void passage(struct rig *rig)
{
    int client = send_one(rig);
    assert_has(get(rig, client, NULL), "\r\n\r\nhello");
    assert_int_equal(rig_stats(rig).handed_over_late, 1);
    assert_int_equal(rig_stats(rig).open, 1);
    assert_int_equal(atomic_load(&rig->server->homes[0]->incoming), 0);
    char *third = ask(rig, client, HELLO); /* of three: it is known how many there were */
    assert_has(third, "\r\n\r\nhello");
    assert_has(third, "Connection: close");
    assert_true(is_over(rig, client));
}

static void passage_to_a_drained_worker(struct rig *rig)
{
    int client = send_one(rig);
    rig->server->homes[0]->is_ending = rig->server->homes[0]->is_draining =
        rig->server->homes[0]->is_drained = true;
    char *answer = get(rig, client, NULL);
    assert_has(answer, "\r\n\r\nhello");
    assert_has(answer, "Connection: close");
    assert_true(is_over(rig, client));
    weir__sim_close(client);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).open, 0);
}

/* Somebody else has read what there was: a drained worker keeps nothing that is at rest. */
static void passage_of_nothing(struct rig *rig)
{
    struct weir__http_worker *home = rig->server->homes[0];
    struct weir__http_conn *c = NULL;
    int client = dial(rig);
    assert_has(ask(rig, client, HELLO), "hello");
    weir__idle_each(home, find, &c);
    assert_true(weir__late_send(c, home));
    home->is_ending = home->is_draining = home->is_drained = true;
    assert_true(is_over(rig, client));
}

static void passage_after_a_cancel(struct rig *rig)
{
    int client = send_one(rig);
    unsigned before = rig->done;
    rig->server->homes[0]->is_ending = rig->server->homes[0]->is_draining =
        rig->server->homes[0]->is_drained = true;
    atomic_store(&rig->server->cancel_reason, WEIR_REASON_SHUTDOWN);
    assert_true(is_over(rig, client));
    assert_int_equal(rig->done, before);
}

static void test_passage(void **state)
{
    struct weir__http_server_options three = {.requests_max = 3};
    (void)state;
    run_rig(passage, &three);
    run_rig(passage_to_a_drained_worker, NULL);
    run_rig(passage_of_nothing, NULL);
    run_rig(passage_after_a_cancel, NULL);
}

/* --- two workers ------------------------------------------------------------------------------ */

#define CLIENTS 16
#define ROUNDS 200
#define REQUESTS_MAX 300

struct stage {
    struct weir__http_server *server;
    uint16_t port;
    atomic_int holder;     /* the worker that is in the handler of /hold; -1: none */
    atomic_bool is_let_go; /* the others' requests have been sent */
    int sockets[CLIENTS], owners[CLIENTS], requests[CLIENTS];
    int moved, lost;
};

static bool is_late_enough(struct stage *st, int64_t began)
{
    struct weir__worker *w = weir__self;
    struct weir__http_worker *other = st->server->homes[1 - w->index];
    return atomic_load(&st->is_let_go) && weir__poller_now(&w->poller).ns - began > 5000000 &&
           atomic_load(&other->worker->is_sleeping);
}

/* Holds its worker up until the other sleeps and the requests for this one have come. */
static void hold(struct stage *st)
{
    struct weir__worker *w = weir__self;
    int64_t began = weir__poller_now(&w->poller).ns;
    atomic_store(&st->holder, (int)w->index);
    while (!is_late_enough(st, began) && weir__poller_now(&w->poller).ns - began < 10000000000)
        sched_yield();
}

static void serve_where(struct weir__exchange *x, void *arg)
{
    struct stage *st = arg;
    if (weir_str_eq(weir__exchange_path(x), WEIR_S("/hold")))
        hold(st);
    (void)say(x, 200, weir__self->index == 0 ? WEIR_S("worker 0") : WEIR_S("worker 1"));
}

static int dial_port(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? fd : -1;
}

static void ask_for(struct stage *st, int i, const char *path)
{
    char text[100];
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    st->lost += send(st->sockets[i], text, (size_t)n, MSG_NOSIGNAL) != n;
    st->requests[i]++;
}

/* Which worker has answered; true when that was the connection's last answer. */
static bool hear(struct stage *st, int i)
{
    char text[1024];
    ssize_t n = recv(st->sockets[i], text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    char *body = strstr(text, "\r\n\r\nworker ");
    if (body == NULL) {
        st->lost++;
        return true;
    }
    st->owners[i] = body[11] - '0';
    return strstr(text, "Connection: close") != NULL;
}

/* The first connection holds up its worker; the others of the same worker ask meanwhile. */
static void one_round(struct stage *st)
{
    bool has_asked[CLIENTS] = {false};
    int holder;
    atomic_store(&st->holder, -1);
    atomic_store(&st->is_let_go, false);
    ask_for(st, 0, "/hold");
    while ((holder = atomic_load(&st->holder)) < 0)
        sched_yield();
    for (int i = 1; i < CLIENTS; i++) {
        has_asked[i] = st->owners[i] == holder;
        if (has_asked[i])
            ask_for(st, i, "/where");
    }
    atomic_store(&st->is_let_go, true);
    (void)hear(st, 0);
    for (int i = 1; i < CLIENTS; i++) {
        if (has_asked[i])
            (void)hear(st, i);
        st->moved += has_asked[i] && st->owners[i] != holder;
    }
}

static weir_err play(void *arg)
{
    struct stage *st = arg;
    for (int i = 0; i < CLIENTS; i++)
        st->sockets[i] = dial_port(st->port);
    for (int i = 0; i < CLIENTS; i++) {
        ask_for(st, i, "/where");
        (void)hear(st, i);
    }
    for (int round = 0; round < ROUNDS && st->moved == 0 && st->lost == 0; round++)
        one_round(st);
    return WEIR_OK;
}

/* The number of its requests has gone along with each connection. */
static weir_err use_up(void *arg)
{
    struct stage *st = arg;
    for (int i = 0; i < CLIENTS && st->lost == 0; i++) {
        do
            ask_for(st, i, "/where");
        while (!hear(st, i));
        st->lost += st->requests[i] != REQUESTS_MAX;
        close(st->sockets[i]);
    }
    return WEIR_OK;
}

static weir_err two_workers(weir_ctx *c, void *arg)
{
    struct stage st = {.holder = -1};
    struct weir__http_app app = {.serve = serve_where, .arg = &st};
    struct weir__http_server_options options = {.requests_max = REQUESTS_MAX};
    struct weir__listener opened;
    struct weir__http_stats stats;
    char message[200];
    (void)arg;
    st.server = weir__http_server_new(weir__self->runtime, &options, &app);
    assert_int_equal(weir__http_server_listen(st.server, WEIR_S("127.0.0.1:0"), &opened, message,
                                              sizeof message),
                     0);
    st.port = opened.bound.port;
    assert_int_equal(weir__http_server_start(st.server, weir__ctx_of(c)), 0);
    assert_int_equal(weir_offload(c, play, &st), 0);
    assert_int_equal(st.lost, 0);
    assert_in_range(st.moved, 1, CLIENTS);
    int64_t of_worker[2] = {0, 0};
    for (int i = 0; i < CLIENTS; i++)
        of_worker[st.owners[i]]++;
    for (int i = 0; i < 2; i++)
        assert_int_equal(weir__gauge_read(&st.server->homes[i]->count.open), of_worker[i]);
    weir__http_server_stats(st.server, &stats);
    assert_true(stats.handed_over_late >= (uint64_t)st.moved);
    struct weir__metrics m = {.count = 0};
    char line[100];
    snprintf(line, sizeof line, "\nweir_http_connections_handed_over_late_total %llu\n",
             (unsigned long long)stats.handed_over_late);
    weir__http_server_metrics(st.server, &m);
    assert_true(metric_lines_has(&m, line));
    assert_true(metric_lines_has(&m, "\nweir_http_responses_total class=none "));
    assert_int_equal(weir_offload(c, use_up, &st), 0);
    assert_int_equal(st.lost, 0);
    weir_time until = weir_time_add(weir_now(), weir_sec(10));
    assert_int_equal(weir__http_server_wait_closed(st.server, weir__ctx_of(c), until), 0);
    weir__http_server_free(st.server, weir__ctx_of(c));
    return WEIR_OK;
}

static void test_two_workers(void **state)
{
    struct weir__runtime_options options = {.workers = 2};
    char message[128];
    weir_err err;
    (void)state;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, two_workers, NULL), WEIR_OK);
    weir__runtime_free(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_gives),
        cmocka_unit_test(test_who_takes),
        cmocka_unit_test(test_passage),
        cmocka_unit_test(test_two_workers),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
