package dev.mlxnative.bench.jmh;

import dev.mlxnative.MlxBuffer;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Group;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.infra.Control;

/**
 * What does a hit cost when several threads lease at the same time?
 *
 * <p>Make one run for each number of threads, with no more threads than the machine has cores:
 *
 * <pre>
 * mvn -q -B test-compile exec:exec@jmh -Djmh.args="ThreadsBenchmark.*Pool -t 1"
 * mvn -q -B test-compile exec:exec@jmh -Djmh.args="ThreadsBenchmark.*Pool -t 2"
 * mvn -q -B test-compile exec:exec@jmh -Djmh.args="ThreadsBenchmark.*Pool -t 4"
 * mvn -q -B test-compile exec:exec@jmh -Djmh.args="ThreadsBenchmark.handOver"
 * </pre>
 *
 * <p>The figures are the time that one thread takes for one operation.
 *
 * <p>In {@code handOver} one thread leases and another thread releases. {@code handOverAlone} passes one buffer on
 * without a lease: subtract its figure from that of {@code handOver}.
 *
 * <p>{@code HitBenchmark -t 2} runs the other allocators with several threads.
 */
public class ThreadsBenchmark extends Defaults {

    private static final long BYTES = 4096;

    /** A pool that no other thread uses. */
    @State(Scope.Thread)
    public static class OwnPool extends Allocators.Pool {}

    @Benchmark
    public MlxBuffer sharedPool(Allocators.Pool pool) {
        return pool.cycle(BYTES);
    }

    @Benchmark
    public MlxBuffer ownPool(OwnPool pool) {
        return pool.cycle(BYTES);
    }

    /**
     * A queue of buffers from one thread to one other thread.
     *
     * <p>A queue of the JDK would cost more than the pool.
     */
    @State(Scope.Group)
    public static class Mailbox {

        private static final int SLOTS = 1024;

        private final AtomicReferenceArray<@Nullable MlxBuffer> slots = new AtomicReferenceArray<>(SLOTS);

        /** Adds a buffer; returns false if the measurement ended before there was room. */
        boolean offer(Cursor cursor, MlxBuffer buffer, Control control) {
            while (slots.getAcquire(cursor.slot) != null) {
                if (control.stopMeasurement) {
                    return false;
                }
                Thread.onSpinWait();
            }
            slots.setRelease(cursor.slot, buffer);
            cursor.slot = (cursor.slot + 1) % SLOTS;
            return true;
        }

        /** Removes a buffer; returns null if the measurement ended before there was one. */
        @Nullable
        MlxBuffer poll(Cursor cursor, Control control) {
            MlxBuffer buffer = slots.getAcquire(cursor.slot);
            while (buffer == null) {
                if (control.stopMeasurement) {
                    return null;
                }
                Thread.onSpinWait();
                buffer = slots.getAcquire(cursor.slot);
            }
            slots.setRelease(cursor.slot, null);
            cursor.slot = (cursor.slot + 1) % SLOTS;
            return buffer;
        }

        /**
         * Closes the buffers that are in the queue when the threads stop.
         *
         * <p>It closes and does not release them, because the queue holds a parcel's buffer many times.
         */
        @TearDown(Level.Iteration)
        public void empty() {
            for (int slot = 0; slot < SLOTS; slot++) {
                MlxBuffer buffer = slots.getAndSet(slot, null);
                if (buffer != null) {
                    buffer.close();
                }
            }
        }
    }

    /** The position of one thread in its mailbox. Each thread has its own, so that the two share no cache line. */
    @State(Scope.Thread)
    public static class Cursor {

        private int slot;

        @Setup(Level.Iteration)
        public void rewind() {
            slot = 0;
        }
    }

    @Benchmark
    @Group("handOver")
    public void lease(Allocators.Pool pool, Mailbox mailbox, Cursor cursor, Control control) {
        MlxBuffer buffer = pool.allocate(BYTES);
        if (!mailbox.offer(cursor, buffer, control)) {
            pool.release(buffer);
        }
    }

    @Benchmark
    @Group("handOver")
    public void release(Allocators.Pool pool, Mailbox mailbox, Cursor cursor, Control control) {
        MlxBuffer buffer = mailbox.poll(cursor, control);
        if (buffer != null) {
            pool.release(buffer);
        }
    }

    /** The buffer that {@code handOverAlone} passes on. */
    @State(Scope.Group)
    public static class Parcel {

        private MlxBuffer buffer;

        @Setup
        public void lease(Allocators.Pool pool) {
            buffer = pool.allocate(BYTES);
        }

        @TearDown
        public void close() {
            buffer.close();
        }
    }

    @Benchmark
    @Group("handOverAlone")
    public boolean send(Parcel parcel, Mailbox mailbox, Cursor cursor, Control control) {
        return mailbox.offer(cursor, parcel.buffer, control);
    }

    @Benchmark
    @Group("handOverAlone")
    public @Nullable MlxBuffer receive(Mailbox mailbox, Cursor cursor, Control control) {
        return mailbox.poll(cursor, control);
    }
}
