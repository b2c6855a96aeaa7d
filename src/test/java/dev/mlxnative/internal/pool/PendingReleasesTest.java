package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.mlxnative.MlxFence;
import dev.mlxnative.internal.device.ProgramBound;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PendingReleasesTest {
    private final FakeMemorySource source = new FakeMemorySource();
    private final PendingReleases pending = new PendingReleases();
    private final FakeFence fence = new FakeFence();
    private final FakeFence otherFence = new FakeFence();

    @AfterEach
    void noMethodLeavesTheLockLocked() throws Exception {
        CompletableFuture.runAsync(pending::isEmpty).get(10, TimeUnit.SECONDS);
    }

    private Block block(long capacity) {
        return Block.whole(source.allocate(capacity));
    }

    private Block parked(FakeFence withFence, long capacity) {
        Block block = block(capacity);
        park(block, withFence);
        return block;
    }

    private void park(Block block, MlxFence withFence) {
        pending.reserve(withFence);
        pending.add(block, withFence);
        pending.unreserve(withFence);
    }

    private List<Block> take(MlxFence fenceOfBlocks) {
        return Chain.blocks(pending.take(fenceOfBlocks));
    }

    @Test
    void nothingIsParkedAtFirst() {
        assertThat(pending.isEmpty()).isTrue();
        assertThat(pending.fences()).isEmpty();
        assertThat(pending.count()).isZero();
        assertThat(pending.bytes()).isZero();
        assertThat(pending.take(fence)).isNull();
        assertThat(pending.watchOldest()).isNull();
        assertThat(pending.completeByThemselves()).isFalse();
        assertThat(pending.markReported(fence)).isFalse();
    }

    @Test
    void blocksThatWaitForOneFenceAreTakenTogether() {
        Block first = parked(fence, 256);
        Block second = parked(fence, 512);
        Block other = parked(otherFence, 1024);
        assertThat(pending.fences()).containsExactlyInAnyOrder(fence, otherFence);
        assertThat(take(fence)).containsExactly(first, second);
        assertThat(pending.fences()).containsExactly(otherFence);
        assertThat(take(otherFence)).containsExactly(other);
        assertThat(pending.isEmpty()).isTrue();
        assertThat(pending.fences()).isEmpty();
    }

    @Test
    void aFenceIsRetainedOnceForAllItsBlocks() {
        parked(fence, 256);
        parked(fence, 256);
        assertThat(fence.retains()).isEqualTo(1);
    }

    @Test
    void aBlockCountsAsParkedUntilItIsFree() {
        Block block = parked(fence, 256);
        parked(otherFence, 512);
        assertThat(pending.count()).isEqualTo(2);
        assertThat(pending.bytes()).isEqualTo(768);
        pending.take(fence);
        assertThat(pending.count()).as("a thread makes it free").isEqualTo(2);
        assertThat(pending.bytes()).isEqualTo(768);
        pending.completed(block);
        assertThat(pending.count()).isEqualTo(1);
        assertThat(pending.bytes()).isEqualTo(512);
        assertThat(pending.isEmpty()).isFalse();
    }

    @Test
    void blocksCompleteByThemselvesUnlessTheirFenceHasFailed() {
        parked(fence, 256);
        assertThat(pending.completeByThemselves()).isTrue();
        pending.markReported(fence);
        assertThat(pending.completeByThemselves()).isFalse();
        parked(otherFence, 256);
        assertThat(pending.completeByThemselves()).isTrue();
    }

    @Test
    void blocksDoNotCompleteByThemselvesWhileTheirScopeIsOpen() {
        var scoped = new ScopedFence();
        park(block(256), scoped);
        assertThat(pending.completeByThemselves()).isFalse();
        assertThat(pending.watchOldest()).isNull();
        scoped.scopeEnded = true;
        assertThat(pending.completeByThemselves()).isTrue();
        assertThat(pending.watchOldest()).isSameAs(scoped);
    }

    @Test
    void blocksThatAThreadMakesFreeCompleteByThemselves() {
        Block first = parked(fence, 256);
        Block second = parked(fence, 256);
        pending.take(fence);
        pending.completed(first);
        assertThat(pending.completeByThemselves()).isTrue();
        pending.completed(second);
        assertThat(pending.completeByThemselves()).isFalse();
    }

    @Test
    void fencesAreWatchedOnceEachFromTheOldest() {
        List<FakeFence> fences = Stream.generate(FakeFence::new).limit(20).toList();
        fences.forEach(each -> parked(each, 256));
        for (FakeFence expected : fences) {
            assertThat(pending.watchOldest()).isSameAs(expected);
        }
        assertThat(pending.watchOldest()).isNull();
    }

    @Test
    void aBlockIsParkedWithAReservationAlone() {
        Block block = block(256);
        assertThatThrownBy(() -> pending.add(block, fence))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("no reservation");
        assertThat(pending.count()).isZero();
    }

    @Test
    void aReservationIsNoParkedBlock() {
        pending.reserve(fence);
        assertThat(pending.isEmpty()).isTrue();
        assertThat(pending.count()).isZero();
        assertThat(pending.completeByThemselves()).isFalse();
        assertThat(pending.watchOldest()).isNull();
        assertThat(pending.take(fence)).isNull();
        assertThat(pending.fences()).as("blocks may follow").containsExactly(fence);
    }

    @Test
    void aReservationThatWasNotUsedReleasesTheFenceOnce() {
        pending.reserve(fence);
        pending.reserve(fence);
        assertThat(fence.retains()).isEqualTo(1);
        pending.unreserve(fence);
        assertThat(fence.retains()).as("another reservation is left").isEqualTo(1);
        assertThat(pending.fences()).containsExactly(fence);
        pending.unreserve(fence);
        assertThat(fence.retains()).isZero();
        assertThat(pending.fences()).isEmpty();
        pending.unreserve(fence);
        assertThat(fence.retains()).isZero();
    }

    @Test
    void parkedBlocksStayWhenTheReservationEnds() {
        pending.reserve(fence);
        Block block = block(256);
        pending.add(block, fence);
        pending.unreserve(fence);
        assertThat(fence.retains()).isEqualTo(1);
        assertThat(take(fence)).containsExactly(block);
        assertThat(fence.retains()).isZero();
    }

    @Test
    void aReservationStaysWhenBlocksAreTaken() {
        pending.reserve(fence);
        Block first = block(256);
        pending.add(first, fence);
        assertThat(pending.watchOldest()).isSameAs(fence);
        assertThat(take(fence)).containsExactly(first);
        assertThat(fence.retains()).as("for the blocks that may follow").isEqualTo(1);
        pending.completed(first);
        Block second = block(512);
        pending.add(second, fence);
        assertThat(pending.count()).isEqualTo(1);
        assertThat(pending.bytes()).isEqualTo(512);
        assertThat(pending.watchOldest()).as("no thread waits for it any more").isSameAs(fence);
        assertThat(take(fence)).containsExactly(second);
        pending.unreserve(fence);
        assertThat(fence.retains()).isZero();
        assertThat(pending.fences()).isEmpty();
    }

    @Test
    void theReservationsOfFencesAreTheirOwn() {
        pending.reserve(fence);
        pending.reserve(otherFence);
        pending.unreserve(fence);
        assertThat(pending.fences()).containsExactly(otherFence);
        assertThat(otherFence.retains()).isEqualTo(1);
    }

    @Test
    void theFailureOfAFenceIsReportedOnce() {
        parked(fence, 256);
        assertThat(pending.markReported(fence)).isTrue();
        assertThat(pending.markReported(fence)).isFalse();
        assertThat(pending.markReported(otherFence)).isFalse();
    }

    /** A fence of a scope that a test ends. */
    private static final class ScopedFence implements ProgramBound {
        private boolean scopeEnded;

        @Override
        public boolean waitsForProgram() {
            return !scopeEnded;
        }

        @Override
        public boolean isComplete() {
            return false;
        }

        @Override
        public void await() {}
    }
}
