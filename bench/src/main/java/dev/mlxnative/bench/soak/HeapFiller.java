package dev.mlxnative.bench.soak;

import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A thread that fills the heap to its last bytes, for a few milliseconds every few seconds.
 *
 * <p>While the heap is full, the thread gives back more and more small blocks, so that other threads meet the
 * {@link OutOfMemoryError} at different allocations.
 */
final class HeapFiller {

    private static final long SHORTEST_PAUSE_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long LONGEST_PAUSE_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final long LONGEST_FULL_NANOS = TimeUnit.MILLISECONDS.toNanos(30);
    private static final long STEP_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    /** Large blocks are arrays of bytes, which the garbage collector neither reads nor moves. */
    private static final int LARGEST = 1 << 20;

    /** The ratio of the sizes of blocks. It is large, because the collector runs twice before an error. */
    private static final int RATIO = 32;

    /** Room for the header of an array, so that a block of the largest size fits a region of the collector. */
    private static final int HEADER = 16;

    private record Block(@Nullable Block before, byte[] bytes) {}

    private final SplittableRandom random;
    private final VirtualThreadGate gate;
    private final Errors errors;
    private final Thread thread = Thread.ofPlatform().daemon().name("soak-heap").unstarted(this::run);
    private volatile boolean stopping;
    private @Nullable Block last;

    HeapFiller(SplittableRandom random, VirtualThreadGate gate, Errors errors) {
        this.random = random;
        this.gate = gate;
        this.errors = errors;
    }

    void start() {
        thread.start();
    }

    /** Ends the thread. Allocates nothing, because the heap may be full until the thread has ended. */
    void stop() {
        stopping = true;
        LockSupport.unpark(thread);
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        try {
            pause();
            while (!stopping) {
                if (gate.close(() -> stopping)) {
                    fill();
                    keepFull();
                    last = null;
                }
                gate.open();
                pause();
            }
        } catch (Throwable e) {
            last = null;
            gate.open();
            errors.add(e);
        }
    }

    private void pause() {
        long end = System.nanoTime() + random.nextLong(SHORTEST_PAUSE_NANOS, LONGEST_PAUSE_NANOS);
        for (long left = end - System.nanoTime(); left > 0 && !stopping; left = end - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }

    private void fill() {
        for (int bytes = LARGEST; bytes > 0; bytes /= RATIO) {
            fill(Math.max(0, bytes - HEADER));
        }
    }

    private void fill(int bytes) {
        try {
            while (!stopping) {
                last = new Block(last, new byte[bytes]);
            }
        } catch (OutOfMemoryError full) {
            // There may be room for smaller blocks.
        }
    }

    private void keepFull() {
        long end = System.nanoTime() + random.nextLong(LONGEST_FULL_NANOS);
        for (int blocks = 1; !stopping && System.nanoTime() - end < 0; blocks *= 2) {
            LockSupport.parkNanos(STEP_NANOS);
            giveBack(blocks);
        }
    }

    private void giveBack(int blocks) {
        for (int i = 0; i < blocks && last != null; i++) {
            last = last.before;
        }
    }
}
