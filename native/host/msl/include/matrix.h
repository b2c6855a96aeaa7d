// <metal_matrix>: matrices of Columns columns, each a vector of Rows components.
#pragma once

#include "array.h"

namespace metal {

template <typename T, int Columns, int Rows>
struct matrix {
    vec<T, Rows> columns[Columns];

    matrix() = default;

    template <typename Scalar, typename = enable_if_t<is_arithmetic_v<Scalar>>>
    constexpr explicit matrix(Scalar diagonal) : columns{} {
        for (int i = 0; i < Columns; i++) {
            columns[i] = vec<T, Rows>(T(0));
            if (i < Rows) {
                columns[i][i] = static_cast<T>(diagonal);
            }
        }
    }

    // From columns, or from the components in the order of the columns.
    template <typename A, typename B, typename... Rest,
              typename = enable_if_t<msl_cpu::has_components<A> && msl_cpu::has_components<B> &&
                                     (msl_cpu::has_components<Rest> && ... && true) &&
                                     msl_cpu::total_elements<A, B, Rest...> == Columns * Rows>>
    constexpr matrix(const A &a, const B &b, const Rest &...rest) : columns{} {
        T all[Columns * Rows] = {};
        T *to = all;
        msl_cpu::append(to, a);
        msl_cpu::append(to, b);
        (msl_cpu::append(to, rest), ...);
        for (int i = 0; i < Columns * Rows; i++) {
            columns[i / Rows][i % Rows] = all[i];
        }
    }

    template <typename U, typename = enable_if_t<!is_same_v<U, T>>>
    constexpr explicit matrix(const matrix<U, Columns, Rows> &other) : columns{} {
        for (int i = 0; i < Columns; i++) {
            columns[i] = vec<T, Rows>(other.columns[i]);
        }
    }

    constexpr vec<T, Rows> &operator[](int column) { return columns[column]; }
    constexpr const vec<T, Rows> &operator[](int column) const { return columns[column]; }

    friend constexpr matrix operator+(const matrix &a, const matrix &b) {
        matrix sum;
        for (int i = 0; i < Columns; i++) {
            sum.columns[i] = a.columns[i] + b.columns[i];
        }
        return sum;
    }
    friend constexpr matrix operator-(const matrix &a, const matrix &b) {
        matrix difference;
        for (int i = 0; i < Columns; i++) {
            difference.columns[i] = a.columns[i] - b.columns[i];
        }
        return difference;
    }
    friend constexpr matrix operator-(const matrix &a) { return a * T(-1); }

    template <typename Scalar, typename = enable_if_t<is_arithmetic_v<Scalar>>>
    friend constexpr matrix operator*(const matrix &a, Scalar scale) {
        matrix product;
        for (int i = 0; i < Columns; i++) {
            product.columns[i] = a.columns[i] * scale;
        }
        return product;
    }
    template <typename Scalar, typename = enable_if_t<is_arithmetic_v<Scalar>>>
    friend constexpr matrix operator*(Scalar scale, const matrix &a) {
        return a * scale;
    }
    template <typename Scalar, typename = enable_if_t<is_arithmetic_v<Scalar>>>
    friend constexpr matrix operator/(const matrix &a, Scalar divisor) {
        matrix quotient;
        for (int i = 0; i < Columns; i++) {
            quotient.columns[i] = a.columns[i] / divisor;
        }
        return quotient;
    }

    friend constexpr vec<T, Rows> operator*(const matrix &a, const vec<T, Columns> &b) {
        vec<T, Rows> product = a.columns[0] * b[0];
        for (int i = 1; i < Columns; i++) {
            product += a.columns[i] * b[i];
        }
        return product;
    }
    friend constexpr vec<T, Columns> operator*(const vec<T, Rows> &a, const matrix &b) {
        vec<T, Columns> product(T(0));
        for (int i = 0; i < Columns; i++) {
            product[i] = dot(a, b.columns[i]);
        }
        return product;
    }
    template <int Others>
    friend constexpr matrix<T, Others, Rows> operator*(const matrix &a, const matrix<T, Others, Columns> &b) {
        matrix<T, Others, Rows> product;
        for (int i = 0; i < Others; i++) {
            product.columns[i] = a * b.columns[i];
        }
        return product;
    }

    friend constexpr bool operator==(const matrix &a, const matrix &b) {
        bool equal = true;
        for (int i = 0; i < Columns; i++) {
            equal = equal && all(a.columns[i] == b.columns[i]);
        }
        return equal;
    }
    friend constexpr bool operator!=(const matrix &a, const matrix &b) { return !(a == b); }

    constexpr matrix &operator+=(const matrix &other) { return *this = *this + other; }
    constexpr matrix &operator-=(const matrix &other) { return *this = *this - other; }
    template <typename Other>
    constexpr matrix &operator*=(const Other &other) {
        return *this = *this * other;
    }
    template <typename Scalar>
    constexpr matrix &operator/=(Scalar divisor) {
        return *this = *this / divisor;
    }
};

template <typename T, int Columns, int Rows>
constexpr matrix<T, Rows, Columns> transpose(const matrix<T, Columns, Rows> &a) {
    matrix<T, Rows, Columns> transposed;
    for (int i = 0; i < Columns; i++) {
        for (int j = 0; j < Rows; j++) {
            transposed.columns[j][i] = a.columns[i][j];
        }
    }
    return transposed;
}

template <typename T>
constexpr T determinant(const matrix<T, 2, 2> &a) {
    return T(a[0][0] * a[1][1] - a[1][0] * a[0][1]);
}
template <typename T>
constexpr T determinant(const matrix<T, 3, 3> &a) {
    return dot(a[0], cross(a[1], a[2]));
}
template <typename T>
constexpr T determinant(const matrix<T, 4, 4> &a) {
    T sum = T(0);
    for (int row = 0; row < 4; row++) {
        matrix<T, 3, 3> minor;
        for (int i = 0; i < 9; i++) {
            int from = i % 3;
            minor[i / 3][from] = a[i / 3 + 1][from < row ? from : from + 1];
        }
        T term = T(a[0][row] * determinant(minor));
        sum = T(row % 2 == 0 ? sum + term : sum - term);
    }
    return sum;
}

#define MSL_MATRIX_SIZES(M, T) \
    M(T, 2, 2) M(T, 2, 3) M(T, 2, 4) M(T, 3, 2) M(T, 3, 3) M(T, 3, 4) M(T, 4, 2) M(T, 4, 3) M(T, 4, 4)
#define MSL_NAME(T, COLUMNS, ROWS) using T##COLUMNS##x##ROWS = matrix<T, COLUMNS, ROWS>;
#define MSL_GLOBAL_NAME(T, COLUMNS, ROWS) using metal::T##COLUMNS##x##ROWS;
MSL_MATRIX_SIZES(MSL_NAME, half)
MSL_MATRIX_SIZES(MSL_NAME, float)

} // namespace metal

MSL_MATRIX_SIZES(MSL_GLOBAL_NAME, half)
MSL_MATRIX_SIZES(MSL_GLOBAL_NAME, float)
#undef MSL_MATRIX_SIZES
#undef MSL_NAME
#undef MSL_GLOBAL_NAME
