/* The folders of this process: one for temporary files, and one for the headers that kernels are compiled with. */
#ifndef MLXSHIM_MSL_FOLDER_H
#define MLXSHIM_MSL_FOLDER_H

#include "text.h"

/* A folder that only this process uses, and that is removed when the library is unloaded. NULL with errno set. */
const char *folder_private(void);

/* A name in the private folder that is not used yet, with this ending. NULL with errno set. */
char *folder_new_name(const char *ending);

/*
 * A folder with the headers: `include` for compiling, and `stub` with empty files in their place for preprocessing. It
 * is in the cache if there is one, and otherwise in the private folder. NULL with errno set.
 */
char *folder_headers(const char *cache);

/* The digest of all headers, as 64 hexadecimal digits. */
const char *folder_headers_digest(void);

/* Makes a folder and those above it. Returns false with errno set. */
bool folder_make(const char *path);

/* Writes a file under another name first, so that no process sees a part of it. Returns false with errno set. */
bool folder_publish(const char *path, const void *bytes, size_t length);

#endif
