/*
 * Forwarded and X-Forwarded-*: who is believed, who is not, and what becomes of rubbish. The peer
 * is 10.0.0.1; trusted are 10.0.0.0/8, fd00::/8 and local sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "wire/forwarded.h"

static struct weir__cidrs trusted;

static int set_up(void **state)
{
    (void)state;
    weir_str bad;
    return weir__cidrs_parse(WEIR_S("10.0.0.0/8 fd00::/8 unix"), &trusted, &bad);
}

struct row {
    const char *lines[3];
    const char *client;
    int port;
    unsigned hops;
    bool is_hidden;
    const char *proto, *host;
};

static void check(const struct row *r, const struct weir__forwarded *f)
{
    char text[WEIR__IP_TEXT_MAX];
    weir__ip_format(&f->client, text);
    bool is_right = strcmp(text, r->client) == 0 && f->port == r->port && f->hops == r->hops &&
                    f->is_hidden == r->is_hidden &&
                    weir_str_eq(f->proto, weir_str_from(r->proto)) &&
                    weir_str_eq(f->host, weir_str_from(r->host));
    if (!is_right)
        fail_msg("\"%s\": %s:%u, %u hops, hidden: %d, proto " WEIR_STR_FMT ", host " WEIR_STR_FMT,
                 r->lines[0], text, f->port, f->hops, f->is_hidden, WEIR_STR_ARG(f->proto),
                 WEIR_STR_ARG(f->host));
}

/* The lines in memory of exactly their size; the caller frees what it got. */
static size_t lines_of(const struct row *r, weir_str *out)
{
    size_t n = 0;
    for (; n < 3 && r->lines[n] != NULL; n++) {
        size_t len = strlen(r->lines[n]);
        char *exact = malloc(len > 0 ? len : 1);
        assert_non_null(exact);
        memcpy(exact, r->lines[n], len);
        out[n] = (weir_str){exact, len};
    }
    return n;
}

static void free_lines(weir_str *lines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((char *)lines[i].ptr);
}

static void run(const struct row *r, bool is_x, const char *peer)
{
    struct weir__ip ip;
    struct weir__forwarded f;
    weir_str lines[3];
    size_t n = lines_of(r, lines);
    weir_str none = {NULL, 0};
    assert_int_equal(weir__ip_parse(weir_str_from(peer), &ip), 0);
    if (is_x)
        weir__forwarded_walk_x(&ip, &trusted, lines, n, none, none, &f);
    else
        weir__forwarded_walk(&ip, &trusted, lines, n, &f);
    check(r, &f);
    free_lines(lines, n);
}

