// <metal_simdgroup_matrix>: matrices of 8 x 8 elements, of which each lane holds two neighbours in a row.
#pragma once

#include "quadgroup.h"

namespace metal {

namespace msl_cpu {

// The place of a lane's first element. Lanes go through the upper left quarter in rows, then through the upper right,
// lower left and lower right, as on Apple's GPUs: kernels rely on it.
struct matrix_place {
    uint row;
    uint column;

    MSL_INLINE explicit matrix_place(uint lane)
        : row((lane / 16) * 4 + (lane / 2) % 4), column((lane / 8 % 2) * 4 + (lane % 2) * 2) {}
};

// Calls function(element of the lane, place in memory) for both elements of this lane.
template <typename Function>
MSL_INLINE void each_element(ulong elements_per_row, ulong2 origin, bool transposed, Function function) {
    matrix_place place(msl_lane());
    for (uint i = 0; i < 2; i++) {
        ulong row = transposed ? place.column + i : place.row;
        ulong column = transposed ? place.row : place.column + i;
        function(i, (row + origin.y) * elements_per_row + column + origin.x);
    }
}

template <typename A, typename B, typename C>
struct product_input {
    vec<A, 2> a;
    vec<B, 2> b;
    vec<C, 2> c;
};

// a b + c. What a lane that does not take part would have given is taken to be 0.
template <typename D, typename A, typename B, typename C>
struct matrix_product {
    static void apply(lanes<product_input<A, B, C>, vec<D, 2>> all) {
        float a[8][8] = {}, b[8][8] = {}, c[8][8] = {};
        all.each([&](uint lane) {
            const product_input<A, B, C> &in = all.input(lane);
            matrix_place place(lane);
            for (uint i = 0; i < 2; i++) {
                a[place.row][place.column + i] = float(in.a.components[i]);
                b[place.row][place.column + i] = float(in.b.components[i]);
                c[place.row][place.column + i] = float(in.c.components[i]);
            }
        });
        for (int row = 0; row < 8; row++) {
            for (int k = 0; k < 8; k++) {
                for (int column = 0; column < 8; column++) {
                    c[row][column] += a[row][k] * b[k][column];
                }
            }
        }
        all.each([&](uint lane) {
            matrix_place place(lane);
            all.output(lane, vec<D, 2>(c[place.row][place.column], c[place.row][place.column + 1]));
        });
    }
};

} // namespace msl_cpu

template <typename T, int Columns, int Rows>
struct simdgroup_matrix {
    static_assert(Columns == 8 && Rows == 8, "simdgroup_matrix has 8 columns and 8 rows");
    static_assert(is_floating_point_v<T>, "simdgroup_matrix has elements of float, half or bfloat");
    using storage_type = vec<T, 2>;

    storage_type elements;

    simdgroup_matrix() = default;

    MSL_INLINE explicit simdgroup_matrix(T diagonal) {
        msl_cpu::matrix_place place(msl_lane());
        for (uint i = 0; i < 2; i++) {
            elements.components[i] = place.row == place.column + i ? diagonal : T(0);
        }
    }

    MSL_INLINE storage_type &thread_elements() { return elements; }
    MSL_INLINE const storage_type &thread_elements() const { return elements; }

    template <typename U>
    friend MSL_CONVERGENT MSL_INLINE simdgroup_matrix operator*(const simdgroup_matrix &a,
                                                                const simdgroup_matrix<U, 8, 8> &b) {
        simdgroup_matrix product;
        simdgroup_multiply(product, a, b);
        return product;
    }
};

using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;
using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;
using simdgroup_bfloat8x8 = simdgroup_matrix<bfloat, 8, 8>;

template <typename T, int Columns, int Rows = Columns, typename Value>
MSL_INLINE simdgroup_matrix<T, Columns, Rows> make_filled_simdgroup_matrix(Value value) {
    simdgroup_matrix<T, Columns, Rows> filled;
    filled.elements = vec<T, 2>(static_cast<T>(value));
    return filled;
}

// Lanes wait for each other before they load and after they store: on a GPU they run in step, on which kernels count.
template <typename T, typename From>
MSL_CONVERGENT MSL_INLINE void simdgroup_load(simdgroup_matrix<T, 8, 8> &to, const From *from,
                                              ulong elements_per_row = 8, ulong2 origin = ulong2(0ul),
                                              bool transpose_matrix = false) {
    simdgroup_barrier(mem_flags::mem_none);
    msl_cpu::each_element(elements_per_row, origin, transpose_matrix,
                          [&](uint i, ulong place) { to.elements.components[i] = static_cast<T>(from[place]); });
}
template <typename T, typename To>
MSL_CONVERGENT MSL_INLINE void simdgroup_store(const simdgroup_matrix<T, 8, 8> &from, To *to,
                                               ulong elements_per_row = 8, ulong2 origin = ulong2(0ul),
                                               bool transpose_matrix = false) {
    msl_cpu::each_element(elements_per_row, origin, transpose_matrix,
                          [&](uint i, ulong place) { to[place] = static_cast<To>(from.elements.components[i]); });
    simdgroup_barrier(mem_flags::mem_none);
}

template <typename D, typename A, typename B, typename C>
MSL_CONVERGENT MSL_INLINE void simdgroup_multiply_accumulate(simdgroup_matrix<D, 8, 8> &d,
                                                             const simdgroup_matrix<A, 8, 8> &a,
                                                             const simdgroup_matrix<B, 8, 8> &b,
                                                             const simdgroup_matrix<C, 8, 8> &c) {
    msl_cpu::product_input<A, B, C> in{a.elements, b.elements, c.elements};
    d.elements = msl_cpu::together<vec<D, 2>, msl_cpu::matrix_product<D, A, B, C>>(in);
}
template <typename D, typename A, typename B>
MSL_CONVERGENT MSL_INLINE void simdgroup_multiply(simdgroup_matrix<D, 8, 8> &d, const simdgroup_matrix<A, 8, 8> &a,
                                                  const simdgroup_matrix<B, 8, 8> &b) {
    simdgroup_multiply_accumulate(d, a, b, make_filled_simdgroup_matrix<D, 8, 8>(0));
}
} // namespace metal
