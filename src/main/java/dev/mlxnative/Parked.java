package dev.mlxnative;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Native buffers that wait for fences. A fence is only itself here: what its class makes of {@code equals} decides
 * nothing, and none of its code runs. Not thread-safe.
 */
final class Parked {
    private static final class Batch implements Comparable<Batch> {
        private final MlxFence fence;
        private final long number;
        private final List<NativeBuffer> buffers = new ArrayList<>();
        private boolean reported;
        private boolean watched;

        private Batch(MlxFence fence, long number) {
            this.fence = fence;
            this.number = number;
        }

        @Override
        public int compareTo(Batch other) {
            return Long.compare(number, other.number);
        }
    }

    private final IdentityHashMap<MlxFence, Batch> batches = new IdentityHashMap<>();
    private long batchesSoFar;
    private long removals;

    /** Parks memory with a fence, which the caller has retained, and keeps it retained until {@link #remove}. */
    void add(NativeBuffer memory, MlxFence fence) {
        Batch batch = batches.get(fence);
        if (batch == null) {
            batch = new Batch(fence, ++batchesSoFar);
            batches.put(fence, batch);
            RetainedFence.retain(fence);
        }
        batch.buffers.add(memory);
    }

    boolean isEmpty() {
        return batches.isEmpty();
    }

    /** The fences that anything waits for, the one that came first at the head. */
    List<MlxFence> fences() {
        Batch[] oldestFirst = batches.values().toArray(new Batch[0]);
        Arrays.sort(oldestFirst);
        List<MlxFence> fences = new ArrayList<>(oldestFirst.length);
        for (Batch batch : oldestFirst) {
            fences.add(batch.fence);
        }
        return fences;
    }

    /** Those fences that nobody has asked for here before. */
    List<MlxFence> unwatchedFences() {
        List<MlxFence> unwatched = new ArrayList<>();
        for (Batch batch : batches.values()) {
            if (!batch.watched) {
                batch.watched = true;
                unwatched.add(batch.fence);
            }
        }
        return unwatched;
    }

    /** Takes out what waits for a fence, and lets the fence go; null if nothing does. */
    @Nullable
    List<NativeBuffer> remove(MlxFence fence) {
        Batch batch = batches.remove(fence);
        if (batch == null) {
            return null;
        }
        removals++;
        RetainedFence.release(fence);
        return batch.buffers;
    }

    /** How many fences nothing waits for any more. */
    long removals() {
        return removals;
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
