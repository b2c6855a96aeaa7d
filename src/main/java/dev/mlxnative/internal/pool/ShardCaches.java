package dev.mlxnative.internal.pool;

import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * The blocks that are in shards, as the pool counts them, and whether the shards may cache. Not thread-safe; the pool's
 * lock guards it. The locks of the shards are taken below it.
 */
final class ShardCaches {
    private final CacheRule rule;
    private final Shards shards;
    private final FreeSpace free;
    private final MemoryBudget budget;

    /** Bytes of all blocks in shards. Cached ones count as leased until they are flushed. */
    private long leasedBytes;
    /** Requests for which the shards must not cache: {@link #beginStarvation}. */
    private int starvedRequests;

    private boolean isCaching;
    /** Bytes that each shard may cache while {@link #isCaching}. */
    private long bytesForEach;
    /** Blocks on their way from a shard to the free space. */
    private final BlockList drained = new BlockList();

    ShardCaches(CacheRule rule, Shards shards, FreeSpace free, MemoryBudget budget) {
        this.rule = rule;
        this.shards = shards;
        this.free = free;
        this.budget = budget;
    }

    /** Bytes of all blocks in shards, those included that shards cache. */
    long leasedBytes() {
        return leasedBytes;
    }

    /** Whether one more lease of this capacity puts the pool under pressure; never if the pool does not round. */
    boolean isUnderPressureWith(long capacity) {
        return !rule.isCompact() && budget.isUnderPressure(leasedBytes + capacity);
    }

    /** Leases a block in a shard. The caller has reserved a slot and issues the lease. */
    void lease(Block block, Shard shard, long byteLength, @Nullable Arena leaseArena, boolean resettable, boolean hit) {
        shard.add(block, byteLength, leaseArena, resettable, hit);
        leasedBytes += block.capacity();
    }

    /** Removes a retiring block from its shard. If that has no room to cache more, its cached blocks become free. */
    void remove(Block block) {
        block.shard().remove(block, drained);
        leasedBytes -= block.capacity();
        moveToFreeSpace();
    }

    /** Ends a lease and removes its block from its shard; false if the lease had ended before. */
    boolean endAndRemove(Block block, long generation) {
        boolean ended = block.shard().endAndRemove(block, generation);
        if (ended) {
            leasedBytes -= block.capacity();
        }
        return ended;
    }

    /** Takes a cached block of this capacity from any shard; null if none has one. */
    @Nullable
    Block take(long capacity) {
        Block block = null;
        for (int i = 0; i < shards.count() && block == null && isCaching && capacity != SizeRounding.NONE; i++) {
            block = shards.get(i).takeCached(capacity);
        }
        if (block != null) {
            leasedBytes -= capacity;
        }
        return block;
    }

    /** Moves all cached blocks to the free space; returns whether there were any. */
    boolean flush() {
        if (!isCaching) {
            return false;
        }
        long leasedBefore = leasedBytes;
        for (int i = 0; i < shards.count(); i++) {
            shards.get(i).drainCache(drained);
            moveToFreeSpace();
        }
        adaptToLeases();
        return leasedBytes != leasedBefore;
    }

    /** Changes what each shard may cache with what is leased. */
    private void adaptToLeases() {
        if (rule.isCompact() && bytesForEach() != bytesForEach) {
            allowEach();
        }
    }

    /** Moves all cached blocks to the free space, and forbids the shards to cache more. */
    void stop() {
        if (isCaching) {
            isCaching = false;
            for (int i = 0; i < shards.count(); i++) {
                shards.get(i).allowCaching(0, 0);
                shards.get(i).drainCache(drained);
                moveToFreeSpace();
            }
        }
    }

    private void moveToFreeSpace() {
        for (Block block = drained.poll(); block != null; block = drained.poll()) {
            leasedBytes -= block.capacity();
            free.free(block, false);
        }
    }

    /** Stops caching if the free space fills more than its part of the cache limit. */
    void stopIfCrowded() {
        if (isCrowded()) {
            stop();
        }
    }

    private boolean isCrowded() {
        return free.bytes() > CacheRule.mostFree(budget.limits().cacheLimit());
    }

    /** Lets the shards cache, unless a request is starved, the free space is crowded, or a limit is exceeded. */
    void allow() {
        if (!isCaching && starvedRequests == 0 && !budget.isExceeded() && !isCrowded()) {
            isCaching = true;
            allowEach();
        }
    }

    private void allowEach() {
        bytesForEach = bytesForEach();
        for (int i = 0; i < shards.count(); i++) {
            shards.get(i).allowCaching(bytesForEach, rule.largestBlock(bytesForEach));
        }
    }

    private long bytesForEach() {
        return rule.bytes(budget.limits().cacheLimit(), leasedBytes, shards.count());
    }

    /** A request needs all free memory in the free space: the shards stop caching, and {@link #allow} does nothing. */
    void beginStarvation() {
        stop();
        starvedRequests++;
    }

    /** Whether a request is starved. */
    boolean isStarved() {
        return starvedRequests > 0;
    }

    void endStarvation() {
        starvedRequests--;
    }
}
