package dev.mlxnative.internal.pool;

import dev.mlxnative.MlxFence;
import dev.mlxnative.internal.device.ProgramBound;
import dev.mlxnative.internal.device.RetainedFence;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * The leases of a scope. Knows neither the scope nor its arena, so that it can end the leases when both are
 * unreachable. Until it ends, the scope's lock guards it; the leak detector may call it at any time.
 */
public final class ScopeLeases implements LeakDetector.Leases {
    private final Retirement retirement;
    private final FenceReaper reaper;
    private final ScopeEnd end = new ScopeEnd();
    private final AtomicBoolean ended = new AtomicBoolean();
    /** With a capacity: a list of the default one grows with the first element, whatever was ensured. */
    private final ArrayList<Block> blocks = new ArrayList<>(10);
    /** Made before the scope is closed, because its end must not fail. */
    private final BlockList retiring = new BlockList();
    /** Not volatile: another thread may read an earlier value. */
    private int count;
    /** The blocks of a dropped scope that native calls use, so that their leases have not ended. */
    private volatile List<Block> inUse = List.of();
    /** The fence of the last early release: memory that is released with the same fence waits for one object. */
    private @Nullable Both last;

    ScopeLeases(Retirement retirement, FenceReaper reaper) {
        this.retirement = retirement;
        this.reaper = reaper;
    }

    /** Grows the list so that the next {@link #add} allocates nothing. */
    public void reserveRoom() {
        blocks.ensureCapacity(blocks.size() + 1);
    }

    /** Adds a lease that has just begun. */
    public void add(Block block) {
        blocks.add(block);
        count = blocks.size();
    }

    /** Leases that have begun in the scope so far. */
    public int count() {
        return count;
    }

    /** The fence that memory waits for if its lease ends before the scope does. */
    @SuppressWarnings("ReferenceEquality") // fences are compared by identity
    public MlxFence endedWith(@Nullable MlxFence fence) {
        if (fence == null) {
            return end;
        }
        Both both = last;
        if (both == null || both.fence != fence) {
            both = new Both(end, fence);
            last = both;
        }
        return both;
    }

    /**
     * Ends the leases one at a time, because a native call may use each. Their memory waits for the end of the scope.
     *
     * @throws IllegalStateException if one is in use; it and those after it have not ended
     */
    public void endOneByOne() {
        retirement.endOneByOne(blocks, end);
    }

    /** Ends the scope, whose arena is closed. Only the first call of this or {@link #end} ends its leases. */
    public void endAll() {
        try {
            if (ended.compareAndSet(false, true)) {
                retirement.endAll(blocks, retiring);
            }
        } finally {
            complete();
        }
    }

    /**
     * Ends the leases of a scope that is unreachable or closed. Of a scope that is closed, only the first call does
     * anything. Leases that native calls use are ended by a later call.
     *
     * @throws IllegalStateException if native calls use all those that have not ended
     */
    @Override
    public @Nullable Block end() {
        if (ended.compareAndSet(false, true)) {
            inUse = blocks;
        }
        BlockList endedBlocks = new BlockList();
        List<Block> left = new ArrayList<>(inUse.size());
        Throwable failure = null;
        for (Block block : inUse) {
            if (!Block.isLease(block.generation())) {
                continue; // It ended early: its memory can have another holder by the time of a later call.
            }
            try {
                if (tryEnd(block)) {
                    endedBlocks.add(block);
                }
            } catch (IllegalStateException | VirtualMachineError e) {
                left.add(block);
                failure = e;
            }
        }
        inUse = left;
        if (failure != null && endedBlocks.isEmpty()) {
            throw new IllegalStateException(left.size() + " buffer(s) of a scope cannot be released yet", failure);
        }
        return endedBlocks.takeAll();
    }

    private static boolean tryEnd(Block block) {
        try {
            return LeaseRef.current(block).tryEnd();
        } catch (WrongThreadException e) {
            // The lease of a confined scope of a checked pool has a confined arena, whose segments can outlive those of
            // the scope. The memory stays leased, because only the thread of the scope can close the arena.
            return false;
        }
    }

    /** Frees the memory of leases that ended early, once the others have ended. */
    @Override
    public void complete() {
        end.reached.countDown();
        try {
            reaper.free(end);
        } finally {
            reaper.reap();
        }
    }

    @Override
    public boolean areActive() {
        return ended.get() ? !inUse.isEmpty() : count > 0;
    }

    @Override
    public boolean endWithReset() {
        return false;
    }

    @Override
    public String toString() {
        return "a scope with " + count + " buffer(s)";
    }

    /** Complete when the scope has ended. */
    private static final class ScopeEnd implements ProgramBound {
        private final CountDownLatch reached = new CountDownLatch(1);

        @Override
        public boolean isComplete() {
            return reached.getCount() == 0;
        }

        @Override
        public boolean waitsForProgram() {
            return !isComplete();
        }

        @Override
        public void await() throws InterruptedException {
            reached.await();
        }
    }

    /** Complete when the scope has ended and a fence of the caller is complete. */
    private record Both(ScopeEnd scope, MlxFence fence) implements ProgramBound, RetainedFence {
        @Override
        public boolean isComplete() {
            return scope.isComplete() && fence.isComplete();
        }

        @Override
        public boolean waitsForProgram() {
            return scope.waitsForProgram() || ProgramBound.waitsForProgram(fence);
        }

        @Override
        public void await() throws InterruptedException {
            scope.await();
            fence.await();
        }

        @Override
        public void retain() {
            RetainedFence.retain(fence);
        }

        @Override
        public void release() {
            RetainedFence.release(fence);
        }
    }
}
