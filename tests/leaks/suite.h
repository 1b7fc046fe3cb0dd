/*
 * What the suite of leaks is made of: a service that runs in the test, what is counted before and
 * after, and what is read from a report. The places of the faults are found in the example's own
 * source, as it was built: the line that ends with "L04 is here", and the function around it.
 */
#ifndef WEIR_TESTS_LEAKS_SUITE_H
#define WEIR_TESTS_LEAKS_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "leaky/leaky.h"
#include "os/symbol.h"
#include "testing/testing.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

enum {
    CLEAN_RUNS = IS_SANITIZED ? 20 : 100,
    RESIDENT_SLACK = 3 << 20,
};

/* Of a fault; over another transport each has a handshake, or a session, of its own: fewer. */
static unsigned runs = IS_SANITIZED ? 300 : 10000;

/*
 * What free lists and caches may take in all those runs. One object lost in every tenth is more;
 * and a worker keeps at most 2 MiB of chunks for its next arenas (RESIDENT_SLACK).
 */
static inline unsigned objects_slack(void)
{
    return IS_SANITIZED ? 32 : runs >= 1000 ? runs / 100 : 10;
}

/* --- the service -------------------------------------------------------------------------- */

struct suite {
    char folder[64], path[96];
    struct leaky leaky;
    weir_test *t;
};

/* Starts the service; `flag` may be NULL. */
static inline void start_leaky(struct suite *s, const char *flag)
{
    static char name[] = "leaky", level[] = "--log-level=info";
    static char copy[64];
    static char *argv[] = {name, level, copy, NULL};
    snprintf(copy, sizeof copy, "%s", flag != NULL ? flag : "");
    s->leaky = (struct leaky){.path = s->path};
    s->t = weir_test_open(leaky_app(flag != NULL ? 3 : 2, argv, &s->leaky));
    assert_string_equal(weir_test_error(s->t), "");
}

/* Ends it: nothing is left. */
static inline void stop_leaky(struct suite *s)
{
    weir_test *t = s->t;
    s->t = NULL;
    weir_test_advance(t, weir_ms(1)); /* an answer is there before its request has ended */
    assert_string_equal(weir_test_close(t), "");
}

static inline int make_suite(void **state)
{
    struct suite *s = calloc(1, sizeof *s);
    strcpy(s->folder, "/tmp/weir-leaks-XXXXXX");
    if (mkdtemp(s->folder) == NULL)
        return -1;
    snprintf(s->path, sizeof s->path, "%s/leaky.db", s->folder);
    *state = s;
    return 0;
}

static inline int remove_suite(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    struct suite *s = *state;
    char file[128];
    if (s->t != NULL)
        (void)weir_test_close(s->t);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        snprintf(file, sizeof file, "%s%s", s->path, ends[i]);
        (void)unlink(file);
    }
    int rc = rmdir(s->folder);
    free(s);
    return rc;
}

/* A reply is the test's until its end; ten thousand of them would look like a leak. */
static inline void forget_replies(weir_test *t)
{
    while (t->replies != NULL) {
        struct weir__reply *r = t->replies;
        t->replies = r->next;
        weir__reply_free(r);
    }
}

/* What was logged since the last call, as a C string; valid until something is logged. */
static inline const char *take_log(weir_test *t)
{
    const char *text = weir_test_log(t);
    weir_buf_reset(&t->log);
    return text;
}

/* --- what there is ------------------------------------------------------------------------ */

struct counts {
    struct weir__test_counts of_service;
    size_t descriptors, timers;
    uint64_t objects;
    int64_t resident;
};

