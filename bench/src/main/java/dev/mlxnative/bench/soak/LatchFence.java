package dev.mlxnative.bench.soak;

import dev.mlxnative.MlxFence;
import java.util.concurrent.CountDownLatch;

/** A fence in no order with any other, unlike those of one event. */
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
