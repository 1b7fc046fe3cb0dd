/* A PostgreSQL server's messages: literal bytes, every cut of them, and lies about lengths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/postgres_message.h"

#define S(literal) ((weir_str){"" literal, sizeof(literal) - 1})

static void assert_str(weir_str s, const char *text)
{
    assert_non_null(s.ptr);
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.ptr, text, s.len);
}

static void messages_are_cut(void **state)
{
    (void)state;
    static const char bytes[] = "C\0\0\0\x0fINSERT 0 3\0Z\0\0\0\5I";
    struct weir__pg_message m;
    for (size_t n = 0; n < 16; n++) { /* in memory of exactly its size */
        char *exact = malloc(n + 1);
        assert_non_null(exact);
        memcpy(exact, bytes, n);
        assert_int_equal(weir__pg_cut((weir_str){exact, n}, 100, &m), 0);
        assert_int_equal(m.total, n < 5 ? 5 : 16);
        free(exact);
    }
    assert_int_equal(weir__pg_cut((weir_str){bytes, 22}, 100, &m), 1);
    assert_int_equal(m.type, WEIR__PG_COMMAND_COMPLETE);
    assert_int_equal(m.total, 16);
    assert_int_equal(weir__pg_cut((weir_str){bytes + 16, 6}, 100, &m), 1);
    assert_int_equal(m.type, WEIR__PG_READY);
    assert_str(m.body, "I");
}

static void lengths_that_are_none(void **state)
{
    (void)state;
    struct weir__pg_message m;
    assert_int_equal(weir__pg_cut(S("Z\0\0\0\0"), 100, &m), WEIR_EPROTO);
    assert_int_equal(weir__pg_cut(S("Z\0\0\0\3"), 100, &m), WEIR_EPROTO);
    assert_int_equal(weir__pg_cut(S("Z\x80\0\0\0"), 100, &m), WEIR_EPROTO);
    assert_int_equal(weir__pg_cut(S("Z\xff\xff\xff\xff"), 100, &m), WEIR_EPROTO);
    assert_int_equal(weir__pg_cut(S("D\0\0\0\x69"), 100, &m), WEIR_ETOOLARGE);
    assert_int_equal(m.total, 106);
    assert_int_equal(weir__pg_cut(S("D\0\0\0\x68"), 100, &m), 0);
    /* Other protocols: HTTP's first byte happens to be one of ours, its length is none. */
    assert_int_equal(weir__pg_cut(S("HTTP/1.1"), 1 << 20, &m), WEIR_ETOOLARGE);
    assert_int_equal(weir__pg_cut(S("\x16\x03"), 100, &m), WEIR_EPROTO);
    assert_int_equal(weir__pg_cut(S("\0"), 100, &m), WEIR_EPROTO);
}

static void errors_have_all_their_fields(void **state)
{
    (void)state;
    struct weir__pg_notice n;
    weir_str body = S("SFEHLER\0VERROR\0C23505\0Mduplicate key\0Dexists\0Hhint\0P17\0Wwhere\0"
                      "sshop\0tusers\0cemail\0dtext\0nusers_email_key\0Fnbtinsert.c\0L1\0Rf\0Yx\0");
    body.len++; /* the literal's own end is the list's */
    assert_true(weir__pg_read_notice(body, &n));
    assert_str(n.severity, "ERROR");
    assert_str(n.state, "23505");
    assert_str(n.message, "duplicate key");
    assert_str(n.detail, "exists");
    assert_str(n.hint, "hint");
    assert_str(n.where, "where");
    assert_str(n.schema, "shop");
    assert_str(n.table, "users");
    assert_str(n.column, "email");
    assert_str(n.data_type, "text");
    assert_str(n.constraint, "users_email_key");
    assert_int_equal(n.position, 17);
    for (size_t i = 0; i < body.len; i++)
        assert_false(weir__pg_read_notice((weir_str){body.ptr, i}, &n));
    assert_false(weir__pg_read_notice(S("SERROR\0C2350\0\0"), &n));
    assert_false(weir__pg_read_notice(S("SERROR\0C2350x\0\0"), &n));
    assert_true(weir__pg_read_notice(S("SERROR\0C23505\0P-1\0\0"), &n));
    assert_str(n.severity, "ERROR");
    assert_int_equal(n.position, 0);
    assert_null(n.constraint.ptr);
}

