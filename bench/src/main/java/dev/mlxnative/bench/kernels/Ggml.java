package dev.mlxnative.bench.kernels;

import dev.mlxnative.MlxFunctionConstants;
import dev.mlxnative.bench.kernels.KernelCheck.Launch;

/** What the checks of ggml's kernels share. */
final class Ggml {

    /** test-backend-ops.cpp: the default of max_nmse_err. */
    static final Tolerance DEFAULT = Tolerance.normalizedSquares(1e-7);

    private static final String PROJECT = "ggml";
    private static final String FILE = "ggml-metal/ggml-metal.metal";

    private Ggml() {}

    static KernelCheck check(String kernel, String sizes, Tolerance tolerance, double[] expected, Launch launch) {
        return check(kernel, MlxFunctionConstants.of(), sizes, tolerance, expected, launch);
    }

    static KernelCheck check(
            String kernel,
            MlxFunctionConstants constants,
            String sizes,
            Tolerance tolerance,
            double[] expected,
            Launch launch) {
        return new KernelCheck(PROJECT, FILE, kernel, constants, sizes, tolerance, expected, launch);
    }
}
