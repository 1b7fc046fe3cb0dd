/*
 * What Weir said: the last warning about each fault, kept as the log is written. Lines come from
 * any thread, one at a time; a mutex is between them and the page.
 */
#include "leaky.h"

#include <pthread.h>
#include <string.h>

enum { SAID_BYTES = 1000, SAID_MAX = 64 };

struct leaky_said {
    pthread_mutex_t mutex;
    struct {
        size_t len;
        char text[SAID_BYTES];
    } of[SAID_MAX]; /* by place in the catalogue */
};

static bool has(weir_str line, const char *what)
{
    return memmem(line.ptr, line.len, what, strlen(what)) != NULL;
}

/* "/leak/L16" and not "/leak/L16-memory": the path ends there. */
static bool is_about(weir_str line, const char *id)
{
    char path[40] = "/leak/";
    strncat(path, id, sizeof path - 8);
    for (weir_str rest = line;;) {
        const char *at = memmem(rest.ptr, rest.len, path, strlen(path));
        if (at == NULL)
            return false;
        const char *after = at + strlen(path);
        if (after == line.ptr + line.len || strchr("\"?:;, ", *after) != NULL)
            return true;
        rest = (weir_str){after, (size_t)(line.ptr + line.len - after)};
    }
}

static void hear(weir_str line, void *said_)
{
    struct leaky_said *said = said_;
    bool matters = has(line, "\"level\":\"warn\"") || has(line, "\"level\":\"error\"");
    if (!matters || has(line, "\"msg\":\"request\"")) /* the access log's is not said about it */
        return;
    for (size_t i = 0; i < SAID_MAX && leaky_catalogue[i].id != NULL; i++) {
        if (!is_about(line, leaky_catalogue[i].id))
            continue;
        pthread_mutex_lock(&said->mutex);
        said->of[i].len = line.len < SAID_BYTES ? line.len : SAID_BYTES;
        memcpy(said->of[i].text, line.ptr, said->of[i].len);
        pthread_mutex_unlock(&said->mutex);
    }
}

static void stop_hearing(void *unused)
{
    (void)unused;
    weir_log_watch(NULL, NULL);
}

weir_err leaky_said_open(weir_ctx *app, struct leaky *l)
{
    l->said = weir_new(app, struct leaky_said);
    if (l->said == NULL)
        return -ENOMEM;
    pthread_mutex_init(&l->said->mutex, NULL);
    weir_log_watch(hear, l->said);
    return weir_defer(app, stop_hearing, NULL);
}

weir_str leaky_said_of(weir_ctx *c, const char *id)
{
    struct leaky_said *said = leaky(c)->said;
    for (size_t i = 0; i < SAID_MAX && leaky_catalogue[i].id != NULL; i++) {
        if (strcmp(leaky_catalogue[i].id, id) != 0)
            continue;
        pthread_mutex_lock(&said->mutex);
        weir_str copy = weir_strdup(c, (weir_str){said->of[i].text, said->of[i].len});
        pthread_mutex_unlock(&said->mutex);
        return copy;
    }
    return WEIR_S("");
}