static const struct row forwarded[] = {
    {{NULL}, "10.0.0.1", 0, 0, false, NULL, NULL},
    {{""}, "10.0.0.1", 0, 0, false, NULL, NULL},
    {{"for=192.0.2.60;proto=http;by=203.0.113.43"}, "192.0.2.60", 0, 1, false, "http", NULL},
    {{"For=\"[2001:db8:cafe::17]:4711\""}, "2001:db8:cafe::17", 4711, 1, false, NULL, NULL},
    {{"for=192.0.2.43, for=198.51.100.17"}, "198.51.100.17", 0, 1, false, NULL, NULL},
    {{"for=192.0.2.43, for=10.0.0.2"}, "192.0.2.43", 0, 2, false, NULL, NULL},
    {{"for=192.0.2.43", "for=10.0.0.2"},
     "192.0.2.43",
     0,
     2,
     false,
     NULL,
     NULL}, /* lines are one list */
    {{"for=10.0.0.3, for=10.0.0.2"}, "10.0.0.3", 0, 2, false, NULL, NULL},
    {{"for=unknown"}, "10.0.0.1", 0, 1, true, NULL, NULL},
    {{"for=_hidden;proto=https, for=10.0.0.9"}, "10.0.0.9", 0, 2, true, "https", NULL},
    {{"for=\"192.0.2.1:_x\""}, "192.0.2.1", 0, 1, false, NULL, NULL},
    {{"for=\"192.0.2.1:80\";host=\"shop.example:8443\";proto=HTTPS"},
     "192.0.2.1",
     80,
     1,
     false,
     "HTTPS",
     "shop.example:8443"},
    /* What the outermost trusted proxy says of proto and host counts. */
    {{"for=192.0.2.1;proto=https;host=a.example, for=10.0.0.2;proto=http;host=b.internal"},
     "192.0.2.1",
     0,
     2,
     false,
     "https",
     "a.example"},
    {{"for=192.0.2.1, for=10.0.0.2;proto=http;host=b.internal"},
     "192.0.2.1",
     0,
     2,
     false,
     "http",
     "b.internal"},
    /* What the client has written itself does not. */
    {{"for=10.9.9.9;proto=https;host=evil.example, for=192.0.2.1;proto=http"},
     "192.0.2.1",
     0,
     1,
     false,
     "http",
     NULL},
    {{"by=10.0.0.1;proto=https"}, "10.0.0.1", 0, 1, true, "https", NULL},
    {{"for=192.0.2.1;proto=ftp;host=a b"}, "10.0.0.1", 0, 0, true, NULL, NULL}, /* malformed */
    {{"for=192.0.2.1;proto=ftp;host=\"a b\""}, "192.0.2.1", 0, 1, false, NULL, NULL},
    {{"for=192.0.2.1;host=\"user@a\""}, "192.0.2.1", 0, 1, false, NULL, NULL},
    {{"for=192.0.2.1;for=10.0.0.2"}, "10.0.0.1", 0, 0, true, NULL, NULL}, /* section 4: once each */
    {{"for=192.0.2.1:80"}, "10.0.0.1", 0, 0, true, NULL, NULL},           /* must be quoted */
    {{"for=\"192.0.2.1"}, "10.0.0.1", 0, 1, true, NULL, NULL},
    {{"for=\"192.0.2.1\\\""}, "10.0.0.1", 0, 1, true, NULL, NULL},
    {{"for=\"[192.0.2.1]\""}, "10.0.0.1", 0, 1, true, NULL, NULL},
    {{"for=\"[::1\""}, "10.0.0.1", 0, 1, true, NULL, NULL},
    {{"for=\"[::1]80\""}, "10.0.0.1", 0, 1, true, NULL, NULL},
    {{"for=\"192.0.2.1:65536\""}, "10.0.0.1", 0, 1, true, NULL, NULL},
    {{"for=\"192.0.2.1:\""}, "10.0.0.1", 0, 1, true, NULL, NULL},
    {{"for=\"\""}, "10.0.0.1", 0, 1, true, NULL, NULL},
    {{"for"}, "10.0.0.1", 0, 0, true, NULL, NULL},
    {{"for=192.0.2.1, , "}, "192.0.2.1", 0, 1, false, NULL, NULL},
    {{"\x01\xff, for=10.0.0.2"}, "10.0.0.2", 0, 1, true, NULL, NULL},
};

static const struct row forwarded_for[] = {
    {{NULL}, "10.0.0.1", 0, 0, false, NULL, NULL},
    {{"192.0.2.1"}, "192.0.2.1", 0, 1, false, NULL, NULL},
    {{"192.0.2.1, 10.0.0.2"}, "192.0.2.1", 0, 2, false, NULL, NULL},
    {{"192.0.2.1", "10.0.0.2,10.0.0.3"}, "192.0.2.1", 0, 3, false, NULL, NULL},
    {{"6.6.6.6, 192.0.2.1, 10.0.0.2"}, "192.0.2.1", 0, 2, false, NULL, NULL},
    {{"2001:db8::1"}, "2001:db8::1", 0, 1, false, NULL, NULL},
    {{"[2001:db8::1]:443"}, "2001:db8::1", 443, 1, false, NULL, NULL},
    {{"192.0.2.1:5000, fd00::1"}, "192.0.2.1", 5000, 2, false, NULL, NULL},
    {{"unknown"}, "10.0.0.1", 0, 0, true, NULL, NULL},
    {{"rubbish, 10.0.0.2"}, "10.0.0.2", 0, 1, true, NULL, NULL},
    {{"192.0.2.1;x"}, "10.0.0.1", 0, 0, true, NULL, NULL},
    {{"\""}, "10.0.0.1", 0, 0, true, NULL, NULL},
};

static void lists_are_walked_from_the_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forwarded / sizeof forwarded[0]; i++)
        run(&forwarded[i], false, "10.0.0.1");
    for (size_t i = 0; i < sizeof forwarded_for / sizeof forwarded_for[0]; i++)
        run(&forwarded_for[i], true, "10.0.0.1");
}

static void who_is_not_trusted_is_the_client(void **state)
{
    (void)state;
    struct row r = {{"for=192.0.2.1;proto=https;host=a"}, "8.8.8.8", 0, 0, false, NULL, NULL};
    run(&r, false, "8.8.8.8");
    struct weir__ip peer;
    struct weir__forwarded f;
    weir_str line = WEIR_S("192.0.2.1");
    assert_int_equal(weir__ip_parse(WEIR_S("8.8.8.8"), &peer), 0);
    weir__forwarded_walk_x(&peer, &trusted, &line, 1, WEIR_S("https"), WEIR_S("a"), &f);
    r.lines[0] = "192.0.2.1";
    check(&r, &f);
}

