/*
 * The functions that the public headers declare, for tests that hold a table of all of them against
 * the headers, so that a function which is added without a row fails.
 */
#ifndef WEIR_APP_DECLARED_TESTING_H
#define WEIR_APP_DECLARED_TESTING_H

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One: its name, and what stands between the parentheses. Not ended by NUL. */
struct declared {
    const char *header;
    const char *name, *parameters;
    int name_len, parameters_len;
};

/* Where the parenthesis ends that begins at `at`. */
static inline const char *declared_end(const char *at)
{
    for (int depth = 0; *at != '\0'; at++) {
        depth += (*at == '(') - (*at == ')');
        if (depth == 0)
            break;
    }
    return at;
}

/* The functions of a header: after WEIR_API, up to the semicolon, the first "weir_…(". */
static inline size_t declared_in(const char *path, void (*see)(const struct declared *d, void *arg),
                                 void *arg)
{
    static char source[1 << 20];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    source[fread(source, 1, sizeof source - 1, f)] = '\0';
    fclose(f);
    size_t functions = 0;
    for (char *at = source; (at = strstr(at, "\nWEIR_API ")) != NULL; at++) {
        char *end = strchr(at, ';'), *paren = strchr(at, '(');
        if (paren == NULL || paren > end || strncmp(at + 10, "extern", 6) == 0)
            continue; /* no function */
        while (strncmp(at, "weir_", 5) != 0 || strcspn(at, " *(") != (size_t)(paren - at)) {
            at++;
            if (at >= paren) /* an attribute comes first */
                paren = strchr(paren + 1, '(');
            if (paren == NULL || paren >= end) {
                fail_msg("%s: a declaration without a name", path);
                return functions;
            }
        }
        const char *last = declared_end(paren);
        see(&(struct declared){path, at, paren + 1, (int)(paren - at), (int)(last - paren - 1)},
            arg);
        functions++;
    }
    return functions;
}

/* Those of all headers; how many there are. */
static inline size_t declared_each(void (*see)(const struct declared *d, void *arg), void *arg)
{
    char pattern[512];
    glob_t found;
    const char *root = getenv("WEIR_SOURCE");
    size_t functions = 0;
    snprintf(pattern, sizeof pattern, "%s/include/weir/*.h", root != NULL ? root : ".");
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        functions += declared_in(found.gl_pathv[i], see, arg);
    globfree(&found);
    return functions;
}

/* The function as those who read a message call it: the macro's name, where there is one. */
static inline const char *declared_as_called(const char *function)
{
    static char name[64];
    if (strcmp(function, "weir_go_at") == 0)
        return "WEIR_GO";
    if (strcmp(function, "weir_ctx_enter_at") == 0)
        return "WEIR_SCOPE";
    if (strcmp(function, "weir_join_as") == 0)
        return "weir_join";
    snprintf(name, sizeof name, "%s", function);
    size_t n = strlen(name);
    if (strcmp(name + n - 3, "_at") == 0)
        name[n - 3] = '\0';
    return name;
}

#endif
