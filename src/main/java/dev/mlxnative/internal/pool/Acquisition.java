package dev.mlxnative.internal.pool;

import dev.mlxnative.BufferAllocationException;
import dev.mlxnative.PoolStats;
import dev.mlxnative.internal.device.DeviceMemory;
import dev.mlxnative.internal.device.MemorySource;
import dev.mlxnative.internal.observe.JfrEvents;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One request that no free memory serves, and the steps that it takes. Confined to its thread.
 *
 * <ol>
 *   <li>It reaps the fences that are complete, and searches the free memory again if there were any.
 *   <li>It allocates new memory, after eviction if a limit asks for it.
 *   <li>If the device refuses, it frees all free memory and asks the device for the least capacity.
 *   <li>It is then starved: the shards' caches are moved to the free space and stay closed. It repeats these steps with
 *       each change, while memory is parked or being freed that could serve it.
 *   <li>At last it is denied.
 * </ol>
 */
final class Acquisition {
    /** The parts of the pool that a request uses. */
    record Tools(
            String pool,
            MemorySource source,
            AllocationTransactions allocations,
            Reuse reuse,
            FenceReaper reaper,
            Reclaimer reclaimer,
            PoolObserver observer,
            LeaseStart leaseStart) {}

    private final Tools tools;
    private final Shard shard;
    private final long byteLength;
    private final @Nullable Arena leaseArena;
    private final boolean resettable;
    private final long startNanos = System.nanoTime();

    /** The last denial, by a limit or by the device; null before there was one. */
    private Reservation.@Nullable Denied denied;
    /** The exception of the device, if the device denied the last attempt; null otherwise. */
    private @Nullable BufferAllocationException refusal;

    /** The count of changes before the last attempt, and those that the request made itself. */
    private long changesSeen;

    private boolean hasRetried;
    private boolean hasWaited;
    private boolean wasInterrupted;

    Acquisition(Tools tools, Shard shard, long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        this.tools = tools;
        this.shard = shard;
        this.byteLength = byteLength;
        this.leaseArena = leaseArena;
        this.resettable = resettable;
    }

    /**
     * Leases memory. The caller has searched the free memory, and issues the lease.
     *
     * @throws BufferAllocationException if there is no memory
     * @throws IllegalStateException if the pool or the device is closed
     */
    Block run() {
        // The search is repeated only if it could find more than the caller's.
        Block block = tools.reaper().reap() ? reuse() : null;
        if (block == null) {
            block = grow();
        }
        return block != null ? block : runStarved();
    }

    private Block runStarved() {
        boolean isStarved = false;
        try {
            tools.allocations().beginStarvation();
            isStarved = true;
            while (true) {
                changesSeen = tools.allocations().changes();
                tools.reclaimer().run();
                tools.reaper().reap();
                Block block = reuse();
                if (block == null) {
                    block = grow();
                }
                if (block != null) {
                    return block;
                }
                if (!awaitChange()) {
                    throw deny();
                }
            }
        } finally {
            if (isStarved) {
                tools.allocations().endStarvation();
            }
        }
    }

    private @Nullable Block reuse() {
        Block block = tools.reuse().lease(shard, byteLength, leaseArena, resettable);
        if (block != null) {
            tools.leaseStart().prepare(block, true);
        }
        return block;
    }

    /** Leases new memory; null if a limit or the device refuses. */
    private @Nullable Block grow() {
        Block block = allocateWithin(false);
        if (block == null && refusal != null) {
            tools.reaper().reap();
            tools.reclaimer().trim(0, TrimCause.REFUSED);
            block = allocateWithin(true);
        }
        return block;
    }

    /** Allocates what the limits allow, evicting free memory for it; {@code least} accepts only the least capacity. */
    private @Nullable Block allocateWithin(boolean least) {
        refusal = null;
        long wanted = Reservation.ANY;
        while (true) {
            // No switch over patterns: the JVM would link it after the reservation, and could fail.
            Reservation reservation = tools.allocations().reserve(byteLength, least, wanted);
            if (reservation instanceof Reservation.Granted granted) {
                return allocate(granted.capacity());
            }
            if (reservation instanceof Reservation.Denied denial) {
                denied = denial;
                return null;
            }
            tools.reclaimer().run();
            wanted = ((Reservation.EvictFirst) reservation).capacity();
        }
    }

