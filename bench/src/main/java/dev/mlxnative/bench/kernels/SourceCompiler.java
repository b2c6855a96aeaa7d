package dev.mlxnative.bench.kernels;

import dev.mlxnative.MlxCompileOptions;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxLibrary;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** Reads and compiles sources, all with the same folders for includes and the same options. */
final class SourceCompiler {

    private final MlxDevice device;
    private final List<Path> includeFolders;
    private final MlxCompileOptions options;

    SourceCompiler(MlxDevice device, List<Path> includeFolders, MlxCompileOptions options) {
        this.device = device;
        this.includeFolders = includeFolders;
        this.options = options;
    }

    /** The text of a source, with what it includes. */
    String read(Path file) throws IOException {
        return new SourceReader(includeFolders).read(file);
    }

    MlxLibrary compile(String source) {
        return device.compile(source, options);
    }
}
