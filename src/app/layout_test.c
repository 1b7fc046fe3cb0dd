/*
 * Structs that programs have by value and that say no size: they stay as they are for as long as
 * the soversion does (docs/design/api.md). A change here is a change of the soversion.
 */
#include <stdarg.h>
#include <stdint.h>

#include <setjmp.h>
#include <weir/weir.h>

#include <cmocka.h>

struct row {
    const char *type;
    size_t size, frozen;
};

#define ROW(T, frozen)                                                                             \
    {                                                                                              \
#T, sizeof(T), (frozen)                                                                    \
    }

static void frozen_structs_have_their_size(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW(weir_str, 16),         ROW(weir_dur, 8),           ROW(weir_time, 8),
        ROW(weir_wall, 8),         ROW(weir_uuid, 16),         ROW(weir_decimal, 36),
        ROW(weir_blob, 16),        ROW(weir_raw_json, 16),     ROW(weir_buf, 40),
        ROW(weir_site, 24),        ROW(weir_key, 16),          ROW(weir_timer, 16),
        ROW(weir_handle, 16),      ROW(weir_select_case, 24),  ROW(weir_arg, 48),
        ROW(weir_source, 16),      ROW(weir_header_iter, 56),  ROW(weir_json_error, 40),
        ROW(weir_json_limits, 16), ROW(weir_model_link, 24),   ROW(weir_pool_options, 56),
        ROW(weir_metric_link, 32), ROW(weir_http_header, 24),  ROW(weir_redis_value, 32),
        ROW(weir_checked_sql, 40), ROW(weir_checked_call, 24), ROW(weir_checked_table, 24),
        ROW(weir_migration, 16),   ROW(weir_page_out, 16),
    };
    int wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].size == rows[i].frozen)
            continue;
        print_error("%s has %zu bytes, had %zu\n", rows[i].type, rows[i].size, rows[i].frozen);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

#define SIZE_IS_FIRST(T) assert_int_equal(offsetof(T, size), 0)

static void options_begin_with_their_size(void **state)
{
    (void)state;
    SIZE_IS_FIRST(weir_app_options);
    SIZE_IS_FIRST(weir_cache_options);
    SIZE_IS_FIRST(weir_cache_share_options);
    SIZE_IS_FIRST(weir_cookie_options);
    SIZE_IS_FIRST(weir_ctx_options);
    SIZE_IS_FIRST(weir_migrate_options);
    SIZE_IS_FIRST(weir_detach_options);
    SIZE_IS_FIRST(weir_db_options);
    SIZE_IS_FIRST(weir_dial_options);
    SIZE_IS_FIRST(weir_file_open_options);
    SIZE_IS_FIRST(weir_file_options);
    SIZE_IS_FIRST(weir_file_temp_options);
    SIZE_IS_FIRST(weir_group_options);
    SIZE_IS_FIRST(weir_http_call_options);
    SIZE_IS_FIRST(weir_proxy_options);
    SIZE_IS_FIRST(weir_http_options);
    SIZE_IS_FIRST(weir_metric);
    SIZE_IS_FIRST(weir_offload_options);
    SIZE_IS_FIRST(weir_redis_consume_options);
    SIZE_IS_FIRST(weir_redis_options);
    SIZE_IS_FIRST(weir_redis_set_options);
    SIZE_IS_FIRST(weir_redis_subscribe_options);
    SIZE_IS_FIRST(weir_route_options);
    SIZE_IS_FIRST(weir_spawn_options);
    SIZE_IS_FIRST(weir_postgres_options);
    SIZE_IS_FIRST(weir_mysql_options);
    SIZE_IS_FIRST(weir_sqlite_options);
    SIZE_IS_FIRST(weir_tx_options);
    SIZE_IS_FIRST(weir_tx_retry_options);
    SIZE_IS_FIRST(weir_insert_options);
    SIZE_IS_FIRST(weir_static_options);
    SIZE_IS_FIRST(weir_subscription_options);
    SIZE_IS_FIRST(weir_tls_options);
    SIZE_IS_FIRST(weir_topic_options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frozen_structs_have_their_size),
        cmocka_unit_test(options_begin_with_their_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
