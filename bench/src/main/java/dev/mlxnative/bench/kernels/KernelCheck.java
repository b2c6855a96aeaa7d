package dev.mlxnative.bench.kernels;

import dev.mlxnative.MlxFunctionConstants;

/**
 * A launch of a kernel as its project's host code does it, and what the kernel has to compute.
 *
 * @param file the end of the path of the kernel's source
 * @param sizes for the table
 * @param tolerance that of the project's own tests
 * @param expected the reference, computed with {@code double}
 */
record KernelCheck(
        String project,
        String file,
        String kernel,
        MlxFunctionConstants constants,
        String sizes,
        Tolerance tolerance,
        double[] expected,
        Launch launch) {

    /** Binds the arguments and dispatches. */
    @FunctionalInterface
    interface Launch {
        void encode(Arguments arguments);
    }
}
