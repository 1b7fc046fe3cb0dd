/* An application that is made and given up. */
#include <weir/weir.h>

int start(int argc, char **argv)
{
    weir_app *app = weir_app_new(argc, argv, .name = "lost");
    /* vet: gcc -Wanalyzer-malloc-leak */
    if (argc > 1)
        return 1;
    return weir_app_run(app);
}

int start_well(int argc, char **argv)
{
    if (argc > 1)
        return 1;
    weir_app *app = weir_app_new(argc, argv, .name = "found");
    return weir_app_run(app);
}
