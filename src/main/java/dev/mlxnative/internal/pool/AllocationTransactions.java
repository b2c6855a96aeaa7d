package dev.mlxnative.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.PoolStats;
import dev.mlxnative.internal.device.DeviceMemory;
import dev.mlxnative.internal.device.GpuUse;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The transactions of a request for memory on the {@link PoolState}. Thread-safe. */
final class AllocationTransactions {
    /** How a request waited for a change. */
    enum Wait {
        /** It did not wait: memory that becomes free could not serve it, or its time is over. */
        FUTILE,
        /** It waited for memory that is being freed, or the pool is closed. */
        WAITED,
        /** It waited for parked memory. */
        WAITED_FOR_PARKED
    }

    /** The figures at the moment when a request was denied. */
    record Denial(PoolStats stats, LimitSettings limits, long freeingBytes) {}

    /** How long a request sleeps at most before it asks for the fences that no thread watches. */
    private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    /** How long a request waits at least for memory that is being freed: microseconds, unless a native call uses it. */
    private static final long FREEING_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final PoolState state;

    AllocationTransactions(PoolState state) {
        this.state = state;
    }

    /** Leases free memory; null if none serves the request. The caller issues the lease. */
    @Nullable
    Block reuse(Shard shard, long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        state.lock.lock();
        try {
            state.requireOpen();
            shard.reserveSlot();
            SizeRounding rounding = state.rounding();
            boolean pressure = state.caches.isUnderPressureWith(rounding.capacity(byteLength));
            if (pressure) {
                // Cached blocks count as leased until they are flushed.
                state.caches.flush();
                pressure = state.caches.isUnderPressureWith(rounding.capacity(byteLength));
            }
            Block block = state.free.take(rounding, byteLength, pressure);
            if (block == null) {
                block = takeCached(rounding, byteLength, pressure);
            }
            if (block == null && state.caches.isStarved()) {
                block = state.free.takeAny(rounding, byteLength);
            }
            if (block != null) {
                state.caches.lease(block, shard, byteLength, leaseArena, resettable, true);
            }
            state.publishPressure();
            return block;
        } finally {
            state.lock.unlock();
        }
    }

    /** Takes a block that a shard caches or, with compact sizing, the range that cached blocks form when coalesced. */
    @GuardedBy("state.lock")
    private @Nullable Block takeCached(SizeRounding rounding, long byteLength, boolean pressure) {
        if (state.cacheRule.isCompact()) {
            return state.caches.flush() ? state.free.take(rounding, byteLength, pressure) : null;
        }
        return state.caches.take(state.cachedCapacity(byteLength, pressure));
    }

    /**
     * Leases parked memory to commands that run after all that use it; null if none serves the request. The caller
     * issues the lease.
     *
     * @param own whether memory serves that {@code later} itself used
     */
    @Nullable
    Block reuseInOrder(Shard shard, long byteLength, GpuUse later, boolean own) {
        state.lock.lock();
        try {
            state.requireOpen();
            shard.reserveSlot();
            Block block = state.pending.takeInOrder(byteLength, later, own);
            if (block != null) {
                state.caches.lease(block, shard, byteLength, null, false, true);
                state.publishPressure();
            }
            return block;
        } finally {
            state.lock.unlock();
        }
    }

    /**
     * Reserves budget for a new native buffer.
     *
     * @param least whether only the least capacity is acceptable
     * @param wanted the capacity that an earlier answer evicted memory for, or {@link Reservation#ANY}; it is not
     *     chosen again then, since each eviction changes what would be best
     */
    Reservation reserve(long byteLength, boolean least, long wanted) {
        state.lock.lock();
        try {
            state.requireOpen();
            SizeRounding rounding = state.rounding();
            long leastCapacity = state.free.leastCapacityForNew(rounding, byteLength);
            if (least) {
                return reserveCapacity(leastCapacity);
            }
            boolean pressure = state.caches.isUnderPressureWith(rounding.capacity(byteLength));
            long capacity =
                    wanted != Reservation.ANY ? wanted : state.free.capacityForNew(rounding, byteLength, pressure);
            Reservation evictFirst = new Reservation.EvictFirst(capacity);
            if (wanted == Reservation.ANY && evictObstacles(rounding, byteLength, capacity, pressure)) {
                return evictFirst;
            }
            Reservation preferred = reserveCapacity(capacity);
            if (!(preferred instanceof Reservation.Denied)) {
                return preferred;
            }
            Reservation fallback = reserveCapacity(leastCapacity);
            return fallback instanceof Reservation.Denied ? preferred : fallback;
        } finally {
            state.lock.unlock();
        }
    }

    @GuardedBy("state.lock")
    private boolean evictObstacles(SizeRounding rounding, long byteLength, long capacity, boolean pressure) {
        long requests = state.requests();
        boolean evicted = false;
        if (SizeRounding.isPageRounded(capacity) || state.free.isObstructed(rounding, byteLength, pressure, requests)) {
            // Cached blocks count as leased until they are flushed. They serve no request that is rounded to pages.
            state.caches.flush();
            state.publishPressure();
            evicted = state.eviction.evictObstacles(rounding, byteLength, pressure, requests);
            state.publishBacklog();
        }
        return evicted;
    }

