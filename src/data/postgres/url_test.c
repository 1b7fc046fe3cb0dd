/* URLs of PostgreSQL: what is read out of them, every mistake at once, and never the password. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "data/postgres/url.h"

static const struct {
    const char *url;
    const char *user, *password, *host, *database;
    unsigned port;
    enum weir__pg_sslmode mode;
} good[] = {
    {"postgres://bob@db.example.org", "bob", NULL, "db.example.org", "bob", 5432,
     WEIR__PG_SSL_VERIFY_FULL},
    {"postgresql://bob:s%40crt@db:6000/shop", "bob", "s@crt", "db", "shop", 6000,
     WEIR__PG_SSL_VERIFY_FULL},
    {"POSTGRES://bob:a@b@db/shop", "bob", "a@b", "db", "shop", 5432, WEIR__PG_SSL_VERIFY_FULL},
    {"postgres://bob:@localhost/shop", "bob", "", "localhost", "shop", 5432, WEIR__PG_SSL_DISABLE},
    {"postgres://bob@127.3.2.1/shop", "bob", NULL, "127.3.2.1", "shop", 5432, WEIR__PG_SSL_DISABLE},
    {"postgres://bob@128.0.0.1/shop", "bob", NULL, "128.0.0.1", "shop", 5432,
     WEIR__PG_SSL_VERIFY_FULL},
    {"postgres://bob@[::1]:7/shop", "bob", NULL, "::1", "shop", 7, WEIR__PG_SSL_DISABLE},
    {"postgres://bob@[2001:db8::1]/shop", "bob", NULL, "2001:db8::1", "shop", 5432,
     WEIR__PG_SSL_VERIFY_FULL},
    {"postgres://db/shop?user=bob&password=x%26y", "bob", "x&y", "db", "shop", 5432,
     WEIR__PG_SSL_VERIFY_FULL},
    {"postgres://bob@db?dbname=shop&port=6001", "bob", NULL, "db", "shop", 6001,
     WEIR__PG_SSL_VERIFY_FULL},
    {"postgres://bob@db/a%2Fb?sslmode=prefer", "bob", NULL, "db", "a/b", 5432, WEIR__PG_SSL_PREFER},
    {"postgres://bob@db?sslmode=require", "bob", NULL, "db", "bob", 5432, WEIR__PG_SSL_REQUIRE},
    {"postgres://bob@db?sslmode=require&sslrootcert=ca.pem", "bob", NULL, "db", "bob", 5432,
     WEIR__PG_SSL_VERIFY_CA},
    {"postgres://bob@db?sslmode=disable", "bob", NULL, "db", "bob", 5432, WEIR__PG_SSL_DISABLE},
};

static void assert_text(const char *is, const char *wanted)
{
    if (wanted == NULL)
        assert_null(is);
    else
        assert_string_equal(is, wanted);
}

static bool read_url(const char *url, struct weir__pg_url *u, char *text, size_t size)
{
    weir_buf out;
    struct weir__bounds b = {.kind = "PostgreSQL", .name = "x", .out = &out};
    weir_buf_init_fixed(&out, text, size);
    weir__pg_url_read(url, u, &b);
    text[out.len < size ? out.len : size - 1] = '\0';
    return !b.is_bad;
}

static void what_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct weir__pg_url u;
        char text[1000];
        assert_true(read_url(good[i].url, &u, text, sizeof text));
        assert_text(u.user, good[i].user);
        assert_text(u.password, good[i].password);
        assert_text(u.hosts[0].name, good[i].host);
        assert_text(u.database, good[i].database);
        assert_int_equal(u.hosts[0].port, good[i].port);
        assert_int_equal(u.host_count, 1);
        assert_int_equal(u.hosts[0].tls, good[i].mode);
        assert_null(u.hosts[0].socket);
    }
}

static void unix_sockets(void **state)
{
    (void)state;
    struct weir__pg_url u;
    char text[1000], url[400];
    assert_true(read_url("postgres:///shop?user=bob", &u, text, sizeof text));
    assert_string_equal(u.hosts[0].socket, "unix:/var/run/postgresql/.s.PGSQL.5432");
    assert_true(read_url("postgres://bob@/shop?host=/tmp/x&port=7&sslmode=verify-full", &u, text,
                         sizeof text));
    assert_string_equal(u.hosts[0].socket, "unix:/tmp/x/.s.PGSQL.7");
    assert_int_equal(u.hosts[0].tls, WEIR__PG_SSL_DISABLE); /* as libpq: nobody speaks TLS there */
    assert_int_equal(u.multiplex, 0);
    assert_true(read_url("postgres:///shop?user=bob&multiplex=32", &u, text, sizeof text));
    assert_int_equal(u.multiplex, 32);
    snprintf(url, sizeof url, "postgres://bob@/shop?host=/%0200d", 0);
    assert_false(read_url(url, &u, text, sizeof text));
}

