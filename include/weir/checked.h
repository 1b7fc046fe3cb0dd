/*
 * Checked SQL: statements that are known before any of them runs. A text in WEIR_SQL is noted when
 * the program is linked, with its place and the types of the values that it is called with:
 *
 *     weir_query_one(c, db, user, &u, WEIR_SQL("SELECT name, age FROM users WHERE id = ?"), id)
 *
 * `service --check-sql` then prepares all of them against the schema, and tells each column and
 * parameter that does not fit. At run time WEIR_SQL is the text and nothing else.
 */
#ifndef WEIR_CHECKED_H
#define WEIR_CHECKED_H

#include <weir/each.h>
#include <weir/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A statement that is noted: an expression, of the literal that it is given. Within a function, and
 * as the statement of a call of <weir/sql.h>, so that the call's values are noted as well.
 *
 *     WEIR_SQL("DELETE FROM users WHERE id = ?")
 *     WEIR_SQL(user, "SELECT name, age FROM users")      whose rows fill a user
 *
 * With a type, which has a model, where the rows are read by other calls: weir_query and
 * weir_rows_next. weir_query_one says it by itself.
 *
 * Noted are all that are in the program and in the libraries that it is linked with or has opened,
 * also those that never run; but for what the compiler leaves out, as a static function that
 * nothing calls.
 */
#define WEIR_SQL(...)                                                                              \
    WEIR__EACH_ONE_OR_MORE(WEIR__CHECKED_TEXT, WEIR__CHECKED_ROWS, __VA_ARGS__)(__VA_ARGS__)

/** What a call says of the statement that it was given. Made by the macros; constant for ever. */
typedef struct weir_checked_call {
    /* weir_kind of each value: WEIR_KIND_OPTIONAL is a pointer, hence a text, WEIR_KIND_OTHER is
     * known when it runs */
    const uint8_t *kinds;
    size_t count;            /* of them */
    const weir_model *model; /* what the call fills, NULL: that is not said */
} weir_checked_call;

/** A statement in WEIR_SQL. Made by it; constant for ever. */
typedef struct weir_checked_sql {
    const char *sql;
    const weir_model *model;       /* the one given with it, or NULL */
    const weir_checked_call *call; /* NULL: it was not given to a call itself */
    const char *file;
    int line;
} weir_checked_sql;

/** Where the statements of a part of the program are linked into the list of all. */
typedef struct weir_checked_table {
    const weir_checked_sql *const *from, *const *to; /* once it is registered */
    struct weir_checked_table *next;
} weir_checked_table;

/**
 * Makes statements known: those from `from` to before `to`. Called before main, or when a shared
 * library is opened. Idempotent.
 *
 * table     one for these statements, zeroed at first; it and what `from` and `to` point to are
 *           kept for ever: such a library stays loaded
 * from, to  equal, or NULL: there are none
 */
WEIR_API void weir_checked_sql_register(weir_checked_table *table,
                                        const weir_checked_sql *const *from,
                                        const weir_checked_sql *const *to) WEIR_NONNULL(1);

/**
 * The statements that are noted, in the order of their places. What a header notes is there once,
 * however many files include it.
 *
 * out      filled with up to `max` of them; what is there lives for ever
 * returns  how many are in `out`; `max`: there may be more
 * context  anywhere
 */
WEIR_API size_t weir_checked_sql_list(const weir_checked_sql **out, size_t max) WEIR_NONNULL(1);

/* What follows is how the macros are made; nothing in it is for use. */

#ifdef __cplusplus
#define WEIR__NO_MODEL nullptr
#else
#define WEIR__NO_MODEL NULL
#endif
#define WEIR__CHECKED_TEXT(text) WEIR__CHECKED(WEIR__NO_MODEL, text)
#define WEIR__CHECKED_ROWS(T, text) WEIR__CHECKED(&weir_model_##T, text)

#ifndef __cplusplus

/*
 * The call declares weir__call, and the statement's note points to it where there is a call around
 * it; a function of that name stands for none. Notes are found through the section weir_sql.
 */
static inline void weir__call(void)
{
}

/* The last thing in braces is their value; a call, because no tool takes it for a mistake. */
static inline const char *weir__sql_text(const char *sql)
{
    return sql;
}

/* Linkers that remove what nobody names leave this. */
#if __has_attribute(retain)
#define WEIR__RETAINED used, retain
#else
#define WEIR__RETAINED used
#endif

#define WEIR__CHECKED(of_model, text)                                                              \
    __extension__({                                                                                \
        static const weir_checked_sql weir__checked = {                                            \
            .sql = "" text "",                                                                     \
            .model = (of_model),                                                                   \
            .call = WEIR__CALL_AROUND,                                                             \
            .file = __FILE__,                                                                      \
            .line = __LINE__,                                                                      \
        };                                                                                         \
        static const weir_checked_sql *weir__checked_at                                            \
            __attribute__((section("weir_sql"), WEIR__RETAINED)) = &weir__checked;                 \
        weir__sql_text("" text "");                                                                \
    })