static inline size_t count_descriptors(void)
{
    size_t n = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static inline size_t count_timers(const struct weir__wheel *wheel)
{
    size_t n = 0;
    for (int level = 0; level < WEIR__WHEEL_LEVELS; level++)
        for (int slot = 0; slot < WEIR__WHEEL_SLOTS; slot++)
            for (const struct weir__list *head = &wheel->slots[level][slot], *l = head->next;
                 l != head; l = l->next)
                n++;
    return n;
}

static inline int64_t resident_bytes(void)
{
    long long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lld %lld", &pages, &resident), 2);
    fclose(f);
    return resident * sysconf(_SC_PAGESIZE);
}

static inline void count_all(const weir_test *t, struct counts *out)
{
    struct weir__alloc_stats heap = weir__alloc_stats();
    weir__test_count(t, &out->of_service);
    out->descriptors = count_descriptors();
    out->timers = count_timers(&t->w->wheel);
    out->objects = heap.allocs - heap.frees;
    out->resident = resident_bytes();
}

/*
 * Everything is back where it was: fibers, contexts, leases, connections, descriptors, timers,
 * objects of the heap, resident memory. (What was reported is looked at elsewhere.)
 */
static inline void assert_nothing_left(weir_test *t, const struct counts *before)
{
    char text[1024];
    weir_buf left;
    struct weir__test_counts then = before->of_service;
    struct counts now;
    then.reports = weir__leak_total();
    weir_buf_init_fixed(&left, text, sizeof text - 1);
    weir__test_list_leaks(t, &then, &left);
    assert_string_equal(weir__test_text(&left), "");
    weir__symbols_forget(); /* which keep files open to name functions by */
    count_all(t, &now);
    assert_int_equal(now.descriptors, before->descriptors);
    assert_in_range(now.timers, 0, before->timers);
    assert_in_range(now.objects, 0, before->objects + objects_slack());
    if (!IS_SANITIZED) /* which keep what was freed */
        assert_in_range(now.resident, 0, before->resident + RESIDENT_SLACK);
}

/* --- where the faults stand --------------------------------------------------------------- */

struct place {
    char file[64], function[64];
    int line;
};

/* The last function that begins at or before `at`: its name stands before '(' in column 0. */
static inline void name_function(const char *text, const char *at, char *out, size_t size)
{
    out[0] = '\0';
    for (const char *line = text; line != NULL && line < at;
         line = strchr(line, '\n'), line = line != NULL ? line + 1 : NULL) {
        size_t len = strcspn(line, "\n"), open = strcspn(line, "(");
        if (open >= len || line[0] == ' ' || line[0] == '#' || line[0] == '/' || line[0] == '_')
            continue;
        size_t begin = open;
        while (begin > 0 && line[begin - 1] != ' ' && line[begin - 1] != '*')
            begin--;
        snprintf(out, size, "%.*s", (int)(open - begin), line + begin);
    }
}

/* Where "ID is here" stands. */
static inline struct place place_of(const char *id)
{
    struct place p = {.line = 0};
    char mark[40];
    snprintf(mark, sizeof mark, "/* %s is here */", id);
    for (const struct leaky_source *s = leaky_sources; s->name != NULL; s++) {
        const char *at = strstr(s->text, mark);
        if (at == NULL)
            continue;
        p.line = 1;
        for (const char *c = s->text; c < at; c++)
            p.line += *c == '\n';
        snprintf(p.file, sizeof p.file, "examples/leaky/%s", s->name);
        name_function(s->text, at, p.function, sizeof p.function);
    }
    assert_true(p.line > 0 && p.function[0] != '\0');
    return p;
}

/* --- what was said ------------------------------------------------------------------------ */

/* The first line of the log with both texts, in a buffer of the suite's; NULL: there is none. */
static inline const char *find_line(const char *log, const char *a, const char *b)
{
    static char found[8192];
    for (const char *line = log; *line != '\0'; line += strcspn(line, "\n"), line += *line != 0) {
        snprintf(found, sizeof found, "%.*s", (int)strcspn(line, "\n"), line);
        if (strstr(found, a) != NULL && strstr(found, b) != NULL)
            return found;
    }
    return NULL;
}

static inline void assert_has(const char *line, const char *part)
{
    if (strstr(line, part) == NULL)
        fail_msg("no %s in %s", part, line);
}

static inline int64_t number_of(const char *line, const char *key)
{
    char quoted[40];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(line, quoted);
    return at != NULL ? strtoll(at + strlen(quoted), NULL, 10) : -1;
}

/* How often a kind of thing was left open at a place, as /metrics shows it. */
static inline uint64_t reports_at(const char *kind, const char *file, int line)
{
    static struct weir__leak_site sites[256];
    size_t n = weir__leak_sites(sites, 256);
    for (size_t i = 0; i < n; i++)
        if (strcmp(sites[i].kind, kind) == 0 && sites[i].site->line == line &&
            strcmp(sites[i].site->file, file) == 0)
            return sites[i].count;
    return 0;
}

#endif
