/*
 * Configurations of TLS: every mistake has its line, names find their certificate, tickets are
 * taken by other workers, configurations and keys, and certificates are read again while
 * connections live.
 */
#include "net/tls_testing.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/metric_testing.h"
#include "net/tls_ticket.h"
#include "rt/reload.h"
#include <weir/fiber.h>
#include <weir/time.h>

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)
#define ROOM 65536u

#if WEIR_TLS

static struct authority second, third;

static void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

/* --- mistakes --------------------------------------------------------------------------------- */

static void refuses_server(struct weir__tls_server_options o, weir_err expected, const char *part)
{
    struct weir__tls_server *server;
    struct weir__tls_pair pair = pair_of(&test_server);
    char text[400] = "";
    weir_buf why;
    weir_buf_init_fixed(&why, text, sizeof text - 1);
    if (o.pair_count == 0) {
        o.pairs = &pair;
        o.pair_count = 1;
    }
    o.workers = 2;
    assert_int_equal(weir__tls_server_new(&o, &server, &why), expected);
    assert_null(server);
    assert_says(text, part);
    assert_int_equal(weir__tls_server_new(&o, &server, NULL), expected);
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_mistakes_of_a_server(void **state)
{
    (void)state;
    static char encrypted[4096];
    BIO *text = BIO_new(BIO_s_mem());
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(text, test_server.key, EVP_aes_128_cbc(), "x", 1, NULL, NULL),
        1);
    write_pem(text, encrypted, sizeof encrypted);
    static const char *const empty[] = {"", NULL};
    const struct weir__tls_source chain = source_of(test_server.chain),
                                  key = source_of(test_server.key_pem), none = source_of("");
    const struct {
        struct weir__tls_pair pair;
        weir_err err;
        const char *says;
    } rows[] = {
        {{{.file = "/nowhere/cert.pem"}, key, none},
         -ENOENT,
         "certificate /nowhere/cert.pem: No such file"},
        {{chain, {.file = "/nowhere/key.pem"}, none}, -ENOENT, "key /nowhere/key.pem"},
        {{chain, {.file = "/"}, none}, -EISDIR, "key /: "},
        {{none, key, none}, WEIR_EINVALID, "no certificate in it; wanted: PEM text"},
        {{key, key, none}, WEIR_EINVALID, "no certificate in it"},
        {{chain, none, none}, WEIR_EINVALID, "no private key can be read"},
        {{chain, source_of(encrypted), none}, WEIR_EINVALID, "without a password"},
        {{chain, source_of(second.key_pem), none}, WEIR_EINVALID, "is not that of certificate"},
        {{chain, key, source_of("nonsense")}, WEIR_EINVALID, "OCSP answer"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refuses_server((struct weir__tls_server_options){.pairs = &rows[i].pair, .pair_count = 1},
                       rows[i].err, rows[i].says);
    refuses_server((struct weir__tls_server_options){.choice = {.ciphers = "ECDHE+AESGCM:ROT13"}},
                   WEIR_EINVALID, "ciphers: \"ROT13\" is none");
    refuses_server((struct weir__tls_server_options){.choice = {.ciphers = ""}}, WEIR_EINVALID,
                   "ciphers");
    refuses_server((struct weir__tls_server_options){.choice = {.suites = "TLS_ROT13"}},
                   WEIR_EINVALID, "cipher suites: \"TLS_ROT13\"");
    refuses_server((struct weir__tls_server_options){.choice = {.alpn = empty}}, WEIR_EINVALID,
                   "protocols: allowed");
    refuses_server((struct weir__tls_server_options){.clients = WEIR__TLS_ASK, .client_ca = none},
                   WEIR_EINVALID, "trusted certificates");
}

static void test_mistakes_of_a_client(void **state)
{
    (void)state;
    const struct weir__tls_client_options rows[] = {
        {.ca = {.file = "/nowhere/ca.pem"}},
        {.ca = source_of("nothing in it")},
        {.own = {.chain = source_of(second.chain)}},
        {.choice = {.ciphers = "ROT13"}},
    };
    const char *const says[] = {"trusted certificates /nowhere/ca.pem: No such file", "none in it",
                                "no private key", "\"ROT13\" is none"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weir__tls_client *client;
        char text[400] = "";
        weir_buf why;
        weir_buf_init_fixed(&why, text, sizeof text - 1);
        assert_true(weir__tls_client_new(&rows[i], &client, &why) < 0);
        assert_null(client);
        assert_says(text, says[i]);
    }
}

/* --- names ------------------------------------------------------------------------------------ */

struct asked {
    const char *name, *served; /* part of whom the certificate is for */
};

static weir_err serves(weir_ctx *c, void *arg)
{
    (void)c;
    const struct asked *a = arg;
    struct weir__tls_pair pairs[] = {pair_of(&test_server), pair_of(&second), pair_of(&third)};
    struct weir__tls_server *server =
        server_of((struct weir__tls_server_options){.pairs = pairs, .pair_count = 3});
    struct weir__tls_client *client =
        client_of((struct weir__tls_client_options){.is_unverified = true});
    struct pair p;
    char text[100];
    weir_buf who;
    weir_buf_init_fixed(&who, text, sizeof text - 1);
    connect_pair(&p, server, client, a->name, ROOM);
    assert_int_equal(p.client_err, WEIR_OK);
    weir__tls_peer_subject(&p.client, &who);
    text[who.len] = '\0';
    assert_string_equal(text, a->served);
    close_pair(&p);
    weir__tls_server_free(server);
    weir__tls_client_unref(client);
    return WEIR_OK;
}

static void test_names_find_their_certificate(void **state)
{
    (void)state;
    static struct asked rows[] = {
        {"server.example", "CN=server.example"},     {"SERVER.example", "CN=server.example"},
        {"a.wild.example", "CN=server.example"},     {"b.a.wild.example", "CN=server.example"},
        {"second.example", "CN=second.example"},     {"a.second.example", "CN=second.example"},
        {"only.second.example", "CN=third.example"}, {"third.example", "CN=third.example"},
        {"elsewhere.example", "CN=server.example"},  {"127.0.0.1", "CN=server.example"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        SIM(serves, &rows[i]);
}

/* --- sessions --------------------------------------------------------------------------------- */

static struct weir__tls_server *server;
static struct weir__tls_client *client;

/* One more connection: was a session gone on with? */
static bool resumes_at(const char *name, uint16_t port)
{
    struct pair p;
    struct weir__tls_facts f;
    connect_pair_at(&p, server, client, name, port, ROOM);
    assert_int_equal(p.client_err, WEIR_OK);
    assert_int_equal(p.server_err, WEIR_OK);
    settle(&p);
    weir__tls_facts(&p.server, &f);
    bool is_resumed = f.is_resumed;
    weir__tls_facts(&p.client, &f);
    assert_int_equal(f.is_resumed, is_resumed);
    close_pair(&p);
    return is_resumed;
}

static bool resumes(const char *name)
{
    return resumes_at(name, 443);
}

static weir_err go_on_with_sessions(weir_ctx *c, void *arg)
{
    const enum weir__tls_version *version = arg;
    struct weir__tls_choice choice = {.version_max = *version};
    weir__tls_keys_from(NULL); /* each simulation begins at the same time */
    server = server_of((struct weir__tls_server_options){.choice = choice});
    client = client_of((struct weir__tls_client_options){.choice = choice});
    assert_false(resumes("server.example"));
    assert_true(resumes("server.example"));
    assert_true(resumes("server.example"));
    assert_false(resumes("a.wild.example"));          /* a session is a name's */
    assert_false(resumes_at("server.example", 8443)); /* and a port's, where another may serve */
    assert_true(resumes_at("SERVER.example", 8443));  /* names have no case (RFC 4343) */
    assert_true(resumes("server.example"));           /* which has kept its own */
    /* Another configuration, as another worker's or another process' is, with the same keys. */
    weir__tls_server_free(server);
    server = server_of((struct weir__tls_server_options){.choice = choice, .workers = 3});
    assert_true(resumes("server.example"));
    /* Two old keys are kept. */
    for (int turns = 0; turns < 2; turns++) {
        assert_int_equal(weir_sleep(c, weir_sec(13 * 3600)), WEIR_OK);
        assert_true(resumes("server.example"));
    }
    /* Not where another certificate of its client's would be asked for. */
    weir__tls_server_free(server);
    server = server_of((struct weir__tls_server_options){
        .choice = choice, .clients = WEIR__TLS_ASK, .client_ca = source_of(test_ca.chain)});
    assert_false(resumes("server.example"));
    weir__tls_server_free(server);
    weir__tls_client_unref(client);
    return WEIR_OK;
}

static void test_sessions_are_gone_on_with(void **state)
{
    (void)state;
    static enum weir__tls_version versions[] = {WEIR__TLS_1_2, WEIR__TLS_1_3};
    for (size_t i = 0; i < 2; i++)
        SIM(go_on_with_sessions, &versions[i]);
}

/* Tickets of a key that is older than the two that are kept are not taken, nor are strangers'. */
static weir_err keys_grow_old(weir_ctx *c, void *arg)
{
    (void)arg;
    weir__tls_keys_from(NULL); /* each simulation begins at the same time */
    server = server_of((struct weir__tls_server_options){.choice = {.alpn = NULL}});
    client = client_of((struct weir__tls_client_options){.is_unverified = false});
    assert_false(resumes("server.example"));
    assert_int_equal(weir_sleep(c, weir_sec(40 * 3600)), WEIR_OK);
    assert_false(resumes("server.example"));
    assert_true(resumes("server.example"));
    weir__tls_keys_from(NULL); /* as a process has none that has just begun */
    assert_false(resumes("server.example"));
    weir__tls_server_free(server);
    weir__tls_client_unref(client);
    return WEIR_OK;
}

static void test_keys_of_tickets_grow_old(void **state)
{
    (void)state;
    SIM(keys_grow_old, NULL);
}

/* --- stapling --------------------------------------------------------------------------------- */

/* The least that is a successful answer: RFC 6960 section 4.2.1. */
static size_t answer(char *out)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, test_server.certificate, test_ca.certificate);
    ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
    assert_non_null(OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, NULL, now, NULL));
    assert_int_equal(
        OCSP_basic_sign(basic, test_ca.certificate, test_ca.key, EVP_sha256(), NULL, 0), 1);
    OCSP_RESPONSE *r = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    unsigned char *to = (unsigned char *)out;
    int n = i2d_OCSP_RESPONSE(r, &to);
    assert_true(n > 0);
    ASN1_TIME_free(now);
    OCSP_CERTID_free(id);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(r);
    return (size_t)n;
}

/* libssl's own client over memory: ours does not ask. */
static weir_err staples(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    static char bytes[8192];
    struct weir__tls_pair pair = pair_of(&test_server);
    pair.staple.bytes = (weir_str){bytes, answer(bytes)};
    server = server_of((struct weir__tls_server_options){.pairs = &pair, .pair_count = 1});
    struct pair p;
    attach_pair(&p, ROOM);
    assert_int_equal(weir__tls_accept(&p.server, server), WEIR_OK);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    static char wire[16384];
    SSL_set_bio(ssl, in, out);
    SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
    for (int i = 0; i < 4 && SSL_connect(ssl) != 1; i++) {
        int n = BIO_read(out, wire, sizeof wire);
        if (n > 0)
            assert_int_equal(weir__stream_try_send(&p.client, &(struct iovec){wire, (size_t)n}, 1),
                             n);
        (void)weir__tls_handshake(&p.server, NULL);
        ssize_t got = weir__stream_try_recv(&p.client, wire, sizeof wire);
        if (got > 0)
            assert_int_equal(BIO_write(in, wire, (int)got), got);
    }
    const unsigned char *stapled;
    long len = SSL_get_tlsext_status_ocsp_resp(ssl, &stapled);
    assert_int_equal(len, pair.staple.bytes.len);
    assert_memory_equal(stapled, bytes, (size_t)len);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close_pair(&p);
    weir__tls_server_free(server);
    return WEIR_OK;
}

static void test_an_answer_is_stapled(void **state)
{
    (void)state;
    SIM(staples, NULL);
}

/* --- read again ------------------------------------------------------------------------------- */

static char folder[] = "/tmp/weir-tls-XXXXXX", cert_file[64], key_file[64];

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void write_pair(const struct authority *a)
{
    write_file(cert_file, a->chain);
    write_file(key_file, a->key_pem);
}

static struct weir__tls_server *server_of_files(void)
{
    static struct weir__tls_pair pair;
    pair = (struct weir__tls_pair){.chain = {.file = cert_file}, .key = {.file = key_file}};
    return server_of((struct weir__tls_server_options){.pairs = &pair, .pair_count = 1});
}

static bool is_served(const char *name)
{
    struct pair p;
    char text[100];
    weir_buf who;
    weir_buf_init_fixed(&who, text, sizeof text);
    connect_pair(&p, server, client, name, ROOM);
    weir__tls_peer_subject(&p.client, &who);
    close_pair(&p);
    return who.len == 3 + strlen(name) && memcmp(text + 3, name, strlen(name)) == 0;
}

static weir_err reloads(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    bool is_new;
    char text[400] = "", bytes[8];
    weir_buf why;
    struct pair old;
    client = client_of((struct weir__tls_client_options){.is_unverified = true});
    write_pair(&test_server);
    server = server_of_files();
    connect_pair(&old, server, client, "server.example", ROOM);
    settle(&old);
    assert_int_equal(weir__tls_server_reload(server, &is_new, NULL), WEIR_OK);
    assert_false(is_new);
    write_file(cert_file, second.chain); /* half of it */
    weir_buf_init_fixed(&why, text, sizeof text - 1);
    assert_int_equal(weir__tls_server_reload(server, &is_new, &why), WEIR_EINVALID);
    assert_says(text, "is not that of certificate");
    assert_true(is_served("server.example"));
    write_file(key_file, second.key_pem);
    assert_int_equal(weir__tls_server_reload(server, &is_new, NULL), WEIR_OK);
    assert_true(is_new);
    assert_true(is_served("second.example"));
    /* What was there before goes on, also without the configuration. */
    weir__tls_server_free(server);
    assert_int_equal(weir__stream_try_send(&old.client, &(struct iovec){"hello", 5}, 1), 5);
    assert_int_equal(weir__stream_try_recv(&old.server, bytes, sizeof bytes), 5);
    close_pair(&old);
    weir__tls_client_unref(client);
    return WEIR_OK;
}

/* A key that was read is in no memory that was given back; smaller blocks are those of stdio. */
static weir_err leaves_no_key(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    enum { BLOCKS = 8, LEAST = 16 << 10, MOST = 64 << 10 };
    static char *blocks[BLOCKS];
    char line[32];
    bool is_new;
    write_pair(&test_server);
    memcpy(line, strchr(test_server.key_pem, '\n') + 1, sizeof line);
    server = server_of_files();
    assert_int_equal(weir__tls_server_reload(server, &is_new, NULL), WEIR_OK);
    for (size_t size = LEAST; size <= MOST; size *= 2) {
        for (size_t i = 0; i < BLOCKS; i++) { /* what was given back last comes first */
            blocks[i] = weir__malloc(size);
            assert_non_null(blocks[i]);
            assert_null(memmem(blocks[i], size, line, sizeof line));
        }
        for (size_t i = 0; i < BLOCKS; i++)
            weir__free(blocks[i]);
    }
    weir__tls_server_free(server);
    return WEIR_OK;
}

static weir_err has_it_read(weir_ctx *c, void *arg)
{
    (void)arg;
    assert_int_equal(weir__reload_all(c), 0);
    return WEIR_OK;
}

static weir_err watches(weir_ctx *c, void *arg)
{
    (void)arg;
    client = client_of((struct weir__tls_client_options){.is_unverified = true});
    write_pair(&test_server);
    server = server_of_files();
    WEIR_SCOPE(watching, c);
    assert_int_equal(weir__tls_server_watch(server, watching), WEIR_OK);
    write_pair(&second);
    assert_true(is_served("server.example"));
    assert_int_equal(weir_sleep(c, weir_sec(61)), WEIR_OK); /* by the minute */
    assert_true(is_served("second.example"));
    write_file(cert_file, "no certificate");
    assert_int_equal(weir_sleep(c, weir_sec(121)), WEIR_OK);
    assert_true(is_served("second.example"));
    assert_int_equal(weir__reload_all(c), 1); /* when it is asked for */
    write_pair(&test_server);
    assert_int_equal(weir__reload_all(c), 0);
    assert_true(is_served("server.example"));
    write_pair(&second);
    assert_int_equal(WEIR_GO(c, has_it_read, NULL), WEIR_OK); /* by two at once */
    assert_int_equal(weir__reload_all(c), 0);
    assert_int_equal(weir_join(c), WEIR_OK);
    assert_true(is_served("second.example"));
    (void)weir_ctx_close(watching);
    assert_int_equal(weir__reload_all(c), 0);
    weir__tls_server_free(server);
    weir__tls_client_unref(client);
    return WEIR_OK;
}

static void test_certificates_are_read_again(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(cert_file, sizeof cert_file, "%s/cert.pem", folder);
    snprintf(key_file, sizeof key_file, "%s/key.pem", folder);
    SIM(reloads, NULL);
    SIM(leaves_no_key, NULL);
    SIM(watches, NULL);
    assert_int_equal(unlink(cert_file), 0);
    assert_int_equal(unlink(key_file), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static weir_err counts(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    struct weir__metrics m = {.count = 0};
    struct pair p;
    weir__tls_metrics(&m);
    server = server_of((struct weir__tls_server_options){.choice = {.alpn = NULL}});
    client = client_of((struct weir__tls_client_options){.is_unverified = false});
    assert_true(metric_lines_has(&m, "\nweir_tls_handshakes_total side=server kind=full 0 "
                                     "side=server kind=resumed 0 side=client kind=full 0 "
                                     "side=client kind=resumed 0\n"));
    assert_true(metric_lines_has(&m, "\nweir_tls_certificate_days_left name=server.example 1 "
                                     "name=*.wild.example 1\n"));
    (void)resumes("server.example");
    (void)resumes("server.example");
    assert_true(metric_lines_has(&m, "\nweir_tls_handshakes_total side=server kind=full 1 "
                                     "side=server kind=resumed 1 side=client kind=full 1 "
                                     "side=client kind=resumed 1\n"));
    connect_pair(&p, server, client, "elsewhere.example", ROOM);
    assert_string_equal(weir__tls_failure_name(weir__tls_failure(&p.client)), "certificate");
    close_pair(&p);
    assert_true(metric_lines_has(&m, "side=server kind=refused 1"));
    assert_true(metric_lines_has(&m, "side=client kind=certificate 1"));
    assert_true(metric_lines_has(&m, "\nweir_tls_handshakes_waiting 0\n"));
    weir__tls_server_free(server);
    weir__tls_client_unref(client);
    assert_true(metric_lines_has(&m, "\nweir_tls_certificate_days_left\n"));
    return WEIR_OK;
}

/* The first of all, for the numbers are the process'. */
static void test_numbers(void **state)
{
    (void)state;
    SIM(counts, NULL);
}

static int make(void **state)
{
    (void)state;
    make_test_certificates();
    make_certificate(&second,
                     &(struct made){"second.example", "DNS:second.example,DNS:*.second.example",
                                    .by = &test_ca});
    make_certificate(&third,
                     &(struct made){"third.example", "DNS:third.example,DNS:only.second.example",
                                    .by = &test_ca});
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    free_certificate(&second);
    free_certificate(&third);
    free_test_certificates();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_mistakes_of_a_server),
        cmocka_unit_test(test_mistakes_of_a_client),
        cmocka_unit_test(test_names_find_their_certificate),
        cmocka_unit_test(test_sessions_are_gone_on_with),
        cmocka_unit_test(test_keys_of_tickets_grow_old),
        cmocka_unit_test(test_an_answer_is_stapled),
        cmocka_unit_test(test_certificates_are_read_again),
    };
    return cmocka_run_group_tests_name("tls_config", tests, make, unmake);
}

#else

int main(void)
{
    return 0; /* tls_test.c has what a build without TLS says */
}

#endif
