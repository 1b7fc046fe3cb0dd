/*
 * RFC 8446, 5246 and 6066: what a server makes of records behind the handshake. A row is what is
 * sent, sealed by hand or as it is, and what comes of it: the alert with its number, or that the
 * request behind it is answered. Then who shows which certificate, tickets, renegotiation, and the
 * ends of connections.
 */
#include "net/tls.h"

#if WEIR_TLS

#include "tls_stranger.h"

#define WELL WEIR__TLS_WELL
#define MALFORMED WEIR__TLS_MALFORMED
#define REFUSED WEIR__TLS_REFUSED

enum how {
    NOTHING,
    SEALED, /* with its type */
    INNER,  /* the same, but the type is among the bytes */
    RAW,    /* a record as it is */
    TURNED  /* the key is the next one from now on */
};

enum { PARTS_MAX = 3 };

struct part {
    enum how how;
    unsigned type;
    weir_str bytes;
};

struct row {
    const char *section, *name;
    bool goes_on; /* the request behind it is answered; else the connection ends */
    enum alert alert;
    enum weir__tls_failure counted;
    unsigned times; /* all of it; 0: once */
    int version;    /* 0: 1.3 */
    struct part parts[PARTS_MAX];
};

#define RULE(section_, name_, ...)                                                                 \
    {                                                                                              \
        .section = section_, .name = name_, __VA_ARGS__                                            \
    }
#define ENDS_BY(alert_, counted_) .goes_on = false, .alert = alert_, .counted = counted_
#define GOES_ON .goes_on = true, .alert = SILENT
#define SENT(...) .parts = {__VA_ARGS__}
#define SEAL(type, bytes)                                                                          \
    {                                                                                              \
        SEALED, type, BYTES(bytes)                                                                 \
    }
#define AS_IT_IS(bytes)                                                                            \
    {                                                                                              \
        RAW, 0, BYTES(bytes)                                                                       \
    }
#define TURN                                                                                       \
    {                                                                                              \
        TURNED, 0, BYTES("")                                                                       \
    }

static const char zeros[17000];
#define HELLO_ANEW                                                                                 \
    "\x01\0\0\x04"                                                                                 \
    "wxyz"
#define KEY_UPDATE "\x18\0\0\x01\0"
#define KEY_UPDATE_ASKED "\x18\0\0\x01\x01"

