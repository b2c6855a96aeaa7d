package dev.mlxnative.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.MlxFence;
import dev.mlxnative.internal.background.Log;
import dev.mlxnative.internal.device.GpuUse;
import dev.mlxnative.internal.device.ProgramBound;
import dev.mlxnative.internal.device.RetainedFence;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The parked blocks of a pool: their leases have ended, and each waits for a fence or for the GPU. Fences are compared
 * by identity, and no code of a fence that the program implements runs under the lock. Thread-safe, by a lock below the
 * pool's.
 *
 * <p>A block counts as parked until it is free: also while a thread has taken it from here and makes it free. Count and
 * bytes change within transactions of the pool alone, so that a snapshot under the pool's lock is consistent.
 */
final class PendingReleases {
    private static final class Batch {
        private final MlxFence fence;
        private final long number;
        private final BlockList blocks = new BlockList();
        /** Threads that may add blocks. The batch stays while there are any. */
        private int reservations;

        private boolean reported;
        private boolean watched;

        private Batch(MlxFence fence, long number) {
            this.fence = fence;
            this.number = number;
        }

        /** Whether the fence completes without a call of the program. */
        private boolean completesByItself() {
            return !ProgramBound.waitsForProgram(fence);
        }
    }

    private final ReentrantLock lock = new ReentrantLock();

    @GuardedBy("lock")
    private final IdentityHashMap<MlxFence, Batch> batches = new IdentityHashMap<>();

    /** Blocks that wait for nothing but the GPU's use of them. */
    @GuardedBy("lock")
    private final BlocksInFlight inFlight = new BlocksInFlight();

    @GuardedBy("lock")
    private long batchesCreated;

    @GuardedBy("lock")
    private int count;

    @GuardedBy("lock")
    private long bytes;

    /** Blocks whose fence is complete, and which a thread is making free. */
    @GuardedBy("lock")
    private int completingCount;

    /**
     * Reserves room for blocks that are to wait for a fence, so that {@link #add} cannot fail. Call it before the
     * leases end, and {@link #unreserve} afterwards.
     *
     * @param fence retained by the caller; the batch of its blocks retains it too
     */
    void reserve(MlxFence fence) {
        lock.lock();
        try {
            Batch batch = batches.get(fence);
            if (batch == null) {
                batch = new Batch(fence, ++batchesCreated);
                batches.put(fence, batch);
                // Does not throw: the caller's own reference keeps the fence.
                RetainedFence.retain(fence);
            }
            batch.reservations++;
        } finally {
            lock.unlock();
        }
    }

    /** Ends a reservation. */
    void unreserve(MlxFence fence) {
        boolean isUnused = false;
        lock.lock();
        try {
            Batch batch = batches.get(fence);
            if (batch != null) {
                batch.reservations--;
                isUnused = batch.reservations == 0 && batch.blocks.isEmpty();
                if (isUnused) {
                    batches.remove(fence);
                }
            }
        } finally {
            lock.unlock();
        }
        if (isUnused) {
            release(fence);
        }
    }

    /** Parks a block with a fence for which the caller has a reservation. The caller holds the pool's lock. */
    void add(Block block, MlxFence fence) {
        lock.lock();
        try {
            Batch batch = batches.get(fence);
            if (batch == null) {
                throw new AssertionError("no reservation for " + fence);
            }
            batch.blocks.add(block);
            count++;
            bytes += block.capacity();
        } finally {
            lock.unlock();
        }
    }

