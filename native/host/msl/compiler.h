/* clang and a linker, as programs that run. */
#ifndef MLXSHIM_MSL_COMPILER_H
#define MLXSHIM_MSL_COMPILER_H

#include <stdint.h>

#include "process.h"

/* What the user may set. Each is NULL or a text. */
struct compiler_configuration {
    char *program;
    char *options;
    char *cache;
};

struct compiler {
    char *program;
    char *identity; /* tells one version of the program from another */
    char *options;  /* of the user, or NULL */
    char *cache;    /* a folder, or NULL */
    bool fast_math;
};

/* The macros and the language of a source. */
struct compiler_language {
    const char *macros; /* lines NAME=VALUE, or NULL */
    int32_t version;    /* major << 16 | minor */
};

/*
 * Finds the compiler. Every function with a status returns MLXSHIM_OK, MLXSHIM_ERROR_COMPILATION,
 * MLXSHIM_ERROR_UNSUPPORTED or MLXSHIM_ERROR_OUT_OF_MEMORY, and appends what there is to say to `out_log`.
 */
int32_t compiler_open(const struct compiler_configuration *configuration, bool fast_math, struct compiler *out_compiler,
                      struct text *out_log);
void compiler_close(struct compiler *compiler);

/* Whether sources may include files of the user's. */
bool compiler_has_include_folders(const struct compiler *compiler);

/* The name in the cache of what the compiler makes of these bytes in a way that `kind` names. The caller frees it. */
char *compiler_key(const struct compiler *compiler, const char *kind, struct slice bytes);

/* Preprocesses the file `source` into the file `output`. */
int32_t compiler_preprocess(const struct compiler *compiler, const struct compiler_language *language,
                            const char *source, const char *output, struct text *out_log);

/* Checks a unit, which is C++, without code for it. Warnings go to the log. */
int32_t compiler_check(const struct compiler *compiler, const char *unit, struct text *out_log);

/* Compiles and links a unit to a shared library. */
int32_t compiler_build(const struct compiler *compiler, const char *unit, const char *output, struct text *out_log);

/* The folder of the headers of units, which errors may name. NULL if memory runs out. The caller frees it. */
char *compiler_include_folder(const struct compiler *compiler);

#endif
