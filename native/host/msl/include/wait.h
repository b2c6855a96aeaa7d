// What threads wait for each other with; entry.h has the definitions. convergent and nomerge keep the compiler from
// copying a call into several branches and from making one call of two, either of which would change who takes part.
#pragma once

#include "pack.h"

#include "kernel.h"

extern "C" {
__attribute__((visibility("default"), noinline, convergent, nomerge)) void msl_wait_simd(const void *in, void *out,
                                                                                        kernel_combine *combine);
__attribute__((visibility("default"), noinline, convergent, nomerge)) void msl_wait_barrier();
uint32_t msl_lane();
}

namespace metal::msl_cpu {

inline constexpr uint simdgroup_size = KERNEL_SIMDGROUP_SIZE;

// The lanes that take part in an operation of a simdgroup, with each one's input and output.
template <typename In, typename Out>
struct lanes {
    void *const *in;
    void *const *out;
    uint active;

    bool has(uint lane) const { return lane < simdgroup_size && (active >> lane & 1) != 0; }
    uint first() const { return __builtin_ctz(active); }
    const In &input(uint lane) const { return *static_cast<const In *>(in[lane]); }
    void output(uint lane, const Out &value) const { *static_cast<Out *>(out[lane]) = value; }

    template <typename Function>
    void each(Function function) const {
        for (uint rest = active; rest != 0; rest &= rest - 1) {
            function(uint(__builtin_ctz(rest)));
        }
    }
};

// Waits for the lanes of the simdgroup that call from the same place, and has Operation compute for all of them:
// a class with a static function apply(lanes<In, Out>).
template <typename Out, typename Operation, typename In>
MSL_CONVERGENT MSL_INLINE Out together(const In &in) {
    Out out;
    msl_wait_simd(&in, &out, [](void *const *inputs, void *const *outputs, uint32_t active) {
        Operation::apply(lanes<In, Out>{inputs, outputs, active});
    });
    return out;
}

} // namespace metal::msl_cpu