#define WEIR__CALL_AROUND                                                                          \
    _Generic(&weir__call, const weir_checked_call * : &weir__call, default : NULL)

/* A call's statement, `sql`; with its values. */
#define WEIR__CHECKED_CALL(of_model, sql)                                                          \
    __extension__({                                                                                \
        static const weir_checked_call weir__call __attribute__((unused)) = {NULL, 0, (of_model)}; \
        weir__sql_text(sql);                                                                       \
    })
#define WEIR__CHECKED_CALL_OF(of_model, sql, ...)                                                  \
    __extension__({                                                                                \
        static const uint8_t weir__kinds[] = {WEIR__EACH(WEIR__CHECKED_KIND, , __VA_ARGS__)};      \
        static const weir_checked_call weir__call                                                  \
            __attribute__((unused)) = {weir__kinds, sizeof weir__kinds, (of_model)};               \
        weir__sql_text(sql);                                                                       \
    })
#define WEIR__CHECKED_KIND(unused, x) (uint8_t) WEIR__KIND(x)
#ifdef __cppcheck__ /* it reads no values behind that */
#undef WEIR__CHECKED_CALL_OF
#define WEIR__CHECKED_CALL_OF(of_model, sql, ...) (sql)
#endif

/* Of the program or library that this file becomes a part of: one table, however many files. */
extern const weir_checked_sql *const weir__sql_from[] __asm__("__start_weir_sql")
    __attribute__((weak, visibility("hidden")));
extern const weir_checked_sql *const weir__sql_to[] __asm__("__stop_weir_sql")
    __attribute__((weak, visibility("hidden")));
extern weir_checked_table weir__sql_table;
__attribute__((weak, visibility("hidden"))) weir_checked_table weir__sql_table;

static __attribute__((constructor)) void weir__sql_register(void)
{
    weir_checked_sql_register(&weir__sql_table, weir__sql_from, weir__sql_to);
}

#endif

#ifdef __cplusplus
}

/*
 * In C++ a statement is a type of its own until it is a text: the call that it is given to adds the
 * types of its values, and what has come together registers itself before main.
 */
template <class T> struct weir__value_kind : weir__kind_of<T> {
};
template <class T> struct weir__value_kind<T &> : weir__value_kind<T> {
};
template <class T> struct weir__value_kind<const T> : weir__value_kind<T> {
};
template <class T, size_t n> struct weir__value_kind<T[n]> : weir__value_kind<T *> {
};
template <class T, size_t n> struct weir__value_kind<const T[n]> : weir__value_kind<T *> {
};

template <class Text, bool has_call, const weir_model *model, class... Values>
struct weir__checked_note {
    static bool add()
    {
        static const uint8_t kinds[] = {(uint8_t)weir__value_kind<Values>::kind..., 0};
        static const weir_checked_call call = {kinds, sizeof...(Values), model};
        static const weir_checked_sql note = {Text::sql(), Text::model(), has_call ? &call : NULL,
                                              Text::file(), Text::line()};
        static const weir_checked_sql *const at = &note;
        static weir_checked_table table = {NULL, NULL, NULL};
        weir_checked_sql_register(&table, &at, &at + 1);
        return true;
    }
    static const bool is_known;
};
template <class Text, bool has_call, const weir_model *model, class... Values>
const bool weir__checked_note<Text, has_call, model, Values...>::is_known = add();

template <class Text> struct weir__checked_text {
    operator const char *() const
    {
        (void)&weir__checked_note<Text, false, nullptr>::is_known;
        return Text::sql();
    }
};

template <const weir_model *model, class... Values> inline const char *weir__checked(const char *s)
{
    return s;
}
template <const weir_model *model, class... Values, class Text>
inline const char *weir__checked(weir__checked_text<Text>)
{
    (void)&weir__checked_note<Text, true, model, Values...>::is_known;
    return Text::sql();
}

#define WEIR__CHECKED(of_model, text)                                                              \
    __extension__({                                                                                \
        struct weir__text {                                                                        \
            static const char *sql()                                                               \
            {                                                                                      \
                return "" text "";                                                                 \
            }                                                                                      \
            static const weir_model *model()                                                       \
            {                                                                                      \
                return of_model;                                                                   \
            }                                                                                      \
            static const char *file()                                                              \
            {                                                                                      \
                return __FILE__;                                                                   \
            }                                                                                      \
            static int line()                                                                      \
            {                                                                                      \
                return __LINE__;                                                                   \
            }                                                                                      \
        };                                                                                         \
        weir__checked_text<weir__text>();                                                          \
    })
#define WEIR__CHECKED_CALL(of_model, sql) weir__checked<of_model>(sql)
#define WEIR__CHECKED_CALL_OF(of_model, sql, ...)                                                  \
    weir__checked<of_model, WEIR__EACH(WEIR__CHECKED_TYPE, , __VA_ARGS__)>(sql)
#define WEIR__CHECKED_TYPE(unused, x) __typeof__(x)
#endif
#endif
