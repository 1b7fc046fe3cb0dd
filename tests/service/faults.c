/*
 * A service whose handlers fault, each in its way: what --contain-faults makes a 500, what it must
 * not, and what is said when the process ends. Built twice, with the archive and with the shared
 * library.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

static int *volatile nowhere;

static weir_err hello(weir_ctx *c)
{
    return weir_text(c, 200, "hello\n");
}

static weir_err reads_null(weir_ctx *c)
{
    return weir_textf(c, 200, "%d\n", *(volatile int *)nowhere);
}

static weir_err calls_null(weir_ctx *c)
{
    volatile weir_handler handler = NULL;
    weir_err err = handler(c);
    return err < 0 ? err : hello(c);
}

static weir_err divides(weir_ctx *c)
{
    volatile int zero = nowhere != NULL;
    return weir_textf(c, 200, "%d\n", 5 / zero);
}

static __attribute__((noinline)) int recurse(volatile int *depth)
{
    volatile char page[2000];
    page[0] = (char)++*depth;
    return *depth < 1000000 ? recurse(depth) + page[0] : page[0];
}

static weir_err overflows(weir_ctx *c)
{
    volatile int depth = 0;
    return weir_textf(c, 200, "%d\n", recurse(&depth));
}

/* As code of a program that was built without the flags of weir.pc. */
#ifndef __clang__
__attribute__((optimize("no-stack-clash-protection", "no-stack-protector")))
#endif
static __attribute__((noinline)) int
steps_over_its_stack(int fill)
{
    char text[300000];
    memset(text, fill, sizeof text);
    __asm__ volatile("" ::"r"(text) : "memory");
    return text[299999];
}

static weir_err has_a_large_frame(weir_ctx *c)
{
    return weir_textf(c, 200, "%d\n", steps_over_its_stack(nowhere == NULL));
}

/* In a library: its frame is on the way, and who knows what it holds. */
static weir_err gives_null_to_libc(weir_ctx *c)
{
    size_t (*volatile length)(const char *) = strlen;
    return weir_textf(c, 200, "%zu\n", length((const char *)nowhere));
}

static int faulty_order(const void *a, const void *b)
{
    return *(const char *)a - *(const char *)b - *(volatile int *)nowhere;
}

static weir_err sorts_badly(weir_ctx *c)
{
    char text[] = "two";
    qsort(text, 3, 1, faulty_order);
    return weir_text(c, 200, text);
}

/* Not near NULL, and no address of the fiber's. */
static weir_err reads_anywhere(weir_ctx *c)
{
    volatile uintptr_t wild = 0x4141414141414141u;
    return weir_textf(c, 200, "%d\n", *(volatile int *)wild);
}

static weir_err aborts(weir_ctx *c)
{
    (void)c;
    abort();
}

/* On a thread of its own, whose stack is not a fiber's. */
static weir_err reads_null_elsewhere(void *arg)
{
    *(int *)arg = *(volatile int *)nowhere;
    return WEIR_OK;
}

static weir_err overflows_elsewhere(void *arg)
{
    *(int *)arg = 0;
    return (weir_err)recurse(arg);
}

static weir_err offloads_null(weir_ctx *c)
{
    int seen = 0;
    weir_err err = weir_offload(c, reads_null_elsewhere, &seen);
    return err < 0 ? err : weir_textf(c, 200, "%d\n", seen);
}

static weir_err offloads_overflow(weir_ctx *c)
{
    int depth = 0;
    weir_err err = weir_offload(c, overflows_elsewhere, &depth);
    return err < 0 ? err : weir_textf(c, 200, "%d\n", depth);
}

static weir_err waits(weir_ctx *c)
{
    weir_err err = weir_sleep(c, weir_sec(20));
    return err < 0 ? err : hello(c);
}

int main(int argc, char **argv)
{
    weir_app *app = weir_app_new(argc, argv, .name = "faults");
    weir_use(app, weir_mw_request_id, weir_mw_log, weir_mw_metrics, weir_mw_recover);
    weir_get(app, "/hello", hello);
    weir_get(app, "/null/:id", reads_null);
    weir_get(app, "/call-null", calls_null);
    weir_get(app, "/divide", divides);
    weir_get(app, "/overflow", overflows);
    weir_get(app, "/frame", has_a_large_frame);
    weir_get(app, "/strlen-null", gives_null_to_libc);
    weir_get(app, "/sort", sorts_badly);
    weir_get(app, "/wild", reads_anywhere);
    weir_get(app, "/abort", aborts);
    weir_get(app, "/offload-null", offloads_null);
    weir_get(app, "/offload-overflow", offloads_overflow);
    weir_get(app, "/waits", waits);
    return weir_app_run(app);
}
