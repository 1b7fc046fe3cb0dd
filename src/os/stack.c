/*
 * Fiber stacks. Slabs are never unmapped: a process that once had many fibers keeps address space,
 * not memory. What is noted of a free slot stands in a page behind its slab, so that the slot
 * itself keeps none.
 *
 * The guard, best first: MADV_GUARD_INSTALL (Linux 6.13), which costs no mapping; mprotect, which
 * costs two mappings a stack and is therefore capped at a quarter of vm.max_map_count; a canary,
 * which notices an overflow at the next look instead of stopping it. Which of them a slot has is
 * decided once, when its slab is made, and stays with the slot: those that came before the better
 * kind ran out keep theirs. How many have only a canary is in the stats, so that it can be seen.
 *
 * A hidden slot is one whose guard reaches to its top. Only guard regions can do that without two
 * mappings a stack. Where slabs are is kept in a table that only grows, so that a signal handler on
 * any thread may look into it.
 */
#include "os/stack.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/sanitizer.h"
#include "os/sys.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

#define SLABS_MAX 32768 /* in the table: two million slots; those of later slabs cannot be hidden */

#define CANARY 0x57454952535441ULL

#define NOTES_BYTES 4096u /* the page behind a slab */

/* A quarter of a cache line, for the mark between the warm part of a stack and the rest. */
typedef uint64_t quarter __attribute__((vector_size(16), may_alias));

enum guard { GUARD_REGION, GUARD_MPROTECT, GUARD_CANARY };

struct weir__stack_slot {
    struct weir__stack_slot *next; /* of the free ones */
    char *base;
    bool has_canary;
};

_Static_assert(WEIR__STACK_SLAB_SLOTS * sizeof(struct weir__stack_slot) <= NOTES_BYTES,
               "a page has the notes of a slab");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct weir__stack_slot *free_slots;
static enum guard guard_kind = GUARD_REGION;
static uint64_t mprotect_left;
static uint64_t slot_count, unguarded_count;
static struct span {
    uintptr_t base;
    size_t bytes;
} slab_spans[SLABS_MAX];
static _Atomic(void *) slab_owners[SLABS_MAX][WEIR__STACK_SLAB_SLOTS]; /* of hidden slots */
static atomic_size_t slab_count;

static uint64_t mprotect_cap(void)
{
    unsigned long maps = 65530;
    FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
    if (f != NULL) {
        if (fscanf(f, "%lu", &maps) != 1)
            maps = 65530;
        fclose(f);
    }
    return maps / 8; /* two mappings each: a quarter of what there may be */
}

/* False: there is no guard for this slot. */
static bool guard_slot(char *base)
{
    if (guard_kind == GUARD_REGION) {
        /* Valgrind does not know guard regions, and would look for pointers in them. */
        if (!weir__on_valgrind &&
            weir__sys_madvise(base, WEIR__STACK_GUARD, MADV_GUARD_INSTALL) == 0)
            return true;
        guard_kind = GUARD_MPROTECT;
        mprotect_left = mprotect_cap();
    }
    if (guard_kind == GUARD_MPROTECT) {
        if (mprotect_left > 0 && weir__sys_mprotect(base, WEIR__STACK_GUARD, PROT_NONE) == 0) {
            mprotect_left--;
            return true;
        }
        guard_kind = GUARD_CANARY;
    }
    unguarded_count++;
    return false;
}

static uint64_t *word_at(const char *p)
{
    return (uint64_t *)(uintptr_t)p;
}

static void note_slab(char *base, size_t slots)
{
    size_t n = atomic_load_explicit(&slab_count, memory_order_relaxed);
    if (n == SLABS_MAX)
        return;
    slab_spans[n] = (struct span){(uintptr_t)base, slots * WEIR__STACK_SLOT};
    atomic_store_explicit(&slab_count, n + 1, memory_order_release);
}

/*
 * The owner's place for the slot in whose usable bytes `addr` lies; NULL: it is in none of the
 * table's.
 */
static _Atomic(void *) *owner_place(const void *addr)
{
    size_t n = atomic_load_explicit(&slab_count, memory_order_acquire);
    for (size_t i = 0; i < n; i++) {
        uintptr_t at = (uintptr_t)addr - slab_spans[i].base;
        if (at < slab_spans[i].bytes)
            return at % WEIR__STACK_SLOT >= WEIR__STACK_GUARD
                       ? &slab_owners[i][at / WEIR__STACK_SLOT]
                       : NULL;
    }
    return NULL;
}

/* Maps a slab; where the machine refuses its size, a smaller one. */
static bool add_slab(void)
{
    for (size_t slots = WEIR__STACK_SLAB_SLOTS; slots > 0; slots /= 2) {
        size_t bytes = slots * WEIR__STACK_SLOT;
        char *base = weir__sys_mmap(bytes + NOTES_BYTES, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK);
        if (base == NULL)
            continue;
        (void)weir__sys_madvise(base, bytes, MADV_NOHUGEPAGE);
        struct weir__stack_slot *notes = (struct weir__stack_slot *)(void *)(base + bytes);
        for (size_t i = slots; i-- > 0;) {
            char *at = base + i * WEIR__STACK_SLOT;
            notes[i] = (struct weir__stack_slot){free_slots, at, !guard_slot(at)};
            free_slots = &notes[i];
            weir__sanitizer_stack(at + WEIR__STACK_GUARD, at + WEIR__STACK_SLOT);
        }
        slot_count += slots;
        note_slab(base, slots);
        return true;
    }
    return false;
}

