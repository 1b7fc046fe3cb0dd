/*
 * Databases of several nodes, on virtual time and without any database: whose connection a request
 * gets, what becomes of nodes that fail, change their roles or fall behind, and of what a request
 * has written.
 */
#include "data/sql/nodes.h"

#include <string.h>

#include "base/alloc.h"
#include "base/metric_testing.h"
#include "net/pool_testing.h"
#include "rt/sim.h"

enum { NODES = 3 };

/* What the nodes say of themselves when they are asked. */
struct cluster {
    struct fake servers[NODES];
    struct weir__node_finding says[NODES];
    struct weir__pool *pools[NODES];
    int probes[NODES];
    struct weir__sql_nodes *nodes;
};

static weir_err probe(void *driver, struct weir__ctx *c, uint32_t node, void *resource,
                      struct weir__node_finding *out)
{
    struct cluster *k = driver;
    (void)c;
    assert_non_null(resource);
    k->probes[node]++;
    *out = k->says[node];
    return WEIR_OK;
}

static void make_nodes(weir_ctx *c, struct cluster *k)
{
    static const struct weir__sql_nodes_ops ops = {.probe = probe};
    static const char *const wheres[NODES] = {"a:1", "b:2", "c:3"};
    const struct weir__sql_nodes_options o = {
        .each = {.lag_max = weir_sec(1),
                 .probe_interval = weir_sec(1),
                 .probe_timeout = weir_sec(2)},
        .policy = {.health = {.rise = 2, .slow_start = {-1}}}};
    struct weir__ctx *in = weir__ctx_of(c);
    k->nodes = weir__sql_nodes_new(in, "orders", &o, NODES, &ops, k, WEIR_HERE);
    for (uint32_t i = 0; k->nodes != NULL && i < NODES; i++)
        weir__sql_nodes_put(k->nodes, i, (struct weir__sql_node){wheres[i], k->pools[i]});
    if (k->nodes != NULL && weir__sql_nodes_start(k->nodes, in) != WEIR_OK)
        k->nodes = NULL;
}

static void make_pools(weir_ctx *c, struct cluster *k)
{
    for (int i = 0; i < NODES; i++) {
        k->says[i] = (struct weir__node_finding){
            .is_ok = true, .role = i == 0 ? WEIR__NODE_PRIMARY : WEIR__NODE_REPLICA};
        k->pools[i] =
            FAKE_DIALLING(c, &k->servers[i], DIAL(.retry_cap = weir_ms(100)), .max_open = 4);
        assert_non_null(k->pools[i]);
    }
}

static void begin(weir_ctx *c, struct cluster *k)
{
    make_pools(c, k);
    make_nodes(c, k);
    assert_non_null(k->nodes);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
}

/* Which node, or the error. */
static int node_for(weir_ctx *c, struct cluster *k, enum weir__sql_purpose purpose)
{
    struct weir__lease lease;
    uint32_t node = WEIR__NODE_NONE;
    weir_err err =
        weir__sql_nodes_acquire(k->nodes, weir__ctx_of(c), WEIR_HERE, purpose, NULL, &lease, &node);
    if (err != WEIR_OK)
        return err;
    assert_in_range(node, 0, NODES - 1);
    weir__lease_release(&lease);
    return (int)node;
}

