// <metal_pack>: vectors of normalised numbers in the bits of an integer, the first component lowest.
#pragma once

#include "matrix.h"

namespace metal {

namespace msl_cpu {

// Unsigned: 0 to 1 is 0 to the largest number of `bits` bits.
MSL_INLINE float unpack_unsigned(uint packed, int offset, int bits) {
    uint largest = (1u << bits) - 1;
    return float((packed >> offset) & largest) / float(largest);
}
MSL_INLINE uint pack_unsigned(float value, int offset, int bits) {
    float largest = float((1u << bits) - 1);
    return uint(__builtin_rintf(saturate(value) * largest)) << offset;
}

// Signed: -1 to 1 is the symmetric range; the lowest number is -1 too.
MSL_INLINE float unpack_signed(uint packed, int offset, int bits) {
    int number = extract_bits(int(packed), uint(offset), uint(bits));
    return max(float(number) / float((1 << (bits - 1)) - 1), -1.0f);
}
MSL_INLINE uint pack_signed(float value, int offset, int bits) {
    float largest = float((1 << (bits - 1)) - 1);
    int number = int(__builtin_rintf(clamp(value, -1.0f, 1.0f) * largest));
    return (uint(number) & ((1u << bits) - 1)) << offset;
}

MSL_INLINE float linear_to_srgb(float value) {
    float c = saturate(value);
    return c <= 0.0031308f ? c * 12.92f : 1.055f * __builtin_powf(c, 1.0f / 2.4f) - 0.055f;
}
MSL_INLINE float srgb_to_linear(float value) {
    return value <= 0.04045f ? value / 12.92f : __builtin_powf((value + 0.055f) / 1.055f, 2.4f);
}

} // namespace msl_cpu

#define MSL_PACKING(FORMAT, PACKED, N, UNPACKED, PACKED_BITS)                                                   \
    MSL_INLINE vec<float, N> unpack_##FORMAT##_to_float(PACKED packed) { return vec<float, N> UNPACKED; }       \
    MSL_INLINE vec<half, N> unpack_##FORMAT##_to_half(PACKED packed) {                                          \
        return vec<half, N>(unpack_##FORMAT##_to_float(packed));                                                \
    }                                                                                                           \
    MSL_INLINE PACKED pack_float_to_##FORMAT(vec<float, N> v) { return PACKED(PACKED_BITS); }                   \
    MSL_INLINE PACKED pack_half_to_##FORMAT(vec<half, N> v) {                                                   \
        return pack_float_to_##FORMAT(vec<float, N>(v));                                                        \
    }
#define MSL_FOUR(UNPACK) (UNPACK(packed, 0, 8), UNPACK(packed, 8, 8), UNPACK(packed, 16, 8), UNPACK(packed, 24, 8))
#define MSL_BYTES(PACK) (PACK(v.x, 0, 8) | PACK(v.y, 8, 8) | PACK(v.z, 16, 8) | PACK(v.w, 24, 8))
#define MSL_TWO(UNPACK) (UNPACK(packed, 0, 16), UNPACK(packed, 16, 16))
#define MSL_WORDS(PACK) (PACK(v.x, 0, 16) | PACK(v.y, 16, 16))

MSL_PACKING(unorm4x8, uint, 4, MSL_FOUR(msl_cpu::unpack_unsigned), MSL_BYTES(msl_cpu::pack_unsigned))
MSL_PACKING(snorm4x8, uint, 4, MSL_FOUR(msl_cpu::unpack_signed), MSL_BYTES(msl_cpu::pack_signed))
MSL_PACKING(unorm2x16, uint, 2, MSL_TWO(msl_cpu::unpack_unsigned), MSL_WORDS(msl_cpu::pack_unsigned))
MSL_PACKING(snorm2x16, uint, 2, MSL_TWO(msl_cpu::unpack_signed), MSL_WORDS(msl_cpu::pack_signed))
MSL_PACKING(unorm10a2, uint, 4,
            (msl_cpu::unpack_unsigned(packed, 0, 10), msl_cpu::unpack_unsigned(packed, 10, 10),
             msl_cpu::unpack_unsigned(packed, 20, 10), msl_cpu::unpack_unsigned(packed, 30, 2)),
            msl_cpu::pack_unsigned(v.x, 0, 10) | msl_cpu::pack_unsigned(v.y, 10, 10) |
                msl_cpu::pack_unsigned(v.z, 20, 10) | msl_cpu::pack_unsigned(v.w, 30, 2))
MSL_PACKING(unorm565, ushort, 3,
            (msl_cpu::unpack_unsigned(packed, 0, 5), msl_cpu::unpack_unsigned(packed, 5, 6),
             msl_cpu::unpack_unsigned(packed, 11, 5)),
            msl_cpu::pack_unsigned(v.x, 0, 5) | msl_cpu::pack_unsigned(v.y, 5, 6) | msl_cpu::pack_unsigned(v.z, 11, 5))

#undef MSL_PACKING
#undef MSL_FOUR
#undef MSL_BYTES
#undef MSL_TWO
#undef MSL_WORDS

// Alpha, the last component, is linear.
MSL_INLINE float4 unpack_unorm4x8_srgb_to_float(uint packed) {
    float4 v = unpack_unorm4x8_to_float(packed);
    return float4(msl_cpu::srgb_to_linear(v.x), msl_cpu::srgb_to_linear(v.y), msl_cpu::srgb_to_linear(v.z), v.w);
}
MSL_INLINE half4 unpack_unorm4x8_srgb_to_half(uint packed) {
    return half4(unpack_unorm4x8_srgb_to_float(packed));
}
MSL_INLINE uint pack_float_to_srgb_unorm4x8(float4 v) {
    return pack_float_to_unorm4x8(float4(msl_cpu::linear_to_srgb(v.x), msl_cpu::linear_to_srgb(v.y),
                                         msl_cpu::linear_to_srgb(v.z), v.w));
}
MSL_INLINE uint pack_half_to_srgb_unorm4x8(half4 v) {
    return pack_float_to_srgb_unorm4x8(float4(v));
}

} // namespace metal
