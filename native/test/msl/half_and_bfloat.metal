// half and bfloat: rounding after each operation, conversions, literals, limits.

kernel void halves(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    half one = half(in[1]);
    SAME(sizeof(half), 2);
    SAME(one + 0.0004h, 1.0f);
    SAME(one + 0.0006h, 1.0009765625f);
    SAME((one + 0.0004h) + 0.0004h, 1.0f);
    SAME(half(in[1] * 2049), 2048);
    SAME(half(in[1] * 2051), 2052);
    SAME(half(in[1] * 65520), INFINITY);
    SAME(half(in[1] * 65519), 65504);
    TRUE((is_same_v<decltype(one + one), half>));
    TRUE((is_same_v<decltype(one + 1.0f), float>));
    TRUE((is_same_v<decltype(one * 2), half>));
    SAME(as_type<ushort>(half(in[1] / 3)), 0x3555);
    SAME(half(0x1p-24f * in[1]), 0x1p-24f);
    SAME(half2(one, 2) * half2(3, 0.5h), half2(3, 1));
    half4 v(in[1], 2, 3, 4);
    v *= 0.1h; // 3 * 0.1h is halfway between two numbers
    SAME(as_type<ushort>(v.z), 0x34cc);
    SAME(int(half(-in[2] - 0.5f)), -2);
    SAME(numeric_limits<half>::max(), 65504);
    SAME(numeric_limits<half>::epsilon(), 0x1p-10f);
    SAME(HALF_MAX, 65504);
    SAME(one > 0.5h, true);
}

kernel void bfloats(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    bfloat one = bfloat(in[1]);
    SAME(sizeof(bfloat), 2);
    SAME(as_type<ushort>(one), 0x3f80);
    SAME(bfloat(in[1] * 1.00390625f), 1.0f);
    SAME(bfloat(in[1] * 1.01171875f), 1.015625f);
    SAME(bfloat(in[1] * 257), 256);
    SAME(bfloat(in[1] * 259), 260);
    TRUE(isnan(bfloat(NAN * in[1])));
    TRUE((is_same_v<decltype(one + one), bfloat>));
    TRUE((is_same_v<decltype(one * 1.0f), float>));
    TRUE((is_same_v<decltype(one * 2), bfloat>));
    bfloat sum = 0;
    for (int i = 0; i < 300; i++) {
        sum += one;
    }
    SAME(sum, 256);
    bfloat chosen = in[1] > 2 ? 0 : one;
    SAME(chosen, 1);
    uint converted = one * 3;
    SAME(converted, 3);
    SAME(int(bfloat(-in[2] - 0.5f)), -2);
    SAME(half(one), 1);
    SAME(float(bfloat(half(in[3]))), 3);
    float product = in[3];
    product *= one;
    SAME(product, 3);
    SAME(-one, -1);
    SAME(one < bfloat(2), true);
    SAME(one == 1.0f, true);
    bfloat4 v(bfloat(in[1]), 2, 3, 4);
    v = v * bfloat4(2) + bfloat(1);
    SAME(v, bfloat4(3, 5, 7, 9));
    SAME(float4(v), float4(3, 5, 7, 9));
    SAME(numeric_limits<bfloat>::max(), 0x1.fep127f);
    SAME(exp(bfloat(in[0])), 1);
    SAME(max(one, bfloat(2)), 2);
    SAME(1.0bf + one, 2);
}
