/*
 * The trap's memory: one large piece of address space, handed out from its beginning to its end and
 * never twice. A terabyte in pages is a quarter of a billion pieces, which no test uses up; then
 * there is none any more, and the heap takes over.
 */
#include "base/trap.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#define SPACE_BYTES ((size_t)1 << 40)
#define PAGE_BYTES ((size_t)4096)

bool weir__trap_is_on;

static char *space;
static _Atomic size_t used;

bool weir__trap_start(void)
{
    if (weir__trap_is_on)
        return true;
    void *p =
        mmap(NULL, SPACE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return false;
    space = p;
    weir__trap_is_on = true;
    return true;
}

static size_t to_pages(size_t size)
{
    return (size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

void *weir__trap_take(size_t size)
{
    if (size > SPACE_BYTES / 2)
        return NULL;
    size_t bytes = to_pages(size);
    size_t at = atomic_fetch_add_explicit(&used, bytes, memory_order_relaxed);
    if (at > SPACE_BYTES - bytes)
        return NULL;
    return mprotect(space + at, bytes, PROT_READ | PROT_WRITE) == 0 ? space + at : NULL;
}

void weir__trap_give(void *p, size_t size)
{
    /* A new mapping over the old: it frees and forbids in one call, and joins what has ended beside
     * it, where mprotect splits mappings until the kernel has no more. Refused all the same, the
     * bytes are gone at least. */
    size_t bytes = to_pages(size);
    void *over =
        mmap(p, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (over == MAP_FAILED)
        (void)madvise(p, bytes, MADV_DONTNEED);
}

bool weir__trap_holds(const void *p)
{
    return space != NULL && (uintptr_t)p - (uintptr_t)space < SPACE_BYTES;
}
