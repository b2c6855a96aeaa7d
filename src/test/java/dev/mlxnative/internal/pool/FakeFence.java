package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.device.RetainedFence;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

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

    /** Whether {@link #isComplete} and {@link #await} throw. */
    volatile boolean failing;

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

    @Override
    public void await() throws InterruptedException {
        failIfTold();
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
