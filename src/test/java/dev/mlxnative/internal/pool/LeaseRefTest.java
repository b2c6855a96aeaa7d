package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import org.junit.jupiter.api.Test;

class LeaseRefTest {
    private final PoolEngine pool = new PoolSetup().engine();
    private final FakeArena arena = new FakeArena();
    private final Block block = pool.acquire(1000, arena, true);
    private final long generation = block.issue();
    private final LeaseRef lease = new LeaseRef(block, generation, arena, 1000);

    @Test
    void itRefersToTheLeaseThatABlockHas() {
        assertThat(LeaseRef.current(block)).isEqualTo(lease);
        assertThat(lease.areActive()).isTrue();
        assertThat(lease.endWithReset()).isTrue();
        assertThat(lease).hasToString("a buffer of 1000 bytes");
    }

    @Test
    void itsLeaseEndsOnceAndTheCallerRetiresTheBlock() {
        assertThat(lease.tryEnd()).isTrue();
        assertThat(lease.areActive()).isFalse();
        assertThat(arena.isAlive()).isFalse();
        assertThat(pool.snapshot().activeCount()).as("until it is retired").isEqualTo(1);
        assertThat(lease.tryEnd()).isFalse();
    }

    @Test
    void theBlockOfItsEndedLeaseIsReturned() {
        assertThat(Chain.blocks(lease.end())).containsExactly(block);
        assertThat(lease.end()).isNull();
        lease.complete();
    }

    @Test
    void aLeaseWhoseArenaWasClosedIsEndedByTheCallThatClosedIt() {
        arena.close();
        assertThat(lease.tryEnd()).isFalse();
        assertThat(lease.areActive()).isTrue();
    }

    @Test
    void aLeaseThatANativeCallUsesDoesNotEnd() {
        arena.inUse = true;
        assertThatIllegalStateException().isThrownBy(lease::tryEnd);
        assertThat(lease.areActive()).isTrue();
    }

    @Test
    void anEarlierLeaseOfABlockIsNotItsLease() {
        block.end(generation);
        long next = block.issue();
        assertThat(new LeaseRef(block, generation, null, 1000).tryEnd()).isFalse();
        assertThat(block.isActive(next)).isTrue();
    }

    @Test
    void aBlockWithoutALeaseHasNoneToEnd() {
        block.end(generation);
        LeaseRef none = LeaseRef.current(block);
        assertThat(none.tryEnd()).isFalse();
        assertThat(arena.isAlive()).as("the arena belongs to no lease").isTrue();
        Block unused = Block.whole(new FakeMemorySource().allocate(256));
        unused.issue();
        assertThat(LeaseRef.current(unused).tryEnd())
                .as("a block that is in no shard")
                .isFalse();
    }
}
