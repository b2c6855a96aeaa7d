package dev.mlxnative;

import java.util.List;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Enabled;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;

/**
 * What a pool tells Java Flight Recorder. Every event is off until a recording enables it, and then costs nothing that
 * can be measured.
 */
@SuppressWarnings("UnusedVariable") // the recorder reads the fields
final class FlightEvents {
    /* To ask whether a recording wants the like, without making one for each lease. */
    private static final BufferAllocated ALLOCATED = new BufferAllocated("");
    private static final BufferReleased RELEASED = new BufferReleased("");
    private static final BufferParked PARKED = new BufferParked("");

    private FlightEvents() {}

    @Category("mlx-native")
    @Enabled(false)
    abstract static class PoolEvent extends Event {
        @Label("Pool")
        String pool;

        PoolEvent(String pool) {
            this.pool = pool;
        }
    }

    private abstract static class LeaseEvent extends PoolEvent {
        @Label("Requested")
        @Description("What the lease asked for")
        @DataAmount
        long requestedBytes;

        @Label("Capacity")
        @Description("The native buffer behind the lease")
        @DataAmount
        long capacity;

        LeaseEvent(String pool) {
            super(pool);
        }

        void commit(Block block) {
            requestedBytes = block.requestedBytes;
            capacity = block.capacity();
            commit();
        }
    }

    @Name("dev.mlxnative.BufferAllocated")
    @Label("Buffer Allocated")
    @Description("A pool handed out a buffer")
    private static final class BufferAllocated extends LeaseEvent {
        @Label("Hit")
        @Description("Whether free memory served it")
        boolean hit;

        BufferAllocated(String pool) {
            super(pool);
        }
    }

    @Name("dev.mlxnative.BufferReleased")
    @Label("Buffer Released")
    @Description("A lease ended and its memory is free")
    private static final class BufferReleased extends LeaseEvent {
        BufferReleased(String pool) {
            super(pool);
        }
    }

    @Name("dev.mlxnative.BufferParked")
    @Label("Buffer Parked")
    @Description("A lease ended and its memory waits for a fence or for the end of a scope")
    private static final class BufferParked extends LeaseEvent {
        BufferParked(String pool) {
            super(pool);
        }
    }

    @Name("dev.mlxnative.NativeAllocated")
    @Label("Native Buffer Allocated")
    @Description("The device created a buffer")
    static final class NativeAllocated extends PoolEvent {
        @Label("Capacity")
        @DataAmount
        long capacity;

        /** Begins the event, which has a duration. */
        NativeAllocated(String pool) {
            super(pool);
            begin();
        }

        void commit(NativeBuffer memory) {
            capacity = memory.capacity();
            commit();
        }
    }

    @Name("dev.mlxnative.Trimmed")
    @Label("Trimmed")
    @Description("Free memory went back to the device")
    private static final class Trimmed extends PoolEvent {
        @Label("Cause")
        String cause = "";

        @Label("Native Buffers")
        int count;

        @Label("Bytes")
        @DataAmount
        long bytes;

        Trimmed(String pool) {
            super(pool);
        }
    }

    @Name("dev.mlxnative.AllocationFailed")
    @Label("Allocation Failed")
    @Description("A request ended in a BufferAllocationException")
    private static final class AllocationFailed extends PoolEvent {
        @Label("Requested")
        @DataAmount
        long requestedBytes;

        @Label("Reason")
        String reason = "";

        @Label("Active")
        @DataAmount
        long activeBytes;

        @Label("Cached")
        @DataAmount
        long cachedBytes;

        @Label("Parked")
        @DataAmount
        long parkedBytes;

        @Label("Memory Limit")
        @DataAmount
        long memoryLimit;

        AllocationFailed(String pool) {
            super(pool);
        }
    }

    @Name("dev.mlxnative.BufferLeaked")
    @Label("Buffers Leaked")
    @Description("A buffer or a scope was garbage before it was closed")
    private static final class BufferLeaked extends PoolEvent {
        @Label("Native Buffers")
        int count;

        @Label("Requested")
        @DataAmount
        long requestedBytes;

        BufferLeaked(String pool) {
            super(pool);
        }
    }

    static void allocated(String pool, Block block, boolean hit) {
        if (ALLOCATED.isEnabled()) {
            var event = new BufferAllocated(pool);
            event.hit = hit;
            event.commit(block);
        }
    }

    /** Whether {@link #ended} does anything. */
    static boolean areReleasesRecorded() {
        return RELEASED.isEnabled();
    }

    /** Before the memory can be anybody else's. */
    static void ended(String pool, Block block, boolean parked) {
        if (parked ? PARKED.isEnabled() : RELEASED.isEnabled()) {
            LeaseEvent event = parked ? new BufferParked(pool) : new BufferReleased(pool);
            event.commit(block);
        }
    }

    static void trimmed(String pool, TrimCause cause, List<NativeBuffer> memories) {
        var event = new Trimmed(pool);
        if (event.isEnabled()) {
            event.cause = cause.description();
            event.count = memories.size();
            event.bytes = memories.stream().mapToLong(NativeBuffer::capacity).sum();
            event.commit();
        }
    }

    static void failed(String pool, long requestedBytes, String reason, PoolStats stats, long memoryLimit) {
        var event = new AllocationFailed(pool);
        if (event.isEnabled()) {
            event.requestedBytes = requestedBytes;
            event.reason = reason;
            event.activeBytes = stats.activeBytes();
            event.cachedBytes = stats.cachedBytes();
            event.parkedBytes = stats.parkedBytes();
            event.memoryLimit = memoryLimit;
            event.commit();
        }
    }

    static void leaked(String pool, int count, long requestedBytes) {
        var event = new BufferLeaked(pool);
        if (event.isEnabled()) {
            event.count = count;
            event.requestedBytes = requestedBytes;
            event.commit();
        }
    }
}
