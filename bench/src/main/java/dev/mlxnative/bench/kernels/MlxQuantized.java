package dev.mlxnative.bench.kernels;

import dev.mlxnative.DType;
import dev.mlxnative.MlxSize;
import java.util.List;
import java.util.SplittableRandom;

/** MLX: matrices of 4 bits an element, with a scale and a bias for each 64 elements of a row, as quantized.cpp. */
final class MlxQuantized {

    private static final int GROUP = 64;
    private static final String SUFFIX = "_float_gs_64_b_4";

    private MlxQuantized() {}

    static List<KernelCheck> checks() {
        return List.of(qmv("affine_qmv_fast", 16, 512), qmv("affine_qmv", 10, 192), qmm(33, 64, 128), dequantize());
    }

    /** Weights of random bits: bytes, scales, biases, and the numbers that they stand for. */
    private record Weights(byte[] packed, double[] scales, double[] biases, double[] values) {
        static Weights random(int rows, int columns) {
            byte[] packed = new byte[rows * columns / 2];
            new SplittableRandom(1).nextBytes(packed);
            double[] scales = Numbers.random(DType.F32, rows * columns / GROUP, 2);
            double[] biases = Numbers.random(DType.F32, rows * columns / GROUP, 3);
            double[] values = new double[rows * columns];
            for (int i = 0; i < values.length; i++) {
                scales[i / GROUP] = i % GROUP == 0 ? (float) (scales[i / GROUP] / 8) : scales[i / GROUP];
                int bits = packed[i / 2] >> i % 2 * 4 & 0xF;
                values[i] = scales[i / GROUP] * bits + biases[i / GROUP];
            }
            return new Weights(packed, scales, biases, values);
        }

        void bind(Arguments arguments) {
            arguments.bytes(0, packed).input(1, DType.F32, scales).input(2, DType.F32, biases);
        }
    }

    private static KernelCheck qmv(String function, int rows, int columns) {
        Weights weights = Weights.random(rows, columns);
        double[] x = scaled(columns, columns);
        double[] expected = References.multiply(weights.values, x, rows, 1, columns);
        String kernel = function + SUFFIX + "_batch_0";
        int rowsPerGroup = 8;
        // Tolerance: test_quantized.py, test_qmv.
        Tolerance tolerance = Tolerance.absolute(1e-3);
        return Mlx.check("quantized.metal", kernel, rows + " x " + columns, tolerance, expected, arguments -> {
            weights.bind(arguments);
            arguments
                    .input(3, DType.F32, x)
                    .output(4, DType.F32, rows)
                    .constant(5, columns)
                    .constant(6, rows)
                    .unused(7, 8, 9, 10, 11, 12, 13, 14)
                    .dispatchThreadgroups(
                            MlxSize.of(1, Mlx.divideUp(rows, rowsPerGroup)), MlxSize.of(Mlx.SIMD_WIDTH, 2));
        });
    }

    /** The product of an m x k matrix and the transpose of n x k weights. */
    private static KernelCheck qmm(int m, int n, int k) {
        Weights weights = Weights.random(n, k);
        double[] x = scaled(m * k, k);
        double[] expected = References.multiply(x, References.transpose(weights.values, n, k), m, n, k);
        String kernel = "affine_qmm_t" + SUFFIX + "_alN_true_batch_0";
        int block = 32;
        // Tolerance: test_quantized.py, test_qmm.
        Tolerance tolerance = Tolerance.absolute(1e-3);
        return Mlx.check("quantized.metal", kernel, m + " x " + n + " x " + k, tolerance, expected, arguments -> {
            weights.bind(arguments);
            arguments
                    .input(3, DType.F32, x)
                    .output(4, DType.F32, m * n)
                    .constant(5, k)
                    .constant(6, n)
                    .constant(7, m)
                    .unused(8, 9, 10, 11, 12, 13, 14, 15)
                    .dispatchThreadgroups(
                            MlxSize.of(Mlx.divideUp(n, block), Mlx.divideUp(m, block)),
                            MlxSize.of(Mlx.SIMD_WIDTH, 2, 2));
        });
    }

    private static KernelCheck dequantize() {
        int rows = 4;
        int columns = 128;
        Weights weights = Weights.random(rows, columns);
        int threads = rows * columns / 2;
        // Tolerance: test_quantized.py, test_quantize_dequantize.
        Tolerance tolerance = Tolerance.close(1e-5, 1e-5);
        String kernel = "affine_dequantize" + SUFFIX;
        return Mlx.check("quantized.metal", kernel, rows + " x " + columns, tolerance, weights.values, arguments -> {
            weights.bind(arguments);
            arguments
                    .output(3, DType.F32, rows * columns)
                    .dispatchThreads(MlxSize.of(threads), MlxSize.of(Math.min(threads, arguments.maxThreads())));
        });
    }

    /** Numbers whose products over {@code length} stay near 1, as in test_quantized.py. */
    private static double[] scaled(int count, int length) {
        double[] numbers = Numbers.random(DType.F32, count, 4);
        for (int i = 0; i < count; i++) {
            numbers[i] = (float) (numbers[i] / Math.sqrt(length));
        }
        return numbers;
    }
}
