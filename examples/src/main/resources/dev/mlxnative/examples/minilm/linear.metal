// Matrix products: outputs = inputs · weights + bias, with `rows` rows of inputs and outputs, one for each token. A row
// has `inner` inputs and `columns` outputs, both multiples of 4.
//
// REAL is the type in memory, float or half; sums are float. ROWS is the number of rows that a thread computes, in four
// columns.

#include <metal_stdlib>
using namespace metal;

using real4 = vec<REAL, 4>;

// Whether each output goes through GELU. A function constant makes two kernels of one source, without a branch.
constant bool GELU [[function_constant(0)]];

// The error function, by formula 7.1.26 of Abramowitz and Stegun: its error is below 2e-7. Metal has none.
static float4 erf(float4 x) {
    float4 t = 1.0f / (1.0f + 0.3275911f * abs(x));
    float4 polynomial =
        t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
    return copysign(1.0f - polynomial * exp(-x * x), x);
}

static float4 gelu(float4 x) {
    return 0.5f * x * (1.0f + erf(x * M_SQRT1_2_F));
}

// Each thread computes ROWS x 4 outputs in registers: tile.x counts groups of four columns, tile.y groups of rows.
//
// The threads of a SIMD group have neighbouring columns of the same rows. So they read weights side by side, and inputs
// from the same address. Four steps of the sum take ROWS + 4 loads for 4 * ROWS * 4 multiply-adds; nothing is shared
// through threadgroup memory, and no thread waits for another.
//
// Cost, with R rows, K inner and C columns: 2 * R * K * C flops. The weights, K * C numbers, come from memory once, if
// the cache keeps them for the R / ROWS groups of rows. With the 2.6 Tflop/s and 68 GB/s of an M1, computing takes
// longer than reading the weights from some 80 tokens (float) or 40 tokens (half) on; the six layers have 21 Mflop a
// token, which take 8 µs at that rate.
//
// A better one would start with simdgroup_matrix, which multiplies 8 x 8 tiles. For few tokens, where threads are fewer
// than the GPU has lanes, it would split the sum over K among threadgroups.
kernel void linear(device real4 *outputs [[buffer(0)]],
                   const device real4 *inputs [[buffer(1)]],
                   const device real4 *weights [[buffer(2)]],
                   const device real4 *bias [[buffer(3)]],
                   constant uint &rows [[buffer(4)]],
                   constant uint &inner [[buffer(5)]],
                   constant uint &columns [[buffer(6)]],
                   uint2 tile [[thread_position_in_grid]]) {
    uint inner4 = inner / 4;
    uint columns4 = columns / 4;
    uint column4 = tile.x;
    uint firstRow = tile.y * ROWS;

    // Rows beyond the last are computed as copies of it, so that the loop needs no condition, and are not stored.
    const device real4 *input[ROWS];
    for (uint r = 0; r < ROWS; r++) {
        input[r] = inputs + min(firstRow + r, rows - 1) * inner4;
    }

    float4 sums[ROWS];
    for (uint r = 0; r < ROWS; r++) {
        sums[r] = float4(bias[column4]);
    }
    const device real4 *weight = weights + column4;
    for (uint k = 0; k < inner4; k++) {
        float4 w0 = float4(weight[0]);
        float4 w1 = float4(weight[columns4]);
        float4 w2 = float4(weight[2 * columns4]);
        float4 w3 = float4(weight[3 * columns4]);
        weight += 4 * columns4;
        for (uint r = 0; r < ROWS; r++) {
            float4 x = float4(input[r][k]);
            sums[r] += x.x * w0 + x.y * w1 + x.z * w2 + x.w * w3;
        }
    }

    for (uint r = 0; r < ROWS && firstRow + r < rows; r++) {
        outputs[(firstRow + r) * columns4 + column4] = real4(GELU ? gelu(sums[r]) : sums[r]);
    }
}
