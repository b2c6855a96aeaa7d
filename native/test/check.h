/* A minimal test framework: CHECK counts every check, prints the place of a failed one, and lets the program go on. */
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

/* A check that returns from the function if it fails, because the lines after it need its condition. */
#define REQUIRE(condition)      \
    do {                        \
        if (!CHECK(condition)) { \
            return;             \
        }                       \
    } while (false)

#endif
