/*
 * What ended_calls.h has no call of, for outside_test.c: what of it a thread that runs no fibers
 * may call. (What has a row there alone is for fibers.)
 *
 * ANY(function, call)     does there what it does everywhere
 * FIBERS(function, call)  is refused there
 * SKIP(function, why)     is not called
 */

/* --- ctx.h, fiber.h, chan.h --- */
FIBERS(weir_ctx_leave, weir_ctx_leave(&live.c))
ANY(weir_reason_name, use(weir_reason_name(WEIR_REASON_CALLER)))
ANY(weir_now, truth = weir_now().ns > 0)
SKIP(weir_panic_at, "does not return")
ANY(weir_chan_post, number = weir_chan_post(live.shared, &number))

/* --- log.h, handle.h --- */
ANY(weir_log_at, weir_log(live.c, WEIR_LOG_DEBUG, "below the level"))
ANY(weir_log_watch, weir_log_watch(NULL, NULL))
FIBERS(weir_provide_at, weir_provide(built, anything, &number))
FIBERS(weir_needs_at, weir_needs(built, anything))

/* --- route.h, fail.h, response.h: the start is over --- */
FIBERS(weir_static_at, weir_static(built, "/x", "/"))
FIBERS(weir_group_new_at, use(weir_group_new(built, "/x")))
FIBERS(weir_use_at, weir_use(built, weir_mw_log))
FIBERS(weir_route_at, weir_get(built, "/x", answer_nothing))
FIBERS(weir_slash_policy_of, weir_slash_policy_of(built, WEIR_SLASH_STRICT))
FIBERS(weir_fallback_at, weir_fallback(built, answer_nothing))
FIBERS(weir_error_table_at, weir_error_table(built, {-7000, 409, "x", NULL}))

/* --- what is the caller's, and values --- */
ANY(weir_db_kind_of, number = (int)weir_db_kind_of("t.db"))
ANY(weir_checked_sql_list, number = (int)weir_checked_sql_list(statements, 1))
ANY(weir_pool_closed_name, use(weir_pool_closed_name(0)))
ANY(weir_buf_init, weir_buf_init(&buf, 100))
ANY(weir_buf_reserve, use(weir_buf_reserve(&buf, 10)))
ANY(weir_buf_add, weir_buf_add(&buf, "x", 1))
ANY(weir_buf_puts, weir_buf_puts(&buf, WEIR_S("x")))
ANY(weir_buf_putc, weir_buf_putc(&buf, 'x'))
ANY(weir_buf_printf, weir_buf_printf(&buf, "%d", 1))
ANY(weir_json_encode, number = weir_json_encode(&buf, &weir_model_int64_t, &big))
ANY(weir_buf_fini, weir_buf_fini(&buf))
ANY(weir_buf_init_fixed, weir_buf_init_fixed(&buf, bytes, sizeof bytes))
ANY(weir_str_cmp, number = weir_str_cmp(WEIR_S("a"), WEIR_S("b")))
ANY(weir_str_ieq, truth = weir_str_ieq(WEIR_S("a"), WEIR_S("A")))
ANY(weir_str_trim, text = weir_str_trim(WEIR_S(" a ")))
ANY(weir_str_i64, number = weir_str_i64(WEIR_S("7"), &big))
ANY(weir_strerror, use(weir_strerror(WEIR_ETHREAD)))
ANY(weir_version, use(weir_version()))
ANY(weir_version_number, number = weir_version_number())
ANY(weir_decimal_cmp, number = weir_decimal_cmp(decimal, weir_decimal_of(2)))
ANY(weir_decimal_of, decimal = weir_decimal_of(1))
ANY(weir_decimal_parse, number = weir_decimal_parse(WEIR_S("1.5"), &decimal))
ANY(weir_decimal_text, number = (int)weir_decimal_text(decimal, bytes))
ANY(weir_uuid_parse, number = weir_uuid_parse(WEIR_S("x"), &uuid))
ANY(weir_uuid_text, number = (int)weir_uuid_text(uuid, bytes))
ANY(weir_uuid_v4, uuid = weir_uuid_v4())
ANY(weir_uuid_v7, uuid = weir_uuid_v7())
ANY(weir_wall_now, big = weir_wall_now().us)
ANY(weir_wall_parse, number = weir_wall_parse(WEIR_S("x"), &wall))
ANY(weir_wall_text, number = (int)weir_wall_text(weir_wall_now(), bytes))

/* --- metric.h --- */
ANY(weir_counter_add, weir_counter_add(&a_counter, 1))
ANY(weir_counter_of_at, weir_counter_add(weir_counter_of(&counters, a_value), 1))
ANY(weir_counter_read, truth = weir_counter_read(&a_counter) == 1)
ANY(weir_gauge_set, weir_gauge_set(&a_gauge, 1))
ANY(weir_gauge_add, weir_gauge_add(&a_gauge, 1))
ANY(weir_gauge_of_at, weir_gauge_add(weir_gauge_of(&gauges, a_value), 1))
ANY(weir_gauge_read, truth = weir_gauge_read(&a_gauge) == 2)
ANY(weir_histogram_record, weir_histogram_record(&a_histogram, 1))
ANY(weir_histogram_record_time, weir_histogram_record_time(&a_histogram, weir_ms(1)))
ANY(weir_histogram_of_at, weir_histogram_record(weir_histogram_of(&histograms, a_value), 1))
ANY(weir_histogram_count, truth = weir_histogram_count(&a_histogram) == 2)

/* --- a program's start, and tests --- */
SKIP(weir_checked_sql_register, "a constructor's, before main")
SKIP(weir_model_register, "a constructor's, before main")
SKIP(weir_metric_register, "a constructor's, before main")
SKIP(weir_app_new_at, "the main thread's")
SKIP(weir_app_run, "the main thread's")
SKIP(weir_test_open, "the test's thread is the worker")
SKIP(weir_test_error, "the test's thread is the worker")
SKIP(weir_test_close, "the test's thread is the worker")
SKIP(weir_test_request_of, "the test's thread is the worker")
SKIP(weir_test_header, "the test's thread is the worker")
SKIP(weir_test_run, "the test's thread is the worker")
SKIP(weir_test_advance, "the test's thread is the worker")
SKIP(weir_test_leaks, "the test's thread is the worker")
SKIP(weir_test_check_sql, "the test's thread is the worker")
SKIP(weir_test_log, "the test's thread is the worker")
SKIP(weir_test_everywhere_at, "the test's thread is the worker")
SKIP(weir_test_fault, "the test's thread is the worker")

/* --- redis_value.h --- */
ANY(weir_redis_map_get, use(weir_redis_map_get(NULL, WEIR_S("x"))))
