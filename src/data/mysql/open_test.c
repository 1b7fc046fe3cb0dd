/*
 * URLs and options, their mistakes, and how connections begin: what is wrong is told in a line that
 * never has the password.
 */
#include "data/mysql/testing.h"

/* --- URLs ------------------------------------------------------------------------------------- */

static struct weir__mysql_url u;
static char mistakes[1000];

static void read_url(const char *text)
{
    weir_buf out;
    weir_buf_init_fixed(&out, mistakes, sizeof mistakes - 1);
    struct weir__bounds b = {.kind = "MySQL", .name = "shop", .out = &out};
    weir__mysql_url_read(text, &u, &b);
    mistakes[out.len] = '\0';
}

static void good(const char *text)
{
    read_url(text);
    assert_string_equal(mistakes, "");
}

static void bad(const char *text, const char *part)
{
    read_url(text);
    if (strstr(mistakes, part) == NULL)
        fail_msg("\"%s\" has no \"%s\"", mistakes, part);
    assert_null(strstr(mistakes, "secret"));
}

static void urls_that_are_good(void **state)
{
    (void)state;
    good("mysql://anna:se%3Acret@db.example.org:3307/shop?ssl-mode=required&connect-timeout=7");
    assert_string_equal(u.user, "anna");
    assert_string_equal(u.password, "se:cret");
    assert_string_equal(u.hosts[0].name, "db.example.org");
    assert_string_equal(u.database, "shop");
    assert_int_equal(u.hosts[0].port, 3307);
    assert_int_equal(u.ssl, WEIR__MYSQL_SSL_REQUIRED);
    assert_int_equal(u.connect_seconds, 7);
    good("mariadb://anna@[::1]/shop");
    assert_string_equal(u.hosts[0].name, "::1");
    assert_int_equal(u.hosts[0].port, 3306);
    assert_int_equal(u.ssl, WEIR__MYSQL_SSL_DISABLED);
    assert_null(u.password);
    good("MySQL://anna:p@ss/word@example.org");
    assert_string_equal(u.password, "p@ss/word");
    assert_string_equal(u.hosts[0].name, "example.org");
    assert_int_equal(u.ssl, WEIR__MYSQL_SSL_VERIFY);
    assert_null(u.database);
    good("mysql://root@/shop?socket=/tmp/my.sock");
    assert_string_equal(u.hosts[0].socket, "/tmp/my.sock");
    good("mysql://root@/shop");
    assert_string_equal(u.hosts[0].socket, "/run/mysqld/mysqld.sock");
    good("mysql://root@db/x?ssl-mode=VERIFY_IDENTITY&ssl-ca=/a.pem&ssl-cert=/b.pem&ssl-key=/c.pem");
    assert_string_equal(u.ca, "/a.pem");
}

