package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.background.StackReserve;
import dev.mlxnative.internal.device.Arenas;
import dev.mlxnative.internal.device.DeviceMemory;
import dev.mlxnative.internal.device.GpuUse;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.ref.Cleaner;
import org.jspecify.annotations.Nullable;

/**
 * A range of device memory that is leased as a whole, with the {@linkplain LeaseState state of its lease}. The pool's
 * {@code package-info} has the states of a block and who guards its fields in each.
 */
@SuppressWarnings("ReferenceEquality") // uses are compared by identity
public final class Block extends LeaseState {
    private static final VarHandle LAST_USE;

    static {
        try {
            LAST_USE = MethodHandles.lookup().findVarHandle(Block.class, "lastUse", GpuUse.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final DeviceMemory memory;
    /** Null if the memory is in no pool. */
    private final @Nullable Division division;
    /** Whether the bounds change when the block is free, as those of a chunk's ranges do. */
    private final boolean isRange;

    private long offset;
    private long capacity;

    /** The segment of the last lease without an arena of its own: the next lease often has the same length. */
    private @Nullable MemorySegment lastSegment;

    /* Guarded by the pool's lock while the block is free or parked, and by the shard's while it is in a shard. */

    /** Bytes that the lease requested. */
    long requestedBytes;
    /** Whether a reset ends the lease. */
    boolean resettable;

    /** The arena of this lease alone, in a checked pool. */
    @Nullable
    Arena leaseArena;

    /** Set by the holder of the lease when it labels the memory. */
    boolean labelled;

    /** Set by the holder of the lease when the leak detector watches it. */
    Cleaner.@Nullable Cleanable watch;

    /** The shard where the block is or was last; not null while it is leased. */
    @Nullable
    Shard shard;

    /**
     * The use of the memory by the GPU that completes last; null if no command ever used it. In a pool it changes under
     * the lock of the shard, while the block is leased.
     */
    private @Nullable GpuUse lastUse;

    /** Whether the block is parked until its last use is complete, decided by the thread that retires it. */
    boolean waitsForUse;

    /** The next run of blocks that are in flight, if this block begins one. */
    @Nullable
    Block nextRun;

    /** Whether a thread waits for the use of the run that this block begins. */
    boolean isRunWatched;

    /** The slot of the block in the shard's table. */
    int slot;
    /** The slot of the next block in the same bin of the shard's cache. */
    int nextCached;

    /** The neighbour before this block in its chunk. */
    @Nullable
    Block before;

    /** The neighbour after this block in its chunk. */
    @Nullable
    Block after;

    /** Whether the block is a free range of its chunk. */
    boolean isFreeRange;

    /** When the block was cached in its shard, in a count that the shard keeps. */
    long freedAt;

    /** The block after this one in a {@link BlockList}, or in a chain of blocks that a thread owns. */
    @Nullable
    Block next;

    /** The next free range of the same bin in a chunk; the block of a slab that became free before this one. */
    @Nullable
    Block older;

    /** The previous free range of the same bin in a chunk. */
    @Nullable
    Block newer;

    /**
     * A part of a division, which gives it its bounds with {@link #setBounds}.
     *
     * @param isRange whether the bounds may change
     */
    Block(DeviceMemory memory, @Nullable Division division, boolean isRange) {
        this.memory = memory;
        this.division = division;
        this.isRange = isRange;
    }

    /** All of a memory. */
    public static Block whole(DeviceMemory memory) {
        Block block = new Block(memory, null, false);
        block.setBounds(0, memory.capacity());
        return block;
    }

    /** Changes the range of the memory that the block is. The block must not be leased. */
    void setBounds(long offset, long capacity) {
        this.offset = offset;
        this.capacity = capacity;
    }

    /** The native buffer that the block is a part of. */
    Division division() {
        if (division == null) {
            throw new AssertionError("a block of " + capacity + " bytes is in no pool");
        }
        return division;
    }

    Shard shard() {
        Shard current = shard;
        if (current == null) {
            throw new AssertionError("a block of " + capacity + " bytes was never leased");
        }
        return current;
    }

    /** The memory that the block is a range of. */
    public DeviceMemory memory() {
        return memory;
    }

    /** Bytes from the start of the memory to the start of the block. */
    public long offset() {
        return offset;
    }

    /** Bytes of the block. */
    public long capacity() {
        return capacity;
    }

    /** Whether the next request of this capacity takes the block and no other that is as good. */
    boolean isCacheable() {
        return isRange || !SizeRounding.isPageRounded(capacity);
    }

    /** The capacity during a lease of this many bytes, also after that lease has ended. */
    public long capacityFor(long byteLength) {
        return division == null ? capacity : division.capacityFor(byteLength);
    }

    long address() {
        return memory.segment().address() + offset;
    }

    /** All bytes of the block. */
    public MemorySegment segment() {
        return memory.segment().asSlice(offset, capacity);
    }

    /**
     * The first {@code byteLength} bytes.
     *
     * @param arena the lifetime of the segment; null for that of the memory
     * @throws IllegalStateException if the block has become smaller, because the lease has ended
     */
    public MemorySegment segment(@Nullable Arena arena, long byteLength) {
        if (arena != null) {
            return MemorySegment.ofAddress(address()).reinterpret(byteLength, arena, null);
        }
        MemorySegment known = lastSegment;
        if (known == null || known.byteSize() != byteLength || known.address() != address()) {
            long start = offset;
            if (start > memory.capacity() - byteLength) {
                throw new IllegalStateException("the lease has ended");
            }
            known = memory.segment().asSlice(start, byteLength);
            lastSegment = known;
        }
        return known;
    }

    /** Whether a use is the last that was recorded, or a part of it. */
    public boolean isUsedBy(GpuUse use) {
        GpuUse last = lastUse;
        return last == use || (last != null && last.includes(use));
    }

    /**
     * Records that commands use the memory of a lease, from before they can run until {@code use} is complete; false if
     * the lease has ended.
     */
    public boolean use(long leaseGeneration, GpuUse use) {
        StackReserve.require();
        if (division == null) {
            return useOutsidePool(leaseGeneration, use);
        }
        Shard current = shard;
        return current != null && current.use(this, leaseGeneration, use);
    }

    /** The thread that ends the lease reads the use after that, and this one reads the lease after it wrote the use. */
    private boolean useOutsidePool(long leaseGeneration, GpuUse use) {
        GpuUse known;
        do {
            known = (GpuUse) LAST_USE.getVolatile(this);
        } while (!LAST_USE.compareAndSet(this, known, use.after(known)));
        return isActive(leaseGeneration);
    }

    /** Records a use. The caller holds the lock of the block's shard. */
    void setLastUse(GpuUse use) {
        lastUse = use.after(lastUse);
    }

    /** The use of the memory by the GPU that completes last; null if no command ever used it. */
    public @Nullable GpuUse lastUse() {
        return (GpuUse) LAST_USE.getVolatile(this);
    }

    /** Whether commands may still use the memory, as far as is known without a call of the device. */
    boolean isInFlight() {
        GpuUse use = lastUse;
        return use != null && !use.isKnownComplete();
    }

    /** As {@link #isInFlight}, but asks the device. */
    boolean isSurelyInFlight() {
        GpuUse use = lastUse;
        return use != null && !use.isComplete();
    }

    /** Records that the holder of the lease has labelled the memory, so that the label is removed at its end. */
    public void setLabelled() {
        labelled = true;
    }

    /**
     * Closes the arena of a single lease, if it has one; false if another thread has closed it, and so ends the lease.
     *
     * @throws IllegalStateException if a native call uses a segment of the arena, which then stays open
     */
    static boolean closeLeaseArena(@Nullable Arena leaseArena) {
        if (leaseArena == null) {
            return true;
        }
        // Only the lock tells a thread that another one has closed the arena: a cleanup action may throw what close
        // does.
        synchronized (leaseArena) {
            if (!leaseArena.scope().isAlive()) {
                return false;
            }
            try {
                Arenas.close(leaseArena);
                return true;
            } catch (IllegalStateException e) {
                throw new IllegalStateException("a native call is using the buffer: it cannot be released", e);
            }
        }
    }
}
