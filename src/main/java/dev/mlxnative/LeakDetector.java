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
    private static final int SAMPLING_INTERVAL = 127;

    /** Loaded with the first lease that is watched, and the thread with it. */
    private static final class Garbage {
        private static final Cleaner CLEANER = Cleaner.create(
                Thread.ofPlatform().daemon().name("mlx-leak-detector").factory());
    }

    /** One lease, or those of a scope. Holds on to nothing by which a program could still end them. */
    interface Leases {
        /** Whether one of them has not ended. */
        boolean areOut();

        /** Ends those that have not ended, and returns their memory, which is the caller's. */
        List<NativeBuffer> end();

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
            boolean leftToReset = poolIsReset && leases.endWithReset() && leases.areOut();
            if (!leftToReset && watched.remove(this) && leases.areOut()) {
                dropped.accept(leases, origin);
            }
        }
    }

    private final LeakDetection level;
    private final BiConsumer<Leases, Throwable> dropped;
    private final Set<Watched> watched = ConcurrentHashMap.newKeySet();
    private volatile boolean poolIsReset;

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

    /** Watches leases for as long as {@code holder}, without which nobody can end them, is reachable. */
    void watch(Object holder, Leases leases) {
        var watch = new Watched(leases);
        watched.add(watch);
        Garbage.CLEANER.register(holder, watch);
    }

    /** Dropped leases that a reset ends are no leaks from here on: the pool's user ends them so. */
    void poolIsReset() {
        poolIsReset = true;
    }

    /** Shows what is watched and has not ended, with where it began. */
    void forEachOut(BiConsumer<Leases, Throwable> action) {
        for (Watched watch : watched) {
            if (watch.leases.areOut()) {
                action.accept(watch.leases, watch.origin);
            }
        }
    }
}
