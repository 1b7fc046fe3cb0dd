/*
 * RFC 8446, 5246, 5746, 6066, 7301 and 9325: what a server makes of the first bytes that come to a
 * port of TLS. A row is those bytes, as a record or as a hello that is right but for what the row
 * says, and what comes of it: the alert with its number, or that the handshake goes on. Whatever it
 * is, it is counted by its kind, nothing of it is left, and a neighbour is served.
 *
 * No row needs a key: what is said behind one is tls_records_test.c's.
 */
#include "net/tls.h"

#if WEIR_TLS

#include "tls_wire.h"

#include <malloc.h>
#include <openssl/crypto.h>

#define WELL WEIR__TLS_WELL
#define MALFORMED WEIR__TLS_MALFORMED

enum outcome {
    ENDS,   /* with the alert, or none, and the connection's end in order */
    GOES_3, /* a ServerHello of 1.3 comes */
    GOES_2, /* of 1.2 */
    WAITS,  /* nothing comes, until the time for a handshake is over */
    PLAIN   /* an answer of HTTP */
};

struct row {
    const char *section, *name;
    enum outcome outcome;
    enum alert alert;
    enum weir__tls_failure counted;
    weir_str raw;       /* what is sent; absent: the hello */
    struct hello hello; /* see tls_wire.h */
    weir_str behind;    /* sent behind the hello */
    weir_str has;       /* in what comes; absent: not looked at */
    size_t record_max;  /* the hello's records; 0: one */
};

#define RULE(section_, name_, ...)                                                                 \
    {                                                                                              \
        .section = section_, .name = name_, __VA_ARGS__                                            \
    }
#define SENT(bytes) .raw = BYTES(bytes)
#define LIKE(...) .hello = {__VA_ARGS__}
#define ENDS_BY(alert_, counted_) .outcome = ENDS, .alert = alert_, .counted = counted_
#define GOES_BY(version) .outcome = GOES_##version, .alert = SILENT
#define PLAINLY .outcome = PLAIN, .counted = WEIR__TLS_PLAIN
#define WAITING .outcome = WAITS

/* --- records ---------------------------------------------------------------------------------- */

#define NO_BYTES "\x16\x03\x01\0\0"
#define NO_BYTES_4 NO_BYTES NO_BYTES NO_BYTES NO_BYTES
#define NO_BYTES_16 NO_BYTES_4 NO_BYTES_4 NO_BYTES_4 NO_BYTES_4

