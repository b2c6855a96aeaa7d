package dev.mlxnative.bench.soak;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxScope;
import dev.mlxnative.bench.replay.Stamp;
import dev.mlxnative.bench.replay.Trace;
import java.util.SplittableRandom;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A thread that shares its pool with others. A lease ends by a release, by a release with a fence, by a release while a
 * command buffer uses it, or with its scope.
 */
final class SharingThread extends TraceThread {

    /** One release in this many has a fence, and as many end a lease that a command buffer uses. */
    private static final int FENCED = 64;

    private static final int WITH_FENCE = 0;
    private static final int WITH_COMMANDS = 1;

    /** The number of leases that have the same fence or command buffer. */
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
    private final CommandGroup commands;
    private final VirtualThreadGate gate;
    private final SplittableRandom random;

    private @Nullable ParkedLeases parked;

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
            StampQueue queue,
            VirtualThreadGate gate,
            SplittableRandom random,
            Errors errors,
            BooleanSupplier stop) {
        super(number, trace, pool, checked, errors, stop);
        this.gpu = gpu;
        this.commands = new CommandGroup(queue, gpu.queues(), LEASES_OF_FENCE, tally, random.split());
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
            return;
        }
        int way = random.nextInt(FENCED);
        if (way == WITH_FENCE && !gpu.isBusy()) {
            park(slot, buffer);
        } else if (way == WITH_COMMANDS && checkOnGpu(slot, buffer)) {
            if (commands.holdsLeases()) {
                commands.hold(buffer);
            } else {
                pool.release(buffer);
                tally.inFlightReleases++;
            }
        } else {
            pool.release(buffer);
        }
    }

    /** Encodes a check of a lease, unless it has no stamp or too many command buffers are in flight. */
    private boolean checkOnGpu(int slot, MlxBuffer buffer) {
        if (commands.isFull()) {
            commands.submit();
        }
        Stamp stamp = stamps[slot];
        boolean checks = stamp != null && commands.accepts();
        if (checks) {
            commands.check(buffer, stamp);
        }
        return checks;
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
            group = Gpu.unorderedLeases(LEASES_OF_FENCE);
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
            gpu.submit(parked);
            parked = null;
        }
    }

    private void closeScope() {
        if (scope == null) {
            return;
        }
        boolean inFlight = random.nextBoolean();
        for (int slot = 0; slot < scoped.length; slot++) {
            MlxBuffer buffer = live[slot];
            if (scoped[slot] && buffer != null) {
                check(slot, buffer);
                if (inFlight && checkOnGpu(slot, buffer)) {
                    tally.inFlightReleases++;
                }
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
        commands.submit();
    }
}
