/* The C++ sources that the compiler gets: a rewritten source, and what makes a library of one of its kernels. */
#ifndef MLXSHIM_MSL_UNIT_H
#define MLXSHIM_MSL_UNIT_H

#include "mlxshim.h"
#include "rewrite.h"

/* A source that was read. */
struct program {
    const char *source; /* as the user wrote it */
    char *preprocessed;
    struct tokens tokens;
    struct declarations declarations;
    struct rewritten rewritten;
};

struct unit {
    struct text text;
    size_t source_begin; /* of the rewritten source in the text */
    size_t kernel_token; /* of the kernel's name, for errors outside of the source; SIZE_MAX if there is no kernel */
};

/*
 * Makes the unit of a kernel, or one without a kernel if `entry` is NULL. Returns false if memory runs out. A constant
 * whose type is unknown is left out.
 */
bool unit_make(const struct program *program, const struct kernel_entry *entry,
               const struct mlxshim_function_constant *constants, size_t constant_count, struct unit *out_unit);
void unit_free(struct unit *unit);

/* Whether a value has one of the types MLXSHIM_TYPE_*. */
bool unit_knows_type(uint64_t type);

#endif