static const struct row records[] = {
    RULE("8446 5.1", "no TLS at all", ENDS_BY(SILENT, MALFORMED),
         SENT("\x7f\x45LF\x02\x01\x01\0\0\0")),
    RULE("8446 5.1", "a version of no TLS", ENDS_BY(SILENT, MALFORMED),
         SENT("\x16\x05\x01\0\x02\x01\0")),
    RULE("8446 5.1", "longer than a record may be", ENDS_BY(RECORD_OVERFLOW, MALFORMED),
         SENT("\x16\x03\x01\x48\x01\x01")),
    RULE("8446 5.1", "a record without bytes", WAITING, SENT(NO_BYTES)),
    RULE("8446 5.1", "many of them", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT(NO_BYTES NO_BYTES_16 NO_BYTES_16)),
    RULE("8446 5.1", "a type that there is not", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT("\x63\x03\x01\0\x01x")),
    RULE("8446 5.1", "data before the handshake", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT("\x17\x03\x03\0\x05hello")),
    RULE("8446 5.1", "its version is passed over", GOES_BY(3), LIKE(.record_version = 0x0303)),
    RULE("8446 5.1", "an old one of its versions", GOES_BY(3), LIKE(.record_version = 0x0300)),
    RULE("8446 5", "a change of ciphers before the hello", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT("\x14\x03\x03\0\x01\x01")),
    RULE("8446 5.1", "plain HTTP", PLAINLY, SENT("GET / HTTP/1.1\r\nHost: a\r\n\r\n")),
    RULE("8446 5.1", "plain HTTP/2", PLAINLY, SENT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
    RULE("8446 6.2", "a fatal alert", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT("\x15\x03\x01\0\x02\x02\x28")),
    RULE("8446 6.2", "a warning", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT("\x15\x03\x01\0\x02\x01\x5a")),
    RULE("8446 6.1", "a farewell", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT("\x15\x03\x01\0\x02\x01\0")),
    RULE("8446 6", "an alert of one byte", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT("\x15\x03\x01\0\x01\x02")),
    RULE("8446 4", "another message than a hello", ENDS_BY(UNEXPECTED_MESSAGE, MALFORMED),
         SENT("\x16\x03\x01\0\x04\x14\0\0\0")),
    RULE("8446 4", "a hello of no bytes", ENDS_BY(DECODE_ERROR, MALFORMED),
         SENT("\x16\x03\x01\0\x04\x01\0\0\0")),
    RULE("8446 4", "a hello that says to be too large", ENDS_BY(SILENT, MALFORMED),
         SENT("\x16\x03\x01\0\x06\x01\x00\x40\x01\x03\x03")),
    RULE("8446 4", "half a hello", WAITING, SENT("\x16\x03\x01\0\x50\x01\0\0\x4c\x03\x03")),
    RULE("8446 4", "a hello of 12,000 bytes", GOES_BY(3), LIKE(.padding = 12000)),
    RULE("8446 4", "a hello of 60,000 bytes", ENDS_BY(SILENT, MALFORMED), LIKE(.padding = 60000)),
    RULE("8446 4", "in records that cut its head", ENDS_BY(SILENT, MALFORMED),
         LIKE(.padding = 17000), .record_max = 3),
    RULE("8446 5.1", "a hello in records of a byte each", GOES_BY(3), .record_max = 1),
    RULE("8446 5.1", "in records that cut its head", GOES_BY(3), .record_max = 3),
    RULE("8446 5.1", "in records that cut its body", GOES_BY(3), .record_max = 100),
    RULE("9325 3.1.1", "a hello of SSL 2", ENDS_BY(PROTOCOL_VERSION, WEIR__TLS_VERSION),
         SENT("\x80\x2e\x01\0\x02\0\x15\0\0\0\x10"
              "\x01\0\x80\x02\0\x80\x03\0\x80\x04\0\x80\x05\0\x80\x06\0\x40\x07\0\xc0"
              "0123456789abcdef")),
    RULE("8446 D.5", "of its form, so without signatures",
         ENDS_BY(HANDSHAKE_FAILURE, WEIR__TLS_CIPHER),
         SENT("\x80\x1f\x01\x03\x03\0\x06\0\0\0\x10\0\xc0\x2b\0\0\xff"
              "0123456789abcdef")),
};

/* --- hellos ----------------------------------------------------------------------------------- */

static const struct row hellos[] = {
    RULE("8446 4.1.2", "as it should be", GOES_BY(3)),
    RULE("8446 4.1.2", "its old field of the version is passed over", GOES_BY(3),
         LIKE(.version = 0x0301)),
    RULE("8446 4.1.2", "a session's id of 33 bytes", ENDS_BY(DECODE_ERROR, MALFORMED),
         LIKE(.session = BYTES("0123456789abcdef0123456789abcdefx"))),
    RULE("8446 4.1.2", "compression in 1.3", ENDS_BY(ILLEGAL_PARAMETER, MALFORMED),
         LIKE(.compression = BYTES("\x01\x00"))),
    RULE("8446 4.1.2", "no compression but another", ENDS_BY(DECODE_ERROR, MALFORMED),
         LIKE(.compression = BYTES("\x01"))),
    RULE("5246 7.4.1.2", "of 1.2", GOES_BY(2), LIKE(TLS_1_2_ALONE)),
    RULE("5246 7.4.1.2", "compression in 1.2 is not taken", GOES_BY(2),
         LIKE(TLS_1_2_ALONE, .compression = BYTES("\x01\x00"))),
    RULE("5246 7.4.1.2", "without null compression", ENDS_BY(DECODE_ERROR, MALFORMED),
         LIKE(TLS_1_2_ALONE, .compression = BYTES("\x01"))),
    RULE("5246 7.4.1.2", "no cipher in common", ENDS_BY(HANDSHAKE_FAILURE, WEIR__TLS_CIPHER),
         LIKE(TLS_1_2_ALONE, .suites = BYTES("\x00\x9c"))),
    RULE("5246 7.4.1.2", "no cipher at all", ENDS_BY(ILLEGAL_PARAMETER, MALFORMED),
         LIKE(TLS_1_2_ALONE, .suites = BYTES(""))),
    RULE("5246 7.4.1.2", "half a cipher", ENDS_BY(DECODE_ERROR, MALFORMED),
         LIKE(TLS_1_2_ALONE, .suites = BYTES("\xc0\x2b\x00"))),
    RULE("9325 4.1", "NULL and export", ENDS_BY(HANDSHAKE_FAILURE, WEIR__TLS_CIPHER),
         LIKE(TLS_1_2_ALONE, .suites = BYTES("\x00\x00\x00\x01\x00\x02\x00\x03\x00\x08"))),
    RULE("9325 4.1", "RC4, CBC, keys without forward secrecy",
         ENDS_BY(HANDSHAKE_FAILURE, WEIR__TLS_CIPHER),
         LIKE(TLS_1_2_ALONE, .suites = BYTES("\xc0\x07\xc0\x09\xc0\x23\x00\x2f\x00\x9c"))),
    RULE("8446 4.1.1", "no suite of 1.3 in common", ENDS_BY(HANDSHAKE_FAILURE, WEIR__TLS_CIPHER),
         LIKE(.versions = BYTES("\x03\x04"), .suites = BYTES("\x13\x05"))),
    RULE("8446 4.1.1", "a group without a share is asked for", GOES_BY(3),
         LIKE(.shares = BYTES(""))),
    RULE("8446 4.1.1", "no group in common", ENDS_BY(HANDSHAKE_FAILURE, WEIR__TLS_CIPHER),
         LIKE(.versions = BYTES("\x03\x04"), .groups = BYTES("\x7a\x7a"), .shares = BYTES(""))),
    RULE("8446 4.1.1", "no signature in common", ENDS_BY(HANDSHAKE_FAILURE, WEIR__TLS_CIPHER),
         LIKE(.versions = BYTES("\x03\x04"), .signatures = BYTES("\x08\x04"))),
    RULE("8446 4.2", "extensions that nobody knows", GOES_BY(3),
         LIKE(.before = BYTES("\x7a\x7a\0\0\x3a\x3a\0\x01x"))),
    RULE("8446 4.2", "one of them twice", ENDS_BY(ILLEGAL_PARAMETER, MALFORMED),
         LIKE(.before = BYTES("\0\x0d\0\x04\0\x02\x04\x03"))),
    RULE("8446 4.2", "one that is longer than all", ENDS_BY(DECODE_ERROR, MALFORMED),
         LIKE(.behind = BYTES("\x7a\x7a\x10\0"))),
    RULE("8446 4.2.1", "versions that nobody knows are passed over", GOES_BY(3),
         LIKE(.versions = BYTES("\x7a\x7a\x03\x05\x03\x04"))),
    RULE("8446 4.2.1", "none but those", ENDS_BY(PROTOCOL_VERSION, WEIR__TLS_VERSION),
         LIKE(.versions = BYTES("\x7a\x7a\x03\x05"))),
    RULE("8446 4.2.1", "1.2 by the extension", GOES_BY(2), LIKE(.versions = BYTES("\x03\x03"))),
    RULE("8446 4.2.1", "1.1 and 1.0 by the extension", ENDS_BY(PROTOCOL_VERSION, WEIR__TLS_VERSION),
         LIKE(.versions = BYTES("\x03\x02\x03\x01"))),
    RULE("8446 4.2.1", "1.3 by the old field is 1.2", GOES_BY(2),
         LIKE(.version = 0x0304, TLS_1_2_ALONE)),
    RULE("8446 4.2.1", "versions of an odd length", ENDS_BY(PROTOCOL_VERSION, MALFORMED),
         LIKE(.versions = BYTES("\x03\x04\x03"))),
    RULE("9325 3.1.1", "1.1", ENDS_BY(PROTOCOL_VERSION, WEIR__TLS_VERSION),
         LIKE(.version = 0x0302, TLS_1_2_ALONE)),
    RULE("9325 3.1.1", "1.0", ENDS_BY(PROTOCOL_VERSION, WEIR__TLS_VERSION),
         LIKE(.version = 0x0301, TLS_1_2_ALONE)),
    RULE("9325 3.1.1", "SSL 3, whose alert it is", ENDS_BY(HANDSHAKE_FAILURE, WEIR__TLS_VERSION),
         LIKE(.version = 0x0300, TLS_1_2_ALONE)),
    RULE("9325 3.1.1", "a fallback that need not be (RFC 7507)",
         ENDS_BY(INAPPROPRIATE_FALLBACK, WEIR__TLS_VERSION),
         LIKE(TLS_1_2_ALONE, .suites = BYTES("\xc0\x2b\x56\x00"))),
    RULE("8446 4.2.8", "a share of a group that is not offered",
         ENDS_BY(ILLEGAL_PARAMETER, MALFORMED), LIKE(.groups = BYTES("\x00\x17"))),
    RULE("8446 4.2.8", "two shares of a group", GOES_BY(3),
         LIKE(.shares = BYTES(X25519_SHARE X25519_SHARE))),
    RULE("8446 4.2.8", "a share of zeros", ENDS_BY(ILLEGAL_PARAMETER, MALFORMED),
         LIKE(.shares = BYTES("\x00\x1d\x00\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                              "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"))),
    RULE("8446 4.2.8", "a share of a byte", ENDS_BY(ILLEGAL_PARAMETER, MALFORMED),
         LIKE(.shares = BYTES("\x00\x1d\x00\x01x"))),
    RULE("8446 9.2", "1.3 without shares", ENDS_BY(MISSING_EXTENSION, WEIR__TLS_CIPHER),
         LIKE(.versions = BYTES("\x03\x04"), .shares = NONE)),
    RULE("8446 9.2", "1.3 without signatures", ENDS_BY(MISSING_EXTENSION, MALFORMED),
         LIKE(.versions = BYTES("\x03\x04"), .signatures = NONE)),
    RULE("8446 4.2.11", "a ticket that is none", GOES_BY(3),
         LIKE(.behind = BYTES("\0\x2d\0\x02\x01\x01"
                              "\0\x29\0\x2f\0\x0a\0\x04none\0\0\0\0\0\x21\x20"
                              "0123456789abcdef0123456789abcdef"))),
    RULE("8446 4.2.11", "not behind all others", ENDS_BY(ILLEGAL_PARAMETER, MALFORMED),
         LIKE(.before = BYTES("\0\x2d\0\x02\x01\x01"
                              "\0\x29\0\x2f\0\x0a\0\x04none\0\0\0\0\0\x21\x20"
                              "0123456789abcdef0123456789abcdef"))),
    RULE("8446 4.2.10", "data at once is passed over", GOES_BY(3),
         LIKE(.behind = BYTES("\0\x2a\0\0\0\x2d\0\x02\x01\x01"
                              "\0\x29\0\x2f\0\x0a\0\x04none\0\0\0\0\0\x21\x20"
                              "0123456789abcdef0123456789abcdef")),
         .behind = BYTES("\x17\x03\x03\0\x20"
                         "0123456789abcdef0123456789abcdef")),
    RULE("5746 3.6", "renegotiation of nothing", ENDS_BY(HANDSHAKE_FAILURE, MALFORMED),
         LIKE(TLS_1_2_ALONE, .behind = BYTES("\xff\x01\0\x02\x01x"))),
    RULE("5746 3.6", "a client that knows nothing of it", GOES_BY(2), LIKE(TLS_1_2_ALONE)),
};

/* --- names and protocols ---------------------------------------------------------------------- */

#define HAS(bytes) .has = BYTES(bytes)
#define FIRST HAS("server.example")
#define SECOND HAS("second.example")

static const struct row names[] = {
    RULE("6066 3", "a name", GOES_BY(2),
         LIKE(TLS_1_2_ALONE, .names = BYTES(HOST("\0\x0esecond.example"))), SECOND),
    RULE("6066 3", "in capitals", GOES_BY(2),
         LIKE(TLS_1_2_ALONE, .names = BYTES(HOST("\0\x0eSECOND.Example"))), SECOND),
    RULE("6066 3", "below a wildcard", GOES_BY(2),
         LIKE(TLS_1_2_ALONE, .names = BYTES(HOST("\0\x10"
                                                 "a.second.example"))),
         SECOND),
    RULE("6125 6.4.3", "two labels below it", GOES_BY(2),
         LIKE(TLS_1_2_ALONE, .names = BYTES(HOST("\0\x12"
                                                 "b.a.second.example"))),
         FIRST),
    RULE("6066 3", "one that nobody has", GOES_BY(2),
         LIKE(TLS_1_2_ALONE, .names = BYTES(HOST("\0\x0dother.example"))), FIRST),
    RULE("6066 3", "none", GOES_BY(2), LIKE(TLS_1_2_ALONE, .names = NONE), FIRST),
    RULE("6066 3", "with a dot behind it", GOES_BY(2),
         LIKE(TLS_1_2_ALONE, .names = BYTES(HOST("\0\x0fsecond.example."))), FIRST),
    RULE("6066 3", "an address", GOES_BY(2),
         LIKE(TLS_1_2_ALONE, .names = BYTES(HOST("\0\x09"
                                                 "127.0.0.1"))),
         FIRST),
    RULE("6066 3", "of another kind than a host", ENDS_BY(DECODE_ERROR, MALFORMED),
         LIKE(.names = BYTES("\x01\0\x0esecond.example"))),
    RULE("6066 3", "two", ENDS_BY(DECODE_ERROR, MALFORMED),
         LIKE(TLS_1_2_ALONE,
              .names = BYTES(HOST("\0\x0esecond.example") HOST("\0\x0esecond.example")))),
    RULE("6066 3", "of no bytes", GOES_BY(2), LIKE(TLS_1_2_ALONE, .names = BYTES(HOST("\0\0"))),
         FIRST),
    RULE("6066 3", "with a NUL in it", ENDS_BY(UNRECOGNIZED_NAME, MALFORMED),
         LIKE(TLS_1_2_ALONE, .names = BYTES(HOST("\0\x0fsecond.example\0")))),
    RULE("6066 3", "an empty list", ENDS_BY(DECODE_ERROR, MALFORMED),
         LIKE(TLS_1_2_ALONE, .names = BYTES(""))),
    RULE("7301 3.2", "a protocol in common", GOES_BY(2),
         LIKE(TLS_1_2_ALONE, .alpn = BYTES("\x02h3\x08http/1.1")),
         HAS("\0\x10\0\x0b\0\x09\x08http/1.1")),
    RULE("7301 3.2", "none in common", ENDS_BY(NO_APPLICATION_PROTOCOL, WEIR__TLS_PROTOCOL),
         LIKE(TLS_1_2_ALONE, .alpn = BYTES("\x03"
                                           "ftp"))),
    RULE("7301 3.2", "none in common, 1.3", ENDS_BY(NO_APPLICATION_PROTOCOL, WEIR__TLS_PROTOCOL),
         LIKE(.alpn = BYTES("\x03"
                            "ftp"))),
    RULE("7301 3.2", "its bytes in capitals are another",
         ENDS_BY(NO_APPLICATION_PROTOCOL, WEIR__TLS_PROTOCOL), LIKE(.alpn = BYTES("\x08HTTP/1.1"))),
    RULE("7301 3.1", "an empty list", ENDS_BY(DECODE_ERROR, MALFORMED), LIKE(.alpn = BYTES(""))),
    RULE("7301 3.1", "an empty protocol", ENDS_BY(DECODE_ERROR, MALFORMED),
         LIKE(.alpn = BYTES("\0"))),
    RULE("7301 3.1", "one longer than the list", ENDS_BY(DECODE_ERROR, MALFORMED),
         LIKE(.alpn = BYTES("\x10h2"))),
};

/* --- running ---------------------------------------------------------------------------------- */

static const struct row *present;
static struct weir__stream neighbour;

#define hold(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s: %s: %s does not hold", present->section, present->name, #condition);     \
    } while (0)

static void write_row(const struct row *r, struct wire *w)
{
    w->len = 0;
    wire_puts(w, r->raw);
    if (r->raw.ptr == NULL)
        wire_hello(w, &r->hello, r->record_max > 0 ? r->record_max : 16 << 10);
    wire_puts(w, r->behind);
}

struct seen {
    char bytes[8192];
    size_t len;
    bool is_over;
};

static void take(struct rig *rig, int num, struct seen *seen)
{
    ssize_t n = 1;
    while (n > 0) {
        wait_ms(rig, 1);
        n = weir__sim_read(num, seen->bytes + seen->len, sizeof seen->bytes - seen->len);
        seen->len += n > 0 ? (size_t)n : 0;
    }
    seen->is_over = n != -EAGAIN;
}

/* Extension 43 of a ServerHello says 1.3. */
static bool is_1_3(const struct seen *seen)
{
    return memmem(seen->bytes, seen->len, "\0\x2b\0\x02\x03\x04", 6) != NULL;
}

static void check_wait(struct rig *rig, int num, struct seen *seen)
{
    hold(!seen->is_over && seen->len == 0);
    wait_ms(rig, 12000);
    take(rig, num, seen);
    hold(seen->is_over && seen->len == 0 && rig_stats(rig).timeouts_handshake == 1);
}

static void check(struct rig *rig, int num, struct seen *seen)
{
    const struct row *r = present;
    unsigned alert = alert_of(seen->bytes, seen->len);
    if (r->outcome == ENDS)
        hold(seen->is_over && alert == r->alert);
    else if (r->outcome == PLAIN)
        hold(seen->is_over && memcmp(seen->bytes, "HTTP/1.1 400 ", 13) == 0);
    else if (r->outcome == WAITS)
        check_wait(rig, num, seen);
    else
        hold(!seen->is_over && alert == SILENT && seen->len > 6 && seen->bytes[0] == HANDSHAKE &&
             is_1_3(seen) == (r->outcome == GOES_3));
    hold(r->has.ptr == NULL || memmem(seen->bytes, seen->len, r->has.ptr, r->has.len) != NULL);
}

static void send_all(struct rig *rig, int num, const struct wire *w)
{
    for (size_t at = 0; at < w->len;) {
        ssize_t n = weir__sim_write(num, w->bytes + at, w->len - at);
        if (n < 0 && n != -EAGAIN)
            return; /* it was closed before the end */
        at += n > 0 ? (size_t)n : 0;
        wait_ms(rig, 1);
    }
}

static void use_row(struct rig *rig)
{
    static struct wire w;
    struct seen seen = {.len = 0};
    uint64_t before = failures_of(WEIR__TLS_SERVER, present->counted);
    connect_client(rig, &neighbour, CAPACITY);
    int num = dial(rig);
    write_row(present, &w);
    send_all(rig, num, &w);
    take(rig, num, &seen);
    check(rig, num, &seen);
    weir__sim_close(num);
    wait_ms(rig, 1);
    hold(present->counted == WELL || failures_of(WEIR__TLS_SERVER, present->counted) == before + 1);
    hold(rig_stats(rig).open == 1);
    hold(strcmp(body_of(ask_tls(rig, &neighbour, HELLO, NULL)), "hello") == 0);
    weir__stream_close(&neighbour);
}

/* Whole, and a few bytes at a time. */
static void use_rows(const struct row *rows, size_t count)
{
    static const size_t chops[] = {0, 1, 7};
    for (size_t c = 0; c < sizeof chops / sizeof chops[0]; c++) {
        weir__sim_chop(chops[c]);
        for (present = rows; present < rows + count; present++)
            run_tls_rig(use_row, NULL);
    }
    weir__sim_chop(0);
}

#define TABLE_TEST(table)                                                                          \
    static void test_##table(void **state)                                                         \
    {                                                                                              \
        (void)state;                                                                               \
        use_rows(table, sizeof table / sizeof table[0]);                                           \
    }

TABLE_TEST(records)
TABLE_TEST(hellos)
TABLE_TEST(names)

/* --- every cut -------------------------------------------------------------------------------- */

/* A hello that ends after any of its bytes: nothing is answered, and nothing is left. */
static void cut_everywhere(struct rig *rig)
{
    static struct wire w;
    static const struct hello usual = {.record_version = 0x0301};
    w.len = 0;
    wire_hello(&w, &usual, 16 << 10);
    connect_client(rig, &neighbour, CAPACITY);
    uint64_t before = failures_of(WEIR__TLS_SERVER, WEIR__TLS_CUT);
    for (size_t at = 0; at < w.len; at++) {
        struct seen seen = {.len = 0};
        int num = dial(rig);
        assert_int_equal(weir__sim_write(num, w.bytes, at), at);
        take(rig, num, &seen);
        assert_int_equal(seen.len, 0);
        weir__sim_shutdown(num);
        take(rig, num, &seen);
        assert_true(seen.is_over);
        assert_int_equal(alert_of(seen.bytes, seen.len), DECODE_ERROR);
        weir__sim_close(num);
    }
    assert_int_equal(failures_of(WEIR__TLS_SERVER, WEIR__TLS_CUT) - before, w.len);
    assert_int_equal(rig_stats(rig).open, 1);
    assert_string_equal(body_of(ask_tls(rig, &neighbour, HELLO, NULL)), "hello");
    weir__stream_close(&neighbour);
}

static void test_cuts(void **state)
{
    (void)state;
    run_tls_rig(cut_everywhere, NULL);
}

/* --- memory ----------------------------------------------------------------------------------- */

static size_t held; /* by libcrypto, in bytes */

static void *counted_malloc(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    void *p = malloc(n);
    held += malloc_usable_size(p);
    return p;
}

static void counted_free(void *p, const char *file, int line)
{
    (void)file, (void)line;
    held -= malloc_usable_size(p);
    free(p);
}

static void *counted_realloc(void *p, size_t n, const char *file, int line)
{
    if (n == 0) {
        counted_free(p, file, line);
        return NULL;
    }
    held -= malloc_usable_size(p);
    p = realloc(p, n);
    held += malloc_usable_size(p);
    return p;
}

/* Bytes of libssl's that a connection takes that has sent so much. */
static size_t taken_by(struct rig *rig, const char *bytes, size_t len)
{
    size_t before = held;
    int num = dial(rig);
    assert_int_equal(weir__sim_write(num, bytes, len), len);
    wait_ms(rig, 1);
    size_t taken = held - before;
    weir__sim_close(num);
    wait_ms(rig, 1);
    assert_true(held <= before);
    return taken;
}

/* What a hello says to have takes no memory before it has come. */
static void says_much(struct rig *rig)
{
    static const char little[] = "\x16\x03\x01\0\x06\x01\0\x01\0\x03\x03",
                      much[] = "\x16\x03\x01\0\x06\x01\x01\xff\xf0\x03\x03";
    (void)taken_by(rig, little, sizeof little - 1); /* what is made once */
    size_t usual = taken_by(rig, little, sizeof little - 1);
    size_t taken = taken_by(rig, much, sizeof much - 1);
    print_message("  %zu bytes, %zu\n", usual, taken);
    assert_in_range(taken, 0, usual);
}

static void test_memory(void **state)
{
    (void)state;
    run_tls_rig(says_much, NULL);
}

/* --- as a whole ------------------------------------------------------------------------------- */

static struct authority second;

static int make(void **state)
{
    (void)tls_rig_make(state);
    make_certificate(&second,
                     &(struct made){"second.example", "DNS:second.example,DNS:*.second.example",
                                    .by = &test_ca});
    const struct weir__tls_pair pairs[] = {pair_of(&test_server), pair_of(&second)};
    weir__tls_server_free(tls);
    tls = server_of((struct weir__tls_server_options){
        .choice = {.alpn = protocols}, .pairs = pairs, .pair_count = 2});
    return 0;
}

static int unmake(void **state)
{
    free_certificate(&second);
    return tls_rig_unmake(state);
}

int main(void)
{
    if (CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) != 1)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records), cmocka_unit_test(test_hellos), cmocka_unit_test(test_names),
        cmocka_unit_test(test_cuts),    cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests_name("tls", tests, make, unmake);
}

#else

int main(void)
{
    return 0; /* net/tls_test.c has what a build without TLS says */
}

#endif
