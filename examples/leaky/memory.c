/*
 * Memory: large things in a context, logs that nobody reads, state that is whose, loops that keep.
 */
#include "leaky.h"

#include <stdatomic.h>

/* L14: remembers something of everybody who ever came. */
weir_err remembers_everybody(weir_ctx *c)
{
    static _Atomic int64_t visitors;
    int64_t now = weir_now().ns;
    weir_str who = weir_sprintf(c, "visitor %lld", (long long)++visitors);
    weir_err err = weir_cache_put(c, leaky(c)->visits, who, int64_t, &now); /* L14 is here */
    return err < 0 ? err : weir_text(c, 200, "welcome, for the first time\n");
}

/* Done right, it is the same: a cache lets go of those who do not come again. */
weir_err remembers_some(weir_ctx *c)
{
    int64_t now = weir_now().ns;
    weir_err err = weir_cache_put(c, leaky(c)->visits, WEIR_S("Ada"), int64_t, &now);
    return err < 0 ? err : weir_text(c, 200, "welcome again\n");
}

/* L16: carries a large thing in the request's context. */
weir_err value_too_large(weir_ctx *c)
{
    static const char picture[64 << 10];
    static const weir_key picture_key = {"picture", sizeof picture};
    if (weir_set(c, &picture_key, picture) < 0) /* L16 is here */
        return weir_fail(c, 500, WEIR_STR_FMT, WEIR_STR_ARG(leaky_message(c)));
    return weir_text(c, 200, "a nice picture\n");
}

/* Done right: carries its number. */
weir_err id_in_the_context(weir_ctx *c)
{
    static const weir_key picture_key = {"picture", sizeof(int64_t)};
    const int64_t id = 7;
    weir_err err = weir_set(c, &picture_key, &id);
    return err < 0 ? err : weir_text(c, 200, "a nice picture, number 7\n");
}

/* L16-memory: allocates for as long as there is memory. */
weir_err memory_without_end(weir_ctx *c)
{
    while (weir_alloc(c, 64 << 10) != NULL)
        ;
    return weir_check(c);
}

/* Done right: each turn gives its memory back. */
weir_err memory_for_a_turn(weir_ctx *c)
{
    for (int i = 0; i < 100; i++)
        WEIR_WITH(turn, c)
            if (weir_alloc(turn, 64 << 10) == NULL)
                return weir_check(turn);
    return weir_text(c, 200, "a hundred times\n");
}

/* L17: logs faster than anybody takes it. */
weir_err log_without_end(weir_ctx *c)
{
    for (int i = 0; i < 500; i++)
        weir_log(c, WEIR_LOG_INFO, "%d bottles of beer on the wall, still", 500 - i);
    return weir_text(c, 200, "logged, or dropped and counted\n");
}

/* Done right: what is for debugging has that level, and is not even made. */
weir_err log_by_levels(weir_ctx *c)
{
    for (int i = 0; i < 500; i++)
        weir_log(c, WEIR_LOG_DEBUG, "%d bottles of beer on the wall", 500 - i);
    return weir_text(c, 200, "logged, when somebody wants to know\n");
}

/* L18: a middleware for all requests that keeps what belongs to one of them. */
static const weir_key user_key = {"user", sizeof(int64_t)};
weir_err state_of_a_request(weir_ctx *c)
{
    int64_t user = 0;
    if (weir_query_param_i64(c, "user", &user) < 0)
        return weir_fail_bind(c);
    weir_err err = user != 0 ? weir_set(c, &user_key, &user) : WEIR_OK; /* else the last one's? */
    return err < 0 ? err : weir_next(c);
}
weir_err who_is_it(weir_ctx *c)
{
    weir_err err = weir_yield(c); /* others come between */
    const int64_t *user = weir_get_value(c, &user_key);
    if (err < 0 || user == NULL)
        return err < 0 ? err : weir_text(c, 200, "nobody\n");
    return weir_textf(c, 200, "user %lld\n", (long long)*user);
}

/* Done right, it is the same, and there is always somebody. */
weir_err state_is_set(weir_ctx *c)
{
    int64_t user = 1;
    if (weir_query_param_i64(c, "user", &user) < 0)
        return weir_fail_bind(c);
    weir_err err = weir_set(c, &user_key, &user);
    return err < 0 ? err : weir_next(c);
}

/* L20: defers in a loop, and holds all of it until the request ends. */
static void gives_back(void *count)
{
    ++*(int *)count;
}
weir_err deferred_in_a_loop(weir_ctx *c)
{
    int *count = weir_new(c, int);
    for (int i = 0; i < 2000 && count != NULL; i++) {
        weir_err err = weir_defer(c, gives_back, count); /* L20 is here */
        if (err < 0)
            return err;
    }
    return weir_text(c, 200, "two thousand, later\n");
}

/* Done right: each turn has a context, and ends it. */
weir_err deferred_in_a_turn(weir_ctx *c)
{
    int count = 0;
    for (int i = 0; i < 2000; i++)
        WEIR_WITH(turn, c) {
            weir_err err = weir_defer(turn, gives_back, &count);
            if (err < 0)
                return err;
        }
    return weir_textf(c, 200, "%d, each in its turn\n", count);
}
