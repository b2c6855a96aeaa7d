// <metal_atomic>. Every operation is sequentially consistent, which is at least what was asked for.
#pragma once

#include "synchronization.h"

namespace metal {

template <typename T>
struct atomic {
    static_assert(is_same_v<T, int> || is_same_v<T, uint> || is_same_v<T, bool> || is_same_v<T, float> ||
                      is_same_v<T, long> || is_same_v<T, ulong>,
                  "atomic is for int, uint, bool, float, long and ulong");
    T value;
};
template <typename T>
using _atomic = atomic<T>;

using atomic_int = atomic<int>;
using atomic_uint = atomic<uint>;
using atomic_bool = atomic<bool>;
using atomic_float = atomic<float>;
using atomic_long = atomic<long>;
using atomic_ulong = atomic<ulong>;

namespace msl_cpu {

// Replaces the value by what `change` makes of it, and returns what was there before.
template <typename T, typename Function>
MSL_INLINE T change_atomically(volatile atomic<T> *object, Function change) {
    T before;
    __atomic_load(&object->value, &before, __ATOMIC_SEQ_CST);
    for (;;) {
        T after = change(before);
        if (__atomic_compare_exchange(&object->value, &before, &after, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            return before;
        }
    }
}

} // namespace msl_cpu

template <typename T>
MSL_INLINE T atomic_load_explicit(const volatile atomic<T> *object, memory_order, thread_scope = thread_scope_device) {
    T value;
    __atomic_load(&object->value, &value, __ATOMIC_SEQ_CST);
    return value;
}
template <typename T>
MSL_INLINE void atomic_store_explicit(volatile atomic<T> *object, type_identity_t<T> value, memory_order,
                                      thread_scope = thread_scope_device) {
    __atomic_store(&object->value, &value, __ATOMIC_SEQ_CST);
}
template <typename T>
MSL_INLINE T atomic_exchange_explicit(volatile atomic<T> *object, type_identity_t<T> value, memory_order,
                                      thread_scope = thread_scope_device) {
    T before;
    __atomic_exchange(&object->value, &value, &before, __ATOMIC_SEQ_CST);
    return before;
}
template <typename T>
MSL_INLINE bool atomic_compare_exchange_weak_explicit(volatile atomic<T> *object, type_identity_t<T> *expected,
                                                      type_identity_t<T> desired, memory_order, memory_order,
                                                      thread_scope = thread_scope_device) {
    return __atomic_compare_exchange(&object->value, expected, &desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

#define MSL_FETCH(NAME, VALID, WHAT, EXPRESSION)                                                               \
    template <typename T>                                                                                      \
    MSL_INLINE T atomic_fetch_##NAME##_explicit(volatile atomic<T> *object, type_identity_t<T> operand,        \
                                                memory_order, thread_scope = thread_scope_device) {            \
        static_assert(VALID && !is_same_v<T, bool>, "atomic_fetch_" #NAME "_explicit is for " WHAT);           \
        return msl_cpu::change_atomically(object, [operand](T x) { return T(EXPRESSION); });                   \
    }
MSL_FETCH(add, true, "integers and float", x + operand)
MSL_FETCH(sub, true, "integers and float", x - operand)
MSL_FETCH(min, is_integral_v<T>, "integers", msl_cpu::smaller(x, operand))
MSL_FETCH(max, is_integral_v<T>, "integers", msl_cpu::larger(x, operand))
MSL_FETCH(and, is_integral_v<T>, "integers", x & operand)
MSL_FETCH(or, is_integral_v<T>, "integers", x | operand)
MSL_FETCH(xor, is_integral_v<T>, "integers", x ^ operand)
#undef MSL_FETCH

// Of 64 bits, without a result.
template <typename T>
MSL_INLINE void atomic_min_explicit(volatile atomic<T> *object, type_identity_t<T> operand, memory_order order,
                                    thread_scope scope = thread_scope_device) {
    static_assert(sizeof(T) == 8, "atomic_min_explicit is for ulong");
    atomic_fetch_min_explicit(object, operand, order, scope);
}
template <typename T>
MSL_INLINE void atomic_max_explicit(volatile atomic<T> *object, type_identity_t<T> operand, memory_order order,
                                    thread_scope scope = thread_scope_device) {
    static_assert(sizeof(T) == 8, "atomic_max_explicit is for ulong");
    atomic_fetch_max_explicit(object, operand, order, scope);
}

} // namespace metal
