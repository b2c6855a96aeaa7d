#if defined(__linux__)
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "trap.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "fiber.h"

/* Enough for the JVM's handler, which writes its report of a crash there. */
#define SIGNAL_STACK_BYTES (128 * 1024)

/* Ignored by default, and neither the JVM nor profilers use it. */
#define INTERRUPT SIGURG

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
#define FAULTS (sizeof faults / sizeof faults[0])

struct call {
    void *caller; /* the stack pointer that returns to trap_call */
    const atomic_bool *stop;
    volatile bool left;
    struct trap trap;
};

/* A thread between trap_thread_begin and trap_thread_end. */
struct trap_thread {
    struct call *volatile active; /* the call that it is in */
    char *stack_low;
    size_t guard_bytes;
};

/*
 * The key of a thread's struct trap_thread, at the lowest address of its stack for signals. Handlers read it on threads
 * of the JVM too. A thread-local variable would not do: the first access to one may allocate, unless it is in the room
 * that the dynamic linker has at the start, which is too small for the libraries of many class loaders.
 */
static pthread_key_t key;
static bool has_key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static struct sigaction previous[NSIG];
static pthread_once_t installed = PTHREAD_ONCE_INIT;

static void create_key(void) {
    has_key = pthread_key_create(&key, NULL) == 0;
}

/* NULL on threads that thread_start has not started. */
static struct trap_thread *this_thread(void) {
    return pthread_getspecific(key);
}

/* Lets the thread go on in trap_call once the handler returns. The kernel then restores the mask of signals too. */
static void leave(struct call *call, ucontext_t *context) {
    call->left = true;
#if defined(__x86_64__)
    context->uc_mcontext.gregs[REG_RSP] = (greg_t)(uintptr_t)call->caller;
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)fiber_resume;
    context->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)0x400; /* the direction of string instructions */
#elif defined(__aarch64__)
    context->uc_mcontext.sp = (uintptr_t)call->caller;
    context->uc_mcontext.pc = (uintptr_t)fiber_resume;
#endif
}

/*
 * Does what would have happened without on_signal, which is installed with the mask and the flags of the handler before
 * it. Where that was the default, the instruction faults again once on_signal returns, or the signal is sent again.
 */
static void pass_on(int signal, siginfo_t *info, void *context) {
    const struct sigaction *before = &previous[signal];
    if ((before->sa_flags & SA_SIGINFO) != 0) {
        before->sa_sigaction(signal, info, context);
    } else if (before->sa_handler == SIG_DFL || before->sa_handler == SIG_IGN) {
        bool sent = info->si_code <= 0;
        if (signal == INTERRUPT || (sent && before->sa_handler == SIG_IGN)) {
            return;
        }
        struct sigaction fatal = {.sa_handler = SIG_DFL};
        sigaction(signal, &fatal, NULL);
        if (sent) {
            raise(signal);
        }
    } else {
        before->sa_handler(signal);
    }
}

static void on_signal(int signal, siginfo_t *info, void *context) {
    struct trap_thread *thread = this_thread();
    struct call *call = thread == NULL ? NULL : thread->active;
    if (call == NULL || call->caller == NULL || call->left) {
        pass_on(signal, info, context);
    } else if (signal == INTERRUPT) {
        if (atomic_load(call->stop)) {
            call->trap = (struct trap){0};
            leave(call, context);
        }
    } else if (info->si_code <= 0) {
        /* kill(2) and the like: meant for the process. */
        pass_on(signal, info, context);
    } else {
        call->trap = (struct trap){.signal = signal, .code = info->si_code, .address = info->si_addr};
        leave(call, context);
    }
}

static void install_for(int signal) {
    sigaction(signal, NULL, &previous[signal]);
    struct sigaction action = {.sa_sigaction = on_signal};
    action.sa_mask = previous[signal].sa_mask;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | (previous[signal].sa_flags & (SA_RESTART | SA_NODEFER));
    if (signal == INTERRUPT) {
        action.sa_flags |= SA_RESTART;
    }
    sigaction(signal, &action, NULL);
}

static void install(void) {
    for (size_t i = 0; i < FAULTS; i++) {
        install_for(faults[i]);
    }
    install_for(INTERRUPT);
}

static void find_stack(struct trap_thread *thread) {
    pthread_attr_t attributes;
    void *low;
    size_t bytes;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) {
        return;
    }
    if (pthread_attr_getstack(&attributes, &low, &bytes) == 0 &&
        pthread_attr_getguardsize(&attributes, &thread->guard_bytes) == 0) {
        thread->stack_low = low;
    }
    pthread_attr_destroy(&attributes);
}

bool trap_thread_begin(void) {
    pthread_once(&key_once, create_key);
    if (!has_key) {
        return false;
    }
    void *stack = mmap(NULL, SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        return false;
    }
    struct trap_thread *thread = stack;
    stack_t alternate = {.ss_sp = thread + 1, .ss_size = SIGNAL_STACK_BYTES - sizeof *thread};
    if (pthread_setspecific(key, thread) != 0 || sigaltstack(&alternate, NULL) != 0) {
        pthread_setspecific(key, NULL);
        munmap(stack, SIGNAL_STACK_BYTES);
        return false;
    }
    find_stack(thread);
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < FAULTS; i++) {
        sigdelset(&blocked, faults[i]);
    }
    sigdelset(&blocked, INTERRUPT);
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    return true;
}

void trap_thread_end(void) {
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    void *stack = this_thread();
    pthread_setspecific(key, NULL);
    munmap(stack, SIGNAL_STACK_BYTES);
}

bool trap_call(void (*function)(void *argument), void *argument, const atomic_bool *stop, struct trap *out_trap) {
    pthread_once(&installed, install);
    struct trap_thread *thread = this_thread();
    struct call call = {.stop = stop};
    thread->active = &call;
    fiber_call(&call.caller, function, argument);
    thread->active = NULL;
    if (call.left) {
        *out_trap = call.trap;
    }
    return !call.left;
}

void trap_interrupt(pthread_t thread) {
    pthread_kill(thread, INTERRUPT);
}

bool trap_is_stack_overflow(const void *address) {
    /* Before version 2.27, glibc counts the guard to the stack. */
    const struct trap_thread *thread = this_thread();
    uintptr_t distance = (uintptr_t)address - ((uintptr_t)thread->stack_low - thread->guard_bytes);
    return distance < 2 * thread->guard_bytes;
}

#else
typedef int trap_is_for_linux; /* C forbids an empty file. */
#endif
