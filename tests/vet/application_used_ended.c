/* weir_app_run frees the application. */
#include <weir/weir.h>

int start(int argc, char **argv, weir_handler hello)
{
    weir_app *app = weir_app_new(argc, argv, .name = "late");
    int status = weir_app_run(app);
    /* vet: gcc -Wuse-after-free */
    weir_get(app, "/", hello);
    return status;
}

int start_well(int argc, char **argv, weir_handler hello)
{
    weir_app *app = weir_app_new(argc, argv, .name = "early");
    weir_get(app, "/", hello);
    return weir_app_run(app);
}
