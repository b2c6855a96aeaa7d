/*
 * Put before each source by build.sh, so that a library built on a new Linux also loads on an old one, down to
 * glibc 2.17 of 2012. glibc 2.34 gave this function, which it moved out of libpthread, a new version that an older
 * glibc does not know; the version that it was born with is in every one. check-glibc.sh tells when another needs this.
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
