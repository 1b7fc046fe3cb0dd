/* A budget may be used up: there is not always memory. */
#include <weir/weir.h>

struct visit {
    int64_t at;
};

int64_t *note(weir_ctx *c, int64_t now)
{
    struct visit *v = weir_new(c, struct visit);
    /* vet: gcc -Wanalyzer-null-dereference */
    v->at = now;
    return &v->at;
}

int64_t *note_well(weir_ctx *c, int64_t now)
{
    struct visit *v = weir_new(c, struct visit);
    if (v == NULL)
        return NULL;
    v->at = now;
    return &v->at;
}
