// <metal_integer>.
#pragma once

#include "relational.h"

namespace metal {

namespace msl_cpu {

template <typename T>
inline constexpr int width = int(sizeof(T)) * 8;

template <typename A>
using integers_of = typename enable_if<is_integral_v<make_scalar_t<A>>, type_identity<scalar_or_vector<A>>>::type::type;
template <typename A, typename B>
using common_integers = integers_of<common_t<A, B>>;

// What is wide enough for a product of two T.
template <typename T>
struct wide {
    using type = conditional_t<is_signed_v<T>, long, ulong>;
};
template <>
struct wide<long> {
    using type = __int128;
};
template <>
struct wide<ulong> {
    using type = unsigned __int128;
};

template <typename T>
MSL_INLINE constexpr T high_half(T a, T b) {
    using Wide = typename wide<T>::type;
    return T((Wide(a) * Wide(b)) >> width<T>);
}

template <typename T>
MSL_INLINE constexpr T rotated(T value, T count) {
    using Bits = make_unsigned_t<T>;
    Bits bits = Bits(value);
    int left = int(count) & (width<T> - 1);
    return left == 0 ? value : T(Bits(bits << left) | Bits(bits >> (width<T> - left)));
}

// The limit that a sum or difference of which one operand has this sign overflows to.
template <typename T>
MSL_INLINE constexpr T limit(bool negative) {
    return negative ? numeric_limits<T>::min() : numeric_limits<T>::max();
}
template <typename T>
MSL_INLINE constexpr T saturated_sum(T a, T b) {
    T sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? limit<T>(b < T(0)) : sum;
}
template <typename T>
MSL_INLINE constexpr T saturated_difference(T a, T b) {
    T difference = 0;
    return __builtin_sub_overflow(a, b, &difference) ? limit<T>(b > T(0)) : difference;
}
template <typename T>
MSL_INLINE constexpr T saturated_product_sum(T a, T b, T c) {
    using Wide = conditional_t<sizeof(T) == 8, __int128, long>;
    using Value = conditional_t<sizeof(T) == 8 && is_unsigned_v<T>, unsigned __int128, Wide>;
    Value sum = Value(a) * Value(b) + Value(c);
    return sum > Value(numeric_limits<T>::max())   ? numeric_limits<T>::max()
           : sum < Value(numeric_limits<T>::min()) ? numeric_limits<T>::min()
                                                   : T(sum);
}

} // namespace msl_cpu

#define MSL_FUNCTION_1(NAME, EXPRESSION)                                                            \
    template <typename A>                                                                           \
    MSL_INLINE constexpr msl_cpu::integers_of<A> NAME(const A &value) {                             \
        using T = make_scalar_t<A>;                                                                 \
        using Bits = make_unsigned_t<T>;                                                            \
        [[maybe_unused]] constexpr int width = msl_cpu::width<T>;                                   \
        return msl_cpu::map_as<msl_cpu::integers_of<A>, Bits>([](Bits x) { return EXPRESSION; }, value); \
    }
MSL_FUNCTION_1(popcount, __builtin_popcountl(x))
MSL_FUNCTION_1(clz, x == 0 ? width : __builtin_clzl(x) - (64 - width))
MSL_FUNCTION_1(ctz, x == 0 ? width : __builtin_ctzl(x))
MSL_FUNCTION_1(reverse_bits, __builtin_bitreverse64(x) >> (64 - width))
#undef MSL_FUNCTION_1

#define MSL_FUNCTION_2(NAME, EXPRESSION)                                                               \
    template <typename A, typename B>                                                                  \
    MSL_INLINE constexpr msl_cpu::common_integers<A, B> NAME(const A &a, const B &b) {                 \
        using Result = msl_cpu::common_integers<A, B>;                                                 \
        using T = make_scalar_t<Result>;                                                               \
        return msl_cpu::map<Result>([](T x, T y) { return EXPRESSION; }, a, b);                        \
    }
MSL_FUNCTION_2(mulhi, msl_cpu::high_half(x, y))
MSL_FUNCTION_2(mul24, make_unsigned_t<T>(x) * make_unsigned_t<T>(y))
MSL_FUNCTION_2(hadd, (x >> 1) + (y >> 1) + (x & y & 1))
MSL_FUNCTION_2(rhadd, (x >> 1) + (y >> 1) + ((x | y) & 1))
MSL_FUNCTION_2(addsat, msl_cpu::saturated_sum(x, y))
MSL_FUNCTION_2(subsat, msl_cpu::saturated_difference(x, y))
#undef MSL_FUNCTION_2

template <typename A, typename B>
MSL_INLINE constexpr msl_cpu::integers_of<A> rotate(const A &value, const B &count) {
    using T = make_scalar_t<A>;
    return msl_cpu::map<msl_cpu::integers_of<A>>([](T x, T n) { return msl_cpu::rotated(x, n); }, value, count);
}

template <typename A, typename B>
MSL_INLINE constexpr auto absdiff(const A &a, const B &b) {
    using Common = msl_cpu::common_integers<A, B>;
    using T = make_scalar_t<Common>;
    using Bits = make_unsigned_t<T>;
    using Result = make_vector_t<Bits, vec_elements_v<Common>>;
    auto difference = [](T x, T y) { return x < y ? Bits(Bits(y) - Bits(x)) : Bits(Bits(x) - Bits(y)); };
    return msl_cpu::map_as<Result, T>(difference, a, b);
}

template <typename A, typename B, typename C>
MSL_INLINE constexpr auto madhi(const A &a, const B &b, const C &c)
    -> msl_cpu::integers_of<msl_cpu::common3_t<A, B, C>> {
    return mulhi(a, b) + c;
}
template <typename A, typename B, typename C>
MSL_INLINE constexpr auto mad24(const A &a, const B &b, const C &c)
    -> msl_cpu::integers_of<msl_cpu::common3_t<A, B, C>> {
    return mul24(a, b) + c;
}
template <typename A, typename B, typename C>
MSL_INLINE constexpr auto madsat(const A &a, const B &b, const C &c)
    -> msl_cpu::integers_of<msl_cpu::common3_t<A, B, C>> {
    using Result = msl_cpu::integers_of<msl_cpu::common3_t<A, B, C>>;
    using T = make_scalar_t<Result>;
    return msl_cpu::map<Result>([](T x, T y, T z) { return msl_cpu::saturated_product_sum(x, y, z); }, a, b, c);
}

// Bits from `offset` on as a number, with their highest bit as the sign if T is signed.
template <typename A>
MSL_INLINE constexpr msl_cpu::integers_of<A> extract_bits(const A &value, uint offset, uint bits) {
    using T = make_scalar_t<A>;
    using Bits = make_unsigned_t<T>;
    constexpr uint width = msl_cpu::width<T>;
    auto extract = [offset, bits](T x) -> T {
        if (bits == 0 || bits > width || offset > width - bits) {
            return T(0);
        }
        return T(T(Bits(Bits(x) << (width - bits - offset))) >> (width - bits));
    };
    return msl_cpu::map<msl_cpu::integers_of<A>>(extract, value);
}

template <typename A, typename B>
MSL_INLINE constexpr msl_cpu::common_integers<A, B> insert_bits(const A &base, const B &insert, uint offset,
                                                                uint bits) {
    using Result = msl_cpu::common_integers<A, B>;
    using T = make_scalar_t<Result>;
    using Bits = make_unsigned_t<T>;
    constexpr uint width = msl_cpu::width<T>;
    auto put = [offset, bits](T x, T y) -> T {
        if (bits == 0 || bits > width || offset > width - bits) {
            return x;
        }
        Bits mask = Bits(Bits(Bits(~Bits(0)) >> (width - bits)) << offset);
        return T((Bits(x) & Bits(~mask)) | (Bits(Bits(y) << offset) & mask));
    };
    return msl_cpu::map<Result>(put, base, insert);
}

} // namespace metal
