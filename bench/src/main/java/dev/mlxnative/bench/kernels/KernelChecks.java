package dev.mlxnative.bench.kernels;

import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.List;
import java.util.stream.Stream;

/** All checks. */
final class KernelChecks {

    private KernelChecks() {}

    /** The checks of the kernels whose name matches a glob. */
    static List<KernelCheck> matching(String glob) {
        PathMatcher matcher = FileSystems.getDefault().getPathMatcher("glob:" + glob);
        return Stream.of(
                        MlxElementwise.checks(),
                        MlxNorms.checks(),
                        MlxRope.checks(),
                        MlxReductions.checks(),
                        MlxMatrices.checks(),
                        MlxQuantized.checks(),
                        MlxAttention.checks(),
                        GgmlRows.checks(),
                        GgmlMatrices.checks(),
                        Candle.checks(),
                        MlxNative.checks())
                .flatMap(List::stream)
                .filter(check -> matcher.matches(Path.of(check.kernel())))
                .toList();
    }
}
