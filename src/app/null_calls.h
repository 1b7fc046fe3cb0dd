/*
 * Every public function that takes a pointer: for null_test.c, which includes this twice and makes
 * each call once for each of its pointers, with that one NULL and all else right.
 *
 * CALL(function, call)         in a handler: N(parameter, value) for each pointer
 * START(function, call)        the same, as main() does, before the start
 * MAY(function, parameter, why)  NULL is allowed, or an error
 * NONE(function, why)          it is not asked
 *
 * Functions and their parameters are those of the public headers: one without a row fails the test.
 */

/* --- ctx.h --- */
CALL(weir_ctx_enter_at,
     use(weir_ctx_enter_at(N(site, WEIR_HERE), N(parent, live.c), N(options, &options.ctx))))
CALL(weir_ctx_leave, weir_ctx_leave(N(c, &live.c)))
CALL(weir_ctx_open_at,
     use(weir_ctx_open_at(N(site, WEIR_HERE), N(parent, live.c), N(options, &options.ctx))))
CALL(weir_ctx_close, number = weir_ctx_close(N(c, live.c)))
CALL(weir_cancel, weir_cancel(N(c, live.c)))
CALL(weir_cancel_reason, weir_cancel_reason(N(c, live.c)))
CALL(weir_check, number = weir_check(N(c, live.c)))
CALL(weir_deadline, weir_deadline(N(c, live.c)))
CALL(weir_remaining, weir_remaining(N(c, live.c)))
CALL(weir_shield, weir_shield(N(c, live.c), weir_ms(1)))
CALL(weir_unshield, weir_unshield(N(c, live.c)))
CALL(weir_alloc, use(weir_alloc(N(c, live.c), 8)))
CALL(weir_strdup, weir_strdup(N(c, live.c), WEIR_S("x")))
CALL(weir_sprintf, weir_sprintf(N(c, live.c), N(format, "%d"), 1))
CALL(weir_defer_at,
     number = weir_defer_at(N(site, WEIR_HERE), N(c, live.c), N(fn, free), N(arg, strdup("x"))))
CALL(weir_set, number = weir_set(N(c, live.c), N(key, &number_key), N(value, &number)))
CALL(weir_get_value, use(weir_get_value(N(c, live.c), N(key, &number_key))))
CALL(weir_raise_at, weir_raise_at(N(site, WEIR_HERE), N(c, live.c), -EIO, 500, N(format, "%d"), 1))
CALL(weir_last_error, use(weir_last_error(N(c, live.c))))
CALL(weir_error_clear, weir_error_clear(N(c, live.c)))
MAY(weir_defer_at, arg, "handed on")

/* --- fiber.h --- */
CALL(weir_go_at, number = weir_go_at(N(site, WEIR_HERE), N(c, live.c), N(fn, nothing),
                                     N(arg, &number), N(name, "nothing")))
CALL(weir_join_as, number = weir_join_as(N(c, live.c), WEIR_JOIN_ALL))
CALL(weir_detach_at,
     number = weir_detach_at(N(site, WEIR_HERE), N(c, live.c), N(fn, nothing), N(name, "nothing"),
                             N(data, &number), sizeof number, N(options, &options.detach)))
CALL(weir_sleep, number = weir_sleep(N(c, live.c), weir_ms(1)))
CALL(weir_yield, number = weir_yield(N(c, live.c)))
CALL(weir_checkpoint, number = weir_checkpoint(N(c, live.c)))
CALL(weir_protect, number = weir_protect(N(c, live.c), N(fn, nothing), N(arg, &number)))
CALL(weir_panic_at, weir_panic_at(N(site, WEIR_HERE), N(format, "meant %d"), 1))
MAY(weir_go_at, arg, "handed on")
MAY(weir_go_at, name, "only shown")
MAY(weir_detach_at, name, "only shown")
MAY(weir_protect, arg, "handed on")
MAY(weir_panic_at, site, "it panics by itself")
MAY(weir_panic_at, format, "it panics by itself")

/* --- chan.h --- */
CALL(weir_chan_new_at, use(weir_chan_new_at(N(site, WEIR_HERE), N(c, live.c), 4, 1)))
CALL(weir_chan_send, number = weir_chan_send(N(c, live.c), N(ch, live.chan), N(elem, &number)))
CALL(weir_chan_recv, number = weir_chan_recv(N(c, live.c), N(ch, live.chan), N(elem, &number)))
CALL(weir_chan_try_send,
     number = weir_chan_try_send(N(c, live.c), N(ch, live.chan), N(elem, &number)))
CALL(weir_chan_try_recv,
     number = weir_chan_try_recv(N(c, live.c), N(ch, live.chan), N(elem, &number)))
CALL(weir_chan_post, number = weir_chan_post(N(ch, shared), N(elem, &number)))
CALL(weir_chan_close, weir_chan_close(N(c, live.c), N(ch, live.chan)))
CALL(weir_chan_len, number = (int)weir_chan_len(N(ch, live.chan)))
CALL(weir_select,
     number = weir_select(N(c, live.c), N(cases, one_arm()), 1, weir_ms(0), N(closed, &truth)))
MAY(weir_select, closed, "not asked for")

