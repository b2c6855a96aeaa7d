package dev.mlxnative.internal.compute;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.CommandBufferException;
import dev.mlxnative.internal.background.DaemonTimer;
import dev.mlxnative.internal.background.StackSafeLock;
import dev.mlxnative.internal.device.NativeDevice;
import dev.mlxnative.internal.device.RefCountedHandle;
import dev.mlxnative.internal.observe.ComputeEvents;
import dev.mlxnative.internal.shim.QueueShim;
import dev.mlxnative.internal.shim.QueueShim.Outcome;
import dev.mlxnative.internal.shim.Shim;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A queue: commits command streams, and keeps their command buffers until it has read how they ended. Thread-safe.
 *
 * <p>Nothing is called back when a command buffer is complete: each call looks for those that are.
 */
public final class SubmissionQueue {
    /** The most command buffers in flight. Metal would block the thread that creates one more. */
    public static final int MAX_IN_FLIGHT = 1024;

    private final RefCountedHandle queue;
    private final QueueProgress progress;
    private final StackSafeLock lock = new StackSafeLock();

    @GuardedBy("lock")
    private final QueueShim.Submission submission = new QueueShim.Submission();

    /** The serial number of the command buffer that was committed last. */
    @GuardedBy("lock")
    private long committed;

    /** Command buffers whose outcome was not read, in the order of their commits. */
    @GuardedBy("lock")
    private @Nullable CommandBufferUse first;

    @GuardedBy("lock")
    private @Nullable CommandBufferUse last;

    @GuardedBy("lock")
    private int inFlight;

    /** The first that failed since the failure of one was thrown. */
    @GuardedBy("lock")
    private @Nullable CommandBufferUse failed;

    private final CommandStorages storages = new CommandStorages();

    private SubmissionQueue(RefCountedHandle queue, QueueProgress progress) {
        this.queue = queue;
        this.progress = progress;
    }

    /**
     * Creates a queue.
     *
     * @throws IllegalStateException if the device is closed
     */
    public static SubmissionQueue create(NativeDevice device) {
        ComputeEvents.initialize();
        device.requireOpen();
        return device.handle().use(SubmissionQueue::create);
    }

    private static SubmissionQueue create(MemorySegment device) {
        RefCountedHandle event =
                Shim.createEvent(device, raw -> new RefCountedHandle("event", raw, Shim::releaseEvent));
        SubmissionQueue created = null;
        try {
            created = QueueShim.createQueue(
                    device,
                    MAX_IN_FLIGHT,
                    raw -> new SubmissionQueue(
                            new RefCountedHandle("queue", raw, QueueShim::releaseQueue), new QueueProgress(event)));
            return created;
        } finally {
            if (created == null) {
                event.close();
            }
        }
    }

    /** The handle. */
    public RefCountedHandle handle() {
        return queue;
    }

    /**
     * Begins a command buffer.
     *
     * @throws IllegalStateException if the queue is closed
     */
    public CommandEncoder newEncoder(@Nullable String label) {
        queue.requireOpen();
        return new CommandEncoder(this, new CommandBufferUse(progress, label), storages.take());
    }

    CommandStorages storages() {
        return storages;
    }

    /**
     * Commits a command buffer. Its use has a serial number afterwards, also if this throws, unless it was not
     * committed.
     *
     * @throws IllegalStateException if the queue is closed, or has too many command buffers in flight
     */
    void commit(CommandEncoder encoder) {
        CommandBufferUse use = encoder.use();
        CommandBufferUse done = null;
        lock.lock();
        try {
            done = readOutcomes();
            if (inFlight == MAX_IN_FLIGHT) {
                throw new IllegalStateException(inFlight + " command buffers of the queue are in flight, the most that"
                        + " it takes: await one, and commit then");
            }
            use.kernels = encoder.kernelNames();
            queue.requireOpen();
            submission.reset();
            queue.acquire();
            try {
                submission.submit(
                        queue.handle(),
                        use.label(),
                        encoder.stream().array(),
                        encoder.stream().length(),
                        progress.event().handle(),
                        committed + 1);
            } finally {
                queue.release();
                if (submission.commandBuffer() != 0) {
                    append(use, submission.commandBuffer());
                }
            }
        } finally {
            lock.unlock();
            report(done);
        }
    }

