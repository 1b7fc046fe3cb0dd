/*
 * All models of the process. Each links itself in before main (WEIR_MODEL makes a constructor for
 * it), wherever it is: in the program, in an archive, in a shared library. A model in a header is
 * there once for each file that includes it, so what is wrong is told once for each place.
 *
 * The list only grows, at its head and without a lock; a library that has models stays loaded.
 */
#include <string.h>

#include "base/given.h"
#include "base/model.h"

enum { WRONG_MAX = 64 };

static weir_model_link *head;

void weir_model_register(const weir_model *model)
{
    weir__given(model, "the model");
    const weir_model *none = NULL;
    weir_model_link *link = model->link;
    if (!__atomic_compare_exchange_n(&link->model, &none, model, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED))
        return;
    link->next = __atomic_load_n(&head, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&head, &link->next, link, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
}

/* Models that are wrong, in the order of their places, each place once. */
struct wrong {
    const weir_model *models[WRONG_MAX];
    size_t count;
};

static int compare_places(const weir_model *a, const weir_model *b)
{
    int order = strcmp(a->file, b->file);
    if (order == 0)
        order = a->line - b->line;
    return order != 0 ? order : strcmp(a->name, b->name);
}

static void insert(struct wrong *wrong, const weir_model *model)
{
    size_t i = 0;
    while (i < wrong->count && compare_places(wrong->models[i], model) < 0)
        i++;
    if (wrong->count == WRONG_MAX ||
        (i < wrong->count && compare_places(wrong->models[i], model) == 0))
        return;
    for (size_t last = wrong->count++; last > i; last--)
        wrong->models[last] = wrong->models[last - 1];
    wrong->models[i] = model;
}

weir_err weir__models_check(weir_buf *report)
{
    struct wrong wrong = {.count = 0};
    char scratch[64]; /* what is wrong is told below */
    for (weir_model_link *link = __atomic_load_n(&head, __ATOMIC_ACQUIRE); link != NULL;
         link = link->next) {
        weir_buf ignored;
        weir_buf_init_fixed(&ignored, scratch, sizeof scratch);
        if (weir__model_check(link->model, &ignored) < 0)
            insert(&wrong, link->model);
    }
    for (size_t i = 0; i < wrong.count; i++)
        (void)weir__model_check(wrong.models[i], report);
    return wrong.count == 0 ? WEIR_OK : WEIR_EINVALID;
}
