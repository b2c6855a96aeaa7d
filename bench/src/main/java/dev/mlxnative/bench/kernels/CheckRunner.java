package dev.mlxnative.bench.kernels;

import dev.mlxnative.MlxCommandBuffer;
import dev.mlxnative.MlxCommandQueue;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxException;
import dev.mlxnative.MlxKernel;
import dev.mlxnative.MlxLibrary;
import dev.mlxnative.bench.kernels.CheckResult.Outcome;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Runs checks on a device; each source is compiled once. */
final class CheckRunner implements AutoCloseable {

    private final MlxDevice device;
    private final MlxCommandQueue queue;
    private final List<Path> sources;
    private final SourceCompiler compiler;
    private final Map<Path, MlxLibrary> libraries = new HashMap<>();

    CheckRunner(MlxDevice device, List<Path> sources, SourceCompiler compiler) {
        this.device = device;
        this.queue = device.newCommandQueue();
        this.sources = sources;
        this.compiler = compiler;
    }

    CheckResult run(KernelCheck check) throws IOException {
        List<Path> found =
                sources.stream().filter(source -> source.endsWith(check.file())).toList();
        if (found.isEmpty()) {
            return CheckResult.notRun(check, Outcome.NOT_FOUND, "no folder has " + check.file());
        }
        try (MlxKernel kernel = library(found.getFirst()).kernel(check.kernel(), check.constants())) {
            return CheckResult.of(check, check.tolerance().error(launch(check, kernel), check.expected()));
        } catch (MlxException e) {
            return CheckResult.notRun(check, Outcome.FAILED, FileCompiler.reason(e));
        } catch (IllegalArgumentException | IllegalStateException e) { // a launch that the library refuses
            return CheckResult.notRun(check, Outcome.FAILED, String.valueOf(e.getMessage()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return CheckResult.notRun(check, Outcome.FAILED, "interrupted");
        }
    }

    private double[] launch(KernelCheck check, MlxKernel kernel) throws InterruptedException {
        try (MlxCommandBuffer commands = queue.newCommandBuffer(check.kernel());
                Arguments arguments = new Arguments(device, kernel, commands.kernel(kernel))) {
            check.launch().encode(arguments);
            commands.commit();
            commands.await();
            return arguments.results();
        }
    }

    private MlxLibrary library(Path source) throws IOException {
        MlxLibrary library = libraries.get(source);
        if (library == null) {
            library = compiler.compile(compiler.read(source));
            libraries.put(source, library);
        }
        return library;
    }

    @Override
    public void close() {
        libraries.values().forEach(MlxLibrary::close);
        queue.close();
    }
}
