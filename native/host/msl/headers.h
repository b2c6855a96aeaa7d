/* The headers that kernels are compiled with, which embed.sh puts into the library. */
#ifndef MLXSHIM_MSL_HEADERS_H
#define MLXSHIM_MSL_HEADERS_H

#include <stddef.h>

struct header {
    const char *path; /* below the include folder */
    const unsigned char *bytes;
    size_t length;
};

extern const struct header headers[];
extern const size_t header_count;

#endif
