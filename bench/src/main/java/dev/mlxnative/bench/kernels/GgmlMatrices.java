package dev.mlxnative.bench.kernels;

import dev.mlxnative.DType;
import dev.mlxnative.MlxFunctionConstants;
import dev.mlxnative.MlxSize;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/** ggml: products of matrices, quantised and not, with vectors and matrices, as ggml_metal_op_mul_mat. */
final class GgmlMatrices {

    private static final int SIMD_WIDTH = 32;
    private static final int MATRIX_VECTOR = 600;
    private static final int MATRIX_MATRIX = 700;

    /** test-backend-ops.cpp, test_mul_mat. */
    private static final Tolerance TEST_MUL_MAT = Tolerance.normalizedSquares(5e-4);

    private GgmlMatrices() {}

    static List<KernelCheck> checks() {
        return List.of(
                vector("q4_0_f32", 70, 256, 4, 2, 16),
                vector("q8_0_f32", 70, 256, 2, 4, 256),
                vector("f16_f32_4", 70, 256, 2, 2, 256),
                matrix("q4_0_f32", 72, 40, 128),
                // Rows of 70 floats: the kernel writes vectors at addresses that are no multiples of their size.
                matrix("q4_0_f32", 70, 40, 128),
                matrix("f16_f32", 64, 32, 96));
    }

    private static GgmlBlocks weights(String types, int count) {
        if (types.startsWith("q4_0")) {
            return GgmlBlocks.q4(count);
        }
        if (types.startsWith("q8_0")) {
            return GgmlBlocks.q8(count);
        }
        double[] values = Numbers.random(DType.F16, count, 1);
        ByteBuffer bytes = ByteBuffer.allocate(2 * count).order(ByteOrder.LITTLE_ENDIAN);
        for (double value : values) {
            bytes.putShort(Float.floatToFloat16((float) value));
        }
        return new GgmlBlocks(bytes.array(), values);
    }

    /**
     * A matrix and a vector.
     *
     * @param groupRows the rows of a simdgroup, or those of the threadgroup if its simdgroups share them
     * @param memory threadgroup memory; ggml sets 0 bytes for q4_0, which this library refuses
     */
    private static KernelCheck vector(String types, int rows, int columns, int groupRows, int simdgroups, int memory) {
        GgmlBlocks weights = weights(types, rows * columns);
        double[] x = Numbers.random(DType.F32, columns, 2);
        boolean shared = !types.startsWith("q4_0");
        int rowsPerGroup = shared ? groupRows : groupRows * simdgroups;
        long row = weights.bytes().length / rows;
        long elementBytes = row * GgmlBlocks.ELEMENTS / columns;
        Struct arguments = new Struct()
                .ints(columns, rows, 1)
                .longs(types.startsWith("q") ? elementBytes : 2, row, rows * row, rows * row)
                .ints(columns, 1, 1)
                .longs(4, 4L * columns, 4L * columns, 4L * columns)
                .ints(rows, 1, groupRows)
                .shorts(1, 1);
        MlxFunctionConstants constants = MlxFunctionConstants.of()
                .with(MATRIX_VECTOR, (short) simdgroups)
                .with(MATRIX_VECTOR + 2, (short) 1)
                .with(MATRIX_VECTOR + 3, (short) 1)
                .with(MATRIX_VECTOR + 4, (short) 1);
        double[] expected = References.multiply(weights.values(), x, rows, 1, columns);
        String sizes = rows + " x " + columns;
        return Ggml.check(
                "kernel_mul_mv_" + types,
                constants,
                sizes,
                TEST_MUL_MAT,
                expected,
                launch -> launch.constant(0, arguments)
                        .bytes(1, weights.bytes())
                        .input(2, DType.F32, x)
                        .output(3, DType.F32, rows)
                        .threadgroupMemory(0, memory)
                        .dispatchThreadgroups(
                                MlxSize.of((rows + rowsPerGroup - 1) / rowsPerGroup),
                                MlxSize.of(SIMD_WIDTH, simdgroups)));
    }

    /** A matrix of m rows and k columns, and n vectors. */
    private static KernelCheck matrix(String types, int m, int n, int k) {
        GgmlBlocks weights = weights(types, m * k);
        double[] x = Numbers.random(DType.F32, n * k, 2);
        boolean partial = m % 64 != 0 || n % 32 != 0;
        long row = weights.bytes().length / m;
        long vectors = 4L * n * k;
        Struct arguments = new Struct()
                .ints(k, 1)
                .longs(row, m * row, m * row)
                .ints(1)
                .longs(4, 4L * k, vectors, vectors)
                .ints(m, n)
                .shorts(1, 1);
        MlxFunctionConstants constants = MlxFunctionConstants.of()
                .with(MATRIX_MATRIX, k % 32 != 0)
                .with(MATRIX_MATRIX + 1, partial)
                .with(MATRIX_MATRIX + 2, (short) 1)
                .with(MATRIX_MATRIX + 3, (short) 1)
                .with(MATRIX_MATRIX + 4, (short) 1)
                .with(MATRIX_MATRIX + 5, (short) 1);
        double[] expected = References.multiply(x, References.transpose(weights.values(), m, k), n, m, k);
        String sizes = m + " x " + n + " x " + k;
        return Ggml.check(
                "kernel_mul_mm_" + types,
                constants,
                sizes,
                TEST_MUL_MAT,
                expected,
                launch -> launch.constant(0, arguments)
                        .bytes(1, weights.bytes())
                        .input(2, DType.F32, x)
                        .output(3, DType.F32, n * m)
                        .threadgroupMemory(0, partial ? 8_192 : 6_144)
                        .dispatchThreadgroups(MlxSize.of((n + 31) / 32, (m + 63) / 64), MlxSize.of(SIMD_WIDTH, 4)));
    }
}
