// <metal_common> and what scalars and vectors of every type have: min, max, clamp, abs.
#pragma once

#include "math.h"

namespace metal {

namespace msl_cpu {

// Of a number and a NaN the number, as fmin and fmax give it.
template <typename T>
MSL_INLINE constexpr T smaller(T a, T b) {
    if constexpr (is_floating_point_v<T>) {
        return T(__builtin_fminf(static_cast<float>(a), static_cast<float>(b)));
    } else {
        return b < a ? b : a;
    }
}
template <typename T>
MSL_INLINE constexpr T larger(T a, T b) {
    if constexpr (is_floating_point_v<T>) {
        return T(__builtin_fmaxf(static_cast<float>(a), static_cast<float>(b)));
    } else {
        return a < b ? b : a;
    }
}

template <typename T>
MSL_INLINE constexpr T magnitude(T value) {
    if constexpr (is_floating_point_v<T>) {
        return T(__builtin_fabsf(static_cast<float>(value)));
    } else if constexpr (is_signed_v<T>) {
        return value < 0 ? T(0 - make_unsigned_t<T>(value)) : value;
    } else {
        return value;
    }
}

} // namespace msl_cpu

template <typename A, typename B>
MSL_INLINE constexpr msl_cpu::common_t<A, B> min(const A &a, const B &b) {
    return msl_cpu::map<msl_cpu::common_t<A, B>>([](auto x, auto y) { return msl_cpu::smaller(x, y); }, a, b);
}
template <typename A, typename B>
MSL_INLINE constexpr msl_cpu::common_t<A, B> max(const A &a, const B &b) {
    return msl_cpu::map<msl_cpu::common_t<A, B>>([](auto x, auto y) { return msl_cpu::larger(x, y); }, a, b);
}
template <typename A, typename B, typename C>
MSL_INLINE constexpr msl_cpu::common3_t<A, B, C> clamp(const A &value, const B &low, const C &high) {
    return min(max(value, low), high);
}
template <typename A, typename B, typename C>
MSL_INLINE constexpr msl_cpu::common3_t<A, B, C> min3(const A &a, const B &b, const C &c) {
    return min(a, min(b, c));
}
template <typename A, typename B, typename C>
MSL_INLINE constexpr msl_cpu::common3_t<A, B, C> max3(const A &a, const B &b, const C &c) {
    return max(a, max(b, c));
}
template <typename A, typename B, typename C>
MSL_INLINE constexpr msl_cpu::common3_t<A, B, C> median3(const A &a, const B &b, const C &c) {
    return max(min(a, b), min(max(a, b), c));
}

#define MSL_FLOATING_3(NAME)                                                                        \
    template <typename A, typename B, typename C>                                                   \
    MSL_INLINE constexpr auto f##NAME(const A &a, const B &b, const C &c)                           \
        -> msl_cpu::floating_t<msl_cpu::common3_t<A, B, C>> {                                       \
        using Result = msl_cpu::floating_t<msl_cpu::common3_t<A, B, C>>;                            \
        return NAME(Result(a), Result(b), Result(c));                                               \
    }
MSL_FLOATING_3(min3)
MSL_FLOATING_3(max3)
MSL_FLOATING_3(median3)
#undef MSL_FLOATING_3

template <typename A, typename = enable_if_t<msl_cpu::has_components<A>>>
MSL_INLINE constexpr msl_cpu::scalar_or_vector<A> abs(const A &value) {
    return msl_cpu::map<msl_cpu::scalar_or_vector<A>>([](auto x) { return msl_cpu::magnitude(x); }, value);
}

template <typename A>
MSL_INLINE constexpr msl_cpu::floating_t<A> saturate(const A &value) {
    using T = make_scalar_t<msl_cpu::floating_t<A>>;
    return clamp(msl_cpu::floating_t<A>(value), T(0), T(1));
}

template <typename A, typename B, typename C>
MSL_INLINE constexpr auto mix(const A &x, const B &y, const C &a) -> msl_cpu::floating_t<msl_cpu::common3_t<A, B, C>> {
    using Result = msl_cpu::floating_t<msl_cpu::common3_t<A, B, C>>;
    return Result(x) + (Result(y) - Result(x)) * Result(a);
}

template <typename A>
MSL_INLINE constexpr msl_cpu::floating_t<A> sign(const A &value) {
    // Keeps the sign of a zero; NaN has the sign 0.
    auto one = [](float x) { return x > 0 ? 1.0f : x < 0 ? -1.0f : x == 0 ? x : 0.0f; };
    return msl_cpu::map_float<msl_cpu::floating_t<A>>(one, value);
}

template <typename A, typename B>
MSL_INLINE constexpr msl_cpu::floating_t<msl_cpu::common_t<A, B>> step(const A &edge, const B &value) {
    using Result = msl_cpu::floating_t<msl_cpu::common_t<A, B>>;
    return msl_cpu::map_float<Result>([](float e, float x) { return x < e ? 0.0f : 1.0f; }, edge, value);
}

template <typename A, typename B, typename C>
MSL_INLINE constexpr auto smoothstep(const A &edge0, const B &edge1, const C &value)
    -> msl_cpu::floating_t<msl_cpu::common3_t<A, B, C>> {
    using Result = msl_cpu::floating_t<msl_cpu::common3_t<A, B, C>>;
    using T = make_scalar_t<Result>;
    Result t = saturate((Result(value) - Result(edge0)) / (Result(edge1) - Result(edge0)));
    return t * t * (T(3) - T(2) * t);
}

} // namespace metal
