package dev.mlxnative.bench.soak;

import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxFence;
import dev.mlxnative.bench.replay.Stamp;
import dev.mlxnative.bench.replay.Trace;
import java.util.SplittableRandom;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A thread with its own pool. It resets the pool after each step, which ends all leases that the step has not released.
 */
final class ResettingThread extends TraceThread {

    /** The number of requests in a step. */
    private static final int REQUESTS_OF_STEP = 700;

    private final Gpu gpu;
    private final CommandGroup commands;
    private final SplittableRandom random;
    private int requests;

    ResettingThread(
            int number,
            Trace trace,
            MlxBufferPool pool,
            boolean checked,
            Gpu gpu,
            StampQueue queue,
            SplittableRandom random,
            Errors errors,
            BooleanSupplier stop) {
        super(number, trace, pool, checked, errors, stop);
        this.gpu = gpu;
        this.random = random;
        this.commands = new CommandGroup(queue, gpu.queues(), REQUESTS_OF_STEP, tally, random.split());
    }

    @Override
    protected MlxBuffer allocate(int slot, long size) {
        if (requests++ >= REQUESTS_OF_STEP) {
            endAll();
        }
        return allocate(pool, size);
    }

    @Override
    protected void end(int slot, MlxBuffer buffer) {
        buffer.close();
    }

    /** The reset comes before or after the commit of the command buffer that uses the leases. */
    @Override
    protected void endAll() {
        boolean fenced = random.nextBoolean() && !gpu.isBusy();
        boolean inFlight = random.nextBoolean() && commands.accepts();
        ParkedLeases parked = Gpu.unorderedLeases(live.length);
        for (int slot = 0; slot < live.length; slot++) {
            MlxBuffer buffer = live[slot];
            if (buffer != null) {
                check(slot, buffer);
                Stamp stamp = stamps[slot];
                if (inFlight && stamp != null) {
                    commands.check(buffer, stamp);
                    tally.inFlightReleases++;
                }
                parked.leases().add(buffer, stampAfterEnd(slot));
            }
        }
        if (random.nextBoolean()) {
            commands.submit();
        }
        reset(fenced ? parked.fence() : null);
        for (int slot = 0; slot < live.length; slot++) {
            if (live[slot] != null) {
                remove(slot);
            }
        }
        if (fenced) {
            gpu.submit(parked);
        }
        commands.submit();
        requests = 0;
        tally.resets++;
    }

    /** Resets the pool. A reset that met an error is repeated with the same fence, because it may have ended leases. */
    private void reset(@Nullable MlxFence fence) {
        boolean done = false;
        while (!done) {
            try {
                if (fence == null) {
                    pool.reset();
                } else {
                    pool.reset(fence);
                }
                done = true;
            } catch (OutOfMemoryError e) {
                tally.heapErrors++;
            }
        }
    }
}
