package dev.mlxnative;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The free memory of a pool: which of it serves a request, and how much more the device is asked for. One class for
 * each {@link Sizing}. Not thread-safe.
 */
interface FreeMemory {
    /** No block has this capacity. */
    long NOTHING = 0;

    /**
     * The capacity of a block that a thread may keep for such a request and take without asking, or {@link #NOTHING}.
     * Any thread may ask.
     *
     * @param tight whether memory is too scarce for rounding up
     */
    long capacityKept(Buckets sizes, long byteLength, boolean tight);

    /** Takes a block that serves the request; null where there is none. */
    @Nullable
    Block take(Buckets sizes, long byteLength, boolean tight);

    /** Takes out the native buffers that are in the way of a new one for the request. */
    List<NativeBuffer> makeWayFor(Buckets sizes, long byteLength);

    /** The capacity that a new native buffer for the request should have. */
    long capacityForNew(Buckets sizes, long byteLength, boolean tight);

    /** The smallest that can sensibly serve it. */
    long leastCapacityForNew(Buckets sizes, long byteLength);

    /** Takes over a new native buffer, and returns the block in it that serves the request. */
    Block add(NativeBuffer fresh, long byteLength);

    /**
     * Files a block that nobody uses any more.
     *
     * @param first whether it is to be evicted before everything else
     */
    void add(Block block, boolean first);

    /** Takes out the native buffer that nobody has used for longest; null if none is wholly free. */
    @Nullable
    NativeBuffer evict();

    /**
     * When the buffer that {@link #evict} would give was filed, in the count of {@link #filings}; never if there is
     * none.
     */
    long evictableSince();

    /** Takes back a block that must not be used again; returns its native buffer if nobody uses any of that. */
    @Nullable
    NativeBuffer discard(Block block);

    /** Whether a native buffer can be evicted that {@link #discard} has spoilt. */
    boolean hasSpoilt();

    /** Free blocks, and their bytes. */
    int count();

    long bytes();

    /** Native buffers that can be evicted, and their bytes. */
    int evictableCount();

    long evictableBytes();

    /** How many blocks have been filed so far. */
    long filings();

    /** What the offset of every block is a multiple of, in bytes. */
    long alignment(Buckets sizes);
}
