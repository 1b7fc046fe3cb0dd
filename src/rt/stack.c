/*
 * Fiber stacks. Slabs are never unmapped: a process that once had many fibers keeps address space, not memory.
 *
 * The guard, best first: MADV_GUARD_INSTALL (Linux 6.13), which costs no mapping; mprotect, which costs two mappings a
 * stack and is therefore capped at a quarter of vm.max_map_count; a canary, which notices an overflow at the next
 * look instead of stopping it. How many stacks have which is in the stats, so that it can be seen.
 */
#include "rt/stack.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "rt/sys.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define CANARY 0x57454952535441ULL

enum guard { GUARD_REGION, GUARD_MPROTECT, GUARD_CANARY };

/* A free slot, linked through its topmost bytes. */
struct slot {
    struct slot *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot *free_slots;
static enum guard guard_kind = GUARD_REGION;
static uint64_t mprotect_left;
static uint64_t slot_count, unguarded_count;

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

static void guard_slot(char *base)
{
    if (guard_kind == GUARD_REGION) {
        if (weir__sys_madvise(base, WEIR__STACK_GUARD, MADV_GUARD_INSTALL) == 0)
            return;
        guard_kind = GUARD_MPROTECT;
        mprotect_left = mprotect_cap();
    }
    if (guard_kind == GUARD_MPROTECT) {
        if (mprotect_left > 0 && weir__sys_mprotect(base, WEIR__STACK_GUARD, PROT_NONE) == 0) {
            mprotect_left--;
            return;
        }
        guard_kind = GUARD_CANARY;
    }
    unguarded_count++;
}

static uint64_t *word_at(const char *p)
{
    return (uint64_t *)(uintptr_t)p;
}

static struct slot *slot_of(char *base)
{
    return (struct slot *)(void *)(base + WEIR__STACK_SLOT - sizeof(struct slot));
}

/* Maps a slab; where the machine refuses its size, a smaller one. */
static bool add_slab(void)
{
    for (size_t slots = WEIR__STACK_SLAB_SLOTS; slots > 0; slots /= 2) {
        char *base = weir__sys_mmap(slots * WEIR__STACK_SLOT, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK);
        if (base == NULL)
            continue;
        (void)weir__sys_madvise(base, slots * WEIR__STACK_SLOT, MADV_NOHUGEPAGE);
        for (size_t i = slots; i-- > 0;) {
            struct slot *s = slot_of(base + i * WEIR__STACK_SLOT);
            guard_slot(base + i * WEIR__STACK_SLOT);
            s->next = free_slots;
            free_slots = s;
        }
        slot_count += slots;
        return true;
    }
    return false;
}

bool weir__stack_take(struct weir__stack *s)
{
    pthread_mutex_lock(&lock);
    struct slot *slot = free_slots != NULL || add_slab() ? free_slots : NULL;
    if (slot != NULL)
        free_slots = slot->next;
    bool is_canary = guard_kind == GUARD_CANARY;
    pthread_mutex_unlock(&lock);
    if (slot == NULL)
        return false;
    s->hi = (char *)(slot + 1);
    s->lo = s->hi - WEIR__STACK_SLOT + WEIR__STACK_GUARD;
    if (is_canary)
        *word_at(s->lo) = CANARY;
    *word_at(s->hi - WEIR__STACK_WARM) = CANARY;
    return true;
}

void weir__stack_give(struct weir__stack *s)
{
    char *base = s->hi - WEIR__STACK_SLOT;
    (void)weir__sys_madvise(s->lo, (size_t)(s->hi - s->lo), MADV_DONTNEED);
    struct slot *slot = slot_of(base);
    pthread_mutex_lock(&lock);
    slot->next = free_slots;
    free_slots = slot;
    pthread_mutex_unlock(&lock);
    s->lo = s->hi = NULL;
}

size_t weir__stack_cool(const struct weir__stack *s)
{
    char *mark = s->hi - WEIR__STACK_WARM;
    if (*word_at(mark) == CANARY)
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

bool weir__stack_smashed(const struct weir__stack *s)
{
    return guard_kind == GUARD_CANARY && *word_at(s->lo) != CANARY;
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
