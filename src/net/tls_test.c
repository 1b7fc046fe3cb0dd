/*
 * TLS between two streams of the simulation: handshakes at every split and refusal, what is agreed
 * on, every way in which one fails with its words, sessions that are gone on with, and the ends.
 */
#include "net/tls_inside.h"
#include "net/tls_testing.h"

#include <stdlib.h>

#include "base/alloc.h"
#include <weir/fiber.h>
#include <weir/time.h>

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)
#define ROOM 65536u /* bytes that a socket holds */

#if WEIR_TLS

/* What an end may be given, and what is to come of it. */
struct row {
    const char *title;
    struct weir__tls_server_options server;
    struct weir__tls_client_options client;
    const char *name; /* NULL: server.example */
    weir_err client_err, server_err;
    enum weir__tls_failure client_failure, server_failure;
    const char *client_says, *server_says; /* parts of the reason; NULL: not looked at */
};

static const char *const h2_first[] = {"h2", "http/1.1", NULL};
static const char *const only_h1[] = {"http/1.1", NULL};
static const char *const only_ftp[] = {"ftp", NULL};

static void assert_says(const char *text, const char *part)
{
    if (part != NULL && strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

/* A client that has failed tells its server, whose error is the alert. */
static weir_err comes_to(weir_ctx *c, void *arg)
{
    (void)c;
    const struct row *r = arg;
    struct weir__tls_server *server = server_of(r->server);
    struct weir__tls_client *client = client_of(r->client);
    struct pair p;
    print_message("  %s\n", r->title);
    connect_pair(&p, server, client, r->name != NULL ? r->name : "server.example", ROOM);
    /* TLS 1.3: a client is through before its certificate is looked at. */
    char byte;
    if (p.client_err == WEIR_OK && r->client_err < 0)
        p.client_err = (weir_err)weir__stream_try_recv(&p.client, &byte, 1);
    assert_int_equal(p.client_err, r->client_err);
    assert_int_equal(p.server_err, r->server_err);
    assert_int_equal(weir__tls_failure(&p.client), r->client_failure);
    assert_int_equal(weir__tls_failure(&p.server), r->server_failure);
    assert_says(p.client_why, r->client_says);
    assert_says(p.server_why, r->server_says);
    if (r->client_err < 0) { /* which stays */
        assert_int_equal(weir__tls_handshake(&p.client, NULL), r->client_err);
        assert_int_equal(weir__stream_try_recv(&p.client, &byte, 1), r->client_err);
        assert_int_equal(weir__stream_try_send(&p.client, &(struct iovec){&byte, 1}, 1),
                         r->client_err);
        assert_false(weir__stream_has_more(&p.client) && p.client.fd.ready == 0);
    }
    close_pair(&p);
    weir__tls_server_free(server);
    weir__tls_client_unref(client);
    return WEIR_OK;
}

static void come_to(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        SIM(comes_to, (void *)(uintptr_t)&rows[i]);
}

/* --- what is agreed on ------------------------------------------------------------------------ */

struct agreed {
    struct weir__tls_choice server, client;
    const char *version, *alpn; /* NULL: nothing */
};

static weir_err agree(weir_ctx *c, void *arg)
{
    (void)c;
    const struct agreed *a = arg;
    struct weir__tls_server *server =
        server_of((struct weir__tls_server_options){.choice = a->server});
    struct weir__tls_client *client =
        client_of((struct weir__tls_client_options){.choice = a->client});
    struct weir__stream *ends[2];
    struct pair p;
    connect_pair(&p, server, client, "server.example", ROOM);
    ends[0] = &p.client;
    ends[1] = &p.server;
    for (int i = 0; i < 2; i++) {
        struct weir__tls_facts f;
        weir__tls_facts(ends[i], &f);
        assert_string_equal(f.version, a->version);
        assert_int_equal(f.alpn.len, a->alpn != NULL ? strlen(a->alpn) : 0);
        if (a->alpn != NULL)
            assert_memory_equal(f.alpn.ptr, a->alpn, f.alpn.len);
        assert_true(weir_str_eq(f.name, WEIR_S("server.example")));
        assert_false(f.is_resumed);
        assert_int_equal(f.has_certificate, i == 0);
        assert_non_null(strstr(f.cipher, "GCM"));
    }
    close_pair(&p);
    weir__tls_server_free(server);
    weir__tls_client_unref(client);
    return WEIR_OK;
}

static void test_what_is_agreed_on(void **state)
{
    (void)state;
    static const char older[] = "ECDHE-ECDSA-AES128-GCM-SHA256";
    static struct agreed rows[] = {
        {{.alpn = h2_first}, {.alpn = h2_first}, "TLSv1.3", "h2"},
        {{.alpn = h2_first}, {.alpn = only_h1}, "TLSv1.3", "http/1.1"},
        {{.alpn = h2_first}, {.alpn = NULL}, "TLSv1.3", NULL},
        {{.alpn = NULL}, {.alpn = h2_first}, "TLSv1.3", NULL},
        {{.version_min = WEIR__TLS_1_3}, {.version_min = WEIR__TLS_1_3}, "TLSv1.3", NULL},
        {{.ciphers = older}, {.ciphers = older, .version_max = WEIR__TLS_1_2}, "TLSv1.2", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        SIM(agree, &rows[i]);
}

/* --- at every split --------------------------------------------------------------------------- */

struct split {
    size_t capacity, chop;
    uint64_t refused_nth, refused_n;
};

static struct weir__tls_server *server;
static struct weir__tls_client *client;

static weir_err client_in_a_fiber(weir_ctx *c, void *arg)
{
    struct pair *p = arg;
    char echoed[5];
    size_t sent;
    weir_err err = weir__tls_await_handshake(weir__ctx_of(c), &p->client, weir_never(), NULL);
    assert_int_equal(err, WEIR_OK);
    assert_int_equal(
        weir__stream_send(weir__ctx_of(c), &p->client, "hello", 5, &sent, weir_never()), WEIR_OK);
    for (size_t got = 0; got < 5;) {
        ssize_t n =
            weir__stream_recv(weir__ctx_of(c), &p->client, echoed + got, 5 - got, weir_never());
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_memory_equal(echoed, "hello", 5);
    assert_int_equal(weir__stream_shutdown(&p->client), WEIR_OK);
    while (weir__stream_try_flush(&p->client) == -EAGAIN)
        assert_int_equal(weir__stream_await_room(weir__ctx_of(c), &p->client, weir_never()),
                         WEIR_OK);
    weir__stream_close(&p->client);
    return WEIR_OK;
}

static weir_err shake_hands_split(weir_ctx *c, void *arg)
{
    const struct split *s = arg;
    struct pair *p = weir_new(c, struct pair);
    char bytes[8];
    size_t sent;
    attach_pair(p, s->capacity);
    assert_int_equal(weir__tls_accept(&p->server, server), WEIR_OK);
    assert_int_equal(weir__tls_connect(&p->client, client, WEIR_S("server.example"), 443), WEIR_OK);
    weir__sim_chop(s->chop);
    weir__sim_refuse(s->refused_nth, s->refused_n);
    assert_int_equal(WEIR_GO(c, client_in_a_fiber, p), WEIR_OK);
    struct weir__ctx *ctx = weir__ctx_of(c);
    assert_int_equal(weir__tls_await_handshake(ctx, &p->server, weir_never(), NULL), WEIR_OK);
    for (ssize_t n; (n = weir__stream_recv(ctx, &p->server, bytes, sizeof bytes, weir_never()));) {
        assert_true(n > 0);
        assert_int_equal(weir__stream_send(ctx, &p->server, bytes, (size_t)n, &sent, weir_never()),
                         WEIR_OK);
    }
    assert_int_equal(weir_join(c), WEIR_OK);
    weir__sim_chop(0);
    weir__sim_refuse(0, 0);
    close_pair(p);
    return WEIR_OK;
}

static void test_handshakes_at_every_split(void **state)
{
    (void)state;
    server = server_of((struct weir__tls_server_options){.pairs = NULL});
    client = client_of((struct weir__tls_client_options){.is_unverified = false});
    for (size_t chop = 0; chop < 12; chop++) {
        struct split s = {.capacity = chop % 2 == 0 ? ROOM : 50 + chop, .chop = chop};
        SIM(shake_hands_split, &s);
    }
    for (uint64_t nth = 1; nth < 40; nth++) {
        struct split s = {
            .capacity = nth % 2 == 0 ? ROOM : 300, .refused_nth = nth, .refused_n = 1 + nth % 3};
        SIM(shake_hands_split, &s);
    }
    weir__tls_server_free(server);
    weir__tls_client_unref(client);
}

/* --- refusals --------------------------------------------------------------------------------- */

static struct authority other_ca, expired, alone, client_own, client_other;
static struct weir__tls_pair expired_pair, alone_pair;

/* The names that are held to which are rows of tests/conformance/tls_client_test.c. */
static void test_certificates_that_are_refused(void **state)
{
    (void)state;
    const struct weir__tls_server_options of_expired = {.pairs = &expired_pair, .pair_count = 1},
                                          of_alone = {.pairs = &alone_pair, .pair_count = 1};
    const struct weir__tls_source others = source_of(other_ca.chain);
#define REFUSED                                                                                    \
    .client_err = WEIR_ETLS, .server_err = WEIR_ETLS, .client_failure = WEIR__TLS_CERTIFICATE,     \
    .server_failure = WEIR__TLS_REFUSED
    const struct row rows[] = {
        {"another name", .name = "other.example", REFUSED, .client_says = "ostname mismatch"},
        {"it says whose it is", .name = "other.example", REFUSED,
         .client_says = "it is for server.example, *.wild.example"},
        {"expired", .server = of_expired, REFUSED, .client_says = "certificate has expired",
         .server_says = "certificate expired"},
        {"signed by itself", .server = of_alone, REFUSED, .client_says = "self-signed certificate",
         .server_says = "unknown CA"},
        {"another authority", .client = {.ca = others}, REFUSED,
         .client_says = "unable to get local issuer certificate"},
        {"unverified", .server = of_alone, .client = {.is_unverified = true}},
        {"unverified, another name", .client = {.is_unverified = true}, .name = "other.example"},
    };
    come_to(rows, sizeof rows / sizeof rows[0]);
}

static void test_clients_certificates(void **state)
{
    (void)state;
    const struct weir__tls_source ca = source_of(test_ca.chain);
    const struct weir__tls_pair good = pair_of(&client_own), bad = pair_of(&client_other);
    const struct weir__tls_server_options ask = {.clients = WEIR__TLS_ASK, .client_ca = ca},
                                          require = {.clients = WEIR__TLS_REQUIRE, .client_ca = ca};
    struct weir__tls_server_options older = require;
    older.choice.ciphers = "ECDHE+AESGCM";
    const struct row rows[] = {
        {"asked for, and none", .server = ask},
        {"asked for, and there", .server = ask, .client = {.own = good}},
        {"asked for, and another authority's", .server = ask, .client = {.own = bad},
         .client_err = WEIR_ETLS, .server_err = WEIR_ETLS, .client_failure = WEIR__TLS_REFUSED,
         .server_failure = WEIR__TLS_CERTIFICATE,
         .server_says = "unable to get local issuer certificate; it is for other client"},
        {"required, and there", .server = require, .client = {.own = good}},
        {"required, and none", .server = require, .client_err = WEIR_ETLS, .server_err = WEIR_ETLS,
         .client_failure = WEIR__TLS_REFUSED, .server_failure = WEIR__TLS_NO_CERTIFICATE,
         .server_says = "shows no certificate"},
        {"required, and none, 1.2", .server = older,
         .client = {.choice = {.version_max = WEIR__TLS_1_2}}, .client_err = WEIR_ETLS,
         .server_err = WEIR_ETLS, .client_failure = WEIR__TLS_REFUSED,
         .server_failure = WEIR__TLS_NO_CERTIFICATE},
    };
    come_to(rows, sizeof rows / sizeof rows[0]);
}

static void test_nothing_in_common(void **state)
{
    (void)state;
#define BOTH(kind, other_kind)                                                                     \
    .client_err = WEIR_ETLS, .server_err = WEIR_ETLS, .client_failure = (other_kind),              \
    .server_failure = (kind)
    const struct row rows[] = {
        {"no version", .server = {.choice = {.version_min = WEIR__TLS_1_3}},
         .client = {.choice = {.version_max = WEIR__TLS_1_2}},
         BOTH(WEIR__TLS_VERSION, WEIR__TLS_VERSION), .client_says = "no version of TLS in common",
         .server_says = "no version"},
        {"no cipher of 1.2", .server = {.choice = {.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"}},
         .client = {.choice = {.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384",
                               .version_max = WEIR__TLS_1_2}},
         BOTH(WEIR__TLS_CIPHER, WEIR__TLS_REFUSED), .client_says = "handshake failure",
         .server_says = "no cipher in common"},
        {"no suite of 1.3", .server = {.choice = {.suites = "TLS_AES_128_GCM_SHA256"}},
         .client = {.choice = {.suites = "TLS_AES_256_GCM_SHA384", .version_min = WEIR__TLS_1_3}},
         BOTH(WEIR__TLS_CIPHER, WEIR__TLS_REFUSED), .client_says = "handshake failure"},
        {"no protocol", .server = {.choice = {.alpn = h2_first}},
         .client = {.choice = {.alpn = only_ftp}}, BOTH(WEIR__TLS_PROTOCOL, WEIR__TLS_PROTOCOL),
         .client_says = "no protocol in common", .server_says = "no protocol in common"},
    };
    come_to(rows, sizeof rows / sizeof rows[0]);
}

/* --- what is no TLS --------------------------------------------------------------------------- */

struct garbage {
    const char *bytes;
    size_t len;
    bool ends; /* and then the connection does */
    weir_err err;
    enum weir__tls_failure failure;
    const char *says;
};

static weir_err meets_garbage(weir_ctx *c, void *arg)
{
    (void)c;
    const struct garbage *g = arg;
    struct pair p;
    attach_pair(&p, ROOM);
    assert_int_equal(weir__tls_accept(&p.server, server), WEIR_OK);
    assert_int_equal(
        weir__stream_try_send(&p.client, &(struct iovec){(char *)(uintptr_t)g->bytes, g->len}, 1),
        g->len);
    if (g->ends)
        weir__stream_close(&p.client);
    step_end(&p.server, &p.server_err, p.server_why, sizeof p.server_why);
    assert_int_equal(p.server_err, g->err);
    if (g->err != -EAGAIN) {
        assert_int_equal(weir__tls_failure(&p.server), g->failure);
        assert_says(p.server_why, g->says);
    }
    close_pair(&p);
    return WEIR_OK;
}

/* Who is told so may be answered plainly: the layer has taken the bytes, and sent none. */
static weir_err plain_is_answered(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    struct pair p;
    char bytes[8];
    attach_pair(&p, ROOM);
    assert_int_equal(weir__tls_accept(&p.server, server), WEIR_OK);
    assert_int_equal(weir__stream_try_send(&p.client, &(struct iovec){"GET / HTTP/1.1\r\n", 16}, 1),
                     16);
    assert_int_equal(weir__tls_handshake(&p.server, NULL), WEIR_EPROTO);
    assert_true(weir__tls_is_on(&p.server));
    weir__stream_strip(&p.server);
    assert_false(weir__tls_is_on(&p.server));
    assert_int_equal(weir__stream_try_send(&p.server, &(struct iovec){"400", 3}, 1), 3);
    assert_int_equal(weir__stream_try_recv(&p.client, bytes, sizeof bytes), 3);
    close_pair(&p);
    return WEIR_OK;
}

static void test_what_is_no_tls(void **state)
{
    (void)state;
    static struct garbage rows[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, false, WEIR_EPROTO, WEIR__TLS_PLAIN, "plain"},
        {"DELETE /x HTTP/1.1\r\n", 20, false, WEIR_EPROTO, WEIR__TLS_PLAIN, "plain request"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, false, WEIR_EPROTO, WEIR__TLS_PLAIN, "plain"},
        {"\x7f\x45LF\x02\x01\x01\x00\x00\x00\x00", 11, false, WEIR_ETLS, WEIR__TLS_MALFORMED,
         "no TLS"},
        {"\x16\x03\x01\xff\xff\x01\x00\x00\x00\x00\x00", 11, false, WEIR_ETLS, WEIR__TLS_MALFORMED,
         "no TLS"},
        {"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10, false, WEIR_ETLS, WEIR__TLS_MALFORMED,
         "no TLS"},
        {"\x17\x03\x03\x00\x05hello", 10, false, WEIR_ETLS, WEIR__TLS_MALFORMED, "no TLS"},
        {"\x16\x03\x01\x00\x50\x01", 6, true, WEIR_ETLS, WEIR__TLS_CUT, "closed"},
        {"\x16", 1, true, WEIR_ETLS, WEIR__TLS_CUT, "closed the connection"},
        {"\x16\x03\x01\x00\x50\x01", 6, false, -EAGAIN, WEIR__TLS_WELL, NULL},
    };
    server = server_of((struct weir__tls_server_options){.pairs = NULL});
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        SIM(meets_garbage, &rows[i]);
    SIM(plain_is_answered, NULL);
    weir__tls_server_free(server);
}

/* --- ends ------------------------------------------------------------------------------------- */

static weir_err ends_badly(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    struct pair p;
    char bytes[8];
    connect_pair(&p, server, client, "server.example", ROOM);
    settle(&p);
    assert_int_equal(weir__stream_try_send(&p.client, &(struct iovec){"bytes", 5}, 1), 5);
    weir__stream_reset_on_close(&p.client);
    weir__stream_close(&p.client); /* without a farewell */
    assert_int_equal(weir__stream_try_recv(&p.server, bytes, sizeof bytes), 5);
    assert_int_equal(weir__stream_try_recv(&p.server, bytes, sizeof bytes), -ECONNRESET);
    assert_int_equal(weir__tls_failure(&p.server), WEIR__TLS_CUT);
    assert_int_equal(weir__stream_try_recv(&p.server, bytes, sizeof bytes), -ECONNRESET);
    close_pair(&p);
    return WEIR_OK;
}

/* Who receives no more after the last byte, knowing that nothing follows, has been cut as well. */
static weir_err a_cut_is_counted(weir_ctx *c, void *arg)
{
    bool has_farewell = *(bool *)arg;
    struct pair p;
    char bytes[8];
    const _Atomic uint64_t *cuts =
        &weir__tls_numbers.sides[WEIR__TLS_SERVER].failures[WEIR__TLS_CUT];
    connect_pair(&p, server, client, "server.example", ROOM);
    settle(&p);
    assert_int_equal(weir__stream_try_send(&p.client, &(struct iovec){"bytes", 5}, 1), 5);
    if (!has_farewell)
        weir__stream_reset_on_close(&p.client);
    weir__stream_close(&p.client);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(weir__stream_try_recv(&p.server, bytes, sizeof bytes), 5);
    while (has_farewell && weir__stream_has_more(&p.server))
        assert_int_equal(weir__stream_try_recv(&p.server, bytes, sizeof bytes), 0);
    assert_true(weir__stream_is_over(&p.server));
    uint64_t before = *cuts;
    weir__stream_close(&p.server);
    assert_int_equal(*cuts - before, !has_farewell);
    return WEIR_OK;
}

/* A record whose end never comes, and one that was changed on its way. */
static weir_err records_are_broken(weir_ctx *c, void *arg)
{
    (void)c;
    bool is_changed = *(bool *)arg;
    struct pair p;
    char record[200], bytes[8];
    connect_pair(&p, server, client, "server.example", ROOM);
    settle(&p);
    struct weir__detached d = weir__stream_detach(&p.client);
    struct weir__layer *layer = d.layer;
    struct weir__stream other; /* to seal into, and to carry what was sealed as one likes */
    int nums[2];
    weir__sim_socketpair(nums, ROOM);
    assert_int_equal(
        weir__stream_attach(&other, (struct weir__detached){.num = nums[0], .layer = layer}, NULL),
        WEIR_OK);
    assert_int_equal(weir__stream_try_send(&other, &(struct iovec){"bytes", 5}, 1), 5);
    ssize_t n = weir__sim_read(nums[1], record, sizeof record);
    assert_true(n > 5);
    record[n - 1] ^= (char)is_changed;
    n -= !is_changed;
    assert_int_equal(weir__sim_write(d.num, record, (size_t)n), n);
    if (is_changed) {
        assert_int_equal(weir__stream_try_recv(&p.server, bytes, sizeof bytes), WEIR_ETLS);
        assert_int_equal(weir__tls_failure(&p.server), WEIR__TLS_MALFORMED);
    } else {
        assert_int_equal(weir__stream_try_recv(&p.server, bytes, sizeof bytes), -EAGAIN);
        assert_false(weir__stream_has_more(&p.server));
        weir__sim_close(d.num);
        assert_int_equal(weir__stream_try_recv(&p.server, bytes, sizeof bytes), -ECONNRESET);
    }
    if (is_changed)
        weir__sim_close(d.num);
    weir__sim_close(nums[1]);
    weir__stream_close(&other);
    weir__stream_close(&p.server);
    return WEIR_OK;
}

static weir_err half_is_closed(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    struct pair p;
    char bytes[8];
    connect_pair(&p, server, client, "server.example", ROOM);
    settle(&p);
    assert_int_equal(weir__stream_shutdown(&p.client), WEIR_OK);
    assert_int_equal(weir__stream_try_send(&p.client, &(struct iovec){"x", 1}, 1), -EPIPE);
    assert_int_equal(weir__stream_try_recv(&p.server, bytes, sizeof bytes), 0);
    assert_int_equal(weir__stream_try_recv(&p.server, bytes, sizeof bytes), 0);
    assert_true(weir__stream_is_over(&p.server) || p.server.fd.ready != 0);
    assert_int_equal(weir__stream_try_send(&p.server, &(struct iovec){"still", 5}, 1), 5);
    assert_int_equal(weir__stream_try_recv(&p.client, bytes, sizeof bytes), 5);
    close_pair(&p);
    return WEIR_OK;
}

static void test_ends(void **state)
{
    (void)state;
    bool is_changed = false;
    server = server_of((struct weir__tls_server_options){.pairs = NULL});
    client = client_of((struct weir__tls_client_options){.is_unverified = false});
    SIM(ends_badly, NULL);
    SIM(a_cut_is_counted, &(bool){false});
    SIM(a_cut_is_counted, &(bool){true});
    SIM(records_are_broken, &is_changed);
    is_changed = true;
    SIM(records_are_broken, &is_changed);
    SIM(half_is_closed, NULL);
    weir__tls_server_free(server);
    weir__tls_client_unref(client);
}

/* --- at rest, and when warm ------------------------------------------------------------------- */

static void exchange(struct pair *p, const struct iovec *vec, int count, size_t len)
{
    static char bytes[1 << 16];
    assert_int_equal(weir__stream_try_send(&p->client, vec, count), len);
    for (size_t got = 0; got < len;) {
        ssize_t n = weir__stream_try_recv(&p->server, bytes + got, sizeof bytes - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
    size_t at = 0;
    for (int i = 0; i < count; at += vec[i++].iov_len)
        assert_memory_equal(bytes + at, vec[i].iov_base, vec[i].iov_len);
}

static weir_err rests(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    struct pair p;
    struct iovec request = {"GET /", 5};
    connect_pair(&p, server, client, "server.example", 1 << 20);
    settle(&p);
    for (int i = 0; i < 3; i++) {
        exchange(&p, &request, 1, 5);
        weir__tls_rest(&p.server);
        weir__tls_rest(&p.client);
    }
    /* With a part of a record inside nothing is given back. */
    weir__sim_chop(10);
    assert_int_equal(weir__stream_try_send(&p.client, &request, 1), 5);
    char bytes[8];
    weir__sim_chop(3);
    (void)weir__stream_try_recv(&p.server, bytes, 1);
    weir__tls_rest(&p.server);
    weir__sim_chop(0);
    while (weir__stream_has_more(&p.server))
        (void)weir__stream_try_recv(&p.server, bytes, sizeof bytes);
    exchange(&p, &request, 1, 5);
    close_pair(&p);
    return WEIR_OK;
}

/* Pieces of all sizes are one message, sealed in as few records as they fill. */
static weir_err pieces_are_gathered(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    static char big[40000];
    struct pair p;
    connect_pair(&p, server, client, "server.example", 1 << 20);
    settle(&p);
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7);
    struct iovec vec[] = {{"head", 4}, {"", 0}, {big, 40000}, {"tail", 4}, {"", 0}};
    exchange(&p, vec, 5, 40008);
    exchange(&p, vec, 2, 4);
    exchange(&p, vec + 3, 2, 4);
    struct iovec small[] = {{"head", 4}, {"body", 4}};
    uint64_t before = weir__sim_submits();
    assert_int_equal(weir__stream_try_send(&p.client, small, 2), 8);
    assert_int_equal(weir__sim_submits() - before, 1); /* one send a flush */
    close_pair(&p);
    return WEIR_OK;
}

static weir_err warm_takes_no_memory(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    struct pair p;
    char bytes[64];
    struct iovec request = {"GET / HTTP/1.1\r\n\r\n", 18};
    connect_pair(&p, server, client, "server.example", 1 << 20);
    settle(&p);
    exchange(&p, &request, 1, 18);
    struct weir__alloc_stats before = weir__alloc_stats();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(weir__stream_try_send(&p.client, &request, 1), 18);
        assert_int_equal(weir__stream_try_recv(&p.server, bytes, sizeof bytes), 18);
    }
    assert_int_equal(weir__alloc_stats().allocs, before.allocs);
    close_pair(&p);
    return WEIR_OK;
}

static void test_bytes_and_rest(void **state)
{
    (void)state;
    server = server_of((struct weir__tls_server_options){.pairs = NULL});
    client = client_of((struct weir__tls_client_options){.is_unverified = false});
    SIM(rests, NULL);
    SIM(pieces_are_gathered, NULL);
    SIM(warm_takes_no_memory, NULL);
    weir__tls_server_free(server);
    weir__tls_client_unref(client);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static weir_err waits_no_longer(weir_ctx *c, void *arg)
{
    (void)arg;
    struct pair p;
    attach_pair(&p, ROOM);
    assert_int_equal(weir__tls_connect(&p.client, client, WEIR_S("server.example"), 443), WEIR_OK);
    struct weir__ctx *ctx = weir__ctx_of(c);
    weir_time until = weir_time_add(weir_now(), weir_ms(50));
    assert_int_equal(weir__tls_await_handshake(ctx, &p.client, until, NULL), WEIR_ETIMEDOUT);
    WEIR_SCOPE(over, c);
    weir_cancel(over);
    assert_int_equal(weir__tls_await_handshake(weir__ctx_of(over), &p.client, weir_never(), NULL),
                     WEIR_ECANCELED);
    weir__stream_close(&p.server); /* with bytes in it that nobody has received */
    assert_int_equal(weir__tls_await_handshake(ctx, &p.client, weir_never(), NULL), -ECONNRESET);
    assert_int_equal(weir__tls_failure(&p.client), WEIR__TLS_OTHER);
    weir__stream_close(&p.client);
    return WEIR_OK;
}

static weir_err names_are_looked_at(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    struct pair p;
    attach_pair(&p, ROOM);
    assert_int_equal(weir__tls_connect(&p.client, client, WEIR_S(""), 443), WEIR_EINVALID);
    assert_int_equal(weir__tls_connect(&p.client, client, (weir_str){"a\0b", 3}, 443),
                     WEIR_EINVALID);
    assert_false(weir__tls_is_on(&p.client));
    close_pair(&p);
    return WEIR_OK;
}

static void test_waiting(void **state)
{
    (void)state;
    client = client_of((struct weir__tls_client_options){.is_unverified = false});
    SIM(waits_no_longer, NULL);
    SIM(names_are_looked_at, NULL);
    weir__tls_client_unref(client);
}

/* --- whose certificate ------------------------------------------------------------------------ */

static weir_err tells_whose(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    const struct weir__tls_pair own = pair_of(&client_own);
    struct weir__tls_server *asks = server_of((struct weir__tls_server_options){
        .clients = WEIR__TLS_ASK, .client_ca = source_of(test_ca.chain)});
    struct weir__tls_client *has = client_of((struct weir__tls_client_options){.own = own});
    struct pair p;
    char text[100];
    weir_buf who;
    for (int i = 0; i < 2; i++) { /* also from a ticket */
        struct weir__tls_facts f;
        weir_buf_init_fixed(&who, text, sizeof text);
        connect_pair(&p, asks, has, "server.example", ROOM);
        settle(&p);
        weir__tls_peer_subject(&p.server, &who);
        assert_true(weir_str_eq(weir_buf_str(&who), WEIR_S("CN=good client")));
        weir__tls_facts(&p.server, &f);
        assert_true(f.has_certificate);
        assert_int_equal(f.is_resumed, i);
        close_pair(&p);
    }
    weir__tls_client_unref(has);
    has = client_of((struct weir__tls_client_options){.is_unverified = false});
    connect_pair(&p, asks, has, "server.example", ROOM);
    weir_buf_init_fixed(&who, text, sizeof text);
    weir__tls_peer_subject(&p.server, &who);
    assert_int_equal(who.len, 0);
    close_pair(&p);
    weir__tls_client_unref(has);
    weir__tls_server_free(asks);
    return WEIR_OK;
}

static void test_whose_certificate(void **state)
{
    (void)state;
    SIM(tells_whose, NULL);
}

/* --- in line ---------------------------------------------------------------------------------- */

enum { CROWD = 30 };

static struct {
    struct weir__tls_place places[CROWD];
    unsigned begun, last;
    uint64_t polls[CROWD];
} crowd;

static void begin(struct weir__tls_place *place)
{
    crowd.last = (unsigned)(place - crowd.places);
    crowd.polls[crowd.begun++] = weir__self->stats.polls;
}

static weir_err stand_in_line(weir_ctx *c, void *arg)
{
    (void)arg;
    unsigned at_once = 0;
    memset(&crowd, 0, sizeof crowd);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    for (unsigned i = 0; i < CROWD; i++)
        at_once += weir__tls_may_begin(&crowd.places[i], begin);
    assert_int_equal(at_once, WEIR__TLS_BEGUN_MAX);
    weir__tls_leave_line(&crowd.places[CROWD - 2]);
    weir__tls_leave_line(&crowd.places[CROWD - 2]);
    assert_int_equal(crowd.begun, 0);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(crowd.begun, CROWD - WEIR__TLS_BEGUN_MAX - 1);
    assert_int_equal(crowd.last, CROWD - 1);
    assert_int_equal(crowd.polls[WEIR__TLS_BEGUN_MAX - 1], crowd.polls[0]);
    assert_true(crowd.polls[WEIR__TLS_BEGUN_MAX] > crowd.polls[0]);
    assert_true(weir__tls_may_begin(&crowd.places[0], begin));
    return WEIR_OK;
}

static void test_a_turn_begins_a_few(void **state)
{
    (void)state;
    SIM(stand_in_line, NULL);
}

static int make(void **state)
{
    (void)state;
    make_test_certificates();
    make_certificate(&other_ca, &(struct made){"Other CA", .is_authority = true});
    make_certificate(&expired, &(struct made){"server.example", "DNS:server.example",
                                              .by = &test_ca, .from = -2 * DAY, .to = -DAY});
    make_certificate(&alone, &(struct made){"server.example", .names = "DNS:server.example"});
    make_certificate(&client_own, &(struct made){"good client", .by = &test_ca});
    make_certificate(&client_other, &(struct made){"other client", .by = &other_ca});
    expired_pair = pair_of(&expired);
    alone_pair = pair_of(&alone);
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    struct authority *all[] = {&other_ca, &expired, &alone, &client_own, &client_other};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free_certificate(all[i]);
    free_test_certificates();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_agreed_on),
        cmocka_unit_test(test_handshakes_at_every_split),
        cmocka_unit_test(test_certificates_that_are_refused),
        cmocka_unit_test(test_clients_certificates),
        cmocka_unit_test(test_nothing_in_common),
        cmocka_unit_test(test_what_is_no_tls),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_bytes_and_rest),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_whose_certificate),
        cmocka_unit_test(test_a_turn_begins_a_few),
    };
    return cmocka_run_group_tests_name("tls", tests, make, unmake);
}

#else

/* A build without it says so. */
static void test_it_is_absent(void **state)
{
    (void)state;
    struct weir__tls_server *none;
    struct weir__tls_server_options o = {.workers = 1};
    assert_int_equal(weir__tls_server_new(&o, &none, NULL), WEIR_ENOTBUILT);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_it_is_absent)};
    return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}

#endif