static void what_the_start_says(void **state)
{
    (void)state;
    struct weir__pg_auth a;
    weir_str key, name, value;
    uint32_t process, version, unknown;
    char status;
    assert_true(weir__pg_read_auth(S("\0\0\0\0"), &a) && a.kind == WEIR__PG_AUTH_OK);
    assert_true(weir__pg_read_auth(S("\0\0\0\5\1\2\3\4"), &a) && a.salt[3] == 4);
    assert_false(weir__pg_read_auth(S("\0\0\0\5\1\2\3"), &a));
    assert_true(weir__pg_read_auth(S("\0\0\0\nSCRAM-SHA-256\0\0"), &a));
    assert_true(a.scram && !a.scram_plus);
    assert_true(weir__pg_read_auth(S("\0\0\0\nSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"), &a));
    assert_true(a.scram && a.scram_plus);
    assert_false(weir__pg_read_auth(S("\0\0\0\nSCRAM-SHA-256\0"), &a));
    assert_true(weir__pg_read_auth(S("\0\0\0\x0br=x"), &a));
    assert_str(a.data, "r=x");
    assert_true(weir__pg_read_auth(S("\0\0\0\7"), &a));
    assert_string_equal(weir__pg_auth_name(a.kind), "GSSAPI");
    assert_false(weir__pg_read_auth(S("\0\0\0"), &a));

    assert_true(weir__pg_read_key(S("\0\0\1\0abcd"), &process, &key));
    assert_int_equal(process, 256);
    assert_str(key, "abcd");
    assert_true(weir__pg_read_key(S("\0\0\1\0"
                                    "0123456789abcdef0123456789abcdef"),
                                  &process, &key));
    assert_int_equal(key.len, 32);
    assert_false(weir__pg_read_key(S("\0\0\1\0abc"), &process, &key));
    char long_key[4 + 257] = {0};
    assert_false(weir__pg_read_key((weir_str){long_key, sizeof long_key}, &process, &key));

    assert_true(weir__pg_read_parameter(S("TimeZone\0UTC\0"), &name, &value));
    assert_str(name, "TimeZone");
    assert_str(value, "UTC");
    assert_false(weir__pg_read_parameter(S("TimeZone\0UTC"), &name, &value));
    assert_false(weir__pg_read_parameter(S("TimeZone\0UTC\0x"), &name, &value));

    assert_true(weir__pg_read_ready(S("T"), &status) && status == 'T');
    assert_false(weir__pg_read_ready(S("X"), &status));
    assert_false(weir__pg_read_ready(S("II"), &status));
    assert_true(weir__pg_read_negotiate(S("\0\3\0\0\0\0\0\1_pq_.x\0"), &version, &unknown));
    assert_int_equal(unknown, 1);
    assert_false(weir__pg_read_negotiate(S("\0\3\0\0\xff\xff\xff\xffx\0"), &version, &unknown));
}

