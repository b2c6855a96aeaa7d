package dev.mlxnative;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/** A fence that a test completes, or makes fail. */
final class TestFence implements MlxFence {
    private final CountDownLatch reached = new CountDownLatch(1);
    private final AtomicInteger awaited = new AtomicInteger();
    private final AtomicInteger awaiting = new AtomicInteger();
    volatile boolean failing;

    static final class Failure extends RuntimeException {}

    void complete() {
        reached.countDown();
    }

    /** How often a thread has begun to wait for the fence. */
    int awaited() {
        return awaited.get();
    }

    /** How many threads wait for the fence. */
    int awaiting() {
        return awaiting.get();
    }

    @Override
    public boolean isComplete() {
        throwIfFailing();
        return reached.getCount() == 0;
    }

    @Override
    public void await() throws InterruptedException {
        awaited.incrementAndGet();
        throwIfFailing();
        awaiting.incrementAndGet();
        try {
            reached.await();
        } finally {
            awaiting.decrementAndGet();
        }
    }

    private void throwIfFailing() {
        if (failing) {
            throw new Failure();
        }
    }
}
