/*
 * The routes of the `route` benchmark; the router's tests have them too, so they stand beside
 * these.
 */
#ifndef WEIR_BENCH_GITHUB_ROUTES_H
#define WEIR_BENCH_GITHUB_ROUTES_H

#include "web/github_routes.h"

#endif