static void rows_and_their_columns(void **state)
{
    (void)state;
    struct weir__pg_reader r;
    unsigned count;
    weir_str body = S("\0\2id\0\0\0\1\0\0\1\0\0\0\x17\0\4\xff\xff\xff\xff\0\1"
                      "e\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0");
    assert_true(weir__pg_read_columns(body, &r, &count));
    assert_int_equal(count, 2);
    const struct weir__pg_column first = weir__pg_next_column(&r);
    assert_str(first.name, "id");
    assert_int_equal(first.table, 256);
    assert_int_equal(first.number, 1);
    assert_int_equal(first.type, 23);
    assert_int_equal(first.size, 4);
    assert_true(first.is_binary);
    const struct weir__pg_column second = weir__pg_next_column(&r);
    assert_int_equal(second.size, -1);
    assert_false(second.is_binary);
    assert_true(weir__pg_is_done(&r));
    assert_false(weir__pg_read_columns(S("\xff\xff"), &r, &count));
    assert_false(weir__pg_read_columns(S("\0\1"), &r, &count));

    assert_true(weir__pg_read_row(S("\0\3\0\0\0\1x\xff\xff\xff\xff\0\0\0\0"), &r, &count));
    assert_str(weir__pg_next_value(&r), "x");
    assert_null(weir__pg_next_value(&r).ptr);
    assert_str(weir__pg_next_value(&r), "");
    assert_true(weir__pg_is_done(&r));
    assert_true(weir__pg_read_row(S("\0\1\x7f\xff\xff\xffx"), &r, &count));
    (void)weir__pg_next_value(&r);
    assert_true(r.is_bad);
    assert_true(weir__pg_read_row(S("\0\1\xff\xff\xff\xfex"), &r, &count)); /* -2 */
    (void)weir__pg_next_value(&r);
    assert_true(r.is_bad);
    assert_false(weir__pg_read_row(S("\0\2\xff\xff\xff\xff"), &r, &count));

    assert_true(weir__pg_read_parameters(S("\0\2\0\0\0\x17\0\0\0\x19"), &r, &count));
    assert_int_equal(weir__pg_get_u32(&r), 23);
    assert_false(weir__pg_read_parameters(S("\0\2\0\0\0\x17\0\0\0"), &r, &count));
    assert_false(weir__pg_read_parameters(S("\0\1\0\0\0\x17\0"), &r, &count));
}

static void what_a_command_did(void **state)
{
    (void)state;
    static const struct {
        weir_str body;
        int64_t changes;
    } tags[] = {
        {S("INSERT 0 3\0"), 3},
        {S("UPDATE 12\0"), 12},
        {S("DELETE 0\0"), 0},
        {S("SELECT 7\0"), 0},
        {S("COPY 5\0"), 5},
        {S("MERGE 2\0"), 2},
        {S("CREATE TABLE\0"), 0},
        {S("BEGIN\0"), 0},
        {S("FETCH 9\0"), 0},
        {S("UPDATE 99999999999\0"), 99999999999},
        {S("7\0"), 0},
        {S("\0"), 0},
    };
    weir_str tag;
    int64_t changes;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        assert_true(weir__pg_read_complete(tags[i].body, &tag, &changes));
        assert_int_equal(changes, tags[i].changes);
    }
    assert_false(weir__pg_read_complete(S("UPDATE 1"), &tag, &changes));
    assert_false(weir__pg_read_complete(S("UPDATE 99999999999999999999\0"), &tag, &changes));
}

static void notifications_and_copies(void **state)
{
    (void)state;
    uint32_t process;
    weir_str channel, payload;
    bool is_binary;
    unsigned columns;
    assert_true(weir__pg_read_notification(S("\0\0\0\7jobs\0now\0"), &process, &channel, &payload));
    assert_int_equal(process, 7);
    assert_str(channel, "jobs");
    assert_str(payload, "now");
    assert_false(weir__pg_read_notification(S("\0\0\0\7jobs\0now"), &process, &channel, &payload));
    assert_true(weir__pg_read_copy(S("\0\0\2\0\0\0\0"), &is_binary, &columns));
    assert_int_equal(columns, 2);
    assert_false(weir__pg_read_copy(S("\0\0\2\0\0"), &is_binary, &columns));
    assert_false(weir__pg_read_copy(S("\2\0\0"), &is_binary, &columns));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_cut),
        cmocka_unit_test(lengths_that_are_none),
        cmocka_unit_test(errors_have_all_their_fields),
        cmocka_unit_test(what_the_start_says),
        cmocka_unit_test(rows_and_their_columns),
        cmocka_unit_test(what_a_command_did),
        cmocka_unit_test(notifications_and_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
