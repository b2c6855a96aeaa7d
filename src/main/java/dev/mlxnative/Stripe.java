package dev.mlxnative;

import java.lang.foreign.Arena;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A part of a pool's leases, and of the memory that they leave behind, with a lock of its own. Threads spread over the
 * stripes, so that they rarely meet; a lease ends in the stripe where it began, whichever thread ends it.
 *
 * <p>What is kept here is on no free list, but free: it is bounded and counted, and the pool takes it in whenever
 * somebody needs it. No thread owns it, so none can take it to its grave.
 *
 * <p>A hit writes numbers alone, no references: into old objects these cost G1 a memory barrier each, as much as the
 * lock.
 */
final class Stripe extends Padding {
    /** How an attempt to end a lease ended. */
    enum End {
        /** It had ended before. */
        OVER,
        /** It has, and the memory is kept here. */
        KEPT,
        /** It has, and the memory is the caller's to deal with; it counts as active until {@link #forget}. */
        LEFT
    }

    /** What a pool's stripes count together. Not thread-safe. */
    static final class Counts {
        long hits;
        int activeCount;
        long activeBytes;
        long requestedBytes;
        long peakActiveBytes;
        int keptCount;
        long keptBytes;
    }

    private static final VarHandle LOCK;

    static {
        try {
            LOCK = MethodHandles.lookup().findVarHandle(Stripe.class, "locked", boolean.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private static final int NONE = -1;
    /** How far down its list a block is looked for. */
    private static final int DEPTH = 4;

    private static final int SPINS = 100;
    private static final long PAUSE_NANOS = 1_000;

    @SuppressWarnings("unused") // through LOCK
    private boolean locked;

    /* Guarded by the lock. */
    /** The blocks that are leased or kept here, each at its index. */
    private @Nullable Block[] blocks = new Block[64];
    /** The indexes below this have been used; those that are free again are in a list. */
    private int used;

    private int[] unused = new int[64];
    private int unusedCount;
    /** The indexes of what was kept last, by size class. */
    private final int[] kept = new int[SizeClass.COUNT];
    /** A bit for each of these that may hold something. */
    private final long[] keptIn = new long[SizeClass.COUNT / Long.SIZE];

    private long keeping;
    private boolean open;
    private long allowedBytes;

    private long hits;
    private int activeCount;
    private long activeBytes;
    private long requestedBytes;
    private long peakActiveBytes;
    private int keptCount;
    private long keptBytes;

    Stripe() {
        Arrays.fill(kept, NONE);
    }

    /**
     * Spins, and then sleeps: who has the lock keeps it for some twenty nanoseconds, unless the system stops that
     * thread, which a thread of higher priority that only spins could keep from going on. A {@code ReentrantLock} costs
     * twice as much where nobody else wants it, since it takes a memory barrier for its end too.
     */
    void lock() {
        if (!LOCK.compareAndSet(this, false, true)) {
            lockSlowly();
        }
    }

    private void lockSlowly() {
        int attempts = 0;
        while (isLocked() || !LOCK.compareAndSet(this, false, true)) {
            if (++attempts < SPINS) {
                Thread.onSpinWait();
            } else {
                LockSupport.parkNanos(PAUSE_NANOS);
            }
        }
    }

    boolean isLocked() {
        return (boolean) LOCK.getOpaque(this);
    }

    void unlock() {
        LOCK.setRelease(this, false);
    }

    /** Takes a block of this capacity that is kept here, for a lease that is not issued yet; null if there is none. */
    @Nullable
    Block take(long capacity, long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        lock();
        try {
            Block block = takeKept(capacity);
            if (block != null) {
                hits++;
                begin(block, byteLength, leaseArena, resettable);
            }
            return block;
        } finally {
            unlock();
        }
    }

    private @Nullable Block takeKept(long capacity) {
        int list = SizeClass.of(capacity);
        int above = NONE;
        int index = kept[list];
        for (int depth = 0; index != NONE && depth < DEPTH; depth++) {
            Block block = at(index);
            if (block.capacity() == capacity) {
                if (above == NONE) {
                    kept[list] = block.below;
                } else {
                    at(above).below = block.below;
                }
                keptCount--;
                keptBytes -= capacity;
                return block;
            }
            above = index;
            index = block.below;
        }
        return null;
    }

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

    /** Makes sure that the next {@link #add} cannot fail. With the pool's lock held, without which there is none. */
    void makeRoom() {
        if (unusedCount > 0 || used < blocks.length) {
            return;
        }
        lock();
        try {
            int length = used * 2;
            int[] indexes = new int[length];
            blocks = Arrays.copyOf(blocks, length);
            unused = indexes;
        } finally {
            unlock();
        }
    }

    /** Takes in a block, for a lease that is not issued yet. With the lock and the pool's held, and room made. */
    void add(Block block, long byteLength, @Nullable Arena leaseArena, boolean resettable, boolean hit) {
        block.stripe = this;
        block.index = unusedCount > 0 ? unused[--unusedCount] : used++;
        blocks[block.index] = block;
        if (hit) {
            hits++;
        }
        begin(block, byteLength, leaseArena, resettable);
    }

    /**
     * Ends a lease.
     *
     * @param keep whether its memory may stay here
     */
    End end(Block block, long number, boolean keep) {
        lock();
        try {
            return block.stripe == this && block.endExclusively(number) ? keep(block, keep) : End.OVER;
        } finally {
            unlock();
        }
    }

    /** Ends the lease that a block of this stripe has, if it has one. With the lock held. */
    End endAny(Block block, boolean keep) {
        return block.endExclusively(block.currentLease()) ? keep(block, keep) : End.OVER;
    }

    private End keep(Block block, boolean keep) {
        if (!keep || !open || !block.isKeepable() || block.capacity() > allowedBytes - keptBytes) {
            return End.LEFT;
        }
        ended(block);
        int list = SizeClass.of(block.capacity());
        block.below = kept[list];
        kept[list] = block.index;
        if ((keptIn[list / Long.SIZE] & 1L << list) == 0) {
            keptIn[list / Long.SIZE] |= 1L << list;
        }
        block.filedAt = ++keeping;
        keptCount++;
        keptBytes += block.capacity();
        return End.KEPT;
    }

    /** Whether it is for want of room that a block is not kept here. With the lock held. */
    boolean isTooFullFor(Block block) {
        return open && block.capacity() <= allowedBytes && block.capacity() > allowedBytes - keptBytes;
    }

    private void ended(Block block) {
        activeCount--;
        activeBytes -= block.capacity();
        requestedBytes -= block.requestedBytes;
    }

    /** Ends a lease and lets its block go; false if the lease had ended before. */
    boolean endAndForget(Block block, long number) {
        lock();
        try {
            boolean ended = block.stripe == this && block.endExclusively(number);
            if (ended) {
                forget(block);
            }
            return ended;
        } finally {
            unlock();
        }
    }

    /** Lets a block go whose lease has ended. With the lock held. */
    void forget(Block block) {
        ended(block);
        remove(block);
    }

    private void remove(Block block) {
        blocks[block.index] = null;
        unused[unusedCount++] = block.index;
    }

    /** Lets a block of this capacity go that is kept here; null if there is none. */
    @Nullable
    Block give(long capacity) {
        lock();
        try {
            Block block = takeKept(capacity);
            if (block != null) {
                remove(block);
            }
            return block;
        } finally {
            unlock();
        }
    }

    /** Lets everything go that is kept here, what was kept first at the front. With the lock held. */
    List<Block> giveAll() {
        if (keptCount == 0) {
            return List.of();
        }
        // All that can fail comes first, so that nothing is lost then.
        List<Block> given = new ArrayList<>(keptCount);
        for (int word = 0; word < keptIn.length; word++) {
            for (long bits = keptIn[word]; bits != 0; bits &= bits - 1) {
                int list = word * Long.SIZE + Long.numberOfTrailingZeros(bits);
                for (int index = kept[list]; index != NONE; index = at(index).below) {
                    given.add(at(index));
                }
            }
        }
        given.sort(Comparator.comparingLong(block -> block.filedAt));
        for (Block block : given) {
            kept[SizeClass.of(block.capacity())] = NONE;
            remove(block);
        }
        Arrays.fill(keptIn, 0);
        keptCount = 0;
        keptBytes = 0;
        return given;
    }

    /** Keeps up to so many bytes from here on. */
    void open(long bytes) {
        lock();
        try {
            open = true;
            allowedBytes = bytes;
        } finally {
            unlock();
        }
    }

    /** Keeps nothing from here on, and lets everything go. */
    List<Block> close() {
        lock();
        try {
            open = false;
            return giveAll();
        } finally {
            unlock();
        }
    }

    /** What has a lease that a reset ends. With the lock held. */
    List<Block> resettable() {
        List<Block> resettable = new ArrayList<>(activeCount);
        for (int index = 0; index < used; index++) {
            Block block = blocks[index];
            if (block != null && block.resettable && Block.isLease(block.currentLease())) {
                resettable.add(block);
            }
        }
        return resettable;
    }

    /** With the lock held. */
    void addTo(Counts counts) {
        counts.hits += hits;
        counts.activeCount += activeCount;
        counts.activeBytes += activeBytes;
        counts.requestedBytes += requestedBytes;
        counts.peakActiveBytes += peakActiveBytes;
        counts.keptCount += keptCount;
        counts.keptBytes += keptBytes;
    }

    private Block at(int index) {
        Block block = blocks[index];
        if (block == null) {
            throw new AssertionError("nothing is kept at " + index);
        }
        return block;
    }
}
