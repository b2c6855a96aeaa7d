// <metal_simdgroup>.
#pragma once

#include "lane_operations.h"

namespace metal {

#define MSL_REDUCTION(NAME, HOW)                                                                          \
    template <typename T, typename = enable_if_t<msl_cpu::has_components<T>>>                             \
    MSL_CONVERGENT MSL_INLINE T NAME(T value) {                                                           \
        return msl_cpu::together<T, msl_cpu::reduction<T, msl_cpu::HOW, msl_cpu::simdgroup_size>>(value); \
    }
MSL_REDUCTION(simd_sum, adding)
MSL_REDUCTION(simd_product, multiplying)
MSL_REDUCTION(simd_min, smallest)
MSL_REDUCTION(simd_max, largest)
MSL_REDUCTION(simd_and, bitwise_and)
MSL_REDUCTION(simd_or, bitwise_or)
MSL_REDUCTION(simd_xor, bitwise_xor)
#undef MSL_REDUCTION

#define MSL_PREFIX(NAME, HOW, INCLUSIVE)                                                                  \
    template <typename T, typename = enable_if_t<msl_cpu::has_components<T>>>                             \
    MSL_CONVERGENT MSL_INLINE T NAME(T value) {                                                           \
        using Prefix = msl_cpu::prefix<T, msl_cpu::HOW, INCLUSIVE, msl_cpu::simdgroup_size>;              \
        return msl_cpu::together<T, Prefix>(value);                                                       \
    }
MSL_PREFIX(simd_prefix_inclusive_sum, adding, true)
MSL_PREFIX(simd_prefix_exclusive_sum, adding, false)
MSL_PREFIX(simd_prefix_inclusive_product, multiplying, true)
MSL_PREFIX(simd_prefix_exclusive_product, multiplying, false)
#undef MSL_PREFIX

#define MSL_SHUFFLE(NAME, LANE)                                                \
    template <typename T, typename = enable_if_t<msl_cpu::has_components<T>>>  \
    MSL_CONVERGENT MSL_INLINE T NAME(T value, ushort n) {                      \
        return msl_cpu::value_of_lane(value, LANE);                            \
    }
MSL_SHUFFLE(simd_broadcast, n)
MSL_SHUFFLE(simd_shuffle, n)
MSL_SHUFFLE(simd_shuffle_xor, int(msl_lane() ^ n))
MSL_SHUFFLE(simd_shuffle_up, int(msl_lane()) - n)
MSL_SHUFFLE(simd_shuffle_down, int(msl_lane()) + n)
MSL_SHUFFLE(simd_shuffle_rotate_up, int((msl_lane() - n) % msl_cpu::simdgroup_size))
MSL_SHUFFLE(simd_shuffle_rotate_down, int((msl_lane() + n) % msl_cpu::simdgroup_size))
#undef MSL_SHUFFLE

namespace msl_cpu {

// Shifts by `steps` lanes in groups of `modulo` lanes; what is shifted in from outside of the group comes from the
// filling of the lanes at the other end.
template <typename T>
MSL_CONVERGENT MSL_INLINE T shift_and_fill(const T &value, const T &filling, int steps, uint modulo) {
    uint lane = msl_lane();
    uint start = lane / modulo * modulo;
    int from = int(lane - start) + steps;
    bool outside = from < 0 || from >= int(modulo);
    int wrapped = ((from % int(modulo)) + int(modulo)) % int(modulo);
    return together<T, exchange<T>>(request<T>{value, filling, int(start) + wrapped, outside});
}

} // namespace msl_cpu

template <typename T, typename = enable_if_t<msl_cpu::has_components<T>>>
MSL_CONVERGENT MSL_INLINE T simd_shuffle_and_fill_up(T value, type_identity_t<T> filling, ushort steps,
                                                     ushort modulo = msl_cpu::simdgroup_size) {
    return msl_cpu::shift_and_fill<T>(value, filling, -int(steps), modulo);
}
template <typename T, typename = enable_if_t<msl_cpu::has_components<T>>>
MSL_CONVERGENT MSL_INLINE T simd_shuffle_and_fill_down(T value, type_identity_t<T> filling, ushort steps,
                                                       ushort modulo = msl_cpu::simdgroup_size) {
    return msl_cpu::shift_and_fill<T>(value, filling, steps, modulo);
}

template <typename T, typename = enable_if_t<msl_cpu::has_components<T>>>
MSL_CONVERGENT MSL_INLINE T simd_broadcast_first(T value) {
    return msl_cpu::together<T, msl_cpu::first_value<T, msl_cpu::simdgroup_size>>(value);
}

// The lanes that voted for something, among those that took part.
class simd_vote {
public:
    using vote_t = ulong;

    simd_vote() = default;
    constexpr explicit simd_vote(vote_t votes) : votes(uint(votes)), voters(~0u) {}
    constexpr simd_vote(uint votes, uint voters) : votes(votes), voters(voters) {}

    constexpr explicit operator vote_t() const { return votes; }
    constexpr bool all() const { return votes == voters; }
    constexpr bool any() const { return votes != 0; }

private:
    uint votes;
    uint voters;
};

MSL_CONVERGENT MSL_INLINE simd_vote simd_ballot(bool value) {
    ulong votes = msl_cpu::votes(value);
    return simd_vote(uint(votes), uint(votes >> 32));
}
MSL_CONVERGENT MSL_INLINE simd_vote simd_active_threads_mask() {
    return simd_ballot(true);
}
MSL_CONVERGENT MSL_INLINE bool simd_all(bool value) {
    return simd_ballot(value).all();
}
MSL_CONVERGENT MSL_INLINE bool simd_any(bool value) {
    return simd_ballot(value).any();
}
MSL_CONVERGENT MSL_INLINE bool simd_is_first() {
    return msl_lane() == uint(__builtin_ctz(uint(msl_cpu::votes(true))));
}
MSL_INLINE bool simd_is_helper_thread() {
    return false;
}

// Kernels of candle ask by this internal name whether a type can be used in simdgroup functions.
template <typename T>
struct __is_valid_simdgroup_type : bool_constant<msl_cpu::has_components<T> && sizeof(make_scalar_t<T>) <= 4> {};

} // namespace metal
