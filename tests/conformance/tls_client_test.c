/*
 * RFC 8446, 6125, 7301 and 9325: what a client makes of its server's answer. A row is a ServerHello
 * that is right but for what the row says, or bytes instead of one, and the alert that the server
 * gets; or a certificate, and the name that it was dialled by. What goes wrong is counted, and
 * named to who dials.
 *
 * net/tls_test.c has the rest of what is refused of certificates, with its words.
 */
#include "net/tls.h"

#if WEIR_TLS

#include "tls_wire.h"

#include <openssl/err.h>

#define ROOM 65536u
#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)
#define MALFORMED WEIR__TLS_MALFORMED
#define VERSION WEIR__TLS_VERSION

/* --- answers ---------------------------------------------------------------------------------- */

struct row {
    const char *section, *name;
    enum alert alert; /* that the server gets; SILENT: none */
    enum weir__tls_failure counted;
    weir_str raw;     /* what is sent instead of a ServerHello; absent: that */
    unsigned version; /* its old field; 0: 0x0303 */
    const char *random;
    weir_str session; /* default: the client's */
    unsigned suite;   /* 0: 0x1301 */
    unsigned compression;
    weir_str selected, share; /* extensions; see or_usual */
    weir_str behind;          /* extensions behind them */
    bool ends;                /* and then the server closes */
};

#define RULE(section_, name_, alert_, counted_, ...)                                               \
    {                                                                                              \
        .section = section_, .name = name_, .alert = alert_, .counted = counted_, __VA_ARGS__      \
    }
#define OF_1_2 .suite = 0xc02b, .selected = NONE, .share = NONE
#define ASKS_AGAIN .random = asks_again

/* The random bytes of who asks for another hello (RFC 8446 section 4.1.3). */
static const char asks_again[] = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
                                 "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c";

