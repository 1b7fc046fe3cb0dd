/*
 * Names, on the simulation: what servers say and how they fail, what is kept and for how long, who
 * shares a look-up and who leaves it, and who tries to put in a word of his own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/resolve.h"

#include "base/alloc.h"
#include "base/metric_testing.h"
#include "net/dns_testing.h"
#include "rt/context.h"
#include "rt/runtime.h"

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)

static weir_time in(weir_dur d)
{
    return weir_time_add(weir_now(), d);
}

/* Asks with 30 s of time. */
static weir_err resolve(weir_ctx *c, const char *name, struct weir__addresses *out)
{
    return weir__resolve(weir__ctx_of(c), weir_str_from(name), in(weir_sec(30)), out);
}

/* What it finds, as "ip ip ip", or as the reason. */
static const char *found(weir_ctx *c, const char *name)
{
    static char text[600];
    struct weir__addresses a;
    weir_err err = resolve(c, name, &a);
    snprintf(text, sizeof text, "%s", err < 0 ? a.why : "");
    for (unsigned i = 0; i < a.count; i++) {
        char ip[WEIR__ENDPOINT_TEXT_MAX];
        (void)weir__endpoint_format_ip(&a.list[i], ip);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i > 0 ? " " : "", ip);
    }
    return text;
}

static int64_t ms_since(weir_time begin)
{
    return weir_time_sub(weir_now(), begin).ns / 1000000;
}

/* --- what servers say --------------------------------------------------------------------- */

struct zone {
    const char *four, *six; /* NULL: none */
    uint32_t ttl;
};

static void answer_zone(struct query *q)
{
    const struct zone *z = q->server->arg;
    struct reply r;
    const char *ip = q->type == RR_A ? z->four : z->six;
    reply_begin(&r, q, 0);
    if (ip != NULL)
        reply_ip(&r, ip, z->ttl);
    reply_send(&r, q);
}

static weir_err keeps_by_ttl(weir_ctx *c, void *arg)
{
    struct name_server s;
    struct zone z = {"10.0.0.1", "2001:db8::1", 60};
    (void)arg;
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &s, answer_zone, &z), WEIR_OK);
    files_set_servers(&s, 1, "");
    assert_string_equal(found(c, "db.example.org"), "2001:db8::1 10.0.0.1");
    assert_int_equal(s.asked, 2);
    assert_string_equal(found(c, "DB.Example.org"), "2001:db8::1 10.0.0.1");
    assert_int_equal(s.asked, 2); /* known */
    assert_int_equal(weir_sleep(c, weir_sec(59)), WEIR_OK);
    z.four = "10.0.0.2";
    assert_string_equal(found(c, "db.example.org"), "2001:db8::1 10.0.0.1");
    assert_int_equal(weir_sleep(c, weir_sec(1)), WEIR_OK);
    z.ttl = 0;
    assert_string_equal(found(c, "db.example.org"), "2001:db8::1 10.0.0.2");
    assert_int_equal(s.asked, 4);
    assert_string_equal(found(c, "db.example.org"), "2001:db8::1 10.0.0.2");
    assert_int_equal(s.asked, 6); /* a time to live of 0: not beyond the moment */
    z.ttl = 0x7fffffff;
    assert_string_equal(found(c, "db.example.org"), "2001:db8::1 10.0.0.2");
    assert_int_equal(weir_sleep(c, weir_sec(299)), WEIR_OK);
    (void)found(c, "db.example.org");
    assert_int_equal(s.asked, 8);
    assert_int_equal(weir_sleep(c, weir_sec(1)), WEIR_OK);
    (void)found(c, "db.example.org"); /* no more than five minutes, whatever was said */
    assert_int_equal(s.asked, 10);
    return WEIR_OK;
}

static void answer_no(struct query *q)
{
    const uint32_t *soa = q->server->arg; /* ttl, minimum */
    struct reply r;
    reply_begin(&r, q, strstr(q->name, "void") != NULL ? 0 : 3);
    if (soa[0] > 0)
        reply_soa(&r, soa[0], soa[1]);
    reply_send(&r, q);
}

