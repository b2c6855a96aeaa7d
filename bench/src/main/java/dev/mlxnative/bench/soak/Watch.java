package dev.mlxnative.bench.soak;

import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.PoolStats;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** Reads the figures of a pool while threads use it, and notes figures that contradict each other or the limits. */
final class Watch {

    /** The maximum number of violations with a message. The watch only counts further violations. */
    private static final int MOST_NOTES = 10;

    /** The maximum number of samples, 10 ms apart, while a pool comes to rest. */
    private static final int MOST_SAMPLES_AT_REST = 1000;

    private final MlxBufferPool pool;
    private final long memoryLimit;
    private final long pageBytes;
    private final List<String> notes = new ArrayList<>();
    private PoolStats last;
    private long samples;
    private long violations;
    private long peakFootprintBytes;

    /**
     * Starts with the pool's limits.
     *
     * <p>Only the thread that samples may set the limits. The memory limit must never exceed the value that it has
     * here.
     *
     * @param pageBytes bytes that the device allocates for the smallest buffer
     */
    Watch(MlxBufferPool pool, long pageBytes) {
        this.pool = pool;
        this.pageBytes = pageBytes;
        this.memoryLimit = pool.limits().memoryLimit();
        this.last = pool.stats();
    }

    long samples() {
        return samples;
    }

    long violations() {
        return violations;
    }

    List<String> notes() {
        return notes;
    }

    long peakFootprintBytes() {
        return Math.max(peakFootprintBytes, last.peakFootprintBytes());
    }

    PoolStats sample() {
        PoolStats now = pool.stats();
        samples++;
        peakFootprintBytes = Math.max(peakFootprintBytes, now.footprintBytes());

        require(now.requests() == now.hits() + now.nativeAllocations() + now.failedAllocations(), "requests", now);
        require(
                now.hits() >= last.hits()
                        && now.nativeAllocations() >= last.nativeAllocations()
                        && now.failedAllocations() >= last.failedAllocations()
                        && now.trimmedBytes() >= last.trimmedBytes()
                        && now.peakActiveBytes() >= last.peakActiveBytes()
                        && now.peakFootprintBytes() >= last.peakFootprintBytes(),
                "a count that fell",
                now);
        require(now.activeCount() >= 0 && now.cachedCount() >= 0 && now.parkedCount() >= 0, "a count below 0", now);
        require((now.activeCount() == 0) == (now.activeBytes() == 0), "active bytes", now);
        require((now.cachedCount() == 0) == (now.cachedBytes() == 0), "cached bytes", now);
        require((now.parkedCount() == 0) == (now.parkedBytes() == 0), "parked bytes", now);
        require(now.requestedBytes() <= now.activeBytes(), "requested bytes", now);
        require(now.activeBytes() <= now.peakActiveBytes(), "peak of active bytes", now);
        require(now.footprintBytes() <= now.peakFootprintBytes(), "peak of the footprint", now);
        require(now.peakFootprintBytes() <= memoryLimit, "memory limit", now);
        require(now.cachedBytes() <= pool.limits().cacheLimit() + mostBesideLeases(now), "cache limit", now);
        last = now;
        return now;
    }

    /**
     * Requires that the pool's counters equal the counts of the threads.
     *
     * <p>The caller has ended every lease, and every fence is complete.
     */
    void sampleAtRest(Tally tally) {
        PoolStats now = sample();
        // A thread that watched a fence for a request may still move the fence's memory to the cache.
        for (int i = 0; i < MOST_SAMPLES_AT_REST && now.parkedCount() > 0; i++) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
            now = sample();
        }
        require(now.activeCount() == 0 && now.parkedCount() == 0, "leases at rest", now);
        long served = now.hits() + now.nativeAllocations() - tally.begun;
        long refused = now.failedAllocations() - tally.refused();
        // A request that met an error of the VM counts as served or refused, or not at all.
        require(served >= 0 && served <= tally.vmErrors(), tally.begun + " requests served", now);
        require(refused >= 0 && refused <= tally.vmErrors(), tally.refused() + " requests refused", now);
        require(served + refused <= tally.vmErrors(), tally.vmErrors() + " errors of the VM", now);
        require(pool.leakedCount() == 0, pool.leakedCount() + " leases taken for dropped", now);
    }

    /** Bytes of free memory that no limit can free, because each shares a page with a lease or a parked block. */
    private long mostBesideLeases(PoolStats now) {
        return (now.activeCount() + now.parkedCount()) * pageBytes;
    }

    private void require(boolean holds, String what, PoolStats stats) {
        if (!holds) {
            violation(what + ": " + stats);
        }
    }

    void violation(String note) {
        violations++;
        if (notes.size() < MOST_NOTES) {
            notes.add(pool.name() + ": " + note);
        }
    }
}
