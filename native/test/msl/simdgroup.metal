// Functions of simdgroups against loops over the lanes, in full and partial simdgroups, and where lanes part.

int value(uint lane) {
    return int(lane * 7 % 13) - 4;
}

// What reductions and prefixes of the values of the lanes in `active` make, up to `end`.
int sum(uint active, uint end) {
    int result = 0;
    for (uint lane = 0; lane < end; lane++) {
        result += (active >> lane & 1) ? value(lane) : 0;
    }
    return result;
}
float product(uint active, uint end) {
    float result = 1;
    for (uint lane = 0; lane < end; lane++) {
        result *= (active >> lane & 1) ? 1 + value(lane) * 0.0625f : 1;
    }
    return result;
}
int smallest(uint active) {
    int result = 1000;
    for (uint lane = 0; lane < 32; lane++) {
        result = (active >> lane & 1) && value(lane) < result ? value(lane) : result;
    }
    return result;
}
int largest(uint active) {
    int result = -1000;
    for (uint lane = 0; lane < 32; lane++) {
        result = (active >> lane & 1) && value(lane) > result ? value(lane) : result;
    }
    return result;
}
int3 bitwise(uint active) {
    int3 result(-1, 0, 0);
    for (uint lane = 0; lane < 32; lane++) {
        if (active >> lane & 1) {
            result = int3(result.x & value(lane), result.y | value(lane), result.z ^ value(lane));
        }
    }
    return result;
}
bool is_active(uint active, int lane) {
    return lane >= 0 && lane < 32 && (active >> lane & 1);
}
// The value of a lane, or of this one if the other does not take part.
int value_or_own(uint active, int from, uint lane) {
    return is_active(active, from) ? value(from) : value(lane);
}

void check_all(thread Records &records, uint active, uint lane) {
    int own = value(lane);
    SAME(simd_sum(own), sum(active, 32));
    NEAR(simd_product(1 + own * 0.0625f), product(active, 32), 1e-5f);
    SAME(simd_min(own), smallest(active));
    SAME(simd_max(own), largest(active));
    SAME(simd_and(own), bitwise(active).x);
    SAME(simd_or(own), bitwise(active).y);
    SAME(simd_xor(own), bitwise(active).z);
    SAME(simd_prefix_inclusive_sum(own), sum(active, lane + 1));
    SAME(simd_prefix_exclusive_sum(own), sum(active, lane));
    NEAR(simd_prefix_inclusive_product(1 + own * 0.0625f), product(active, lane + 1), 1e-5f);
    NEAR(simd_prefix_exclusive_product(1 + own * 0.0625f), product(active, lane), 1e-5f);
    SAME(simd_sum(half(own)), sum(active, 32));
    SAME(simd_max(bfloat(own)), largest(active));
    SAME(simd_sum(float2(own, 1)), float2(sum(active, 32), popcount(active)));
    SAME(simd_min(char(own)), smallest(active));
    SAME(simd_max(long(own) << 40), long(largest(active)) << 40);
    SAME(simd_broadcast_first(own), value(ctz(active)));
    SAME(simd_broadcast(own, ctz(active)), value(ctz(active)));
    SAME(simd_shuffle(own, ushort((lane * 5 + 1) % 32)), value_or_own(active, (lane * 5 + 1) % 32, lane));
    SAME(simd_shuffle_xor(own, 3), value_or_own(active, lane ^ 3, lane));
    SAME(simd_shuffle_up(own, 2), value_or_own(active, int(lane) - 2, lane));
    SAME(simd_shuffle_down(own, 3), value_or_own(active, int(lane) + 3, lane));
    SAME(simd_shuffle_rotate_up(own, 5), value_or_own(active, (int(lane) + 27) % 32, lane));
    SAME(simd_shuffle_rotate_down(own, 5), value_or_own(active, (int(lane) + 5) % 32, lane));
    SAME(simd_shuffle_down(float4(own, 1, 2, 3), 1).x, value_or_own(active, int(lane) + 1, lane));
    SAME(ulong(simd_ballot(own > 0)), ulong(simd_ballot(own > 0)) & active);
    SAME(is_active(uint(ulong(simd_ballot(own > 0))), lane), own > 0);
    SAME(ulong(simd_active_threads_mask()), active);
    SAME(simd_all(own > -5), true);
    SAME(simd_all(lane != uint(ctz(active))), false);
    SAME(simd_any(lane == uint(ctz(active))), true);
    SAME(simd_any(own > 100), false);
    SAME(simd_ballot(true).all(), true);
    SAME(simd_is_first(), lane == uint(ctz(active)));
    SAME(simd_is_helper_thread(), false);
}

kernel void full_32_threads(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]],
                            uint thread_index [[thread_index_in_threadgroup]],
                            uint lane [[thread_index_in_simdgroup]]) {
    Records records(out, thread_index);
    check_all(records, ~0u, lane);
}

kernel void partial_43_threads(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]],
                               uint thread_index [[thread_index_in_threadgroup]],
                               uint lane [[thread_index_in_simdgroup]],
                               uint simdgroup [[simdgroup_index_in_threadgroup]]) {
    Records records(out, thread_index);
    check_all(records, simdgroup == 0 ? ~0u : (1u << 11) - 1, lane);
}