    @GuardedBy("state.lock")
    private Reservation reserveCapacity(long capacity) {
        // Before the first change, since they may fail.
        Reservation granted = new Reservation.Granted(capacity);
        Reservation evictFirst = new Reservation.EvictFirst(capacity);
        if (state.budget.reserve(capacity)) {
            return granted;
        }
        if (state.budget.fitsWithout(state.free.evictableBytes(), state.free.evictableCount(), capacity)) {
            // The limits hold at every moment, so memory is freed before other memory replaces it.
            if (state.eviction.evictUntilFits(capacity)) {
                state.publishBacklog();
                return evictFirst;
            }
        }
        return new Reservation.Denied(state.budget.denialCause(state.free.evictableCount()), capacity);
    }

    /** Takes over a native buffer that was reserved, and leases a block of it. The caller issues the lease. */
    Block commit(DeviceMemory memory, Shard shard, long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        state.lock.lock();
        try {
            state.requireOpen();
            shard.reserveSlot();
            long requests = state.requests();
            Block block = state.free.addNew(state.rounding(), memory, byteLength);
            state.allowance.allocated(memory.capacity(), requests);
            state.caches.lease(block, shard, byteLength, leaseArena, resettable, false);
            state.publishPressure();
            state.counters.allocated(state.caches.leasedBytes() + state.free.bytes() + state.pending.bytes());
            return block;
        } finally {
            state.lock.unlock();
        }
    }

    /**
     * Takes back a reused block whose lease cannot be issued. The block is never leased again: its memory is freed as
     * soon as nothing else uses it. Cannot fail.
     */
    void discard(Block block) {
        state.lock.lock();
        try {
            state.caches.remove(block);
            state.counters.hitUndone();
            DeviceMemory memory = state.free.quarantine(block);
            if (memory != null) {
                state.budget.freeing(memory.capacity());
                state.backlog.free(memory, TrimCause.UNREPORTED);
            }
            state.publishPressure();
            state.publishBacklog();
        } finally {
            state.lock.unlock();
        }
    }

    /** Cancels a reservation: no native buffer was created. That is a change. Cannot fail. */
    void cancel(long capacity) {
        state.lock.lock();
        try {
            state.budget.cancel(capacity);
            state.lock.signalChange();
        } finally {
            state.lock.unlock();
        }
    }

    /** Gives up a native buffer that was created for a reservation, but not committed. Cannot fail. */
    void abandon(DeviceMemory memory) {
        state.lock.lock();
        try {
            state.budget.freeing(memory.capacity());
            state.backlog.free(memory, TrimCause.UNREPORTED);
            state.publishBacklog();
        } finally {
            state.lock.unlock();
        }
    }

    /** Moves all free memory to where a request finds it, and makes every release signal a change, until the end. */
    void beginStarvation() {
        state.lock.lock();
        try {
            state.caches.beginStarvation();
            state.publishPressure();
        } finally {
            state.lock.unlock();
        }
    }

    void endStarvation() {
        state.lock.lock();
        try {
            state.caches.endStarvation();
            state.allowShardCaches();
        } finally {
            state.lock.unlock();
        }
    }

    /** The count of changes that could have helped a request. */
    long changes() {
        state.lock.lock();
        try {
            return state.lock.changes();
        } finally {
            state.lock.unlock();
        }
    }

    /** Whether {@link #awaitChange} would wait. */
    boolean canWait(long byteLength, long startNanos) {
        state.lock.lock();
        try {
            return remainingNanos(startNanos) > 0 && couldServeLater(byteLength);
        } finally {
            state.lock.unlock();
        }
    }

    /**
     * Waits for a change that could help a request.
     *
     * @param startNanos when the request began
     * @param changesSeen the count of {@link #changes} that the request knows: at any other, this returns at once
     */
    Wait awaitChange(long byteLength, long startNanos, long changesSeen) throws InterruptedException {
        state.lock.lock();
        try {
            if (state.isClosed()) {
                return Wait.WAITED;
            }
            long nanos = Math.min(POLL_NANOS, remainingNanos(startNanos));
            if (nanos <= 0 || !couldServeLater(byteLength)) {
                return Wait.FUTILE;
            }
            Wait result = state.pending.count() > 0 ? Wait.WAITED_FOR_PARKED : Wait.WAITED;
            state.lock.awaitChange(changesSeen, nanos);
            return result;
        } finally {
            state.lock.unlock();
        }
    }

    /**
     * Whether memory that becomes free without the caller's help could serve a request: as it is, or by leaving room
     * for new memory. All free memory counts, because parked ranges may be what keeps its native buffers in use.
     */
    @GuardedBy("state.lock")
    private boolean couldServeLater(long byteLength) {
        if (state.budget.freeingBytes() == 0 && !state.pending.completeByThemselves()) {
            return false;
        }
        long freeLater = state.free.bytes() + state.pending.bytes();
        return byteLength <= freeLater
                || state.budget.fitsWithout(
                        freeLater,
                        (long) state.free.evictableCount() + state.pending.count(),
                        state.free.leastCapacityForNew(state.rounding(), byteLength));
    }

    @GuardedBy("state.lock")
    private long remainingNanos(long startNanos) {
        long wait = state.limits().waitNanos();
        long allowed = state.budget.freeingBytes() > 0 ? Math.max(wait, FREEING_NANOS) : wait;
        return allowed - (System.nanoTime() - startNanos);
    }

    /** Counts a denied request; returns the figures for its message. */
    Denial deny(long deviceAllocatedBytes) {
        state.lock.lock();
        try {
            state.counters.failed();
            PoolStats stats =
                    state.counters.snapshot(state.free, state.shards.totals(), state.pending, deviceAllocatedBytes);
            return new Denial(stats, state.limits(), state.budget.freeingBytes());
        } finally {
            state.lock.unlock();
        }
    }
}
