// Attention within each sentence of a batch.
//
// REAL is the type in memory, float or half; sums are float. A row has HIDDEN numbers: HEADS heads, side by side.

#include <metal_stdlib>
using namespace metal;

using real4 = vec<REAL, 4>;

constant constexpr uint ROW = HIDDEN / 4;
constant constexpr uint HEAD = ROW / HEADS;
static_assert(HEAD * HEADS * 4 == HIDDEN, "a head has a multiple of 4 numbers");

// Each thread computes one head of one token: id.x is the token, id.y the head.
//
// `projections` has a row of 3 * HIDDEN numbers for each token: query, key and value. The sentences of the batch lie
// one behind the other, without padding. A token attends to those from the start of its sentence to the start of the
// next, so that no mask is needed.
//
// The softmax is computed in one pass over the keys. `weighted` and `total` are sums of exp(score - highest), where
// `highest` is the highest score so far. When it rises, both are scaled down. So no score is stored.
//
// Cost, with L tokens in the sentence: 4 * L * HIDDEN flops a token. Keys and values are 2 * L * HIDDEN numbers, which
// stay in the cache: neighbouring threads have the same sentence and head, and read them from the same addresses. With
// 256 tokens that is 0.4 Mflop a token and layer, a ninth of the matrix products.
//
// A better one would start at sentences of some hundred tokens: a threadgroup would stage keys and values in threadgroup
// memory, and multiply tiles with simdgroup_matrix.
kernel void attention(device real4 *out [[buffer(0)]],
                      const device real4 *projections [[buffer(1)]],
                      const device int *sentences [[buffer(2)]],
                      const device int *starts [[buffer(3)]],
                      uint2 id [[thread_position_in_grid]]) {
    uint token = id.x;
    uint head = id.y * HEAD;
    uint sentence = sentences[token];
    uint start = starts[sentence];
    uint end = starts[sentence + 1];
    const float scale = rsqrt(float(HEAD * 4));

    const device real4 *queries = projections + token * 3 * ROW + head;
    float4 query[HEAD];
    float4 weighted[HEAD];
    for (uint i = 0; i < HEAD; i++) {
        query[i] = float4(queries[i]) * scale;
        weighted[i] = 0;
    }
    float total = 0;
    float highest = -MAXFLOAT;
    for (uint other = start; other < end; other++) {
        const device real4 *key = projections + (other * 3 + 1) * ROW + head;
        const device real4 *value = key + ROW;
        float4 products = 0;
        for (uint i = 0; i < HEAD; i++) {
            products += query[i] * float4(key[i]);
        }
        float score = dot(products, float4(1));
        float above = max(highest, score);
        float keep = exp(highest - above);
        float weight = exp(score - above);
        highest = above;
        total = total * keep + weight;
        for (uint i = 0; i < HEAD; i++) {
            weighted[i] = weighted[i] * keep + weight * float4(value[i]);
        }
    }
    for (uint i = 0; i < HEAD; i++) {
        out[token * ROW + head + i] = real4(weighted[i] / total);
    }
}
