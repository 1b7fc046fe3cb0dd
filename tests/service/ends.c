/*
 * The service that is told to end while it is in trouble: each page brings one kind of it. The lane
 * of tests/ends asks for them. Only the public headers, so that it is built against an installed
 * library as well.
 *
 * What it logs also goes to the file of --lines, since its standard error may be what is stuck.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/weir.h>

struct ends {
    const char *lines, *fifo; /* files; NULL: none */
    int64_t hole;             /* the port of who accepts and never answers; 0: there is none */
    bool start_waits;
    weir_chan *never; /* nobody ever sends */
    weir_db *postgres, *mysql;
    weir_redis *redis;
    int lines_fd;
};
WEIR_HANDLE(ends, struct ends);

static weir_err hello(weir_ctx *c)
{
    return weir_text(c, 200, "hello\n");
}

static weir_err waits(weir_ctx *c)
{
    int value;
    weir_err err = weir_chan_recv(c, ends(c)->never, &value);
    return err < 0 ? err : weir_text(c, 200, "?\n");
}

/* Takes no notice of what its waits return, for some time. */
static weir_err ignores(weir_ctx *c)
{
    int failed = 0;
    while (failed < 50)
        failed += weir_sleep(c, weir_sec(10)) < 0;
    return weir_text(c, 200, "done\n");
}

/* Never gives its worker away. */
static weir_err spins(weir_ctx *c)
{
    volatile unsigned turns = 0;
    while (weir_now().ns > 0)
        turns++;
    return weir_textf(c, 200, "%u\n", turns);
}

static weir_err reads(weir_ctx *c)
{
    char bytes[4096];
    long long total = 0;
    ssize_t n;
    while ((n = weir_body_read(c, bytes, sizeof bytes)) > 0)
        total += n;
    return n < 0 ? weir_fail_bind(c) : weir_textf(c, 200, "%lld\n", total);
}

/* More than any buffer between it and a client that does not read. */
static weir_err large(weir_ctx *c)
{
    enum { BYTES = 32 << 20 };
    char *bytes = weir_alloc(c, BYTES);
    if (bytes == NULL)
        return weir_fail(c, 503, "no memory");
    memset(bytes, 'x', BYTES);
    return weir_bytes(c, 200, "application/octet-stream", (weir_str){bytes, BYTES});
}

static weir_err background(weir_ctx *c, void *data)
{
    (void)data;
    return weir_sleep(c, weir_sec(600));
}

static weir_err detaches(weir_ctx *c)
{
    weir_err err = weir_detach(c, background, NULL, 0);
    return err < 0 ? err : weir_text(c, 202, "later\n");
}

/* As a disk that stalls: the kernel does not come back to the thread. */
static weir_err open_fifo(void *arg)
{
    const char *path = arg;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)close(fd);
    return WEIR_OK;
}

static weir_err stalls(weir_ctx *c)
{
    char *path = weir_alloc(c, 512);
    if (path == NULL)
        return weir_fail(c, 503, "no memory");
    snprintf(path, 512, "%s", ends(c)->fifo);
    weir_err err = weir_offload(c, open_fifo, path);
    return err < 0 ? err : weir_text(c, 200, "read\n");
}

/* Databases behind a network that swallows. */
static weir_err ask(weir_ctx *c, weir_db *db)
{
    int64_t n;
    weir_tx *tx = weir_begin(c, db);
    weir_err err = weir_query_one(c, tx, int64_t, &n, "SELECT 1");
    return err < 0 ? err : weir_text(c, 200, "?\n");
}

static weir_err asks_postgres(weir_ctx *c)
{
    return ask(c, ends(c)->postgres);
}

static weir_err asks_mysql(weir_ctx *c)
{
    return ask(c, ends(c)->mysql);
}

static weir_err asks_redis(weir_ctx *c)
{
    weir_str text;
    weir_err err = weir_redis_get(c, ends(c)->redis, "k", &text);
    return err < 0 ? err : weir_text(c, 200, "?\n");
}

static weir_err hears_redis(weir_ctx *c)
{
    weir_redis_message m;
    weir_err err = weir_redis_recv(c, weir_redis_subscribe(c, ends(c)->redis, "news"), &m);
    return err < 0 ? err : weir_text(c, 200, "?\n");
}

