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
     * @param pending the fence to park the memory with, for which the caller has a reservation; null for none
     */
    boolean end(Block block, long generation, @Nullable MlxFence pending) {
        boolean fast = pending == null && isUnobserved(block) && !block.isSurelyInFlight();
        if (fast && !block.shard().caches(block)) {
            boolean ended = releases.endAndFree(block, generation);
            reclaimer.run();
            return ended;
        }
        LeaseEnd end = block.shard().end(block, generation, fast);
        if (end == LeaseEnd.RETIRING) {
            retire(block, pending);
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
     *
     * @param retiring an empty list to work with
     */
    void endAll(List<Block> blocks, BlockList retiring) {
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
            retire(retiring.takeAll(), null);
        }
    }

    /** Ends all leases outside scopes, in a pool whose leases have no arenas of their own. */
    void endResettable(@Nullable MlxFence pending) {
        BlockList retiring = new BlockList();
        for (int i = 0; i < shards.count(); i++) {
            Shard shard = shards.get(i);
            shard.lock();
            try {
                for (int slot = 0; slot < shard.usedSlots(); slot++) {
                    Block block = shard.resettableAt(slot);
                    if (block != null) {
                        boolean fast = pending == null && isUnobserved(block);
                        if (shard.endCurrent(block, fast) == LeaseEnd.RETIRING) {
                            retiring.add(block);
                        }
                    }
                }
            } finally {
                shard.unlock();
            }
        }
        retire(retiring.takeAll(), pending);
    }

    /**
     * Ends all leases outside scopes, in a checked pool. A native call may be using a lease, which then goes on.
     * Returns the exception of the last such lease; null if all have ended.
     */
    @Nullable
    IllegalStateException endResettableOneByOne(@Nullable MlxFence pending) {
        IllegalStateException inUse = null;
        List<LeaseRef> leases = resettableLeases();
        BlockList retiring = new BlockList();
        try {
            for (LeaseRef lease : leases) {
                try {
                    if (lease.tryEnd()) {
                        retiring.add(lease.block());
                    }
                } catch (IllegalStateException e) {
                    inUse = e;
                }
            }
        } finally {
            retire(retiring.takeAll(), pending);
        }
        return inUse;
    }

    /**
     * Ends the leases that blocks have, one at a time, because a native call may be using each.
     *
     * @param pending the fence that their memory is parked with
     * @throws IllegalStateException if one is in use; it and those after it have not ended
     */
    void endOneByOne(List<Block> blocks, MlxFence pending) {
        releases.reserve(pending);
        try {
            for (Block block : blocks) {
                if (LeaseRef.current(block).tryEnd()) {
                    retire(block, pending);
                }
            }
        } finally {
            releases.unreserve(pending);
        }
    }

    private List<LeaseRef> resettableLeases() {
        List<LeaseRef> leases = new ArrayList<>();
        for (int i = 0; i < shards.count(); i++) {
            Shard shard = shards.get(i);
            shard.lock();
            try {
                for (int slot = 0; slot < shard.usedSlots(); slot++) {
                    Block block = shard.resettableAt(slot);
                    if (block != null) {
                        leases.add(LeaseRef.current(block));
                    }
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
     * @param first of a chain of blocks
     * @param pending the fence to park them with, for which the caller has a reservation; null for none
     */
    void retire(@Nullable Block first, @Nullable MlxFence pending) {
        try {
            for (Block block = first; block != null; block = block.next) {
                unwatch(block);
                observer.released(block, pending != null || block.isInFlight());
            }
        } finally {
            if (pending == null) {
                free(first);
            } else {
                releases.park(first, pending);
                reclaimer.run();
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

    /**
     * Frees a chain of retiring blocks without a report: also those of a lease that failed to begin. Those that the GPU
     * may still use are parked until it is done.
     */
    void free(@Nullable Block first) {
        try {
            cleanAll(first);
        } finally {
            releases.freeRetiring(first);
            reclaimer.run();
        }
    }

    /** Frees a chain of blocks whose fence is complete, taken from the pending releases. */
    void freeParked(@Nullable Block first) {
        try {
            cleanAll(first);
        } finally {
            releases.freeParked(first);
            reclaimer.run();
        }
    }

    private void cleanAll(@Nullable Block first) {
        for (Block block = first; block != null; block = block.next) {
            block.waitsForUse = block.isSurelyInFlight();
            if (!block.waitsForUse) {
                clean(block);
            }
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
     *
     * @param first of a chain of blocks
     * @param disposal made before the leases ended, receives what has become of their memory
     */
    void retireLeaked(@Nullable Block first, ReleaseTransactions.Disposal disposal) {
        try {
            for (Block block = first; block != null; block = block.next) {
                block.watch = null;
            }
            observer.leaked(first);
        } finally {
            releases.dispose(first, disposal);
            reclaimer.run();
        }
    }
}
