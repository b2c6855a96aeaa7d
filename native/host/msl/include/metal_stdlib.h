// The standard library of the Metal Shading Language for kernels that are compiled for the CPU. Each file includes the
// one whose declarations it needs, in this order: scalar, type_traits, bfloat, limits, vector_types, swizzle, vector,
// vector_operators, as_type, elementwise, math, common, relational, integer, geometric, array, matrix, pack, wait,
// synchronization, atomic, lane_operations, simdgroup, quadgroup, simdgroup_matrix, logging, precision, compiler_names,
// simd_names.
//
// metal::msl_cpu has what is not part of the language. macros.h is apart: kernels are preprocessed with it, before.
#pragma once

#include "simd_names.h"
