package dev.mlxnative.internal.pool;

import dev.mlxnative.MlxFence;
import dev.mlxnative.internal.device.GpuUse;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Parked blocks that wait for nothing but the GPU's use of them, in runs of blocks with one use. A run is a chain along
 * {@link Block#next}, and {@link Block#nextRun} leads from the first block of a run to that of the next one: adding a
 * block allocates nothing, so it cannot fail. There are about as many runs as command buffers in flight. Not
 * thread-safe.
 */
@SuppressWarnings("ReferenceEquality") // uses are compared by identity
final class BlocksInFlight {
    /** How much larger than a request a block may be, as a factor. */
    private static final int MAX_SURPLUS = 2;

    /** The first block of the run that began first. */
    private @Nullable Block firstRun;

    private static GpuUse useOf(Block block) {
        GpuUse use = block.lastUse();
        if (use == null) {
            throw new AssertionError("a block of " + block.capacity() + " bytes is in flight without a use");
        }
        return use;
    }

    boolean isEmpty() {
        return firstRun == null;
    }

    /** Adds a block that is in no list. */
    void add(Block block) {
        Block last = null;
        for (Block run = firstRun; run != null; run = run.nextRun) {
            if (useOf(run) == useOf(block)) {
                block.next = run.next;
                run.next = block;
                return;
            }
            last = run;
        }
        block.isRunWatched = false;
        if (last == null) {
            firstRun = block;
        } else {
            last.nextRun = block;
        }
    }

    /** Takes the blocks that wait for a use, as a chain; null if none does. */
    @Nullable
    Block take(MlxFence use) {
        Block previous = null;
        for (Block run = firstRun; run != null; run = run.nextRun) {
            if (useOf(run) == use) {
                replace(previous, run, run.nextRun);
                return run;
            }
            previous = run;
        }
        return null;
    }

    /** Puts {@code next} into the place of a run in the list of runs. */
    private void replace(@Nullable Block previous, Block run, @Nullable Block next) {
        run.nextRun = null;
        if (previous == null) {
            firstRun = next;
        } else {
            previous.nextRun = next;
        }
    }

    /**
     * Takes the block with the least fitting capacity among those whose use comes before {@code later} on its queue.
     *
     * @param own whether blocks serve that {@code later} itself used
     */
    @Nullable
    Block takeInOrder(long byteLength, GpuUse later, boolean own) {
        Block before = null;
        Block best = null;
        Block bestRun = null;
        Block beforeRun = null;
        Block previousRun = null;
        for (Block run = firstRun; run != null; run = run.nextRun) {
            GpuUse use = useOf(run);
            if (use == later ? own : use.isBefore(later)) {
                Block previous = null;
                for (Block block = run; block != null; block = block.next) {
                    if (fits(block, byteLength) && (best == null || block.capacity() < best.capacity())) {
                        best = block;
                        before = previous;
                        bestRun = run;
                        beforeRun = previousRun;
                    }
                    previous = block;
                }
            }
            previousRun = run;
        }
        if (best != null && bestRun != null) {
            remove(best, before, bestRun, beforeRun);
        }
        return best;
    }

    private static boolean fits(Block block, long byteLength) {
        return !block.labelled
                && block.capacity() >= byteLength
                && block.capacity() / MAX_SURPLUS <= Math.max(byteLength, 1);
    }

    private void remove(Block block, @Nullable Block before, Block run, @Nullable Block beforeRun) {
        if (before != null) {
            before.next = block.next;
        } else {
            Block following = run.next;
            if (following != null) {
                following.isRunWatched = run.isRunWatched;
                following.nextRun = run.nextRun;
            }
            replace(beforeRun, run, following != null ? following : run.nextRun);
        }
        block.next = null;
    }

    /** Adds the uses that blocks wait for. */
    void addUsesTo(List<MlxFence> uses) {
        for (Block run = firstRun; run != null; run = run.nextRun) {
            uses.add(useOf(run));
        }
    }

    /** Whether a use completes without a call of the program. */
    boolean completeByThemselves() {
        for (Block run = firstRun; run != null; run = run.nextRun) {
            if (!useOf(run).waitsForProgram()) {
                return true;
            }
        }
        return false;
    }

    /** The oldest use that no thread watches and no call of the program holds back, marked as watched; null if none. */
    @Nullable
    MlxFence watchOldest() {
        for (Block run = firstRun; run != null; run = run.nextRun) {
            if (!run.isRunWatched && !useOf(run).waitsForProgram()) {
                run.isRunWatched = true;
                return useOf(run);
            }
        }
        return null;
    }

    /** The thread that watched a use does not wait for it. */
    void unwatch(MlxFence use) {
        for (Block run = firstRun; run != null; run = run.nextRun) {
            if (useOf(run) == use) {
                run.isRunWatched = false;
            }
        }
    }
}
