package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.background.Log;
import java.util.function.BiConsumer;

/** Ends leases whose holder is unreachable, and logs the leak. Thread-safe. */
final class LeakEnd implements BiConsumer<LeakDetector.Leases, Throwable> {
    private final String pool;
    private final Retirement retirement;

    LeakEnd(String pool, Retirement retirement) {
        this.pool = pool;
        this.retirement = retirement;
    }

    @Override
    public void accept(LeakDetector.Leases leases, Throwable origin) {
        var disposal = new ReleaseTransactions.Disposal();
        Block ended = leases.end();
        if (ended == null && leases.endWithReset()) {
            return; // a reset was faster
        }
        try {
            retirement.retireLeaked(ended, disposal);
        } finally {
            leases.complete();
        }
        Log.warn(
                "leak in pool " + pool + ": " + leases + " became garbage and had never been closed; "
                        + describe(disposal),
                origin);
    }

    private static String describe(ReleaseTransactions.Disposal disposal) {
        String freed = disposal.freedCount() + " native buffer(s) of " + disposal.freedBytes() + " bytes were freed";
        return disposal.quarantinedCount() == 0
                ? freed
                : freed + ", and " + disposal.quarantinedBytes()
                        + " bytes are in quarantine until the rest of their native buffer is free";
    }
}
