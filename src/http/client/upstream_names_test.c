/*
 * Targets that stand for all addresses of a name: who gets the calls when addresses come, go, all
 * go, or nobody can say which there are. The name server and the hosts are fibers of the
 * simulation; every address leads to the one peer, and each connection is noted by its address.
 */
#include "http/client/testing.h"

#include "base/metric_testing.h"
#include "http/client/upstream.h"
#include "net/dns_testing.h"
#include "rt/log.h"

static const struct peer_step closing = {
    .answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    .then = PEER_CLOSES};
static const struct peer_step keeping = {.answer =
                                             "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"};
static const struct peer_step slow = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                                      .after = {5000000000}};

/* --- the name server -------------------------------------------------------------------------- */

enum mood { SAYS, SAYS_NO, FAILS, SIX_IS_SILENT };

static struct {
    enum mood mood;
    const char *ips[6]; /* of shop.test; NULL ends them */
    uint32_t ttl_s;
} zone;

static void on_query(struct query *q)
{
    struct reply r;
    bool has_some = false;
    if (zone.mood == SIX_IS_SILENT && q->type == RR_AAAA)
        return;
    reply_begin(&r, q, zone.mood == SAYS_NO ? 3 : zone.mood == FAILS ? 2 : 0);
    for (const char **ip = zone.ips; zone.mood != SAYS_NO && zone.mood != FAILS && *ip; ip++) {
        if ((strchr(*ip, ':') != NULL) != (q->type == RR_AAAA))
            continue;
        reply_ip(&r, *ip, zone.ttl_s);
        has_some = true;
    }
    if (!has_some && zone.mood != FAILS)
        reply_soa(&r, 300, 300);
    reply_send(&r, q);
}

#define ZONE(its_ttl_s, ...)                                                                       \
    do {                                                                                           \
        const char *ips_[] = {__VA_ARGS__, NULL};                                                  \
        zone.mood = SAYS;                                                                          \
        zone.ttl_s = (its_ttl_s);                                                                  \
        memcpy(zone.ips, ips_, sizeof ips_);                                                       \
    } while (0)

/* --- the hosts -------------------------------------------------------------------------------- */

/* Of connections to the address that ends in N. */
static int fate[10], opened[10];

static int decide(const struct sockaddr_storage *addr)
{
    struct weir__endpoint e;
    weir__endpoint_from_kernel(&e, addr);
    unsigned n = e.ip[e.family == AF_INET ? 3 : 15] % 10u;
    opened[n]++;
    return fate[n];
}

static void forget_opened(void)
{
    memset(opened, 0, sizeof opened);
}

struct shop {
    struct peer peer;
    struct name_server server;
    char url[64];
    weir_http *http;
};

