/*
 * A folder that keeps what was compiled, by name. Several processes may use it at once. A file that is damaged counts
 * as absent, and is removed.
 */
#ifndef MLXSHIM_MSL_CACHE_H
#define MLXSHIM_MSL_CACHE_H

#include "text.h"

/* Appends what was kept under a name to `out_bytes`. Returns whether there is something. */
bool cache_get(const char *folder, const char *name, struct text *out_bytes);

/* Keeps bytes under a name. A folder that cannot be written keeps nothing. */
void cache_put(const char *folder, const char *name, struct slice bytes);

#endif
