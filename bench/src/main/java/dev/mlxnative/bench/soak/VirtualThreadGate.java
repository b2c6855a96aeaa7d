package dev.mlxnative.bench.soak;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;

/**
 * Holds the virtual threads while the heap is full.
 *
 * <p>The JDK may lose a virtual thread whose wake-up meets an {@link OutOfMemoryError}: no carrier runs it again, and
 * every thread that waits behind it for a lock waits for ever.
 */
final class VirtualThreadGate {

    private static final long STEP_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    private final int threads;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();

    @GuardedBy("lock")
    private int waiting;

    private volatile boolean closed;

    /** @param threads the number of virtual threads that pass */
    VirtualThreadGate(int threads) {
        this.threads = threads;
    }

    /** Waits while the gate is closed. Called by threads of any kind; only virtual ones wait. */
    void pass() {
        if (closed && Thread.currentThread().isVirtual()) {
            lock.lock();
            try {
                waiting++;
                changed.signalAll();
                while (closed) {
                    changed.awaitUninterruptibly();
                }
                waiting--;
            } finally {
                lock.unlock();
            }
        }
    }

    /** Closes the gate, and waits until all virtual threads wait at it; false if it has to stop before. */
    boolean close(BooleanSupplier stop) throws InterruptedException {
        lock.lock();
        try {
            closed = true;
            while (waiting < threads && !stop.getAsBoolean()) {
                var unused = changed.await(STEP_NANOS, TimeUnit.NANOSECONDS);
            }
            return waiting == threads;
        } finally {
            lock.unlock();
        }
    }

    void open() {
        lock.lock();
        try {
            closed = false;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
