package dev.mlxnative;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * What a scope has handed out. Knows neither the scope nor its arena, so that it can be ended when they are garbage.
 * Not thread-safe, but for what the leak detector asks.
 */
final class ScopeLeases implements LeakDetector.Leases {
    private final PoolMemory pool;
    private final ScopeEnd end = new ScopeEnd();
    private final AtomicBoolean ended = new AtomicBoolean();
    private final ArrayList<Block> leases = new ArrayList<>();
    /** Not volatile: who asks from another thread may hear of an earlier moment. */
    private int count;
    /** The fence of the last early release: what is released with one fence waits for one object. */
    private @Nullable Both last;

    ScopeLeases(PoolMemory pool) {
        this.pool = pool;
    }

    /** Makes sure that {@link #add} cannot fail. */
    void makeRoom() {
        leases.ensureCapacity(leases.size() + 1);
    }

    /** A lease that has just begun. */
    void add(Block block) {
        leases.add(block);
        count = leases.size();
    }

    int count() {
        return count;
    }

    /** What memory waits for whose lease ends before the scope does. */
    @SuppressWarnings("ReferenceEquality") // a fence is only itself, whatever its class makes of equals
    MlxFence endedWith(@Nullable MlxFence fence) {
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
     * Ends the leases, each of which a native call can be using: those that end here wait for the scope like any other.
     *
     * @throws IllegalStateException if one is used; it and those after it have not ended
     */
    void endOneByOne() {
        for (Block block : leases) {
            if (tryEnd(block)) {
                pool.retireAll(List.of(block), end);
            }
        }
    }

    /** The lease of a block, which has no other before the scope has ended. */
    private static boolean tryEnd(Block block) {
        return new IssuedLease(block, block.currentLease(), block.leaseArena, block.requestedBytes).tryEnd();
    }

    /**
     * Ends the scope, whose arena is closed and was the only one. Only the first call of this or {@link #end} does
     * anything.
     */
    void endAll() {
        if (ended.compareAndSet(false, true)) {
            pool.endAll(leases);
        }
    }

    /** Ends the scope, whose arena is closed, or out of everybody's reach. Only the first call does anything. */
    @Override
    public List<Block> end() {
        if (!ended.compareAndSet(false, true)) {
            return List.of();
        }
        List<Block> blocks = new ArrayList<>(leases.size());
        for (Block block : leases) {
            if (tryEndIfUnused(block)) {
                blocks.add(block);
            }
        }
        return blocks;
    }

    private static boolean tryEndIfUnused(Block block) {
        try {
            return tryEnd(block);
        } catch (WrongThreadException | IllegalStateException e) {
            // A lease of a checked scope whose own arena is confined to a thread, or used by a native call: its
            // segments can outlive the scope's, so the memory has to stay.
            return false;
        }
    }

    /** Lets what was released early go, once {@link #end} and everything else is done. */
    @Override
    public void settle() {
        end.reached.countDown();
        pool.settle(end);
        pool.reap();
    }

    @Override
    public boolean areOut() {
        return count > 0 && !ended.get();
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
    private static final class ScopeEnd implements ScopeBound {
        private final CountDownLatch reached = new CountDownLatch(1);

        @Override
        public boolean isComplete() {
            return reached.getCount() == 0;
        }

        @Override
        public boolean isScopeEnded() {
            return isComplete();
        }

        @Override
        public void await() throws InterruptedException {
            reached.await();
        }
    }

    /** Complete when both are. */
    private record Both(ScopeEnd scope, MlxFence fence) implements ScopeBound, RetainedFence {
        @Override
        public boolean isComplete() {
            return scope.isComplete() && fence.isComplete();
        }

        @Override
        public boolean isScopeEnded() {
            return scope.isComplete();
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