static const struct row rows[] = {
    RULE("8446 5.2", "what no key has sealed", ENDS_BY(BAD_RECORD_MAC, MALFORMED),
         SENT(AS_IT_IS("\x17\x03\x03\0\x20"
                       "0123456789abcdef0123456789abcdef"))),
    RULE("8446 5.2", "less than a tag", ENDS_BY(BAD_RECORD_MAC, MALFORMED),
         SENT(AS_IT_IS("\x17\x03\x03\0\x05hello"))),
    RULE("8446 5.2", "a record that says to be too long", ENDS_BY(RECORD_OVERFLOW, MALFORMED),
         SENT(AS_IT_IS("\x17\x03\x03\x41\x01x"))),
    RULE("8446 5.2", "one that is too long inside", ENDS_BY(RECORD_OVERFLOW, MALFORMED),
         SENT({SEALED, APPLICATION_DATA, {zeros, 16385}})),
    RULE("8446 5.4", "padding", GOES_ON, SENT({INNER, 0, BYTES(HELLO "\x17\0\0\0\0\0")})),
    RULE("8446 5.4", "nothing but padding", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT({INNER, 0, {zeros, 100}})),
    RULE("8446 5.4", "a handshake's record without bytes", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT(SEAL(HANDSHAKE, ""))),
    RULE("8446 5.4", "an alert's record without bytes", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT(SEAL(ALERT, ""))),
    RULE("8446 5.1", "data without bytes", GOES_ON, SENT(SEAL(APPLICATION_DATA, ""))),
    RULE("8446 5.1", "much of that", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED), .times = 40,
         SENT(SEAL(APPLICATION_DATA, ""))),
    RULE("8446 5.1", "a type that there is not", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT(SEAL(0x63, "x"))),
    RULE("8446 5.1", "a plain handshake's record", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT(AS_IT_IS("\x16\x03\x03\0\x05" KEY_UPDATE))),
    RULE("8446 5.1", "a plain alert", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT(AS_IT_IS("\x15\x03\x03\0\x02\x02\x28"))),
    RULE("8446 5.1", "two alerts in a record", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT(SEAL(ALERT, "\x01\x5a\x01\x5a"))),
    RULE("8446 5", "a change of ciphers", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT(AS_IT_IS("\x14\x03\x03\0\x01\x01"))),
    RULE("8446 5", "a sealed one", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT(SEAL(CHANGE_CIPHER_SPEC, "\x01"))),
    RULE("8446 4.6.3", "the next key", GOES_ON, SENT(SEAL(HANDSHAKE, KEY_UPDATE), TURN)),
    RULE("8446 4.6.3", "and one of ours", GOES_ON, SENT(SEAL(HANDSHAKE, KEY_UPDATE_ASKED), TURN)),
    RULE("8446 4.6.3", "a few", GOES_ON, .times = 8, SENT(SEAL(HANDSHAKE, KEY_UPDATE_ASKED), TURN)),
    RULE("8446 4.6.3", "without end", ENDS_BY(SILENT, MALFORMED), .times = 3000,
         SENT(SEAL(HANDSHAKE, KEY_UPDATE_ASKED), TURN)),
    RULE("8446 4.6.3", "and the old one goes on", ENDS_BY(BAD_RECORD_MAC, MALFORMED),
         SENT(SEAL(HANDSHAKE, KEY_UPDATE), SEAL(APPLICATION_DATA, HELLO))),
    RULE("8446 4.6.3", "of no kind that there is", ENDS_BY(ILLEGAL_PARAMETER, MALFORMED),
         SENT(SEAL(HANDSHAKE, "\x18\0\0\x01\x02"))),
    RULE("8446 4.6.3", "of another length", ENDS_BY(ILLEGAL_PARAMETER, MALFORMED),
         SENT(SEAL(HANDSHAKE, "\x18\0\0\x02\0\0"))),
    RULE("8446 5.1", "the next key and more in a record", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT(SEAL(HANDSHAKE, KEY_UPDATE KEY_UPDATE))),
    RULE("8446 4", "a message that there is not", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT(SEAL(HANDSHAKE, "\x63\0\0\x01x"))),
    RULE("8446 4.1.2", "a hello once more", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT(SEAL(HANDSHAKE, "\x01\0\0\x04"
                              "abcd"))),
    RULE("8446 4.6.1", "a ticket from a client", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT(SEAL(HANDSHAKE, "\x04\0\0\x04"
                              "abcd"))),
    RULE("8446 4.6.2", "a certificate that nobody asked for",
         ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED), SENT(SEAL(HANDSHAKE, "\x0b\0\0\x04\0\0\0\0"))),
    RULE("8446 4.4.4", "a second end of the handshake", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT(SEAL(HANDSHAKE, "\x14\0\0\x20"
                              "0123456789abcdef0123456789abcdef"))),
    RULE("8446 6.1", "a farewell", ENDS_BY(CLOSE_NOTIFY, WELL), SENT(SEAL(ALERT, "\x01\0"))),
    RULE("8446 6.1", "a fatal one", ENDS_BY(CLOSE_NOTIFY, WELL), SENT(SEAL(ALERT, "\x02\0"))),
    RULE("8446 6.1", "a user that has cancelled", GOES_ON, SENT(SEAL(ALERT, "\x01\x5a"))),
    RULE("8446 6.1", "many of them", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED), .times = 6,
         SENT(SEAL(ALERT, "\x01\x5a"))),
    RULE("8446 6.2", "an error", ENDS_BY(SILENT, REFUSED), SENT(SEAL(ALERT, "\x02\x50"))),
    RULE("8446 6.2", "one that says to be a warning", ENDS_BY(SILENT, REFUSED),
         SENT(SEAL(ALERT, "\x01\x50"))),
    RULE("8446 6.2", "one that nobody knows", ENDS_BY(SILENT, REFUSED),
         SENT(SEAL(ALERT, "\x02\xee"))),
    RULE("8446 6", "half an alert", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT(SEAL(ALERT, "\x02"))),
    RULE("5246 6.2.3", "what no key has sealed", ENDS_BY(BAD_RECORD_MAC, MALFORMED),
         .version = TLS1_2_VERSION,
         SENT(AS_IT_IS("\x17\x03\x03\0\x20"
                       "0123456789abcdef0123456789abcdef"))),
    RULE("5246 6.2.1", "a record that says to be too long", ENDS_BY(RECORD_OVERFLOW, MALFORMED),
         .version = TLS1_2_VERSION, SENT(AS_IT_IS("\x17\x03\x03\x48\x01x"))),
    RULE("5246 7.2.1", "a farewell", ENDS_BY(CLOSE_NOTIFY, WELL), .version = TLS1_2_VERSION,
         SENT(SEAL(ALERT, "\x01\0"))),
    RULE("9325 3.5", "a handshake anew", .goes_on = true, .alert = NO_RENEGOTIATION,
         .version = TLS1_2_VERSION, SENT(SEAL(HANDSHAKE, HELLO_ANEW))),
    RULE("9325 3.5", "a few times", .goes_on = true, .alert = NO_RENEGOTIATION, .times = 40,
         .version = TLS1_2_VERSION, SENT(SEAL(HANDSHAKE, HELLO_ANEW))),
    RULE("9325 3.5", "without end", ENDS_BY(NO_RENEGOTIATION, MALFORMED), .times = 3000,
         .version = TLS1_2_VERSION, SENT(SEAL(HANDSHAKE, HELLO_ANEW))),
    RULE("5246 7.2.2", "an alert that no key has sealed", ENDS_BY(BAD_RECORD_MAC, MALFORMED),
         .version = TLS1_2_VERSION,
         SENT(AS_IT_IS("\x15\x03\x03\0\x20"
                       "0123456789abcdef0123456789abcdef"))),
};

