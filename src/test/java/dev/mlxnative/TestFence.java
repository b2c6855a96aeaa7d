package dev.mlxnative;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/** A fence of a caller's own. */
final class TestFence implements MlxFence {
    private final CountDownLatch reached = new CountDownLatch(1);
    private final AtomicInteger awaited = new AtomicInteger();
    private final AtomicInteger awaiting = new AtomicInteger();
    volatile boolean failing;

    static final class Failure extends RuntimeException {}

    void complete() {
        reached.countDown();
    }

    /** How often somebody has waited for it. */
    int awaited() {
        return awaited.get();
    }

    /** How many threads are waiting for it. */
    int awaiting() {
        return awaiting.get();
    }

    @Override
    public boolean isComplete() {
        failIfTold();
        return reached.getCount() == 0;
    }

    @Override
    public void await() throws InterruptedException {
        awaited.incrementAndGet();
        failIfTold();
        awaiting.incrementAndGet();
        try {
            reached.await();
        } finally {
            awaiting.decrementAndGet();
        }
    }

    private void failIfTold() {
        if (failing) {
            throw new Failure();
        }
    }
}
