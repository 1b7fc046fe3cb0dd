/*
 * How much the heap holds, asked of whatever allocator the program has: a sanitizer's, jemalloc,
 * the C library's. Counts everybody's: Weir's, the application's, and the libraries'.
 */
#ifndef WEIR_BASE_HEAP_H
#define WEIR_BASE_HEAP_H

#include <stdint.h>
#include <weir/api.h>

/*
 * Bytes allocated and not freed by the whole process, what threads keep at hand for their next
 * allocations included where the allocator counts it so. Takes the allocator's locks: some
 * microseconds, for a page that is asked for now and then.
 */
uint64_t weir__heap_allocated(void);

/*
 * The same, exact, of the calling thread alone where the allocator tells threads apart, else of the
 * process. Only the difference between two calls on one thread means something.
 */
int64_t weir__heap_of_thread(void);

/*
 * What was freed a while ago goes back to the kernel: jemalloc looks for that as somebody takes or
 * frees, and a process that has become quiet does neither. To be called about once a second, from a
 * thread that may spend some milliseconds; takes no lock for long. Other allocators: nothing.
 */
void weir__heap_decay(void);

#endif
