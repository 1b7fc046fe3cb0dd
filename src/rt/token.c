/*
 * Tags of objects: given when one is made, taken when its context ends.
 */
#include "rt/token.h"

#include "base/assert.h"
#include "rt/panic.h"
#include "rt/worker.h"

void weir__token_open(struct weir__token *t, struct weir__ctx *c, uint32_t kind)
{
    struct weir__worker *w = weir__self;
    WEIR_ASSERT((uintptr_t)t >> 48 == 0 && kind != 0, "N1: a handle has room for its tag");
    if (++w->next_tag == 0)
        w->next_tag = 1;
    t->word = (uint64_t)kind << 16 | w->next_tag;
    t->next = NULL;
    if (WEIR_UNLIKELY(weir__ctx_is_shared(c)))
        return; /* freed one by one, when nobody is left to use them */
    t->next = c->tokens;
    c->tokens = t;
}

void weir__tokens_end(struct weir__ctx *c)
{
    for (struct weir__token *t = c->tokens; t != NULL; t = t->next) {
        WEIR_ASSERT(t->word != 0, "N2: what is made in a context lives as long as it");
        t->word = 0;
    }
    c->tokens = NULL;
}

void weir__token_misuse(const void *handle, const char *function, const char *noun)
{
    if (handle == NULL)
        weir__misuse(function, "%s is NULL", noun);
    weir__misuse(function,
                 "%s is none, or the context that it was made in has ended: it lives as long as "
                 "its context, so make it in one that lives as long as those who use it",
                 noun);
}
