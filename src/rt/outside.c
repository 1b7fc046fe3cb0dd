/*
 * Refusing what is for fibers on threads that have none. The program cannot be panicked there, so
 * that it hears of it is all that matters: one line for each place that calls, with the thread and
 * what to do instead, within the bound of lines that places have.
 *
 * Owns nothing but its counts. Any thread.
 */
#include "rt/outside.h"

#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/symbol.h"
#include "rt/log.h"
#include "rt/places.h"

static const char post_instead[] = "such a thread sends to a channel of the application with "
                                   "weir_chan_post, and a fiber does the rest";
static struct weir__places told;

/* The function as those who read the line call it: the macro's name, where there is one. */
static weir_str name_of(const char *function)
{
    static const char *const others[][2] = {{"weir_go_at", "WEIR_GO"},
                                            {"weir_ctx_enter_at", "WEIR_SCOPE"},
                                            {"weir_join_as", "weir_join"}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(function, others[i][0]) == 0)
            return weir_str_from(others[i][1]);
    }
    weir_str name = weir_str_from(function);
    if (name.len > 3 && memcmp(name.ptr + name.len - 3, "_at", 3) == 0)
        name.len -= 3;
    return name;
}

void weir__outside_refuse(const char *function, const void *caller, const char *instead)
{
    char message_bytes[300], from_bytes[300], thread[16] = "";
    struct weir__untold untold = {0};
    struct weir__log_line l;
    weir_buf message, from;
    weir_str name = name_of(function);
    if (!weir__places_count(&told, "outside", NULL, caller, &untold) ||
        !weir__log_wants(WEIR_LOG_ERROR))
        return;
    weir_buf_init_fixed(&message, message_bytes, sizeof message_bytes);
    weir_buf_printf(&message,
                    WEIR_STR_FMT " was called on a thread that runs no fibers, and has done "
                                 "nothing: %s",
                    WEIR_STR_ARG(name), instead != NULL ? instead : post_instead);
    weir_buf_init_fixed(&from, from_bytes, sizeof from_bytes);
    weir__symbolise((void *)(uintptr_t)caller, &from);
    (void)prctl(PR_GET_NAME, thread);
    weir__log_begin(&l, WEIR_LOG_ERROR, weir_buf_str(&message), NULL, NULL);
    weir__log_str(&l, "thread", weir_str_from(thread));
    weir__log_int(&l, "tid", gettid());
    weir__log_str(&l, "caller", weir_buf_str(&from));
    if (untold.here > 0)
        weir__log_int(&l, "more_like_this", (int64_t)untold.here);
    weir__log_end(&l);
}

void *weir__outside_nothing(void)
{
    static const struct {
        _Alignas(16) char bytes[64];
    } nothing; /* generation and tag 0, which no live thing has */
    return (void *)((uintptr_t)&nothing | (uintptr_t)1 << 48);
}

void weir__outside_run(void (*fn)(void *arg), void *arg)
{
    struct weir__worker *w = weir__self;
    WEIR_ASSERT(w != NULL, "V2: only a worker has a fiber to hide");
    weir__self = NULL;
    fn(arg);
    WEIR_ASSERT(weir__self == NULL, "V2: what runs outside leaves the thread as it was");
    weir__self = w;
}

uint64_t weir__outside_total(void)
{
    return weir__places_total(&told, NULL);
}