static weir_err keeps_no_for_a_while(weir_ctx *c, void *arg)
{
    struct name_server s;
    struct weir__addresses a;
    uint32_t soa[2] = {3600, 2};
    (void)arg;
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &s, answer_no, soa), WEIR_OK);
    files_set_servers(&s, 1, "");
    assert_int_equal(resolve(c, "no.example.org", &a), WEIR_ENOHOST);
    assert_non_null(strstr(a.why, "there is no no.example.org, says the name server 127.0.0.1:"));
    unsigned asked = s.asked;
    assert_int_equal(resolve(c, "no.example.org", &a), WEIR_ENOHOST);
    assert_non_null(strstr(a.why, "there is no no.example.org"));
    assert_int_equal(s.asked, asked);
    assert_int_equal(weir_sleep(c, weir_sec(2)), WEIR_OK);
    soa[1] = 100000;
    assert_int_equal(resolve(c, "no.example.org", &a), WEIR_ENOHOST);
    assert_true(s.asked > asked);
    asked = s.asked;
    assert_int_equal(weir_sleep(c, weir_sec(5)), WEIR_OK); /* 5 s, whatever was said */
    assert_int_equal(resolve(c, "no.example.org", &a), WEIR_ENOHOST);
    assert_true(s.asked > asked);
    asked = s.asked;
    assert_int_equal(resolve(c, "void.example.org", &a), WEIR_ENOHOST);
    assert_non_null(strstr(a.why, "there is no address of void.example.org"));
    assert_int_equal(s.asked, asked + 2);
    soa[0] = 0;
    for (int i = 1; i < 3; i++) { /* RFC 2308, 5: without an SOA a "no" is not kept */
        assert_int_equal(resolve(c, "void2.example.org", &a), WEIR_ENOHOST);
        assert_int_equal(s.asked, asked + 2 + 2 * (unsigned)i);
    }
    return WEIR_OK;
}

/* One family comes; the other is not waited for for long. */
static void answer_four_alone(struct query *q)
{
    if (q->type == RR_A)
        answer_zone(q);
}

static weir_err does_not_wait_for_both(weir_ctx *c, void *arg)
{
    struct name_server s;
    struct zone z = {"10.0.0.1", NULL, 60};
    (void)arg;
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &s, answer_four_alone, &z), WEIR_OK);
    files_set_servers(&s, 1, "");
    weir_time begin = weir_now();
    assert_string_equal(found(c, "four.example.org"), "10.0.0.1");
    assert_in_range(ms_since(begin), 50, 53);
    assert_int_equal(weir_sleep(c, weir_sec(5)), WEIR_OK);
    assert_string_equal(found(c, "four.example.org"), "10.0.0.1");
    assert_int_equal(s.asked, 4); /* the half of it is kept for 5 s */
    return WEIR_OK;
}

/* What a datagram does not hold comes over TCP: here forty addresses of a family. */
static void answer_cut(struct query *q)
{
    struct reply r;
    char ip[40];
    reply_begin(&r, q, q->stream == NULL ? 0x200 : 0);
    for (int i = 0; i < 40 && q->stream != NULL; i++) {
        snprintf(ip, sizeof ip, q->type == RR_A ? "10.0.0.%d" : "2001:db8::%d", i + 1);
        reply_ip(&r, ip, 60);
    }
    reply_send(&r, q);
}

static weir_err asks_over_tcp(weir_ctx *c, void *arg)
{
    struct name_server s;
    struct weir__addresses a;
    (void)arg;
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &s, answer_cut, NULL), WEIR_OK);
    files_set_servers(&s, 1, "");
    for (size_t chop = 0; chop < 3; chop++) {
        char name[40];
        snprintf(name, sizeof name, "many%zu.example.org", chop);
        weir__sim_chop(chop);
        assert_int_equal(resolve(c, name, &a), WEIR_OK);
        assert_int_equal(a.count, WEIR__ADDRESSES_MAX); /* half of each family, in turn */
        assert_int_equal(a.list[0].family, AF_INET6);
        assert_int_equal(a.list[1].family, AF_INET);
        assert_int_equal(a.list[WEIR__ADDRESSES_MAX - 1].ip[3], WEIR__ADDRESSES_MAX / 2);
    }
    assert_int_equal(s.asked, 6);
    assert_int_equal(s.asked_by_stream, 6);
    return WEIR_OK;
}

