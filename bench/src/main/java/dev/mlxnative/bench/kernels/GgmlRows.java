package dev.mlxnative.bench.kernels;

import dev.mlxnative.DType;
import dev.mlxnative.MlxFunctionConstants;
import dev.mlxnative.MlxSize;
import java.util.List;
import java.util.stream.IntStream;

/** ggml: operations on rows, as ggml-metal-ops.cpp launches them. */
final class GgmlRows {

    private static final int ROWS = 5;
    private static final int SIMD_WIDTH = 32;

    /** What the host code gives for sums of simdgroups: 32 floats. */
    private static final long SIMD_SUMS = 32L * Float.BYTES;

    private GgmlRows() {}

    static List<KernelCheck> checks() {
        return List.of(
                rmsNorm(1_024, false),
                rmsNorm(1_024, true),
                softmax("kernel_soft_max_f32_4", 1_024),
                softmax("kernel_soft_max_f32", 515),
                sumRows(301),
                argSort(100),
                rope("kernel_rope_norm_f32", 1),
                rope("kernel_rope_neox_f32", 32));
    }

    /** @param fused whether the kernel multiplies by a row, and adds another, after it */
    private static KernelCheck rmsNorm(int columns, boolean fused) {
        float epsilon = 1e-6f;
        double[] x = Numbers.random(DType.F32, ROWS * columns, 1);
        double[] weights = fused
                ? Numbers.random(DType.F32, columns, 2)
                : IntStream.range(0, columns).mapToDouble(i -> 1).toArray();
        double[] biases = fused ? Numbers.random(DType.F32, columns, 3) : new double[columns];
        double[] expected = References.rmsNorm(x, weights, epsilon);
        for (int i = 0; i < expected.length; i++) {
            expected[i] += biases[i % columns];
        }
        int fusedRows = fused ? 1 : 0;
        long row = 4L * columns;
        long fusedRow = fused ? row : 0;
        Struct arguments = new Struct()
                .ints(columns, columns / 4)
                .longs(row, ROWS * row, ROWS * row)
                .floats(epsilon);
        arguments.ints(ROWS, fusedRows, fusedRows).ints(1, fusedRows, fusedRows).ints(1, fusedRows, fusedRows);
        arguments.longs(row, fusedRow, fusedRow);
        arguments.longs(ROWS * row, fusedRow, fusedRow).longs(ROWS * row, fusedRow, fusedRow);
        String kernel = fused ? "kernel_rms_norm_mul_add_f32_4" : "kernel_rms_norm_f32_4";
        return Ggml.check(kernel, ROWS + " x " + columns, Ggml.DEFAULT, expected, launch -> {
            launch.constant(0, arguments).input(1, DType.F32, x);
            if (fused) {
                launch.input(2, DType.F32, weights).input(3, DType.F32, biases);
            } else {
                launch.again(2).again(3);
            }
            launch.output(4, DType.F32, x.length)
                    .threadgroupMemory(0, SIMD_SUMS)
                    .dispatchThreadgroups(MlxSize.of(ROWS), MlxSize.of(columns / 4));
        });
    }

    private static KernelCheck softmax(String kernel, int columns) {
        double[] x = Numbers.random(DType.F32, ROWS * columns, 1);
        long row = 4L * columns;
        int threads = SIMD_WIDTH;
        while (threads < (columns % 4 == 0 ? columns / 4 : columns) && threads * ROWS < 256) {
            threads *= 2;
        }
        MlxSize threadgroup = MlxSize.of(threads);
        // Without a mask and sinks the host code binds the source in their place.
        Struct arguments = new Struct()
                .ints(columns, ROWS, 1)
                .longs(row, ROWS * row, ROWS * row)
                .ints(ROWS, 1, 1)
                .longs(row, ROWS * row, ROWS * row)
                .longs(row, ROWS * row, ROWS * row)
                .floats(1, 0, 1, 1)
                .ints(1);
        // Tolerance: test-backend-ops.cpp, test_soft_max.
        Tolerance tolerance = Tolerance.normalizedSquares(1e-6);
        double[] expected = References.softmax(x, columns);
        return Ggml.check(
                kernel,
                ROWS + " x " + columns,
                tolerance,
                expected,
                launch -> launch.constant(0, arguments)
                        .input(1, DType.F32, x)
                        .again(2)
                        .again(3)
                        .output(4, DType.F32, x.length)
                        .threadgroupMemory(0, SIMD_SUMS)
                        .dispatchThreadgroups(MlxSize.of(ROWS), threadgroup));
    }

