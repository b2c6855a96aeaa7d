// Type traits, limits, as_type, arrays, and what is defined by macros.

template <typename T, typename = enable_if_t<is_integral_v<T>>>
int kind(T) {
    return 1;
}
template <typename T, typename = enable_if_t<is_floating_point_v<T>>, typename = void>
int kind(T) {
    return 2;
}

kernel void traits(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    SAME(kind(3), 1);
    SAME(kind(3.0h), 2);
    SAME(kind(bfloat(3)), 2);
    TRUE((is_same<float, float>::value));
    TRUE((!is_same_v<float, half>));
    TRUE((is_same_v<conditional_t<true, int, float>, int>));
    TRUE((is_same_v<remove_cv_t<const volatile int>, int>));
    TRUE((is_same_v<remove_reference_t<int &>, int>));
    TRUE((is_same_v<remove_pointer_t<int *>, int>));
    TRUE((is_same_v<make_unsigned_t<int>, uint>));
    TRUE((is_same_v<make_signed_t<ulong>, long>));
    TRUE((is_same_v<common_type_t<int, float>, float>));
    TRUE((is_same_v<decay_t<const int[3]>, const int *>));
    TRUE(is_signed_v<char>);
    TRUE(is_unsigned_v<ushort>);
    TRUE(is_arithmetic_v<bfloat>);
    TRUE((is_convertible_v<int, float>));
    TRUE((conjunction_v<true_type, bool_constant<true>>));
    TRUE((!disjunction_v<false_type, false_type>));
    SAME((integral_constant<int, 7>::value), 7);
    SAME(char(int(in[200])) < 0, true);
    SAME(sizeof(long), 8);
    SAME(sizeof(size_t), 8);
    SAME((extent<int[3][5], 1>::value), 5);

    // Otherwise threadgroup variables of these types would need code at run time.
    TRUE(is_trivial_v<float3>);
    TRUE(is_trivial_v<packed_bfloat4>);
    TRUE(is_trivial_v<bfloat>);
    TRUE(is_trivial_v<half4x4>);
    TRUE(is_trivial_v<atomic_float>);
    TRUE(is_trivial_v<simdgroup_half8x8>);
    TRUE((is_trivial_v<array<float2, 3>>));
}

kernel void limits(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    SAME(numeric_limits<char>::max(), 127);
    SAME(numeric_limits<char>::min(), -128);
    SAME(numeric_limits<ushort>::max(), 65535);
    SAME(numeric_limits<int>::min(), -2147483647 - 1);
    SAME(numeric_limits<uint>::max(), 4294967295u);
    SAME(numeric_limits<long>::max(), 9223372036854775807l);
    SAME(numeric_limits<ulong>::max(), 18446744073709551615ul);
    SAME(numeric_limits<bool>::max(), true);
    SAME(numeric_limits<float>::max(), FLT_MAX);
    SAME(numeric_limits<float>::lowest(), -FLT_MAX);
    SAME(numeric_limits<float>::infinity(), INFINITY);
    SAME(numeric_limits<float>::epsilon(), 0x1p-23f);
    SAME(numeric_limits<int>::digits, 31);
    SAME(numeric_limits<half>::digits, 11);
    TRUE(isnan(numeric_limits<float>::quiet_NaN()));
    SAME(INT_MIN, -2147483648l);
    SAME(M_PI_F, 3.14159265f);
}

kernel void bits(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    SAME(as_type<uint>(in[1]), 0x3f800000);
    SAME(as_type<float>(0x40490fdbu), M_PI_F);
    SAME(as_type<uint>(half2(1, in[2])), 0x40003c00);
    SAME(as_type<uchar4>(0x04030201u), uchar4(1, 2, 3, 4));
    SAME(as_type<ulong>(uint2(1, uint(in[2]))), 0x200000001ul);
    SAME(as_type<int3>(float3(in[1], 0, -0.0f)), int3(0x3f800000, 0, -2147483647 - 1));
    SAME(as_type<half>(ushort(0x3c00)), 1);
    SAME(as_type<bfloat>(ushort(0x4000)), 2);
}

constant float table[4] = {1.0, 2.0, 3.5, 4};
constant array<int, 3> steps = {10, 20, 30};

kernel void arrays(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    SAME(table[int(in[2])] + 0.5, 4);
    SAME(steps[int(in[1])], 20);
    SAME(steps.size(), 3);
    array<float2, 2> local = {float2(1, 2), float2(3, in[4])};
    SAME(local[1], float2(3, 4));
    int sum = 0;
    for (int step : steps) {
        sum += step;
    }
    SAME(sum, 60);
}

kernel void shared_header_names(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    TRUE((is_same_v<vector_float4, float4>));
    TRUE((is_same_v<simd::uint3, uint3>));
    TRUE((is_same_v<matrix_float4x4, float4x4>));
    SAME(sizeof(simd_float4x3), 64);
}
