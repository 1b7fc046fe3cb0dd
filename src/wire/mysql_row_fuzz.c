/*
 * Rows: the first byte says of how many columns, then come their types, then the row. In either
 * form: values lie in the row or in their scratch, nothing is read past it, a row that ends well
 * does not when its last byte is missing, and kinds are those that a type has.
 */
#include "base/fuzz.h"
#include "wire/mysql_testing.h"

#define COLUMNS_MAX 20

static char scratches[COLUMNS_MAX][WEIR__MYSQL_CLOCK_MAX];

static void check_value(const struct weir__mysql_value *v, weir_str body, const char *scratch)
{
    FUZZ_CHECK(v->kind <= WEIR__MYSQL_MOMENT, "kind %u", v->kind);
    if (v->kind == WEIR__MYSQL_MOMENT)
        FUZZ_CHECK(v->u.i >= WEIR_WALL_MIN && v->u.i <= WEIR_WALL_MAX, "no year has that");
    if (v->kind < WEIR__MYSQL_TEXT || v->kind == WEIR__MYSQL_MOMENT || v->u.s.len == 0)
        return;
    bool is_inside = v->u.s.ptr >= body.ptr && v->u.s.ptr + v->u.s.len <= body.ptr + body.len;
    FUZZ_CHECK(is_inside || (v->u.s.ptr == scratch && v->u.s.len <= WEIR__MYSQL_CLOCK_MAX),
               "%zu bytes from elsewhere", v->u.s.len);
}

static int read_row(const struct weir__mysql_column *columns, unsigned count, weir_str body,
                    bool is_binary)
{
    struct weir__mysql_row row;
    struct weir__mysql_value v;
    char *exact = fuzz_copy(body.ptr, body.len);
    weir_str own = {exact, body.len};
    int rc = weir__mysql_row_begin(&row, own, count, is_binary);
    for (unsigned i = 0; i < count && rc == 0; i++) {
        char *scratch = weir__mysql_wants_scratch(&columns[i]) ? scratches[i] : NULL;
        rc = weir__mysql_row_next(&row, &columns[i], scratch, &v);
        if (rc == 0)
            check_value(&v, own, scratch);
    }
    rc = rc == 0 ? weir__mysql_row_end(&row) : rc;
    free(exact);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir__mysql_column columns[COLUMNS_MAX];
    if (size < 2)
        return 0;
    unsigned count = 1 + data[0] % COLUMNS_MAX;
    if (size < 1 + count)
        return 0;
    for (unsigned i = 0; i < count; i++) {
        columns[i] = mysql_column("a", data[1 + i]);
        columns[i].is_unsigned = data[1 + i] % 3 == 0;
    }
    weir_str body = {(const char *)data + 1 + count, size - 1 - count};
    for (int is_binary = 0; is_binary < 2; is_binary++) {
        int rc = read_row(columns, count, body, is_binary != 0);
        FUZZ_CHECK(rc == 0 || (rc >= WEIR_MYSQL_ESEQUENCE && rc < WEIR_MYSQL_ERROR_END), "%d", rc);
        if (rc == 0 && body.len > 0) {
            weir_str cut = {body.ptr, body.len - 1};
            FUZZ_CHECK(read_row(columns, count, cut, is_binary != 0) != 0,
                       "a byte less is a row too");
        }
    }
    return 0;
}
