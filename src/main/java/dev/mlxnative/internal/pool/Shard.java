package dev.mlxnative.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.lang.foreign.Arena;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A part of a pool's leases and a cache of blocks for the next ones, under a lock of its own. Threads are spread over
 * the shards, so that they rarely contend. A lease ends in the shard where it began, whichever thread ends it.
 *
 * <p>Cached blocks are free memory: bounded, counted, and taken by any request before the device is asked. No thread
 * owns a shard, so a thread that ends leaves nothing behind.
 *
 * <p>A hit writes numbers alone, no references: see {@link SlotTable}.
 */
final class Shard extends SlotTable {
    private static final int NONE = -1;
    /** How many blocks of a bin are compared with a request. */
    private static final int SEARCH_DEPTH = 4;

    /** The slot of the block that was cached last, by bin. */
    @GuardedBy("this")
    private final int[] cacheHeads = new int[SizeBins.COUNT];

    /** A bit for each bin that may have cached blocks. */
    @GuardedBy("this")
    private final long[] cacheBits = new long[SizeBins.COUNT / Long.SIZE];

    /** Counts the blocks that were ever cached here. */
    @GuardedBy("this")
    private long cachings;

    @GuardedBy("this")
    private long maxCachedBytes;

    /** The capacity of the largest block that may be cached; 0 if none may. */
    @GuardedBy("this")
    private long largestCached;

    @GuardedBy("this")
    private long hits;

    @GuardedBy("this")
    private int activeCount;

    @GuardedBy("this")
    private long activeBytes;

    @GuardedBy("this")
    private long requestedBytes;

    @GuardedBy("this")
    private long peakActiveBytes;

    @GuardedBy("this")
    private int cachedCount;

    @GuardedBy("this")
    private long cachedBytes;

    Shard() {
        Arrays.fill(cacheHeads, NONE);
    }

    /** Begins a lease on a cached block of this capacity; null if there is none. The caller issues the lease. */
    @Nullable
    @SuppressWarnings("GuardedBy") // a bin that looks empty is not worth the lock
    Block leaseCached(long capacity, long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        int bin = SizeBins.of(capacity);
        if (cacheHeads[bin] == NONE) {
            return null;
        }
        lock();
        try {
            Block block = popCached(bin, capacity);
            if (block != null) {
                hits++;
                begin(block, byteLength, leaseArena, resettable);
            }
            return block;
        } finally {
            unlock();
        }
    }

    @GuardedBy("this")
    private @Nullable Block popCached(int bin, long capacity) {
        int previous = NONE;
        int slot = cacheHeads[bin];
        for (int depth = 0; slot != NONE && depth < SEARCH_DEPTH; depth++) {
            Block block = at(slot);
            if (block.capacity() == capacity) {
                if (previous == NONE) {
                    cacheHeads[bin] = block.nextCached;
                } else {
                    at(previous).nextCached = block.nextCached;
                }
                cachedCount--;
                cachedBytes -= capacity;
                return block;
            }
            previous = slot;
            slot = block.nextCached;
        }
        return null;
    }

    @GuardedBy("this")
    private void begin(Block block, long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        block.requestedBytes = byteLength;
        block.resettable = resettable;
        if (leaseArena != null || block.leaseArena != null) {
            block.leaseArena = leaseArena;
        }
        activeCount++;
        activeBytes += block.capacity();
        requestedBytes += byteLength;
        peakActiveBytes = Math.max(peakActiveBytes, activeBytes);
    }

    /** Grows the slot table so that the next {@link #add} allocates nothing. The caller holds the pool's lock. */
    void reserveSlot() {
        if (hasFreeSlot()) {
            return;
        }
        lock();
        try {
            reserveBlockSlot();
        } finally {
            unlock();
        }
    }

    /**
     * Adds a block and begins a lease on it, which the caller issues. The caller holds the pool's lock and has called
     * {@link #reserveSlot} under it.
     */
    void add(Block block, long byteLength, @Nullable Arena leaseArena, boolean resettable, boolean hit) {
        lock();
        try {
            block.shard = this;
            addBlock(block);
            if (hit) {
                hits++;
            }
            begin(block, byteLength, leaseArena, resettable);
        } finally {
            unlock();
        }
    }

    /** Whether the shard caches blocks like this one. Takes no lock: the answer may be outdated. */
    @SuppressWarnings("GuardedBy")
    boolean caches(Block block) {
        return block.capacity() <= largestCached && block.isCacheable();
    }

    /** Ends a lease; {@code cache} says whether the block may stay here. */
    LeaseEnd end(Block block, long generation, boolean cache) {
        lock();
        try {
            return block.shard == this && block.endExclusively(generation)
                    ? cacheOrRetire(block, cache)
                    : LeaseEnd.ENDED_BEFORE;
        } finally {
            unlock();
        }
    }

