/* The size of a pointer is not that of what it points to. */
#include <string.h>
#include <weir/weir.h>

void forget(weir_json_limits *limits)
{
    /* vet: gcc -Wsizeof-pointer-memaccess */
    /* vet: clang-tidy bugprone-sizeof-expression */
    /* vet: cppcheck pointerSize */
    memset(limits, 0, sizeof(limits));
}

void forget_well(weir_json_limits *limits)
{
    memset(limits, 0, sizeof *limits);
}