/* --- sync.h --- */
CALL(weir_mutex_new_at, use(weir_mutex_new_at(N(site, WEIR_HERE), N(c, live.c))))
CALL(weir_sem_new_at, use(weir_sem_new_at(N(site, WEIR_HERE), N(c, live.c), 1)))
CALL(weir_cond_new_at, use(weir_cond_new_at(N(site, WEIR_HERE), N(c, live.c))))
CALL(weir_wait_group_new_at, use(weir_wait_group_new_at(N(site, WEIR_HERE), N(c, live.c))))
CALL(weir_once_new_at, use(weir_once_new_at(N(site, WEIR_HERE), N(c, live.c))))
CALL(weir_lock_at, number = weir_lock_at(N(site, WEIR_HERE), N(c, live.c), N(m, live.mutex)))
CALL(weir_trylock_at, number = weir_trylock_at(N(site, WEIR_HERE), N(c, live.c), N(m, live.mutex)))
CALL(weir_unlock, weir_unlock(N(c, live.c), N(m, locked())))
CALL(weir_sem_acquire_at,
     number = weir_sem_acquire_at(N(site, WEIR_HERE), N(c, live.c), N(s, live.sem)))
CALL(weir_sem_try_acquire_at,
     number = weir_sem_try_acquire_at(N(site, WEIR_HERE), N(c, live.c), N(s, live.sem)))
CALL(weir_sem_release, weir_sem_release(N(c, live.c), N(s, live.sem)))
CALL(weir_cond_wait, number = weir_cond_wait(N(c, live.c), N(cond, live.cond), N(m, locked())))
CALL(weir_cond_signal, weir_cond_signal(N(c, live.c), N(cond, live.cond)))
CALL(weir_cond_broadcast, weir_cond_broadcast(N(c, live.c), N(cond, live.cond)))
CALL(weir_wait_group_add, weir_wait_group_add(N(c, live.c), N(g, live.group), 1))
CALL(weir_wait_group_wait, number = weir_wait_group_wait(N(c, live.c), N(g, live.group)))
CALL(weir_once_do,
     number = weir_once_do(N(c, live.c), N(once, live.once), N(fn, nothing), N(arg, &number)))
MAY(weir_once_do, arg, "handed on")

/* --- offload.h, log.h, handle.h, fd.h --- */
CALL(weir_offload_at, number = weir_offload_at(N(site, WEIR_HERE), N(c, live.c), N(fn, compute),
                                               N(arg, &number), N(options, &options.offload)))
CALL(weir_log_at, weir_log_at(N(site, WEIR_HERE), N(c, live.c), WEIR_LOG_ERROR, N(format, "%d"), 1))
CALL(weir_log_watch, weir_log_watch(N(see, see_line), N(arg, &number)))
CALL(weir_handle_get, use(weir_handle_get(N(c, live.c), N(handle, &weir_handle_anything))))
CALL(weir_fd_adopt_at, number = weir_fd_adopt_at(N(site, WEIR_HERE), N(c, live.c), 0))
START(weir_provide_at, weir_provide_at(N(site, WEIR_HERE), N(group, group),
                                       N(handle, &weir_handle_another), N(object, &number)))
START(weir_needs_at,
      weir_needs_at(N(site, WEIR_HERE), N(group, group), N(handle, &weir_handle_anything)))
MAY(weir_offload_at, arg, "handed on")
MAY(weir_log_at, c, "a line of no context")
MAY(weir_log_watch, see, "ends it")
MAY(weir_log_watch, arg, "handed on")

/* --- request.h --- */
CALL(weir_request_method, number = (int)weir_request_method(N(c, live.c)))
CALL(weir_request_method_text, weir_request_method_text(N(c, live.c)))
CALL(weir_request_path, weir_request_path(N(c, live.c)))
CALL(weir_request_query, weir_request_query(N(c, live.c)))
CALL(weir_request_route, weir_request_route(N(c, live.c)))
CALL(weir_request_id, weir_request_id(N(c, live.c)))
CALL(weir_request_ip, weir_request_ip(N(c, live.c)))
CALL(weir_request_protocol, weir_request_protocol(N(c, live.c)))
CALL(weir_request_is_tls, weir_request_is_tls(N(c, live.c)))
CALL(weir_param_of, weir_param_of(N(c, live.c), WEIR_S("x")))
CALL(weir_query_param_of, weir_query_param_of(N(c, live.c), WEIR_S("x")))
CALL(weir_header_of, weir_header_of(N(c, live.c), WEIR_S("x")))
CALL(weir_cookie_of, weir_cookie_of(N(c, live.c), WEIR_S("x")))
CALL(weir_header_next, truth = weir_header_next(N(c, live.c), N(iter, &iter)))
CALL(weir_trailer_of, weir_trailer_of(N(c, live.c), WEIR_S("x")))
CALL(weir_trailer_next, truth = weir_trailer_next(N(c, live.c), N(iter, &iter)))
CALL(weir_wants_trailers, truth = weir_wants_trailers(N(c, live.c)))
CALL(weir_param_str, number = weir_param_str(N(c, live.c), N(name, "x"), N(out, &text)))
CALL(weir_param_i64, number = weir_param_i64(N(c, live.c), N(name, "x"), N(out, &big)))
CALL(weir_query_param_str, number = weir_query_param_str(N(c, live.c), N(name, "q"), N(out, &text)))
CALL(weir_query_param_i64, number = weir_query_param_i64(N(c, live.c), N(name, "q"), N(out, &big)))
CALL(weir_query_param_double,
     number = weir_query_param_double(N(c, live.c), N(name, "q"), N(out, &real)))
CALL(weir_query_param_bool,
     number = weir_query_param_bool(N(c, live.c), N(name, "q"), N(out, &truth)))
CALL(weir_body, number = weir_body(N(c, live.c), 1 << 10, N(out, &text)))
CALL(weir_body_read, number = (int)weir_body_read(N(c, live.c), N(bytes, &big), 1))
CALL(weir_bind_json_at,
     number = weir_bind_json_at(N(c, live.c), N(model, &weir_model_number_of_x), N(out, &thing)))
CALL(weir_bind_query_at,
     number = weir_bind_query_at(N(c, live.c), N(model, &weir_model_number_of_x), N(out, &thing)))
