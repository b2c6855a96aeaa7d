package dev.mlxnative;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * GPU work that memory waits for, time after time: what is released with its fence has to keep its contents until the
 * work has landed. Some fences are an event's, some a class's of their own, and those fail now and then.
 */
final class Flight {
    static final class Failure extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    private static final class OwnFence implements MlxFence {
        private final CountDownLatch landed = new CountDownLatch(1);
        private volatile boolean failing;

        @Override
        public boolean isComplete() {
            if (failing) {
                throw new Failure();
            }
            return landed.getCount() == 0;
        }

        @Override
        public void await() throws InterruptedException {
            if (failing) {
                throw new Failure();
            }
            landed.await();
        }
    }

    private final MlxDevice device;
    /** No thread may land what another is about to add to. */
    private final ReentrantLock lock = new ReentrantLock();
    /* Guarded by the lock. */
    private final List<MarkedLease> waiting = new ArrayList<>();
    private @Nullable MlxSharedEvent event;
    private long value;
    private OwnFence own = new OwnFence();
    private MlxFence fence = own;

    Flight(MlxDevice device) {
        this.device = device;
    }

    /**
     * Releases a lease with the fence; false if the fence failed.
     *
     * @throws IllegalStateException if the lease has ended before
     */
    boolean release(MlxBufferPool pool, MarkedLease lease) {
        lock.lock();
        try {
            lease.requireIntact();
            pool.release(lease.buffer, fence);
            waiting.add(lease);
            return true;
        } catch (Failure e) {
            return false;
        } finally {
            lock.unlock();
        }
    }

    /** Parks everything with the fence; false if the fence failed. */
    boolean reset(MlxBufferPool pool) {
        lock.lock();
        try {
            pool.reset(fence);
            return true;
        } catch (Failure e) {
            return false;
        } finally {
            lock.unlock();
        }
    }

    /** From here on, or until it lands, a fence of the test's own fails. */
    void fail(boolean failing) {
        lock.lock();
        try {
            own.failing = failing;
        } finally {
            lock.unlock();
        }
    }

    /** The work is done, and the next begins: with an event of its own or not. */
    void land(boolean withEvent, boolean newEvent) {
        lock.lock();
        try {
            waiting.forEach(MarkedLease::requireUntouched);
            waiting.clear();
            own.failing = false;
            own.landed.countDown();
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

    /** Waits for memory that other threads will let land, or that has. */
    MlxFence fence() {
        lock.lock();
        try {
            return fence;
        } finally {
            lock.unlock();
        }
    }

    List<MarkedLease> waiting() {
        lock.lock();
        try {
            return List.copyOf(waiting);
        } finally {
            lock.unlock();
        }
    }
}