static const struct row *present;
static struct weir__stream neighbour;
static struct stranger stranger;

#define hold(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s: %s: %s does not hold", present->section, present->name, #condition);     \
    } while (0)

static void put_part(struct stranger *s, const struct part *p, struct wire *w)
{
    if (p->how == SEALED)
        seal(s, p->type, p->bytes, w);
    else if (p->how == INNER)
        seal_inner(s, p->bytes, w);
    else if (p->how == RAW)
        wire_puts(w, p->bytes);
    else if (p->how == TURNED)
        turn_key(s);
}

static void send_row(struct rig *rig, const struct row *r)
{
    static struct wire w;
    for (unsigned i = 0; i < (r->times > 0 ? r->times : 1); i++) {
        w.len = 0;
        for (const struct part *p = r->parts; p < r->parts + PARTS_MAX; p++)
            put_part(&stranger, p, &w);
        send_raw(rig, &stranger, w.bytes, w.len);
    }
    if (r->goes_on) {
        w.len = 0;
        seal(&stranger, APPLICATION_DATA, WEIR_S(HELLO), &w);
        send_raw(rig, &stranger, w.bytes, w.len);
    }
}

static void use_row(struct rig *rig)
{
    const struct row *r = present;
    connect_client(rig, &neighbour, CAPACITY);
    stranger_open(&stranger, rig, &(struct manner){.version = r->version});
    uint64_t before = failures_of(WEIR__TLS_SERVER, r->counted);
    uint64_t answered = rig_stats(rig).responses[2];
    send_row(rig, r);
    answered = rig_stats(rig).responses[2] - answered;
    const char *heard = hear(rig, &stranger);
    hold(stranger.alert == r->alert && (answered > 0) == r->goes_on);
    if (r->goes_on && r->alert == NO_RENEGOTIATION)
        hold(heard[0] == '\0'); /* which libssl's clients take for the end */
    else if (r->goes_on)
        hold(!stranger.is_over && strlen(heard) > 5 &&
             strcmp(heard + strlen(heard) - 5, "hello") == 0);
    else
        hold(stranger.is_over && heard[0] == '\0');
    hold(r->counted == WELL || failures_of(WEIR__TLS_SERVER, r->counted) == before + 1);
    stranger_close(&stranger);
    wait_ms(rig, 1);
    hold(rig_stats(rig).open == 1);
    hold(strcmp(body_of(ask_tls(rig, &neighbour, HELLO, NULL)), "hello") == 0);
    weir__stream_close(&neighbour);
}

