package dev.mlxnative;

import dev.mlxnative.internal.background.StackReserve;
import dev.mlxnative.internal.compute.CommandEncoder;
import dev.mlxnative.internal.compute.SubmissionQueue;
import dev.mlxnative.internal.device.NativeDevice;
import dev.mlxnative.internal.shim.Shim;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;

/**
 * A queue of command buffers, which the GPU runs in the order of their commits: {@code MTLCommandQueue}. Threads may
 * share a queue; each encodes command buffers of its own.
 *
 * <p>At most 1,024 command buffers are in flight; those that are not committed do not count. Keep the queue reachable
 * until all is committed: {@link LeakDetection} closes one that is unreachable.
 */
public final class MlxCommandQueue implements AutoCloseable {
    private final NativeDevice device;
    private final SubmissionQueue queue;
    private final DeviceLeaks leaks;
    private final Cleaner.Cleanable watch;
    private final ScratchPool scratch;
    private volatile boolean closed;

    /** Takes over a queue. */
    MlxCommandQueue(NativeDevice device, SubmissionQueue queue, ScratchPool scratch, DeviceLeaks leaks) {
        this.device = device;
        this.queue = queue;
        this.scratch = scratch;
        this.leaks = leaks;
        try {
            this.watch = leaks.watch(this, "a command queue", () -> close(queue, scratch));
        } catch (Throwable e) {
            queue.close();
            throw e;
        }
    }

    private static boolean close(SubmissionQueue queue, ScratchPool scratch) {
        boolean closing = queue.close();
        scratch.close();
        return closing;
    }

    /**
     * Begins a command buffer, for the caller to commit or to close. Costs a microsecond.
     *
     * @throws IllegalStateException if the queue is closed
     */
    public MlxCommandBuffer newCommandBuffer() {
        return begin(null);
    }

    /**
     * As {@link #newCommandBuffer()}, with a label for exceptions, events and Metal's debugger.
     *
     * @throws IllegalArgumentException if the label contains a NUL character
     */
    public MlxCommandBuffer newCommandBuffer(String label) {
        Shim.requireText(label);
        return begin(label);
    }

    private MlxCommandBuffer begin(@Nullable String label) {
        StackReserve.require();
        requireOpen();
        try {
            CommandEncoder encoder = queue.newEncoder(label);
            return new MlxCommandBuffer(this, encoder, leaks);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the command queue is closed");
        }
    }

    /**
     * Waits until all that was committed before is complete.
     *
     * @throws CommandBufferException for the first command buffer that has failed, unless its failure was thrown before
     * @throws InterruptedException if the thread is interrupted
     */
    public void await() throws InterruptedException {
        try {
            queue.await();
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    NativeDevice nativeDevice() {
        return device;
    }

    ScratchPool scratchPool() {
        return scratch;
    }

    /**
     * Releases the queue, and the scratch memory that it has made. What is committed runs to its end; nothing can be
     * committed any more. Closing it again does nothing.
     */
    @Override
    public void close() {
        StackReserve.require();
        closed = true;
        close(queue, scratch);
        watch.clean();
    }

    /** For a debugger: the state. */
    @Override
    public String toString() {
        return "MlxCommandQueue[" + (closed ? "closed]" : "open]");
    }
}
