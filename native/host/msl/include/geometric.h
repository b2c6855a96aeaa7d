// <metal_geometric>.
#pragma once

#include "integer.h"

namespace metal {

// Half and bfloat are summed in float.
template <typename A, typename B>
MSL_INLINE constexpr make_scalar_t<msl_cpu::vector_result<A, B>> dot(const A &a, const B &b) {
    using Vector = msl_cpu::vector_result<A, B>;
    using T = make_scalar_t<Vector>;
    using Sum = conditional_t<is_floating_point_v<T>, float, T>;
    Vector x(a), y(b);
    Sum sum = Sum(0);
    for (int i = 0; i < vec_elements_v<Vector>; i++) {
        sum += Sum(x.components[i]) * Sum(y.components[i]);
    }
    return T(sum);
}

template <typename T>
MSL_INLINE constexpr vec<T, 3> cross(const vec<T, 3> &a, const vec<T, 3> &b) {
    return a.yzx * b.zxy - a.zxy * b.yzx;
}

template <typename A, typename = enable_if_t<is_vector_v<A>>>
MSL_INLINE constexpr make_scalar_t<A> length_squared(const A &a) {
    return dot(a, a);
}
template <typename A, typename = enable_if_t<is_vector_v<A>>>
MSL_INLINE make_scalar_t<A> length(const A &a) {
    return sqrt(dot(a, a));
}
template <typename A, typename B>
MSL_INLINE constexpr make_scalar_t<msl_cpu::vector_result<A, B>> distance_squared(const A &a, const B &b) {
    return length_squared(a - b);
}
template <typename A, typename B>
MSL_INLINE make_scalar_t<msl_cpu::vector_result<A, B>> distance(const A &a, const B &b) {
    return length(a - b);
}
template <typename A, typename = enable_if_t<is_vector_v<A>>>
MSL_INLINE msl_cpu::scalar_or_vector<A> normalize(const A &a) {
    return a * rsqrt(dot(a, a));
}

template <typename T, int N>
MSL_INLINE vec<T, N> faceforward(const vec<T, N> &normal, const vec<T, N> &incident, const vec<T, N> &reference) {
    return dot(reference, incident) < T(0) ? normal : -normal;
}
template <typename T, int N>
MSL_INLINE vec<T, N> reflect(const vec<T, N> &incident, const vec<T, N> &normal) {
    return incident - T(2) * dot(normal, incident) * normal;
}
template <typename T, int N>
MSL_INLINE vec<T, N> refract(const vec<T, N> &incident, const vec<T, N> &normal, type_identity_t<T> eta) {
    T cosine = dot(normal, incident);
    T k = T(T(1) - eta * eta * (T(1) - cosine * cosine));
    return k < T(0) ? vec<T, N>(T(0)) : eta * incident - T(eta * cosine + sqrt(k)) * normal;
}

} // namespace metal