static const struct row rows[] = {
    RULE("8446 4.1.3", "a suite that was not offered", ILLEGAL_PARAMETER, MALFORMED,
         .suite = 0x1304),
    RULE("8446 4.1.3", "a suite of 1.2", ILLEGAL_PARAMETER, MALFORMED, .suite = 0xc02b),
    RULE("8446 4.1.3", "another session", ILLEGAL_PARAMETER, MALFORMED,
         .session = BYTES("0123456789abcdef0123456789abcdef")),
    RULE("8446 4.1.3", "compression", ILLEGAL_PARAMETER, MALFORMED, .compression = 1),
    RULE("8446 4.1.3", "1.2, and a sign that it could do better", ILLEGAL_PARAMETER, VERSION,
         OF_1_2, .random = "0123456789abcdef01234567DOWNGRD\x01"),
    RULE("8446 4.2", "an extension that nobody knows", SILENT, WEIR__TLS_WELL,
         .behind = BYTES("\x7a\x7a\0\0")),
    RULE("8446 4.2", "one at a wrong place", ILLEGAL_PARAMETER, MALFORMED,
         .behind = BYTES("\0\x10\0\x05\0\x03\x02h2")),
    RULE("8446 4.2", "one twice", ILLEGAL_PARAMETER, MALFORMED,
         .behind = BYTES("\0\x2b\0\x02\x03\x04")),
    RULE("8446 4.2.1", "1.2 by the extension", ILLEGAL_PARAMETER, VERSION,
         .selected = BYTES("\x03\x03")),
    RULE("8446 4.2.1", "1.1 by the extension", ILLEGAL_PARAMETER, VERSION,
         .selected = BYTES("\x03\x02")),
    RULE("8446 4.2.1", "a version that there is not", ILLEGAL_PARAMETER, VERSION,
         .selected = BYTES("\x03\x05")),
    RULE("8446 4.2.8", "a group that was not offered", ILLEGAL_PARAMETER, MALFORMED,
         .share = BYTES("\x7a\x7a\0\x01x")),
    RULE("8446 4.2.8", "a share of zeros", ILLEGAL_PARAMETER, MALFORMED,
         .share = BYTES("\x00\x1d\x00\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")),
    RULE("8446 4.2.8", "no share", MISSING_EXTENSION, WEIR__TLS_CIPHER, .share = NONE),
    RULE("8446 4.1.4", "asks for a group that was not offered", ILLEGAL_PARAMETER, MALFORMED,
         ASKS_AGAIN, .share = BYTES("\x7a\x7a")),
    RULE("8446 4.1.4", "asks for the group that it has", ILLEGAL_PARAMETER, MALFORMED, ASKS_AGAIN,
         .share = BYTES("\x00\x1d")),
    RULE("8446 4.1.4", "asks for nothing", ILLEGAL_PARAMETER, MALFORMED, ASKS_AGAIN, .share = NONE),
    RULE("9325 3.1.1", "1.1", PROTOCOL_VERSION, VERSION, .version = 0x0302, OF_1_2),
    RULE("9325 3.1.1", "1.0", PROTOCOL_VERSION, VERSION, .version = 0x0301, OF_1_2),
    RULE("9325 3.1.1", "SSL 3", PROTOCOL_VERSION, VERSION, .version = 0x0300, OF_1_2),
    RULE("9325 4.1", "a cipher without forward secrecy", ILLEGAL_PARAMETER, MALFORMED,
         .selected = NONE, .share = NONE, .suite = 0x009c),
    RULE("5246 7.4.1.3", "compression", ILLEGAL_PARAMETER, MALFORMED, OF_1_2, .compression = 1),
    RULE("8446 5.1", "an answer of HTTP", SILENT, MALFORMED,
         .raw = BYTES("HTTP/1.1 400 Bad Request\r\n\r\n")),
    RULE("8446 5.1", "a line of SSH", SILENT, MALFORMED, .raw = BYTES("SSH-2.0-OpenSSH_9.2\r\n")),
    RULE("8446 5.1", "longer than a record may be", RECORD_OVERFLOW, MALFORMED,
         .raw = BYTES("\x16\x03\x03\x48\x01x")),
    RULE("8446 5.1", "data before the handshake", UNEXPECTED_MESSAGE, MALFORMED,
         .raw = BYTES("\x17\x03\x03\0\x05hello")),
    RULE("8446 4", "another message", UNEXPECTED_MESSAGE, MALFORMED,
         .raw = BYTES("\x16\x03\x03\0\x04\x0e\0\0\0")),
    RULE("8446 4", "a message that is too large", ILLEGAL_PARAMETER, MALFORMED,
         .raw = BYTES("\x16\x03\x03\0\x06\x02\xff\xff\xff\x03\x03")),
    RULE("8446 6.2", "an alert", SILENT, WEIR__TLS_REFUSED,
         .raw = BYTES("\x15\x03\x03\0\x02\x02\x28")),
    RULE("6066 3", "a warning that nobody has that name", DECODE_ERROR, WEIR__TLS_CUT,
         .raw = BYTES("\x15\x03\x03\0\x02\x01\x70"), .ends = true),
    RULE("8446 6.1", "nothing but the end", DECODE_ERROR, WEIR__TLS_CUT, .raw = BYTES(""),
         .ends = true),
    RULE("8446 6.1", "the end in a record's head", DECODE_ERROR, WEIR__TLS_CUT,
         .raw = BYTES("\x16\x03"), .ends = true),
    RULE("8446 6.1", "the end in a record", DECODE_ERROR, WEIR__TLS_CUT,
         .raw = BYTES("\x16\x03\x03\0\x50\x02\0"), .ends = true),
};

static struct weir__tls_client *client;
static const struct row *present;

#define hold(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s: %s: %s does not hold", present->section, present->name, #condition);     \
    } while (0)

/* `hello`: the client's, whose session is said again (RFC 8446 section 4.1.3). */
static void put_answer(struct wire *w, const struct row *r, const char *hello)
{
    static struct wire m;
    weir_str session = {hello + 44, (unsigned char)hello[43]};
    m.len = 0;
    wire_number(&m, 1, 2);
    size_t from = wire_begin(&m, 3);
    wire_number(&m, 2, r->version != 0 ? r->version : 0x0303);
    wire_put(&m, r->random != NULL ? r->random : "0123456789abcdef0123456789abcdef", 32);
    wire_vector(&m, 1, or_usual(r->session, session));
    wire_number(&m, 2, r->suite != 0 ? r->suite : 0x1301);
    wire_number(&m, 1, r->compression);
    size_t extensions = wire_begin(&m, 2);
    wire_extension(&m, 43, or_usual(r->selected, (weir_str)BYTES("\x03\x04")));
    wire_extension(&m, 51, or_usual(r->share, (weir_str)BYTES(X25519_SHARE)));
    wire_puts(&m, r->behind);
    wire_end(&m, extensions, 2);
    wire_end(&m, from, 3);
    wire_record(w, HANDSHAKE, 0x0303, m.len, (weir_str){(char *)m.bytes, m.len});
}

