package dev.mlxnative.internal.pool;

import dev.mlxnative.LeakDetection;
import dev.mlxnative.internal.observe.LeakWatch;
import java.lang.ref.Cleaner;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/** Finds active leases of a pool whose holder became unreachable, so that nothing can end them. Thread-safe. */
public final class LeakDetector {
    /** One lease, or those of a scope. Must not keep their holder reachable. */
    interface Leases {
        /** Whether a lease has not ended. */
        boolean areActive();

        /**
         * Ends those that have not ended, and returns their blocks as a chain, which the caller then owns; null if
         * none.
         *
         * @throws IllegalStateException if native calls use all of them; they can be ended later
         */
        @Nullable
        Block end();

        /** Completes the end, once the caller has dealt with the blocks. */
        void complete();

        /** Whether a reset of the pool ends them. */
        boolean endWithReset();
    }

    private final class Watched {
        private final Leases leases;
        private final Throwable origin = new Throwable("allocated here");
        private final LeakWatch watch;

        private Watched(Leases leases) {
            this.leases = leases;
            this.watch = new LeakWatch(leases, this::end);
        }

        /** Called by the cleaner when the holder is unreachable, or by the thread that ends the leases. */
        private boolean end() {
            if (leases.areActive()) {
                if (resetExpected && leases.endWithReset()) {
                    awaitingReset.add(this);
                    watched.remove(this);
                    if (resetExpected) {
                        return true;
                    }
                }
                leaked.accept(leases, origin);
            }
            if (leases.areActive()) {
                return false;
            }
            watched.remove(this);
            awaitingReset.remove(this);
            return true;
        }
    }

    private final LeakDetection level;
    private final BiConsumer<Leases, Throwable> leaked;
    private final Set<Watched> watched = ConcurrentHashMap.newKeySet();
    /** Leases without a holder that the next reset is expected to end. */
    private final Set<Watched> awaitingReset = ConcurrentHashMap.newKeySet();

    private volatile boolean resetExpected;

    /** @param leaked ends active leases without a holder, and reports them with the stack of their allocation */
    LeakDetector(LeakDetection level, BiConsumer<Leases, Throwable> leaked) {
        this.level = level;
        this.leaked = leaked;
    }

    /** Whether a lease or scope that begins is to be watched. */
    boolean samples() {
        return LeakWatch.samples(level);
    }

    /** Watches leases until {@code holder} is unreachable. The thread that ends the leases cleans the result. */
    Cleaner.Cleanable watch(Object holder, Leases leases) {
        var added = new Watched(leases);
        watched.add(added);
        boolean started = false;
        try {
            Cleaner.Cleanable watch = added.watch.start(holder);
            started = true;
            return watch;
        } finally {
            if (!started) {
                watched.remove(added);
            }
        }
    }

    /**
     * Sets whether the program ends leases by resetting the pool. While it does, leases without a holder are no leaks
     * if a reset can end them. Those that still wait for a reset are reported when it no longer does.
     */
    void expectReset(boolean expected) {
        resetExpected = expected;
        if (!expected) {
            awaitingReset.forEach(waiting -> waiting.watch.run());
        }
    }

    /** Leases without a holder that wait for the next reset. */
    public int awaitingResetCount() {
        return awaitingReset.size();
    }

    /** Watched leases and scopes that are active. */
    public int activeCount() {
        AtomicInteger count = new AtomicInteger();
        forEachActive((leases, origin) -> count.incrementAndGet());
        return count.get();
    }

    /** A reset has ended all the leases that it could. */
    void resetDone() {
        awaitingReset.removeIf(waiting -> !waiting.leases.areActive());
    }

    /** Calls an action for each watched lease or scope that is active, with the stack of its allocation. */
    void forEachActive(BiConsumer<Leases, Throwable> action) {
        for (Set<Watched> all : List.of(watched, awaitingReset)) {
            for (Watched one : all) {
                if (one.leases.areActive()) {
                    action.accept(one.leases, one.origin);
                }
            }
        }
    }
}
