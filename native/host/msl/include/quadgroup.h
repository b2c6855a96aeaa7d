// <metal_quadgroup>: groups of four lanes.
#pragma once

#include "simdgroup.h"

namespace metal {

namespace msl_cpu {

inline constexpr uint quadgroup_size = 4;

} // namespace msl_cpu

MSL_LANE_FUNCTIONS(quad, msl_cpu::quadgroup_size)

class quad_vote {
public:
    using vote_t = uint;

    quad_vote() = default;
    constexpr explicit quad_vote(vote_t votes) : votes(votes), voters(0xf) {}
    constexpr quad_vote(uint votes, uint voters) : votes(votes), voters(voters) {}

    constexpr explicit operator vote_t() const { return votes; }
    constexpr bool all() const { return votes == voters; }
    constexpr bool any() const { return votes != 0; }

private:
    uint votes;
    uint voters;
};

MSL_CONVERGENT MSL_INLINE quad_vote quad_ballot(bool value) {
    ulong votes = msl_cpu::votes(value) >> msl_cpu::group_start<msl_cpu::quadgroup_size>();
    return quad_vote(uint(votes) & 0xf, uint(votes >> 32) & 0xf);
}
MSL_CONVERGENT MSL_INLINE quad_vote quad_active_threads_mask() {
    return quad_ballot(true);
}
MSL_CONVERGENT MSL_INLINE bool quad_all(bool value) {
    return quad_ballot(value).all();
}
MSL_CONVERGENT MSL_INLINE bool quad_any(bool value) {
    return quad_ballot(value).any();
}
MSL_CONVERGENT MSL_INLINE bool quad_is_first() {
    return msl_lane() % msl_cpu::quadgroup_size == uint(__builtin_ctz(uint(quad_ballot(true))));
}
MSL_INLINE bool quad_is_helper_thread() {
    return false;
}

} // namespace metal
