// Matrices: columns first.

kernel void matrices(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    float2x3 a(float3(in[1], 2, 3), float3(4, 5, 6));
    SAME(a[1][0], 4);
    SAME(a[0], float3(1, 2, 3));
    SAME(a * float2(1, 10), float3(41, 52, 63));
    SAME(float3(1, 10, 100) * a, float2(321, 654));
    float3x2 t = transpose(a);
    SAME(t[2], float2(3, 6));
    float2x2 product = t * a;
    SAME(product[0], float2(14, 32));
    SAME(product[1], float2(32, 77));
    float3x3 square = a * t;
    SAME(square[0], float3(17, 22, 27));
    SAME((a + a)[1], float3(8, 10, 12));
    SAME((a - a)[1], float3(0));
    SAME((a * 2)[1], float3(8, 10, 12));
    SAME((2 * a)[0], float3(2, 4, 6));
    SAME((-a)[0], float3(-1, -2, -3));
    float4x4 identity(in[1]);
    SAME(identity[2], float4(0, 0, 1, 0));
    SAME(identity * float4(1, 2, 3, 4), float4(1, 2, 3, 4));
    float2x2 listed(in[1], 2, 3, 4);
    SAME(listed[1], float2(3, 4));
    listed *= 2;
    SAME(listed[0], float2(2, 4));
    listed[0][1] = 9;
    SAME(listed[0], float2(2, 9));
    SAME(determinant(float2x2(in[1], 2, 3, 4)), -2);
    SAME(determinant(float3x3(2, 0, 0, 1, 3, 0, 5, 7, in[4])), 24);
    SAME(determinant(float4x4(2, 1, 0, 0, 0, 3, 1, 0, 0, 0, 4, 1, 1, 0, 0, in[5])), 119);
    half2x2 halves(half2(in[1], 2), half2(3, 4));
    SAME(halves * half2(1, 1), half2(4, 6));
    SAME(float2x2(halves)[1], float2(3, 4));
    TRUE(listed == listed);
    TRUE(listed != float2x2(1));
    SAME(sizeof(float3x3), 48);
    SAME(sizeof(half4x2), 16);
}