    /** Ends the lease that a block of this shard has at this moment. */
    @GuardedBy("this")
    LeaseEnd endCurrent(Block block, boolean cache) {
        return block.endExclusively(block.generation()) ? cacheOrRetire(block, cache) : LeaseEnd.ENDED_BEFORE;
    }

    @GuardedBy("this")
    private LeaseEnd cacheOrRetire(Block block, boolean cache) {
        boolean isReusable = cache && caches(block) && !block.isInFlight();
        if (!isReusable || block.capacity() > maxCachedBytes - cachedBytes) {
            return LeaseEnd.RETIRING;
        }
        countEnd(block);
        int bin = SizeBins.of(block.capacity());
        block.nextCached = cacheHeads[bin];
        cacheHeads[bin] = block.slot;
        if ((cacheBits[bin / Long.SIZE] & 1L << bin) == 0) {
            cacheBits[bin / Long.SIZE] |= 1L << bin;
        }
        block.freedAt = ++cachings;
        cachedCount++;
        cachedBytes += block.capacity();
        return LeaseEnd.CACHED;
    }

    @GuardedBy("this")
    private void countEnd(Block block) {
        activeCount--;
        activeBytes -= block.capacity();
        requestedBytes -= block.requestedBytes;
    }

    /** Ends a lease and removes its block; false if the lease had ended before. */
    boolean endAndRemove(Block block, long generation) {
        lock();
        try {
            boolean ended = block.shard == this && block.endExclusively(generation);
            if (ended) {
                countEnd(block);
                removeBlock(block);
            }
            return ended;
        } finally {
            unlock();
        }
    }

    /**
     * Removes a retiring block. If the cache has no room for it, all cached blocks are moved to {@code drained} too, so
     * that the sizes of later leases find room.
     */
    void remove(Block block, BlockList drained) {
        lock();
        try {
            countEnd(block);
            removeBlock(block);
            long capacity = block.capacity();
            if (capacity <= largestCached && capacity > maxCachedBytes - cachedBytes) {
                drainTo(drained);
            }
        } finally {
            unlock();
        }
    }

    /** Removes a cached block of this capacity; null if there is none. */
    @Nullable
    Block takeCached(long capacity) {
        lock();
        try {
            Block block = popCached(SizeBins.of(capacity), capacity);
            if (block != null) {
                removeBlock(block);
            }
            return block;
        } finally {
            unlock();
        }
    }

    /** Moves all cached blocks to a list, the one that was cached first at the front. Allocates nothing. */
    void drainCache(BlockList drained) {
        lock();
        try {
            drainTo(drained);
        } finally {
            unlock();
        }
    }

    @GuardedBy("this")
    private void drainTo(BlockList drained) {
        if (cachedCount == 0) {
            return;
        }
        Block sorted = null;
        for (int word = 0; word < cacheBits.length; word++) {
            for (long bits = cacheBits[word]; bits != 0; bits &= bits - 1) {
                int bin = word * Long.SIZE + Long.numberOfTrailingZeros(bits);
                sorted = BlockList.mergeByAge(sorted, chainOf(bin));
                cacheHeads[bin] = NONE;
            }
            cacheBits[word] = 0;
        }
        cachedCount = 0;
        cachedBytes = 0;
        for (Block block = sorted; block != null; ) {
            Block next = block.next;
            block.next = null;
            removeBlock(block);
            drained.add(block);
            block = next;
        }
    }

    /** The cached blocks of a bin as a chain, the one that was cached first at the front; null if there are none. */
    @GuardedBy("this")
    private @Nullable Block chainOf(int bin) {
        Block first = null;
        for (int slot = cacheHeads[bin]; slot != NONE; ) {
            Block block = at(slot);
            slot = block.nextCached;
            block.next = first;
            first = block;
        }
        return first;
    }

    /** Allows the shard to cache this many bytes from here on, in blocks of at most this capacity; none for 0. */
    void allowCaching(long bytes, long largestBlock) {
        lock();
        try {
            maxCachedBytes = bytes;
            largestCached = largestBlock;
        } finally {
            unlock();
        }
    }

    /** Adds the figures of this shard. */
    @GuardedBy("this")
    void addTo(ShardTotals totals) {
        totals.hits += hits;
        totals.activeCount += activeCount;
        totals.activeBytes += activeBytes;
        totals.requestedBytes += requestedBytes;
        totals.peakActiveBytes += peakActiveBytes;
        totals.cachedCount += cachedCount;
        totals.cachedBytes += cachedBytes;
    }
}
