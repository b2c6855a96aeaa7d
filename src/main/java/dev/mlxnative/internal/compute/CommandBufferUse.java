package dev.mlxnative.internal.compute;

import dev.mlxnative.CommandBufferException;
import dev.mlxnative.internal.device.GpuUse;
import dev.mlxnative.internal.observe.ComputeEvents;
import dev.mlxnative.internal.shim.QueueShim;
import dev.mlxnative.internal.shim.QueueShim.Outcome;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The use of memory by one command buffer: complete when the command buffer is, also if it failed, or when it was
 * abandoned. It is the fence that a commit returns.
 */
public final class CommandBufferUse extends GpuUse {
    /** The serial number of a command buffer that is not committed: above all others. */
    private static final long UNCOMMITTED = Long.MAX_VALUE;

    private static final long POLL_MILLIS = 10;

    private final QueueProgress progress;
    private final @Nullable String label;
    private volatile long serial = UNCOMMITTED;

    /* Guarded by the queue's lock. */

    /** The native command buffer; 0 before it is committed and after its outcome was read. */
    long handle;

    /** The names of its kernels. */
    List<String> kernels = List.of();

    /** The command buffer that was committed after this one, if both are in flight. */
    @Nullable
    CommandBufferUse next;

    /** Whether an await has thrown the failure. */
    boolean isReported;

    private volatile @Nullable Outcome outcome;

    CommandBufferUse(QueueProgress progress, @Nullable String label) {
        this.progress = progress;
        this.label = label;
    }

    @Nullable
    String label() {
        return label;
    }

    /** The command buffer is committed with this number; or abandoned, and the number is that of the last before it. */
    void setSerial(long number) {
        forgetEarlier();
        serial = number;
    }

    /** Whether the command buffer is neither committed nor abandoned. */
    @Override
    public boolean waitsForProgram() {
        return serial == UNCOMMITTED;
    }

    @Override
    public boolean isKnownComplete() {
        return progress.isKnownComplete(serial);
    }

    @Override
    public boolean isComplete() {
        long number = serial;
        return number != UNCOMMITTED && progress.isComplete(number);
    }

    @Override
    public boolean isBefore(GpuUse later) {
        return isKnownComplete()
                || (serial != UNCOMMITTED && later instanceof CommandBufferUse other && other.progress == progress);
    }

    @Override
    public void await() throws InterruptedException {
        while (!isComplete()) {
            if (waitsForProgram()) {
                Thread.sleep(POLL_MILLIS); // A thread of the pool found the command buffer before its commit.
            } else {
                progress.await(serial);
            }
        }
    }

    /** How the command buffer ended; null before that is known. */
    @Nullable
    Outcome outcome() {
        return outcome;
    }

    /** Reads the outcome and releases the native command buffer, which is complete. Repeated if it throws. */
    void readOutcome() {
        if (outcome == null) {
            outcome = QueueShim.outcome(MemorySegment.ofAddress(handle));
        }
        if (handle != 0) {
            QueueShim.releaseCommandBuffer(MemorySegment.ofAddress(handle));
            handle = 0;
        }
    }

    /** Reports the outcome, once it was read, to Flight Recorder. */
    void report() {
        Outcome ended = outcome;
        if (ended != null && ComputeEvents.recordsCommandBuffers()) {
            ComputeEvents.completed(
                    label == null ? "" : label, String.join(", ", kernels), ended.gpuStartNanos(), ended.gpuEndNanos());
        }
    }

    /** The failure, if the command buffer has failed. */
    @Nullable
    CommandBufferException failure() {
        Outcome ended = outcome;
        if (ended == null || ended.failure() == null) {
            return null;
        }
        CommandBufferException.Reason reason = switch (ended.failure()) {
            case FAULT -> CommandBufferException.Reason.FAULT;
            case TIMEOUT -> CommandBufferException.Reason.TIMEOUT;
            case OUT_OF_MEMORY -> CommandBufferException.Reason.OUT_OF_MEMORY;
            case OTHER -> CommandBufferException.Reason.OTHER;
        };
        return new CommandBufferException(reason, ended.text(), label == null ? "" : label, kernels);
    }

    /** For a debugger: the state. */
    @Override
    public String toString() {
        return "MlxFence[" + (waitsForProgram() ? "uncommitted" : "command buffer " + serial) + "]";
    }
}
