/*
 * The program: the shop, run until it is told to stop. All of it is put together in app.c, where
 * tests get it from as well.
 */
#include "shop.h"

int main(int argc, char **argv)
{
    static struct shop the_shop = {.url = "shop.db", .has_samples = true};
    return weir_app_run(shop_app(argc, argv, &the_shop));
}
