#include <metal_stdlib>
#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>

kernel void product(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    x[i] *= 2;
}