CALL(weir_bind_form_at,
     number = weir_bind_form_at(N(c, live.c), N(model, &weir_model_number_of_x), N(out, &thing)))
CALL(weir_bind_path_at,
     number = weir_bind_path_at(N(c, live.c), N(model, &weir_model_number_of_x), N(out, &thing)))

/* --- trace.h --- */
CALL(weir_trace_id, weir_trace_id(N(c, live.c)))
CALL(weir_span_id, weir_span_id(N(c, live.c)))
CALL(weir_traceparent, weir_traceparent(N(c, live.c)))

/* --- response.h, fail.h, mw.h --- */
MAY(weir_text_z, text, "the absent text")
CALL(weir_json_at,
     number = weir_json_at(N(c, live.c), 200, N(model, &weir_model_number_of_x), N(object, &thing)))
CALL(weir_reply_at,
     number = weir_reply_at(N(c, live.c), N(model, &weir_model_number_of_x), N(object, &thing)))
CALL(weir_text_str, number = weir_text_str(N(c, live.c), 200, WEIR_S("x")))
CALL(weir_text_z, number = weir_text_z(N(c, live.c), 200, N(text, "x")))
CALL(weir_textf, number = weir_textf(N(c, live.c), 200, N(format, "%d"), 1))
CALL(weir_bytes, number = weir_bytes(N(c, live.c), 200, N(type, "text/plain"), WEIR_S("x")))
CALL(weir_no_content, number = weir_no_content(N(c, live.c)))
CALL(weir_redirect, number = weir_redirect(N(c, live.c), 302, WEIR_S("/")))
CALL(weir_set_header, number = weir_set_header(N(c, live.c), N(name, "X-A"), WEIR_S("x")))
CALL(weir_add_header, number = weir_add_header(N(c, live.c), N(name, "X-A"), WEIR_S("x")))
CALL(weir_remove_header, truth = weir_remove_header(N(c, live.c), N(name, "X-A")))
CALL(weir_add_trailer_at,
     number = weir_add_trailer_at(N(site, WEIR_HERE), N(c, live.c), N(name, "X-A"), WEIR_S("x")))
CALL(weir_announce_trailer_at,
     number = weir_announce_trailer_at(N(site, WEIR_HERE), N(c, live.c), N(name, "X-A")))
CALL(weir_http_await, number = weir_http_await(N(r, live.reply)))
CALL(weir_http_trailer, number = weir_http_trailer(N(r, live.reply), N(name, "X-A"), WEIR_S("x")))
CALL(weir_cookie_set_at, number = weir_cookie_set_at(N(c, live.c), N(name, "a"), WEIR_S("b"),
                                                     N(options, &options.cookie)))
CALL(weir_json_array, use(weir_json_array(N(c, live.c), 200)))
CALL(weir_stream_begin, use(weir_stream_begin(N(c, live.c), 200, N(type, "text/plain"))))
CALL(weir_stream_put_at,
     number = weir_stream_put_at(N(stream, an_array()), N(model, &weir_model_number_of_x),
                                 N(object, &thing)))
CALL(weir_stream_write, number = weir_stream_write(N(stream, a_stream()), WEIR_S("x")))
CALL(weir_stream_flush, number = weir_stream_flush(N(stream, a_stream())))
CALL(weir_stream_end, number = weir_stream_end(N(stream, a_stream()), WEIR_OK))
CALL(weir_file_at, number = weir_file_at(N(c, live.c), WEIR_S("x"), N(options, &options.file)))
CALL(weir_fail_at, number = weir_fail_at(N(site, WEIR_HERE), N(c, live.c), 500, N(format, "%d"), 1))
CALL(weir_fail_bind_at, number = weir_fail_bind_at(N(site, WEIR_HERE), N(c, live.c)))
CALL(weir_fail_last_at, number = weir_fail_last_at(N(site, WEIR_HERE), N(c, live.c), 500))
CALL(weir_next, number = weir_next(N(c, live.c)))
CALL(weir_mw_recover, number = weir_mw_recover(N(c, live.c)))
CALL(weir_mw_log, number = weir_mw_log(N(c, live.c)))
CALL(weir_mw_request_id, number = weir_mw_request_id(N(c, live.c)))
CALL(weir_mw_metrics, number = weir_mw_metrics(N(c, live.c)))

/* --- route.h and what else is said before the start --- */
START(weir_static_at, weir_static_at(N(site, WEIR_HERE), N(group, group), N(pattern, "/s"),
                                     N(folder, "/tmp"), N(options, &options.folder)))
START(weir_group_new_at, use(weir_group_new_at(N(site, WEIR_HERE), N(above, group), N(prefix, "/g"),
                                               N(names, ".use = mw"), N(options, &options.group))))
START(weir_use_at,
      weir_use_at(N(site, WEIR_HERE), N(group, group), N(names, "mw"), N(handlers, middleware), 1))
START(weir_route_at, weir_route_at(N(site, WEIR_HERE), N(group, group), WEIR_GET, N(pattern, "/r"),
                                   N(names, "handler"), N(options, &options.route)))
START(weir_slash_policy_of, weir_slash_policy_of(N(group, group), WEIR_SLASH_STRICT))
START(weir_fallback_at, weir_fallback_at(N(site, WEIR_HERE), N(group, group),
                                         N(handler, middleware[0]), N(name, "handler")))
START(weir_error_table_at, weir_error_table_at(N(site, WEIR_HERE), N(group, group), sizeof an_entry,
                                               N(entries, &an_entry), 1))
