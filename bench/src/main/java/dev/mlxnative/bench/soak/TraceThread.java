package dev.mlxnative.bench.soak;

import dev.mlxnative.BufferAllocationException;
import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.bench.replay.Stamp;
import dev.mlxnative.bench.replay.Trace;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A thread that replays one trace again and again on a pool, and checks every lease's stamp before it ends the lease.
 *
 * <p>If the pool refuses a request, or the heap has no room for it, the thread skips the request and its free, and
 * continues.
 */
abstract class TraceThread implements Runnable {

    /** The number of events between two checks of the stop signal. */
    private static final int STRIDE = 256;

    /** The number of low bits of a lease's number that count the leases of one thread; the others number the thread. */
    private static final int NUMBER_BITS = 44;

    protected final Trace trace;
    protected final MlxBufferPool pool;
    protected final boolean checked;
    protected final Tally tally = new Tally();
    protected final @Nullable MlxBuffer[] live;
    /** Null for a lease that met an error of the VM before it had its stamp. */
    protected final @Nullable Stamp[] stamps;

    private final Errors errors;
    private final BooleanSupplier stop;
    private long lease;

    /** @param number the number of the thread, which makes its stamps differ from those of other threads */
    TraceThread(int number, Trace trace, MlxBufferPool pool, boolean checked, Errors errors, BooleanSupplier stop) {
        this.trace = trace;
        this.pool = pool;
        this.checked = checked;
        this.errors = errors;
        this.stop = stop;
        this.live = new MlxBuffer[trace.peakLiveCount()];
        this.stamps = new Stamp[trace.peakLiveCount()];
        this.lease = firstLease(number);
    }

    /** The number before that of a thread's first lease. */
    static long firstLease(int threadNumber) {
        return (long) threadNumber << NUMBER_BITS;
    }

    final Tally tally() {
        return tally;
    }

    @Override
    public final void run() {
        try {
            while (!stop.getAsBoolean()) {
                replay();
                Thread.yield(); // other virtual threads may wait for this one's carrier
            }
        } catch (Throwable e) {
            errors.add(e);
        }
    }

    private void replay() {
        for (int event = 0; event < trace.events(); event++) {
            if (event % STRIDE == 0) {
                tally.publish();
                if (stop.getAsBoolean()) {
                    break;
                }
            }
            int slot = trace.slot(event);
            if (trace.isAllocation(event)) {
                begin(slot, trace.size(event));
            } else {
                endIfLive(slot);
            }
        }
        boolean ended = false;
        while (!ended) {
            try {
                endAll();
                ended = true;
            } catch (OutOfMemoryError e) {
                tally.heapErrors++;
            }
        }
        tally.publish();
    }

    private void begin(int slot, long size) {
        try {
            MlxBuffer buffer = allocate(slot, size);
            live[slot] = buffer;
            stamps[slot] = null;
            tally.begun++;
            Stamp stamp = Stamp.ofLease(++lease);
            stamp.writeEnds(buffer.segment());
            stamps[slot] = stamp;
        } catch (BufferAllocationException e) {
            tally.refused(e);
        } catch (OutOfMemoryError e) {
            tally.heapErrors++;
        }
    }

    /** Checks the stamp of the lease in the slot, if there is one, and ends the lease. */
    protected final void endIfLive(int slot) {
        for (MlxBuffer buffer = live[slot]; buffer != null; buffer = live[slot]) {
            try {
                if (!buffer.isReleased()) { // true after an end that met an error
                    check(slot, buffer);
                    end(slot, buffer);
                }
                remove(slot);
            } catch (OutOfMemoryError e) {
                tally.heapErrors++;
            }
        }
    }

    protected final void check(int slot, MlxBuffer buffer) {
        Stamp stamp = stamps[slot];
        if (stamp != null && !stamp.hasIntactEnds(buffer.segment())) {
            tally.overlaps++;
        }
    }

    /** Empties a slot whose lease has ended, or ends with others. The caller has checked the stamp. */
    protected final void remove(int slot) {
        live[slot] = null;
        tally.ended++;
    }

    /** The stamp of a lease, for a check after its end; null if its segment will not be accessible. */
    protected final @Nullable Stamp stampAfterEnd(int slot) {
        return checked ? null : stamps[slot];
    }

    /** @throws OutOfMemoryError if the heap is full; there is no new lease then */
    protected abstract MlxBuffer allocate(int slot, long size);

    /**
     * Ends the lease of a buffer. The caller has checked its stamp.
     *
     * @throws OutOfMemoryError if the heap is full; the caller repeats the call unless the lease has ended
     */
    protected abstract void end(int slot, MlxBuffer buffer);

    /**
     * Ends every lease.
     *
     * @throws OutOfMemoryError if the heap is full; the caller repeats the call
     */
    protected abstract void endAll();

    protected static MlxBuffer allocate(MlxBufferPool pool, long size) {
        return pool.alloc(size, DType.U8, size);
    }
}
