// Swizzles: v.zyx is a property whose type is vec<T, 3>, so that it can be assigned, and templates deduce its type.
// MSL_SWIZZLES_N declares those of a vector of N components in a class with `T` and `T components[N]`.
#pragma once

#include "scalar.h"

namespace metal::msl_cpu {

constexpr bool distinct(int a, int b, int c = -1, int d = -2) {
    return a != b && a != c && a != d && b != c && b != d && c != d;
}

} // namespace metal::msl_cpu

#define MSL_CANNOT_ASSIGN "a vector component is assigned twice"

#define MSL_SWIZZLE_2(x, r, i, y, g, j)                                                                         \
    constexpr vec<T, 2> get_##i##j() const { return vec<T, 2>(components[i], components[j]); }                  \
    constexpr vec<T, 2> put_##i##j(const vec<T, 2> &from) {                                                     \
        static_assert(sizeof(T) == 0 || msl_cpu::distinct(i, j), MSL_CANNOT_ASSIGN);                            \
        components[i] = from.components[0], components[j] = from.components[1];                                 \
        return from;                                                                                            \
    }                                                                                                           \
    __declspec(property(get = get_##i##j, put = put_##i##j)) vec<T, 2> x##y;                                    \
    __declspec(property(get = get_##i##j, put = put_##i##j)) vec<T, 2> r##g;

#define MSL_SWIZZLE_3(x, r, i, y, g, j, z, b, k)                                                                \
    constexpr vec<T, 3> get_##i##j##k() const {                                                                 \
        return vec<T, 3>(components[i], components[j], components[k]);                                          \
    }                                                                                                           \
    constexpr vec<T, 3> put_##i##j##k(const vec<T, 3> &from) {                                                  \
        static_assert(sizeof(T) == 0 || msl_cpu::distinct(i, j, k), MSL_CANNOT_ASSIGN);                         \
        components[i] = from.components[0], components[j] = from.components[1];                                 \
        components[k] = from.components[2];                                                                     \
        return from;                                                                                            \
    }                                                                                                           \
    __declspec(property(get = get_##i##j##k, put = put_##i##j##k)) vec<T, 3> x##y##z;                           \
    __declspec(property(get = get_##i##j##k, put = put_##i##j##k)) vec<T, 3> r##g##b;

#define MSL_SWIZZLE_4(x, r, i, y, g, j, z, b, k, w, a, l)                                                       \
    constexpr vec<T, 4> get_##i##j##k##l() const {                                                              \
        return vec<T, 4>(components[i], components[j], components[k], components[l]);                           \
    }                                                                                                           \
    constexpr vec<T, 4> put_##i##j##k##l(const vec<T, 4> &from) {                                               \
        static_assert(sizeof(T) == 0 || msl_cpu::distinct(i, j, k, l), MSL_CANNOT_ASSIGN);                      \
        components[i] = from.components[0], components[j] = from.components[1];                                 \
        components[k] = from.components[2], components[l] = from.components[3];                                 \
        return from;                                                                                            \
    }                                                                                                           \
    __declspec(property(get = get_##i##j##k##l, put = put_##i##j##k##l)) vec<T, 4> x##y##z##w;                  \
    __declspec(property(get = get_##i##j##k##l, put = put_##i##j##k##l)) vec<T, 4> r##g##b##a;

// MSL_FOR_N_D(M, ...) is M(..., x, r, 0) M(..., y, g, 1) and so on for N components. A macro does not expand inside its
// own expansion, hence one copy for each depth D.
#define MSL_FOR_2_A(M, ...) M(__VA_ARGS__, x, r, 0) M(__VA_ARGS__, y, g, 1)
#define MSL_FOR_2_B(M, ...) M(__VA_ARGS__, x, r, 0) M(__VA_ARGS__, y, g, 1)
#define MSL_FOR_2_C(M, ...) M(__VA_ARGS__, x, r, 0) M(__VA_ARGS__, y, g, 1)
#define MSL_FOR_3_A(M, ...) MSL_FOR_2_A(M, __VA_ARGS__) M(__VA_ARGS__, z, b, 2)
#define MSL_FOR_3_B(M, ...) MSL_FOR_2_B(M, __VA_ARGS__) M(__VA_ARGS__, z, b, 2)
#define MSL_FOR_3_C(M, ...) MSL_FOR_2_C(M, __VA_ARGS__) M(__VA_ARGS__, z, b, 2)
#define MSL_FOR_4_A(M, ...) MSL_FOR_3_A(M, __VA_ARGS__) M(__VA_ARGS__, w, a, 3)
#define MSL_FOR_4_B(M, ...) MSL_FOR_3_B(M, __VA_ARGS__) M(__VA_ARGS__, w, a, 3)
#define MSL_FOR_4_C(M, ...) MSL_FOR_3_C(M, __VA_ARGS__) M(__VA_ARGS__, w, a, 3)

// All swizzles of N components that begin with one component.
#define MSL_FIRST_2(...)                     \
    MSL_FOR_2_A(MSL_SWIZZLE_2, __VA_ARGS__)  \
    MSL_FOR_2_A(MSL_SECOND_2, __VA_ARGS__)
#define MSL_SECOND_2(...)                    \
    MSL_FOR_2_B(MSL_SWIZZLE_3, __VA_ARGS__)  \
    MSL_FOR_2_B(MSL_THIRD_2, __VA_ARGS__)
#define MSL_THIRD_2(...) MSL_FOR_2_C(MSL_SWIZZLE_4, __VA_ARGS__)
#define MSL_FIRST_3(...)                     \
    MSL_FOR_3_A(MSL_SWIZZLE_2, __VA_ARGS__)  \
    MSL_FOR_3_A(MSL_SECOND_3, __VA_ARGS__)
#define MSL_SECOND_3(...)                    \
    MSL_FOR_3_B(MSL_SWIZZLE_3, __VA_ARGS__)  \
    MSL_FOR_3_B(MSL_THIRD_3, __VA_ARGS__)
#define MSL_THIRD_3(...) MSL_FOR_3_C(MSL_SWIZZLE_4, __VA_ARGS__)
#define MSL_FIRST_4(...)                     \
    MSL_FOR_4_A(MSL_SWIZZLE_2, __VA_ARGS__)  \
    MSL_FOR_4_A(MSL_SECOND_4, __VA_ARGS__)
#define MSL_SECOND_4(...)                    \
    MSL_FOR_4_B(MSL_SWIZZLE_3, __VA_ARGS__)  \
    MSL_FOR_4_B(MSL_THIRD_4, __VA_ARGS__)
#define MSL_THIRD_4(...) MSL_FOR_4_C(MSL_SWIZZLE_4, __VA_ARGS__)

#define MSL_SWIZZLES_2 MSL_FIRST_2(x, r, 0) MSL_FIRST_2(y, g, 1)
#define MSL_SWIZZLES_3 MSL_FIRST_3(x, r, 0) MSL_FIRST_3(y, g, 1) MSL_FIRST_3(z, b, 2)
#define MSL_SWIZZLES_4 MSL_FIRST_4(x, r, 0) MSL_FIRST_4(y, g, 1) MSL_FIRST_4(z, b, 2) MSL_FIRST_4(w, a, 3)
