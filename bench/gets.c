/*
 * What a GET of Redis costs without HTTP: fibers that ask for one key over one connection, each
 * answer copied into a buffer of the fiber's and compared.
 *
 *     gets --redis URL --many FIBERS --seconds S
 *
 * Prints what asking.h says. The key is "key" and has "value".
 */
#include "asking.h"

static weir_err ask_often(weir_ctx *c, void *arg)
{
    struct asking *a = arg;
    weir_redis *redis = a->of;
    char bytes[64];
    weir_buf b;
    weir_buf_init_fixed(&b, bytes, sizeof bytes);
    while (!a->is_over) {
        weir_buf_reset(&b);
        weir_err err = weir_redis_get_into(c, redis, "key", &b);
        if (err != WEIR_OK || !weir_str_eq(weir_buf_str(&b), WEIR_S("value"))) {
            const weir_error *e = weir_last_error(c);
            fprintf(stderr, "gets: %s\n", e != NULL ? e->message.ptr : weir_strerror(err));
            exit(1);
        }
        a->answers++;
    }
    return WEIR_OK;
}

static weir_err measure(weir_ctx *app, void *arg)
{
    struct asking *a = arg;
    weir_redis *redis = weir_redis_open(app, .url = a->url);
    weir_err err = weir_redis_err(redis);
    if (err == WEIR_OK)
        err = weir_redis_set(app, redis, "key", "value");
    a->of = redis;
    return err == WEIR_OK ? asking_by_fibers(app, a, ask_often, true) : err;
}

int main(int argc, char **argv)
{
    struct asking a = {.program = "gets",
                       .usage = "--redis URL --many FIBERS --seconds S",
                       .url_name = "redis",
                       .many = 64,
                       .seconds = 1};
    return asking_main(&a, argc, argv, measure);
}
