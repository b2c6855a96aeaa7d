/*
 * Symbol versions that let a library built on a new Linux load on glibc 2.17 and later. build.sh includes this file
 * before each source. glibc 2.32 and 2.34 moved functions from libpthread and libdl to libc, with a new version that
 * older releases lack. Every glibc still has their first version, so the library asks for that one. check-glibc.sh
 * fails if another function needs the same.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include <features.h>

#if defined(__GLIBC__) && defined(__x86_64__)
#define FIRST_VERSION(function) __asm__(".symver " #function ", " #function "@GLIBC_2.2.5");
__asm__(".symver pthread_condattr_setclock, pthread_condattr_setclock@GLIBC_2.3.3");
#elif defined(__GLIBC__) && defined(__aarch64__)
#define FIRST_VERSION(function) __asm__(".symver " #function ", " #function "@GLIBC_2.17");
FIRST_VERSION(pthread_condattr_setclock)
#endif

#if defined(FIRST_VERSION)
FIRST_VERSION(dladdr)
FIRST_VERSION(dlclose)
FIRST_VERSION(dlerror)
FIRST_VERSION(dlopen)
FIRST_VERSION(dlsym)
FIRST_VERSION(pthread_attr_getguardsize)
FIRST_VERSION(pthread_attr_getstack)
FIRST_VERSION(pthread_attr_setguardsize)
FIRST_VERSION(pthread_attr_setstacksize)
FIRST_VERSION(pthread_create)
FIRST_VERSION(pthread_detach)
FIRST_VERSION(pthread_getattr_np)
FIRST_VERSION(pthread_getspecific)
FIRST_VERSION(pthread_join)
FIRST_VERSION(pthread_key_create)
FIRST_VERSION(pthread_kill)
FIRST_VERSION(pthread_once)
FIRST_VERSION(pthread_setspecific)
FIRST_VERSION(pthread_sigmask)
#undef FIRST_VERSION
#endif
