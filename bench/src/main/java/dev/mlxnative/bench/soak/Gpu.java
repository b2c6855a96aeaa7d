package dev.mlxnative.bench.soak;

import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * The command queues of all threads, and a thread that makes the GPU late: it opens the gates that command buffers wait
 * for, and completes fences that do not belong to command buffers, in any order.
 *
 * <p>Before it completes a fence, it checks the stamps of the memory that is parked with the fence. A command buffer
 * checks the stamps of the memory that it uses.
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

    /** One due fence in this many completes in a step, and one gate in this many stays closed. */
    private static final int LATENESS = 2;

    private final Queue<ParkedLeases> unordered = new ArrayBlockingQueue<>(ROOM);
    private final List<StampQueue> queues = new ArrayList<>();
    private final MlxDevice device;
    private final StampKernels kernels;
    private final boolean faults;
    private final List<ParkedLeases> running = new ArrayList<>();
    private final AtomicInteger submitted = new AtomicInteger();
    private final SplittableRandom random;
    private final Errors errors;
    private final Thread thread = Thread.ofPlatform().daemon().name("soak-gpu").unstarted(this::run);
    private volatile boolean closing;
    private volatile long overlaps;
    private volatile long heapErrors;

    /**
     * Compiles the kernel.
     *
     * @param faults whether command buffers fail now and then
     * @throws dev.mlxnative.MlxException if there is no compiler
     */
    Gpu(MlxDevice device, boolean faults, SplittableRandom random, Errors errors) {
        this.device = device;
        this.kernels = new StampKernels(device);
        this.faults = faults;
        this.random = random;
        this.errors = errors;
    }

    /**
     * Creates a queue for one thread. The caller creates every queue before {@link #start}.
     *
     * @param scratch the pool of scratch memory, which stays open until the queues are closed
     */
    StampQueue newQueue(MlxBufferPool scratch) {
        var queue = new StampQueue(device, scratch, kernels, faults, errors);
        queues.add(queue);
        return queue;
    }

    /** The queues of all threads. */
    List<StampQueue> queues() {
        return queues;
    }

    void start() {
        thread.start();
    }

    boolean isBusy() {
        return submitted.get() >= MOST_SUBMITTED;
    }

    /** Whether every fence and every command buffer is complete. The threads that have queues have ended. */
    boolean isIdle() {
        boolean idle = hasNoFences();
        for (StampQueue queue : queues) {
            idle &= queue.isIdle();
        }
        return idle;
    }

    private boolean hasNoFences() {
        return submitted.get() == 0;
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

    /** The number of altered stamps. The GPU is idle. */
    long overlaps() {
        return overlaps + kernels.overlaps();
    }

    long commandBuffers() {
        return queues.stream().mapToLong(StampQueue::commandBuffers).sum();
    }

    long dispatches() {
        return queues.stream().mapToLong(StampQueue::dispatches).sum();
    }

    long failedCommandBuffers() {
        return queues.stream().mapToLong(StampQueue::failures).sum();
    }

    /** The number of times that this thread found the heap full. */
    long heapErrors() {
        return heapErrors;
    }

    private void run() {
        try {
            while (!closing || !hasNoFences()) {
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
        for (StampQueue queue : queues) {
            queue.openGate(random, LATENESS);
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

    /** Completes all fences, and closes the queues, whose command buffers are complete. */
    @Override
    public void close() {
        closing = true;
        try {
            thread.join(TimeUnit.SECONDS.toMillis(10));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        queues.forEach(StampQueue::close);
        kernels.close();
    }
}
