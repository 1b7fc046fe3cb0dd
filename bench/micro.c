/*
 * Small operations, one number each: `name value unit` lines, for all or for the names given.
 *
 *     micro [NAME…]
 *
 * Each runs for a third of a second in batches of about two milliseconds; the fastest batch counts,
 * for whatever else the machine does can only add to it. Everything that needs a fiber runs in the
 * first fiber of a runtime of one worker on epoll, as a service's handlers do, not in the
 * simulation.
 *
 * bench/anchors/gomicro has the same names where Go has the same thing.
 */
#include <netinet/in.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/json_decode.h"
#include "crypto/hmac.h"
#include "crypto/pbkdf2.h"
#include "crypto/random.h"
#include "github_routes.h"
#include "guard/ejector.h"
#include "guard/retry_budget.h"
#include "net/pool.h"
#include "rt/runtime.h"
#include "web/router.h"
#include "http/http.h"
#include "web/web.h"
#include "wire/http1_head.h"
#include <weir/chan.h>
#include <weir/ctx.h>
#include <weir/fiber.h>
#include <weir/json.h>
#include <weir/metric.h>
#include <weir/mw.h>
#include <weir/offload.h>

#define BATCH_NS 2000000.0
#define TOTAL_NS 300000000.0

/* Where results go that nobody needs, so that what computes them stays. */
static volatile uintptr_t sink;

/* --- measuring -------------------------------------------------------------------------------- */

/* Does the operation `n` times. */
typedef void (*operation)(void *env, uint64_t n);

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double time_of(operation run, void *env, uint64_t n)
{
    double begin = now_ns();
    run(env, n);
    return now_ns() - begin;
}

/* How many make a batch. Warms up on the way. */
static uint64_t batch_of(operation run, void *env)
{
    uint64_t n = 1;
    while (time_of(run, env, n) < BATCH_NS && n < (uint64_t)1 << 40)
        n *= 2;
    return n;
}

/* Nanoseconds of one, in the fastest batch. */
static double best_ns(operation run, void *env)
{
    uint64_t n = batch_of(run, env);
    double best = 1e300;
    for (double spent = 0; spent < TOTAL_NS;) {
        double ns = time_of(run, env, n);
        spent += ns;
        best = ns < best ? ns : best;
    }
    return best / (double)n;
}

static void give_up(const char *what, weir_err err)
{
    fprintf(stderr, "micro: %s: %s\n", what, weir_strerror(err));
    exit(1);
}

static void must(weir_err err, const char *what)
{
    if (WEIR_UNLIKELY(err < 0))
        give_up(what, err);
}

/* --- fibers, channels, contexts --------------------------------------------------------------- */

static weir_err nothing(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    return WEIR_OK;
}

static void spawn_and_join(void *env, uint64_t n)
{
    weir_ctx *group = env;
    for (uint64_t i = 0; i < n; i++) {
        must(WEIR_GO(group, nothing, NULL), "WEIR_GO");
        must(weir_join(group), "weir_join");
    }
}

static double spawn_join(weir_ctx *c)
{
    WEIR_SCOPE(group, c);
    double ns = best_ns(spawn_and_join, group);
    (void)weir_ctx_close(group);
    return ns;
}

struct table {
    weir_ctx *c;
    weir_chan *ping, *pong;
};

static weir_err answer_balls(weir_ctx *c, void *arg)
{
    struct table *t = arg;
    int64_t ball;
    while (weir_chan_recv(c, t->ping, &ball) == WEIR_OK) {
        if (weir_chan_send(c, t->pong, &ball) < 0)
            break;
    }
    return WEIR_OK;
}

static void play(void *env, uint64_t n)
{
    struct table *t = env;
    int64_t ball = 0;
    for (uint64_t i = 0; i < n; i++) {
        must(weir_chan_send(t->c, t->ping, &ball), "weir_chan_send");
        must(weir_chan_recv(t->c, t->pong, &ball), "weir_chan_recv");
    }
}

static double ping_pong(weir_ctx *c)
{
    WEIR_SCOPE(group, c);
    struct table *t = weir_new(group, struct table);
    t->c = c;
    t->ping = weir_chan_new(group, int64_t, 0);
    t->pong = weir_chan_new(group, int64_t, 0);
    must(WEIR_GO(group, answer_balls, t), "WEIR_GO");
    double ns = best_ns(play, t);
    (void)weir_ctx_close(group);
    return ns;
}

