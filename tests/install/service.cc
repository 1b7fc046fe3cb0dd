// A service in C++ as C++ is written: strings, destructors, lambdas, templates in a handler's body. The
// same routes as service.c, as far as they go; tests/install/matrix.py asks both.
#include <weir/weir.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace {

struct user {
    std::int64_t id;
    weir_str name, email;
    std::int64_t age;
    bool has_age;
};
WEIR_MODEL(user, (id), (name, .required = true, .len_max = 64), (email, .format = WEIR_EMAIL),
           (age, .min = 0, .max = 150, .present = weir_flag_of(user, has_age)));

struct shop {
    weir_db *db;
    weir_cache *by_name;
    weir_mutex *mutex;
    std::int64_t visits;
};

} // namespace

WEIR_HANDLE(the, shop);

namespace {

weir_err start(weir_ctx *c, void *arg)
{
    auto *s = static_cast<shop *>(arg);
    const std::string path = std::string("users") + ".db";
    // A temporary lives as long as the call.
    s->db = weir_sqlite_open(c, .path = (path + "").c_str(), .create = true);
    if (weir_db_err(s->db) < 0)
        return weir_db_err(s->db);
    s->by_name = weir_cache_new(c, .name = "users by name", .entries_max = 100,
                                .bytes_max = 1 << 20, .ttl = weir_min(1));
    if (weir_cache_err(s->by_name) < 0)
        return weir_cache_err(s->by_name);
    s->mutex = weir_mutex_new(c);
    return weir_exec_script(c, s->db,
                            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, "
                            "email TEXT, age INTEGER)");
}

weir_err create_user(weir_ctx *c)
{
    user in;
    if (weir_bind_json(c, user, &in) < 0)
        return weir_fail_bind(c);
    weir_tx *tx = weir_begin(c, the(c)->db, .isolation = WEIR_SERIALIZABLE);
    weir_tx *part = weir_begin(c, tx);
    weir_insert(part, "users", user, &in, 1, .without = "id");
    in.id = weir_last_insert_id(part);
    if (weir_commit(part) < 0)
        return weir_fail_last(c, 500);
    if (weir_commit(tx) < 0)
        return weir_fail_last(c, 500);
    const auto fresh = [](weir_ctx *, weir_str, void *out, void *arg) -> weir_err {
        *static_cast<user *>(out) = *static_cast<const user *>(arg);
        return WEIR_OK;
    };
    user kept;
    if (weir_cache_remove(c, the(c)->by_name, in.name) < 0 ||
        weir_cache_get(c, the(c)->by_name, in.name, user, &kept, fresh, &in) < 0)
        return weir_fail_last(c, 500);
    return weir_json(c, 201, user, &kept);
}

weir_err list_users(weir_ctx *c)
{
    std::int64_t limit = 100;
    if (weir_query_param_i64(c, "limit", &limit) < 0)
        return weir_fail_bind(c);
    weir_rows *rows = weir_query(c, the(c)->db, "SELECT * FROM users ORDER BY id LIMIT ?", limit);
    weir_stream *out = weir_json_array(c, 200);
    for (user u{}; weir_rows_next(rows, user, &u);)
        weir_stream_put(out, user, &u);
    return weir_stream_end(out, weir_rows_err(rows));
}

// A snapshot of all, in a transaction that is tried again when others are in its way.
weir_err sum_ages(weir_ctx *c, weir_tx *tx, void *arg)
{
    WEIR_ARRAY(user) users;
    weir_err err = weir_query_all(c, tx, user, &users, 1000, "SELECT * FROM users WHERE id > ?", 0);
    for (std::size_t i = 0; i < users.len; i++)
        *static_cast<std::int64_t *>(arg) += users.ptr[i].age;
    return err;
}

weir_err ages(weir_ctx *c)
{
    std::int64_t n = 0;
    weir_err err = weir_tx_retry(c, the(c)->db, sum_ages, &n, .tries = 3, .read_only = true);
    return err < 0 ? err : weir_textf(c, 200, "%lld\n", static_cast<long long>(n));
}

struct part {
    std::int64_t from = 0, sum = 0;
};

weir_err sum(weir_ctx *c)
{
    std::vector<part> parts(4);
    WEIR_WITH (group, c, .timeout = weir_sec(5)) {
        for (std::size_t i = 0; i < parts.size(); i++) {
            parts[i].from = static_cast<std::int64_t>(i) * 100;
            const auto add_up = [](weir_ctx *own, void *arg) -> weir_err {
                auto *p = static_cast<part *>(arg);
                for (std::int64_t k = 0; k < 100; k++)
                    p->sum += p->from + k;
                return weir_sleep(own, weir_ms(1));
            };
            if (WEIR_GO(group, add_up, &parts[i]) < 0)
                return weir_fail(c, 503, "too many fibers");
        }
        if (weir_join(group) < 0)
            return weir_fail_last(c, 500);
    }
    std::int64_t all = 0;
    for (const part &p : parts)
        all += p.sum;
    return weir_text(c, 200, (std::to_string(all) + "\n").c_str());
}

weir_err visit(weir_ctx *c)
{
    shop *s = the(c);
    if (weir_lock(c, s->mutex) < 0)
        return weir_fail_last(c, 503);
    std::int64_t seen = ++s->visits;
    weir_unlock(c, s->mutex);
    const auto count_up = [](void *arg) -> weir_err {
        *static_cast<std::int64_t *>(arg) += 1;
        return WEIR_OK;
    };
    if (weir_offload(c, count_up, &seen) < 0)
        return weir_fail_last(c, 503);
    return weir_text(c, 200, seen > 1 ? WEIR_S("counted\n") : WEIR_S("lost\n"));
}

weir_err detach(weir_ctx *c)
{
    const int number = 7;
    const auto note = [](weir_ctx *own, void *arg) -> weir_err {
        weir_log(own, WEIR_LOG_INFO, "noted %d", *static_cast<const int *>(arg));
        return WEIR_OK;
    };
    if (weir_detach(c, note, &number, sizeof number, .timeout = weir_sec(2)) < 0)
        return weir_fail(c, 503, "busy");
    return weir_no_content(c);
}

enum : weir_err { ESTOCK = WEIR_DOMAIN(1) };

weir_err out_of_stock(weir_ctx *c)
{
    return weir_raise(c, ESTOCK, "only %d left", 3);
}

// Its destructor runs when a panic unwinds: memory that it did not give back would be reported.
weir_err panics(weir_ctx *)
{
    const auto bytes = std::make_unique<std::string>(1000, 'x');
    WEIR_CHECK(bytes->empty());
    return WEIR_OK;
}

weir_err pass(weir_ctx *c)
{
    return weir_next(c);
}

weir_err look(weir_ctx *c)
{
    return weir_next(c);
}

} // namespace

int main(int argc, char **argv)
{
    static shop the_shop;
    weir_app *app = weir_app_new(argc, argv, .name = "service", .start = start, .arg = &the_shop,
                                 .listen = "127.0.0.1:0", .admin = "off");
    weir_provide(app, the, &the_shop);
    weir_use(app, weir_mw_recover, weir_mw_request_id, weir_mw_metrics);
    weir_error_table(app, {ESTOCK, 409, "out_of_stock", "not enough of it"});
    weir_group *v1 = weir_group_new(app, "/v1", pass, .timeout = weir_sec(20));
    weir_needs(v1, the);
    weir_post(v1, "/users", create_user, .body_bytes_max = 4096);
    weir_get(v1, "/users", list_users, look, .timeout = weir_sec(20));
    weir_get(v1, "/ages", ages);
    weir_get(v1, "/sum", sum);
    weir_get(v1, "/visit", visit);
    weir_post(v1, "/detach", detach);
    weir_get(v1, "/stock", out_of_stock);
    weir_get(v1, "/panic", panics);
    return weir_app_run(app);
}