START(weir_app_new_at, run(weir_app_new_at(1, N(argv, an_argv), N(options, &options.app))))
START(weir_app_run, run(N(app, (weir_app *)NULL)))
MAY(weir_group_new_at, prefix, "\"\"")
MAY(weir_group_new_at, names, "only shown")
MAY(weir_use_at, names, "only shown")
MAY(weir_route_at, names, "only shown")
MAY(weir_fallback_at, name, "only shown")

/* --- db.h, sql.h, batch.h, sqlite.h, postgres.h, mysql.h --- */
CALL(weir_db_open_at,
     use(weir_db_open_at(N(site, WEIR_HERE), N(c, live.c), N(options, &options.db))))
CALL(weir_db_kind_of, number = (int)weir_db_kind_of(N(url, "t.db")))
MAY(weir_db_kind_of, url, "no database's")
CALL(weir_sqlite_open_at,
     use(weir_sqlite_open_at(N(site, WEIR_HERE), N(c, live.c), N(options, &options.sqlite))))
CALL(weir_postgres_open_at,
     use(weir_postgres_open_at(N(site, WEIR_HERE), N(c, live.c), N(options, &options.postgres))))
CALL(weir_mysql_open_at,
     use(weir_mysql_open_at(N(site, WEIR_HERE), N(c, live.c), N(options, &options.mysql))))
CALL(weir_postgres_listen_at, use(weir_postgres_listen_at(N(site, WEIR_HERE), N(c, live.c),
                                                          N(db, live.db), N(channels, "x"))))
CALL(weir_postgres_listener_next,
     number = weir_postgres_listener_next(N(c, live.c), N(l, live.listener),
                                          N(out, &a_notification)))
CALL(weir_postgres_listener_close, weir_postgres_listener_close(N(c, live.c), N(l, live.listener)))
CALL(weir_query_at,
     use(weir_query_at(N(site, WEIR_HERE), N(c, live.c), weir_source_of(N(from, live.db)), 0,
                       N(sql, "SELECT ?"), N(args, &an_arg), 1)))
CALL(weir_rows_next_at,
     truth = weir_rows_next_at(N(rows, some_rows()), N(model, &weir_model_number_of_x),
                               N(out, &thing)))
CALL(weir_rows_err, number = weir_rows_err(N(rows, some_rows())))
CALL(weir_rows_close, weir_rows_close(N(rows, some_rows())))
CALL(weir_query_one_at,
     number = weir_query_one_at(N(site, WEIR_HERE), N(c, live.c), weir_source_of(N(from, a_tx())),
                                N(model, &weir_model_number_of_x), N(out, &thing),
                                N(sql, "SELECT ? AS x"), N(args, &an_arg), 1))
CALL(weir_query_all_at,
     number = weir_query_all_at(N(site, WEIR_HERE), N(c, live.c), weir_source_of(N(from, a_tx())),
                                N(model, &weir_model_number_of_x), N(out, &many), 1,
                                N(sql, "SELECT ? AS x"), N(args, &an_arg), 1))
CALL(weir_insert_at, number = weir_insert_at(N(site, WEIR_HERE), N(tx, a_tx()), N(table, "x"),
                                             N(model, &weir_model_number_of_x), N(items, &thing), 1,
                                             N(options, &options.insert)))
CALL(weir_tx_retry_at,
     number = weir_tx_retry_at(N(site, WEIR_HERE), N(c, live.c), N(db, live.db),
                               N(fn, nothing_in_tx), N(arg, &number), N(options, &options.retry)))
CALL(weir_begin_at, use(weir_begin_at(N(site, WEIR_HERE), N(c, live.c),
                                      weir_source_of(N(from, live.db)), N(options, &options.tx))))
CALL(weir_exec_at, number = weir_exec_at(N(site, WEIR_HERE), N(tx, a_tx()), N(sql, "SELECT ?"),
                                         N(args, &an_arg), 1))
CALL(weir_changes, big = weir_changes(N(tx, a_tx())))
CALL(weir_last_insert_id, big = weir_last_insert_id(N(tx, a_tx())))
CALL(weir_tx_err, number = weir_tx_err(N(tx, a_tx())))
CALL(weir_commit_at, number = weir_commit_at(N(site, WEIR_HERE), N(tx, a_tx())))
CALL(weir_rollback, weir_rollback(N(tx, a_tx())))
CALL(weir_db_exec_at,
     number = weir_db_exec_at(N(site, WEIR_HERE), N(c, live.c), N(db, live.db), N(result, &result),
                              sizeof result, N(sql, "SELECT ?"), N(args, &an_arg), 1))
CALL(weir_batch_new_at,
     use(weir_batch_new_at(N(site, WEIR_HERE), N(c, live.c), weir_source_of(N(from, live.db)))))
CALL(weir_batch_one_at,
     weir_batch_one_at(N(site, WEIR_HERE), N(b, a_batch()), N(model, &weir_model_number_of_x),
                       N(out, &thing), N(sql, "SELECT ? AS x"), N(args, &an_arg), 1))
CALL(weir_batch_all_at,
     weir_batch_all_at(N(site, WEIR_HERE), N(b, a_batch()), N(model, &weir_model_number_of_x),
                       N(out, &many), 1, N(sql, "SELECT ? AS x"), N(args, &an_arg), 1))
CALL(weir_batch_exec_at, weir_batch_exec_at(N(site, WEIR_HERE), N(b, a_batch()), N(result, &result),
                                            sizeof result, N(sql, "SELECT ?"), N(args, &an_arg), 1))
