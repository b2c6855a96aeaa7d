// How functions of scalars are made functions of vectors.
#pragma once

#include "as_type.h"

namespace metal::msl_cpu {

template <typename T>
using scalar_or_vector = conditional_t<is_vector_v<T>, make_vector_t<make_scalar_t<T>, vec_elements_v<T>>, T>;

// Floating-point functions give float for integers.
template <typename T, bool = is_floating_point_v<make_scalar_t<T>>>
struct floating {
    using type = make_vector_t<float, vec_elements_v<T>>;
};
template <typename T>
struct floating<T, true> {
    using type = scalar_or_vector<T>;
};
template <typename T>
using floating_t = typename enable_if<has_components<T>, floating<T>>::type::type;

// The scalar type that operands of two types are converted to.
template <typename A, typename B, bool = is_same_v<A, bfloat> || is_same_v<B, bfloat>>
struct common_scalar {
    using type = decltype(true ? A() : B());
};
template <typename A>
struct common_scalar<A, A, false> {
    using type = A;
};
template <>
struct common_scalar<bfloat, bfloat, true> {
    using type = bfloat;
};
template <typename A>
struct common_scalar<A, bfloat, true> {
    using type = with_bfloat_t<A>;
};
template <typename B>
struct common_scalar<bfloat, B, true> {
    using type = with_bfloat_t<B>;
};

// The same for operands that may be vectors.
template <typename A, typename B, bool AnyVector = is_vector_v<A> || is_vector_v<B>>
struct common {};
template <typename A, typename B>
struct common<A, B, true> {
    using type = vector_result<A, B>;
};
template <typename A, typename B>
struct common<A, B, false> {
    using type = typename common_scalar<A, B>::type;
};
template <typename A, typename B>
using common_t = typename enable_if<(is_component<A> || is_vector_v<A>) && (is_component<B> || is_vector_v<B>),
                                    common<A, B>>::type::type;
template <typename A, typename B, typename C>
using common3_t = common_t<common_t<A, B>, C>;

template <typename T>
MSL_INLINE constexpr auto component(const T &value, int i) {
    if constexpr (is_vector_v<T>) {
        return value.components[i];
    } else {
        return value;
    }
}

// The results of a function of each component, whose arguments are converted to Argument, and whose results to the type
// of Result's components.
template <typename Result, typename Argument, typename Function, typename... Values>
MSL_INLINE constexpr Result map_as(Function function, const Values &...values) {
    using T = make_scalar_t<Result>;
    if constexpr (is_vector_v<Result>) {
        Result result(T(0));
        for (int i = 0; i < vec_elements_v<Result>; i++) {
            result.components[i] = static_cast<T>(function(static_cast<Argument>(component(values, i))...));
        }
        return result;
    } else {
        return static_cast<T>(function(static_cast<Argument>(values)...));
    }
}

// Computed in float.
template <typename Result, typename Function, typename... Values>
MSL_INLINE constexpr Result map_float(Function function, const Values &...values) {
    return map_as<Result, float>(function, values...);
}

// Computed in the component type of the result.
template <typename Result, typename Function, typename... Values>
MSL_INLINE constexpr Result map(Function function, const Values &...values) {
    return map_as<Result, make_scalar_t<Result>>(function, values...);
}

} // namespace metal::msl_cpu
