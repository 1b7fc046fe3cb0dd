/* What a request costs on its way: its head, its route, JSON, and all of it on a real socket. */
#include "micro.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/json_decode.h"
#include "http/http.h"
#include "rt/runtime.h"
#include "web/github_routes.h"
#include "web/router.h"
#include "web/web.h"
#include "wire/http1_head.h"
#include <weir/json.h>
#include <weir/mw.h>
#include <weir/offload.h>

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

double route(weir_ctx *c)
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

double json_decode_small(weir_ctx *c)
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

double json_encode_small(weir_ctx *c)
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

double http_parse(weir_ctx *c)
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

void forget_routes(void)
{
    weir__web_fini(&web);
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
double request_mallocs(weir_ctx *handle)
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