static void test_what_servers_say_is_kept(void **state)
{
    (void)state;
    SIM(keeps_by_ttl, NULL);
    SIM(keeps_no_for_a_while, NULL);
    SIM(does_not_wait_for_both, NULL);
    SIM(asks_over_tcp, NULL);
}

/* --- how servers fail --------------------------------------------------------------------- */

static void answer_nothing(struct query *q)
{
    (void)q;
}

/* SERVFAIL, or half an answer. */
static void answer_badly(struct query *q)
{
    struct reply r;
    reply_begin(&r, q, q->server->arg != NULL ? 0 : 2);
    if (q->server->arg != NULL)
        r.bytes[7] = 5; /* so many records, of which there is none */
    reply_send(&r, q);
}

static weir_err asks_the_next(weir_ctx *c, void *arg)
{
    struct name_server s[3];
    struct zone z = {"10.0.0.1", NULL, 0};
    (void)arg;
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &s[0], answer_nothing, NULL), WEIR_OK);
    assert_int_equal(name_server_start(peers, &s[1], answer_badly, NULL), WEIR_OK);
    assert_int_equal(name_server_start(peers, &s[2], answer_zone, &z), WEIR_OK);
    files_set_servers(s, 3, "");
    weir_time begin = weir_now();
    assert_string_equal(found(c, "db.example.org"), "10.0.0.1");
    assert_in_range(ms_since(begin), 2000, 2010); /* the first one's time, and no more */
    begin = weir_now();
    assert_string_equal(found(c, "db.example.org"), "10.0.0.1");
    assert_in_range(ms_since(begin), 0, 5); /* who has answered is asked first */
    assert_int_equal(s[0].asked, 2);
    return WEIR_OK;
}

static weir_err says_of_each_why(weir_ctx *c, void *arg)
{
    struct name_server s[3];
    struct weir__addresses a;
    (void)arg;
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &s[0], answer_nothing, NULL), WEIR_OK);
    assert_int_equal(name_server_start(peers, &s[1], answer_badly, s), WEIR_OK);
    s[2].num = 9; /* nobody is there */
    files_set_servers(s, 3, "options timeout:1 attempts:1");
    weir_time begin = weir_now();
    assert_int_equal(resolve(c, "db.example.org", &a), WEIR_ENOHOST);
    assert_in_range(ms_since(begin), 1000, 1010);
    char wanted[200];
    snprintf(wanted, sizeof wanted,
             "no name server could say: 127.0.0.1:%d: %s, 127.0.0.1:%d: an answer that makes no "
             "sense, 127.0.0.1:9: %s",
             s[0].num, weir_strerror(WEIR_ETIMEDOUT), s[1].num, weir_strerror(-ECONNREFUSED));
    assert_string_equal(a.why, wanted);
    unsigned asked = s[0].asked;
    assert_int_equal(resolve(c, "db.example.org", &a), WEIR_ENOHOST);
    assert_true(s[0].asked > asked); /* that is not kept */
    return WEIR_OK;
}

static void test_the_next_server_is_asked(void **state)
{
    (void)state;
    SIM(asks_the_next, NULL);
    SIM(says_of_each_why, NULL);
}

/* --- lies --------------------------------------------------------------------------------- */

enum lie {
    WRONG_ID,
    WRONG_NAME,
    WRONG_TYPE,
    WRONG_SOURCE,
    NO_ANSWER,
    EMPTY,
    SHORT,
    TWO_QUESTIONS,
    LIES
};