static weir_err is_answered(weir_ctx *c, void *arg)
{
    (void)c;
    const struct row *r = present = arg;
    static struct wire w;
    char bytes[2048];
    struct pair p;
    uint64_t before = failures_of(WEIR__TLS_CLIENT, r->counted);
    attach_pair(&p, ROOM);
    assert_int_equal(weir__tls_connect(&p.client, client, WEIR_S("server.example"), 443), WEIR_OK);
    step_end(&p.client, &p.client_err, p.client_why, sizeof p.client_why);
    assert_true(weir__stream_try_recv(&p.server, bytes, sizeof bytes) > 80);
    w.len = 0;
    if (r->raw.ptr != NULL)
        wire_puts(&w, r->raw);
    else
        put_answer(&w, r, bytes);
    if (w.len > 0)
        assert_int_equal(weir__stream_try_send(&p.server, &(struct iovec){w.bytes, w.len}, 1),
                         w.len);
    if (r->ends)
        (void)weir__stream_shutdown(&p.server);
    step_end(&p.client, &p.client_err, p.client_why, sizeof p.client_why);
    ssize_t n = weir__stream_try_recv(&p.server, bytes, sizeof bytes);
    unsigned alert = alert_of(bytes, n > 0 ? (size_t)n : 0);
    hold(alert == r->alert && weir__tls_failure(&p.client) == r->counted);
    if (r->counted == WEIR__TLS_WELL) { /* more is waited for */
        hold(p.client_err == -EAGAIN);
    } else {
        hold(p.client_err == WEIR_ETLS && p.client_why[0] != '\0');
        hold(failures_of(WEIR__TLS_CLIENT, r->counted) == before + 1);
    }
    close_pair(&p);
    return WEIR_OK;
}

static void test_answers(void **state)
{
    (void)state;
    static const size_t chops[] = {0, 1, 7};
    for (size_t c = 0; c < sizeof chops / sizeof chops[0]; c++) {
        weir__sim_chop(chops[c]);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            SIM(is_answered, (void *)(uintptr_t)&rows[i]);
    }
    weir__sim_chop(0);
}

/* --- a server of libssl ----------------------------------------------------------------------- */

struct fake {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    unsigned alert;
};

static const char *const offered[] = {"http/1.1", NULL};
static weir_str answered; /* the protocol that the fake server chooses, whatever is offered */

static int choose(SSL *ssl, const unsigned char **out, unsigned char *len,
                  const unsigned char *protocols_, unsigned size, void *unused)
{
    (void)ssl, (void)protocols_, (void)size, (void)unused;
    *out = (const unsigned char *)answered.ptr;
    *len = (unsigned char)answered.len;
    return SSL_TLSEXT_ERR_OK;
}

static void note_alert(const SSL *ssl, int where, int value)
{
    struct fake *f = SSL_get_app_data(ssl);
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
        f->alert = (unsigned)value & 0xff;
}

