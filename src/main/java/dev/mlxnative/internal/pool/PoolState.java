package dev.mlxnative.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.PoolStats;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;

/**
 * The state of a pool, its lock, and the transactions that change it as a whole. {@link AllocationTransactions} has
 * those of requests, {@link ReleaseTransactions} those of ending leases.
 *
 * <p>A transaction is a method that takes the lock and returns. It calls no driver, no foreign code, and does no I/O.
 * What has to follow is added to the {@link Backlog}, and done after the unlock by the {@link Reclaimer}.
 *
 * <p>A transaction that takes a request allocates before its first change, and the others allocate nothing. Together
 * with {@link StackReserve} this means that no error of the VM can come between two changes.
 */
final class PoolState {
    /** How often the parked memory of a closed pool is swept. */
    private static final long CLOSED_SWEEP_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** Bytes of surplus that a small pool may have: they are not worth a call of the driver. */
    private static final long LEAST_SURPLUS = 2L << 20;

    final PoolLock lock = new PoolLock();

    final Shards shards;
    /** Has a lock of its own, which is taken below this one. */
    final PendingReleases pending = new PendingReleases();

    private final boolean mayOffer;
    final CacheRule cacheRule;

    /* Written under the lock, read without it: the first two by every hit. */
    private volatile SizeRounding rounding;
    private volatile boolean underPressure;
    private volatile LimitSettings limits;
    private volatile boolean closed;

    @GuardedBy("lock")
    final FreeSpace free;

    @GuardedBy("lock")
    final SurplusAllowance allowance;

    @GuardedBy("lock")
    final MemoryBudget budget;

    @GuardedBy("lock")
    final PoolCounters counters = new PoolCounters();

    @GuardedBy("lock")
    final Eviction eviction;

    @GuardedBy("lock")
    final ShardCaches caches;

    /** What transactions have left to be done. */
    @GuardedBy("lock")
    final Backlog backlog = new Backlog();

    /** Whether the backlog may have something; written under the lock, read without it after each transaction. */
    private volatile boolean hasBacklog;

    @GuardedBy("lock")
    final SweepPlan sweeps = new SweepPlan();

    PoolState(PoolConfig config, Shards shards) {
        this.shards = shards;
        mayOffer = config.source().mayOffer();
        cacheRule = CacheRule.of(config.sizing(), config.source().traits());
        limits = config.limits();
        rounding = config.rounding();
        allowance = new SurplusAllowance(config.surplus(), LEAST_SURPLUS);
        free = FreeSpace.of(config.sizing(), config.source().traits(), allowance);
        budget = new MemoryBudget(limits);
        eviction = new Eviction(free, budget, counters, backlog);
        caches = new ShardCaches(cacheRule, shards, free, budget);
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
        return cacheRule.capacity(rounding, byteLength, pressure);
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

    /** Requests that the pool has had. */
    @GuardedBy("lock")
    long requests() {
        return counters.requests(shards.totals());
    }

    /** Updates what hits read of the leased bytes. */
    @GuardedBy("lock")
    void publishPressure() {
        boolean pressure = caches.isUnderPressureWith(0);
        if (pressure != underPressure) {
            underPressure = pressure;
        }
    }

    /** Lets the shards cache, unless the pool is closed or no sweep would find what they cache. */
    @GuardedBy("lock")
    void allowShardCaches() {
        if (!closed && (sweeps.isPlanned() || !isSwept())) {
            caches.allow();
        }
    }

    /** Plans a sweep of memory that lies idle and of parked memory, unless there is none or one is planned. */
    @GuardedBy("lock")
    void planSweep() {
        // The free blocks of a closed pool are those that share a native buffer with an active lease.
        boolean hasFree = closed ? free.evictableCount() > 0 : free.count() > 0;
        if (!sweeps.isPlanned() && isSwept() && (hasFree || !pending.isEmpty())) {
            long ticket = sweeps.plan(free.frees(), trimNanos(), offerNanos());
            backlog.schedule(ticket, sweeps.delayNanos());
        }
    }

    private boolean isSwept() {
        return trimNanos() != 0 || offerNanos() != 0;
    }

    private long trimNanos() {
        return closed ? CLOSED_SWEEP_NANOS : limits.trimIdleNanos();
    }

    private long offerNanos() {
        return closed || !mayOffer ? 0 : limits.offerIdleNanos();
    }

    /** Lets the {@link Reclaimer} know of what the transaction has left; the last step of those that may leave some. */
    @GuardedBy("lock")
    void publishBacklog() {
        boolean isWaiting = !backlog.isEmpty();
        if (isWaiting != hasBacklog) {
            hasBacklog = isWaiting;
        }
    }

    /** Whether there may be a backlog. Takes no lock. */
    boolean hasBacklog() {
        return hasBacklog;
    }

    /**
     * Changes the limits, and frees what they no longer allow.
     *
     * @param restartSweep whether the idle time begins anew
     */
    void adjust(UnaryOperator<LimitSettings> change, boolean restartSweep) {
        lock.lock();
        try {
            LimitSettings next = change.apply(limits);
            rounding = rounding.withRoundToPagesAbove(next.roundToPagesAbove());
            limits = next;
            budget.setLimits(next);
            caches.stop();
            publishPressure();
            eviction.evictSurplus(closed, TrimCause.LIMIT);
            if (restartSweep) {
                sweeps.cancel();
            }
            planSweep();
            allowShardCaches();
            lock.signalChange();
            publishBacklog();
        } finally {
            lock.unlock();
        }
    }

    /** Coalesces the free ranges of chunks with those that shards cache. */
    void coalesce() {
        lock.lock();
        try {
            if (cacheRule.isCompact() && caches.flush()) {
                // A chunk that is drained by this waits for no other release.
                eviction.evictSurplus(closed, TrimCause.LIMIT);
                publishBacklog();
            }
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

    /** Whether a request waits for a change. */
    boolean areRequestsWaiting() {
        lock.lock();
        try {
            return lock.hasWaitingRequests();
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

    /** Closes the pool and frees its free memory; false if it was closed before. */
    boolean close() {
        lock.lock();
        try {
            if (closed) {
                return false;
            }
            caches.stop();
            publishPressure();
            closed = true;
            eviction.evictSurplus(true, TrimCause.CLOSED);
            // Parked memory of a closed pool is swept more often.
            sweeps.cancel();
            planSweep();
            lock.signalChange();
            publishBacklog();
            return true;
        } finally {
            lock.unlock();
        }
    }
}
