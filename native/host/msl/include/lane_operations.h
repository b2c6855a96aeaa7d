// Operations on the lanes of a simdgroup or of a part of it, from which simdgroup.h and quadgroup.h make theirs. Lanes
// that do not take part are left out; a lane that asks one of them for its value gets its own.
#pragma once

#include "atomic.h"

namespace metal::msl_cpu {

template <typename T, typename Function>
MSL_INLINE T on_bits(T a, T b, Function function) {
    if constexpr (is_vector_v<T>) {
        T result;
        for (int i = 0; i < vec_elements_v<T>; i++) {
            result.components[i] = on_bits(a.components[i], b.components[i], function);
        }
        return result;
    } else if constexpr (is_floating_point_v<T>) {
        using Bits = make_unsigned_t<T>;
        return as_type<T>(Bits(function(as_type<Bits>(a), as_type<Bits>(b))));
    } else {
        return T(function(a, b));
    }
}

// What two values are combined by. `identity` is what the first lane has before it.
struct adding {
    static constexpr int identity = 0;
    template <typename T>
    static T combine(T a, T b) {
        return T(a + b);
    }
};
struct multiplying {
    static constexpr int identity = 1;
    template <typename T>
    static T combine(T a, T b) {
        return T(a * b);
    }
};
struct smallest {
    template <typename T>
    static T combine(T a, T b) {
        return metal::min(a, b);
    }
};
struct largest {
    template <typename T>
    static T combine(T a, T b) {
        return metal::max(a, b);
    }
};
struct bitwise_and {
    template <typename T>
    static T combine(T a, T b) {
        return on_bits(a, b, [](auto x, auto y) { return x & y; });
    }
};
struct bitwise_or {
    template <typename T>
    static T combine(T a, T b) {
        return on_bits(a, b, [](auto x, auto y) { return x | y; });
    }
};
struct bitwise_xor {
    template <typename T>
    static T combine(T a, T b) {
        return on_bits(a, b, [](auto x, auto y) { return x ^ y; });
    }
};

// All values of a group of Size neighbouring lanes.
template <typename T, typename How, uint Size>
struct reduction {
    static void apply(lanes<T, T> all) {
        for (uint start = 0; start < simdgroup_size; start += Size) {
            lanes<T, T> group = all;
            group.active &= (Size == 32 ? ~0u : (1u << Size % 32) - 1) << start;
            if (group.active == 0) {
                continue;
            }
            T result = group.input(group.first());
            for (uint rest = group.active & (group.active - 1); rest != 0; rest &= rest - 1) {
                result = How::combine(result, group.input(__builtin_ctz(rest)));
            }
            group.each([&](uint lane) { group.output(lane, result); });
        }
    }
};

// The values of the lanes before, and of the lane itself if Inclusive.
template <typename T, typename How, bool Inclusive, uint Size>
struct prefix {
    static void apply(lanes<T, T> all) {
        T result = T(How::identity);
        uint group = 0;
        all.each([&](uint lane) {
            if (lane / Size != group) {
                group = lane / Size;
                result = T(How::identity);
            }
            T with_own = How::combine(result, all.input(lane));
            all.output(lane, Inclusive ? with_own : result);
            result = with_own;
        });
    }
};

// The value of another lane, or the value that this lane gives for filling.
template <typename T>
struct request {
    T value;
    T filling;
    int from;
    bool fills;
};
template <typename T>
struct exchange {
    static void apply(lanes<request<T>, T> all) {
        all.each([&](uint lane) {
            const request<T> &own = all.input(lane);
            const request<T> &other = all.has(own.from) ? all.input(own.from) : own;
            all.output(lane, own.fills ? other.filling : other.value);
        });
    }
};
template <typename T>
MSL_CONVERGENT MSL_INLINE T value_of_lane(const T &value, int lane) {
    return together<T, exchange<T>>(request<T>{value, value, lane, false});
}

// The first lane of this lane's group.
template <uint Size>
MSL_INLINE uint group_start() {
    return msl_lane() / Size * Size;
}

// A lane of this lane's group by its number, or none.
template <uint Size>
MSL_INLINE int lane_of_group(int lane) {
    return lane >= 0 && lane < int(Size) ? int(group_start<Size>()) + lane : -1;
}

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

template <typename T, uint Size>
struct first_value {
    static void apply(lanes<T, T> all) {
        all.each([&](uint lane) {
            uint group = lane / Size * Size;
            all.output(lane, all.input(group + __builtin_ctz(all.active >> group)));
        });
    }
};

// The lanes with `true` in the lower half of the result, and those that took part in the upper.
struct vote {
    static void apply(lanes<bool, ulong> all) {
        uint votes = 0;
        all.each([&](uint lane) { votes |= uint(all.input(lane)) << lane; });
        all.each([&](uint lane) { all.output(lane, ulong(votes) | ulong(all.active) << 32); });
    }
};
MSL_CONVERGENT MSL_INLINE ulong votes(bool value) {
    return together<ulong, vote>(value);
}

} // namespace metal::msl_cpu

