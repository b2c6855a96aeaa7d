package dev.mlxnative.bench.soak;

import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxSharedEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * A thread that completes fences as a GPU with several queues does: late, in order within a queue, in any order between
 * queues.
 *
 * <p>Before it completes a fence, it checks the stamps of the memory that is parked with the fence.
 */
final class Gpu implements AutoCloseable {

    /**
     * The maximum number of submissions that are not complete.
     *
     * <p>With more of them, a shortage of memory would only show that this thread is slow.
     */
    private static final int MOST_SUBMITTED = 64;

    /** More than {@link #MOST_SUBMITTED}, because each thread may submit once more. */
    private static final int ROOM = 64 * MOST_SUBMITTED;

    private static final long STEP_NANOS = TimeUnit.MICROSECONDS.toNanos(200);

    /** One due fence in this many completes in a step. */
    private static final int LATENESS = 2;

    private final Queue<ParkedLeases> unordered = newSubmissions();
    private final List<CommandQueue> queues = new ArrayList<>();
    private final List<ParkedLeases> running = new ArrayList<>();
    private final AtomicInteger submitted = new AtomicInteger();
    private final SplittableRandom random;
    private final Errors errors;
    private final Thread thread = Thread.ofPlatform().daemon().name("soak-gpu").unstarted(this::run);
    private volatile boolean closing;
    private volatile long overlaps;
    private volatile long heapErrors;

    Gpu(SplittableRandom random, Errors errors) {
        this.random = random;
        this.errors = errors;
    }

    /**
     * Creates a queue for one thread, whose fences complete in the order of their submission.
     *
     * <p>The caller creates every queue before {@link #start}.
     */
    CommandQueue newQueue(MlxDevice device) {
        var queue = new CommandQueue(device.newSharedEvent());
        queues.add(queue);
        return queue;
    }

    void start() {
        thread.start();
    }

    boolean isBusy() {
        return submitted.get() >= MOST_SUBMITTED;
    }

    boolean isIdle() {
        return submitted.get() == 0;
    }

    /** Creates a queue that allocates nothing when leases are submitted. */
    private static Queue<ParkedLeases> newSubmissions() {
        return new ArrayBlockingQueue<>(ROOM);
    }

    /** Creates an empty group of leases, whose fence completes in no order with any other. */
    static ParkedLeases unorderedLeases(int capacity) {
        var fence = new LatchFence();
        return new ParkedLeases(fence, fence::complete, new EndedLeases(capacity));
    }

    /** Submits leases that have ended. Allocates nothing. */
    void submit(ParkedLeases leases) {
        unordered.add(leases);
        submitted.incrementAndGet();
    }

    long overlaps() {
        return overlaps;
    }

    /** The number of times that this thread found the heap full. */
    long heapErrors() {
        return heapErrors;
    }

    private void run() {
        try {
            while (!closing || !isIdle()) {
                try {
                    step();
                } catch (OutOfMemoryError e) {
                    heapErrors++;
                }
                LockSupport.parkNanos(STEP_NANOS);
            }
        } catch (Throwable e) {
            errors.add(e);
        }
    }

    /** If this meets an error, the next step completes the fence that this one could not complete. */
    private void step() {
        for (CommandQueue queue : queues) {
            while (random.nextInt(LATENESS) != 0) {
                ParkedLeases next = queue.submissions.peek();
                if (next == null) {
                    break;
                }
                complete(next);
                queue.submissions.remove();
            }
        }
        for (ParkedLeases next = unordered.peek(); next != null; next = unordered.peek()) {
            running.add(next);
            unordered.remove();
        }
        for (int due = running.size() / LATENESS + running.size() % LATENESS; due > 0; due--) {
            int pick = random.nextInt(running.size());
            complete(running.get(pick));
            running.set(pick, running.getLast());
            running.removeLast();
        }
    }

    private void complete(ParkedLeases leases) {
        overlaps += leases.complete();
        submitted.decrementAndGet();
    }

    /** Completes all submissions, and closes the queues. */
    @Override
    public void close() {
        closing = true;
        try {
            thread.join(TimeUnit.SECONDS.toMillis(10));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        queues.forEach(queue -> queue.event.close());
    }

    /** A queue with one event, whose values the GPU signals in order. One thread submits to it. */
    final class CommandQueue {

        private final MlxSharedEvent event;
        private final Queue<ParkedLeases> submissions = newSubmissions();
        private long value;

        private CommandQueue(MlxSharedEvent event) {
            this.event = event;
        }

        ParkedLeases leases(int capacity) {
            long next = ++value;
            return new ParkedLeases(event.at(next), () -> event.signal(next), new EndedLeases(capacity));
        }

        /** Submits leases that have ended. Allocates nothing. */
        void submit(ParkedLeases leases) {
            submissions.add(leases);
            submitted.incrementAndGet();
        }
    }
}
