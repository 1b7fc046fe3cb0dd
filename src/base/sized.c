/*
 * Structs of programs that were compiled with other headers; see sized.h. Nothing is owned here and
 * nothing allocated. The one hard thing is not to read past what the program has: its size is
 * believed, the library's is never used for a read. Any thread.
 */
#include "base/sized.h"

#include <string.h>

static bool is_zero(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

bool weir__sized_copy(void *to, size_t size, const void *given, size_t given_size)
{
    size_t known = given_size < size ? given_size : size;
    memcpy(to, given, known);
    memset((char *)to + known, 0, size - known);
    return is_zero((const char *)given + known, given_size - known);
}

bool weir__sized_options(void *to, size_t size, const void *given)
{
    size_t given_size = 0;
    if (given != NULL)
        memcpy(&given_size, given, sizeof given_size);
    if (given_size < sizeof given_size) {
        memset(to, 0, size);
        return false;
    }
    bool is_known = weir__sized_copy(to, size, given, given_size);
    memcpy(to, &size, sizeof size);
    return is_known;
}

void weir__sized_fill(void *to, size_t to_size, const void *from, size_t from_size)
{
    size_t known = to_size < from_size ? to_size : from_size;
    memcpy(to, from, known);
    memset((char *)to + known, 0, to_size - known);
}