    /** Allocates a reserved native buffer and leases memory of it; null if the device refuses. */
    private @Nullable Block allocate(long capacity) {
        DeviceMemory memory = null;
        boolean committed = false;
        try {
            JfrEvents.NativeAllocated event = tools.observer().nativeAllocation();
            memory = tools.source().allocate(capacity);
            event.commit(capacity);
            Block block = tools.allocations().commit(memory, shard, byteLength, leaseArena, resettable);
            committed = true;
            tools.leaseStart().prepare(block, false);
            return block;
        } catch (BufferAllocationException e) {
            refusal = e;
            denied = new Reservation.Denied(DenialCause.DEVICE, capacity);
            return null;
        } finally {
            if (memory == null) {
                tools.allocations().cancel(capacity);
                changesSeen++;
            } else if (!committed) {
                tools.allocations().abandon(memory);
                tools.reclaimer().run();
            }
        }
    }

    /** Waits for a change, if that can help; false if the request has to be denied. */
    private boolean awaitChange() {
        if (tools.allocations().canWait(byteLength, startNanos)) {
            tools.reaper().watchOldest();
        }
        try {
            // After a refusal only a later change counts: requests that the device refuses would wake each other.
            long seen = refusal == null ? changesSeen : tools.allocations().changes();
            AllocationTransactions.Wait wait = tools.allocations().awaitChange(byteLength, startNanos, seen);
            if (wait != AllocationTransactions.Wait.FUTILE) {
                hasWaited |= wait == AllocationTransactions.Wait.WAITED_FOR_PARKED;
                return true;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            hasWaited = true;
            wasInterrupted = true;
            return false;
        }
        // The attempt may have missed memory that became free meanwhile, so the request makes one more.
        boolean retry = !hasRetried && tools.allocations().changes() != changesSeen;
        hasRetried = true;
        return retry;
    }

    private BufferAllocationException deny() {
        Reservation.Denied last = denied;
        if (last == null) {
            throw new AssertionError("a request was denied, but none of its reservations was");
        }
        AllocationTransactions.Denial denial =
                tools.allocations().deny(tools.source().allocatedBytes());
        tools.observer().denied(byteLength, last.cause(), denial);
        var exception = new BufferAllocationException(message(last, denial), byteLength, denial.stats());
        if (refusal != null) {
            exception.initCause(refusal);
        }
        return exception;
    }

    private String message(Reservation.Denied last, AllocationTransactions.Denial denial) {
        PoolStats stats = denial.stats();
        LimitSettings limits = denial.limits();
        String ownWords = refusal == null ? "" : " (" + refusal.getMessage() + ")";
        String waiting = hasWaited
                ? ", also after up to " + TimeUnit.NANOSECONDS.toMillis(limits.waitNanos())
                        + " ms of waiting for parked buffers"
                : "";
        String freeing = denial.freeingBytes() > 0 ? ", " + denial.freeingBytes() + " that are being freed" : "";
        return "no memory for " + byteLength + " bytes: a native buffer of " + last.capacity() + " was refused by "
                + last.cause().reason() + ownWords + waiting + (wasInterrupted ? ", which was interrupted" : "")
                + ". The pool " + tools.pool() + " has " + stats.activeBytes() + " bytes in " + stats.activeCount()
                + " active buffers, " + stats.cachedBytes() + " cached and " + stats.parkedBytes() + " parked"
                + freeing + "; its limits are " + describe(limits.memoryLimit()) + " bytes and "
                + describe(limits.bufferLimit()) + " buffers; the device counts " + stats.deviceAllocatedBytes()
                + " of " + tools.source().recommendedBytes() + " recommended. "
                + last.cause().advice();
    }

    private static String describe(long limit) {
        return limit == Long.MAX_VALUE ? "unlimited" : Long.toString(limit);
    }
}
