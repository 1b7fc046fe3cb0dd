/*
 * Reading migrations: names, numbers, texts and their checksums. Nothing here knows a database.
 */
#include "data/sql/migration_set.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "crypto/digest.h"

static weir_err refuse(struct weir__migration_set *set, weir_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static weir_err refuse(struct weir__migration_set *set, weir_err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(set->message, sizeof set->message, format, args);
    va_end(args);
    return err;
}

/* --- one ------------------------------------------------------------------------------------- */

/* 0: the name has none. */
static int64_t number_of(const char *name)
{
    int64_t n = 0;
    const char *at = name;
    for (; *at >= '0' && *at <= '9' && n <= WEIR__MIGRATIONS_MAX; at++)
        n = n * 10 + (*at - '0');
    return *at == '_' && n <= WEIR__MIGRATIONS_MAX ? n : 0;
}

static bool is_sql(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".sql") == 0;
}

static weir_err sum_up(const char *sql, size_t len, char *sum)
{
    unsigned char digest[WEIR__CRYPTO_SHA256_BYTES];
    const weir_str piece = {sql, len};
    weir_err err = weir__crypto_digest(WEIR__CRYPTO_SHA256, &piece, 1, digest);
    for (size_t i = 0; err == WEIR_OK && i < sizeof digest; i++)
        (void)snprintf(sum + 2 * i, 3, "%02x", digest[i]);
    return err;
}

static struct weir__migration *one_more(struct weir__migration_set *set)
{
    if (set->count == set->room) {
        size_t room = set->room > 0 ? set->room * 2 : 16;
        struct weir__migration *more = weir__realloc(set->items, room * sizeof *more);
        if (more == NULL)
            return NULL;
        set->items = more;
        set->room = room;
    }
    return &set->items[set->count];
}

/* Takes `sql`, which is from the heap, also after an error. */
static weir_err add(struct weir__migration_set *set, const char *name, char *sql, size_t len)
{
    int64_t number = number_of(name);
    struct weir__migration *m = one_more(set);
    weir_err err = sql == NULL || m == NULL ? -ENOMEM : WEIR_OK;
    if (number == 0 || !is_sql(name) || strlen(name) >= WEIR__MIGRATION_NAME)
        err = refuse(set, WEIR_EINVALID,
                     "%.200s: a migration is called by a number from 1 to %d, then _, a name and "
                     ".sql: 0001_users.sql",
                     name, WEIR__MIGRATIONS_MAX);
    else if (err == WEIR_OK && strlen(sql) != len)
        err = refuse(set, WEIR_EINVALID, "%s: has a NUL byte", name);
    if (err == WEIR_OK)
        err = sum_up(sql, len, m->sum);
    if (err != WEIR_OK || m == NULL) {
        weir__free(sql);
        return err;
    }
    m->number = number;
    (void)snprintf(m->name, sizeof m->name, "%s", name);
    m->sql = sql;
    set->count++;
    return WEIR_OK;
}

/* --- all of them ------------------------------------------------------------------------------ */

static weir_err read_file(struct weir__migration_set *set, int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe's would wait */
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        int why = errno;
        if (fd >= 0)
            (void)close(fd);
        return refuse(set, -why, "%s: %s", name, weir_strerror(-why));
    }
    if (!S_ISREG(st.st_mode)) {
        (void)close(fd);
        return refuse(set, WEIR_EINVALID, "%s: is no file", name);
    }
    size_t size = (size_t)st.st_size, len = 0;
    bool is_large = size > WEIR__MIGRATION_BYTES_MAX;
    char *sql = is_large ? NULL : weir__malloc(size + 1);
    ssize_t n = 1;
    while (sql != NULL && len < size && n > 0) {
        n = read(fd, sql + len, size - len);
        len += n > 0 ? (size_t)n : 0;
    }
    int why = errno;
    (void)close(fd);
    if (is_large)
        return refuse(set, WEIR_ETOOLARGE, "%s: over 16 MiB", name);
    if (n < 0) {
        weir__free(sql);
        return refuse(set, -why, "%s: %s", name, weir_strerror(-why));
    }
    if (sql != NULL)
        sql[len] = '\0';
    return add(set, name, sql, len);
}

static weir_err read_folder(struct weir__migration_set *set, const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return refuse(set, -errno, "%s: %s", folder, weir_strerror(-errno));
    weir_err err = WEIR_OK;
    const struct dirent *entry;
    do {
        errno = 0; /* else an error would look like the end */
        entry = readdir(dir);
        if (entry == NULL && errno != 0)
            err = refuse(set, -errno, "%s: %s", folder, weir_strerror(-errno));
        else if (entry != NULL && is_sql(entry->d_name) && entry->d_name[0] != '.')
            err = read_file(set, dirfd(dir), entry->d_name);
    } while (entry != NULL && err == WEIR_OK);
    (void)closedir(dir);
    return err;
}

static weir_err read_texts(struct weir__migration_set *set, const weir_migration *texts,
                           size_t count)
{
    weir_err err = WEIR_OK;
    for (size_t i = 0; err == WEIR_OK && i < count; i++) {
        if (texts[i].name == NULL || texts[i].sql == NULL)
            return refuse(set, WEIR_EINVALID, ".texts: number %zu has no name, or no text", i + 1);
        size_t len = strlen(texts[i].sql);
        char *sql = weir__malloc(len + 1);
        if (sql != NULL)
            memcpy(sql, texts[i].sql, len + 1);
        err = add(set, texts[i].name, sql, len);
    }
    return err;
}

static int compare(const void *a, const void *b)
{
    const struct weir__migration *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return strcmp(x->name, y->name);
}

static weir_err check_numbers(struct weir__migration_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct weir__migration *m = &set->items[i];
        if (i > 0 && m->number == m[-1].number)
            return refuse(set, WEIR_EINVALID, "%s: has the number of %s", m->name, m[-1].name);
        if (m->number != (int64_t)i + 1)
            return refuse(set, WEIR_EINVALID, "%s: there is no migration %zu before it", m->name,
                          i + 1);
    }
    return WEIR_OK;
}

weir_err weir__migration_set_read(struct weir__migration_set *set,
                                  const weir_migrate_options *options)
{
    bool has_folder = options->folder != NULL, has_texts = options->texts != NULL;
    if (has_folder == has_texts)
        return refuse(set, WEIR_EINVALID, "weir_migrate: give .folder or .texts, one of them");
    weir_err err = has_folder ? read_folder(set, options->folder)
                              : read_texts(set, options->texts, options->count);
    if (err != WEIR_OK)
        return err;
    if (set->count > 1)
        qsort(set->items, set->count, sizeof set->items[0], compare);
    return check_numbers(set);
}

void weir__migration_set_fini(struct weir__migration_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        weir__free(set->items[i].sql);
    weir__free(set->items);
    *set = (struct weir__migration_set){.count = 0};
}
