package dev.mlxnative;

import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/** Starts tasks on threads of their own, and waits for the effects of other threads. */
public final class Async {
    private static final long LIMIT_NANOS = TimeUnit.SECONDS.toNanos(20);

    private Async() {}

    /** Starts a task on a new daemon thread. */
    static <T> FutureTask<T> start(Callable<T> task) {
        FutureTask<T> future = new FutureTask<>(task);
        Thread.ofPlatform().daemon().start(future);
        return future;
    }

    /** Waits until a condition holds, and fails if it does not hold in time. */
    public static void await(BooleanSupplier condition) {
        await(condition, () -> "the condition does not hold after " + LIMIT_NANOS + " ns");
    }

    /**
     * Waits until a condition holds, and fails if it does not hold in time.
     *
     * @param otherwise the message of the failure
     */
    static void await(BooleanSupplier condition, Supplier<String> otherwise) {
        long start = System.nanoTime();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() - start > LIMIT_NANOS) {
                throw new AssertionError(otherwise.get());
            }
            pause();
        }
    }

    /** Lets other threads run for some milliseconds. */
    static void pause() {
        try {
            TimeUnit.MILLISECONDS.sleep(5);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
