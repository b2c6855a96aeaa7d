package dev.mlxnative.internal.observe;

import dev.mlxnative.PoolStats;
import java.lang.invoke.MethodHandles;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Enabled;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;

/** The Flight Recorder events of a pool. An event that no recording enables costs nothing measurable. */
@SuppressWarnings("UnusedVariable") // the recorder reads the fields
public final class JfrEvents {
    /* Asked whether a recording enables their type, so that a lease need not create an event for that. */
    private static final BufferAllocated ALLOCATED = new BufferAllocated("");
    private static final BufferReleased RELEASED = new BufferReleased("");
    private static final BufferParked PARKED = new BufferParked("");

    private JfrEvents() {}

    /**
     * Registers all event types with Flight Recorder. Done before a pool is used: a type that is first used while the
     * heap is full could never be used again.
     */
    public static void initialize() {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            for (Class<?> type : JfrEvents.class.getDeclaredClasses()) {
                lookup.ensureInitialized(type);
            }
        } catch (IllegalAccessException e) {
            throw new AssertionError("the types are in this class", e);
        }
    }

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
        @Description("Bytes that the lease requested")
        @DataAmount
        long requestedBytes;

        @Label("Capacity")
        @Description("Bytes of the memory behind the lease")
        @DataAmount
        long capacity;

        LeaseEvent(String pool) {
            super(pool);
        }

        void commit(long requestedBytes, long capacity) {
            this.requestedBytes = requestedBytes;
            this.capacity = capacity;
            commit();
        }
    }

    @Name("dev.mlxnative.BufferAllocated")
    @Label("Buffer Allocated")
    @Description("A lease began")
    private static final class BufferAllocated extends LeaseEvent {
        @Label("Hit")
        @Description("Whether cached memory served the request")
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
    @Description("A lease ended and its memory waits for a fence or the end of a scope")
    private static final class BufferParked extends LeaseEvent {
        BufferParked(String pool) {
            super(pool);
        }
    }

    @Name("dev.mlxnative.NativeAllocated")
    @Label("Native Buffer Allocated")
    @Description("The device created a buffer")
    public static final class NativeAllocated extends PoolEvent {
        @Label("Capacity")
        @DataAmount
        long capacity;

        /** Begins the event; its duration ends with {@link #commit(long)}. */
        public NativeAllocated(String pool) {
            super(pool);
            begin();
        }

        /** Ends the event. */
        public void commit(long capacity) {
            this.capacity = capacity;
            commit();
        }
    }

    @Name("dev.mlxnative.Trimmed")
    @Label("Trimmed")
    @Description("Cached memory was freed")
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

    @Name("dev.mlxnative.Purged")
    @Label("Purged")
    @Description("The system had taken the contents of idle memory that a request reuses")
    private static final class Purged extends PoolEvent {
        @Label("Bytes")
        @Description("Bytes of the native buffer")
        @DataAmount
        long bytes;

        Purged(String pool) {
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
    @Description("A buffer or a scope became unreachable before it was closed")
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

    /** Whether a recording enables the event of a lease that begins. */
    public static boolean recordsLeases() {
        return ALLOCATED.isEnabled();
    }

    /** A lease is about to begin. */
    public static void leased(String pool, long requestedBytes, long capacity, boolean hit) {
        if (ALLOCATED.isEnabled()) {
            var event = new BufferAllocated(pool);
            event.hit = hit;
            event.commit(requestedBytes, capacity);
        }
    }

    /** Whether a recording enables the event of a lease whose memory becomes free. */
    public static boolean recordsReleases() {
        return RELEASED.isEnabled();
    }

    /** A lease has ended and its memory becomes free. */
    public static void released(String pool, long requestedBytes, long capacity) {
        if (RELEASED.isEnabled()) {
            new BufferReleased(pool).commit(requestedBytes, capacity);
        }
    }

    /** A lease has ended and its memory is about to be parked. */
    public static void parked(String pool, long requestedBytes, long capacity) {
        if (PARKED.isEnabled()) {
            new BufferParked(pool).commit(requestedBytes, capacity);
        }
    }

    /** Cached memory is about to be freed. */
    public static void trimmed(String pool, String cause, int count, long bytes) {
        var event = new Trimmed(pool);
        if (event.isEnabled()) {
            event.cause = cause;
            event.count = count;
            event.bytes = bytes;
            event.commit();
        }
    }

    /** The system had taken the contents of memory that is reused. */
    public static void purged(String pool, long bytes) {
        var event = new Purged(pool);
        if (event.isEnabled()) {
            event.bytes = bytes;
            event.commit();
        }
    }

    /** A request was refused; {@code stats} are the figures right after. */
    public static void failed(String pool, long requestedBytes, String reason, PoolStats stats, long memoryLimit) {
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

    /** Leases were ended because nothing could end them any more. */
    public static void leaked(String pool, int count, long requestedBytes) {
        var event = new BufferLeaked(pool);
        if (event.isEnabled()) {
            event.count = count;
            event.requestedBytes = requestedBytes;
            event.commit();
        }
    }
}
