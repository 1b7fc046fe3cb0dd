/*
 * Dialling by name, on the simulation: which address is tried when, what is left of a race, and
 * what an error says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/dial.h"

#include "base/alloc.h"
#include "net/dns_testing.h"
#include "net/resolve.h"
#include "rt/context.h"

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)

/* --- the network -------------------------------------------------------------------------- */

/* What becomes of the connections to 10.0.0.N; and in which order they were begun, at what time. */
static int fate[10];
static unsigned tried[16], tried_count;
static weir_time tried_at[16];

static int decide(const struct sockaddr_storage *addr)
{
    struct weir__endpoint e;
    weir__endpoint_from_kernel(&e, addr);
    unsigned n = e.ip[e.family == AF_INET ? 3 : 15] % 10u;
    if (tried_count < 16) {
        tried_at[tried_count] = weir_now();
        tried[tried_count++] = n;
    }
    return fate[n];
}

/* A listener; a name "db" with the addresses 10.0.0.1 to 10.0.0.`count`. */
static struct weir__dial network(unsigned count, int *listener)
{
    char hosts[600] = "";
    for (unsigned i = 1; i <= count; i++)
        snprintf(hosts + strlen(hosts), sizeof hosts - strlen(hosts), "10.0.0.%u db\n", i);
    files_set("nameserver 127.0.0.1:9\n", hosts);
    memset(fate, 0, sizeof fate);
    tried_count = 0;
    *listener = weir__sim_listen();
    weir__sim_decide_connects(decide);
    return (struct weir__dial){.host = WEIR_S("db"),
                               .port = (uint16_t)*listener,
                               .until = weir_time_add(weir_now(), weir_sec(5))};
}

static int64_t ms_since(weir_time begin)
{
    return weir_time_sub(weir_now(), begin).ns / 1000000;
}

/* --- which address ------------------------------------------------------------------------ */

static weir_err takes_the_first(weir_ctx *c, void *arg)
{
    int listener;
    struct weir__stream s;
    unsigned count = *(const unsigned *)arg;
    struct weir__dial d = network(count, &listener);
    assert_int_equal(weir__dial_stream(weir__ctx_of(c), &d, &s), WEIR_OK);
    assert_true(weir__stream_is_open(&s));
    assert_int_equal(tried_count, 1);
    assert_int_equal(tried[0], 1);
    assert_int_equal(weir__sim_held(), 1);
    struct weir__detached away = weir__stream_detach(&s); /* a pool may take it elsewhere */
    assert_int_equal(weir__stream_attach(&s, away, NULL), WEIR_OK);
    struct iovec hello = {(char *)(uintptr_t) "hello", 5};
    assert_int_equal(weir__stream_try_send(&s, &hello, 1), 5);
    weir__stream_close(&s);
    assert_int_equal(weir__sim_held(), 0);
    return WEIR_OK;
}

/* The first does not answer: the next after 250 ms, and that one stands; the first is closed. */
static weir_err staggers(weir_ctx *c, void *arg)
{
    int listener;
    struct weir__stream s;
    (void)arg;
    struct weir__dial d = network(4, &listener);
    weir_time begin = weir_now();
    fate[1] = fate[2] = -EAGAIN;
    assert_int_equal(weir__dial_stream(weir__ctx_of(c), &d, &s), WEIR_OK);
    assert_in_range(ms_since(begin), 500, 505);
    assert_int_equal(tried_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(tried[i], i + 1);
        assert_in_range(weir_time_sub(tried_at[i], begin).ns / 1000000, 250 * i, 250 * i + 5);
    }
    assert_int_equal(weir__sim_held(), 1); /* D1 */
    weir__stream_close(&s);
    return WEIR_OK;
}

/* One that fails is not waited for. */
static weir_err goes_on_at_once(weir_ctx *c, void *arg)
{
    int listener;
    struct weir__stream s;
    (void)arg;
    struct weir__dial d = network(4, &listener);
    weir_time begin = weir_now();
    fate[1] = -ENETUNREACH;
    fate[2] = -EAGAIN;
    fate[3] = -ECONNREFUSED;
    assert_int_equal(weir__dial_stream(weir__ctx_of(c), &d, &s), WEIR_OK);
    assert_in_range(ms_since(begin), 250, 255); /* only the second took its time */
    assert_int_equal(tried_count, 4);
    assert_int_equal(weir__sim_held(), 1);
    weir__stream_close(&s);
    return WEIR_OK;
}

static void answer_both(struct query *q)
{
    struct reply r;
    reply_begin(&r, q, 0);
    for (int i = 1; i < 3; i++) {
        char ip[32];
        snprintf(ip, sizeof ip, q->type == RR_A ? "10.0.0.%d" : "2001:db8::%d", i);
        reply_ip(&r, ip, 0);
    }
    reply_send(&r, q);
}

static char families[8];
static size_t family_count;

static int note_family(const struct sockaddr_storage *addr)
{
    assert_true(family_count < sizeof families - 1);
    families[family_count++] = addr->ss_family == AF_INET ? '4' : '6';
    return -ECONNREFUSED;
}