static void pass_through(void *env, uint64_t n)
{
    struct table *t = env;
    int64_t ball = 0;
    for (uint64_t i = 0; i < n; i++) {
        must(weir_chan_send(t->c, t->ping, &ball), "weir_chan_send");
        must(weir_chan_recv(t->c, t->ping, &ball), "weir_chan_recv");
    }
}

static double chan_buffered(weir_ctx *c)
{
    WEIR_SCOPE(group, c);
    struct table t = {.c = c, .ping = weir_chan_new(group, int64_t, 128)};
    double ns = best_ns(pass_through, &t);
    (void)weir_ctx_close(group);
    return ns;
}

static void open_and_close(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        must(weir_ctx_close(weir_ctx_open((weir_ctx *)env, .timeout = weir_sec(1))),
             "weir_ctx_close");
}

static double ctx_timeout(weir_ctx *c)
{
    return best_ns(open_and_close, c);
}

/* --- a pool of the application's, as a database's is ------------------------------------------ */

static weir_err open_nothing(void *driver, struct weir__ctx *c, void **resource)
{
    (void)c;
    *resource = driver;
    return WEIR_OK;
}

static void close_nothing(void *driver, struct weir__ctx *c, void *resource)
{
    (void)driver, (void)c, (void)resource;
}

static const struct weir__pool_ops nothing_ops = {.open = open_nothing, .close = close_nothing};

struct lending {
    struct weir__pool *pool;
    struct weir__ctx *c;
};

static void acquire_and_release(void *env, uint64_t n)
{
    struct lending *l = env;
    for (uint64_t i = 0; i < n; i++) {
        struct weir__lease lease;
        must(weir__pool_acquire(l->pool, l->c, WEIR_HERE, NULL, &lease), "weir__pool_acquire");
        weir__lease_release(&lease);
    }
}

static double pool_acquire(weir_ctx *c)
{
    static int driver;
    struct weir__ctx *app = weir__self->runtime->app;
    weir_pool_options options = {.max_open = 32};
    struct lending l = {.c = weir__ctx_of(c)};
    l.pool = weir__pool_new(app, "nothing", &options, &nothing_ops, &driver, WEIR_HERE);
    if (l.pool == NULL)
        give_up("weir__pool_new", -ENOMEM);
    double ns = best_ns(acquire_and_release, &l);
    (void)weir__pool_close(l.pool, l.c, weir_time_add(weir_now(), weir_sec(1)));
    return ns;
}

/* --- guards ----------------------------------------------------------------------------------- */

/* Of sixteen workers and eight members, although one thread works: what is read is as large. */
enum { GUARD_WORKERS = 16, GUARD_MEMBERS = 8 };

struct guards {
    struct weir__retry_budget *budget;
    struct weir__ejector *ejector;
};

static void guards_new(struct guards *g)
{
    static const struct weir__retry_budget_options retries = {0};
    static const struct weir__ejector_options ejection = {0};
    g->budget = weir__retry_budget_new(&retries, GUARD_WORKERS, weir_now());
    g->ejector = weir__ejector_new(&ejection, GUARD_MEMBERS, GUARD_WORKERS, weir_now());
    if (g->budget == NULL || g->ejector == NULL)
        give_up("guards", -ENOMEM);
}

static void guards_free(struct guards *g)
{
    weir__retry_budget_free(g->budget);
    weir__ejector_free(g->ejector);
}

static void call_well(void *env, uint64_t n)
{
    struct guards *g = env;
    weir_time now = weir_now();
    for (uint64_t i = 0; i < n; i++) {
        uint32_t member = (uint32_t)i % GUARD_MEMBERS;
        weir__retry_budget_request(g->budget, 0);
        sink += weir__ejector_weight(g->ejector, member, now);
        sink += weir__ejector_report(g->ejector, 0, member, true, now);
    }
}

static double guarded_call(weir_ctx *c)
{
    (void)c;
    struct guards g;
    guards_new(&g);
    double ns = best_ns(call_well, &g);
    guards_free(&g);
    return ns;
}

static void be_refused(void *env, uint64_t n)
{
    struct guards *g = env;
    for (uint64_t i = 0; i < n; i++)
        sink += weir__retry_budget_take(g->budget, 0, (weir_time){0});
}

