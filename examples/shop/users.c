/*
 * Users: create, get, list, update, delete. What a handler can fail with, it returns: the error
 * becomes the response (a row that is not there 404, a constraint 409, no connection in time 503).
 */
#include "shop.h"

typedef struct {
    weir_str name, email;
    int64_t age;
} user_in;
WEIR_MODEL(user_in, (name, .required = true, .len_max = 64),
           (email, .required = true, .format = WEIR_EMAIL), (age, .min = 0, .max = 150));

typedef struct {
    int64_t id;
    weir_str name, email;
    int64_t age;
} user;
WEIR_MODEL(user, (id), (name), (email), (age));

static weir_err create_user(weir_ctx *c)
{
    user_in in;
    if (weir_bind_json(c, user_in, &in) < 0)
        return weir_fail_bind(c); /* 400 with one line for each bad field */
    user u = {0, in.name, in.email, in.age};
    weir_tx *tx = weir_begin(c, shop(c)->db);
    weir_err err = weir_query_one(
        c, tx, int64_t, &u.id,
        WEIR_SQL("INSERT INTO users(name, email, age) VALUES (?, ?, ?) RETURNING id"), in.name,
        in.email, in.age);
    if (err == WEIR_OK)
        err = weir_commit(tx);
    if (err == WEIR_EUNIQUE)
        return weir_fail(c, 409, "there is a user with this e-mail address");
    if (err < 0)
        return err;
    return weir_json(c, 201, user, &u);
}

static weir_err get_user(weir_ctx *c)
{
    int64_t id;
    if (weir_param_i64(c, "id", &id) < 0)
        return weir_fail_bind(c);
    user u;
    weir_err err =
        weir_query_one(c, shop(c)->db, user, &u,
                       WEIR_SQL("SELECT id, name, email, age FROM users WHERE id = ?"), id);
    return err < 0 ? err : weir_json(c, 200, user, &u);
}

static weir_err list_users(weir_ctx *c)
{
    page p;
    if (weir_bind_query(c, page, &p) < 0)
        return weir_fail_bind(c);
    weir_rows *rows = weir_query(
        c, shop(c)->db,
        WEIR_SQL(user, "SELECT id, name, email, age FROM users ORDER BY id LIMIT ? OFFSET ?"),
        p.limit > 0 ? p.limit : 20, p.offset);
    weir_stream *out = weir_json_array(c, 200);
    for (user u; weir_rows_next(rows, user, &u);)
        weir_stream_put(out, user, &u);
    return weir_stream_end(out, weir_rows_err(rows)); /* an error is never a short list */
}

static weir_err update_user(weir_ctx *c)
{
    int64_t id;
    user_in in;
    if (weir_param_i64(c, "id", &id) < 0 || weir_bind_json(c, user_in, &in) < 0)
        return weir_fail_bind(c);
    weir_result done;
    weir_err err =
        weir_db_exec(c, shop(c)->db, &done,
                     WEIR_SQL("UPDATE users SET name = ?, email = ?, age = ? WHERE id = ?"),
                     in.name, in.email, in.age, id);
    if (err < 0)
        return err;
    if (done.changes == 0)
        return WEIR_ENOTFOUND;
    const user u = {id, in.name, in.email, in.age};
    return weir_json(c, 200, user, &u);
}

static weir_err delete_user(weir_ctx *c)
{
    int64_t id;
    if (weir_param_i64(c, "id", &id) < 0)
        return weir_fail_bind(c);
    weir_result done;
    weir_err err =
        weir_db_exec(c, shop(c)->db, &done, WEIR_SQL("DELETE FROM users WHERE id = ?"), id);
    if (err == WEIR_EFOREIGNKEY)
        return weir_fail(c, 409, "the user has orders");
    if (err < 0)
        return err;
    return done.changes == 0 ? WEIR_ENOTFOUND : weir_no_content(c);
}

void shop_user_routes(weir_group *v1)
{
    weir_post(v1, "/users", create_user);
    weir_get(v1, "/users", list_users);
    weir_get(v1, "/users/:id", get_user);
    weir_put(v1, "/users/:id", update_user);
    weir_delete(v1, "/users/:id", delete_user);
}
