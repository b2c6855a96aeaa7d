package dev.mlxnative;

import dev.mlxnative.internal.compute.CommandEncoder;
import dev.mlxnative.internal.device.BufferObject;
import dev.mlxnative.internal.device.BufferSpec;
import dev.mlxnative.internal.device.NativeDevice;
import dev.mlxnative.internal.shim.QueueShim.Outcome;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.Objects;

/**
 * Commands for the GPU: {@code MTLCommandBuffer} with its encoder. They are written to memory of Java's own and handed
 * to the GPU by {@link #commit}, in one call.
 *
 * <p>Commands are serial at first: each sees what those before it wrote. After {@link #concurrent concurrent(true)},
 * dispatches may run at the same time, and {@link #barrier} separates those that depend on others.
 *
 * <p><strong>Memory.</strong> A buffer that commands use is in flight until the command buffer completes or is closed.
 * Its lease may end at any time from the first such command on: the memory is then parked until the command buffer is
 * complete, by itself. So ending a lease before the commit takes effect after it, and no command ever uses freed
 * memory. The CPU reads what the GPU wrote after the fence of the commit is complete.
 *
 * <p>A command buffer is used by one thread at a time: a thread that meets another one in it may get an
 * {@link IllegalStateException}. {@link #status} and {@link #gpuNanos} may be called from any thread.
 * {@link LeakDetection} closes a command buffer that is unreachable before it is committed.
 */
public final class MlxCommandBuffer implements AutoCloseable {
    private final MlxCommandQueue queue;
    private final CommandEncoder commands;
    private final ScratchLeases scratch = new ScratchLeases();
    /** The call of the thread that began one last. */
    private KernelCall call;

    private final Cleaner.Cleanable watch;

    /** How far a command buffer is: {@code MTLCommandBufferStatus}. */
    public enum Status {
        /** Not committed, or closed before that. */
        NOT_ENQUEUED,
        /** Committed, and behind others in its queue. */
        COMMITTED,
        /** The GPU runs it, or will at once. */
        SCHEDULED,
        /** Complete without a failure. */
        COMPLETED,
        /** It has failed: {@link MlxCommandBuffer#await} throws the reason. */
        ERROR
    }

    /** Takes over commands. */
    MlxCommandBuffer(MlxCommandQueue queue, CommandEncoder commands, DeviceLeaks leaks) {
        this.queue = queue;
        this.commands = commands;
        this.call = new KernelCall(this, commands);
        ScratchLeases leases = scratch;
        this.watch = leaks.watch(this, "a command buffer", () -> abandonUnused(commands, leases));
    }

    private static boolean abandonUnused(CommandEncoder commands, ScratchLeases scratch) {
        boolean isOpen = commands.isOpen();
        commands.abandonUnused();
        scratch.end();
        return isOpen;
    }

    NativeDevice nativeDevice() {
        return queue.nativeDevice();
    }