CALL(weir_batch_run_at, number = weir_batch_run_at(N(site, WEIR_HERE), N(b, a_batch())))
CALL(weir_batch_err, number = weir_batch_err(N(b, a_batch_of_one()), 0))
CALL(weir_batch_error, use(weir_batch_error(N(b, a_batch_of_one()), 0)))
CALL(weir_batch_may_have_run, truth = weir_batch_may_have_run(N(b, a_batch_of_one()), 0))
CALL(weir_exec_script_at, number = weir_exec_script_at(N(site, WEIR_HERE), N(c, live.c),
                                                       N(db, live.db), N(sql, "SELECT 1")))
CALL(weir_db_err, number = weir_db_err(N(db, live.db)))
CALL(weir_check_sql_at,
     number = weir_check_sql_at(N(site, WEIR_HERE), N(c, live.c), N(db, live.db), N(report, &buf)))
CALL(weir_migrate_at, number = weir_migrate_at(N(site, WEIR_HERE), N(c, live.c), N(db, live.db),
                                               N(options, &options.migrate)))
CALL(weir_migration_version_at,
     number = weir_migration_version_at(N(site, WEIR_HERE), N(c, live.c), N(db, live.db),
                                        N(version, &big)))
CALL(weir_page_cursor_at,
     use(weir_page_cursor_at(N(site, WEIR_HERE), N(c, live.c), N(values, &an_arg), 1).ptr))
CALL(weir_page_read_at, number = weir_page_read_at(N(c, live.c), WEIR_S(""), N(outs, &a_place), 1))
CALL(weir_db_name, use(weir_db_name(N(db, live.db))))
CALL(weir_db_stats_at,
     weir_db_stats_at(N(db, live.db), N(readers, &stats), N(writer, &stats), sizeof stats))
CALL(weir_db_suspend, weir_db_suspend(N(db, live.db)))
CALL(weir_db_resume, weir_db_resume(N(db, live.db)))
CALL(weir_db_resize, number = weir_db_resize(N(db, live.db), 1, 0))
MAY(weir_tx_retry_at, arg, "handed on")
MAY(weir_rows_next_at, rows, "there are none")
MAY(weir_rows_err, rows, "there are none")
MAY(weir_rows_close, rows, "there are none")
MAY(weir_db_exec_at, result, "not asked for")
MAY(weir_batch_exec_at, result, "not asked for")
MAY(weir_db_stats_at, readers, "not asked for")
MAY(weir_db_stats_at, writer, "not asked for")
NONE(weir_pool_closed_name, "a number")

/* --- file.h --- */
CALL(weir_file_open_at, use(weir_file_open_at(N(site, WEIR_HERE), N(c, live.c), N(path, "none"),
                                              N(options, &options.open))))
CALL(weir_file_temp_at,
     use(weir_file_temp_at(N(site, WEIR_HERE), N(c, live.c), N(options, &options.temp))))
CALL(weir_file_read, number = (int)weir_file_read(N(c, live.c), N(f, live.file), N(bytes, &big), 1))
CALL(weir_file_pread,
     number = (int)weir_file_pread(N(c, live.c), N(f, live.file), N(bytes, &big), 1, 0))
CALL(weir_file_write, number = weir_file_write(N(c, live.c), N(f, live.file), N(bytes, "x"), 1))
CALL(weir_file_pwrite,
     number = weir_file_pwrite(N(c, live.c), N(f, live.file), N(bytes, "x"), 1, 0))
CALL(weir_file_sync, number = weir_file_sync(N(c, live.c), N(f, live.file)))
CALL(weir_file_size, big = weir_file_size(N(c, live.c), N(f, live.file)))
CALL(weir_file_err, number = weir_file_err(N(f, live.file)))
CALL(weir_file_close, number = weir_file_close(N(c, live.c), N(f, live.file)))

/* --- socket.h --- */
CALL(weir_dial_at, use(weir_dial_at(N(site, WEIR_HERE), N(c, live.c), N(where, "127.0.0.1:1"),
                                    N(options, &options.dial))))
CALL(weir_socket_recv,
     number = (int)weir_socket_recv(N(c, live.c), N(s, live.socket), N(bytes, &big), 1))
CALL(weir_socket_send, number = weir_socket_send(N(c, live.c), N(s, live.socket), N(bytes, "x"), 1))
CALL(weir_socket_shutdown, number = weir_socket_shutdown(N(c, live.c), N(s, live.socket)))
CALL(weir_socket_alpn, weir_socket_alpn(N(s, live.socket)))
CALL(weir_socket_err, number = weir_socket_err(N(s, live.socket)))
CALL(weir_socket_close, weir_socket_close(N(c, live.c), N(s, live.socket)))

/* --- client.h --- */
CALL(weir_http_open_at,
     use(weir_http_open_at(N(site, WEIR_HERE), N(c, live.c), N(options, &options.http))))
CALL(weir_http_err, number = weir_http_err(N(http, live.http)))
CALL(weir_http_drain, number = weir_http_drain(N(c, live.c), N(http, live.http), N(url, "x"), true))
CALL(weir_http_do_at,
     use(weir_http_do_at(N(site, WEIR_HERE), N(c, live.c), N(http, live.http), N(method, "GET"),
                         N(target, "no target"), N(options, &options.call))))
CALL(weir_http_begin_at,
     use(weir_http_begin_at(N(site, WEIR_HERE), N(c, live.c), N(http, live.http), N(method, "GET"),
                            N(target, "no target"), N(options, &options.call))))
CALL(weir_http_write, number = weir_http_write(N(r, live.reply), N(bytes, "x"), 1))
CALL(weir_http_finish, number = weir_http_finish(N(r, live.reply)))
CALL(weir_reply_err, number = weir_reply_err(N(r, live.reply)))
CALL(weir_reply_status, number = weir_reply_status(N(r, live.reply)))
CALL(weir_reply_header, text = weir_reply_header(N(r, live.reply), N(name, "x")))
CALL(weir_reply_header_at,
     truth = weir_reply_header_at(N(r, live.reply), 0, N(name, &text), N(value, &text)))
