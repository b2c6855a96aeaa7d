/* Programs that this process runs. */
#ifndef MLXSHIM_MSL_PROCESS_H
#define MLXSHIM_MSL_PROCESS_H

#include "text.h"

/* The arguments of a program. Once memory runs out, `failed` is true. */
struct arguments {
    char **items; /* ends with NULL */
    size_t count;
    size_t capacity;
    bool failed;
};

void arguments_add(struct arguments *arguments, const char *argument);
void arguments_add_format(struct arguments *arguments, const char *format, ...) __attribute__((format(printf, 2, 3)));
void arguments_free(struct arguments *arguments);

/*
 * Runs the program arguments->items[0], which is a path, and waits for its end. What it prints is appended to
 * `out_output`. Returns its exit status; 128 + the signal that ended it; or -1 with errno set if it could not be run.
 */
int process_run(const struct arguments *arguments, struct text *out_output);

/* The path of a program: `name` itself if it has a slash, or where the PATH has it. NULL if there is none. */
char *process_find(const char *name);

#endif
