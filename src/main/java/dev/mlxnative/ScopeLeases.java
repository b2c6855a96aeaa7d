package dev.mlxnative;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;

/**
 * What a scope has handed out. Knows neither the scope nor its arena, so that it can be ended when they are garbage.
 * Not thread-safe, but for what the leak detector asks.
 */
final class ScopeLeases implements LeakDetector.Leases {
    private final PoolMemory pool;
    private final ScopeEnd end = new ScopeEnd();
    /** Each once: memory whose lease ends early stays parked until the scope ends, and cannot come again. */
    private final ArrayList<NativeBuffer> memories = new ArrayList<>();

    private volatile int count;

    ScopeLeases(PoolMemory pool) {
        this.pool = pool;
    }

    /** Makes sure that {@link #add} cannot fail. */
    void makeRoom() {
        memories.ensureCapacity(memories.size() + 1);
    }

    /** Memory whose lease has just begun. */
    void add(NativeBuffer memory) {
        memories.add(memory);
        count = memories.size();
    }

    int count() {
        return count;
    }

    /** What memory waits for whose lease ends before the scope does. */
    MlxFence endedWith(@Nullable MlxFence fence) {
        return fence == null ? end : new Both(end, fence);
    }

    /**
     * Ends the leases, each of which a native call can be using: those that end here wait for the scope like any other.
     *
     * @throws IllegalStateException if one is used; it and those after it have not ended
     */
    void endOneByOne() {
        for (NativeBuffer memory : memories) {
            if (lease(memory).tryEnd()) {
                pool.retireAll(List.of(memory), end);
            }
        }
    }

    /** Ends the scope: its arena is closed, or nobody can reach it. */
    @Override
    public List<NativeBuffer> end() {
        List<NativeBuffer> ended = new ArrayList<>(memories.size());
        for (NativeBuffer memory : memories) {
            if (tryEnd(memory)) {
                ended.add(memory);
            }
        }
        end.reached.countDown();
        pool.settle(end);
        return ended;
    }

    private static boolean tryEnd(NativeBuffer memory) {
        try {
            return lease(memory).tryEnd();
        } catch (WrongThreadException | IllegalStateException e) {
            // A lease of a checked scope whose own arena is confined to a thread, or used by a native call: its
            // segments
            // can outlive the scope's, so the memory has to stay.
            return false;
        }
    }

    private static IssuedLease lease(NativeBuffer memory) {
        return new IssuedLease(memory, memory.currentLease(), memory.leaseArena, memory.requestedBytes);
    }

    @Override
    public boolean areOut() {
        return count > 0 && !end.isComplete();
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
