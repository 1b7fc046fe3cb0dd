/*
 * Pieces of the admin's pages that only this room can write, because it alone knows the rooms they
 * are about.
 */
#ifndef WEIR_APP_ADMIN_H
#define WEIR_APP_ADMIN_H

#include <weir/buf.h>

/* The numbers of every pool of the process. Any thread. */
void weir__app_pool_metrics(weir_buf *out);

/* The numbers of every SQLite database. Any thread. */
void weir__app_sqlite_metrics(weir_buf *out);

#endif
