// Functions of scalars and vectors that do not need the C library: common, relational, geometric.

kernel void common(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    float3 a(in[1], in[5], -in[3]);
    SAME(min(a, float3(2)), float3(1, 2, -3));
    SAME(max(a, 2.0f), float3(2, 5, 2));
    SAME(min(int(in[3]), -4), -4);
    SAME(max(uchar(200), uchar(in[100])), 200);
    SAME(max(ulong(1ul << 50), ulong(in[3])), 1ul << 50);
    SAME(clamp(a, 0.0f, 3.0f), float3(1, 3, 0));
    SAME(clamp(int(in[9]), 0, 5), 5);
    SAME(saturate(a), float3(1, 1, 0));
    SAME(saturate(half(in[3])), 1);
    SAME(mix(in[2], in[4], 0.25f), 2.5f);
    SAME(mix(a, float3(0), 0.5f), float3(0.5, 2.5, -1.5));
    SAME(sign(a), float3(1, 1, -1));
    SAME(sign(-in[0]), -0.0f);
    SAME(sign(NAN * in[1]), 0.0f);
    SAME(step(2.0f, a), float3(0, 1, 0));
    SAME(smoothstep(0.0f, 4.0f, in[1]), 0.15625f);
    SAME(smoothstep(0.0f, 4.0f, a), float3(0.15625f, 1, 0));
    SAME(abs(a), float3(1, 5, 3));
    SAME(abs(int3(a)), int3(1, 5, 3));
    SAME(abs(half(-in[3])), 3);
    SAME(fmin(NAN * in[1], 2.0f), 2);
    SAME(fmax(in[3], NAN), 3);
    SAME(min3(in[3], in[1], in[2]), 1);
    SAME(max3(int(in[3]), 1, 2), 3);
    SAME(median3(in[3], in[1], in[2]), 2);
    SAME(fmedian3(half(3), half(1), half(in[2])), 2);
    SAME(fract(in[5] / 2), 0.5f);
    SAME(fract(-0.25f * in[1]), 0.75f);
    TRUE(fract(-1e-10f * in[1]) < 1.0f);
    SAME(copysign(in[3], -in[1]), -3);
    SAME(fdim(in[5], in[3]), 2);
    SAME(fdim(in[3], in[5]), 0);
}

kernel void classes(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    float infinite = in[1] / in[0];
    float nan = in[0] / in[0];
    SAME(isnan(float3(in[1], infinite, nan)), bool3(false, false, true));
    SAME(isinf(float3(in[1], -infinite, nan)), bool3(false, true, false));
    SAME(isfinite(float3(in[1], infinite, nan)), bool3(true, false, false));
    SAME(isnormal(float3(in[1], in[0], 0x1p-127f * in[1])), bool3(true, false, false));
    SAME(isnormal(half(0x1p-15f * in[1])), false);
    SAME(signbit(-in[1]), true);
    SAME(signbit(float2(in[1], as_type<float>(0x80000000u + uint(in[0])))), bool2(false, true));
    SAME(isordered(in[1], nan), false);
    SAME(isunordered(float2(in[1], nan), float2(1)), bool2(false, true));
    SAME(isnan(half(nan)), true);
    SAME(isinf(bfloat(infinite)), true);
}

kernel void geometry(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    float3 a(in[1], in[2], in[3]), b(in[4], in[5], in[6]);
    SAME(dot(a, b), 32);
    SAME(dot(half4(1, 2, 3, half(in[4])), half4(2)), 20);
    SAME(cross(a, b), float3(-3, 6, -3));
    SAME(length(float2(in[3], in[4])), 5);
    SAME(length_squared(a), 14);
    SAME(distance(float2(in[1]), float2(4, 5)), 5);
    SAME(distance_squared(a, b), 27);
    NEAR(normalize(float2(in[3], in[4])), float2(0.6f, 0.8f), 1e-6f);
    SAME(faceforward(a, b, -b), a);
    SAME(faceforward(a, b, b), -a);
    SAME(reflect(float2(in[1], -1), float2(0, 1)), float2(1, 1));
    NEAR(refract(float2(0, -in[1]), float2(0, 1), 1.5f), float2(0, -1), 1e-6f);
    NEAR(refract(float2(0.6f, -0.8f * in[1]), float2(0, 1), 0.5f), float2(0.3f, -0.95393920f), 1e-6f);
    SAME(refract(float2(0.8f * in[1], -0.6f), float2(0, 1), 2.0f), float2(0));
}
