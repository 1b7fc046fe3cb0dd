/*
 * The migrations of a program, read and in order, before a database is asked.
 */
#ifndef WEIR_DATA_SQL_MIGRATION_SET_H
#define WEIR_DATA_SQL_MIGRATION_SET_H

#include <weir/migrate.h>

enum {
    WEIR__MIGRATIONS_MAX = 9999,
    WEIR__MIGRATION_BYTES_MAX = 16 << 20,
    WEIR__MIGRATION_NAME = 200, /* bytes of a name, its NUL included */
    WEIR__MIGRATION_SUM = 65    /* of a checksum as text: SHA-256 in hexadecimal */
};

struct weir__migration {
    int64_t number;
    char name[WEIR__MIGRATION_NAME];
    char sum[WEIR__MIGRATION_SUM];
    char *sql; /* from the heap, ends with a NUL */
};

/* By number, which is each one's place and 1: once it was checked. */
struct weir__migration_set {
    struct weir__migration *items; /* from the heap */
    size_t count, room;
    char message[400]; /* what is wrong, after an error */
};

/* What the options say, read and checked. Blocks: it is for the offload pool, where folders are.
 * After an error `message` says what is wrong with which file. Ended by _fini in each case. */
weir_err weir__migration_set_read(struct weir__migration_set *set,
                                  const weir_migrate_options *options);
void weir__migration_set_fini(struct weir__migration_set *set);

#endif
