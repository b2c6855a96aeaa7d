// Functions by the internal names of Apple's compiler, which kernels of MLX call. The last argument of mathematical
// functions tells whether they may be less precise.
#pragma once

#include "precision.h"

#define MSL_1(NAME)                                            \
    template <typename A>                                      \
    MSL_INLINE auto __metal_##NAME(A a, bool = true) {         \
        return metal::NAME(a);                                 \
    }
#define MSL_2(NAME)                                            \
    template <typename A, typename B>                          \
    MSL_INLINE auto __metal_##NAME(A a, B b, bool = true) {    \
        return metal::NAME(a, b);                              \
    }
#define MSL_3(NAME)                                            \
    template <typename A, typename B, typename C>              \
    MSL_INLINE auto __metal_##NAME(A a, B b, C c, bool = true) { \
        return metal::NAME(a, b, c);                           \
    }
MSL_1(fabs) MSL_1(acos) MSL_1(acosh) MSL_1(asin) MSL_1(asinh) MSL_1(atan) MSL_1(atanh) MSL_1(ceil) MSL_1(cos)
MSL_1(cosh) MSL_1(cospi) MSL_1(exp) MSL_1(exp2) MSL_1(exp10) MSL_1(floor) MSL_1(fract) MSL_1(log) MSL_1(log2)
MSL_1(log10) MSL_1(rint) MSL_1(round) MSL_1(rsqrt) MSL_1(sin) MSL_1(sinh) MSL_1(sinpi) MSL_1(sqrt) MSL_1(tan)
MSL_1(tanh) MSL_1(tanpi) MSL_1(trunc) MSL_1(ilogb)
MSL_2(atan2) MSL_2(copysign) MSL_2(divide) MSL_2(fdim) MSL_2(fmax) MSL_2(fmin) MSL_2(fmod) MSL_2(ldexp)
MSL_2(nextafter) MSL_2(pow) MSL_2(powr)
MSL_3(fma) MSL_3(fmin3) MSL_3(fmax3) MSL_3(fmedian3)
#undef MSL_1
#undef MSL_2
#undef MSL_3

template <typename T>
MSL_INLINE T __metal_frexp(T value, int *exponent, bool = true) {
    return metal::frexp(value, *exponent);
}
template <typename T>
MSL_INLINE T __metal_frexp(T value, int &exponent, bool = true) {
    return metal::frexp(value, exponent);
}

#define MSL_LANES(NAME)                                                        \
    template <typename T, typename... Lanes>                                   \
    MSL_CONVERGENT MSL_INLINE T __metal_##NAME(T value, Lanes... lanes) {      \
        return metal::NAME(value, lanes...);                                   \
    }
MSL_LANES(simd_sum) MSL_LANES(simd_product) MSL_LANES(simd_min) MSL_LANES(simd_max) MSL_LANES(simd_and)
MSL_LANES(simd_or) MSL_LANES(simd_xor) MSL_LANES(simd_prefix_inclusive_sum) MSL_LANES(simd_prefix_exclusive_sum)
MSL_LANES(simd_prefix_inclusive_product) MSL_LANES(simd_prefix_exclusive_product) MSL_LANES(simd_broadcast)
MSL_LANES(simd_broadcast_first) MSL_LANES(simd_shuffle) MSL_LANES(simd_shuffle_xor) MSL_LANES(simd_shuffle_up)
MSL_LANES(simd_shuffle_down) MSL_LANES(simd_shuffle_rotate_up) MSL_LANES(simd_shuffle_rotate_down)
MSL_LANES(simd_shuffle_and_fill_up) MSL_LANES(simd_shuffle_and_fill_down)
#undef MSL_LANES

MSL_INLINE ushort __metal_get_simdgroup_size(ushort) {
    return metal::msl_cpu::simdgroup_size;
}
MSL_INLINE ushort __metal_get_thread_index_in_simdgroup(ushort) {
    return msl_lane();
}
