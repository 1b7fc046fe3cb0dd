/*
 * Who may begin a handshake. Public-key operations take a worker most of a millisecond each: a
 * crowd that comes at once, as after a restart, would keep it from everybody else for seconds. So a
 * turn begins a few, and the rest stand in line, which goes on by a message of the worker to
 * itself, behind what is ready by then.
 */
#include "net/tls_inside.h"

#if WEIR_TLS

#include "base/assert.h"

static _Thread_local struct {
    struct weir__list line; /* weir__tls_place.link; zeroed before the first */
    struct weir__task task; /* posted while somebody is in line */
    uint64_t polls;         /* of the turn that `begun` counts for */
    unsigned begun;
    bool is_posted;
} turn;

static void post(void);

static void leave(struct weir__tls_place *place)
{
    WEIR_ASSERT(place->link.next != NULL, "T6: who leaves stands in line");
    weir__list_remove(&place->link);
    place->link = (struct weir__list){NULL, NULL};
    atomic_fetch_sub_explicit(&weir__tls_numbers.in_line, 1, memory_order_relaxed);
}

static void go_on(struct weir__task *t)
{
    (void)t;
    WEIR_ASSERT(turn.is_posted, "T6: the line goes on once a message");
    turn.is_posted = false;
    turn.polls = weir__self->stats.polls;
    for (turn.begun = 0; turn.begun < WEIR__TLS_BEGUN_MAX && !weir__list_empty(&turn.line);) {
        struct weir__tls_place *p = WEIR_CONTAINER(turn.line.next, struct weir__tls_place, link);
        turn.begun++;
        leave(p);
        p->begin(p);
    }
    WEIR_ASSERT(turn.begun <= WEIR__TLS_BEGUN_MAX, "T6: a turn begins no more than so many");
    if (!weir__list_empty(&turn.line))
        post();
}

static void post(void)
{
    if (turn.is_posted)
        return;
    turn.is_posted = true;
    turn.task.run = go_on;
    weir__post(weir__self, &turn.task);
}

bool weir__tls_may_begin(struct weir__tls_place *place,
                         void (*begin)(struct weir__tls_place *place))
{
    WEIR_ASSERT(place->link.next == NULL, "T6: one stands in line once");
    if (turn.line.next == NULL)
        weir__list_init(&turn.line);
    if (turn.polls != weir__self->stats.polls) {
        turn.polls = weir__self->stats.polls;
        turn.begun = 0;
    }
    if (turn.begun < WEIR__TLS_BEGUN_MAX && weir__list_empty(&turn.line)) {
        turn.begun++;
        return true;
    }
    place->begin = begin;
    weir__list_push_back(&turn.line, &place->link);
    weir__tls_count(&weir__tls_numbers.in_line);
    post();
    return false;
}

void weir__tls_leave_line(struct weir__tls_place *place)
{
    if (place->link.next != NULL)
        leave(place);
}

#endif
