/*
 * Mailboxes: what fibers of any worker send to one worker, as elements of one size, first in first
 * out for each sender. Until the worker takes them there is one message to it, however many they
 * are; past the capacity the oldest are lost, and the elements' numbers tell how many.
 *
 * M1: while there is mail its task is on the way to the worker, or about to be (`posts`), or
 *     running there.
 * M3: it holds at most its capacity; its worker alone makes that larger.
 * M2: the mailbox is freed when nobody uses it any more: neither who made it, nor its task.
 */
#ifndef WEIR_SYNC_MAILBOX_H
#define WEIR_SYNC_MAILBOX_H

#include <stdatomic.h>

#include "os/lock.h"
#include "rt/worker.h"

struct weir__mailbox {
    struct weir__task task;
    struct weir__worker *worker; /* that takes */
    void (*deliver)(struct weir__mailbox *m, uint64_t number, const void *elem);
    atomic_uint refs;
    atomic_uint posts; /* who has put and is about to post */
    atomic_bool has_mail;
    struct weir__lock lock; /* of all below */
    bool is_posted;
    size_t elem_size;
    size_t capacity, head, count;
    uint64_t next;      /* the number of the next element that is put */
    char *ring, *spare; /* one is filled while the other one is delivered */
    struct weir__mailbox *next_post;
};

/*
 * A mailbox of this worker as the first member of a zeroed object of `size` bytes; NULL: no memory.
 * It takes nothing before weir__mailbox_reserve. `deliver` is called on this worker for each
 * element, in order, with numbers that grow, by more than one where some were lost; it must not
 * wait, nor take or free.
 */
void *weir__mailbox_new(size_t size, size_t elem_size,
                        void (*deliver)(struct weir__mailbox *m, uint64_t number,
                                        const void *elem));

/* At least `capacity` elements have room from now on. False: no memory. On its worker. */
WEIR_MUST_USE bool weir__mailbox_reserve(struct weir__mailbox *m, size_t capacity);

/*
 * Puts a copy of `*elem`. Any fiber. True: the caller must call weir__mailbox_post, when it has
 * given its locks; until then the mailbox and its worker are there (weir__mailbox_settle).
 */
WEIR_MUST_USE bool weir__mailbox_put(struct weir__mailbox *m, const void *elem);
void weir__mailbox_post(struct weir__mailbox *m);

/* The number of the next element that is put. */
uint64_t weir__mailbox_next(struct weir__mailbox *m);

/* Delivers what has come, now. On its worker. */
void weir__mailbox_take(struct weir__mailbox *m);

/* The same where there is something. */
static inline void weir__mailbox_look(struct weir__mailbox *m)
{
    if (atomic_load_explicit(&m->has_mail, memory_order_acquire))
        weir__mailbox_take(m);
}

/*
 * Waits for those who are about to post, and do nothing else. By who was sent to, on its worker,
 * when nobody puts any more: so the worker does not end before its last message.
 */
void weir__mailbox_settle(struct weir__mailbox *m);

/* The maker needs it no more. Nobody puts. Any worker. */
void weir__mailbox_free(struct weir__mailbox *m);

#endif