static double retry_refused(weir_ctx *c)
{
    (void)c;
    struct guards g;
    guards_new(&g);
    double ns = best_ns(be_refused, &g); /* after the first hundred */
    guards_free(&g);
    return ns;
}

/* --- routes ----------------------------------------------------------------------------------- */

struct requests {
    struct weir__router *router;
    enum weir__http_method methods[GITHUB_ROUTE_COUNT];
    weir_str paths[GITHUB_ROUTE_COUNT];
};

static void find_routes(void *env, uint64_t n)
{
    const struct requests *r = env;
    struct weir__route_match m;
    for (uint64_t i = 0; i < n; i++) {
        for (size_t k = 0; k < GITHUB_ROUTE_COUNT; k++) {
            weir__router_match(r->router, r->methods[k], r->paths[k], &m);
            sink = (uintptr_t)m.route;
        }
    }
}

static double route(weir_ctx *c)
{
    (void)c;
    static struct requests r;
    r.router = weir__router_new(WEIR__ROUTE_SLASH_REDIRECT);
    for (int i = 0; i < GITHUB_ROUTE_COUNT; i++) {
        const struct github_route *g = &github_routes[i];
        r.methods[i] = weir__http_method_of(weir_str_from(g->method));
        r.paths[i] = weir_str_from(g->path);
        weir__router_add(r.router, r.methods[i], weir_str_from(g->pattern),
                         (void *)(uintptr_t)(i + 1), __FILE__, i + 1);
    }
    must(weir__router_freeze(r.router), "weir__router_freeze");
    for (size_t i = 0; i < GITHUB_ROUTE_COUNT; i++) {
        struct weir__route_match m;
        weir__router_match(r.router, r.methods[i], r.paths[i], &m);
        if (m.kind != WEIR__ROUTE_FOUND || m.route != (void *)(uintptr_t)(i + 1))
            give_up(github_routes[i].pattern, WEIR_EINVALID);
    }
    double ns = best_ns(find_routes, &r) / GITHUB_ROUTE_COUNT;
    weir__router_free(r.router);
    return ns;
}

/* --- JSON, HTTP ------------------------------------------------------------------------------- */

typedef struct {
    weir_str id, name, email;
} user;
WEIR_MODEL(user, (id), (name, .required = true, .len_max = 64),
           (email, .required = true, .format = WEIR_EMAIL));

#define ADA "{\"id\":\"42\",\"name\":\"Ada Lovelace\",\"email\":\"ada@example.com\"}"
static const weir_str ada = {ADA, sizeof ADA - 1};

static void decode(void *env, uint64_t n)
{
    user *u = env;
    for (uint64_t i = 0; i < n; i++) {
        char first[256];
        struct weir__arena arena;
        weir__arena_init(&arena, first, sizeof first, 1 << 20);
        must(weir__json_decode(&arena, ada, weir_model_of(user), u, NULL, NULL),
             "weir__json_decode");
        weir__arena_fini(&arena);
    }
}

static double json_decode_small(weir_ctx *c)
{
    (void)c;
    user u;
    return best_ns(decode, &u);
}

static void encode(void *env, uint64_t n)
{
    const user *u = env;
    char bytes[256];
    weir_buf out;
    weir_buf_init_fixed(&out, bytes, sizeof bytes);
    for (uint64_t i = 0; i < n; i++) {
        weir_buf_reset(&out);
        must(weir_json_encode(&out, weir_model_of(user), u), "weir_json_encode");
        sink = out.len;
    }
}

static double json_encode_small(weir_ctx *c)
{
    (void)c;
    user u = {WEIR_S("42"), WEIR_S("Ada Lovelace"), WEIR_S("ada@example.com")};
    return best_ns(encode, &u);
}

static void parse(void *env, uint64_t n)
{
    static const char text[] = "GET /plaintext HTTP/1.1\r\nHost: localhost:9100\r\n\r\n";
    struct weir__http_head *head = env;
    for (uint64_t i = 0; i < n; i++) {
        weir__http_head_init(head);
        if (weir__http1_head_parse(head, text, sizeof text - 1, NULL) != (int)sizeof text - 1)
            give_up("weir__http1_head_parse", WEIR_EINVALID);
    }
}

static double http_parse(weir_ctx *c)
{
    (void)c;
    static struct weir__http_head head;
    return best_ns(parse, &head);
}

/* --- a whole request -------------------------------------------------------------------------- */

#define WARM_ROUNDS 1000
#define COUNTED_ROUNDS 2000

