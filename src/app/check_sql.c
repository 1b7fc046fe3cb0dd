/*
 * --check-sql: the service starts as ever, as far as its own start goes (databases are opened, the
 * schema is brought up to date), but opens no port; then all statements in WEIR_SQL are prepared.
 * What does not fit is told on standard error, and the exit status is 1.
 */
#include <stdio.h>

#include "app/app.h"
#include "data/sql/sql.h"

enum { REPORT_BYTES_MAX = 1 << 20 };

weir_err weir__app_check_sql(const weir_app *app, weir_ctx *c)
{
    weir_buf report;
    weir_buf_init(&report, REPORT_BYTES_MAX);
    weir_err err = weir__sql_check_opened(WEIR_HERE, c, &report);
    if (report.len > 0) /* an empty one has no bytes to point to */
        fwrite(report.ptr, 1, report.len, stderr);
    if (err == WEIR_OK)
        printf("%s: all statements in WEIR_SQL fit\n", app->settings.name);
    else if (err != WEIR_EINVALID)
        fprintf(stderr, "%s: statements cannot be checked: %s\n", app->settings.name,
                weir_strerror(err));
    weir_buf_fini(&report);
    return err;
}
