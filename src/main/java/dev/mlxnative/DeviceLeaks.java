package dev.mlxnative;

import dev.mlxnative.internal.background.Log;
import dev.mlxnative.internal.observe.LeakWatch;
import java.lang.ref.Cleaner;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** Finds objects of a device that a program has dropped, and closes them. */
final class DeviceLeaks {
    private final LeakDetection level;

    DeviceLeaks(LeakDetection level) {
        this.level = level;
    }

    /**
     * Watches an object until {@code holder} is unreachable. The thread that closes the object cleans the result.
     *
     * @param object what the log calls the object: {@code "an event"}
     * @param close closes the object; false if it was closed before. Must not keep {@code holder} reachable
     */
    Cleaner.Cleanable watch(Object holder, String object, BooleanSupplier close) {
        if (level == LeakDetection.OFF) {
            return () -> {};
        }
        Throwable origin = LeakWatch.samples(level) ? new Throwable("created here") : null;
        return new LeakWatch(object, () -> {
                    if (close.getAsBoolean()) {
                        log(object, origin);
                    }
                    return true;
                })
                .start(holder);
    }

    private static void log(String object, @Nullable Throwable origin) {
        String message = "leak on the device: " + object + " became garbage and had never been closed; it was closed";
        if (origin == null) {
            Log.warn(message + ". -Dmlx.leakDetection=full shows where it was created");
        } else {
            Log.warn(message, origin);
        }
    }
}
