/*
 * What the parts of `micro` share: how an operation is measured, and each operation's number.
 */
#ifndef WEIR_BENCH_MICRO_H
#define WEIR_BENCH_MICRO_H

#include <stdint.h>

#include <weir/ctx.h>

/* Where results go that nobody needs, so that what computes them stays. */
extern volatile uintptr_t sink;

/* Does the operation `n` times. */
typedef void (*operation)(void *env, uint64_t n);

/* Nanoseconds of one, in the fastest batch. */
double best_ns(operation run, void *env);

/* Ends the program with what has failed. */
void give_up(const char *what, weir_err err);

static inline void must(weir_err err, const char *what)
{
    if (WEIR_UNLIKELY(err < 0))
        give_up(what, err);
}

/* Each measures in the first fiber of a runtime: nanoseconds, or what the table in main.c says. */
double spawn_join(weir_ctx *c);
double ping_pong(weir_ctx *c);
double chan_buffered(weir_ctx *c);
double ctx_timeout(weir_ctx *c);
double pool_acquire(weir_ctx *c);
double cache_hit(weir_ctx *c);
double cache_hit_texts(weir_ctx *c);
double cache_pin(weir_ctx *c);
double guarded_call(weir_ctx *c);
double retry_refused(weir_ctx *c);
double panic_known(weir_ctx *c);
double route(weir_ctx *c);
double json_decode_small(weir_ctx *c);
double json_encode_small(weir_ctx *c);
double http_parse(weir_ctx *c);
double request_mallocs(weir_ctx *c);
double sha256(weir_ctx *c);
double sha256_plain(weir_ctx *c);
double hmac_sha256(weir_ctx *c);
double hmac_sha256_plain(weir_ctx *c);
double random_32(weir_ctx *c);
double random_32_plain(weir_ctx *c);
double pbkdf2_4096(weir_ctx *c);
double counter_add(weir_ctx *c);
double counter_of_label(weir_ctx *c);
double histogram_record(weir_ctx *c);

/* When no worker is left that serves: what request_mallocs has served by. */
void forget_routes(void);

#endif
