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
 * Replays one trace again and again on a pool, and looks at every lease's stamp before it ends.
 *
 * <p>A buffer that was refused is skipped, and so is its free: a trace goes on without it.
 */
abstract class TraceThread implements Runnable {

    /** How many events pass between two looks at whether to stop. */
    private static final int STRIDE = 256;

    /** Threads apart by more leases than any of them will see. */
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

    /** @param number tells the stamps of the threads apart */
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
                end(slot, take(slot));
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

    private MlxBuffer take(int slot) {
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

    /** Takes leases out that end with others, and returns whether there was one in the slot. */
    protected final boolean drop(int slot) {
        return live[slot] != null && take(slot) != null;
    }

    protected abstract MlxBuffer allocate(int slot, long size);

    /** Ends a lease, which was checked and is in no slot any more. */
    protected abstract void end(int slot, MlxBuffer buffer);

    /** Ends every lease. */
    protected abstract void endAll();

    protected static MlxBuffer allocate(MlxBufferPool pool, long size) {
        return pool.alloc(size, DType.U8, size);
    }
}