    /**
     * Begins the call of a kernel: bind its arguments, then dispatch.
     *
     * @throws IllegalStateException if the kernel is closed, or the command buffer is committed or closed
     */
    public KernelCall kernel(MlxKernel kernel) {
        try {
            KernelCall begun = call;
            if (!begun.isOfThisThread()) {
                begun = new KernelCall(this, commands);
                call = begun;
            }
            begun.begin(kernel.pipeline());
            return begun;
        } finally {
            Reference.reachabilityFence(kernel);
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Copies all bytes of a buffer to the beginning of another.
     *
     * @throws IllegalArgumentException if the target is shorter or read-only, the two overlap, or one is of another
     *     device
     * @throws IllegalStateException if a lease has ended, or the command buffer is committed or closed
     */
    public void copy(MlxBuffer from, MlxBuffer to) {
        try {
            commands.requireOpen();
            long bytes = from.byteLength();
            if (bytes > to.byteLength()) {
                throw new IllegalArgumentException(
                        from + " has " + bytes + " bytes to copy, but " + to + " has " + to.byteLength());
            }
            use(from);
            useToWrite(to);
            if (bytes > 0) {
                BufferObject source = from.objectInUse();
                BufferObject target = to.objectInUse();
                long sourceOffset = from.offsetInUse(source);
                long targetOffset = to.offsetInUse(target);
                boolean isDisjoint = source != target
                        || sourceOffset + bytes <= targetOffset
                        || targetOffset + bytes <= sourceOffset;
                if (!isDisjoint) {
                    throw new IllegalArgumentException("the " + bytes + " bytes from offset " + sourceOffset
                            + " and those" + " from offset " + targetOffset + " of one native buffer overlap");
                }
                commands.copy(source.address(), sourceOffset, target.address(), targetOffset, bytes);
            }
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Fills all bytes of a buffer.
     *
     * @throws IllegalArgumentException if the buffer is read-only, or of another device
     * @throws IllegalStateException if its lease has ended, or the command buffer is committed or closed
     */
    public void fill(MlxBuffer buffer, byte value) {
        try {
            commands.requireOpen();
            useToWrite(buffer);
            if (buffer.byteLength() > 0) {
                BufferObject object = buffer.objectInUse();
                commands.fill(object.address(), buffer.offsetInUse(object), buffer.byteLength(), value);
            }
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    private void use(MlxBuffer buffer) {
        buffer.use(commands, queue.nativeDevice());
    }

    private void useToWrite(MlxBuffer buffer) {
        use(buffer);
        if (buffer.isReadOnly()) {
            throw new IllegalArgumentException(buffer + " is read-only: commands cannot write to it");
        }
    }

    /**
     * Raises an event once all commands before are complete.
     *
     * @throws IllegalArgumentException if the value is negative
     * @throws IllegalStateException if the event is closed, or the command buffer is committed or closed
     */
    public void signal(MlxSharedEvent event, long value) {
        try {
            requireValue(value);
            commands.signal(event.countedHandle(), value);
        } finally {
            Reference.reachabilityFence(event);
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Has the commands that follow wait until an event has at least a value. A value that is never signalled blocks the
     * queue.
     *
     * @throws IllegalArgumentException if the value is negative
     * @throws IllegalStateException if the event is closed, or the command buffer is committed or closed
     */
    public void waitFor(MlxSharedEvent event, long value) {
        try {
            requireValue(value);
            commands.waitFor(event.countedHandle(), value);
        } finally {
            Reference.reachabilityFence(event);
            Reference.reachabilityFence(this);
        }
    }

    private static void requireValue(long value) {
        if (value < 0) {
            throw new IllegalArgumentException("an event's value is at least 0, not " + value);
        }
    }

    /**
     * Sets whether the dispatches that follow may run at the same time.
     *
     * @throws IllegalStateException if the command buffer is committed or closed
     */
    public void concurrent(boolean concurrent) {
        try {
            commands.setConcurrent(concurrent);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Has the dispatches that follow see what those before wrote, which serial ones do anyway.
     *
     * @throws IllegalStateException if the command buffer is committed or closed
     */
    public void barrier() {
        try {
            commands.barrier();
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Leases memory for the commands of this command buffer alone, with undefined contents. The lease ends with the
     * commit, and {@link MlxBuffer#segment} throws: the CPU never sees the memory. A later command buffer of the same
     * queue may get it while this one still runs, since the queue runs them in order; anything else gets it after this
     * one is complete. In a serial part, memory that is closed is leased again within this command buffer.
     *
     * @throws IllegalArgumentException if the shape is invalid, or its bytes are above the device's largest buffer
     * @throws BufferAllocationException if the pool of the queue has no memory
     * @throws IllegalStateException if the command buffer is committed or closed, or the queue or its pool is closed
     */
    public MlxBuffer scratch(DType dtype, long... shape) {
        try {
            commands.requireOpen();
            Objects.requireNonNull(dtype, "dtype");
            BufferSpec spec = BufferSpec.of(dtype, shape);
            nativeDevice().requireAllocatable(spec.memoryBytes());
            commands.enter();
            try {
                commands.requireOpen();
                return scratch.lease(queue.scratchPool().engine(), spec, commands, call.hasBuffers());
            } finally {
                commands.exit();
            }
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Hands the commands to the GPU, and ends the leases of scratch memory. Costs one native call, whatever the number
     * of commands.
     *
     * @return the fence that is complete when the command buffer is, also if it has failed
     * @throws IllegalStateException if the command buffer is committed or closed; if the queue is closed; or if 1,024
     *     command buffers of the queue are in flight, and then it can be committed later
     * @throws MlxException if the device has no memory left; it can be committed later
     */
    public MlxFence commit() {
        try {
            try {
                commands.commit();
            } finally {
                if (commands.isCommitted()) {
                    scratch.end();
                    watch.clean();
                }
            }
            return commands.use();
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Waits until the command buffer is complete.
     *
     * @throws CommandBufferException if it has failed
     * @throws IllegalStateException if it is not committed
     * @throws InterruptedException if the thread is interrupted
     */
    public void await() throws InterruptedException {
        requireCommitted();
        try {
            commands.await();
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    private void requireCommitted() {
        if (!commands.isCommitted()) {
            throw new IllegalStateException("the command buffer is not committed");
        }
    }

    /** How far the command buffer is. Asks the GPU. */
    public Status status() {
        if (!commands.isCommitted()) {
            return Status.NOT_ENQUEUED;
        }
        Outcome outcome = commands.outcome();
        if (outcome != null) {
            return outcome.failure() == null ? Status.COMPLETED : Status.ERROR;
        }
        return commands.isScheduled() ? Status.SCHEDULED : Status.COMMITTED;
    }

    /** The nanoseconds from the GPU's begin to its end; 0 until the command buffer is complete. */
    public long gpuNanos() {
        Outcome outcome = commands.isCommitted() ? commands.outcome() : null;
        return outcome == null ? 0 : outcome.gpuEndNanos() - outcome.gpuStartNanos();
    }

    /**
     * Abandons the commands if they are not committed. A command buffer that is committed runs to its end; what an
     * error of the JVM kept {@link #commit} from ending is ended.
     *
     * @throws IllegalStateException if another thread is using the command buffer
     */
    @Override
    public void close() {
        try {
            commands.abandon();
            scratch.end();
            watch.clean();
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** For a debugger: the state. */
    @Override
    public String toString() {
        return "MlxCommandBuffer[" + status() + "]";
    }
}