/* Of a name server's answer the families take turns, and every dial asks anew. */
static weir_err interleaves(weir_ctx *c, void *arg)
{
    int listener;
    struct name_server server;
    struct weir__stream s;
    (void)arg;
    struct weir__dial d = network(0, &listener);
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &server, answer_both, NULL), WEIR_OK);
    files_set_servers(&server, 1, "");
    weir__sim_decide_connects(note_family);
    for (unsigned i = 1; i < 3; i++) {
        memset(families, 0, sizeof families);
        family_count = 0;
        assert_int_equal(weir__dial_stream(weir__ctx_of(c), &d, &s), -ECONNREFUSED);
        assert_string_equal(families, "6464");
        assert_int_equal(server.asked, 2 * i);
    }
    return WEIR_OK;
}

static void test_addresses_are_tried_in_turn(void **state)
{
    (void)state;
    unsigned counts[] = {1, 4};
    SIM(takes_the_first, &counts[0]);
    SIM(takes_the_first, &counts[1]);
    SIM(staggers, NULL);
    SIM(goes_on_at_once, NULL);
    SIM(interleaves, NULL);
}

/* --- errors ------------------------------------------------------------------------------- */

static weir_err says_of_each_why(weir_ctx *c, void *arg)
{
    int listener;
    char wanted[300];
    struct weir__stream s;
    (void)arg;
    struct weir__dial d = network(3, &listener);
    fate[1] = -ECONNREFUSED;
    fate[2] = -ENETUNREACH;
    fate[3] = -EAGAIN;
    weir_time begin = weir_now();
    assert_int_equal(weir__dial_stream(weir__ctx_of(c), &d, &s), WEIR_ETIMEDOUT);
    assert_in_range(ms_since(begin), 5000, 5005);
    assert_false(weir__stream_is_open(&s));
    snprintf(wanted, sizeof wanted, "10.0.0.1: %s; 10.0.0.2: %s; 10.0.0.3: no answer",
             weir_strerror(-ECONNREFUSED), weir_strerror(-ENETUNREACH));
    assert_string_equal(d.why, wanted);
    assert_int_equal(weir__sim_held(), 0);
    d.until = weir_time_add(weir_now(), weir_sec(5));
    d.each = weir_ms(100); /* the bound of one address */
    begin = weir_now();
    assert_int_equal(weir__dial_stream(weir__ctx_of(c), &d, &s), -ECONNREFUSED);
    assert_in_range(ms_since(begin), 100, 105);
    assert_int_equal(weir_sleep(c, weir_sec(5)), WEIR_OK); /* the hosts file is known for so long */
    d = network(1, &listener);
    fate[1] = -ECONNREFUSED;
    assert_int_equal(weir__dial_stream(weir__ctx_of(c), &d, &s), -ECONNREFUSED);
    snprintf(wanted, sizeof wanted, "10.0.0.1: %s", weir_strerror(-ECONNREFUSED));
    assert_string_equal(d.why, wanted);
    d.host = WEIR_S("10.0.0.1"); /* who has written it need not be told */
    assert_int_equal(weir__dial_stream(weir__ctx_of(c), &d, &s), -ECONNREFUSED);
    assert_string_equal(d.why, weir_strerror(-ECONNREFUSED));
    return WEIR_OK;
}

static void answer_nothing(struct query *q)
{
    (void)q;
}

/* The time-out covers the name: a dial does not hang there. */
static weir_err covers_the_name(weir_ctx *c, void *arg)
{
    int listener;
    struct name_server server;
    struct weir__stream s;
    (void)arg;
    struct weir__dial d = network(0, &listener);
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &server, answer_nothing, NULL), WEIR_OK);
    files_set_servers(&server, 1, "");
    d.until = weir_time_add(weir_now(), weir_ms(300));
    weir_time begin = weir_now();
    assert_int_equal(weir__dial_stream(weir__ctx_of(c), &d, &s), WEIR_ETIMEDOUT);
    assert_in_range(ms_since(begin), 300, 303);
    assert_string_equal(d.why, "no name server has answered in time");
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(100));
    d.until = weir_time_add(weir_now(), weir_sec(5));
    begin = weir_now();
    assert_int_equal(weir__dial_stream(weir__ctx_of(hasty), &d, &s), WEIR_ETIMEDOUT);
    assert_in_range(ms_since(begin), 100, 103);
    assert_int_equal(tried_count, 0);
    d.host = WEIR_S("no name");
    d.until = weir_time_add(weir_now(), weir_sec(5));
    assert_int_equal(weir__dial_stream(weir__ctx_of(c), &d, &s), WEIR_EINVALID);
    return WEIR_OK;
}

static void test_errors_say_why(void **state)
{
    (void)state;
    SIM(says_of_each_why, NULL);
    SIM(covers_the_name, NULL);
}

/* --- what is left ------------------------------------------------------------------------- */

