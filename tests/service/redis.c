/*
 * A service that asks Redis, --redis, in the ways that a real server is needed to prove. What
 * became of it is told as JSON.
 */
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

struct asker {
    const char *url, *ca;
    int64_t answer_ms;
    bool is_resp2;
    weir_redis *redis;
};
WEIR_HANDLE(asker, struct asker);

typedef struct told {
    weir_str error, message, text;
    int64_t number, count;
} told;
WEIR_MODEL(told, (error), (message), (text), (number), (count));

typedef struct numbers {
    uint64_t connections, in_flight, abandoned, cut, refused, down, subscriptions;
} numbers;
WEIR_MODEL(numbers, (connections), (in_flight), (abandoned), (cut), (refused), (down),
           (subscriptions));

typedef struct person {
    weir_str name;
    int32_t age;
    weir_uuid id;
    weir_wall born;
    weir_decimal height;
} person;
WEIR_MODEL(person, (name), (age), (id), (born), (height));

static weir_err tell(weir_ctx *c, weir_err err, told *t)
{
    const weir_error *e = weir_last_error(c);
    t->error = weir_str_from(err < 0 ? weir_strerror(err) : "");
    t->message = err < 0 && e != NULL ? e->message : WEIR_S("");
    weir_error_clear(c);
    return weir_json(c, 200, told, t);
}

static const char *param(weir_ctx *c, const char *name, const char *otherwise)
{
    weir_str v = weir_query_param(c, name);
    return v.ptr != NULL ? weir_strdup(c, v).ptr : otherwise;
}

static int64_t number(weir_ctx *c, const char *name, int64_t otherwise)
{
    int64_t n = otherwise;
    (void)!weir_str_i64(weir_query_param(c, name), &n);
    return n;
}

/* GET /cmd?words=GET%20key: one command. */
static weir_err command(weir_ctx *c)
{
    weir_arg args[32];
    size_t count = 0;
    told t = {.number = 0};
    weir_redis_value v = {.kind = WEIR_REDIS_NULL};
    char *words = strdupa(param(c, "words", ""));
    char *rest = words, *name = strsep(&rest, " ");
    for (char *word; count < 32 && (word = strsep(&rest, " ")) != NULL;)
        args[count++] = weir_arg_text(word);
    weir_err err = weir_redis_cmd_at(WEIR_HERE, c, asker(c)->redis, &v, name, args, count);
    if (err == WEIR_OK && weir_redis_is_text(&v))
        t.text = v.u.s;
    else if (err == WEIR_OK && weir_redis_is_list(&v))
        t.count = (int64_t)v.u.list.len;
    else if (err == WEIR_OK)
        t.number = v.u.i;
    return tell(c, err, &t);
}

/* --- many at a time --------------------------------------------------------------------------- */

struct part {
    weir_redis *redis;
    const char *key;
    int64_t times;
    weir_err err;
};

static weir_err count_up(weir_ctx *c, void *arg)
{
    struct part *p = arg;
    for (int64_t i = 0; i < p->times && p->err == WEIR_OK; i++)
        p->err = weir_redis_incr(c, p->redis, p->key, 1, NULL);
    return WEIR_OK;
}

/* GET /many?key=k&fibers=20&times=100: increments; `count` of the fibers failed. */
static weir_err many(weir_ctx *c)
{
    struct part parts[64];
    told t = {.number = 0};
    int64_t fibers = number(c, "fibers", 20);
    weir_err err = WEIR_OK;
    WEIR_SCOPE(group, c);
    for (int64_t i = 0; i < fibers && i < 64 && err == WEIR_OK; i++) {
        parts[i] = (struct part){asker(c)->redis, param(c, "key", "k"), number(c, "times", 100), 0};
        err = WEIR_GO(group, count_up, &parts[i]);
    }
    weir_err joined = weir_join_as(group, WEIR_JOIN_ALL);
    for (int64_t i = 0; i < fibers && i < 64; i++)
        t.count += parts[i].err != WEIR_OK;
    return tell(c, err < 0 ? err : joined, &t);
}

/* GET /change?key=k: adds one by a transaction that watches; `count` is how often it was tried. */
static weir_err change(weir_ctx *c)
{
    told t = {.number = 0};
    const char *key = param(c, "key", "k");
    weir_redis_pipe *tx = weir_redis_multi(c, asker(c)->redis);
    weir_err err = WEIR_ECHANGED;
    while (err == WEIR_ECHANGED && t.count++ < 100) {
        weir_redis_value v;
        int64_t n = 0;
        weir_error_clear(c);
        (void)weir_redis_watch(tx, key);
        err = weir_redis_look(tx, &v, "GET", key);
        if (err == WEIR_OK && weir_redis_is_text(&v))
            (void)!weir_str_i64(v.u.s, &n);
        (void)weir_redis_add(tx, "SET", key, n + 1);
        err = weir_redis_run(tx);
    }
    return tell(c, err, &t);
}