kernel void divergent_40_threads(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]],
                                 uint thread_index [[thread_index_in_threadgroup]],
                                 uint lane [[thread_index_in_simdgroup]],
                                 uint simdgroup [[simdgroup_index_in_threadgroup]]) {
    Records records(out, thread_index);
    uint all = simdgroup == 0 ? ~0u : 0xff;
    if (lane % 3 == 1) {
        check_all(records, 0x92492492u & all, lane);
    } else {
        check_all(records, ~0x92492492u & all, lane);
    }
    SAME(simd_sum(1), popcount(all));

    // The same call in both branches, of which the compiler could make one.
    int result;
    if (lane < 3) {
        result = simd_sum(value(lane));
    } else {
        result = simd_sum(value(lane));
    }
    SAME(result, lane < 3 ? sum(7, 32) : sum(all & ~7u, 32));

    // Lanes leave a loop one after the other.
    int rounds = 0;
    for (uint i = 0; i <= lane % 4; i++) {
        rounds += simd_sum(1);
    }
    int wanted = 0;
    for (uint i = 0; i <= lane % 4; i++) {
        wanted += popcount(all & (0xfu << i & 0xf) * 0x11111111u);
    }
    SAME(rounds, wanted);

    // A call that not all lanes make does not move out of its branch.
    int first = simd_sum(lane == 0 ? 5 : 0);
    if (lane == 0) {
        SAME(simd_sum(first), 5);
    }
    if (lane == 2) {
        return;
    }
    SAME(simd_sum(1), popcount(all) - 1);
}

kernel void filling_32_threads(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]],
                               uint thread_index [[thread_index_in_threadgroup]],
                               uint lane [[thread_index_in_simdgroup]]) {
    Records records(out, thread_index);
    int own = value(lane);
    int filling = 1000 + int(lane);
    SAME(simd_shuffle_and_fill_up(own, filling, 3), lane >= 3 ? value(lane - 3) : 1000 + 32 + int(lane) - 3);
    SAME(simd_shuffle_and_fill_down(own, filling, 3), lane < 29 ? value(lane + 3) : 1000 + int(lane) + 3 - 32);
    SAME(simd_shuffle_and_fill_up(own, filling, 2, 8),
         lane % 8 >= 2 ? value(lane - 2) : 1000 + int(lane) + 8 - 2);
    SAME(simd_shuffle_and_fill_down(own, filling, 2, 8),
         lane % 8 < 6 ? value(lane + 2) : 1000 + int(lane) + 2 - 8);
}

kernel void quads_38_threads(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]],
                             uint thread_index [[thread_index_in_threadgroup]],
                             uint lane [[thread_index_in_simdgroup]],
                             uint quad_lane [[thread_index_in_quadgroup]]) {
    Records records(out, thread_index);
    SAME(quad_lane, lane % 4);
    uint start = lane - quad_lane;
    uint count = thread_index >= 36 ? 2 : 4; // the last quadgroup is partial
    int own = value(lane);
    int total = 0, before = 0, lowest = 1000, highest = -1000, common_bits = -1, any_bits = 0, odd_bits = 0;
    for (uint i = 0; i < count; i++) {
        int other = value(start + i);
        before += i < quad_lane ? other : 0;
        total += other;
        lowest = other < lowest ? other : lowest;
        highest = other > highest ? other : highest;
        common_bits &= other;
        any_bits |= other;
        odd_bits ^= other;
    }
    SAME(quad_sum(own), total);
    SAME(quad_product(quad_lane + 1), count == 2 ? 2 : 24);
    SAME(quad_min(own), lowest);
    SAME(quad_max(own), highest);
    SAME(quad_and(own), common_bits);
    SAME(quad_or(own), any_bits);
    SAME(quad_xor(own), odd_bits);
    SAME(quad_prefix_exclusive_sum(own), before);
    SAME(quad_prefix_inclusive_sum(own), before + own);
    SAME(quad_prefix_inclusive_product(2), 2 << quad_lane);
    SAME(quad_broadcast(own, 1), value(start + 1));
    SAME(quad_broadcast_first(own), value(start));
    SAME(quad_shuffle(own, ushort(1 - quad_lane % 2)), value(start + 1 - quad_lane % 2));
    SAME(quad_shuffle_xor(own, 1), value(lane ^ 1));
    SAME(quad_shuffle_up(own, 1), quad_lane >= 1 ? value(lane - 1) : own);
    SAME(quad_shuffle_down(own, 1), quad_lane + 1 < count ? value(lane + 1) : own);
    if (count == 4) {
        SAME(quad_shuffle_rotate_up(own, 1), value(start + (quad_lane + 3) % 4));
        SAME(quad_shuffle_rotate_down(own, 1), value(start + (quad_lane + 1) % 4));
        SAME(quad_shuffle_and_fill_up(own, 1000 + int(lane), 1), quad_lane >= 1 ? value(lane - 1) : 1003 + int(lane));
        SAME(quad_shuffle_and_fill_down(own, 1000 + int(lane), 1),
             quad_lane < 3 ? value(lane + 1) : 997 + int(lane));
    }
    SAME(uint(quad_active_threads_mask()), (1u << count) - 1);
    SAME(uint(quad_ballot(quad_lane != 0)), (1u << count) - 2);
    SAME(quad_all(quad_lane < 4), true);
    SAME(quad_any(quad_lane == 3), count == 4);
    SAME(quad_is_first(), quad_lane == 0);
}