CALL(weir_reply_trailer_at,
     truth = weir_reply_trailer_at(N(r, live.reply), 0, N(name, &text), N(value, &text)))
CALL(weir_reply_trailer, text = weir_reply_trailer(N(r, live.reply), N(name, "x")))
CALL(weir_reply_read, number = (int)weir_reply_read(N(r, live.reply), N(bytes, &big), 1))
CALL(weir_reply_body, text = weir_reply_body(N(r, live.reply)))
CALL(weir_reply_json_at,
     number = weir_reply_json_at(N(site, WEIR_HERE), N(r, live.reply),
                                 N(model, &weir_model_number_of_x), N(out, &thing)))
CALL(weir_reply_close, weir_reply_close(N(r, live.reply)))

/* --- proxy.h --- */
CALL(weir_proxy_at, number = weir_proxy_at(N(site, WEIR_HERE), N(c, live.c), N(http, live.http),
                                           N(options, &options.proxy)))

/* --- tls.h --- */
CALL(weir_tls_new_at,
     use(weir_tls_new_at(N(site, WEIR_HERE), N(c, live.c), N(options, &options.tls))))
CALL(weir_tls_err, number = weir_tls_err(N(tls, live.tls)))

/* --- process.h --- */
CALL(weir_spawn_at, use(weir_spawn_at(N(site, WEIR_HERE), N(c, live.c), N(argv, no_program),
                                      N(options, &options.spawn))))
CALL(weir_process_read,
     number = (int)weir_process_read(N(c, live.c), N(p, live.process), N(bytes, &big), 1))
CALL(weir_process_read_err,
     number = (int)weir_process_read_err(N(c, live.c), N(p, live.process), N(bytes, &big), 1))
CALL(weir_process_read_all,
     number = weir_process_read_all(N(c, live.c), N(p, live.process), 1, N(out, &text)))
CALL(weir_process_write,
     number = weir_process_write(N(c, live.c), N(p, live.process), N(bytes, "x"), 1))
CALL(weir_process_end_input, weir_process_end_input(N(c, live.c), N(p, live.process)))
CALL(weir_process_wait, number = weir_process_wait(N(c, live.c), N(p, live.process)))
CALL(weir_process_signal, number = weir_process_signal(N(c, live.c), N(p, live.process), 1))
CALL(weir_process_close, weir_process_close(N(c, live.c), N(p, live.process)))
CALL(weir_process_pid, number = weir_process_pid(N(p, live.process)))
CALL(weir_process_err, number = weir_process_err(N(p, live.process)))

/* --- timer.h --- */
CALL(weir_timer_after_at,
     number = weir_timer_after_at(N(site, WEIR_HERE), N(c, live.c), weir_sec(1), N(fn, nothing),
                                  N(name, "nothing"), N(arg, &number), N(out, &timer)))
CALL(weir_timer_every_at,
     number = weir_timer_every_at(N(site, WEIR_HERE), N(c, live.c), weir_sec(1), N(fn, nothing),
                                  N(name, "nothing"), N(arg, &number), N(out, &timer)))
CALL(weir_timer_stop, truth = weir_timer_stop(N(c, live.c), timer))
MAY(weir_timer_after_at, name, "only shown")
MAY(weir_timer_after_at, arg, "handed on")
MAY(weir_timer_after_at, out, "not asked for")
MAY(weir_timer_every_at, name, "only shown")
MAY(weir_timer_every_at, arg, "handed on")
MAY(weir_timer_every_at, out, "not asked for")

/* --- cache.h --- */
CALL(weir_cache_new_at,
     use(weir_cache_new_at(N(site, WEIR_HERE), N(app, the_app()), N(options, &options.cache))))
CALL(weir_cache_err, number = weir_cache_err(N(cache, live.cache)))
CALL(weir_cache_get_at,
     number = weir_cache_get_at(N(site, WEIR_HERE), N(c, live.c), N(cache, live.cache), a_value,
                                N(model, &weir_model_int64_t), N(out, &big), N(load, load_nothing),
                                N(arg, &number)))
CALL(weir_cache_pin_at,
     number = weir_cache_pin_at(N(site, WEIR_HERE), N(c, live.c), N(cache, live.cache), a_value,
                                N(model, &weir_model_int64_t), N(out, (const void **)&pinned),
                                N(load, load_nothing), N(arg, &number)))
CALL(weir_cache_unpin, weir_cache_unpin(N(c, live.c), N(value, pinned_here())))
CALL(weir_cache_put_at, number = weir_cache_put_at(N(c, live.c), N(cache, live.cache), a_value,
                                                   N(model, &weir_model_int64_t), N(value, &big)))
CALL(weir_cache_remove, number = weir_cache_remove(N(c, live.c), N(cache, live.cache), a_value))
CALL(weir_cache_clear, weir_cache_clear(N(c, live.c), N(cache, live.cache)))
CALL(weir_cache_guard_add, weir_cache_guard_add(N(c, live.c), N(cache, live.cache), a_value))
CALL(weir_cache_guard_ready, weir_cache_guard_ready(N(c, live.c), N(cache, live.cache)))
CALL(weir_cache_share_at,
     number = weir_cache_share_at(N(site, WEIR_HERE), N(app, live.c), N(cache, live.cache),
                                  N(redis, live.redis), N(options, &options.share)))
CALL(weir_cache_numbers_at,
     weir_cache_numbers_at(N(cache, live.cache), N(out, &cache_numbers), sizeof cache_numbers))
