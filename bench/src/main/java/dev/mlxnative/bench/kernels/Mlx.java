package dev.mlxnative.bench.kernels;

import dev.mlxnative.DType;
import dev.mlxnative.MlxFunctionConstants;
import dev.mlxnative.MlxSize;
import dev.mlxnative.bench.kernels.KernelCheck.Launch;

/** What the checks of MLX's kernels share. */
final class Mlx {

    static final int SIMD_WIDTH = 32;

    private static final String PROJECT = "mlx";
    private static final String FOLDER = "mlx/backend/metal/kernels/";

    private Mlx() {}

    static KernelCheck check(
            String file, String kernel, String sizes, Tolerance tolerance, double[] expected, Launch launch) {
        return check(file, kernel, MlxFunctionConstants.of(), sizes, tolerance, expected, launch);
    }

    static KernelCheck check(
            String file,
            String kernel,
            MlxFunctionConstants constants,
            String sizes,
            Tolerance tolerance,
            double[] expected,
            Launch launch) {
        return new KernelCheck(PROJECT, FOLDER + file, kernel, constants, sizes, tolerance, expected, launch);
    }

    /** The name of a type in names of kernels. */
    static String name(DType type) {
        return switch (type) {
            case F16 -> "float16";
            case BF16 -> "bfloat16";
            case F32 -> "float32";
            default -> throw new IllegalArgumentException("no name for " + type);
        };
    }

    static int roundUp(int number, int multiple) {
        return (number + multiple - 1) / multiple * multiple;
    }

    static int divideUp(int dividend, int divisor) {
        return (dividend + divisor - 1) / divisor;
    }

    /** A threadgroup of at most 1,024 threads, by MLX's rule: powers of two that grow in turns. */
    static MlxSize blockDims(int width, int height, int depth) {
        int[] sizes = {width, height, depth};
        int[] powers = new int[sizes.length];
        int sum = 0;
        boolean grown = true;
        while (grown && sum < 10) {
            grown = false;
            for (int i = 0; i < sizes.length && sum < 10; i++) {
                if (sizes[i] >= 1 << powers[i] + 1) {
                    powers[i]++;
                    sum++;
                    grown = true;
                }
            }
        }
        return MlxSize.of(1L << powers[0], 1L << powers[1], 1L << powers[2]);
    }
}