static void test_records(void **state)
{
    (void)state;
    for (present = rows; present < rows + sizeof rows / sizeof rows[0]; present++)
        run_tls_rig(use_row, NULL);
}

/* --- certificates of clients ------------------------------------------------------------------ */

static struct authority other_ca, good, expired, strange, alone, misused;

struct shown {
    const char *section, *name;
    int version; /* 0: 1.3 */
    const struct authority *own;
    enum alert alert;
    enum weir__tls_failure counted; /* WELL: it is taken */
    unsigned more, times;           /* as in struct manner; all of it, 0: once */
};

static const struct shown certificates[] = {
    RULE("8446 4.4.2.4", "a good one", 0, &good, SILENT, WELL),
    RULE("8446 4.4.2.4", "none", 0, NULL, CERTIFICATE_REQUIRED, WEIR__TLS_NO_CERTIFICATE),
    RULE("8446 4.4.2.4", "an expired one", 0, &expired, CERTIFICATE_EXPIRED, WEIR__TLS_CERTIFICATE),
    RULE("8446 4.4.2.4", "another authority's", 0, &strange, UNKNOWN_CA, WEIR__TLS_CERTIFICATE),
    RULE("8446 4.4.2.4", "its own authority's", 0, &alone, UNKNOWN_CA, WEIR__TLS_CERTIFICATE),
    RULE("8446 4.4.2.4", "a server's", 0, &misused, UNSUPPORTED_CERTIFICATE, WEIR__TLS_CERTIFICATE),
    RULE("8446 4.4.2", "a good one with ten behind it", 0, &good, SILENT, WELL, .more = 10),
    /* Refused by the length that they say to have: what is on its way resets the connection. */
    RULE("8446 4.4.2", "with more than anybody has", 0, &good, SILENT, MALFORMED, .more = 150),
    RULE("8446 4.4.2.4", "none, again and again", 0, NULL, CERTIFICATE_REQUIRED,
         WEIR__TLS_NO_CERTIFICATE, .times = 50),
    RULE("5246 7.4.6", "a good one", TLS1_2_VERSION, &good, SILENT, WELL),
    RULE("5246 7.4.6", "with more than anybody has", TLS1_2_VERSION, &good, SILENT, MALFORMED,
         .more = 150),
    RULE("5246 7.4.6", "none", TLS1_2_VERSION, NULL, HANDSHAKE_FAILURE, WEIR__TLS_NO_CERTIFICATE),
    RULE("5246 7.4.6", "none, again and again", TLS1_2_VERSION, NULL, HANDSHAKE_FAILURE,
         WEIR__TLS_NO_CERTIFICATE, .times = 50),
    RULE("5246 7.4.6", "an expired one", TLS1_2_VERSION, &expired, CERTIFICATE_EXPIRED,
         WEIR__TLS_CERTIFICATE),
};
static const struct shown *shown;

static void show_once(struct rig *rig)
{
    bool is_taken = shown->counted == WELL;
    uint64_t before = failures_of(WEIR__TLS_SERVER, shown->counted);
    const struct manner m = {.version = shown->version, .own = shown->own, .more = shown->more};
    stranger_open(&stranger, rig, &m);
    assert_int_equal(stranger.alert, shown->alert);
    assert_int_equal(stranger.is_over, !is_taken);
    if (is_taken) {
        say_to(rig, &stranger, HELLO);
        assert_string_equal(strrchr(hear(rig, &stranger), '\n') + 1, "hello");
    } else {
        assert_int_equal(failures_of(WEIR__TLS_SERVER, shown->counted), before + 1);
    }
    stranger_close(&stranger);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).open, 1);
}

