// Layer norms, each with the sum that comes before it.
//
// REAL is the type in memory, float or half; sums are float. HIDDEN is the length of a row, and LANES that of a
// SIMD group.

#include <metal_stdlib>
using namespace metal;

using real4 = vec<REAL, 4>;

// A SIMD group holds one row of HIDDEN numbers: lane i has the groups of four i, i + LANES, i + 2 * LANES.
constant constexpr uint ROW = HIDDEN / 4;
constant constexpr uint PART = ROW / LANES;
static_assert(PART * LANES * 4 == HIDDEN, "a row is shared out evenly");

// Subtracts the mean of the row, divides by its deviation, then scales and shifts each number. The lanes exchange two
// sums and no memory, so that no barrier is needed.
static void layer_norm(device real4 *out,
                       thread const float4 *values,
                       const device real4 *scale,
                       const device real4 *shift,
                       uint lane) {
    float sum = 0;
    for (uint i = 0; i < PART; i++) {
        sum += dot(values[i], float4(1));
    }
    float mean = simd_sum(sum) / HIDDEN;

    float squares = 0;
    for (uint i = 0; i < PART; i++) {
        float4 difference = values[i] - mean;
        squares += dot(difference, difference);
    }
    float factor = rsqrt(simd_sum(squares) / HIDDEN + EPSILON);

    for (uint i = 0; i < PART; i++) {
        uint at = lane + i * LANES;
        out[at] = real4((values[i] - mean) * factor * float4(scale[at]) + float4(shift[at]));
    }
}

// The first values of a token: its row of the vocabulary and the row of its position, added and normalised. A SIMD group
// for each token. The model has a third table, of which texts without a partner use one row: it is part of `positions`.
//
// Cost: reads two rows and writes one, 3 * HIDDEN numbers a token: 4.6 kB in float, 0.07 µs at 68 GB/s. Flops do not
// count. There is nothing to gain but the start of a kernel.
kernel void embed(device real4 *out [[buffer(0)]],
                  const device int *tokens [[buffer(1)]],
                  const device int *sentences [[buffer(2)]],
                  const device int *starts [[buffer(3)]],
                  const device real4 *vocabulary [[buffer(4)]],
                  const device real4 *positions [[buffer(5)]],
                  const device real4 *scale [[buffer(6)]],
                  const device real4 *shift [[buffer(7)]],
                  uint token [[threadgroup_position_in_grid]],
                  uint lane [[thread_index_in_simdgroup]]) {
    uint position = token - starts[sentences[token]];
    const device real4 *word = vocabulary + tokens[token] * ROW;
    const device real4 *place = positions + position * ROW;
    float4 values[PART];
    for (uint i = 0; i < PART; i++) {
        uint at = lane + i * LANES;
        values[i] = float4(word[at]) + float4(place[at]);
    }
    layer_norm(out + token * ROW, values, scale, shift, lane);
}

// The end of half a layer: what it computed is added to what it was given, and normalised. A SIMD group for each token.
//
// Cost: as `embed`. A better one would be the end of the matrix product before it, and save one write and one read of
// the row; a threadgroup of that product would then have to compute whole rows.
kernel void add_norm(device real4 *out [[buffer(0)]],
                     const device real4 *given [[buffer(1)]],
                     const device real4 *computed [[buffer(2)]],
                     const device real4 *scale [[buffer(3)]],
                     const device real4 *shift [[buffer(4)]],
                     uint token [[threadgroup_position_in_grid]],
                     uint lane [[thread_index_in_simdgroup]]) {
    float4 values[PART];
    for (uint i = 0; i < PART; i++) {
        uint at = token * ROW + lane + i * LANES;
        values[i] = float4(given[at]) + float4(computed[at]);
    }
    layer_norm(out + token * ROW, values, scale, shift, lane);
}
