package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** Waits for what another thread does. */
final class Waiting {
    private static final long LIMIT_NANOS = TimeUnit.SECONDS.toNanos(10);

    private Waiting() {}

    /** Waits until a condition holds; fails the test if it does not come to hold. */
    static void until(String condition, BooleanSupplier holds) {
        long start = System.nanoTime();
        // The condition is not asked again once it held: it may hold for a moment only.
        boolean held = holds.getAsBoolean();
        while (!held && System.nanoTime() - start < LIMIT_NANOS) {
            Thread.yield();
            held = holds.getAsBoolean();
        }
        assertThat(held).as(condition).isTrue();
    }

    /** Waits until a latch is open, for as long as the test lasts. */
    static void untilOpen(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
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