MAY(weir_cache_get_at, load, "what is not there stays away")
MAY(weir_cache_get_at, arg, "handed on")
MAY(weir_cache_pin_at, load, "what is not there stays away")
MAY(weir_cache_pin_at, arg, "handed on")
MAY(weir_cache_unpin, value, "does nothing")

/* --- topic.h --- */
CALL(weir_topic_new_at,
     use(weir_topic_new_at(N(site, WEIR_HERE), N(c, live.c), 4, N(options, &options.topic))))
CALL(weir_subscribe_at, use(weir_subscribe_at(N(site, WEIR_HERE), N(c, live.c),
                                              N(topic, live.topic), N(options, &options.sub))))
CALL(weir_publish, number = weir_publish(N(c, live.c), N(topic, live.topic), N(elem, &number)))
CALL(weir_subscription_recv,
     number = weir_subscription_recv(N(c, live.c), N(s, live.subscription), N(elem, &number)))
CALL(weir_subscription_try_recv,
     number = weir_subscription_try_recv(N(c, live.c), N(s, live.subscription), N(elem, &number)))
CALL(weir_subscription_chan, use(weir_subscription_chan(N(s, live.subscription))))
CALL(weir_subscription_dropped, big = (int64_t)weir_subscription_dropped(N(s, live.subscription)))
CALL(weir_unsubscribe, weir_unsubscribe(N(c, live.c), N(s, live.subscription)))
CALL(weir_topic_subscribers, number = (int)weir_topic_subscribers(N(topic, live.topic)))

/* --- buf.h, json.h, model.h, str.h, value.h --- */
CALL(weir_buf_init, weir_buf_init(N(b, &buf), 1))
CALL(weir_buf_init_fixed, weir_buf_init_fixed(N(b, &buf), N(bytes, bytes), sizeof bytes))
CALL(weir_buf_fini, weir_buf_fini(N(b, &buf)))
CALL(weir_buf_reserve, use(weir_buf_reserve(N(b, a_buf()), 1)))
CALL(weir_buf_add, weir_buf_add(N(b, a_buf()), N(bytes, "x"), 1))
CALL(weir_buf_puts, weir_buf_puts(N(b, a_buf()), WEIR_S("x")))
CALL(weir_buf_putc, weir_buf_putc(N(b, a_buf()), 'x'))
CALL(weir_buf_printf, weir_buf_printf(N(b, a_buf()), N(format, "%d"), 1))
CALL(weir_json_encode, number = weir_json_encode(N(out, a_buf()), N(model, &weir_model_number_of_x),
                                                 N(object, &thing)))
CALL(weir_str_i64, number = weir_str_i64(WEIR_S("1"), N(out, &big)))
CALL(weir_wall_parse, number = weir_wall_parse(WEIR_S("2026-01-01T00:00:00Z"), N(out, &wall)))
CALL(weir_wall_text, number = (int)weir_wall_text(wall, N(out, bytes)))
CALL(weir_uuid_parse,
     number = weir_uuid_parse(WEIR_S("123e4567-e89b-12d3-a456-426614174000"), N(out, &uuid)))
CALL(weir_uuid_text, number = (int)weir_uuid_text(uuid, N(out, bytes)))
CALL(weir_decimal_parse, number = weir_decimal_parse(WEIR_S("1"), N(out, &decimal)))
CALL(weir_decimal_text, number = (int)weir_decimal_text(decimal, N(out, bytes)))
START(weir_checked_sql_register,
      weir_checked_sql_register(N(table, &a_table), N(from, statements), N(to, statements)))
MAY(weir_checked_sql_register, from, "there are none")
MAY(weir_checked_sql_register, to, "there are none")
CALL(weir_checked_sql_list, number = (int)weir_checked_sql_list(N(out, statements), 1))
START(weir_model_register, weir_model_register(N(model, &weir_model_number_of_x)))

/* --- metric.h --- */
CALL(weir_counter_add, weir_counter_add(N(counter, &a_counter), 1))
CALL(weir_counter_of_at, use(weir_counter_of_at(N(counter, &counters), N(values, &a_value), 1)))
CALL(weir_counter_read, big = (int64_t)weir_counter_read(N(counter, &a_counter)))
CALL(weir_gauge_set, weir_gauge_set(N(gauge, &a_gauge), 1))
CALL(weir_gauge_add, weir_gauge_add(N(gauge, &a_gauge), 1))
CALL(weir_gauge_of_at, use(weir_gauge_of_at(N(gauge, &gauges), N(values, &a_value), 1)))
CALL(weir_gauge_read, big = weir_gauge_read(N(gauge, &a_gauge)))
CALL(weir_histogram_record, weir_histogram_record(N(histogram, &a_histogram), 1))
CALL(weir_histogram_record_time, weir_histogram_record_time(N(histogram, &a_histogram), weir_ms(1)))
CALL(weir_histogram_of_at,
     use(weir_histogram_of_at(N(histogram, &histograms), N(values, &a_value), 1)))
CALL(weir_histogram_count, big = (int64_t)weir_histogram_count(N(histogram, &a_histogram)))
START(weir_metric_register, weir_metric_register(N(metric, &a_counter.metric)))

/* --- test.h: a test's own, where a fault says as much as a message --- */
NONE(weir_test_open, "a test's own")
NONE(weir_test_error, "a test's own")
NONE(weir_test_close, "a test's own")
NONE(weir_test_request_of, "a test's own")
NONE(weir_test_header, "a test's own")
NONE(weir_test_run, "a test's own")
NONE(weir_test_advance, "a test's own")
NONE(weir_test_leaks, "a test's own")
NONE(weir_test_check_sql, "a test's own")
NONE(weir_test_log, "a test's own")
NONE(weir_test_everywhere_at, "a test's own")