/* Each has its port, and TLS as its place asks for it. */
static void urls_of_several_hosts(void **state)
{
    char where[300];
    (void)state;
    good("mysql://anna:x@a:1,[::1],db.example.org/shop?connect-timeout=3");
    assert_int_equal(u.host_count, 3);
    static const char *const wheres[] = {"a:1", "[::1]:3306", "db.example.org:3306"};
    for (unsigned i = 0; i < 3; i++) {
        weir__sql_host_where(&u.hosts[i], where, sizeof where);
        assert_string_equal(where, wheres[i]);
        assert_int_equal(u.hosts[i].tls,
                         i == 1 ? WEIR__MYSQL_SSL_DISABLED : WEIR__MYSQL_SSL_VERIFY);
    }
    bad("mysql://anna:secret@a,b?socket=/s", "do not go together");
    bad("mysql://anna:secret@a,/x", "has no name");
    bad("mysql://anna:secret@a,A:3306,a:3306", "stands there twice");
    bad("mysql://anna:secret@a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "more than 16");
}

static void urls_that_are_bad(void **state)
{
    char longer[3000] = "mysql://";
    (void)state;
    bad(NULL, "there is none");
    bad("postgres://anna:secret@db/shop", "does not begin with mysql://");
    bad("mysql://:secret@db/shop", "no user");
    bad("mysql://anna:secret%2@db/shop", "the password has a %");
    bad("mysql://anna:%00secret@db/shop", "the password has a NUL");
    bad("mysql://anna:a?secret=1@db/shop", "has an @ behind its ?");
    bad("mysql://anna:secret@db:99999/shop", "host or port");
    bad("mysql://anna:secret@db:0/shop", "host or port");
    bad("mysql://anna:secret@db/shop?ssl-mode=maybe", "ssl-mode is none of");
    bad("mysql://anna:secret@db/shop?ssl-mode=verify_ca", "write verify_identity");
    bad("mysql://anna:secret@db/shop?ssl-cert=/a", "belong together");
    bad("mysql://anna:secret@db/shop?ssl-mode=required&ssl-ca=/a", "verify_identity alone");
    bad("mysql://anna:secret@db/shop?tls=true", "tls is no parameter");
    bad("mysql://anna:secret@db/shop?connect-timeout=0", "connect-timeout is no");
    bad("mysql://anna:secret@db/shop?socket", "socket has no value");
    bad("mysql://anna:secret@db/shop?socket=/s", "do not go together");
    bad("mysql://anna:secret@/shop?ssl-mode=required", "no meaning on a Unix socket");
    memset(longer + 8, 'a', sizeof longer - 9);
    bad(longer, "longer than");
    /* all at once */
    bad("mysql://db:x/shop?a=1&ssl-mode=no", "host or port");
    assert_non_null(strstr(mistakes, "a is no parameter"));
    assert_non_null(strstr(mistakes, "ssl-mode is none"));
    assert_non_null(strstr(mistakes, "no user"));
}

/* --- opening ---------------------------------------------------------------------------------- */

static weir_err opens_badly(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(one, c);
    weir_db *db = weir_mysql_open(one, .url = "mysql://anna:secret@127.0.0.1:1/shop?a=b",
                                  .connect_timeout = weir_ms(1), .value_bytes_max = 5,
                                  .server_key = "none", .pool = {.max_open = 20000});
    const char *text = weir_last_error(one)->message.ptr;
    assert_int_equal(weir_db_err(db), WEIR_EINVALID);
    assert_non_null(strstr(text, "a is no parameter"));
    assert_non_null(strstr(text, "connect_timeout is 1 ms"));
    assert_non_null(strstr(text, "value_bytes_max is 5"));
    assert_non_null(strstr(text, "server_key"));
    assert_non_null(strstr(text, "max_open is 20000"));
    assert_null(strstr(text, "secret"));
    weir_rows *rows = weir_query(one, db, "SELECT 1");
    assert_int_equal(weir_rows_err(rows), WEIR_EINVALID);
    (void)weir_ctx_close(one);
    return WEIR_OK;
}

static void options_that_are_bad(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(opens_badly, NULL), WEIR_OK);
}

static weir_err opens_nowhere(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(one, c);
    weir_db *db = weir_mysql_open(one, .url = "mysql://anna:secret@127.0.0.1:1/shop");
    assert_told(one, weir_db_err(db), -ECONNREFUSED, "shop at 127.0.0.1:1: cannot connect");
    assert_null(strstr(weir_last_error(one)->message.ptr, "secret"));
    (void)weir_ctx_close(one);
    return WEIR_OK;
}

static void servers_that_are_not_there(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(opens_nowhere, NULL), WEIR_OK);
}

/* --- what a server may say at first ----------------------------------------------------------- */

static struct {
    weir_str says;
    bool closes;
} first;

static weir_err says_first(weir_ctx *c, void *arg)
{
    struct weir__fd *listener = arg;
    struct weir__stream s;
    char byte;
    size_t sent;
    struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = listener};
    ssize_t num = weir__io(weir__ctx_of(c), &op, weir_never());
    if (num < 0)
        return WEIR_OK;
    assert_int_equal(weir__stream_attach(&s, (struct weir__detached){.num = (int)num}, NULL),
                     WEIR_OK);
    (void)weir__stream_send(weir__ctx_of(c), &s, first.says.ptr, first.says.len, &sent,
                            weir_never());
    while (!first.closes && weir__stream_recv(weir__ctx_of(c), &s, &byte, 1, weir_never()) > 0)
        continue;
    weir__stream_close(&s);
    return WEIR_OK;
}

