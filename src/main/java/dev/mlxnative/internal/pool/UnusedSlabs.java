package dev.mlxnative.internal.pool;

import org.jspecify.annotations.Nullable;

/** The slabs without a lease, in the order of becoming so. Not thread-safe; the pool's lock guards it. */
final class UnusedSlabs {
    private @Nullable Slab oldest;
    private @Nullable Slab newest;
    private int count;
    private long bytes;

    int count() {
        return count;
    }

    /** Bytes of the slabs. */
    long bytes() {
        return bytes;
    }

    /** The slab to evict first; null if there is none. */
    @Nullable
    Slab oldest() {
        return oldest;
    }

    /** The oldest of the largest slabs whose blocks have at least this capacity; null if there is none. */
    @Nullable
    Slab largest(long leastCapacity) {
        Slab largest = null;
        long above = leastCapacity - 1;
        for (Slab slab = oldest; slab != null; slab = slab.newer) {
            if (slab.bucket().capacity() > above) {
                largest = slab;
                above = slab.bucket().capacity();
            }
        }
        return largest;
    }

    /**
     * Adds a slab.
     *
     * @param asOldest whether it is to be evicted before all others
     * @param frees when it became unused, in the count of {@link FreeSpace#frees}
     */
    void link(Slab slab, boolean asOldest, long frees) {
        count++;
        bytes += slab.memory().capacity();
        if (asOldest) {
            linkAsOldest(slab);
        } else {
            linkAsNewest(slab, frees);
        }
    }

    private void linkAsNewest(Slab slab, long frees) {
        slab.freedAt = frees;
        slab.older = newest;
        if (newest == null) {
            oldest = slab;
        } else {
            newest.newer = slab;
        }
        newest = slab;
    }

    private void linkAsOldest(Slab slab) {
        slab.freedAt = 0;
        slab.newer = oldest;
        if (oldest == null) {
            newest = slab;
        } else {
            oldest.older = slab;
        }
        oldest = slab;
    }

    /** Removes a slab. */
    void unlink(Slab slab) {
        count--;
        bytes -= slab.memory().capacity();
        if (slab.older == null) {
            oldest = slab.newer;
        } else {
            slab.older.newer = slab.newer;
        }
        if (slab.newer == null) {
            newest = slab.older;
        } else {
            slab.newer.older = slab.older;
        }
        slab.older = null;
        slab.newer = null;
    }
}