static void tell_lie(struct query *q, enum lie lie)
{
    struct reply r;
    reply_begin(&r, q, 0);
    reply_ip(&r, q->type == RR_A ? "6.6.6.6" : "666::6", 60);
    if (lie == WRONG_ID)
        r.bytes[1] ^= 1;
    if (lie == WRONG_NAME)
        r.bytes[13] ^= 1;
    if (lie == WRONG_TYPE)
        r.bytes[q->len - 3] ^= 2;
    if (lie == NO_ANSWER)
        r.bytes[2] &= 0x7f;
    if (lie == TWO_QUESTIONS)
        r.bytes[5] = 2;
    if (lie == EMPTY || lie == SHORT)
        r.len = lie == EMPTY ? 0 : 11;
    reply_send_as(&r, q, lie == WRONG_SOURCE ? q->server->num + 1 : q->server->num);
}

static struct zone truth = {"10.0.0.1", "2001:db8::1", 60};

static void lie_then_answer(struct query *q)
{
    const int *lie = q->server->arg;
    struct reply r;
    tell_lie(q, (enum lie) * lie);
    reply_begin(&r, q, 0);
    reply_ip(&r, q->type == RR_A ? truth.four : truth.six, truth.ttl);
    reply_send(&r, q);
}

static weir_err does_not_believe(weir_ctx *c, void *arg)
{
    struct name_server s;
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &s, lie_then_answer, arg), WEIR_OK);
    files_set_servers(&s, 1, "");
    assert_string_equal(found(c, "db.example.org"), "2001:db8::1 10.0.0.1");
    assert_int_equal(s.asked_by_stream, 0);
    return WEIR_OK;
}

/* So many guesses that one could be right: over TCP there is nothing to guess. */
static void flood_then_answer(struct query *q)
{
    q->server->arg = &truth;
    for (int i = 0; i < 40 && q->stream == NULL; i++)
        tell_lie(q, WRONG_ID);
    answer_zone(q);
}

static weir_err listens_no_longer(weir_ctx *c, void *arg)
{
    struct name_server s;
    (void)arg;
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &s, flood_then_answer, NULL), WEIR_OK);
    files_set_servers(&s, 1, "");
    assert_string_equal(found(c, "db.example.org"), "2001:db8::1 10.0.0.1");
    assert_true(s.asked_by_stream > 0);
    return WEIR_OK;
}

static unsigned ids[64], id_count;

static void note_id(struct query *q)
{
    ids[id_count++] = (unsigned)q->bytes[0] << 8 | q->bytes[1];
    q->server->arg = &truth;
    answer_zone(q);
}

/* Nobody can tell from one id what the next will be; here, at least, it is another. */
static weir_err draws_ids(weir_ctx *c, void *arg)
{
    struct name_server s;
    unsigned same = 0;
    (void)arg;
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &s, note_id, NULL), WEIR_OK);
    files_set_servers(&s, 1, "");
    for (int i = 0; i < 32; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%d.example.org", i);
        assert_string_equal(found(c, name), "2001:db8::1 10.0.0.1");
    }
    for (unsigned i = 1; i < id_count; i++)
        same += ids[i] == ids[i - 1] || ids[i] == ids[i - 1] + 1;
    assert_int_equal(id_count, 64);
    assert_true(same < 8);
    return WEIR_OK;
}

static void test_lies_are_not_believed(void **state)
{
    (void)state;
    for (int lie = 0; lie < LIES; lie++)
        SIM(does_not_believe, &lie);
    SIM(listens_no_longer, NULL);
    SIM(draws_ids, NULL);
}

/* --- who waits ---------------------------------------------------------------------------- */

/* It answers when the test says so. */
static struct query held[8];
static unsigned held_count;

static void hold(struct query *q)
{
    if (held_count < 8)
        held[held_count++] = *q;
}

struct asking {
    weir_dur patience;
    weir_err err;
    struct weir__addresses a;
};

