package dev.mlxnative.bench.soak;

import dev.mlxnative.BufferAllocationException;
import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxCommandBuffer;
import dev.mlxnative.MlxException;
import dev.mlxnative.MlxScope;
import dev.mlxnative.bench.replay.Stamp;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A thread that recurses until its stack has no room, and calls the pool at each depth on the way.
 *
 * <p>What a call has left behind that met an error is in fields, and is ended by the next call that has room.
 */
final class RecursingThread implements Runnable {

    private static final long STACK_BYTES = 256 << 10;

    private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    /** More than the stack has room for. */
    private static final int DEEPEST = 1_000_000;

    /** Bytes of the largest request. */
    static final int LARGEST = 1 << 16;

    private static final int LEASES_OF_FENCE = 8;
    private static final int KINDS = 7;

    /** As for {@link SharingThread}: the close of a scope for any thread stops all threads. */
    private static final int SHARED_SCOPES = 64;

    private final MlxBufferPool pool;
    private final boolean checked;
    private final Gpu gpu;
    private final StampQueue queue;
    private final SplittableRandom random;
    private final Errors errors;
    private final BooleanSupplier stop;
    private final Tally tally = new Tally();
    private final long cacheLimit;
    private long number;
    private int calls;

    private @Nullable MlxBuffer lease;
    private @Nullable Stamp stamp;
    private @Nullable ParkedLeases parked;
    /** Whether the lease is the last one in {@link #parked}. */
    private boolean parking;

    private @Nullable MlxCommandBuffer commands;

    private @Nullable MlxScope scope;
    private int leasesOfScope;

    /** @param number the number of the thread, which makes its stamps differ from those of other threads */
    RecursingThread(
            int number,
            MlxBufferPool pool,
            boolean checked,
            Gpu gpu,
            StampQueue queue,
            SplittableRandom random,
            Errors errors,
            BooleanSupplier stop) {
        this.number = TraceThread.firstLease(number);
        this.pool = pool;
        this.checked = checked;
        this.gpu = gpu;
        this.queue = queue;
        this.random = random;
        this.errors = errors;
        this.stop = stop;
        this.cacheLimit = pool.limits().cacheLimit();
    }

    Thread thread() {
        return Thread.ofPlatform()
                .daemon()
                .name("soak-stack")
                .stackSize(STACK_BYTES)
                .unstarted(this);
    }

    Tally tally() {
        return tally;
    }

    @Override
    public void run() {
        try {
            while (!stop.getAsBoolean()) {
                useUpStack();
                submit();
                tally.publish();
                LockSupport.parkNanos(PAUSE_NANOS);
            }
        } catch (Throwable e) {
            errors.add(e);
        }
    }

    private void useUpStack() {
        try {
            descend(0);
        } catch (StackOverflowError | OutOfMemoryError e) {
            // No call of the pool: the descent ends here. The JVM cannot create the first error when the heap is full.
        }
        boolean settled = false;
        while (!settled) {
            try {
                settle();
                settled = true;
            } catch (OutOfMemoryError e) {
                tally.heapErrors++;
            }
        }
    }

    private void descend(int depth) {
        try {
            call();
        } catch (StackOverflowError e) {
            tally.stackOverflows++;
        } catch (OutOfMemoryError e) {
            tally.heapErrors++;
        }
        if (depth < DEEPEST) {
            descend(depth + 1);
        }
    }

    private void call() {
        settle();
        try {
            switch (calls++ % KINDS) {
                case 0 -> lease().close();
                case 1 -> pool.release(lease());
                case 2 -> park(lease());
                case 3 -> useScope();
                case 4 -> useCommands();
                case 5 -> pool.stats();
                default -> pool.trim(cacheLimit);
            }
        } catch (BufferAllocationException e) {
            tally.refused(e);
        } catch (MlxException e) {
            // A fault of the device met the commit.
        }
        settle();
    }

    private MlxBuffer lease() {
        stamp = null;
        long size = size();
        MlxBuffer leased = pool.alloc(size, DType.U8, size);
        lease = leased;
        tally.begun++;
        Stamp next = Stamp.ofLease(++number);
        next.writeEnds(leased.segment());
        stamp = next;
        return leased;
    }

    private long size() {
        return 1 + random.nextInt(LARGEST);
    }

    private void park(MlxBuffer leased) {
        ParkedLeases group = parked;
        if (group == null) {
            if (gpu.isBusy()) {
                return;
            }
            group = Gpu.unorderedLeases(LEASES_OF_FENCE);
            parked = group;
        }
        if (!group.leases().isFull()) {
            group.leases().add(leased, checked ? null : stamp);
            parking = true;
            pool.release(leased, group.fence());
            tally.fenced++;
        }
    }

    private void useScope() {
        MlxScope opened = random.nextInt(SHARED_SCOPES) == 0 ? pool.scope() : pool.confinedScope();
        scope = opened;
        tally.scopes++;
        for (int i = 0; i < 2; i++) {
            opened.alloc(size(), DType.U8);
            leasesOfScope++;
            tally.begun++;
        }
    }

    /** Ends a lease that a command buffer uses. */
    private void useCommands() {
        if (queue.isBusy()) {
            return;
        }
        MlxBuffer leased = lease();
        MlxCommandBuffer opened = queue.newCommandBuffer();
        commands = opened;
        Stamp written = stamp;
        if (written != null) {
            queue.encodeCheck(opened, leased, written);
        }
        long doneValue = queue.encodeSignal(opened);
        opened.commit();
        leased.close();
        tally.inFlightReleases++;
        queue.noteCommitted(opened, 0, doneValue);
    }

    /** Ends the lease, the command buffer and the scope. If this meets an error, it can be repeated. */
    private void settle() {
        MlxBuffer leased = lease;
        if (leased != null) {
            if (!leased.isReleased()) {
                if (parking && parked != null) {
                    parked.leases().removeLast();
                    parking = false;
                }
                check(leased);
                leased.close();
            }
            parking = false;
            lease = null;
            tally.ended++;
        }
        if (commands != null) {
            commands.close();
            commands = null;
        }
        if (scope != null) {
            scope.close();
            scope = null;
            tally.ended += leasesOfScope;
            leasesOfScope = 0;
        }
    }

    private void check(MlxBuffer leased) {
        if (stamp != null && !stamp.hasIntactEnds(leased.segment())) {
            tally.overlaps++;
        }
    }

    private void submit() {
        if (parked != null) {
            gpu.submit(parked);
            parked = null;
        }
    }
}
