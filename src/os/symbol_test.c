/* Names of addresses: of this test, of the C library, of nothing. */
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sanitizer.h"
#include "os/symbol.h"
#include "os/sys.h"

static char bytes[4096];

static const char *name_of(void *pc)
{
    weir_buf b;
    weir_buf_init_fixed(&b, bytes, sizeof bytes - 1);
    weir__symbolise(pc, &b);
    bytes[b.len] = '\0';
    return bytes;
}

__attribute__((noinline)) static void *here(void)
{
    return __builtin_return_address(0);
}

static void own_code_has_function_file_and_line(void **state)
{
    (void)state;
    void *pc = here();
    const char *name = name_of(pc);
    assert_non_null(strstr(name, "own_code_has_function_file_and_line at "));
    assert_non_null(strstr(name, "os/symbol_test.c:"));
    assert_int_not_equal(name[0], '.');
}

static void the_library_has_at_least_a_module(void **state)
{
    (void)state;
    const char *name = name_of((void *)((uintptr_t)qsort + 8));
    assert_true(strstr(name, "qsort") != NULL || strstr(name, "libc") != NULL);
}

static void nothing_is_a_number(void **state)
{
    (void)state;
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    assert_memory_equal(name_of((char *)page + 16), "0x", 2);
    assert_memory_equal(name_of((char *)page + 16), "0x", 2);
    (void)name_of(NULL);
    assert_int_equal(munmap(page, 4096), 0);
    assert_memory_equal(name_of((void *)(uintptr_t)0x1234), "0x1234", 6);
}

/* --- a program whose file is gone ------------------------------------------------------------- */

static void copy_self(const char *to)
{
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int copy = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    assert_true(from >= 0 && copy >= 0);
    ssize_t n;
    while ((n = sendfile(copy, from, NULL, 1 << 20)) > 0)
        ;
    assert_int_equal(n, 0);
    close(from);
    close(copy);
}

/* What the copy does instead of the tests: its file makes way for another, as in an upgrade. */
__attribute__((noinline)) static int be_replaced(const char *self)
{
    static const char text[] = "another program";
    const int other =
        unlink(self) == 0 ? open(self, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700) : -1;
    if (write(other, text, sizeof text - 1) < 0 || close(other) != 0)
        return 2;
    const char *name = name_of(here());
    if (strstr(name, "be_replaced at ") != NULL && strstr(name, "os/symbol_test.c:") != NULL)
        return 0;
    fprintf(stderr, "named %s\n", name);
    return 1;
}

/* The old process of an upgrade still tells where it is. */
static void a_replaced_program_is_named_by_what_runs(void **state)
{
    (void)state;
    char folder[] = "/tmp/weir-symbol-XXXXXX", path[64], argument[] = "be-replaced";
    int status = -1;
    pid_t child;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/program", folder);
    copy_self(path);
    char *arguments[] = {path, argument, NULL};
    assert_int_equal(posix_spawn(&child, path, NULL, NULL, arguments, environ), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(status, 0);
}

/* --- what is known, and what it takes --------------------------------------------------------- */

static uint64_t calls_for(void *pc)
{
    uint64_t before = weir__sys_count();
    (void)name_of(pc);
    return weir__sys_count() - before;
}

static void what_was_found_is_kept(void **state)
{
    (void)state;
    void *pc = here();
    assert_true(calls_for(pc) > 0);
    assert_int_equal(calls_for(pc), 0);
    /* More than are kept: the first is looked up again, and is what it was. */
    for (uintptr_t i = 0; i < 3000; i++)
        (void)name_of((void *)((uintptr_t)pc + i));
    assert_true(calls_for(pc) > 0);
    assert_non_null(strstr(bytes, "what_was_found_is_kept at "));
}

static void raw_names_are_what_addr2line_takes(void **state)
{
    (void)state;
    weir_buf b;
    weir_buf_init_fixed(&b, bytes, sizeof bytes - 1);
    weir__symbol_raw(here(), &b);
    bytes[b.len] = '\0';
    assert_memory_equal(bytes, "os-symbol+0x", 12);
}

static void put_number(void *pc, weir_buf *out)
{
    weir_buf_printf(out, "%zu", (size_t)pc);
}

/* All of them, up to a NULL. A return address is past its call, an interrupted one is not. */
static void a_stack_is_one_line(void **state)
{
    (void)state;
    void *pcs[] = {(void *)10, (void *)20, (void *)30, NULL, (void *)50};
    weir_buf b;
    weir_buf_init_fixed(&b, bytes, sizeof bytes);
    weir__symbolise_stack(put_number, pcs, 2, false, &b);
    weir_buf_puts(&b, WEIR_S("; "));
    weir__symbolise_stack(put_number, pcs, 5, true, &b);
    weir__symbolise_stack(put_number, pcs, 0, true, &b);
    weir__symbolise_stack(put_number, pcs + 3, 2, true, &b);
    assert_true(weir_str_eq(weir_buf_str(&b), WEIR_S("10 < 20; 11 < 20 < 30")));
}

/* No room for libdw: raw names, and what it held is given back; with room, names again. */
static void without_memory_names_are_raw(void **state)
{
    (void)state;
    struct rlimit limit, tight = {32 << 20, 32 << 20};
    void *pc = here();
    assert_int_equal(weir__sys_getrlimit(RLIMIT_AS, &limit), 0);
    tight.rlim_max = limit.rlim_max;
    /* A sanitizer needs more address space than is left here. */
    if (weir__is_sanitized() || setrlimit(RLIMIT_AS, &tight) != 0)
        skip();
    assert_memory_equal(name_of(pc), "os-symbol+0x", 12);
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
    assert_non_null(strstr(name_of(pc), "without_memory_names_are_raw at "));
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "be-replaced") == 0)
        return be_replaced(argv[0]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_code_has_function_file_and_line),
        cmocka_unit_test(the_library_has_at_least_a_module),
        cmocka_unit_test(nothing_is_a_number),
        cmocka_unit_test(a_replaced_program_is_named_by_what_runs),
        cmocka_unit_test(what_was_found_is_kept),
        cmocka_unit_test(raw_names_are_what_addr2line_takes),
        cmocka_unit_test(a_stack_is_one_line),
        cmocka_unit_test(without_memory_names_are_raw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