#define MSL_LANE_FUNCTION(NAME, ...)                                                                            \
    template <typename T, typename = enable_if_t<msl_cpu::has_components<T>>>                                   \
    MSL_CONVERGENT MSL_INLINE T NAME(T value) {                                                                 \
        return msl_cpu::together<T, msl_cpu::__VA_ARGS__>(value);                                               \
    }

#define MSL_SHUFFLE(NAME, LANE, SIZE)                                                                           \
    template <typename T, typename = enable_if_t<msl_cpu::has_components<T>>>                                   \
    MSL_CONVERGENT MSL_INLINE T NAME(T value, ushort n) {                                                       \
        return msl_cpu::value_of_lane(value, msl_cpu::lane_of_group<SIZE>(LANE));                               \
    }

#define MSL_SHUFFLE_AND_FILL(NAME, STEPS, SIZE)                                                                 \
    template <typename T, typename = enable_if_t<msl_cpu::has_components<T>>>                                   \
    MSL_CONVERGENT MSL_INLINE T NAME(T value, type_identity_t<T> filling, ushort steps, ushort modulo = SIZE) { \
        return msl_cpu::shift_and_fill<T>(value, filling, STEPS, modulo);                                       \
    }

// Defines the functions that simdgroups and quadgroups have alike, in the namespace metal. A group has SIZE lanes.
#define MSL_LANE_FUNCTIONS(GROUP, SIZE)                                                                         \
    MSL_LANE_FUNCTION(GROUP##_sum, reduction<T, msl_cpu::adding, SIZE>)                                         \
    MSL_LANE_FUNCTION(GROUP##_product, reduction<T, msl_cpu::multiplying, SIZE>)                                \
    MSL_LANE_FUNCTION(GROUP##_min, reduction<T, msl_cpu::smallest, SIZE>)                                       \
    MSL_LANE_FUNCTION(GROUP##_max, reduction<T, msl_cpu::largest, SIZE>)                                        \
    MSL_LANE_FUNCTION(GROUP##_and, reduction<T, msl_cpu::bitwise_and, SIZE>)                                    \
    MSL_LANE_FUNCTION(GROUP##_or, reduction<T, msl_cpu::bitwise_or, SIZE>)                                      \
    MSL_LANE_FUNCTION(GROUP##_xor, reduction<T, msl_cpu::bitwise_xor, SIZE>)                                    \
    MSL_LANE_FUNCTION(GROUP##_prefix_inclusive_sum, prefix<T, msl_cpu::adding, true, SIZE>)                     \
    MSL_LANE_FUNCTION(GROUP##_prefix_exclusive_sum, prefix<T, msl_cpu::adding, false, SIZE>)                    \
    MSL_LANE_FUNCTION(GROUP##_prefix_inclusive_product, prefix<T, msl_cpu::multiplying, true, SIZE>)            \
    MSL_LANE_FUNCTION(GROUP##_prefix_exclusive_product, prefix<T, msl_cpu::multiplying, false, SIZE>)           \
    MSL_LANE_FUNCTION(GROUP##_broadcast_first, first_value<T, SIZE>)                                            \
    MSL_SHUFFLE(GROUP##_broadcast, n, SIZE)                                                                     \
    MSL_SHUFFLE(GROUP##_shuffle, n, SIZE)                                                                       \
    MSL_SHUFFLE(GROUP##_shuffle_xor, int((msl_lane() % SIZE) ^ n), SIZE)                                        \
    MSL_SHUFFLE(GROUP##_shuffle_up, int(msl_lane() % SIZE) - n, SIZE)                                           \
    MSL_SHUFFLE(GROUP##_shuffle_down, int(msl_lane() % SIZE) + n, SIZE)                                         \
    MSL_SHUFFLE(GROUP##_shuffle_rotate_up, int((msl_lane() - n) % SIZE), SIZE)                                  \
    MSL_SHUFFLE(GROUP##_shuffle_rotate_down, int((msl_lane() + n) % SIZE), SIZE)                                \
    MSL_SHUFFLE_AND_FILL(GROUP##_shuffle_and_fill_up, -int(steps), SIZE)                                        \
    MSL_SHUFFLE_AND_FILL(GROUP##_shuffle_and_fill_down, steps, SIZE)
