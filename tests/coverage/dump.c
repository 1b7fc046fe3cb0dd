/*
 * Linked into programs that count coverage: abort and _exit write the counters first, so that what
 * a test does in a process that it lets die is counted too. The linker puts these in their place
 * (--wrap).
 */
void __gcov_dump(void);
void __wrap_abort(void) __attribute__((noreturn));
void __real_abort(void) __attribute__((noreturn));
void __wrap__exit(int status) __attribute__((noreturn));
void __real__exit(int status) __attribute__((noreturn));

void __wrap_abort(void)
{
    __gcov_dump();
    __real_abort();
}

void __wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}
