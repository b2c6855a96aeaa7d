package dev.mlxnative.bench.kernels;

import dev.mlxnative.DType;
import dev.mlxnative.MlxFunctionConstants;
import dev.mlxnative.MlxSize;
import java.util.List;

/** MLX: attention of one query and of many, as scaled_dot_product_attention.cpp. */
final class MlxAttention {

    private static final int HEADS = 4;
    private static final int SHARING = 2;
    private static final int SIZE = 64;
    private static final float SCALE = 0.125f;

    private MlxAttention() {}

    static List<KernelCheck> checks() {
        // Tolerances: test_fast_sdpa.py, test_sdpa_vector and test_sdpa.
        return List.of(
                vector(37, Tolerance.close(1e-5, 1e-5)),
                steel(40, 72, false, Tolerance.close(1e-4, 1e-4)),
                steel(64, 64, true, Tolerance.close(1e-4, 1e-4)));
    }

    private static KernelCheck vector(int keyCount, Tolerance tolerance) {
        double[] queries = Numbers.random(DType.F32, HEADS * SIZE, 1);
        double[] keys = Numbers.random(DType.F32, HEADS / SHARING * keyCount * SIZE, 2);
        double[] values = Numbers.random(DType.F32, HEADS / SHARING * keyCount * SIZE, 3);
        double[] expected =
                References.attention(queries, keys, values, HEADS, SHARING, 1, keyCount, SIZE, SCALE, false);
        MlxFunctionConstants constants = MlxFunctionConstants.of();
        for (int index = 20; index <= 25; index++) {
            constants = constants.with(index, false);
        }
        String sizes = HEADS + " heads, 1 x " + keyCount + " x " + SIZE;
        String file = "scaled_dot_product_attention.metal";
        return Mlx.check(
                file,
                "sdpa_vector_float_64_64",
                constants,
                sizes,
                tolerance,
                expected,
                arguments -> arguments
                        .input(0, DType.F32, queries)
                        .input(1, DType.F32, keys)
                        .input(2, DType.F32, values)
                        .output(3, DType.F32, queries.length)
                        .constant(4, SHARING)
                        .constant(5, keyCount)
                        .constant(6, (long) keyCount * SIZE)
                        .constant(7, (long) SIZE)
                        .constant(8, (long) keyCount * SIZE)
                        .constant(9, (long) SIZE)
                        .constant(10, SCALE)
                        .dispatchThreadgroups(MlxSize.of(HEADS), MlxSize.of(1_024)));
    }

    private static KernelCheck steel(int queryCount, int keyCount, boolean causal, Tolerance tolerance) {
        int block = 32;
        double[] queries = Numbers.random(DType.F32, HEADS * queryCount * SIZE, 1);
        double[] keys = Numbers.random(DType.F32, HEADS / SHARING * keyCount * SIZE, 2);
        double[] values = Numbers.random(DType.F32, HEADS / SHARING * keyCount * SIZE, 3);
        double[] expected =
                References.attention(queries, keys, values, HEADS, SHARING, queryCount, keyCount, SIZE, SCALE, causal);
        MlxFunctionConstants constants = MlxFunctionConstants.of()
                .with(200, queryCount % block == 0)
                .with(201, keyCount % block == 0)
                .with(300, false)
                .with(301, causal)
                .with(302, false);
        long queryHead = (long) queryCount * SIZE;
        long keyHead = (long) keyCount * SIZE;
        long keyBatch = HEADS / SHARING * keyHead;
        Struct parameters = new Struct()
                .ints(1, HEADS, SIZE, queryCount, keyCount, SHARING)
                .floats(SCALE)
                .ints(Mlx.divideUp(queryCount, block), Mlx.divideUp(keyCount, block))
                .ints(queryCount / block, keyCount / block, queryCount % block, keyCount % block)
                .ints(keyCount - queryCount)
                .longs(HEADS * queryHead, queryHead, SIZE)
                .longs(keyBatch, keyHead, SIZE)
                .longs(keyBatch, keyHead, SIZE)
                .longs(HEADS * queryHead, queryHead, SIZE);
        return Mlx.check(
                "steel/attn/kernels/steel_attention.metal",
                "steel_attention_float32_bq32_bk32_bd64_wm4_wn1_maskfloat32",
                constants,
                HEADS + " heads, " + queryCount + " x " + keyCount + " x " + SIZE + (causal ? ", causal" : ""),
                tolerance,
                expected,
                arguments -> arguments
                        .input(0, DType.F32, queries)
                        .input(1, DType.F32, keys)
                        .input(2, DType.F32, values)
                        .output(3, DType.F32, queries.length)
                        .constant(4, parameters)
                        .dispatchThreadgroups(
                                MlxSize.of(Mlx.divideUp(queryCount, block), HEADS), MlxSize.of(Mlx.SIMD_WIDTH, 4)));
    }
}
