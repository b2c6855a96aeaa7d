package dev.mlxnative.bench.soak;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxScope;
import dev.mlxnative.bench.replay.Trace;
import java.util.SplittableRandom;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A thread that shares its pool with others. A lease ends by a release, by a release with a fence, or with its scope.
 */
final class SharingThread extends TraceThread {

    /** One release in this many has a fence. */
    private static final int FENCED = 64;

    /** The number of leases that have the same fence. */
    private static final int LEASES_OF_FENCE = 8;

    /** One request in this many opens a scope. */
    private static final int SCOPED = 4096;

    /** The number of requests that a scope serves. */
    private static final int REQUESTS_OF_SCOPE = 48;

    /**
     * One scope in this many is for any thread; the others are confined.
     *
     * <p>The close of a scope for any thread stops all threads of the JVM, so it must be rare.
     */
    private static final int SHARED_SCOPES = 16;

    private final Gpu gpu;
    private final Gpu.CommandQueue queue;
    private final VirtualThreadGate gate;
    private final SplittableRandom random;

    private @Nullable ParkedLeases parked;
    private boolean inOrder;

    private @Nullable MlxScope scope;
    private int requestsOfScope;
    private final boolean[] scoped;
    /** Leases of the scope that ended before it. The pool must not lease their memory again until the scope closes. */
    private final EndedLeases endedEarly = new EndedLeases(REQUESTS_OF_SCOPE);

    SharingThread(
            int number,
            Trace trace,
            MlxBufferPool pool,
            boolean checked,
            Gpu gpu,
            Gpu.CommandQueue queue,
            VirtualThreadGate gate,
            SplittableRandom random,
            Errors errors,
            BooleanSupplier stop) {
        super(number, trace, pool, checked, errors, stop);
        this.gpu = gpu;
        this.queue = queue;
        this.gate = gate;
        this.random = random;
        this.scoped = new boolean[trace.peakLiveCount()];
    }

    @Override
    protected MlxBuffer allocate(int slot, long size) {
        gate.pass();
        if (scope == null && random.nextInt(SCOPED) == 0) {
            scope = random.nextInt(SHARED_SCOPES) == 0 ? pool.scope() : pool.confinedScope();
            requestsOfScope = 0;
            tally.scopes++;
        }
        if (scope != null && requestsOfScope++ >= REQUESTS_OF_SCOPE) {
            closeScope();
        }
        MlxBuffer buffer = scope == null ? allocate(pool, size) : scope.alloc(size, DType.U8, size);
        scoped[slot] = scope != null;
        return buffer;
    }

    @Override
    protected void end(int slot, MlxBuffer buffer) {
        if (scoped[slot]) {
            endEarly(slot, buffer);
        } else if (random.nextInt(FENCED) == 0 && !gpu.isBusy()) {
            park(slot, buffer);
        } else {
            pool.release(buffer);
        }
    }

    private void endEarly(int slot, MlxBuffer buffer) {
        endedEarly.add(buffer, stampAfterEnd(slot));
        try {
            buffer.close();
        } finally {
            if (!buffer.isReleased()) {
                endedEarly.removeLast();
            }
        }
    }

    private void park(int slot, MlxBuffer buffer) {
        ParkedLeases group = parked;
        if (group == null) {
            inOrder = random.nextBoolean();
            group = inOrder ? queue.leases(LEASES_OF_FENCE) : Gpu.unorderedLeases(LEASES_OF_FENCE);
            parked = group;
        }
        group.leases().add(buffer, stampAfterEnd(slot));
        try {
            pool.release(buffer, group.fence());
        } finally {
            if (!buffer.isReleased()) {
                group.leases().removeLast();
            } else if (group.leases().isFull()) {
                submit();
            }
        }
        tally.fenced++;
    }

    private void submit() {
        if (parked != null) {
            if (inOrder) {
                queue.submit(parked);
            } else {
                gpu.submit(parked);
            }
            parked = null;
        }
    }

    private void closeScope() {
        if (scope == null) {
            return;
        }
        for (int slot = 0; slot < scoped.length; slot++) {
            MlxBuffer buffer = live[slot];
            if (scoped[slot] && buffer != null) {
                check(slot, buffer);
                remove(slot);
            }
            scoped[slot] = false;
        }
        tally.overlaps += endedEarly.overlaps();
        endedEarly.clear();
        scope.close();
        scope = null;
    }

    @Override
    protected void endAll() {
        closeScope();
        for (int slot = 0; slot < live.length; slot++) {
            endIfLive(slot);
        }
        submit();
    }
}