static weir_err ask(weir_ctx *c, void *arg)
{
    struct asking *a = arg;
    a->err = weir__resolve(weir__ctx_of(c), WEIR_S("db.example.org"), in(a->patience), &a->a);
    return WEIR_OK;
}

static void answer_held(void)
{
    for (unsigned i = 0; i < held_count; i++) {
        held[i].server->arg = &truth;
        answer_zone(&held[i]);
    }
    held_count = 0;
}

static weir_err shares(weir_ctx *c, void *arg)
{
    struct name_server s;
    struct asking askers[20];
    (void)arg;
    held_count = 0;
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &s, hold, NULL), WEIR_OK);
    files_set_servers(&s, 1, "");
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 20; i++) {
        askers[i] = (struct asking){.patience = i % 2 == 0 ? weir_ms(100) : weir_sec(10)};
        assert_int_equal(WEIR_GO(group, ask, &askers[i]), WEIR_OK);
    }
    WEIR_SCOPE(other, c);
    struct asking cancelled = {.patience = weir_sec(10)};
    assert_int_equal(WEIR_GO(other, ask, &cancelled), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(500)), WEIR_OK);
    weir_buf text;
    char bytes[4096];
    weir_buf_init_fixed(&text, bytes, sizeof bytes - 1);
    weir__sim_list_waiting(weir__self, &text);
    bytes[text.len] = '\0';
    assert_non_null(strstr(bytes, "name db.example.org"));
    (void)weir_ctx_close(other);
    assert_int_equal(cancelled.err, WEIR_ECANCELED);
    answer_held();
    assert_int_equal(weir_join(group), WEIR_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(askers[i].err, i % 2 == 0 ? WEIR_ETIMEDOUT : WEIR_OK);
        assert_int_equal(askers[i].a.count, i % 2 == 0 ? 0 : 2);
    }
    assert_int_equal(s.asked, 2); /* once, for both families */
    return WEIR_OK;
}

static weir_err gives_up(weir_ctx *c, void *arg)
{
    struct name_server s;
    struct asking hasty = {.patience = weir_ms(10)}, patient = {.patience = weir_sec(1)};
    (void)arg;
    held_count = 0;
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &s, hold, NULL), WEIR_OK);
    files_set_servers(&s, 1, "");
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    size_t open = weir__sim_held();
    assert_int_equal(ask(c, &hasty), WEIR_OK);
    assert_int_equal(hasty.err, WEIR_ETIMEDOUT);
    WEIR_SCOPE(group, c); /* who comes now does not join what is given up */
    assert_int_equal(WEIR_GO(group, ask, &patient), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(weir__sim_held(), open + 1);
    answer_held();
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(patient.err, WEIR_OK);
    assert_int_equal(weir__sim_held(), open);
    assert_int_equal(s.asked, 4);
    return WEIR_OK;
}

/* The last leaves before the fiber that would ask has begun. */
static weir_err gives_up_at_once(weir_ctx *c, void *arg)
{
    struct weir__addresses a;
    (void)arg;
    files_set("nameserver 127.0.0.1:9\n", "");
    uint64_t queries = weir__name_queries();
    weir__wait_cancel_nth(1);
    WEIR_SCOPE(own, c);
    assert_int_equal(resolve(own, "db.example.org", &a), WEIR_ECANCELED);
    weir__wait_cancel_nth(0);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(weir__name_queries(), queries);
    return WEIR_OK;
}

static void test_many_share_one_look_up(void **state)
{
    (void)state;
    SIM(shares, NULL);
    SIM(gives_up, NULL);
    SIM(gives_up_at_once, NULL);
}

/* --- bounds ------------------------------------------------------------------------------- */

static weir_err keeps_so_many(weir_ctx *c, void *arg)
{
    struct name_server s;
    char name[40];
    (void)arg;
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &s, answer_zone, &truth), WEIR_OK);
    files_set_servers(&s, 1, "");
    for (int i = 0; i <= WEIR__NAMES_MAX; i++) {
        snprintf(name, sizeof name, "n%d.example.org", i);
        assert_string_equal(found(c, name), "2001:db8::1 10.0.0.1");
        (void)found(c, "n1.example.org"); /* used again and again */
    }
    unsigned asked = s.asked;
    (void)found(c, "n1.example.org");
    assert_int_equal(s.asked, asked);
    (void)found(c, "n0.example.org"); /* used longest ago: it had to go */
    assert_int_equal(s.asked, asked + 2);
    return WEIR_OK;
}

