package dev.mlxnative.internal.pool;

import dev.mlxnative.Sizing;
import dev.mlxnative.internal.device.DeviceMemory;
import dev.mlxnative.internal.device.DeviceTraits;
import org.jspecify.annotations.Nullable;

/**
 * The free memory of a pool: selects the block that serves a request, and the size of new memory when none does. One
 * implementation for each {@link Sizing}. Not thread-safe; the pool's lock guards it.
 */
interface FreeSpace {
    /**
     * The free space for a sizing, which holds no memory yet.
     *
     * @param allowance what a compact one may hold beyond the leases
     */
    static FreeSpace of(Sizing sizing, DeviceTraits traits, SurplusAllowance allowance) {
        return switch (sizing) {
            case POWER_OF_TWO -> new SegregatedFreeLists(traits.pageSize());
            case COMPACT -> new BestFitChunks(traits, allowance);
        };
    }

    /**
     * Takes a free block that serves a request; null if there is none.
     *
     * @param underPressure whether memory is too scarce for rounding to powers of two
     */
    @Nullable
    Block take(SizeRounding rounding, long byteLength, boolean underPressure);

    /**
     * Takes a free block for a request that would be denied otherwise, however much larger it is; null if there is
     * none.
     */
    @Nullable
    Block takeAny(SizeRounding rounding, long byteLength);

    /**
     * Whether unused memory has to be freed, if there is any, before a new native buffer for the request is allocated.
     *
     * @param requests that the pool has had
     */
    boolean isObstructed(SizeRounding rounding, long byteLength, boolean underPressure, long requests);

    /**
     * Removes the native buffer to free first while a request {@linkplain #isObstructed is obstructed}; null if it is
     * not, or none is entirely free. Allocates nothing, and cannot fail.
     */
    @Nullable
    DeviceMemory evictObstacle(SizeRounding rounding, long byteLength, boolean underPressure, long requests);

    /** The preferred capacity of a new native buffer for a request. */
    long capacityForNew(SizeRounding rounding, long byteLength, boolean underPressure);

    /** The least capacity of a new native buffer for a request. */
    long leastCapacityForNew(SizeRounding rounding, long byteLength);

    /**
     * Takes over a new native buffer and returns the block of it that serves the request. If this throws, nothing has
     * happened.
     */
    Block addNew(SizeRounding rounding, DeviceMemory memory, long byteLength);

    /**
     * Makes a block free whose lease has ended. Allocates nothing, and cannot fail.
     *
     * @param evictFirst whether its memory is to be evicted before all other memory
     */
    void free(Block block, boolean evictFirst);

    /**
     * Removes the native buffer that has been free for longest; null if none is entirely free. Allocates nothing, and
     * cannot fail.
     */
    @Nullable
    DeviceMemory evict();

    /**
     * Offers to the system the contents of native buffers that have been entirely free since this count of
     * {@link #frees} or longer, but not those with a quarantined range. Returns the first memory of the chain of
     * offers; null if there are none. Allocates nothing, and cannot fail.
     */
    @Nullable
    DeviceMemory offerUnusedSince(long frees);

    /** When the buffer that {@link #evict} would remove became free, in {@link #frees}; the largest long if none is. */
    long evictableSince();

    /**
     * Takes back a block that GPU work may still use. The block is never leased again. Returns its native buffer if
     * nothing else of it is in use; otherwise the range is quarantined until then. Allocates nothing, and cannot fail.
     */
    @Nullable
    DeviceMemory quarantine(Block block);

    /** Whether {@link #evict} would remove a native buffer that nothing uses but a quarantined range. */
    boolean hasDrained();

    /** Free blocks, quarantined ranges included. */
    int count();

    /** Bytes of the free blocks, quarantined ranges included. */
    long bytes();

    /** Native buffers that are entirely free. */
    int evictableCount();

    /** Bytes of the native buffers that are entirely free. */
    long evictableBytes();

    /** A count that grows as blocks become free, by which their order of becoming free is known. */
    long frees();
}
