package dev.mlxnative;

import dev.mlxnative.internal.compute.CommandEncoder;
import dev.mlxnative.internal.compute.DispatchEncoder;
import dev.mlxnative.internal.compute.Pipeline;
import dev.mlxnative.internal.device.BufferObject;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;

/**
 * A kernel that is about to be dispatched: bind the arguments that it uses, then dispatch.
 * {@link MlxCommandBuffer#kernel} begins the same object anew each time, unless another thread calls it: a call belongs
 * to the thread that began it. Bindings do not outlast a dispatch. An argument that is bound again has the last value.
 * A call that is not dispatched has no effect, but its buffers are in flight. A call with five arguments takes some 100
 * nanoseconds, and makes no garbage.
 */
public final class KernelCall {
    private final MlxCommandBuffer owner;
    private final CommandEncoder commands;
    private final DispatchEncoder dispatch;

    /** The calls of the thread that makes it. */
    KernelCall(MlxCommandBuffer owner, CommandEncoder commands) {
        this.owner = owner;
        this.commands = commands;
        this.dispatch = new DispatchEncoder(commands);
    }

    boolean isOfThisThread() {
        return dispatch.isOfThisThread();
    }

    /** Whether buffers are bound that the next dispatch will use. */
    boolean hasBuffers() {
        return dispatch.hasBuffers();
    }

    void begin(Pipeline kernel) {
        dispatch.begin(kernel);
    }

    /**
     * Binds a buffer to {@code [[buffer(index)]]}. Its memory is in flight from here until the command buffer completes
     * or is closed: if the lease ends earlier, the memory is parked until then.
     *
     * @throws IllegalArgumentException if the kernel has no such argument, the buffer is shorter than what the argument
     *     points to, or it is of another device
     * @throws IllegalStateException if the buffer's lease or this call has ended, or the command buffer is committed
     */
    public KernelCall buffer(int index, MlxBuffer buffer) {
        return buffer(index, buffer, 0);
    }

    /**
     * Binds a buffer from an offset on.
     *
     * @param byteOffset from 0, below the length of the buffer; 0 for an empty one
     * @throws IllegalArgumentException also if the offset does not lie in the buffer
     * @throws IllegalStateException as {@link #buffer(int, MlxBuffer)}
     */
    public KernelCall buffer(int index, MlxBuffer buffer, long byteOffset) {
        KernelArgument argument = dispatch.requireBuffer(index);
        long length = buffer.byteLength();
        if (byteOffset < 0 || (byteOffset >= length && byteOffset != 0)) {
            throw new IllegalArgumentException(
                    "the offset " + byteOffset + " does not lie within the " + length + " bytes of " + buffer);
        }
        try {
            buffer.use(commands, owner.nativeDevice());
            BufferObject object = buffer.objectInUse();
            dispatch.bindBuffer(
                    argument, object.address(), buffer.offsetInUse(object) + byteOffset, length - byteOffset);
            return this;
        } finally {
            Reference.reachabilityFence(owner);
        }
    }

    /**
     * Binds a constant of 4 bytes.
     *
     * @throws IllegalArgumentException if the kernel has no such argument, or what it points to is longer
     * @throws IllegalStateException if this call has ended, or the command buffer is committed
     */
    public KernelCall constant(int index, int value) {
        dispatch.bindConstant(index, Integer.toUnsignedLong(value), Integer.BYTES);
        return this;
    }

    /** As {@link #constant(int, int)}, of 8 bytes. */
    public KernelCall constant(int index, long value) {
        dispatch.bindConstant(index, value, Long.BYTES);
        return this;
    }

    /** As {@link #constant(int, int)}, of 4 bytes. */
    public KernelCall constant(int index, float value) {
        return constant(index, Float.floatToRawIntBits(value));
    }

    /** As {@link #constant(int, int)}, of 2 bytes. */
    public KernelCall constant(int index, short value) {
        dispatch.bindConstant(index, Short.toUnsignedLong(value), Short.BYTES);
        return this;
    }

    /** As {@link #constant(int, int)}, of 1 byte. */
    public KernelCall constant(int index, byte value) {
        dispatch.bindConstant(index, Byte.toUnsignedLong(value), Byte.BYTES);
        return this;
    }

    /**
     * Binds the bytes of a segment, which are copied: a structure or an array of at most 4,096 bytes.
     *
     * @throws IllegalArgumentException if the kernel has no such argument, what it points to is longer, or the bytes
     *     are none or more than 4,096
     * @throws IllegalStateException as {@link #constant(int, int)}
     */
    public KernelCall constant(int index, MemorySegment bytes) {
        dispatch.bindConstant(index, bytes);
        return this;
    }

    /**
     * Sets the length of {@code [[threadgroup(index)]]}.
     *
     * @param bytes rounded up to a multiple of 16; 0 for a kernel that does not access the memory in this dispatch
     * @throws IllegalArgumentException if the kernel has no such argument, the length is negative, or the device has
     *     less threadgroup memory
     * @throws IllegalStateException as {@link #constant(int, int)}
     */
    public KernelCall threadgroupMemory(int index, long bytes) {
        dispatch.bindThreadgroupMemory(index, bytes);
        return this;
    }

    /**
     * Dispatches as many threads, in threadgroups of a size that the library chooses.
     *
     * @throws IllegalArgumentException if there are fewer than 1 or more than 4,294,967,295 threads, or the threadgroup
     *     memory is more than the device's
     * @throws IllegalStateException if an argument that the kernel uses is not bound, this call has ended, or the
     *     command buffer is committed
     */
    public void dispatchThreads(long threads) {
        try {
            dispatch.dispatchThreads(threads, 1, 1);
        } finally {
            Reference.reachabilityFence(owner);
        }
    }

    /** As {@link #dispatchThreads(long)}, for a grid in up to three dimensions. */
    public void dispatchThreads(MlxSize threads) {
        try {
            dispatch.dispatchThreads(threads.width(), threads.height(), threads.depth());
        } finally {
            Reference.reachabilityFence(owner);
        }
    }

    /**
     * Dispatches a grid of threads in threadgroups of a size; those at the edges of the grid have fewer threads.
     *
     * @throws IllegalArgumentException also if the threadgroup is larger than the kernel or the device allows
     * @throws IllegalStateException as {@link #dispatchThreads(long)}
     */
    public void dispatchThreads(MlxSize threads, MlxSize threadgroup) {
        try {
            dispatch.dispatchThreads(
                    threads.width(),
                    threads.height(),
                    threads.depth(),
                    threadgroup.width(),
                    threadgroup.height(),
                    threadgroup.depth());
        } finally {
            Reference.reachabilityFence(owner);
        }
    }

    /** As {@link #dispatchThreads(MlxSize, MlxSize)}, for a grid that counts whole threadgroups. */
    public void dispatchThreadgroups(MlxSize groups, MlxSize threadgroup) {
        try {
            dispatch.dispatchThreadgroups(
                    groups.width(),
                    groups.height(),
                    groups.depth(),
                    threadgroup.width(),
                    threadgroup.height(),
                    threadgroup.depth());
        } finally {
            Reference.reachabilityFence(owner);
        }
    }
}
