/*
 * As wide as it may be: 256 values, and a model of 128 members from as many columns; one more is
 * told.
 */
#include "data/sqlite/testing.h"

typedef struct {
    int a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7;
    int c0, c1, c2, c3, c4, c5, c6, c7, d0, d1, d2, d3, d4, d5, d6, d7;
    int e0, e1, e2, e3, e4, e5, e6, e7, f0, f1, f2, f3, f4, f5, f6, f7;
    int g0, g1, g2, g3, g4, g5, g6, g7, h0, h1, h2, h3, h4, h5, h6, h7;
    int i0, i1, i2, i3, i4, i5, i6, i7, j0, j1, j2, j3, j4, j5, j6, j7;
    int k0, k1, k2, k3, k4, k5, k6, k7, l0, l1, l2, l3, l4, l5, l6, l7;
    int m0, m1, m2, m3, m4, m5, m6, m7, n0, n1, n2, n3, n4, n5, n6, n7;
    int o0, o1, o2, o3, o4, o5, o6, o7, p0, p1, p2, p3, p4, p5, p6, p7;
} wide;
#define EIGHT(x) (x##0), (x##1), (x##2), (x##3), (x##4), (x##5), (x##6), (x##7)
WEIR_MODEL(wide, EIGHT(a), EIGHT(b), EIGHT(c), EIGHT(d), EIGHT(e), EIGHT(f), EIGHT(g), EIGHT(h),
           EIGHT(i), EIGHT(j), EIGHT(k), EIGHT(l), EIGHT(m), EIGHT(n), EIGHT(o), EIGHT(p));

/* "SELECT 0+?+?+? …": the sum of 256 values. */
static const char *sum_of_256(weir_buf *sql)
{
    weir_buf_reset(sql);
    weir_buf_puts(sql, WEIR_S("SELECT 0"));
    for (int i = 0; i < 256; i++)
        weir_buf_puts(sql, WEIR_S("+?"));
    weir_buf_putc(sql, '\0');
    return sql->ptr;
}

/* "SELECT 7 AS a0, 7 AS a1, …": so many columns, in the model's order, and `last`. */
static const char *columns(weir_buf *sql, int count, const char *last)
{
    weir_buf_reset(sql);
    weir_buf_puts(sql, WEIR_S("SELECT "));
    for (int i = 0; i < count; i++)
        weir_buf_printf(sql, "7 AS %c%d, ", 'a' + i / 8, i % 8);
    weir_buf_printf(sql, "%s%c", last, '\0');
    return sql->ptr;
}

static weir_err passes_256_values(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    char bytes[4096];
    int64_t sum;
    wide w;
    weir_buf sql;
    weir_buf_init_fixed(&sql, bytes, sizeof bytes);
    assert_int_equal(weir_query_one(c, db, int64_t, &sum, sum_of_256(&sql), WEIR__X256(3)),
                     WEIR_OK);
    assert_int_equal(sum, 768);
    assert_int_equal(weir_query_one(c, db, wide, &w, columns(&sql, 128, "1 AS a0")), WEIR_EDBTYPE);
    assert_error(c, WEIR_EDBTYPE, "room for 128 columns");
    assert_int_equal(weir_query_one(c, db, wide, &w, columns(&sql, 127, "9 AS p7")), WEIR_OK);
    assert_true(w.a0 == 7 && w.h3 == 7 && w.p6 == 7 && w.p7 == 9);
    return WEIR_OK;
}
SIM_TEST(passes_256_values)

int main(void)
{
    const struct CMUnitTest tests[] = {FILE_TEST(passes_256_values)};
    return cmocka_run_group_tests_name("sqlite, wide", tests, NULL, NULL);
}
