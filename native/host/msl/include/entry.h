/*
 * The glue between a kernel and kernel.h. The front end names the attributes of the kernel's parameters, in order:
 *
 *     using kernel = msl_entry::kernel<decltype(function), msl_entry::buffer<0>, msl_entry::thread_position_in_grid>;
 *
 * and the types of the parameters follow from that of the function.
 */
#ifndef MSL_ENTRY_H
#define MSL_ENTRY_H

#include "metal_stdlib.h"

#include "kernel.h"

#define MSL_EXPORT extern "C" __attribute__((visibility("default")))
#define MSL_ALWAYS_INLINE inline __attribute__((always_inline))

/* ---- waiting ---- */

extern "C" {
__attribute__((visibility("default"))) inline const kernel_runtime *msl_runtime = nullptr;
}

/*
 * Stubs that a kernel contains only if it uses them, which is how the loader knows that its threads wait. Two calls of
 * a stub must stay two calls, because the return address tells the runtime which lanes take part together.
 */
MSL_EXPORT inline __attribute__((convergent, nomerge, noinline)) void msl_wait_simd(const void *in, void *out,
                                                                                    kernel_combine *combine) {
    msl_runtime->simd(in, out, combine, __builtin_return_address(0));
    asm volatile(""); /* no tail call, which would pass on the caller's return address */
}

MSL_EXPORT inline __attribute__((convergent, nomerge, noinline)) void msl_wait_barrier() {
    msl_runtime->barrier();
    asm volatile("" : : : "memory");
}

MSL_EXPORT inline __attribute__((noinline)) uint32_t msl_lane() {
    return msl_runtime->lane();
}

/* ---- conversions that some processors leave to libgcc ---- */

#if defined(__x86_64__)
namespace msl_entry {

/* Shifts right and rounds to the nearest, ties to even. */
constexpr uint64_t shift_rounded(uint64_t value, unsigned places) {
    if (places > 63) {
        return 0;
    }
    uint64_t half = uint64_t(1) << (places - 1);
    uint64_t rest = value & ((uint64_t(1) << places) - 1);
    uint64_t shifted = value >> places;
    return shifted + (rest > half || (rest == half && (shifted & 1) != 0));
}

/* The bits of a half from those of a wider float of `Mantissa` bits and an exponent with the given bias. */
template <unsigned Mantissa, int Bias> constexpr unsigned short narrow(bool negative, int exponent, uint64_t mantissa) {
    unsigned sign = negative ? 0x8000u : 0;
    if (exponent == 2 * Bias + 1) {
        uint64_t payload = mantissa >> (Mantissa - 10);
        return (unsigned short)(sign | 0x7C00u | (mantissa != 0 ? 0x200u | payload : 0));
    }
    int unbiased = exponent - Bias + 15;
    if (unbiased >= 31) {
        return (unsigned short)(sign | 0x7C00u);
    }
    if (unbiased <= 0) {
        if (unbiased < -10 || exponent == 0) {
            return (unsigned short)sign;
        }
        uint64_t whole = mantissa | uint64_t(1) << Mantissa;
        return (unsigned short)(sign | shift_rounded(whole, Mantissa - 10 + 1 - unbiased));
    }
    /* A carry out of the mantissa goes into the exponent, as it must. */
    return (unsigned short)(sign + (uint64_t(unbiased) << 10) + shift_rounded(mantissa, Mantissa - 10));
}

}  // namespace msl_entry

extern "C" {

/* The compiler calls these by name; a linker drops those that a kernel does not call. */
__attribute__((used)) inline _Float16 __truncsfhf2(float wide) {
    uint32_t bits = __builtin_bit_cast(uint32_t, wide);
    unsigned short half = msl_entry::narrow<23, 127>(bits >> 31, (bits >> 23) & 0xFF, bits & 0x7FFFFF);
    return __builtin_bit_cast(_Float16, half);
}

__attribute__((used)) inline _Float16 __truncdfhf2(double wide) {
    uint64_t bits = __builtin_bit_cast(uint64_t, wide);
    unsigned short half =
        msl_entry::narrow<52, 1023>(bits >> 63, int(bits >> 52) & 0x7FF, bits & ((uint64_t(1) << 52) - 1));
    return __builtin_bit_cast(_Float16, half);
}

__attribute__((used)) inline float __extendhfsf2(_Float16 narrow) {
    uint32_t bits = __builtin_bit_cast(unsigned short, narrow);
    uint32_t sign = (bits & 0x8000) << 16;
    uint32_t exponent = (bits >> 10) & 31;
    uint32_t mantissa = bits & 0x3FF;
    if (exponent == 0) {
        float magnitude = float(int(mantissa)) * 0x1p-24f;
        return __builtin_bit_cast(float, sign | __builtin_bit_cast(uint32_t, magnitude));
    }
    if (exponent == 31) {
        uint32_t quiet = mantissa != 0 ? 0x400000 : 0;
        return __builtin_bit_cast(float, sign | 0x7F800000 | quiet | mantissa << 13);
    }
    return __builtin_bit_cast(float, sign | (exponent + 112) << 23 | mantissa << 13);
}

__attribute__((used)) inline double __extendhfdf2(_Float16 narrow) {
    return double(__extendhfsf2(narrow));
}
}
#endif

