// <metal_simdgroup>.
#pragma once

#include "lane_operations.h"

namespace metal {

MSL_LANE_FUNCTIONS(simd, msl_cpu::simdgroup_size)

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
