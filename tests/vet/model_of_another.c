/* The struct is not the one that the model describes. */
#include <weir/weir.h>

typedef struct {
    int64_t id;
} user;
WEIR_MODEL(user, (id));

typedef struct {
    weir_str name;
} product;
WEIR_MODEL(product, (name));

weir_err show(weir_ctx *c, const product *p)
{
    /* vet: gcc warning */
    return weir_json(c, 200, user, p);
}

weir_err show_well(weir_ctx *c, const product *p)
{
    return weir_json(c, 200, product, p);
}
