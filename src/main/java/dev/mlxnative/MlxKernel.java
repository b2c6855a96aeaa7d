package dev.mlxnative;

import dev.mlxnative.internal.compute.Pipeline;
import java.lang.ref.Cleaner;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A kernel that is ready to run: {@code MTLComputePipelineState}. Any number of command buffers may use it at once. Its
 * properties stay readable after it is closed, and command buffers that have it go on. Keep it reachable as long as it
 * is used: {@link LeakDetection} closes one that is unreachable.
 */
public final class MlxKernel implements AutoCloseable {
    private final Pipeline pipeline;
    private final AtomicBoolean closed;
    private final Cleaner.Cleanable watch;

    /** Takes over a use of the pipeline's handle, unless it throws. */
    MlxKernel(Pipeline pipeline, DeviceLeaks leaks) {
        this.pipeline = pipeline;
        AtomicBoolean ended = new AtomicBoolean();
        this.closed = ended;
        this.watch = leaks.watch(this, "the kernel '" + pipeline.name() + "'", () -> close(pipeline, ended));
    }

    private static boolean close(Pipeline pipeline, AtomicBoolean closed) {
        boolean closing = closed.compareAndSet(false, true);
        if (closing) {
            pipeline.handle().release();
        }
        return closing;
    }

    /** The name of the kernel's function. */
    public String name() {
        return pipeline.name();
    }

    /** The threads that the GPU runs in step, a SIMD group: 32 on Apple silicon. */
    public long threadExecutionWidth() {
        return pipeline.threadExecutionWidth();
    }

    /** The most threads that a threadgroup of this kernel may have. */
    public long maxTotalThreadsPerThreadgroup() {
        return pipeline.maxTotalThreads();
    }

    /** Bytes of threadgroup memory that the kernel declares in its source. */
    public long staticThreadgroupMemoryLength() {
        return pipeline.staticThreadgroupMemory();
    }

    /**
     * All arguments of the kernel. Those that it uses have to be bound before a dispatch. The compiler decides which it
     * uses: an argument that the source does not name again is never one of them.
     */
    public List<KernelArgument> arguments() {
        return pipeline.arguments();
    }

    /**
     * The pipeline, while the kernel is open.
     *
     * @throws IllegalStateException if it is closed
     */
    Pipeline pipeline() {
        if (closed.get()) {
            throw new IllegalStateException("the kernel '" + name() + "' is closed");
        }
        return pipeline;
    }

    /** Releases the kernel; command buffers that have it go on. Closing it again does nothing. */
    @Override
    public void close() {
        close(pipeline, closed);
        watch.clean();
    }

    /** For a debugger: name and state. */
    @Override
    public String toString() {
        return "MlxKernel[" + name() + (closed.get() ? ", closed]" : "]");
    }
}
