// Vectors: sizes, constructors, components, operators.

kernel void sizes(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    SAME(sizeof(char2), 2);
    SAME(sizeof(uchar3), 4);
    SAME(sizeof(half3), 8);
    SAME(sizeof(bfloat4), 8);
    SAME(sizeof(bool3), 4);
    SAME(sizeof(int3), 16);
    SAME(sizeof(float2), 8);
    SAME(sizeof(ulong3), 32);
    SAME(sizeof(ulong4), 32);
    SAME(alignof(float3), 16);
    SAME(alignof(half2), 4);
    SAME(alignof(ulong4), 32);
    SAME(sizeof(packed_float3), 12);
    SAME(alignof(packed_float3), 4);
    SAME(sizeof(packed_half3), 6);
    SAME(sizeof(packed_uchar4), 4);
    SAME(alignof(packed_long2), 8);

    struct Mixed {
        packed_float3 position;
        float weight;
        float3 normal;
        char flag;
    };
    SAME(sizeof(Mixed), 48);
    SAME(vec_elements<float3>::value, 3);
}

kernel void constructors(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    float4 all(in[3]);
    SAME(all.x, 3);
    SAME(all.w, 3);
    float4 mixed(in[1], float2(in[2], in[3]), 4);
    SAME(mixed, float4(1, 2, 3, 4));
    SAME(float4(float3(1, 2, 3), in[4]), float4(1, 2, 3, 4));
    SAME(float4(in[1], float3(2, 3, 4)), float4(1, 2, 3, 4));
    SAME(float4(float2(in[1], 2), float2(3, 4)), float4(1, 2, 3, 4));
    float3 from_packed = packed_float3(in[5], 6, 7);
    SAME(from_packed, float3(5, 6, 7));
    SAME(float4(packed_float3(in[5], 6, 7), 8), float4(5, 6, 7, 8));
    SAME(int3(float3(in[1] + 0.9, -1.9, 2.5)), int3(1, -1, 2));
    SAME(uchar2(int2(int(in[255]) + 2, 7)), uchar2(1, 7));
    SAME(float2(bool2(true, in[0] != 0)), float2(1, 0));
    SAME(half2(float2(in[1] / 3, 2049)).y, 2048);
    uint4 listed = {1, 2, 3};
    SAME(listed, uint4(1, 2, 3, 0));
    float2 zero = {};
    SAME(zero, float2(0));
    float3 scalar = in[2];
    SAME(scalar, float3(2, 2, 2));
    const int2 array[2] = {int2(1, 2), int2(3, 4)};
    SAME(array[int(in[1])].y, 4);
}

kernel void components(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    float4 v(in[1], in[2], in[3], in[4]);
    SAME(v.wzyx, float4(4, 3, 2, 1));
    SAME(v.xxy, float3(1, 1, 2));
    SAME(v.bgr, float3(3, 2, 1));
    SAME(v.a, 4);
    SAME(v.zw.yx, float2(4, 3));
    SAME(v[int(in[2])], 3);
    v.xy = v.yx;
    SAME(v, float4(2, 1, 3, 4));
    v.zw *= 10;
    SAME(v, float4(2, 1, 30, 40));
    v.wx += float2(1, 2);
    SAME(v, float4(4, 1, 30, 41));
    v.rgb = float3(7, 8, 9);
    SAME(v, float4(7, 8, 9, 41));
    v[1] = 5;
    v.w++;
    SAME(v, float4(7, 5, 9, 42));
    v.xyzw = v.yxwz;
    SAME(v, float4(5, 7, 42, 9));
    packed_float3 p(1, 2, 3);
    p.yz = p.xy;
    SAME(float3(p), float3(1, 1, 2));
    SAME(p.zyx, float3(2, 1, 1));
    SAME(p[2], 2);
}

