package dev.mlxnative.internal.pool;

/** The shards of a pool, a fixed number of them. Thread-safe. */
final class Shards {
    /** Enough that few of the threads that run at the same time share a shard. */
    private static final int SHARDS_PER_CORE = 4;

    private static final int MAX_SHARDS = 64;

    private final Shard[] shards;

    Shards() {
        int wanted = Math.min(SHARDS_PER_CORE * Runtime.getRuntime().availableProcessors(), MAX_SHARDS);
        shards = new Shard[Integer.highestOneBit(wanted)];
        for (int i = 0; i < shards.length; i++) {
            shards[i] = new Shard();
        }
    }

    /** The shard in which the calling thread begins a lease: its own, or another one while that is locked. */
    Shard ofThread() {
        int index = (int) Thread.currentThread().threadId() & (shards.length - 1);
        Shard shard = shards[index];
        // Half the table away: threads that were started together have consecutive ids.
        return shard.isLocked() ? shards[index ^ (shards.length / 2)] : shard;
    }

    int count() {
        return shards.length;
    }

    Shard get(int index) {
        return shards[index];
    }

    /** The sums of all figures at one moment, for which all locks are held together. */
    @SuppressWarnings("GuardedBy") // the check does not follow locks in an array
    ShardTotals totals() {
        var totals = new ShardTotals();
        int locked = 0;
        try {
            for (; locked < shards.length; locked++) {
                shards[locked].lock();
            }
            for (Shard shard : shards) {
                shard.addTo(totals);
            }
            return totals;
        } finally {
            for (int i = 0; i < locked; i++) {
                shards[i].unlock();
            }
        }
    }
}
