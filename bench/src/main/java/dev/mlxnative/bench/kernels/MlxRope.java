package dev.mlxnative.bench.kernels;

import dev.mlxnative.DType;
import dev.mlxnative.MlxFunctionConstants;
import dev.mlxnative.MlxSize;
import java.util.List;

/** MLX: rotary embeddings, as rope.cpp. */
final class MlxRope {

    private static final int HEADS = 6;
    private static final int HEADS_PER_THREAD = 4;
    private static final int COLUMNS = 64;
    private static final double BASE = 10_000;

    private MlxRope() {}

    static List<KernelCheck> checks() {
        // Tolerances: test_fast.py, test_rope.
        return List.of(
                single(DType.F32, true, Tolerance.absolute(1e-6)),
                single(DType.F16, false, Tolerance.absolute(1e-3)),
                sequence(DType.F32, false, Tolerance.absolute(1e-6)));
    }

    private static MlxFunctionConstants constants(boolean traditional) {
        return MlxFunctionConstants.of().with(1, true).with(2, traditional).with(3, false);
    }

    private static float logBase() {
        return (float) (Math.log(BASE) / Math.log(2));
    }

    private static KernelCheck single(DType type, boolean traditional, Tolerance tolerance) {
        double[] x = Numbers.random(type, HEADS * COLUMNS, 1);
        int offset = 3;
        double[] expected = References.rope(x, COLUMNS, traditional ? 1 : COLUMNS / 2, 1, offset, BASE);
        String sizes = HEADS + " x 1 x " + COLUMNS + (traditional ? ", traditional" : "");
        String kernel = "rope_single_" + Mlx.name(type);
        return Mlx.check(
                "rope.metal",
                kernel,
                constants(traditional),
                sizes,
                tolerance,
                expected,
                arguments -> arguments
                        .input(0, type, x)
                        .output(1, type, x.length)
                        .input(2, DType.I32, offset)
                        .constant(3, 1f)
                        .constant(4, (long) COLUMNS)
                        .constant(10, logBase())
                        .dispatchThreads(MlxSize.of(COLUMNS / 2, HEADS), Mlx.blockDims(COLUMNS / 2, HEADS, 1)));
    }

    private static KernelCheck sequence(DType type, boolean traditional, Tolerance tolerance) {
        int positions = 4;
        double[] x = Numbers.random(type, HEADS * positions * COLUMNS, 1);
        int offset = 3;
        double[] expected = References.rope(x, COLUMNS, traditional ? 1 : COLUMNS / 2, positions, offset, BASE);
        Struct strides = new Struct().longs((long) positions * COLUMNS, COLUMNS, 1);
        int depth = Mlx.divideUp(HEADS, HEADS_PER_THREAD);
        return Mlx.check(
                "rope.metal",
                "rope_" + Mlx.name(type),
                constants(traditional),
                HEADS + " x " + positions + " x " + COLUMNS,
                tolerance,
                expected,
                arguments -> arguments
                        .input(0, type, x)
                        .output(1, type, x.length)
                        .input(2, DType.I32, offset)
                        .constant(3, 1f)
                        .constant(4, strides)
                        .constant(5, strides)
                        .constant(6, 0L)
                        .constant(7, HEADS)
                        .constant(10, logBase())
                        .dispatchThreads(
                                MlxSize.of(COLUMNS / 2, positions, depth),
                                Mlx.blockDims(COLUMNS / 2, positions, depth)));
    }
}
