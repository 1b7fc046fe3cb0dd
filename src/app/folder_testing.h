/*
 * For tests that make a folder: away with it.
 */
#ifndef WEIR_APP_FOLDER_TESTING_H
#define WEIR_APP_FOLDER_TESTING_H

#include <ftw.h>
#include <stdio.h>

static inline int folder_remove_one(const char *path, const struct stat *s, int type,
                                    struct FTW *at)
{
    (void)s, (void)type, (void)at;
    return remove(path);
}

/* With all that is in it; 0, or -1 with errno. */
static inline int folder_remove(const char *folder)
{
    enum { OPEN_MAX_AT_ONCE = 8 };
    return nftw(folder, folder_remove_one, OPEN_MAX_AT_ONCE, FTW_DEPTH | FTW_PHYS);
}

#endif
