// vec<T, N> and packed_vec<T, N>: their components, constructors and conversions.
#pragma once

#include "swizzle.h"
#include "vector_types.h"

namespace metal {

namespace msl_cpu {

// An element of another type as a T.
template <typename T, typename U>
MSL_INLINE constexpr T converted(U element) {
    return static_cast<T>(element);
}

#if defined(__x86_64__) && !defined(__F16C__)
// Without an instruction for it, the compiler calls a function for each half. These operations it does for four at once.
// A float has the same bits as a half, 13 places higher and with an exponent that is 112 larger.
template <>
MSL_INLINE constexpr float converted(half element) {
    unsigned bits = __builtin_bit_cast(unsigned short, element);
    unsigned magnitude = (bits & 0x7FFF) << 13;
    unsigned special = (bits & 0x7C00) == 0x7C00 ? 0x7F800000 : 0;
    unsigned scaled = __builtin_bit_cast(unsigned, __builtin_bit_cast(float, magnitude) * 0x1p112f);
    return __builtin_bit_cast(float, (bits & 0x8000) << 16 | special | scaled);
}
#endif

// The components of a vector. Native is the compiler's own vector, which gives size and alignment, or T if there is to
// be no padding.
template <typename T, int N, typename Native>
struct vector_storage;
template <typename T, typename Native>
struct vector_storage<T, 2, Native> {
    union {
        T components[2];
        Native native;
        struct {
            T x, y;
        };
        struct {
            T r, g;
        };
    };
    MSL_SWIZZLES_2
};
template <typename T, typename Native>
struct vector_storage<T, 3, Native> {
    union {
        T components[3];
        Native native;
        struct {
            T x, y, z;
        };
        struct {
            T r, g, b;
        };
    };
    MSL_SWIZZLES_3
};
template <typename T, typename Native>
struct vector_storage<T, 4, Native> {
    union {
        T components[4];
        Native native;
        struct {
            T x, y, z, w;
        };
        struct {
            T r, g, b, a;
        };
    };
    MSL_SWIZZLES_4
};

template <typename T, int N>
using padded_storage = vector_storage<T, N, typename native_vector<T, N>::type>;
template <typename T, int N>
using packed_storage = vector_storage<T, N, T>;

// Writes the components of a scalar or vector to *to, and moves it on.
template <typename T, typename From>
MSL_INLINE constexpr void append(T *&to, const From &from) {
    if constexpr (is_vector_v<From>) {
        for (int i = 0; i < vec_elements_v<From>; i++) {
            *to++ = static_cast<T>(from.components[i]);
        }
    } else {
        *to++ = static_cast<T>(from);
    }
}

template <typename... Parts>
inline constexpr int total_elements = (vec_elements_v<Parts> + ...);

} // namespace msl_cpu

template <typename T, int N>
struct vec : msl_cpu::padded_storage<T, N> {
    using storage = msl_cpu::padded_storage<T, N>;

    vec() = default;

    template <typename Scalar, typename = enable_if_t<msl_cpu::is_component<Scalar>>>
    MSL_INLINE constexpr vec(Scalar scalar) : storage{} {
        for (int i = 0; i < N; i++) {
            this->components[i] = static_cast<T>(scalar);
        }
    }

    // Components that are not given are 0, as in `uint4 v = {1, 2, 3}`.
    template <typename A, typename B, typename... Rest,
              typename = enable_if_t<msl_cpu::has_components<A> && msl_cpu::has_components<B> &&
                                      (msl_cpu::has_components<Rest> && ... && true) &&
                                     msl_cpu::total_elements<A, B, Rest...> <= N>>
    MSL_INLINE constexpr vec(const A &a, const B &b, const Rest &...rest) : storage{} {
        T *to = this->components;
        msl_cpu::append(to, a);
        msl_cpu::append(to, b);
        (msl_cpu::append(to, rest), ...);
    }

    template <typename U, typename = enable_if_t<!is_same_v<U, T>>>
    MSL_INLINE constexpr explicit vec(const vec<U, N> &other) : storage{} {
        for (int i = 0; i < N; i++) {
            this->components[i] = msl_cpu::converted<T>(other.components[i]);
        }
    }

    template <typename U>
    MSL_INLINE constexpr vec(const packed_vec<U, N> &other) : storage{} {
        for (int i = 0; i < N; i++) {
            this->components[i] = static_cast<T>(other.components[i]);
        }
    }

    MSL_INLINE constexpr T &operator[](int i) { return this->components[i]; }
    MSL_INLINE constexpr const T &operator[](int i) const { return this->components[i]; }
};

template <typename T, int N>
struct packed_vec : msl_cpu::packed_storage<T, N> {
    using storage = msl_cpu::packed_storage<T, N>;

    packed_vec() = default;

    template <typename Scalar, typename = enable_if_t<msl_cpu::is_component<Scalar>>>
    MSL_INLINE constexpr packed_vec(Scalar scalar) : packed_vec(vec<T, N>(scalar)) {}

    template <typename A, typename B, typename... Rest,
              typename = enable_if_t<is_constructible_v<vec<T, N>, A, B, Rest...>>>
    MSL_INLINE constexpr packed_vec(const A &a, const B &b, const Rest &...rest)
        : packed_vec(vec<T, N>(a, b, rest...)) {}

    template <typename U>
    MSL_INLINE constexpr packed_vec(const vec<U, N> &other) : storage{} {
        for (int i = 0; i < N; i++) {
            this->components[i] = static_cast<T>(other.components[i]);
        }
    }

    template <typename U, typename = enable_if_t<!is_same_v<U, T>>>
    MSL_INLINE constexpr explicit packed_vec(const packed_vec<U, N> &other) : packed_vec(vec<T, N>(other)) {}

    MSL_INLINE constexpr T &operator[](int i) { return this->components[i]; }
    MSL_INLINE constexpr const T &operator[](int i) const { return this->components[i]; }
};

#define MSL_VECTOR_NAMES(T)                \
    using T##2 = vec<T, 2>;                \
    using T##3 = vec<T, 3>;                \
    using T##4 = vec<T, 4>;                \
    using packed_##T##2 = packed_vec<T, 2>; \
    using packed_##T##3 = packed_vec<T, 3>; \
    using packed_##T##4 = packed_vec<T, 4>;
#define MSL_GLOBAL_VECTOR_NAMES(T)  \
    using metal::T##2;              \
    using metal::T##3;              \
    using metal::T##4;              \
    using metal::packed_##T##2;     \
    using metal::packed_##T##3;     \
    using metal::packed_##T##4;
#define MSL_SCALARS(M) \
    M(bool)            \
    M(char)            \
    M(uchar)           \
    M(short)           \
    M(ushort)          \
    M(int)             \
    M(uint)            \
    M(long)            \
    M(ulong)           \
    M(half)            \
    M(bfloat)          \
    M(float)
MSL_SCALARS(MSL_VECTOR_NAMES)

} // namespace metal

MSL_SCALARS(MSL_GLOBAL_VECTOR_NAMES)

#undef MSL_VECTOR_NAMES
#undef MSL_GLOBAL_VECTOR_NAMES
#undef MSL_SCALARS
#undef MSL_SWIZZLES_2
#undef MSL_SWIZZLES_3
#undef MSL_SWIZZLES_4
