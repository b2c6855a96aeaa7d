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
 * <p>If the pool refuses a request, the thread skips the request and its free, and continues.
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
    protected final Stamp[] stamps;

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
        this.lease = (long) number << NUMBER_BITS;
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
            } else if (live[slot] != null) {
                end(slot, remove(slot));
            }
        }
        endAll();
        tally.publish();
    }

    private void begin(int slot, long size) {
        MlxBuffer buffer;
        try {
            buffer = allocate(slot, size);
        } catch (BufferAllocationException e) {
            tally.refused(e);
            return;
        }
        Stamp stamp = Stamp.ofLease(++lease);
        stamp.writeEnds(buffer.segment());
        live[slot] = buffer;
        stamps[slot] = stamp;
        tally.begun++;
    }

    /** Removes the buffer from its slot, checks its stamp, and counts the end of its lease. */
    private MlxBuffer remove(int slot) {
        MlxBuffer buffer = live[slot];
        if (buffer == null) {
            throw new AssertionError("slot %d is empty".formatted(slot));
        }
        live[slot] = null;
        check(slot, buffer);
        tally.ended++;
        return buffer;
    }

    private void check(int slot, MlxBuffer buffer) {
        if (!stamps[slot].hasIntactEnds(buffer.segment())) {
            tally.overlaps++;
        }
    }

    /** Removes the buffer in the slot, if there is one, without ending its lease; returns whether there was one. */
    protected final boolean removeIfLive(int slot) {
        return live[slot] != null && remove(slot) != null;
    }

    protected abstract MlxBuffer allocate(int slot, long size);

    /** Ends the lease of a buffer. The caller has checked its stamp and removed it from its slot. */
    protected abstract void end(int slot, MlxBuffer buffer);

    /** Ends every lease. */
    protected abstract void endAll();

    protected static MlxBuffer allocate(MlxBufferPool pool, long size) {
        return pool.alloc(size, DType.U8, size);
    }
}