    @GuardedBy("lock")
    private void append(CommandBufferUse use, long handle) {
        committed++;
        use.handle = handle;
        use.setSerial(committed);
        if (last == null) {
            first = use;
        } else {
            last.next = use;
        }
        last = use;
        inFlight++;
    }

    /** Gives up a command buffer that was not committed: its use is complete with what was committed before. */
    void abandon(CommandEncoder encoder) {
        lock.lock();
        try {
            encoder.use().setSerial(committed);
        } finally {
            lock.unlock();
        }
    }

    /** Reads how complete command buffers ended; returns them as a chain. */
    @GuardedBy("lock")
    private @Nullable CommandBufferUse readOutcomes() {
        CommandBufferUse done = null;
        CommandBufferUse lastDone = null;
        for (CommandBufferUse use = first; use != null && use.isComplete(); use = first) {
            use.readOutcome();
            first = use.next;
            use.next = null;
            inFlight--;
            if (first == null) {
                last = null;
            }
            Outcome outcome = use.outcome();
            if (failed == null && outcome != null && outcome.failure() != null) {
                failed = use;
            }
            if (lastDone == null) {
                done = use;
            } else {
                lastDone.next = use;
            }
            lastDone = use;
        }
        return done;
    }

    private static void report(@Nullable CommandBufferUse done) {
        for (CommandBufferUse use = done; use != null; ) {
            CommandBufferUse following = use.next;
            use.next = null;
            use.report();
            use = following;
        }
    }

    private void readAndReport() {
        CommandBufferUse done = null;
        lock.lock();
        try {
            done = readOutcomes();
        } finally {
            lock.unlock();
        }
        report(done);
    }

    /** Waits for a command buffer, and throws its failure. */
    void await(CommandBufferUse use) throws InterruptedException {
        use.await();
        readAndReport();
        CommandBufferException failure = use.failure();
        if (failure != null) {
            forgetFailure(use);
            throw failure;
        }
    }

    private void forgetFailure(CommandBufferUse use) {
        lock.lock();
        try {
            use.isReported = true;
            if (failed == use) {
                failed = null;
            }
        } finally {
            lock.unlock();
        }
    }

    /** Waits for all that was committed before, and throws the first failure that was not thrown before. */
    public void await() throws InterruptedException {
        long serial;
        lock.lock();
        try {
            serial = committed;
        } finally {
            lock.unlock();
        }
        while (!progress.isComplete(serial)) {
            progress.await(serial);
        }
        readAndReport();
        CommandBufferUse failure = takeFailure();
        CommandBufferException exception = failure == null ? null : failure.failure();
        if (exception != null) {
            throw exception;
        }
    }

    private @Nullable CommandBufferUse takeFailure() {
        lock.lock();
        try {
            CommandBufferUse taken = failed;
            failed = null;
            return taken == null || taken.isReported ? null : taken;
        } finally {
            lock.unlock();
        }
    }

    /** How a command buffer ended; null if it has not. */
    @Nullable
    Outcome outcome(CommandBufferUse use) {
        if (use.outcome() == null && use.isComplete()) {
            readAndReport();
        }
        return use.outcome();
    }

    /** Whether the GPU has begun with a command buffer that is committed, or will at once. */
    boolean isScheduled(CommandBufferUse use) {
        lock.lock();
        try {
            return use.handle == 0 || QueueShim.isScheduled(MemorySegment.ofAddress(use.handle));
        } finally {
            lock.unlock();
        }
    }

    /** Releases the queue; what was committed runs to its end. False if it was closed before. */
    public boolean close() {
        if (!queue.close()) {
            return false;
        }
        long serial;
        lock.lock();
        try {
            serial = committed;
        } finally {
            lock.unlock();
        }
        Closing closing = new Closing(this, serial);
        if (!closing.attempt()) {
            DaemonTimer.shared().retry(closing::attempt);
        }
        return true;
    }

    /** The end of a closed queue, once its command buffers are complete. */
    private record Closing(SubmissionQueue queue, long serial) {
        boolean attempt() {
            if (!queue.progress.isComplete(serial)) {
                return false;
            }
            queue.readAndReport();
            queue.progress.close();
            return true;
        }
    }
}