    /** Parks a block until the GPU's use of it is complete. Cannot fail. The caller holds the pool's lock. */
    void addInFlight(Block block) {
        lock.lock();
        try {
            inFlight.add(block);
            count++;
            bytes += block.capacity();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes a block that commands of {@code later} may use at once, because the queue runs them after all that use it;
     * null if none has a fitting capacity. The caller holds the pool's lock.
     *
     * @param own whether blocks serve that {@code later} itself used
     */
    @Nullable
    Block takeInOrder(long byteLength, GpuUse later, boolean own) {
        lock.lock();
        try {
            Block block = inFlight.takeInOrder(byteLength, later, own);
            if (block != null) {
                count--;
                bytes -= block.capacity();
            }
            return block;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes the blocks that wait for a fence, as a chain; null if there are none. The caller calls {@link #completed}
     * for each block before it makes the block free.
     */
    @Nullable
    Block take(MlxFence fence) {
        Block first = null;
        boolean isUnused = false;
        lock.lock();
        try {
            first = inFlight.take(fence);
            for (Block block = first; block != null; block = block.next) {
                completingCount++;
            }
            Batch batch = batches.get(fence);
            if (batch != null) {
                completingCount += batch.blocks.count();
                first = BlockList.concatenate(first, batch.blocks.takeAll());
                batch.watched = false;
                isUnused = batch.reservations == 0;
                if (isUnused) {
                    batches.remove(fence);
                }
            }
        } finally {
            lock.unlock();
        }
        if (isUnused) {
            release(fence);
        }
        return first;
    }

    /**
     * Ends the batch's use of a fence. That destroys an event which the program has closed: if it fails, it is lost.
     */
    private static void release(MlxFence fence) {
        try {
            RetainedFence.release(fence);
        } catch (Throwable e) {
            Log.warn("a fence could not be released", e);
        }
    }

    /** A block that was taken is about to be free. The caller holds the pool's lock. */
    void completed(Block block) {
        lock.lock();
        try {
            completingCount--;
            count--;
            bytes -= block.capacity();
        } finally {
            lock.unlock();
        }
    }

    /** Whether no block waits for a fence. */
    boolean isEmpty() {
        lock.lock();
        try {
            return count == completingCount;
        } finally {
            lock.unlock();
        }
    }

    /** The fences for which blocks wait, or may soon. */
    List<MlxFence> fences() {
        lock.lock();
        try {
            if (inFlight.isEmpty()) {
                return List.copyOf(batches.keySet());
            }
            List<MlxFence> fences = new ArrayList<>(batches.keySet());
            inFlight.addUsesTo(fences);
            return fences;
        } finally {
            lock.unlock();
        }
    }

    /** Parked blocks. */
    int count() {
        lock.lock();
        try {
            return count;
        } finally {
            lock.unlock();
        }
    }

    /** Bytes of the parked blocks. */
    long bytes() {
        lock.lock();
        try {
            return bytes;
        } finally {
            lock.unlock();
        }
    }

    /** Whether any parked block can become free without a call of the program, by a fence that has not failed. */
    boolean completeByThemselves() {
        lock.lock();
        try {
            if (completingCount > 0 || inFlight.completeByThemselves()) {
                return true;
            }
            for (Batch batch : batches.values()) {
                if (!batch.blocks.isEmpty() && !batch.reported && batch.completesByItself()) {
                    return true;
                }
            }
            return false;
        } finally {
            lock.unlock();
        }
    }

    /** The oldest fence that no thread watches and no call of the program holds back, marked as watched; or null. */
    @Nullable
    MlxFence watchOldest() {
        lock.lock();
        try {
            Batch oldest = null;
            for (Batch batch : batches.values()) {
                boolean isUnwatched = !batch.watched && !batch.blocks.isEmpty() && batch.completesByItself();
                if (isUnwatched && (oldest == null || batch.number < oldest.number)) {
                    oldest = batch;
                }
            }
            if (oldest == null) {
                return inFlight.watchOldest();
            }
            oldest.watched = true;
            return oldest.fence;
        } finally {
            lock.unlock();
        }
    }

    /** The thread that watched a fence does not wait for it. */
    void unwatch(MlxFence fence) {
        lock.lock();
        try {
            Batch batch = batches.get(fence);
            if (batch != null) {
                batch.watched = false;
            }
            inFlight.unwatch(fence);
        } finally {
            lock.unlock();
        }
    }

    /** Marks the failure of a fence as reported; false if it was before, or no block waits for the fence. */
    boolean markReported(MlxFence fence) {
        lock.lock();
        try {
            Batch batch = batches.get(fence);
            boolean isFirst = batch != null && !batch.reported;
            if (batch != null) {
                batch.reported = true;
            }
            return isFirst;
        } finally {
            lock.unlock();
        }
    }
}
