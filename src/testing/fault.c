/*
 * Planning a fault: the countdowns of waits, allocations and system calls, and the worker's choice
 * of who runs next. Each tells here when its moment has come; the stack is noted, as addresses, and
 * a debugger gets its chance.
 *
 * One fault is armed at a time, on the calling thread.
 */
#include "testing/fault.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "os/symbol.h"
#include "os/sys.h"

enum { DEPTH_MAX = 10 }; /* choices that are varied one by one; later ones by random alone */

static struct {
    struct weir__fault *fault;
    weir_test *test;
    uint64_t random;
} armed;

__attribute__((noinline)) void weir_test_fault(void)
{
    __asm__ volatile("" ::: "memory");
}

static void note(const char *what)
{
    struct weir__fault *f = armed.fault;
    f->has_hit = true;
    f->what = what;
    f->depth = backtrace(f->stack, WEIR__FAULT_STACK);
    weir_test_fault();
}

/* --- the moments -------------------------------------------------------------------------- */

static bool at_wait(struct weir__wait *w)
{
    note(w->type->name);
    if (armed.fault->kind == WEIR__FAULT_WAIT)
        return true;
    weir__ask_reset(armed.test);
    return false;
}

static void at_allocation(size_t size)
{
    (void)size;
    note("memory");
}

static int at_call(enum weir__sys_call call)
{
    struct weir__fault *f = armed.fault;
    const int *errors = weir__sys_errors(call);
    note(weir__sys_name(call));
    if (f->err == 0)
        f->err = errors[f->which];
    f->is_last_error = errors[f->which] == 0 || errors[f->which + 1] == 0;
    return f->err;
}

static void at_limit(const char *limit)
{
    note(limit);
}

static uint64_t next_random(void)
{
    armed.random ^= armed.random << 13;
    armed.random ^= armed.random >> 7;
    armed.random ^= armed.random << 17;
    return armed.random;
}

static unsigned pick(unsigned ready)
{
    struct weir__fault *f = armed.fault;
    unsigned turn = f->turns_taken, choice = 0;
    if (f->kind == WEIR__FAULT_RANDOM)
        choice = (unsigned)(next_random() % ready);
    else if (turn < f->turn_count)
        choice = f->turns[turn] % ready;
    if (turn < WEIR__TURNS_MAX) {
        f->turns[turn] = (uint8_t)choice;
        f->ready[turn] = (uint8_t)ready;
        f->turns_taken++;
    }
    return choice;
}

/* The first few that are ready have a chance; with one there is no choice. */
static struct weir__fiber *choose(struct weir__worker *w)
{
    unsigned ready = 0;
    WEIR_LIST_EACH(node, &w->ready)
        ready += ready < WEIR__READY_MAX;
    unsigned choice = ready > 1 ? pick(ready) : 0;
    struct weir__list *node = w->ready.next;
    for (; choice > 0; choice--)
        node = node->next;
    weir__list_remove(node);
    return WEIR_CONTAINER(node, struct weir__fiber, in_run);
}

void weir__fault_arm(struct weir__fault *f, weir_test *t)
{
    f->has_hit = f->is_last_error = false;
    f->depth = 0;
    f->turns_taken = 0;
    armed.fault = f;
    armed.test = t;
    armed.random = f->nth * 0x9e3779b97f4a7c15u + 1;
    weir__arena_single(true);
    weir__wait_tell_planned(at_wait);
    weir__alloc_tell_planned(at_allocation);
    weir__sys_choose_planned(at_call);
    weir__refuse_tell_planned(at_limit);
    if (f->kind == WEIR__FAULT_WAIT || f->kind == WEIR__FAULT_GONE)
        weir__wait_cancel_nth(f->nth);
    else if (f->kind == WEIR__FAULT_ALLOCATION)
        weir__alloc_fail_nth(f->nth);
    else if (f->kind == WEIR__FAULT_CALL)
        weir__sys_fail_nth(f->nth, 0);
    else if (f->kind == WEIR__FAULT_REFUSAL)
        weir__refuse_nth(f->nth);
    else if (f->kind == WEIR__FAULT_ORDER || f->kind == WEIR__FAULT_RANDOM)
        t->w->choose = choose;
}