struct first_case {
    weir_str says;
    bool closes;
    const char *query;
    weir_err err;
    const char *part;
};

static weir_err meets(weir_ctx *c, void *arg)
{
    const struct first_case *it = arg;
    struct weir__fd listener;
    char url[128];
    int port = weir__sim_listen();
    first.says = it->says;
    first.closes = it->closes;
    assert_int_equal(weir__fd_watch(&listener, port, NULL), WEIR_OK);
    WEIR_SCOPE(around, c);
    assert_int_equal(WEIR_GO(around, says_first, &listener), WEIR_OK);
    WEIR_SCOPE(one, around);
    snprintf(url, sizeof url, "mysql://anna:secret@127.0.0.1:%d/shop%s", port, it->query);
    weir_db *db = weir_mysql_open(one, .url = url, .connect_timeout = weir_ms(500));
    assert_told(one, weir_db_err(db), it->err, it->part);
    (void)weir_ctx_close(one);
    weir_cancel(around);
    (void)weir_ctx_close(around);
    weir__fd_close(&listener);
    return WEIR_OK;
}

static void strangers(void **state)
{
    static const struct first_case cases[] = {
        {WEIR_S("SSH-2.0-OpenSSH_9.2\r\n"), false, "", WEIR_EPROTO, "no MySQL server is there"},
        {WEIR_S("HTTP/1.1 400 Bad Request\r\n\r\n"), true, "", WEIR_EPROTO,
         "no MySQL server is there"},
        {WEIR_S(""), true, "", WEIR_EGONE, "the server has closed it"},
        {WEIR_S(""), false, "", WEIR_ETIMEDOUT, "not answered in time"},
        {WEIR_S("\x17\0\0\0\xff\x10\x04Too many connections"), true, "", WEIR_ETOOMANY,
         "Too many connections"},
        {WEIR_S("\x09\0\0\0\x0a"
                "4.0.30\0"),
         false, "", WEIR_ETIMEDOUT, "not answered in time"},
        {WEIR_S("\x02\0\0\0\x09x"), false, "", WEIR_EPROTO, "version 10"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(weir__sim_run(meets, (void *)&cases[i]), WEIR_OK);
}

/* Without TLS at the server nothing is told it where TLS is asked for, not even a name. */
static void no_tls_where_it_is_wanted(weir_ctx *c, weir_db *db, struct server *s)
{
    char url[160];
    (void)db;
    WEIR_SCOPE(one, c);
    snprintf(url, sizeof url, "%s?ssl-mode=required", s->url);
    weir_db *other = weir_mysql_open(one, .url = url);
    assert_told(one, weir_db_err(other), WEIR_ETLS, "the server has no TLS");
    (void)weir_ctx_close(one);
    assert_int_equal(s->logins, 0);
}

static void wrong_password(weir_ctx *c, weir_db *db, struct server *s)
{
    char url[160];
    (void)db;
    WEIR_SCOPE(one, c);
    snprintf(url, sizeof url, "mysql://anna:wrong@127.0.0.1:%d/shop", s->number);
    weir_db *other = weir_mysql_open(one, .url = url);
    assert_told(one, weir_db_err(other), WEIR_EDB, "Access denied");
    assert_null(strstr(weir_last_error(one)->message.ptr, "wrong"));
    (void)weir_ctx_close(one);
}

static void what_is_wanted_and_not_there(void **state)
{
    struct server plain = {.rows = 1}, strict = {.rows = 1};
    (void)state;
    play_with(&plain, true, no_tls_where_it_is_wanted);
    play_with(&strict, true, wrong_password);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_that_are_good),
        cmocka_unit_test(urls_of_several_hosts),
        cmocka_unit_test(urls_that_are_bad),
        cmocka_unit_test(options_that_are_bad),
        cmocka_unit_test(servers_that_are_not_there),
        cmocka_unit_test(strangers),
        cmocka_unit_test(what_is_wanted_and_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
