/* Cursors of pages: what is written is read; what was changed on its way is refused; and rows are
 * each seen once though others come and go. */
#include "data/sqlite/testing.h"

#include <ctype.h>

#include "base/value.h"
#include <weir/page.h>

typedef struct {
    int64_t id;
    double d;
    weir_str name;
    weir_wall at;
    weir_uuid u;
    weir_decimal n;
} key;

static const key before_all = {.id = -7, .d = 0.5, .name = {"x", 1}, .at = {5}, .u = {{1}}};

static weir_err read_key(weir_ctx *c, weir_str cursor, key *k)
{
    *k = before_all;
    return weir_page_read(c, cursor, &k->id, &k->d, &k->name, &k->at, &k->u, &k->n);
}

static bool is_before_all(const key *k)
{
    return k->id == -7 && k->d > 0.4 && k->name.ptr == before_all.name.ptr && k->at.us == 5 &&
           k->u.bytes[0] == 1 && weir_decimal_cmp(k->n, before_all.n) == 0;
}

static weir_str make(weir_ctx *c)
{
    weir_uuid u;
    weir_decimal n;
    assert_int_equal(weir_uuid_parse(WEIR_S("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), &u), WEIR_OK);
    assert_int_equal(weir_decimal_parse(WEIR_S("-12.50"), &n), WEIR_OK);
    return weir_page_cursor(c, INT64_MIN, 1e300, WEIR_S("\xc3\xa4?&="),
                            ((weir_wall){WEIR_WALL_MAX}), u, n);
}

static weir_err reads_what_it_wrote(weir_ctx *c, void *arg)
{
    (void)arg;
    key k;
    weir_str cursor = make(c);
    for (size_t i = 0; i < cursor.len; i++)
        assert_true(isalnum((unsigned char)cursor.ptr[i]) || strchr("-_", cursor.ptr[i]) != NULL);
    assert_int_equal(read_key(c, cursor, &k), WEIR_OK);
    assert_true(k.id == INT64_MIN && k.d > 9e299 && k.at.us == WEIR_WALL_MAX);
    assert_true(weir_str_eq(k.name, WEIR_S("\xc3\xa4?&=")));
    char text[WEIR_DECIMAL_TEXT_MAX];
    assert_int_equal(weir_decimal_text(k.n, text), 6);
    assert_string_equal(text, "-12.50");
    assert_int_equal(k.u.bytes[15], 0xc8);
    assert_int_equal(read_key(c, (weir_str){NULL, 0}, &k), WEIR_OK); /* the first page */
    assert_true(is_before_all(&k));
    assert_int_equal(read_key(c, WEIR_S(""), &k), WEIR_OK);
    assert_true(is_before_all(&k));
    return WEIR_OK;
}
SIM_TEST(reads_what_it_wrote)

/* Cut anywhere, longer, each letter another one: refused, or a cursor of the same shape. */
static weir_err refuses_other_shapes(weir_ctx *c, void *arg)
{
    (void)arg;
    key k;
    char copy[300];
    weir_str cursor = make(c);
    assert_true(cursor.len + 4 < sizeof copy);
    for (size_t len = 1; len < cursor.len; len++) {
        char *exact = malloc(len);
        assert_non_null(exact);
        memcpy(exact, cursor.ptr, len);
        assert_int_equal(read_key(c, (weir_str){exact, len}, &k), WEIR_EINVALID);
        assert_true(is_before_all(&k));
        free(exact);
    }
    snprintf(copy, sizeof copy, "%.*sAAAA", (int)cursor.len, cursor.ptr);
    assert_int_equal(read_key(c, (weir_str){copy, cursor.len + 4}, &k), WEIR_EINVALID);
    for (size_t i = 0; i < cursor.len; i++) {
        for (const char *ch = "A_9!"; *ch != '\0'; ch++) {
            memcpy(copy, cursor.ptr, cursor.len);
            copy[i] = *ch;
            weir_err err = read_key(c, (weir_str){copy, cursor.len}, &k);
            assert_true(err == WEIR_OK || (err == WEIR_EINVALID && is_before_all(&k)));
            bool is_same = *ch == cursor.ptr[i];
            assert_true(err != WEIR_OK || is_same || (i > 1 && *ch != '!'));
        }
    }
    int64_t id = 3, other = 4;
    weir_str one = weir_page_cursor(c, 1), text = weir_page_cursor(c, "1");
    assert_int_equal(weir_page_read(c, one, &id, &other), WEIR_EINVALID);
    assert_int_equal(weir_page_read(c, text, &id), WEIR_EINVALID);
    assert_int_equal(weir_page_read(c, WEIR_S("no cursor"), &id), WEIR_EINVALID);
    assert_true(id == 3 && other == 4);
    return WEIR_OK;
}
SIM_TEST(refuses_other_shapes)

static weir_err refuses_what_is_no_key(weir_ctx *c, void *arg)
{
    (void)arg;
    char *large = malloc(WEIR_PAGE_BYTES_MAX + 1);
    assert_non_null(large);
    memset(large, 'a', WEIR_PAGE_BYTES_MAX + 1);
    weir_str most = {large, WEIR_PAGE_BYTES_MAX}, more = {large, WEIR_PAGE_BYTES_MAX + 1}, back;
    assert_null(weir_page_cursor(c, WEIR_NULL).ptr);
    assert_null(weir_page_cursor(c, 1, UINT64_MAX).ptr);
    assert_null(weir_page_cursor(c, more).ptr);
    assert_null(weir_page_cursor(c, most, "b").ptr);
    assert_int_equal(weir_last_error(c)->code, WEIR_EINVALID);
    weir_error_clear(c);
    assert_int_equal(weir_page_read(c, weir_page_cursor(c, most), &back), WEIR_OK);
    assert_true(weir_str_eq(back, most));
    free(large);
    return WEIR_OK;
}
SIM_TEST(refuses_what_is_no_key)

/* What nobody has written: more text than a cursor may have, 1 with an exponent of 998 zeroes. */
static weir_err refuses_what_is_never_written(weir_ctx *c, void *arg)
{
    (void)arg;
    unsigned char bytes[2000] = {1, WEIR_ARG_TEXT, 4, 1};
    char text[3000];
    weir_str most;
    weir_decimal number;
    memset(bytes + 4, '0', sizeof bytes - 4);
    memcpy(bytes + 4, "1e", 2);
    weir__base64_put(text, bytes, 4 + WEIR_PAGE_BYTES_MAX + 1);
    weir_str cursor = {text, (size_t)(4 + WEIR_PAGE_BYTES_MAX + 1 + 2) / 3 * 4};
    assert_int_equal(weir_page_read(c, cursor, &most), WEIR_EINVALID);
    bytes[1] = WEIR_ARG_DECIMAL;
    bytes[2] = 3;
    bytes[3] = 0xe8;
    weir__base64_put(text, bytes, 4 + 1000);
    cursor.len = (size_t)(4 + 1000 + 2) / 3 * 4;
    assert_int_equal(weir_page_read(c, cursor, &number), WEIR_EINVALID);
    bytes[2] = 0;
    bytes[3] = 5;
    weir__base64_put(text, bytes, 4 + 5);
    cursor.len = 12;
    assert_int_equal(weir_page_read(c, cursor, &number), WEIR_OK);
    return WEIR_OK;
}
SIM_TEST(refuses_what_is_never_written)

/* Two a page, by age and id; between two pages rows come and go on both sides of it. */
static weir_err sees_each_row_once(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    char seen[32] = "";
    weir_str cursor = {NULL, 0};
    for (int pages = 0; pages < 3; pages++) {
        int64_t age = INT64_MAX, id = INT64_MAX;
        user u, last = {0};
        assert_int_equal(weir_page_read(c, cursor, &age, &id), WEIR_OK);
        weir_rows *rows = weir_query(c, db,
                                     "SELECT id, name, age FROM users WHERE (age, id) < (?, ?) "
                                     "ORDER BY age DESC, id DESC LIMIT 2",
                                     age, id);
        for (; weir_rows_next(rows, user, &u); last = u)
            strncat(seen, u.name.ptr, u.name.len);
        assert_int_equal(weir_rows_err(rows), WEIR_OK);
        cursor = weir_page_cursor(c, last.age, last.id);
        if (pages == 0)
            assert_int_equal(weir_exec_script(c, db,
                                              "DELETE FROM users WHERE name = 'Cy';"
                                              "INSERT INTO users(name, age) VALUES ('Di', 90),"
                                              " ('Ed', 20), ('Fi', 3)"),
                             WEIR_OK);
    }
    assert_string_equal(seen, "CyAdaEdBenFi");
    return WEIR_OK;
}
SIM_TEST(sees_each_row_once)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(reads_what_it_wrote),    FILE_TEST(refuses_other_shapes),
        FILE_TEST(refuses_what_is_no_key), FILE_TEST(refuses_what_is_never_written),
        FILE_TEST(sees_each_row_once),
    };
    return cmocka_run_group_tests_name("sqlite, pages", tests, NULL, NULL);
}
