package dev.mlxnative.bench.kernels;

import dev.mlxnative.MlxException;
import dev.mlxnative.MlxFunctionConstants;
import dev.mlxnative.MlxLibrary;
import dev.mlxnative.bench.kernels.FileResult.Outcome;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Compiles sources, and a sample of the kernels of each. */
final class FileCompiler {

    private static final String PERFORMANCE_PRIMITIVES = "MetalPerformancePrimitives";

    private final SourceCompiler compiler;
    private final int sampleSize;

    /** @param sampleSize the kernels of a file that are compiled; 0 for all */
    FileCompiler(SourceCompiler compiler, int sampleSize) {
        this.compiler = compiler;
        this.sampleSize = sampleSize;
    }

    FileResult compile(Path file) throws IOException {
        String source = compiler.read(file);
        long start = System.nanoTime();
        try (MlxLibrary library = compiler.compile(source)) {
            return compileKernels(file, library, DefaultConstants.of(source), millisSince(start));
        } catch (MlxException e) {
            String reason = reason(e);
            boolean lacksHeader = reason.contains(PERFORMANCE_PRIMITIVES);
            Outcome outcome = lacksHeader ? Outcome.NEEDS_MPP : Outcome.FAILED;
            return new FileResult(file.toString(), outcome, 0, 0, List.of(), reason, millisSince(start), 0);
        }
    }

    private FileResult compileKernels(
            Path file, MlxLibrary library, MlxFunctionConstants constants, double libraryMillis) {
        List<String> names = library.kernelNames();
        List<String> failed = new ArrayList<>();
        List<String> sample = sample(names, sampleSize == 0 ? names.size() : sampleSize);
        long start = System.nanoTime();
        for (String name : sample) {
            try {
                library.kernel(name, constants).close();
            } catch (MlxException e) {
                failed.add(name + ": " + reason(e));
            }
        }
        return new FileResult(
                file.toString(),
                failed.isEmpty() ? Outcome.OK : Outcome.KERNEL_FAILED,
                names.size(),
                sample.size() - failed.size(),
                failed,
                "",
                libraryMillis,
                millisSince(start));
    }

    /** At most {@code size} elements, spread evenly over the list. */
    static List<String> sample(List<String> all, int size) {
        int count = Math.min(size, all.size());
        List<String> sample = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            sample.add(all.get((int) ((long) i * all.size() / count)));
        }
        return sample;
    }

    /** The compiler's first error, or else its first line. */
    static String reason(MlxException e) {
        String log = String.valueOf(e.getMessage());
        return log.lines()
                .filter(line -> line.contains("error:"))
                .findFirst()
                .or(() -> log.lines().findFirst())
                .orElse("");
    }

    private static double millisSince(long start) {
        return (System.nanoTime() - start) / 1e6;
    }
}