/* ---- function constants ---- */

namespace msl_entry {

/* The members have names that no constant has, because a type with the name of a constant derives from this. */
struct undefined {
    static constexpr bool msl_defined = false;
    static constexpr int msl_value = 0;
};

/* Where no constant has its value, because a source is only checked, 0 would be told as a division by zero. */
struct unknown {
    static constexpr bool msl_defined = false;
    static constexpr int msl_value = 1;
};

/* A value that was given by its index. */
template <unsigned long Index> struct indexed : undefined {};

template <class Named, unsigned long Index>
inline constexpr bool is_defined = Named::msl_defined || indexed<Index>::msl_defined;

/* The value of the function constant that has this name and this index. */
template <class T, class Named, unsigned long Index> constexpr T constant() {
    if constexpr (Named::msl_defined) {
        return T(Named::msl_value);
    } else if constexpr (indexed<Index>::msl_defined) {
        return T(indexed<Index>::msl_value);
    } else {
        return T(Named::msl_value);
    }
}

/* ---- parameters ---- */

template <class P> using bare = metal::remove_cv_t<metal::remove_reference_t<P>>;

/* What a parameter refers to, by a pointer or by a reference. */
template <class P> struct target {
    using type = metal::remove_reference_t<P>;
};
template <class T> struct target<T *> {
    using type = T;
};
template <class T> struct target<T *const> {
    using type = T;
};

template <class T> constexpr uint64_t size_of() {
    if constexpr (__is_void(T) || __is_function(T)) {
        return 0;
    } else {
        return sizeof(T);
    }
}

template <class T> inline constexpr bool is_const = false;
template <class T> inline constexpr bool is_const<const T> = true;

template <class P> constexpr kernel_parameter describe(int index) {
    using pointee = typename target<P>::type;
    return {size_of<pointee>(), index, !is_const<pointee>};
}

template <class P> MSL_ALWAYS_INLINE P at_address(void *address) {
    if constexpr (__is_pointer(P)) {
        return (P)address;
    } else {
        return *(metal::remove_reference_t<P> *)address;
    }
}

template <int Index> struct buffer {
    static_assert(Index >= 0 && Index < KERNEL_BUFFERS, "a buffer's index is from 0 to 30");
    template <class P> static constexpr kernel_parameter parameter() {
        return describe<P>(Index);
    }
    template <class P> static MSL_ALWAYS_INLINE P get(const kernel_group &group, const kernel_thread &) {
        return at_address<P>(group.buffers[Index]);
    }
};

template <int Index> struct threadgroup {
    static_assert(Index >= 0 && Index < KERNEL_THREADGROUP_MEMORIES, "a threadgroup argument's index is from 0 to 30");
    template <class P> static constexpr kernel_parameter parameter() {
        return describe<P>(Index);
    }
    template <class P> static MSL_ALWAYS_INLINE P get(const kernel_group &group, const kernel_thread &) {
        return at_address<P>(group.threadgroup_memory[Index]);
    }
};

/* A parameter that a function constant has taken away. What the kernel reads there all the same is zero. */
struct absent {
    template <class P> static constexpr kernel_parameter parameter() {
        return {0, -1, 0};
    }
    template <class P> static MSL_ALWAYS_INLINE P get(const kernel_group &, const kernel_thread &) {
        alignas(64) static char zeros[4096];
        return at_address<P>(zeros);
    }
};

template <bool Condition, class Parameter> using when = metal::conditional_t<Condition, Parameter, absent>;

/* Up to three numbers as a scalar or as a vector of any width and type. */
template <class P> MSL_ALWAYS_INLINE bare<P> from_numbers(const uint32_t (&numbers)[3]) {
    using value = bare<P>;
    if constexpr (metal::is_vector_v<value>) {
        value vector;
        for (unsigned i = 0; i < metal::vec_elements_v<value>; i++) {
            vector[i] = (metal::make_scalar_t<value>)numbers[i];
        }
        return vector;
    } else {
        return (value)numbers[0];
    }
}

#define MSL_BUILTIN(name, x, y, z)                                                                              \
    struct name {                                                                                               \
        template <class P> static constexpr kernel_parameter parameter() {                                      \
            return {0, -1, 0};                                                                                  \
        }                                                                                                       \
        template <class P>                                                                                      \
        static MSL_ALWAYS_INLINE bare<P> get(const kernel_group &group, const kernel_thread &thread) {          \
            (void)group;                                                                                        \
            (void)thread;                                                                                       \
            const uint32_t numbers[3] = {uint32_t(x), uint32_t(y), uint32_t(z)};                                \
            return from_numbers<P>(numbers);                                                                    \
        }                                                                                                       \
    };
#define MSL_BUILTIN_VECTOR(name, array) MSL_BUILTIN(name, array[0], array[1], array[2])
#define MSL_BUILTIN_SCALAR(name, value) MSL_BUILTIN(name, value, 0, 0)

constexpr MSL_ALWAYS_INLINE uint32_t count(const uint32_t (&sizes)[3]) {
    return sizes[0] * sizes[1] * sizes[2];
}
constexpr MSL_ALWAYS_INLINE uint32_t parts(uint32_t threads, uint32_t size) {
    return (threads + size - 1) / size;
}

MSL_BUILTIN(thread_position_in_grid, group.position[0] * group.threads_per_group[0] + thread.position[0],
            group.position[1] * group.threads_per_group[1] + thread.position[1],
            group.position[2] * group.threads_per_group[2] + thread.position[2])
MSL_BUILTIN_VECTOR(thread_position_in_threadgroup, thread.position)
MSL_BUILTIN_VECTOR(threadgroup_position_in_grid, group.position)
MSL_BUILTIN_VECTOR(threads_per_grid, group.grid)
MSL_BUILTIN_VECTOR(grid_size, group.grid)
MSL_BUILTIN(grid_origin, 0, 0, 0)
MSL_BUILTIN_VECTOR(threads_per_threadgroup, group.threads)
MSL_BUILTIN_VECTOR(dispatch_threads_per_threadgroup, group.threads_per_group)
MSL_BUILTIN_VECTOR(threadgroups_per_grid, group.groups)
MSL_BUILTIN_SCALAR(thread_index_in_threadgroup, thread.index)
MSL_BUILTIN_SCALAR(thread_index_in_simdgroup, thread.index % KERNEL_SIMDGROUP_SIZE)
MSL_BUILTIN_SCALAR(simdgroup_index_in_threadgroup, thread.index / KERNEL_SIMDGROUP_SIZE)
MSL_BUILTIN_SCALAR(threads_per_simdgroup, KERNEL_SIMDGROUP_SIZE)
MSL_BUILTIN_SCALAR(thread_execution_width, KERNEL_SIMDGROUP_SIZE)
MSL_BUILTIN_SCALAR(simdgroups_per_threadgroup, parts(count(group.threads), KERNEL_SIMDGROUP_SIZE))
MSL_BUILTIN_SCALAR(dispatch_simdgroups_per_threadgroup, parts(count(group.threads_per_group), KERNEL_SIMDGROUP_SIZE))
MSL_BUILTIN_SCALAR(thread_index_in_quadgroup, thread.index % 4)
MSL_BUILTIN_SCALAR(quadgroup_index_in_threadgroup, thread.index / 4)
MSL_BUILTIN_SCALAR(quadgroups_per_threadgroup, parts(count(group.threads), 4))
MSL_BUILTIN_SCALAR(dispatch_quadgroups_per_threadgroup, parts(count(group.threads_per_group), 4))

#undef MSL_BUILTIN
#undef MSL_BUILTIN_VECTOR
#undef MSL_BUILTIN_SCALAR

/* ---- kernels ---- */

/* A function with these attributes of its parameters. The last member keeps the array from being empty. */
template <class Function, class... Parameters> struct kernel;

template <class... P, class... Parameters> struct kernel<void(P...), Parameters...> {
    static constexpr uint32_t parameter_count = sizeof...(P);
    struct parameter_list {
        kernel_parameter items[sizeof...(P) + 1];
    };
    static constexpr parameter_list parameters() {
        return {{Parameters::template parameter<P>()..., {0, -1, 0}}};
    }
    template <class Function>
    static MSL_ALWAYS_INLINE void run_thread(Function function, const kernel_group &group,
                                             const kernel_thread &thread) {
        function(Parameters::template get<P>(group, thread)...);
    }
    /* Copies what the loop reads, because the compiler cannot know that the kernel does not write to it. */
    template <class Function> static MSL_ALWAYS_INLINE void run_group(Function function, const kernel_group &shared) {
        void *buffers[KERNEL_BUFFERS];
        for (int i = 0; i < KERNEL_BUFFERS; i++) {
            buffers[i] = shared.buffers[i];
        }
        kernel_group group = shared;
        group.buffers = buffers;
        uint32_t index = 0;
        for (uint32_t z = 0; z < group.threads[2]; z++) {
            for (uint32_t y = 0; y < group.threads[1]; y++) {
                for (uint32_t x = 0; x < group.threads[0]; x++) {
                    const kernel_thread thread = {{x, y, z}, index++};
                    run_thread(function, group, thread);
                }
            }
        }
    }
};

}  // namespace msl_entry

#endif
