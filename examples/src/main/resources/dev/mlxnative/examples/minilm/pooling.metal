// From the last values of the tokens to the embedding of a sentence.
//
// REAL is the type of these values, float or half; embeddings are float. HIDDEN is the length of both, and LANES that of a
// SIMD group.

#include <metal_stdlib>
using namespace metal;

using real4 = vec<REAL, 4>;

constant constexpr uint ROW = HIDDEN / 4;
constant constexpr uint PART = ROW / LANES;
static_assert(PART * LANES * 4 == HIDDEN, "a row is shared out evenly");

// The mean of a sentence's tokens, scaled to length 1. A SIMD group for each sentence. The number of tokens is left out,
// because it does not change the direction.
//
// Cost: reads HIDDEN numbers a token, 1.5 kB in float, once in the whole model. A better one would share a long sentence
// among several SIMD groups; with one, a sentence of 256 tokens is a chain of 256 additions.
kernel void pool(device float4 *embeddings [[buffer(0)]],
                 const device real4 *values [[buffer(1)]],
                 const device int *starts [[buffer(2)]],
                 uint sentence [[threadgroup_position_in_grid]],
                 uint lane [[thread_index_in_simdgroup]]) {
    uint start = starts[sentence];
    uint end = starts[sentence + 1];
    float4 sums[PART] = {};
    for (uint token = start; token < end; token++) {
        for (uint i = 0; i < PART; i++) {
            sums[i] += float4(values[token * ROW + lane + i * LANES]);
        }
    }

    float squares = 0;
    for (uint i = 0; i < PART; i++) {
        squares += dot(sums[i], sums[i]);
    }
    float factor = rsqrt(simd_sum(squares));
    for (uint i = 0; i < PART; i++) {
        embeddings[sentence * ROW + lane + i * LANES] = sums[i] * factor;
    }
}
