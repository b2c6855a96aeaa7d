package dev.mlxnative.internal.pool;

import dev.mlxnative.LeakDetection;
import java.lang.ref.Cleaner;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/** Finds active leases of a pool whose holder became unreachable, so that nothing can end them. Thread-safe. */
public final class LeakDetector {
    /** A prime: it never falls into step with a program that requests the same buffers again and again. */
    private static final int SAMPLING_INTERVAL = 509;

    /** Holds the cleaner, whose thread starts with the first lease that is watched. */
    private static final class LazyCleaner {
        private static final Cleaner CLEANER = Cleaner.create(Thread.ofPlatform()
                .daemon()
                .name("mlx-leak-detector")
                .inheritInheritableThreadLocals(false)
                .factory());
    }

    /** One lease, or those of a scope. Must not keep their holder reachable. */
    interface Leases {
        /** Whether a lease has not ended. */
        boolean areActive();

        /**
         * Ends those that have not ended, and returns their blocks as a chain, which the caller then owns; null if
         * none.
         */
        @Nullable
        Block end();

        /** Completes the end, once the caller has dealt with the blocks. */
        void complete();

        /** Whether a reset of the pool ends them. */
        boolean endWithReset();
    }

    private final class Watch implements Runnable {
        private final Leases leases;
        private final Throwable origin = new Throwable("allocated here");

        private Watch(Leases leases) {
            this.leases = leases;
        }

        /** Called by the cleaner when the holder is unreachable, or by the thread that ends the leases. */
        @Override
        public void run() {
            if (!leases.areActive()) {
                watched.remove(this);
                return;
            }
            if (resetExpected && leases.endWithReset()) {
                watched.remove(this);
                awaitingReset.add(this);
                if (resetExpected) {
                    return;
                }
            }
            report();
        }

        private void report() {
            if ((watched.remove(this) || awaitingReset.remove(this)) && leases.areActive()) {
                leaked.accept(leases, origin);
            }
        }
    }

    private final LeakDetection level;
    private final BiConsumer<Leases, Throwable> leaked;
    private final Set<Watch> watched = ConcurrentHashMap.newKeySet();
    /** Leases without a holder that the next reset is expected to end. */
    private final Set<Watch> awaitingReset = ConcurrentHashMap.newKeySet();

    private volatile boolean resetExpected;

    /** @param leaked receives active leases without a holder, and the stack of their allocation */
    LeakDetector(LeakDetection level, BiConsumer<Leases, Throwable> leaked) {
        this.level = level;
        this.leaked = leaked;
    }

    /** Whether a lease or scope that begins is to be watched. */
    boolean samples() {
        return switch (level) {
            case OFF -> false;
            case SAMPLED -> ThreadLocalRandom.current().nextInt(SAMPLING_INTERVAL) == 0;
            case FULL -> true;
        };
    }

    /**
     * Watches leases until {@code holder} is unreachable. The thread that ends the leases cleans the result: leaving
     * that to the garbage collector costs more than the stack trace.
     */
    Cleaner.Cleanable watch(Object holder, Leases leases) {
        var watch = new Watch(leases);
        watched.add(watch);
        return LazyCleaner.CLEANER.register(holder, watch);
    }

    /**
     * Sets whether the program ends leases by resetting the pool. While it does, leases without a holder are no leaks
     * if a reset can end them. Those that still wait for a reset are reported when it no longer does.
     */
    void expectReset(boolean expected) {
        resetExpected = expected;
        if (!expected) {
            awaitingReset.forEach(Watch::report);
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
        awaitingReset.removeIf(watch -> !watch.leases.areActive());
    }

    /** Calls an action for each watched lease or scope that is active, with the stack of its allocation. */
    void forEachActive(BiConsumer<Leases, Throwable> action) {
        for (Set<Watch> watches : List.of(watched, awaitingReset)) {
            for (Watch watch : watches) {
                if (watch.leases.areActive()) {
                    action.accept(watch.leases, watch.origin);
                }
            }
        }
    }
}
