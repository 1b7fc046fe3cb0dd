/*
 * Leaky: each way to leak that docs/leaks.md lists, to be tried and to be watched being caught.
 *
 *     build/examples/leaky          then open http://localhost:8080/
 */
#include "leaky.h"

int main(int argc, char **argv)
{
    static struct leaky the_leaky = {.path = "leaky.db"};
    return weir_app_run(leaky_app(argc, argv, &the_leaky));
}
