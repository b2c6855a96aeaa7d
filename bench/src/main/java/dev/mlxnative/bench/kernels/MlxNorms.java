package dev.mlxnative.bench.kernels;

import dev.mlxnative.DType;
import dev.mlxnative.MlxSize;
import java.util.List;

/** MLX: norms and softmax, as normalization.cpp and softmax.cpp. */
final class MlxNorms {

    private static final int ROWS = 5;
    private static final float EPSILON = 1e-5f;

    /** Longer rows take the kernels with a loop. */
    private static final int LOOPED_LIMIT = 4_096;

    private static final int READS = 4;
    private static final int LAYER_NORM_READS = 8;

    private MlxNorms() {}

    static List<KernelCheck> checks() {
        // Tolerances: test_fast.py, test_rms_norm and test_layer_norm; test_ops.py, test_softmax.
        return List.of(
                rmsNorm(DType.F32, 1_024, Tolerance.absolute(1e-6)),
                rmsNorm(DType.F16, 1_000, Tolerance.absolute(1e-3)),
                rmsNorm(DType.F32, 5_000, Tolerance.absolute(1e-6)),
                layerNorm(1_024, Tolerance.absolute(1e-5)),
                softmax(DType.F32, 1_000, Tolerance.close(1e-5, 1e-6)),
                softmax(DType.F16, 515, Tolerance.close(1e-5, 1e-3)),
                softmax(DType.F32, 5_000, Tolerance.close(1e-5, 1e-6)));
    }

    private static KernelCheck rmsNorm(DType type, int columns, Tolerance tolerance) {
        double[] x = Numbers.random(type, ROWS * columns, 1);
        double[] weights = Numbers.random(type, columns, 2);
        String kernel = (columns > LOOPED_LIMIT ? "rms_looped" : "rms") + Mlx.name(type);
        double[] expected = References.rmsNorm(x, weights, EPSILON);
        return Mlx.check("rms_norm.metal", kernel, ROWS + " x " + columns, tolerance, expected, arguments -> {
            arguments
                    .input(0, type, x)
                    .input(1, type, weights)
                    .output(2, type, x.length)
                    .constant(3, EPSILON)
                    .constant(4, columns)
                    .constant(5, 1);
            dispatchRows(arguments, columns, READS);
        });
    }

    private static KernelCheck layerNorm(int columns, Tolerance tolerance) {
        DType type = DType.F32;
        double[] x = Numbers.random(type, ROWS * columns, 1);
        double[] weights = Numbers.random(type, columns, 2);
        double[] biases = Numbers.random(type, columns, 3);
        double[] expected = References.layerNorm(x, weights, biases, EPSILON);
        String sizes = ROWS + " x " + columns;
        return Mlx.check("layer_norm.metal", "layer_normfloat32", sizes, tolerance, expected, arguments -> {
            arguments
                    .input(0, type, x)
                    .input(1, type, weights)
                    .input(2, type, biases)
                    .output(3, type, x.length)
                    .constant(4, EPSILON)
                    .constant(5, columns)
                    .constant(6, 1)
                    .constant(7, 1);
            dispatchRows(arguments, columns, LAYER_NORM_READS);
        });
    }

    private static KernelCheck softmax(DType type, int columns, Tolerance tolerance) {
        double[] x = Numbers.random(type, ROWS * columns, 1);
        String kernel = (columns > LOOPED_LIMIT ? "looped_softmax_" : "block_softmax_") + Mlx.name(type);
        double[] expected = References.softmax(x, columns);
        return Mlx.check("softmax.metal", kernel, ROWS + " x " + columns, tolerance, expected, arguments -> {
            arguments.input(0, type, x).output(1, type, x.length).constant(2, columns);
            dispatchRows(arguments, columns, READS);
        });
    }

    /** A threadgroup for each row. */
    private static void dispatchRows(Arguments arguments, int columns, int reads) {
        int threads = columns > LOOPED_LIMIT
                ? arguments.maxThreads()
                : Mlx.roundUp(Mlx.divideUp(columns, reads), Mlx.SIMD_WIDTH);
        arguments.dispatchThreads(MlxSize.of((long) ROWS * threads), MlxSize.of(threads));
    }
}
