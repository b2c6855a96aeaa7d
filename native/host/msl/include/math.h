// <metal_math>. Everything is computed in float, with the C library's functions, and rounded to the argument's type.
#pragma once

#include "elementwise.h"

namespace metal {

namespace msl_cpu {

// sin(pi x), exact where it is 0, 1 or -1: x is reduced to [-1/2, 1/2] without rounding first.
MSL_INLINE float sine_of_pi(double x) {
    double r = x - 2.0 * __builtin_rint(x * 0.5);
    if (r > 0.5) {
        r = 1.0 - r;
    } else if (r < -0.5) {
        r = -1.0 - r;
    }
    return static_cast<float>(__builtin_sin(r * 3.14159265358979323846));
}
MSL_INLINE float cosine_of_pi(double x) {
    return sine_of_pi(0.5 - __builtin_fabs(x - 2.0 * __builtin_rint(x * 0.5)));
}
MSL_INLINE float fraction(float x) {
    // Just below 1 for small negative numbers, whose difference from 0 rounds to 1.
    return __builtin_fminf(x - __builtin_floorf(x), 0x1.fffffep-1f);
}

} // namespace msl_cpu

#define MSL_FUNCTION_1(NAME, EXPRESSION)                                                         \
    template <typename A>                                                                        \
    MSL_INLINE msl_cpu::floating_t<A> NAME(const A &value) {                                     \
        return msl_cpu::map_float<msl_cpu::floating_t<A>>([](float x) { return EXPRESSION; }, value); \
    }
#define MSL_FUNCTION_2(NAME, EXPRESSION)                                                         \
    template <typename A, typename B>                                                            \
    MSL_INLINE msl_cpu::floating_t<msl_cpu::common_t<A, B>> NAME(const A &a, const B &b) {       \
        using Result = msl_cpu::floating_t<msl_cpu::common_t<A, B>>;                             \
        return msl_cpu::map_float<Result>([](float x, float y) { return EXPRESSION; }, a, b);    \
    }

MSL_FUNCTION_1(acos, __builtin_acosf(x))
MSL_FUNCTION_1(acosh, __builtin_acoshf(x))
MSL_FUNCTION_1(asin, __builtin_asinf(x))
MSL_FUNCTION_1(asinh, __builtin_asinhf(x))
MSL_FUNCTION_1(atan, __builtin_atanf(x))
MSL_FUNCTION_1(atanh, __builtin_atanhf(x))
MSL_FUNCTION_1(ceil, __builtin_ceilf(x))
MSL_FUNCTION_1(cos, __builtin_cosf(x))
MSL_FUNCTION_1(cosh, __builtin_coshf(x))
MSL_FUNCTION_1(cospi, msl_cpu::cosine_of_pi(x))
MSL_FUNCTION_1(exp, __builtin_expf(x))
MSL_FUNCTION_1(exp2, __builtin_exp2f(x))
MSL_FUNCTION_1(exp10, static_cast<float>(__builtin_pow(10.0, static_cast<double>(x))))
MSL_FUNCTION_1(fabs, __builtin_fabsf(x))
MSL_FUNCTION_1(floor, __builtin_floorf(x))
MSL_FUNCTION_1(fract, msl_cpu::fraction(x))
MSL_FUNCTION_1(log, __builtin_logf(x))
MSL_FUNCTION_1(log2, __builtin_log2f(x))
MSL_FUNCTION_1(log10, __builtin_log10f(x))
MSL_FUNCTION_1(logb, __builtin_logbf(x))
MSL_FUNCTION_1(rint, __builtin_rintf(x))
MSL_FUNCTION_1(round, __builtin_roundf(x))
MSL_FUNCTION_1(rsqrt, 1.0f / __builtin_sqrtf(x))
MSL_FUNCTION_1(sin, __builtin_sinf(x))
MSL_FUNCTION_1(sinh, __builtin_sinhf(x))
MSL_FUNCTION_1(sinpi, msl_cpu::sine_of_pi(x))
MSL_FUNCTION_1(sqrt, __builtin_sqrtf(x))
MSL_FUNCTION_1(tan, __builtin_tanf(x))
MSL_FUNCTION_1(tanh, __builtin_tanhf(x))
MSL_FUNCTION_1(tanpi, msl_cpu::sine_of_pi(x) / msl_cpu::cosine_of_pi(x))
MSL_FUNCTION_1(trunc, __builtin_truncf(x))

MSL_FUNCTION_2(atan2, __builtin_atan2f(x, y))
MSL_FUNCTION_2(copysign, __builtin_copysignf(x, y))
MSL_FUNCTION_2(divide, x / y)
MSL_FUNCTION_2(fdim, __builtin_fdimf(x, y))
MSL_FUNCTION_2(fmax, __builtin_fmaxf(x, y))
MSL_FUNCTION_2(fmin, __builtin_fminf(x, y))
MSL_FUNCTION_2(fmod, __builtin_fmodf(x, y))
MSL_FUNCTION_2(pow, __builtin_powf(x, y))
MSL_FUNCTION_2(powr, __builtin_powf(x, y))
MSL_FUNCTION_2(remainder, __builtin_remainderf(x, y))

#undef MSL_FUNCTION_1
#undef MSL_FUNCTION_2

// The next representable value of the type itself: one more or less in its bits.
template <typename A, typename B>
MSL_INLINE msl_cpu::floating_t<msl_cpu::common_t<A, B>> nextafter(const A &a, const B &b) {
    using Result = msl_cpu::floating_t<msl_cpu::common_t<A, B>>;
    using T = make_scalar_t<Result>;
    auto next = [](T x, T y) -> T {
        using Bits = make_unsigned_t<T>;
        if (!(x == x) || !(y == y)) {
            return x + y;
        }
        if (x == y) {
            return y;
        }
        constexpr Bits sign = Bits(Bits(1) << (sizeof(T) * 8 - 1));
        Bits bits = as_type<Bits>(x);
        if (Bits(bits & ~sign) == 0) {
            return as_type<T>(Bits(y > T(0) ? 1 : (sign | 1)));
        }
        bool away_from_zero = (x < y) == ((bits & sign) == 0);
        return as_type<T>(Bits(away_from_zero ? bits + 1 : bits - 1));
    };
    return msl_cpu::map<Result>(next, a, b);
}

template <typename A, typename B, typename C>
MSL_INLINE msl_cpu::floating_t<msl_cpu::common3_t<A, B, C>> fma(const A &a, const B &b, const C &c) {
    using Result = msl_cpu::floating_t<msl_cpu::common3_t<A, B, C>>;
    return msl_cpu::map_float<Result>([](float x, float y, float z) { return __builtin_fmaf(x, y, z); }, a, b, c);
}

template <typename A>
MSL_INLINE make_vector_t<int, vec_elements_v<msl_cpu::floating_t<A>>> ilogb(const A &value) {
    using Result = make_vector_t<int, vec_elements_v<A>>;
    return msl_cpu::map_float<Result>([](float x) { return __builtin_ilogbf(x); }, value);
}

template <typename A, typename B>
MSL_INLINE msl_cpu::floating_t<A> ldexp(const A &value, const B &exponent) {
    using Result = msl_cpu::floating_t<A>;
    Result result(make_scalar_t<Result>(0));
    if constexpr (is_vector_v<Result>) {
        for (int i = 0; i < vec_elements_v<Result>; i++) {
            result.components[i] = ldexp(value.components[i], msl_cpu::component(exponent, i));
        }
    } else {
        result = Result(__builtin_ldexpf(static_cast<float>(value), static_cast<int>(exponent)));
    }
    return result;
}

template <typename T, typename = enable_if_t<is_arithmetic_v<T>>>
MSL_INLINE T frexp(T value, int &exponent) {
    return T(__builtin_frexpf(static_cast<float>(value), &exponent));
}
template <typename T, int N>
MSL_INLINE vec<T, N> frexp(const vec<T, N> &value, vec<int, N> &exponent) {
    vec<T, N> result;
    for (int i = 0; i < N; i++) {
        result.components[i] = frexp(value.components[i], exponent.components[i]);
    }
    return result;
}

template <typename T, typename = msl_cpu::floating_t<T>>
MSL_INLINE T modf(const T &value, T &whole) {
    whole = trunc(value);
    return copysign(T(value - whole), value);
}

template <typename T, typename = msl_cpu::floating_t<T>>
MSL_INLINE T sincos(const T &value, T &cosine) {
    cosine = cos(value);
    return sin(value);
}

} // namespace metal
