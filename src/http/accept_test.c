/*
 * Accepting on two workers with real sockets: each gets half whoever accepts, all are answered, and
 * nothing is left when the server ends. The clients run on a thread of the offload pool.
 */
#include "http/testing.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "os/sys.h"
#include "watch/watch.h"
#include <weir/offload.h>

#define CLIENTS 64

struct clients {
    const struct weir__http_server *server;
    uint16_t port;
    int sockets[CLIENTS];
    int64_t share[2]; /* of each worker, while all of them are at rest */
    int answered;
};

static int dial_port(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? fd : -1;
}

/*
 * Until `open` connections have arrived, and nobody runs anything: a fiber that does weighs as much
 * as all of these connections, and how long one runs is the machine's affair.
 */
static void wait_for_rest(struct clients *all, int open)
{
    for (bool is_at_rest = false; !is_at_rest; sched_yield()) {
        uint64_t runnable = 0;
        int64_t sum = 0;
        for (int i = 0; i < 2; i++) {
            const struct weir__http_worker *home = all->server->homes[i];
            runnable += weir__worker_runnable(home->worker);
            sum += all->share[i] = weir__gauge_read(&home->count.open);
        }
        is_at_rest = runnable == 0 && sum == open;
    }
}

static weir_err talk(void *arg)
{
    struct clients *all = arg;
    char text[1024];
    wait_for_rest(all, 0);
    for (int i = 0; i < CLIENTS; i++) {
        all->sockets[i] = dial_port(all->port);
        wait_for_rest(all, i + 1);
    }
    for (int i = 0; i < CLIENTS; i++) {
        ssize_t sent = send(all->sockets[i], HELLO, sizeof HELLO - 1, MSG_NOSIGNAL);
        ssize_t n = sent > 0 ? recv(all->sockets[i], text, sizeof text - 1, 0) : -1;
        text[n > 0 ? n : 0] = '\0';
        all->answered += strstr(text, "\r\n\r\nhello") != NULL;
    }
    return WEIR_OK;
}

static weir_err two_workers(weir_ctx *c, void *arg)
{
    struct rig rig = {.ctx = c};
    struct weir__http_app app = {.serve = serve, .arg = &rig};
    struct weir__http_server_options options = {0};
    struct weir__listener opened;
    struct clients clients = {0};
    char message[200];
    (void)arg;
    rig.server = weir__http_server_new(weir__self->runtime, &options, &app);
    assert_int_equal(weir__http_server_listen(rig.server, WEIR_S("127.0.0.1:0"), &opened, message,
                                              sizeof message),
                     0);
    clients.server = rig.server;
    clients.port = opened.bound.port;
    assert_int_equal(weir__http_server_start(rig.server, weir__ctx_of(c)), 0);
    assert_int_equal(weir_offload(c, talk, &clients), 0);
    assert_int_equal(clients.answered, CLIENTS);
    for (int i = 0; i < 2; i++)
        assert_int_equal(clients.share[i], CLIENTS / 2);
    assert_int_equal(rig_stats(&rig).open, CLIENTS);
    weir__http_server_drain(rig.server, weir__ctx_of(c));
    weir_time until = weir_time_add(weir_now(), weir_sec(10));
    assert_int_equal(weir__http_server_wait_closed(rig.server, weir__ctx_of(c), until), 0);
    weir__http_server_free(rig.server, weir__ctx_of(c));
    for (int i = 0; i < CLIENTS; i++)
        close(clients.sockets[i]);
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

static bool is_open(int num)
{
    return fcntl(num, F_GETFD) >= 0;
}

/* The second of three listeners cannot be watched: the start fails, and nothing is left of it. */
static weir_err fails_midway(weir_ctx *c, void *arg)
{
    struct rig rig = {.ctx = c};
    struct weir__http_app app = {.serve = serve, .arg = &rig};
    struct weir__http_server_options options = {0};
    struct weir__listener opened[2];
    char message[200];
    (void)arg;
    rig.server = weir__http_server_new(weir__self->runtime, &options, &app);
    const int bad = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); /* epoll takes no files */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weir__http_server_listen(rig.server, WEIR_S("127.0.0.1:0"), &opened[i],
                                                  message, sizeof message),
                         0);
        if (i == 0)
            assert_int_equal(weir__http_server_adopt_listener(rig.server, bad), WEIR_OK);
    }
    const int client = dial_port(opened[1].bound.port);
    assert_int_equal(weir__http_server_start(rig.server, weir__ctx_of(c)), -EPERM);
    weir__http_server_drain(rig.server, weir__ctx_of(c)); /* which looks at each listener again */
    weir__http_server_free(rig.server, weir__ctx_of(c));
    assert_false(is_open(opened[0].num) || is_open(bad) || is_open(opened[1].num));
    close(client);
    return WEIR_OK;
}

static void test_a_start_that_fails_midway_leaves_nothing(void **state)
{
    char message[128];
    weir_err err;
    (void)state;
    for (unsigned workers = 1; workers < 3; workers++) {
        struct weir__runtime_options options = {.workers = workers};
        struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
        assert_non_null(rt);
        assert_int_equal(weir__runtime_run(rt, fails_midway, NULL), WEIR_OK);
        weir__runtime_free(rt);
    }
}

static void test_preflight(void **state)
{
    struct rlimit before, after;
    char message[200];
    (void)state;
    assert_int_equal(weir__sys_getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {64, before.rlim_max};
    assert_int_equal(weir__sys_setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(weir__http_preflight_files(100, message, sizeof message), 0);
    assert_int_equal(weir__sys_getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_true(after.rlim_cur == before.rlim_max); /* raised */
    if (before.rlim_max == RLIM_INFINITY)
        return;
    assert_int_equal(
        weir__http_preflight_files((uint64_t)before.rlim_max + 1, message, sizeof message),
        -EMFILE);
    assert_has(message, "descriptors are needed and the limit is");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_workers),
        cmocka_unit_test(test_a_start_that_fails_midway_leaves_nothing),
        cmocka_unit_test(test_preflight),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
