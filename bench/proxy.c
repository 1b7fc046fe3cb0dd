/*
 * A reverse proxy before one upstream, on one worker: what bench/protocols holds against nginx and
 * HAProxy. Written against the public headers alone.
 *
 *     proxy --port P --to PORT [--workers N]
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

struct proxy {
    char to[64];
    weir_http *http;
};
WEIR_HANDLE(proxy, struct proxy);

static weir_err start(weir_ctx *c, void *arg)
{
    struct proxy *p = arg;
    p->http = weir_http_open(c, .base = p->to, .name = "upstream", .pool = {.max_open = 1000});
    return weir_http_err(p->http);
}

static weir_err hand_on(weir_ctx *c)
{
    return weir_proxy(c, proxy(c)->http);
}

int main(int argc, char **argv)
{
    static const struct option flags[] = {{"port", required_argument, NULL, 'p'},
                                          {"to", required_argument, NULL, 't'},
                                          {"workers", required_argument, NULL, 'w'},
                                          {NULL, 0, NULL, 0}};
    static struct proxy p;
    char listen[32] = "";
    long workers = 1;
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        if (flag == 'p')
            snprintf(listen, sizeof listen, "127.0.0.1:%ld", strtol(optarg, NULL, 10));
        else if (flag == 't')
            snprintf(p.to, sizeof p.to, "http://127.0.0.1:%ld", strtol(optarg, NULL, 10));
        else if (flag == 'w')
            workers = strtol(optarg, NULL, 10);
        else
            exit(2);
    }
    if (listen[0] == '\0' || p.to[0] == '\0') {
        fprintf(stderr, "usage: proxy --port P --to PORT [--workers N]\n");
        return 2;
    }
    weir_app *app = weir_app_new(1, argv, .name = "proxy", .listen = listen, .admin = "off",
                                 .workers = workers, .start = start, .arg = &p);
    weir_use(app, weir_mw_recover);
    weir_provide(app, proxy, &p);
    weir_fallback(app, hand_on);
    return weir_app_run(app);
}