static void shows(struct rig *rig)
{
    print_message("  %s: %s\n", shown->section, shown->name);
    connect_client(rig, &neighbour, CAPACITY);
    for (unsigned i = 0; i < (shown->times > 0 ? shown->times : 1); i++)
        show_once(rig);
    assert_string_equal(body_of(ask_tls(rig, &neighbour, HELLO, NULL)), "hello");
    weir__stream_close(&neighbour);
}

static void test_certificates(void **state)
{
    (void)state;
    struct weir__tls_server *usual = tls;
    struct weir__tls_client *usual_client = trusting;
    make_certificate(&other_ca, &(struct made){"Other CA", .is_authority = true});
    make_certificate(&good, &(struct made){"good", .by = &test_ca, .purpose = "clientAuth"});
    make_certificate(&expired, &(struct made){"old", .by = &test_ca, .from = -2 * DAY, .to = -DAY});
    make_certificate(&strange, &(struct made){"strange", .by = &other_ca});
    make_certificate(&alone, &(struct made){.common_name = "alone"});
    make_certificate(&misused, &(struct made){"misused", .by = &test_ca, .purpose = "serverAuth"});
    tls = server_of((struct weir__tls_server_options){.clients = WEIR__TLS_REQUIRE,
                                                      .client_ca = source_of(test_ca.chain)});
    trusting = client_of((struct weir__tls_client_options){.own = pair_of(&good)});
    for (shown = certificates; shown < certificates + sizeof certificates / sizeof *shown; shown++)
        run_tls_rig(shows, NULL);
    weir__tls_server_free(tls);
    weir__tls_client_unref(trusting);
    tls = usual;
    trusting = usual_client;
    struct authority *all[] = {&other_ca, &good, &expired, &strange, &alone, &misused};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free_certificate(all[i]);
}

/* --- tickets ---------------------------------------------------------------------------------- */

/* The same session with another byte in the middle of its ticket. */
static SSL_SESSION *forged(SSL_SESSION *session)
{
    static unsigned char der[16 << 10];
    unsigned char *to = der;
    const unsigned char *ticket, *from = der;
    size_t len;
    assert_in_range(i2d_SSL_SESSION(session, NULL), 1, sizeof der);
    int n = i2d_SSL_SESSION(session, &to);
    SSL_SESSION_get0_ticket(session, &ticket, &len);
    unsigned char *at = memmem(der, (size_t)n, ticket, len);
    assert_non_null(at);
    at[len / 2] ^= 1;
    return d2i_SSL_SESSION(NULL, &from, n);
}

struct going {
    const char *section, *name;
    bool is_forged, is_taken;
    const char *asks_for; /* the name; NULL: that of before */
};

static const struct going goings[] = {
    {"8446 4.6.1", "a ticket as it was given", false, true, NULL},
    {"8446 4.6.1", "with a bit of it changed", true, false, NULL},
    {"6066 3", "by another name", false, false, "other.example"},
    {"6066 3", "by its name in capitals", false, true, "SERVER.Example"},
};

/* Taken or not, there is a handshake, and an answer. */
static void go_on_with(struct rig *rig, const struct going *g, int version)
{
    print_message("  %s: %s\n", g->section, g->name);
    stranger_open(&stranger, rig, &(struct manner){.version = version});
    SSL_SESSION *session = g->is_forged ? forged(stranger.given) : stranger.given;
    stranger.given = g->is_forged ? stranger.given : NULL;
    stranger_close(&stranger);
    stranger_open(&stranger, rig,
                  &(struct manner){.version = version, .session = session, .name = g->asks_for});
    assert_int_equal(stranger.alert, SILENT);
    say_to(rig, &stranger, HELLO);
    assert_string_equal(strrchr(hear(rig, &stranger), '\n') + 1, "hello");
    assert_int_equal(SSL_session_reused(stranger.ssl), g->is_taken);
    stranger_close(&stranger);
    SSL_SESSION_free(session);
}

