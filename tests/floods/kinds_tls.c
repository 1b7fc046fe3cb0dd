/* Kinds of TLS: what is none, what stops half way, and what breaks off later. */
#include <string.h>

#include "bad.h"

#define REQUEST "GET /hello/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void garbage(struct bad *b)
{
    unsigned char bytes[512];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37 + 129);
    link_raw(&b->link, bytes, sizeof bytes);
}

static void plain(struct bad *b)
{
    link_raw(&b->link, REQUEST, sizeof REQUEST - 1);
}

/* A record whose length no record may have. */
static void long_record(struct bad *b)
{
    static const unsigned char head[] = {22, 3, 1, 0xff, 0xff, 1, 0, 0, 1};
    link_raw(&b->link, head, sizeof head);
}

static size_t hello(struct bad *b, char *bytes, size_t room)
{
    (void)link_handshake(&b->link);
    return link_sealed(&b->link, bytes, room);
}

static void half_hello(struct bad *b)
{
    char bytes[4096];
    link_raw(&b->link, bytes, hello(b, bytes, sizeof bytes) / 2);
}

static void hello_and_nothing(struct bad *b)
{
    char bytes[4096];
    link_raw(&b->link, bytes, hello(b, bytes, sizeof bytes));
}

static void go_by_reset(struct bad *b)
{
    bad_leave(b, true);
}

static void changed_record(struct bad *b)
{
    char bytes[512];
    link_gather(&b->link);
    (void)SSL_write(b->link.ssl, REQUEST, sizeof REQUEST - 1);
    size_t n = link_sealed(&b->link, bytes, sizeof bytes);
    bytes[n - 1] ^= 1;
    link_raw(&b->link, bytes, n);
}

static void no_farewell(struct bad *b)
{
    BAD_TEXT(b, "GET /hello/1 HTTP/1.1\r\nHost: loc");
    bad_shut(b);
}

static void renegotiate(struct bad *b)
{
    (void)SSL_renegotiate(b->link.ssl);
    (void)SSL_do_handshake(b->link.ssl);
    link_gather(&b->link);
}

static void key_updates(struct bad *b)
{
    for (int i = 0; i < 32; i++) {
        (void)SSL_key_update(b->link.ssl, SSL_KEY_UPDATE_REQUESTED);
        (void)SSL_do_handshake(b->link.ssl);
    }
    link_gather(&b->link);
}

static void nothing(struct bad *b)
{
    (void)b;
}

static void of_1_2(SSL_CTX *tls)
{
    (void)SSL_CTX_set_max_proto_version(tls, TLS1_2_VERSION);
}

static void of_1_1(SSL_CTX *tls)
{
    (void)SSL_CTX_set_min_proto_version(tls, TLS1_1_VERSION);
    (void)SSL_CTX_set_max_proto_version(tls, TLS1_1_VERSION);
    (void)SSL_CTX_set_cipher_list(tls, "ALL:@SECLEVEL=0");
}

static void of_old_ciphers(SSL_CTX *tls)
{
    of_1_2(tls);
    (void)SSL_CTX_set_cipher_list(tls, "ECDHE-ECDSA-AES128-SHA:AES128-SHA");
}

static void with_certificate(SSL_CTX *tls)
{
    if (SSL_CTX_use_certificate_file(tls, bad_cert, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, bad_key, SSL_FILETYPE_PEM) != 1)
        die("the certificate that nobody vouches for");
}

const struct kind kinds_tls[] = {
    {.name = "tls-garbage", .where = ON_TLS, .is_raw = true, .begin = garbage},
    {.name = "tls-plain", .where = ON_TLS, .is_raw = true, .begin = plain},
    {.name = "tls-long-record", .where = ON_TLS, .is_raw = true, .begin = long_record},
    {.name = "tls-half-hello", .where = ON_TLS, .is_raw = true, .begin = half_hello},
    {.name = "tls-stalls", .where = ON_TLS, .is_raw = true, .begin = hello_and_nothing},
    {.name = "tls-silent", .where = ON_TLS, .is_raw = true, .begin = nothing},
    {.name = "tls-reset", .where = ON_TLS, .begin = go_by_reset},
    {.name = "tls-version", .where = ON_TLS, .begin = nothing, .prepare = of_1_1},
    {.name = "tls-cipher", .where = ON_TLS, .begin = nothing, .prepare = of_old_ciphers},
    {.name = "tls-protocol", .where = ON_TLS, .alpn = "spdy/1", .begin = nothing},
    {.name = "tls-certificate", .where = ON_TLS, .begin = nothing, .prepare = with_certificate},
    {.name = "tls-changed-record", .where = ON_TLS, .begin = changed_record},
    {.name = "tls-no-farewell", .where = ON_TLS, .begin = no_farewell},
    {.name = "tls-renegotiates", .where = ON_TLS, .begin = renegotiate, .prepare = of_1_2},
    {.name = "tls-key-updates", .where = ON_TLS, .begin = nothing, .more = key_updates},
    {0},
};
