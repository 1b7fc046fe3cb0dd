/*
 * Handles of what a context owns (channels, locks, rows, transactions, streams, databases): the
 * address of the object with a tag in its upper 16 bits, which the object repeats in its first
 * word. So the use of one whose context has ended is noticed by one comparison, in every build: the
 * word is cleared at the context's end, and an object that is made at the same place later has
 * another tag.
 *
 * Objects lie in the memory of their context, which goes back to the heap, unlike a context itself:
 * where that memory serves something else by now, 48 bits must not happen to be the same; where the
 * machine has it back the look at it faults. Tags repeat after 65,535 objects of a worker.
 */
#ifndef WEIR_RT_TOKEN_H
#define WEIR_RT_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "base/sanitizer.h"
#include <weir/api.h>

struct weir__ctx;

/* The first member of the object. Zeroed: dead. */
struct weir__token {
    uint64_t word;            /* kind << 16 | tag; 0: its context has ended */
    struct weir__token *next; /* weir__ctx.tokens */
};

/* Kinds of objects. */
#define WEIR__KIND_CHAN 0x6e616863u
#define WEIR__KIND_MUTEX 0x7874756du
#define WEIR__KIND_SEM 0x006d6573u
#define WEIR__KIND_COND 0x646e6f63u
#define WEIR__KIND_WAIT_GROUP 0x70726777u
#define WEIR__KIND_ONCE 0x65636e6fu
#define WEIR__KIND_ROWS 0x73776f72u
#define WEIR__KIND_TX 0x00007874u
#define WEIR__KIND_BATCH 0x63746162u
#define WEIR__KIND_DB 0x00006264u
#define WEIR__KIND_STREAM 0x6d727473u
#define WEIR__KIND_TOPIC 0x69706f74u
#define WEIR__KIND_SUBSCRIPTION 0x63736275u
#define WEIR__KIND_FILE 0x656c6966u
#define WEIR__KIND_SOCKET 0x6b636f73u
#define WEIR__KIND_PROCESS 0x636f7270u
#define WEIR__KIND_HTTP 0x70747468u
#define WEIR__KIND_REPLY 0x796c7072u
#define WEIR__KIND_TLS 0x00736c74u
#define WEIR__KIND_CACHE 0x68636163u
#define WEIR__KIND_REDIS 0x69646572u
#define WEIR__KIND_REDIS_PIPE 0x70706472u
#define WEIR__KIND_REDIS_SUBSCRIPTION 0x62736472u
#define WEIR__KIND_REDIS_CONSUMER 0x6e6f6372u
#define WEIR__KIND_LISTENER 0x6e73696cu

/* For an object that is no context's: what is given out when there is no memory. Lives for ever. */
#define WEIR__TOKEN_STATIC(kind)                                                                   \
    {                                                                                              \
        .word = (uint64_t)(kind) << 16                                                             \
    }

/* Gives a new object of `c` its tag. */
void weir__token_open(struct weir__token *t, struct weir__ctx *c, uint32_t kind);

/* The context has ended: its objects are dead. */
void weir__tokens_end(struct weir__ctx *c);

/* The handle of a live object. */
static inline void *weir__token_handle(const struct weir__token *t)
{
    return (void *)((uintptr_t)t | (uintptr_t)(t->word & 0xffff) << 48);
}

/*
 * The object's first word. AddressSanitizer must not object to the look at it: of a dead object it
 * lies in memory that has been given back.
 */
__attribute__((no_sanitize("address"))) static inline uint64_t weir__token_word(
    const struct weir__token *t)
{
    return t->word;
}

/* The live object of that kind behind a handle; NULL: it is none. */
static inline void *weir__token_object(const void *handle, uint32_t kind)
{
    uintptr_t bits = (uintptr_t)handle;
    struct weir__token *t = (struct weir__token *)(bits & 0x0000ffffffffffffULL);
    if (WEIR_UNLIKELY(t == NULL || weir__token_word(t) != ((uint64_t)kind << 16 | bits >> 48)))
        return NULL;
    return t;
}

/* The same; misuse, told in the name of `function`, when there is none. `noun`: "the channel". */
WEIR_NORETURN void weir__token_misuse(const void *handle, const char *function, const char *noun);

static inline void *weir__token_must(const void *handle, uint32_t kind, const char *function,
                                     const char *noun)
{
    void *object = weir__token_object(handle, kind);
    if (WEIR_UNLIKELY(object == NULL))
        weir__token_misuse(handle, function, noun);
    return object;
}

#endif