static weir_err ask_for_one(weir_ctx *c, void *arg)
{
    struct weir__addresses a;
    return resolve(c, arg, &a);
}

static weir_err asks_for_so_many(weir_ctx *c, void *arg)
{
    static char names[WEIR__NAMES_MAX][32];
    struct name_server s;
    struct weir__addresses a;
    (void)arg;
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &s, answer_nothing, NULL), WEIR_OK);
    files_set_servers(&s, 1, "");
    WEIR_SCOPE(group, c);
    for (int i = 0; i < WEIR__NAMES_MAX; i++) {
        snprintf(names[i], sizeof names[i], "n%d.example.org", i);
        assert_int_equal(WEIR_GO(group, ask_for_one, names[i]), WEIR_OK);
    }
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(resolve(c, "one.more", &a), WEIR_ELIMIT);
    (void)weir_ctx_close(group);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(resolve(c, "127.0.0.1", &a), WEIR_OK);
    return WEIR_OK;
}

static void test_there_are_bounds(void **state)
{
    (void)state;
    SIM(keeps_so_many, NULL);
    SIM(asks_for_so_many, NULL);
}

/* --- the files, and what is never asked --------------------------------------------------- */

static char order[400];

static void note_name(struct query *q)
{
    struct reply r;
    if (q->type == RR_A)
        snprintf(order + strlen(order), sizeof order - strlen(order), "%s ", q->name);
    reply_begin(&r, q, strcmp(q->name, "db.b.test") == 0 ? 0 : 3);
    if (strcmp(q->name, "db.b.test") == 0 && q->type == RR_A)
        reply_ip(&r, "10.0.0.1", 60);
    reply_send(&r, q);
}

static weir_err searches(weir_ctx *c, void *arg)
{
    struct name_server s;
    struct weir__addresses a;
    (void)arg;
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &s, note_name, NULL), WEIR_OK);
    files_set_servers(&s, 1, "search a.test b.test\noptions ndots:2");
    order[0] = '\0';
    assert_string_equal(found(c, "db"), "10.0.0.1");
    assert_string_equal(order, "db.a.test db.b.test ");
    order[0] = '\0';
    assert_int_equal(resolve(c, "x.y", &a), WEIR_ENOHOST); /* one dot is less than two */
    assert_string_equal(order, "x.y.a.test x.y.b.test x.y ");
    order[0] = '\0';
    assert_int_equal(resolve(c, "x.y.z", &a), WEIR_ENOHOST);
    assert_string_equal(order, "x.y.z x.y.z.a.test x.y.z.b.test ");
    order[0] = '\0';
    assert_int_equal(resolve(c, "db.", &a), WEIR_ENOHOST); /* whole as it is */
    assert_string_equal(order, "db ");
    return WEIR_OK;
}

