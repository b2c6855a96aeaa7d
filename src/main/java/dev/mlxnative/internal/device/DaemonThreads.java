package dev.mlxnative.internal.device;

import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** Daemon threads for work that blocks. Each ends with its work. */
public final class DaemonThreads {
    private static final long RETRY_MILLIS = 10;

    private DaemonThreads() {}

    /** Runs code on a platform thread of its own: blocking in native code would hold the carrier of a virtual one. */
    public static void run(String name, Runnable code) {
        Thread.ofPlatform()
                .daemon()
                .name(name)
                // The thread must not keep values of its creator alive.
                .inheritInheritableThreadLocals(false)
                .start(code);
    }

    /** Repeats an attempt every 10 ms until it returns true. The attempt must not throw. */
    static void retry(String name, BooleanSupplier attempt) {
        run(name, () -> {
            try {
                while (!attempt.getAsBoolean()) {
                    TimeUnit.MILLISECONDS.sleep(RETRY_MILLIS);
                }
            } catch (InterruptedException e) {
                throw new AssertionError("no code has a reference to this thread", e);
            }
        });
    }
}
