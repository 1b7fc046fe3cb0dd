/* Greetings and answers, of the bytes that MariaDB 10.11 has sent, and cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/mysql_testing.h"

#define ASSERT_STR(s, expected) assert_true(weir_str_eq((s), weir_str_from(expected)))

static const weir_str maria_greeting = WEIR_S(
    "\x0a"
    "5.5.5-10.11.19-MariaDB-0+deb12u1\0\x06\0\0\0hiVT%Xj.\0\xfe\xf7\x08\x02\0\xff\x81\x15\0\0\0\0\0"
    "\0\x1d\0\0\0CH~bQOx.xt5\1\0mysql_native_password\0");

static void reads_a_greeting_of_mariadb(void **state)
{
    struct weir__mysql_greeting g;
    (void)state;
    assert_int_equal(weir__mysql_greeting_read(maria_greeting, &g), 0);
    ASSERT_STR(g.version, "10.11.19-MariaDB-0+deb12u1");
    ASSERT_STR(g.plugin, "mysql_native_password");
    assert_int_equal(g.thread, 6);
    assert_int_equal(g.charset, 8);
    assert_int_equal(g.status, WEIR__MYSQL_AUTOCOMMIT);
    assert_true(g.is_mariadb);
    assert_memory_equal(g.nonce, "hiVT%Xj.CH~bQOx.xt5\1", 20);
    assert_int_equal(g.capabilities, 0x1d81fff7feull);
    assert_true((g.capabilities & WEIR__MARIADB_CACHE_METADATA) != 0);
}

static void a_greeting_cut_anywhere_is_cut(void **state)
{
    struct weir__mysql_greeting g;
    (void)state;
    for (size_t n = 1; n < maria_greeting.len; n++) {
        char *copy = malloc(n);
        assert_non_null(copy);
        memcpy(copy, maria_greeting.ptr, n);
        assert_int_equal(weir__mysql_greeting_read((weir_str){copy, n}, &g), WEIR_MYSQL_ECUT);
        free(copy);
    }
    assert_int_equal(weir__mysql_greeting_read(WEIR_S(""), &g), WEIR_MYSQL_EVERSION);
    assert_int_equal(weir__mysql_greeting_read(WEIR_S("SSH-2.0-OpenSSH"), &g), WEIR_MYSQL_EVERSION);
}

static void refuses_old_servers(void **state)
{
    struct weir__mysql_greeting g = mysql_greeting(false, "mysql_native_password"), read;
    char room[256];
    weir_buf b;
    (void)state;
    g.capabilities &= ~WEIR__MYSQL_DEPRECATE_EOF;
    weir_buf_init_fixed(&b, room, sizeof room);
    mysql_put_greeting(&b, &g);
    assert_int_equal(weir__mysql_greeting_read(weir_buf_str(&b), &read), WEIR_MYSQL_EOLD);
}

static void a_login_is_read_as_it_was_meant(void **state)
{
    struct weir__mysql_login read, l = {.capabilities = MARIADB_CAPABILITIES,
                                        .packet_max = 1 << 30,
                                        .charset = 45,
                                        .user = WEIR_S("anna"),
                                        .database = WEIR_S("shop"),
                                        .auth = WEIR_S("12345678901234567890"),
                                        .plugin = WEIR_S("mysql_native_password"),
                                        .program = WEIR_S("weir")};
    char room[256];
    weir_buf b;
    (void)state;
    weir_buf_init_fixed(&b, room, sizeof room);
    weir__mysql_login(&b, &l);
    assert_true(mysql_read_login(weir_buf_str(&b), &read));
    assert_int_equal(read.capabilities, l.capabilities);
    assert_int_equal(read.packet_max, 1 << 30);
    assert_true(weir_str_eq(read.user, l.user) && weir_str_eq(read.database, l.database));
    assert_true(weir_str_eq(read.auth, l.auth) && weir_str_eq(read.plugin, l.plugin));
    assert_true(weir_str_eq(read.program, l.program));
    weir_buf_reset(&b);
    weir__mysql_ssl_request(&b, &l);
    assert_int_equal(b.len, 32);
}

static void reads_oks(void **state)
{
    struct weir__mysql_ok ok;
    (void)state;
    weir_str login = WEIR_S("\0\0\0\2\x40\0\0\0\x08\1\6\5bench");
    assert_int_equal(weir__mysql_ok_read(login, &ok), 0);
    assert_int_equal(ok.status, WEIR__MYSQL_AUTOCOMMIT | WEIR__MYSQL_STATE_CHANGED);
    assert_int_equal(ok.changed, WEIR__MYSQL_CHANGED_SCHEMA);
    weir_str set = WEIR_S("\0\0\0\2\x40\0\0\0\x16\0\x11\x09time_zone\6+00:00\2\1"
                          "1");
    assert_int_equal(weir__mysql_ok_read(set, &ok), 0);
    assert_int_equal(ok.changed, WEIR__MYSQL_CHANGED_VARIABLE | WEIR__MYSQL_CHANGED_STATE);
    for (size_t n = 0; n < set.len; n++) {
        char *copy = malloc(n > 0 ? n : 1);
        assert_non_null(copy);
        memcpy(copy, set.ptr, n);
        int rc = weir__mysql_ok_read((weir_str){copy, n}, &ok);
        assert_true(rc < 0 || n == 7 || n == 8); /* without changes it may end there */
        free(copy);
    }
    weir_str bulk = WEIR_S("\0\3\xfc\0\1\2\0\0\0\x26Records: 3  Duplicates: 0  Warnings: 0");
    assert_int_equal(weir__mysql_ok_read(bulk, &ok), 0);
    assert_int_equal(ok.affected, 3);
    assert_int_equal(ok.last_id, 256);
    ASSERT_STR(ok.info, "Records: 3  Duplicates: 0  Warnings: 0");
    assert_int_equal(weir__mysql_ok_read(WEIR_S("\1\0\0\0\0\0\0"), &ok), WEIR_MYSQL_EFORM);
    weir_str end = WEIR_S("\xfe\0\0\2\0\1\0");
    assert_true(weir__mysql_is_end(end));
    assert_int_equal(weir__mysql_ok_read(end, &ok), 0);
    assert_int_equal(ok.warnings, 1);
}