/* Whatever the certificate: it is the client that looks at it. */
static void fake_open(struct fake *f, const struct authority *a, int version)
{
    *f = (struct fake){.alert = SILENT, .ctx = SSL_CTX_new(TLS_server_method())};
    SSL_CTX_set_security_level(f->ctx, 0);
    SSL_CTX_set_max_proto_version(f->ctx, version);
    assert_int_equal(SSL_CTX_use_certificate(f->ctx, a->certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(f->ctx, a->key), 1);
    SSL_CTX_set_info_callback(f->ctx, note_alert);
    if (answered.ptr != NULL)
        SSL_CTX_set_alpn_select_cb(f->ctx, choose, NULL);
    f->ssl = SSL_new(f->ctx);
    f->in = BIO_new(BIO_s_mem());
    f->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(f->in, -1);
    SSL_set_bio(f->ssl, f->in, f->out);
    SSL_set_app_data(f->ssl, f);
    SSL_set_accept_state(f->ssl);
}

static void fake_close(struct fake *f)
{
    SSL_free(f->ssl);
    SSL_CTX_free(f->ctx);
    ERR_clear_error();
}

/* One step of both. */
static void step_both(struct pair *p, struct fake *f)
{
    char bytes[8192], byte;
    ssize_t got;
    step_end(&p->client, &p->client_err, p->client_why, sizeof p->client_why);
    while ((got = weir__stream_try_recv(&p->server, bytes, sizeof bytes)) > 0)
        assert_int_equal(BIO_write(f->in, bytes, (int)got), got);
    if (SSL_do_handshake(f->ssl) == 1)
        (void)SSL_read(f->ssl, &byte, 1);
    ERR_clear_error();
    for (int n; (n = BIO_read(f->out, bytes, sizeof bytes)) > 0;)
        assert_int_equal(weir__stream_try_send(&p->server, &(struct iovec){bytes, (size_t)n}, 1),
                         n);
}

static void play(struct pair *p, struct fake *f, struct weir__tls_client *with, const char *host)
{
    attach_pair(p, ROOM);
    assert_int_equal(weir__tls_connect(&p->client, with, weir_str_from(host), 443), WEIR_OK);
    for (int i = 0; i < 6; i++)
        step_both(p, f);
}

/* --- certificates and names ------------------------------------------------------------------- */

struct certified {
    const char *section, *name;
    struct made made; /* by the authority that is trusted */
    const char *host; /* that is dialled */
    const char *says; /* part of why it is refused; NULL: it is taken */
};

static const struct certified certificates[] = {
    {"6125 6.4.1", "its name", {.names = "DNS:a.example"}, "a.example", NULL},
    {"6125 6.4.1", "its name in capitals", {.names = "DNS:A.Example"}, "a.EXAMPLE", NULL},
    {"6125 6.4.1", "its name with a dot behind it", {.names = "DNS:a.example"}, "a.example.", NULL},
    {"6125 6.4.1", "another name", {.names = "DNS:a.example"}, "b.example", "ostname mismatch"},
    {"6125 6.4.1", "a part of it", {.names = "DNS:a.example"}, "example", "ostname mismatch"},
    {"6125 6.4.1",
     "a name below it",
     {.names = "DNS:a.example"},
     "b.a.example",
     "ostname mismatch"},
    {"6125 6.4.3", "a wildcard", {.names = "DNS:*.a.example"}, "b.a.example", NULL},
    {"6125 6.4.3",
     "for two labels",
     {.names = "DNS:*.a.example"},
     "c.b.a.example",
     "ostname mismatch"},
    {"6125 6.4.3", "for none", {.names = "DNS:*.a.example"}, "a.example", "ostname mismatch"},
    {"6125 6.4.3",
     "with more in its label",
     {.names = "DNS:b*.a.example"},
     "bc.a.example",
     "ostname mismatch"},
    {"6125 6.4.3",
     "with more behind it",
     {.names = "DNS:*c.a.example"},
     "bc.a.example",
     "ostname mismatch"},
    {"6125 6.4.3",
     "not the first label",
     {.names = "DNS:b.*.example"},
     "b.a.example",
     "ostname mismatch"},
    {"6125 6.4.3", "two of them", {.names = "DNS:*.*.example"}, "b.a.example", "ostname mismatch"},
    {"6125 6.4.3", "all of the name", {.names = "DNS:*"}, "example", "ostname mismatch"},
    {"6125 6.4.3",
     "of a top-level domain",
     {.names = "DNS:*.example"},
     "a.example",
     "ostname mismatch"},
    {"6125 6.4.4",
     "in the subject alone",
     {.common_name = "a.example"},
     "a.example",
     "ostname mismatch"},
    {"6125 6.4.4",
     "in the subject, and others",
     {.common_name = "a.example", .names = "DNS:b.example"},
     "a.example",
     "ostname mismatch"},
    {"6125 6.4.1", "an address", {.names = "IP:192.0.2.1"}, "192.0.2.1", NULL},
    {"6125 6.4.1", "an address of IPv6", {.names = "IP:2001:db8::1"}, "2001:db8:0::1", NULL},
    {"6125 6.4.1",
     "another address",
     {.names = "IP:192.0.2.1"},
     "192.0.2.2",
     "IP address mismatch"},
    {"6125 6.4.1",
     "an address as a name",
     {.names = "DNS:192.0.2.1"},
     "192.0.2.1",
     "IP address mismatch"},
    {"6125 6.4.1",
     "an address in the subject",
     {.common_name = "192.0.2.1"},
     "192.0.2.1",
     "IP address mismatch"},
    {"8446 4.4.2.2",
     "of a server",
     {.names = "DNS:a.example", .purpose = "serverAuth"},
     "a.example",
     NULL},
    {"8446 4.4.2.2",
     "of a client",
     {.names = "DNS:a.example", .purpose = "clientAuth"},
     "a.example",
     "unsuitable certificate purpose"},
    {"8446 4.4.2.4",
     "expired",
     {.names = "DNS:a.example", .from = -2 * DAY, .to = -DAY},
     "a.example",
     "certificate has expired"},
    {"8446 4.4.2.4",
     "not yet valid",
     {.names = "DNS:a.example", .from = DAY, .to = 2 * DAY},
     "a.example",
     "not yet valid"},
    {"9325 4.5",
     "a key of 1024 bits",
     {.names = "DNS:a.example", .rsa_bits = 1024},
     "a.example",
     "EE certificate key too weak"},
    {"9325 4.5",
     "a key of 2048 bits",
     {.names = "DNS:a.example", .rsa_bits = 2048},
     "a.example",
     NULL},
};

static weir_err is_certified(weir_ctx *c, void *arg)
{
    (void)c;
    const struct certified *r = arg;
    struct made made = r->made;
    struct authority own;
    struct fake f;
    struct pair p;
    made.by = &test_ca;
    made.common_name = made.common_name != NULL ? made.common_name : "x";
    make_certificate(&own, &made);
    fake_open(&f, &own, TLS1_3_VERSION);
    play(&p, &f, client, r->host);
    bool is_refused = p.client_err == WEIR_ETLS && f.alert != SILENT &&
                      weir__tls_failure(&p.client) == WEIR__TLS_CERTIFICATE;
    bool is_as_said = r->says == NULL ? p.client_err == WEIR_OK && f.alert == SILENT
                                      : is_refused && strstr(p.client_why, r->says) != NULL;
    if (!is_as_said)
        fail_msg("%s: %s: error %d, alert %u: %s", r->section, r->name, p.client_err, f.alert,
                 p.client_why);
    close_pair(&p);
    fake_close(&f);
    free_certificate(&own);
    return WEIR_OK;
}

static void test_certificates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof certificates / sizeof certificates[0]; i++)
        SIM(is_certified, (void *)(uintptr_t)&certificates[i]);
}

