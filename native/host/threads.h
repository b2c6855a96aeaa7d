/* Threads of this library, which run until their body returns. Signals of the process do not interrupt them. */
#ifndef THREADS_H
#define THREADS_H

#include <pthread.h>
#include <stdbool.h>

/*
 * Starts a thread; the caller joins or detaches it. Returns false if the machine has no thread left. From then on the
 * library stays loaded when the process closes it, because threads run its code, and handlers of signals point to it.
 */
bool thread_start(pthread_t *out_thread, void (*body)(void *argument), void *argument);

#endif