void weir__fault_disarm(weir_test *t)
{
    t->w->choose = NULL;
    weir__wait_cancel_nth(0);
    weir__alloc_fail_nth(0);
    weir__sys_fail_nth(0, 0);
    weir__refuse_nth(0);
    weir__wait_tell_planned(NULL);
    weir__alloc_tell_planned(NULL);
    weir__sys_choose_planned(NULL);
    weir__refuse_tell_planned(NULL);
    weir__arena_single(false);
}

/* --- as text ------------------------------------------------------------------------------ */

static const char *const kinds[WEIR__FAULT_KINDS] = {
    "nothing", "wait", "gone", "allocation", "call", "refusal", "order", "random",
};

void weir__fault_print(const struct weir__fault *f, weir_buf *out)
{
    weir_buf_puts(out, weir_str_from(kinds[f->kind]));
    if (f->kind == WEIR__FAULT_ORDER) {
        for (unsigned i = 0; i < f->turn_count; i++)
            weir_buf_printf(out, "%c%u", i == 0 ? ' ' : '.', f->turns[i]);
        return;
    }
    if (f->kind != WEIR__FAULT_NONE)
        weir_buf_printf(out, " %llu", (unsigned long long)f->nth);
    if (f->kind == WEIR__FAULT_CALL && f->err != 0)
        weir_buf_printf(out, " %s", strerrorname_np(f->err));
}

static bool parse_error(const char *name, int *err)
{
    for (int i = 1; i < 256; i++) {
        const char *known = strerrorname_np(i);
        if (known != NULL && strcmp(known, name) == 0) {
            *err = i;
            return true;
        }
    }
    return false;
}

static bool parse_turns(const char *text, struct weir__fault *f)
{
    while (f->turn_count < WEIR__TURNS_MAX && *text >= '0' && *text < '0' + WEIR__READY_MAX) {
        f->turns[f->turn_count++] = (uint8_t)(*text++ - '0');
        if (*text == '.')
            text++;
    }
    return f->turn_count > 0 && *text == '\0';
}

bool weir__fault_parse(const char *text, struct weir__fault *f)
{
    char kind[16], error[24] = "";
    unsigned long long nth = 0;
    *f = (struct weir__fault){.kind = WEIR__FAULT_NONE};
    int n = sscanf(text, "%15s %llu %23s", kind, &nth, error);
    for (int i = WEIR__FAULT_WAIT; n >= 1 && i < WEIR__FAULT_KINDS; i++)
        if (strcmp(kind, kinds[i]) == 0)
            f->kind = (enum weir__fault_kind)i;
    f->nth = nth;
    if (f->kind == WEIR__FAULT_NONE)
        return n == 1 && strcmp(kind, kinds[0]) == 0;
    if (f->kind == WEIR__FAULT_ORDER)
        return n >= 2 && parse_turns(text + strlen("order "), f);
    if (f->kind == WEIR__FAULT_CALL)
        return n == 3 && nth > 0 && parse_error(error, &f->err);
    return n == 2 && nth > 0;
}

static bool is_ours(weir_str name)
{
    static const char *const own[] = {"note ",    "at_wait ",  "at_allocation ",
                                      "at_call ", "at_limit ", "__interceptor_backtrace"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (name.len > strlen(own[i]) && memcmp(name.ptr, own[i], strlen(own[i])) == 0)
            return true;
    return false;
}

void weir__fault_tell_where(const struct weir__fault *f, weir_buf *out)
{
    if (f->has_hit)
        weir_buf_printf(out, "    it was: %s\n", f->what);
    for (int i = 0; i < f->depth; i++) {
        char text[512];
        weir_buf name;
        weir_buf_init_fixed(&name, text, sizeof text);
        weir__symbolise(f->stack[i], &name);
        if (!is_ours(weir_buf_str(&name)))
            weir_buf_printf(out, "    at " WEIR_STR_FMT "\n", WEIR_STR_ARG(weir_buf_str(&name)));
    }
}

/* --- orders ------------------------------------------------------------------------------- */

bool weir__fault_next_order(struct weir__fault *f)
{
    unsigned n = f->turns_taken < DEPTH_MAX ? f->turns_taken : DEPTH_MAX;
    while (n > 0 && f->turns[n - 1] + 1 >= f->ready[n - 1])
        n--;
    if (n == 0)
        return false;
    f->turns[n - 1]++;
    f->turn_count = n;
    return true;
}