/* A client of all addresses of shop.test, which are known already. */
static void shop_open(struct shop *s, weir_ctx *c, const struct peer_step *step,
                      weir_http_options *o)
{
    memset(fate, 0, sizeof fate);
    weir__sim_decide_connects(decide);
    assert_int_equal(name_server_start(c, &s->server, on_query, NULL), WEIR_OK);
    files_set_servers(&s->server, 1, "options timeout:1 attempts:1");
    assert_int_equal(peer_open(c, &s->peer, step, 1), WEIR_OK);
    snprintf(s->url, sizeof s->url, "http://shop.test:%d", s->peer.number);
    o->size = sizeof *o;
    o->name = "shop";
    o->targets = WEIR_HTTP_TARGETS({.url = s->url, .each_address = true});
    s->http = weir_http_open_at(WEIR_HERE, c, o);
    assert_int_equal(weir_http_err(s->http), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    forget_opened();
}

static int get(weir_ctx *c, weir_http *http)
{
    WEIR_SCOPE(one, c);
    weir_reply *r = weir_http_get(one, http, "/");
    (void)weir_reply_body(r);
    int status = weir_reply_err(r) < 0 ? weir_reply_err(r) : weir_reply_status(r);
    weir_error_clear(one);
    (void)weir_ctx_close(one);
    return status;
}

static void get_well(weir_ctx *c, const struct shop *s, int times)
{
    for (int i = 0; i < times; i++)
        assert_int_equal(get(c, s->http), 200);
}

static void pass(weir_ctx *c, int64_t ms)
{
    assert_int_equal(weir_sleep(c, weir_ms(ms)), WEIR_OK);
}

static uint64_t open_to(const struct shop *s, const char *ip)
{
    char key[100];
    weir_pool_stats stats = {.open = 0};
    const weir_http *http = weir__token_must(s->http, WEIR__KIND_HTTP, "test", "the client");
    snprintf(key, sizeof key, "%s %s", ip, s->url);
    (void)weir__pool_group_key_stats(http->group, weir_str_from(key), &stats);
    return stats.open;
}

#define IN_SHOP(fn) assert_int_equal(weir__sim_run((fn), NULL), WEIR_OK)

/* --- addresses -------------------------------------------------------------------------------- */

static weir_err each(weir_ctx *c, void *arg)
{
    struct shop s;
    (void)arg;
    WEIR_SCOPE(in, c);
    ZONE(30, "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.3");
    shop_open(&s, in, &closing, &(weir_http_options){.retries_max = 0});
    get_well(in, &s, 30);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(opened[i], 10);
    char host[80];
    snprintf(host, sizeof host, "\r\nHost: %s\r\n", s.url + 7);
    assert_non_null(strcasestr(s.peer.requests[0], host));
    return WEIR_OK;
}

static void each_address_of_a_name_is_a_target(void **state)
{
    (void)state;
    IN_SHOP(each);
}

static weir_err come_and_go(weir_ctx *c, void *arg)
{
    struct shop s;
    (void)arg;
    WEIR_SCOPE(in, c);
    ZONE(30, "10.0.0.1", "10.0.0.2");
    shop_open(&s, in, &closing, &(weir_http_options){.group = {.slow_start = weir_sec(20)}});
    ZONE(30, "10.0.0.2", "10.0.0.3");
    pass(in, 29000); /* what is known holds */
    get_well(in, &s, 20);
    assert_int_equal(opened[1], 10);
    assert_int_equal(opened[3], 0);
    pass(in, 1100);
    forget_opened();
    get_well(in, &s, 40);
    assert_int_equal(opened[1], 0);
    assert_in_range(opened[3], 1, 8); /* it begins slowly, the other one does not */
    pass(in, 20000);
    forget_opened();
    get_well(in, &s, 40);
    assert_int_equal(opened[3], 20);
    return WEIR_OK;
}

static void addresses_come_and_go_with_the_time_to_live(void **state)
{
    (void)state;
    IN_SHOP(come_and_go);
}

static weir_err ask(weir_ctx *c, void *arg)
{
    assert_int_equal(get(c, arg), 200);
    return WEIR_OK;
}

/* A call runs while its address goes, and has left nothing idle before. */
static weir_err drained(weir_ctx *c, void *arg)
{
    struct shop s;
    (void)arg;
    WEIR_SCOPE(in, c);
    ZONE(30, "10.0.0.1", "10.0.0.2");
    shop_open(&s, in, &keeping, &(weir_http_options){.retries_max = 0});
    get_well(in, &s, 4);
    assert_int_equal(open_to(&s, "10.0.0.1"), 1);
    ZONE(30, "10.0.0.2");
    pass(in, 27000);
    s.peer.steps = &slow;
    WEIR_SCOPE(calls, in);
    for (int i = 0; i < 4; i++)
        assert_int_equal(WEIR_GO(calls, ask, s.http), WEIR_OK);
    pass(in, 1000);
    assert_int_equal(open_to(&s, "10.0.0.1"), 2);
    pass(in, 2500); /* it is gone, with two calls there */
    assert_int_equal(open_to(&s, "10.0.0.1"), 2);
    assert_int_equal(weir_join(calls), WEIR_OK); /* which go on */
    pass(in, 1);
    assert_int_equal(open_to(&s, "10.0.0.1"), 0);
    assert_int_equal(open_to(&s, "10.0.0.2"), 2);
    return WEIR_OK;
}

static void what_runs_at_one_that_goes_ends_well_and_is_not_used_again(void **state)
{
    (void)state;
    IN_SHOP(drained);
}

static weir_err idle_closed(weir_ctx *c, void *arg)
{
    struct shop s;
    (void)arg;
    WEIR_SCOPE(in, c);
    ZONE(30, "10.0.0.1", "10.0.0.2");
    shop_open(&s, in, &keeping, &(weir_http_options){.pool = {.idle_timeout = weir_hour(1)}});
    get_well(in, &s, 4);
    ZONE(30, "10.0.0.2");
    pass(in, 30100);
    assert_int_equal(open_to(&s, "10.0.0.1"), 0);
    assert_int_equal(open_to(&s, "10.0.0.2"), 1);
    return WEIR_OK;
}

static void what_lies_idle_to_one_that_goes_is_closed(void **state)
{
    (void)state;
    IN_SHOP(idle_closed);
}

static weir_err all_go(weir_ctx *c, void *arg)
{
    struct shop s;
    (void)arg;
    WEIR_SCOPE(in, c);
    ZONE(10, "10.0.0.1", "10.0.0.2");
    shop_open(&s, in, &closing, &(weir_http_options){.retries_max = 0});
    zone.mood = SAYS_NO;
    pass(in, 10100);
    weir_reply *r = weir_http_get(in, s.http, "/x");
    assert_int_equal(weir_reply_err(r), WEIR_ENOHOST);
    assert_told(in, WEIR_ENOHOST, "there is no shop.test, says the name server 127.0.0.1:");
    assert_int_equal(opened[1] + opened[2], 0);
    ZONE(10, "10.0.0.3");
    pass(in, 5100); /* a "no" holds for so long */
    get_well(in, &s, 3);
    assert_int_equal(opened[3], 3);
    return WEIR_OK;
}

static void without_addresses_calls_say_so(void **state)
{
    (void)state;
    IN_SHOP(all_go);
}

static weir_err nobody_says(weir_ctx *c, void *arg)
{
    struct shop s;
    (void)arg;
    WEIR_SCOPE(in, c);
    ZONE(10, "10.0.0.1", "10.0.0.2");
    shop_open(&s, in, &closing, &(weir_http_options){.retries_max = 0});
    zone.mood = FAILS;
    pass(in, 60000);
    get_well(in, &s, 10);
    assert_int_equal(opened[1], 5);
    assert_int_equal(opened[2], 5);
    ZONE(10, "10.0.0.2");
    pass(in, 5100);
    get_well(in, &s, 10);
    assert_int_equal(opened[1], 5);
    return WEIR_OK;
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        n++;
    return n;
}

static void while_nobody_can_say_addresses_stay(void **state)
{
    (void)state;
    weir_buf log;
    weir_buf_init(&log, 1 << 20);
    weir__log_capture(&log);
    IN_SHOP(nobody_says);
    weir__log_capture(NULL);
    weir_buf_putc(&log, '\0');
    assert_int_equal(count_of(log.ptr, "cannot be looked up, and stay as they are: no name server "
                                       "could say"),
                     1);
    assert_non_null(strstr(log.ptr, ": 1, of which 0 are new; 1 are gone"));
    weir_buf_fini(&log);
}

/* The other way round: nobody can say at first. */
static weir_err late(weir_ctx *c, void *arg)
{
    struct shop s;
    (void)arg;
    WEIR_SCOPE(in, c);
    ZONE(10, "10.0.0.1");
    zone.mood = FAILS;
    shop_open(&s, in, &closing, &(weir_http_options){.retries_max = 0});
    weir_reply *r = weir_http_get(in, s.http, "/");
    assert_int_equal(weir_reply_err(r), WEIR_ENOHOST);
    assert_told(in, WEIR_ENOHOST, "SERVFAIL");
    zone.mood = SAYS;
    get_well(in, &s, 1); /* the name itself is asked for by the call */
    pass(in, 6000);
    get_well(in, &s, 3);
    assert_int_equal(opened[1], 4);
    return WEIR_OK;
}

static void before_the_first_answer_the_name_is_the_target(void **state)
{
    (void)state;
    IN_SHOP(late);
}

static weir_err one_family(weir_ctx *c, void *arg)
{
    struct shop s;
    (void)arg;
    WEIR_SCOPE(in, c);
    ZONE(10, "10.0.0.1", "2001:db8::2");
    shop_open(&s, in, &closing, &(weir_http_options){.retries_max = 0});
    get_well(in, &s, 10);
    assert_int_equal(opened[2], 5);
    zone.mood = SIX_IS_SILENT;
    pass(in, 11000);
    forget_opened();
    get_well(in, &s, 10);
    assert_int_equal(opened[2], 5);
    ZONE(10, "10.0.0.1");
    pass(in, 11000);
    get_well(in, &s, 10);
    assert_int_equal(opened[2], 5);
    return WEIR_OK;
}

static void a_family_that_was_not_heard_of_stays(void **state)
{
    (void)state;
    IN_SHOP(one_family);
}

/* --- each by itself --------------------------------------------------------------------------- */

static weir_err refused(weir_ctx *c, void *arg)
{
    struct shop s;
    char text[200];
    (void)arg;
    WEIR_SCOPE(in, c);
    ZONE(300, "10.0.0.1", "10.0.0.2");
    shop_open(&s, in, &closing, &(weir_http_options){.retries_max = 0});
    fate[1] = -ECONNREFUSED;
    weir_reply *r = weir_http_get(in, s.http, "/items?secret=1");
    if (weir_reply_err(r) == WEIR_OK)
        r = weir_http_get(in, s.http, "/items?secret=1");
    assert_int_equal(weir_reply_err(r), -ECONNREFUSED);
    snprintf(text, sizeof text, "GET %s/items at 10.0.0.1: there is no connection: %s", s.url,
             weir_strerror(-ECONNREFUSED));
    assert_told(in, -ECONNREFUSED, text);
    return WEIR_OK;
}

static void errors_name_the_name_and_the_address(void **state)
{
    (void)state;
    IN_SHOP(refused);
}

static weir_err ejected(weir_ctx *c, void *arg)
{
    struct shop s;
    struct weir__metrics metrics = {.count = 0};
    char line[200];
    (void)arg;
    WEIR_SCOPE(in, c);
    ZONE(20, "10.0.0.1", "10.0.0.2", "10.0.0.3");
    shop_open(&s, in, &closing, &(weir_http_options){.retries_max = 1});
    fate[1] = -ECONNREFUSED;
    get_well(in, &s, 30);
    assert_int_equal(opened[1], 3); /* out after 3 */
    ZONE(20, "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4");
    pass(in, 21000);
    get_well(in, &s, 30);
    assert_int_equal(opened[1], 3); /* and still, in a group with one more */
    assert_true(opened[4] > 0);
    weir__client_metrics(&metrics);
    snprintf(line, sizeof line, " client=shop target=%s at 10.0.0.1 outcome=failed 3 ", s.url);
    assert_true(metric_lines_has(&metrics, line));
    return WEIR_OK;
}

static void each_address_is_ejected_by_itself_and_stays_so(void **state)
{
    (void)state;
    IN_SHOP(ejected);
}

static weir_err probed(weir_ctx *c, void *arg)
{
    struct shop s;
    (void)arg;
    WEIR_SCOPE(in, c);
    ZONE(30, "10.0.0.1", "10.0.0.2");
    shop_open(&s, in, &closing,
              &(weir_http_options){.group = {.probe = "/healthy", .probe_interval = weir_sec(1)}});
    fate[1] = -EHOSTUNREACH;
    pass(in, 6000); /* three probes: down without a call */
    assert_non_null(strstr(s.peer.requests[0], "GET /healthy HTTP/1.1\r\n"));
    forget_opened();
    get_well(in, &s, 10);
    assert_true(opened[2] >= 10);
    ZONE(30, "10.0.0.2", "10.0.0.3");
    pass(in, 27000);
    forget_opened();
    pass(in, 10000);
    assert_int_equal(opened[1], 0); /* nobody asks who is gone */
    assert_true(opened[2] >= 8 && opened[3] >= 8);
    return WEIR_OK;
}

static void each_address_is_probed_by_itself(void **state)
{
    (void)state;
    IN_SHOP(probed);
}

static weir_err drained_by_hand(weir_ctx *c, void *arg)
{
    struct shop s;
    (void)arg;
    WEIR_SCOPE(in, c);
    ZONE(30, "10.0.0.1", "10.0.0.2");
    shop_open(&s, in, &closing, &(weir_http_options){.retries_max = 0});
    assert_int_equal(weir_http_drain(in, s.http, s.url, true), WEIR_OK);
    assert_int_equal(get(in, s.http), -EHOSTUNREACH);
    ZONE(30, "10.0.0.3");
    pass(in, 31000);
    assert_int_equal(get(in, s.http), -EHOSTUNREACH); /* also who has come since */
    assert_int_equal(weir_http_drain(in, s.http, s.url, false), WEIR_OK);
    get_well(in, &s, 2);
    return WEIR_OK;
}

static void a_name_is_drained_with_all_of_its_addresses(void **state)
{
    (void)state;
    IN_SHOP(drained_by_hand);
}

/* --- mistakes --------------------------------------------------------------------------------- */

static void assert_mistake(weir_ctx *c, const weir_http *http, const char *part)
{
    assert_int_equal(weir_http_err(http), WEIR_EINVALID);
    assert_told(c, WEIR_EINVALID, part);
}

static weir_err mistakes(weir_ctx *c, void *arg)
{
    weir_http_target many[12] = {{.url = NULL}};
    char urls[11][20];
    (void)arg;
    assert_mistake(c,
                   weir_http_open(c, .name = "a",
                                  .targets = WEIR_HTTP_TARGETS(
                                      {.url = "http://10.0.0.1:80", .each_address = true})),
                   "with .each_address it has a name");
    assert_mistake(
        c,
        weir_http_open(c, .name = "a", .proxy = "http://proxy:3128",
                       .targets = WEIR_HTTP_TARGETS({.url = "http://shop", .each_address = true})),
        "with .each_address there is no proxy");
    for (int i = 0; i < 11; i++) {
        snprintf(urls[i], sizeof urls[i], "http://shop%d", i);
        many[i] = (weir_http_target){.url = urls[i], .each_address = true};
    }
    assert_mistake(c, weir_http_open(c, .name = "a", .targets = many),
                   "11 of its targets have .each_address; allowed: 10");
    return WEIR_OK;
}

static void mistakes_are_told(void **state)
{
    (void)state;
    IN_SHOP(mistakes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_of_a_name_is_a_target),
        cmocka_unit_test(addresses_come_and_go_with_the_time_to_live),
        cmocka_unit_test(what_runs_at_one_that_goes_ends_well_and_is_not_used_again),
        cmocka_unit_test(what_lies_idle_to_one_that_goes_is_closed),
        cmocka_unit_test(without_addresses_calls_say_so),
        cmocka_unit_test(while_nobody_can_say_addresses_stay),
        cmocka_unit_test(before_the_first_answer_the_name_is_the_target),
        cmocka_unit_test(a_family_that_was_not_heard_of_stays),
        cmocka_unit_test(errors_name_the_name_and_the_address),
        cmocka_unit_test(each_address_is_ejected_by_itself_and_stays_so),
        cmocka_unit_test(each_address_is_probed_by_itself),
        cmocka_unit_test(a_name_is_drained_with_all_of_its_addresses),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, files_remove);
}
