package dev.mlxnative;

import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** Threads for what has to wait, each of which ends when it has. */
final class Background {
    private static final long INTERVAL_MILLIS = 10;

    private Background() {}

    /** Runs code that may block in any way, which takes a platform thread: in native code it would hold a carrier. */
    static void run(String name, Runnable code) {
        Thread.ofPlatform()
                .daemon()
                .name(name)
                // Nothing of whoever happens to need the thread lives on with it.
                .inheritInheritableThreadLocals(false)
                .start(code);
    }

    /** Tries what cannot be done now, and that nobody may ask for again, until it returns true. It must not throw. */
    static void retry(String name, BooleanSupplier attempt) {
        run(name, () -> {
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
