/*
 * Stacks come from slabs, which are maps that divide into guards and stacks by turns. The kernel needs two memory maps
 * for each stack, so all stacks together take at most a quarter of the maps that a process may have: pages.c lets
 * buffers take a half. A slab is never unmapped, because a process that ran such kernels will run more of them.
 */
#if defined(__linux__)
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "fiber.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pages.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define ALLOW_ACCESS(start, bytes) __asan_unpoison_memory_region(start, bytes)
#else
#define ALLOW_ACCESS(start, bytes) ((void)0)
#endif

/* Wider than a page, because a function with a large frame may step over a narrow guard. */
#define GUARD_BYTES (64 * 1024)
#define SLAB_STACKS 32
#define MAPS_PER_STACK 2
/* Tops at equal offsets would share cache sets, so they differ by five lines of a cache. */
#define COLOUR_BYTES 320
#define COLOURS 24

#if defined(__x86_64__)
__asm__(".text\n"
        ".hidden fiber_switch\n"
        ".globl fiber_switch\n"
        ".type fiber_switch, @function\n"
        "fiber_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        ".hidden fiber_resume\n"
        ".globl fiber_resume\n"
        "fiber_resume:\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size fiber_switch, . - fiber_switch\n"
        ".hidden fiber_call\n"
        ".globl fiber_call\n"
        ".type fiber_call, @function\n"
        "fiber_call:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rdx, %rdi\n"
        "    subq $8, %rsp\n"
        "    call *%rsi\n"
        "    addq $8, %rsp\n"
        "    jmp fiber_resume\n"
        ".size fiber_call, . - fiber_call\n");

/* The registers that fiber_resume pops, and where it returns to. */
#define FRAME_WORDS 7
#define FRAME_ENTRY 6
/* A function begins with the stack pointer 8 bytes below a multiple of 16, where its return address is. */
#define RETURN_ADDRESS_WORDS 1

#elif defined(__aarch64__)
#define SAVE_REGISTERS             \
    "    sub sp, sp, #160\n"       \
    "    stp x19, x20, [sp]\n"     \
    "    stp x21, x22, [sp, #16]\n" \
    "    stp x23, x24, [sp, #32]\n" \
    "    stp x25, x26, [sp, #48]\n" \
    "    stp x27, x28, [sp, #64]\n" \
    "    stp x29, x30, [sp, #80]\n" \
    "    stp d8, d9, [sp, #96]\n"  \
    "    stp d10, d11, [sp, #112]\n" \
    "    stp d12, d13, [sp, #128]\n" \
    "    stp d14, d15, [sp, #144]\n" \
    "    mov x9, sp\n"             \
    "    str x9, [x0]\n"

__asm__(".text\n"
        ".hidden fiber_switch\n"
        ".globl fiber_switch\n"
        ".type fiber_switch, %function\n"
        "fiber_switch:\n" SAVE_REGISTERS "    mov sp, x1\n"
        ".hidden fiber_resume\n"
        ".globl fiber_resume\n"
        "fiber_resume:\n"
        "    ldp x19, x20, [sp]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".size fiber_switch, . - fiber_switch\n"
        ".hidden fiber_call\n"
        ".globl fiber_call\n"
        ".type fiber_call, %function\n"
        "fiber_call:\n" SAVE_REGISTERS "    mov x0, x2\n"
        "    blr x1\n"
        "    b fiber_resume\n"
        ".size fiber_call, . - fiber_call\n");

#define FRAME_WORDS 20
#define FRAME_ENTRY 11
#define RETURN_ADDRESS_WORDS 0
#endif

void *fiber_new(const struct fiber_stack *stack, void (*entry)(void)) {
    uintptr_t *frame = (uintptr_t *)stack->top - RETURN_ADDRESS_WORDS - FRAME_WORDS;
    memset(frame, 0, (FRAME_WORDS + RETURN_ADDRESS_WORDS) * sizeof *frame);
    frame[FRAME_ENTRY] = (uintptr_t)entry;
    return frame;
}

bool fiber_is_guard(const struct fiber_stack *stack, const void *address) {
    uintptr_t distance = (uintptr_t)stack->low - (uintptr_t)address;
    return distance > 0 && distance <= GUARD_BYTES;
}

/* ---- the pool ---- */

/* Guards the variables below. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t given = PTHREAD_COND_INITIALIZER;
static struct fiber_stack **pool; /* the stacks that are not taken, with room for all */
static uint32_t pool_count;
static uint32_t stack_count; /* of all slabs */

/* Adds a slab to the pool. Caller holds the lock. */
static bool add_slab(void) {
    uint64_t most = kernel_map_limit() / 4 / MAPS_PER_STACK;
    if (stack_count + SLAB_STACKS > most) {
        return false;
    }
    struct fiber_stack **grown = realloc(pool, (stack_count + SLAB_STACKS) * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    pool = grown;
    struct fiber_stack *stacks = calloc(SLAB_STACKS, sizeof *stacks);
    size_t pitch = GUARD_BYTES + FIBER_STACK_BYTES;
    char *start = stacks == NULL ? MAP_FAILED
                                 : mmap(NULL, SLAB_STACKS * pitch, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (start == MAP_FAILED) {
        free(stacks);
        return false;
    }
    for (uint32_t i = 0; i < SLAB_STACKS; i++) {
        char *guard = start + i * pitch;
        if (mprotect(guard, GUARD_BYTES, PROT_NONE) != 0) {
            munmap(start, SLAB_STACKS * pitch);
            free(stacks);
            return false;
        }
        uint32_t colour = (stack_count + i) % COLOURS;
        stacks[i].low = guard + GUARD_BYTES;
        stacks[i].top = guard + pitch - colour * COLOUR_BYTES;
    }
    for (uint32_t i = SLAB_STACKS; i > 0; i--) {
        pool[pool_count++] = &stacks[i - 1];
    }
    stack_count += SLAB_STACKS;
    return true;
}

bool fiber_stacks_take(struct fiber_stack **out_stacks, uint32_t count, bool wait) {
    pthread_mutex_lock(&lock);
    while (pool_count < count) {
        if (add_slab()) {
            continue;
        }
        if (!wait || stack_count < count) {
            pthread_mutex_unlock(&lock);
            return false;
        }
        pthread_cond_wait(&given, &lock);
    }
    pool_count -= count;
    memcpy(out_stacks, pool + pool_count, count * sizeof *out_stacks);
    pthread_mutex_unlock(&lock);
    return true;
}

void fiber_stacks_give(struct fiber_stack *const *stacks, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        /* A thread that was ended in the middle leaves its frames marked. */
        ALLOW_ACCESS(stacks[i]->low, FIBER_STACK_BYTES);
    }
    pthread_mutex_lock(&lock);
    memcpy(pool + pool_count, stacks, count * sizeof *stacks);
    pool_count += count;
    pthread_cond_broadcast(&given);
    pthread_mutex_unlock(&lock);
}

#else
typedef int fiber_is_for_linux; /* C forbids an empty file. */
#endif
