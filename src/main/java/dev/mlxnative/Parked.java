package dev.mlxnative;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Memory that waits for fences. A fence is only itself here: what its class makes of {@code equals} decides nothing,
 * and none of its code runs. Not thread-safe.
 */
final class Parked {
    private static final class Batch {
        private final MlxFence fence;
        private final long number;
        private final List<Block> blocks = new ArrayList<>();
        private boolean reported;
        private boolean watched;

        private Batch(MlxFence fence, long number) {
            this.fence = fence;
            this.number = number;
        }
    }

    private final IdentityHashMap<MlxFence, Batch> batches = new IdentityHashMap<>();
    private long batchesSoFar;
    private int count;

    /** Parks memory with a fence, which the caller has retained, and retains it until it is removed. */
    void add(Block block, MlxFence fence) {
        Batch batch = batches.get(fence);
        if (batch == null) {
            batch = new Batch(fence, ++batchesSoFar);
            batches.put(fence, batch);
            RetainedFence.retain(fence);
        }
        batch.blocks.add(block);
        count++;
    }

    boolean isEmpty() {
        return batches.isEmpty();
    }

    /** The fences that anything waits for. */
    List<MlxFence> fences() {
        return List.copyOf(batches.keySet());
    }

    /** The oldest fence that no thread watches and no open scope holds back, which is now watched; null if none is. */
    @Nullable
    MlxFence watchOldest() {
        Batch oldest = null;
        for (Batch batch : batches.values()) {
            if (!batch.watched
                    && !ScopeBound.waitsForScope(batch.fence)
                    && (oldest == null || batch.number < oldest.number)) {
                oldest = batch;
            }
        }
        if (oldest == null) {
            return null;
        }
        oldest.watched = true;
        return oldest.fence;
    }

    /** Whether there is a fence that has not failed so far, and completes without the end of a scope. */
    boolean comesBackByItself() {
        for (Batch batch : batches.values()) {
            if (!batch.reported && !ScopeBound.waitsForScope(batch.fence)) {
                return true;
            }
        }
        return false;
    }

    /** Takes out what waits for a fence; null if nothing does. It is the caller who then releases the fence. */
    @Nullable
    List<Block> remove(MlxFence fence) {
        Batch batch = batches.remove(fence);
        if (batch == null) {
            return null;
        }
        count -= batch.blocks.size();
        return batch.blocks;
    }

    /** How many blocks wait. */
    int count() {
        return count;
    }

    /** Whether this is the first time that somebody asks for this fence while something waits for it. */
    boolean firstReport(MlxFence fence) {
        Batch batch = batches.get(fence);
        boolean first = batch != null && !batch.reported;
        if (batch != null) {
            batch.reported = true;
        }
        return first;
    }
}