static weir_err routes(weir_ctx *c, void *arg)
{
    struct cluster *k = arg;
    int reads[NODES] = {0};
    begin(c, k);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(node_for(c, k, WEIR__SQL_WRITE), 0);
        reads[node_for(c, k, WEIR__SQL_READ)]++;
    }
    assert_int_equal(reads[0], 0);
    assert_true(reads[1] > 15 && reads[2] > 15);
    struct weir__lease busy[2];
    for (int i = 0; i < 2; i++) /* long queries at one */
        assert_int_equal(ACQUIRE(c, k->pools[1], &busy[i]), WEIR_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(node_for(c, k, WEIR__SQL_READ), 2);
    for (int i = 0; i < 2; i++)
        weir__lease_release(&busy[i]);
    k->says[2].lag = weir_sec(30);
    assert_int_equal(weir_sleep(c, weir_sec(2)), WEIR_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(node_for(c, k, WEIR__SQL_READ), 1);
    return WEIR_OK;
}

static void test_writes_and_reads_are_routed(void **state)
{
    (void)state;
    struct cluster k = {.nodes = NULL};
    assert_int_equal(weir__sim_run(routes, &k), WEIR_OK);
    for (int i = 0; i < NODES; i++)
        assert_int_equal(k.servers[i].live, 0);
}

static void kill_server(struct cluster *k, int i)
{
    k->servers[i].open_err = -ECONNREFUSED;
    k->servers[i].dead_upto = k->servers[i].opened;
    weir__pool_retire_all(k->pools[i]);
}

/* A replica that is gone costs no request anything: nothing was sent. */
static weir_err goes_elsewhere(weir_ctx *c, void *arg)
{
    struct cluster *k = arg;
    begin(c, k);
    kill_server(k, 1);
    for (int i = 0; i < 20; i++)
        assert_int_equal(node_for(c, k, WEIR__SQL_READ), 2);
    assert_null(weir_last_error(c));
    kill_server(k, 2);
    assert_int_equal(node_for(c, k, WEIR__SQL_READ), 0);
    kill_server(k, 0);
    assert_int_equal(node_for(c, k, WEIR__SQL_READ), WEIR_EUNREACHABLE);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "database orders: no"));
    weir_error_clear(c);
    assert_int_equal(node_for(c, k, WEIR__SQL_WRITE), WEIR_EUNREACHABLE);
    weir_error_clear(c);
    for (int i = 0; i < NODES; i++)
        k->servers[i].open_err = WEIR_OK;
    assert_int_equal(weir_sleep(c, weir_sec(5)), WEIR_OK);
    assert_int_equal(node_for(c, k, WEIR__SQL_WRITE), 0);
    assert_int_not_equal(node_for(c, k, WEIR__SQL_READ), 0);
    return WEIR_OK;
}

static void test_who_cannot_be_reached_is_left_out(void **state)
{
    (void)state;
    struct cluster k = {.nodes = NULL};
    assert_int_equal(weir__sim_run(goes_elsewhere, &k), WEIR_OK);
}

static weir_err fails_over(weir_ctx *c, void *arg)
{
    struct cluster *k = arg;
    begin(c, k);
    int before = k->servers[2].opened;
    kill_server(k, 0);
    k->says[2].role = WEIR__NODE_PRIMARY; /* promoted */
    assert_int_equal(weir_sleep(c, weir_sec(5)), WEIR_OK);
    assert_int_equal(node_for(c, k, WEIR__SQL_WRITE), 2);
    assert_true(k->servers[2].opened > before); /* what was opened to a replica is not lent */
    assert_int_equal(node_for(c, k, WEIR__SQL_READ), 1);
    k->says[0].role = WEIR__NODE_REPLICA;
    k->servers[0].open_err = WEIR_OK;
    assert_int_equal(weir_sleep(c, weir_sec(5)), WEIR_OK);
    assert_int_equal(node_for(c, k, WEIR__SQL_WRITE), 2);
    return WEIR_OK;
}

static void test_a_failover_is_followed(void **state)
{
    (void)state;
    struct cluster k = {.nodes = NULL};
    assert_int_equal(weir__sim_run(fails_over, &k), WEIR_OK);
}

/* A planned switch: the old primary answers as ever, and refuses to write. */
static weir_err switches_over(weir_ctx *c, void *arg)
{
    struct cluster *k = arg;
    begin(c, k);
    k->says[0].role = WEIR__NODE_REPLICA;
    k->says[1].role = WEIR__NODE_PRIMARY;
    assert_int_equal(node_for(c, k, WEIR__SQL_WRITE), 0); /* and there it hears of it */
    int probes = k->probes[1];
    weir__sql_nodes_refused_write(k->nodes, weir__ctx_of(c), 0);
    weir__sql_nodes_refused_write(k->nodes, weir__ctx_of(c), 0);
    assert_int_equal(weir_sleep(c, weir_ms(5)), WEIR_OK);
    assert_int_equal(k->probes[1], probes + 1); /* not after the interval, and once */
    assert_int_equal(node_for(c, k, WEIR__SQL_WRITE), 1);
    return WEIR_OK;
}

