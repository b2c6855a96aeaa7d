/* Reading a source: preprocessing, declarations, and a check of all that is no template. */
#ifndef MLXSHIM_MSL_PROGRAM_H
#define MLXSHIM_MSL_PROGRAM_H

#include "compiler.h"
#include "unit.h"

/*
 * Reads and checks `program->source`. What the compiler says goes to `out_log`. Returns a status as the functions of
 * compiler.h do. The program is freed in any case.
 */
int32_t program_read(struct program *program, const struct compiler *compiler,
                     const struct compiler_language *language, struct text *out_log);
void program_free(struct program *program);

/* Compiles a kernel to the bytes of a shared library, or takes them from the cache. */
int32_t program_build(const struct program *program, const struct compiler *compiler, const struct kernel_entry *entry,
                      const struct mlxshim_function_constant *constants, size_t constant_count,
                      struct text *out_library, struct text *out_log);

/* Appends that there is no kernel of a name, and the names that are like it. */
void program_append_nearest(const struct program *program, const char *name, struct text *out_log);

#endif