/* The deadline, in the middle of a race: nothing of it comes to an end later. */
static weir_err ends_with_its_context(weir_ctx *c, void *arg)
{
    int listener;
    struct weir__stream s;
    (void)arg;
    struct weir__dial d = network(4, &listener);
    fate[1] = fate[2] = fate[3] = fate[4] = -EAGAIN;
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(600));
    assert_int_equal(weir__dial_stream(weir__ctx_of(hasty), &d, &s), WEIR_ETIMEDOUT);
    assert_int_equal(tried_count, 3);
    assert_int_equal(weir__sim_held(), 0);
    assert_int_equal(weir__sim_watched(), 0);
    memset(fate, 0, sizeof fate);
    assert_int_equal(weir_sleep(c, weir_sec(1)), WEIR_OK);
    assert_int_equal(weir__sim_held(), 0);
    return WEIR_OK;
}

/* Who cleans up may dial as well, also where its context is cancelled. */
static weir_err works_in_a_shield(weir_ctx *c, void *arg)
{
    int listener;
    struct weir__stream s;
    (void)arg;
    struct weir__dial d = network(3, &listener);
    fate[1] = -ECONNREFUSED;
    WEIR_SCOPE(over, c);
    weir_cancel(over);
    assert_int_equal(weir__dial_stream(weir__ctx_of(over), &d, &s), WEIR_ECANCELED);
    assert_int_equal(tried_count, 0);
    WEIR_SHIELD(over, weir_sec(1)) {
        assert_int_equal(weir__dial_stream(weir__ctx_of(over), &d, &s), WEIR_OK);
        weir__stream_close(&s);
        fate[2] = fate[3] = -EAGAIN;
        weir_time begin = weir_now();
        assert_int_equal(weir__dial_stream(weir__ctx_of(over), &d, &s), WEIR_ECANCELED);
        assert_in_range(ms_since(begin), 990, 1010); /* the shield's end */
    }
    assert_int_equal(weir__sim_held(), 0);
    return WEIR_OK;
}

struct waiting {
    struct weir__dial d;
    struct weir__stream s;
    weir_err err;
};

static weir_err dial_both(weir_ctx *c, void *arg)
{
    struct waiting *w = arg;
    w->err = weir__dial_stream(weir__ctx_of(c), &w->d, &w->s);
    return WEIR_OK;
}

/* Two stand in one turn of the worker: the second is closed (D2). */
static weir_err is_won_once(weir_ctx *c, void *arg)
{
    int listener;
    (void)arg;
    struct waiting w = {.d = network(2, &listener)};
    WEIR_SCOPE(group, c);
    weir__sim_hold_connects(true);
    assert_int_equal(WEIR_GO(group, dial_both, &w), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(300)), WEIR_OK);
    assert_int_equal(weir__sim_held(), 2);
    char bytes[2048];
    weir_buf text;
    weir_buf_init_fixed(&text, bytes, sizeof bytes - 1);
    weir__sim_list_waiting(weir__self, &text);
    bytes[text.len] = '\0';
    assert_non_null(strstr(bytes, "dial db:"));
    weir__sim_hold_connects(false);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(w.err, WEIR_OK);
    assert_int_equal(tried_count, 2); /* both came to their end */
    assert_int_equal(weir__sim_held(), 1);
    weir__stream_close(&w.s);
    return WEIR_OK;
}

struct plan {
    uint64_t wait, alloc;
    uint64_t allocs;
    bool is_whole;
};

static weir_err one_race(weir_ctx *c, void *arg)
{
    struct plan *p = arg;
    int listener;
    struct weir__stream s;
    struct weir__dial d = network(4, &listener);
    fate[1] = -EAGAIN;
    fate[2] = -ECONNREFUSED;
    WEIR_SCOPE(turn, c);
    uint64_t waits = weir__wait_count(), allocs = weir__alloc_stats().allocs;
    weir__alloc_fail_nth(p->alloc);
    weir__wait_cancel_nth(p->wait);
    weir_err err = weir__dial_stream(weir__ctx_of(turn), &d, &s);
    weir__alloc_fail_nth(0);
    p->allocs = weir__alloc_stats().allocs - allocs;
    p->is_whole = err == WEIR_OK && p->wait > weir__wait_count() - waits;
    weir__wait_cancel_nth(0);
    assert_int_equal(weir__stream_is_open(&s), err == WEIR_OK);
    assert_int_equal(weir__sim_held(), err == WEIR_OK ? 1 : 0);
    if (err == WEIR_OK)
        weir__stream_close(&s);
    return WEIR_OK;
}

static void test_nothing_of_a_race_is_left(void **state)
{
    (void)state;
    SIM(ends_with_its_context, NULL);
    SIM(is_won_once, NULL);
    SIM(works_in_a_shield, NULL);
    struct plan p = {.wait = 0};
    do {
        p.wait++;
        SIM(one_race, &p);
        assert_true(p.wait < 100);
    } while (!p.is_whole);
    assert_true(p.wait > 5);
    uint64_t allocs = p.allocs;
    for (uint64_t i = 1; i <= allocs; i++) {
        p = (struct plan){.wait = 1000, .alloc = i};
        SIM(one_race, &p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_tried_in_turn),
        cmocka_unit_test(test_errors_say_why),
        cmocka_unit_test(test_nothing_of_a_race_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, files_remove);
}
