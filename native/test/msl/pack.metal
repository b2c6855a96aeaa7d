// Normalised numbers in the bits of integers.

kernel void packing(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    uint one = uint(in[1]);
    NEAR(unpack_unorm4x8_to_float(0xff804000u * one), float4(0, 0.2509804f, 0.5019608f, 1), 1e-6f);
    NEAR(unpack_snorm4x8_to_float(0x7f8081c0u * one), float4(-0.5039370f, -1, -1, 1), 1e-6f);
    NEAR(unpack_unorm2x16_to_float(0xffff8000u * one), float2(0.5000076f, 1), 1e-6f);
    NEAR(unpack_snorm2x16_to_float(0x7fff8000u * one), float2(-1, 1), 1e-6f);
    NEAR(unpack_unorm10a2_to_float(0x7ff00200u * one), float4(0.5004888f, 0, 1, 0.3333333f), 1e-6f);
    NEAR(unpack_unorm565_to_float(ushort(0xf81fu * one)), float3(1, 0, 1), 1e-6f);
    NEAR(unpack_unorm4x8_srgb_to_float(0x80bc80ffu * one), float4(1, 0.2158605f, 0.5028865f, 0.5019608f), 1e-5f);
    SAME(pack_float_to_unorm4x8(float4(0, 0.25f, 0.5f, 2) * in[1]), 0xff804000u);
    SAME(pack_float_to_snorm4x8(float4(-0.5f, -2, 0, 1) * in[1]), 0x7f0081c0u);
    SAME(pack_float_to_unorm2x16(float2(0.5f, 1) * in[1]), 0xffff8000u);
    SAME(pack_float_to_snorm2x16(float2(-1, 1) * in[1]), 0x7fff8001u);
    SAME(pack_float_to_unorm10a2(float4(0, 1, 0.5f, 1) * in[1]), 0xe00ffc00u);
    SAME(pack_float_to_unorm565(float3(1, 0, 1) * in[1]), 0xf81f);
    SAME(pack_float_to_srgb_unorm4x8(float4(1, 0.2158605f, 0.5028865f, 0.5f) * in[1]), 0x80bc80ffu);
    SAME(pack_half_to_unorm4x8(half4(0, 0.25h, 0.5h, 1)), 0xff804000u);
    NEAR(unpack_unorm4x8_to_half(0xffu * one), half4(1, 0, 0, 0), 1e-3f);
}
