/*
 * Stacks for the threads of a threadgroup, and the switch from one stack to another. For Linux on x86-64 and aarch64.
 */
#ifndef FIBER_H
#define FIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A kernel's private arrays live here. Linux takes memory only for the pages that a thread touches. */
#define FIBER_STACK_BYTES (256 * 1024)

struct fiber_stack {
    char *low; /* the lowest byte; a guard lies below */
    char *top; /* where a fiber begins, growing down */
};

/*
 * Suspends the running code and resumes what was suspended with the stack pointer `resumed`. Writes the stack pointer
 * that resumes the suspended code.
 */
void fiber_switch(void **out_suspended, void *resumed);

/*
 * Calls a function on the caller's stack. Returns when the function does, or when code that the function has called, on
 * whatever stack, sets the stack pointer to `*out_suspended` and goes on at fiber_resume.
 */
void fiber_call(void **out_suspended, void (*function)(void *argument), void *argument);

/* An instruction. */
extern const char fiber_resume[];

/* Returns the stack pointer that runs `entry`, which never returns, at the top of a stack. */
void *fiber_new(const struct fiber_stack *stack, void (*entry)(void));

/* Whether an address is in the guard of a stack. */
bool fiber_is_guard(const struct fiber_stack *stack, const void *address);

/*
 * Takes `count` stacks out of the pool of the process: all of them or none. Where other threads have taken too many,
 * `wait` waits for them; otherwise, and where the machine cannot have so many stacks, returns false.
 */
bool fiber_stacks_take(struct fiber_stack **out_stacks, uint32_t count, bool wait);

void fiber_stacks_give(struct fiber_stack *const *stacks, uint32_t count);

#endif
