package dev.mlxnative;

/** Sources that tests compile. */
final class Kernels {
    static final String SOURCE = """
            #include <metal_stdlib>
            using namespace metal;

            constant int factor [[function_constant(0)]];

            struct Pair {
                float a;
                float b;
                float c;
                float d;
            };

            kernel void axpy(device float *y [[buffer(0)]], device const float *x [[buffer(1)]],
                             constant float &a [[buffer(2)]], uint i [[thread_position_in_grid]]) {
                y[i] += a * x[i];
            }

            kernel void increment(device int *values [[buffer(0)]], uint i [[thread_position_in_grid]]) {
                values[i] += 1;
            }

            kernel void scale(device int *values [[buffer(0)]], uint i [[thread_position_in_grid]]) {
                values[i] *= factor;
            }

            kernel void sum_pair(device float *result [[buffer(0)]], constant Pair &pair [[buffer(1)]]) {
                result[0] = pair.a + pair.b + pair.c + pair.d;
            }

            kernel void reverse_group(device int *values [[buffer(0)]], threadgroup int *shared [[threadgroup(0)]],
                                      uint i [[thread_position_in_threadgroup]],
                                      uint group [[threadgroup_position_in_grid]],
                                      uint size [[threads_per_threadgroup]]) {
                shared[i] = values[group * size + i];
                threadgroup_barrier(mem_flags::mem_threadgroup);
                values[group * size + i] = shared[size - 1 - i];
            }

            kernel void sparing(device int *values [[buffer(0)]], device int *never [[buffer(1)]],
                                constant Pair &spare [[buffer(2)]], threadgroup int *group [[threadgroup(0)]],
                                threadgroup int *pieces [[threadgroup(1)]], uint i [[thread_position_in_grid]]) {
                values[i] = i < 1024 ? int(i) : pieces[i];
            }

            kernel void positions(device uint *out [[buffer(0)]], uint3 at [[thread_position_in_grid]],
                                  uint3 size [[threads_per_grid]]) {
                out[(at.z * size.y + at.y) * size.x + at.x] = at.x + 100 * at.y + 10000 * at.z;
            }

            kernel void five(device float *out [[buffer(0)]], device const float *a [[buffer(1)]],
                             device const float *b [[buffer(2)]], device const float *c [[buffer(3)]],
                             constant float &d [[buffer(4)]], uint i [[thread_position_in_grid]]) {
                out[i] = a[i] + b[i] + c[i] + d;
            }
            """;

    private Kernels() {}
}
