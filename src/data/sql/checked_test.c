/* Statements in WEIR_SQL: each is noted with its place, its values' types and its model, and is its
 * text all the same. The ways in which programs are put together are tests/install's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <weir/sql.h>

typedef struct {
    int64_t id;
    weir_str name;
} checked_user;
WEIR_MODEL(checked_user, (id), (name));

/* What a call of <weir/sql.h> hands on, without a database. */
static const char *given(const char *sql, const weir_arg *args, size_t count)
{
    (void)args;
    (void)count;
    return sql;
}
#define ASK(...) given(WEIR__SQL(__VA_ARGS__))
#define ASK_FOR(T, ...) given(WEIR__SQL_FOR(&weir_model_##T, __VA_ARGS__))

static const weir_checked_sql *find(const char *sql, size_t *times)
{
    static const weir_checked_sql *all[64];
    const weir_checked_sql *found = NULL;
    size_t count = weir_checked_sql_list(all, 64);
    *times = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i]->sql, sql) == 0) {
            found = all[i];
            ++*times;
        }
    }
    return found;
}

static const weir_checked_sql *only(const char *sql)
{
    size_t times;
    static const weir_checked_sql none;
    const weir_checked_sql *found = find(sql, &times);
    if (times != 1)
        fail_msg("%zu times: %s", times, sql);
    return found != NULL ? found : &none;
}

static void notes_place_and_kinds(void **state)
{
    (void)state;
    weir_str name = WEIR_S("a");
    const char *text = "b";
    weir_arg five = weir_arg_uint(5);
    assert_string_equal(ASK(WEIR_SQL("one"), 1, 2.0, (bool)true, name, text, five), "one");
    int line = __LINE__ - 2;
    const weir_checked_sql *one = only("one");
    const uint8_t kinds[] = {WEIR_KIND_INT, WEIR_KIND_FLOAT,    WEIR_KIND_BOOL,
                             WEIR_KIND_STR, WEIR_KIND_OPTIONAL, WEIR_KIND_OTHER};
    assert_true(one->line >= line && one->line <= line + 1);
    assert_non_null(strstr(one->file, "checked_test.c"));
    assert_null(one->model);
    assert_int_equal(one->call->count, sizeof kinds);
    assert_memory_equal(one->call->kinds, kinds, sizeof kinds);
    assert_null(one->call->model);
}

static void notes_models(void **state)
{
    (void)state;
    (void)ASK(WEIR_SQL(checked_user, "two"
                                     " parts"));
    (void)ASK_FOR(checked_user, WEIR_SQL("three"), 1);
    assert_ptr_equal(only("two parts")->model, &weir_model_checked_user);
    assert_int_equal(only("two parts")->call->count, 0);
    assert_null(only("three")->model);
    assert_ptr_equal(only("three")->call->model, &weir_model_checked_user);
}

static void notes_what_no_call_sees(void **state)
{
    (void)state;
    const char *sql = WEIR_SQL("four ?");
    assert_string_equal(ASK(sql, 1), "four ?");
    assert_null(only("four ?")->call);
    const char *which = ASK(*sql == 'f' ? WEIR_SQL("five ?") : WEIR_SQL("six ?"), 1);
    assert_string_equal(which, "five ?");
    assert_int_equal(only("six ?")->call->count, 1);
}

/* Not what is no literal in WEIR_SQL. */
static void leaves_other_texts(void **state)
{
    (void)state;
    char built[] = "seven";
    size_t times;
    assert_ptr_equal(ASK(built, 1), built);
    assert_string_equal(ASK("eight"), "eight");
    assert_null(find("seven", &times));
    assert_null(find("eight", &times));
}

static inline const char *from_header(int i)
{
    return ASK(WEIR_SQL("nine"), i);
}

static void a_note_is_there_once(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        (void)from_header(i);
    (void)only("nine");
    const weir_checked_sql *one = only("one");
    weir_checked_sql copy = *one;
    const weir_checked_sql *const table[] = {&copy, NULL};
    static weir_checked_table another;
    static const weir_checked_sql *first[1];
    weir_checked_sql_register(&another, table, table + 2);
    weir_checked_sql_register(&another, table, table + 2);
    assert_ptr_not_equal(only("one"), NULL);
    another.from = another.to = NULL; /* what is on this stack ends */
    assert_int_equal(weir_checked_sql_list(first, 1), 1);
    weir_checked_sql_register(&another, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_place_and_kinds),   cmocka_unit_test(notes_models),
        cmocka_unit_test(notes_what_no_call_sees), cmocka_unit_test(leaves_other_texts),
        cmocka_unit_test(a_note_is_there_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
