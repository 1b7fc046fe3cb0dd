/*
 * The commands that everybody uses, with their values as C has them. Nothing here but what is sent
 * and what an answer means.
 */
#include "data/redis/redis.h"

#include <string.h>

#include "base/given.h"
#include "rt/outside.h"
#include "rt/sized.h"

/* One command whose answer is an integer. */
static weir_err ask_int(weir_redis *redis, struct weir__ctx *c, const weir_site *site,
                        const char *command, const weir_arg *args, size_t count, int64_t *out)
{
    weir_redis_value v = {.kind = WEIR_REDIS_NULL};
    const struct weir__redis_words w = {command, args, count};
    weir_err err = weir__redis_command(redis, c, site, &w, &v);
    if (err != WEIR_OK)
        return err;
    if (v.kind != WEIR_REDIS_INT)
        return weir__redis_raise_kind(redis, c, site, command);
    *out = v.u.i;
    return WEIR_OK;
}

weir_err weir_redis_get_at(const weir_site *site, weir_ctx *handle, weir_redis *redis, weir_arg key,
                           weir_str *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(out, "the text");
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_redis_get");
    redis = weir__redis_of(redis, "weir_redis_get");
    weir_redis_value v = {.kind = WEIR_REDIS_NULL};
    const struct weir__redis_words w = {"GET", &key, 1};
    weir_err err = weir__redis_command(redis, c, site, &w, &v);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return err;
    if (v.kind == WEIR_REDIS_NULL)
        return WEIR_ENOTFOUND;
    if (!weir_redis_is_text(&v))
        return weir__redis_raise_kind(redis, c, site, "GET");
    *out = v.u.s;
    return WEIR_OK;
}

weir_err weir_redis_get_into_at(const weir_site *site, weir_ctx *handle, weir_redis *redis,
                                weir_arg key, weir_buf *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(out, "the buffer");
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_redis_get_into");
    redis = weir__redis_of(redis, "weir_redis_get_into");
    if (redis->err != WEIR_OK)
        return weir__wait_refused(redis->err);
    weir_redis_value v = {.kind = WEIR_REDIS_NULL};
    struct weir__redis_words w = {"GET", &key, 1};
    struct weir__redis_call call = {.redis = redis,
                                    .c = c,
                                    .site = site,
                                    .what = "GET",
                                    .encode = weir__redis_encode_words,
                                    .arg = &w,
                                    .f = {.c = c, .values = &v, .into = out, .count = 1}};
    weir_err err = weir__redis_run(&call, false);
    if (err != WEIR_OK)
        return err;
    if (v.kind == WEIR_REDIS_ERROR)
        return weir__redis_raise_reply(redis, c, site, "GET", v.u.s);
    if (v.kind == WEIR_REDIS_NULL)
        return WEIR_ENOTFOUND;
    return v.kind == WEIR_REDIS_TEXT ? WEIR_OK : weir__redis_raise_kind(redis, c, site, "GET");
}

static bool has_ms(weir_dur d)
{
    return d.ns >= 1000000;
}

weir_err weir_redis_set_at(const weir_site *site, weir_ctx *handle, weir_redis *redis, weir_arg key,
                           weir_arg value, const weir_redis_set_options *options)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir_redis_set_options room;
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_redis_set");
    redis = weir__redis_of(redis, "weir_redis_set");
    options = weir__options(options, &room, sizeof room, "weir_redis_set");
    weir_arg args[6] = {key, value};
    size_t n = 2;
    if (options->ttl.ns != 0 && !has_ms(options->ttl))
        return weir__wait_refused(weir__redis_raise(redis, c, site, WEIR_EINVALID, "SET",
                                                    "its .ttl is below a millisecond"));
    if (options->ttl.ns != 0) {
        args[n++] = weir_arg_text("PX");
        args[n++] = weir_arg_int(options->ttl.ns / 1000000);
    } else if (options->keeps_ttl) {
        args[n++] = weir_arg_text("KEEPTTL");
    }
    if (options->if_absent || options->if_present)
        args[n++] = weir_arg_text(options->if_absent ? "NX" : "XX");
    weir_redis_value v = {.kind = WEIR_REDIS_NULL};
    const struct weir__redis_words w = {"SET", args, n};
    weir_err err = weir__redis_command(redis, c, site, &w, &v);
    if (err != WEIR_OK)
        return err;
    return v.kind == WEIR_REDIS_NULL ? WEIR_ENOTFOUND : WEIR_OK;
}

