/*
 * Outgoing connections with TLS as programs have them: what goes through, the lines of those that
 * fail, and that nothing stays open whatever runs out.
 */
#include "net/tls_inside.h"
#include "net/tls_testing.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include <weir/fiber.h>
#include <weir/socket.h>

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)

#if WEIR_TLS

static char ca_file[] = "/tmp/weir-ca-XXXXXX", key_file[] = "/tmp/weir-key-XXXXXX";
static const char *const both[] = {"h2", "echo", NULL};
static const char *const only_echo[] = {"echo", NULL};

/* --- a peer ----------------------------------------------------------------------------------- */

/* Sends back what comes; or does what a good one would not. */
struct echo {
    int listener;
    struct weir__tls_server *server;
    enum { GOOD, SILENT, CUTS } is;
};

static weir_err serve_one(weir_ctx *c, struct echo *e, int num)
{
    struct weir__ctx *ctx = weir__ctx_of(c);
    struct weir__stream s;
    char bytes[256];
    size_t sent;
    assert_int_equal(weir__stream_attach(&s, (struct weir__detached){.num = num}, NULL), WEIR_OK);
    weir_err err = e->is == SILENT ? weir_sleep(c, weir_sec(3600)) : WEIR_OK;
    if (err == WEIR_OK)
        err = weir__tls_accept(&s, e->server);
    if (err == WEIR_OK)
        err = weir__tls_await_handshake(ctx, &s, weir_never(), NULL);
    for (ssize_t n; err == WEIR_OK;
         err = weir__stream_send(ctx, &s, bytes, (size_t)n, &sent, weir_never())) {
        n = weir__stream_recv(ctx, &s, bytes, sizeof bytes, weir_never());
        if (n <= 0)
            break;
    }
    if (e->is == CUTS)
        weir__stream_reset_on_close(&s);
    weir__stream_close(&s);
    return WEIR_OK;
}

static weir_err serve(weir_ctx *c, void *arg)
{
    struct echo *e = arg;
    struct weir__fd fd;
    assert_int_equal(weir__fd_watch(&fd, e->listener, NULL), WEIR_OK);
    for (;;) {
        struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &fd};
        ssize_t num = weir__io(weir__ctx_of(c), &op, weir_never());
        if (num < 0)
            break;
        (void)serve_one(c, e, (int)num);
    }
    weir__fd_close(&fd);
    return WEIR_OK;
}

static void open_echo(weir_ctx *peer, struct echo *e, char where[32])
{
    e->listener = weir__sim_listen();
    e->server = server_of((struct weir__tls_server_options){.choice = {.alpn = only_echo}});
    snprintf(where, 32, "127.0.0.1:%d", e->listener);
    assert_int_equal(WEIR_GO(peer, serve, e), WEIR_OK);
}

static void close_echo(weir_ctx *peer, struct echo *e)
{
    weir_cancel(peer);
    (void)weir_ctx_close(peer);
    weir__tls_server_free(e->server);
}

static void assert_record(weir_ctx *c, const char *part)
{
    const weir_error *e = weir_last_error(c);
    char text[400];
    assert_non_null(e);
    snprintf(text, sizeof text, WEIR_STR_FMT, WEIR_STR_ARG(e->message));
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, text);
    weir_error_clear(c);
}

/* --- what goes through ------------------------------------------------------------------------ */

static weir_err echoes(weir_ctx *c, void *arg)
{
    struct echo e = {.is = GOOD};
    char where[32], bytes[16];
    (void)arg;
    WEIR_SCOPE(peer, c);
    open_echo(peer, &e, where);
    weir_tls *tls = weir_tls_new(c, .ca_file = ca_file, .alpn = both, .min = "1.3");
    assert_int_equal(weir_tls_err(tls), WEIR_OK);
    for (int i = 0; i < 3; i++) {
        weir_socket *s = weir_dial(c, where, .tls = tls);
        assert_int_equal(weir_socket_err(s), WEIR_OK);
        assert_true(weir_str_eq(weir_socket_alpn(s), WEIR_S("echo")));
        assert_int_equal(weir_socket_send(c, s, "hello", 5), WEIR_OK);
        assert_int_equal(weir_socket_recv(c, s, bytes, sizeof bytes), 5);
        assert_memory_equal(bytes, "hello", 5);
        assert_int_equal(weir_socket_shutdown(c, s), WEIR_OK);
        assert_int_equal(weir_socket_recv(c, s, bytes, sizeof bytes), 0);
        weir_socket_close(c, s);
        assert_int_equal(weir_socket_alpn(s).len, 0);
    }
    weir_socket *named = weir_dial(c, where, .tls = tls, .tls_name = "server.example");
    assert_int_equal(weir_socket_err(named), WEIR_OK);
    weir_socket *plain = weir_dial(c, where);
    assert_int_equal(weir_socket_err(plain), WEIR_OK);
    assert_int_equal(weir_socket_alpn(plain).len, 0);
    weir_socket_close(c, named);
    weir_socket_close(c, plain);
    close_echo(peer, &e);
    return WEIR_OK;
}

