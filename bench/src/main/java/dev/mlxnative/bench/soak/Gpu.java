package dev.mlxnative.bench.soak;

import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxSharedEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentLinkedQueue;
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

    private static final long STEP_NANOS = TimeUnit.MICROSECONDS.toNanos(200);

    /** One due fence in this many completes in a step. */
    private static final int LATENESS = 2;

    private final Queue<ParkedLeases> unordered = new ConcurrentLinkedQueue<>();
    private final List<CommandQueue> queues = new ArrayList<>();
    private final List<ParkedLeases> running = new ArrayList<>();
    private final AtomicInteger submitted = new AtomicInteger();
    private final SplittableRandom random;
    private final Errors errors;
    private final Thread thread = Thread.ofPlatform().daemon().name("soak-gpu").unstarted(this::run);
    private volatile boolean closing;
    private volatile long overlaps;

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

    /** Creates an empty group of leases, whose fence completes in no order with any other. */
    static ParkedLeases unorderedLeases() {
        var fence = new LatchFence();
        return new ParkedLeases(fence, fence::complete);
    }

    void submit(ParkedLeases leases) {
        submitted.incrementAndGet();
        unordered.add(leases);
    }

    long overlaps() {
        return overlaps;
    }

    private void run() {
        try {
            while (!closing || !isIdle()) {
                step();
                LockSupport.parkNanos(STEP_NANOS);
            }
        } catch (Throwable e) {
            errors.add(e);
        }
    }

    private void step() {
        for (CommandQueue queue : queues) {
            while (random.nextInt(LATENESS) != 0) {
                ParkedLeases next = queue.submissions.poll();
                if (next == null) {
                    break;
                }
                complete(next);
            }
        }
        for (ParkedLeases next = unordered.poll(); next != null; next = unordered.poll()) {
            running.add(next);
        }
        for (int due = running.size() / LATENESS + running.size() % LATENESS; due > 0; due--) {
            int pick = random.nextInt(running.size());
            ParkedLeases picked = running.set(pick, running.getLast());
            running.removeLast();
            complete(picked);
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
        private final Queue<ParkedLeases> submissions = new ConcurrentLinkedQueue<>();
        private long value;

        private CommandQueue(MlxSharedEvent event) {
            this.event = event;
        }

        ParkedLeases leases() {
            long next = ++value;
            return new ParkedLeases(event.at(next), () -> event.signal(next));
        }

        void submit(ParkedLeases leases) {
            submitted.incrementAndGet();
            submissions.add(leases);
        }
    }
}
