/*
 * For the tests that call every public function: plain values to give, and a folder.
 */
#ifndef WEIR_APP_PUBLIC_VALUES_H
#define WEIR_APP_PUBLIC_VALUES_H

#include "app/folder_testing.h"
#include "web/web_test_kit.h"

#include <unistd.h>

#include <weir/weir.h>

static const weir_key number_key = {"number", sizeof(int)};
static weir_postgres_notification a_notification;
static int number;
static int64_t big;
static WEIR_ARRAY(int64_t) many;
static double real;
static bool truth;
static const int64_t *pinned;
static weir_cache_stats cache_numbers;
static weir_str text;
static const char *const no_program[] = {"/no program", NULL};
static char folder[] = "/tmp/weir-calls-XXXXXX";

static const weir_str a_value = WEIR_S("x");
static weir_redis_stats redis_stats;
static weir_redis_message redis_message;
static weir_redis_entry redis_entry;
static WEIR_COUNTER(a_counter, "calls_total", "Calls.");
static WEIR_COUNTER(counters, "calls_by_value_total", "Calls.", .labels = {"value"});
static WEIR_GAUGE(a_gauge, "depth", "Depth.");
static WEIR_GAUGE(gauges, "depth_by_value", "Depth.", .labels = {"value"});
static WEIR_HISTOGRAM(a_histogram, "sizes", "Sizes.");
static WEIR_HISTOGRAM(histograms, "sizes_by_value", "Sizes.", .labels = {"value"});

/* What a constructor returns is of no interest: it must not return. */
static void use(const void *p)
{
    __asm__ volatile("" ::"r"(p) : "memory");
}

static weir_err nothing(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    return WEIR_OK;
}

static weir_err nothing_in_tx(weir_ctx *c, weir_tx *tx, void *arg)
{
    (void)c, (void)tx, (void)arg;
    return WEIR_OK;
}

static weir_err compute(void *arg)
{
    (void)arg;
    return WEIR_OK;
}

static int clean_up(void **state)
{
    (void)state;
    return folder_remove(folder);
}

#endif
