package dev.mlxnative;

import java.lang.ref.Cleaner;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BiConsumer;

/** Finds the leases of a pool that nobody can end any more, because whoever could is garbage. */
final class LeakDetector {
    /** A prime, so that it does not fall into step with a program that asks for the same buffers again and again. */
    private static final int SAMPLING_INTERVAL = 509;

    /** Loaded with the first lease that is watched, and the thread with it. */
    private static final class Garbage {
        private static final Cleaner CLEANER = Cleaner.create(Thread.ofPlatform()
                .daemon()
                .name("mlx-leak-detector")
                .inheritInheritableThreadLocals(false)
                .factory());
    }

    /** One lease, or those of a scope. Holds on to nothing by which a program could still end them. */
    interface Leases {
        /** Whether one of them has not ended. */
        boolean areOut();

        /** Ends those that have not ended, and returns their memory, which is the caller's. */
        List<Block> end();

        /** What else their end brings, once the caller has dealt with that memory. */
        void settle();

        /** Whether {@link MlxBufferPool#reset} ends them. */
        boolean endWithReset();
    }

    private final class Watched implements Runnable {
        private final Leases leases;
        private final Throwable origin = new Throwable("allocated here");

        private Watched(Leases leases) {
            this.leases = leases;
        }

        @Override
        public void run() {
            if (!leases.areOut()) {
                watched.remove(this);
                return;
            }
            if (leaveToReset && leases.endWithReset()) {
                watched.remove(this);
                toBeReset.add(this);
                if (leaveToReset) {
                    return;
                }
            }
            report();
        }

        private void report() {
            if ((watched.remove(this) || toBeReset.remove(this)) && leases.areOut()) {
                dropped.accept(leases, origin);
            }
        }
    }

    private final LeakDetection level;
    private final BiConsumer<Leases, Throwable> dropped;
    private final Set<Watched> watched = ConcurrentHashMap.newKeySet();
    /** Dropped leases that a reset is to end. */
    private final Set<Watched> toBeReset = ConcurrentHashMap.newKeySet();

    private volatile boolean leaveToReset;

    /** @param dropped takes leases that are out and that nobody can end any more, with where they began */
    LeakDetector(LeakDetection level, BiConsumer<Leases, Throwable> dropped) {
        this.level = level;
        this.dropped = dropped;
    }

    /** Whether a lease or scope that begins is to be watched. */
    boolean picks() {
        return switch (level) {
            case OFF -> false;
            case SAMPLED -> ThreadLocalRandom.current().nextInt(SAMPLING_INTERVAL) == 0;
            case FULL -> true;
        };
    }

    /**
     * Watches leases for as long as {@code holder}, without which nobody can end them, is reachable. To be cleaned by
     * whoever ends them: what the garbage collector has to find out costs it more than the stack trace.
     */
    Cleaner.Cleanable watch(Object holder, Leases leases) {
        var watch = new Watched(leases);
        watched.add(watch);
        return Garbage.CLEANER.register(holder, watch);
    }

    /**
     * Whether dropped leases that a reset can end are no leaks, since the pool's user ends them so. Where that is over,
     * those that were dropped meanwhile are.
     */
    void leaveToReset(boolean leave) {
        leaveToReset = leave;
        if (!leave) {
            toBeReset.forEach(Watched::report);
        }
    }

    int toBeResetCount() {
        return toBeReset.size();
    }

    /** A reset has ended all the leases that it could. */
    void leasesAreReset() {
        toBeReset.removeIf(watch -> !watch.leases.areOut());
    }

    /** Shows what is watched and has not ended, with where it began. */
    void forEachOut(BiConsumer<Leases, Throwable> action) {
        for (Set<Watched> watches : List.of(watched, toBeReset)) {
            for (Watched watch : watches) {
                if (watch.leases.areOut()) {
                    action.accept(watch.leases, watch.origin);
                }
            }
        }
    }
}