    private static KernelCheck sumRows(int columns) {
        int operation = 10;
        double[] x = Numbers.random(DType.F32, ROWS * columns, 1);
        long row = 4L * columns;
        Struct arguments = new Struct()
                .longs(columns, ROWS, 1, 1)
                .longs(4, row, ROWS * row, ROWS * row)
                .longs(1, ROWS, 1, 1)
                .longs(4, 4, 4 * ROWS, 4 * ROWS);
        MlxFunctionConstants constants = MlxFunctionConstants.of().with(1400, (short) operation);
        String kernel = "kernel_sum_rows_f32_f32";
        double[] expected = References.reduce(x, columns, Double::sum);
        return Ggml.check(
                kernel,
                constants,
                ROWS + " x " + columns,
                Ggml.DEFAULT,
                expected,
                launch -> launch.constant(0, arguments)
                        .input(1, DType.F32, x)
                        .output(2, DType.F32, ROWS)
                        .threadgroupMemory(0, SIMD_SUMS)
                        .dispatchThreadgroups(MlxSize.of(ROWS), MlxSize.of(columns)));
    }

    private static KernelCheck argSort(int columns) {
        double[] x = Numbers.random(DType.F32, ROWS * columns, 1);
        long row = 4L * columns;
        int threads = 128;
        Struct arguments = new Struct()
                .ints(columns, ROWS, 1, 1)
                .longs(4, row, ROWS * row, ROWS * row)
                .ints(columns, ROWS, 1, 1, threads);
        double[] expected = References.argSort(x, columns);
        String kernel = "kernel_argsort_f32_i32_asc";
        return Ggml.check(
                kernel,
                ROWS + " x " + columns,
                Tolerance.exact(),
                expected,
                launch -> launch.constant(0, arguments)
                        .input(1, DType.F32, x)
                        .output(2, DType.I32, x.length)
                        .threadgroupMemory(0, threads * 4L)
                        .dispatchThreadgroups(MlxSize.of(ROWS), MlxSize.of(threads)));
    }

    private static KernelCheck rope(String kernel, int half) {
        int columns = 64;
        int positions = 7;
        int offset = 3;
        double[] x = Numbers.random(DType.F32, positions * columns, 1);
        double[] places =
                IntStream.range(offset, offset + positions).asDoubleStream().toArray();
        long row = 4L * columns;
        Struct arguments = new Struct()
                .ints(columns, 1, positions, 1)
                .longs(4, row, row, positions * row)
                .ints(columns, 1, positions, 1)
                .longs(4, row, row, positions * row)
                .ints(0, columns, 0, 512)
                .floats(10_000, 1, 0, 1, 32, 1)
                .ints(0, 0, 0, 0)
                .bools(false, false);
        MlxFunctionConstants constants = MlxFunctionConstants.of().with("FC_rope_is_imrope", false);
        double[] expected = References.rope(x, columns, half, positions, offset, 10_000);
        return Ggml.check(
                kernel,
                constants,
                positions + " x " + columns,
                Ggml.DEFAULT,
                expected,
                launch -> launch.constant(0, arguments)
                        .input(1, DType.F32, x)
                        .again(3)
                        .input(2, DType.I32, places)
                        .output(4, DType.F32, x.length)
                        .dispatchThreadgroups(MlxSize.of(1, positions), MlxSize.of(columns)));
    }
}
