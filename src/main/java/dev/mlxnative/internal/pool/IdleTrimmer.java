package dev.mlxnative.internal.pool;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Sweeps a pool from time to time, on the JDK's common pool: reaps fences, and frees memory that lay idle. */
final class IdleTrimmer {
    private final PoolState state;
    private final FenceReaper reaper;
    private final Reclaimer reclaimer;

    IdleTrimmer(PoolState state, FenceReaper reaper, Reclaimer reclaimer) {
        this.state = state;
        this.reaper = reaper;
        this.reclaimer = reclaimer;
    }

    /** Runs a sweep after its delay; it plans the next one. */
    void schedule(long ticket, long delayNanos) {
        CompletableFuture.delayedExecutor(delayNanos, TimeUnit.NANOSECONDS).execute(() -> run(ticket));
    }

    private void run(long ticket) {
        try {
            reaper.reap();
        } finally {
            state.sweep(ticket);
            reclaimer.run();
        }
    }
}
