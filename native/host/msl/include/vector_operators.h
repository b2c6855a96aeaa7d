// Operators of vectors: on two vectors of one type, or on a vector and a scalar, which is converted to the vector's
// component type. Comparisons and logical operators give a vector of bool.
#pragma once

#include "vector.h"

namespace metal {

namespace msl_cpu {

// The vector type that A and B make together, if any.
template <typename Vector, typename Other>
inline constexpr bool fits_vector =
    is_component<Other> || (vec_elements_v<Other> == vec_elements_v<Vector> &&
                            is_same_v<make_scalar_t<Other>, make_scalar_t<Vector>>);
template <typename A, typename B>
inline constexpr bool are_operands = (is_vector_v<A> && fits_vector<A, B>) || (is_vector_v<B> && fits_vector<B, A>);

template <typename A, typename B>
using operand_vector = conditional_t<is_vector_v<A>, vec<make_scalar_t<A>, vec_elements_v<A>>,
                                     vec<make_scalar_t<B>, vec_elements_v<B>>>;
template <typename A, typename B>
using vector_result = typename enable_if<are_operands<A, B>, operand_vector<A, B>>::type;
template <typename A, typename B>
using bool_result = typename enable_if<are_operands<A, B>, vec<bool, vec_elements_v<operand_vector<A, B>>>>::type;

template <typename T, int N>
MSL_INLINE vec<T, N> from_native(typename native_vector<T, N>::type native) {
    vec<T, N> result;
    result.native = native;
    return result;
}

// The operators are here, where only argument-dependent lookup finds them, through the base class of vec. If a template
// saw them by name, clang would take an operator on a swizzle of a dependent type for a built-in one, and refuse it.

#define MSL_BINARY(OP, PREPARE)                                                                 \
    template <typename A, typename B>                                                           \
    MSL_INLINE constexpr vector_result<A, B> operator OP(const A &a, const B &b) {              \
        using Vector = vector_result<A, B>;                                                     \
        using T = make_scalar_t<Vector>;                                                        \
        constexpr int N = vec_elements_v<Vector>;                                               \
        Vector x(a), y(PREPARE<T>(b));                                                          \
        if constexpr (has_native_operators<T>) {                                                \
            if (!__builtin_is_constant_evaluated()) {                                           \
                return from_native<T, N>(x.native OP y.native);                                 \
            }                                                                                   \
        }                                                                                       \
        Vector result(T(0));                                                                    \
        for (int i = 0; i < N; i++) {                                                           \
            result.components[i] = static_cast<T>(x.components[i] OP y.components[i]);          \
        }                                                                                       \
        return result;                                                                          \
    }                                                                                           \
    template <typename T, int N, typename B>                                                    \
    MSL_INLINE constexpr vec<T, N> &operator OP##=(vec<T, N> &a, const B &b) {                  \
        return a = a OP b;                                                                      \
    }                                                                                           \
    template <typename T, int N, typename B>                                                    \
    MSL_INLINE constexpr packed_vec<T, N> &operator OP##=(packed_vec<T, N> &a, const B &b) {    \
        return a = a OP b;                                                                      \
    }

template <typename T, typename B>
MSL_INLINE constexpr const B &unchanged(const B &b) {
    return b;
}
MSL_BINARY(+, unchanged)
MSL_BINARY(-, unchanged)
MSL_BINARY(*, unchanged)
MSL_BINARY(/, unchanged)
MSL_BINARY(%, unchanged)
MSL_BINARY(&, unchanged)
MSL_BINARY(|, unchanged)
MSL_BINARY(^, unchanged)

// Shifts use the lowest bits of a count, as many as a component has places.
template <typename T, typename B>
MSL_INLINE constexpr auto shift_count(const B &b) {
    return b & make_scalar_t<B>(sizeof(T) * 8 - 1);
}
MSL_BINARY(<<, shift_count)
MSL_BINARY(>>, shift_count)
#undef MSL_BINARY

#define MSL_COMPARISON(OP)                                                                      \
    template <typename A, typename B>                                                           \
    MSL_INLINE constexpr bool_result<A, B> operator OP(const A &a, const B &b) {       \
        using Vector = vector_result<A, B>;                                            \
        Vector x(a), y(b);                                                                      \
        bool_result<A, B> result(false);                                               \
        for (int i = 0; i < vec_elements_v<Vector>; i++) {                                      \
            result.components[i] = x.components[i] OP y.components[i];                          \
        }                                                                                       \
        return result;                                                                          \
    }
MSL_COMPARISON(<)
MSL_COMPARISON(>)
MSL_COMPARISON(<=)
MSL_COMPARISON(>=)
MSL_COMPARISON(==)
MSL_COMPARISON(!=)
MSL_COMPARISON(&&)
MSL_COMPARISON(||)
#undef MSL_COMPARISON

#define MSL_UNARY(OP, RESULT, VECTOR)                                                   \
    template <typename T, int N>                                                        \
    MSL_INLINE constexpr vec<RESULT, N> operator OP(const VECTOR<T, N> &a) {            \
        vec<RESULT, N> result(RESULT(0));                                               \
        for (int i = 0; i < N; i++) {                                                   \
            result.components[i] = static_cast<RESULT>(OP a.components[i]);             \
        }                                                                               \
        return result;                                                                  \
    }
MSL_UNARY(-, T, vec)
MSL_UNARY(+, T, vec)
MSL_UNARY(~, T, vec)
MSL_UNARY(!, bool, vec)
MSL_UNARY(-, T, packed_vec)
MSL_UNARY(+, T, packed_vec)
MSL_UNARY(~, T, packed_vec)
MSL_UNARY(!, bool, packed_vec)
#undef MSL_UNARY

#define MSL_STEP(OP, CHANGE, VECTOR)                                    \
    template <typename T, int N>                                        \
    MSL_INLINE constexpr VECTOR<T, N> &operator OP(VECTOR<T, N> &a) {   \
        return a CHANGE T(1);                                           \
    }                                                                   \
    template <typename T, int N>                                        \
    MSL_INLINE constexpr VECTOR<T, N> operator OP(VECTOR<T, N> &a, int) { \
        VECTOR<T, N> before = a;                                        \
        a CHANGE T(1);                                                  \
        return before;                                                  \
    }
MSL_STEP(++, +=, vec)
MSL_STEP(--, -=, vec)
MSL_STEP(++, +=, packed_vec)
MSL_STEP(--, -=, packed_vec)
#undef MSL_STEP

} // namespace msl_cpu

} // namespace metal
