package dev.mlxnative;

import dev.mlxnative.internal.background.StackReserve;
import dev.mlxnative.internal.device.BufferSpec;
import dev.mlxnative.internal.device.DeviceMemory;
import dev.mlxnative.internal.device.DeviceMemoryList;
import dev.mlxnative.internal.device.GpuUse;
import dev.mlxnative.internal.device.NativeDevice;
import dev.mlxnative.internal.pool.Block;
import dev.mlxnative.internal.pool.LeaseOrigin;
import dev.mlxnative.internal.pool.PoolEngine;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** The lease of memory of the device itself, whose end frees the memory. Does not keep its buffer reachable. */
final class DirectLease implements LeaseOrigin {
    private final NativeDevice device;
    /** The memory until the device has taken it back. */
    private final DeviceMemoryList memory = new DeviceMemoryList();

    private volatile Cleaner.@Nullable Cleanable watch;
    /** The use of the memory by the GPU when the lease ended. */
    private volatile @Nullable GpuUse use;

    /** Whether the device has taken the memory back. */
    private volatile boolean freed;
    /** Whether the lease ended because the buffer is garbage. */
    private volatile boolean dropped;

    private DirectLease(NativeDevice device) {
        this.device = device;
    }

    /** Makes the memory of a lease. */
    @FunctionalInterface
    interface Creation<E extends Exception> {
        DeviceMemory create() throws E;
    }

    /**
     * Issues a lease of new memory, which is freed if that fails.
     *
     * @param part the segment of the lease in the segment of all of the memory
     */
    static <E extends Exception> MlxBuffer issue(
            NativeDevice device,
            DeviceLeaks leaks,
            BufferSpec spec,
            UnaryOperator<MemorySegment> part,
            Creation<E> creation)
            throws E {
        StackReserve.require();
        DirectLease lease = new DirectLease(device);
        try {
            DeviceMemory memory = creation.create();
            lease.memory.add(memory);
            Block block = Block.whole(memory);
            MlxBuffer buffer = new MlxBuffer(lease, block, spec, part.apply(memory.segment()));
            lease.watch = leaks.watch(
                    buffer, "a buffer of " + spec.byteLength() + " bytes, " + spec, () -> lease.endDropped(block));
            return buffer;
        } catch (Throwable e) {
            lease.free();
            throw e;
        }
    }

    @Override
    public @Nullable PoolEngine pool() {
        return null;
    }

    @Override
    public boolean isOf(NativeDevice other) {
        return device == other;
    }

    @Override
    public @Nullable Arena arena() {
        return null;
    }

    @Override
    public @Nullable Arena leaseArena() {
        return null;
    }

    @Override
    public boolean end(Block block, long generation, @Nullable MlxFence fence) {
        StackReserve.require();
        if (!block.end(generation)) {
            return false;
        }
        use = block.lastUse();
        free();
        Cleaner.Cleanable started = watch;
        if (started != null) {
            started.clean();
        }
        return true;
    }

    /** Ends the lease of a buffer that is garbage; false if it was closed before. May be repeated if it throws. */
    private boolean endDropped(Block block) {
        if (block.end(block.generation())) {
            dropped = true;
        }
        use = block.lastUse();
        if (!freed) { // also if closing the buffer has failed before it came to that
            free();
        }
        return dropped;
    }

    private static void ignore(DeviceMemory freed) {}

    private void free() {
        DeviceMemory first = memory.first();
        if (first != null) {
            first.freeAfter(use);
        }
        device.free(memory, DirectLease::ignore);
        freed = true;
    }
}
