package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.device.RetainedFence;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** A fence that a test completes, and that counts what a pool does with it. Thread-safe. */
final class FakeFence implements RetainedFence {
    /** The failure of a fence that was told to fail. */
    static final class Failure extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    private final CountDownLatch reached = new CountDownLatch(1);
    private final AtomicInteger retains = new AtomicInteger();
    private final AtomicInteger waiting = new AtomicInteger();
    private final AtomicInteger questions = new AtomicInteger();

    private volatile @Nullable Thread lastWaiter;

    /** Whether {@link #isComplete} and {@link #await} throw. */
    volatile boolean failing;

    /** Whether {@link #await} alone throws. */
    volatile boolean failingToAwait;

    void complete() {
        reached.countDown();
    }

    /** Retains that no release has ended. */
    int retains() {
        return retains.get();
    }

    /** Threads that wait for the fence. */
    int waiting() {
        return waiting.get();
    }

    /** Calls of {@link #isComplete}. */
    int questions() {
        return questions.get();
    }

    @Override
    public boolean isComplete() {
        questions.incrementAndGet();
        failIfTold();
        return reached.getCount() == 0;
    }

    /** The thread that began to wait for the fence last. */
    Thread lastWaiter() {
        Thread waiter = lastWaiter;
        if (waiter == null) {
            throw new AssertionError("no thread has waited for the fence");
        }
        return waiter;
    }

    @Override
    public void await() throws InterruptedException {
        failIfTold();
        if (failingToAwait) {
            throw new Failure();
        }
        lastWaiter = Thread.currentThread();
        waiting.incrementAndGet();
        try {
            reached.await();
        } finally {
            waiting.decrementAndGet();
        }
    }

    private void failIfTold() {
        if (failing) {
            throw new Failure();
        }
    }

    @Override
    public void retain() {
        retains.incrementAndGet();
    }

    @Override
    public void release() {
        retains.decrementAndGet();
    }
}
