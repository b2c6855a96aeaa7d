// Mathematical functions where their value is exact. msl_language_test compares them with the C library elsewhere.

kernel void exact_values(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    SAME(sinpi(float3(in[1], in[0], in[5] / 2)), float3(0, 0, 1));
    SAME(cospi(float3(in[1], in[0], in[5] / 2)), float3(-1, 1, 0));
    SAME(sinpi(in[100] * 10001 + 0.5f), 1);
    SAME(exp2(float2(in[3], -in[3])), float2(8, 0.125f));
    SAME(exp10(in[3]), 1000);
    SAME(log2(in[8]), 3);
    SAME(log10(in[100]), 2);
    SAME(sqrt(float2(in[9], in[0])), float2(3, 0));
    SAME(rsqrt(in[4]), 0.5f);
    SAME(pow(in[2], 10.0f), 1024);
    SAME(powr(in[2], -2.0f), 0.25f);
    SAME(rint(float4(in[1] / 2, in[3] / 2, -in[1] / 2, in[5] / 2)), float4(0, 2, -0.0f, 2));
    SAME(round(float3(in[1] / 2, in[3] / 2, -in[5] / 2)), float3(1, 2, -3));
    SAME(trunc(float2(in[7] / 4, -in[7] / 4)), float2(1, -1));
    SAME(floor(float2(in[7] / 4, -in[7] / 4)), float2(1, -2));
    SAME(ceil(float2(in[7] / 4, -in[7] / 4)), float2(2, -1));
    SAME(fmod(float2(in[7], -in[7]), 4.0f), float2(3, -3));
    SAME(remainder(in[7], 4.0f), -1);
    SAME(divide(in[1], 4.0f), 0.25f);
    SAME(fabs(-in[3]), 3);
    SAME(fma(in[1] + 0x1p-12f, 1 + 0x1p-12f, -1.0f), 0x1p-11f + 0x1p-24f);
    SAME(fma(float2(in[2]), float2(3), 1.0f), float2(7));
    SAME(fast::exp(in[0]), 1);
    SAME(precise::exp(float2(in[0])), float2(1));
    SAME(fast::max(in[3], 2.0f), 3);
    SAME(precise::pow(half(in[2]), half(3)), 8);
    SAME(metal::sqrt(in[16]), 4);
    TRUE((is_same_v<decltype(exp(half(1))), half>));
    TRUE((is_same_v<decltype(exp(bfloat(1))), bfloat>));
    TRUE((is_same_v<decltype(pow(float3(1), 2.0f)), float3>));
}

kernel void exponents(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    SAME(ldexp(in[3], 4), 48);
    SAME(ldexp(float2(in[3], 1), int2(-1, 3)), float2(1.5f, 8));
    SAME(ldexp(half(in[3]), 2), 12);
    int exponent;
    SAME(frexp(in[12], exponent), 0.75f);
    SAME(exponent, 4);
    int2 exponents;
    SAME(frexp(float2(in[1], 40), exponents), float2(0.5f, 0.625f));
    SAME(exponents, int2(1, 6));
    SAME(ilogb(in[9]), 3);
    SAME(logb(in[9]), 3);
    float whole;
    SAME(modf(-in[7] / 4, whole), -0.75f);
    SAME(whole, -1);
    float2 cosines;
    SAME(sincos(float2(in[0]), cosines), float2(0));
    SAME(cosines, float2(1));
    SAME(nextafter(in[1], 2.0f), 1 + 0x1p-23f);
    SAME(nextafter(in[1], 0.0f), 1 - 0x1p-24f);
    SAME(nextafter(in[0], -1.0f), -0x1p-149f);
    SAME(nextafter(half(in[1]), half(2)), 1 + 0x1p-10f);
    SAME(nextafter(bfloat(in[1]), bfloat(2)), 1 + 0x1p-7f);
    SAME(nextafter(-in[1], -2.0f), -1 - 0x1p-23f);
    SAME(nextafter(in[3], 3.0f), 3);
}

kernel void compiler_names(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    SAME(__metal_exp(in[0], __METAL_MAYBE_FAST_MATH__), 1);
    SAME(__metal_fmax(in[3], 2.0f, __METAL_MAYBE_FAST_MATH__), 3);
    SAME(__metal_fmedian3(in[3], in[1], in[2]), 2);
    SAME(__metal_fma(in[3], in[2], in[1]), 7);
}
