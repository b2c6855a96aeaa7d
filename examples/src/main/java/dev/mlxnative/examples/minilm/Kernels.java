package dev.mlxnative.examples.minilm;

import dev.mlxnative.MlxCompileOptions;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxException;
import dev.mlxnative.MlxFunctionConstants;
import dev.mlxnative.MlxKernel;
import dev.mlxnative.MlxLibrary;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** The kernels of the model, compiled from the {@code .metal} files beside this class for one type of numbers. */
final class Kernels implements AutoCloseable {
    /** The lanes of a SIMD group that the kernels are written for. */
    static final int LANES = 32;
    /** The rows of a thread of the kernel {@code linear}. */
    static final int LINEAR_ROWS = 8;

    private static final MlxFunctionConstants PLAIN = MlxFunctionConstants.of().with("GELU", false);
    private static final MlxFunctionConstants GELU = MlxFunctionConstants.of().with("GELU", true);

    private final MlxDevice device;
    private final MlxCompileOptions options;
    private final List<MlxKernel> compiled = new ArrayList<>();

    final MlxKernel embed;
    final MlxKernel addNorm;
    final MlxKernel linear;
    final MlxKernel linearGelu;
    final MlxKernel attention;
    final MlxKernel pool;

    private Kernels(MlxDevice device, MlxCompileOptions options) throws IOException {
        this.device = device;
        this.options = options;
        try {
            try (MlxLibrary norms = compile("layer_norm.metal")) {
                this.embed = kernel(norms, "embed", MlxFunctionConstants.of());
                this.addNorm = kernel(norms, "add_norm", MlxFunctionConstants.of());
            }
            try (MlxLibrary products = compile("linear.metal")) {
                this.linear = kernel(products, "linear", PLAIN);
                this.linearGelu = kernel(products, "linear", GELU);
            }
            try (MlxLibrary library = compile("attention.metal")) {
                this.attention = kernel(library, "attention", MlxFunctionConstants.of());
            }
            try (MlxLibrary library = compile("pooling.metal")) {
                this.pool = kernel(library, "pool", MlxFunctionConstants.of());
            }
        } catch (Throwable e) {
            close();
            throw e;
        }
    }

    /**
     * Compiles all kernels.
     *
     * @throws MlxException if that fails, or the device's SIMD groups do not have {@link #LANES} lanes
     */
    static Kernels compile(MlxDevice device, MiniLm.Precision precision) throws IOException {
        MlxCompileOptions options = MlxCompileOptions.of()
                .define("REAL", precision.metalName())
                .define("HIDDEN", Integer.toString(MiniLm.DIMENSIONS))
                .define("HEADS", Integer.toString(Weights.HEADS))
                .define("EPSILON", "1e-12f")
                .define("LANES", Integer.toString(LANES))
                .define("ROWS", Integer.toString(LINEAR_ROWS));
        return new Kernels(device, options);
    }

    private MlxLibrary compile(String file) throws IOException {
        try (InputStream source = Kernels.class.getResourceAsStream(file)) {
            if (source == null) {
                throw new IOException("the class path has no file " + file + " beside " + Kernels.class);
            }
            return device.compile(new String(source.readAllBytes(), StandardCharsets.UTF_8), options);
        }
    }

    private MlxKernel kernel(MlxLibrary library, String name, MlxFunctionConstants constants) {
        MlxKernel kernel = library.kernel(name, constants);
        compiled.add(kernel);
        if (kernel.threadExecutionWidth() != LANES) {
            throw new MlxException("the kernels need SIMD groups of " + LANES + " threads, and those of "
                    + device.info().name() + " have " + kernel.threadExecutionWidth());
        }
        return kernel;
    }

    /** Releases the kernels; command buffers that have them go on. Closing it again does nothing. */
    @Override
    public void close() {
        compiled.forEach(MlxKernel::close);
    }
}