static void tickets_come(struct rig *rig)
{
    for (const struct going *g = goings; g < goings + sizeof goings / sizeof goings[0]; g++) {
        go_on_with(rig, g, TLS1_2_VERSION);
        go_on_with(rig, g, TLS1_3_VERSION);
    }
}

static void test_tickets(void **state)
{
    (void)state;
    run_tls_rig(tickets_come, NULL);
}

/* --- renegotiation, and ends ------------------------------------------------------------------ */

static void renegotiates(struct rig *rig)
{
    stranger_open(&stranger, rig, &(struct manner){.version = TLS1_2_VERSION});
    uint64_t before = failures_of(WEIR__TLS_SERVER, REFUSED);
    assert_int_equal(SSL_renegotiate(stranger.ssl), 1);
    (void)SSL_do_handshake(stranger.ssl);
    (void)hear(rig, &stranger);
    assert_int_equal(stranger.alert, NO_RENEGOTIATION);
    /* A warning: it is the client's to say whether it goes on, and libssl's does not. */
    assert_int_equal(failures_of(WEIR__TLS_SERVER, REFUSED), before + 1);
    stranger_close(&stranger);
}

struct half {
    const char *section, *name, *text;
};

static const struct half halves[] = {
    {"9112 9.8", "an end within a head", "GET /hello HTTP/1.1\r\nHost: "},
    {"9112 9.8", "within a body with a length",
     "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"},
    {"9112 9.8", "behind a chunk",
     "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"},
};

/* Without a farewell it is no end but a cut: nobody answers, and the handler is told. */
static void is_cut(struct rig *rig)
{
    for (const struct half *h = halves; h < halves + sizeof halves / sizeof halves[0]; h++) {
        uint64_t before = failures_of(WEIR__TLS_SERVER, WEIR__TLS_CUT);
        print_message("  %s: %s\n", h->section, h->name);
        stranger_open(&stranger, rig, &(struct manner){.version = 0});
        rig->last_err = WEIR_OK;
        say_to(rig, &stranger, h->text);
        weir__sim_shutdown(stranger.num);
        assert_string_equal(hear(rig, &stranger), "");
        assert_true(stranger.is_over);
        assert_int_equal(stranger.alert, DECODE_ERROR);
        assert_int_equal(failures_of(WEIR__TLS_SERVER, WEIR__TLS_CUT), before + 1);
        assert_int_equal(rig->last_err, h == halves ? WEIR_OK : WEIR_ECLIENTGONE);
        stranger_close(&stranger);
    }
}

/* A client that says that it sends no more is answered, and told the same in the end. */
static void half_is_closed(struct rig *rig)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int i = 0; i < 2; i++) {
        stranger_open(&stranger, rig, &(struct manner){.version = versions[i]});
        uint64_t before = failures_of(WEIR__TLS_SERVER, WEIR__TLS_CUT);
        say_to(rig, &stranger, HELLO);
        assert_int_equal(SSL_shutdown(stranger.ssl), 0);
        carry(rig, &stranger);
        weir__sim_shutdown(stranger.num);
        assert_string_equal(strrchr(hear(rig, &stranger), '\n') + 1, "hello");
        assert_true(stranger.is_over);
        assert_int_equal(stranger.alert, CLOSE_NOTIFY);
        assert_int_equal(failures_of(WEIR__TLS_SERVER, WEIR__TLS_CUT), before);
        stranger_close(&stranger);
    }
}

static void test_ends(void **state)
{
    (void)state;
    run_tls_rig(renegotiates, NULL);
    run_tls_rig(is_cut, NULL);
    run_tls_rig(half_is_closed, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests_name("tls_records", tests, tls_rig_make, tls_rig_unmake);
}

#else

int main(void)
{
    return 0; /* net/tls_test.c has what a build without TLS says */
}

#endif
