package dev.mlxnative;

import java.util.concurrent.CountDownLatch;

/** A fence of a caller's own. */
final class TestFence implements MlxFence {
    private final CountDownLatch reached = new CountDownLatch(1);
    volatile boolean failing;

    static final class Failure extends RuntimeException {}

    void complete() {
        reached.countDown();
    }

    @Override
    public boolean isComplete() {
        if (failing) {
            throw new Failure();
        }
        return reached.getCount() == 0;
    }

    @Override
    public void await() throws InterruptedException {
        reached.await();
    }
}