static void reads_errors(void **state)
{
    struct weir__mysql_err e;
    (void)state;
    assert_int_equal(weir__mysql_err_read(WEIR_S("\xff\x28\4#42000You have"), &e), 0);
    assert_int_equal(e.number, 1064);
    assert_string_equal(e.state, "42000");
    ASSERT_STR(e.text, "You have");
    assert_int_equal(weir__mysql_err_read(WEIR_S("\xff\x10\4Too many connections"), &e), 0);
    assert_int_equal(e.number, 1040);
    assert_string_equal(e.state, "HY000");
    ASSERT_STR(e.text, "Too many connections");
    assert_int_equal(weir__mysql_err_read(WEIR_S("\xff\x28"), &e), WEIR_MYSQL_ECUT);
    assert_int_equal(weir__mysql_err_read(WEIR_S("\0\0\0"), &e), WEIR_MYSQL_EFORM);
}

static void tells_what_an_answer_is(void **state)
{
    struct weir__mysql_rows rows;
    (void)state;
    assert_int_equal(weir__mysql_answer_read(WEIR_S("\0\0\0\2\0\0\0"), true, &rows),
                     WEIR__MYSQL_OK);
    assert_int_equal(weir__mysql_answer_read(WEIR_S("\xff\x28\4"), true, &rows),
                     WEIR__MYSQL_FAILED);
    assert_int_equal(weir__mysql_answer_read(WEIR_S("\xfb/etc/passwd"), true, &rows),
                     WEIR_MYSQL_EINFILE);
    assert_int_equal(weir__mysql_answer_read(WEIR_S("\2\0"), true, &rows), WEIR__MYSQL_ROWS);
    assert_true(rows.columns == 2 && !rows.has_columns);
    assert_int_equal(weir__mysql_answer_read(WEIR_S("\2\1"), true, &rows), WEIR__MYSQL_ROWS);
    assert_true(rows.has_columns);
    assert_int_equal(weir__mysql_answer_read(WEIR_S("\2"), false, &rows), WEIR__MYSQL_ROWS);
    assert_true(rows.has_columns);
    assert_int_equal(weir__mysql_answer_read(WEIR_S("\2"), true, &rows), WEIR_MYSQL_ECUT);
    assert_int_equal(weir__mysql_answer_read(WEIR_S("\2x"), false, &rows), WEIR_MYSQL_EFORM);
    assert_int_equal(weir__mysql_answer_read(WEIR_S(""), false, &rows), WEIR_MYSQL_ECUT);
    assert_int_equal(weir__mysql_answer_read(WEIR_S("\xfc\1\x10"), false, &rows), WEIR_MYSQL_EFORM);
    assert_int_equal(weir__mysql_answer_read(WEIR_S("\xfe\0\0\0\0\1\0\0\0"), false, &rows),
                     WEIR_MYSQL_EFORM);
}