static void test_who_refuses_a_write_is_asked_at_once(void **state)
{
    (void)state;
    struct cluster k = {.nodes = NULL};
    assert_int_equal(weir__sim_run(switches_over, &k), WEIR_OK);
}

/* Held back by order, a node is none that has failed: who waits goes on with it afterwards. */
static weir_err is_held_back(weir_ctx *c, void *arg)
{
    struct cluster *k = arg;
    begin(c, k);
    for (int i = 0; i < NODES; i++)
        weir__pool_suspend(k->pools[i]);
    assert_int_equal(weir_sleep(c, weir_min(1)), WEIR_OK);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(100));
    assert_int_equal(node_for(hasty, k, WEIR__SQL_WRITE), WEIR_ETIMEDOUT);
    weir_error_clear(hasty);
    (void)weir_ctx_close(hasty);
    for (int i = 0; i < NODES; i++)
        weir__pool_resume(k->pools[i]);
    assert_int_equal(node_for(c, k, WEIR__SQL_WRITE), 0);
    assert_int_not_equal(node_for(c, k, WEIR__SQL_READ), 0);
    return WEIR_OK;
}

static void test_who_is_held_back_has_not_failed(void **state)
{
    (void)state;
    struct cluster k = {.nodes = NULL};
    assert_int_equal(weir__sim_run(is_held_back, &k), WEIR_OK);
}

struct request {
    struct cluster *k;
    uint64_t position;
    bool writes;
    int expected;
};

static weir_err reads_below(weir_ctx *c, void *arg)
{
    const struct request *r = arg;
    return node_for(c, r->k, WEIR__SQL_READ) == r->expected ? WEIR_OK : WEIR_EFAIL;
}

/* A request of its own: a fiber's context, whose own fibers belong to it. */
static weir_err one_request(weir_ctx *c, void *arg)
{
    struct request *r = arg;
    if (r->writes) {
        assert_int_equal(node_for(c, r->k, WEIR__SQL_WRITE), 0);
        weir__sql_nodes_wrote(r->k->nodes, weir__ctx_of(c), r->position);
    }
    for (int i = 0; i < 10; i++) {
        int node = node_for(c, r->k, WEIR__SQL_READ);
        assert_true(node == r->expected || (!r->writes && node != 0));
    }
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 4 && r->writes; i++)
        assert_int_equal(WEIR_GO(group, reads_below, r), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    return weir_ctx_close(group);
}

static weir_err reads_its_writes(weir_ctx *c, void *arg)
{
    struct cluster *k = arg;
    begin(c, k);
    struct request r = {k, 0, false, 1};
    assert_int_equal(one_request(c, &r), WEIR_OK);
    k->says[1].position = 700;
    k->says[2].position = 600;
    assert_int_equal(weir_sleep(c, weir_sec(2)), WEIR_OK);
    r = (struct request){k, 650, true, 1}; /* one replica has replayed it */
    assert_int_equal(one_request(c, &r), WEIR_OK);
    r = (struct request){k, 701, true, 0}; /* none has */
    assert_int_equal(one_request(c, &r), WEIR_OK);
    return WEIR_OK;
}

static void test_a_request_reads_its_writes(void **state)
{
    (void)state;
    struct cluster k = {.nodes = NULL};
    assert_int_equal(weir__sim_run(reads_its_writes, &k), WEIR_OK);
}

static void assert_said(const struct cluster *k, uint32_t node, const char *words)
{
    char room[64];
    weir_buf out;
    weir_buf_init_fixed(&out, room, sizeof room - 1);
    weir__sql_nodes_describe(k->nodes, node, &out);
    room[out.len] = '\0';
    assert_string_equal(room, words);
}

