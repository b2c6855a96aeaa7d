// <simd/simd.h>: vectors and matrices by the names that headers for both C and Metal use.
#pragma once

#include "compiler_names.h"

namespace simd {
using namespace metal;
}

#define MSL_VECTOR_NAMES(T)             \
    using simd_##T##2 = metal::T##2;    \
    using simd_##T##3 = metal::T##3;    \
    using simd_##T##4 = metal::T##4;    \
    using vector_##T##2 = metal::T##2;  \
    using vector_##T##3 = metal::T##3;  \
    using vector_##T##4 = metal::T##4;
MSL_VECTOR_NAMES(char)
MSL_VECTOR_NAMES(uchar)
MSL_VECTOR_NAMES(short)
MSL_VECTOR_NAMES(ushort)
MSL_VECTOR_NAMES(int)
MSL_VECTOR_NAMES(uint)
MSL_VECTOR_NAMES(long)
MSL_VECTOR_NAMES(ulong)
MSL_VECTOR_NAMES(half)
MSL_VECTOR_NAMES(float)
#undef MSL_VECTOR_NAMES

#define MSL_MATRIX_NAMES(SIZE)                      \
    using simd_float##SIZE = metal::float##SIZE;    \
    using simd_half##SIZE = metal::half##SIZE;      \
    using matrix_float##SIZE = metal::float##SIZE;  \
    using matrix_half##SIZE = metal::half##SIZE;
MSL_MATRIX_NAMES(2x2)
MSL_MATRIX_NAMES(2x3)
MSL_MATRIX_NAMES(2x4)
MSL_MATRIX_NAMES(3x2)
MSL_MATRIX_NAMES(3x3)
MSL_MATRIX_NAMES(3x4)
MSL_MATRIX_NAMES(4x2)
MSL_MATRIX_NAMES(4x3)
MSL_MATRIX_NAMES(4x4)
#undef MSL_MATRIX_NAMES