static void open_databases(weir_ctx *c, struct ends *e)
{
    char url[64];
    snprintf(url, sizeof url, "postgres://a:b@127.0.0.1:%d/c?sslmode=disable", (int)e->hole);
    e->postgres = weir_postgres_open(c, .url = url, .lazy = true, .connect_timeout = weir_min(10),
                                     .pool = {.max_open = 5, .wait_max = weir_min(10)});
    snprintf(url, sizeof url, "mysql://a:b@127.0.0.1:%d/c", (int)e->hole);
    e->mysql = weir_mysql_open(c, .url = url, .lazy = true, .connect_timeout = weir_min(10),
                               .pool = {.max_open = 5, .wait_max = weir_min(10)});
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", (int)e->hole);
    e->redis = weir_redis_open(c, .url = url, .dial_timeout = weir_min(10));
}

static size_t address_space(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%lu", &pages) != 1)
        pages = 0;
    if (f != NULL)
        (void)fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* From here on there is no memory, whoever asks. */
static weir_err eats(weir_ctx *c)
{
    size_t size = address_space();
    struct rlimit limit = {size, size};
    if (size == 0 || setrlimit(RLIMIT_AS, &limit) != 0)
        return weir_fail(c, 500, "the limit cannot be set: %s", strerror(errno));
    size_t taken = 0;
    for (size_t piece = 1 << 20; piece >= 16; piece /= 4) {
        void **last = NULL, **next;
        while ((next = malloc(piece)) != NULL) {
            *next = last;
            last = next;
            taken += piece;
        }
    }
    return weir_textf(c, 200, "%zu\n", taken);
}

static weir_err start(weir_ctx *c, void *arg)
{
    struct ends *e = arg;
    e->never = weir_chan_new(c, int, 0);
    if (e->hole != 0)
        open_databases(c, e);
    if (!e->start_waits)
        return WEIR_OK;
    weir_log(NULL, WEIR_LOG_INFO, "the start waits");
    return weir_sleep(c, weir_sec(600));
}

static weir_err reload(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_yield(c);
}

static void note(weir_str line, void *arg)
{
    const struct ends *e = arg;
    char text[4200];
    int n = snprintf(text, sizeof text, "%.*s\n", (int)line.len, line.ptr);
    if (n > 0)
        (void)!write(e->lines_fd, text, (size_t)n);
}

int main(int argc, char **argv)
{
    static struct ends it;
    const weir_option options[] = {
        {.name = "lines", .text = &it.lines, .help = "a file for what is logged as well"},
        {.name = "fifo", .text = &it.fifo, .help = "a pipe that nobody writes to"},
        {.name = "hole",
         .number = &it.hole,
         .max = 65535,
         .help = "a port where all is accepted, and no more"},
        {.name = "start-waits", .toggle = &it.start_waits, .help = "the start never ends"},
        {0},
    };
    weir_app *app = weir_app_new(argc, argv, .name = "ends", .options = options, .start = start,
                                 .reload = reload, .arg = &it);
    if (it.lines != NULL) {
        it.lines_fd = open(it.lines, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        weir_log_watch(note, &it);
    }
    weir_provide(app, ends, &it);
    weir_get(app, "/hello", hello);
    weir_get(app, "/waits", waits, .timeout = weir_sec(600));
    weir_get(app, "/ignores", ignores, .timeout = weir_sec(600));
    weir_get(app, "/spins", spins, .timeout = weir_sec(600));
    weir_get(app, "/large", large, .timeout = weir_sec(600));
    weir_get(app, "/detaches", detaches);
    weir_get(app, "/stalls", stalls, .timeout = weir_sec(600));
    weir_get(app, "/eats", eats);
    weir_get(app, "/asks/postgres", asks_postgres, .timeout = weir_sec(600));
    weir_get(app, "/asks/mysql", asks_mysql, .timeout = weir_sec(600));
    weir_get(app, "/asks/redis", asks_redis, .timeout = weir_sec(600));
    weir_get(app, "/hears/redis", hears_redis, .timeout = weir_sec(600));
    weir_post(app, "/reads", reads, .timeout = weir_sec(600), .body_bytes_max = 1 << 20);
    return weir_app_run(app);
}