/* A worker's context is made when it first connects: after the call, whose texts may be gone. */
static weir_err outlives_its_texts(weir_ctx *c, void *arg)
{
    struct echo e = {.is = GOOD};
    char where[32], ca[32], min[] = "1.2", echo[] = "echo";
    char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256", suites[] = "TLS_AES_256_GCM_SHA384";
    const char *alpn[] = {echo, NULL};
    (void)arg;
    WEIR_SCOPE(peer, c);
    open_echo(peer, &e, where);
    strcpy(ca, ca_file);
    weir_tls *tls = weir_tls_new(c, .ca_file = ca, .min = min, .ciphers = ciphers, .suites = suites,
                                 .alpn = alpn);
    assert_int_equal(weir_tls_err(tls), WEIR_OK);
    memset(ca, 'x', sizeof ca - 1);
    memset(min, 'x', sizeof min - 1);
    memset(ciphers, 'x', sizeof ciphers - 1);
    memset(suites, 'x', sizeof suites - 1);
    memset(echo, 'x', sizeof echo - 1);
    weir_socket *s = weir_dial(c, where, .tls = tls);
    assert_int_equal(weir_socket_err(s), WEIR_OK);
    assert_true(weir_str_eq(weir_socket_alpn(s), WEIR_S("echo")));
    weir_socket_close(c, s);
    close_echo(peer, &e);
    return WEIR_OK;
}

static weir_err fails(weir_ctx *c, void *arg)
{
    struct echo e = {.is = GOOD};
    char where[32], bytes[16];
    (void)arg;
    WEIR_SCOPE(peer, c);
    open_echo(peer, &e, where);
    weir_tls *tls = weir_tls_new(c, .ca_file = ca_file);
    weir_tls *systems = weir_tls_new(c, .min = "1.2");
    weir_socket *s = weir_dial(c, where, .tls = tls, .tls_name = "other.example");
    assert_int_equal(weir_socket_err(s), WEIR_ETLS);
    assert_record(c, "the certificate is refused: hostname mismatch; it is for server.example");
    s = weir_dial(c, where, .tls = systems);
    assert_int_equal(weir_socket_err(s), WEIR_ETLS);
    assert_record(c, "unable to get local issuer certificate");
    s = weir_dial(c, where, .tls = tls, .tls_name = "");
    assert_int_equal(weir_socket_err(s), WEIR_EINVALID);
    assert_record(c, "TLS needs .tls_name");
    e.is = CUTS;
    s = weir_dial(c, where, .tls = tls);
    assert_int_equal(weir_socket_send(c, s, "x", 1), WEIR_OK);
    assert_int_equal(weir_socket_recv(c, s, bytes, sizeof bytes), 1);
    assert_int_equal(weir_socket_shutdown(c, s), WEIR_OK);
    assert_int_equal(weir_socket_recv(c, s, bytes, sizeof bytes), -ECONNRESET);
    assert_int_equal(weir_socket_err(s), -ECONNRESET);
    weir_socket_close(c, s);
    e.is = SILENT;
    s = weir_dial(c, where, .tls = tls, .timeout = weir_ms(100));
    assert_int_equal(weir_socket_err(s), WEIR_ETIMEDOUT);
    assert_record(c, "cannot dial 127.0.0.1:");
    close_echo(peer, &e);
    return WEIR_OK;
}

static weir_err mistakes(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_tls *tls = weir_tls_new(c, .ca_file = "/nowhere/ca.pem");
    assert_int_equal(weir_tls_err(tls), -ENOENT);
    assert_record(c, "TLS: trusted certificates /nowhere/ca.pem: No such file");
    weir_socket *s = weir_dial(c, "127.0.0.1:1", .tls = tls);
    assert_int_equal(weir_socket_err(s), -ENOENT);
    assert_record(c, "cannot dial 127.0.0.1:1: its TLS could not be made");
    assert_int_equal(weir_tls_err(weir_tls_new(c, .cert_file = ca_file)), WEIR_EINVALID);
    assert_record(c, ".cert_file without .key_file");
    assert_int_equal(weir_tls_err(weir_tls_new(c, .min = "1.1")), WEIR_EINVALID);
    assert_record(c, ".min is \"1.1\"; allowed: \"1.2\", \"1.3\"");
    assert_int_equal(weir_tls_err(weir_tls_new(c, .ciphers = "NONE-SUCH")), WEIR_EINVALID);
    assert_record(c, "\"NONE-SUCH\" is none");
    return WEIR_OK;
}

