package dev.mlxnative.bench.kernels;

import dev.mlxnative.DType;
import dev.mlxnative.MlxFunctionConstants;
import dev.mlxnative.MlxSize;
import java.util.Arrays;
import java.util.List;

/** MLX: products of matrices and vectors, as matmul.cpp. */
final class MlxMatrices {

    /** test_blas.py: __gemm_test and __gemv_test. */
    private static final Tolerance TEST_BLAS = Tolerance.close(1e-5, 1e-5);

    /** test_blas.py: test_addmm, in half precision. */
    private static final Tolerance TEST_HALF = Tolerance.close(1e-3, 1e-3);

    private MlxMatrices() {}

    static List<KernelCheck> checks() {
        return List.of(
                gemv(300, 515),
                gemvTransposed(515, 300),
                gemm(DType.F32, false, 70, 50, 45),
                gemm(DType.F32, false, 64, 64, 32),
                gemm(DType.F32, true, 65, 130, 37),
                gemm(DType.F16, true, 64, 96, 48));
    }

    private static KernelCheck gemv(int rows, int columns) {
        double[] matrix = scaled(DType.F32, rows * columns, columns, 1);
        double[] vector = scaled(DType.F32, columns, columns, 2);
        double[] expected = References.multiply(matrix, vector, rows, 1, columns);
        int rowsPerGroup = 4 * 4;
        String kernel = "gemv_float32_bm4_bn1_sm1_sn32_tm4_tn4_nc0_axpby0";
        return Mlx.check("gemv.metal", kernel, rows + " x " + columns, TEST_BLAS, expected, arguments -> {
            bindGemv(arguments, matrix, vector, columns, rows, columns);
            arguments.dispatchThreadgroups(
                    MlxSize.of(Mlx.divideUp(rows, rowsPerGroup)), MlxSize.of(Mlx.SIMD_WIDTH, 1, 4));
        });
    }

    /** The product of a row and a matrix of {@code inputs} rows and {@code outputs} columns. */
    private static KernelCheck gemvTransposed(int outputs, int inputs) {
        double[] matrix = scaled(DType.F32, inputs * outputs, inputs, 1);
        double[] vector = scaled(DType.F32, inputs, inputs, 2);
        double[] expected = References.multiply(vector, matrix, 1, outputs, inputs);
        int columnsPerGroup = 4 * 4 * 4;
        String kernel = "gemv_t_float32_bm1_bn4_sm8_sn4_tm4_tn4_nc0_axpby0";
        return Mlx.check("gemv.metal", kernel, inputs + " x " + outputs, TEST_BLAS, expected, arguments -> {
            bindGemv(arguments, matrix, vector, inputs, outputs, outputs);
            arguments.dispatchThreadgroups(
                    MlxSize.of(Mlx.divideUp(outputs, columnsPerGroup)), MlxSize.of(Mlx.SIMD_WIDTH, 4, 1));
        });
    }

    private static void bindGemv(
            Arguments arguments, double[] matrix, double[] vector, int inputs, int outputs, int rowStride) {
        arguments
                .input(0, DType.F32, matrix)
                .input(1, DType.F32, vector)
                .output(3, DType.F32, outputs)
                .constant(4, inputs)
                .constant(5, outputs)
                .constant(6, rowStride)
                .constant(9, 1)
                .constant(10, new Struct().ints(1))
                .constant(11, new Struct().longs(0))
                .constant(12, new Struct().longs(0))
                .unused(2, 7, 8, 13, 14);
    }

    /** The product of an m x k and a k x n matrix; the second is stored by columns if it is transposed. */
    private static KernelCheck gemm(DType type, boolean transposed, int m, int n, int k) {
        int blockRows = 64;
        int blockColumns = 64;
        int blockDepth = 16;
        double[] a = scaled(type, m * k, k, 1);
        double[] b = scaled(type, k * n, k, 2);
        double[] expected = References.multiply(a, transposed ? References.transpose(b, n, k) : b, m, n, k);
        for (int i = 0; i < expected.length; i++) {
            expected[i] = Numbers.round(type, expected[i]);
        }
        int tileRows = Mlx.divideUp(m, blockRows);
        int tileColumns = Mlx.divideUp(n, blockColumns);
        MlxFunctionConstants constants = MlxFunctionConstants.of()
                .with(10, false)
                .with(100, false)
                .with(110, false)
                .with(200, m % blockRows == 0)
                .with(201, n % blockColumns == 0)
                .with(202, k % blockDepth == 0);
        Struct parameters = new Struct()
                .ints(m, n, k, k, transposed ? k : n, n, tileColumns, tileRows)
                .longs(0, 0, 0)
                .ints(0, k / blockDepth, 1);
        return Mlx.check(
                "steel/gemm/kernels/steel_gemm_fused.metal",
                "steel_gemm_fused_" + (transposed ? "nt_" : "nn_") + Mlx.name(type) + "_" + Mlx.name(type)
                        + "_bm64_bn64_bk16_wm2_wn2",
                constants,
                m + " x " + n + " x " + k,
                type == DType.F32 ? TEST_BLAS : TEST_HALF,
                expected,
                arguments -> arguments
                        .input(0, type, a)
                        .input(1, type, b)
                        .output(3, type, m * n)
                        .constant(4, parameters)
                        .dispatchThreadgroups(MlxSize.of(tileColumns, tileRows), MlxSize.of(Mlx.SIMD_WIDTH, 2, 2)));
    }

    /** Numbers whose products stay near 1. Those of test_blas.py are smaller, so that its tolerance allows zeros. */
    private static double[] scaled(DType type, int count, int length, long seed) {
        return Arrays.stream(Numbers.random(DType.F32, count, seed))
                .map(number -> Numbers.round(type, number / Math.sqrt(length)))
                .toArray();
    }
}
