// <metal_relational>. Floating-point classes are told by the bits, which holds with fast math too.
#pragma once

#include "common.h"

namespace metal {

namespace msl_cpu {

template <typename A>
using bools_of = make_vector_t<bool, vec_elements_v<floating_t<A>>>;

MSL_INLINE constexpr uint magnitude_bits(float x) {
    return __builtin_bit_cast(uint, x) & 0x7fffffffu;
}
MSL_INLINE constexpr bool is_nan(float x) {
    return magnitude_bits(x) > 0x7f800000u;
}

} // namespace msl_cpu

#define MSL_CLASS(NAME, EXPRESSION)                                                            \
    template <typename A>                                                                      \
    MSL_INLINE constexpr msl_cpu::bools_of<A> NAME(const A &value) {                           \
        return msl_cpu::map_float<msl_cpu::bools_of<A>>([](float x) { return EXPRESSION; }, value); \
    }
MSL_CLASS(isnan, msl_cpu::is_nan(x))
MSL_CLASS(isinf, msl_cpu::magnitude_bits(x) == 0x7f800000u)
MSL_CLASS(isfinite, msl_cpu::magnitude_bits(x) < 0x7f800000u)
MSL_CLASS(signbit, (__builtin_bit_cast(uint, x) >> 31) != 0)
#undef MSL_CLASS

template <typename A>
MSL_INLINE constexpr msl_cpu::bools_of<A> isnormal(const A &value) {
    using T = make_scalar_t<msl_cpu::floating_t<A>>;
    auto normal = [](float x) {
        return msl_cpu::magnitude_bits(x) < 0x7f800000u && __builtin_fabsf(x) >= float(numeric_limits<T>::min());
    };
    return msl_cpu::map_float<msl_cpu::bools_of<A>>(normal, value);
}

template <typename A, typename B>
MSL_INLINE constexpr msl_cpu::bools_of<msl_cpu::common_t<A, B>> isunordered(const A &a, const B &b) {
    using Result = msl_cpu::bools_of<msl_cpu::common_t<A, B>>;
    return msl_cpu::map_float<Result>([](float x, float y) { return msl_cpu::is_nan(x) || msl_cpu::is_nan(y); }, a, b);
}
template <typename A, typename B>
MSL_INLINE constexpr msl_cpu::bools_of<msl_cpu::common_t<A, B>> isordered(const A &a, const B &b) {
    return !isunordered(a, b);
}

template <int N>
MSL_INLINE constexpr bool any(const vec<bool, N> &values) {
    bool found = false;
    for (int i = 0; i < N; i++) {
        found |= values.components[i];
    }
    return found;
}
template <int N>
MSL_INLINE constexpr bool all(const vec<bool, N> &values) {
    return !any(!values);
}
MSL_INLINE constexpr bool any(bool value) {
    return value;
}
MSL_INLINE constexpr bool all(bool value) {
    return value;
}

// b where the condition holds, and a elsewhere.
template <typename A, typename B>
MSL_INLINE constexpr msl_cpu::common_t<A, B> select(const A &a, const B &b, bool condition) {
    using Result = msl_cpu::common_t<A, B>;
    return condition ? Result(b) : Result(a);
}
template <typename A, typename B, int N>
MSL_INLINE constexpr msl_cpu::vector_result<A, B> select(const A &a, const B &b, const vec<bool, N> &condition) {
    using Result = msl_cpu::vector_result<A, B>;
    static_assert(vec_elements_v<Result> == N, "select needs as many conditions as components");
    Result result(a), other(b);
    for (int i = 0; i < N; i++) {
        if (condition.components[i]) {
            result.components[i] = other.components[i];
        }
    }
    return result;
}

} // namespace metal
