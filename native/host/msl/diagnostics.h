/* Errors of the compiler, told as Apple's compiler tells them: by the lines and words of the user's source. */
#ifndef MLXSHIM_MSL_DIAGNOSTICS_H
#define MLXSHIM_MSL_DIAGNOSTICS_H

#include "unit.h"

/* The name that a source without a file has. */
#define SOURCE_NAME "program_source"

/* What a log is about. */
struct diagnosed {
    const struct program *program;
    const struct unit *unit; /* NULL if the log is that of the preprocessor */
    const char *unit_path;   /* that the log has */
    const char *include_folder;
};

/* Appends a compiler's log. */
void diagnostics_append(const struct diagnosed *diagnosed, struct slice log, struct text *out);

/* Appends an error of the front end's own at a token. */
void diagnostics_append_problem(const struct program *program, const struct problem *problem, struct text *out);

#endif
