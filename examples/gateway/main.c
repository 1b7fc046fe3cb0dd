/*
 * The program, which is the gateway; with --be=NAME it is an upstream of that name.
 *
 *     gateway --upstreams=http://127.0.0.1:8081,http://127.0.0.1:8082
 *
 * `make run-gateway` starts two upstreams and the gateway before them.
 */
#include "gateway.h"

int main(int argc, char **argv)
{
    static struct gateway the_gateway = {.upstreams =
                                             "http://127.0.0.1:8081,http://127.0.0.1:8082"};
    static struct upstream the_upstream;
    const weir_option options[] = {
        {"upstreams", "what stands behind it", .text = &the_gateway.upstreams},
        {"each-address", "each address of their names is one", .toggle = &the_gateway.each_address},
        {"be", "be an upstream of this name instead", .text = &the_upstream.name},
        {0},
    };
    for (int i = 1; i < argc; i++)
        if (weir_str_from(argv[i]).len > 5 && weir_str_eq((weir_str){argv[i], 5}, WEIR_S("--be=")))
            return weir_app_run(upstream_app(argc, argv, &the_upstream, options));
    return weir_app_run(gateway_app(argc, argv, &the_gateway, options));
}
