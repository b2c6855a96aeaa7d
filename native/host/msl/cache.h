/*
 * A folder that keeps what was compiled, by name: names are keys of compiler_key. Several processes may use it at once.
 * A file that is damaged counts as absent, and is removed. So are the files whose last use is the longest ago, once all
 * have more than CACHE_BYTES. The time of a file is that of its last use.
 */
#ifndef MLXSHIM_MSL_CACHE_H
#define MLXSHIM_MSL_CACHE_H

#include "text.h"

#define CACHE_BYTES (1ULL << 30)

/* Appends what was kept under a name to `out_bytes`. Returns whether there is something. */
bool cache_get(const char *folder, const char *name, struct text *out_bytes);

/*
 * Keeps bytes under a name. A folder that cannot be written keeps nothing. One put in 256, chosen by the name, removes
 * what is too much, so that there is seldom much more than CACHE_BYTES.
 */
void cache_put(const char *folder, const char *name, struct slice bytes);

/* Notes that a file of the folder is used. */
void cache_use(const char *path);

#endif
