/*
 * Calls of code that may fault or never end, such as kernels, on threads of this library. Signals that are no business
 * of such a call go to the handler that the process had before, as if this library were not there: the JVM uses SIGSEGV
 * for its own checks.
 */
#ifndef TRAP_H
#define TRAP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Why a call ended early. */
struct trap {
    int signal;          /* the synchronous signal of a fault; 0 if the call was stopped */
    int code;            /* as in siginfo_t */
    const void *address; /* that the fault is about, if the code says that there is one */
};

/*
 * Prepares the calling thread: blocks all signals but those that the calls need, and gives it a stack for signals.
 * Returns false if memory runs out. The thread calls trap_thread_end before it ends.
 */
bool trap_thread_begin(void);
void trap_thread_end(void);

/*
 * Calls a function, and returns true once it returns. If it faults, or if trap_interrupt finds `*stop` set, the
 * function is left where it is: the call writes `out_trap` and returns false. What the function has on its stack, or on
 * a stack that it switched to, is lost, so it owns nothing.
 */
bool trap_call(void (*function)(void *argument), void *argument, const atomic_bool *stop, struct trap *out_trap);

/* Makes a thread look at `*stop`. Does nothing if it is in no trap_call; the caller repeats it until the call ends. */
void trap_interrupt(pthread_t thread);

/* Whether an address is in the guard below the calling thread's own stack. */
bool trap_is_stack_overflow(const void *address);

#endif
