// <metal_type_traits>. Compiler traits are used in classes and variables alone: clang 16 cannot mangle them in
// signatures.
#pragma once

#include "scalar.h"

struct bfloat;

namespace metal {

template <typename T, T Value>
struct integral_constant {
    using value_type = T;
    using type = integral_constant;
    static constexpr T value = Value;

    constexpr operator T() const { return Value; }
    constexpr T operator()() const { return Value; }
};

template <bool Value>
using bool_constant = integral_constant<bool, Value>;
using true_type = bool_constant<true>;
using false_type = bool_constant<false>;

template <bool Condition, typename T = void>
struct enable_if {};
template <typename T>
struct enable_if<true, T> {
    using type = T;
};
template <bool Condition, typename T = void>
using enable_if_t = typename enable_if<Condition, T>::type;

template <bool Condition, typename A, typename B>
struct conditional {
    using type = A;
};
template <typename A, typename B>
struct conditional<false, A, B> {
    using type = B;
};
template <bool Condition, typename A, typename B>
using conditional_t = typename conditional<Condition, A, B>::type;

// Changes of types.

#define MSL_TYPE_CHANGE(NAME, PATTERN, PARAMETERS, RESULT) \
    template <PARAMETERS>                                  \
    struct NAME<PATTERN> {                                 \
        using type = RESULT;                               \
    };
#define MSL_TYPE_ALIAS(NAME) \
    template <typename T>    \
    using NAME##_t = typename NAME<T>::type;
#define MSL_IDENTITY(NAME)   \
    template <typename T>    \
    struct NAME {            \
        using type = T;      \
    };                       \
    MSL_TYPE_ALIAS(NAME)

MSL_IDENTITY(remove_const)
MSL_TYPE_CHANGE(remove_const, const T, typename T, T)
MSL_IDENTITY(remove_volatile)
MSL_TYPE_CHANGE(remove_volatile, volatile T, typename T, T)
MSL_IDENTITY(remove_reference)
MSL_TYPE_CHANGE(remove_reference, T &, typename T, T)
MSL_TYPE_CHANGE(remove_reference, T &&, typename T, T)
MSL_IDENTITY(remove_pointer)
MSL_TYPE_CHANGE(remove_pointer, T *, typename T, T)
MSL_TYPE_CHANGE(remove_pointer, T *const, typename T, T)
MSL_IDENTITY(remove_extent)
MSL_TYPE_CHANGE(remove_extent, T[], typename T, T)
template <typename T, size_t N>
struct remove_extent<T[N]> {
    using type = T;
};
MSL_IDENTITY(remove_addrspace)
MSL_IDENTITY(type_identity)

template <typename T>
struct remove_cv {
    using type = remove_volatile_t<remove_const_t<T>>;
};
MSL_TYPE_ALIAS(remove_cv)
template <typename T>
struct remove_cvref {
    using type = remove_cv_t<remove_reference_t<T>>;
};
MSL_TYPE_ALIAS(remove_cvref)
template <typename T>
struct add_const {
    using type = const T;
};
MSL_TYPE_ALIAS(add_const)
template <typename T>
struct add_volatile {
    using type = volatile T;
};
MSL_TYPE_ALIAS(add_volatile)
template <typename T>
struct add_cv {
    using type = const volatile T;
};
MSL_TYPE_ALIAS(add_cv)
template <typename T>
struct add_pointer {
    using type = remove_reference_t<T> *;
};
MSL_TYPE_ALIAS(add_pointer)
template <typename T>
struct add_lvalue_reference {
    using type = T &;
};
MSL_TYPE_ALIAS(add_lvalue_reference)
template <typename T>
struct add_rvalue_reference {
    using type = T &&;
};
MSL_TYPE_ALIAS(add_rvalue_reference)

template <typename T>
T &&declval() noexcept;

// Properties of types.

#define MSL_PROPERTY(NAME, ...)                            \
    template <typename T>                                  \
    inline constexpr bool NAME##_v = bool(__VA_ARGS__);    \
    template <typename T>                                  \
    struct NAME : bool_constant<NAME##_v<T>> {};
#define MSL_RELATION(NAME, ...)                            \
    template <typename A, typename B>                      \
    inline constexpr bool NAME##_v = bool(__VA_ARGS__);    \
    template <typename A, typename B>                      \
    struct NAME : bool_constant<NAME##_v<A, B>> {};

MSL_RELATION(is_same, __is_same(A, B))
MSL_RELATION(is_convertible, __is_convertible(A, B))
MSL_RELATION(is_base_of, __is_base_of(A, B))
MSL_RELATION(is_assignable, __is_assignable(A, B))

MSL_PROPERTY(is_void, __is_void(T))
MSL_PROPERTY(is_const, __is_const(T))
MSL_PROPERTY(is_volatile, __is_volatile(T))
MSL_PROPERTY(is_pointer, __is_pointer(T))
MSL_PROPERTY(is_lvalue_reference, __is_lvalue_reference(T))
MSL_PROPERTY(is_rvalue_reference, __is_rvalue_reference(T))
MSL_PROPERTY(is_reference, __is_reference(T))
MSL_PROPERTY(is_array, __is_array(T))
MSL_PROPERTY(is_enum, __is_enum(T))
MSL_PROPERTY(is_union, __is_union(T))
MSL_PROPERTY(is_class, __is_class(T) && !__is_same(remove_cv_t<T>, bfloat))
MSL_PROPERTY(is_function, __is_function(T))
MSL_PROPERTY(is_polymorphic, __is_polymorphic(T))
MSL_PROPERTY(is_final, __is_final(T))
MSL_PROPERTY(is_trivial, __is_trivial(T))
MSL_PROPERTY(is_trivially_copyable, __is_trivially_copyable(T))
MSL_PROPERTY(is_standard_layout, __is_standard_layout(T))
MSL_PROPERTY(is_default_constructible, __is_constructible(T))
MSL_PROPERTY(is_copy_constructible, __is_constructible(T, const T &))
MSL_PROPERTY(is_move_constructible, __is_constructible(T, T &&))

template <typename T, typename... Arguments>
inline constexpr bool is_constructible_v = __is_constructible(T, Arguments...);
template <typename T, typename... Arguments>
struct is_constructible : bool_constant<is_constructible_v<T, Arguments...>> {};

MSL_PROPERTY(is_integral, __is_integral(T))
MSL_PROPERTY(is_floating_point, __is_floating_point(T) || __is_same(remove_cv_t<T>, half) ||
                                    __is_same(remove_cv_t<T>, bfloat))
MSL_PROPERTY(is_arithmetic, is_integral_v<T> || is_floating_point_v<T>)
MSL_PROPERTY(is_scalar, is_arithmetic_v<T> || is_enum_v<T> || is_pointer_v<T>)
MSL_PROPERTY(is_fundamental, is_arithmetic_v<T> || is_void_v<T> || __is_same(T, nullptr_t))
MSL_PROPERTY(is_compound, !is_fundamental_v<T>)
MSL_PROPERTY(is_object, !is_function_v<T> && !is_reference_v<T> && !is_void_v<T>)

namespace msl_cpu {

template <typename T, bool Integral = is_integral_v<T>>
inline constexpr bool has_sign = is_floating_point_v<T>;
template <typename T>
inline constexpr bool has_sign<T, true> = T(-1) < T(0);

template <size_t Bytes>
struct integers;
template <>
struct integers<1> {
    using with_sign = char;
    using without_sign = uchar;
};
template <>
struct integers<2> {
    using with_sign = short;
    using without_sign = ushort;
};
template <>
struct integers<4> {
    using with_sign = int;
    using without_sign = uint;
};
template <>
struct integers<8> {
    using with_sign = long;
    using without_sign = ulong;
};

} // namespace msl_cpu

MSL_PROPERTY(is_signed, msl_cpu::has_sign<T>)
MSL_PROPERTY(is_unsigned, is_integral_v<T> && !is_signed_v<T>)

template <typename T>
struct make_signed {
    using type = typename msl_cpu::integers<sizeof(T)>::with_sign;
};
MSL_TYPE_ALIAS(make_signed)
template <typename T>
struct make_unsigned {
    using type = typename msl_cpu::integers<sizeof(T)>::without_sign;
};
MSL_TYPE_ALIAS(make_unsigned)

template <typename T>
struct underlying_type {
    using type = __underlying_type(T);
};
MSL_TYPE_ALIAS(underlying_type)

template <typename T>
struct rank : integral_constant<size_t, 0> {};
template <typename T>
struct rank<T[]> : integral_constant<size_t, rank<T>::value + 1> {};
template <typename T, size_t N>
struct rank<T[N]> : integral_constant<size_t, rank<T>::value + 1> {};

template <typename T, unsigned Dimension = 0>
struct extent : integral_constant<size_t, 0> {};
template <typename T, size_t N>
struct extent<T[N], 0> : integral_constant<size_t, N> {};
template <typename T, size_t N, unsigned Dimension>
struct extent<T[N], Dimension> : extent<T, Dimension - 1> {};

template <typename T>
struct decay {
    using referred = remove_reference_t<T>;
    using type = conditional_t<is_array_v<referred>, remove_extent_t<referred> *, remove_cv_t<referred>>;
};
MSL_TYPE_ALIAS(decay)

template <typename... T>
struct common_type {};
template <typename T>
struct common_type<T> {
    using type = decay_t<T>;
};
template <typename A, typename B>
struct common_type<A, B> {
    using type = decay_t<decltype(true ? declval<A>() : declval<B>())>;
};
template <typename A, typename B, typename C, typename... Rest>
struct common_type<A, B, C, Rest...> : common_type<typename common_type<A, B>::type, C, Rest...> {};
template <typename... T>
using common_type_t = typename common_type<T...>::type;

template <typename Function, typename... Arguments>
struct invoke_result {
    using type = decltype(declval<Function>()(declval<Arguments>()...));
};
template <typename Function, typename... Arguments>
using invoke_result_t = typename invoke_result<Function, Arguments...>::type;

template <typename... Conditions>
struct conjunction : bool_constant<(Conditions::value && ...)> {};
template <typename... Conditions>
struct disjunction : bool_constant<(Conditions::value || ...)> {};
template <typename Condition>
struct negation : bool_constant<!Condition::value> {};
template <typename... Conditions>
inline constexpr bool conjunction_v = (Conditions::value && ...);
template <typename... Conditions>
inline constexpr bool disjunction_v = (Conditions::value || ...);
template <typename Condition>
inline constexpr bool negation_v = !Condition::value;

// Kernels of MLX use the internal name.
template <typename... Conditions>
using _disjunction = disjunction<Conditions...>;

template <typename T, T... Values>
struct integer_sequence {
    using value_type = T;
    static constexpr size_t size() { return sizeof...(Values); }
};
template <size_t... Values>
using index_sequence = integer_sequence<size_t, Values...>;
template <typename T, T Count>
using make_integer_sequence = __make_integer_seq<integer_sequence, T, Count>;
template <size_t Count>
using make_index_sequence = make_integer_sequence<size_t, Count>;

template <typename T>
using uniform = T;
template <typename T>
constexpr T make_uniform(T value) {
    return value;
}

#undef MSL_TYPE_CHANGE
#undef MSL_TYPE_ALIAS
#undef MSL_IDENTITY
#undef MSL_PROPERTY
#undef MSL_RELATION

} // namespace metal