static weir_err tells(weir_ctx *c, void *arg)
{
    struct cluster *k = arg;
    struct weir__metrics m = {.count = 0};
    weir__sql_nodes_metrics(&m);
    make_pools(c, k);
    make_nodes(c, k);
    assert_said(k, 0, "was not asked yet");
    k->says[1].lag = weir_ms(250);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_said(k, 0, "primary");
    assert_said(k, 1, "replica, 250 ms behind");
    for (int i = 0; i < 3; i++)
        assert_int_equal(node_for(c, k, WEIR__SQL_WRITE), 0);
    assert_true(metric_lines_has(&m, "\nweir_db_node_up database=orders node=a:1 1 "
                                     "database=orders node=b:2 1 database=orders node=c:3 1\n"));
    assert_true(metric_lines_has(&m, "\nweir_db_node_primary database=orders node=a:1 1 "
                                     "database=orders node=b:2 0 database=orders node=c:3 0\n"));
    assert_true(metric_lines_has(&m, "database=orders node=b:2 250000000 "));
    assert_true(metric_lines_has(&m, "database=orders node=a:1 purpose=write 3 "));
    assert_true(metric_lines_has(&m, "database=orders node=a:1 outcome=ok 1 "));
    weir_pool_stats readers, writer;
    weir__sql_nodes_stats(k->nodes, &readers, &writer);
    assert_int_equal(writer.open, k->servers[0].live);
    assert_int_equal(readers.open, k->servers[1].live + k->servers[2].live);
    kill_server(k, 1);
    assert_int_equal(weir_sleep(c, weir_sec(5)), WEIR_OK);
    assert_said(k, 1, "does not answer");
    assert_true(metric_lines_has(&m, "node=b:2 0 database=orders node=c:3 1\n"));
    return WEIR_OK;
}

static void test_what_is_told_of_nodes(void **state)
{
    (void)state;
    struct cluster k = {.nodes = NULL};
    assert_int_equal(weir__sim_run(tells, &k), WEIR_OK);
}

/* A pool that is full says nothing of its server. */
static weir_err is_busy(weir_ctx *c, void *arg)
{
    struct cluster *k = arg;
    struct weir__lease leases[4];
    begin(c, k);
    int probes = k->probes[0];
    for (int i = 0; i < 4; i++)
        assert_int_equal(ACQUIRE(c, k->pools[0], &leases[i]), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_sec(30)), WEIR_OK);
    assert_int_equal(k->probes[0], probes);
    assert_said(k, 0, "primary");
    for (int i = 0; i < 4; i++)
        weir__lease_release(&leases[i]);
    assert_int_equal(node_for(c, k, WEIR__SQL_WRITE), 0);
    return WEIR_OK;
}

static void test_who_is_busy_is_not_away(void **state)
{
    (void)state;
    struct cluster k = {.nodes = NULL};
    assert_int_equal(weir__sim_run(is_busy, &k), WEIR_OK);
}

/*
 * The application's, with each allocation failing: there are no nodes, or all of them are asked
 * again and again.
 */
static weir_err begins_without_memory(weir_ctx *c, void *arg)
{
    enum { ALLOCATIONS = 30 };
    static struct cluster clusters[ALLOCATIONS];
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app);
    (void)arg;
    for (int n = 0; n < ALLOCATIONS; n++) {
        struct cluster *k = &clusters[n];
        make_pools(app, k);
        weir__alloc_fail_nth((uint64_t)n + 1);
        make_nodes(app, k);
        weir__alloc_fail_nth(0);
        if (k->nodes == NULL)
            continue;
        assert_int_equal(weir_sleep(c, weir_sec(5)), WEIR_OK);
        for (int i = 0; i < NODES; i++) {
            if (k->probes[i] < 2)
                fail_msg("without allocation %d node %d is not asked again", n + 1, i);
        }
    }
    return WEIR_OK;
}

static void test_without_memory_none_is_forgotten(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(begins_without_memory, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_and_reads_are_routed),
        cmocka_unit_test(test_who_cannot_be_reached_is_left_out),
        cmocka_unit_test(test_a_failover_is_followed),
        cmocka_unit_test(test_who_refuses_a_write_is_asked_at_once),
        cmocka_unit_test(test_who_is_held_back_has_not_failed),
        cmocka_unit_test(test_a_request_reads_its_writes),
        cmocka_unit_test(test_what_is_told_of_nodes),
        cmocka_unit_test(test_who_is_busy_is_not_away),
        cmocka_unit_test(test_without_memory_none_is_forgotten),
    };
    return cmocka_run_group_tests_name("nodes", tests, NULL, NULL);
}
