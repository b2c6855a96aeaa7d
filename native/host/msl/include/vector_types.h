// What is known of a type that may be a vector: how many components it has, and of which type.
#pragma once

#include "limits.h"

namespace metal {

template <typename T, int N>
struct vec;
template <typename T, int N>
struct packed_vec;

template <typename T>
inline constexpr bool is_vector_v = false;
template <typename T, int N>
inline constexpr bool is_vector_v<vec<T, N>> = true;
template <typename T, int N>
inline constexpr bool is_vector_v<packed_vec<T, N>> = true;
template <typename T>
struct is_vector : bool_constant<is_vector_v<T>> {};

template <typename T>
inline constexpr int vec_elements_v = 1;
template <typename T, int N>
inline constexpr int vec_elements_v<vec<T, N>> = N;
template <typename T, int N>
inline constexpr int vec_elements_v<packed_vec<T, N>> = N;
template <typename T>
struct vec_elements : integral_constant<int, vec_elements_v<T>> {};

template <typename T>
struct make_scalar {
    using type = T;
};
template <typename T, int N>
struct make_scalar<vec<T, N>> {
    using type = T;
};
template <typename T, int N>
struct make_scalar<packed_vec<T, N>> {
    using type = T;
};
template <typename T>
using make_scalar_t = typename make_scalar<T>::type;

template <typename T, int N>
struct make_vector {
    using type = vec<T, N>;
};
template <typename T>
struct make_vector<T, 1> {
    using type = T;
};
template <typename T, int N>
using make_vector_t = typename make_vector<T, N>::type;

namespace msl_cpu {

// Operators of the compiler's vectors compute on components of these types; those of bool and bfloat are computed one
// by one.
template <typename T>
inline constexpr bool has_native_operators = is_arithmetic_v<T> && !is_same_v<T, bool> && !is_same_v<T, bfloat>;

template <typename T, int N>
struct native_vector {
    typedef T type __attribute__((ext_vector_type(N)));
};
template <int N>
struct native_vector<bool, N> {
    typedef uchar type __attribute__((ext_vector_type(N)));
};
template <int N>
struct native_vector<bfloat, N> {
    typedef ushort type __attribute__((ext_vector_type(N)));
};

template <typename T>
inline constexpr bool is_component = is_arithmetic_v<T> || is_enum_v<T>;
template <typename T>
inline constexpr bool has_components = is_component<T> || is_vector_v<T>;

} // namespace msl_cpu

} // namespace metal
