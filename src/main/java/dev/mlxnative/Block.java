package dev.mlxnative;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.ref.Cleaner;
import org.jspecify.annotations.Nullable;

/**
 * A stretch of a native buffer and the state of its lease: who holds it is one number.
 *
 * <p>The number counts hand-outs and their ends, so it is odd while a lease is out. A holder knows the number of its
 * lease; only the owner of that number ends the lease, which works once and never for an older holder.
 */
final class Block extends Padding {
    private static final VarHandle LEASE;

    static {
        try {
            LEASE = MethodHandles.lookup().findVarHandle(Block.class, "lease", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final NativeBuffer memory;
    /** What it is cut from; null if it is a native buffer of its own. */
    private final @Nullable Slab slab;

    private long offset;
    private long capacity;

    @SuppressWarnings("unused") // through LEASE
    private volatile long lease;

    /** What the last lease without an arena of its own had: most often, the next asks for the same. */
    private @Nullable MemorySegment segment;

    /* Guarded by the pool's lock while the block is free or parked, and by its stripe's while it is there. */
    /** The bytes that the lease asked for. */
    long requestedBytes;
    /** Whether a reset ends the lease. */
    boolean resettable;
    /** The arena of the lease alone, in a checked pool. */
    @Nullable
    Arena leaseArena;

    /** Set by the holder of the lease where it has labelled the memory. */
    boolean labelled;
    /** Set by the holder of the lease where that is watched for being dropped. */
    Cleaner.@Nullable Cleanable watch;

    /** Where it is leased, or was last; never null while a lease is out. */
    @Nullable
    Stripe stripe;
    /** Its place there. */
    int index;
    /** The place of what is kept there below it. */
    int below;
    /** Its neighbours in the slab, and whether it is free there. */
    @Nullable
    Block before;

    @Nullable
    Block after;

    boolean isHole;

    /** When the block was kept there, or filed in the free lists, in the count of either. */
    long filedAt;
    /** What was filed just before and after it; in a slab, among holes of its size class. */
    @Nullable
    Block older;

    @Nullable
    Block newer;

    /** A part of a slab, to be {@linkplain #reshape shaped}. */
    Block(NativeBuffer memory, @Nullable Slab slab) {
        this.memory = memory;
        this.slab = slab;
    }

    /** All of a native buffer. */
    static Block whole(NativeBuffer memory) {
        Block block = new Block(memory, null);
        block.reshape(0, memory.capacity());
        return block;
    }

    /** Only while nobody holds it. */
    void reshape(long offset, long capacity) {
        this.offset = offset;
        this.capacity = capacity;
    }

    Slab slab() {
        if (slab == null) {
            throw new AssertionError("a block of " + capacity + " bytes is in no slab");
        }
        return slab;
    }

    NativeBuffer memory() {
        return memory;
    }

    /** Where it starts in the native buffer, in bytes. */
    long offset() {
        return offset;
    }

    long capacity() {
        return capacity;
    }

    /** Whether a thread may keep it for its next request of this capacity. */
    boolean isKeepable() {
        return slab == null && Long.bitCount(capacity) == 1;
    }

    /** The capacity that it has or had during a lease, which says how much that asked for. */
    long capacityFor(long byteLength) {
        return slab == null ? capacity : Math.min(Slab.granules(byteLength), memory.capacity());
    }

    long address() {
        return memory.segment().address() + offset;
    }

    /** All of the block. */
    MemorySegment segment() {
        return memory.segment().asSlice(offset, capacity);
    }

    /**
     * The first {@code byteLength} bytes, as a segment that ends with {@code arena}, or with the memory without one.
     */
    MemorySegment segment(@Nullable Arena arena, long byteLength) {
        if (arena != null) {
            return MemorySegment.ofAddress(address()).reinterpret(byteLength, arena, null);
        }
        MemorySegment known = segment;
        if (known == null || known.byteSize() != byteLength || known.address() != address()) {
            long start = offset;
            if (start > memory.capacity() - byteLength) {
                throw new IllegalStateException("the lease has ended");
            }
            known = memory.segment().asSlice(start, byteLength);
            segment = known;
        }
        return known;
    }

    /** Begins a lease and returns its number. Only for the owner, while no lease is out. */
    long issue() {
        long number = (long) LEASE.get(this) + 1;
        LEASE.setRelease(this, number);
        return number;
    }

    /** Ends a lease; false if it has ended before, or the number is none of a lease. */
    boolean end(long number) {
        return isLease(number) && LEASE.compareAndSet(this, number, number + 1);
    }

    /** As {@link #end}, at less cost, for threads that keep each other out. */
    boolean endExclusively(long number) {
        if (!isLease(number) || (long) LEASE.get(this) != number) {
            return false;
        }
        LEASE.setRelease(this, number + 1);
        return true;
    }

    /** The number of the lease that is out, or an even number while none is. */
    long currentLease() {
        return lease;
    }

    static boolean isLease(long number) {
        return (number & 1) == 1;
    }

    boolean isLive(long number) {
        return lease == number;
    }

    /**
     * Closes the arena of a single lease, if it has one; false if someone else has closed it, and so ended the lease.
     *
     * @throws IllegalStateException if a native call uses one of its segments; the arena stays open
     */
    static boolean closeForGood(@Nullable Arena leaseArena) {
        if (leaseArena == null) {
            return true;
        }
        try {
            leaseArena.close();
            return true;
        } catch (IllegalStateException e) {
            if (leaseArena.scope().isAlive()) {
                throw new IllegalStateException("a native call is using the buffer: it cannot be released", e);
            }
            return false;
        }
    }
}
