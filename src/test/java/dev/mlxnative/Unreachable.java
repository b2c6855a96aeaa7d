package dev.mlxnative;

import java.lang.ref.WeakReference;

/** Waits for the garbage collector. */
public final class Unreachable {
    private Unreachable() {}

    /** Waits until an object has been collected, and fails if something keeps it reachable. */
    public static void await(String description, WeakReference<?> object) {
        Async.await(
                () -> {
                    System.gc();
                    return object.get() == null;
                },
                () -> description + " is still reachable");
    }

    /** Fails if an object is not collected at once: nothing keeps it reachable, not even for a while. */
    public static void require(String description, WeakReference<?> object) {
        System.gc();
        if (object.get() != null) {
            throw new AssertionError(description + " is still reachable");
        }
    }
}
