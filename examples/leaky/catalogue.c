/*
 * The faults, one by one: what each is, and what becomes of it.
 */
#include "leaky.h"

#include <string.h>

const struct leak leaky_catalogue[] = {
    {"L01", "A request's body is never read",
     "It belongs to the request: what is unread is read and thrown away up to a limit, past which "
     "the connection closes.",
     .method = WEIR_POST, .faulty = body_never_read, .clean = body_read},
    {"L02", "The reply of another service is never read",
     "It belongs to the request that asked: the connection is closed with it, or used again where "
     "the rest has come already.",
     .method = WEIR_GET, .faulty = reply_never_read, .clean = reply_read},
    {"L03", "A middleware starts a task and never stops it",
     "A fiber belongs to a context, which cancels and joins it before it ends.", .method = WEIR_GET,
     .faulty = answers, .clean = answers, .around = task_never_stopped,
     .clean_around = task_detached},
    {"L04", "Result rows are never closed",
     "They belong to the context: the connection under them goes back when it ends, and who left "
     "them is told.",
     .method = WEIR_GET, .faulty = rows_never_closed, .clean = rows_closed},
    {"L05", "An early return keeps a pooled connection",
     "It goes back with the context. Held for longer than the pool's threshold, it is told while "
     "it is still out.",
     .method = WEIR_GET, .faulty = returns_early, .clean = reads_first},
    {"L06", "Waiting for a channel that nobody sends to",
     "The request's deadline ends the wait: 504 here. Where there is no deadline, the wait is told "
     "after a minute.",
     .method = WEIR_GET, .faulty = nobody_sends, .clean = receives_in_time},
    {"L07", "Sending to a channel that nobody receives from",
     "The same. weir_chan_try_send never waits, and weir_select takes a timeout.",
     .method = WEIR_GET, .faulty = nobody_receives, .clean = sends_if_it_can},
    {"L08", "Tasks are started in a loop, without bound",
     "Refused past the limit of the context, or of the process.", .method = WEIR_GET,
     .faulty = fibers_without_bound, .clean = fibers_in_turn},
    {"L09", "A loop never yields",
     "A watchdog names the route and the function that keeps the worker; other workers go on.",
     .method = WEIR_GET, .faulty = worker_never_given, .clean = worker_given},
    {"L10", "A context with a deadline is never ended",
     "It is ended with the context that it was opened in, and its timer with it.",
     .method = WEIR_GET, .faulty = deadline_never_ended, .clean = deadline_ended},
    {"L11", "A client for all requests is opened in the context of one",
     "It ends with that context. Using it afterwards is caught on the first call. (Ask twice.)",
     .method = WEIR_GET, .faulty = client_of_a_request, .clean = client_of_the_service},
    {"L12", "A task uses the request's context after the request",
     "Caught on the first call: the task panics, and is told what to write instead.",
     .method = WEIR_GET, .faulty = context_used_afterwards, .clean = context_not_used},
    {"L13", "A middleware keeps the request's context in a global",
     "Caught on the first call: the second request gets a 500, nobody else notices.",
     .method = WEIR_GET, .faulty = answers, .clean = answers, .around = context_kept,
     .clean_around = id_kept},
    {"L14", "A global map is a cache, and never trimmed",
     "A cache cannot be made without bounds in entries, bytes and time. This one has a hundred "
     "entries, however many come.",
     .method = WEIR_GET, .faulty = remembers_everybody, .clean = remembers_some},
    {"L16", "A large object is put into the request's context",
     "Refused: a context carries a kibibyte; larger things belong into a cache, their id here.",
     .method = WEIR_GET, .faulty = value_too_large, .clean = id_in_the_context},
    {"L16-memory", "A request allocates without end",
     "Its budget ends it: an error to this request alone.", .method = WEIR_GET,
     .faulty = memory_without_end, .clean = memory_for_a_turn},
    {"L17", "Logs grow while their sink is slow",
     "They pass through a ring of one mebibyte. When it is full lines are dropped, the less "
     "important first, and counted.",
     .method = WEIR_GET, .faulty = log_without_end, .clean = log_by_levels},
    {"L18", "A middleware keeps what belongs to one request",
     "A request has slots of its own: what one has set no other sees. (Ask with ?user=7.)",
     .method = WEIR_GET, .faulty = who_is_it, .clean = who_is_it, .around = state_of_a_request,
     .clean_around = state_is_set},
    {"L19", "A panic between taking and giving back",
     "The stack unwinds to the request, which gives back what it owns. The client gets a 500, the "
     "connection lives on.",
     .method = WEIR_GET, .faulty = panics_half_way, .clean = fails_half_way},
    {"L20", "Deferring in a loop: everything is held until the function ends",
     "A turn can have a context of its own. More than a thousand deferred calls in one are told.",
     .method = WEIR_GET, .faulty = deferred_in_a_loop, .clean = deferred_in_a_turn},
    {"L21", "A pool without a maximum, a lifetime, a search for leaks",
     "Refused when it is made, all mistakes at once.", .method = WEIR_GET,
     .faulty = pool_without_limits, .clean = pool_with_limits},
    {"L22", "Waiting for ever for a connection of an exhausted pool",
     "The wait has an end: 503 with Retry-After, and it is counted.", .method = WEIR_GET,
     .faulty = pool_exhausted, .clean = pool_shared},
    {"L27", "A connection goes back dirty, in the middle of a transaction",
     "Rolled back, or else the connection is closed; the next one finds it clean.",
     .method = WEIR_GET, .faulty = left_dirty, .clean = left_clean},
    {"L28", "A file is opened and never closed", "It belongs to the context, which closes it.",
     .method = WEIR_GET, .faulty = file_never_closed, .clean = file_closed},
    {"L28-behind", "A descriptor is opened behind the runtime's back",
     "An audit asks the kernel about the numbers that nobody knows, and names what stays open. It "
     "looks every thirty seconds, or --fd-audit.",
     .method = WEIR_GET, .faulty = descriptor_behind, .clean = descriptor_adopted},
    {"L29", "Sockets pile up in CLOSE_WAIT",
     "A client that has closed its end is noticed, at rest and in the middle of a handler, which "
     "is cancelled. (Ask with curl, and press Ctrl-C.)",
     .method = WEIR_GET, .faulty = client_waited_for, .clean = client_checked,
     .is_shown_by_hand = true},
    {"L30", "Slow clients hold connections",
     "Heads, bodies, writes and rests have time-outs, whose defaults are safe: 408, or the "
     "connection is cut. (Ask with curl --limit-rate 1.)",
     .method = WEIR_GET, .faulty = client_read_slowly, .clean = client_read,
     .is_shown_by_hand = true},
    {"L31", "A large result is read into memory at once",
     "Rows stream through a window of one. (Ask with ?rows=10000000.)", .method = WEIR_GET,
     .faulty = all_rows_at_once, .clean = rows_with_a_limit},
    {"L32", "A subscription is never ended", "It belongs to the context, which ends it.",
     .method = WEIR_GET, .faulty = never_unsubscribed, .clean = unsubscribed},
    {"L33", "A thread never ends",
     "Work that blocks runs on a bounded pool; the deadline interrupts it, and the end of the "
     "service joins it.",
     .method = WEIR_GET, .faulty = thread_never_ended, .clean = thread_ended},
    {"L35", "Descriptors run out, and accepting spins",
     "A reserve answers 503, accepting pauses, and goes on by itself. (Open more connections than "
     "`ulimit -n` allows.)",
     .method = WEIR_GET, .faulty = no_descriptors, .clean = no_descriptors,
     .is_shown_by_hand = true},
    {"L36", "A transaction is held open",
     "Rolled back with its context. Held for longer than the threshold, it is told while it is "
     "still open.",
     .method = WEIR_GET, .faulty = transaction_held, .clean = transaction_ended},
    {"L37", "A timer is never stopped", "It belongs to the context, which stops it.",
     .method = WEIR_GET, .faulty = timer_never_stopped, .clean = timer_stopped},
    {"L39", "A lock is not given back on an early return",
     "It is held by the context, which gives it back, and who left it is told.", .method = WEIR_GET,
     .faulty = lock_never_given, .clean = lock_given},
    {0},
};

static weir_str excerpt_of(const char *text, const char *id)
{
    char mark[32];
    size_t n = strlen(id);
    if (n > 20)
        return (weir_str){NULL, 0};
    memcpy(mark, "\n/* ", 4);
    memcpy(mark + 4, id, n);
    memcpy(mark + 4 + n, ": ", 3);
    const char *begin = strstr(text, mark);
    if (begin == NULL)
        return (weir_str){NULL, 0};
    const char *end = strstr(++begin, "\n/* ");
    return (weir_str){begin, end != NULL ? (size_t)(end - begin) : strlen(begin)};
}

weir_str leaky_excerpt(const char *id)
{
    weir_str found = {NULL, 0};
    for (const struct leaky_source *s = leaky_sources; s->name != NULL && found.ptr == NULL; s++)
        found = excerpt_of(s->text, id);
    return found;
}
