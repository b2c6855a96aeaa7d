/*
 * Symbol versions that let a library built on a new Linux load on glibc 2.17 and later. build.sh includes this file
 * before each source. glibc 2.34 moved pthread_condattr_setclock from libpthread to libc, with a new version that older
 * releases lack. Every glibc still has the function's first version, so the library asks for that one. check-glibc.sh
 * fails if another function needs the same.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include <features.h>

#if defined(__GLIBC__) && defined(__x86_64__)
__asm__(".symver pthread_condattr_setclock, pthread_condattr_setclock@GLIBC_2.3.3");
#elif defined(__GLIBC__) && defined(__aarch64__)
__asm__(".symver pthread_condattr_setclock, pthread_condattr_setclock@GLIBC_2.17");
#endif
