/*
 * All statements of the process that are in WEIR_SQL. The linker has made a table of those of a
 * program or library, which is linked in before main (C++ has a table for each statement); the list
 * only grows, at its head and without a lock.
 */
#include <string.h>
#include <weir/checked.h>

#include "base/given.h"

static weir_checked_table *head;

void weir_checked_sql_register(weir_checked_table *table, const weir_checked_sql *const *from,
                               const weir_checked_sql *const *to)
{
    weir__given(table, "the table");
    const weir_checked_sql *const *none = NULL;
    if (from == NULL || to == NULL || from == to ||
        !__atomic_compare_exchange_n(&table->from, &none, from, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED))
        return;
    table->to = to;
    table->next = __atomic_load_n(&head, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&head, &table->next, table, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
}

/* By place first; the same place has several where a template is, or a macro. */
static int compare_calls(const weir_checked_call *a, const weir_checked_call *b)
{
    if (a == NULL || b == NULL)
        return (a != NULL) - (b != NULL);
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    int order = a->count > 0 ? memcmp(a->kinds, b->kinds, a->count) : 0;
    if (order == 0 && a->model != NULL && b->model != NULL)
        return strcmp(a->model->name, b->model->name);
    return order != 0 ? order : (a->model != NULL) - (b->model != NULL);
}

static int compare(const weir_checked_sql *a, const weir_checked_sql *b)
{
    int order = strcmp(a->file, b->file);
    if (order == 0)
        order = a->line - b->line;
    if (order == 0)
        order = strcmp(a->sql, b->sql);
    return order != 0 ? order : compare_calls(a->call, b->call);
}

/* The first place of `out` whose statement is not before `sql`. */
static size_t place_of(const weir_checked_sql **out, size_t count, const weir_checked_sql *sql)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(out[middle], sql) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t insert(const weir_checked_sql **out, size_t count, size_t max,
                     const weir_checked_sql *sql)
{
    size_t at = place_of(out, count, sql);
    if (count == max || (at < count && compare(out[at], sql) == 0))
        return count;
    memmove(out + at + 1, out + at, (count - at) * sizeof(const weir_checked_sql *));
    out[at] = sql;
    return count + 1;
}

size_t weir_checked_sql_list(const weir_checked_sql **out, size_t max)
{
    weir__given(out, "the array");
    size_t count = 0;
    weir_checked_table *table = __atomic_load_n(&head, __ATOMIC_ACQUIRE);
    for (; table != NULL; table = table->next) {
        for (const weir_checked_sql *const *at = table->from; at < table->to; at++) {
            if (*at != NULL)
                count = insert(out, count, max, *at);
        }
    }
    return count;
}
