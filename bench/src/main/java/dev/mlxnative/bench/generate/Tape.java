package dev.mlxnative.bench.generate;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * The allocations and frees of a thread of a simulated program, in their order, with a clock.
 *
 * <p>The clock advances with each allocation by the time of the kernel that fills the buffer: the time of a launch, and
 * the time to write the bytes.
 */
final class Tape {

    /** The shortest time of a launch, in microseconds. The longest is three times as long. */
    private static final int LEAST_LAUNCH_MICROS = 15;

    /** The bytes of results in a microsecond: 16 GB/s, because most kernels compute and few only copy. */
    private static final long BYTES_PER_MICRO = 1 << 14;

    private final int thread;
    private final SplittableRandom random;
    private final List<Event> events = new ArrayList<>();
    private final List<Long> sizes = new ArrayList<>();
    private long micros;
    private int requests;

    Tape(int thread, SplittableRandom random) {
        this.thread = thread;
        this.random = random;
    }

    /** Allocates a buffer, and returns its number. */
    int allocate(long bytes) {
        int buffer = sizes.size();
        sizes.add(bytes);
        events.add(new Event(thread, micros, true, pointer(buffer), bytes));
        micros += random.nextInt(LEAST_LAUNCH_MICROS, 3 * LEAST_LAUNCH_MICROS) + bytes / BYTES_PER_MICRO;
        requests++;
        return buffer;
    }

    void free(int... buffers) {
        for (int buffer : buffers) {
            events.add(new Event(thread, micros, false, pointer(buffer), sizes.get(buffer)));
        }
    }

    private long pointer(int buffer) {
        return ((long) thread << Integer.SIZE) + buffer + 1;
    }

    /** A buffer that only one kernel uses. */
    void scratch(long bytes) {
        free(allocate(bytes));
    }

    /** Lets time pass in which the thread allocates nothing. */
    void idle(long pause) {
        micros += pause;
    }

    /** The number of allocations so far. */
    int requests() {
        return requests;
    }

    /** The time since the start of the program. */
    long micros() {
        return micros;
    }

    List<Event> events() {
        return events;
    }
}
