/* As much of a test framework as one program needs: every check is counted, a failed one says where, none ends the run. */
#ifndef CHECK_H
#define CHECK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

static atomic_ulong checks_passed;
static atomic_ulong checks_failed;

static bool check(bool holds, const char *what, const char *file, int line) {
    atomic_fetch_add(holds ? &checks_passed : &checks_failed, 1);
    if (!holds) {
        fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    }
    return holds;
}

#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)

/* For what the lines after it cannot do without. */
#define REQUIRE(condition)      \
    do {                        \
        if (!CHECK(condition)) { \
            return;             \
        }                       \
    } while (false)

#endif
