package dev.mlxnative.internal.pool;

import dev.mlxnative.MlxFence;
import dev.mlxnative.internal.background.DaemonThreads;
import dev.mlxnative.internal.background.Log;
import java.util.concurrent.atomic.AtomicInteger;

/** Frees parked memory when its fence is complete, and has threads wait for fences while a request needs them. */
final class FenceReaper {
    /** The most threads that wait for fences of one pool. A GPU completes its work in the order of a few queues. */
    private static final int MAX_WATCHERS = 8;

    private final PoolState state;
    private final Retirement retirement;
    private final AtomicInteger watchers = new AtomicInteger();

    FenceReaper(PoolState state, Retirement retirement) {
        this.state = state;
        this.retirement = retirement;
    }

    /** Frees the memory that is parked with complete fences; returns whether there was any. */
    boolean reap() {
        boolean reaped = false;
        if (!state.pending.isEmpty()) {
            for (MlxFence fence : state.pending.fences()) {
                if (isComplete(fence)) {
                    reaped |= free(fence);
                }
            }
        }
        return reaped;
    }

    /** Asks a fence. Its failure does not concern the caller: the memory that waits for it stays parked. */
    private boolean isComplete(MlxFence fence) {
        try {
            return fence.isComplete();
        } catch (VirtualMachineError e) {
            return false; // It says nothing about the fence, which is asked again.
        } catch (Throwable e) {
            report(fence, e);
            return false;
        }
    }

    private void report(MlxFence fence, Throwable failure) {
        if (state.pending.markReported(fence)) {
            Log.warn(
                    "a " + fence.getClass().getName() + " failed: the memory that is parked with it stays parked",
                    failure);
        }
    }

    /** Frees the memory that is parked with a complete fence; false if there is none, or another thread did. */
    boolean free(MlxFence completeFence) {
        Block first = state.pending.take(completeFence);
        if (first == null) {
            return false;
        }
        retirement.freeParked(first);
        return true;
    }

    /** Starts threads that wait for the oldest fences that no thread waits for, up to the limit of such threads. */
    void watchOldest() {
        while (addWatcher()) {
            MlxFence fence = state.pending.watchOldest();
            if (fence == null) {
                watchers.decrementAndGet();
                return;
            }
            boolean started = false;
            try {
                DaemonThreads.run("mlx-fence-wait", () -> watch(fence));
                started = true;
            } catch (OutOfMemoryError noThread) {
                // Requests and sweeps ask for the fence from time to time, so only promptness is lost.
                return;
            } finally {
                if (!started) {
                    state.pending.unwatch(fence);
                    watchers.decrementAndGet();
                }
            }
        }
    }

    private boolean addWatcher() {
        int count;
        do {
            count = watchers.get();
            if (count == MAX_WATCHERS) {
                return false;
            }
        } while (!watchers.compareAndSet(count, count + 1));
        return true;
    }

    /** Waits for one fence after another, as long as a request or a closed pool needs it. */
    private void watch(MlxFence first) {
        MlxFence fence = first;
        try {
            while (fence != null) {
                await(fence);
                reap();
                fence = isNeeded() ? state.pending.watchOldest() : null;
            }
        } catch (VirtualMachineError e) {
            // It says nothing about the fence. Requests and sweeps ask for it from time to time.
            state.pending.unwatch(fence);
            return;
        } finally {
            watchers.decrementAndGet();
        }
        if (isNeeded()) {
            // A fence may have been parked while all watchers were busy.
            watchOldest();
        }
    }

    private void await(MlxFence fence) {
        try {
            fence.await();
        } catch (VirtualMachineError e) {
            throw e;
        } catch (Throwable e) {
            report(fence, e);
        }
    }

    private boolean isNeeded() {
        return state.isClosed() || state.areRequestsWaiting();
    }
}
