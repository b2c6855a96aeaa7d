package dev.mlxnative.bench.kernels;

import dev.mlxnative.DType;
import dev.mlxnative.MlxSize;
import java.util.Arrays;
import java.util.List;

/** MLX: reductions, scans and sorts of rows, as reduce.cpp, scan.cpp, sort.cpp and primitives.cpp. */
final class MlxReductions {

    private static final int ROWS = 7;
    private static final int READS = 4;

    /** test_reduce.py: test_expand_sums and test_dtypes. */
    private static final Tolerance TEST_REDUCE = Tolerance.close(1e-5, 1e-4);

    private MlxReductions() {}

    static List<KernelCheck> checks() {
        return List.of(sumOfAll(), sumOfRows(), argMax(), scan(), sort(), argSort());
    }

    private static KernelCheck sumOfAll() {
        int size = 3_000;
        double[] x = Numbers.random(DType.F32, size, 1);
        double[] expected = References.reduce(x, size, Double::sum);
        int threads = Mlx.roundUp(Mlx.divideUp(size, READS), Mlx.SIMD_WIDTH);
        return Mlx.check(
                "reduce.metal",
                "all_reduce_sumfloat32",
                "" + size,
                TEST_REDUCE,
                expected,
                arguments -> arguments
                        .input(0, DType.F32, x)
                        .output(1, DType.F32, 1)
                        .constant(2, (long) size)
                        .constant(3, (long) size)
                        .dispatchThreads(MlxSize.of(threads), MlxSize.of(threads)));
    }

    private static KernelCheck sumOfRows() {
        int columns = 300;
        double[] x = Numbers.random(DType.F32, ROWS * columns, 1);
        double[] expected = References.reduce(x, columns, Double::sum);
        String kernel = "row_reduce_simple_sumfloat32";
        return Mlx.check(
                "reduce.metal",
                kernel,
                ROWS + " x " + columns,
                TEST_REDUCE,
                expected,
                arguments -> arguments
                        .input(0, DType.F32, x)
                        .output(1, DType.F32, ROWS)
                        .constant(2, (long) columns)
                        .constant(3, (long) ROWS)
                        .dispatchThreads(
                                MlxSize.of(Mlx.SIMD_WIDTH, Mlx.divideUp(ROWS, READS)), MlxSize.of(Mlx.SIMD_WIDTH)));
    }

    private static KernelCheck argMax() {
        int columns = 300;
        double[] x = Numbers.random(DType.F32, ROWS * columns, 1);
        double[] expected = References.argMax(x, columns);
        int threads = Mlx.roundUp(Mlx.divideUp(columns, READS), Mlx.SIMD_WIDTH);
        String sizes = ROWS + " x " + columns;
        return Mlx.check(
                "arg_reduce.metal",
                "argmax_float32",
                sizes,
                Tolerance.exact(),
                expected,
                arguments -> arguments
                        .input(0, DType.F32, x)
                        .output(1, DType.U32, ROWS)
                        .constant(2, new Struct().ints(ROWS))
                        .constant(3, new Struct().longs(columns))
                        .constant(4, new Struct().longs(1))
                        .constant(5, 1L)
                        .constant(6, 1L)
                        .constant(7, (long) columns)
                        .dispatchThreads(MlxSize.of(threads, ROWS), MlxSize.of(threads)));
    }

    private static KernelCheck scan() {
        int columns = 1_000;
        double[] x = Numbers.random(DType.F32, ROWS * columns, 1);
        double[] expected = References.cumulativeSums(x, columns);
        int threads = Mlx.roundUp(columns, READS * Mlx.SIMD_WIDTH) / READS;
        // Tolerance: test_ops.py, test_scans.
        Tolerance tolerance = Tolerance.close(1e-3, 1e-3);
        String kernel = "contig_scan_inclusive_sum_float32_float32";
        return Mlx.check(
                "scan.metal",
                kernel,
                ROWS + " x " + columns,
                tolerance,
                expected,
                arguments -> arguments
                        .input(0, DType.F32, x)
                        .output(1, DType.F32, x.length)
                        .constant(2, (long) columns)
                        .dispatchThreads(MlxSize.of(threads, ROWS), MlxSize.of(threads)));
    }

    private static KernelCheck sort() {
        int columns = 500;
        double[] x = Numbers.random(DType.F32, ROWS * columns, 1);
        double[] expected = x.clone();
        for (int row = 0; row < ROWS; row++) {
            Arrays.sort(expected, row * columns, (row + 1) * columns);
        }
        String kernel = "c_block_sort_float32_float32_bn128_tn4";
        return Mlx.check(
                "sort.metal",
                kernel,
                ROWS + " x " + columns,
                Tolerance.exact(),
                expected,
                arguments ->
                        dispatchSort(arguments.input(0, DType.F32, x).output(1, DType.F32, x.length), columns, 128));
    }

    private static KernelCheck argSort() {
        int columns = 101;
        double[] x = Numbers.random(DType.F32, ROWS * columns, 1);
        double[] expected = References.argSort(x, columns);
        String kernel = "carg_block_sort_float32_uint32_bn32_tn4";
        return Mlx.check(
                "sort.metal",
                kernel,
                ROWS + " x " + columns,
                Tolerance.exact(),
                expected,
                arguments ->
                        dispatchSort(arguments.input(0, DType.F32, x).output(1, DType.U32, x.length), columns, 32));
    }

    private static void dispatchSort(Arguments arguments, int columns, int threads) {
        arguments
                .constant(2, columns)
                .constant(3, 1)
                .constant(4, 1)
                .constant(5, columns)
                .constant(6, columns)
                .dispatchThreadgroups(MlxSize.of(1, ROWS), MlxSize.of(threads));
    }
}
