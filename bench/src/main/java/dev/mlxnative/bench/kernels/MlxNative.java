package dev.mlxnative.bench.kernels;

import dev.mlxnative.DType;
import dev.mlxnative.MlxFunctionConstants;
import dev.mlxnative.MlxSize;
import dev.mlxnative.bench.kernels.KernelCheck.Launch;
import java.util.Arrays;
import java.util.List;

/** The crate mlx-native: norms, softmax, gelu and a quantised product, as src/ops launches them. */
final class MlxNative {

    private static final int ROWS = 5;
    private static final int THREADS = 256;
    private static final Tolerance TEST = Tolerance.absolute(1e-5);

    private MlxNative() {}

    static List<KernelCheck> checks() {
        // Tolerances: tests/test_softmax.rs, test_rms_norm.rs, test_gelu.rs; test_quantized_matmul_ggml.rs,
        // test_q4_0_random.
        return List.of(
                softmax(DType.F32, 1_000, TEST),
                softmax(DType.BF16, 64, Tolerance.absolute(1e-2)),
                rmsNorm(1_024),
                gelu(1_000),
                multiply(70, 256, Tolerance.absolute(1e-3)));
    }

    private static KernelCheck check(
            String file, String kernel, String sizes, Tolerance tolerance, double[] expected, Launch launch) {
        MlxFunctionConstants none = MlxFunctionConstants.of();
        return new KernelCheck("mlx-native", "src/shaders/" + file, kernel, none, sizes, tolerance, expected, launch);
    }

    private static KernelCheck softmax(DType type, int columns, Tolerance tolerance) {
        double[] x = Numbers.random(type, ROWS * columns, 1);
        double[] expected = References.softmax(x, columns);
        String kernel = type == DType.F32 ? "softmax_f32" : "softmax_bf16";
        int threads = Math.min(THREADS, Integer.highestOneBit(2 * columns - 1));
        return check(
                "softmax.metal",
                kernel,
                ROWS + " x " + columns,
                tolerance,
                expected,
                arguments -> arguments
                        .input(0, type, x)
                        .output(1, type, x.length)
                        .input(2, DType.F32, columns, 0)
                        .threadgroupMemory(0, threads * 4L)
                        .dispatchThreadgroups(MlxSize.of(ROWS), MlxSize.of(threads)));
    }

    private static KernelCheck rmsNorm(int columns) {
        double[] x = Numbers.random(DType.F32, ROWS * columns, 1);
        double[] weights = Numbers.random(DType.F32, columns, 2);
        double[] expected = References.rmsNorm(x, weights, 1e-6f);
        return check(
                "rms_norm.metal",
                "rms_norm_f32",
                ROWS + " x " + columns,
                TEST,
                expected,
                arguments -> arguments
                        .input(0, DType.F32, x)
                        .input(1, DType.F32, weights)
                        .output(2, DType.F32, x.length)
                        .input(3, DType.F32, 1e-6f, columns)
                        .threadgroupMemory(0, THREADS * 4L)
                        .dispatchThreadgroups(MlxSize.of(ROWS), MlxSize.of(THREADS)));
    }

    private static KernelCheck gelu(int size) {
        double[] x = Numbers.random(DType.F32, size, 1);
        double[] expected = Arrays.stream(x)
                .map(value -> value
                        / 2
                        * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (value + 0.044715 * value * value * value))))
                .toArray();
        return check(
                "gelu.metal",
                "gelu_f32",
                "" + size,
                TEST,
                expected,
                arguments -> arguments
                        .input(0, DType.F32, x)
                        .output(1, DType.F32, size)
                        .dispatchThreads(MlxSize.of(size), MlxSize.of(THREADS)));
    }

    private static KernelCheck multiply(int rows, int columns, Tolerance tolerance) {
        GgmlBlocks weights = GgmlBlocks.q4(rows * columns);
        double[] x = Numbers.random(DType.F32, columns, 2);
        double[] expected = References.multiply(weights.values(), x, rows, 1, columns);
        Struct parameters =
                new Struct().longs(columns, rows, 1, columns, 1, rows, 1).ints(1, 1);
        String kernel = "kernel_mul_mv_q4_0_f32";
        String sizes = rows + " x " + columns;
        return check(
                "quantized_matmul_ggml.metal",
                kernel,
                sizes,
                tolerance,
                expected,
                arguments -> arguments
                        .bytes(0, weights.bytes())
                        .input(1, DType.F32, x)
                        .output(2, DType.F32, rows)
                        .constant(3, parameters)
                        .dispatchThreadgroups(MlxSize.of((rows + 7) / 8), MlxSize.of(8, 8)));
    }
}
