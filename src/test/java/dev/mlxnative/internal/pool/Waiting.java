package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** Waits for what another thread does. */
final class Waiting {
    private static final long LIMIT_NANOS = TimeUnit.SECONDS.toNanos(10);

    private Waiting() {}

    /** Waits until a condition holds; fails the test if it does not come to hold. */
    static void until(String condition, BooleanSupplier holds) {
        long start = System.nanoTime();
        while (!holds.getAsBoolean() && System.nanoTime() - start < LIMIT_NANOS) {
            Thread.onSpinWait();
            Thread.yield();
        }
        assertThat(holds.getAsBoolean()).as(condition).isTrue();
    }

    /** Waits until a thread sleeps, with or without a time limit. */
    static void untilAsleep(Thread thread) {
        until("the thread sleeps", () -> isAsleep(thread));
    }

    static boolean isAsleep(Thread thread) {
        return thread.getState() == Thread.State.WAITING || thread.getState() == Thread.State.TIMED_WAITING;
    }

    /** Waits until a thread has ended. */
    static void untilEnded(Thread thread) {
        until("the thread ends", () -> !thread.isAlive());
    }
}
