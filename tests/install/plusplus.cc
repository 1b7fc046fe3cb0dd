// The public headers as C++17 sees them: they compile, and their functions link and work.
#include <weir/weir.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

struct user {
    weir_str name;
    std::int32_t age;
};
WEIR_MODEL(user, (name), (age));

// Every macro of <weir/redis.h>: linked, and called by nobody.
weir_err ask_redis(weir_ctx *c);
weir_err ask_redis(weir_ctx *c)
{
    weir_redis *redis = weir_redis_open(c, .depth = 10, .url = "redis://127.0.0.1");
    weir_redis_value v;
    weir_str text;
    std::int64_t number;
    bool was_there;
    user u = {};
    weir_redis_message m;
    weir_redis_entry e;
    weir_redis_stats stats;
    weir_redis_numbers(redis, &stats);
    if (weir_redis_cmd(c, redis, &v, "PING") < 0 ||
        weir_redis_cmd(c, redis, nullptr, "ZADD", "k", 1.5, WEIR_S("a")) < 0 ||
        weir_redis_get(c, redis, "k", &text) < 0 || weir_redis_set(c, redis, "k", 7) < 0 ||
        weir_redis_set(c, redis, "k", true, .if_absent = true, .ttl = weir_sec(1)) < 0 ||
        weir_redis_incr(c, redis, 7u, -1, &number) < 0 ||
        weir_redis_del(c, redis, text, &was_there) < 0 ||
        weir_redis_expire(c, redis, "k", weir_ms(5), nullptr) < 0 ||
        weir_redis_mget(c, redis, &text, 1, &text) < 0 ||
        weir_redis_hset_model(c, redis, user, &u, "k") < 0 ||
        weir_redis_hget_model(c, redis, user, &u, "k") < 0 ||
        weir_redis_eval(c, redis, &v, "return 1", 1, "k", 7) < 0)
        return weir_last_error(c)->code;
    weir_redis_pipe *p = weir_redis_multi(c, redis);
    if (weir_redis_watch(p, "k") < 0 || weir_redis_look(p, &v, "GET", "k") < 0 ||
        weir_redis_add(p, "SET", "k", 1) < 0 || weir_redis_run(p) < 0 ||
        weir_redis_next(p) == nullptr)
        return weir_last_error(c)->code;
    weir_redis_drop(weir_redis_pipe_new(c, redis));
    weir_redis_subscription *s = weir_redis_subscribe(c, redis, "c", .queue_max = 10);
    weir_redis_consumer *r = weir_redis_consume(c, redis, "s", .consumer = "a", .group = "g");
    if (weir_redis_recv(c, s, &m) < 0 || weir_redis_consumer_next(r, &e) < 0)
        return weir_last_error(c)->code;
    return weir_redis_is_list(&e.fields) && weir_redis_map_get(&v, WEIR_S("x")) == nullptr;
}

int main()
{
    std::int64_t number = 0;
    if (weir_str_i64(weir_str_trim(WEIR_S(" 42 ")), &number) != WEIR_OK || number != 42)
        return EXIT_FAILURE;
    weir_buf text;
    weir_buf_init(&text, 64);
    weir_buf_printf(&text, "%lld", static_cast<long long>(number));
    const bool is_written = text.len == 2;
    weir_buf_fini(&text);
    if (!is_written)
        return EXIT_FAILURE;
    if (weir_str_i64(WEIR_S("forty-two"), &number) != WEIR_EINVALID)
        return EXIT_FAILURE;
    std::puts("works");
    return EXIT_SUCCESS;
}
