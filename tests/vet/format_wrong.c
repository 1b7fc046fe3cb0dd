/* A weir_str is no C string, and an int64_t no int. */
#include <inttypes.h>
#include <weir/weir.h>

weir_err say(weir_ctx *c, weir_str name, int64_t id)
{
    /* vet: gcc -Wformat= */
    weir_log(c, WEIR_LOG_INFO, "user %d", id);
    /* vet: gcc -Wformat= */
    return weir_textf(c, 200, "hello, %s\n", &name);
}

weir_err say_well(weir_ctx *c, weir_str name, int64_t id)
{
    weir_log(c, WEIR_LOG_INFO, "user %" PRId64, id);
    return weir_textf(c, 200, "hello, " WEIR_STR_FMT "\n", WEIR_STR_ARG(name));
}
