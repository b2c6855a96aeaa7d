package dev.mlxnative.bench.soak;

import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.bench.replay.Trace;
import java.util.SplittableRandom;
import java.util.function.BooleanSupplier;

/**
 * A thread with its own pool. It resets the pool after each step, which ends all leases that the step has not released.
 */
final class ResettingThread extends TraceThread {

    /** The number of requests in a step. */
    private static final int REQUESTS_OF_STEP = 700;

    private final Gpu gpu;
    private final SplittableRandom random;
    private int requests;

    ResettingThread(
            int number,
            Trace trace,
            MlxBufferPool pool,
            boolean checked,
            Gpu gpu,
            SplittableRandom random,
            Errors errors,
            BooleanSupplier stop) {
        super(number, trace, pool, checked, errors, stop);
        this.gpu = gpu;
        this.random = random;
    }

    @Override
    protected MlxBuffer allocate(int slot, long size) {
        if (requests++ == REQUESTS_OF_STEP) {
            endAll();
        }
        return allocate(pool, size);
    }

    @Override
    protected void end(int slot, MlxBuffer buffer) {
        buffer.close();
    }

    @Override
    protected void endAll() {
        requests = 0;
        boolean fenced = random.nextBoolean() && !gpu.isBusy();
        ParkedLeases parked = Gpu.unorderedLeases();
        for (int slot = 0; slot < live.length; slot++) {
            MlxBuffer buffer = live[slot];
            if (removeIfLive(slot) && buffer != null && !checked) {
                parked.add(buffer.segment(), stamps[slot]);
            }
        }
        if (fenced) {
            pool.reset(parked.fence());
            gpu.submit(parked);
        } else {
            pool.reset();
        }
        tally.resets++;
    }
}