static void local_peers_may_be_trusted(void **state)
{
    (void)state;
    struct weir__ip peer = {.family = AF_UNIX};
    struct weir__forwarded f;
    weir_str line = WEIR_S("for=192.0.2.1");
    weir__forwarded_walk(&peer, &trusted, &line, 1, &f);
    assert_int_equal(f.hops, 1);
}

static void proto_and_host_are_of_the_last_hop(void **state)
{
    (void)state;
    static const struct {
        const char *list, *proto, *host, *said_proto, *said_host;
    } rows[] = {
        {"192.0.2.1", "https", "a.example", "https", "a.example"},
        {"192.0.2.1", "https, http", "evil, a.example", "http", "a.example"},
        {"192.0.2.1, 10.0.0.2", "https, http", "a.example, b", "https", "a.example"},
        {"192.0.2.1, 10.0.0.2", "https", "a.example", "https", "a.example"},
        {"192.0.2.1, 10.0.0.2", "evil, https, http", NULL, "https", NULL},
        {"", "https", "a.example", "https", "a.example"},
        {"192.0.2.1", "gopher", "a/b", NULL, NULL},
        {"192.0.2.1", NULL, NULL, NULL, NULL},
    };
    struct weir__ip peer;
    assert_int_equal(weir__ip_parse(WEIR_S("10.0.0.1"), &peer), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weir__forwarded f;
        weir_str line = weir_str_from(rows[i].list);
        weir__forwarded_walk_x(&peer, &trusted, &line, 1, weir_str_from(rows[i].proto),
                               weir_str_from(rows[i].host), &f);
        assert_true(weir_str_eq(f.proto, weir_str_from(rows[i].said_proto)));
        assert_true(weir_str_eq(f.host, weir_str_from(rows[i].said_host)));
    }
}

static void no_more_than_so_many_hops(void **state)
{
    (void)state;
    char list[40 * 20] = "192.0.2.1";
    for (int i = 0; i < 31; i++)
        strcat(list, ", 10.0.0.2");
    struct row r = {{list}, "192.0.2.1", 0, 32, false, NULL, NULL};
    run(&r, true, "10.0.0.1");
    strcat(list, ", 10.0.0.2");
    r.client = "10.0.0.2";
    run(&r, true, "10.0.0.1");
}

static void what_is_written_can_be_read(void **state)
{
    (void)state;
    static const struct {
        const char *ip;
        uint16_t port;
        const char *host, *proto, *text;
    } rows[] = {
        {"192.0.2.1", 0, NULL, NULL, "for=192.0.2.1"},
        {"192.0.2.1", 80, "a.example:80", "http",
         "for=\"192.0.2.1:80\";host=\"a.example:80\";proto=http"},
        {"2001:db8::1", 0, "[::1]:8", "https",
         "for=\"[2001:db8::1]\";host=\"[::1]:8\";proto=https"},
        {"2001:db8::1", 9, "a\"b", "ftp", "for=\"[2001:db8::1]:9\""},
        {"10.1.2.3", 0, "", "", "for=10.1.2.3"},
    };
    struct weir__ip peer;
    assert_int_equal(weir__ip_parse(WEIR_S("10.0.0.1"), &peer), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weir__ip ip;
        struct weir__forwarded f;
        weir_buf b;
        weir_buf_init(&b, 512);
        assert_int_equal(weir__ip_parse(weir_str_from(rows[i].ip), &ip), 0);
        weir__forwarded_write(&b, &ip, rows[i].port, weir_str_from(rows[i].host),
                              weir_str_from(rows[i].proto));
        assert_true(weir_str_eq(weir_buf_str(&b), weir_str_from(rows[i].text)));
        weir_str line = weir_buf_str(&b);
        weir__forwarded_walk(&peer, &trusted, &line, 1, &f);
        assert_true(weir__ip_eq(&f.client, &ip));
        assert_int_equal(f.port, rows[i].port);
        weir_buf_fini(&b);
    }
    struct weir__ip local = {.family = AF_UNIX};
    weir_buf b;
    weir_buf_init(&b, 512);
    weir__forwarded_write(&b, &local, 0, (weir_str){NULL, 0}, (weir_str){NULL, 0});
    assert_true(weir_str_eq(weir_buf_str(&b), WEIR_S("for=unknown")));
    weir_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_walked_from_the_right),
        cmocka_unit_test(who_is_not_trusted_is_the_client),
        cmocka_unit_test(local_peers_may_be_trusted),
        cmocka_unit_test(proto_and_host_are_of_the_last_hop),
        cmocka_unit_test(no_more_than_so_many_hops),
        cmocka_unit_test(what_is_written_can_be_read),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