bool weir__stack_take(struct weir__stack *s)
{
    pthread_mutex_lock(&lock);
    struct weir__stack_slot *slot = free_slots != NULL || add_slab() ? free_slots : NULL;
    if (slot != NULL)
        free_slots = slot->next;
    pthread_mutex_unlock(&lock);
    if (slot == NULL)
        return false;
    *s = (struct weir__stack){.lo = slot->base + WEIR__STACK_GUARD,
                              .hi = slot->base + WEIR__STACK_SLOT,
                              .has_canary = slot->has_canary,
                              .slot = slot};
    if (s->has_canary)
        *word_at(s->lo) = CANARY;
    return true;
}

/* By address; those that lived together mostly stand so already. */
static void sort(struct weir__stack *s, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct weir__stack moving = s[i];
        size_t at = i;
        for (; at > 0 && s[at - 1].lo > moving.lo; at--)
            s[at] = s[at - 1];
        s[at] = moving;
    }
}

void weir__stack_give(struct weir__stack *s, size_t n)
{
    WEIR_ASSERT(n <= WEIR__STACK_SLAB_SLOTS, "so many stacks are given back at once");
    sort(s, n);
    /* One call for those that lie side by side: guards in between stay what they are. */
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && s[end].lo - s[end - 1].lo == WEIR__STACK_SLOT; end++)
            ;
        (void)weir__sys_madvise(s[i].lo, (size_t)(s[end - 1].hi - s[i].lo), MADV_DONTNEED);
    }
    pthread_mutex_lock(&lock);
    for (size_t i = n; i-- > 0;) { /* the lowest is the next one: neighbours stay neighbours */
        s[i].slot->next = free_slots;
        free_slots = s[i].slot;
        s[i] = (struct weir__stack){0};
    }
    pthread_mutex_unlock(&lock);
}

/*
 * Whether the stack has grown past its warm part. A new slot's mark is all zeros, so that it costs
 * no page; one that was deep before has a canary, which zeros overwrite too.
 */
static bool was_deep(const char *mark)
{
    if (*word_at(mark) == CANARY)
        return false;
    /* A cache line, in four loads: this is on every fiber's way. */
    const quarter *q = (const quarter *)(const void *)mark;
    quarter any = q[0] | q[1] | q[2] | q[3];
    return (any[0] | any[1]) != 0;
}

size_t weir__stack_cool(const struct weir__stack *s)
{
    char *mark = s->hi - WEIR__STACK_WARM;
    if (!was_deep(mark))
        return 0;
    /* Somewhere below the mark the first word that was never written tells how deep it went. */
    uint64_t *at = word_at(s->lo) + 1;
    while ((char *)at < mark && *at == 0)
        at++;
    size_t used = (size_t)(s->hi - (char *)at);
    (void)weir__sys_madvise(s->lo + 4096, (size_t)(mark - s->lo) - 4096, MADV_DONTNEED);
    *word_at(mark) = CANARY;
    return used;
}

bool weir__stack_can_hide(void)
{
    return guard_kind == GUARD_REGION;
}

bool weir__stack_hide(const struct weir__stack *s, void *owner)
{
    _Atomic(void *) *place = weir__stack_can_hide() ? owner_place(s->lo) : NULL;
    if (place == NULL)
        return false;
    /* First the owner: whoever faults finds it. */
    atomic_store_explicit(place, owner, memory_order_release);
    if (weir__sys_madvise(s->lo, (size_t)(s->hi - s->lo), MADV_GUARD_INSTALL) == 0)
        return true;
    weir__stack_show(s);
    return false;
}

void weir__stack_show(const struct weir__stack *s)
{
    int saved_errno = errno, err = -1;
    /* Taking guards away needs no memory; a signal may interrupt it. */
    for (int tries = 0; err != 0 && tries < 100; tries++)
        err = weir__sys_madvise(s->lo, (size_t)(s->hi - s->lo), MADV_GUARD_REMOVE);
    WEIR_ASSERT(err == 0, "a hidden stack can be shown again");
    atomic_store_explicit(owner_place(s->lo), NULL, memory_order_release);
    errno = saved_errno;
}

bool weir__stack_has(const void *addr)
{
    return owner_place(addr) != NULL;
}

void *weir__stack_hidden_owner(const void *addr)
{
    _Atomic(void *) *place = owner_place(addr);
    return place != NULL ? atomic_load_explicit(place, memory_order_acquire) : NULL;
}

bool weir__stack_smashed(const struct weir__stack *s)
{
    return s->has_canary && *word_at(s->lo) != CANARY;
}

bool weir__stack_in_guard(const struct weir__stack *s, const void *addr)
{
    return (const char *)addr < s->lo && (const char *)addr >= s->lo - WEIR__STACK_GUARD;
}

struct weir__stack_stats weir__stack_stats(void)
{
    static const char *const names[] = {"guard regions", "mprotect", "canary"};
    pthread_mutex_lock(&lock);
    struct weir__stack_stats stats = {
        .slots = slot_count, .unguarded = unguarded_count, .guard = names[guard_kind]};
    pthread_mutex_unlock(&lock);
    return stats;
}
