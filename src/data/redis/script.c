/*
 * Scripts: by their digest, which is all that is sent once the server knows them. One that does not
 * (it was restarted, or its scripts were flushed) is sent the text, and knows it from then on.
 */
#include "data/redis/redis.h"

#include <string.h>

#include "base/alloc.h"
#include "base/given.h"
#include "base/num.h"
#include "crypto/digest.h"
#include "rt/outside.h"

struct script {
    weir_str text; /* or its digest */
    const char *command;
    size_t keys;
    const weir_arg *args;
    size_t count;
};

static weir_err encode_script(void *arg, weir_buf *out, const char **why)
{
    const struct script *s = arg;
    weir_arg few[34];
    size_t count = s->count + 2;
    weir_arg *all = count <= sizeof few / sizeof few[0] ? few : weir__malloc(count * sizeof *all);
    if (all == NULL)
        return -ENOMEM;
    all[0] = weir_arg_str(s->text);
    all[1] = weir_arg_uint(s->keys);
    if (s->count > 0)
        memcpy(all + 2, s->args, s->count * sizeof *all);
    const struct weir__redis_words w = {s->command, all, count};
    weir_err err = weir__redis_put(out, &w, why);
    if (all != few)
        weir__free(all);
    return err;
}

static weir_err run(struct weir__redis_call *call, struct script *s, weir_redis_value *v)
{
    call->f = (struct weir__redis_flight){.c = call->c, .values = v, .count = 1};
    call->what = s->command;
    call->arg = s;
    return weir__redis_run(call, false);
}

weir_err weir_redis_eval_at(const weir_site *site, weir_ctx *handle, weir_redis *redis,
                            weir_redis_value *reply, size_t keys, const char *script,
                            const weir_arg *args, size_t count)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(script, "the script");
    weir__given_some(args, count, "the array of values");
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_redis_eval");
    redis = weir__redis_of(redis, "weir_redis_eval");
    unsigned char digest[WEIR__CRYPTO_SHA1_BYTES];
    char hex[2 * WEIR__CRYPTO_SHA1_BYTES];
    const weir_str text = weir_str_from(script);
    weir_redis_value unwanted, *v = reply != NULL ? reply : &unwanted;
    if (redis->err != WEIR_OK)
        return weir__wait_refused(redis->err);
    weir_err err =
        keys <= count ? weir__crypto_digest(WEIR__CRYPTO_SHA1, &text, 1, digest) : WEIR_EINVALID;
    if (err != WEIR_OK)
        return weir__wait_refused(weir__redis_raise(
            redis, c, site, err, "EVALSHA",
            err == WEIR_EINVALID ? "it has more keys than values" : weir_strerror(err)));
    weir_str sha = {hex, weir__num_put_hex(hex, digest, sizeof digest)};
    struct weir__redis_call call = {.redis = redis, .c = c, .site = site, .encode = encode_script};
    struct script s = {sha, "EVALSHA", keys, args, count};
    err = run(&call, &s, v);
    if (err == WEIR_OK && v->kind == WEIR_REDIS_ERROR &&
        weir__redis_code(v->u.s) == WEIR_ENOSCRIPT) {
        s.text = text;
        s.command = "EVAL";
        err = run(&call, &s, v);
    }
    if (err == WEIR_OK && v->kind == WEIR_REDIS_ERROR)
        err = weir__redis_raise_reply(redis, c, site, s.command, v->u.s);
    return err;
}