/* --- redis.h --- */
CALL(weir_redis_map_get, use(weir_redis_map_get(N(map, &a_value_of_redis), WEIR_S("x"))))
CALL(weir_redis_open_at,
     use(weir_redis_open_at(N(site, WEIR_HERE), N(c, live.c), N(options, &options.redis))))
CALL(weir_redis_err, number = weir_redis_err(N(redis, live.redis)))
CALL(weir_redis_name, use(weir_redis_name(N(redis, live.redis))))
CALL(weir_redis_numbers_at,
     weir_redis_numbers_at(N(redis, live.redis), N(stats, &redis_stats), sizeof redis_stats))
CALL(weir_redis_cmd_at,
     number = weir_redis_cmd_at(N(site, WEIR_HERE), N(c, live.c), N(redis, live.redis),
                                N(reply, &a_value_of_redis), N(command, "GET"), N(args, &an_arg),
                                1))
CALL(weir_redis_get_at, number = weir_redis_get_at(N(site, WEIR_HERE), N(c, live.c),
                                                   N(redis, live.redis), an_arg, N(out, &text)))
CALL(weir_redis_get_into_at,
     number = weir_redis_get_into_at(N(site, WEIR_HERE), N(c, live.c), N(redis, live.redis), an_arg,
                                     N(out, &buf)))
CALL(weir_redis_set_at,
     number = weir_redis_set_at(N(site, WEIR_HERE), N(c, live.c), N(redis, live.redis), an_arg,
                                an_arg, N(options, &options.redis_set)))
CALL(weir_redis_incr_at, number = weir_redis_incr_at(N(site, WEIR_HERE), N(c, live.c),
                                                     N(redis, live.redis), an_arg, 1, N(out, &big)))
CALL(weir_redis_del_at, number = weir_redis_del_at(N(site, WEIR_HERE), N(c, live.c),
                                                   N(redis, live.redis), an_arg, N(out, &truth)))
CALL(weir_redis_expire_at,
     number = weir_redis_expire_at(N(site, WEIR_HERE), N(c, live.c), N(redis, live.redis), an_arg,
                                   weir_sec(1), N(out, &truth)))
CALL(weir_redis_mget_at,
     number = weir_redis_mget_at(N(site, WEIR_HERE), N(c, live.c), N(redis, live.redis),
                                 N(keys, &a_value), 1, N(out, &text)))
CALL(weir_redis_hget_model_at,
     number = weir_redis_hget_model_at(N(site, WEIR_HERE), N(c, live.c), N(redis, live.redis),
                                       N(model, &weir_model_number_of_x), N(out, &thing), an_arg))
CALL(weir_redis_hset_model_at,
     number = weir_redis_hset_model_at(N(site, WEIR_HERE), N(c, live.c), N(redis, live.redis),
                                       N(model, &weir_model_number_of_x), N(object, &thing),
                                       an_arg))
CALL(weir_redis_eval_at,
     number = weir_redis_eval_at(N(site, WEIR_HERE), N(c, live.c), N(redis, live.redis),
                                 N(reply, &a_value_of_redis), 0, N(script, "return 1"),
                                 N(args, &an_arg), 1))
CALL(weir_redis_pipe_new_at,
     use(weir_redis_pipe_new_at(N(site, WEIR_HERE), N(c, live.c), N(redis, live.redis), false)))
CALL(weir_redis_watch_at,
     number = weir_redis_watch_at(N(site, WEIR_HERE), N(pipe, live.redis_pipe), an_arg))
CALL(weir_redis_look_at, number = weir_redis_look_at(N(site, WEIR_HERE), N(pipe, live.redis_pipe),
                                                     N(reply, &a_value_of_redis), N(command, "GET"),
                                                     N(args, &an_arg), 1))
CALL(weir_redis_add_at, number = weir_redis_add_at(N(site, WEIR_HERE), N(pipe, live.redis_pipe),
                                                   N(command, "GET"), N(args, &an_arg), 1))
CALL(weir_redis_run_at, number = weir_redis_run_at(N(site, WEIR_HERE), N(pipe, live.redis_pipe)))
CALL(weir_redis_next, use(weir_redis_next(N(pipe, live.redis_pipe))))
CALL(weir_redis_drop, weir_redis_drop(N(pipe, live.redis_pipe)))
CALL(weir_redis_subscribe_at,
     use(weir_redis_subscribe_at(N(site, WEIR_HERE), N(c, live.c), N(redis, live.redis),
                                 N(channel, "x"), N(options, &options.redis_sub))))
CALL(weir_redis_recv_at,
     number = weir_redis_recv_at(N(c, live.c), N(subscription, live.redis_subscription),
                                 N(out, &redis_message), sizeof redis_message))
CALL(weir_redis_unsubscribe,
     weir_redis_unsubscribe(N(c, live.c), N(subscription, live.redis_subscription)))
CALL(weir_redis_consume_at,
     use(weir_redis_consume_at(N(site, WEIR_HERE), N(c, live.c), N(redis, live.redis),
                               N(stream, "x"), N(options, &options.consume))))
CALL(weir_redis_consumer_next_at,
     number = weir_redis_consumer_next_at(N(consumer, live.consumer), N(out, &redis_entry),
                                          sizeof redis_entry))
CALL(weir_redis_ack, number = weir_redis_ack(N(consumer, live.consumer), WEIR_S("1-1")))
MAY(weir_redis_map_get, map, "has no keys")
MAY(weir_redis_cmd_at, reply, "not asked for")
MAY(weir_redis_incr_at, out, "not asked for")
MAY(weir_redis_del_at, out, "not asked for")
MAY(weir_redis_expire_at, out, "not asked for")
MAY(weir_redis_eval_at, reply, "not asked for")
MAY(weir_redis_look_at, reply, "not asked for")