static void test_what_goes_through(void **state)
{
    (void)state;
    SIM(echoes, NULL);
    SIM(outlives_its_texts, NULL);
}

static void test_what_fails(void **state)
{
    (void)state;
    SIM(fails, NULL);
    SIM(mistakes, NULL);
}

/* --- whatever runs out ------------------------------------------------------------------------ */

/* At its nth allocation, or wait, something fails; a second call is as good as ever. */
struct plan {
    uint64_t alloc, cancel;
    bool has_failed;
};

static weir_err dial_once(weir_ctx *c, const char *where)
{
    char bytes[8];
    weir_tls *tls = weir_tls_new(c, .ca_file = ca_file);
    weir_socket *s = weir_dial(c, where, .tls = tls);
    weir_err err = weir_socket_send(c, s, "hello", 5);
    if (err == WEIR_OK) {
        ssize_t n = weir_socket_recv(c, s, bytes, sizeof bytes);
        err = n < 0 ? (weir_err)n : WEIR_OK;
    }
    weir_socket_close(c, s);
    return err;
}

static weir_err survives(weir_ctx *c, void *arg)
{
    struct plan *p = arg;
    struct echo e = {.is = GOOD};
    char where[32];
    WEIR_SCOPE(peer, c);
    open_echo(peer, &e, where);
    assert_int_equal(dial_once(c, where), WEIR_OK);
    weir_ctx *inner = weir_ctx_open(c);
    weir__alloc_fail_nth(p->alloc);
    weir__wait_cancel_nth(p->cancel);
    p->has_failed = dial_once(inner, where) < 0;
    weir__alloc_fail_nth(0);
    weir__wait_cancel_nth(0);
    (void)weir_ctx_close(inner);
    weir_error_clear(c);
    e.is = GOOD;
    close_echo(peer, &e);
    return WEIR_OK;
}

static void test_nothing_stays_open(void **state)
{
    (void)state;
    unsigned failed = 0;
    for (uint64_t nth = 1; nth < 40; nth++) {
        struct plan p = {.alloc = nth};
        SIM(survives, &p);
        failed += p.has_failed;
    }
    for (uint64_t nth = 1; nth < 12; nth++) {
        struct plan p = {.cancel = nth};
        SIM(survives, &p);
        failed += p.has_failed;
    }
    assert_true(failed > 10);
}

/* Also where libssl is not asked: it ends the connection, and counts. */
static weir_err lacks_memory(weir_ctx *c, void *arg)
{
    struct pair p;
    struct weir__tls_server *server = server_of((struct weir__tls_server_options){.workers = 1});
    const _Atomic uint64_t *others =
        &weir__tls_numbers.sides[WEIR__TLS_SERVER].failures[WEIR__TLS_OTHER];
    uint64_t before = *others;
    (void)c, (void)arg;
    attach_pair(&p, 65536);
    assert_int_equal(weir__tls_accept(&p.server, server), WEIR_OK);
    weir__alloc_fail_nth(1);
    step_end(&p.server, &p.server_err, p.server_why, sizeof p.server_why);
    weir__alloc_fail_nth(0);
    assert_int_equal(p.server_err, -ENOMEM);
    assert_string_equal(p.server_why, "the connection is broken: Cannot allocate memory");
    assert_int_equal(weir__tls_handshake(&p.server, NULL), -ENOMEM);
    assert_int_equal(*others, before + 1);
    close_pair(&p);
    weir__tls_server_free(server);
    return WEIR_OK;
}

static void test_a_lack_of_memory_is_counted(void **state)
{
    (void)state;
    SIM(lacks_memory, NULL);
}

static void write_file(char *name, const char *text)
{
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static int make(void **state)
{
    (void)state;
    make_test_certificates();
    write_file(ca_file, test_ca.chain);
    write_file(key_file, test_ca.key_pem);
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    free_test_certificates();
    return unlink(ca_file) | unlink(key_file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_goes_through),
        cmocka_unit_test(test_what_fails),
        cmocka_unit_test(test_nothing_stays_open),
        cmocka_unit_test(test_a_lack_of_memory_is_counted),
    };
    return cmocka_run_group_tests_name("tls_handle", tests, make, unmake);
}

#else

static weir_err is_absent(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_tls *tls = weir_tls_new(c, .min = "1.3");
    assert_int_equal(weir_tls_err(tls), WEIR_ENOTBUILT);
    assert_int_equal(weir_socket_err(weir_dial(c, "127.0.0.1:1", .tls = tls)), WEIR_ENOTBUILT);
    return WEIR_OK;
}

static void test_it_is_absent(void **state)
{
    (void)state;
    SIM(is_absent, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_it_is_absent)};
    return cmocka_run_group_tests_name("tls_handle", tests, NULL, NULL);
}

#endif
