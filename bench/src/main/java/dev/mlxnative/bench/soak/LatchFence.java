package dev.mlxnative.bench.soak;

import dev.mlxnative.MlxFence;
import java.util.concurrent.CountDownLatch;

/** A fence that completes independently of all others, unlike the fences of one event. */
final class LatchFence implements MlxFence {

    private final CountDownLatch reached = new CountDownLatch(1);

    void complete() {
        reached.countDown();
    }

    @Override
    public boolean isComplete() {
        return reached.getCount() == 0;
    }

    @Override
    public void await() throws InterruptedException {
        reached.await();
    }
}
