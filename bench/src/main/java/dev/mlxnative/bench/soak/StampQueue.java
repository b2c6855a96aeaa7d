package dev.mlxnative.bench.soak;

import dev.mlxnative.CommandBufferException;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxCommandBuffer;
import dev.mlxnative.MlxCommandQueue;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxSharedEvent;
import dev.mlxnative.bench.replay.Stamp;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * The command queue of one thread. Its command buffers check stamps, wait for a gate that the CPU opens late, and wait
 * for command buffers of other queues.
 *
 * <p>Only that thread uses a queue, but for the methods that say otherwise, and but for the time when it has ended.
 */
final class StampQueue implements AutoCloseable {

    /**
     * The maximum number of command buffers in flight.
     *
     * <p>With more of them, a shortage of memory would only show that the GPU is slow.
     */
    private static final int MOST_IN_FLIGHT = 16;

    private final StampKernels kernels;
    private final boolean mayFail;
    private final Errors errors;
    private final MlxCommandQueue queue;
    private final MlxSharedEvent gate;
    private final MlxSharedEvent done;
    private final @Nullable MlxCommandBuffer[] inFlight = new MlxCommandBuffer[MOST_IN_FLIGHT];
    private int next;
    private long commandBuffers;
    private long dispatches;
    private long failures;

    /** Command buffers that are committed wait for values of the gate up to this one. */
    private volatile long requested;

    private long opened;

    /** Command buffers that are committed signal values up to this one. */
    private volatile long promised;

    /** @param mayFail whether command buffers may fail for lack of memory, which is the fault that the soak injects */
    StampQueue(MlxDevice device, MlxBufferPool scratch, StampKernels kernels, boolean mayFail, Errors errors) {
        this.kernels = kernels;
        this.mayFail = mayFail;
        this.errors = errors;
        this.queue = device.newCommandQueue(scratch);
        this.gate = device.newSharedEvent();
        this.done = device.newSharedEvent();
    }

    long commandBuffers() {
        return commandBuffers;
    }

    long dispatches() {
        return dispatches;
    }

    /** The number of command buffers that failed, all of them by an injected fault unless there was an error. */
    long failures() {
        return failures;
    }

    /** Whether no further command buffer may be committed at the time. */
    boolean isBusy() {
        return !settle(next);
    }

    /** Whether every command buffer is complete. */
    boolean isIdle() {
        boolean idle = true;
        for (int i = 0; i < inFlight.length; i++) {
            idle &= settle(i);
        }
        return idle;
    }

    /** Forgets a command buffer that is complete. If this meets an error, it can be repeated. */
    private boolean settle(int index) {
        MlxCommandBuffer commands = inFlight[index];
        if (commands == null) {
            return true;
        }
        MlxCommandBuffer.Status status = commands.status();
        if (status == MlxCommandBuffer.Status.ERROR) {
            countFailure(commands);
        } else if (status != MlxCommandBuffer.Status.COMPLETED) {
            return false;
        }
        inFlight[index] = null;
        return true;
    }

    private void countFailure(MlxCommandBuffer failed) {
        try {
            failed.await();
            errors.add(new AssertionError(failed + " has failed, but throws nothing"));
        } catch (CommandBufferException e) {
            failures++;
            if (!mayFail || e.reason() != CommandBufferException.Reason.OUT_OF_MEMORY) {
                errors.add(e);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            errors.add(e);
        }
    }

    MlxCommandBuffer newCommandBuffer() {
        return queue.newCommandBuffer();
    }

    void encodeCheck(MlxCommandBuffer commands, MlxBuffer lease, Stamp stamp) {
        kernels.encodeCheck(commands, lease, stamp);
        dispatches++;
    }

    /** Makes the command buffer wait for the CPU, and returns the value of the gate that it waits for. */
    long encodeGate(MlxCommandBuffer commands) {
        long value = requested + 1;
        commands.waitFor(gate, value);
        return value;
    }

    /** Makes a command buffer of another queue wait until all command buffers here that are committed are complete. */
    void encodeWait(MlxCommandBuffer commandsOfOther) {
        commandsOfOther.waitFor(done, promised);
    }

    /** Makes the command buffer signal its end to other queues, and returns the value that it signals. */
    long encodeSignal(MlxCommandBuffer commands) {
        long value = promised + 1;
        commands.signal(done, value);
        return value;
    }

    /**
     * Takes note of a command buffer that is committed. Allocates nothing, and does nothing when it is repeated.
     *
     * @param gateValue what {@link #encodeGate} returned; 0 if the command buffer does not wait for the gate
     * @param doneValue what {@link #encodeSignal} returned
     */
    void noteCommitted(MlxCommandBuffer commands, long gateValue, long doneValue) {
        if (doneValue > promised) {
            inFlight[next] = commands;
            next = (next + 1) % inFlight.length;
            commandBuffers++;
            requested = Math.max(requested, gateValue);
            promised = doneValue;
        }
    }

    /** Opens the gate for some of the command buffers that wait. For one thread that is not the queue's. */
    void openGate(SplittableRandom random, int lateness) {
        while (opened < requested && random.nextInt(lateness) != 0) {
            gate.signal(opened + 1);
            opened++;
        }
    }

    /** Closes the queue. The caller has awaited its command buffers. */
    @Override
    public void close() {
        queue.close();
        gate.close();
        done.close();
    }
}