weir_err weir_redis_incr_at(const weir_site *site, weir_ctx *handle, weir_redis *redis,
                            weir_arg key, int64_t by, int64_t *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    int64_t sum = 0;
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_redis_incr");
    redis = weir__redis_of(redis, "weir_redis_incr");
    const weir_arg args[] = {key, weir_arg_int(by)};
    weir_err err = ask_int(redis, c, site, "INCRBY", args, 2, &sum);
    if (err == WEIR_OK && out != NULL)
        *out = sum;
    return err;
}

weir_err weir_redis_del_at(const weir_site *site, weir_ctx *handle, weir_redis *redis, weir_arg key,
                           bool *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    int64_t count = 0;
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_redis_del");
    redis = weir__redis_of(redis, "weir_redis_del");
    weir_err err = ask_int(redis, c, site, "DEL", &key, 1, &count);
    if (err == WEIR_OK && out != NULL)
        *out = count > 0;
    return err;
}

weir_err weir_redis_expire_at(const weir_site *site, weir_ctx *handle, weir_redis *redis,
                              weir_arg key, weir_dur ttl, bool *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    int64_t count = 0;
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_redis_expire");
    redis = weir__redis_of(redis, "weir_redis_expire");
    if (!has_ms(ttl))
        return weir__wait_refused(weir__redis_raise(redis, c, site, WEIR_EINVALID, "PEXPIRE",
                                                    "its time is below a millisecond"));
    const weir_arg args[] = {key, weir_arg_int(ttl.ns / 1000000)};
    weir_err err = ask_int(redis, c, site, "PEXPIRE", args, 2, &count);
    if (err == WEIR_OK && out != NULL)
        *out = count > 0;
    return err;
}

/* --- many keys -------------------------------------------------------------------------------- */

struct keys {
    const weir_str *keys;
    size_t count;
};

static weir_err encode_mget(void *arg, weir_buf *out, const char **why)
{
    const struct keys *k = arg;
    (void)why;
    weir__resp_put_head(out, '*', k->count + 1);
    weir__resp_put_word(out, WEIR_S("MGET"));
    for (size_t i = 0; i < k->count; i++)
        weir__resp_put_word(out, k->keys[i]);
    return out->err;
}

weir_err weir_redis_mget_at(const weir_site *site, weir_ctx *handle, weir_redis *redis,
                            const weir_str *keys, size_t count, weir_str *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(keys, "the keys");
    weir__given(out, "the values");
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_redis_mget");
    redis = weir__redis_of(redis, "weir_redis_mget");
    if (redis->err != WEIR_OK)
        return weir__wait_refused(redis->err);
    if (count == 0 || count > WEIR_REDIS_ARGS_MAX)
        return weir__wait_refused(weir__redis_raise(redis, c, site, WEIR_EINVALID, "MGET",
                                                    "it has no keys, or more than 65,536"));
    weir_redis_value v = {.kind = WEIR_REDIS_NULL};
    struct keys k = {keys, count};
    struct weir__redis_call call = {.redis = redis,
                                    .c = c,
                                    .site = site,
                                    .what = "MGET",
                                    .encode = encode_mget,
                                    .arg = &k,
                                    .f = {.c = c, .values = &v, .count = 1}};
    weir_err err = weir__redis_run(&call, false);
    if (err != WEIR_OK)
        return err;
    if (v.kind == WEIR_REDIS_ERROR)
        return weir__redis_raise_reply(redis, c, site, "MGET", v.u.s);
    if (v.kind != WEIR_REDIS_ARRAY || v.u.list.len != count)
        return weir__redis_raise_kind(redis, c, site, "MGET");
    for (size_t i = 0; i < count; i++) {
        const weir_redis_value *item = &v.u.list.items[i];
        out[i] = weir_redis_is_text(item) ? item->u.s : (weir_str){NULL, 0};
    }
    return WEIR_OK;
}