// Swizzles of types that depend on a template's parameters.
template <typename T>
T products(vec<T, 4> a, vec<T, 4> b) {
    vec<T, 2> sum = a.xy * b.zw + a.yx * T(2);
    sum -= -b.xx;
    vec<T, 2> product(1);
    product.yx *= a.xy * b.xy;
    return sum.x + sum.y + product.x * T(100) + max(a.xy, b.zw).y;
}
template <typename T, int N>
T last(vec<T, N> v) {
    return v[N - 1];
}

kernel void templates(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    SAME(products(float4(in[1], 2, 3, 4), float4(5, 6, 7, 8)), 7 + 16 + 6 + 10 + 1200 + 8);
    SAME(products(int4(int(in[1]), 2, 3, 4), int4(5, 6, 7, 8)), 7 + 16 + 6 + 10 + 1200 + 8);
    float4 v(1, 2, in[3], 4);
    SAME(last(v.xyz), 3);
    SAME(last(v.xy * 2), 4);
}

kernel void arithmetic(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    float3 a(in[1], in[2], in[3]), b(in[4], in[5], in[6]);
    SAME(a + b, float3(5, 7, 9));
    SAME(a - b, float3(-3, -3, -3));
    SAME(a * b, float3(4, 10, 18));
    SAME(b / a, float3(4, 2.5, 2));
    SAME(a * 2, float3(2, 4, 6));
    SAME(1 - a, float3(0, -1, -2));
    SAME(-a, float3(-1, -2, -3));
    SAME(+a, a);
    a += b;
    a /= 2.0f;
    SAME(a, float3(2.5, 3.5, 4.5));
    SAME(a++, float3(2.5, 3.5, 4.5));
    SAME(--a, float3(2.5, 3.5, 4.5));
    int3 i(int(in[7]), int(in[8]), -int(in[9]));
    SAME(i % 4, int3(3, 0, -1));
    SAME(i / 2, int3(3, 4, -4));
    SAME(i << 2, int3(28, 32, -36));
    SAME(i >> int3(1, 2, 1), int3(3, 2, -5));
    SAME(uint2(uint(in[1])) << uint2(33, 31), uint2(2, 0x80000000u));
    SAME(uchar2(uchar(in[128])) >> int(in[9]), uchar2(64));
    SAME(i & 3, int3(3, 0, 3));
    SAME(i | int3(8, 1, 0), int3(15, 9, -9));
    SAME(i ^ i, int3(0));
    SAME(~i, int3(-8, -9, 8));
    uchar4 bytes = uchar(in[250]);
    bytes += uchar4(10, 5, 6, 0);
    SAME(bytes, uchar4(4, 255, 0, 250));
    ulong2 wide(1ul << 40, ulong(in[3]));
    SAME(wide * 3, ulong2(3ul << 40, 9));
    packed_int3 packed(1, int(in[2]), 3);
    packed *= 2;
    SAME(int3(packed + int3(1)), int3(3, 5, 7));
    SAME(int3(-packed), int3(-2, -4, -6));
}

kernel void comparisons(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    float3 a(in[1], in[2], in[3]);
    TRUE((is_same_v<decltype(a < a), bool3>));
    SAME(a < float3(2), bool3(true, false, false));
    SAME(a <= 2.0f, bool3(true, true, false));
    SAME(2.0f > a, bool3(true, false, false));
    SAME(a >= 2, bool3(false, true, true));
    SAME(a == float3(1, 0, 3), bool3(true, false, true));
    SAME(a != float3(1, 0, 3), bool3(false, true, false));
    SAME(!(a < 2.0f), bool3(false, true, true));
    SAME((a < 2.0f) && (a > 0.0f), bool3(true, false, false));
    SAME((a < 2.0f) || (a > 2.0f), bool3(true, false, true));
    SAME((a < 2.0f) | bool3(false, true, false), bool3(true, true, false));
    TRUE(any(a == 3.0f));
    TRUE(!all(a == 3.0f));
    TRUE(all(a == a));
    SAME(select(a, a * 10, a > 1.0f), float3(1, 20, 30));
    SAME(select(in[1], in[2], in[3] > in[4]), 1);
    SAME(select(a, 0.0f, a > 2.0f), float3(1, 2, 0));
}
