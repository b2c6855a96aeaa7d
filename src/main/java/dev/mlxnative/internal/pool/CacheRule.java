package dev.mlxnative.internal.pool;

import dev.mlxnative.Sizing;
import dev.mlxnative.internal.device.DeviceTraits;

/**
 * What the shards of a pool cache: a rule for each {@link Sizing}. Immutable.
 *
 * <p>With compact sizing, a cached block is not coalesced and keeps its chunk in use. So a shard caches small blocks
 * alone, of the capacities that requests have, and all shards together less than one percent of what is leased. In a
 * small pool each shard caches four pages, however little is leased.
 *
 * @param isCompact whether the sizing is {@link Sizing#COMPACT}
 * @param granule the unit of the blocks' sizes with compact sizing in bytes, a power of two
 */
record CacheRule(boolean isCompact, long pageSize, long granule) {
    /** The shards together may cache the cache limit divided by this. */
    private static final int CACHE_DIVISOR = 2;

    /** With compact sizing, the shards together may cache the leased bytes divided by this. */
    private static final int LEASED_DIVISOR = 128;
    /** With compact sizing, pages that a shard may cache however little is leased. */
    private static final int LEAST_PAGES = 4;
    /** With compact sizing, the number of blocks that a shard has room for at least, so that it moves them together. */
    private static final int LEAST_BLOCKS = 4;

    /** The rule for a sizing. */
    static CacheRule of(Sizing sizing, DeviceTraits traits) {
        return new CacheRule(sizing == Sizing.COMPACT, traits.pageSize(), traits.offsetAlignment());
    }

    /** The capacity of a block in a shard's cache that serves a request, or {@link SizeRounding#NONE}. */
    long capacity(SizeRounding rounding, long byteLength, boolean underPressure) {
        return isCompact ? Chunk.roundUp(byteLength, granule) : rounding.cachedCapacity(byteLength, underPressure);
    }

    /** The bytes that the free space may have while the shards cache. */
    static long mostFree(long cacheLimit) {
        return cacheLimit - cacheLimit / CACHE_DIVISOR;
    }

    /** The bytes that each of the shards may cache. */
    long bytes(long cacheLimit, long leasedBytes, int shards) {
        long allowed = cacheLimit / CACHE_DIVISOR / shards;
        return isCompact
                ? Math.min(allowed, Math.max(LEAST_PAGES * pageSize, leasedBytes / LEASED_DIVISOR / shards))
                : allowed;
    }

    /** The capacity of the largest block that a shard may cache, if it may cache this many bytes. */
    long largestBlock(long bytes) {
        return isCompact ? bytes / LEAST_BLOCKS : bytes;
    }
}
