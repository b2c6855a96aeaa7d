// Integer functions, for all widths, on values at the edges of their ranges.

kernel void bit_functions(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    uint one = uint(in[1]);
    SAME(popcount(one * 0xf0f0f0f0u), 16);
    SAME(popcount(char(-int(in[1]))), 8);
    SAME(popcount(long(-1l * in[1])), 64);
    SAME(clz(one), 31);
    SAME(clz(uint(in[0])), 32);
    SAME(clz(uchar(in[1])), 7);
    SAME(clz(short(-int(in[1]))), 0);
    SAME(clz(ulong(in[1]) << 40), 23);
    SAME(ctz(one << 5), 5);
    SAME(ctz(uint(in[0])), 32);
    SAME(ctz(ushort(in[0])), 16);
    SAME(ctz(ulong(in[1]) << 40), 40);
    SAME(reverse_bits(one), 0x80000000u);
    SAME(reverse_bits(uchar(in[3])), 0xc0);
    SAME(reverse_bits(ulong(in[1])), 1ul << 63);
    SAME(popcount(uint2(in[7], 1)), uint2(3, 1));
    SAME(rotate(one, 33u), 2);
    SAME(rotate(uchar(in[129]), uchar(1)), 3);
    SAME(rotate(uint2(0x80000001u * one), uint2(1, 0)), uint2(3, 0x80000001u));
    SAME(extract_bits(0x12345678u * one, 8, 12), 0x456);
    SAME(extract_bits(int(in[12]), 2, 2), -1);
    SAME(extract_bits(int(in[12]), 2, 3), 3);
    SAME(extract_bits(one, 0, 0), 0);
    SAME(extract_bits(one * 0xdeadbeefu, 0, 32), 0xdeadbeefu);
    SAME(extract_bits(short(in[240]), 4, 4), -1);
    SAME(insert_bits(0xffffffffu * one, 0u, 8, 8), 0xffff00ffu);
    SAME(insert_bits(one, 0xdeadbeefu, 0, 32), 0xdeadbeefu);
    SAME(insert_bits(uint2(one), uint2(5), 4, 2), uint2(0x11));
}

kernel void arithmetic(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    int one = int(in[1]);
    SAME(mulhi(0x80000000u * one, 6u), 3);
    SAME(mulhi(-one, 1), -1);
    SAME(mulhi(char(100 * one), char(100)), 39);
    SAME(mulhi(ulong(one) << 63, 6ul), 3);
    SAME(mulhi(-2l * one, 1l << 62), -1);
    SAME(madhi(0x80000000u * one, 6u, 4u), 7);
    SAME(mul24(1000 * one, 2000), 2000000);
    SAME(mad24(1000 * one, 2000, 5), 2000005);
    SAME(hadd(0xffffffffu * one, 0xfffffffdu), 0xfffffffeu);
    SAME(rhadd(0xffffffffu * one, 0xfffffffeu), 0xffffffffu);
    SAME(hadd(-3 * one, 2), -1);
    SAME(rhadd(-3 * one, 2), 0);
    SAME(addsat(2147483647 * one, 1), 2147483647);
    SAME(addsat((-2147483647 - 1) * one, -1), -2147483647 - 1);
    SAME(addsat(uchar(250 * one), uchar(10)), 255);
    SAME(addsat(char(100 * one), char(100)), 127);
    SAME(addsat(3 * one, 4), 7);
    SAME(subsat(3u * one, 4u), 0);
    SAME(subsat((-2147483647 - 1) * one, 1), -2147483647 - 1);
    SAME(subsat(2147483647 * one, -1), 2147483647);
    SAME(subsat(9 * one, 4), 5);
    SAME(madsat(100000 * one, 100000, 1), 2147483647);
    SAME(madsat(100000 * one, -100000, 1), -2147483647 - 1);
    SAME(madsat(10u * one, 10u, 1u), 101);
    SAME(absdiff(-2147483647 * one, 2147483647), 4294967294u);
    SAME(absdiff(uchar(3 * one), uchar(250)), 247);
    TRUE((is_same_v<decltype(absdiff(1, 2)), uint>));
    SAME(abs(-7 * one), 7);
    SAME(addsat(int2(2147483647 * one, 1), int2(1)), int2(2147483647, 2));
    SAME(one << 31 >> 31, -1);
    SAME(-1l * one >> 63, -1);
    SAME(ulong(one) << 63 >> 63, 1);
}
