package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.PoolStats;
import dev.mlxnative.internal.device.DeviceMemory;
import java.util.List;

/**
 * The state of a pool with its transactions, on a fake memory source. Nothing carries out what the transactions leave
 * to be done: a test sees it with {@link #leftover}, and can do it with {@link #carryOut}.
 */
final class StateSetup {
    final FakeMemorySource source;
    final Shards shards = new Shards();
    final Shard shard = shards.get(0);
    final PoolState state;
    final AllocationTransactions allocations;
    final ReleaseTransactions releases;
    final MaintenanceTransactions maintenance;

    StateSetup(PoolSetup setup) {
        source = setup.source;
        state = new PoolState(setup.config(), shards);
        allocations = new AllocationTransactions(state);
        releases = new ReleaseTransactions(state);
        maintenance = new MaintenanceTransactions(state);
    }

    /** Leases free memory, or else new memory, which the limits must allow. */
    Block lease(long byteLength) {
        return lease(shard, byteLength);
    }

    Block lease(Shard inShard, long byteLength) {
        Block block = allocations.reuse(inShard, byteLength, null, true);
        if (block == null) {
            Reservation reservation = allocations.reserve(byteLength, false, Reservation.ANY);
            assertThat(reservation).isInstanceOf(Reservation.Granted.class);
            DeviceMemory memory = source.allocate(((Reservation.Granted) reservation).capacity());
            block = allocations.commit(memory, inShard, byteLength, null, true);
        }
        block.issue();
        return block;
    }

    /** Leases memory that nothing served before. */
    Block leaseNew(long byteLength) {
        Block block = lease(byteLength);
        assertThat(source.takeSteps()).as("new memory").hasSize(1);
        return block;
    }

    /** Ends a lease so that its block is retiring. */
    Block retire(Block block) {
        assertThat(block.shard().end(block, block.generation(), false)).isEqualTo(LeaseEnd.RETIRING);
        return block;
    }

    /** Ends a lease and frees its block; returns what that leaves to be done. */
    Leftover free(Block block) {
        assertThat(releases.endAndFree(block, block.generation()))
                .as("the lease was active")
                .isTrue();
        return leftover();
    }

    /** Retires a block and parks it with a fence; returns what that leaves to be done. */
    Leftover park(Block block, FakeFence fence) {
        return parkRetiring(retire(block), fence);
    }

    /** Parks a chain of retiring blocks with a fence; returns what that leaves to be done. */
    Leftover parkRetiring(Block first, FakeFence fence) {
        releases.reserve(fence);
        releases.park(first, fence);
        releases.unreserve(fence);
        return leftover();
    }

    /** Ends a lease in its shard, which caches the block. */
    void cache(Block block) {
        assertThat(block.shard().end(block, block.generation(), true)).isEqualTo(LeaseEnd.CACHED);
    }

    /** Takes what the transactions have left to be done, and checks that they have said so. */
    Leftover leftover() {
        boolean published = state.hasBacklog();
        var taken = new Backlog();
        maintenance.takeBacklog(taken);
        assertThat(published).as("the backlog is published").isEqualTo(!taken.isEmpty());
        assertThat(state.hasBacklog()).as("there is more").isFalse();
        return Leftover.takenFrom(taken);
    }

    /** Frees native buffers as a transaction asks for it. */
    void carryOut(Leftover leftover) {
        source.free(leftover.list(), memory -> maintenance.freed(memory.capacity()));
    }

    PoolStats stats() {
        return state.snapshot(source.allocatedBytes());
    }

    /** Checks that no transaction has left the pool's lock locked. */
    void requireUnlocked() {
        assertThat(state.lock.isLocked()).as("the pool's lock is free").isFalse();
    }

    static List<Long> capacities(List<DeviceMemory> memories) {
        return memories.stream().map(DeviceMemory::capacity).toList();
    }
}