/* A service like any other: router, recover, models; served on a real socket. */
static struct weir__web web;

/* What the worker had allocated when it was last asked for /mark. */
static uint64_t mark;

static weir_err remember_mallocs(weir_ctx *c)
{
    mark = weir__alloc_stats().allocs;
    return weir_no_content(c);
}

static weir_err plaintext(weir_ctx *c)
{
    return weir_text(c, 200, WEIR_S("Hello, World!"));
}

static weir_err get_user(weir_ctx *c)
{
    user u = {weir_param(c, "id"), WEIR_S("Ada Lovelace"), WEIR_S("ada@example.com")};
    return weir_json(c, 200, user, &u);
}

static weir_err echo(weir_ctx *c)
{
    user u;
    if (weir_bind_json(c, user, &u) < 0)
        return weir_fail_bind(c);
    return weir_json(c, 200, user, &u);
}

static void add_routes(void)
{
    weir__web_init(&web);
    weir_group *root = &web.root;
    weir_use(root, weir_mw_recover);
    weir_get(root, "/mark", remember_mallocs);
    weir_get(root, "/plaintext", plaintext);
    weir_get(root, "/users/:id", get_user);
    weir_post(root, "/echo", echo);
    weir_buf mistakes;
    weir_buf_init(&mistakes, 4096);
    must(weir__web_freeze(&web, &mistakes), "weir__web_freeze");
    weir_buf_fini(&mistakes);
}

/*
 * One request and its answer, which begins with `status`. Plain blocking calls, on a thread of its
 * own.
 */
