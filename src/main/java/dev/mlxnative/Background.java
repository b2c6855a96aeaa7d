package dev.mlxnative;

import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** For what cannot be done now and that nobody may ask for again: a thread that lives until it is done. */
final class Background {
    private static final long INTERVAL_MILLIS = 10;

    private Background() {}

    /** Tries until the attempt returns true. It must not throw. */
    static void retry(String name, BooleanSupplier attempt) {
        Thread.ofPlatform().daemon().name(name).start(() -> {
            try {
                while (!attempt.getAsBoolean()) {
                    TimeUnit.MILLISECONDS.sleep(INTERVAL_MILLIS);
                }
            } catch (InterruptedException e) {
                throw new AssertionError("nobody knows this thread", e);
            }
        });
    }
}