/* --- protocols -------------------------------------------------------------------------------- */

struct chosen {
    const char *section, *name;
    int version;
    weir_str protocol;
    bool is_good;
};

static const struct chosen protocols_chosen[] = {
    {"7301 3.1", "one that was offered", TLS1_3_VERSION, BYTES("http/1.1"), true},
    {"7301 3.1", "one that was not", TLS1_3_VERSION, BYTES("h2"), false},
    {"7301 3.1", "one that was not, 1.2", TLS1_2_VERSION, BYTES("h2"), false},
    {"7301 3.1", "a part of it", TLS1_3_VERSION, BYTES("http/1"), false},
};

static weir_err is_chosen(weir_ctx *c, void *arg)
{
    (void)c;
    const struct chosen *r = arg;
    struct fake f;
    struct pair p;
    answered = r->protocol;
    fake_open(&f, &test_server, r->version);
    play(&p, &f, client, "server.example");
    print_message("  %s: %s\n", r->section, r->name);
    assert_int_equal(p.client_err, r->is_good ? WEIR_OK : WEIR_ETLS);
    assert_int_equal(f.alert, r->is_good ? SILENT : DECODE_ERROR); /* libssl's */
    assert_int_equal(weir__tls_failure(&p.client), r->is_good ? WEIR__TLS_WELL : MALFORMED);
    close_pair(&p);
    fake_close(&f);
    answered = (weir_str){NULL, 0};
    return WEIR_OK;
}

static void test_protocols(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof protocols_chosen / sizeof protocols_chosen[0]; i++)
        SIM(is_chosen, (void *)(uintptr_t)&protocols_chosen[i]);
}

/* --- as a whole ------------------------------------------------------------------------------- */

static int make(void **state)
{
    (void)state;
    make_test_certificates();
    client = client_of((struct weir__tls_client_options){.choice = {.alpn = offered}});
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    weir__tls_client_unref(client);
    free_test_certificates();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_protocols),
    };
    return cmocka_run_group_tests_name("tls_client", tests, make, unmake);
}

#else

int main(void)
{
    return 0; /* net/tls_test.c has what a build without TLS says */
}

#endif
