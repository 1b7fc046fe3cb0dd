/* What a client says to a PostgreSQL server, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/postgres_write.h"

static char room[4096];

static weir_buf fresh(void)
{
    weir_buf b;
    weir_buf_init_fixed(&b, room, sizeof room);
    return b;
}

#define assert_bytes(b, literal)                                                                   \
    do {                                                                                           \
        assert_int_equal((b)->err, WEIR_OK);                                                       \
        assert_int_equal((b)->len, sizeof(literal) - 1);                                           \
        assert_memory_equal((b)->ptr, literal, sizeof(literal) - 1);                               \
    } while (0)

static void the_start(void **state)
{
    (void)state;
    weir_buf b = fresh();
    weir__pg_put_ssl_request(&b);
    assert_bytes(&b, "\0\0\0\x08\x04\xd2\x16\x2f");
    b = fresh();
    weir__pg_put_startup(&b,
                         (struct weir__pg_pair[]){{"user", WEIR_S("bob")},
                                                  {"options", {NULL, 0}},
                                                  {"database", WEIR_S("shop")}},
                         3);
    assert_bytes(&b, "\0\0\0\x20\0\3\0\0user\0bob\0database\0shop\0\0");
    b = fresh();
    weir__pg_put_cancel(&b, 256, WEIR_S("abcd"));
    assert_bytes(&b, "\0\0\0\x10\x04\xd2\x16\x2e\0\0\1\0abcd");
}

static void passwords(void **state)
{
    (void)state;
    weir_buf b = fresh();
    weir__pg_put_password(&b, WEIR_S("secret"));
    assert_bytes(&b, "p\0\0\0\x0bsecret\0");
    b = fresh();
    weir__pg_put_password_md5(&b, WEIR_S("bob"), WEIR_S("secret"), (const uint8_t[]){1, 2, 3, 4});
    assert_bytes(&b, "p\0\0\0\x28md5f21dfe33ff3a9e03dbc3e008251fe5cc\0");
    b = fresh();
    weir__pg_put_sasl_first(&b, "SCRAM-SHA-256", WEIR_S("n,,"));
    assert_bytes(&b, "p\0\0\0\x19SCRAM-SHA-256\0\0\0\0\3n,,");
    b = fresh();
    weir__pg_put_sasl(&b, WEIR_S("c=biws"));
    assert_bytes(&b, "p\0\0\0\x0a"
                     "c=biws");
}

static void statements(void **state)
{
    (void)state;
    weir_buf b = fresh();
    weir__pg_put_query(&b, WEIR_S("BEGIN"));
    weir__pg_put_parse(&b, "s1", WEIR_S("SELECT 1"));
    weir__pg_put_describe(&b, 'S', "s1");
    weir__pg_put_execute(&b, "", 0);
    weir__pg_put_close(&b, 'S', "s1");
    weir__pg_put_sync(&b);
    weir__pg_put_flush(&b);
    weir__pg_put_terminate(&b);
    assert_bytes(&b, "Q\0\0\0\x0a"
                     "BEGIN\0"
                     "P\0\0\0\x12s1\0SELECT 1\0\0\0"
                     "D\0\0\0\x08Ss1\0"
                     "E\0\0\0\x09\0\0\0\0\0"
                     "C\0\0\0\x08Ss1\0"
                     "S\0\0\0\x04"
                     "H\0\0\0\x04"
                     "X\0\0\0\x04");
}

static void values_are_bound(void **state)
{
    (void)state;
    weir_buf b = fresh();
    size_t mark = weir__pg_bind_begin(&b, "", "s1", (const bool[]){true, false}, 2);
    size_t value = weir__pg_value_begin(&b);
    weir__pg_put_u32(&b, 7);
    weir__pg_value_end(&b, value);
    weir__pg_put_null(&b);
    weir__pg_bind_end(&b, mark, (const bool[]){true}, 1);
    assert_bytes(&b, "B\0\0\0\x20\0s1\0\0\2\0\1\0\0\0\2\0\0\0\4\0\0\0\7\xff\xff\xff\xff\0\1\0\1");
}

static void copies(void **state)
{
    (void)state;
    weir_buf b = fresh();
    size_t mark = weir__pg_begin(&b, 'd');
    weir_buf_puts(&b, WEIR_S("1\t2\n"));
    weir__pg_end(&b, mark);
    weir__pg_put_copy_done(&b);
    weir__pg_put_copy_fail(&b, WEIR_S("no"));
    assert_bytes(&b, "d\0\0\0\x08"
                     "1\t2\nc\0\0\0\4f\0\0\0\7no\0");
}

/* A NUL would end a text early, and make something else of its rest. */
static void texts_with_a_nul_are_refused(void **state)
{
    (void)state;
    weir_str bad = {"SELECT 1\0; DROP", 15};
    weir_buf b = fresh();
    weir__pg_put_query(&b, bad);
    assert_int_equal(b.err, WEIR_EINVALID);
    b = fresh();
    weir__pg_put_parse(&b, "", bad);
    assert_int_equal(b.err, WEIR_EINVALID);
    b = fresh();
    weir__pg_put_startup(&b, (struct weir__pg_pair[]){{"user", bad}}, 1);
    assert_int_equal(b.err, WEIR_EINVALID);
}

/* Past its end nothing is written, and the first error stays, wherever it comes. */
static void no_room(void **state)
{
    (void)state;
    for (size_t n = 0; n < 32; n++) {
        char few[32];
        weir_buf b;
        memset(few, '!', sizeof few);
        weir_buf_init_fixed(&b, few, n);
        size_t mark = weir__pg_bind_begin(&b, "", "s1", (const bool[]){true, false}, 2);
        weir__pg_put_null(&b);
        weir__pg_put_null(&b);
        weir__pg_bind_end(&b, mark, NULL, 0);
        assert_int_equal(b.err, n < 27 ? WEIR_ETOOLARGE : WEIR_OK);
        for (size_t i = n; i < sizeof few; i++)
            assert_int_equal(few[i], '!');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_start),  cmocka_unit_test(passwords),
        cmocka_unit_test(statements), cmocka_unit_test(values_are_bound),
        cmocka_unit_test(copies),     cmocka_unit_test(texts_with_a_nul_are_refused),
        cmocka_unit_test(no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
