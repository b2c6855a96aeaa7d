package dev.mlxnative.bench.soak;

import dev.mlxnative.BufferAllocationException;
import dev.mlxnative.CommandBufferException;
import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxCommandBuffer;
import dev.mlxnative.MlxException;
import dev.mlxnative.bench.replay.Stamp;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * A command buffer that one thread encodes, with the leases that it checks. They end while it uses them.
 *
 * <p>A method that meets an {@link OutOfMemoryError} can be repeated. A check may then be encoded twice.
 */
final class CommandGroup {

    /** One command buffer in this many is awaited right after its commit. */
    private static final int AWAITED = 16;

    /** One lease in this many is copied to scratch memory. */
    private static final int COPIED = 4;

    private static final int LARGEST_COPY = 1 << 16;

    /** The commit that fails is repeated up to so many times; a fault of the device is over after far fewer. */
    private static final int MOST_ATTEMPTS = 1000;

    private static final long EVERY_BYTE = 0x0101010101010101L;

    private final StampQueue queue;
    /** The queues of all threads, this one among them. Complete when the threads start. */
    private final List<StampQueue> queues;

    private final Tally tally;
    private final SplittableRandom random;
    private final @Nullable MlxBuffer[] held;
    private int heldCount;
    private int checks;
    private @Nullable MlxCommandBuffer commands;
    private boolean holds;
    private long gateValue;
    private long doneValue;

    /** @param capacity the number of leases with which the group is full */
    CommandGroup(StampQueue queue, List<StampQueue> queues, int capacity, Tally tally, SplittableRandom random) {
        this.queue = queue;
        this.queues = queues;
        this.held = new MlxBuffer[capacity];
        this.tally = tally;
        this.random = random;
    }

    boolean isFull() {
        return checks >= held.length;
    }

    /** Whether the group is open, or can be opened by a check. */
    boolean accepts() {
        return commands != null || !queue.isBusy();
    }

    /** Adds a check of a lease that has not ended. The caller has seen that the group {@link #accepts} one. */
    void check(MlxBuffer lease, Stamp stamp) {
        MlxCommandBuffer open = open();
        queue.encodeCheck(open, lease, stamp);
        if (lease.byteLength() <= LARGEST_COPY && random.nextInt(COPIED) == 0) {
            checkCopy(open, lease, stamp);
        }
        checks++;
    }

    /** Whether the leases of this group end after its commit. If so, the caller calls {@link #hold} and not its end. */
    boolean holdsLeases() {
        return holds;
    }

    /** Takes over a lease, which ends after the commit. Allocates nothing. */
    void hold(MlxBuffer lease) {
        held[heldCount++] = lease;
    }

    private MlxCommandBuffer open() {
        if (commands == null) {
            MlxCommandBuffer opened = queue.newCommandBuffer();
            commands = opened;
            holds = random.nextBoolean();
            if (random.nextBoolean()) {
                gateValue = queue.encodeGate(opened);
            }
            if (random.nextBoolean()) {
                queues.get(random.nextInt(queues.size())).encodeWait(opened);
            }
            if (random.nextBoolean()) {
                opened.concurrent(true);
            }
            return opened;
        }
        return commands;
    }

    /** Copies the lease to scratch memory and checks the copy; then fills the scratch memory and checks that. */
    private void checkCopy(MlxCommandBuffer open, MlxBuffer lease, Stamp stamp) {
        MlxBuffer scratch = scratch(open, lease.byteLength());
        if (scratch != null) {
            open.copy(lease, scratch);
            open.barrier();
            queue.encodeCheck(open, scratch, stamp);
            if (random.nextBoolean()) {
                open.barrier();
                byte value = (byte) random.nextInt();
                open.fill(scratch, value);
                open.barrier();
                queue.encodeCheck(open, scratch, new Stamp(Byte.toUnsignedLong(value) * EVERY_BYTE));
            }
            if (random.nextBoolean()) {
                scratch.close();
            }
        }
    }

    /** Leases scratch memory; null if the pool refuses it. */
    private @Nullable MlxBuffer scratch(MlxCommandBuffer open, long bytes) {
        try {
            MlxBuffer scratch = open.scratch(DType.U8, bytes);
            tally.begun++;
            tally.ended++; // at the latest with the commit
            tally.scratchLeases++;
            return scratch;
        } catch (BufferAllocationException e) {
            tally.refused(e);
            return null;
        }
    }

    /** Commits the command buffer, if there is one, and ends the leases that the group holds. */
    void submit() {
        MlxCommandBuffer submitted = commands;
        if (submitted == null) {
            return;
        }
        if (submitted.status() == MlxCommandBuffer.Status.NOT_ENQUEUED) {
            doneValue = queue.encodeSignal(submitted);
            commit(submitted);
        }
        submitted.close(); // ends the leases of scratch memory that a commit has left when it met an error
        queue.noteCommitted(submitted, gateValue, doneValue);
        if (random.nextInt(AWAITED) == 0) {
            await(submitted);
        }
        for (; heldCount > 0; heldCount--) {
            MlxBuffer lease = held[heldCount - 1];
            if (lease != null && !lease.isReleased()) {
                lease.close();
                tally.inFlightReleases++;
            }
            held[heldCount - 1] = null;
        }
        commands = null;
        checks = 0;
        gateValue = 0;
        doneValue = 0;
    }

    /** Commits again after a fault of the device, which leaves the command buffer as it was. */
    private static void commit(MlxCommandBuffer submitted) {
        for (int attempt = 1; submitted.status() == MlxCommandBuffer.Status.NOT_ENQUEUED; attempt++) {
            try {
                submitted.commit();
            } catch (MlxException e) {
                if (attempt == MOST_ATTEMPTS) {
                    throw e;
                }
                Thread.yield();
            }
        }
    }

    /** The queue counts the failure when it forgets the command buffer. */
    private static void await(MlxCommandBuffer submitted) {
        try {
            submitted.await();
        } catch (CommandBufferException e) {
            // An injected fault.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
