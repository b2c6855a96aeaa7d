package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class FenceUseTest {
    private final PendingReleases pending = new PendingReleases();
    private final FakeFence fence = new FakeFence();

    @Test
    void aFenceThatIsNotCompleteHasRoomReserved() {
        try (var use = new FenceUse(fence, pending)) {
            assertThat(use.pending()).isSameAs(fence);
            assertThat(pending.fences()).containsExactly(fence);
            assertThat(fence.retains()).as("by the use and by the reservation").isEqualTo(2);
        }
        assertThat(pending.fences()).isEmpty();
        assertThat(fence.retains()).isZero();
    }

    @Test
    void memoryThatWasParkedStaysParked() {
        Block block = Block.whole(new FakeMemorySource().allocate(PAGE));
        try (var use = new FenceUse(fence, pending)) {
            assertThat(use.pending()).isNotNull();
            pending.add(block, fence);
        }
        assertThat(fence.retains()).isEqualTo(1);
        assertThat(Chain.blocks(pending.take(fence))).containsExactly(block);
        assertThat(fence.retains()).isZero();
    }

    @Test
    void aFenceThatIsCompleteNeedsNoRoom() {
        fence.complete();
        try (var use = new FenceUse(fence, pending)) {
            assertThat(use.pending()).isNull();
            assertThat(pending.fences()).isEmpty();
            assertThat(fence.retains()).isEqualTo(1);
        }
        assertThat(fence.retains()).isZero();
    }

    /** Whether memory is parked is decided once: a fence that completes meanwhile has its reservation ended too. */
    @Test
    void aFenceThatBecomesCompleteMeanwhileEndsItsReservation() {
        try (var use = new FenceUse(fence, pending)) {
            fence.complete();
            assertThat(use.pending()).isSameAs(fence);
        }
        assertThat(pending.fences()).isEmpty();
        assertThat(fence.retains()).isZero();
        assertThat(fence.questions()).isEqualTo(1);
    }

    @Test
    void aFenceThatFailsIsReleased() {
        fence.failing = true;
        assertThatThrownBy(() -> new FenceUse(fence, pending)).isInstanceOf(FakeFence.Failure.class);
        assertThat(pending.fences()).isEmpty();
        assertThat(fence.retains()).isZero();
    }
}
