package dev.mlxnative.bench.kernels;

import java.util.List;

/**
 * What became of a source.
 *
 * @param kernels the kernels in the library; 0 if it does not compile
 * @param compiled the kernels of the sample that compiled
 * @param failed the names of the others, each with the reason
 * @param reason the compiler's first error for the library; empty if there is none
 * @param libraryMillis the time for the library
 * @param kernelMillis the time for the kernels of the sample
 */
record FileResult(
        String file,
        Outcome outcome,
        int kernels,
        int compiled,
        List<String> failed,
        String reason,
        double libraryMillis,
        double kernelMillis) {

    enum Outcome {
        /** The library compiles, and every kernel of the sample. */
        OK("ok"),
        /** The library compiles, but a kernel does not. */
        KERNEL_FAILED("kernel failed"),
        /** The library does not compile. */
        FAILED("failed"),
        /** The library does not compile because it includes MetalPerformancePrimitives, which the device lacks. */
        NEEDS_MPP("needs MPP");

        private final String label;

        Outcome(String label) {
            this.label = label;
        }

        String label() {
            return label;
        }

        boolean isFailure() {
            return this == KERNEL_FAILED || this == FAILED;
        }
    }
}
