package dev.mlxnative.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.PoolStats;
import dev.mlxnative.Sizing;
import dev.mlxnative.internal.device.DeviceMemory;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The state of a pool, its lock, and the transactions that change it as a whole. {@link AllocationTransactions} has
 * those of requests, {@link ReleaseTransactions} those of ending leases.
 *
 * <p>A transaction is a method that takes the lock and returns. It calls no driver, no foreign code, and does no I/O.
 * What has to follow is returned as {@link Deferred}, and done after the unlock by the {@link Reclaimer}.
 */
final class PoolState {
    /** How often the parked memory of a closed pool is swept. */
    private static final long CLOSED_SWEEP_NANOS = TimeUnit.SECONDS.toNanos(1);

    final ReentrantLock lock = new ReentrantLock();
    /** Signalled when something changes that could help a request. */
    final Condition changed = lock.newCondition();

    final Shards shards;
    /** Has a lock of its own, which is taken below this one. */
    final PendingReleases pending = new PendingReleases();

    private final boolean usesShardCaches;

    /* Written under the lock, read without it: the first two by every hit. */
    private volatile SizeRounding rounding;
    private volatile boolean underPressure;
    private volatile LimitSettings limits;
    private volatile boolean closed;

    @GuardedBy("lock")
    final FreeSpace free;

    @GuardedBy("lock")
    final MemoryBudget budget;

    @GuardedBy("lock")
    final PoolCounters counters = new PoolCounters();

    @GuardedBy("lock")
    final Eviction eviction;

    @GuardedBy("lock")
    final ShardCaches caches;

    @GuardedBy("lock")
    private final SweepPlan sweeps = new SweepPlan();

    /** Counts the changes that could help a request. */
    @GuardedBy("lock")
    private long changes;

    /** Requests that sleep until the next change. */
    @GuardedBy("lock")
    int waitingRequests;

    PoolState(PoolConfig config, Shards shards) {
        this.shards = shards;
        usesShardCaches = config.sizing() == Sizing.POWER_OF_TWO;
        limits = config.limits();
        rounding = config.rounding();
        free = FreeSpace.of(config.sizing(), config.source().traits());
        budget = new MemoryBudget(limits);
        eviction = new Eviction(free, budget, counters);
        caches = new ShardCaches(shards, free, budget);
    }

    SizeRounding rounding() {
        return rounding;
    }

    /**
     * The capacity of a block in a shard's cache that serves a request, or {@link SizeRounding#NONE}. Takes no lock: a
     * hit asks.
     */
    long cachedCapacity(long byteLength) {
        return cachedCapacity(byteLength, underPressure);
    }

    long cachedCapacity(long byteLength, boolean pressure) {
        return usesShardCaches ? rounding.cachedCapacity(byteLength, pressure) : SizeRounding.NONE;
    }

    LimitSettings limits() {
        return limits;
    }

    boolean isClosed() {
        return closed;
    }

    /**
     * Checks that the pool is open.
     *
     * @throws IllegalStateException if it is closed
     */
    void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the pool is closed");
        }
    }

    /** Updates what hits read of the leased bytes. */
    @GuardedBy("lock")
    void publishPressure() {
        boolean pressure = caches.isUnderPressureWith(0);
        if (pressure != underPressure) {
            underPressure = pressure;
        }
    }

    /** Records that something has changed that could help a request. */
    @GuardedBy("lock")
    void signalChange() {
        changes++;
        if (waitingRequests > 0) {
            changed.signalAll();
        }
    }

    @GuardedBy("lock")
    long changes() {
        return changes;
    }

    /** Lets the shards cache, unless the pool is closed or no sweep would find what they cache. */
    @GuardedBy("lock")
    void allowShardCaches() {
        if (!closed && (sweeps.isPlanned() || sweepNanos() == 0)) {
            caches.allow();
        }
    }

    /**
     * Plans a sweep of memory that lies idle and of parked memory; null if there is none, a sweep is planned, or none
     * is wanted.
     */
    @GuardedBy("lock")
    Deferred.@Nullable Sweep planSweep() {
        if (sweeps.isPlanned() || (free.count() == 0 && pending.isEmpty())) {
            return null;
        }
        return sweeps.plan(sweepNanos(), free.frees());
    }

    @GuardedBy("lock")
    private long sweepNanos() {
        return closed ? CLOSED_SWEEP_NANOS : limits.trimIdleNanos();
    }

    /** Frees memory that has been unused since the sweep with this ticket was planned, and plans the next one. */
    Deferred sweep(long ticket) {
        lock.lock();
        try {
            if (!sweeps.isDue(ticket)) {
                return Deferred.NOTHING;
            }
            caches.flush();
            publishPressure();
            List<DeviceMemory> evicted = eviction.evictUnusedSince(sweeps.freesWhenPlanned());
            sweeps.cancel();
            Deferred.Sweep next = planSweep();
            if (next == null) {
                // The shards may have cached blocks since the flush: stop them, and sweep what they had.
                caches.stop();
                publishPressure();
                next = planSweep();
            }
            return Deferred.of(evicted, TrimCause.IDLE, next);
        } finally {
            lock.unlock();
        }
    }

    /** Frees memory until at most this many bytes are free. */
    Deferred trim(long maxFreeBytes, TrimCause cause) {
        lock.lock();
        try {
            caches.flush();
            publishPressure();
            return Deferred.of(eviction.evictDownTo(maxFreeBytes), cause, null);
        } finally {
            lock.unlock();
        }
    }

    /** A native buffer has been freed. */
    void freed(long capacity) {
        lock.lock();
        try {
            budget.freed(capacity);
            signalChange();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Changes the limits, and frees what they no longer allow.
     *
     * @param restartSweep whether the idle time begins anew
     */
    Deferred adjust(UnaryOperator<LimitSettings> change, boolean restartSweep) {
        lock.lock();
        try {
            limits = change.apply(limits);
            rounding = rounding.withRoundToPagesAbove(limits.roundToPagesAbove());
            budget.setLimits(limits);
            caches.stop();
            publishPressure();
            List<DeviceMemory> surplus = eviction.evictSurplus(closed);
            if (restartSweep) {
                sweeps.cancel();
            }
            Deferred.Sweep sweep = planSweep();
            allowShardCaches();
            signalChange();
            return Deferred.of(surplus, TrimCause.LIMIT, sweep);
        } finally {
            lock.unlock();
        }
    }

    /** The pool's figures at one moment. */
    PoolStats snapshot(long deviceAllocatedBytes) {
        lock.lock();
        try {
            return counters.snapshot(free, shards.totals(), pending, deviceAllocatedBytes);
        } finally {
            lock.unlock();
        }
    }

    long leakedCount() {
        lock.lock();
        try {
            return counters.leakedCount();
        } finally {
            lock.unlock();
        }
    }

    /** Closes the pool and frees its free memory; null if it was closed before. */
    @Nullable
    Deferred close() {
        lock.lock();
        try {
            if (closed) {
                return null;
            }
            caches.stop();
            publishPressure();
            closed = true;
            List<DeviceMemory> evicted = eviction.evictSurplus(true);
            // Parked memory of a closed pool is swept more often.
            sweeps.cancel();
            Deferred.Sweep sweep = planSweep();
            signalChange();
            return Deferred.of(evicted, TrimCause.CLOSED, sweep);
        } finally {
            lock.unlock();
        }
    }
}
