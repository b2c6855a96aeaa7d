package dev.mlxnative.internal.pool;

import org.jspecify.annotations.Nullable;

/**
 * The free list of one bucket: its slabs that have free blocks. Slabs in use come first, so that others become unused
 * and can be evicted; among equals the one whose block became free last, because its memory is most likely to be in a
 * CPU cache. Not thread-safe; the pool's lock guards it.
 */
final class Bucket {
    private final long capacity;
    private @Nullable Slab firstInUse;
    private @Nullable Slab firstUnused;
    /** All slabs of the bucket, also those without a free block. */
    private int slabCount;

    /** A bucket without slabs. */
    Bucket(long capacity) {
        this.capacity = capacity;
    }

    /** Bytes of a block. */
    long capacity() {
        return capacity;
    }

    /** Whether no memory belongs to the bucket, neither free nor leased. */
    boolean isAbandoned() {
        return slabCount == 0;
    }

    void slabAdded() {
        slabCount++;
    }

    void slabRemoved() {
        slabCount--;
    }

    /** The slab to take the next block from; null if none has a free block. */
    @Nullable
    Slab first() {
        return firstInUse != null ? firstInUse : firstUnused;
    }

    /** Lists a slab that has a free block. */
    void link(Slab slab) {
        Slab head = slab.isUnused() ? firstUnused : firstInUse;
        slab.next = head;
        if (head != null) {
            head.previous = slab;
        }
        setHead(slab.isUnused(), slab);
    }

    /** Takes a slab off its list, before its state changes. */
    void unlink(Slab slab) {
        if (slab.previous == null) {
            setHead(slab.isUnused(), slab.next);
        } else {
            slab.previous.next = slab.next;
        }
        if (slab.next != null) {
            slab.next.previous = slab.previous;
        }
        slab.previous = null;
        slab.next = null;
    }

    private void setHead(boolean unused, @Nullable Slab slab) {
        if (unused) {
            firstUnused = slab;
        } else {
            firstInUse = slab;
        }
    }
}
