// bfloat, a class: clang's own type cannot be converted to and from half. Arithmetic is done in float and rounded to
// the nearest bfloat, ties to even.
#pragma once

#include "type_traits.h"

namespace metal::msl_cpu {

// What bfloat and T make together: bfloat with integers, float with floating-point types.
template <typename T, bool Integral = is_integral_v<T>, bool Floating = is_floating_point_v<T>>
struct with_bfloat {};
template <typename T>
struct with_bfloat<T, true, false> {
    using type = bfloat;
};
template <typename T>
struct with_bfloat<T, false, true> {
    using type = float;
};
template <>
struct with_bfloat<bfloat, false, true> {};
template <typename T>
using with_bfloat_t = typename with_bfloat<T>::type;

} // namespace metal::msl_cpu

struct bfloat {
    ushort bits;

    bfloat() = default;

    // Integers convert implicitly, as constants such as 0 and 1 do; floating-point values need a cast.
    template <typename T, metal::enable_if_t<metal::is_integral_v<T>, int> = 0>
    constexpr bfloat(T value) : bits(rounded(static_cast<float>(value))) {}
    // MLX assigns objects that are true or false.
    template <typename T, metal::enable_if_t<metal::is_class_v<T> && metal::is_convertible_v<const T &, bool>,
                                             int> = 0>
    constexpr bfloat(const T &value) : bfloat(static_cast<bool>(value)) {}
    constexpr explicit bfloat(float value) : bits(rounded(value)) {}
    constexpr explicit bfloat(double value) : bits(rounded(static_cast<float>(value))) {}
    constexpr explicit bfloat(half value) : bits(rounded(static_cast<float>(value))) {}

    // A template, which converts to this type alone and not through it: otherwise `condition ? 0 : x` could be an int
    // as well as a bfloat. For the same reason there is no implicit conversion to int.
    template <typename T, metal::enable_if_t<metal::is_same_v<T, float> ||
                                                 (metal::is_integral_v<T> && !metal::is_same_v<T, int>), int> = 0>
    constexpr operator T() const {
        return static_cast<T>(__builtin_bit_cast(float, static_cast<uint>(bits) << 16));
    }
    template <typename T, metal::enable_if_t<metal::is_same_v<T, int> || metal::is_same_v<T, half> ||
                                                 metal::is_same_v<T, double>, int> = 0>
    constexpr explicit operator T() const {
        return static_cast<T>(static_cast<float>(*this));
    }

    constexpr bfloat &operator+=(float other) { return *this = bfloat(static_cast<float>(*this) + other); }
    constexpr bfloat &operator-=(float other) { return *this = bfloat(static_cast<float>(*this) - other); }
    constexpr bfloat &operator*=(float other) { return *this = bfloat(static_cast<float>(*this) * other); }
    constexpr bfloat &operator/=(float other) { return *this = bfloat(static_cast<float>(*this) / other); }
    constexpr bfloat &operator++() { return *this += 1.0f; }
    constexpr bfloat &operator--() { return *this -= 1.0f; }
    constexpr bfloat operator++(int) {
        bfloat before = *this;
        *this += 1.0f;
        return before;
    }
    constexpr bfloat operator--(int) {
        bfloat before = *this;
        *this -= 1.0f;
        return before;
    }
    constexpr bfloat operator-() const { return from_bits(bits ^ 0x8000); }
    constexpr bfloat operator+() const { return *this; }

    static constexpr bfloat from_bits(ushort bits) {
        bfloat value{};
        value.bits = bits;
        return value;
    }

    // Friends, so that only argument-dependent lookup finds them: see vector_operators.h.

#define MSL_ARITHMETIC(OP)                                                                                 \
        friend constexpr bfloat operator OP(bfloat a, bfloat b) {                                              \
            return bfloat(static_cast<float>(a) OP static_cast<float>(b));                                     \
        }                                                                                                      \
        template <typename T>                                                                                  \
        friend constexpr metal::msl_cpu::with_bfloat_t<T> operator OP(bfloat a, T b) {                         \
            return metal::msl_cpu::with_bfloat_t<T>(static_cast<float>(a) OP static_cast<float>(b));           \
        }                                                                                                      \
        template <typename T>                                                                                  \
        friend constexpr metal::msl_cpu::with_bfloat_t<T> operator OP(T a, bfloat b) {                         \
            return metal::msl_cpu::with_bfloat_t<T>(static_cast<float>(a) OP static_cast<float>(b));           \
        }                                                                                                      \
        template <typename T, typename = metal::msl_cpu::with_bfloat_t<T>>                                     \
        friend constexpr T &operator OP##=(T &a, bfloat b) {                                                   \
            return a = T(static_cast<float>(a) OP static_cast<float>(b));                                      \
        }
    MSL_ARITHMETIC(+)
    MSL_ARITHMETIC(-)
    MSL_ARITHMETIC(*)
    MSL_ARITHMETIC(/)
#undef MSL_ARITHMETIC

#define MSL_COMPARISON(OP)                                                                                 \
        friend constexpr bool operator OP(bfloat a, bfloat b) {                                                \
            return static_cast<float>(a) OP static_cast<float>(b);                                             \
        }                                                                                                      \
        template <typename T, typename = metal::msl_cpu::with_bfloat_t<T>>                                     \
        friend constexpr bool operator OP(bfloat a, T b) {                                                     \
            return static_cast<float>(a) OP static_cast<float>(b);                                             \
        }                                                                                                      \
        template <typename T, typename = metal::msl_cpu::with_bfloat_t<T>>                                     \
        friend constexpr bool operator OP(T a, bfloat b) {                                                     \
            return static_cast<float>(a) OP static_cast<float>(b);                                             \
        }
    MSL_COMPARISON(<)
    MSL_COMPARISON(>)
    MSL_COMPARISON(<=)
    MSL_COMPARISON(>=)
    MSL_COMPARISON(==)
    MSL_COMPARISON(!=)
#undef MSL_COMPARISON

private:
    static constexpr ushort rounded(float value) {
        uint bits = __builtin_bit_cast(uint, value);
        if ((bits & 0x7fffffffu) > 0x7f800000u) {
            return static_cast<ushort>((bits >> 16) | 0x40);
        }
        return static_cast<ushort>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
    }
};
