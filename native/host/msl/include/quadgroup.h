// <metal_quadgroup>: groups of four lanes.
#pragma once

#include "simdgroup.h"

namespace metal {

namespace msl_cpu {

inline constexpr uint quadgroup_size = 4;

MSL_INLINE uint quad_start() {
    return msl_lane() / quadgroup_size * quadgroup_size;
}

// A lane of the quadgroup by its number, or none.
MSL_INLINE int quad_lane(int lane) {
    return lane >= 0 && lane < int(quadgroup_size) ? int(quad_start()) + lane : -1;
}
MSL_INLINE int own_quad_lane() {
    return int(msl_lane() % quadgroup_size);
}

} // namespace msl_cpu

#define MSL_REDUCTION(NAME, HOW)                                                                          \
    template <typename T, typename = enable_if_t<msl_cpu::has_components<T>>>                             \
    MSL_CONVERGENT MSL_INLINE T NAME(T value) {                                                           \
        return msl_cpu::together<T, msl_cpu::reduction<T, msl_cpu::HOW, msl_cpu::quadgroup_size>>(value); \
    }
MSL_REDUCTION(quad_sum, adding)
MSL_REDUCTION(quad_product, multiplying)
MSL_REDUCTION(quad_min, smallest)
MSL_REDUCTION(quad_max, largest)
MSL_REDUCTION(quad_and, bitwise_and)
MSL_REDUCTION(quad_or, bitwise_or)
MSL_REDUCTION(quad_xor, bitwise_xor)
#undef MSL_REDUCTION

#define MSL_PREFIX(NAME, HOW, INCLUSIVE)                                                                  \
    template <typename T, typename = enable_if_t<msl_cpu::has_components<T>>>                             \
    MSL_CONVERGENT MSL_INLINE T NAME(T value) {                                                           \
        using Prefix = msl_cpu::prefix<T, msl_cpu::HOW, INCLUSIVE, msl_cpu::quadgroup_size>;              \
        return msl_cpu::together<T, Prefix>(value);                                                       \
    }
MSL_PREFIX(quad_prefix_inclusive_sum, adding, true)
MSL_PREFIX(quad_prefix_exclusive_sum, adding, false)
MSL_PREFIX(quad_prefix_inclusive_product, multiplying, true)
MSL_PREFIX(quad_prefix_exclusive_product, multiplying, false)
#undef MSL_PREFIX

#define MSL_SHUFFLE(NAME, LANE)                                                \
    template <typename T, typename = enable_if_t<msl_cpu::has_components<T>>>  \
    MSL_CONVERGENT MSL_INLINE T NAME(T value, ushort n) {                      \
        return msl_cpu::value_of_lane(value, msl_cpu::quad_lane(LANE));        \
    }
MSL_SHUFFLE(quad_broadcast, n)
MSL_SHUFFLE(quad_shuffle, n)
MSL_SHUFFLE(quad_shuffle_xor, msl_cpu::own_quad_lane() ^ n)
MSL_SHUFFLE(quad_shuffle_up, msl_cpu::own_quad_lane() - n)
MSL_SHUFFLE(quad_shuffle_down, msl_cpu::own_quad_lane() + n)
MSL_SHUFFLE(quad_shuffle_rotate_up, (msl_cpu::own_quad_lane() - n) & 3)
MSL_SHUFFLE(quad_shuffle_rotate_down, (msl_cpu::own_quad_lane() + n) & 3)
#undef MSL_SHUFFLE

template <typename T, typename = enable_if_t<msl_cpu::has_components<T>>>
MSL_CONVERGENT MSL_INLINE T quad_shuffle_and_fill_up(T value, type_identity_t<T> filling, ushort steps,
                                                     ushort modulo = msl_cpu::quadgroup_size) {
    return msl_cpu::shift_and_fill<T>(value, filling, -int(steps), modulo);
}
template <typename T, typename = enable_if_t<msl_cpu::has_components<T>>>
MSL_CONVERGENT MSL_INLINE T quad_shuffle_and_fill_down(T value, type_identity_t<T> filling, ushort steps,
                                                       ushort modulo = msl_cpu::quadgroup_size) {
    return msl_cpu::shift_and_fill<T>(value, filling, steps, modulo);
}

template <typename T, typename = enable_if_t<msl_cpu::has_components<T>>>
MSL_CONVERGENT MSL_INLINE T quad_broadcast_first(T value) {
    return msl_cpu::together<T, msl_cpu::first_value<T, msl_cpu::quadgroup_size>>(value);
}

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
    ulong votes = msl_cpu::votes(value) >> msl_cpu::quad_start();
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
    return uint(msl_cpu::own_quad_lane()) == uint(__builtin_ctz(uint(quad_ballot(true))));
}
MSL_INLINE bool quad_is_helper_thread() {
    return false;
}

} // namespace metal
