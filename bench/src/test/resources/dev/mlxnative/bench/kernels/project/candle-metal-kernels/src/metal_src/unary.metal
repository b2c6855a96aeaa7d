#include <metal_stdlib>

using namespace metal;

// The first is right, and the second is not.
kernel void cos_f32(
    constant ulong& size, device const float* in, device float* out,
    uint i [[thread_position_in_grid]], uint threads [[threads_per_grid]]) {
    for (ulong at = i; at < size; at += threads) {
        out[at] = cos(in[at]);
    }
}

kernel void gelu_f32(
    constant ulong& size, device const float* in, device float* out,
    uint i [[thread_position_in_grid]], uint threads [[threads_per_grid]]) {
    for (ulong at = i; at < size; at += threads) {
        out[at] = in[at];
    }
}
