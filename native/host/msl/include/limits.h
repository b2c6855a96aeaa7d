// <metal_limits>. Kernels of candle specialise the implementation by its internal name.
#pragma once

#include "bfloat.h"

namespace metal {

enum float_round_style { round_toward_zero = 0, round_to_nearest = 1 };

template <typename T, typename = void>
struct _numeric_limits_impl {
    static constexpr bool is_specialized = false;
};

template <typename T>
struct numeric_limits : _numeric_limits_impl<T> {};
template <typename T>
struct numeric_limits<const T> : numeric_limits<T> {};

template <typename T>
struct _numeric_limits_impl<T, enable_if_t<is_integral_v<T>>> {
    static constexpr bool is_specialized = true;
    static constexpr bool is_integer = true;
    static constexpr bool is_exact = true;
    static constexpr bool is_signed = is_signed_v<T>;
    static constexpr bool is_bounded = true;
    static constexpr bool is_modulo = !is_signed;
    static constexpr bool is_iec559 = false;
    static constexpr bool has_infinity = false;
    static constexpr bool has_quiet_NaN = false;
    static constexpr bool has_signaling_NaN = false;
    static constexpr float_round_style round_style = round_toward_zero;
    static constexpr int radix = 2;
    static constexpr int digits = is_same_v<T, bool> ? 1 : int(sizeof(T)) * 8 - (is_signed ? 1 : 0);
    static constexpr int digits10 = digits * 3 / 10;

    static constexpr T max() { return T(~0ul >> (64 - digits)); }
    static constexpr T min() { return is_signed ? T(-max() - 1) : T(0); }
    static constexpr T lowest() { return min(); }
    static constexpr T epsilon() { return T(0); }
    static constexpr T round_error() { return T(0); }
    static constexpr T infinity() { return T(0); }
    static constexpr T quiet_NaN() { return T(0); }
    static constexpr T signaling_NaN() { return T(0); }
    static constexpr T denorm_min() { return T(0); }
};

#define MSL_LIMITS(T, DIGITS, DIGITS10, MIN_EXPONENT, MAX_EXPONENT, LARGEST, SMALLEST, EPSILON, DENORMAL) \
    template <>                                                                                 \
    struct _numeric_limits_impl<T, void> {                                                      \
        static constexpr bool is_specialized = true;                                            \
        static constexpr bool is_integer = false;                                               \
        static constexpr bool is_exact = false;                                                 \
        static constexpr bool is_signed = true;                                                 \
        static constexpr bool is_bounded = true;                                                \
        static constexpr bool is_modulo = false;                                                \
        static constexpr bool is_iec559 = true;                                                 \
        static constexpr bool has_infinity = true;                                              \
        static constexpr bool has_quiet_NaN = true;                                             \
        static constexpr bool has_signaling_NaN = true;                                         \
        static constexpr float_round_style round_style = round_to_nearest;                      \
        static constexpr int radix = 2;                                                         \
        static constexpr int digits = DIGITS;                                                   \
        static constexpr int digits10 = DIGITS10;                                               \
        static constexpr int max_digits10 = 2 + DIGITS * 30103 / 100000;                        \
        static constexpr int min_exponent = MIN_EXPONENT;                                       \
        static constexpr int max_exponent = MAX_EXPONENT;                                       \
                                                                                                \
        static constexpr T max() { return T(LARGEST); }                                         \
        static constexpr T min() { return T(SMALLEST); }                                        \
        static constexpr T lowest() { return T(-LARGEST); }                                     \
        static constexpr T epsilon() { return T(EPSILON); }                                     \
        static constexpr T round_error() { return T(0.5f); }                                    \
        static constexpr T infinity() { return T(__builtin_inff()); }                           \
        static constexpr T quiet_NaN() { return T(__builtin_nanf("")); }                        \
        static constexpr T signaling_NaN() { return T(__builtin_nansf("")); }                   \
        static constexpr T denorm_min() { return T(DENORMAL); }                                 \
    };
MSL_LIMITS(float, 24, 6, -125, 128, 0x1.fffffep127f, 0x1p-126f, 0x1p-23f, 0x1p-149f)
MSL_LIMITS(half, 11, 3, -13, 16, 0x1.ffcp15f, 0x1p-14f, 0x1p-10f, 0x1p-24f)
MSL_LIMITS(bfloat, 8, 2, -125, 128, 0x1.fep127f, 0x1p-126f, 0x1p-7f, 0x1p-133f)
#undef MSL_LIMITS

} // namespace metal