/* GET /person: a struct goes to a hash, and comes back as it was. */
static weir_err keep_person(weir_ctx *c)
{
    told t = {.number = 0};
    person in = {.name = WEIR_S("Ada\r\n\xff"),
                 .age = -36,
                 .id = weir_uuid_v7(),
                 .born = weir_wall_now(),
                 .height = weir_decimal_of(172)};
    person out = {.age = 0};
    weir_err err = weir_redis_hset_model(c, asker(c)->redis, person, &in, "person");
    if (err == WEIR_OK)
        err = weir_redis_hget_model(c, asker(c)->redis, person, &out, "person");
    t.number = weir_str_eq(in.name, out.name) && in.age == out.age && in.born.us == out.born.us &&
               memcmp(&in.id, &out.id, sizeof in.id) == 0 &&
               weir_decimal_cmp(in.height, out.height) == 0;
    return tell(c, err, &t);
}

/* GET /script?key=k: sets the key by a script. */
static weir_err script(weir_ctx *c)
{
    told t = {.number = 0};
    weir_redis_value v;
    weir_err err = weir_redis_eval(c, asker(c)->redis, &v,
                                   "redis.call('SET', KEYS[1], ARGV[1]); return ARGV[1] + 1", 1,
                                   param(c, "key", "k"), 41);
    t.number = err == WEIR_OK ? v.u.i : 0;
    return tell(c, err, &t);
}

/* --- messages and streams --------------------------------------------------------------------- */

/* GET /hear?channel=c&count=2: what was published; `number` gaps, `count` lost. */
static weir_err hear(weir_ctx *c)
{
    told t = {.number = 0};
    char heard[1000] = "";
    weir_redis_message m;
    weir_err err = WEIR_OK;
    weir_redis_subscription *s = weir_redis_subscribe(c, asker(c)->redis, param(c, "channel", "c"));
    for (int64_t left = number(c, "count", 1); left > 0 && err == WEIR_OK;) {
        err = weir_redis_recv(c, s, &m);
        if (err != WEIR_OK)
            break;
        t.number += m.has_gap;
        t.count += (int64_t)m.lost;
        if (m.payload.ptr == NULL)
            continue;
        snprintf(heard + strlen(heard), sizeof heard - strlen(heard), "%s ", m.payload.ptr);
        left--;
    }
    t.text = weir_str_from(heard);
    return tell(c, err, &t);
}

/* GET /consume?consumer=a&count=2&acks=1&claim=100: entries' values, ! for what comes again. */
static weir_err consume(weir_ctx *c)
{
    told t = {.number = 0};
    char got[1000] = "";
    weir_redis_entry e;
    weir_redis_consumer *s =
        weir_redis_consume(c, asker(c)->redis, "jobs", .group = "g", .from = "0",
                           .consumer = param(c, "consumer", "a"), .batch = 10,
                           .claim_after = weir_ms(number(c, "claim", 0)));
    weir_err err = WEIR_OK;
    for (int64_t left = number(c, "count", 1); left > 0 && err == WEIR_OK; left--) {
        err = weir_redis_consumer_next(s, &e);
        if (err != WEIR_OK)
            break;
        const weir_redis_value *v = weir_redis_map_get(&e.fields, WEIR_S("n"));
        snprintf(got + strlen(got), sizeof got - strlen(got), "%.*s%s ", (int)v->u.s.len,
                 v->u.s.ptr, e.is_again ? "!" : "");
        if (number(c, "acks", 1) != 0)
            err = weir_redis_ack(s, e.id);
    }
    t.text = weir_str_from(got);
    return tell(c, err, &t);
}

/* GET /numbers: what the client has counted. */
static weir_err show_numbers(weir_ctx *c)
{
    weir_redis_stats s;
    weir_redis_numbers(asker(c)->redis, &s);
    const numbers n = {.connections = s.connections,
                       .in_flight = s.in_flight,
                       .abandoned = s.abandoned,
                       .cut = s.cut,
                       .refused = s.refused,
                       .down = s.down,
                       .subscriptions = s.subscriptions};
    return weir_json(c, 200, numbers, &n);
}

static weir_err start(weir_ctx *c, void *arg)
{
    struct asker *k = arg;
    const weir_tls *tls = k->ca != NULL ? weir_tls_new(c, .ca_file = k->ca) : NULL;
    k->redis = weir_redis_open(c, .url = k->url, .name = "test", .client_name = "asker", .tls = tls,
                               .answer_timeout = weir_ms(k->answer_ms), .dial_timeout = weir_sec(2),
                               .protocol = k->is_resp2 ? WEIR_REDIS_RESP2 : WEIR_REDIS_AGREED);
    return weir_redis_err(k->redis);
}

int main(int argc, char **argv)
{
    static struct asker the_asker = {.answer_ms = 1000};
    const weir_option options[] = {
        {"redis", "whom it asks", .text = &the_asker.url},
        {"ca", "whom it trusts", .text = &the_asker.ca},
        {"answer-ms", "how long a server may be silent", .number = &the_asker.answer_ms, .min = 1,
         .max = 60000},
        {"resp2", "version 2 of the protocol", .toggle = &the_asker.is_resp2},
        {0},
    };
    weir_app *app = weir_app_new(argc, argv, .name = "redis", .start = start, .arg = &the_asker,
                                 .options = options);
    weir_provide(app, asker, &the_asker);
    weir_get(app, "/cmd", command);
    weir_get(app, "/many", many);
    weir_get(app, "/change", change);
    weir_get(app, "/person", keep_person);
    weir_get(app, "/script", script);
    weir_get(app, "/hear", hear);
    weir_get(app, "/consume", consume);
    weir_get(app, "/numbers", show_numbers);
    return weir_app_run(app);
}
