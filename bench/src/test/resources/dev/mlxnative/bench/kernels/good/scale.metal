#include <metal_stdlib>
#include "headers/scale.h"
#include "headers/scale.h"
#include "shared.h"

using namespace metal;

constant int factor [[function_constant(0)]];

kernel void scale_all(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    x[i] = scale(x[i], float(factor)) + SHARED;
}

template <typename T>
kernel void fill(device T* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    x[i] = T(1);
}

template [[host_name("fill_float")]] kernel void fill<float>(device float*, uint);
template [[host_name("fill_int")]] kernel void fill<int>(device int*, uint);
