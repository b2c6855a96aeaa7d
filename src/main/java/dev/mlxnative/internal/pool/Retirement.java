package dev.mlxnative.internal.pool;

import dev.mlxnative.MlxFence;
import dev.mlxnative.internal.observe.JfrEvents;
import java.lang.ref.Cleaner;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The ends of leases. On the fast path, nothing observes the lease: its shard caches the block or, if no shard can, one
 * transaction makes it free. Any other block is retired: its end is reported, the traces of the lease are removed, and
 * it becomes free or parked.
 */
final class Retirement {
    /** The byte that a checked pool fills released memory with. It is easy to recognise in numbers of every type. */
    private static final byte RELEASED = (byte) 0xA5;

    /** How many leases end at most under one lock of a shard: other threads wait for some hundred nanoseconds. */
    private static final int MAX_BATCH = 64;

    private final boolean checked;
    /** Whether the end of every lease must be seen, by the allocation log or by the fill of a checked pool. */
    private final boolean observesAll;

    private final Shards shards;
    private final ReleaseTransactions releases;
    private final PoolObserver observer;
    private final Reclaimer reclaimer;

    Retirement(
            boolean checked, Shards shards, ReleaseTransactions releases, PoolObserver observer, Reclaimer reclaimer) {
        this.checked = checked;
        this.observesAll = checked || observer.isLogging();
        this.shards = shards;
        this.releases = releases;
        this.observer = observer;
        this.reclaimer = reclaimer;
    }

    /**
     * Ends a lease; false if it had ended before.
     *
     * @param pending the fence to park the memory with, retained by the caller; null for none
     */
    boolean end(Block block, long generation, @Nullable MlxFence pending) {
        boolean fast = pending == null && isUnobserved(block);
        if (fast && !block.isCacheable()) {
            Deferred deferred = releases.endAndFree(block, generation);
            if (deferred == null) {
                return false;
            }
            reclaimer.carryOut(deferred);
            return true;
        }
        LeaseEnd end = block.shard().end(block, generation, fast);
        if (end == LeaseEnd.RETIRING) {
            retire(List.of(block), pending);
        }
        return end != LeaseEnd.ENDED_BEFORE;
    }

    /** Whether a lease may end on the fast path: no log, event, watch, label or fill needs to see the end. */
    private boolean isUnobserved(Block block) {
        return !observesAll && block.watch == null && !block.labelled && !JfrEvents.recordsReleases();
    }

    /**
     * Ends the leases that the blocks of a scope have, once its arena is closed. Blocks without a lease stay as they
     * are; none can have a lease of another holder, since memory of a scope is not reused before its end.
     */
    void endAll(List<Block> blocks) {
        List<Block> retiring = new ArrayList<>();
        for (int next = 0; next < blocks.size(); ) {
            Shard shard = blocks.get(next).shard();
            int end = Math.min(next + MAX_BATCH, blocks.size());
            shard.lock();
            try {
                for (; next < end && blocks.get(next).shard == shard; next++) {
                    Block block = blocks.get(next);
                    if (shard.endCurrent(block, isUnobserved(block)) == LeaseEnd.RETIRING) {
                        retiring.add(block);
                    }
                }
            } finally {
                shard.unlock();
            }
        }
        if (!retiring.isEmpty()) {
            retire(retiring, null);
        }
    }

    /** Ends all leases outside scopes, in a pool whose leases have no arenas of their own. */
    void endResettable(@Nullable MlxFence pending) {
        List<Block> retiring = new ArrayList<>();
        for (int i = 0; i < shards.count(); i++) {
            Shard shard = shards.get(i);
            shard.lock();
            try {
                for (Block block : shard.resettable()) {
                    boolean fast = pending == null && isUnobserved(block);
                    if (shard.endCurrent(block, fast) == LeaseEnd.RETIRING) {
                        retiring.add(block);
                    }
                }
            } finally {
                shard.unlock();
            }
        }
        retire(retiring, pending);
    }

    /**
     * Ends all leases outside scopes, in a checked pool. A native call may be using a lease, which then goes on.
     * Returns the exception of the last such lease; null if all have ended.
     */
    @Nullable
    IllegalStateException endResettableOneByOne(@Nullable MlxFence pending) {
        IllegalStateException inUse = null;
        List<LeaseRef> leases = resettableLeases();
        List<Block> retiring = new ArrayList<>(leases.size());
        for (LeaseRef lease : leases) {
            try {
                if (lease.tryEnd()) {
                    retiring.add(lease.block());
                }
            } catch (IllegalStateException e) {
                inUse = e;
            }
        }
        retire(retiring, pending);
        return inUse;
    }

    private List<LeaseRef> resettableLeases() {
        List<LeaseRef> leases = new ArrayList<>();
        for (int i = 0; i < shards.count(); i++) {
            Shard shard = shards.get(i);
            shard.lock();
            try {
                for (Block block : shard.resettable()) {
                    leases.add(LeaseRef.current(block));
                }
            } finally {
                shard.unlock();
            }
        }
        return leases;
    }

    /**
     * Retires blocks whose leases have ended: frees them, or parks them.
     *
     * @param pending the fence to park them with, retained by the caller; null for none
     */
    void retire(List<Block> blocks, @Nullable MlxFence pending) {
        try {
            for (Block block : blocks) {
                unwatch(block);
                observer.released(block, pending != null);
            }
        } finally {
            if (pending == null) {
                free(blocks);
            } else {
                reclaimer.carryOut(releases.park(blocks, pending));
            }
        }
    }

    private static void unwatch(Block block) {
        Cleaner.Cleanable watch = block.watch;
        if (watch != null) {
            block.watch = null;
            watch.clean();
        }
    }

    /** Frees retiring blocks without a report: also those of a lease that failed to begin. */
    void free(List<Block> blocks) {
        try {
            blocks.forEach(this::clean);
        } finally {
            reclaimer.carryOut(releases.freeRetiring(blocks));
        }
    }

    /** Frees blocks whose fence is complete, taken from the pending releases. */
    void freeParked(List<Block> blocks) {
        try {
            blocks.forEach(this::clean);
        } finally {
            reclaimer.carryOut(releases.freeParked(blocks));
        }
    }

    /** Removes the traces of a lease. Never before its fence is complete: the GPU may still read. */
    private void clean(Block block) {
        if (block.labelled) {
            block.labelled = false;
            block.memory().removeLabel();
        }
        if (checked) {
            block.segment().fill(RELEASED);
        }
    }

    /**
     * Retires the blocks of leaked leases. GPU work may still use them, so they are not reused: the device keeps a
     * freed native buffer until the work is done.
     */
    ReleaseTransactions.Disposal retireLeaked(List<Block> blocks) {
        ReleaseTransactions.Disposal disposal;
        try {
            for (Block block : blocks) {
                block.watch = null;
            }
            observer.leaked(blocks);
        } finally {
            disposal = releases.dispose(blocks);
            reclaimer.carryOut(disposal.deferred());
        }
        return disposal;
    }
}
