package dev.mlxnative;

import dev.mlxnative.internal.background.StackReserve;
import dev.mlxnative.internal.compute.CompiledLibrary;
import dev.mlxnative.internal.compute.Pipeline;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.List;
import java.util.Objects;

/**
 * Compiled kernels: {@code MTLLibrary}. Made by {@link MlxDevice#compile}, closed by the program.
 *
 * <p>The first request for a kernel makes it ready to run, which takes milliseconds; the library keeps it, and later
 * requests take a microsecond. Kernels live on after their library is closed. Keep the library reachable as long as
 * kernels are requested: {@link LeakDetection} closes one that is unreachable.
 */
public final class MlxLibrary implements AutoCloseable {
    private final CompiledLibrary library;
    private final DeviceLeaks leaks;
    private final Cleaner.Cleanable watch;

    /** Takes over a library. */
    MlxLibrary(CompiledLibrary library, DeviceLeaks leaks) {
        this.library = library;
        this.leaks = leaks;
        try {
            this.watch = leaks.watch(this, "a library of kernels", library::close);
        } catch (Throwable e) {
            library.close();
            throw e;
        }
    }

    /** The names of the kernels, sorted; also after the library is closed. */
    public List<String> kernelNames() {
        return library.kernelNames();
    }

    /**
     * A kernel, for the caller to close.
     *
     * @throws IllegalArgumentException if there is no kernel of the name; the message has the nearest names
     * @throws CompilationException if the compiler refuses the kernel. Metal does so if a constant that it needs has no
     *     value; on host memory such a constant is 0
     * @throws MlxException if the device has no memory left
     * @throws IllegalStateException if the library is closed
     */
    public MlxKernel kernel(String name) {
        return kernel(name, MlxFunctionConstants.of());
    }

    /** As {@link #kernel(String)}, with values for the constants of the function. */
    public MlxKernel kernel(String name, MlxFunctionConstants constants) {
        Objects.requireNonNull(name, "name");
        StackReserve.require();
        try {
            Pipeline pipeline = library.kernel(name, constants.values());
            MlxKernel kernel = null;
            try {
                kernel = new MlxKernel(pipeline, leaks);
                return kernel;
            } finally {
                if (kernel == null) {
                    pipeline.handle().release();
                }
            }
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** Releases the library; its kernels live on. Closing it again does nothing. */
    @Override
    public void close() {
        library.close();
        watch.clean();
    }

    /** For a debugger: the number of kernels, and the state. */
    @Override
    public String toString() {
        return "MlxLibrary[" + kernelNames().size() + " kernels" + (library.isClosed() ? ", closed]" : "]");
    }
}
