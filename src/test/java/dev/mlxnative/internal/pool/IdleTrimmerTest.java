package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class IdleTrimmerTest {
    private final PoolSetup setup = new PoolSetup();
    private final PoolEngine pool = setup.limits(limits -> limits.withTrimIdleNanos(TimeUnit.MILLISECONDS.toNanos(5)))
            .engine();

    @Test
    void memoryThatLiesIdleIsFreed() {
        Lease used = Lease.of(pool, 2 * PAGE);
        Lease.of(pool, PAGE).end();
        Waiting.until("the idle memory is freed", () -> setup.source.allocatedBytes() == 2 * PAGE);
        assertThat(setup.source.takeSteps()).containsExactly("allocate 32768", "allocate 16384", "free 16384");
        used.end();
        Waiting.until("all memory is freed", () -> setup.source.allocatedBytes() == 0);
    }

    @Test
    void parkedMemoryIsReapedAndThenFreed() {
        var fence = new FakeFence();
        Lease.of(pool, PAGE).endWith(fence);
        fence.complete();
        Waiting.until("all memory is freed", () -> setup.source.allocatedBytes() == 0);
        assertThat(pool.snapshot().parkedCount()).isZero();
    }
}