static bool ask(int fd, const char *request, const char *status)
{
    char answer[1024];
    size_t len = strlen(request);
    if (send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
        return false;
    ssize_t n = recv(fd, answer, sizeof answer, 0);
    return n > 12 && memcmp(answer + 9, status, 3) == 0;
}

static bool ask_rounds(int fd, int rounds)
{
    static const char get[] = "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n";
    static const char get_ada[] = "GET /users/42 HTTP/1.1\r\nHost: a\r\n\r\n";
    char post[256];
    snprintf(post, sizeof post,
             "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             ada.len, ada.ptr);
    for (int i = 0; i < rounds; i++) {
        if (!ask(fd, get, "200") || !ask(fd, get_ada, "200") || !ask(fd, post, "200"))
            return false;
    }
    return ask(fd, "GET /mark HTTP/1.1\r\nHost: a\r\n\r\n", "204");
}

struct client {
    uint16_t port;
    uint64_t mallocs;
};

static weir_err be_a_client(void *arg)
{
    struct client *client = arg;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(client->port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_good = fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof at) == 0 &&
                   ask_rounds(fd, WARM_ROUNDS);
    uint64_t warm = mark;
    is_good = is_good && ask_rounds(fd, COUNTED_ROUNDS);
    client->mallocs = mark - warm;
    close(fd);
    return is_good ? WEIR_OK : WEIR_EFAIL;
}

/*
 * Allocations of the worker for each request of a warm connection, from its first byte to the next
 * one's.
 */
static double request_mallocs(weir_ctx *handle)
{
    static const struct weir__http_server_options defaults;
    struct weir__ctx *c = weir__ctx_of(handle);
    struct weir__listener opened;
    struct client client;
    char message[256];
    add_routes();
    struct weir__http_app app = weir__web_app(&web);
    struct weir__http_server *server = weir__http_server_new(weir__self->runtime, &defaults, &app);
    if (server == NULL)
        give_up("weir__http_server_new", -ENOMEM);
    must(weir__on_each_worker(c, weir__web_attach, &web, weir_sec(10)), "weir__web_attach");
    must(weir__http_server_listen(server, WEIR_S("127.0.0.1:0"), &opened, message, sizeof message),
         "weir__http_server_listen");
    must(weir__http_server_start(server, c), "weir__http_server_start");
    client.port = opened.bound.port;
    must(weir_offload(handle, be_a_client, &client), "a request");
    weir__http_server_drain(server, c);
    must(weir__http_server_wait_closed(server, c, weir_never()), "weir__http_server_wait_closed");
    weir__http_server_free(server, c);
    return (double)client.mallocs / (3 * COUNTED_ROUNDS + 1);
}

/* --- cryptography ----------------------------------------------------------------------------- */

/* What is digested, and the key: 64 and 32 bytes. Beside each, the same by libcrypto alone. */
static const weir_str digested = {
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopqnopqrstu", 64};
static const weir_str mac_key = {"0123456789abcdefghijklmnopqrstuv", 32};

static void digest(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        must(weir__crypto_digest(WEIR__CRYPTO_SHA256, &digested, 1, env), "weir__crypto_digest");
}

static double sha256(weir_ctx *c)
{
    (void)c;
    unsigned char out[WEIR__CRYPTO_SHA256_BYTES];
    return best_ns(digest, out);
}

struct plain {
    EVP_MD *md;
    EVP_MD_CTX *state;
    EVP_MAC *mac;
    unsigned char out[WEIR__CRYPTO_SHA256_BYTES];
};

/* As well as it goes: fetched once, one context. */
static void digest_plainly(void *env, uint64_t n)
{
    struct plain *p = env;
    for (uint64_t i = 0; i < n; i++) {
        if (EVP_DigestInit_ex2(p->state, p->md, NULL) != 1 ||
            EVP_DigestUpdate(p->state, digested.ptr, digested.len) != 1 ||
            EVP_DigestFinal_ex(p->state, p->out, NULL) != 1)
            give_up("a digest", WEIR_EINVALID);
    }
}

static double sha256_plain(weir_ctx *c)
{
    (void)c;
    struct plain p = {.md = EVP_MD_fetch(NULL, "SHA-256", NULL), .state = EVP_MD_CTX_new()};
    double ns = best_ns(digest_plainly, &p);
    EVP_MD_CTX_free(p.state);
    EVP_MD_free(p.md);
    return ns;
}

static void sign(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        must(weir__crypto_hmac(WEIR__CRYPTO_SHA256, mac_key, &digested, 1, env),
             "weir__crypto_hmac");
}

static double hmac_sha256(weir_ctx *c)
{
    (void)c;
    unsigned char out[WEIR__CRYPTO_SHA256_BYTES];
    return best_ns(sign, out);
}

/* Fetched once; a context for each code, since it holds the key. */
static void sign_plainly(void *env, uint64_t n)
{
    struct plain *p = env;
    char name[] = "SHA-256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    for (uint64_t i = 0; i < n; i++) {
        size_t len = 0;
        EVP_MAC_CTX *state = EVP_MAC_CTX_new(p->mac);
        if (EVP_MAC_init(state, (const unsigned char *)mac_key.ptr, mac_key.len, params) != 1 ||
            EVP_MAC_update(state, (const unsigned char *)digested.ptr, digested.len) != 1 ||
            EVP_MAC_final(state, p->out, &len, sizeof p->out) != 1)
            give_up("a code", WEIR_EINVALID);
        EVP_MAC_CTX_free(state);
    }
}

static double hmac_sha256_plain(weir_ctx *c)
{
    (void)c;
    struct plain p = {.mac = EVP_MAC_fetch(NULL, "HMAC", NULL)};
    double ns = best_ns(sign_plainly, &p);
    EVP_MAC_free(p.mac);
    return ns;
}

static void draw(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        weir__crypto_random(env, 32);
}

static double random_32(weir_ctx *c)
{
    (void)c;
    unsigned char out[32];
    return best_ns(draw, out);
}

static void draw_plainly(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (RAND_bytes(env, 32) != 1)
            give_up("RAND_bytes", WEIR_EINVALID);
}

static double random_32_plain(weir_ctx *c)
{
    (void)c;
    unsigned char out[32];
    return best_ns(draw_plainly, out);
}

static void derive(void *env, uint64_t n)
{
    static const struct weir__crypto_pbkdf2 scram = {
        WEIR__CRYPTO_SHA256, {"pencil", 6}, {"W22ZaJ0SNY7soEs", 15}, 4096};
    for (uint64_t i = 0; i < n; i++)
        must(weir__crypto_pbkdf2(&scram, env, WEIR__CRYPTO_SHA256_BYTES, NULL),
             "weir__crypto_pbkdf2");
}

static double pbkdf2_4096(weir_ctx *c)
{
    (void)c;
    unsigned char out[WEIR__CRYPTO_SHA256_BYTES];
    return best_ns(derive, out);
}

/* --- panics --------------------------------------------------------------------------------- */

static weir_err panics(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    weir_panic("as measured");
}

static void panic_and_catch(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (weir_protect((weir_ctx *)env, panics, NULL) != WEIR_EPANIC)
            give_up("weir_protect", WEIR_EFAIL);
}

/* Its place is known after the first: ten lines a second on standard error are in the price. */
static double panic_known(weir_ctx *c)
{
    return best_ns(panic_and_catch, c);
}

/* --- metrics ---------------------------------------------------------------------------------- */

static WEIR_COUNTER(counted, "micro_counted_total", "Counted.");
static WEIR_COUNTER(by_outcome, "micro_outcomes_total", "Counted.", .labels = {"outcome"});
static WEIR_HISTOGRAM(recorded, "micro_recorded_seconds", "Recorded.", .unit = WEIR_METRIC_SECONDS);

static void count(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        weir_counter_add(env, 1);
}

static double counter_add(weir_ctx *c)
{
    (void)c;
    return best_ns(count, &counted);
}

static void look_up_and_count(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        weir_counter_add(weir_counter_of((weir_counter *)env, WEIR_S("placed")), 1);
}

static double counter_of_label(weir_ctx *c)
{
    (void)c;
    return best_ns(look_up_and_count, &by_outcome);
}

static void record(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        weir_histogram_record(env, 1000 + i % 100000 * 17);
}

static double histogram_record(weir_ctx *c)
{
    (void)c;
    return best_ns(record, &recorded);
}

/* --- all of them ------------------------------------------------------------------------------ */

static const struct benchmark {
    const char *name, *unit;
    double (*measure)(weir_ctx *c);
} benchmarks[] = {
    {"spawn_join", "ns", spawn_join},
    {"ping_pong", "ns", ping_pong},
    {"chan_buffered", "ns", chan_buffered},
    {"ctx_timeout", "ns", ctx_timeout},
    {"pool_acquire", "ns", pool_acquire},
    {"guarded_call", "ns", guarded_call},
    {"retry_refused", "ns", retry_refused},
    {"route", "ns", route},
    {"json_decode_small", "ns", json_decode_small},
    {"json_encode_small", "ns", json_encode_small},
    {"http_parse", "ns", http_parse},
    {"sha256", "ns", sha256},
    {"sha256_plain", "ns", sha256_plain},
    {"hmac_sha256", "ns", hmac_sha256},
    {"hmac_sha256_plain", "ns", hmac_sha256_plain},
    {"random_32", "ns", random_32},
    {"random_32_plain", "ns", random_32_plain},
    {"pbkdf2_4096", "ns", pbkdf2_4096},
    {"panic_known", "ns", panic_known},
    {"counter_add", "ns", counter_add},
    {"counter_of_label", "ns", counter_of_label},
    {"histogram_record", "ns", histogram_record},
    {"request_mallocs", "mallocs", request_mallocs},
};
enum { BENCHMARK_COUNT = sizeof benchmarks / sizeof benchmarks[0] };

static bool is_chosen(char *const *names, const char *name)
{
    if (names[0] == NULL)
        return true;
    while (names[0] != NULL && strcmp(names[0], name) != 0)
        names++;
    return names[0] != NULL;
}

static weir_err measure_all(weir_ctx *app, void *arg)
{
    char *const *names = arg;
    for (size_t i = 0; i < BENCHMARK_COUNT; i++) {
        const struct benchmark *b = &benchmarks[i];
        if (!is_chosen(names, b->name))
            continue;
        /* Below the application's context: what is measured belongs to one worker. */
        WEIR_SCOPE(c, app);
        printf("%s %.4g %s\n", b->name, b->measure(c), b->unit);
        fflush(stdout);
        (void)weir_ctx_close(c);
    }
    return WEIR_OK;
}

static bool is_known(const char *name)
{
    for (size_t i = 0; i < BENCHMARK_COUNT; i++) {
        if (strcmp(benchmarks[i].name, name) == 0)
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!is_known(argv[i])) {
            fprintf(stderr, "micro: no benchmark '%s'\n", argv[i]);
            return 2;
        }
    }
    /* A batch may keep its worker for longer than a handler should: no watchdog. */
    struct weir__runtime_options options = {.workers = 1, .stall = weir_ms(-1)};
    char message[256];
    weir_err err = WEIR_OK;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    if (rt == NULL) {
        fprintf(stderr, "micro: %s\n", message);
        return 1;
    }
    err = weir__runtime_run(rt, measure_all, argv + 1);
    weir__runtime_free(rt);
    weir__web_fini(&web);
    return err < 0;
}
