package dev.mlxnative.bench.soak;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxScope;
import dev.mlxnative.bench.replay.Stamp;
import dev.mlxnative.bench.replay.Trace;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
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
    private final SplittableRandom random;

    private @Nullable ParkedLeases parked;
    private boolean inOrder;

    private @Nullable MlxScope scope;
    private int requestsOfScope;
    private final boolean[] scoped;
    /** Leases of the scope that ended before it. The pool must not lease their memory again until the scope closes. */
    private final List<MemorySegment> endedEarly = new ArrayList<>();

    private final List<Stamp> stampsOfEnded = new ArrayList<>();

    SharingThread(
            int number,
            Trace trace,
            MlxBufferPool pool,
            boolean checked,
            Gpu gpu,
            Gpu.CommandQueue queue,
            SplittableRandom random,
            Errors errors,
            BooleanSupplier stop) {
        super(number, trace, pool, checked, errors, stop);
        this.gpu = gpu;
        this.queue = queue;
        this.random = random;
        this.scoped = new boolean[trace.peakLiveCount()];
    }

    @Override
    protected MlxBuffer allocate(int slot, long size) {
        if (scope == null && random.nextInt(SCOPED) == 0) {
            scope = random.nextInt(SHARED_SCOPES) == 0 ? pool.scope() : pool.confinedScope();
            requestsOfScope = 0;
            tally.scopes++;
        } else if (scope != null && requestsOfScope++ == REQUESTS_OF_SCOPE) {
            closeScope();
        }
        if (scope == null) {
            return allocate(pool, size);
        }
        MlxBuffer buffer = scope.alloc(size, DType.U8, size);
        scoped[slot] = true;
        return buffer;
    }

    @Override
    protected void end(int slot, MlxBuffer buffer) {
        if (scoped[slot]) {
            scoped[slot] = false;
            if (!checked) {
                endedEarly.add(buffer.segment());
                stampsOfEnded.add(stamps[slot]);
            }
            buffer.close();
        } else if (random.nextInt(FENCED) == 0 && !gpu.isBusy()) {
            park(slot, buffer);
        } else {
            pool.release(buffer);
        }
    }

    private void park(int slot, MlxBuffer buffer) {
        if (parked == null) {
            inOrder = random.nextBoolean();
            parked = inOrder ? queue.leases() : Gpu.unorderedLeases();
        }
        if (checked) {
            parked.add();
        } else {
            parked.add(buffer.segment(), stamps[slot]);
        }
        pool.release(buffer, parked.fence());
        tally.fenced++;
        if (parked.count() == LEASES_OF_FENCE) {
            submit();
        }
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
            if (scoped[slot]) {
                scoped[slot] = false;
                removeIfLive(slot);
            }
        }
        for (int i = 0; i < endedEarly.size(); i++) {
            if (!stampsOfEnded.get(i).hasIntactEnds(endedEarly.get(i))) {
                tally.overlaps++;
            }
        }
        endedEarly.clear();
        stampsOfEnded.clear();
        scope.close();
        scope = null;
    }

    @Override
    protected void endAll() {
        closeScope();
        for (int slot = 0; slot < live.length; slot++) {
            MlxBuffer buffer = live[slot];
            if (removeIfLive(slot) && buffer != null) {
                end(slot, buffer);
            }
        }
        submit();
    }
}
