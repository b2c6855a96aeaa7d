package dev.mlxnative;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Simulated GPU work, one piece after another. Memory that is released with the fence of a piece must keep its contents
 * until the piece is complete. Some fences belong to an event. Others are of a class of the test, and may fail.
 */
final class GpuWork {
    static final class Failure extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    private static final class OwnFence implements MlxFence {
        private final CountDownLatch completed = new CountDownLatch(1);
        private volatile boolean failing;

        @Override
        public boolean isComplete() {
            if (failing) {
                throw new Failure();
            }
            return completed.getCount() == 0;
        }

        @Override
        public void await() throws InterruptedException {
            if (failing) {
                throw new Failure();
            }
            completed.await();
        }
    }

    private final MlxDevice device;
    /** Held while a thread completes the work, so that no other thread adds a lease to it meanwhile. */
    private final ReentrantLock lock = new ReentrantLock();
    /* Guarded by the lock. */
    private final List<MarkedLease> waiting = new ArrayList<>();
    private @Nullable MlxSharedEvent event;
    private long value;
    private OwnFence own = new OwnFence();
    private MlxFence fence = own;

    GpuWork(MlxDevice device) {
        this.device = device;
    }

    /**
     * Releases a lease with the fence; false if the fence failed.
     *
     * @throws IllegalStateException if the lease has ended before
     */
    boolean release(MlxBufferPool pool, MarkedLease lease) {
        return succeeds(() -> {
            lease.requireIntact();
            pool.release(lease.buffer, fence);
            waiting.add(lease);
        });
    }

    /** Resets the pool with the fence; false if the fence failed. */
    boolean reset(MlxBufferPool pool) {
        return succeeds(() -> pool.reset(fence));
    }

    private boolean succeeds(Runnable callWithFence) {
        lock.lock();
        try {
            callWithFence.run();
            return true;
        } catch (Failure e) {
            return false;
        } finally {
            lock.unlock();
        }
    }

    /** Sets whether a fence of the test's class fails, until the work is complete. */
    void fail(boolean failing) {
        lock.lock();
        try {
            own.failing = failing;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Completes the work, and begins the next piece.
     *
     * @param withEvent whether the next fence belongs to an event
     * @param newEvent whether that event is a new one
     */
    void complete(boolean withEvent, boolean newEvent) {
        lock.lock();
        try {
            waiting.forEach(MarkedLease::requireUntouched);
            waiting.clear();
            own.failing = false;
            own.completed.countDown();
            if (event != null) {
                event.signal(value);
                if (!fence.isComplete() || event.signaledValue() != value) {
                    throw new AssertionError(event + " has not reached " + value);
                }
                if (newEvent || !withEvent) {
                    event.close();
                    event = null;
                }
            }
            begin(withEvent);
        } finally {
            lock.unlock();
        }
    }

    private void begin(boolean withEvent) {
        own = new OwnFence();
        fence = own;
        if (!withEvent) {
            return;
        }
        if (event == null) {
            try {
                event = device.newSharedEvent();
            } catch (BufferAllocationException fault) {
                return;
            }
            value = 0;
        }
        fence = event.at(++value);
    }

    /** The leases that were released with the fence of the work that is under way. */
    List<MarkedLease> waiting() {
        lock.lock();
        try {
            return List.copyOf(waiting);
        } finally {
            lock.unlock();
        }
    }
}