static void reads_columns(void **state)
{
    struct weir__mysql_column c;
    (void)state;
    weir_str id =
        WEIR_S("\3def\5bench\5world\5world\2id\2id\0\x0c\x3f\0\x0b\0\0\0\3\x03\x50\0\0\0");
    assert_int_equal(weir__mysql_column_read(id, true, &c), 0);
    ASSERT_STR(c.name, "id");
    assert_int_equal(c.type, WEIR__MYSQL_LONG);
    assert_int_equal(c.charset, WEIR__MYSQL_CHARSET_BINARY);
    assert_int_equal(c.length, 11);
    weir_str json = WEIR_S("\3def\0\0\0\1j\0\6\1\4json\x0c\x2d\0\0\0\0\0\xfd\0\0\x27\0\0");
    assert_int_equal(weir__mysql_column_read(json, true, &c), 0);
    assert_int_equal(c.extra, WEIR__MYSQL_IS_JSON);
    for (size_t n = 0; n < json.len - 2; n++) { /* two bytes of filler end it */
        char *copy = malloc(n > 0 ? n : 1);
        assert_non_null(copy);
        memcpy(copy, json.ptr, n);
        assert_int_equal(weir__mysql_column_read((weir_str){copy, n}, true, &c), WEIR_MYSQL_ECUT);
        free(copy);
    }
}

static void reads_what_is_prepared(void **state)
{
    struct weir__mysql_prepared p;
    (void)state;
    weir_str body = WEIR_S("\0\2\0\0\0\2\0\1\0\0\0\0");
    assert_int_equal(weir__mysql_prepared_read(body, &p), 0);
    assert_true(p.id == 2 && p.columns == 2 && p.params == 1);
    for (size_t n = 1; n < body.len; n++)
        assert_int_equal(weir__mysql_prepared_read((weir_str){body.ptr, n}, &p), WEIR_MYSQL_ECUT);
    assert_int_equal(weir__mysql_prepared_read(WEIR_S("\0\2\0\0\0\1\x10\1\0\0\0\0"), &p),
                     WEIR_MYSQL_EFORM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_greeting_of_mariadb),
        cmocka_unit_test(a_greeting_cut_anywhere_is_cut),
        cmocka_unit_test(refuses_old_servers),
        cmocka_unit_test(a_login_is_read_as_it_was_meant),
        cmocka_unit_test(reads_oks),
        cmocka_unit_test(reads_errors),
        cmocka_unit_test(tells_what_an_answer_is),
        cmocka_unit_test(reads_columns),
        cmocka_unit_test(reads_what_is_prepared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
