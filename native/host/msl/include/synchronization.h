// Barriers, fences, and what they are said to order. All of them order all memory: a simdgroup's and a threadgroup's
// threads run on one processor thread.
#pragma once

#include "wait.h"

namespace metal {

enum class mem_flags : uint {
    mem_none = 0,
    mem_device = 1,
    mem_threadgroup = 2,
    mem_texture = 4,
    mem_threadgroup_imageblock = 8,
    mem_object_data = 16,
};
constexpr mem_flags operator|(mem_flags a, mem_flags b) {
    return mem_flags(uint(a) | uint(b));
}
constexpr mem_flags operator&(mem_flags a, mem_flags b) {
    return mem_flags(uint(a) & uint(b));
}

enum memory_order {
    memory_order_relaxed,
    memory_order_acquire,
    memory_order_release,
    memory_order_acq_rel,
    memory_order_seq_cst,
};

enum thread_scope {
    thread_scope_thread,
    thread_scope_simdgroup,
    thread_scope_threadgroup,
    thread_scope_device,
};

namespace msl_cpu {

// A simdgroup's barrier is an operation that computes nothing.
struct nothing {
    static void apply(lanes<char, char>) {}
};

} // namespace msl_cpu

#define MSL_BARRIER(NAME, WAIT)                                                                         \
    MSL_CONVERGENT MSL_INLINE void NAME(mem_flags) { WAIT; }                                            \
    MSL_CONVERGENT MSL_INLINE void NAME(mem_flags, memory_order) { WAIT; }                              \
    MSL_CONVERGENT MSL_INLINE void NAME(mem_flags, thread_scope) { WAIT; }                              \
    MSL_CONVERGENT MSL_INLINE void NAME(mem_flags, memory_order, thread_scope) { WAIT; }
MSL_BARRIER(threadgroup_barrier, msl_wait_barrier())
MSL_BARRIER(simdgroup_barrier, (msl_cpu::together<char, msl_cpu::nothing>(char(0))))
#undef MSL_BARRIER

MSL_INLINE void atomic_thread_fence(mem_flags, memory_order, thread_scope = thread_scope_device) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

} // namespace metal