static weir_err knows_without_asking(weir_ctx *c, void *arg)
{
    static const char *const bad[] = {"",     ".",  "a b",   "-",         "127.1",  "1.2.3.4.5",
                                      "a..b", ".a", "x\\.y", "1.2.3.256", "::1%lo", "[::1]"};
    struct weir__addresses a;
    (void)arg;
    uint64_t queries = weir__name_queries();
    files_set("nameserver 127.0.0.1:9\n", "10.1.1.1 db.example.org db # the old one\n"
                                          "2001:db8::7\tdb\n10.1.1.2 other\n");
    assert_string_equal(found(c, "db"), "10.1.1.1 2001:db8::7");
    assert_string_equal(found(c, "DB.example.ORG."), "10.1.1.1");
    assert_string_equal(found(c, "localhost"), "127.0.0.1 ::1");
    assert_string_equal(found(c, "shop.LocalHost."), "127.0.0.1 ::1");
    assert_string_equal(found(c, "10.2.3.4"), "10.2.3.4");
    assert_string_equal(found(c, "2001:db8::9"), "2001:db8::9");
    for (size_t i = 1; i < sizeof bad / sizeof bad[0]; i++) {
        if (strcmp(bad[i], "-") == 0)
            continue; /* odd, but a name */
        assert_int_equal(resolve(c, bad[i], &a), WEIR_EINVALID);
        assert_string_equal(a.why, "neither an IP nor a name");
    }
    assert_int_equal(weir__name_queries(), queries);
    files_set("", "10.1.1.9 db\n");
    assert_int_equal(weir_sleep(c, weir_sec(5)), WEIR_OK);
    assert_string_equal(found(c, "db"), "10.1.1.9"); /* the files are read again */
    return WEIR_OK;
}

static void test_the_files_are_heeded(void **state)
{
    (void)state;
    SIM(searches, NULL);
    SIM(knows_without_asking, NULL);
}

/* --- whatever fails ----------------------------------------------------------------------- */

struct plan {
    uint64_t wait, alloc;
    uint64_t allocs; /* how many there were */
    bool is_whole;
};

static weir_err one_look_up(weir_ctx *c, void *arg)
{
    struct plan *p = arg;
    struct name_server s;
    struct weir__addresses a;
    WEIR_SCOPE(peers, c);
    assert_int_equal(name_server_start(peers, &s, answer_cut, NULL), WEIR_OK);
    files_set_servers(&s, 1, "");
    WEIR_SCOPE(turn, c);
    assert_int_equal(weir_yield(c), WEIR_OK);
    uint64_t waits = weir__wait_count();
    uint64_t allocs = weir__alloc_stats().allocs;
    weir__alloc_fail_nth(p->alloc);
    weir__wait_cancel_nth(p->wait);
    weir_err err = resolve(turn, "db.example.org", &a);
    weir__alloc_fail_nth(0);
    p->allocs = weir__alloc_stats().allocs - allocs;
    p->is_whole = err == WEIR_OK && p->wait > weir__wait_count() - waits;
    weir__wait_cancel_nth(0);
    return WEIR_OK;
}

static void test_whatever_fails_nothing_stays(void **state)
{
    (void)state;
    struct plan p = {.wait = 0};
    do {
        p.wait++;
        SIM(one_look_up, &p); /* the simulation finds what is left */
        assert_true(p.wait < 100);
    } while (!p.is_whole);
    assert_true(p.wait > 4);
    uint64_t allocs = p.allocs;
    assert_true(allocs > 6);
    for (uint64_t i = 1; i <= allocs; i++) {
        p = (struct plan){.wait = 1000, .alloc = i};
        SIM(one_look_up, &p);
    }
}

/* --- numbers ------------------------------------------------------------------------------ */

static weir_err counts(weir_ctx *c, void *arg)
{
    struct weir__metrics m = {.count = 0};
    (void)arg;
    weir__resolve_metrics(&m);
    files_set("", "10.1.1.1 db\n");
    (void)found(c, "db");
    (void)found(c, "db");
    assert_true(metric_lines_has(&m, "\nweir_names_asked_total "));
    assert_true(metric_lines_has(&m, "\nweir_name_queries_total "));
    return WEIR_OK;
}

static void test_it_counts(void **state)
{
    (void)state;
    SIM(counts, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_servers_say_is_kept),
        cmocka_unit_test(test_the_next_server_is_asked),
        cmocka_unit_test(test_lies_are_not_believed),
        cmocka_unit_test(test_many_share_one_look_up),
        cmocka_unit_test(test_there_are_bounds),
        cmocka_unit_test(test_the_files_are_heeded),
        cmocka_unit_test(test_whatever_fails_nothing_stays),
        cmocka_unit_test(test_it_counts),
    };
    return cmocka_run_group_tests(tests, NULL, files_remove);
}