/* Each has its port, and TLS as its place asks for it. */
static void several_hosts(void **state)
{
    (void)state;
    struct weir__pg_url u;
    char text[1000], where[300];
    assert_true(read_url("postgres://bob:x@a:1,[2001:db8::1],localhost:3/shop"
                         "?target_session_attrs=read-write",
                         &u, text, sizeof text));
    assert_int_equal(u.host_count, 3);
    assert_true(u.is_primary_only);
    static const char *const wheres[] = {"a:1", "[2001:db8::1]:5432", "localhost:3"};
    for (unsigned i = 0; i < 3; i++) {
        weir__sql_host_where(&u.hosts[i], where, sizeof where);
        assert_string_equal(where, wheres[i]);
        assert_int_equal(u.hosts[i].tls, i == 2 ? WEIR__PG_SSL_DISABLE : WEIR__PG_SSL_VERIFY_FULL);
    }
    assert_int_equal(u.sslmode, WEIR__PG_SSL_VERIFY_FULL);
    assert_true(read_url("postgres:///shop?user=bob&host=a,/tmp&port=7,8&sslmode=require"
                         "&target_session_attrs=prefer-standby",
                         &u, text, sizeof text));
    assert_int_equal(u.host_count, 2);
    assert_false(u.is_primary_only);
    assert_string_equal(u.hosts[0].name, "a");
    assert_int_equal(u.hosts[0].port, 7);
    assert_string_equal(u.hosts[1].socket, "unix:/tmp/.s.PGSQL.8");
    assert_int_equal(u.hosts[1].tls, WEIR__PG_SSL_DISABLE);
    assert_true(read_url("postgres://bob@a,b?port=7", &u, text, sizeof text));
    assert_int_equal(u.hosts[0].port + u.hosts[1].port, 14);
}

static const struct {
    const char *url, *told;
} bad[] = {
    {NULL, "there is none"},
    {"", "there is none"},
    {"http://db", "does not begin with postgres://"},
    {"postgres:/db", "does not begin with postgres://"},
    {"postgres://db/shop", "there is no user"},
    {"postgres://bob@db:0", "host or port"},
    {"postgres://bob@db:65536", "host or port"},
    {"postgres://bob@a,,b", "has no name"},
    {"postgres://bob@a:1,a:1", "stands there twice"},
    {"postgres://bob@db/x?host=a,b,a", "stands there twice"},
    {"postgres://bob@a,b:0", "host or port"},
    {"postgres://bob@a,b,c?port=1,2", "one for each"},
    {"postgres://bob@a,b?port=1,2,3", "more than there are hosts"},
    {"postgres://bob@a,b?port=1,x", "port is no number"},
    {"postgres://bob@a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "more than 16"},
    {"postgres://bob@x/x?host=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "more than 16"},
    {"postgres://bob@a,b?target_session_attrs=standby", "target_session_attrs is none of"},
    {"postgres://bob@%2Ftmp", "is a folder"},
    {"postgres://b%zzb@db", "the user has a %"},
    {"postgres://bob@db/a%00b", "the database has a NUL"},
    {"postgres://bob@db?sslmode=yes", "sslmode is none of"},
    {"postgres://bob@db?channel_binding=yes", "channel_binding is none of"},
    {"postgres://bob@db?connect_timeout=0", "connect_timeout is no whole number"},
    {"postgres://bob@db?port=x", "port is no number"},
    {"postgres://bob@db?multiplex=1", "multiplex is no number from 2 to 1024"},
    {"postgres://bob@db?multiplex=1025", "multiplex is no number from 2 to 1024"},
    {"postgres://bob@db?colour=red", "colour is no parameter"},
    {"postgres://bob@db?sslmode", "sslmode has no value"},
    {"postgres://bob@db?sslcert=a", "belong together"},
    {"postgres://bob@db?sslmode=disable&channel_binding=require", "needs TLS"},
};

static void what_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct weir__pg_url u;
        char text[1000];
        assert_false(read_url(bad[i].url, &u, text, sizeof text));
        assert_non_null(strstr(text, bad[i].told));
    }
}

static void all_mistakes_at_once(void **state)
{
    (void)state;
    struct weir__pg_url u;
    char text[2000];
    assert_false(read_url("postgres://b%zb@db:0?sslmode=x&a=1&b=2", &u, text, sizeof text));
    static const char *const told[] = {"the user", "host or port", "sslmode", "a is no", "b is no"};
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
        assert_non_null(strstr(text, told[i]));
}

/* Whatever is wrong with the rest: nothing of the password is said. */
static void the_password_is_never_told(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "postgres://bob:hunter2@db:0/x",
        "postgres://bob:hunter2%zz@db",
        "postgres://bob:hunter2/@db",
        "postgres://bob:hun?ter2@db/x",
        "postgres://bob:hun?ter2=x&hunter2@d",
        "postgres://bob:hunter2@a,b",
        "postgres:/bob:hunter2@db",
        "postgres://:hunter2@db",
        "postgres://db?password=hunter2%zz",
        "postgres://bob:hun#ter2@db:x",
    };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct weir__pg_url u;
        char text[2000];
        (void)read_url(urls[i], &u, text, sizeof text);
        assert_null(strstr(text, "hunter2"));
        assert_null(strstr(text, "ter2"));
    }
}

static void long_ones(void **state)
{
    (void)state;
    static char url[3 * WEIR__SQL_URL_MAX], text[4000];
    struct weir__pg_url u;
    for (size_t n = 10; n < sizeof url - 50; n += 7) {
        int at = snprintf(url, sizeof url, "postgres://bob:%0*d@db/x?host=/tmp", (int)n, 0);
        assert_int_equal(read_url(url, &u, text, sizeof text), at <= WEIR__SQL_URL_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read),
        cmocka_unit_test(unix_sockets),
        cmocka_unit_test(several_hosts),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(all_mistakes_at_once),
        cmocka_unit_test(the_password_is_never_told),
        cmocka_unit_test(long_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
