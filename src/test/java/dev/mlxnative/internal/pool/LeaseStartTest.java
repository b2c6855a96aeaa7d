package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.mlxnative.Zeroing;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

class LeaseStartTest {
    private final PoolSetup setup = new PoolSetup();

    private static byte[] bytes(Lease lease) {
        return lease.block().segment().toArray(JAVA_BYTE);
    }

    private static Lease reused(PoolEngine pool) {
        Lease lease = Lease.of(pool, 256);
        lease.block().segment().fill((byte) 7);
        lease.end();
        return Lease.of(pool, 256);
    }

    @Test
    void memoryThatWasUsedBeforeIsCleared() {
        assertThat(bytes(reused(setup.zeroing(Zeroing.ALWAYS).engine()))).containsOnly(0);
    }

    @Test
    void memoryThatWasUsedBeforeKeepsItsContentsIfThePoolDoesNotClear() {
        assertThat(bytes(reused(setup.zeroing(Zeroing.FRESH).engine()))).containsOnly(7);
    }

    @Test
    void memoryOfTheDeviceIsNotClearedAgain() {
        setup.zeroing(Zeroing.ALWAYS).source.isReadOnly = true;
        assertThat(Lease.of(setup.engine(), 256).capacity()).isEqualTo(256);
    }

    @Test
    void memoryThatCannotBePreparedIsFreeAgain() {
        PoolEngine pool = setup.zeroing(Zeroing.ALWAYS).engine();
        setup.source.isReadOnly = true;
        Lease.of(pool, PAGE).end();
        assertThatThrownBy(() -> Lease.of(pool, PAGE)).hasMessageContaining("read-only");
        assertThat(pool.snapshot()).returns(0, stats -> stats.activeCount()).returns(1, stats -> stats.cachedCount());
    }

    @Test
    void memoryThatIsReusedLateIsClearedToo() {
        PoolEngine pool = setup.zeroing(Zeroing.ALWAYS).engine();
        var fence = new FakeFence();
        Lease lease = Lease.of(pool, PAGE);
        MemorySegment segment = lease.block().segment();
        segment.fill((byte) 7);
        lease.endWith(fence);
        fence.complete();
        assertThat(bytes(Lease.of(pool, PAGE))).as("memory of a complete fence").containsOnly(0);
        assertThat(pool.snapshot().hits()).isEqualTo(1);
    }
}
