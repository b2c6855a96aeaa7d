package dev.mlxnative.bench.kernels;

import dev.mlxnative.DType;
import dev.mlxnative.MlxFunctionConstants;
import dev.mlxnative.MlxSize;
import dev.mlxnative.bench.kernels.KernelCheck.Launch;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleUnaryOperator;

/** candle: reductions, norms and unary operations, as candle-metal-kernels launches them. */
final class Candle {

    private static final int ROWS = 5;

    /** tests.rs compares numbers that it rounds to 4 digits. */
    private static final Tolerance FOUR_DIGITS = Tolerance.absolute(1e-4);

    private Candle() {}

    static List<KernelCheck> checks() {
        return List.of(
                softmax(1_000),
                rmsNorm(1_024),
                layerNorm(1_024),
                sum(500),
                unary("cos_f32", Math::cos, FOUR_DIGITS),
                unary("gelu_f32", Candle::gelu, Tolerance.absolute(1e-3)));
    }

    private static KernelCheck check(
            String file, String kernel, String sizes, Tolerance tolerance, double[] expected, Launch launch) {
        String path = "candle-metal-kernels/src/metal_src/" + file;
        return new KernelCheck("candle", path, kernel, MlxFunctionConstants.of(), sizes, tolerance, expected, launch);
    }

    private static double gelu(double x) {
        return x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
    }

    private static KernelCheck softmax(int columns) {
        double[] x = Numbers.random(DType.F32, ROWS * columns, 1);
        double[] expected = References.softmax(x, columns);
        return check("reduce.metal", "softmax_f32", ROWS + " x " + columns, FOUR_DIGITS, expected, arguments -> {
            arguments
                    .constant(0, (long) x.length)
                    .constant(1, (long) columns)
                    .input(2, DType.F32, x)
                    .output(3, DType.F32, x.length);
            dispatchRows(arguments, columns);
        });
    }

    private static KernelCheck rmsNorm(int columns) {
        double[] x = Numbers.random(DType.F32, ROWS * columns, 1);
        double[] weights = Numbers.random(DType.F32, columns, 2);
        double[] expected = References.rmsNorm(x, weights, 1e-5f);
        return check("reduce.metal", "rmsnorm_f32", ROWS + " x " + columns, FOUR_DIGITS, expected, arguments -> {
            arguments
                    .constant(0, (long) x.length)
                    .constant(1, (long) columns)
                    .input(2, DType.F32, x)
                    .output(3, DType.F32, x.length)
                    .input(4, DType.F32, weights)
                    .constant(5, 1e-5f);
            dispatchRows(arguments, columns);
        });
    }

    private static KernelCheck layerNorm(int columns) {
        double[] x = Numbers.random(DType.F32, ROWS * columns, 1);
        double[] weights = Numbers.random(DType.F32, columns, 2);
        double[] biases = Numbers.random(DType.F32, columns, 3);
        double[] expected = References.layerNorm(x, weights, biases, 1e-5f);
        return check("reduce.metal", "layernorm_f32", ROWS + " x " + columns, FOUR_DIGITS, expected, arguments -> {
            arguments
                    .constant(0, (long) x.length)
                    .constant(1, (long) columns)
                    .input(2, DType.F32, x)
                    .output(3, DType.F32, x.length)
                    .input(4, DType.F32, weights)
                    .input(5, DType.F32, biases)
                    .constant(6, 1e-5f);
            dispatchRows(arguments, columns);
        });
    }

    private static KernelCheck sum(int columns) {
        double[] x = Numbers.random(DType.F32, ROWS * columns, 1);
        double[] expected = References.reduce(x, columns, Double::sum);
        return check("reduce.metal", "fast_sum_f32", ROWS + " x " + columns, FOUR_DIGITS, expected, arguments -> {
            arguments
                    .constant(0, x.length)
                    .constant(1, 2)
                    .constant(2, new Struct().ints(ROWS, columns))
                    .constant(3, columns)
                    .input(4, DType.F32, x)
                    .output(5, DType.F32, ROWS);
            dispatchRows(arguments, columns);
        });
    }

    private static KernelCheck unary(String kernel, DoubleUnaryOperator reference, Tolerance tolerance) {
        int size = 1_001;
        double[] x = Numbers.random(DType.F32, size, 1);
        double[] expected = Arrays.stream(x).map(reference).toArray();
        int tiles = (size + 1) / 2;
        return check("unary.metal", kernel, "" + size, tolerance, expected, arguments -> {
            int threads = Math.min(tiles, arguments.maxThreads());
            arguments
                    .constant(0, (long) size)
                    .input(1, DType.F32, x)
                    .output(2, DType.F32, size)
                    .dispatchThreadgroups(MlxSize.of((tiles + threads - 1) / threads), MlxSize.of(threads));
        });
    }

    /** A threadgroup for each row, with the power of two of threads that is at least half of the row. */
    private static void dispatchRows(Arguments arguments, int columns) {
        int half = Math.max(columns / 2, 1);
        int power = half == 1 ? 1 : Integer.highestOneBit(half - 1) * 2;
        arguments.dispatchThreadgroups(MlxSize.of(ROWS), MlxSize.of(Math.min(power, arguments.maxThreads())));
    }
}
